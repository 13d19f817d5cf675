"""The method: a controlled NIR method as one typed document (`method.yaml`).

A wrong document raises one `MethodError` with a line ``path.to.key: expected ..., got ...`` for each problem.
The JSON Schema in `models/method.schema.json` is generated from these types, so that an editor can check a
document while it is written; the text under each key is its description there.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pat.alarms import DischargeRules, SensorRules
from pat.core.preprocess import Treatment
from pat.errors import InputError, MethodError
from pat.files import canonical_json
from pat.sections import Problem, Section
from pat.steps import STEP_NAMES, Count, Step
from pat.yaml12 import dotted, read_yaml

Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Text = Annotated[str, Field(min_length=1)]
Interval = tuple[float, float]

RETRAINING_MARGIN = 1.1
"""Largest RMSEP of a retrained model, over its predecessor's, that a method accepts unless it says otherwise."""

# Names that the data contract already uses for something else.
_RESERVED = ("absorbance", "batch", "batch_id", "instrument", "revolution", "spectrum", "time", "wavelength")
# Criteria of the gate that judge end-points, and so need an end-point rule.
_ENDPOINT_CRITERIA = (
    "max_early_endpoints",
    "max_false_endpoints",
    "max_missed_endpoints",
    "max_uniform_while_not",
    "max_unseen_faults",
    "max_median_delay",
)


_STEP: TypeAdapter[Any] = TypeAdapter(Step)
_NAME_OF_A_TYPE = r"\[|^(Grid|Directions|Levels)$"


