"""Cross-validation of a method: every fold left out in turn, for every number of components at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from pat import compute
from pat.calibration.choice import components_by_rule, root_mean_square
from pat.calibration.folds import Folds
from pat.calibration.model import CrossValidation
from pat.core.crossval import Group, HeldOut, Kept, blocks_in_step, held_out
from pat.core.indexing import consecutive
from pat.core.pls import Moments
from pat.core.types import Array, IntArray
from pat.errors import InputError, SpectraError
from pat.method import Method
from pat.spectra import batch_codes


def readings(batch: xr.Dataset, analyte: str) -> tuple[Array, Array]:
    """Treated spectra (n, p) and reference values (n,) of one batch; NaN where the laboratory gave none."""
    x, y = np.asarray(batch["absorbance"].values), np.asarray(batch[analyte].values)
    bad = np.flatnonzero(~np.isnan(y) & ~np.isfinite(x).all(axis=1))
    if bad.size:
        name = str(batch["batch"].values[0])
        raise SpectraError(
            f"`absorbance` row {bad[0]} of batch {name!r}: expected finite values after treatment, got "
            f"{(~np.isfinite(x[bad[0]])).sum()} that are not"
        )
    return x, y


# Spectra of all folds together whose residuals are kept: so many tell the covariance of the residuals, and fit in
# memory however many there are.
_KEPT = 4096


@dataclass(frozen=True)
class Fold:
    """One fold under the model of all others: reference (n,); predicted, T2 and Q (n, A_max), a column a number."""

    reference: Array
    predicted: Array
    t2: Array
    q: Array
    kept: Kept


def groups_of(folds: Folds, analyte: str, indices: range) -> list[tuple[str, xr.Dataset]]:
    """Name and spectra of some folds, lazy where they are; `group` takes each."""
    parts = folds.spectra[["absorbance", analyte]]
    return [(folds.called(i), parts.isel(spectrum=consecutive(folds.rows[i]))) for i in indices]


def group(named: tuple[str, xr.Dataset], analyte: str) -> Group:
    """Take the spectra of a fold into memory."""
    name, part = named
    return Group(name, *readings(part, analyte))


def leave_each_out(method: Method, folds: Folds, total: Moments, progress: str | None = None) -> list[Fold]:
    """Test every fold on the model of all others, whose moments are the total less its own.

    Some folds advance together; such blocks of folds run in parallel, and hold the spectra of their own folds alone.
    """
    most, analyte = method.calibration.max_components, method.analyte.name
    keep = rows_to_keep(folds)

    def block(named: list[tuple[str, xr.Dataset]]) -> list[Fold]:
        groups = [group(one, analyte) for one in named]
        found = held_out(total, groups, most, keep=keep)
        return [completed(one, left_out, most) for one, left_out in zip(groups, found, strict=True)]

    in_step = blocks_in_step([rows.size for rows in folds.rows], total.sum_x.size)
    blocks = [groups_of(folds, analyte, indices) for indices in in_step]
    return [fold for found in compute.map_items(block, blocks, progress=progress) for fold in found]


def rows_to_keep(folds: Folds) -> int:
    """Say how many spectra of each fold keep their residuals."""
    return max(_KEPT // len(folds.names), 1)


def completed(group: Group, found: HeldOut, most: int) -> Fold:
    """Return a fold that was left out, if the others hold all components; raises `InputError` if not."""
    if found.n_components < most:
        raise InputError(
            f"calibration.max_components must be at most {found.n_components}: without {group.name} the spectra hold "
            "no more that varies with the reference values"
        )
    return Fold(group.y, found.predicted, found.t2, found.q, found.kept[0])


def cross_validation(rule: str, folds: Folds, found: list[Fold]) -> tuple[int, CrossValidation]:
    """Choose the number of components, and put the folds together, batches in sorted order."""
    rows = np.concatenate(folds.rows)
    order = np.lexsort((rows, batch_codes(folds.spectra)[rows]))
    codes = fold_codes(folds)[order]
    reference, predicted, t2, q = (
        np.concatenate([getattr(fold, name) for fold in found])[order] for name in ("reference", "predicted", "t2", "q")
    )
    errors = predicted - reference[:, None]
    rmsecv, standard_error = root_mean_square(errors, codes)
    a = components_by_rule(rule, errors, codes)
    return a, CrossValidation(
        batch=np.array(folds.spectra["batch"].values[rows[order]].tolist(), dtype=np.str_),
        fold=np.array(folds.names, dtype=np.str_)[codes],
        reference=reference,
        predicted=predicted,
        rmsecv=rmsecv,
        rmsecv_se=standard_error,
        t2=np.ascontiguousarray(t2[:, a - 1]),
        q=np.ascontiguousarray(q[:, a - 1]),
    )


def fold_codes(folds: Folds) -> IntArray:
    """Fold of every spectrum, folds one after the other."""
    return np.repeat(np.arange(len(folds.names)), [rows.size for rows in folds.rows])
