"""Escitalopram tablets made at three scales: calibrated on the commercial ones, used on those of pilot and laboratory.

Four strengths are pressed from two contents, so a guess that knows only each strength's mean is hard to beat: it is
printed beside every figure.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pat.core.types import Array
from pat.errors import Refusal
from pat.export import export
from pat.validation.figures import WithinStrength, within_strength
from pat.validation.run import validate
from tests.real.thread import Campaign, Table, Thread, follow_through, method_of, print_table

# Largest RMSEP (% w/w), and the RMSEP of the guess that knows only each strength's mean.
EXPECTED = {"Pilot": (0.50, 0.24), "Lab": (0.46, 0.49)}


def campaign_of(data: Table, scale: str) -> Campaign:
    """Commercial batches to calibrate, those of another scale to validate; ten tablets each, by their labels."""
    kept = np.isin(data["scale"], ["Commercial", scale])
    batch = np.array([f"T{label[:2]}" for label in data["sample_label"][kept].tolist()])
    known = zip(batch.tolist(), data["scale"][kept].tolist(), data["strength"][kept].tolist(), strict=True)
    return Campaign(
        absorbance=data["absorbance"][kept],
        wavelength=data["wavelength_nm"],
        batch=batch,
        instrument="transmittance",
        analyte="escitalopram",
        reference=data["active_pct_ww"][kept],
        facts={
            name: {"role": "calibration" if of == "Commercial" else "validation", "scale": of, "strength": strength}
            for name, of, strength in known
        },
    )


@pytest.fixture(scope="module")
def threads(measured, tmp_path_factory) -> dict[str, Thread]:
    data = measured("tablets_three_scales")
    method = method_of("tablets_three_scales")
    return {
        scale: follow_through(campaign_of(data, scale), method, tmp_path_factory.mktemp(scale)) for scale in EXPECTED
    }


def within(thread: Thread) -> WithinStrength:
    campaign = thread.campaign
    strength = np.array([str(campaign.facts[name]["strength"]) for name in campaign.batch.tolist()])
    old, new = campaign.of_role("calibration"), campaign.of_role("validation")
    y = campaign.reference
    return within_strength(y[new], thread.predict("validation"), strength[new], y[old], strength[old])


def errors(thread: Thread) -> Array:
    return thread.predict("validation") - thread.campaign.reference[thread.campaign.of_role("validation")]


@pytest.mark.requirement("URS-85")
def test_commercial_calibration_serves_other_scales(threads):
    rows = []
    for scale, thread in threads.items():
        rmsep = float(np.sqrt(np.mean(errors(thread) ** 2)))
        inside = within(thread)
        bias = "  ".join(f"{strength} {value:+.2f}" for strength, value in inside.bias.items())
        rmsecv = thread.calibration.figures["rmsecv"]
        rows.append((scale, thread.n_components, rmsecv, rmsep, inside.sep, inside.baseline_rmsep, bias))
        largest, baseline = EXPECTED[scale]
        assert rmsep <= largest
        assert inside.baseline_rmsep == pytest.approx(baseline, abs=0.01)
    print_table(
        "tablets, commercial scale calibrates (% w/w); the guess knows only each strength's mean",
        ("validates", "components", "RMSECV", "RMSEP", "SEP within strength", "RMSEP of the guess", "bias by strength"),
        rows,
    )


def test_within_strength_by_hand(threads):
    """Deviations of the errors from their strength's mean, with one degree of freedom less for each strength."""
    thread = threads["Lab"]
    new = thread.campaign.of_role("validation")
    strength = [thread.campaign.facts[name]["strength"] for name in thread.campaign.batch[new].tolist()]
    groups = [errors(thread)[[s == name for s in strength]] for name in sorted(set(map(str, strength)))]
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    inside = within(thread)
    assert inside.sep == pytest.approx(np.sqrt(squares / (new.sum() - 4)), rel=1e-12)
    assert list(inside.bias.values()) == pytest.approx([group.mean() for group in groups], rel=1e-9)


def test_a_method_that_must_beat_the_guess_is_refused(threads, tmp_path):
    """On pilot tablets the guess has 0.24 and this method has more: the gate says so, and nothing is exported."""
    thread = threads["Pilot"]
    method = method_of("tablets_three_scales", max_rmsep=EXPECTED["Pilot"][1])
    calibration = replace(thread.calibration, method=method)
    validation = validate(method, calibration, None, thread.raw)
    assert not validation.passed
    with pytest.raises(Refusal, match=r"RMSEP: required .*: nothing is exported"):
        export(tmp_path / "artefact", method, calibration, None, validation, thread.raw, "<html></html>")
    assert list(tmp_path.iterdir()) == []
