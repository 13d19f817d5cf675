"""A folded treatment gives the numbers of the unfolded one, for every order of steps, in a block and one by one.

The expected values are those of `Treatment`, which is tested step by step against other programs.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from pat.core.preprocess import Folded, Treatment, fit_treatment
from pat.core.preprocess.scatter import snv_correction, snv_of_one
from pat.errors import InputError
from tests.core.preprocess.chains import AXIS, CHAINS, DIRECT, SG, SNV, STEPS, references, spectra

# The same steps with other parameters, so that orders of a kind with itself are no repetition.
VARIANTS: dict[str, dict[str, Any]] = STEPS | {
    "savitzky_golay smoothing": SG | {"deriv": 0, "window": 5},
    "savitzky_golay second": SG | {"deriv": 2, "window": 11},
    "normalise area": {"step": "normalise", "norm": "area"},
    "normalise maximum": {"step": "normalise", "norm": "maximum"},
    "interpolate linear": STEPS["interpolate"] | {"kind": "linear"},
    "direct standardisation": DIRECT,
    "detrend offset": {"step": "detrend", "degree": 1},
}
QUICK = sorted(set(VARIANTS) - {"baseline"})


def treatment(steps: Sequence[dict[str, Any]], ranges: Any = ()) -> Treatment | None:
    """Return what the steps compile to; None where they cannot follow each other on this axis."""
    x = spectra(60, seed=9)
    try:
        return Treatment(AXIS, ranges, fit_treatment(AXIS, ranges, steps, x, references(60)))
    except InputError:
        return None


def folded(treat: Treatment, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Treat spectra folded, in a block and one by one."""
    fold, block = Folded(treat), np.empty((len(x), treat.wavelength.size))
    one = fold.of_one()
    with np.errstate(all="ignore"):
        fold.into(x, block)
        return block, np.array([one(row).copy() for row in x])


def largest_error(treat: Treatment, x: np.ndarray) -> float:
    """Largest difference of a treated value, as a share of the largest value of its spectrum."""
    expected = treat(x)
    errors = []
    for found in folded(treat, x):
        np.testing.assert_array_equal(np.isnan(found).any(axis=1), np.isnan(expected).any(axis=1))
        good = ~np.isnan(expected).any(axis=1)
        if good.any():
            scale = np.abs(expected[good]).max(axis=1)
            errors.append(float((np.abs(found - expected)[good].max(axis=1) / scale).max()))
    return max(errors, default=0.0)


def hold(orders: Iterator[tuple[str, ...]]) -> int:
    """Hold every order of steps to 1e-10; returns how many there were that can be."""
    x, held = spectra(6, seed=3), 0
    for names in orders:
        treat = treatment([VARIANTS[name] for name in names])
        if treat is not None:
            assert largest_error(treat, x) < 1e-10, names
            held += 1
    return held


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS.keys())
def test_every_chain_with_and_without_ranges(steps):
    # Some steps do not fit ranges with a gap, or hold spectra of the whole axis.
    treats = [treatment(steps, r) for r in ([], [[960.0, 1645.0]], [[960.0, 1200.0], [1260.0, 1640.0]])]
    assert treats[0] is not None
    for treat in treats:
        assert treat is None or largest_error(treat, spectra(20)) < 1e-12


def test_every_pair_of_steps_in_both_orders():
    assert hold(itertools.product(VARIANTS, repeat=2)) > 400


def test_orders_of_three_and_four_steps():
    rng = np.random.default_rng(1)
    drawn = [tuple(rng.choice(QUICK, n).tolist()) for n in (3, 4) for _ in range(300)]
    assert hold(iter(drawn)) > 400


@pytest.mark.slow
def test_every_order_of_three_steps():
    assert hold(itertools.product(QUICK, repeat=3)) > 5000


def test_linear_steps_in_a_row_are_one_operator():
    steps = [SG | {"deriv": 0}, SNV, SG, STEPS["detrend"], STEPS["epo"], STEPS["centre"], STEPS["scale"]]
    treat = treatment(steps)
    assert treat is not None
    # What comes before SNV; SNV and all that follows it.
    assert len(Folded(treat)._links) == 2
    # MSC and absorbance are not linear, and SNV needs numbers of its own each time.
    many = treatment([STEPS["absorbance"], SG | {"deriv": 0}, SNV, SG | {"deriv": 0}, STEPS["msc"], SNV])
    assert many is not None
    assert len(Folded(many)._links) == 4


