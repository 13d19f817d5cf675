"""`make run`: the whole pipeline by DVC, its record in MLflow, and a held-out batch replayed live."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from pat.audit import Trail
from pat.profiles import follow_on, load_profiles
from pat.scorer import Reading, Scorer
from pat.spectra import batches_with_role, open_store, select_batches
from pat.terminal import show
from pat.validation.run import Validation
from pipelines.stage import main
from pipelines.track import track

DEMO = Path("models/demo")
# A person watches the replay; a log does not wait.
_SECONDS_PER_REVOLUTION = 0.04


def repro(console: Console) -> None:
    """Run what DVC finds out of date; the exit code of a failing stage becomes this one's."""
    console.rule("pipeline (DVC)")
    # The stages import `pat` and `pipelines` from here, whatever Python is first on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with subprocess.Popen([sys.executable, "-m", "dvc", "repro"], env={**os.environ, "PATH": path}) as dvc:
        try:
            code = dvc.wait()
        except KeyboardInterrupt:  # DVC and its stage have got it too, and put things in order before they end
            dvc.wait()
            raise
    if code:
        sys.exit(code)


def _paced(readings: Iterator[Reading], console: Console) -> Iterator[Reading]:
    for reading in readings:
        yield reading
        if console.is_terminal:
            time.sleep(_SECONDS_PER_REVOLUTION)


def replay(console: Console) -> Reading:
    """Score the held-out batch spectrum by spectrum; return the last reading."""
    console.rule("replay of a held-out batch (simulated) through the artefact")
    # Nobody has released the demo's artefact: it is loaded to explore, and every reading carries that.
    scorer = Scorer.load(DEMO / "artefact", allow_unreleased=True, trail=Trail.open())
    raw = open_store(DEMO / "work" / "raw.zarr", verify=True)
    batch = batches_with_role(raw, "held_out")[0]
    held_out = select_batches(raw, [batch])
    with scorer.start(batch) as blend:
        readings = _paced(follow_on(blend, held_out), console)
        return show(readings, scorer, held_out.sizes["spectrum"], console, blend.forecast)


def run() -> None:
    """Do all of it, and end with what matters."""
    console = Console()
    repro(console)
    console.rule("record (MLflow)")
    console.print(track(DEMO), highlight=False, soft_wrap=True)
    last = replay(console)
    [profile] = load_profiles(DEMO / "work" / "replay" / "profiles.json")
    figures = Validation.load(DEMO / "work" / "validation").document["figures"]
    console.rule("result")
    for line in (
        f"end-point found at revolution {last.endpoint}, true {profile.true_endpoint} (simulated batch {last.batch})",
        f"RMSEP {figures['rmsep']:.3f} % w/w on validation batches",
        f"artefact {last.artefact} (validated, not released)",
        f"report {DEMO / 'report.html'}",
        f"audit trail {Trail.open().path}",
    ):
        console.print(line, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main(run)
