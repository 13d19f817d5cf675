"""What limits and intervals promise, and what they keep: `python -m benchmarks.coverage`. Everything is SIMULATED.

Spectra of six constituents at 60 wavelengths with noise that neighbours share. A share of every variance (contents,
noise, error of the reference) lies between batches. Each data set calibrates PLS, is cross-validated by batch, and is
asked about 10,000 new spectra, each of a batch of its own. Shares are means over data sets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.progress import track

from pat import limits
from pat.core import diagnostics, pls
from pat.core.types import Array, IntArray
from pat.errors import InputError

LEVELS = (0.95, 0.99, 0.999, 0.9999)
N_WAVELENGTHS, _NEW = 60, 10_000
# Standard deviations of the contents; the first constituent is the analyte.
_CONTENT = np.array([1.0, 0.8, 0.6, 0.4, 0.3, 0.2])
_NOISE, _REFERENCE_ERROR = 0.05, 0.1


def _bands() -> tuple[Array, Array]:
    """Spectra of the constituents (6, p), three bands each, and the root of the correlation of noise (p, p)."""
    rng, axis = np.random.default_rng(3), np.arange(N_WAVELENGTHS)
    pure = np.zeros((_CONTENT.size, N_WAVELENGTHS))
    for spectrum in pure:
        for _ in range(3):
            height, centre, width = rng.uniform(0.3, 1.0), rng.uniform(0.0, N_WAVELENGTHS), rng.uniform(3.0, 9.0)
            spectrum += height * np.exp(-(((axis - centre) / width) ** 2) / 2)
    distance = axis[:, None] - axis
    correlation = np.exp(-((distance / 1.5) ** 2) / 2) + 1e-9 * np.eye(N_WAVELENGTHS)
    return pure, np.asarray(np.linalg.cholesky(correlation), dtype=np.float64)


_PURE, _CORRELATED = _bands()


@dataclass(frozen=True)
class Case:
    """A kind of data set.

    Attributes
    ----------
    batches, size : int
        Batches, and spectra in each.
    share : float
        Share of every variance that lies between batches; 0 for independent spectra.
    n_components : int
        Components of the model; six describe the spectra.
    """

    batches: int
    size: int
    share: float
    n_components: int = 6

    def __str__(self) -> str:
        """Say what it is in 30 characters."""
        kind = "independent" if self.share == 0.0 else f"{self.batches} lots x {self.size}"
        few = "" if self.n_components == _CONTENT.size else f", A = {self.n_components}"
        return f"{self.batches * self.size} spectra, {kind}{few}"


INDEPENDENT = tuple(Case(n // 5, 5, 0.0) for n in (30, 50, 100, 200, 500))
LOTS = tuple(Case(b, 4, 0.6) for b in (8, 12, 24, 48, 84))
TOO_FEW = (Case(20, 5, 0.0, 4), Case(12, 4, 0.6, 4), Case(84, 4, 0.6, 4))


@dataclass(frozen=True)
class Data:
    """Spectra (n, p), reference values (n,) and batches (n,)."""

    x: Array
    y: Array
    codes: IntArray


Effects = tuple[Array, Array, Array]


def effects(rng: np.random.Generator, n: int) -> Effects:
    """Draw standard normal contents (n, 6), noise (n, p) and errors (n,)."""
    return rng.standard_normal((n, _CONTENT.size)), rng.standard_normal((n, N_WAVELENGTHS)), rng.standard_normal(n)


def draw(rng: np.random.Generator, share: float, lots: Effects, codes: IntArray) -> Data:
    """Draw one spectrum for each code, of the batch that the code says."""
    z, noise, error = (
        np.sqrt(share) * lot[codes] + np.sqrt(1.0 - share) * own
        for lot, own in zip(lots, effects(rng, codes.size), strict=True)
    )
    x = (z * _CONTENT) @ _PURE + _NOISE * (noise @ _CORRELATED.T)
    return Data(x, z[:, 0] + _REFERENCE_ERROR * error, codes)


@dataclass(frozen=True)
class Calibrated:
    """A model, and the values of its spectra under the models that did not see their batches."""

    model: pls.PLSModel
    data: Data
    t2: Array
    q: Array
    residuals: Array
    error: Array
    leverage: Array


def _calibrate(data: Data, n_components: int) -> Calibrated:
    y, t2, q, leverage = (np.empty(data.y.size) for _ in range(4))
    residuals = np.empty_like(data.x)
    parts = [pls.moments(data.x[data.codes == b], data.y[data.codes == b], data.x[0], 0.0)
             for b in range(data.codes.max() + 1)]  # fmt: skip
    total = pls.combine(parts)
    for b, part in enumerate(parts):
        own = data.codes == b
        model = pls.fit(pls.without(total, part), n_components)
        y[own], t2[own], q[own] = diagnostics.evaluate(model, data.x[own])
        residuals[own] = data.x[own] - model.x_mean - pls.scores(model, data.x[own]) @ model.loadings.T
        leverage[own] = diagnostics.leverage(t2[own], model.n_samples)
    return Calibrated(pls.fit(total, n_components), data, t2, q, residuals, y - data.y, leverage)


def _alarms(found: Calibrated, new: Data, level: float) -> dict[str, float]:
    """Share of new spectra beyond every limit at a confidence; NaN where there is no such limit."""
    c, n, a = found.data.codes, found.data.y.size, found.model.n_components
    _, own, _ = diagnostics.evaluate(found.model, found.data.x)
    _, t2, q = diagnostics.evaluate(found.model, new.x)
    t2_scale, q_scale, full_limit = limits.full_distance_limit(found.t2, found.q, c, level)
    pairs = {
        "T2, F for independent spectra": (t2, limits.hotelling_t2_limit(n, a, level)),
        "T2 of calibration spectra, beta": (own, limits.hotelling_t2_calibration_limit(n, a, level)),
        "T2, scaled chi-square": (t2, limits.scaled_chi2_limit(found.t2, level)),
        "T2, scaled F": (t2, limits.scaled_f_limit(found.t2, c, level)),
        "Q, scaled chi-square": (q, limits.scaled_chi2_limit(found.q, level)),
        "Q, scaled F": (q, limits.scaled_f_limit(found.q, c, level)),
        "Q, three moments": (q, limits.three_moment_limit(found.residuals, c, level)),
        "Q, Jackson-Mudholkar": (q, _jackson_mudholkar(found, level)),
        "full distance, scaled F": (diagnostics.full_distance(t2, q, t2_scale, q_scale), full_limit),
    }
    return {name: float(np.mean(values > limit)) if limit > 0.0 else np.nan for name, (values, limit) in pairs.items()}


def _jackson_mudholkar(found: Calibrated, level: float) -> float:
    try:
        return limits.jackson_mudholkar_limit(found.residuals, found.data.codes, level)
    except InputError:  # it has no quantile so far out
        return np.nan


def false_alarms(case: Case, data_sets: int) -> dict[str, Array]:
    """Share of spectra beyond each limit at `LEVELS`, mean over data sets.

    Parameters
    ----------
    case : Case
    data_sets : int

    Returns
    -------
    dict of str to ndarray of shape (4,)
    """
    shares: dict[str, list[list[float]]] = {}
    for i in range(data_sets):
        rng = np.random.default_rng([1, case.batches, case.size, case.n_components, i])
        found, _, new = _data_set(case, rng)
        each = [_alarms(found, new, level) for level in LEVELS]
        for name in each[0]:
            shares.setdefault(name, []).append([alarms[name] for alarms in each])
    return {name: np.nanmean(each, axis=0) for name, each in shares.items()}


def _data_set(case: Case, rng: np.random.Generator) -> tuple[Calibrated, Data, Data]:
    """One calibration, new spectra of its own batches, and spectra of new batches."""
    codes = np.repeat(np.arange(case.batches), case.size)
    lots = effects(rng, case.batches)
    found = _calibrate(draw(rng, case.share, lots, codes), case.n_components)
    known = draw(rng, case.share, lots, np.arange(_NEW) % case.batches)
    return found, known, draw(rng, case.share, effects(rng, _NEW), np.arange(_NEW))


def interval_coverage(case: Case, data_sets: int) -> dict[str, float]:
    """Share of reference values inside their 95 % prediction intervals, mean over data sets.

    Parameters
    ----------
    case : Case
    data_sets : int

    Returns
    -------
    dict of str to float
        ``new``: spectra of new lots; ``far``: the tenth of them with the largest leverage; ``known``: new spectra of
        the calibration's lots; ``constant``: new lots by 1.96 RMSECV for every spectrum; ``constant_far``: of these
        the tenth; ``sec``: new lots by the standard error of calibration and the leverage, errors taken for
        independent.
    """
    rows = [_intervals(case, np.random.default_rng([2, case.batches, case.size, i])) for i in range(data_sets)]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _intervals(case: Case, rng: np.random.Generator) -> dict[str, float]:
    found, known, new = _data_set(case, rng)
    n, a = found.data.y.size, found.model.n_components
    error = diagnostics.prediction_error(found.error, found.leverage, found.data.codes)
    fitted = pls.predict(found.model, found.data.x) - found.data.y
    sec = np.sqrt(fitted @ fitted / (n - a - 1))
    constant = 1.96 * np.sqrt(np.mean(found.error**2))
    shares = {}
    for name, data in (("new", new), ("known", known)):
        value, t2, _ = diagnostics.evaluate(found.model, data.x)
        h, off = diagnostics.leverage(t2, n), np.abs(value - data.y)
        inside = off < limits.prediction_half_width(error, h, 0.95)
        shares[name] = float(inside.mean())
        if name == "new":
            far = h > np.quantile(h, 0.9)
            shares["far"], shares["constant"] = float(inside[far].mean()), float(np.mean(off < constant))
            shares["constant_far"] = float(np.mean(off[far] < constant))
            shares["sec"] = float(np.mean(off < limits.t_quantile(0.975, n - a - 1) * sec * np.sqrt(1.0 + h)))
    return shares


def _limits_table(case: Case, data_sets: int) -> str:
    lines = [f"{str(case)[:34]:<34}" + "".join(f"{100 - 100 * level:>9.4g}" for level in LEVELS)]
    for name, shares in false_alarms(case, data_sets).items():
        lines.append(f"  {name:<32}" + "".join(f"{100 * share:>9.4f}" for share in shares))
    return "\n".join(lines)


def _intervals_table(cases: tuple[Case, ...], data_sets: int) -> str:
    names = ("new", "far", "known", "constant", "constant_far", "sec")
    lines = [f"{'':<34}{'new lots':>9}{'far':>7}{'known':>7}{'const.':>8}{'far':>7}{'SEC':>7}"]
    for case in track(cases, "prediction intervals"):
        found = interval_coverage(case, data_sets)
        lines.append(f"{case!s:<34}" + "".join(f"{100 * found[k]:>{w}.1f}" for k, w in zip(names, (9, 7, 7, 8, 7, 7),
                                                                                      strict=True)))  # fmt: skip
    return "\n".join(lines)


_DATA_SETS = 300


def main() -> None:
    """Print both tables."""
    print(f"False alarms (%) of new spectra beside the nominal ones, {_DATA_SETS} SIMULATED data sets each")
    for case in track([*INDEPENDENT, *LOTS, *TOO_FEW], "limits"):
        print(_limits_table(case, _DATA_SETS))
    print(f"\nCoverage (%) of 95 % prediction intervals, {_DATA_SETS} SIMULATED data sets each")
    print("far: the tenth with the largest leverage; known: new spectra of calibration lots; const.: 1.96 RMSECV;")
    print("SEC: standard error of calibration with leverage, errors taken for independent")
    print(_intervals_table((*INDEPENDENT[:4], *LOTS), _DATA_SETS))


if __name__ == "__main__":
    main()
