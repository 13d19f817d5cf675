"""Drift since a model was validated: what new references and what readings without references say of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr

from pat import compute
from pat.artefact import Artefact
from pat.core import pls
from pat.core.plain import finite_numbers
from pat.core.preprocess import Treatment
from pat.core.types import Array, BoolArray, IntArray
from pat.errors import InputError
from pat.method import Method
from pat.profiles import follow
from pat.retraining.cusum import bias_cusum
from pat.retraining.shift import apart_from_prediction, exceedance, location
from pat.scorer import Scorer
from pat.spectra import batch_names
from pat.validation.figures import ALPHA

Verdict = Literal["shown", "not shown", "not testable"]
REFERENCES, READINGS = "new references", "readings"
"""Where a finding comes from: batches with reference values, or spectra that were only scored."""

DISTANCES = {"hotelling_t2": "T2", "q_residuals": "Q"}


@dataclass(frozen=True)
class Finding:
    """One sign of drift, looked for.

    Attributes
    ----------
    name : str
        ``bias``, ``hotelling_t2``, ``q_residuals`` or ``scores``.
    source : str
        `REFERENCES` or `READINGS`.
    verdict : str
        Whether it is shown; "not shown" is no proof that there is none.
    calls : bool
        Whether it calls for a retraining where it is shown. A bias that has changed and spectra that leave the scope
        do. Scores that lie elsewhere do not: inside the scope and without a bias, the model still holds there.
    text : str
        What was found, in words.
    numbers : dict
        What was found, plain JSON.
    """

    name: str
    source: str
    verdict: Verdict
    calls: bool
    text: str
    numbers: dict[str, Any]


@dataclass(frozen=True)
class Drift:
    """Everything that was looked for since a model was validated.

    Attributes
    ----------
    since : str
        Digest of the model's artefact.
    baseline : list of str
        Batches that it was validated on: the only ones that it was not fitted to and that were judged good.
    findings : tuple of Finding
    """

    since: str
    baseline: list[str]
    findings: tuple[Finding, ...]

    @property
    def called_for(self) -> bool:
        """Whether anything was shown that calls for a retraining."""
        return any(finding.calls and finding.verdict == "shown" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self), "findings": [asdict(f) for f in self.findings], "called_for": self.called_for}


@dataclass(frozen=True)
class _Batch:
    """Means of one batch, and which of its spectra lie beyond each limit."""

    name: str
    start: np.datetime64
    scores: Array
    predicted: float
    reference: float
    beyond: dict[str, BoolArray]


def drift(
    method: Method,
    champion: Artefact,
    scorer: Scorer,
    raw: xr.Dataset,
    new: list[str],
    readings: xr.Dataset | None = None,
) -> Drift:
    """Look for drift since a champion was validated.

    Parameters
    ----------
    method : Method
    champion : Artefact
    scorer : Scorer
        The champion's.
    raw : Dataset
        Raw spectra with the champion's validation batches and the new reference batches.
    new : list of str
        Batches with reference values that came since; may be none.
    readings : Dataset, optional
        Raw spectra that were scored since, without reference values. Of a blend that the champion follows, those from
        its end-point on are looked at; of one without an end-point, those from `min_revolutions` on.

    Raises
    ------
    InputError
        If the readings are on another axis than the champion.

    Notes
    -----
    What is compared with is the champion's validation: batches that it had not seen either. Each finding has a level of
    its own: 2.5 % for each rate, 5 % for each location, and one false alarm in 100 batches for the bias.
    """
    measure = _Measure(method, champion, scorer)
    present = set(batch_names(raw))
    known = [name for name in champion.validation["batches"]["validation"] if name in present]
    baseline = measure.references(raw, known)
    findings: list[Finding] = []
    if new:
        later = measure.references(raw, new)
        findings += [_bias(method, baseline, later), *_rates(measure, later, REFERENCES)]
        findings.append(_located(measure, baseline, later, REFERENCES))
    if readings is not None:
        scored = measure.readings(readings)
        findings += _rates(measure, scored, READINGS)
        findings.append(_located(measure, baseline, scored, READINGS))
    return Drift(scorer.digest, known, tuple(findings))


class _Measure:
    """What a champion says of batches."""

    def __init__(self, method: Method, champion: Artefact, scorer: Scorer) -> None:
        self._analyte, self._rules, self._scorer = method.analyte.name, method.homogeneity, scorer
        document = champion.content.document
        self._treat = Treatment(champion.content.wavelength, document["ranges"], document["steps"])
        self.model, self.limits = champion.content.model(), document["limits"]

    def references(self, ds: xr.Dataset, batches: Iterable[str]) -> list[_Batch]:
        """Measure the spectra with reference values of some batches, in order of time."""

        def one(run: xr.Dataset) -> _Batch:
            return self._batch(run.isel(spectrum=np.flatnonzero(~np.isnan(run[self._analyte].values))))

        return sorted(compute.map_batches(one, ds, batches, progress="looking for drift"), key=_in_order)

    def readings(self, ds: xr.Dataset) -> list[_Batch]:
        """Measure every batch that has spectra to look at, in order of time."""
        axis = np.asarray(ds["wavelength"].values)
        if not np.array_equal(axis, self._scorer.wavelength):
            raise InputError(
                f"the readings must be on the champion's axis of {self._scorer.wavelength.size} wavelengths, "
                f"got {axis.size} from {axis[0]:g} to {axis[-1]:g} nm"
            )

        def one(run: xr.Dataset) -> _Batch | None:
            rows = self._settled(run)
            return self._batch(run.isel(spectrum=rows)) if rows.size else None

        found = compute.map_batches(one, ds, batch_names(ds), progress="looking for drift")
        return sorted((batch for batch in found if batch is not None), key=_in_order)

    def _settled(self, run: xr.Dataset) -> IntArray:
        """Rows of a blend that lie where the method is meant to hold; a powder that is not mixed yet is no drift."""
        if self._rules is None:
            return np.arange(run.sizes["spectrum"])
        followed = list(follow(self._scorer, str(run["batch"].values[0]), run))
        start = followed[-1].endpoint or self._rules.min_revolutions
        return np.flatnonzero([reading.revolution >= start for reading in followed])

    def _batch(self, run: xr.Dataset) -> _Batch:
        x = np.asarray(run["absorbance"].values)
        found = self._scorer.predict(x)
        has = self._analyte in run
        return _Batch(
            name=str(run["batch"].values[0]),
            start=run["time"].values.min(),
            scores=pls.scores(self.model, self._treat(x)).mean(axis=0),
            predicted=float(found.value.mean()),
            reference=float(run[self._analyte].values.mean()) if has else np.nan,
            # What could not be computed is beyond every limit.
            beyond={name: ~(getattr(found, name) <= self.limits[name]) for name in DISTANCES},
        )


def _in_order(batch: _Batch) -> tuple[np.datetime64, str]:
    return batch.start, batch.name


def _bias(method: Method, baseline: list[_Batch], later: list[_Batch]) -> Finding:
    before, errors = (np.array([b.predicted - b.reference for b in batches]) for batches in (baseline, later))
    if before.size < 3 or not np.ptp(before) > 0.0:
        text = f"a bias needs 3 validation batches to start from, got {before.size}"
        return Finding("bias", REFERENCES, "not testable", True, text, {})
    found = bias_cusum(before, errors)
    names, units = [b.name for b in later], method.analyte.units
    signal = None if found.signal is None else names[found.signal]
    mean = f"mean error {errors.mean():+.3f} {units} in {errors.size} batches, {before.mean():+.3f} at validation"
    how = f"CUSUM above {found.decision_interval:.2f}" if signal else f"CUSUM below {found.decision_interval:.2f}"
    numbers = {
        "batches": names,
        "errors": errors.tolist(),
        "baseline_errors": before.tolist(),
        "scores": found.scores.tolist(),
        "upper_sums": found.sums[:, 0].tolist(),
        "lower_sums": found.sums[:, 1].tolist(),
        "reference_value": found.reference_value,
        "decision_interval": found.decision_interval,
        "run_length": found.run_length,
        "signal": signal,
    }
    text = f"{mean}; {how}" + (f" from {signal} on" if signal else "")
    return Finding("bias", REFERENCES, "shown" if signal else "not shown", True, text, numbers)


def _rates(measure: _Measure, batches: list[_Batch], source: str) -> Iterator[Finding]:
    nominal = 1.0 - float(measure.limits["confidence"])
    for name, short in DISTANCES.items():
        if not batches:
            yield Finding(name, source, "not testable", True, "no batch has spectra to look at", {})
            continue
        codes = np.repeat(np.arange(len(batches)), [batch.beyond[name].size for batch in batches])
        found = exceedance(np.concatenate([batch.beyond[name] for batch in batches]), codes, nominal)
        interval = f"{100 * found.lower:.2g} to {100 * found.upper:.2g} %"
        text = (
            f"{found.count} of {found.n} spectra ({found.n_batches} batches) beyond {short}: {100 * found.rate:.2g} %, "
            f"95 % interval {interval}, nominal {100 * nominal:.2g} %"
        )
        yield Finding(name, source, "shown" if found.raised else "not shown", True, text, asdict(found))


def _located(measure: _Measure, baseline: list[_Batch], later: list[_Batch], source: str) -> Finding:
    scale = np.sqrt(measure.model.score_variance)
    # Where only the prediction tells the content, what it is made of cannot be tested against it.
    within = np.eye(scale.size) if source == REFERENCES else apart_from_prediction(measure.model.y_loadings * scale)
    before, after = (_stacked(batches, scale) @ within for batches in (baseline, later))
    content = [[b.reference if source == REFERENCES else b.predicted for b in batches] for batches in (baseline, later)]
    found = location(before, after, np.array(content[0]), np.array(content[1]))
    if not np.isfinite(found.p_value):
        text = (
            f"{found.dimensions} directions of scores need {found.dimensions + 3} or more batches of unequal content, "
            f"got {found.n_baseline} from validation and {found.n_new} new ones"
        )
        return Finding("scores", source, "not testable", False, text, finite_numbers(asdict(found)))
    text = (
        f"scores of {found.n_new} batches beside {found.n_baseline} of validation, content apart: Hotelling's T2 "
        f"{found.t2:.3g}, F {found.f:.3g} ({found.dimensions} and {found.df} df), p {found.p_value:.3g}"
    )
    verdict: Verdict = "shown" if found.p_value < ALPHA else "not shown"
    return Finding("scores", source, verdict, False, text, finite_numbers(asdict(found)))


def _stacked(batches: list[_Batch], scale: Array) -> Array:
    """Mean scores (n_batches, A) in standard deviations of the calibration."""
    return np.array([batch.scores for batch in batches]).reshape(len(batches), scale.size) / scale
