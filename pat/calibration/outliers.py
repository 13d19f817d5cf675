"""Which spectra and batches of a calibration stand out, and by what; nothing is ever removed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from pat import compute, limits
from pat.calibration.cross_validation import readings
from pat.calibration.model import Calibration
from pat.core import diagnostics
from pat.core.types import Array, IntArray
from pat.errors import InputError
from pat.treatment import treated_by


@dataclass(frozen=True)
class OutlierReport:
    """What stands out in a calibration set; a person decides what it means.

    Attributes
    ----------
    spectra : DataFrame
        A row for each spectrum with a reference value, batches in sorted order: ``batch``, ``row`` (its position in the
        store), ``reference``, ``predicted`` (by the model that did not see its batch), ``residual`` (that error over
        its standard error, as Student's t), ``t2`` and ``q`` (under that same model), ``leverage`` (in the
        calibration itself), ``flags`` (what is beyond its limit, with ``!`` where it is beyond what the largest of all
        spectra may reach; empty for most).
    batches : DataFrame
        A row for each batch: ``batch``, ``n``, ``error`` (mean error), ``residual`` (mean error over its standard
        error, as Student's t), ``t2``, ``q`` and ``leverage`` (means), ``flagged`` (spectra with a flag), ``flags``
        (of the mean error).
    limits : DataFrame
        A row for each flag: ``limit`` and ``extreme``, the limits at `confidence` for one spectrum and for all
        together; for leverage, 3 (A + 1) / n and no other.
    confidence : float
    """

    spectra: pd.DataFrame
    batches: pd.DataFrame
    limits: pd.DataFrame
    confidence: float

    @property
    def flagged(self) -> pd.DataFrame:
        """The spectra with a flag, the farthest beyond its limits first."""
        found = self.spectra[self.spectra["flags"] != ""]
        limit = self.limits["limit"].to_numpy()
        excess = np.abs(found[list(_COLUMNS.values())].to_numpy()) / limit
        return found.iloc[np.argsort(-excess.max(axis=1), kind="stable")] if len(found) else found

    def __str__(self) -> str:
        """Return the report in lines of at most 80 characters."""
        n, flagged = len(self.spectra), self.flagged.drop(columns=["reference", "predicted"])
        batches = self.batches.sort_values("residual", key=np.abs, ascending=False, kind="stable")
        parts = [
            f"{len(flagged)} of {n} spectra lie beyond a limit at {100.0 * self.confidence:g} %; by chance T2, Q and "
            f"residual would\nflag about {(1.0 - self.confidence) * n:.1f} each.",
            _text(self.limits.reset_index()),
            f"Spectra with a flag (! beyond what the largest of {n} may reach)",
            _text(flagged) if len(flagged) else "none",
            "Batches, the largest mean error first",
            _text(batches),
        ]
        return "\n\n".join(parts)


_ORDER = ["batch", "row", "reference", "predicted", "residual", "t2", "q", "leverage", "flags"]
_COLUMNS = {"T2": "t2", "Q": "q", "leverage": "leverage", "residual": "residual"}
# Rows and letters of a batch that are printed; the tables have them all.
_SHOWN, _LETTERS = 20, 13


def _text(frame: pd.DataFrame) -> str:
    shown = frame.head(_SHOWN)
    if "batch" in shown:
        shown = shown.assign(batch=[str(name)[:_LETTERS] for name in shown["batch"]])
    text = shown.to_string(index=False, float_format=lambda value: f"{value:.3g}", na_rep="-", line_width=None)
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join([*lines, f"... and {len(frame) - _SHOWN} more"] if len(frame) > _SHOWN else lines)


def outlier_report(calibration: Calibration, ds: xr.Dataset, confidence: float = 0.99) -> OutlierReport:
    """Look for what stands out in a calibration set.

    Parameters
    ----------
    calibration : Calibration
    ds : Dataset
        The spectra that it was made from, raw or treated by its method.
    confidence : float
        Share of ordinary spectra below each limit.

    Returns
    -------
    OutlierReport

    Raises
    ------
    InputError
        If the spectra are not those of the calibration, `confidence` lies outside 0 to 1, or the calibration was
        transferred: its spectra are those of its parent.

    Notes
    -----
    Residual, T2 and Q are those of cross-validation, under the model that did not see the batch: an outlier pulls its
    own model towards itself and hides. For the same reason the limits of T2 and Q are `pat.limits.quartile_limit`, and
    a residual is Studentised with the components of `pat.core.diagnostics.prediction_error` that all other batches
    have. With m spectra, a batch's mean error has the variance between + within / m, and that of the model. The extreme
    limit is at confidence^(1/n) for each of n.

    References
    ----------
    ASTM E1655 for the leverage; Pomerantsev and Rodionova, *J. Chemometrics* 28 (2014) 429 for extremes and outliers.
    """
    if calibration.transfer is not None:
        raise InputError(
            f"what stands out is asked of the calibration on instrument {calibration.transfer['from']!r}, got the one "
            "that was transferred from it"
        )
    validated = calibration.cross_validation
    codes = np.unique(validated.batch, return_inverse=True)[1].astype(np.int64)
    rows, own_t2 = _under_the_model(calibration, ds)
    leverage = diagnostics.leverage(own_t2, calibration.model.n_samples)
    error = validated.predicted[:, calibration.model.n_components - 1] - validated.reference
    left_out = calibration.model.n_samples - np.bincount(codes)[codes]
    fold_leverage = 1.0 / left_out + validated.t2 / (left_out - 1)
    spectra = pd.DataFrame(
        {
            "batch": validated.batch,
            "row": rows,
            "reference": validated.reference,
            "predicted": validated.predicted[:, calibration.model.n_components - 1],
            "t2": validated.t2,
            "q": validated.q,
            "leverage": leverage,
        }
    )
    spectra["residual"], of_batch, df = _studentised(error, fold_leverage, codes)
    bounds = _limits(calibration, df, confidence)
    spectra["flags"] = _flags(spectra, bounds)
    batches = _batches(spectra.assign(error=error), of_batch, confidence)
    return OutlierReport(spectra[_ORDER], batches, bounds, confidence)


def _studentised(error: Array, leverage: Array, codes: IntArray) -> tuple[Array, Array, float]:
    """Errors of spectra and mean errors of batches over their standard errors, and the degrees of freedom of these.

    Standard errors come from all other batches; the degrees of freedom are the fewest.
    """
    single, mean, least = np.empty_like(error), np.empty(int(codes.max()) + 1), np.inf
    for b in range(mean.size):
        own = codes == b
        others = np.unique(codes[~own], return_inverse=True)[1]
        found = diagnostics.prediction_error(error[~own], leverage[~own], others)
        single[own] = error[own] / found.standard_error(leverage[own])
        of_model = (found.between + found.within) * found.design_effect * leverage[own].mean()
        mean[b] = error[own].mean() / np.sqrt(found.between + found.within / own.sum() + of_model)
        least = min(least, found.degrees_of_freedom)
    return single, mean, least


def _under_the_model(calibration: Calibration, ds: xr.Dataset) -> tuple[IntArray, Array]:
    """Positions of the calibration's spectra, in its own order, and their T2 under the model that they made."""
    treated = treated_by(calibration.learnt, ds)
    analyte = calibration.method.analyte.name
    known = ~np.isnan(np.asarray(treated[analyte].values))
    batch = np.asarray(treated["batch"].values)

    def one(spectra: xr.Dataset) -> Array:
        x, y = readings(spectra, analyte)
        return diagnostics.evaluate(calibration.model, x[~np.isnan(y)])[1]

    rows = np.concatenate([np.flatnonzero(known & (batch == name)) for name in calibration.batches])
    validated = calibration.cross_validation
    if not np.array_equal(np.asarray(treated[analyte].values)[rows], validated.reference):
        raise InputError(
            f"expected the {validated.reference.size} spectra that the calibration was made from, got {rows.size} "
            f"with other reference values of `{analyte}`"
        )
    return rows, np.concatenate(compute.map_batches(one, treated, calibration.batches))


def _limits(calibration: Calibration, df: float, confidence: float) -> pd.DataFrame:
    validated, n = calibration.cross_validation, calibration.model.n_samples
    levels = (confidence, confidence ** (1.0 / n))
    found = {
        "T2": [limits.quartile_limit(validated.t2, level) for level in levels],
        "Q": [limits.quartile_limit(validated.q, level) for level in levels],
        "leverage": [3.0 * (calibration.model.n_components + 1) / n, np.nan],
        "residual": [limits.t_quantile((1.0 + level) / 2.0, df) for level in levels],
    }
    return pd.DataFrame.from_dict(found, orient="index", columns=["limit", "extreme"]).rename_axis("flag")


def _flags(spectra: pd.DataFrame, bounds: pd.DataFrame) -> list[str]:
    marks = []
    for flag, column in _COLUMNS.items():
        size = spectra[column].abs().to_numpy()
        beyond, extreme = size > bounds.loc[flag, "limit"], size > bounds.loc[flag, "extreme"]
        marks.append(np.where(extreme, f"{flag}!", np.where(beyond, flag, "")))
    return [" ".join(filter(None, row)) for row in zip(*marks, strict=True)]


def _batches(spectra: pd.DataFrame, residual: Array, confidence: float) -> pd.DataFrame:
    grouped = spectra.assign(flagged=spectra["flags"] != "").groupby("batch", sort=True)
    table = grouped[["error", "t2", "q", "leverage"]].mean()
    table["n"], table["flagged"], table["residual"] = grouped.size(), grouped["flagged"].sum(), residual
    limit = limits.t_quantile((1.0 + confidence) / 2.0, len(table) - 1)
    table["flags"] = np.where(np.abs(residual) > limit, "residual", "")
    return table.reset_index()[["batch", "n", "error", "residual", "t2", "q", "leverage", "flagged", "flags"]]
