"""What may happen to raw spectra in use, at growing size: warmth, moisture, noise, axis, film, baseline, gain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import CubicSpline

from pat.core.types import Array
from pat.errors import InputError
from pat.simulation.mixing import TARGET
from pat.simulation.spectra import (
    COMPONENTS,
    MICRONIR,
    REFERENCE_TEMPERATURE,
    Instrument,
    Scatter,
    film_spectrum,
    pure_spectra,
)
from pat.simulation.variation import Lot, composition

Change = Callable[[Array, float], Array]
# A change with temperature is taken as linear over so many kelvin.
_KELVIN = 5.0


@dataclass(frozen=True)
class Perturbation:
    """One thing that may happen to spectra.

    Attributes
    ----------
    name, unit : str
        What happens, and in what its size is measured.
    sizes : tuple of float
        Sizes to try, positive and growing.
    signed : bool
        Whether it happens in both directions; both are then tried at every size.
    change : callable
        Takes raw spectra (n, p) and a size, and returns what they become.
    simulated : bool
        Whether it rests on a synthetic spectrum (of water, of warmth, of a film) rather than a measured one.
    """

    name: str
    unit: str
    sizes: tuple[float, ...]
    signed: bool
    change: Change
    simulated: bool = False

    def __post_init__(self) -> None:
        if not self.sizes or self.sizes[0] <= 0.0 or any(np.diff(self.sizes) <= 0.0):
            raise InputError(f"{self.name}: sizes must be positive and growing, got {self.sizes}")


def standard_perturbations(
    wavelength: Array,
    *,
    water: Array | None = None,
    warming: Array | None = None,
    film: Array | None = None,
    seed: int = 0,
) -> tuple[Perturbation, ...]:
    """Return the perturbations that every method should be tried with.

    Parameters
    ----------
    wavelength : ndarray of shape (p,)
        Axis of the raw spectra (nm), ascending.
    water : ndarray of shape (p,), optional
        What 1 % w/w of water adds to a spectrum (AU); a synthetic one by default.
    warming : ndarray of shape (p,), optional
        What 1 K adds to a spectrum of the product (AU/K); by default that of a simulated blend, whose O-H bands move to
        shorter wavelengths and shrink.
    film : ndarray of shape (p,), optional
        Spectrum of a film on the window (AU); by default a simulated one, rich in lubricant.
    seed : int
        Of the noise.

    Raises
    ------
    InputError
        If the axis does not ascend, or a spectrum given does not fit it.
    """
    if wavelength.ndim != 1 or wavelength.size < 4 or not (np.diff(wavelength) > 0.0).all():
        raise InputError(f"the axis must ascend over at least 4 wavelengths, got shape {wavelength.shape}")
    for name, spectrum in (("water", water), ("warming", warming), ("film", film)):
        if spectrum is not None and spectrum.shape != wavelength.shape:
            raise InputError(f"`{name}` must have shape {wavelength.shape} as the axis has, got {spectrum.shape}")
    fine = _covering(wavelength)
    wet = _on(wavelength, fine, pure_spectra(fine)[COMPONENTS.index("water")] / 100.0) if water is None else water
    warm = _on(wavelength, fine, _per_kelvin(fine)) if warming is None else warming
    layer = _on(wavelength, fine, film_spectrum(fine)) if film is None else film
    return (
        Perturbation("temperature", "K", (2, 5, 10, 15, 25), True, added(warm), warming is None),
        Perturbation("moisture", "% w/w", (0.25, 0.5, 1, 2, 4), True, added(wet), water is None),
        Perturbation("noise", "AU", (2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2), False, noise(seed)),
        Perturbation("axis shift", "nm", (0.1, 0.2, 0.5, 1, 2, 5), True, axis_shift(wavelength)),
        Perturbation("film", "share of window", (0.02, 0.05, 0.1, 0.2, 0.4, 0.6), False, fouled(layer), film is None),
        Perturbation("baseline offset", "AU", (0.01, 0.02, 0.05, 0.1, 0.2, 0.5), True, scatter("offset")),
        Perturbation("baseline slope", "AU over half the axis", (0.005, 0.01, 0.02, 0.05, 0.1), True, scatter("tilt")),
        Perturbation("gain", "relative", (0.02, 0.05, 0.1, 0.2, 0.4), True, scatter("gain")),
    )


def added(spectrum: Array) -> Change:
    """Return the change that adds so many times a spectrum (p,)."""
    return lambda x, size: x + size * spectrum


def fouled(film: Array) -> Change:
    """Return the change that covers a share f of the window with a film (p,): x becomes (1 - f) x + f film."""
    return lambda x, share: (1.0 - share) * x + share * film


def noise(seed: int) -> Change:
    """Return the change that adds white noise of this SD: the same draws at every size."""
    return lambda x, sd: x + sd * np.random.default_rng(seed).standard_normal(x.shape)


def axis_shift(wavelength: Array) -> Change:
    """Return the change by which a band is read so many nm higher: by a cubic spline, held at the ends."""

    def shifted(x: Array, size: float) -> Array:
        at = np.clip(wavelength - size, wavelength[0], wavelength[-1])
        return np.asarray(CubicSpline(wavelength, x, axis=1)(at))

    return shifted


def scatter(part: str) -> Change:
    """Return the change of one part of `pat.simulation.spectra.Scatter`: offset, tilt (AU) or gain (relative)."""

    def scattered(x: Array, size: float) -> Array:
        nothing = np.zeros(len(x))
        plain = Scatter(gain=nothing + 1.0, offset=nothing, tilt=nothing, curvature=nothing)
        return replace(plain, **{part: getattr(plain, part) + size}).apply(x)

    return scattered


def _covering(wavelength: Array) -> Instrument:
    """Return an instrument with a channel at every nm of an axis, for synthetic spectra."""
    first, last = np.floor(wavelength[0]), np.ceil(wavelength[-1])
    return replace(MICRONIR, name="synthetic", first=float(first), step=1.0, n_channels=int(last - first) + 1)


def _on(wavelength: Array, instrument: Instrument, spectrum: Array) -> Array:
    return np.interp(wavelength, instrument.wavelength, spectrum)


def _per_kelvin(instrument: Instrument) -> Array:
    """Return what 1 K changes in a spectrum of the simulated blend."""
    lot = Lot()
    blend = composition(np.array([TARGET]), lot, np.array([lot.mcc_share]))[0]
    warm = pure_spectra(instrument, REFERENCE_TEMPERATURE + _KELVIN)
    return np.asarray(blend @ (warm - pure_spectra(instrument)) / _KELVIN)
