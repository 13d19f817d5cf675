"""From a composition to the spectrum that an instrument writes: bands, instruments, scatter and noise.

The bands are a plausible library (band positions and widths after Workman and Weyer, "Practical Guide and Spectral
Atlas for Interpretive Near-Infrared Spectroscopy", 2nd ed., 2012), not measured spectra.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pat.core.types import Array

FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
PATH = 1.6
"""Absorbance of a pure material at a band of height 1 (AU): the effective path through the powder."""
REFERENCE_TEMPERATURE = 25.0
"""Temperature at which the bands stand where the tables put them (degrees C)."""


@dataclass(frozen=True)
class Band:
    """One Gaussian absorption band.

    Attributes
    ----------
    centre, width : float
        Position and standard deviation (nm) at the reference temperature.
    height : float
        Relative height of the pure material.
    bond : str
        What vibrates: a key of `TEMPERATURE`.
    """

    centre: float
    width: float
    height: float
    bond: str


TEMPERATURE = {
    "O-H": (-0.30, -0.002),
    "O-H comb": (-0.40, -0.003),
    "N-H": (-0.22, 0.0),
    "C-H": (-0.06, 0.0),
}
"""Per bond: shift of the band (nm/K) and relative change of its height (1/K).

Warmth breaks hydrogen bonds (Maeda et al., J. Near Infrared Spectrosc. 3 (1995) 191; Segtnan et al., Anal. Chem. 73
(2001) 3153)."""

MATERIALS: dict[str, tuple[Band, ...]] = {
    "api": (
        Band(1140, 15, 0.30, "C-H"),
        Band(1390, 20, 0.45, "O-H"),
        Band(1510, 18, 0.40, "N-H"),
        Band(1670, 18, 0.48, "C-H"),
        Band(2055, 28, 0.50, "N-H"),
        Band(2260, 22, 0.35, "C-H"),
    ),
    "lactose": (
        Band(1200, 30, 0.12, "C-H"),
        Band(1450, 26, 0.50, "O-H"),
        Band(1535, 14, 0.25, "O-H"),
        Band(1690, 18, 0.32, "C-H"),
        Band(1940, 32, 0.65, "O-H comb"),
        Band(2100, 30, 0.55, "O-H comb"),
        Band(2270, 22, 0.40, "C-H"),
    ),
    "mcc": (
        Band(1220, 30, 0.15, "C-H"),
        Band(1492, 22, 0.42, "O-H"),
        Band(1782, 18, 0.32, "C-H"),
        Band(1930, 34, 0.35, "O-H comb"),
        Band(2092, 28, 0.52, "O-H comb"),
        Band(2282, 22, 0.42, "C-H"),
        Band(2342, 20, 0.36, "C-H"),
    ),
    "mgst": (
        Band(1214, 18, 0.44, "C-H"),
        Band(1394, 18, 0.25, "C-H"),
        Band(1728, 16, 0.68, "C-H"),
        Band(1765, 14, 0.50, "C-H"),
        Band(2310, 18, 0.58, "C-H"),
        Band(2352, 16, 0.48, "C-H"),
    ),
    "water": (
        Band(970, 22, 0.18, "O-H"),
        Band(1455, 30, 0.80, "O-H"),
        Band(1938, 32, 1.00, "O-H comb"),
    ),
}
"""Paracetamol, lactose monohydrate, microcrystalline cellulose, magnesium stearate and sorbed water."""

COMPONENTS = tuple(MATERIALS)


@dataclass(frozen=True)
class Instrument:
    """A spectrometer: its axis, its line width and its own errors.

    Attributes
    ----------
    name : str
        Model and serial number.
    first, step : float
        First wavelength and channel pitch (nm).
    n_channels : int
        Number of channels.
    line_width : float
        Full width at half maximum of the instrument's line (nm).
    noise : float
        Noise of one dynamic spectrum at 0 AU (AU); half of its variance is the detector's, half is shot noise.
    drift : float
        Drift of lamp and detector (AU/h).
    wavelength_shift : float
        Error of this unit's wavelength scale (nm): it reads a band at `centre + wavelength_shift`.
    """

    name: str
    first: float
    step: float
    n_channels: int
    line_width: float
    noise: float
    drift: float = 1e-3
    wavelength_shift: float = 0.0

    @property
    def wavelength(self) -> Array:
        """Nominal axis (n_channels,), nm."""
        return np.round(self.first + self.step * np.arange(self.n_channels), 4)


MICRONIR = Instrument("MN-01", first=950.0, step=5.65, n_channels=125, line_width=12.0, noise=1.5e-3)
"""A hand-sized linear-variable-filter spectrometer on the blender's lid, 950-1650 nm.

Its noise is what makes `pat.simulation.REPEATABILITY`."""
FT_NIR = Instrument("FT-01", first=1000.0, step=4.0, n_channels=376, line_width=3.0, noise=5e-4)
"""A Fourier-transform spectrometer on a fibre probe, 1000-2500 nm."""


def pure_spectra(instrument: Instrument, temperature: float = REFERENCE_TEMPERATURE) -> Array:
    """Spectra of the pure materials as an instrument sees them.

    Parameters
    ----------
    instrument : Instrument
        Gives axis, line width and wavelength error.
    temperature : float
        Temperature of the powder (degrees C).

    Returns
    -------
    Array of shape (n_materials, n_channels)
        Absorbance (AU), rows in the order of `COMPONENTS`.
    """
    kelvin = temperature - REFERENCE_TEMPERATURE
    axis = instrument.wavelength - instrument.wavelength_shift
    line = instrument.line_width / FWHM_PER_SIGMA
    return np.stack([sum((_gaussian(b, axis, line, kelvin) for b in MATERIALS[m]), np.zeros_like(axis))
                     for m in COMPONENTS])  # fmt: skip


def _gaussian(band: Band, axis: Array, line: float, kelvin: float) -> Array:
    """Return one band, widened by the instrument's line: the area stays, the height falls."""
    shift, growth = TEMPERATURE[band.bond]
    width = np.hypot(band.width, line)
    height = PATH * band.height * (1.0 + growth * kelvin) * band.width / width
    curve: Array = height * np.exp(-0.5 * ((axis - band.centre - shift * kelvin) / width) ** 2)
    return curve


