"""SNV, first derivative and PLS as a scikit-learn pipeline, with nothing else imported: a fresh process loads it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.signal import savgol_filter
from sklearn.cross_decomposition import PLSRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from pat.core.types import Array

WINDOW, SPACING, N_COMPONENTS = 15, 1.5, 10


def snv(x: Array) -> Array:
    """SNV by the sample deviation (n - 1)."""
    return np.asarray((x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, ddof=1, keepdims=True))


def derivative(x: Array) -> Array:
    """Quadratic Savitzky-Golay first derivative per nm."""
    return np.asarray(savgol_filter(x, WINDOW, 2, deriv=1, delta=SPACING, axis=1, mode="interp"))


def pipeline() -> Pipeline:
    """Return the unfitted pipeline."""
    return make_pipeline(
        FunctionTransformer(snv), FunctionTransformer(derivative), PLSRegression(N_COMPONENTS, scale=False)
    )


def with_diagnostics(fitted: Pipeline, x: Array) -> tuple[Array, Array, Array]:
    """Prediction, T2 and Q of spectra (n, p): treated once, and then asked of scikit-learn's own PLS."""
    pls: Any = fitted[-1]
    treated = fitted[:-1].transform(x)
    scores = pls.transform(treated)
    t2 = (scores * scores / pls.x_scores_.var(axis=0, ddof=1)).sum(axis=1)
    residual = treated - pls.inverse_transform(scores)
    return np.ravel(pls.predict(treated)), t2, (residual * residual).sum(axis=1)
