"""Simulated mixing, spectra composed of measured scans: blends through calibration, rule and scorer.

A small sibling of `python -m benchmarks.real_chemistry`.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks import real_chemistry
from benchmarks.comparison import OURS, Row
from benchmarks.composed import MEASURED, Powder, Scans, measured_scans
from benchmarks.real_chemistry import judge, our_table, together
from benchmarks.two_powders import KINDS, Line, method, prepare
from pat.errors import InputError
from pat.homogeneity import claim, risk
from pat.scorer import Scorer

BLENDS = 15
NAMES = [kind.name for kind in KINDS]


@pytest.fixture(scope="module")
def scans(measured) -> Scans:
    measured("two_powders")  # skips where there is none
    return measured_scans(MEASURED)


@pytest.fixture(scope="module")
def line(scans: Scans) -> Line:
    with pytest.MonkeyPatch.context() as patch:
        # Fewer simulated blends make the constants of the rule a little stricter, the claim coarser, and this quicker.
        patch.setattr(risk, "BLENDS", 1000)
        patch.setattr(
            claim, "false_endpoint_risk", lambda rule, blend, n=1000: risk.false_endpoint_risk(rule, blend, n)
        )
        return prepare(method(), scans)


def followed(line: Line, kind: str, chunk: int = 0, *, every: bool = False) -> list[Row]:
    return judge(line, BLENDS, every, (NAMES.index(kind), chunk))


def most_by_chance(blends: int, chance: float) -> int:
    """Return what a binomial count exceeds once in a thousand times."""
    return int(stats.binom.ppf(0.999, blends, chance))


def test_the_parts_share_no_scan(scans: Scans) -> None:
    parts = [{scan.tobytes() for scan in part.absorbance.reshape(-1, 601)} for part in scans.parts()]
    assert [len(part) for part in parts] == [11 * 8, 11 * 6, 11 * 6]
    assert len(set.union(*parts)) == 220


def test_noise_is_the_same_at_every_composition_and_no_reading_comes_twice(line: Line) -> None:
    rng, scorer = np.random.default_rng(1), Scorer(line.content)
    noise = line.content.document["claim"]["repeatability"]
    for content in (30.0, 40.0, 45.0, 50.0, 52.0, 70.0):
        spectra = line.powder.spectra(np.full(2000, content), rng)
        # 2,000 values tell an SD to 1.6 %, and the repeatability was found with 354 degrees of freedom, to 3.8 %.
        assert scorer.predict(spectra).value.std() == pytest.approx(noise, rel=0.12)
        assert len({x.tobytes() for x in spectra}) == 2000


def test_spectra_lie_where_the_scans_of_the_two_levels_do(scans: Scans, line: Line) -> None:
    rng, scorer = np.random.default_rng(2), Scorer(line.content)
    run = [*scans.parts()][2]
    below, above = (scorer.predict(run.absorbance[i]).value.mean() for i in (4, 5))
    composed = scorer.predict(line.powder.spectra(np.full(2000, 43.0), rng)).value
    # SNV makes predictions a little curved between levels that are 10 % apart.
    assert composed.mean() == pytest.approx(0.7 * below + 0.3 * above, abs=0.5)


def test_scans_that_scatter_too_much_are_refused(scans: Scans) -> None:
    with pytest.raises(InputError, match=r"scatter by at most 0\.0014, got"):
        Powder(scans, scans, lambda spectra: spectra.mean(axis=1), 0.001)


def test_good_blends_are_declared_and_in_time(line: Line) -> None:
    (good,) = followed(line, "good")
    assert good.declared == BLENDS
    assert good.false == 0
    assert 20.0 < np.median(good.delays) < 100.0


@pytest.mark.parametrize("kind", ["floor 10 %", "dead zone .15", "assay 75 %"])
def test_no_more_blends_are_declared_by_mistake_than_the_risk_allows(line: Line, kind: str) -> None:
    (found,) = followed(line, kind)
    assert found.false <= most_by_chance(BLENDS, line.content.document["claim"]["risk_per_batch"])


@pytest.mark.slow
def test_many_blends_at_the_limit_keep_the_risk(line: Line) -> None:
    # The same rule with hardly any evidence to be had (a threshold of 0.5) declares 43 of these 300 blends.
    found = together([followed(line, "floor 10 %", chunk)[0] for chunk in range(20)])
    assert found.blends == 20 * BLENDS
    assert found.false <= most_by_chance(found.blends, line.content.document["claim"]["risk_per_batch"])


def test_the_same_blends_tell_a_rule_without_a_promise(line: Line) -> None:
    rows = {one.rule: one for one in followed(line, "floor 10.5 %", every=True)}
    allowed = most_by_chance(BLENDS, 0.01)
    assert rows[OURS].false <= allowed
    assert rows["RSD 15 x 5"].false > 4 * allowed
    assert {"mbsd", "pc_sda", "rmsnv", "conformity_index", "correlation_dissimilarity"} <= rows.keys()


def test_lots_of_blends_are_joined_and_shown(line: Line) -> None:
    (late,) = followed(line, "de-mixing late")
    joined = together([late, late])
    assert (joined.blends, joined.left, joined.delays.size) == (2 * BLENDS, 2 * late.left, 2 * late.delays.size)
    assert late.left > BLENDS // 2
    assert late.found >= 0.8 * late.left
    assert our_table([joined]).splitlines()[1].startswith("de-mixing late")


def test_without_measured_spectra_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path
) -> None:
    monkeypatch.setattr(real_chemistry, "measured_scans", lambda: measured_scans(tmp_path / "two_powders.npz"))
    real_chemistry.main()
    assert capsys.readouterr().out.startswith("skipped: measured spectra are no part of the project")
