"""Fixtures that several test modules share; everything in them is simulated unless it says measured."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pat.artefact import Content
from pat.scorer import Scorer
from tests import simulated

MEASURED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a user's programs remember lies in a folder of the test run, never in that of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _trail_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give every test, and every process that it starts, an audit trail that is not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAT_TRAIL", str(tmp_path_factory.mktemp("audit") / "trail.jsonl"))
        yield


@pytest.fixture(scope="session")
def content() -> Content:
    return simulated.make_content()


@pytest.fixture(scope="session")
def scorer(content: Content) -> Scorer:
    return Scorer(content)


@pytest.fixture(scope="session")
def demo_artefact(content: Content, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an artefact with a homogeneity rule; read it, never change it."""
    folder = tmp_path_factory.mktemp("demo") / "artefact"
    simulated.write_artefact(folder, content)
    return folder


@pytest.fixture
def artefact_folder(demo_artefact: Path, tmp_path: Path) -> Path:
    """Copy of `demo_artefact` for a test to damage."""
    return Path(shutil.copytree(demo_artefact, tmp_path / "artefact"))


@pytest.fixture(scope="session")
def measured() -> Callable[[str], dict[str, Any]]:
    """Return the arrays of a measured data set by its name; skips where this machine has none.

    Measured spectra lie beside the project, never in it, for their licences differ.
    """

    def load(name: str) -> dict[str, Any]:
        path = MEASURED / f"{name}.npz"
        if not path.is_file():
            pytest.skip(f"measured data are no part of the project; looked for ../shared/data/{path.name} beside it")
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}

    return load
