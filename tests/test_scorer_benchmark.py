"""The scorer's benchmark compares like with like: all answers agree before any time is taken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests import peers, simulated  # noqa: F401  # chemotools is imported in peace, before the benchmark does so


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from benchmarks import scorer, scorer_peers

    return scorer_peers.calibrated(scorer.opened(simulated.RULE), tmp_path_factory.mktemp("peers"))


def test_all_programs_give_the_same_numbers(calibrated: Any) -> None:
    from benchmarks.scorer_peers import require_equal

    require_equal(calibrated)
    off = replace(calibrated, alone={"wrong": lambda x: 1.001 * calibrated.pipeline.predict(x)})
    with pytest.raises(RuntimeError, match="ours and wrong, prediction differ by"):
        require_equal(off)


def test_everything_is_measured_and_ours_comes_first(calibrated: Any) -> None:
    from benchmarks import scorer

    timed = [
        *scorer.singles(calibrated, 20),
        *scorer.updates(calibrated, 20),
        *scorer.in_blocks(calibrated, 50),
    ]
    assert all(0.0 < one.median <= one.high for one in timed)
    ours = [line for line in scorer.table(timed).splitlines() if line.startswith("  ours")]
    assert len(ours) == 4
    assert all(line.endswith("x 1.0") for line in ours)


def test_a_long_batch_does_not_drift(calibrated: Any) -> None:
    from benchmarks import scorer

    run = scorer.long_run(calibrated, 400)
    assert run.spectra == 400
    assert run.drift < 1e-9
    assert np.isfinite([run.first.median, run.last.high, run.grown]).all()
