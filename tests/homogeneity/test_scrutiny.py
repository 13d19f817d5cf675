"""How much powder a spectrum sees, against geometry, published formulas and simulation."""

import math

import numpy as np
import pytest

from pat.errors import InputError
from pat.homogeneity import scrutiny
from pat.simulation.mixing import autocorrelated


def test_the_mass_of_a_spot_is_its_cylinder_and_the_strip_it_sweeps():
    # A cylinder of 4 mm across and 1 mm deep has pi 4 mm3; a strip of 4 x 10 x 1 mm has 40; at 0.5 mg/mm3.
    assert scrutiny.scrutinised_mass(4.0, 1.0, 0.5) == pytest.approx(2.0 * math.pi)
    assert scrutiny.scrutinised_mass(4.0, 1.0, 0.5, travel=10.0) == pytest.approx(2.0 * math.pi + 20.0)


def test_the_rsd_of_a_random_mixture_is_that_of_drawn_particles():
    # 2,000 samples of 400 particles of 1 mg, a tenth of them the ingredient: a binomial count.
    rng = np.random.default_rng(3)
    content = rng.binomial(400, 0.1, 2000) / 400
    drawn = 100.0 * content.std(ddof=1) / content.mean()
    # The RSD of a standard deviation from 2,000 samples is 1.6 %; four of these.
    assert scrutiny.sampling_rsd(0.1, 1.0, 400.0) == pytest.approx(drawn, rel=0.065)


def test_particles_of_unequal_mass_make_it_wider():
    assert scrutiny.sampling_rsd(0.1, 1.0, 400.0, 1.0) == pytest.approx(
        math.sqrt(2.0) * scrutiny.sampling_rsd(0.1, 1.0, 400.0)
    )


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6])
def test_correlated_spectra_are_worth_what_the_variance_of_their_mean_says(phi):
    rng, n = np.random.default_rng(5), 20
    means = np.array([autocorrelated(n, rng, phi).mean() for _ in range(4000)])
    # The variance of 4,000 means is known to 2.2 %; four of these.
    assert scrutiny.effective_spectra(n, phi) == pytest.approx(1.0 / means.var(), rel=0.09)


def test_a_dose_is_seen_by_the_fewest_spectra_that_are_worth_it():
    assert scrutiny.spectra_per_dose(250.0, 25.0) == 10
    for phi in (0.2, 0.5, 0.8):
        n = scrutiny.spectra_per_dose(250.0, 25.0, phi)
        assert scrutiny.effective_spectra(n, phi) >= 10.0 - 1e-9 > scrutiny.effective_spectra(n - 1, phi)
    assert scrutiny.spectra_per_dose(5.0, 25.0) == 1


def test_a_block_lets_a_blend_pass_about_half_of_the_time_and_a_shorter_one_does_not():
    n = scrutiny.propose_block_size(0.7, 0.05)
    # sqrt((n - 1) / chi2): 1.416 for 17 and 1.436 for 16 (chi-square tables: 7.962 and 7.261), and 1 / 0.7 is 1.4286.
    assert n == 17
    rng = np.random.default_rng(7)
    sd = 0.7 * rng.standard_normal((20_000, n)).std(axis=1, ddof=1)
    assert 0.45 < (sd * math.sqrt((n - 1) / 7.962) <= 1.0).mean() < 0.60


def test_a_block_grows_with_autocorrelation_and_with_the_dose():
    assert scrutiny.propose_block_size(0.7, 0.05, phi=0.5) > 17
    assert scrutiny.propose_block_size(0.7, 0.05, dose_spectra=40) == 40


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: scrutiny.scrutinised_mass(0.0, 1.0, 1.0), "`diameter` must be a positive number, got 0.0"),
        (lambda: scrutiny.scrutinised_mass(1.0, math.nan, 1.0), "`depth` must be a positive number, got nan"),
        (lambda: scrutiny.scrutinised_mass(1.0, 1.0, 1.0, -1.0), "`travel` must not be negative, got -1.0"),
        (lambda: scrutiny.sampling_rsd(1.0, 1.0, 1.0), "`share` must lie between 0 and 1, got 1.0"),
        (lambda: scrutiny.sampling_rsd(0.5, 1.0, 1.0, -1.0), "`particle_cv` must not be negative"),
        (lambda: scrutiny.spectra_per_dose(1.0, 1.0, 1.0), "`phi` must be at least 0 and below 1, got 1.0"),
        (lambda: scrutiny.spectra_per_dose(1e9, 1.0), "a dose must be seen by at most 100000 spectra"),
        (lambda: scrutiny.propose_block_size(1.0, 0.05), "`ratio` must lie between 0 and 1, got 1.0"),
        (lambda: scrutiny.propose_block_size(0.5, 0.05, 1.0), "`phi` must be at least 0 and below 1"),
        (lambda: scrutiny.propose_block_size(0.999, 0.05), "a block must have at most 1,000 spectra"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(call, expected):
    with pytest.raises(InputError, match=expected):
        call()
