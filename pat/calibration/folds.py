"""What cross-validation leaves out together: batches, lots, days, or whatever else the spectra know of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from pat.core.types import IntArray
from pat.errors import InputError
from pat.method import Method
from pat.spectra import batch_codes, select_batches

_LEAST_FOLDS = 3

_RANDOM_FOLDS = 10
_RANDOM_SEED = 0


def fold_names(ds: xr.Dataset, by: str, *, split_batches: bool = False) -> list[str]:
    """Name of the fold of every spectrum.

    Parameters
    ----------
    ds : Dataset
        Spectra.
    by : str
        ``batch``; the name of a batch fact, such as ``lot``; ``day``, the date (UTC) on which a batch began where there
        is no such fact; the name of a coordinate or variable of the spectra, such as ``instrument``; or ``random``, ten
        folds of spectra drawn at random.
    split_batches : bool, optional
        Allow spectra of one batch in several folds. They share the batch's lot, day and error, so the model has seen
        what it is tested on, and the error comes out too small.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        If there is no such coordinate or fact, a batch has no value of it, or the folds would split a batch.
    """
    batch = [str(name) for name in ds["batch"].values.tolist()]
    if by == "batch":
        return batch
    names = _random(len(batch)) if by == "random" else _of_batches(ds, by, batch)
    names = _of_spectra(ds, by) if names is None else names
    if not split_batches:
        _require_whole_batches(by, batch, names)
    return names


def _random(n: int) -> list[str]:
    drawn = np.random.default_rng(_RANDOM_SEED).permutation(n) % _RANDOM_FOLDS
    return [f"{i + 1:02d}" for i in drawn.tolist()]


def _of_batches(ds: xr.Dataset, by: str, batch: list[str]) -> list[str] | None:
    """Return a batch's day or fact for each of its spectra; None where `by` is neither."""
    if by == "day" and "day" not in ds:
        days = ds["time"].values.astype("datetime64[D]")
        of_batch = {name: str(min(days[[b == name for b in batch]])) for name in set(batch)}
    elif by in ds and ds[by].dims == ("batch_id",):
        facts = zip(ds["batch_id"].values.tolist(), ds[by].values.tolist(), strict=True)
        of_batch = {str(name): _text(by, value, f"batch {str(name)!r}") for name, value in facts if str(name) in batch}
    else:
        return None
    return [of_batch[name] for name in batch]


def _of_spectra(ds: xr.Dataset, by: str) -> list[str]:
    if by not in ds or ds[by].dims != ("spectrum",):
        known = sorted(str(name) for name in ds.variables if ds[name].dims in (("batch_id",), ("spectrum",)))
        raise InputError(
            f"calibration.folds: expected day, random or one of {', '.join(known)}, got {by!r}, which these spectra "
            "do not have"
        )
    return [_text(by, value, f"spectrum {i}") for i, value in enumerate(ds[by].values.tolist())]


def _text(by: str, value: Any, of: str) -> str:
    if value != value or value == "":
        raise InputError(f"calibration.folds: expected a value of `{by}` for every batch, got none for {of}")
    return str(value)


def _require_whole_batches(by: str, batch: list[str], names: list[str]) -> None:
    fold_of: dict[str, str] = {}
    for b, name in zip(batch, names, strict=True):
        if fold_of.setdefault(b, name) != name:
            raise InputError(
                f"calibration.folds: `{by}` would split batch {b!r} (folds {fold_of[b]!r} and {name!r}); its spectra "
                "share their errors, so the model would be tested on what it has seen. Leave whole batches out, or say "
                "split_batches=True"
            )


def left_out(by: str) -> str:
    """Say in a few words what cross-validation leaves out at a time.

    Parameters
    ----------
    by : str
        As in `fold_names`.

    Examples
    --------
    >>> left_out("lot"), left_out("instrument"), left_out("random")
    ('whole lots left out', 'each instrument left out', '10 random parts left out')
    """
    known = {"batch": "whole batches", "lot": "whole lots", "day": "whole days"}
    if by == "random":
        return f"{_RANDOM_FOLDS} random parts left out"
    return known.get(by, f"each {by}") + " left out"


@dataclass(frozen=True)
class Folds:
    """Spectra with reference values, and which of them are left out together.

    Attributes
    ----------
    spectra : Dataset
        Those of the batches asked for; lazy where they were.
    by : str
        What the folds go by, as in `fold_names`.
    names : list of str
        Sorted.
    rows : list of ndarray of int
        Rows of `spectra` with a reference value in each fold: batch by batch, in the order of their names.
    """

    spectra: xr.Dataset
    by: str
    names: list[str]
    rows: list[IntArray]

    def called(self, index: int) -> str:
        """Say which fold it is, in a few words."""
        return f"{self.by} {self.names[index]!r}"


def folds_of(method: Method, treated: xr.Dataset, batches: list[str], *, split_batches: bool = False) -> Folds:
    """Folds of some batches, as a method's `calibration.folds` says.

    Parameters
    ----------
    method : Method
    treated : Dataset
    batches : list of str
    split_batches : bool, optional
        As in `fold_names`.

    Raises
    ------
    InputError
        If there are fewer than 3 folds with reference values, or as `fold_names`.
    """
    by = method.calibration.folds
    spectra = select_batches(treated, batches)
    of_fold = np.array(fold_names(spectra, by, split_batches=split_batches), dtype=np.str_)
    known = np.flatnonzero(~np.isnan(spectra[method.analyte.name].values))
    in_order = known[np.argsort(batch_codes(spectra)[known], kind="stable")]
    names = np.unique(of_fold[known]).tolist()
    if len(names) < _LEAST_FOLDS:
        raise InputError(f"cross-validation by {by} needs at least {_LEAST_FOLDS} folds, got {len(names)}")
    return Folds(spectra, by, names, [in_order[of_fold[in_order] == name] for name in names])