@lru_cache(maxsize=32)
def _basis(instrument: Instrument) -> tuple[Array, Array]:
    """Return the pure spectra and their change per kelvin: kept, because a study simulates hundreds of runs."""
    pure = pure_spectra(instrument)
    per_kelvin = (pure_spectra(instrument, REFERENCE_TEMPERATURE + 5.0) - pure) / 5.0
    return pure, per_kelvin


def true_absorbance(
    composition: Array, temperature: Array, instrument: Instrument, *, nonlinear: bool = False
) -> Array:
    """Absorbance of the powder before scatter, noise and film.

    Parameters
    ----------
    composition : Array of shape (n, n_materials)
        Mass fractions in the order of `COMPONENTS`.
    temperature : Array of shape (n,)
        Temperature of the powder (degrees C).
    instrument : Instrument
        Gives the axis.
    nonlinear : bool
        False: Beer-Lambert, absorbances add. True: absorption coefficients add and the diffuse reflectance follows
        Kubelka and Munk, which bends the answer to concentration.

    Returns
    -------
    Array of shape (n, n_channels)
        log10(1/R), AU.

    Notes
    -----
    Kubelka-Munk: f(R) = (1 - R)^2 / 2R = K/S, hence R = 1 + f - sqrt(f^2 + 2 f). K/S is the Beer-Lambert sum over a
    constant scattering, above a small grey absorption.

    References
    ----------
    Kubelka and Munk, Z. Techn. Physik 12 (1931) 593.
    """
    pure, per_kelvin = _basis(instrument)
    warm = (temperature - REFERENCE_TEMPERATURE)[:, None]
    beer_lambert: Array = composition @ pure + warm * (composition @ per_kelvin)
    if not nonlinear:
        return beer_lambert
    ratio = 0.02 + np.maximum(beer_lambert, 0.0)
    return -np.log10(1.0 + ratio - np.sqrt(ratio**2 + 2.0 * ratio))


@dataclass(frozen=True)
class Scatter:
    """What particle size and packing do to a spectrum, one value for each spectrum: arrays of shape (n,).

    Attributes
    ----------
    gain : Array
        Factor on the absorbance.
    offset, tilt, curvature : Array
        Baseline of order 0, 1 and 2 on the axis scaled to -1..1 (AU).
    """

    gain: Array
    offset: Array
    tilt: Array
    curvature: Array

    def apply(self, absorbance: Array) -> Array:
        """Return `offset + gain * absorbance + tilt * z + curvature * z**2`, shape (n, n_channels)."""
        z = np.linspace(-1.0, 1.0, absorbance.shape[1])
        baseline = np.stack([self.offset, self.tilt, self.curvature], axis=1) @ np.stack([z**0, z, z**2])
        result: Array = self.gain[:, None] * absorbance + baseline
        return result


FILM_COMPOSITION = (0.08, 0.39, 0.23, 0.25, 0.05)
"""What sticks to a window, mass fractions in the order of `COMPONENTS`.

Rich in lubricant, with nearly as much API as the powder: the content looks right and its variance falls, and only the
scope of the spectrum (T2 and Q) tells."""


def film_spectrum(instrument: Instrument) -> Array:
    """Return the spectrum of the film on a fouled window, shape (n_channels,), AU."""
    pure, _ = _basis(instrument)
    return 0.25 + np.asarray(FILM_COMPOSITION) @ pure


def behind_film(absorbance: Array, film: Array, instrument: Instrument) -> Array:
    """Return what passes a window of which the fraction `film` (n,) is covered: (1 - f) x + f x_film."""
    if not film.any():
        return absorbance
    covered = film[:, None]
    result: Array = (1.0 - covered) * absorbance + covered * film_spectrum(instrument)
    return result


def add_instrument_errors(absorbance: Array, hours: Array, instrument: Instrument, rng: np.random.Generator) -> Array:
    """Add drift and noise.

    Parameters
    ----------
    absorbance : Array of shape (n, n_channels)
        What a perfect instrument would read (AU).
    hours : Array of shape (n,)
        Time since the last reference measurement (h).
    instrument : Instrument
        Gives noise and drift.
    rng : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    Array of shape (n, n_channels)
        What the instrument writes (AU).

    Notes
    -----
    The detector's noise is constant in reflectance at its own scale; shot noise grows as 10^(A/2), because fewer
    photons come back from a darker powder.
    """
    z = np.linspace(-1.0, 1.0, absorbance.shape[1])
    drift = instrument.drift * np.outer(hours, 1.0 - 0.3 * z)
    scale = instrument.noise * np.sqrt(0.5 + 0.5 * 10.0**absorbance)
    result: Array = absorbance + drift + scale * rng.standard_normal(absorbance.shape)
    return result
