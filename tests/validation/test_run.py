"""A validation as a whole: what it was made of, what it refuses, and what comes back from its folder."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pat.assembly import assemble
from pat.calibration import calibrate
from pat.errors import InputError, Refusal
from pat.method import Method
from pat.scorer import Scorer
from pat.spectra import content_sha256, select_batches
from pat.treatment import treat
from pat.validation.registration import table_sha256
from pat.validation.run import Validation, predict_batches, validate
from tests.small_campaign import Campaign, dataset, write_campaign
from tests.validated import Validated, validated


@pytest.fixture(scope="module")
def made() -> Validated:
    return validated()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A method without blends, which takes no time to validate."""
    return write_campaign(tmp_path_factory.mktemp("small"))


def test_it_says_what_was_validated(made: Validated) -> None:
    document = made.validation.document
    assert document["digest"] == assemble(made.method, made.calibration, made.homogeneity).digest
    assert document["method_sha256"] == made.method.sha256
    assert document["calibration_sha256"] == made.calibration.sha256
    assert document["data_sha256"] == made.raw.attrs["sha256"]
    assert len(document["truth_sha256"]) == 64


def test_the_truths_hash_follows_its_last_digit() -> None:
    truth = pd.DataFrame({"batch": ["B"], "revolution": [1.0], "true_value": [0.1]})
    assert table_sha256(truth) == table_sha256(truth.copy())
    assert table_sha256(truth) != table_sha256(truth.assign(true_value=np.nextafter(0.1, 1.0)))
    assert table_sha256(None) is None


def test_it_gives_the_content_that_was_validated_and_no_other(made: Validated) -> None:
    content = made.validation.content(made.method, made.calibration, made.homogeneity)
    assert content.digest == made.validation.document["digest"]
    for key, what in (
        ("digest", "the model or its end-point rule"),
        ("method_sha256", "the method document"),
        ("calibration_sha256", "the calibration"),
    ):
        for stale in ({key: "0" * 64}, {key: None}):
            validation = replace(made.validation, document=made.validation.document | stale)
            with pytest.raises(InputError, match=f"something else: {what} changed since: run `pat validate` again"):
                validation.content(made.method, made.calibration, made.homogeneity)


def test_it_comes_back_from_its_folder(made: Validated, tmp_path: Path) -> None:
    made.validation.save(tmp_path / "validation")
    loaded = Validation.load(tmp_path / "validation")
    assert (loaded.document, loaded.profiles) == (made.validation.document, made.validation.profiles)
    assert loaded.known_blend is not None
    assert made.validation.known_blend is not None
    for mine, other in (
        (loaded.predictions, made.validation.predictions),
        (loaded.known_blend, made.validation.known_blend),
    ):
        assert set(mine) == set(other)
        for name, array in other.items():
            np.testing.assert_array_equal(mine[name], array)


def test_predictions_of_another_validation_are_refused(made: Validated, small: Campaign, tmp_path: Path) -> None:
    made.validation.save(tmp_path / "a")
    small.validation.save(tmp_path / "b")
    assert Validation.load(tmp_path / "b").known_blend is None
    shutil.copy(tmp_path / "b" / "predictions.npz", tmp_path / "a")
    with pytest.raises(InputError, match=r"one whose predictions\.npz is damaged or of another validation"):
        Validation.load(tmp_path / "a")


def test_unmet_criteria_are_worded_once(made: Validated) -> None:
    assert made.validation.unmet == ""
    criteria = [
        {"name": "max_rmsep", "required": "<= 0.1 % w/w", "found": 0.21234567, "passed": False},
        {"name": "max_bias", "required": "<= 0.2 % w/w", "found": 0.1, "passed": True},
        {"name": "max_median_delay", "required": "<= 5 revolutions", "found": None, "passed": False},
    ]
    failed = replace(made.validation, document=made.validation.document | {"criteria": criteria, "passed": False})
    assert failed.unmet == (
        "RMSEP: required <= 0.1 % w/w, found 0.2123; "
        "Median delay of the end-point: required <= 5 revolutions, found nothing to judge by"
    )


