"""Export: nothing leaves the laboratory without a passed gate and proof that the scorer computes the same numbers."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pat import artefact
from pat.artefact import Arrays, Content
from pat.assembly import assemble
from pat.calibration import calibrate
from pat.errors import InputError, Refusal
from pat.export import block_statistics, export, known_answers, require_blend_parity, require_parity
from pat.method import Method
from pat.scorer import Blend, Scorer
from pat.scorer.proof import follow_known, require_known_blend
from pat.spectra import open_store, select_batches, write_store
from pat.validation.run import validate
from tests.small_campaign import write_campaign
from tests.validated import Validated, validated


@pytest.fixture(scope="module")
def made() -> Validated:
    return validated()


def export_to(folder: Path, made: Validated, **changes: object) -> str:
    parts = replace(made, **changes)  # type: ignore[arg-type]
    return export(
        folder, parts.method, parts.calibration, parts.homogeneity, parts.validation, parts.raw, "<html></html>"
    )


@pytest.mark.requirement("URS-45")
def test_the_artefact_scores_as_the_laboratory_does(made: Validated, tmp_path: Path) -> None:
    digest = export_to(tmp_path / "artefact", made)
    scorer = Scorer.load(tmp_path / "artefact", allow_unreleased=True)
    assert scorer.digest == digest == assemble(made.method, made.calibration, made.homogeneity).digest
    # The validation's predictions came from the treated spectra of the laboratory.
    validated_on = set(made.validation.predictions["batch"].tolist())
    rows = np.array([name in validated_on for name in made.raw["batch"].values.tolist()])
    got = scorer.predict(made.raw["absorbance"].values[rows])
    np.testing.assert_allclose(got.value, made.validation.predictions["predicted"], rtol=1e-10)
    np.testing.assert_allclose(got.hotelling_t2, made.validation.predictions["hotelling_t2"], rtol=1e-9)
    np.testing.assert_array_equal(got.in_scope, made.validation.predictions["in_scope"])


@pytest.mark.requirement("URS-80")
def test_the_same_content_gives_the_same_digest_and_bytes(made: Validated, tmp_path: Path) -> None:
    assert export_to(tmp_path / "a", made) == export_to(tmp_path / "b", made)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


@pytest.mark.requirement("URS-28")
def test_a_gate_that_is_not_passed_exports_nothing(made: Validated, tmp_path: Path) -> None:
    document = made.validation.document | {
        "passed": False,
        "criteria": [{"name": "max_rmsep", "required": "<= 0.1", "found": 0.2, "passed": False}],
    }
    with pytest.raises(Refusal, match=r"RMSEP: required <= 0.1, found 0.2\)"):
        export_to(tmp_path / "artefact", made, validation=replace(made.validation, document=document))
    assert not (tmp_path / "artefact").exists()


@pytest.mark.requirement("URS-45")
@pytest.mark.parametrize("name", ["value", "hotelling_t2", "q_residuals"])
def test_numbers_off_by_more_than_1e_10_are_no_parity(made: Validated, name: str) -> None:
    scorer = Scorer(assemble(made.method, made.calibration, made.homogeneity))
    answers = known_answers(made.calibration, made.raw)
    require_parity(scorer, answers)
    with pytest.raises(Refusal, match=f"{name} is off by"):
        require_parity(scorer, answers | {name: answers[name] * (1.0 + 3e-10)})


def test_another_model_is_no_parity(made: Validated) -> None:
    content = assemble(made.method, made.calibration, made.homogeneity)
    changed = content.arrays | {"coefficients": content.arrays["coefficients"] * (1.0 + 1e-9)}
    answers = known_answers(made.calibration, made.raw)
    with pytest.raises(Refusal, match="parity not proven"):
        require_parity(Scorer(Content(changed, content.document)), answers)


def test_a_validation_of_something_else_exports_nothing(made: Validated, tmp_path: Path) -> None:
    """Calibrated again with other components, and not validated again: the old validation had passed."""
    document = made.method.document()
    document["calibration"]["max_components"] = 1
    method = Method.from_document(document)
    calibration = calibrate(method, made.treated)
    homogeneity = replace(made.homogeneity, calibration_sha256=calibration.sha256)
    with pytest.raises(InputError, match=r"the validation is of something else: .*: run `pat validate` again"):
        export_to(tmp_path / "artefact", made, method=method, calibration=calibration, homogeneity=homogeneity)
    assert not (tmp_path / "artefact").exists()


def test_spectra_that_nothing_was_made_from_give_no_known_answers(made: Validated, tmp_path: Path) -> None:
    other = made.raw.assign_attrs(sha256="0" * 64)
    with pytest.raises(InputError, match=f"expected content {made.raw.attrs['sha256']}, got {'0' * 64}"):
        export_to(tmp_path / "artefact", made, raw=other)


def test_calibration_and_validation_may_come_from_two_stores(tmp_path: Path) -> None:
    """Both hashes are recorded, and that of the store which the known answers come from."""
    campaign = write_campaign(tmp_path)
    new = select_batches(campaign.raw, [f"V{i}" for i in range(1, 5)])
    write_store(new, tmp_path / "new.zarr")
    new = open_store(tmp_path / "new.zarr", verify=True)
    found = validate(campaign.method, campaign.calibration, None, new)
    for raw in (campaign.raw, new):
        export(tmp_path / "two", campaign.method, campaign.calibration, None, found, raw, "<html></html>")
        source = artefact.read(tmp_path / "two").manifest["source"]
        assert source["calibration_data_sha256"] == campaign.raw.attrs["sha256"]
        assert source["validation_data_sha256"] == new.attrs["sha256"] != campaign.raw.attrs["sha256"]
        assert source["known_answers_data_sha256"] == raw.attrs["sha256"]


def test_the_known_blend_is_in_the_artefact_and_holds(made: Validated, tmp_path: Path) -> None:
    export_to(tmp_path / "artefact", made)
    found = artefact.read(tmp_path / "artefact")
    assert found.known_blend is not None
    assert "UNIFORM" in found.known_blend["state"].tolist()
    require_known_blend(Scorer.proven(found, "A"), found.known_blend, "A")


@pytest.mark.parametrize("name", ["value", "mbsd", "blend_rsd_upper", "evidence"])
def test_a_blend_off_by_more_than_1e_10_is_no_parity(made: Validated, name: str) -> None:
    scorer, known = parity_parts(made)
    require_blend_parity(scorer, made.calibration, known)
    changed = known[name].copy()
    changed[-1] += 3e-10 * (1.0 if name == "evidence" else changed[-1])
    with pytest.raises(Refusal, match=f"{name} of the known blend is off by 3e-10 from validation"):
        require_blend_parity(scorer, made.calibration, known | {name: changed})


def test_a_stream_that_agrees_with_itself_and_with_no_direct_computation_is_no_parity(made: Validated) -> None:
    """A scorer whose blocks are of another size would follow its own recording without an error."""
    scorer, known = parity_parts(made)
    statistics = block_statistics(scorer.require_rule(), made.calibration, known["absorbance"], known["status"])
    for name, column in statistics.items():
        np.testing.assert_allclose(column, known[name], rtol=1e-10)
    content = assemble(made.method, made.calibration, made.homogeneity)
    document = copy.deepcopy(content.document)
    document["rule"]["block_size"] += 1
    larger = Scorer(Content(content.arrays, document))

    class Other(Scorer):
        def start(self, batch: str) -> Blend:
            return larger.start(batch)

    other = Other(content)
    recorded = follow_known(other, known["absorbance"], known["revolution"])
    with pytest.raises(Refusal, match="mbsd of the known blend is off by inf from a direct computation"):
        require_blend_parity(other, made.calibration, recorded)


def test_block_statistics_leave_out_what_enters_no_block(made: Validated) -> None:
    """Brute force on the kept spectra: a missing number, and the same spectrum again, are skipped."""
    scorer, known = parity_parts(made)
    x = known["absorbance"][:60].copy()
    x[30, 4], x[40] = np.nan, x[39]
    blend = scorer.start("B-1")
    readings = [blend.update(spectrum) for spectrum in x]
    status = np.array([reading.status.value for reading in readings])
    assert (status[30], status[40]) == ("NOT_FINITE", "FROZEN")
    found = block_statistics(scorer.require_rule(), made.calibration, x, status)
    for name, column in found.items():
        np.testing.assert_allclose(column, [getattr(reading, name) for reading in readings], rtol=1e-10)


def parity_parts(made: Validated) -> tuple[Scorer, Arrays]:
    known = made.validation.known_blend
    assert known is not None
    return Scorer(assemble(made.method, made.calibration, made.homogeneity)), known


def test_a_calibration_of_another_version_of_the_method_is_refused(made: Validated) -> None:
    document = made.method.document()
    document["version"] += 1
    with pytest.raises(InputError, match="run `pat calibrate` again"):
        assemble(Method.from_document(document), made.calibration, made.homogeneity)
