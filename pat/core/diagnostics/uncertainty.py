"""How far a prediction may be from the truth, spectrum by spectrum, in a lot that the calibration never saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pat.core.types import Array, IntArray
from pat.core.variance import variance_components


@dataclass(frozen=True)
class PredictionError:
    """Variance of the predictions of a calibration, as the batches that were left out showed it.

    Attributes
    ----------
    between, within : float
        Variance between batches, and between the spectra of one batch, at leverage 0 (squared content units).
    design_effect : float
        How many times a spectrum's leverage counts, because the errors of one batch go together.
    degrees_of_freedom : float
        Of the sum of both variances.
    """

    between: float
    within: float
    design_effect: float
    degrees_of_freedom: float

    def standard_error(self, leverage: Array) -> Array:
        """Give the standard error (n,) of predictions in a new batch, from the leverages (n,) of its spectra."""
        return np.asarray(np.sqrt((self.between + self.within) * (1.0 + self.design_effect * leverage)))


def prediction_error(errors: Array, leverage: Array, codes: IntArray) -> PredictionError:
    """Components of the prediction error, from cross-validation that leaves whole batches out.

    Parameters
    ----------
    errors : ndarray of shape (n,)
        Cross-validated prediction less reference value.
    leverage : ndarray of shape (n,)
        Leverage of each spectrum under the model that did not see its batch.
    codes : ndarray of int, shape (n,)
        What was left out together, 0 to B - 1: batches, or lots where batches share them. An interval holds for what
        is new in the same way.

    Raises
    ------
    InputError
        If there are fewer than 2 batches, or values that are not finite.

    Notes
    -----
    The variance of a prediction in a new batch is (between + within)(1 + d h): the error of its own batch and
    spectrum, and that of the model, whose coefficients come from spectra whose errors go together in batches. d is the
    design effect 1 + (m - 1) between / (between + within), m the size of the batches. Errors are taken about 0, so a
    bias counts; the part of the leverage is taken off them, by turns with d, before the components are formed. The
    error of the reference values is part of both.

    References
    ----------
    Faber and Bro, *Chemom. Intell. Lab. Syst.* 61 (2002) 133, and ASTM E1655 for independent errors, d = 1; Kish,
    *Survey Sampling* (1965), 8.2 for d.
    """
    effect, previous = 1.0, 0.0
    found = variance_components(errors, codes, 0.0)
    # Each turn changes d by a share of the mean leverage; ten bring it to rest.
    for _ in range(10):
        if abs(effect - previous) < 1e-9 * effect:
            break
        found = variance_components(errors / np.sqrt(1.0 + effect * leverage), codes, 0.0)
        previous, effect = effect, found.design_effect
    return PredictionError(found.between, found.within, effect, found.total_df)
