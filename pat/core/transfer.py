"""Calibration transfer: spectra of a new instrument as the old one would have read them, from few common samples.

Both forms of standardisation learn an affine map by least squares, centred, so that the additive difference of the
instruments (the background correction of Wang, Lysaght and Kowalski) is part of it. Direct standardisation computes
each wavelength of the old instrument from all channels of the new one, piecewise direct standardisation from a window
of them. Ten samples do not determine that many weights. They are shrunk, and, unless asked otherwise, towards the new
spectrum as it is: what the transfer samples do not show passes unchanged, so that Q residuals still see foreign
material. Shrunk towards zero, as in the papers, direct standardisation projects every spectrum onto what the transfer
samples span, and Q sees nothing.

References
----------
Wang, Veltkamp and Kowalski, *Anal. Chem.* 63 (1991) 2750; Wang, Lysaght and Kowalski, *Anal. Chem.* 64 (1992) 562.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from pat.core.preprocess import Standardisation, interpolation_weights
from pat.core.preprocess.axis import check_axis
from pat.core.types import Array, IntArray
from pat.errors import InputError

# Directions with less than this share of the largest variance are rounding.
_ROUNDING = 1e-10
_LEAST_SAMPLES = 3


@dataclass(frozen=True)
class Settings:
    """How a standardisation is learnt.

    Attributes
    ----------
    window : int or None
        Odd number of channels that each wavelength is computed from: piecewise direct standardisation. None takes all:
        direct standardisation.
    ridge : float or None
        Ridge penalty, in shares of the sum of squares of the centred channels of the window.
    components : int or None
        In place of a penalty: principal components of the window that are regressed on, as many as there are at most; 0
        leaves an offset alone.
    from_zero : bool
        Whether weights are shrunk towards zero, as in the papers, in place of the new instrument's own reading.

    Raises
    ------
    InputError
        If a number does not fit, or there is not one of `ridge` and `components`.
    """

    window: int | None = None
    ridge: float | None = None
    components: int | None = None
    from_zero: bool = False

    def __post_init__(self) -> None:
        if self.window is not None and (not _whole(self.window) or self.window < 1 or self.window % 2 == 0):
            raise InputError(f"`window` must be an odd number of channels, or None for all, got {self.window!r}")
        if (self.ridge is None) is (self.components is None):
            raise InputError(f"one of `ridge` and `components` must be given, got {self.ridge} and {self.components}")
        if self.ridge is not None and not 0.0 < self.ridge < np.inf:
            raise InputError(f"`ridge` must be above 0 and finite, got {self.ridge}")
        if self.components is not None and not (_whole(self.components) and self.components >= 0):
            raise InputError(f"`components` must be a whole number from 0 on, got {self.components!r}")


def _whole(number: object) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool)


def slope_bias(found: Any, wanted: Any) -> tuple[float, float]:
    """Slope b and bias a of the least-squares line ``wanted = a + b found`` through predictions of the same samples.

    Parameters
    ----------
    found, wanted : array_like of shape (n,)
        Predictions from the new instrument's spectra, and what they should be.

    Returns
    -------
    slope, bias : float

    Raises
    ------
    InputError
        For fewer than 3 samples, numbers that are not finite, or predictions that do not vary.

    Examples
    --------
    >>> slope_bias([1.0, 2.0, 3.0], [3.0, 5.0, 7.0])
    (2.0, 1.0)
    """
    x, y = np.asarray(found, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or x.size < _LEAST_SAMPLES:
        raise InputError(f"slope and bias need {_LEAST_SAMPLES} or more pairs, got shapes {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()) or np.ptp(x) == 0.0:
        raise InputError("slope and bias need finite predictions that vary")
    centred = x - x.mean()
    slope = float(centred @ (y - y.mean()) / (centred @ centred))
    return slope, float(y.mean() - slope * x.mean())


def standardise(old: Any, new: Any, settings: Settings, wavelength: Any, wavelength_new: Any = None) -> Standardisation:
    """Learn to bring spectra of a new instrument to the axis and the response of an old one.

    Parameters
    ----------
    old : array_like of shape (n, q)
        Transfer samples on the old instrument.
    new : array_like of shape (n, p)
        The same samples, in the same order, on the new one.
    settings : Settings
    wavelength : array_like of shape (q,)
        Axis of the old instrument (nm).
    wavelength_new : array_like of shape (p,), optional
        Axis of the new one, which must hold the old one's inside it; the same by default.

    Returns
    -------
    Standardisation

    Raises
    ------
    InputError
        If samples do not pair or are fewer than 3, spectra are not finite or not of their axes, the window is wider
        than the axis, or the old axis reaches beyond the new one.

    Notes
    -----
    With centred windows Z (n, w) of the new instrument and centred readings d (n,) of the old one at a wavelength, less
    those of the new one there unless `from_zero`, the weights are Z'(Z Z' + ridge tr(Z Z') I)^-1 d, or with the
    inverse taken over the first components alone. At the ends of the axis windows keep their width and lie off-centre.
    """
    return _Decomposed(_Samples.of(old, new, wavelength, wavelength_new), settings.window).learnt(settings)


def leave_one_out(
    old: Any, new: Any, settings: Sequence[Settings], wavelength: Any, wavelength_new: Any = None
) -> Array:
    """Standardise each transfer sample by what the others teach.

    Parameters
    ----------
    old, new, wavelength, wavelength_new
        As of `standardise`; 4 or more samples.
    settings : sequence of Settings

    Returns
    -------
    ndarray of shape (len(settings), n, q)
        Spectra of the new instrument, standardised.

    Raises
    ------
    InputError
        As `standardise`.
    """
    samples = _Samples.of(old, new, wavelength, wavelength_new)
    n = len(samples.old)
    if n <= _LEAST_SAMPLES:
        raise InputError(f"leaving one out needs {_LEAST_SAMPLES + 1} or more transfer samples, got {n}")
    found = np.empty((len(settings), n, samples.wavelength.size))
    for i in range(n):
        kept = samples.without(i)
        by_window: dict[int | None, _Decomposed] = {}
        for k, each in enumerate(settings):
            if each.window not in by_window:
                by_window[each.window] = _Decomposed(kept, each.window)
            found[k, i] = by_window[each.window].learnt(each)(samples.new[i : i + 1])[0]
    return found


@dataclass(frozen=True)
class _Samples:
    """Transfer samples on both instruments, with their axes."""

    old: Array
    new: Array
    wavelength: Array
    wavelength_new: Array

    @classmethod
    def of(cls, old: Any, new: Any, wavelength: Any, wavelength_new: Any) -> _Samples:
        axis = np.asarray(wavelength, dtype=np.float64)
        axis_new = axis if wavelength_new is None else np.asarray(wavelength_new, dtype=np.float64)
        check_axis(axis)
        check_axis(axis_new)
        tables = _spectra("old", old, axis), _spectra("new", new, axis_new)
        if len(tables[0]) != len(tables[1]):
            raise InputError(f"transfer samples must pair, got {len(tables[0])} old spectra and {len(tables[1])} new")
        if len(tables[0]) < _LEAST_SAMPLES:
            raise InputError(f"standardisation needs {_LEAST_SAMPLES} or more transfer samples, got {len(tables[0])}")
        return cls(*tables, axis, axis_new)

    def without(self, i: int) -> _Samples:
        return _Samples(np.delete(self.old, i, 0), np.delete(self.new, i, 0), self.wavelength, self.wavelength_new)

    def same_reading(self) -> tuple[IntArray, Array]:
        """First channel and weights of the new instrument's own reading at each wavelength of the old one."""
        if np.array_equal(self.wavelength, self.wavelength_new):
            return np.arange(self.wavelength.size), np.ones((self.wavelength.size, 1))
        return interpolation_weights(self.wavelength_new, self.wavelength, "linear")


def _spectra(name: str, given: Any, axis: Array) -> Array:
    try:
        table = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"`{name}` must be a table of numbers, got {error}") from error
    if table.ndim != 2 or table.shape[1] != axis.size:
        raise InputError(f"`{name}` spectra must have {axis.size} wavelengths, as their axis, got shape {table.shape}")
    if not np.isfinite(table).all():
        raise InputError(f"`{name}` spectra must be finite")
    return table


