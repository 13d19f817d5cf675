"""The SEL beside the SEP: hand computation, and simulations with known own error."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from pat.errors import InputError
from pat.validation.reference_error import ReferenceError, SelVerdict, reference_error


def of_errors(errors, sel: float, **given) -> ReferenceError:
    y = np.linspace(8.0, 12.0, len(errors))
    return reference_error(y, y + np.asarray(errors), np.arange(len(errors)), sel, **given)


def test_by_hand() -> None:
    """Errors -.3, 0, .3: SEP .3, RMSEP sqrt(.06); SEL .18 leaves sqrt(.09 - .0324) = .24."""
    found = of_errors([-0.3, 0.0, 0.3], 0.18)
    assert (found.sep, found.corrected_sep) == pytest.approx((0.3, 0.24))
    assert found.rmsep_ratio == pytest.approx(math.sqrt(0.06) / 0.18)
    assert found.within_guidance == (math.sqrt(0.06) / 0.18 <= 1.4)
    assert (found.sel_share, found.n_batches) == (1.0, 3)


def test_a_known_sel_shifts_the_interval_of_a_variance() -> None:
    """Against an SEL known exactly the interval is chi-square's, less SEL squared: Ting's terms in b vanish."""
    errors = np.random.default_rng(1).normal(0, 0.5, 15)
    found = of_errors(errors, 0.1)
    low, high = (14 * errors.var(ddof=1) / stats.chi2.ppf(q, 14) for q in (0.975, 0.025))
    # The cross term keeps a little: two per thousand of the variance at this ratio.
    assert found.lower == pytest.approx(math.sqrt(low - 0.01), rel=0.01)
    assert found.upper == pytest.approx(math.sqrt(high - 0.01), rel=0.01)


def test_several_reference_values_in_a_batch_share_the_error() -> None:
    """Two distinct values a batch leave SEL / root 2; one value written twice leaves all of it."""
    batch = np.repeat(np.arange(4), 2)
    y = np.repeat([8.0, 9.0, 10.0, 11.0], 2)
    p = y + np.repeat([0.2, -0.2, 0.3, 0.0], 2)
    assert reference_error(y, p, batch, 0.1).sel_share == pytest.approx(1.0)
    apart = y + np.tile([-0.05, 0.05], 4)
    assert reference_error(apart, p, batch, 0.1).sel_share == pytest.approx(1 / math.sqrt(2))


@pytest.mark.parametrize(("own", "sel_df"), [(0.0, math.inf), (0.3, math.inf), (0.3, 10.0)])
def test_cover_of_the_own_error(own: float, sel_df: float) -> None:
    """500 sets of 12 batches, SEL .2, nominal 95 %."""
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(500):
        sel = 0.2 * (math.sqrt(rng.chisquare(10) / 10) if math.isfinite(sel_df) else 1.0)
        found = of_errors(math.hypot(own, 0.2) * rng.standard_normal(12), sel, sel_df=sel_df)
        hits += found.lower <= own <= found.upper
    assert hits / 500 >= 0.92


def test_verdicts() -> None:
    errors = np.array([-0.3, 0.25, 0.3, -0.25, 0.1, -0.1, 0.2, -0.2])  # SD .24
    verdicts = {sel: of_errors(errors, sel).verdict for sel in (0.05, 0.2, 0.3, 0.9)}
    assert verdicts == {
        0.05: SelVerdict.SEEN,
        0.2: SelVerdict.NOT_TOLD_APART,
        0.3: SelVerdict.SEL_AT_LEAST_SEP,
        0.9: SelVerdict.SEL_TOO_LARGE,
    }
    least = of_errors(errors, 0.3)
    assert (least.corrected_sep, least.lower) == (0.0, 0.0)
    assert least.upper > 0.0


@pytest.mark.requirement("URS-24")
def test_a_true_sel_is_seldom_called_too_large() -> None:
    """A perfect method: SEP is the SEL's alone, and 2.5 % of sets fall below what is believed of it."""
    rng = np.random.default_rng(3)
    called = [of_errors(rng.normal(0, 0.2, 10), 0.2).verdict is SelVerdict.SEL_TOO_LARGE for _ in range(600)]
    assert np.mean(called) == pytest.approx(0.025, abs=0.02)


def test_plain_json() -> None:
    document = of_errors([-0.3, 0.1, 0.3], 0.18).to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["sel_df"] is None
    assert document["verdict"].startswith("the method's own error cannot be told from zero")


def test_wrong_input_is_named() -> None:
    with pytest.raises(InputError, match="at least 3 batches"):
        of_errors([0.1, 0.2], 0.1)
    with pytest.raises(InputError, match="must be positive, got 0.0 and inf"):
        of_errors([0.1, 0.2, 0.3], 0.0)
    with pytest.raises(InputError, match="1 of 3 are not"):
        of_errors([0.1, np.nan, 0.3], 0.1)
