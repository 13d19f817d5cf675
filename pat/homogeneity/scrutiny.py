"""How much powder a spectrum sees, how many spectra make a dose, and how long a block must be."""

from __future__ import annotations

import math

import numpy as np

from pat.errors import InputError
from pat.limits import sd_upper_factor

_MOST_SPECTRA = 100_000


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0.0):
            raise InputError(f"`{name}` must be a positive number, got {value}")


def scrutinised_mass(diameter: float, depth: float, bulk_density: float, travel: float = 0.0) -> float:
    """Mass of the powder (mg) that one spectrum sees.

    Parameters
    ----------
    diameter : float
        Of the illuminated spot (mm).
    depth : float
        Information depth (mm): the depth from which 95 % of the signal comes; it depends on the wavelength and on the
        powder, and is measured with layers of it.
    bulk_density : float
        Of the powder (g/mL), which is mg/mm3.
    travel : float, default 0
        How far the powder moves past the spot while one spectrum is measured (mm).

    Raises
    ------
    InputError
        If a value is not positive; the travel may be 0.

    Notes
    -----
    The spot sweeps a circle and a strip of its own width.

    References
    ----------
    Berntsson et al., *Anal. Chim. Acta* 419 (2000) 45, measure the information depth.

    Examples
    --------
    >>> round(scrutinised_mass(diameter=10.0, depth=0.5, bulk_density=0.5), 1)
    19.6
    """
    _require_positive(diameter=diameter, depth=depth, bulk_density=bulk_density)
    if not travel >= 0.0:
        raise InputError(f"`travel` must not be negative, got {travel}")
    return (math.pi * diameter**2 / 4.0 + diameter * travel) * depth * bulk_density


def sampling_rsd(share: float, particle_mass: float, mass: float, particle_cv: float = 0.0) -> float:
    """RSD (%) that a perfectly random mixture has between samples of a mass: no blend can be better.

    Parameters
    ----------
    share : float
        Mass share of the ingredient, between 0 and 1.
    particle_mass : float
        Mean mass of its particles (mg).
    mass : float
        Of a sample (mg).
    particle_cv : float, default 0
        Coefficient of variation of the particles' masses.

    Raises
    ------
    InputError
        If a value cannot be one of these.

    Notes
    -----
    RSD^2 = (1 - p) / p * m (1 + C^2) / M, for particles of like size of all ingredients.

    References
    ----------
    Stange, *Chem. Ing. Tech.* 26 (1954) 331; Poole, Taylor and Wall, *Trans. Inst. Chem. Eng.* 42 (1964) T305.

    Examples
    --------
    >>> round(sampling_rsd(share=0.1, particle_mass=6.5e-4, mass=10.0), 2)
    2.42
    """
    if not 0.0 < share < 1.0:
        raise InputError(f"`share` must lie between 0 and 1, got {share}")
    _require_positive(particle_mass=particle_mass, mass=mass)
    if not particle_cv >= 0.0:
        raise InputError(f"`particle_cv` must not be negative, got {particle_cv}")
    return 100.0 * math.sqrt((1.0 - share) / share * particle_mass * (1.0 + particle_cv**2) / mass)


def effective_spectra(n: int, phi: float) -> float:
    """Independent spectra that `n` spectra in a row are worth for their mean, where neighbours are correlated.

    Notes
    -----
    n / (1 + 2 sum of (1 - k/n) phi^k), of an AR(1) series.

    References
    ----------
    Bayley and Hammersley, *J. R. Stat. Soc. Suppl.* 8 (1946) 184.
    """
    k = np.arange(1, n)
    return float(n / (1.0 + 2.0 * ((1.0 - k / n) * phi**k).sum()))


def spectra_per_dose(dose: float, mass: float, phi: float = 0.0) -> int:
    """Fewest spectra in a row that together see as much independent powder as one unit dose.

    Parameters
    ----------
    dose : float
        Mass of a unit dose (mg).
    mass : float
        Scale of scrutiny: powder that one spectrum sees (mg).
    phi : float, default 0
        Lag-1 autocorrelation of the blend from one spectrum to the next, from 0 to below 1.

    Raises
    ------
    InputError
        If a value cannot be one of these, or 100,000 spectra would not do.

    Examples
    --------
    >>> spectra_per_dose(dose=300.0, mass=25.0), spectra_per_dose(dose=300.0, mass=25.0, phi=0.4)
    (12, 28)
    """
    _require_positive(dose=dose, mass=mass)
    if not 0.0 <= phi < 1.0:
        raise InputError(f"`phi` must be at least 0 and below 1, got {phi}")
    needed = dose / mass
    low, high = 1, _MOST_SPECTRA
    if effective_spectra(high, phi) < needed:
        raise InputError(f"a dose must be seen by at most {_MOST_SPECTRA} spectra, got one of {needed:g} spectra")
    while low < high:  # what n spectra are worth rises with n
        middle = (low + high) // 2
        low, high = (low, middle) if effective_spectra(middle, phi) >= needed - 1e-9 else (middle + 1, high)
    return low


def propose_block_size(ratio: float, alpha: float, phi: float = 0.0, dose_spectra: int = 1) -> int:
    """Smallest block whose upper bound lets a blend at a share of the limit pass half of the time, and sees a dose.

    Parameters
    ----------
    ratio : float
        SD of a blend that is to pass, with the method's noise, as a share of the limit; between 0 and 1.
    alpha : float
        One minus the confidence of the upper bound of a block's SD.
    phi : float, default 0
        Lag-1 autocorrelation of the predictions of the blend.
    dose_spectra : int, default 1
        Spectra that see a unit dose; see `spectra_per_dose`.

    Raises
    ------
    InputError
        If a value cannot be one of these, or no block of up to 1,000 spectra would do.

    Notes
    -----
    The bound of a block at its expected SD lies at `ratio` times sqrt((m - 1) / chi2) of the limit, where the block is
    worth m = 1 + (n - 1)(1 - phi^2)/(1 + phi^2) independent spectra for its variance. A larger block sees less of what
    changes from block to block.

    References
    ----------
    Bayley and Hammersley, *J. R. Stat. Soc. Suppl.* 8 (1946) 184, for the variance of a correlated series.
    """
    if not 0.0 < ratio < 1.0:
        raise InputError(f"`ratio` must lie between 0 and 1, got {ratio}")
    if not 0.0 <= phi < 1.0:
        raise InputError(f"`phi` must be at least 0 and below 1, got {phi}")
    for n in range(max(3, dose_spectra), 1001):
        worth = 1 + int((n - 1) * (1.0 - phi**2) / (1.0 + phi**2))
        if worth >= 3 and ratio * sd_upper_factor(worth, alpha) <= 1.0:
            return n
    raise InputError(f"a block must have at most 1,000 spectra, and none of those lets {ratio:g} of the limit pass")
