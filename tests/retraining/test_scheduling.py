"""The examples of docs/scheduling.md, taken out of the page and run: as cron runs them, and as systemd does."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pat import tracking
from pat.cli import COMMANDS, _parser
from pat.retraining.cusum import REFERENCE_VALUE, RUN_LENGTH, decision_interval
from pat.retraining.outcome import _EXIT_CODES
from tests.retraining.settled import settle
from tests.small_campaign import Campaign, store_without

PAGE = (Path(__file__).parents[2] / "docs" / "scheduling.md").read_text(encoding="utf-8")
SYSTEMD = shutil.which("systemd-analyze")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture(scope="module")
def project(made: Campaign, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that the page speaks of: its champion, its stores, its environment, and a mail that writes a file."""
    folder = tmp_path_factory.mktemp("srv") / "pat"
    blend = folder / "models" / "blend"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        settle(made, folder)
    blend.mkdir(parents=True)
    for name in ("method.yaml", "artefact"):
        shutil.move(folder / name, blend / name)
    (folder / "data").mkdir()
    shutil.move(folder / "raw.zarr", folder / "data" / "raw.zarr")
    (folder / ".venv" / "bin").mkdir(parents=True)
    # The command as it is installed, on the code that is under test.
    root = Path(__file__).parents[2]
    installed = f'#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} -m pat "$@"\n'
    mail = '#!/bin/sh\n{ echo "$@"; cat; } > mailed\n'
    for path, text in ((folder / ".venv" / "bin" / "pat", installed), (folder / "bin" / "mail", mail)):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return folder


def placed(text: str, project: Path) -> str:
    return text.replace("/srv/pat", str(project))


def environment(project: Path, **more: str) -> dict[str, str]:
    """What cron and systemd give: next to nothing."""
    return {"HOME": str(project), "PATH": f"{project}/bin:/usr/bin:/bin", **more}


def run_cron(project: Path, data: str = "data/raw.zarr") -> str:
    (text,) = blocks("crontab")
    *settings, line = placed(text, project).strip().splitlines()
    variables = dict(setting.split("=", 1) for setting in settings)
    fields = line.split(None, 5)
    assert re.fullmatch(r"(\S+ ){5}", " ".join(fields[:5]) + " ")
    assert "%" not in fields[5]  # cron would take it for the end of the line
    command = fields[5].replace("data/raw.zarr", data)
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=environment(project, **variables), cwd="/", capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
@pytest.mark.requirement("URS-70", "URS-73")
def test_the_cron_line_makes_a_challenger_says_so_and_is_quiet_where_nothing_is_new(project, made, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    printed = run_cron(project)
    assert "it waits for signatures: pat approve models/blend/challengers/" in printed
    assert printed.rstrip().endswith("(exit code 0)")
    assert tracking.challenger("small", root=project) is not None
    assert (project / "audit" / "trail.jsonl").is_file()
    store_without(made.raw, project / "data" / "old.zarr", "N1", "N2", "N3")
    assert run_cron(project, "data/old.zarr") == ""
    assert run_cron(project, "data/none.zarr").rstrip().endswith("(exit code 2)")


def unit(project: Path, name: str) -> configparser.ConfigParser:
    text = next(block for block in blocks("systemd") if block.startswith(f"# /etc/systemd/system/{name}\n"))
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(placed(text, project))
    return parser


@pytest.mark.slow
@pytest.mark.requirement("URS-73")
def test_the_service_runs_and_calls_a_person_unless_nothing_is_new(project, made):
    service = unit(project, "pat-retrain.service")["Service"]
    kind, _, log = service["StandardOutput"].partition(":")
    assert kind == "truncate"
    key, value = service["Environment"].split("=", 1)
    store_without(made.raw, project / "data" / "before.zarr", "N1", "N2", "N3")
    for data, code in (("data/raw.zarr", 0), ("data/before.zarr", 3)):
        command = shlex.split(service["ExecStart"].replace("data/raw.zarr", data))
        with open(log, "w") as output:
            done = subprocess.run(
                command, env=environment(project, **{key: value}), cwd=service["WorkingDirectory"], stdout=output,
                timeout=300, check=False,
            )  # fmt: skip
        assert done.returncode == code
        assert Path(log).read_text().startswith("{")
        (project / "mailed").unlink(missing_ok=True)
        told = environment(project, EXIT_STATUS=str(code))
        after = shlex.split(service["ExecStopPost"])
        subprocess.run(after, env=told, cwd=service["WorkingDirectory"], timeout=60, check=True)
        assert (project / "mailed").exists() == (code != 3)
    assert int(service["SuccessExitStatus"]) == 3


def test_the_units_hold_before_systemd(project, tmp_path):
    names = ("pat-retrain.service", "pat-retrain.timer")
    if SYSTEMD is None:
        pytest.skip("systemd-analyze is not installed here; what the units run is run without it")
    for name in names:
        text = next(block for block in blocks("systemd") if block.startswith(f"# /etc/systemd/system/{name}\n"))
        (tmp_path / name).write_text(placed(text, project))
    paths = [str(tmp_path / name) for name in names]
    done = subprocess.run([SYSTEMD, "verify", *paths], capture_output=True, text=True, timeout=60, check=False)
    said = [line for line in done.stderr.splitlines() if "pat-retrain" in line]
    assert (done.returncode, said) == (0, [])
    when = unit(project, "pat-retrain.timer")["Timer"]["OnCalendar"]
    calendar = subprocess.run([SYSTEMD, "calendar", when], capture_output=True, text=True, timeout=60, check=False)
    assert "Normalized form: Mon *-*-* 05:30:00" in calendar.stdout


def test_the_page_knows_every_exit_code_and_the_constants():
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, flags=re.MULTILINE)}
    assert set(_EXIT_CODES.values()) | {2, 130} <= documented
    assert (
        f"reference value {REFERENCE_VALUE:g} SD, decision interval {decision_interval(0.5, RUN_LENGTH):.2f} SD" in PAGE
    )
    assert f"one false alarm in {RUN_LENGTH:.0f} batches" in PAGE


def test_every_command_of_the_page_is_understood():
    """Without running it: that takes a minute, and is done by the tests marked slow."""
    names = {command.name.split()[0] for command in COMMANDS}
    assert set(re.findall(r"\bpat ([a-z]+)\b", PAGE)) <= names
    lines = re.findall(r"^pat .*$", PAGE, flags=re.MULTILINE)
    lines += re.findall(r"bin/(pat retrain [^\n]*?)(?: 2>&1|\n)", PAGE)
    assert len(lines) == 8
    for line in lines:
        assert _parser().parse_args(shlex.split(line, comments=True)[1:])
