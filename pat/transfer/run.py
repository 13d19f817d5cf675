"""A validated calibration of one instrument becomes a calibration of another, with a record of what it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from pat.calibration import Calibration
from pat.core import diagnostics
from pat.core.plain import finite_or_none
from pat.core.pls import PLSModel
from pat.core.preprocess import Treatment
from pat.core.selection import kennard_stone
from pat.core.transfer import slope_bias
from pat.core.types import Array
from pat.errors import InputError, Refusal
from pat.homogeneity import HomogeneityModel
from pat.method import Method
from pat.spectra import batch_facts, batches_with_role
from pat.transfer.choice import Choice, choose, learn, predictions
from pat.transfer.pairing import Pairs, pair
from pat.treatment import data_sha256
from pat.validation.gate import require_independent
from pat.validation.run import Validation, used_batches

METHODS = ("ds", "pds", "slope_bias")
"""Direct and piecewise direct standardisation of spectra; slope and bias of predictions."""
_LEAST_SAMPLES = 5
# Less than this share of the old instrument's spectra within the limits of T2 and Q: it is not the instrument that the
# calibration is for.
_KNOWN = 0.5


@dataclass(frozen=True)
class Transferred:
    """What a transfer gave.

    Attributes
    ----------
    calibration : Calibration
        For the new instrument; its `transfer` is the record.
    wanted : ndarray of shape (n,)
        Predictions of the transfer samples from their spectra on the old instrument.
    before, after : ndarray of shape (n,)
        Those from their spectra on the new one, as it is, and by a transfer that the others taught.
    treated : tuple of (ndarray, ndarray, ndarray), each of shape (n, p_treated)
        Treated spectra of the old instrument, of the new one (NaN where axes differ), and of the new one by a transfer
        that the others taught.
    wavelength : ndarray of shape (p_treated,)
    """

    calibration: Calibration
    wanted: Array
    before: Array
    after: Array
    treated: tuple[Array, Array, Array]
    wavelength: Array

    @property
    def figures(self) -> dict[str, float | None]:
        """Figures on the transfer samples, as in the record; None where axes differ and there is no before."""
        return dict(self.record["figures"])

    @property
    def record(self) -> dict[str, Any]:
        """What the calibration came from and how, plain JSON."""
        assert self.calibration.transfer is not None
        return self.calibration.transfer


def transfer(
    method: Method,
    parent: Calibration,
    homogeneity: HomogeneityModel | None,
    validation: Validation,
    old: xr.Dataset,
    new: xr.Dataset,
    *,
    n_samples: int,
    methods: Sequence[str] = ("ds", "pds"),
) -> Transferred:
    """Bring a calibrated and validated method to another instrument.

    Parameters
    ----------
    method : Method
    parent : Calibration
        Of the old instrument.
    homogeneity : HomogeneityModel or None
        What it follows blends by; None for a method that follows none.
    validation : Validation
        Of just this method and calibration, and passed.
    old, new : Dataset
        Raw spectra of one instrument each; see `pat.transfer.pair` for how their samples pair.
    n_samples : int
        Transfer samples, 5 or more, chosen by Kennard-Stone among the treated spectra of the old instrument.
    methods : sequence of str
        What may be chosen, of `METHODS`; ``slope_bias`` stands alone.

    Returns
    -------
    Transferred

    Raises
    ------
    InputError
        If the parts do not belong together, there are not enough samples on both instruments, they do not pair, or
        the old spectra are not of the instrument that the calibration is for.
    Refusal
        If the parent was not validated with success, a transfer sample's batch or lot is to validate the transfer,
        or no candidate brings the predictions nearer to the old instrument's.

    Notes
    -----
    The model, and the limits of T2 and Q, stay the parent's. A transfer by slope and bias leaves spectra as they are:
    they may then lie outside these limits for ever.
    """
    digest = validation.content(method, parent, homogeneity).digest
    if not validation.passed:
        raise Refusal(f"only a validated calibration is transferred, but validation did not pass ({validation.unmet})")
    names = _instruments(parent, old, new)
    parent.require_fit(method, np.asarray(old["wavelength"].values))
    pairs = _samples(parent, pair(old, new, method.analyte.name), n_samples)
    _require_independent(parent, homogeneity, pairs, old, new)
    made = _by_slope_bias(parent, pairs, new) if _alone(methods) else _standardised(parent, pairs, new, methods)
    # On axes that differ there is no prediction without a transfer, and nothing to compare with.
    if made.rmse >= made.rmse_before:
        raise Refusal(
            f"no transfer helps: predictions of the transfer samples differ by {made.rmse_before:.4g} "
            f"{method.analyte.units} (RMS) without one, and by {made.rmse:.4g} when left out of the best one"
        )
    record = {
        "parent": {"digest": digest, "calibration_sha256": parent.sha256, "data_sha256": parent.data_sha256},
        **names,
        "samples": pairs.described(),
        **made.record,
        "figures": {
            "n_samples": n_samples,
            "rmse_before": finite_or_none(made.rmse_before),
            "rmse_left_out": made.rmse,
        },
        "data_sha256": {"from": data_sha256(old), "to": data_sha256(new)},
    }
    return _transferred(parent, made, pairs, new, record)


@dataclass(frozen=True)
class _Made:
    """Model and steps for the new instrument; transfer samples' treated spectra and predictions, and the record."""

    model: PLSModel
    steps: list[dict[str, Any]]
    wanted: Array
    before: Array
    after: Array
    treated: tuple[Array, Array, Array]
    record: dict[str, Any]

    @property
    def rmse_before(self) -> float:
        return _rms(self.before - self.wanted)

    @property
    def rmse(self) -> float:
        return _rms(self.after - self.wanted)


