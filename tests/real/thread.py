"""Measured spectra through the path that every user takes, from CSV files to a loaded scorer.

The CSV writer and the scikit-learn pipeline here share nothing with `pat`: one makes what a user would have, the other
is the independent program that the numbers are held against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.signal import savgol_filter
from sklearn.cross_decomposition import PLSRegression

from pat.calibration import Calibration, calibrate
from pat.core.types import Array, BoolArray
from pat.export import export
from pat.method import Method
from pat.readers.csv import read_csv
from pat.scorer import Scorer
from pat.spectra import open_store, write_store
from pat.treatment import treat
from pat.validation.run import Validation, validate

HERE = Path(__file__).parent
Table = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Campaign:
    """Spectra (n, p) with their batches (n,) and reference values (n,), and facts by batch."""

    absorbance: Array
    wavelength: Array
    batch: NDArray[np.str_]
    instrument: str
    analyte: str
    reference: Array
    facts: Mapping[str, Mapping[str, str | float]]

    def of_role(self, role: str) -> BoolArray:
        """Say which spectra are of batches with this role, shape (n,)."""
        return np.array([self.facts[name]["role"] == role for name in self.batch.tolist()])


@dataclass(frozen=True)
class Thread:
    """What the path gave, from the raw store to the scorer that was loaded from the artefact."""

    campaign: Campaign
    method: Method
    raw: xr.Dataset
    calibration: Calibration
    validation: Validation
    scorer: Scorer

    @property
    def n_components(self) -> int:
        """Number of components that the method's rule chose."""
        return self.calibration.model.n_components

    def predict(self, role: str) -> Array:
        """Values (n,) that the scorer gives for the spectra of a role."""
        return self.scorer.predict(self.campaign.absorbance[self.campaign.of_role(role)]).value


def method_of(name: str, **acceptance: Any) -> Method:
    """Load a method of this folder; keywords change its acceptance criteria."""
    document = Method.load(HERE / f"{name}.yaml").document()
    document["acceptance"] |= acceptance
    return Method.from_document(document)


def import_campaign(campaign: Campaign, folder: Path, units: str) -> xr.Dataset:
    """Write the campaign as CSV, import it, and open the store."""
    write_csv(campaign, folder, units)
    write_store(read_csv([folder / "spectra.csv"], folder / "batches.csv"), folder / "raw.zarr")
    return open_store(folder / "raw.zarr")


def write_csv(campaign: Campaign, folder: Path, units: str) -> None:
    """Write `spectra.csv` and `batches.csv`, every digit of every number included."""
    n = campaign.batch.size
    start = np.datetime64("2026-03-02T08:00:00")
    table = {
        "batch": campaign.batch,
        "time": np.char.add(np.datetime_as_string(start + 30 * np.arange(n)), "Z"),
        "revolution": np.full(n, ""),
        "instrument": np.full(n, campaign.instrument),
        f"{campaign.analyte} [{units}]": campaign.reference,
    }
    axis = [repr(nm) for nm in campaign.wavelength.tolist()]
    spectra = pd.DataFrame(campaign.absorbance, columns=axis)
    pd.concat([pd.DataFrame(table), spectra], axis=1).to_csv(folder / "spectra.csv", index=False)
    facts = [{"batch": name, **known} for name, known in campaign.facts.items()]
    pd.DataFrame(facts).to_csv(folder / "batches.csv", index=False)


def prepare(campaign: Campaign, method: Method, folder: Path) -> tuple[xr.Dataset, Calibration, Validation]:
    """Import, calibrate and validate."""
    raw = import_campaign(campaign, folder, method.analyte.units)
    calibration = calibrate(method, treat(method, raw))
    return raw, calibration, validate(method, calibration, None, raw)


def follow_through(campaign: Campaign, method: Method, folder: Path) -> Thread:
    """Take the whole path."""
    raw, calibration, validation = prepare(campaign, method, folder)
    export(folder / "artefact", method, calibration, None, validation, raw, "<html>no report</html>")
    scorer = Scorer.load(folder / "artefact", allow_unreleased=True)
    return Thread(campaign, method, raw, calibration, validation, scorer)


def treated_independently(absorbance: Array, window: int, deriv: int, delta: float) -> Array:
    """SNV with the sample standard deviation, then scipy's Savitzky-Golay filter of second degree, per nm."""
    deviation = np.std(absorbance, axis=1, ddof=1)[:, np.newaxis]
    centred = absorbance - np.mean(absorbance, axis=1)[:, np.newaxis]
    return np.asarray(savgol_filter(centred / deviation, window, 2, deriv=deriv, delta=delta, axis=1))


def scikit_learn(x: Array, y: Array, n_components: int) -> PLSRegression:
    """Fit scikit-learn's PLS without scaling."""
    return PLSRegression(n_components, scale=False).fit(x, y)


def in_groups(prefix: str, n: int, n_groups: int) -> NDArray[np.str_]:
    """Names for n samples in groups of neighbours of nearly one size, in their order."""
    return np.array([f"{prefix}{i * n_groups // n + 1:02d}" for i in range(n)])


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a short table for who runs the tests with `-s`."""
    cells = [[f"{v:.3f}" if isinstance(v, float) else str(v) for v in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in (header, *cells)]
    print(f"\n{title}", *lines, sep="\n  ")