class Analyte(Section):
    """What is measured."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    """Name of the variable with the reference values: letters, digits and underscores."""
    units: Text
    """Units of the reference values, such as `% w/w`."""
    target: Positive
    """Content that the blend is made to, in the units of the analyte."""
    low: NotNegative
    """Lowest content that the method is validated for."""
    high: Positive
    """Highest content that the method is validated for."""

    def _problems(self) -> list[Problem]:
        problems: list[Problem] = []
        if self.name in _RESERVED:
            problems.append(("name", f"a name other than {', '.join(_RESERVED)}", self.name))
        if not self.low < self.target < self.high:
            expected = f"a value between low ({self.low:g}) and high ({self.high:g})"
            problems.append(("target", expected, self.target))
        return problems


class SpectraRules(Section):
    """Which readings of a spectrum count."""

    ranges: tuple[Interval, ...] = ()
    """Closed wavelength ranges `[low, high]` (nm) to use, increasing and apart; none means the whole axis."""
    saturation: Positive | None = None
    """Absorbance (AU) at and above which a reading is saturated; none means that no reading is."""

    def _problems(self) -> list[Problem]:
        problems: list[Problem] = []
        last = 0.0
        for i, (low, high) in enumerate(self.ranges):
            if not low < high:
                problems.append((f"ranges.{i}", "a low end below the high end", (low, high)))
            if not low > last:
                problems.append((f"ranges.{i}", f"a range that begins above {last:g} nm", (low, high)))
            last = max(last, high)
        return problems


class CalibrationRules(Section):
    """How the model is calibrated; cross-validation always leaves whole batches out, alone or several together."""

    max_components: Annotated[int, Field(ge=1)]
    """Most PLS components (latent variables) that cross-validation tries."""
    folds: Text = "batch"
    """What cross-validation leaves out together: `batch`, `day` (UTC), a batch fact such as `lot`, or a coordinate of
    the spectra such as `instrument`."""
    component_rule: Literal["first_minimum", "one_standard_error", "van_der_voet"]
    """How the number of components follows from RMSECV: `first_minimum` takes the first local minimum,
    `one_standard_error` the fewest within one standard error (over folds) of the smallest, `van_der_voet` the fewest
    that are not significantly worse than the smallest (randomisation test over folds, level 0.05)."""
    scope_confidence: Annotated[float, Field(ge=0.5, lt=1.0)]
    """Share of in-scope spectra that the limits of T2 and of Q each let pass, such as 0.999."""


class HomogeneityRules(Section):
    """When a blend is uniform."""

    block_size: Annotated[int, Field(ge=3)]
    """Spectra in a moving block."""
    max_rsd: Positive
    """Largest relative standard deviation (% of the mean) of a uniform blend at the scale of scrutiny."""
    max_mean_deviation: Positive
    """Largest deviation of the mean from target (% of target)."""
    risk_per_batch: Annotated[float, Field(gt=0.0, lt=0.5)]
    """Chance that a blend which varies normally and stays exactly at the largest RSD is ever called uniform; and that
    one is in which the smallest pockets lie so far off that hardly a reading of one is missed."""
    pocket_risk_per_batch: Annotated[float, Field(gt=0.0, lt=0.5)] | None = None
    """The same chance for a blend that nearer pockets, of the smallest share or more, bring exactly to the largest RSD;
    none means that of `risk_per_batch`. A smaller one is paid for in revolutions."""
    smallest_pocket: Share
    """Smallest share of spectra from unmixed pockets that the rule guards against."""
    scale_of_scrutiny: Positive
    """Powder that one spectrum sees (mg)."""
    unit_dose: Positive | None = None
    """Mass of a unit dose (mg); with it the claim says how many spectra see as much powder."""
    min_revolutions: Count
    """Revolutions before which no blend is called uniform."""
    max_revolutions: Annotated[int, Field(ge=1)]
    """Revolutions after which mixing is given up."""
    discharge: DischargeRules | None = None
    """How a discharge is watched for segregation; without it no alarm is raised while the blender is emptied."""
    sensors: SensorRules | None = None
    """When several sensors on one blend disagree; without it no such alarm is raised."""

    @property
    def pocket_risk(self) -> float:
        """Chance that a blend which pockets bring exactly to the largest RSD is ever called uniform."""
        return self.risk_per_batch if self.pocket_risk_per_batch is None else self.pocket_risk_per_batch

    def _problems(self) -> list[Problem]:
        problems: list[Problem] = []
        if not self.min_revolutions < self.max_revolutions:
            expected = f"more than min_revolutions ({self.min_revolutions})"
            problems.append(("max_revolutions", expected, self.max_revolutions))
        if self.block_size > self.max_revolutions:
            expected = f"at most max_revolutions ({self.max_revolutions})"
            problems.append(("block_size", expected, self.block_size))
        return problems


class AcceptanceCriteria(Section):
    """What validation must show; a key that is left out is no criterion."""

    max_rmsep: Positive
    """Largest RMSEP, in the units of the analyte."""
    max_sep: Positive | None = None
    """Largest SEP (bias removed), in the units of the analyte."""
    max_bias: Positive | None = None
    """Largest bias of either sign, in the units of the analyte."""
    bias_alpha: Annotated[float, Field(gt=0.0, lt=0.5)] | None = None
    """Level of a two-sided t-test on batch means; a significant bias fails."""
    slope: Interval | None = None
    """Allowed slope of reference on predicted, `[low, high]`."""
    min_r2: Share | None = None
    """Least R2 of prediction."""
    min_validation_batches: Annotated[int, Field(ge=3)] = 3
    """Fewest independent batches that a validation may rest on; with fewer there is no verdict at all."""
    max_early_endpoints: Count | None = None
    """Most blends whose end-point is declared before the true one by more than the tolerance."""
    max_false_endpoints: Count | None = None
    """Most blends called uniform that never were, no longer were, or could not be seen."""
    max_missed_endpoints: Count | None = None
    """Most blends that became uniform and were never called so."""
    max_uniform_while_not: Count | None = None
    """Most blends called uniform for more revolutions than the tolerance while they were not, in the whole run: what
    de-mixes or is fouled after a right end-point counts too."""
    max_unseen_faults: Count | None = None
    """Most blends behind a fouled window, at any time of the run, that are not called a sensor fault; a validation
    without such a blend shows nothing, and does not meet it."""
    max_median_delay: NotNegative | None = None
    """Largest median delay (revolutions) of the end-point behind the true one."""
    endpoint_tolerance: Count = 5
    """Revolutions before the true end-point that still count as on time, for which a blend that is not uniform may
    be called so, and for which a film on the window may stay unseen."""
    retraining_margin: Annotated[float, Field(gt=1.0)] = RETRAINING_MARGIN
    """Largest RMSEP of a retrained model, as a multiple of its predecessor's on the same batches, that is no worse in
    practice; a comparison says whether less was shown, and decides nothing."""

    def _problems(self) -> list[Problem]:
        if self.slope is not None and not self.slope[0] < 1.0 < self.slope[1]:
            return [("slope", "a low end below 1 and a high end above 1", self.slope)]
        return []


class ValidationRules(Section):
    """What the validation dossier says and must show; a key that is left out leaves its item not shown."""

    intended_use: Text | None = None
    """What decisions the method is for, and what for it is not."""
    risk_level: Literal["low", "medium", "high"] | None = None
    """Impact of a wrong result on the patient."""
    reference_method: Text | None = None
    """Method of the reference values, with its own validation's number."""
    reference_error: Positive | None = None
    """Standard error of the reference method (SEL), in the units of the analyte, for one reference value."""
    qualification: Text | None = None
    """Where the instrument's qualification (wavelength, noise, linearity) is recorded."""
    monitoring: Text | None = None
    """How the method is watched in use: checks against the reference and how often, trends, triggers."""
    accuracy_limit: Positive | None = None
    """Largest relative error (% of target, either sign) of future results: the accuracy profile's tolerance interval
    must lie inside."""
    accuracy_share: Share = 0.95
    """Share of future results that the accuracy profile's tolerance interval is expected to hold (beta)."""
    max_repeatability: Positive | None = None
    """Largest SD of repeat readings within a batch of the role `repeatability`, in the units of the analyte."""
    max_intermediate_precision: Positive | None = None
    """Largest SD of single readings over the batches of the role `repeatability`, in the units of the analyte."""
    min_refused: Share | None = None
    """Least share of the spectra of each kind of the role `specificity` that is out of scope."""
    max_rmsecv_ratio: Positive | None = None
    """Largest RMSECV over RMSEC."""
    allowed_change: Positive | None = None
    """How far warmth, moisture, noise, a shifted axis, a film, a baseline or the gain may move a result that is still
    accepted, in the units of the analyte; none means the largest RMSEP."""
    max_wrong_share: Share | None = None
    """Largest share of perturbed spectra, at any size tried, that is accepted though it moved further."""
    parallel_margin: Positive | None = None
    """Largest mean difference from thief samples or dosage units that does not matter, in the units of the analyte."""
    max_rmsep_ratio: Positive | None = None
    """Largest RMSEP over the reference method's error; 1.4 is a common guidance."""

    def _problems(self) -> list[Problem]:
        if self.max_rmsep_ratio is not None and self.reference_error is None:
            return [("max_rmsep_ratio", "a reference_error to divide by", self.max_rmsep_ratio)]
        return []


