"""Simulated blends: physics against derivations, truth against brute force, errors of the size that is stated."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import savgol_filter
from scipy.stats import chi2
from sklearn.cross_decomposition import PLSRegression

from pat.cli import simulate
from pat.core.types import Array
from pat.errors import InputError
from pat.simulation import (
    COMPONENTS,
    FT_NIR,
    LOT_DAY_SD,
    MICRONIR,
    MIXING,
    POWDER,
    REPEATABILITY,
    Instrument,
    Lot,
    Mixing,
    Powder,
    pure_spectra,
    simulate_run,
    simulate_samples,
    simulate_static,
    true_endpoint,
    uniform,
)
from pat.simulation import campaign as campaign_module
from pat.simulation import spectra as spectra_module
from pat.simulation.campaign import SEED, Batch, campaign, states, write_campaign
from pat.simulation.mixing import autocorrelated, draw_truth, mixing_rsd, population_rsd
from pat.simulation.variation import composition

SAMPLES = Path(__file__).parents[1] / "data_samples"
N_COMPONENTS = 4  # what leave-one-batch-out and the one-standard-error rule choose on the committed campaign


# --- spectra ---------------------------------------------------------------------------------------------------------


def test_bands_stand_where_the_tables_put_them_and_keep_their_area():
    fine = Instrument("fine", first=900.0, step=0.5, n_channels=3400, line_width=0.0, noise=0.0)
    sharp, broad = pure_spectra(fine), pure_spectra(replace(fine, line_width=12.0))
    api = COMPONENTS.index("api")
    window = (fine.wavelength > 1100) & (fine.wavelength < 1180)  # the aromatic C-H overtone stands alone here
    assert fine.wavelength[window][sharp[api, window].argmax()] == pytest.approx(1140.0)
    assert sharp[api, window].max() == pytest.approx(0.30 * spectra_module.PATH, rel=1e-4)
    np.testing.assert_allclose(broad.sum(axis=1), sharp.sum(axis=1), rtol=1e-3)
    assert (broad.max(axis=1) < sharp.max(axis=1)).all()


def test_warmth_moves_water_to_the_blue_and_a_unit_reads_with_its_own_shift():
    fine = Instrument("fine", first=1400.0, step=0.1, n_channels=1200, line_width=12.0, noise=0.0)
    water = COMPONENTS.index("water")

    def peak(instrument: Instrument, temperature: float = 25.0) -> float:
        return float(fine.wavelength[pure_spectra(instrument, temperature)[water].argmax()])

    assert peak(fine, 35.0) - peak(fine) == pytest.approx(-3.0, abs=0.11)  # -0.30 nm/K (Maeda et al. 1995)
    assert peak(replace(fine, wavelength_shift=0.5)) - peak(fine) == pytest.approx(0.5, abs=0.11)


def test_beer_lambert_is_the_sum_of_the_parts_and_warmth_is_nearly_linear():
    parts = composition(np.array([10.0]), Lot(), np.array([0.4]))
    cold = spectra_module.true_absorbance(parts, np.array([25.0]), MICRONIR)
    np.testing.assert_allclose(cold, parts @ pure_spectra(MICRONIR), rtol=1e-12)
    warm = spectra_module.true_absorbance(parts, np.array([32.0]), MICRONIR)
    exact = parts @ pure_spectra(MICRONIR, 32.0)
    assert np.abs(warm - exact).max() < 0.05 * np.abs(exact - cold).max()


def test_kubelka_munk_reflectance_gives_back_what_was_put_in():
    parts = composition(np.array([5.0, 10.0]), Lot(), np.array([0.4, 0.4]))
    linear = spectra_module.true_absorbance(parts, np.full(2, 25.0), MICRONIR)
    bent = spectra_module.true_absorbance(parts, np.full(2, 25.0), MICRONIR, nonlinear=True)
    reflectance = 10.0**-bent
    np.testing.assert_allclose((1.0 - reflectance) ** 2 / (2.0 * reflectance), 0.02 + linear, rtol=1e-9)
    assert np.isfinite(simulate_run("good", 1, n_revolutions=20, nonlinear=True).absorbance).all()


def test_what_is_not_api_keeps_its_proportions():
    parts = composition(np.array([0.0, 10.0, 100.0]), Lot(moisture=3.5, lubricant=0.75), np.full(3, 0.4))
    np.testing.assert_allclose(parts.sum(axis=1), 1.0, rtol=1e-12)
    at_target = dict(zip(COMPONENTS, parts[1], strict=True))
    assert at_target["water"] == pytest.approx(0.035)
    assert at_target["mgst"] == pytest.approx(0.0075)
    assert at_target["mcc"] / (at_target["mcc"] + at_target["lactose"]) == pytest.approx(0.4)
    np.testing.assert_allclose(parts[2], [1.0, 0.0, 0.0, 0.0, 0.0], atol=1e-12)


def test_film_hides_the_powder():
    powder = np.vstack([np.zeros(125), np.ones(125)])
    covered = spectra_module.behind_film(powder, np.array([1.0, 0.6]), MICRONIR)
    film = spectra_module.film_spectrum(MICRONIR)
    np.testing.assert_allclose(covered, [film, 0.4 + 0.6 * film], rtol=1e-12)


def test_noise_and_drift_have_the_stated_size():
    quiet, rng = np.zeros((4000, MICRONIR.n_channels)), np.random.default_rng(1)
    read = spectra_module.add_instrument_errors(quiet, np.zeros(4000), MICRONIR, rng)
    assert read.std() == pytest.approx(MICRONIR.noise, rel=0.01)
    late = spectra_module.add_instrument_errors(quiet, np.full(4000, 2.0), MICRONIR, rng)
    assert late.mean() == pytest.approx(2.0 * MICRONIR.drift, rel=0.05)


def test_both_instruments_cover_their_range():
    assert MICRONIR.wavelength[[0, -1]].tolist() == [950.0, 1650.6]
    assert MICRONIR.wavelength.size == 125
    assert FT_NIR.wavelength[[0, -1]].tolist() == [1000.0, 2500.0]
    run = simulate_run("good", 1, n_revolutions=5, instrument=FT_NIR)
    assert run.absorbance.shape == (5, FT_NIR.n_channels)
    for instrument in (MICRONIR, FT_NIR):
        np.testing.assert_allclose(np.diff(instrument.wavelength), instrument.step, rtol=1e-9)


# --- mixing and its truth --------------------------------------------------------------------------------------------


def test_mixing_follows_first_order_kinetics_in_the_variance():
    course = Mixing(rate=0.045, start=0.60, floor=0.01)
    n = np.array([0.0, 50.0, 1e4])
    rsd = mixing_rsd(course, n)
    by_hand = np.sqrt(0.01**2 + (0.6**2 - 0.01**2) * np.exp(-0.09 * 50.0))
    np.testing.assert_allclose(rsd, [0.60, by_hand, 0.01], rtol=1e-9)
    # Below a limit L from N = ln((start^2 - floor^2)/(L^2 - floor^2)) / 2r: 67.8 here (solved by hand).
    crossing = np.log((0.6**2 - 0.01**2) / (0.03**2 - 0.01**2)) / 0.09
    run = simulate_run("good", 3, n_revolutions=120, mixing=replace(course, layer=0.0))
    assert true_endpoint(run) == int(np.ceil(crossing))


def test_beam_sampling_equals_a_count_of_grains():
    # Brute force: as many grains of lognormal mass as weigh the scrutinised mass, each of them API with probability p.
    powder, p, rng = Powder(scrutinised_mass=0.2, mass_cv=0.5), 0.10, np.random.default_rng(5)
    grain_mg = powder.density * np.pi / 6.0 * (powder.diameter * 1e-4) ** 3 * 1e3
    spread = np.sqrt(np.log(1.0 + powder.mass_cv**2))
    mass = rng.lognormal(-(spread**2) / 2.0, spread, (2000, round(powder.scrutinised_mass / grain_mg)))
    content = (mass * (rng.random(mass.shape) < p)).sum(axis=1) / mass.sum(axis=1)
    assert content.std(ddof=1) / p == pytest.approx(powder.sampling_rsd(100.0 * p), rel=0.06)
    # 10 mg of 50 um grains of one size: sqrt(9 * 85.1 ng / 10 mg) = 0.875 %.
    assert Powder(10.0, 50.0, 1.3, 0.0).sampling_rsd(10.0) == pytest.approx(0.00875, rel=1e-3)
    assert 0.005 < POWDER.sampling_rsd(10.0) < 0.006


def test_mixing_part_is_autocorrelated():
    series = autocorrelated(200_000, np.random.default_rng(2), phi=0.4)
    assert series.std() == pytest.approx(1.0, abs=0.01)
    lagged = [np.corrcoef(series[:-lag], series[lag:])[0, 1] for lag in (1, 2)]
    np.testing.assert_allclose(lagged, [0.4, 0.16], atol=0.01)


@pytest.mark.parametrize("kind", [*MIXING])
def test_true_rsd_is_that_of_the_population(kind):
    """A revolution drawn again and again has the mean and the RSD that its truth says."""
    revolution = np.array([70.0, 150.0, 290.0])
    draws = np.array([_draw(MIXING[kind], revolution, seed) for seed in range(4000)])
    truth = draw_truth(MIXING[kind], revolution, _generators(0))
    np.testing.assert_allclose(draws.mean(axis=0), truth.mean, rtol=0.012)
    np.testing.assert_allclose(100.0 * draws.std(axis=0, ddof=1) / truth.mean, truth.rsd, rtol=0.06)


def _draw(mixing: Mixing, revolution: Array, seed: int) -> Array:
    return draw_truth(mixing, revolution, _generators(seed)).value


def _generators(seed: int) -> tuple[np.random.Generator, ...]:
    return tuple(np.random.default_rng([seed, stream]) for stream in (1, 2, 3))


def test_pockets_are_far_off_both_ways_and_make_the_rsd():
    run = simulate_run("dead_zone", 4)
    value, late = run.truth.value, run.revolution > 150
    far = np.abs(value[late] / 10.0 - 1.0) > 0.3
    assert far.mean() == pytest.approx(0.15, abs=0.07)
    assert set(np.sign(value[late][far] - 10.0)) == {-1.0, 1.0}
    assert run.truth.rsd[-1] == pytest.approx(100.0 * np.sqrt(0.15 * 0.4**2 + 0.01**2), rel=1e-3)


def test_uniform_asks_for_both_the_rsd_and_the_mean():
    low = simulate_run("low_assay", 1).truth
    assert low.rsd[-1] < 3.0
    assert not uniform(low).any()
    assert uniform(low, max_mean_deviation=10.5)[-1]
    good = simulate_run("good", 1).truth
    by_hand = [r <= 3.0 and 9.6 <= m <= 10.4 for r, m in zip(good.rsd, good.mean, strict=True)]
    assert uniform(good).tolist() == by_hand


def test_endpoint_is_where_uniformity_begins_and_only_demixing_ends_it():
    for kind in ("good", "fast", "slow", "below", "demix"):
        run = simulate_run(kind, 11)
        holds, endpoint = uniform(run.truth), true_endpoint(run)
        assert endpoint is not None
        assert not holds[: endpoint - 1].any()
        assert holds[endpoint - 1 :].all() == (kind != "demix")
    for kind in ("dead_zone", "low_assay"):
        assert true_endpoint(simulate_run(kind, 11)) is None
    assert population_rsd(MIXING["limit"], np.arange(1.0, 301.0)) == pytest.approx(3.0)


def test_states_tell_the_story():
    def story(kind: str) -> list[str]:
        names = states(simulate_run(kind, 11))
        return [str(name) for i, name in enumerate(names) if i == 0 or name != names[i - 1]]

    assert story("good") == ["mixing", "uniform"]
    assert story("demix") == ["mixing", "uniform", "demixing"]
    assert story("dead_zone") == ["mixing", "pockets"]
    assert story("low_assay") == ["mixing", "off_target"]
    assert story("fouling")[-1] == "fouled"
    assert set(states(simulate_samples(9.0, 3, 1))) == {"static"}


# --- runs ------------------------------------------------------------------------------------------------------------


def test_a_seed_decides_everything_and_purposes_do_not_mix():
    run, again, other = (simulate_run("good", seed, n_revolutions=60) for seed in (7, 7, 8))
    np.testing.assert_array_equal(run.absorbance, again.absorbance)
    assert not np.array_equal(run.absorbance, other.absorbance)
    foreign = simulate_run("good", 7, n_revolutions=60, lot=Lot(), instrument=FT_NIR)
    np.testing.assert_array_equal(foreign.truth.value, run.truth.value)
    longer = simulate_run("good", 7, n_revolutions=90)
    np.testing.assert_array_equal(longer.truth.value[:60], run.truth.value)


def test_a_standard_has_no_sampling_error_and_a_powder_has():
    assert np.ptp(simulate_static(10.0, 20, 1).truth.value) == 0.0
    powder = simulate_samples(10.0, 2000, 1).truth
    assert powder.value.std(ddof=1) / 10.0 == pytest.approx(POWDER.sampling_rsd(10.0), rel=0.06)
    assert powder.rsd[0] == pytest.approx(100.0 * POWDER.sampling_rsd(10.0))


def test_wrong_input_is_named():
    with pytest.raises(InputError, match="`kind` must be one of good, fast, .* got 'perfect'"):
        simulate_run("perfect", 1)
    with pytest.raises(InputError, match="`n_revolutions` must be at least 1, got 0"):
        simulate_run("good", 1, n_revolutions=0)
    with pytest.raises(InputError, match="`seed` must be at least 0, got -1"):
        write_campaign(Path("nowhere"), -1)
    with pytest.raises(InputError, match="`n_readings` must be at least 1, got 0"):
        simulate_static(10.0, 0, 1)


def test_a_campaign_does_not_replace_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="written into a folder"):
        write_campaign(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_campaign_never_replaces_what_is_there_and_can_be_completed(tmp_path, monkeypatch):
    monkeypatch.setattr(campaign_module, "_tables", lambda seed: {"blends": b"1\n", "truth": b"2\n"})
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "truth.csv").write_text("measured")
    with pytest.raises(InputError, match="truth.csv: expected nothing there or the same simulated data, got something"):
        write_campaign(tmp_path)
    assert (tmp_path / "truth.csv").read_text() == "measured"
    assert not (tmp_path / "blends.csv").exists()
    (tmp_path / "truth.csv").write_text("2\n")  # as an interrupted command has left it
    assert write_campaign(tmp_path) == [tmp_path / "blends.csv", tmp_path / "truth.csv"]
    assert (tmp_path / "blends.csv").read_text() == "1\n"
    assert (tmp_path / "notes.txt").read_text() == "mine"


# --- the campaign, seen by an independent calibration ----------------------------------------------------------------


def treated(absorbance: Array) -> Array:
    """SNV and a Savitzky-Golay derivative by scipy, 960-1640 nm."""
    kept = absorbance[:, (MICRONIR.wavelength >= 960) & (MICRONIR.wavelength <= 1640)]
    snv = (kept - kept.mean(axis=1, keepdims=True)) / kept.std(axis=1, ddof=1, keepdims=True)
    result: Array = savgol_filter(snv, 9, 2, deriv=1, delta=MICRONIR.step, axis=1)
    return result


class Calibration:
    """PLS by scikit-learn on the calibration batches of a campaign."""

    def __init__(self, batches: list[Batch]) -> None:
        X = treated(np.concatenate([batch.run.absorbance for batch in batches]))
        y = np.concatenate([np.full(len(batch.run.absorbance), batch.reference) for batch in batches])
        self._pls = PLSRegression(N_COMPONENTS, scale=False).fit(X, y)
        self._mean = X.mean(axis=0)

    def predict(self, absorbance: Array) -> Array:
        result: Array = self._pls.predict(treated(absorbance)).ravel()
        return result

    def q_residuals(self, absorbance: Array) -> Array:
        X = treated(absorbance)
        left = X - self._mean - self._pls.transform(X) @ self._pls.x_loadings_.T
        result: Array = np.square(left).sum(axis=1)
        return result


@pytest.fixture(scope="module")
def files() -> dict[str, list[Batch]]:
    return campaign()


@pytest.fixture(scope="module")
def calibration(files) -> Calibration:
    return Calibration(files["calibration"])


def test_repeatability_is_the_stated_one(calibration):
    runs = [simulate_static(10.0, 100, (1, i), lot=Lot()) for i in range(40)]
    sd = np.sqrt(np.mean([calibration.predict(run.absorbance).var(ddof=1) for run in runs]))
    assert sd == pytest.approx(REPEATABILITY, abs=0.01)


def test_lots_and_days_bring_the_stated_bias(calibration):
    n_readings = 30
    means = [calibration.predict(simulate_static(10.0, n_readings, (2, i)).absorbance).mean() for i in range(500)]
    sd = np.sqrt(np.var(means, ddof=1) - REPEATABILITY**2 / n_readings)
    assert sd == pytest.approx(LOT_DAY_SD, abs=0.03)


def test_new_lots_are_predicted_as_well_as_stated(files, calibration):
    batches = files["validation"]
    assert len({batch.lot for batch in batches}) == len({batch.day for batch in batches}) == len(batches) >= 10
    errors = np.concatenate([calibration.predict(batch.run.absorbance) - batch.reference for batch in batches])
    assert 0.18 < np.sqrt(np.mean(errors**2)) < 0.26


def test_good_powder_is_in_scope_and_a_film_is_not(files, calibration):
    residuals = np.concatenate([calibration.q_residuals(b.run.absorbance) for b in files["validation"]])
    mean, variance = residuals.mean(), residuals.var(ddof=1)
    # 99.9 % limit g chi2_h of new lots (Nomikos and MacGregor 1995): g = v / 2m, h = 2 m^2 / v.
    limit = variance / (2.0 * mean) * chi2.ppf(0.999, 2.0 * mean**2 / variance)
    for batch in files["accepted_blends"]:
        plateau = calibration.q_residuals(batch.run.absorbance[uniform(batch.run.truth)])
        assert (plateau > limit).mean() < 0.03
    fouled = next(batch.run for batch in files["blends"] if batch.run.kind == "fouling")
    film = fouled.truth.film
    assert (calibration.q_residuals(fouled.absorbance[film > 0.12]) > limit).all()
    # The film's danger: what is predicted behind it varies less than the powder does.
    half = (film > 0.35) & (fouled.truth.rsd > 4.0)
    seen = calibration.predict(fouled.absorbance[half])
    assert seen.std(ddof=1) < 0.8 * fouled.truth.value[half].std(ddof=1)


def test_faults_show_in_the_predictions(files, calibration):
    def late(kind: str) -> Array:
        run = next(batch.run for batch in files["blends"] if batch.run.kind == kind)
        predicted: Array = calibration.predict(run.absorbance[-60:])
        return predicted

    def rsd(values: Array) -> Any:
        return 100.0 * values.std(ddof=1) / values.mean()

    assert rsd(late("good")) < 2.2
    assert rsd(late("demix")) > 3.0
    assert rsd(late("dead_zone")) > 8.0
    assert late("low_assay").mean() < 9.6


def test_calibration_design_breaks_correlations(files):
    batches = files["calibration"]
    assert len({batch.lot for batch in batches}) >= 6
    assert len({batch.day for batch in batches}) >= 6
    design = campaign_module._uncorrelated_conditions(SEED)
    assert np.abs(np.corrcoef(design.T) - np.eye(4)).max() < 0.1
    assert {batch.run.truth.mean[0] for batch in batches} == set(campaign_module.LEVELS)


def test_one_more_batch_changes_no_other():
    plan = [("good", 30, None), ("slow", 30, None)]
    short = list(campaign_module._blends(SEED, "A", "accepted", 4000, "2026-05-04", plan[:1]))
    long = list(campaign_module._blends(SEED, "A", "accepted", 4000, "2026-05-04", [*plan]))
    np.testing.assert_array_equal(short[0].run.absorbance, long[0].run.absorbance)


# --- the committed files ---------------------------------------------------------------------------------------------


def test_the_samples_are_what_the_seed_gives(tmp_path):
    """Text is equal; numbers agree to a unit of the last decimal, because exp differs between processors."""
    for path in write_campaign(tmp_path):
        fresh, committed = (p.read_text().splitlines() for p in (path, SAMPLES / path.name))
        assert len(fresh) == len(committed)
        assert fresh[0] == committed[0]
        for new, old in zip(fresh[1:], committed[1:], strict=True):
            if new != old:
                _assert_close(new.split(","), old.split(","))


def _assert_close(new: list[str], old: list[str]) -> None:
    assert len(new) == len(old)
    for a, b in zip(new, old, strict=True):
        assert a == b or abs(float(a) - float(b)) < 1.1 * 10.0 ** -len(b.partition(".")[2])


@pytest.mark.requirement("URS-07")
def test_the_command_writes_another_campaign_and_says_that_it_is_simulated(tmp_path):
    command = simulate.COMMANDS[0]
    parser = ArgumentParser()
    command.arguments(parser)
    outcome = command.run(parser.parse_args([str(tmp_path / "other"), "--seed", "3"]))
    assert outcome.exit_code == 0
    assert (outcome.document["simulated"], outcome.document["seed"]) == (True, 3)
    assert sorted(outcome.document["files"]) == sorted(path.name for path in SAMPLES.glob("*.csv"))
    assert (tmp_path / "other" / "blends.csv").read_text() != (SAMPLES / "blends.csv").read_text()


@pytest.mark.requirement("URS-07")
def test_the_samples_are_small_and_say_that_they_are_simulated():
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 5_000_000
    assert "SIMULATED" in (SAMPLES / "README.md").read_text().splitlines()[0]


def test_the_truth_has_a_row_for_every_spectrum_in_order():
    spectra = [
        line.split(",")[:3:2]
        for name in (
            "calibration",
            "validation",
            "repeatability",
            "accepted_blends",
            "blends",
            "specificity",
            "new_references",
        )
        for line in (SAMPLES / f"{name}.csv").read_text().splitlines()[1:]
    ]
    truth = [line.split(",")[:2] for line in (SAMPLES / "truth.csv").read_text().splitlines()[1:]]
    assert truth == spectra
