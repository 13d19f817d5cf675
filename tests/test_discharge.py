"""Discharge in the laboratory and on the line: p values by scipy, the risk of the alarm, stream and figure."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pat import discharge, plots
from pat.core.discharge import contrasts
from pat.core.segregation import Alarm
from pat.errors import InputError, Refusal
from pat.homogeneity import segregation
from pat.scorer import Scorer, Status
from pat.scorer.discharge import SegregationWatch
from tests import simulated
from tests.simulated import RULE, WAVELENGTH

ALARM = Alarm(0.05, 300, 10, 0.0, 1.0, 1.5, 8.0, 9.0)


def autoregressive(n: int, seed: int, phi: float = 0.4, sd: float = 0.1) -> np.ndarray:
    """Simulated contents (n,) about 10, AR(1)."""
    shocks = np.random.default_rng([seed, 62]).standard_normal(n)
    shocks[1:] *= math.sqrt(1.0 - phi**2)
    for t in range(1, n):
        shocks[t] += phi * shocks[t - 1]
    return 10.0 + sd * shocks


# What a whole discharge says


def test_p_values_are_scipys():
    values = autoregressive(180, 1, phi=0.0) + np.linspace(0.0, 0.1, 180)
    found = discharge.summarise(values)
    parts = np.array_split(values, 3)
    assert found.p_values["thirds"] == pytest.approx(stats.f_oneway(*parts).pvalue)
    assert found.p_values["trend"] == pytest.approx(stats.linregress(np.arange(180), values).pvalue)
    assert found.p_values["tail"] == pytest.approx(stats.ttest_ind(values[171:], values[:171], equal_var=False).pvalue)


def test_autocorrelation_makes_false_trends_that_correction_takes_back():
    # 400 simulated discharges, AR(1) with phi 0.4, that do not segregate: at 5 % about 20 are expected.
    found = [discharge.summarise(autoregressive(120, seed)) for seed in range(400)]
    for key in ("thirds", "trend"):
        plain = np.mean([f.p_values[key] < 0.05 for f in found])
        corrected = np.mean([f.p_corrected[key] < 0.05 for f in found])
        assert plain > 0.11
        # The autocorrelation is estimated too low from 120 readings, so that a little is left.
        assert corrected < 0.085


def test_a_segregated_end_is_found():
    values = autoregressive(200, 2)
    values[190:] += 0.4
    found = discharge.summarise(values)
    assert found.p_corrected["tail"] < 0.01
    assert found.contrasts.tail.size == pytest.approx(4.0, abs=1.2)


def test_the_summary_tells_both_spreads_of_the_doses():
    values = autoregressive(240, 3, phi=0.0, sd=0.2)
    found = discharge.summarise(values, readings_in_dose=8, repeatability=0.12, slope=0.95)
    rows = dict(found.table())
    assert found.doses is not None
    assert f"{found.doses.rsd:.2f} % as read" in rows["RSD of pseudo-doses"]
    assert rows["pseudo-doses"] == "30 of 8 readings"
    assert f"{found.doses.blend_rsd:.2f} % without" in rows["RSD of pseudo-doses"]
    assert rows["readings"] == "240, of which 0 were not good"
    assert "nothing is decided" in rows["percent nugget"]
    assert discharge.summarise(values).doses is None


def test_masses_weigh_the_variogram():
    values, masses = autoregressive(80, 4), np.where(np.arange(80) < 40, 1.0, 3.0)
    mean = (values * masses).sum() / masses.sum()
    h = (values - mean) / mean * masses / masses.mean()
    found = discharge.summarise(values, masses).variogram
    assert found.v[0] == pytest.approx(np.mean(np.diff(h) ** 2) / 2.0)


# The alarm


@pytest.fixture(scope="module")
def alarm() -> Alarm:
    return segregation.make_alarm(0.05, 200, phi=0.4, n=8000)


def raised(alarm: Alarm, values: np.ndarray) -> int | None:
    """Reading at which the alarm is raised."""
    watch = SegregationWatch(alarm)
    for i, value in enumerate(values, start=1):
        watch.take(float(value))
        if watch.reason:
            return i
    return None


def test_the_alarm_keeps_its_risk(alarm):
    # 600 discharges simulated apart from those of the constants: 5 % and what 400 allow for (binomial, 1 in 1,000).
    false = sum(raised(alarm, autoregressive(200, 5000 + seed)) is not None for seed in range(400))
    assert false <= stats.binom.ppf(0.999, 400, 0.05)
    # It is spent: not an alarm that is never raised.
    assert false >= 4


def test_the_alarm_finds_a_mean_that_moves_and_a_spread_that_grows(alarm):
    found, sides = [], []
    for seed in range(40):
        values = autoregressive(200, 6000 + seed)
        drift, wide = values.copy(), values.copy()
        drift[100:] += np.linspace(0.0, 0.3, 100)
        wide[100:] = 10.0 + 2.5 * (wide[100:] - 10.0)
        found += [raised(alarm, drift), raised(alarm, wide)]
        watch = SegregationWatch(alarm)
        for value in drift:
            watch.take(float(value))
        sides.append(watch.reason)
    late = [at for at in found if at is not None and at > 100]
    assert len(late) >= 0.85 * len(found)
    assert np.median(late) < 165
    assert sides.count("the content has moved above what it was") > 25


def test_a_smaller_risk_asks_for_more(alarm):
    strict = segregation.make_alarm(0.01, 200, phi=0.4, n=8000)
    assert strict.mean_threshold > alarm.mean_threshold
    assert strict.spread_threshold > alarm.spread_threshold
    assert segregation.make_alarm(0.05, 200, phi=0.0, n=8000).mean_threshold < alarm.mean_threshold


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"risk": 0.0}, "`risk` must lie between 0 and 1"),
        ({"risk": 1.0}, "`risk` must lie between 0 and 1"),
        ({"phi": 1.0}, "`phi` be at least 0 and below 1"),
        ({"reference": 9}, "`reference` must be at least 10"),
        ({"readings": 59}, "`readings` at least 60"),
        ({"readings": 80, "reference": 80}, "more than `reference`, got 80 and 80"),
    ],
)
def test_bad_alarms_are_refused(changed, words):
    given = {"risk": 0.05, "readings": 100, "phi": 0.3, "reference": 30} | changed
    with pytest.raises(InputError, match=words):
        segregation.make_alarm(given.pop("risk"), given.pop("readings"), **given, n=200)


def test_a_risk_that_simulation_cannot_show_is_refused():
    with pytest.raises(Refusal, match="200 simulated blends"):
        segregation.make_alarm(0.001, 80, phi=0.0, n=200)


# On the line


@pytest.fixture
def dosing() -> Scorer:
    content = simulated.make_content()
    content.document["claim"]["spectra_per_dose"] = 4
    return Scorer(content)


def test_readings_doses_and_values_are_those_of_predict(dosing):
    spectra = simulated.settled(70, 71)
    expected = dosing.predict(spectra).value
    line = dosing.start_discharge("B-1")
    readings = [line.update(x) for x in spectra]
    np.testing.assert_allclose(line.values, expected, rtol=1e-12)
    np.testing.assert_allclose([r.value for r in readings], expected, rtol=1e-12)
    doses = [r.dose for r in readings if not math.isnan(r.dose)]
    np.testing.assert_allclose(doses, expected[:68].reshape(17, 4).mean(axis=1))
    np.testing.assert_allclose(line.doses().contents, doses)
    assert {r.reason for r in readings} == {"no segregation alarm was chosen"}
    assert readings[-1].to_dict()["mean_sum"] is None
    json.dumps(readings[-1].to_dict(), allow_nan=False)
    assert discharge.summarise(line.values, readings_in_dose=4).contrasts == contrasts(line.values)


def test_what_is_no_reading_keeps_its_place_and_several_are_a_fault(dosing):
    line, spectra = dosing.start_discharge("B-1", ALARM), simulated.settled(8, 72)
    foreign = spectra[0] + 0.2 * np.sin(WAVELENGTH / 9.0)
    bad = [
        (spectra[0], Status.FROZEN),
        (np.ones(3), Status.WRONG_LENGTH),
        (np.full(WAVELENGTH.size, np.nan), Status.NOT_FINITE),
        ("text", Status.NOT_FINITE),
        (None, Status.NOT_FINITE),  # as a blend says: it is no spectrum of any length
        (foreign, Status.OUT_OF_SCOPE),
    ]
    assert line.update(spectra[0]).status is Status.OK
    found = [line.update(x) for x, _ in bad]
    assert [r.status for r in found] == [status for _, status in bad]
    assert [r.fault for r in found] == [False] * (RULE.fault_run - 1) + [True] * (7 - RULE.fault_run)
    assert "readings in a row are bad" in found[-1].reason
    assert line.update(spectra[1]).fault is False
    assert np.isnan(line.values).tolist() == [False] + [True] * 6 + [False]
    assert math.isnan(found[2].dose)


def test_contents_that_leave_the_range_raise_the_alarm_too(dosing):
    line = dosing.start_discharge("B-1", ALARM)
    for x in simulated.settled(40, 73):
        line.update(x)
    rich = [line.update(x) for x in simulated.spectra(np.full(12, 15.0), 74)]
    assert rich[0].status is Status.OUT_OF_SCOPE
    assert any(r.segregated for r in rich)


def test_a_discharge_beyond_the_alarms_length_says_so(dosing):
    line = dosing.start_discharge("B-1", replace(ALARM, readings=12, mean_threshold=1e9, spread_threshold=1e9))
    reasons = [line.update(x).reason for x in simulated.settled(13, 75)]
    assert reasons[8] == "gathering the start"
    assert reasons[11] == "as at the start"
    assert reasons[12] == "the alarm was made for 12 readings at the most"


@pytest.mark.parametrize("at", [0, 5, 25])
@pytest.mark.parametrize("alarm", [None, ALARM])
def test_a_snapshot_carries_on_bit_for_bit(dosing, at, alarm):
    spectra = [*simulated.settled(50, 76), np.ones(2)]
    whole, first = dosing.start_discharge("B-1", alarm), dosing.start_discharge("B-1", alarm)
    expected = [json.dumps(whole.update(x).to_dict()) for x in spectra]
    for x in spectra[:at]:
        first.update(x)
    again = dosing.resume_discharge(json.loads(json.dumps(first.snapshot(), allow_nan=False)))
    assert [json.dumps(again.update(x).to_dict()) for x in spectra[at:]] == expected[at:]
    np.testing.assert_array_equal(again.values, whole.values)


def test_an_altered_snapshot_is_refused(dosing, scorer):
    line = dosing.start_discharge("B-1")
    line.update(simulated.settled(1, 77)[0])
    state = line.snapshot()
    for changed, words in (
        ({"format": 1}, "format must be 2, got 1"),
        ({"batch": "B-2"}, "SHA-256 does not hold"),
        ({"values": [11.0]}, "SHA-256 does not hold"),
        ({"values": [math.nan]}, "SHA-256 does not hold"),
        ({"artefact": "other"}, "made with artefact other"),
    ):
        with pytest.raises(InputError, match=words):
            dosing.resume_discharge(state | changed)
    odd: Any
    for odd in (None, [], "text"):
        with pytest.raises(InputError, match="format must be 2"):
            dosing.resume_discharge(odd)
    with pytest.raises(InputError, match="this one is"):
        scorer.resume_discharge(state)


def test_what_a_discharge_needs(scorer, dosing):
    with pytest.raises(InputError, match="the method names none"):
        scorer.start_discharge("B-1").doses()
    with pytest.raises(InputError, match="must be a name"):
        dosing.start_discharge("")
    with pytest.raises(InputError, match="no homogeneity rule"):
        Scorer(simulated.make_content(rule=None)).start_discharge("B-1")


# The figure


def test_the_figure_shows_variogram_thirds_and_doses():
    values = autoregressive(120, 5)
    values[7] = np.nan
    summary = discharge.summarise(values, readings_in_dose=10)
    figure = plots.discharge(summary, target=10.0, units="% w/w", max_rsd=3.0, title="B-1 (simulated)")
    along, apart = figure.axes
    lines = {str(line.get_label()): np.asarray(line.get_ydata()) for line in (*along.lines, *apart.lines)}
    np.testing.assert_allclose(lines["v"], 1e4 * np.array(summary.variogram.v))
    assert lines["nugget"].tolist() == [1e4 * summary.variogram.nugget]
    assert lines["sill"][0] == pytest.approx(1e4 * summary.variogram.sill)
    assert lines["limit 3 % RSD"][0] == 9.0
    assert f"range {summary.variogram.range}" in lines
    np.testing.assert_allclose(lines["mean of a third"][0], np.nanmean(values[:40]))
    np.testing.assert_allclose(lines["pseudo-dose"][1], values[10:20].mean())
    again = plots.discharge(summary, target=10.0, units="% w/w", max_rsd=3.0, title="B-1 (simulated)")
    assert plots.to_svg(again, "d") == plots.to_svg(
        plots.discharge(summary, target=10.0, units="% w/w", max_rsd=3.0, title="B-1 (simulated)"), "d"
    )
