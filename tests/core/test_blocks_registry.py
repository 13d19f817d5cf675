"""Every statistic by name: a whole run by plain loops, and the same numbers from the window, spike and all."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from pat.core import blocks
from pat.core.blocks import STATISTICS, Constants, RunReadings
from pat.core.blocks.spectral import ewma_weight
from pat.errors import InputError

N, P, K, M = 6, 25, 3, 40
TARGETS = np.array([10.0, 60.0, 30.0])


def _run(seed: int = 0, spike: int | None = None) -> RunReadings:
    """Simulated readings on the level of absorbance; a spike of 1e6 in the spectrum and what is computed from it."""
    rng = np.random.default_rng([seed, 71])
    treated = 0.5 + 0.02 * rng.normal(size=(M, 3)) @ rng.normal(size=(3, P)) + 0.002 * rng.normal(size=(M, P))
    contents = TARGETS + 0.3 * rng.normal(size=(M, K))
    t2, q = rng.chisquare(4, M), rng.chisquare(3, M) * 1e-4
    if spike is not None:
        treated[spike] += 1e6
        contents[spike] += 1e6
        t2[spike], q[spike] = 1e12, 1e12
    return RunReadings(contents, treated, t2, q)


def _constants() -> Constants:
    good = _run(9).get("treated")
    return Constants(
        n_components=2,
        separate_blocks=4,
        upper_factor=1.8,
        repeatability=0.1,
        slope=0.95,
        f_quantile=2.2,
        residual_limit=1.5,
        score_limit=6.0,
        t2_limit=4.0,
        q_limit=3e-4,
        targets=TARGETS,
        reference=blocks.Reference(good.mean(axis=0), good.std(axis=0, ddof=1)),
        static_variance=1e-4,
    )


CONSTANTS = _constants()


def _presented(run: RunReadings, i: int) -> np.ndarray:
    return np.asarray(run.get("treated")[i, :2])


def _push(window: blocks.Window, run: RunReadings, i: int) -> None:
    scope = float(run.get("hotelling_t2")[i]), float(run.get("q_residuals")[i])
    window.push(run.get("treated")[i], run.values[i], _presented(run, i), scope)


def _streamed(run: RunReadings, constants: Constants = CONSTANTS) -> dict[str, np.ndarray]:
    window, found = blocks.Window(N, P, constants), []
    for i in range(M):
        _push(window, run, i)
        found.append(window.published())
    return {name: np.array([reading[name] for reading in found]) for name in found[0]}


# By plain loops: what each statistic says of readings up to and including number `t`.


def _variance(x: np.ndarray) -> float:
    return float(sum(statistics.variance(column) for column in x.T))


def _mbsd(x: np.ndarray) -> float:
    return statistics.fmean(statistics.stdev(column) for column in x.T)


def _rmsnv(c: np.ndarray) -> list[float]:
    return [math.sqrt(statistics.fmean((row - TARGETS) ** 2)) for row in c]


def _smoothed(x: np.ndarray) -> float:
    mean = None
    for before, after in zip(x, x[1:], strict=False):
        single = statistics.fmean((after - before) ** 2)
        mean = single if mean is None else (1.0 - 2.0 / (N + 1)) * mean + 2.0 / (N + 1) * single
    assert mean is not None
    return mean


def _score_steps(x: np.ndarray) -> float:
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    t = u[:, :2] * s[:2]
    return statistics.stdev(math.dist(t[i], t[i + 1]) for i in range(N - 1))


def _outside_rear(rear: np.ndarray, front: np.ndarray) -> float:
    mean, (_, s, v) = rear.mean(axis=0), np.linalg.svd(rear - rear.mean(axis=0), full_matrices=False)
    outside = 0
    for row in front - mean:
        t = v[:2] @ row
        e = row - t @ v[:2]
        ratio = float(e @ e) / (float((s[2:] ** 2).sum()) / (N - 3))
        outside += ratio > 1.5 or float((t**2 / (s[:2] ** 2 / (N - 1))).sum()) > 6.0
    return outside / N


def _bound(c: list[float], noise: float, slope: float) -> float:
    own = max(1.8**2 * statistics.variance(c) - noise**2, 0.0)
    return 100.0 * math.sqrt(own) / slope / statistics.fmean(c)


def _conformity(x: np.ndarray) -> float:
    reference = CONSTANTS.reference
    assert reference is not None
    assert reference.sd is not None
    return float(max(abs(x[i, k] - reference.mean[k]) / reference.sd[k] for i in range(N) for k in range(P)))


def _farthest(x: np.ndarray, apart: Callable[..., float]) -> float:
    assert CONSTANTS.reference is not None
    return max(apart(row, CONSTANTS.reference.mean) for row in x)


# Each with how many blocks it looks at, given the block's and all earlier treated spectra, contents, T2 and Q.
BY_LOOPS: dict[str, tuple[int, Callable[..., float]]] = {
    "mbsd": (1, lambda x, c, t2, q: _mbsd(x[-N:])),
    "mbsd_ratio": (
        1,
        lambda x, c, t2, q: _mbsd(x[-N:]) / min(_mbsd(x[i : i + N]) for i in range(len(x) - N + 1)),
    ),
    "mean_square_difference": (0, lambda x, c, t2, q: _smoothed(x)),
    "static_ratio": (1, lambda x, c, t2, q: _variance(x[-N:]) / 1e-4),
    "moving_f": (2, lambda x, c, t2, q: _variance(x[-2 * N : -N]) / _variance(x[-N:])),
    "moving_f_upper": (2, lambda x, c, t2, q: 2.2 * _variance(x[-2 * N : -N]) / _variance(x[-N:])),
    "caterpillar": (2, lambda x, c, t2, q: _outside_rear(x[-2 * N : -N], x[-N:])),
    "pc_sda": (1, lambda x, c, t2, q: _score_steps(x[-N:])),
    "block_mean": (1, lambda x, c, t2, q: statistics.fmean(c[-N:, 0])),
    "block_sd": (1, lambda x, c, t2, q: statistics.stdev(c[-N:, 0])),
    "block_rsd": (1, lambda x, c, t2, q: 100.0 * statistics.stdev(c[-N:, 0]) / statistics.fmean(c[-N:, 0])),
    "block_rsd_upper": (1, lambda x, c, t2, q: _bound(c[-N:, 0], 0.0, 1.0)),
    "blend_rsd_upper": (1, lambda x, c, t2, q: _bound(c[-N:, 0], 0.1, 0.95)),
    "brown_forsythe": (
        4,
        lambda x, c, t2, q: float(stats.levene(*c[-4 * N :, 0].reshape(4, N), center="median").statistic),
    ),
    "rmsnv": (1, lambda x, c, t2, q: statistics.fmean(_rmsnv(c[-N:]))),
    "rmsnv_t": (
        2,
        lambda x, c, t2, q: abs(stats.ttest_ind(_rmsnv(c[-2 * N : -N]), _rmsnv(c[-N:])).statistic),
    ),
    "t2_largest": (1, lambda x, c, t2, q: max(t2[-N:])),
    "t2_outside": (1, lambda x, c, t2, q: sum(value > 4.0 for value in t2[-N:]) / N),
    "q_largest": (1, lambda x, c, t2, q: max(q[-N:])),
    "q_outside": (1, lambda x, c, t2, q: sum(value > 3e-4 for value in q[-N:]) / N),
    "correlation_dissimilarity": (1, lambda x, c, t2, q: _farthest(x[-N:], distance.correlation)),
    "cosine_dissimilarity": (1, lambda x, c, t2, q: _farthest(x[-N:], distance.cosine)),
    "conformity_index": (1, lambda x, c, t2, q: _conformity(x[-N:])),
}


def test_every_statistic_has_its_loops():
    assert set(BY_LOOPS) == set(STATISTICS)


@pytest.mark.parametrize("name", BY_LOOPS)
def test_a_series_by_brute_force(name):
    run = _run()
    blocks_needed, loops = BY_LOOPS[name]
    first = 1 if blocks_needed == 0 else blocks_needed * N - 1
    found = blocks.series(name, run, N, CONSTANTS)
    assert found.shape == (M,)
    assert np.isnan(found).tolist() == [i < first for i in range(M)]
    parts = (run.get("treated"), run.values, run.get("hotelling_t2"), run.get("q_residuals"))
    for t in range(first, M):
        assert found[t] == pytest.approx(loops(*(part[: t + 1] for part in parts)), rel=1e-7, abs=1e-13)


@pytest.mark.parametrize("spike", [None, 2, 17])
def test_streamed_numbers_are_those_of_the_whole_run(spike):
    run = _run(1, spike)
    streamed, direct = _streamed(run), blocks.every_series(run, N, CONSTANTS)
    assert set(streamed) == set(direct) == set(STATISTICS)
    for name in STATISTICS:
        np.testing.assert_allclose(streamed[name], direct[name], rtol=1e-9, err_msg=name)
        np.testing.assert_array_equal(direct[name], blocks.series(name, run, N, CONSTANTS))


def test_a_spike_leaves_nothing_behind():
    at = 12
    clean, spiked = _streamed(_run(2)), _streamed(_run(2, at))
    for name in set(STATISTICS) - {"mean_square_difference"}:
        gone = at + N * max(BY_LOOPS[name][0], 1)
        np.testing.assert_allclose(spiked[name][gone:], clean[name][gone:], rtol=1e-9, err_msg=name)
    # The exponentially weighted mean alone forgets by its weight, as it is meant to: 1 - 2 / 7 a reading.
    above = spiked["mean_square_difference"] - clean["mean_square_difference"]
    np.testing.assert_allclose(above[at + 2 : 25] / above[at + 1 : 24], 1.0 - 2.0 / 7.0, rtol=1e-9)


def test_nan_stands_in_the_way_as_long_as_it_is_in_the_blocks():
    at, run = 15, _run(3)
    for part in (run.values, run.get("treated"), run.get("hotelling_t2"), run.get("q_residuals")):
        part[at] = np.nan
    found = blocks.every_series(run, N, CONSTANTS)
    for name, (size, _) in BY_LOOPS.items():
        start = 1 if size == 0 else size * N - 1
        until = at + (2 if size == 0 else size * N)  # two differences have it
        expected = [i < start or at <= i < until for i in range(M)]
        assert np.isnan(found[name]).tolist() == expected, name


def test_a_window_goes_on_from_its_snapshot_with_every_number():
    run, window = _run(4, spike=20), blocks.Window(N, P, CONSTANTS)
    for i in range(M):
        _push(window, run, i)
        again = blocks.Window(N, P, CONSTANTS)
        again.restore(json.loads(json.dumps(window.snapshot(), allow_nan=False)))
        assert repr(again.published()) == repr(window.published())
        assert repr(again.statistics()) == repr(window.statistics())
        if i % 7 == 0:
            window = again


def test_a_window_without_constants_gives_what_needs_none():
    run = _run(5)
    bare, full = _streamed(run, Constants()), _streamed(run)
    assert set(bare) == {
        name for name, s in STATISTICS.items() if not set(s.needs) - {"n_components", "separate_blocks"}
    }
    for name, found in bare.items():
        np.testing.assert_array_equal(found, full[name])
    # Of a reference without SDs all but the conformity index.
    assert CONSTANTS.reference is not None
    mean_only = Constants(reference=blocks.Reference(CONSTANTS.reference.mean))
    assert set(_streamed(run, mean_only)) - set(bare) == {"correlation_dissimilarity", "cosine_dissimilarity"}


def test_what_is_known_already_of_a_spectrum_is_not_needed_but_may_be_given():
    run, one, other = _run(6), blocks.Window(N, P, CONSTANTS), blocks.Window(N, P, CONSTANTS)
    buffer = np.empty(P)
    for i in range(M):
        _push(one, run, i)
        buffer[:] = run.get("treated")[i]  # the same memory for every spectrum
        other.push(
            buffer,
            run.values[i],
            _presented(run, i),
            (float(run.get("hotelling_t2")[i]), float(run.get("q_residuals")[i])),
            other.apart(buffer),
        )
        buffer += 1.0  # and somebody writes to it
        assert repr(one.published()) == repr(other.published())


def test_a_run_shorter_than_a_block_has_no_numbers():
    run = _run()
    short = RunReadings(run.values[:4], run.get("treated")[:4], run.get("hotelling_t2")[:4], run.get("q_residuals")[:4])
    for name, found in blocks.every_series(short, N, CONSTANTS).items():
        assert found.shape == (4,)
        assert name == "mean_square_difference" or np.isnan(found).all()


def test_predictions_alone_give_what_needs_no_spectra():
    found = blocks.every_series(RunReadings(_run().values), N, CONSTANTS)
    assert set(found) == {name for name, statistic in STATISTICS.items() if not statistic.reads}


@pytest.mark.parametrize(
    ("name", "size", "constants", "message"),
    [
        ("sbmd", N, CONSTANTS, "expected a statistic out of mbsd, .*, got 'sbmd'"),
        ("mbsd", 2, CONSTANTS, "`block_size` must be at least 3, got 2"),
        ("caterpillar", N, None, "expects the constants `residual_limit`, `score_limit`, got none"),
        ("conformity_index", N, None, "expects the constants `reference`, `reference_sd`, got none"),
        ("brown_forsythe", N, Constants(separate_blocks=6), "`separate_blocks` must be from 2 to 5, got 6"),
        ("static_ratio", N, Constants(static_variance=0.0), "`static_variance` must be positive, got 0.0"),
        ("rmsnv", N, Constants(targets=np.ones(2)), r"must have shape \(3,\), one a component, got \(2,\)"),
    ],
)
def test_what_a_series_refuses(name, size, constants, message):
    with pytest.raises(InputError, match=message):
        blocks.series(name, _run(), size, constants)


def test_readings_that_are_not_there_or_do_not_fit():
    with pytest.raises(InputError, match="expected readings with `treated`, got none"):
        blocks.series("mbsd", RunReadings(np.ones(9)), N)
    with pytest.raises(InputError, match="expected readings with `hotelling_t2`, got none"):
        blocks.series("t2_largest", RunReadings(np.ones(9)), N)
    with pytest.raises(InputError, match=r"`treated` must have 9 rows, one for each reading, got \(8, 4\)"):
        RunReadings(np.ones(9), np.ones((8, 4)))
    with pytest.raises(InputError, match="`block_size` must be at least 3, got 2"):
        blocks.Window(2, P)


def test_the_exponentially_weighted_mean_by_hand():
    # Half of the way each time: 4, 3, then anew after what is no number: 6, 4.
    found = blocks.ewma([4.0, 2.0, math.nan, 6.0, 2.0], 0.5)
    np.testing.assert_array_equal(found, [4.0, 3.0, math.nan, 6.0, 4.0])
    for weight in (0.0, 1.1, math.nan):
        with pytest.raises(InputError, match=f"`weight` must be above 0 and at most 1, got {weight}"):
            blocks.ewma([1.0], weight)
    # Simulated: it varies as much as the mean of a block of n.
    x = np.random.default_rng(72).standard_normal(200_000)
    assert float(blocks.ewma(x, ewma_weight(N)).var()) == pytest.approx(1.0 / N, rel=0.03)


def test_mean_square_of_differences_by_hand():
    # From (1, 2) to (4, 6): (9 + 16) / 2.
    apart = blocks.squared_distances(np.array([[1.0, 2.0]]), np.array([4.0, 6.0]))
    assert float(blocks.mean_square_difference(apart, 2)[0]) == pytest.approx(12.5)
    with pytest.raises(InputError, match="`width` must be at least 1, got 0"):
        blocks.mean_square_difference(apart, 0)


def test_ratios_by_hand():
    # Variances 1 and 4 at two wavelengths: 5; over a static probe's 2.5: 2. MBSD (1 + 2) / 2.
    block = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
    assert float(blocks.spectral_variance(block)) == pytest.approx(5.0)
    assert float(blocks.mbsd(block)) == pytest.approx(1.5)
    assert float(blocks.static_ratio(blocks.spectral_variance(block), 2.5)) == pytest.approx(2.0)
    np.testing.assert_array_equal(
        blocks.ratio(np.array([2.0, 2.0, 0.0]), np.array([4.0, 0.0, 0.0])), [0.5, np.inf, np.nan]
    )


def test_effective_degrees_of_freedom_by_hand():
    # One wavelength: (n - 1) (f + 1) / (f - 1), the correction alone; 5 values have f = 4.
    run = np.array([[1.0], [2.0], [4.0], [3.0], [7.0]])
    assert blocks.effective_df([run], 3) == pytest.approx(2.0 * 5.0 / 3.0)
    for runs, size in (([run], 1), ([run[:2]], 5)):
        with pytest.raises(InputError, match="degrees of freedom of at least 2, got"):
            blocks.effective_df(runs, size)
