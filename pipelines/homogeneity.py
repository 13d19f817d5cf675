"""Stage homogeneity: repeat readings and accepted batches -> the end-point rule with its claim."""

from __future__ import annotations

from pat.calibration import Calibration
from pat.homogeneity import learn
from pat.method import Method
from pat.spectra import open_store
from pipelines.stage import main, parser


def run() -> None:
    """Learn the end-point rule."""
    given = parser(__doc__, "method", "treated", "calibration", "homogeneity").parse_args()
    calibration, treated = Calibration.load(given.calibration), open_store(given.treated, verify=True)
    model = learn(Method.load(given.method), calibration, treated, progress="learning")
    model.save(given.homogeneity)
    noise, plateau = model.repeatability, model.plateau
    print(
        f"{plateau.n_batches} accepted batches, repeatability {noise.sd:.3f} {model.claim['units']}, "
        f"autocorrelation up to {plateau.phi_upper:.2f}, threshold {model.rule.threshold:.2f}"
    )


if __name__ == "__main__":
    main(run)