class _Decomposed:
    """Transfer samples seen through windows of one width, decomposed once for all penalties and components.

    The samples are few: what is decomposed is Z Z' (n, n), for all wavelengths together where the window is everything.
    """

    def __init__(self, samples: _Samples, window: int | None) -> None:
        self._samples, self._window = samples, window
        self._mean_old, self._mean_new = samples.old.mean(axis=0), samples.new.mean(axis=0)
        self._old, self._new = samples.old - self._mean_old, samples.new - self._mean_new
        self._same = samples.same_reading()
        first, weights = self._same
        own = sum(weights[:, i] * self._new[:, first + i] for i in range(weights.shape[1]))
        self._differences = self._old - own
        self._first, self._z = self._windows()
        variance, self._vectors = np.linalg.eigh(self._z @ self._z.transpose(0, 2, 1))
        # The largest first, and none of what centring left as rounding.
        self._variance, self._vectors = np.maximum(variance[:, ::-1], 0.0), self._vectors[:, :, ::-1]

    def _windows(self) -> tuple[IntArray, Array]:
        """First channels (q,) and centred channels (q, n, w) of each window; (1,) and (1, n, p) of the whole axis."""
        p = self._new.shape[1]
        if self._window is None:
            return np.zeros(1, dtype=np.int64), self._new[None]
        if not self._same[1].shape[1] <= self._window <= p:
            least = self._same[1].shape[1]
            raise InputError(f"`window` must be from {least} to the {p} channels of the new axis, got {self._window}")
        after = np.searchsorted(self._samples.wavelength_new, self._samples.wavelength).clip(1, p - 1)
        gap = self._samples.wavelength_new[[after - 1, after]] - self._samples.wavelength
        nearest = np.where(np.abs(gap[0]) < np.abs(gap[1]), after - 1, after)
        first = np.clip(nearest - self._window // 2, 0, p - self._window)
        windows = np.lib.stride_tricks.sliding_window_view(self._new, self._window, axis=1)
        return first, windows[:, first].transpose(1, 0, 2)

    def learnt(self, settings: Settings) -> Standardisation:
        """Return the map by these settings, which have the window of this one."""
        goal = self._old if settings.from_zero else self._differences
        # (q or 1, n, 1 or q): the coordinates of what is to be explained, among the samples' own directions.
        sought = goal.T[:, :, None] if self._window is not None else goal[None]
        coordinates = self._inverse(settings)[:, :, None] * (self._vectors.transpose(0, 2, 1) @ sought)
        inner, outer = np.empty((0, self._new.shape[1])), np.empty((0, self._samples.wavelength.size))
        if self._window is None:
            used = coordinates[0].any(axis=1)
            inner, outer = (self._vectors[0].T @ self._new)[used], coordinates[0][used]
            first, weights = self._without_window(settings)
        else:
            first, weights = self._first, self._weights(self._vectors @ coordinates, settings)
        return self._centred(first, weights, inner, outer)

    def _inverse(self, settings: Settings) -> Array:
        """Factors (q, n) of the directions: 1 / (variance + penalty), or of the first components alone 1 / variance."""
        there = self._variance > _ROUNDING * self._variance[:, :1]
        penalty = 0.0 if settings.ridge is None else settings.ridge * self._variance.sum(axis=1, keepdims=True)
        if settings.components is not None:
            there = there & (np.arange(there.shape[1]) < settings.components)
        return np.asarray(np.divide(1.0, self._variance + penalty, out=np.zeros(there.shape), where=there))

    def _weights(self, dual: Array, settings: Settings) -> Array:
        """Weights (q, w) of windows from those of the samples (q, n, 1), with the new instrument's own reading."""
        weights = (dual.transpose(0, 2, 1) @ self._z)[:, 0]
        if not settings.from_zero:
            first, own = self._same
            rows = np.arange(len(weights))
            for i in range(own.shape[1]):
                weights[rows, first + i - self._first] += own[:, i]
        return weights

    def _without_window(self, settings: Settings) -> tuple[IntArray, Array]:
        """Return the band of direct standardisation: the new instrument's own reading, or nothing."""
        first, own = self._same
        return (first, own) if not settings.from_zero else (np.zeros_like(first), np.zeros((first.size, 1)))

    def _centred(self, first: IntArray, weights: Array, inner: Array, outer: Array) -> Standardisation:
        """Return the map whose offset takes the mean of the new spectra to that of the old ones."""
        nothing = np.zeros(self._samples.wavelength.size)
        axes = self._samples.wavelength_new, self._samples.wavelength
        linear = Standardisation(*axes, first, weights, inner, outer, nothing)
        offset = self._mean_old - linear(self._mean_new[None])[0]
        return Standardisation(*axes, first, weights, inner, outer, offset)


def usual_settings(n_samples: int, n_channels: int) -> Iterator[Settings]:
    """Yield settings to choose from by cross-validation, those that change least first.

    Parameters
    ----------
    n_samples : int
        Transfer samples; one of them is left out, and a component less is asked for than the others show.
    n_channels : int
        Channels of the new instrument.
    """
    yield Settings(components=0)
    for window in (None, *(each for each in _WINDOWS if each <= n_channels)):
        for ridge in _RIDGES:
            yield Settings(window, ridge=ridge)
        for components in range(1, min(_MOST_COMPONENTS, n_samples - 3, window or n_samples) + 1):
            yield Settings(window, components=components)


_WINDOWS = (1, 3, 5, 7, 11, 17, 25, 37)
_RIDGES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
_MOST_COMPONENTS = 6
