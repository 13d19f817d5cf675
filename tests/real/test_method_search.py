"""Method search on measured spectra: against ten chains that a person would try, and on the protein of corn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pat.calibration import calibrate
from pat.core.types import Array
from pat.method import Method
from pat.retraining import compare
from pat.search import Search, Space, chosen_method, search
from pat.spectra import select_batches
from tests.real.thread import Campaign, import_campaign, in_groups, method_of, print_table

SNV: dict[str, Any] = {"step": "snv"}
MSC: dict[str, Any] = {"step": "msc", "reference": "calibration"}
DETREND: dict[str, Any] = {"step": "detrend"}


def derivative(window: int, deriv: int) -> dict[str, Any]:
    return {"step": "savitzky_golay", "window": window, "polyorder": 2, "deriv": deriv}


# Chosen before any of them was tried on these tablets: what textbooks and vendors' manuals try first.
BY_HAND: list[list[dict[str, Any]]] = [
    [],
    [SNV],
    [MSC],
    [SNV, DETREND],
    [derivative(15, 1)],
    [derivative(21, 2)],
    [SNV, derivative(15, 1)],
    [SNV, derivative(21, 2)],
    [MSC, derivative(15, 1)],
    [MSC, derivative(21, 2)],
]
TABLETS = Space.from_document(
    {
        "ranges": [[[700, 1700]], [[800, 1650]], [[1000, 1650]]],
        "preprocessing": [
            ["none", SNV, MSC, {"step": "rnv"}],
            [
                "none",
                DETREND,
                {
                    "step": "savitzky_golay",
                    "window": {"one_of": [9, 15, 21, 31]},
                    "polyorder": 2,
                    "deriv": {"one_of": [1, 2]},
                },
            ],
        ],
    }
)
# Protein absorbs above 1500 nm (N-H); the other range is the whole axis.
CORN = Space.from_document(
    {
        "ranges": [[[1100, 2498]], [[1500, 2498]]],
        "preprocessing": [
            ["none", SNV],
            [
                "none",
                {"step": "savitzky_golay", "window": {"one_of": [7, 11, 15, 21]}, "polyorder": 2, "deriv": 1},
                {"step": "savitzky_golay", "window": {"one_of": [11, 15, 21]}, "polyorder": 2, "deriv": 2},
            ],
        ],
        "max_components": 16,
    }
)


def row(name: str, found: Search, rmsep: float) -> tuple[object, ...]:
    best = found.winner
    return (name, len(found.scores), best.label, best.n_components, best.error, rmsep)


def predicted(method: Method, raw: Any, new: Array) -> Array:
    """Calibrate a proposed method, and predict spectra that it has not seen."""
    calibration = calibrate(method, raw)
    model, treated = calibration.model, calibration.learnt.treatment(calibration.wavelength)(new)
    return np.asarray((treated - model.x_mean) @ model.coefficients[-1] + model.y_mean)


def test_tablets_no_worse_than_the_best_of_ten_by_hand(measured, tmp_path):
    data = measured("tablets_two_instruments")
    own = data["split"] == "calibrate"
    batch = np.where(own, "", "V--")
    batch[own], batch[~own] = in_groups("C", own.sum(), 12), in_groups("V", (~own).sum(), 8)
    campaign = Campaign(
        absorbance=data["absorbance_instrument_1"],
        wavelength=data["wavelength_nm"],
        batch=batch,
        instrument="instrument-1",
        analyte="assay",
        reference=data["assay_mg"],
        facts={b: {"role": "calibration" if b[0] == "C" else "validation"} for b in np.unique(batch).tolist()},
    )
    method = method_of("tablets_two_instruments")
    raw = import_campaign(campaign, tmp_path, method.analyte.units)
    # The 40 are not at hand while a method is chosen.
    calibration = select_batches(raw, sorted({name for name in batch.tolist() if name[0] == "C"}))
    y, new = data["assay_mg"][~own], data["absorbance_instrument_1"][~own]
    rows, found = [], {}
    for name, space, n_outer in (("ten by hand", Space([], None, [BY_HAND], None), 0), ("search", TABLETS, 4)):
        searched = search(method, space, calibration, n_outer=n_outer)
        found[name] = predicted(chosen_method(searched, method, space, calibration), calibration, new)
        rows.append(row(name, searched, float(np.sqrt(np.mean((found[name] - y) ** 2)))))
    assert searched.nested is not None
    # Every tablet is a sample of its own.
    paired = compare(y, found["ten by hand"], found["search"], np.arange(y.size))
    print_table(
        f"tablets, instrument 1: chosen on 155, tried on 40 (mg); the search is {paired.verdict}, "
        f"p {paired.p_value:.2f}, "
        f"its nested estimate {searched.nested.rmse:.2f}",
        ("chains", "n", "winner", "components", "RMSECV", "RMSEP"),
        rows,
    )
    assert len(searched.scores) == 120
    assert paired.verdict != "worse"


def test_corn_protein(measured, tmp_path):
    """Leave-one-sample-out: 80 samples, each a batch of its own; protein of the m5 by a method found in the search."""
    data = measured("corn_three_instruments")
    batch = np.array([f"S{i:02d}" for i in range(80)])
    campaign = Campaign(
        absorbance=data["absorbance_m5"],
        wavelength=data["wavelength_nm"],
        batch=batch,
        instrument="m5",
        analyte="protein",
        reference=data["protein"],
        facts={name: {"role": "calibration"} for name in batch.tolist()},
    )
    document = method_of("corn").document()
    document["analyte"] = {"name": "protein", "units": "%", "target": 8.7, "low": 7.5, "high": 10.0}
    document["calibration"]["component_rule"] = "first_minimum"
    method = Method.from_document(document)
    raw = import_campaign(campaign, tmp_path, "%")
    found = search(method, CORN, raw, n_outer=0)
    print_table(
        "corn, m5: protein by leave-one-sample-out (%)",
        ("chain", "components", "RMSECV", "SE"),
        [(score.label, score.n_components, score.error, score.standard_error) for score in found.scores[:5]],
    )
    assert found.winner.error <= 0.10
    # The proposal's own calibration says the same.
    again = calibrate(chosen_method(found, method, CORN, raw), raw)
    assert again.figures["rmsecv"] == pytest.approx(found.winner.error, rel=1e-8)