def test_the_known_blend_is_the_one_whose_end_point_came_first(made: Validated) -> None:
    known, document = made.validation.known_blend, made.validation.document
    assert known is not None
    ends = {case["batch"]: case["found_endpoint"] for case in document["endpoints"]}
    first = min(end for end in ends.values() if end is not None)
    assert ends[document["known_blend"]] == first
    assert known["absorbance"].shape == (max(150, first), made.raw.sizes["wavelength"])
    (profile,) = [profile for profile in made.validation.profiles if profile.batch == document["known_blend"]]
    n = len(known["state"])
    assert known["state"].tolist() == profile.columns["state"][:n]
    np.testing.assert_array_equal(known["mbsd"], profile.numbers("mbsd")[:n])
    assert known["endpoint"][-1] == first


def change(method: Method, section: str, **keys: Any) -> Method:
    document = copy.deepcopy(method.document())
    document[section] |= keys
    return Method.from_document(document)


@pytest.mark.parametrize(
    ("section", "keys"),
    [("spectra", {"ranges": [[1004.0, 1200.0]]}), ("acceptance", {"max_rmsep": 0.4}), ("analyte", {"high": 15.0})],
)
def test_a_method_that_changed_since_calibration_is_named(small: Campaign, section: str, keys: Any) -> None:
    with pytest.raises(InputError, match=rf"\({section} changed\): run `pat calibrate` again"):
        validate(change(small.method, section, **keys), small.calibration, None, small.raw)


def test_spectra_on_another_axis_are_named(small: Campaign) -> None:
    raw = small.raw.load()
    for other in (raw.isel(wavelength=slice(0, -1)), raw.assign_coords(wavelength=raw["wavelength"] + 0.5)):
        with pytest.raises(
            InputError, match=r"calibration was made on 60 wavelengths from 1000 to 1236 nm, the spectra"
        ):
            validate(small.method, small.calibration, None, other)


def test_spectra_without_the_analyte_or_in_other_units_are_named(small: Campaign) -> None:
    raw = small.raw.load()
    with pytest.raises(InputError, match="analyte is `api`, but the spectra have no reference values"):
        validate(small.method, small.calibration, None, raw.drop_vars("api"))
    other = raw.assign(api=raw["api"].assign_attrs(units="mg/g"))
    with pytest.raises(InputError, match="`api` must be in '% w/w'"):
        validate(small.method, small.calibration, None, other)


def test_a_saturated_spectrum_is_in_scope_for_nobody(small: Campaign) -> None:
    """The scorer and the laboratory say so by the same rule."""
    peaks = np.abs(small.raw["absorbance"].values).max(axis=1)
    validated_on = [name.startswith("V") for name in small.raw["batch"].values.tolist()]
    method = change(small.method, "spectra", saturation=float(np.sort(peaks[validated_on])[-3]))
    # Below the saturation of every calibration spectrum no calibration would be made: it is put in place.
    calibration = replace(small.calibration, method=method)
    names = [f"V{i}" for i in range(1, 5)]
    found = predict_batches(method, calibration, small.raw, names)["in_scope"]
    before = predict_batches(small.method, small.calibration, small.raw, names)["in_scope"]
    scorer = Scorer(assemble(method, calibration, None))
    spectra = np.concatenate([select_batches(small.raw, [name])["absorbance"].values for name in names])
    np.testing.assert_array_equal(found, scorer.predict(spectra).in_scope)
    assert before.all()
    assert (~found).sum() == 3


def test_lots_count_across_stores(small: Campaign) -> None:
    """Validation batches of a store of their own share a lot with a calibration batch that is not in it."""
    new = select_batches(dataset(), [f"V{i}" for i in range(1, 5)])
    new = new.assign_attrs(sha256=content_sha256(new))
    found = validate(small.method, small.calibration, None, new)
    assert found.document["data_sha256"] == new.attrs["sha256"] != small.calibration.data_sha256
    lots = new["lot"].values.copy()
    lots[0] = "L-C3"
    with pytest.raises(Refusal, match="validation lots must be new, but the method was made from lots L-C3"):
        validate(small.method, small.calibration, None, new.assign(lot=("batch_id", lots)))


def test_the_calibration_knows_its_lots_raw_or_treated(small: Campaign) -> None:
    expected = {f"C{i}": f"L-C{i}" for i in range(1, 7)}
    assert small.calibration.lots == expected
    assert calibrate(small.method, treat(small.method, small.raw)).lots == expected
