"""What every cross-validation of a method begins with: the batches, what steps learn from them, folds and moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from pat import compute
from pat.calibration.cross_validation import readings
from pat.calibration.folds import Folds, folds_of
from pat.core import pls
from pat.core.pls import Moments
from pat.core.pls.fitting import near_means
from pat.errors import InputError
from pat.method import Method
from pat.spectra import select_batches
from pat.treatment import calibration_batches, learn, treated_by


@dataclass(frozen=True)
class Prepared:
    """Spectra that a method is to be cross-validated on.

    Attributes
    ----------
    learnt : Method
        The method, with what its steps have learnt from all of these batches.
    names : list of str
        Batches, sorted, each with a reference value.
    treated : Dataset
        Spectra as `learnt` treats them, those of other batches among them; lazy where they were.
    folds : Folds
        Of the batches.
    """

    learnt: Method
    names: list[str]
    treated: xr.Dataset
    folds: Folds

    def moments(self, *, left_out: int = 1) -> Moments:
        """Moments of the batches.

        Parameters
        ----------
        left_out : int, optional
            Folds that are left out at a time.

        Raises
        ------
        InputError
            If the spectra without so many folds, the largest ones, are too few for the method's `max_components`.
        """
        total = total_moments(self.learnt, self.treated, self.names)
        largest = sum(sorted(rows.size for rows in self.folds.rows)[-left_out:])
        without = "largest fold" if left_out == 1 else f"{left_out} largest folds"
        _require_enough(self.learnt.calibration.max_components, total.n - largest, without, total.sum_x.size)
        return total


def prepare(
    method: Method,
    ds: xr.Dataset,
    batches: Sequence[str] | None,
    *,
    split_batches: bool = False,
    progress: str | None = None,
) -> Prepared:
    """Find a method's batches, treat the spectra, and deal the batches out to folds.

    Parameters
    ----------
    method, ds, batches, split_batches, progress
        As in `calibrate`.

    Returns
    -------
    Prepared

    Raises
    ------
    InputError
        If calibration spectra are saturated, or as `calibration_batches`, `learn`, `treated_by` and `folds_of`.
    """
    names = calibration_batches(method, ds, batches)
    learnt = learn(method, ds, names, progress=progress)
    treated = treated_by(learnt, ds)
    _refuse_saturated(method, treated, names)
    return Prepared(learnt, names, treated, folds_of(method, treated, names, split_batches=split_batches))


def _refuse_saturated(method: Method, treated: xr.Dataset, names: list[str]) -> None:
    """Refuse saturated spectra with a reference value: a model that learnt from them would call them known."""
    limit, analyte = method.spectra.saturation, method.analyte.name
    if limit is None:
        return
    if "raw_peak" not in treated:
        raise InputError("treated spectra must keep `raw_peak` of the raw ones: treat the raw spectra again")
    chosen = select_batches(treated, names)
    with compute.computing():
        peak, known = chosen["raw_peak"].values, ~np.isnan(chosen[analyte].values)
    found = Counter(np.asarray(chosen["batch"].values)[known & (peak >= limit)].tolist())
    if found:
        some = ", ".join(f"{name} ({n})" for name, n in list(found.items())[:5]) + (", ..." if len(found) > 5 else "")
        raise InputError(
            f"calibration spectra must lie below saturation ({limit:g} AU), got {found.total()} that do not, of "
            f"batches {some}: give them no reference value, in a new store"
        )


def total_moments(method: Method, treated: xr.Dataset, names: list[str], *, progress: str | None = None) -> Moments:
    """Moments of all batches, summed in sorted order, so that the bits repeat; in one pass.

    Parameters
    ----------
    method : Method
    treated : Dataset
        Treated spectra, lazy or not, in single or double precision.
    names : list of str
        Batches.
    progress : str, optional
        Label of a progress bar.

    Returns
    -------
    Moments
    """
    analyte = method.analyte
    spectra = treated[["absorbance", analyte.name, "batch_id"]]
    shift, _ = near_means(*readings(compute.load(select_batches(spectra, names[:1])), analyte.name))

    def one(batch: xr.Dataset) -> Moments:
        return pls.moments(*readings(batch, analyte.name), shift, analyte.target)

    return compute.fold_batches(one, lambda total, part: pls.combine([total, part]), spectra, names, progress=progress)


def _require_enough(max_components: int, n_least: int, without: str, n_wavelengths: int) -> None:
    """Refuse more components than the spectra that are left, or the wavelengths, allow."""
    most = min(n_least - 1, n_wavelengths)
    if max_components > most:
        raise InputError(
            f"calibration.max_components must be at most {most} for these spectra ({n_least} without the "
            f"{without}, at {n_wavelengths} wavelengths), got {max_components}"
        )
