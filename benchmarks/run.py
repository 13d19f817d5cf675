"""`make bench`: speed beside peers, and 500 simulated blends through the demo's rule."""

from __future__ import annotations

from pathlib import Path

from benchmarks import calibrate, endpoints, preprocess, scorer, search, speed
from pat import artefact
from pat.core.evidence import Rule
from pat.errors import InputError

_ARTEFACT = Path("models/demo/artefact")
_AT_LIMIT = 1000


def main() -> None:
    """Print both tables."""
    if not _ARTEFACT.exists():
        raise InputError(f"{_ARTEFACT}: no artefact yet; `make run` makes it")
    content = artefact.read(_ARTEFACT).content
    print(f"artefact {content.digest}\n")
    print("Speed, BLAS on one thread, medians of interleaved runs, answers equal before they are timed")
    print(speed.table([*preprocess.measure(), *speed.measure(content)]))
    print(
        "\nThe scorer: SNV, first derivative, PLS with 10 components on 800 wavelengths, SIMULATED spectra; medians and"
    )
    print("99th percentiles of runs in turn, one thread, answers equal before they are timed; ours comes first")
    timed, long = scorer.measure(Rule.from_dict(content.document["rule"]))
    print(scorer.table(timed))
    print(scorer.long_table(long))
    print("\nCalibration, medians of runs in turn, answers equal before they are timed; one thread unless it says so,")
    print("one pass on two; times beside ours, which comes first. SIMULATED spectra")
    print(calibrate.table(calibrate.measure()))
    print(calibrate.table(search.measure()))
    print("\nEnd-points of 500 SIMULATED blends (delay: revolutions after the truth, median and 90 %)")
    print(endpoints.table(endpoints.study(content, endpoints.BLENDS, progress=True)))
    risk = endpoints.study(content, {"limit": 500, "below": 100, "fast": 100}, progress=True)
    print("\nBlends exactly at the limit for ever (declared = false), just below it (2.2 % RSD), and fast ones")
    print(endpoints.table(risk))
    print("\nThe claim: SIMULATED predictions that stay exactly at the limit, through the end-point's state machine")
    print(endpoints.risk_table(endpoints.false_endpoints(content, _AT_LIMIT, progress=True), _AT_LIMIT))


if __name__ == "__main__":
    main()
