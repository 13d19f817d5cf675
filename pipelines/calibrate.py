"""Stage calibrate: treated spectra -> PLS model, cross-validated batch by batch, with the limits of T2 and Q."""

from __future__ import annotations

from pat.calibration import calibrate
from pat.method import Method
from pat.spectra import open_store
from pipelines.stage import main, parser


def run() -> None:
    """Calibrate the method."""
    given = parser(__doc__, "method", "treated", "calibration").parse_args()
    treated = open_store(given.treated, verify=True)
    calibration = calibrate(Method.load(given.method), treated, progress="calibrating")
    calibration.save(given.calibration)
    figures = calibration.figures
    print(f"{calibration.model.n_components} components, RMSEC {figures['rmsec']:.3f}, RMSECV {figures['rmsecv']:.3f}")


if __name__ == "__main__":
    main(run)
