"""Stage calibrate: spectra -> PLS model, cross-validated batch by batch, with the limits of T2 and Q."""

from __future__ import annotations

from pat.calibration import calibrate, takes_raw
from pat.method import Method
from pat.spectra import open_store
from pipelines.stage import main, parser


def run() -> None:
    """Calibrate the method."""
    given = parser(__doc__, "method", "raw", "treated", "calibration").parse_args()
    method = Method.load(given.method)
    # What learns does so anew without each fold of the cross-validation, which takes raw spectra.
    spectra = open_store(given.raw if takes_raw(method) else given.treated, verify=True)
    calibration = calibrate(method, spectra, progress="calibrating")
    calibration.save(given.calibration)
    figures = calibration.figures
    print(f"{calibration.model.n_components} components, RMSEC {figures['rmsec']:.3f}, RMSECV {figures['rmsecv']:.3f}")


if __name__ == "__main__":
    main(run)
