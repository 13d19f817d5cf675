"""Two milk powders, eleven levels scanned twenty times each: what repeat scans of real powder say of repeatability."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pat.homogeneity import repeatability
from tests.real.thread import Campaign, follow_through, method_of, print_table


def test_repeat_scans_give_the_repeatability(measured, tmp_path):
    data = measured("two_powders")
    level = data["second_component_pct"]
    batch = np.array([f"L{int(value):03d}" for value in level.tolist()])
    # The ends and every other level calibrate; what lies between them is new.
    campaign = Campaign(
        absorbance=data["absorbance"],
        wavelength=data["wavelength_nm"],
        batch=batch,
        instrument="NIR",
        analyte="second_powder",
        reference=level,
        facts={
            name: {"role": "validation" if int(name[1:]) % 20 else "calibration"} for name in np.unique(batch).tolist()
        },
    )
    thread = follow_through(campaign, method_of("two_powders"), tmp_path)
    new = campaign.of_role("validation")
    value = thread.predict("validation")
    groups = [value[batch[new] == name] for name in np.unique(batch[new])]

    found = repeatability(groups)
    # One-way analysis of variance by hand: five levels of twenty scans each.
    assert found.degrees_of_freedom == 95
    assert found.sd == pytest.approx(np.sqrt(np.mean([np.var(g, ddof=1) for g in groups])), rel=1e-12)
    assert found.lower == pytest.approx(found.sd * np.sqrt(95 / stats.chi2.ppf(0.95, 95)), rel=1e-9)

    figures = thread.validation.document["figures"]
    print_table(
        f"two powders: five new levels of twenty scans ({thread.n_components} components, % w/w)",
        ("repeatability", "its lower limit", "RMSEP", "bias"),
        [(found.sd, found.lower, figures["rmsep"], figures["bias"])],
    )
    # Most of an RMSEP is bias between samples: a rule that took it for repeatability would be far too lenient.
    assert found.sd < figures["rmsep"]
