"""Who the scorer is measured against, all calibrated on the same SIMULATED spectra: 800 wavelengths, 10 components."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.pipeline import Pipeline, make_pipeline

from benchmarks.sklearn_chain import N_COMPONENTS, SPACING, WINDOW, derivative, pipeline, snv, with_diagnostics
from pat.artefact import CONVENTIONS, Content, model_arrays
from pat.core import diagnostics, pls
from pat.core.evidence import Rule
from pat.core.preprocess import Treatment, savitzky_golay
from pat.core.types import Array
from pat.scorer import Scorer

P = 800
_STEPS: list[dict[str, Any]] = [
    {"step": "snv"},
    {"step": "savitzky_golay", "window": WINDOW, "polyorder": 2, "deriv": 1},
]
_ALLOWED = 1e-7
Numbers = Callable[[Array], tuple[Array, ...]]


def simulated(n: int, seed: int) -> tuple[Array, Array]:
    """Simulate spectra (n, 800) of 14 bands with scatter and noise, and the content of one."""
    rng, at = np.random.default_rng(seed), _axis()
    centres, widths = np.linspace(1020.0, 2180.0, 14)[:, None], np.linspace(25.0, 70.0, 14)[:, None]
    shares = rng.uniform(0.0, 1.0, (n, 14))
    gain, offset = 1.0 + 0.05 * rng.standard_normal((n, 1)), 0.3 + 0.03 * rng.standard_normal((n, 1))
    x = offset + gain * (0.3 * shares @ np.exp(-(((at - centres) / widths) ** 2)))
    return np.asarray(x + 1e-4 * rng.standard_normal((n, P))), 5.0 + 10.0 * shares[:, 0]


def _axis() -> Array:
    return np.asarray(1000.0 + SPACING * np.arange(P))


def content_of(x: Array, y: Array, rule: Rule | None) -> Content:
    """Calibrate as our laboratory does, and put together what an artefact decides by."""
    treated = Treatment(_axis(), [], _STEPS)(x)
    model = pls.fit(pls.moments(treated, y, treated.mean(axis=0), float(y.mean())), N_COMPONENTS)
    _, t2, q = diagnostics.evaluate(model, treated)
    document = {
        "analyte": {"name": "api", "units": "% w/w", "target": 10.0, "low": 0.0, "high": 20.0},
        "ranges": [],
        "saturation": 2.5,
        "steps": _STEPS,
        "limits": {"hotelling_t2": 2.0 * float(t2.max()), "q_residuals": 2.0 * float(q.max()), "confidence": 0.999},
        "rule": rule.to_dict() if rule else None,
        "claim": None,
        "conventions": CONVENTIONS,
    }
    return Content(model_arrays(_axis(), model), document)


class Fused:
    """What somebody in a hurry writes: this one method as bare NumPy, folded by hand, with nothing checked."""

    def __init__(self, content: Content) -> None:
        model, limits = content.model(), content.document["limits"]
        self._t2_limit, self._q_limit = limits["hotelling_t2"], limits["q_residuals"]
        matrix, half = savitzky_golay(np.eye(P), WINDOW, 2, 1, SPACING), WINDOW // 2
        self._kernel = matrix[P // 2 - half : P // 2 + half + 1, P // 2][::-1].copy()
        self._head, self._tail = matrix[:WINDOW, :half].copy(), matrix[-WINDOW:, -half:].copy()
        self._mean, self._loadings = model.x_mean, np.ascontiguousarray(model.loadings.T)
        ends = np.column_stack([model.rotations, model.coefficients[-1]])
        self._ends, self._shift = matrix @ ends, model.x_mean @ ends
        self._ends_of_one = self._ends.T.copy()
        self._y_mean, self._variance = model.y_mean, model.score_variance

    def value(self, x: Array) -> float:
        """Prediction alone of one spectrum (p,)."""
        z = (x - x.mean()) / x.std(ddof=1)
        return float(z @ self._ends_of_one[-1] - self._shift[-1] + self._y_mean)

    def one(self, x: Array) -> tuple[float, float, float, bool]:
        """Prediction, T2, Q and scope of one spectrum (p,)."""
        z = (x - x.mean()) / x.std(ddof=1)
        found = self._ends_of_one @ z - self._shift
        scores, value = found[:-1], found[-1] + self._y_mean
        treated = np.concatenate(
            [z[:WINDOW] @ self._head, np.convolve(z, self._kernel, "valid"), z[-WINDOW:] @ self._tail]
        )
        residual = treated - self._mean - scores @ self._loadings
        t2, q = (scores * scores / self._variance).sum(), residual @ residual
        within = 0.0 <= value <= 20.0 and t2 <= self._t2_limit and q <= self._q_limit and np.abs(x).max() < 2.5
        return float(value), float(t2), float(q), bool(within)


@dataclass(frozen=True)
class Peers:
    """Our scorer and the others, calibrated on the same spectra.

    Each of `alone` gives predictions of spectra (n, p), each of `full` gives T2 and Q as well.
    """

    content: Content
    scorer: Scorer
    fused: Fused
    alone: Mapping[str, Callable[[Array], Array]]
    full: Mapping[str, Numbers]
    pipeline: Pipeline

    def treated(self, x: Array) -> Array:
        """Treat spectra (n, p) as our laboratory does."""
        return Treatment(_axis(), [], _STEPS)(x)


def calibrated(rule: Rule | None, folder: Path) -> Peers:
    """Calibrate everybody; what MLflow saves goes into a folder."""
    x, y = simulated(600, 1)
    content = content_of(x, y, rule)
    scorer, fitted = Scorer(content), pipeline().fit(x, y)
    chemotools, chemotools_full = _chemotools(x, y)
    return Peers(
        content,
        scorer,
        Fused(content),
        {"scikit-learn": fitted.predict, "chemotools": chemotools, "MLflow pyfunc": _pyfunc(fitted, folder)},
        {"scikit-learn": lambda s: with_diagnostics(fitted, s), "chemotools": chemotools_full},
        fitted,
    )


def _chemotools(x: Array, y: Array) -> tuple[Callable[[Array], Array], Numbers]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its docstrings warn when first compiled
        from chemotools.derivative import SavitzkyGolay
        from chemotools.outliers import HotellingT2, QResiduals
        from chemotools.scatter import StandardNormalVariate
    chain = make_pipeline(
        StandardNormalVariate(), SavitzkyGolay(WINDOW, 2, 1, mode="interp"), PLSRegression(N_COMPONENTS, scale=False)
    ).fit(x, y)
    before, model = chain[:-1], chain[-1]
    treated = before.transform(x)
    distance, residuals = HotellingT2(model).fit(treated), QResiduals(model).fit(treated)
    n = len(x)

    def full(spectra: Array) -> tuple[Array, ...]:
        treated = before.transform(spectra)
        # It divides by the variances of n, its SNV by the deviation of n, and its derivative is per channel.
        t2, q = distance.predict_residuals(treated) * ((n - 1) / n), residuals.predict_residuals(treated)
        return np.ravel(model.predict(treated)), t2, q * ((P - 1) / P / SPACING**2)

    return chain.predict, full


def _pyfunc(fitted: Pipeline, folder: Path) -> Callable[[Array], Array]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of hints in its own annotations, when it is imported
        import mlflow.pyfunc
        import mlflow.sklearn

        trusted = [f"{snv.__module__}.{each.__name__}" for each in (snv, derivative)]
        mlflow.sklearn.save_model(fitted, folder / "pyfunc", pip_requirements=[], skops_trusted_types=trusted)
        return mlflow.pyfunc.load_model(str(folder / "pyfunc")).predict  # type: ignore[no-any-return]


def require_equal(peers: Peers) -> None:
    """Refuse to time answers that are not the same.

    Raises
    ------
    RuntimeError
        If a peer's numbers differ from ours by more than 1e-7 of the largest.
    """
    x, _ = simulated(50, 2)
    ours = peers.scorer.predict(x)
    expected = (ours.value, ours.hotelling_t2, ours.q_residuals)
    one = [peers.scorer.predict(row) for row in x]
    numbers: dict[str, tuple[Array, ...]] = {
        "ours alone": tuple(np.array([(o.value, o.hotelling_t2, o.q_residuals) for o in one])[:, :, 0].T),
        "fused by hand": tuple(np.array([peers.fused.one(row) for row in x]).T[:3]),
        "fused by hand, prediction": (np.array([peers.fused.value(row) for row in x]),),
        **{f"{name}, prediction": (np.ravel(predict(x)),) for name, predict in peers.alone.items()},
        **{name: full(x) for name, full in peers.full.items()},
    }
    for name, found in numbers.items():
        for got, wanted in zip(found, expected, strict=False):
            off = float(np.max(np.abs(got - wanted)) / np.max(np.abs(wanted)))
            if not off <= _ALLOWED:
                raise RuntimeError(f"ours and {name} differ by {off:.2g} relative, allowed {_ALLOWED:g}")
