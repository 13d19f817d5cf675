"""Pharmaceutical tablets, instrument 1: calibrated on the 155 of the shootout's calibration set, validated on its 40.

The file says nothing of batches. Neighbours in it have close assays, so runs of neighbours stand in for them: leaving
one out is then harder than leaving out tablets at random. The 40 lie within 188 to 200 mg, so their slope and R2 say
little; that their own spread is smaller than RMSEP is printed beside it.
"""

from __future__ import annotations

import numpy as np
import pytest

from pat.validation.figures import figures_of_merit
from tests.real.thread import (
    Campaign,
    Thread,
    follow_through,
    in_groups,
    method_of,
    print_table,
    scikit_learn,
    treated_independently,
)


@pytest.fixture(scope="module")
def thread(measured, tmp_path_factory) -> Thread:
    data = measured("tablets_two_instruments")
    calibrated = data["split"] == "calibrate"
    batch = np.where(calibrated, "", "V--")
    batch[calibrated] = in_groups("C", calibrated.sum(), 12)
    batch[~calibrated] = in_groups("V", (~calibrated).sum(), 8)
    campaign = Campaign(
        absorbance=data["absorbance_instrument_1"],
        wavelength=data["wavelength_nm"],
        batch=batch,
        instrument="instrument-1",
        analyte="assay",
        reference=data["assay_mg"],
        facts={b: {"role": "calibration" if b[0] == "C" else "validation"} for b in np.unique(batch).tolist()},
    )
    return follow_through(campaign, method_of("tablets_two_instruments"), tmp_path_factory.mktemp("tablets"))


def test_nothing_is_lost_on_the_way_in(thread):
    np.testing.assert_array_equal(thread.raw["absorbance"].values, thread.campaign.absorbance)
    np.testing.assert_array_equal(thread.raw["assay"].values, thread.campaign.reference)
    np.testing.assert_array_equal(thread.raw["wavelength"].values, thread.campaign.wavelength)


@pytest.mark.requirement("URS-45", "URS-85")
def test_scorer_equals_an_independent_pipeline(thread):
    campaign = thread.campaign
    kept = (campaign.wavelength >= 700.0) & (campaign.wavelength <= 1700.0)
    treated = treated_independently(campaign.absorbance[:, kept], window=15, deriv=1, delta=2.0)
    calibrated, validated = campaign.of_role("calibration"), campaign.of_role("validation")
    assert (calibrated.sum(), validated.sum()) == (155, 40)
    other = scikit_learn(treated[calibrated], campaign.reference[calibrated], thread.n_components)
    np.testing.assert_allclose(thread.predict("validation"), other.predict(treated[validated]), rtol=1e-8)
    np.testing.assert_allclose(thread.predict("calibration"), other.predict(treated[calibrated]), rtol=1e-8)


@pytest.mark.requirement("URS-85")
def test_errors_are_those_of_these_tablets(thread):
    """RMSECV by 10-fold cross-validation is about 4.5 mg with 3 components, by scikit-learn."""
    rmsecv = thread.calibration.cross_validation.rmsecv
    found = thread.validation.document["figures"]
    reference = thread.campaign.reference[thread.campaign.of_role("validation")]
    print_table(
        f"tablets, instrument 1: 155 calibrate, 40 validate ({thread.n_components} components, mg)",
        ("RMSEC", "RMSECV", "RMSEP", "SEP", "bias", "in scope", "SD of the 40 assays"),
        [
            (
                thread.calibration.figures["rmsec"],
                float(rmsecv[thread.n_components - 1]),
                *(found[name] for name in ("rmsep", "sep", "bias", "in_scope_share")),
                float(reference.std(ddof=1)),
            )
        ],
    )
    assert rmsecv[2] == pytest.approx(4.5, abs=0.3)
    # What the artefact's file says is what the loaded scorer does.
    value = thread.predict("validation")
    assert found["rmsep"] == pytest.approx(float(np.sqrt(np.mean((value - reference) ** 2))), rel=1e-9)
    assert figures_of_merit(reference, value, np.arange(40)).rmsep < 4.5
    assert found["in_scope_share"] >= 0.9