def test_on_an_uneven_axis_with_gaps():
    rng = np.random.default_rng(5)
    axis = np.concatenate([1e7 / np.linspace(1e7 / 950.0, 1e7 / 1300.0, 70), np.arange(1400.0, 1600.0, 3.0)])
    steps = [SG | {"deriv": 0}, SNV, SG, {"step": "detrend", "degree": 1}]
    treat = Treatment(axis, [[960.0, 1190.0], [1210.0, 1590.0]], steps)
    x = 1.0 + np.cumsum(rng.normal(0.0, 0.01, (7, axis.size)), axis=1)
    assert largest_error(treat, x) < 1e-12


def test_a_spectrum_far_from_zero_is_as_exact_as_unfolded():
    x = 1e3 + spectra(5)
    for steps in ([SNV, SG | {"deriv": 0}], [SNV, SG], [STEPS["rnv"], STEPS["detrend"]]):
        treat = treatment(steps)
        assert treat is not None
        # The readings themselves are rounded to 1e-13, against a contrast of 0.3 and differences of 0.01.
        assert largest_error(treat, x) < 1e-11


def test_an_offset_far_larger_than_the_weights_does_not_spoil_them():
    centre = {"step": "centre", "reference": (1e6 * np.cos(AXIS)).tolist()}
    back = {"step": "centre", "reference": (-1e6 * np.cos(AXIS)).tolist()}
    treat = Treatment(AXIS, [], [SG, centre, back])
    block, _ = folded(treat, spectra(4))
    np.testing.assert_allclose(block, Treatment(AXIS, [], [SG])(spectra(4)), rtol=0, atol=1e-8)
    # The weights themselves have kept their digits: what two spectra differ by shows no trace of 1e6.
    x = spectra(2)
    operator = Folded(Treatment(AXIS, [], [SG, centre]))._links[0].operator
    out = np.empty((2, AXIS.size))
    operator.into(x, out)
    plain = Treatment(AXIS, [], [SG])(x)
    np.testing.assert_allclose(out, plain, rtol=0, atol=1e-13 * np.abs(plain).max())


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS.keys())
def test_a_spectrum_without_a_value_spoils_no_other_and_gives_no_number(steps):
    treat = treatment(steps)
    assert treat is not None
    x = spectra(20)
    clean, _ = folded(treat, x)
    x[[3, 4]], x[11] = [[np.nan], [np.inf]], 1e200
    kept = [i for i in range(20) if i not in (3, 4, 11)]
    block, singly = folded(treat, x)
    np.testing.assert_array_equal(block[kept], clean[kept])
    np.testing.assert_allclose(singly[kept], clean[kept], rtol=0, atol=1e-12 * np.abs(clean).max())
    assert not np.isfinite(block[[3, 4]]).any(axis=1).any() or "baseline" in str(steps)


def test_one_by_one_keeps_its_own_array_and_leaves_the_spectrum_alone():
    x = spectra(2)
    x.flags.writeable = False
    for steps in CHAINS.values():
        treat = treatment(steps)
        assert treat is not None
        one, other = Folded(treat).of_one(), Folded(treat).of_one()
        first = one(x[0])
        kept = first.copy()
        other(x[1])
        np.testing.assert_array_equal(first, kept)
        assert not np.shares_memory(first, x)


def test_snv_of_one_has_the_bits_of_snv_of_many():
    rng = np.random.default_rng(2)
    rows = [
        *(rng.uniform(-3.0, 6.0) + rng.normal(0.0, 10.0 ** rng.uniform(-9, 3), n) for n in (2, 60, 85, 800) * 30),
        np.full(40, 0.25), np.zeros(40), np.full(40, np.nan), np.full(40, 1e200), 1e300 * np.arange(40.0),
        1e6 + 1e-3 * rng.random(200),
    ]  # fmt: skip
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for row in rows:
            offset, factor = snv_correction(row[None, :])
            assert np.array_equal([offset[0, 0], factor[0, 0]], snv_of_one(row), equal_nan=True)
