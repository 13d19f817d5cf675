"""Corn on two spectrometers, no transfer between them: a validation that must fail, and does."""

from __future__ import annotations

import numpy as np
import pytest

from pat.errors import Refusal
from pat.export import export
from tests.real.thread import Campaign, in_groups, method_of, prepare, print_table


@pytest.mark.requirement("URS-26", "URS-85")
def test_another_instrument_without_transfer_is_refused(measured, tmp_path):
    data = measured("corn_three_instruments")
    # Every other sample, so that both halves span the moistures; each half has been on one instrument only.
    first = np.arange(80) % 2 == 0
    batch = np.empty(80, dtype="U3")
    batch[first], batch[~first] = in_groups("C", 40, 8), in_groups("V", 40, 8)
    campaign = Campaign(
        absorbance=np.where(first[:, np.newaxis], data["absorbance_m5"], data["absorbance_mp5"]),
        wavelength=data["wavelength_nm"],
        batch=batch,
        instrument="m5 and mp5",
        analyte="moisture",
        reference=data["moisture"],
        facts={b: {"role": "calibration" if b[0] == "C" else "validation"} for b in np.unique(batch).tolist()},
    )
    method = method_of("corn")
    raw, calibration, validation = prepare(campaign, method, tmp_path)
    found = validation.document["figures"]
    print_table(
        f"corn: m5 calibrates, mp5 validates ({calibration.model.n_components} components, % moisture)",
        ("RMSECV on m5", "RMSEP on mp5", "SEP", "bias", "in scope"),
        [(calibration.figures["rmsecv"], *(found[k] for k in ("rmsep", "sep", "bias", "in_scope_share")))],
    )
    failed = [criterion["name"] for criterion in validation.document["criteria"] if not criterion["passed"]]
    assert failed == ["max_rmsep", "bias_alpha"]
    # Nearly all of the error is bias, which is what instruments differ by.
    assert abs(found["bias"]) > 0.9 * found["rmsep"]
    # T2 and Q see that these spectra are none of the method's, without any reference value.
    assert found["in_scope_share"] < 0.05
    with pytest.raises(Refusal, match="nothing is exported"):
        export(tmp_path / "artefact", method, calibration, None, validation, raw, "<html></html>")
    assert not (tmp_path / "artefact").exists()
