"""Which wavelengths make a spectrum's T2 and Q what they are."""

from __future__ import annotations

import numpy as np

from pat.core import pls
from pat.core.pls import PLSModel
from pat.core.types import Array


def t2_contributions(model: PLSModel, treated: Array) -> Array:
    """Contributions of the wavelengths to Hotelling's T2; those of a spectrum add up to its T2.

    Parameters
    ----------
    model : PLSModel
    treated : ndarray of shape (n, p)

    Returns
    -------
    ndarray of shape (n, p)
        Dimensionless; a negative one belongs to a wavelength that pulls the spectrum back to the centre.

    Notes
    -----
    T2 = sum of t_a^2 / s_a^2 and t_a = sum over wavelengths j of x_j r_ja, so the share of wavelength j is
    x_j times the sum over a of r_ja t_a / s_a^2, with centred x.

    References
    ----------
    Westerhuis, Gurden and Smilde, *Chemom. Intell. Lab. Syst.* 51 (2000) 95.
    """
    weighted = pls.scores(model, treated) / model.score_variance
    return np.asarray((treated - model.x_mean) * (weighted @ model.rotations.T))


def q_contributions(model: PLSModel, treated: Array) -> Array:
    """Contributions of the wavelengths to the Q residuals: the squared residuals, which add up to Q.

    Parameters
    ----------
    model : PLSModel
    treated : ndarray of shape (n, p)

    Returns
    -------
    ndarray of shape (n, p)
        In squared units of the treated spectra.

    References
    ----------
    Miller, Swanson and Heckler, *Appl. Math. Comput. Sci.* 8 (1998) 775.
    """
    residual = treated - model.x_mean - pls.scores(model, treated) @ model.loadings.T
    return np.asarray(residual * residual)
