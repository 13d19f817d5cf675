"""What every chain of steps holds: bits, chunks, laziness, its linear end, what it learns, plain data."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import dask
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pat import compute
from pat.core import pls
from pat.core.preprocess import STEPS as NAMES
from pat.core.preprocess import Summary, Treatment, fit_treatment, learns, snv, split_linear
from pat.errors import InputError
from tests.core.preprocess.chains import AXIS, CHAINS, LINEAR, REFERENCE, SG, SNV, STEPS, references, spectra
from tests.small_spectra import small_spectra

RANGES = [[960.0, 1645.0]]


def treatment(steps, ranges=()) -> Treatment:
    x = spectra(60, seed=9)
    return Treatment(AXIS, ranges, fit_treatment(AXIS, ranges, steps, x, references(60)))


def test_every_step_is_tested():
    assert set(STEPS) == set(NAMES)


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS.keys())
def test_a_spectrum_has_the_same_bits_alone_in_a_block_and_in_any_order(steps):
    treat, x = treatment(steps), spectra(70)
    whole = treat(x)
    assert whole.shape == (70, treat.wavelength.size)
    assert np.isfinite(whole).all()
    for size in (1, 7, 16, 33):
        np.testing.assert_array_equal(np.concatenate([treat(x[i : i + size]) for i in range(0, 70, size)]), whole)
    np.testing.assert_array_equal(treat(np.asfortranarray(x)), whole)
    np.testing.assert_array_equal(treat(x[::-1])[::-1], whole)
    np.testing.assert_array_equal(treat(x.astype(np.float32)), treat(x.astype(np.float32).astype(np.float64)))


def refuse(*args, **kwargs):
    raise AssertionError("something was computed")


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS.keys())
def test_it_is_lazy_and_chunks_change_no_bit(steps):
    x = spectra(70)
    ds = small_spectra((30, 40), AXIS.size, absorbance=x, wavelength=AXIS)
    treat = treatment(steps)
    expected = treat(x)
    for chunks in ({"spectrum": 1}, {"spectrum": 13}, {"spectrum": (69, 1)}, {"spectrum": 70, "wavelength": 20}):
        with dask.config.set(scheduler=refuse):
            lazy = compute.apply_rows(treat, ds["absorbance"].chunk(chunks), treat.wavelength)
            with pytest.raises(AssertionError, match="something was computed"):
                lazy.compute()
        with dask.config.set(scheduler="threads"):
            np.testing.assert_array_equal(lazy.values, expected)
        np.testing.assert_array_equal(lazy["wavelength"], treat.wavelength)


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS.keys())
def test_a_spectrum_without_a_value_spoils_no_other_and_nobody_is_warned(steps):
    treat, x = treatment(steps), spectra(40)
    clean = treat(x)
    x[11, 3], x[12], x[25, -1] = np.nan, np.inf, -np.inf
    x[30] = 1e200
    found = treat(x)
    kept = [i for i in range(40) if i not in (11, 12, 25, 30)]
    np.testing.assert_array_equal(found[kept], clean[kept])


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS.keys())
def test_steps_are_plain_data_and_come_back_as_they_were(steps):
    treat, x = treatment(steps), spectra(5)
    for again in (
        Treatment(AXIS, treat.ranges, json.loads(json.dumps(treat.steps, allow_nan=False))),
        pickle.loads(pickle.dumps(treat)),
    ):
        np.testing.assert_array_equal(again(x), treat(x))


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS.keys())
def test_steps_one_by_one_give_what_the_chain_gives(steps):
    # A derivative after SNV takes in uncentred spectra, and the scale comes last: the same numbers, not the same bits.
    whole, x = treatment(steps), spectra(30)
    part, axis = x, AXIS
    for step in whole.steps:
        one = Treatment(axis, [], [step])
        part, axis = one(part), one.wavelength
    np.testing.assert_allclose(whole(x), part, rtol=0, atol=1e-12 * np.abs(part).max())


def test_snv_before_a_derivative_is_exact_far_from_zero_too():
    x = 1e6 + spectra(4)
    found = Treatment(AXIS, [], [SNV, SG])(x)
    # The readings themselves are rounded to 1e-10 there, against differences of neighbours of some 0.01.
    np.testing.assert_allclose(found, Treatment(AXIS, [], [SG])(snv(x)), rtol=0, atol=1e-8 * np.abs(found).max())


def test_a_flat_spectrum_before_a_derivative_is_nan_and_not_zero():
    x = spectra(3)
    x[1] = 0.7
    found = Treatment(AXIS, [], [SNV, SG])(x)
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()


# The linear end


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS.keys())
def test_the_linear_end_as_a_matrix(steps):
    treat, x = treatment(steps), spectra(20)
    head, matrix, offset = split_linear(treat)
    expected = treat(x)
    np.testing.assert_allclose(head(x) @ matrix.T + offset, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    names = [step["step"] for step in steps]
    n_linear = next((i for i, name in enumerate(reversed(names)) if name not in LINEAR), len(names))
    assert [step["step"] for step in head.steps] == names[: len(names) - n_linear]


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"baseline"}))
def test_a_step_is_linear_exactly_if_it_says_so(name):
    treat, (a, b) = treatment([STEPS[name]]), spectra(2)
    apart = 0.3 * treat(a) + 0.7 * treat(b) - treat(0.3 * a + 0.7 * b)
    assert (np.abs(apart).max() < 1e-12 * np.abs(treat(a)).max()) == (name in LINEAR)


def test_moments_of_treated_spectra_follow_from_those_of_the_head():
    treat, x, y = treatment([SNV, SG, STEPS["detrend"]]), spectra(50), references(50)
    head, matrix, offset = split_linear(treat)
    before = pls.moments(head(x), y, head(x).mean(axis=0), 0.0)
    after = pls.moments(treat(x), y, matrix @ head(x).mean(axis=0) + offset, 0.0)
    np.testing.assert_allclose(matrix @ before.xx @ matrix.T, after.xx, rtol=0, atol=1e-12 * np.abs(after.xx).max())
    np.testing.assert_allclose(
        matrix @ before.xy.ravel(), after.xy.ravel(), rtol=0, atol=1e-12 * np.abs(after.xy).max()
    )


# What steps learn


def test_each_step_learns_from_the_spectra_as_the_steps_before_leave_them():
    x = spectra(30)
    steps = fit_treatment(AXIS, RANGES, [SNV, STEPS["centre"], STEPS["scale"]], x)
    kept = (AXIS >= 960.0) & (AXIS <= 1645.0)
    treated = snv(np.ascontiguousarray(x[:, kept]))
    np.testing.assert_allclose(steps[1]["reference"], treated.mean(axis=0), rtol=0, atol=1e-13)
    np.testing.assert_allclose(steps[2]["deviation"], treated.std(axis=0, ddof=1), rtol=1e-10)
    found = Treatment(AXIS, RANGES, steps)(x)
    np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=1e-10)
    np.testing.assert_allclose(found.std(axis=0, ddof=1), 1.0, rtol=1e-10)


def test_msc_learns_the_mean_and_is_told_a_reference():
    x = spectra(30)
    asked, told = STEPS["msc"], {"step": "msc", "reference": REFERENCE.tolist()}
    assert learns(asked)
    assert learns({"step": "msc"})
    assert not learns(told)
    assert fit_treatment(AXIS, [], [told], x) == [told]
    (learnt,) = fit_treatment(AXIS, [], [asked], x)
    np.testing.assert_allclose(learnt["reference"], x.mean(axis=0), rtol=1e-14)
    assert asked["reference"] == "calibration"  # the document asked with is as it was


@pytest.mark.parametrize("name", ["msc", "emsc", "centre", "scale", "osc"])
def test_a_step_that_has_still_to_learn_treats_nothing(name):
    with pytest.raises(InputError, match=f"step '{name}': it learns from calibration spectra: fit the treatment"):
        Treatment(AXIS, [], [STEPS[name]])


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"step": "msc", "reference": "mean"}, "expected numbers or `calibration`, got 'mean'"),
        ({"step": "msc", "reference": [1.0, 2.0]}, "`reference` must have the 85 wavelengths"),
        ({"step": "scale", "deviation": [0.0] * 85}, "must vary at every wavelength, and do not at 950 nm"),
        ({"step": "osc", "n_components": 2, "directions": {"mean": [1.0] * 85}}, "weights"),
        ({"step": "detrend", "degree": 1.5}, "step 'detrend'"),
        ({"step": "rnv", "percentile": 0.0}, "must be above 0 and at most 100, got 0.0"),
    ],
)
def test_a_step_with_wrong_numbers_says_which_it_is(step, message):
    with pytest.raises(InputError, match=message) as caught:
        Treatment(AXIS, [], [step])
    assert f"preprocessing step '{step['step']}'" in str(caught.value)


def test_too_few_spectra_to_learn_from_and_ones_that_are_not_finite():
    x = spectra(3)
    with pytest.raises(InputError, match="need at least 2 spectra, got 1"):
        fit_treatment(AXIS, [], [STEPS["scale"]], x[:1])
    x[1] = 0.5  # flat: SNV has nothing to say
    with pytest.raises(InputError, match=r"learns from finite spectra, got row 1 that is not \(1 in all\)"):
        fit_treatment(AXIS, [], [SNV, STEPS["centre"]], x)
    with pytest.raises(InputError, match="at least 1 batch, got 0"):
        Summary.combine([])


def test_what_is_rounding_is_learnt_from_by_no_step():
    x = spectra(60, seed=9)
    # All readings at the maximum are 1, to rounding; and the mean of centred spectra is 0, to rounding.
    steps = fit_treatment(AXIS, [], [STEPS["normalise"] | {"norm": "maximum"}, STEPS["scale"]], x)
    with pytest.raises(InputError, match="must vary at every wavelength, and do not at"):
        Treatment(AXIS, [], steps)
    for step in (STEPS["msc"], STEPS["emsc"]):
        with pytest.raises(InputError, match="has no reference in the mean of centred spectra"):
            fit_treatment(AXIS, [], [STEPS["centre"], STEPS["detrend"], step], x)


@given(cuts=st.lists(st.integers(0, 40), max_size=5), level=st.sampled_from([0.0, 1e3, 1e6]))
@settings(max_examples=40, deadline=None)
def test_summaries_of_batches_make_that_of_all(cuts, level):
    x = level + spectra(40)
    found = Summary.combine([Summary.of(part) for part in np.split(x, sorted(cuts))])
    assert found.n == 40
    np.testing.assert_allclose(found.mean, x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.deviation(), x.std(axis=0, ddof=1), rtol=1e-12 + 1e-14 * level)


# The line


def test_every_step_but_baselines_needs_numpy_alone():
    program = """
import json, sys
import numpy as np
from pat.core.preprocess import Treatment
given = json.load(sys.stdin)
for steps in given["chains"]:
    assert np.isfinite(Treatment(given["axis"], [], steps)(given["x"])).all()
loaded = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
assert not loaded & {"dask", "pandas", "pybaselines", "pydantic", "scipy", "sklearn", "xarray"}, loaded
"""
    chains = [treatment(steps).steps for name, steps in CHAINS.items() if name != "baseline"]
    given = json.dumps({"axis": AXIS.tolist(), "x": spectra(2).tolist(), "chains": chains})
    result = subprocess.run([sys.executable, "-c", program], input=given, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
