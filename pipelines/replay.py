"""Stage replay: held-out batches, spectrum by spectrum, through the loaded artefact."""

from __future__ import annotations

from pat.profiles import Profile, follow_and_judge, save_profiles
from pat.readers.truth import read_truth
from pat.scorer import Scorer
from pat.spectra import batches_with_role, open_store, select_batches
from pipelines.stage import main, parser


def run() -> None:
    """Replay the held-out batches."""
    given = parser(__doc__, "artefact", "raw", "truth", "replay").parse_args()
    # Nothing is released here; every reading of the replay says so.
    scorer = Scorer.load(given.artefact, allow_unreleased=True)
    raw, truth = open_store(given.raw, verify=True), read_truth(given.truth)
    profiles: list[Profile] = []
    for batch in batches_with_role(raw, "held_out"):
        profile, case = follow_and_judge(scorer, select_batches(raw, [batch]), truth)
        profiles.append(profile)
        print(f"{batch}: end-point found {case.found_endpoint}, true {case.true_endpoint}")
    given.replay.mkdir(parents=True, exist_ok=True)
    save_profiles(given.replay / "profiles.json", profiles)


if __name__ == "__main__":
    main(run)
