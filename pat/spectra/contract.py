"""What spectra are: the checks that a dataset passes at every door."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pat.core.types import BoolArray, IntArray
from pat.errors import SpectraError
from pat.spectra.axis import check_axis

# Says where row i of a dataset stands, in words: "row 17", or with the file and line that it came from.
Locate: TypeAlias = Callable[[int], str]

# Facts whose kind the contract knows; others may be numbers or text.
TEXT_FACTS = frozenset({"role", "lot", "product", "scale"})
NUMERIC_FACTS = frozenset({"vessel_volume", "fill", "speed", "simulated"})

# What a batch is for. A batch with any other role would be used by nothing, without a word.
ROLES = (
    "calibration",
    "new_reference",
    "validation",
    "repeatability",
    "accepted",
    "blend_validation",
    "held_out",
    "interference",
    "specificity",
)

_COORDINATES = {
    "wavelength": ("wavelength", "float64"),
    "batch": ("spectrum", "text"),
    "time": ("spectrum", "datetime64[ns]"),
    "instrument": ("spectrum", "text"),
    "batch_id": ("batch_id", "text"),
}
_OPTIONAL = {"revolution": ("spectrum", "float64")}
RESERVED = frozenset({*_COORDINATES, *_OPTIONAL, "absorbance", "spectrum"})

# Names become folder names in a Zarr store.
_NAME = re.compile(r"(?!__)\w[\w .%+-]*", re.ASCII)

# A powder that lets 1e-10 of the light back is beyond every spectrometer: readings above are percentages.
HIGHEST_ABSORBANCE = 10.0


def check(ds: xr.Dataset, *, locate: Locate | None = None) -> xr.Dataset:
    """Hold a dataset against the contract; absorbance that is lazy is computed, in chunks.

    Parameters
    ----------
    ds : Dataset
        Spectra.
    locate : callable, optional
        Says where row i came from, for messages; rows are counted from 0.

    Returns
    -------
    Dataset
        `ds` itself.

    Raises
    ------
    SpectraError
        At the first violation; the message names the variable, the row and the column, what was expected, and
        what came.
    """
    locate = locate or _row
    check_metadata(ds, locate=locate)
    _check_absorbance(ds, locate)
    return ds


def check_metadata(ds: xr.Dataset, *, locate: Locate | None = None) -> None:
    """Hold everything but the absorbance values against the contract; nothing lazy is computed.

    Raises
    ------
    SpectraError
        As `check`.
    """
    locate = locate or _row
    _check_layout(ds)
    # A treated axis may have the gaps that the method's wavelength ranges leave.
    check_axis(np.asarray(ds["wavelength"].values), gaps="treatment" in ds.attrs)
    for name in ("batch", "instrument"):
        _check_names(name, np.asarray(ds[name].values), locate)
    _check_times(ds, locate)
    _check_revolutions(ds, locate)
    _check_facts(ds)
    for name in reference_names(ds):
        _check_not_infinite(name, np.asarray(ds[name].values), locate)


def reference_names(ds: xr.Dataset) -> list[str]:
    """Names of the analytes that `ds` has reference values of, sorted."""
    return sorted(str(name) for name in ds.data_vars if ds[name].dims == ("spectrum",))


def fact_names(ds: xr.Dataset) -> list[str]:
    """Names of the batch facts, sorted."""
    return sorted(str(name) for name in ds.data_vars if ds[name].dims == ("batch_id",))


def run_codes(ds: xr.Dataset) -> IntArray:
    """Code of the batch and instrument of every spectrum, in which time and revolutions run, shape (n,)."""
    batch, instrument = (
        np.unique(np.asarray(ds[name].values), return_inverse=True)[1] for name in ("batch", "instrument")
    )
    codes: IntArray = batch.astype(np.int64) * (int(instrument.max()) + 1) + instrument
    return codes


def _row(index: int) -> str:
    return f"row {index}"


def broken(variable: str, where: str, expected: str, got: object) -> NoReturn:
    """Raise the error that a variable breaks the contract."""
    place = f"`{variable}` {where}".rstrip()
    raise SpectraError(f"{place}: expected {expected}, got {got}")


def _kind(variable: xr.DataArray) -> str:
    return "text" if isinstance(variable.dtype, np.dtypes.StringDType) else str(variable.dtype)


def _described(variable: xr.DataArray) -> str:
    return f"{variable.dtype} on ({', '.join(map(str, variable.dims))})"


def _check_layout(ds: xr.Dataset) -> None:
    if "absorbance" not in ds.data_vars:
        broken("absorbance", "", "float64 on (spectrum, wavelength)", "no such variable")
    absorbance = ds["absorbance"]
    if absorbance.dims != ("spectrum", "wavelength") or _kind(absorbance) != "float64":
        broken("absorbance", "", "float64 on (spectrum, wavelength)", _described(absorbance))
    if absorbance.shape[0] < 1 or absorbance.shape[1] < 2:
        broken("absorbance", "", "at least one spectrum and two wavelengths", f"shape {absorbance.shape}")
    for name, (dim, kind) in (_COORDINATES | _OPTIONAL).items():
        _check_coordinate(ds, name, dim, kind)
    for name in set(map(str, ds.coords)) - RESERVED:
        broken(name, "", "no coordinate of this name", _described(ds[name]))
    for name in sorted(set(map(str, ds.data_vars)) - {"absorbance"}):
        _check_extra(ds[name], name)
    _check_case(ds)


def _check_case(ds: xr.Dataset) -> None:
    """Refuse `API` beside `api`, and `Role` for `role`: to people one thing, to programs two."""
    known = {name.casefold(): name for name in RESERVED | TEXT_FACTS | NUMERIC_FACTS}
    for name in sorted(map(str, ds.variables)):
        other = known.setdefault(name.casefold(), name)
        if other != name:
            broken(name, "", f"`{other}`, or a name that differs from it by more than capitals", repr(name))


def _check_coordinate(ds: xr.Dataset, name: str, dim: str, kind: str) -> None:
    expected = f"a coordinate, {'StringDType' if kind == 'text' else kind} on ({dim})"
    if name not in ds.coords:
        if name in _OPTIONAL and name not in ds:
            return
        broken(name, "", expected, "a data variable" if name in ds else "no such variable")
    if ds[name].dims != (dim,) or _kind(ds[name]) != kind:
        broken(name, "", expected, _described(ds[name]))


def _check_extra(variable: xr.DataArray, name: str) -> None:
    """Whatever else there is: reference values, or batch facts."""
    if not _NAME.fullmatch(name) or name in RESERVED:
        broken(name, "", "a name of letters, digits and inner marks that the contract does not use", repr(name))
    if variable.dims == ("batch_id",):
        if _kind(variable) not in ("text", "float64"):
            broken(name, "", "a batch fact, StringDType or float64 on (batch_id)", _described(variable))
    elif variable.dims != ("spectrum",) or _kind(variable) != "float64":
        broken(name, "", "reference values, float64 on (spectrum), or batch facts", _described(variable))
    elif not isinstance(variable.attrs.get("units"), str):
        broken(name, "", 'reference values with attrs["units"] as text', repr(variable.attrs.get("units")))


def _check_names(name: str, values: NDArray[Any], locate: Locate) -> None:
    bad = np.flatnonzero((values == "") | (np.strings.strip(values) != values))
    if bad.size:
        broken(name, locate(int(bad[0])), "a name without blanks around it", repr(str(values[bad[0]])))
    known: dict[str, str] = {}
    for one in np.unique(values).tolist():
        other = known.setdefault(one.casefold(), one)
        if other != one:
            row = int(np.flatnonzero(values == one)[0])
            broken(name, locate(row), f"{other!r}, or a name that differs from it by more than capitals", repr(one))


def _check_not_infinite(name: str, values: NDArray[Any], locate: Locate) -> None:
    bad = np.flatnonzero(np.isinf(values))
    if bad.size:
        broken(name, locate(int(bad[0])), "a finite number, or NaN where there is none", values[bad[0]])


def _check_times(ds: xr.Dataset, locate: Locate) -> None:
    times = np.asarray(ds["time"].values)
    missing = np.flatnonzero(np.isnat(times))
    if missing.size:
        broken("time", locate(int(missing[0])), "a time (UTC)", "NaT")
    _check_increasing(ds, "time", np.ones(times.size, dtype=np.bool_), locate)


def _check_revolutions(ds: xr.Dataset, locate: Locate) -> None:
    if "revolution" not in ds.coords:
        return
    values = np.asarray(ds["revolution"].values)
    bad = np.flatnonzero(np.isinf(values) | (values < 0))
    if bad.size:
        broken("revolution", locate(int(bad[0])), "a count of at least 0, or NaN", values[bad[0]])
    _check_increasing(ds, "revolution", ~np.isnan(values), locate)


def _check_increasing(ds: xr.Dataset, name: str, given: BoolArray, locate: Locate) -> None:
    values = np.asarray(ds[name].values)
    codes = run_codes(ds)
    rows = np.flatnonzero(given)
    rows = rows[np.argsort(codes[rows], kind="stable")]  # runs one after the other, each in the order of its rows
    before, after = rows[:-1], rows[1:]
    bad = np.flatnonzero((codes[before] == codes[after]) & (values[after] <= values[before]))
    if bad.size:
        i = bad[np.argmin(after[bad])]
        row, last = int(after[i]), int(before[i])
        run = f"batch {str(ds['batch'].values[row])!r} on instrument {str(ds['instrument'].values[row])!r}"
        expected = f"a value above {values[last]}, that of {locate(last)}, the one before in {run}"
        broken(name, locate(row), expected, values[row])


def _check_facts(ds: xr.Dataset) -> None:
    names = np.asarray(ds["batch_id"].values).tolist()
    batches = set(np.asarray(ds["batch"].values).tolist())
    first = {name: row for row, name in reversed(list(enumerate(names)))}
    for row, name in enumerate(names):
        if first[name] != row:
            broken("batch_id", _row(row), "every batch once", f"{name!r} again")
        if name not in batches:
            broken("batch_id", _row(row), "a batch that has spectra", repr(name))
    if missing := sorted(batches - set(names)):
        broken("batch_id", "", "every batch that has spectra", f"no {missing[0]!r}")
    _check_roles(ds)
    for fact in fact_names(ds):
        text = _kind(ds[fact]) == "text"
        if fact in (NUMERIC_FACTS if text else TEXT_FACTS):
            broken(fact, "", "numbers" if text else "text", _described(ds[fact]))
        if not text:
            _check_not_infinite(fact, np.asarray(ds[fact].values), _row)


def _check_roles(ds: xr.Dataset) -> None:
    if "role" in ds and _kind(ds["role"]) == "text":
        for row, role in enumerate(np.asarray(ds["role"].values).tolist()):
            if role not in ROLES:
                batch = str(ds["batch_id"].values[row])
                broken("role", f"{_row(row)} (batch {batch!r})", f"one of {', '.join(ROLES)}", repr(role))


def _check_absorbance(ds: xr.Dataset, locate: Locate) -> None:
    absorbance = ds["absorbance"]
    # Both reductions in one pass, for absorbance may be lazy and larger than the memory.
    seen = xr.Dataset(
        {
            "finite": xr.ufuncs.isfinite(absorbance).all("wavelength"),
            "high": (absorbance > HIGHEST_ABSORBANCE).sum("wavelength"),
        }
    ).compute()
    bad = np.flatnonzero(~seen["finite"].values)
    if bad.size:
        row = int(bad[0])
        spectrum = np.asarray(absorbance[row].values)
        column = int(np.flatnonzero(~np.isfinite(spectrum))[0])
        where = f"{locate(row)}, column {column} ({ds['wavelength'].values[column]:g} nm)"
        broken("absorbance", where, "a finite number", f"{spectrum[column]} ({bad.size} such spectra in all)")
    _check_units(ds, np.asarray(seen["high"].values, np.float64), locate)


def _check_units(ds: xr.Dataset, high: NDArray[np.float64], locate: Locate) -> None:
    """Refuse a run most of whose readings are too high; single spectra may be (a spike, a blocked window)."""
    codes = run_codes(ds)
    readings = np.bincount(codes) * float(ds.sizes["wavelength"])
    bad = np.flatnonzero((np.bincount(codes, weights=high) > 0.5 * readings)[codes])
    if bad.size:
        row = int(bad[0])
        median = float(np.median(ds["absorbance"][row].values))
        broken(
            "absorbance",
            locate(row),
            f"absorbance in AU, below {HIGHEST_ABSORBANCE:g}",
            f"a median of {median:.4g}; if these are percent reflectance, absorbance is log10(100 / percent)",
        )
