"""The method of two milk powders: calibrated on measured scans, its rule learnt from blends composed of others.

`benchmarks.composed` makes the spectra; how the blends mix is simulated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import xarray as xr

from benchmarks import published
from benchmarks.blends import REVOLUTIONS, Kind, Mixing, mix
from benchmarks.composed import Powder, Scans
from pat.artefact import Content
from pat.assembly import assemble
from pat.calibration import calibrate
from pat.core import diagnostics
from pat.core.blocks import Constants
from pat.core.types import Array
from pat.core.witnesses import constants_of
from pat.homogeneity import HomogeneityModel, learn
from pat.method import Method
from pat.spectra import build, split_batches
from pat.treatment import treat

TARGET, LIMIT, MEAN_RANGE = 50.0, 10.0, 10.0
"""Content (% w/w), largest RSD (%) and largest deviation of the mean (%) of a uniform blend."""
PHI = 0.3
"""Autocorrelation of the blend."""
NEAR = "floor 7.3 %"
_kind = partial(Kind, start=1.0, floor=0.033, demix_size=(0.13, 0.27), pocket_size=0.8)
KINDS = (
    _kind("good", "good", attainable=True),
    _kind("slow", "slow", rate=0.020, layer_rate=0.027, attainable=True),
    _kind("fast", "fast", rate=0.090, layer_rate=0.12, attainable=True),
    _kind(NEAR, "7.3", floor=0.073, attainable=True),
    # Above it by so little that none comes down to it by rounding.
    _kind("floor 10 %", "10.0", floor=0.1 + 1e-6),
    _kind("floor 10.5 %", "10.5", floor=0.105),
    _kind("dead zone .15", "d.15", pockets=0.15),
    _kind("dead zone .05", "d.05", pockets=0.05, inside=False),
    _kind("de-mixing early", "dm-e", demix=(75.0, 95.0)),
    _kind("de-mixing late", "dm-l", demix=(150.0, 190.0)),
    _kind("assay 75 %", "75%", assay=0.75),
    _kind("strength 50 %", "50%", assay=0.50),
)
"""As in `benchmarks.blends`, for a limit of 10 %; the powders are wholly apart when they are loaded."""
_SEED = 816_000
_ACCEPTED, _STATIC, _STATIC_READINGS = 12, 6, 60


@dataclass(frozen=True)
class Line:
    """A method that was calibrated and learnt, and the powder of the blends that it is to follow.

    Attributes
    ----------
    method : Method
    content : Content
        Of the artefact.
    constants : Constants
        Of the published statistics.
    powder : Powder
    reference : published.Reference
    """

    method: Method
    content: Content
    constants: Constants
    powder: Powder
    reference: published.Reference


def method() -> Method:
    """Return the method of the two powders."""
    return Method.from_document(
        {
            "name": "two_powders",
            "version": 1,
            "product": "Mixtures of two milk powders: measured scans, simulated compositions",
            "analyte": {"name": "powder", "units": "% w/w", "target": TARGET, "low": 0.0, "high": 100.0},
            "preprocessing": [{"step": "snv"}, {"step": "savitzky_golay", "window": 15, "polyorder": 2, "deriv": 1}],
            "calibration": {"max_components": 4, "component_rule": "one_standard_error", "scope_confidence": 0.9999},
            "homogeneity": {
                "block_size": 20,
                "max_rsd": LIMIT,
                "max_mean_deviation": MEAN_RANGE,
                "risk_per_batch": 0.01,
                "pocket_risk_per_batch": 0.08,
                "smallest_pocket": 0.15,
                "scale_of_scrutiny": 25.0,
                "min_revolutions": published.FIRST,
                "max_revolutions": REVOLUTIONS,
            },
            "acceptance": {"max_rmsep": 5.0},
        }
    )


def prepare(rules: Method, scans: Scans) -> Line:
    """Calibrate on one part of the scans, learn from blends of a second, and compose blends of the third.

    Parameters
    ----------
    rules : Method
    scans : Scans
    """
    to_calibrate, to_accept, to_run = scans.parts()
    axis, treatment = scans.wavelength, rules.treatment(scans.wavelength)
    levels = [
        _Batch(f"level {level:g}", "calibration", spectra, level)
        for level, spectra in zip(to_calibrate.level.tolist(), to_calibrate.absorbance, strict=True)
    ]
    calibration = calibrate(rules, _dataset(levels, axis))

    def predict(spectra: Array) -> Array:
        return diagnostics.evaluate(calibration.model, treatment(spectra))[0]

    # At every composition as much noise as the scans at the target have, and alike in every blend.
    scatter = Scans(axis, scans.level, np.concatenate([to_accept.absorbance, to_run.absorbance], axis=1))
    noise = float(scans.scatter(predict)[scans.level == TARGET][0])
    treated = treat(rules, _dataset([*_to_learn_from(Powder(to_accept, scatter, predict, noise))], axis))
    learnt = learn(rules, calibration, treated)
    return Line(
        rules,
        assemble(rules, calibration, learnt),
        constants_of(learnt.rule, calibration.t2_limit, calibration.q_limit, learnt.witnesses),
        Powder(to_run, scatter, predict, noise),
        _reference(learnt, treated),
    )


class _Batch(NamedTuple):
    """Spectra (m, p) of a batch, and their content (% w/w), NaN where none is known."""

    name: str
    role: str
    spectra: Array
    content: float = np.nan


def _to_learn_from(powder: Powder) -> Iterator[_Batch]:
    """Yield repeat readings of static powder and accepted blends."""
    rng = np.random.default_rng([_SEED, 0])
    for i in range(_STATIC):
        yield _Batch(f"static {i}", "repeatability", powder.spectra(np.full(_STATIC_READINGS, TARGET), rng))
    for i, content in enumerate(contents(mix(KINDS[0], PHI, _ACCEPTED, rng)).T):
        yield _Batch(f"accepted {i}", "accepted", powder.spectra(content, rng))


def contents(mixing: Mixing) -> Array:
    """Contents (revolutions, n) in % w/w, none below the one powder or above the other."""
    return np.clip(TARGET * mixing.content, 0.0, 100.0)


def _dataset(batches: Sequence[_Batch], axis: Array) -> xr.Dataset:
    sizes = [len(batch.spectra) for batch in batches]
    start, step = np.datetime64("2026-03-02T08:00", "ns"), np.timedelta64(10, "s")
    return build(
        np.concatenate([batch.spectra for batch in batches]),
        wavelength=axis,
        batch=np.repeat([batch.name for batch in batches], sizes),
        time=start + np.arange(sum(sizes)) * step,
        instrument=["NIR"] * sum(sizes),
        references={"powder": (np.repeat([batch.content for batch in batches], sizes), "% w/w")},
        facts={"batch_id": [batch.name for batch in batches], "role": [batch.role for batch in batches]},
    )


def _reference(learnt: HomogeneityModel, treated: xr.Dataset) -> published.Reference:
    """Return what the rules of the literature take from the second halves of accepted batches."""
    batches = [part["absorbance"].values for part in split_batches(treated, learnt.batches["accepted"])]
    quiet = published.mbsd(np.stack([x[len(x) // 2 :] for x in batches], axis=1), 10)[9:]
    df = learnt.plateau.degrees_of_freedom / (learnt.rule.block_size - 1)
    return published.Reference(float(quiet.mean() + 3.0 * quiet.std()), df, TARGET, LIMIT, MEAN_RANGE)
