"""A method compiled for the line: raw spectra in; content, T2 and Q out, in as few passes as the algebra allows."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pat.core.diagnostics import Evaluator
from pat.core.pls import PLSModel
from pat.core.preprocess import Folded, Treatment, peak_of_one
from pat.core.types import Array

# So many values at a time pass through everything, and stay in the processor's cache meanwhile: 10,000 spectra of 800
# wavelengths took 80, 60, 46, 47, 46, 47 and 54 ms with 2^14, 2^15, ... 2^20; the fewest that are as fast leave the
# cache to others. Whole groups of spectra suit the products.
_VALUES, _GROUP = 65_536, 16
# Readings (AU) below this overflow nowhere; to silence numpy takes time.
_LARGE = 1e100


class Measured(NamedTuple):
    """What the method says of one spectrum.

    Attributes
    ----------
    treated : ndarray of shape (p_treated,)
        Valid until the next spectrum: it is overwritten then.
    presentation : (float, float)
        Level and contrast (AU), see `pat.core.preprocess.Treatment.presentation`.
    value : float
        Predicted content (analyte units).
    hotelling_t2, q_residuals : float
    residual : ndarray of shape (p_treated,)
        What the model leaves of the treated spectrum; valid until the next one, too.
    """

    treated: Array
    presentation: tuple[float, float]
    value: float
    hotelling_t2: float
    q_residuals: float
    residual: Array

    @property
    def finite(self) -> bool:
        """Whether all of it is finite: where a treated value is not, Q is not."""
        return all(map(math.isfinite, (*self.presentation, self.value, self.hotelling_t2, self.q_residuals)))


class Method:
    """Treatment and model, folded.

    Parameters
    ----------
    treatment : Treatment
    model : PLSModel

    Raises
    ------
    ValueError
        If the model's arrays do not fit together.
    """

    def __init__(self, treatment: Treatment, model: PLSModel) -> None:
        self._treatment = treatment
        self._folded, self._evaluator = Folded(treatment), Evaluator(model)
        self._idle: list[Single] = []

    def single(self) -> Single:
        """Return what measures one spectrum after the other, in rooms of its own: each blend has one."""
        return Single(self._treatment, self._folded, self._evaluator)

    def evaluate_one(self, x: Array) -> tuple[float, float, float, float]:
        """Return content, T2, Q and peak of one spectrum (p,); any number of threads may ask."""
        # Taking from a list and putting back are each one step that no other thread divides.
        try:
            single = self._idle.pop()
        except IndexError:
            single = self.single()
        found = single.evaluate(x)
        self._idle.append(single)
        return found

    @property
    def rows_at_once(self) -> int:
        """Spectra that `evaluate_into` best takes at a time."""
        return max(_VALUES // self._folded.n_in // _GROUP, 1) * _GROUP

    def evaluate_into(self, x: Array, out: Array) -> None:
        """Fill an array (3, n) with content, T2 and Q of spectra (n, p), C-contiguous; NaN where one is not finite."""
        finite = np.isfinite(np.vecdot(x, x))
        # Squares may overflow where the numbers themselves do not.
        if finite.all() or (finite := np.isfinite(x).all(axis=1)).all():
            self._finite_into(x, out)
        else:
            found = np.empty((3, int(finite.sum())))
            self._finite_into(x[finite], found)
            out[:, finite], out[:, ~finite] = found, np.nan

    def _finite_into(self, x: Array, out: Array) -> None:
        if len(x):
            treated = np.empty((len(x), self._folded.n_out))
            self._folded.into(x, treated)
            self._evaluator.into(treated, out)


class Single:
    """One spectrum after the other through a method; nothing is allocated but what is returned.

    Parameters
    ----------
    treatment : Treatment
    folded : Folded
    evaluator : Evaluator

    Notes
    -----
    It works in arrays of its own, so that two threads must not share one. numpy's warnings of what overflows are the
    caller's to silence.
    """

    def __init__(self, treatment: Treatment, folded: Folded, evaluator: Evaluator) -> None:
        self._presentation, self._room = treatment.presentation_of_one(), np.empty(folded.n_in)
        self._residual = np.empty(folded.n_out)
        self._treat, self._evaluate = folded.of_one(), evaluator.of_one(self._residual)

    def peak(self, x: Array) -> float:
        """Return the largest absolute reading of a raw spectrum (p,); not finite where one is not."""
        return peak_of_one(x, self._room)

    def evaluate(self, x: Array) -> tuple[float, float, float, float]:
        """Return content, T2, Q and peak (largest absolute reading) of a raw spectrum (p,); NaN if it is not finite."""
        peak = self.peak(x)
        if not math.isfinite(peak):
            return math.nan, math.nan, math.nan, math.nan
        if peak < _LARGE:
            return *self._evaluate(self._treat(x)), peak
        with np.errstate(over="ignore", invalid="ignore"):
            return *self._evaluate(self._treat(x)), peak

    def measure(self, x: Array) -> Measured:
        """Return everything of a raw spectrum (p,), C-contiguous and finite."""
        treated = self._treat(x)
        return Measured(treated, self._presentation(x), *self._evaluate(treated), self._residual)
