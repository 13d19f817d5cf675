"""Stage validate: batches never used before -> figures of merit, end-point verdicts, and the gate.

A gate that is not passed ends the pipeline here; what was found is written all the same.
"""

from __future__ import annotations

from pat.assembly import assemble
from pat.calibration import Calibration
from pat.errors import Refusal
from pat.homogeneity import HomogeneityModel
from pat.method import Method
from pat.readers.truth import read_truth
from pat.spectra import open_store
from pat.validation.gate import PLAIN
from pat.validation.opening import opened
from pat.validation.run import validate
from pipelines.stage import main, parser

# The samples are simulated and open to everybody: no sealed set, but the trail says how often it was judged by.
_REASON = "the pipeline's own simulated samples"


def run() -> None:
    """Validate the method."""
    paths = ("method", "raw", "truth", "registration", "calibration", "homogeneity", "validation")
    given = parser(__doc__, *paths).parse_args()
    method, calibration = Method.load(given.method), Calibration.load(given.calibration)
    homogeneity = HomogeneityModel.load(given.homogeneity)
    digest = assemble(method, calibration, homogeneity).digest
    found = validate(
        method,
        calibration,
        homogeneity,
        open_store(given.raw, verify=True),
        read_truth(given.truth),
        registration=opened(given.registration, digest, _REASON),
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
