"""Robustness of methods whose answer to each perturbation is known by construction."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from pat.core.types import Array, BoolArray
from pat.errors import InputError
from pat.simulation import MICRONIR, pure_spectra
from pat.simulation.spectra import REFERENCE_TEMPERATURE
from pat.simulation.variation import Lot, composition
from pat.validation.perturbations import Perturbation, added, axis_shift, fouled, noise, scatter, standard_perturbations
from pat.validation.robustness import Predict, Robustness, RobustnessVerdict, robustness
from tests import simulated

AXIS = np.linspace(1000.0, 1600.0, 61)
LEVELS = np.array([8.0, 10.0, 12.0, 10.0])
SPECTRA = LEVELS[:, None] * np.ones(61)


@dataclass(frozen=True)
class Answer:
    value: Array
    in_scope: BoolArray


def mean_method(largest: float = math.inf) -> Predict:
    """Return a method whose result is the mean of a spectrum, and which accepts it while its first channel is low."""
    return lambda x: Answer(x.mean(axis=1), x[:, 0] <= largest)


def offset(*sizes: float, signed: bool = False) -> Perturbation:
    return Perturbation("offset", "AU", sizes, signed, added(np.ones(61)))


def trial(predict: Predict, *sizes: float, signed: bool = False, **allowed: float) -> Robustness:
    return robustness(predict, SPECTRA, LEVELS, [offset(*sizes, signed=signed)], **({"max_change": 0.5} | allowed))


def test_accepted_and_wrong() -> None:
    """Nothing is refused: an offset of .6 moves every result by .6."""
    found = trial(mean_method(), 0.2, 0.4, 0.6, 0.8).trials[0]
    assert (found.margin, found.first_failure, found.most_dangerous, found.dangerous_share) == (0.4, 0.6, 0.6, 1.0)
    assert found.verdict is RobustnessVerdict.WRONG_BEFORE_REFUSED
    assert [step.bias_change for step in found.steps] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert [step.rmsep for step in found.steps] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    exact = stats.binomtest(4, 4).proportion_ci(0.95, "exact")
    assert (found.dangerous_lower, found.dangerous_upper) == pytest.approx((exact.low, exact.high))


@pytest.mark.requirement("URS-25")
def test_refused_before_wrong() -> None:
    """The scope ends at 12.3, so the strength of 12 is refused at .4 and all of them at 5."""
    found = trial(mean_method(12.3), 0.2, 0.4, 5.0).trials[0]
    assert [step.refused for step in found.steps] == [0.0, 0.25, 1.0]
    assert (found.margin, found.first_failure, found.most_dangerous) == (5.0, None, None)
    assert [(step.wrong, step.wrong_accepted) for step in found.steps] == [(0, 0), (0, 0), (4, 0)]
    assert found.verdict is RobustnessVerdict.REFUSED_BEFORE_WRONG
    assert math.isnan(found.steps[2].bias_change)
    assert found.steps[2].largest_change == 0.0


@pytest.mark.requirement("URS-25")
def test_the_most_dangerous_size_is_not_the_largest() -> None:
    """At .6 three of four are accepted and wrong, at 2.6 one, at 9 none."""
    found = trial(mean_method(12.3), 0.6, 2.6, 9.0).trials[0]
    assert (found.most_dangerous, found.dangerous_share, found.margin) == (0.6, 0.75, 0.0)
    assert [step.wrong_accepted for step in found.steps] == [3, 1, 0]


def test_both_directions_count() -> None:
    """Upward every spectrum is refused from the start; downward none is."""
    predict: Predict = lambda x: Answer(x.mean(axis=1), x[:, 0] <= np.array([8.0, 10.0, 12.0, 10.0]) + 1e-9)  # noqa: E731
    found = trial(predict, 0.6, signed=True).trials[0]
    assert (found.steps[0].n, found.steps[0].refused, found.steps[0].wrong_accepted) == (8, 0.5, 4)
    assert found.steps[0].bias_change == pytest.approx(-0.6)


def test_rmsep_is_a_criterion_of_its_own() -> None:
    found = trial(mean_method(), 0.2, 0.4, max_rmsep=0.3)
    assert found.trials[0].first_failure == 0.4
    assert found.trials[0].most_dangerous is None
    assert not found.refused_before_wrong
    held = trial(mean_method(), 0.2, 0.4)
    assert held.trials[0].verdict is RobustnessVerdict.HELD
    assert held.refused_before_wrong


def test_what_was_refused_before_is_not_followed() -> None:
    found = trial(mean_method(11.0), 0.2)
    assert (found.n, found.accepted, found.trials[0].steps[0].n) == (4, 3, 3)
    with pytest.raises(InputError, match="all 4 are refused"):
        trial(mean_method(1.0), 0.2)


def test_a_result_that_cannot_be_computed_moved_without_bound() -> None:
    predict: Predict = lambda x: Answer(np.where(x[:, 0] > 12.1, np.nan, x[:, 0]), x[:, 0] < 99.0)  # noqa: E731
    assert trial(predict, 0.2).trials[0].steps[0].wrong_accepted == 1


def test_plain_json_and_spectra_left_alone() -> None:
    before = SPECTRA.copy()
    SPECTRA.setflags(write=False)
    document = robustness(
        mean_method(12.3), SPECTRA, LEVELS * np.nan, standard_perturbations(AXIS), max_change=0.5
    ).to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["rmsep"] is None
    assert len(document["trials"]) == 8
    assert [one["name"] for one in document["trials"] if one["simulated"]] == ["temperature", "moisture", "film"]
    np.testing.assert_array_equal(SPECTRA, before)


def test_each_change_does_what_it_says() -> None:
    x = np.exp(-0.5 * ((AXIS - 1300.0) / 40.0) ** 2)[None, :]
    moved = np.exp(-0.5 * ((AXIS - 1303.0) / 40.0) ** 2)[None, :]
    # A cubic spline through 10 nm pitch, band of 40 nm: error of fourth order, below 2e-4.
    np.testing.assert_allclose(axis_shift(AXIS)(x, 3.0), moved, atol=2e-4)
    np.testing.assert_allclose(axis_shift(AXIS)(x, 0.0), x, atol=1e-12)
    film = np.full(61, 0.7)
    np.testing.assert_allclose(fouled(film)(x, 0.25), 0.75 * x + 0.175)
    np.testing.assert_allclose(scatter("gain")(x, -0.1), 0.9 * x)
    np.testing.assert_allclose(scatter("offset")(x, 0.1), x + 0.1)
    np.testing.assert_allclose(scatter("tilt")(x, 0.1)[0] - x[0], np.linspace(-0.1, 0.1, 61), atol=1e-12)
    wide = np.zeros((200, 500))
    assert noise(3)(wide, 0.01).std() == pytest.approx(0.01, rel=0.02)
    np.testing.assert_allclose(noise(3)(wide, 0.02), 2.0 * noise(3)(wide, 0.01))


def test_synthetic_warmth_is_that_of_the_simulated_blend() -> None:
    """Warm powder minus cool powder of one lot, simulated without errors, is 10 times the change of 1 K."""
    warm = next(one for one in standard_perturbations(MICRONIR.wavelength) if one.name == "temperature")
    change = warm.change(np.zeros((1, 125)), 10.0)[0]
    blend = composition(np.array([10.0]), Lot(), np.array([0.4]))[0]
    expected = blend @ (pure_spectra(MICRONIR, REFERENCE_TEMPERATURE + 10.0) - pure_spectra(MICRONIR))
    # Read from a 1 nm grid, and linear where the generator is not quite.
    np.testing.assert_allclose(change, expected, atol=0.1 * np.abs(expected).max())


@pytest.mark.requirement("URS-25")
def test_a_real_scorer_under_a_shifted_axis(scorer) -> None:
    """What is counted is what the scorer says of shifted spectra; it says the same of spectra simulated with the shift.

    The same draws of scatter and noise, so that only the noise is not where it would be.
    """
    content = np.repeat([9.0, 10.0, 11.0], 20)
    x = simulated.spectra(content, 5)
    shift = Perturbation("axis shift", "nm", (0.2, 1.0, 3.0), True, axis_shift(simulated.WAVELENGTH))
    found = robustness(scorer.predict, x, content, [shift], max_change=0.1)
    before = scorer.predict(x)
    kept = before.in_scope
    assert found.accepted == kept.sum()
    for step in found.trials[0].steps:
        count, changes = 0, []
        for signed in (step.size, -step.size):
            after = scorer.predict(simulated.spectra(content, 5, shift=signed)[kept])
            change = after.value - before.value[kept]
            count += int((after.in_scope & (np.abs(change) > 0.1)).sum())
            changes.append(change)
        assert step.wrong_accepted == pytest.approx(count, abs=6)
        if step.refused < 0.5:
            assert abs(step.bias_change) == pytest.approx(max(abs(c.mean()) for c in changes), abs=0.02)
    assert found.trials[0].steps[-1].refused == 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: offset(), "sizes must be positive and growing"),
        (lambda: offset(0.0, 1.0), "sizes must be positive and growing"),
        (lambda: standard_perturbations(AXIS[::-1]), "axis must ascend"),
        (lambda: standard_perturbations(AXIS, water=np.zeros(3)), r"`water` must have shape \(61,\)"),
        (lambda: trial(mean_method(), 0.1, max_change=0.0), "`max_change` positive"),
        (
            lambda: robustness(mean_method(), SPECTRA, LEVELS[:2], [offset(1.0)], max_change=1.0),
            r"got \(4, 61\) and \(2,\)",
        ),
        (
            lambda: robustness(
                mean_method(),
                SPECTRA,
                LEVELS,
                [Perturbation("cut", "nm", (1.0,), False, lambda x, size: x[:, 1:])],
                max_change=1.0,
            ),
            r"cut: spectra of shape \(4, 61\) became \(4, 60\)",
        ),
    ],
)
def test_wrong_input_is_named(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
