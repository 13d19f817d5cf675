"""The compiled scorer: the laboratory's numbers to 1e-10 for any chain, alone and in blocks, without growth."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

from pat.core import diagnostics, pls
from pat.core.preprocess import Treatment, fit_treatment
from pat.errors import ArtefactError, InputError
from pat.scorer import Scorer
from pat.scorer.compiled import Method
from tests import simulated
from tests.core.preprocess.chains import AXIS, CHAINS, references, spectra
from tests.core.preprocess.test_folding import QUICK, VARIANTS

# Products of other shapes differ in the last bits. T2 and Q are of the centred spectrum, a small part of the treated
# one, and have lost a digit or two to begin with.
NAMES = {"value": 1e-12, "hotelling_t2": 1e-11, "q_residuals": 1e-11}


def compiled(steps: Any) -> tuple[Treatment, pls.PLSModel, Method] | None:
    """Calibrate a model of three components on treated spectra; None where steps cannot follow each other."""
    x, y = spectra(60, seed=9), 10.0 + references(60)
    try:
        treat = Treatment(AXIS, [], fit_treatment(AXIS, [], steps, x, y))
        treated = treat(x)
        if not np.isfinite(treated).all():
            return None
        model = pls.fit(pls.moments(treated, y, treated.mean(axis=0), float(y.mean())), 3)
    except (InputError, pls.RankWarning):
        return None
    return treat, model, Method(treat, model)


def hold(steps: Any, x: np.ndarray) -> bool:
    """Hold the compiled numbers of spectra, in a block and alone, to the laboratory's path."""
    made = compiled(steps)
    if made is None:
        return False
    treat, model, method = made
    expected = np.array(diagnostics.evaluate(model, treat(x)))
    block = np.empty((3, len(x)))
    with np.errstate(all="ignore"):
        method.evaluate_into(x, block)
        alone = np.array([method.evaluate_one(row)[:3] for row in x]).T
    for found in (block, alone):
        np.testing.assert_allclose(found, expected, rtol=1e-10, err_msg=str(steps))
    np.testing.assert_allclose(alone, block, rtol=1e-11, err_msg=str(steps))
    return True


@pytest.mark.requirement("URS-45")
@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS.keys())
def test_every_chain_gives_the_laboratorys_numbers(steps):
    assert hold(steps, spectra(25, seed=4))


def test_any_order_of_up_to_four_steps_gives_the_laboratorys_numbers():
    rng, x = np.random.default_rng(7), spectra(4, seed=4)
    drawn = [[VARIANTS[name] for name in rng.choice(QUICK, n)] for n in (2, 3, 4) for _ in range(150)]
    assert sum(hold(steps, x) for steps in drawn) > 250


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(simulated.make_content())


def test_alone_and_in_a_block_are_equal_but_for_rounding(scorer):
    x = simulated.settled(500, 31)
    block = scorer.predict(x)
    for i, row in enumerate(x):
        one = scorer.predict(row)
        for name, rtol in NAMES.items():
            np.testing.assert_allclose(getattr(one, name), getattr(block, name)[i], rtol=rtol, err_msg=name)
        assert one.in_scope[0] == block.in_scope[i]


