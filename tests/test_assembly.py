"""Assembly: method, calibration and homogeneity model are put together only if they were made with each other."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pat.assembly import assemble
from pat.core.blocks import Reference
from pat.errors import InputError
from pat.homogeneity import learn
from pat.method import Method
from pat.treatment import treat
from tests.validated import Validated, validated


@pytest.fixture(scope="module")
def made() -> Validated:
    return validated()


def changed(made: Validated, section: str, **keys: Any) -> Method:
    document = copy.deepcopy(made.method.document())
    document[section] |= keys
    return Method.from_document(document)


@pytest.mark.parametrize(
    ("section", "keys"),
    [("homogeneity", {"max_rsd": 1.0}), ("acceptance", {"max_rmsep": 9.0}), ("analyte", {"high": 14.0})],
)
def test_a_method_document_that_changed_in_whatever_part_is_refused(made: Validated, section: str, keys: Any) -> None:
    other = changed(made, section, **keys)
    with pytest.raises(InputError, match=rf"the calibration was made by \({section} changed\): run `pat calibrate`"):
        assemble(other, made.calibration, made.homogeneity)


def test_a_rule_learnt_under_another_limit_is_refused(made: Validated) -> None:
    """The method says 1 %, the rule was learnt for 3 %: every number of the calibration is the same."""
    other = changed(made, "homogeneity", max_rsd=1.0)
    calibration = replace(made.calibration, method=other)
    with pytest.raises(InputError, match="learnt with another calibration .*: run `pat calibrate` again"):
        assemble(other, calibration, made.homogeneity)


def test_a_rule_learnt_with_other_spectra_is_refused(made: Validated) -> None:
    with pytest.raises(InputError, match="learnt with another calibration"):
        assemble(made.method, replace(made.calibration, data_sha256="0" * 64), made.homogeneity)


def test_a_rule_is_there_exactly_where_the_method_has_the_section(made: Validated) -> None:
    with pytest.raises(InputError, match="follows blends, but no homogeneity model was given: run `pat calibrate`"):
        assemble(made.method, made.calibration, None)
    predicts = made.method.model_copy(update={"homogeneity": None})
    calibration = replace(made.calibration, method=predicts)
    with pytest.raises(InputError, match="follows no blend, but a homogeneity model was given"):
        assemble(predicts, calibration, made.homogeneity)
    assert assemble(predicts, calibration, None).document["rule"] is None


def test_the_digest_covers_what_statistics_are_held_against(made: Validated) -> None:
    content, witnesses = assemble(made.method, made.calibration, made.homogeneity), made.homogeneity.witnesses
    assert content.document["statistics"] == witnesses.document()
    np.testing.assert_array_equal(content.arrays["reference_mean"], witnesses.reference.mean)
    limits = witnesses.limits | {"mbsd": witnesses.limits["mbsd"]._replace(high=1.0)}
    reference = Reference(witnesses.reference.mean * (1.0 + 1e-15), witnesses.reference.sd)
    for other in (replace(witnesses, limits=limits), replace(witnesses, reference=reference)):
        changed_model = replace(made.homogeneity, witnesses=other)
        assert assemble(made.method, made.calibration, changed_model).digest != content.digest


def test_learning_refuses_what_does_not_belong_to_the_calibration(made: Validated) -> None:
    with pytest.raises(InputError, match=r"\(homogeneity changed\)"):
        learn(changed(made, "homogeneity", max_rsd=2.0), made.calibration, made.treated)
    shifted = made.raw.assign_coords(wavelength=made.raw["wavelength"] + 1.0)
    with pytest.raises(InputError, match=r"made on 125 wavelengths from .* the spectra have 125 wavelengths from"):
        learn(made.method, made.calibration, treat(made.method, shifted))
    bare = made.method.model_copy(update={"preprocessing": ()})
    with pytest.raises(InputError, match="were not treated as method demo says"):
        learn(made.method, made.calibration, treat(bare, made.raw))


def test_the_calibrations_hash_covers_all_that_a_rule_follows_from(made: Validated) -> None:
    calibration = made.calibration
    others = [
        replace(calibration, t2_limit=calibration.t2_limit * (1.0 + 1e-12)),
        replace(calibration, figures=calibration.figures | {"slope_lower": 0.5}),
        replace(calibration, batches=calibration.batches[1:]),
        replace(calibration, data_sha256="0" * 64),
        replace(calibration, model=replace(calibration.model, y_mean=calibration.model.y_mean + 1e-12)),
        replace(calibration, method=changed(made, "acceptance", max_rmsep=9.0)),
    ]
    assert len({one.sha256 for one in (calibration, *others)}) == 7
