"""What the published statistics are held against goes into a document and arrays, and comes back."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest

from pat.core.blocks import STATISTICS, Constants, Reference
from pat.core.witnesses import StatisticLimit, Witnesses, constants_of
from pat.errors import InputError
from tests.simulated import RULE

WITNESSES = Witnesses(
    n_components=2,
    separate_blocks=4,
    residual_limit=4.5,
    score_limit=8.0,
    static_variance=1e-4,
    reference=Reference([1.0, 2.0, 4.0], [0.1, 0.2, 0.3]),
    limits={"mbsd": StatisticLimit(1.0, 2.0), "block_mean": StatisticLimit(10.0, 10.5, 9.5)},
)


def test_a_limit_holds_what_lies_within_and_nothing_that_is_not_known() -> None:
    one_sided, two_sided = WITNESSES.limits["mbsd"], WITNESSES.limits["block_mean"]
    assert one_sided.holds(0.0)
    assert one_sided.holds(2.0)
    assert not one_sided.holds(2.1)
    assert not one_sided.holds(math.nan)
    assert [two_sided.holds(v) for v in (9.4, 9.5, 10.5, 10.6, math.nan)] == [False, True, True, False, False]


@pytest.mark.parametrize("sd", [None, [0.1, 0.2, 0.3]])
def test_it_comes_back_from_plain_json_and_arrays(sd: list[float] | None) -> None:
    before = replace(WITNESSES, reference=Reference(WITNESSES.reference.mean, sd))
    document = json.loads(json.dumps(before.document(), allow_nan=False))
    after = Witnesses.from_plain(document, before.arrays() | {"wavelength": np.arange(3.0)})
    assert after == before
    np.testing.assert_array_equal(after.reference.mean, before.reference.mean)
    assert (after.reference.sd is None) is (sd is None)
    if sd is not None:
        np.testing.assert_array_equal(after.reference.sd, sd)
    for other in (None, replace(before, score_limit=9.0), replace(before, reference=Reference([1.0, 2.0, 4.1], sd))):
        assert after != other


def test_what_does_not_hold_together_is_refused() -> None:
    document, arrays = WITNESSES.document(), WITNESSES.arrays()
    with pytest.raises(InputError, match="limits of known statistics, got entropy"):
        Witnesses.from_plain(document | {"limits": {"entropy": {"median": 1.0, "high": 2.0}}}, arrays)
    with pytest.raises(KeyError):
        Witnesses.from_plain(document, {})
    with pytest.raises(KeyError):
        Witnesses.from_plain({k: v for k, v in document.items() if k != "static_variance"}, arrays)
    with pytest.raises(TypeError):
        Witnesses.from_plain(document | {"limits": {"mbsd": {"median": 1.0}}}, arrays)


def test_with_what_was_learnt_no_statistic_lacks_a_constant() -> None:
    constants = constants_of(RULE, 9.0, 1e-4, WITNESSES)
    assert all(getattr(constants, field.name) is not None for field in fields(Constants))
    assert constants.targets is not None
    assert constants.targets.tolist() == [RULE.target]
    without = constants_of(RULE, 9.0, 1e-4, None)
    lacking = {name for name, s in STATISTICS.items() if any(getattr(without, need) is None for need in s.needs)}
    assert lacking == {
        "static_ratio", "caterpillar", "correlation_dissimilarity", "cosine_dissimilarity", "conformity_index",
    }  # fmt: skip
