"""Which wavelengths a model uses, and in which it finds the analyte."""

from __future__ import annotations

import numpy as np

from pat.core.pls import PLSModel
from pat.core.types import Array
from pat.errors import InputError


def vip(model: PLSModel) -> Array:
    """Variable importance in projection of every wavelength, shape (p,); the mean of its squares is 1.

    Notes
    -----
    VIP_j^2 = p sum_a(q_a^2 t_a't_a w_ja^2) / sum_a(q_a^2 t_a't_a) with weights of length 1: the share of what each
    component explains of the response, given to the wavelengths by the component's weights. That values above 1
    matter is a habit and no test.

    References
    ----------
    Wold, Johansson and Cocchi, in *3D QSAR in Drug Design* (1993) 523; Chong and Jun, *Chemom. Intell. Lab. Syst.* 78
    (2005) 103.
    """
    explained = model.y_loadings**2 * model.score_variance
    shares = (model.weights**2) @ (explained / explained.sum())
    return np.asarray(np.sqrt(shares.size * shares))


def selectivity_ratio(covariance: Array, coefficients: Array) -> Array:
    """Return the selectivity ratio: explained over residual variance on the target-projected component.

    Parameters
    ----------
    covariance : ndarray of shape (p, p)
        Covariance, or centred sums of products, of the calibration's treated spectra.
    coefficients : ndarray of shape (p,)
        Regression vector b.

    Returns
    -------
    ndarray of shape (p,)
        Infinite where nothing is left unexplained; 0 at a wavelength without variance.

    Raises
    ------
    InputError
        If the shapes do not fit, or the spectra do not vary along the regression vector.

    Notes
    -----
    The target-projected scores are Xb. With C = X'X, they explain (Cb)_j^2 / b'Cb of the variance C_jj.

    References
    ----------
    Kvalheim and Karstang, *Chemom. Intell. Lab. Syst.* 7 (1989) 39; Rajalahti et al., *Chemom. Intell. Lab. Syst.* 95
    (2009) 35.
    """
    if covariance.shape != (coefficients.size, coefficients.size):
        raise InputError(
            f"the covariance of {coefficients.size} wavelengths must have as many rows and columns, "
            f"got {covariance.shape}"
        )
    projected = covariance @ coefficients
    along = float(coefficients @ projected)
    if not along > 0.0:
        raise InputError("the spectra do not vary along the regression vector")
    total = np.diag(covariance)
    explained = projected**2 / along
    # Explained cannot exceed the total; what is left below rounding is nothing.
    left = np.where(total - explained > 1e-12 * total, total - explained, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(explained > 0.0, explained / left, 0.0))
