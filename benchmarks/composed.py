"""Blends composed of measured spectra: two milk powders, eleven levels scanned twenty times each.

The composition of every reading is simulated; its spectrum is made of real scans of the two levels about it. The scans
lie beside the project, never in it, for their licence differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pat.core.types import Array
from pat.errors import InputError

MEASURED = Path(__file__).resolve().parents[2] / "shared" / "data" / "two_powders.npz"
"""Where the scans are, if this machine has them."""
# Share of a scan's own noise that a reading keeps; the rest is made anew, so that one drawn again is another reading.
_KEPT = 0.5
# To which part a level's scans go, in the order that they were taken: its powder settles from one to the next, and each
# part shall see as much of that as the others.
_PARTS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0] * 2)


@dataclass(frozen=True)
class Scans:
    """Repeat scans of powder mixtures.

    Attributes
    ----------
    wavelength : ndarray of shape (p,)
        Axis (nm).
    level : ndarray of shape (k,)
        Contents (% w/w), increasing.
    absorbance : ndarray of shape (k, m, p)
        The m scans of each.
    """

    wavelength: Array
    level: Array
    absorbance: Array

    def parts(self) -> Iterator[Scans]:
        """Yield three parts that share no scan: 8 scans of each level that calibrate, and twice 6 for blends."""
        for part in range(3):
            yield Scans(self.wavelength, self.level, self.absorbance[:, part == _PARTS])

    def scatter(self, predict: Callable[[Array], Array]) -> Array:
        """Return the standard deviation (k,) of the predictions of each level's scans (analyte units)."""
        return np.array([np.std(predict(scans), ddof=1) for scans in self.absorbance])


class Powder:
    """What gives a spectrum for every composition.

    Parameters
    ----------
    scans : Scans
        Scans that readings are made of.
    scatter : Scans
        Scans that say how scans scatter, at the same levels.
    predict : callable
        Predicts the content (n,) of spectra (n, p).
    noise : float
        Standard deviation (% w/w) of predictions at every composition.

    Raises
    ------
    InputError
        If the scans of a level scatter by more than 1.4 times that.

    Notes
    -----
    A reading that lies between two levels, u of the way from the one to the other, is (1 - u) a scan of the one and u
    a scan of the other. Two scans together have less noise than one, and the levels do not scatter alike, by which the
    noise would depend on the composition. So half of the variance of each scan's noise is kept, and a normal
    combination of the residuals of all mixtures, which has their pooled covariance, is added: as much of it as makes
    the noise of the prediction the same at every composition. A scan's scatter is no part of its shape: each is taken
    apart into mean, logarithm of SD and shape over the wavelengths, these are composed, and put together again.
    """

    def __init__(self, scans: Scans, scatter: Scans, predict: Callable[[Array], Array], noise: float) -> None:
        self._level, self._noise, self._own = scans.level, noise, scans.scatter(predict)
        if self._own.max() ** 2 * _KEPT > noise**2:
            raise InputError(f"expected scans that scatter by at most {1.4 * noise:.3g}, got {self._own.max():.3g}")
        self._mean, self._residual = _residuals(scans)
        mixtures = Scans(scatter.wavelength, scatter.level[1:-1], scatter.absorbance[1:-1])
        pooled = np.sqrt((mixtures.scatter(predict) ** 2).mean())
        residual = np.concatenate(_residuals(mixtures)[1])
        # Normal combinations of these have their covariance, and predictions that scatter with an SD of 1.
        self._fresh = residual / (pooled * np.sqrt(len(residual)))

    def spectra(self, content: Array, rng: np.random.Generator) -> Array:
        """Return spectra (n, p) of contents (n,) from the lowest level to the highest (% w/w)."""
        k, m, _ = self._residual.shape
        shares = np.array([np.interp(content, self._level, one) for one in np.eye(k)]).T
        drawn = rng.integers(m, size=shares.shape)[..., None] == np.arange(m)
        own = np.sqrt(_KEPT) * shares[..., None] * drawn
        fresh = np.sqrt(self._noise**2 - _KEPT * shares**2 @ self._own**2)
        made = shares @ self._mean + np.tensordot(own, self._residual, 2)
        made += fresh[:, None] * rng.standard_normal((content.size, len(self._fresh))) @ self._fresh
        return _together(made)


def _residuals(scans: Scans) -> tuple[Array, Array]:
    """Mean (k, p + 2) of each level's scans taken apart, and their deviations (k, m, p + 2) from it.

    Deviations of m scans about their own mean are too small, which is made up for.
    """
    apart, m = _apart(scans.absorbance), scans.absorbance.shape[1]
    mean = apart.mean(axis=1)
    return mean, (apart - mean[:, None]) * np.sqrt(m / (m - 1))


def _apart(spectra: Array) -> Array:
    """Shape (..., p) of spectra (..., p), then mean and logarithm of SD."""
    mean, sd = spectra.mean(axis=-1, keepdims=True), spectra.std(axis=-1, ddof=1, keepdims=True)
    return np.concatenate([(spectra - mean) / sd, mean, np.log(sd)], axis=-1)


def _together(apart: Array) -> Array:
    """Spectra (..., p) from what `_apart` gives."""
    return np.asarray(apart[..., -2:-1] + np.exp(apart[..., -1:]) * apart[..., :-2])


def measured_scans(path: Path = MEASURED) -> Scans:
    """Read the scans.

    Raises
    ------
    InputError
        If this machine has none.
    """
    if not path.is_file():
        raise InputError(f"measured spectra are no part of the project: expected ../shared/data/{path.name} beside it")
    with np.load(path, allow_pickle=False) as archive:
        content, absorbance = archive["second_component_pct"], archive["absorbance"]
        level = np.unique(content)
        return Scans(archive["wavelength_nm"], level, np.array([absorbance[content == one] for one in level]))
