"""Stage validate: batches never used before -> figures of merit, end-point verdicts, and the gate.

A gate that is not passed ends the pipeline here; what was found is written all the same.
"""

from __future__ import annotations

from pat.calibration import Calibration
from pat.errors import Refusal
from pat.homogeneity import HomogeneityModel
from pat.method import Method
from pat.readers.truth import read_truth
from pat.spectra import open_store
from pat.validation.gate import PLAIN
from pat.validation.run import validate
from pipelines.stage import main, parser


def run() -> None:
    """Validate the method."""
    given = parser(__doc__, "method", "raw", "truth", "calibration", "homogeneity", "validation").parse_args()
    found = validate(
        Method.load(given.method),
        Calibration.load(given.calibration),
        HomogeneityModel.load(given.homogeneity),
        open_store(given.raw, verify=True),
        read_truth(given.truth),
        progress="validating",
    )
    found.save(given.validation)
    for criterion in found.document["criteria"]:
        met = "met" if criterion["passed"] else "NOT MET"
        print(f"{PLAIN[criterion['name']]:55} {criterion['required']:>28}  found {criterion['found']!s:>8.8}  {met}")
    for note in found.document["notes"]:
        print(note)
    if not found.passed:
        raise Refusal(f"the acceptance gate is not passed ({found.unmet}): nothing is exported")


if __name__ == "__main__":
    main(run)