def test_where_a_block_is_cut_changes_nothing_beyond_rounding(scorer):
    x = np.tile(simulated.settled(500, 32), (5, 1))  # more than pass at a time
    whole = scorer.predict(x)
    for size in (2, 17, 1000, 1093):
        parts = [scorer.predict(x[i : i + size]) for i in range(0, len(x), size)]
        for name, rtol in NAMES.items():
            joined = np.concatenate([getattr(part, name) for part in parts])
            np.testing.assert_allclose(joined, getattr(whole, name), rtol=rtol, err_msg=name)


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.longdouble])
def test_other_floats_are_scored_in_double(scorer, kind):
    x = simulated.settled(6, 33).astype(kind)
    expected = scorer.predict(x.astype(np.float64))
    for found in (scorer.predict(x), scorer.predict(np.asfortranarray(x))):
        for name in (*NAMES, "in_scope"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    single = [scorer.predict(row) for row in x]
    np.testing.assert_allclose([one.value[0] for one in single], expected.value, rtol=1e-12)
    assert single[0].value.dtype == np.float64


def test_what_is_not_finite_is_nan_and_out_of_scope_alone_and_in_any_block(scorer):
    x = simulated.settled(300, 34)
    clean = scorer.predict(x)
    bad = [0, 17, 255, 299]
    x[0, 0], x[17, 30], x[255], x[299, -1] = np.nan, np.inf, -np.inf, np.nan
    # 1120 nm is outside the ranges: a spectrum with a hole there is not whole, either.
    x[40, np.flatnonzero(simulated.WAVELENGTH == 1120.0)] = np.nan
    bad.append(40)
    found = scorer.predict(x)
    for name, rtol in NAMES.items():
        assert np.isnan(getattr(found, name)[bad]).all()
        kept, expected = np.delete(getattr(found, name), bad), np.delete(getattr(clean, name), bad)
        np.testing.assert_allclose(kept, expected, rtol=rtol)
    assert not found.in_scope[bad].any()
    for i in bad:
        one = scorer.predict(x[i])
        assert np.isnan([one.value[0], one.hotelling_t2[0], one.q_residuals[0]]).all()
        assert not one.in_scope[0]


def test_huge_and_flat_spectra_warn_nobody_and_are_out_of_scope(scorer):
    x = simulated.settled(4, 35)
    x[1] *= 1e200
    x[2] = 0.3
    x[3, 5] = 1e308
    assert scorer.predict(x).in_scope.tolist() == [True, False, False, False]
    assert [bool(scorer.predict(row).in_scope[0]) for row in x] == [True, False, False, False]


def test_threads_that_predict_at_once_do_not_disturb_each_other(scorer):
    x = simulated.settled(8, 36)
    expected = [scorer.predict(row).value[0] for row in x]
    wrong: list[int] = []

    def ask(i: int) -> None:
        wrong.extend(i for _ in range(2_000) if scorer.predict(x[i]).value[0] != expected[i])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_many_vessels_in_one_process_read_as_each_would_alone(scorer):
    runs = {f"V-{k}": simulated.blending(40, 100 + k) for k in range(12)}
    together = {name: scorer.start(name) for name in runs}
    found: dict[str, list[Any]] = {name: [] for name in runs}
    for i in range(40):
        for name, run in runs.items():
            found[name].append(together[name].update(run[i]).to_dict())
    for name, run in runs.items():
        alone = scorer.start(name)
        assert [alone.update(row).to_dict() for row in run] == found[name]


def test_memory_does_not_grow_with_the_spectra(scorer):
    x = simulated.settled(400, 37)
    blend = scorer.start("long")

    def run() -> int:
        for row in x:
            scorer.predict(row)
            blend.update(row)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    run()
    before, after = run(), run()
    tracemalloc.stop()
    # Less than half a kilobyte for 400 spectra of 480 bytes each; nothing of them is kept.
    assert after - before < 20 * 400


def test_the_treated_spectrum_is_the_laboratorys(scorer):
    single, treat = scorer._predictor.single(), scorer._predictor.treat
    for row in simulated.settled(20, 38):
        found = single.measure(row)
        np.testing.assert_allclose(found.treated, treat(row), rtol=0, atol=1e-13)
        np.testing.assert_array_equal(found.presentation, treat.presentation(row))
        assert found.finite


@pytest.mark.parametrize("name", ["loadings", "rotations", "coefficients", "score_variance", "x_mean"])
def test_a_model_whose_arrays_do_not_fit_is_refused_when_it_is_loaded(name):
    content = simulated.make_content()
    content.arrays[name] = content.arrays[name][..., :-1]
    with pytest.raises(ArtefactError, match="wavelengths|hold together"):
        Scorer(content)