class Method(Section):
    """A controlled NIR method for one product and one analyte."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    """Name of the method and of its folder: lower case letters, digits, `-` and `_`."""
    version: Annotated[int, Field(ge=1)]
    """Version of this document."""
    product: Text
    """Product and strength, in words."""
    analyte: Analyte
    """What is measured."""
    spectra: SpectraRules = SpectraRules()
    """Which readings of a spectrum count."""
    preprocessing: tuple[Step, ...] = ()
    """Steps applied to each spectrum, in order."""
    calibration: CalibrationRules
    """How the model is calibrated."""
    homogeneity: HomogeneityRules | None = None
    """When a blend is uniform; a method without this section predicts and ends no blend."""
    acceptance: AcceptanceCriteria
    """What validation must show."""
    validation: ValidationRules = ValidationRules()
    """What the validation dossier says and must show beside the acceptance criteria."""

    def _problems(self) -> list[Problem]:
        if self.homogeneity is not None:
            return self._mean_problems(self.homogeneity)
        asked = [key for key in _ENDPOINT_CRITERIA if getattr(self.acceptance, key) is not None]
        expected = "no end-point criterion in a method without a homogeneity section"
        return [(f"acceptance.{key}", expected, getattr(self.acceptance, key)) for key in asked]

    def _mean_problems(self, rules: HomogeneityRules) -> list[Problem]:
        a = self.analyte
        room = 100.0 * min(a.target - a.low, a.high - a.target) / a.target
        if rules.max_mean_deviation <= room:
            return []
        expected = f"at most {room:g} %, so that an allowed mean lies between analyte.low and analyte.high"
        return [("homogeneity.max_mean_deviation", expected, rules.max_mean_deviation)]

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read and check a `method.yaml`.

        Raises
        ------
        MethodError
            If the file cannot be read, is not YAML, or holds anything but a valid method. Conditions that
            join several keys of a section are looked at once each of its keys is right.
        """
        try:
            document, problems = read_yaml(Path(path))
        except InputError as error:
            raise MethodError(str(error)) from error
        return cls._checked(document, problems, str(path))

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """Check a plain document, such as `document` returns; raises `MethodError`."""
        return cls._checked(document, [], "method")

    @classmethod
    def _checked(cls, document: Any, problems: list[str], source: str) -> Self:
        found = problems.copy()
        try:
            # As JSON, a list may fill a tuple and still no text becomes a number.
            method = cls.model_validate_json(json.dumps(document, default=str))
        except ValidationError as error:
            found += [_describe(line) for line in error.errors(include_url=False)]
        if found:
            raise MethodError(f"{source} is not a valid method:\n" + "\n".join(f"  {line}" for line in found))
        return method

    def document(self) -> dict[str, Any]:
        """Return the method as plain JSON-able data, every key present and in a fixed order."""
        return self.model_dump(mode="json")

    @property
    def sha256(self) -> str:
        """SHA-256 of the whole document, acceptance criteria included."""
        return hashlib.sha256(canonical_json(self.document())).hexdigest()

    def treatment(self, wavelength: Any) -> Treatment:
        """Compile the wavelength ranges and preprocessing steps for a native axis of shape (p,), in nm."""
        document = self.document()
        return Treatment(wavelength, document["spectra"]["ranges"], document["preprocessing"])

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """JSON Schema of the document, for editors and for other languages."""
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **cls.model_json_schema()}