def _rms(differences: Array) -> float:
    return float(np.sqrt(np.mean(differences**2)))


def _alone(methods: Sequence[str]) -> bool:
    """Say whether slope and bias are asked for; refuse anything that `METHODS` does not allow."""
    if not methods or set(methods) - set(METHODS) or ("slope_bias" in methods and len(set(methods)) > 1):
        raise InputError(f"`methods` must be ds, pds or both, or slope_bias alone, got {', '.join(methods)}")
    return "slope_bias" in methods


def _instruments(parent: Calibration, old: xr.Dataset, new: xr.Dataset) -> dict[str, str]:
    names = {key: np.unique(ds["instrument"].values).tolist() for key, ds in (("from", old), ("to", new))}
    for key, found in names.items():
        if len(found) != 1:
            raise InputError(f"transfer `{key}` one instrument, got spectra of {', '.join(found)}")
    if names["from"] == names["to"]:
        raise InputError(f"transfer needs two instruments, got {names['from'][0]!r} twice")
    if parent.instrument not in (None, names["from"][0]):
        raise InputError(
            f"the calibration is for instrument {parent.instrument!r}, got spectra of {names['from'][0]!r}"
        )
    return {key: str(found[0]) for key, found in names.items()}


def _samples(parent: Calibration, pairs: Pairs, n_samples: int) -> Pairs:
    """Choose transfer samples, after a look whether the old spectra are what the calibration knows."""
    n = len(pairs.batch)
    if not _LEAST_SAMPLES <= n_samples <= n:
        raise InputError(f"`n_samples` must be from {_LEAST_SAMPLES} to the {n} on both instruments, got {n_samples}")
    treated = parent.learnt.treatment(parent.wavelength)(pairs.old)
    _, t2, q = diagnostics.evaluate(parent.model, treated)
    known = float(np.mean((t2 <= parent.t2_limit) & (q <= parent.q_limit)))
    if known < _KNOWN:
        raise InputError(
            f"spectra of the old instrument must be in scope of its calibration, got {100.0 * known:.0f} % of {n}: "
            "is the instrument to start from the one that it was made on?"
        )
    return pairs.chosen(np.sort(kennard_stone(treated, n_samples)))


