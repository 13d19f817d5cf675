"""Record in MLflow: an exported artefact, logged once per digest; outside DVC, which would not log it again.

The store may be deleted at any time: the next call logs anew what there is.
"""

from __future__ import annotations

from pathlib import Path

from pat import tracking
from pat.calibration import Calibration
from pat.method import Method
from pat.validation.run import Validation
from pipelines.stage import main, parser


def track(folder: Path, *, first_champion: bool = False) -> str:
    """Log a method's artefact and say how it stands.

    Parameters
    ----------
    folder : Path
        The method's folder: ``method.yaml``, ``artefact/`` and ``work/``.
    first_champion : bool
        Make the version the champion if the method has none yet. A champion is never replaced here.
    """
    method = Method.load(folder / "method.yaml")
    logged = tracking.log_artefact(
        folder / "artefact",
        method=method,
        calibration=Calibration.load(folder / "work" / "calibration"),
        validation=Validation.load(folder / "work" / "validation"),
    )
    champion = tracking.champion(method.name)
    if champion is None and first_champion:
        champion = tracking.promote(method.name, logged.version, reason="the first one of a demo")
    name, how = tracking.model_name(method.name), "registered" if logged.new else "was registered before"
    if champion is None:
        stands = f"none yet; released, a person makes it one: pat promote {folder / 'method.yaml'} {logged.version}"
    else:
        stands = f"version {champion.version}" + ("" if champion.released else " (unreleased)")
    return f"{name} version {logged.version} {how} (run {logged.run_id}); champion: {stands}"


def run() -> None:
    """Log an artefact."""
    options = parser(__doc__, "folder")
    options.add_argument(
        "--first-champion", action="store_true", help="make it the champion if the method has none yet"
    )
    given = options.parse_args()
    print(track(given.folder, first_champion=given.first_champion))


if __name__ == "__main__":
    main(run)
