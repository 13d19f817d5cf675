"""Export: nothing leaves the laboratory without a passed gate and proof that the scorer computes the same numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pat.artefact import Content
from pat.assembly import assemble
from pat.errors import InputError, Refusal
from pat.export import export, known_answers, require_parity
from pat.method import Method
from pat.scorer import Scorer
from tests.validated import Validated, validated


@pytest.fixture(scope="module")
def made() -> Validated:
    return validated()


def export_to(folder: Path, made: Validated, **changes: object) -> str:
    parts = replace(made, **changes)  # type: ignore[arg-type]
    return export(
        folder, parts.method, parts.calibration, parts.homogeneity, parts.validation, parts.raw, "<html></html>"
    )


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


def test_the_same_content_gives_the_same_digest_and_bytes(made: Validated, tmp_path: Path) -> None:
    assert export_to(tmp_path / "a", made) == export_to(tmp_path / "b", made)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_a_gate_that_is_not_passed_exports_nothing(made: Validated, tmp_path: Path) -> None:
    document = made.validation.document | {
        "passed": False,
        "criteria": [{"name": "max_rmsep", "required": "<= 0.1", "found": 0.2, "passed": False}],
    }
    with pytest.raises(Refusal, match="max_rmsep not met"):
        export_to(tmp_path / "artefact", made, validation=replace(made.validation, document=document))
    assert not (tmp_path / "artefact").exists()


@pytest.mark.parametrize("name", ["value", "hotelling_t2", "q_residuals"])
def test_numbers_off_by_more_than_1e_10_are_no_parity(made: Validated, name: str) -> None:
    scorer = Scorer(assemble(made.method, made.calibration, made.homogeneity))
    answers = known_answers(made.method, made.calibration, made.raw)
    require_parity(scorer, answers)
    with pytest.raises(Refusal, match=f"{name} is off by"):
        require_parity(scorer, answers | {name: answers[name] * (1.0 + 3e-10)})


def test_another_model_is_no_parity(made: Validated) -> None:
    content = assemble(made.method, made.calibration, made.homogeneity)
    changed = content.arrays | {"coefficients": content.arrays["coefficients"] * (1.0 + 1e-9)}
    answers = known_answers(made.method, made.calibration, made.raw)
    with pytest.raises(Refusal, match="parity not proven"):
        require_parity(Scorer(Content(changed, content.document)), answers)


def test_a_calibration_of_another_version_of_the_method_is_refused(made: Validated) -> None:
    document = made.method.document()
    document["version"] += 1
    with pytest.raises(InputError, match="calibrate again"):
        assemble(Method.from_document(document), made.calibration, made.homogeneity)