def _require_independent(
    parent: Calibration, homogeneity: HomogeneityModel | None, pairs: Pairs, old: xr.Dataset, new: xr.Dataset
) -> None:
    """Refuse transfer samples of batches or lots that are to validate the transfer."""
    judged = [*batches_with_role(new, "validation"), *batches_with_role(new, "blend_validation")]
    used = {*used_batches(parent, homogeneity), *pairs.batch.tolist()}
    lots = batch_facts(old, "lot") | batch_facts(new, "lot") | parent.lots
    require_independent(judged, used, lots)


def _standardised(parent: Calibration, pairs: Pairs, new: xr.Dataset, methods: Sequence[str]) -> _Made:
    axis = np.asarray(new["wavelength"].values, dtype=np.float64)
    choice = choose(parent, axis, pairs, methods)
    _, steps = learn(parent, axis, pairs, choice.best)
    record = {
        "method": choice.best.method,
        "after_steps": choice.best.after,
        "settings": asdict(choice.best.settings),
        "criterion": "RMS difference of left-out predictions from those of the old instrument's spectra",
        "candidates": len(choice.candidates),
        "best_of_each": _plain(choice),
    }
    old_treated, new_treated = _treated(parent, pairs, axis)
    treated = old_treated, new_treated, choice.left_out
    wanted, before, after = (predictions(parent, x) for x in treated)
    return _Made(parent.model, steps, wanted, before, after, treated, record)


def _plain(choice: Choice) -> list[dict[str, Any]]:
    return [
        {"method": each.method, "after_steps": each.after, **asdict(each.settings), "rmse": each.rmse}
        for each in choice.best_of_each()
    ]


def _treated(parent: Calibration, pairs: Pairs, axis: Array) -> tuple[Array, Array]:
    """Treated spectra of both instruments, as if there were one alone."""
    treat = parent.learnt.treatment(parent.wavelength)
    old = treat(pairs.old)
    if not np.array_equal(axis, parent.wavelength):
        return old, np.full(old.shape, np.nan)
    return old, treat(pairs.new)


def _by_slope_bias(parent: Calibration, pairs: Pairs, new: xr.Dataset) -> _Made:
    parent.require_fit(parent.method, np.asarray(new["wavelength"].values))
    old_treated, new_treated = _treated(parent, pairs, parent.wavelength)
    wanted, before = predictions(parent, old_treated), predictions(parent, new_treated)
    after = np.empty(before.size)
    for i in range(before.size):
        slope, bias = slope_bias(np.delete(before, i), np.delete(wanted, i))
        after[i] = bias + slope * before[i]
    slope, bias = slope_bias(before, wanted)
    model = replace(
        parent.model,
        y_mean=bias + slope * parent.model.y_mean,
        y_loadings=slope * parent.model.y_loadings,
        coefficients=slope * parent.model.coefficients,
    )
    record = {"method": "slope_bias", "slope": slope, "bias": bias}
    treated = old_treated, new_treated, new_treated
    return _Made(model, parent.steps, wanted, before, after, treated, record)


def _transferred(
    parent: Calibration, made: _Made, pairs: Pairs, new: xr.Dataset, record: dict[str, Any]
) -> Transferred:
    batches = sorted({*parent.batches, *pairs.batch.tolist()})
    lots = {name: lot for name, lot in batch_facts(new, "lot").items() if name in batches and lot}
    axis = np.asarray(new["wavelength"].values, dtype=np.float64)
    calibration = replace(
        parent,
        steps=made.steps,
        wavelength=axis,
        model=made.model,
        batches=batches,
        lots=lots | parent.lots,
        data_sha256=data_sha256(new),
        transfer=record,
    )
    ranges = parent.method.document()["spectra"]["ranges"]
    treated_axis = Treatment(axis, ranges, made.steps).wavelength
    return Transferred(calibration, made.wanted, made.before, made.after, made.treated, treated_axis)