def problems_of_step(place: str, step: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Say what is wrong with a preprocessing step that stands alone, whatever the axis.

    Parameters
    ----------
    place : str
        Where it stands, such as ``preprocessing.0``.
    step : dict

    Returns
    -------
    of_keys, together : list of str
        Keys that are unknown, missing or of a wrong kind; and values that another value, or one of another key, would
        put right. Conditions that join keys are looked at once each key is right.
    """
    of_keys: list[str] = []
    together: list[str] = []
    try:
        _STEP.validate_json(json.dumps(step, default=str))
    except ValidationError as error:
        for line in error.errors(include_url=False):
            line["loc"] = (*place.rsplit(".", 1), *line["loc"])
            (together if line["type"] == "method" else of_keys).append(_describe(line))
    return of_keys, together


def _describe(line: ErrorDetails) -> str:
    """One line of a validation error in the words of this project."""
    # The name of a step, or of a type, stands in the path only to tell which one of a union was meant.
    path = tuple(
        part
        for i, part in enumerate(line["loc"])
        if not (i == 2 and part in STEP_NAMES) and not (i == 4 and re.search(_NAME_OF_A_TYPE, str(part)))
    )
    where, kind = dotted(path), line["type"]
    if kind == "missing":
        return f"{where}: expected a value, got nothing"
    if kind == "extra_forbidden":
        return f"{where}: expected no such key, got {_short(line['input'])}"
    if kind == "union_tag_not_found":
        return f"{where}: expected a key `step`, got {_short(line['input'])}"
    if kind == "union_tag_invalid":
        return f"{where}.step: expected one of {', '.join(STEP_NAMES)}, got {_short(line['ctx']['tag'])}"
    if kind == "string_pattern_mismatch":
        return f"{where}: expected text that matches {line['ctx']['pattern']}, got {_short(line['input'])}"
    expected = re.sub(r"^\w+ should (be |have )?|( after validation)?, not \d+$", "", line["msg"])
    return f"{where}: expected {expected}, got {_short(line['input'])}"


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
