"""Raw calibration spectra in memory: read once a process, and learnt from a block at a time (simulated)."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pat import compute
from pat.calibration import known
from pat.calibration.known import Source, moments_of
from pat.core import pls
from pat.core.preprocess import Treatment, fit_treatment
from pat.errors import InputError
from pat.spectra import open_store, write_store
from tests.calibration.mixtures import AXIS, mixtures

STEPS: list[dict[str, Any]] = [{"step": "msc"}, {"step": "osc", "n_components": 2}, {"step": "scale"}]


@pytest.fixture
def stored(tmp_path: Path) -> xr.Dataset:
    write_store(mixtures(8, 5), tmp_path / "raw.zarr")
    return open_store(tmp_path / "raw.zarr")


def test_a_process_reads_them_once_and_lets_go_of_them(stored: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = Source._read

    def counted(self: Source) -> known.Known:
        read.append(1)
        return original(self)

    monkeypatch.setattr(Source, "_read", counted)
    source = Source(stored, "api")
    first = source.known()
    places = compute.map_items(lambda s: s.known().x.__array_interface__["data"][0], [source] * 6)
    assert set(places) == {first.x.__array_interface__["data"][0]}
    assert len(read) == 1
    np.testing.assert_array_equal(first.x, stored["absorbance"].values)
    np.testing.assert_array_equal(first.y, stored["api"].values)
    del first
    gc.collect()
    assert len(known._in_process) == 0


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_they_travel_to_wherever_it_is_computed(stored: xr.Dataset, scheduler: str) -> None:
    with compute.scheduler(scheduler):
        sums = compute.map_items(_sum, [Source(stored, "api")] * 2)
    assert sums == [float(stored["absorbance"].values.sum())] * 2


def _sum(source: Source) -> float:
    return float(source.known().x.sum())


def test_blocks_learn_what_all_at_once_learn(stored: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_BLOCK", 7)
    found = Source(stored, "api").known()
    rows = np.flatnonzero(np.arange(40) % 3 > 0)
    treat = found.learn([], STEPS, rows)
    together = Treatment(AXIS, [], fit_treatment(AXIS, [], STEPS, found.x[rows], found.y[rows]))
    treated = together(found.x)
    np.testing.assert_allclose(treat(found.x), treated, rtol=0, atol=1e-9 * np.abs(treated).max())
    total = moments_of(lambda some: treated[some], found.y, rows)
    expected = pls.moments(treated[rows], found.y[rows], total.shift_x, total.shift_y)
    np.testing.assert_allclose(total.xx, expected.xx, rtol=1e-12, atol=1e-12 * expected.xx.max())
    np.testing.assert_allclose(total.xy, expected.xy, rtol=1e-12, atol=1e-12 * np.abs(expected.xy).max())
    off = moments_of(lambda some: treated[some], found.y, rows[:5], total)
    rest = pls.without(total, off)
    assert rest.n == rows.size - 5


def test_a_spectrum_that_a_treatment_spoils_is_named(stored: xr.Dataset) -> None:
    found = Source(stored, "api").known()
    found.x[13] = 0.25  # SNV of a constant is 0 / 0
    with pytest.raises(InputError, match="spectrum 13 of the calibration is not finite after treatment"):
        found.treated(Treatment(AXIS, [], [{"step": "snv"}]), np.arange(10, 20))
