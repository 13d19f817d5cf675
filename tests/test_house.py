"""The house keeps its promises: the line needs numpy alone, the wheel stands by itself, the pins are pins."""

from __future__ import annotations

import ast
import json
import os
import platform
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pat import artefact
from tests import simulated
from tests.wide_csv import write_csv

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Run a program that must succeed, and return what it printed."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def loaded_by(program: str, *arguments: str | Path) -> set[str]:
    """Top-level packages outside the standard library that a program loads in a fresh interpreter."""
    after = "print(*(set(sys.modules) - before), file=sys.stderr)"
    report = f"import sys\nbefore = set(sys.modules)\n{program}\n{after}"
    result = subprocess.run(
        [sys.executable, "-c", report, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    packages = {name.partition(".")[0] for name in result.stderr.split()}
    # numpy's compiled modules share what Cython needs at run time, registered under names of its own.
    return {name for name in packages - sys.stdlib_module_names if "cython_" not in name}


@pytest.mark.requirement("URS-46")
def test_the_scorer_loads_numpy_and_nothing_else(demo_artefact):
    program = """
import numpy
from pat.scorer import Scorer
scorer = Scorer.load(sys.argv[1], allow_unreleased=True)
absorbance = numpy.random.default_rng(0).normal(1.0, 0.1, scorer.wavelength.size)
assert scorer.predict(absorbance).value.shape == (1,)
assert scorer.start("B-1").update(absorbance, revolution=1).status
"""
    assert loaded_by(program, demo_artefact) == {"numpy", "pat"}


def test_help_loads_nothing_that_takes_time():
    assert loaded_by("from pat.cli import main\nassert main(['--help']) == 0") == {"pat"}


@pytest.mark.parametrize("package", ["pat", "pat/core"])
def test_the_packages_above_the_line_import_nothing(package):
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a user would get it, built in an environment of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs of an environment that holds the wheel and its base dependencies alone."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    requirements = [str(wheel), f"numpy=={np.__version__}"]
    run(sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "--quiet", *requirements)
    return folder / "bin"


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"pat"}
    assert "pat/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_needs_numpy_and_cryptography_alone(installed, tmp_path):
    program = "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))"
    found = run(installed / "python", "-c", program, cwd=tmp_path, PYTHONPATH="").split()
    # The last two are what cryptography needs.
    assert set(found) - {"cffi", "pycparser"} == {"cryptography", "numpy", "pat-blend"}


@pytest.mark.requirement("URS-46")
def test_the_installed_command_verifies_and_scores(installed, demo_artefact, tmp_path):
    content = np.random.default_rng(5).normal(10.0, 0.08, 60)
    write_csv(tmp_path / "spectra.csv", {"B-1": simulated.spectra(content, seed=6)})

    def pat(*arguments: str | Path) -> str:
        return run(installed / "pat", *arguments, cwd=tmp_path, PYTHONPATH="")

    assert "score" in pat("--help")
    assert json.loads(pat("verify", demo_artefact, "--json"))["digest"] == artefact.read(demo_artefact).content.digest
    scored = json.loads(pat("score", demo_artefact, "spectra.csv", "--allow-unreleased", "--json"))
    (batch,) = scored["batches"]
    assert batch["state"] == "UNIFORM"
    # The content that the spectra were made with, to the noise of one spectrum.
    np.testing.assert_allclose([reading["value"] for reading in batch["readings"]], content, atol=0.2)


def test_the_installed_command_names_the_missing_laboratory(installed, tmp_path):
    (tmp_path / "spectra.csv").write_text("batch,1000\n")
    command = [str(installed / "pat"), "import", "spectra.csv", "--to", "raw.zarr"]
    environment = {**os.environ, "PYTHONPATH": ""}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 2
    assert 'pip install "pat-blend[lab]"' in result.stderr


@pytest.mark.requirement("URS-82")
@pytest.mark.parametrize("extras", [("lab", "live"), ("lab", "live", "dev")], ids=["lab", "dev"])
def test_every_dependency_is_pinned_and_no_pin_has_an_address(extras):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = list(project["dependencies"])
    for extra in extras:
        asked += project["optional-dependencies"][extra]
    lines = (ROOT / "requirements" / f"{extras[-1] if extras[-1] == 'dev' else 'lab'}.txt").read_text().splitlines()
    pins = [re.fullmatch(r"([a-z0-9-]+)==\S+( ; .+)?", line) for line in lines]
    assert all(pins), [line for line, pin in zip(lines, pins, strict=True) if not pin]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~ ]", line)[0]).lower() for line in asked}
    assert names <= {pin[1] for pin in pins if pin}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the pipeline pins CPU kernels on x86-64 alone")
def test_the_pipelines_cpu_kernels_are_names_that_numpy_knows():
    # A stage imports `pipelines` before numpy, which then warns of a feature that it does not know.
    found = run(
        sys.executable, "-W", "error", "-c", "import pipelines, os, numpy; print(os.environ['OPENBLAS_CORETYPE'])"
    )
    assert found.strip() == "Haswell"
