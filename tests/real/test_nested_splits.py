"""What a search says of its own error on measured tablets, against batches of them that it never had.

One validation set cannot show whether an estimate is honest, for it is one draw. Here the batches of one measured set
are split in halves again and again: a search on the one half says what its winner will do, and does it on the other.
"""

from __future__ import annotations

import numpy as np

from benchmarks.nested import error_of_winner, searched
from pat.search import Space
from pat.search.evaluate import Data
from tests.real.thread import method_of, print_table

SPACE = Space.from_document(
    {
        "preprocessing": [
            ["none", {"step": "snv"}],
            [
                "none",
                {"step": "savitzky_golay", "window": {"one_of": [9, 17]}, "polyorder": 2, "deriv": {"one_of": [1, 2]}},
            ],
        ],
        "max_components": 6,
    }
)
SPLITS = 20


def test_repeated_splits_of_three_scales(measured):
    data = measured("tablets_three_scales")
    batch = np.unique([f"{label[:2]}" for label in data["sample_label"].tolist()], return_inverse=True)[1]
    x, y, wavelength = data["absorbance"], data["active_pct_ww"], data["wavelength_nm"]
    rows = []
    for i in range(SPLITS):
        drawn = np.random.default_rng([11, i]).permutation(batch.max() + 1)
        own = np.isin(batch, drawn[: drawn.size // 2])
        codes = np.unique(batch[own], return_inverse=True)[1]
        order = np.argsort(codes, kind="stable")
        half = Data(wavelength, x[own][order], y[own][order], codes[order])
        found, winner = searched(method_of("tablets_three_scales"), SPACE, half, 5)
        assert found.nested is not None
        true = error_of_winner(found, winner, half, x[~own], y[~own])
        covered = found.nested.interval[0] <= true <= found.nested.interval[1]
        rows.append((true, found.nested.rmse, found.winner.error, float(covered)))
    true, nested, rmsecv = np.sqrt(np.mean(np.square(np.array(rows)[:, :3]), axis=0))
    print_table(
        f"tablets, {SPLITS} splits of their batches in halves (% w/w): the other half, and what the search said of it",
        ("RMSEP on the other half", "nested", "RMSECV of the winner", "its 95 % interval covers"),
        [(float(true), float(nested), float(rmsecv), float(np.mean([row[3] for row in rows])))],
    )
    # The splits share batches, so they are no 20 independent draws.
    assert abs(nested - true) < 0.15 * true
    assert abs(nested - true) < abs(rmsecv - true)
