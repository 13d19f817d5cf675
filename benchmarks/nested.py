"""What a search says of its own error, and what that error is: `python -m benchmarks.nested`. Everything is SIMULATED.

Each data set is searched, its winner calibrated on all of it, and tried on 4,000 fresh lots. Spectra are those of
`benchmarks.coverage`, each with a gain and an offset of its own, as powder gives them. RMSECV of the winner chose it,
and is then the smallest of many; the nested estimate is of batches that had no part in the choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from benchmarks import coverage
from benchmarks.coverage import N_WAVELENGTHS, draw, effects
from pat.core import pls
from pat.core.types import Array
from pat.method import Method
from pat.search import Chain, Search, Space
from pat.search.evaluate import Data, in_families, outer_folds, score_family
from pat.search.results import conclude

_METHOD = Path(__file__).parents[1] / "models" / "demo" / "method.yaml"
_AXIS = 1000.0 + 4.0 * np.arange(N_WAVELENGTHS, dtype=np.float64)
_NEW, _SHARE, _DATA_SETS = 4_000, 0.6, 400
_GAIN, _OFFSET = 0.08, 0.05
_OUTER = 6
_INTERVALS = [[1000.0, 1116.0], [1080.0, 1196.0], [1120.0, 1236.0], [1000.0, 1176.0], [1060.0, 1236.0]]
_SPACE = Space.from_document(
    {
        "preprocessing": [
            ["none", {"step": "snv"}],
            [
                "none",
                {
                    "step": "savitzky_golay",
                    "window": {"one_of": [5, 9]},
                    "polyorder": 2,
                    "deriv": {"one_of": [1, 2]},
                },
            ],
            # Interval PLS, after the treatment: all these chains share its work.
            ["none", *({"step": "select", "ranges": [pair]} for pair in _INTERVALS)],
        ],
        "max_components": 8,
    }
)


@dataclass(frozen=True)
class Honesty:
    """Means over data sets.

    Attributes
    ----------
    true, nested, rmsecv : float
        Root mean squares of the winner's error on fresh lots, of the nested estimate, and of the winner's RMSECV.
    nested_covers, rmsecv_covers : float
        Share of data sets whose true error lies in the 95 % interval of the one, and within two standard errors of the
        other.
    nested_width : float
        Median over data sets of the interval's upper end over its lower end.
    nested_error : float
        Standard error of the mean difference of the squares of nested and true, relative to the latter.
    """

    true: float
    nested: float
    rmsecv: float
    nested_covers: float
    rmsecv_covers: float
    nested_width: float
    nested_error: float


def _powder(rng: np.random.Generator, n_lots: int, size: int) -> coverage.Data:
    """Spectra of new lots, each with a gain and an offset; the background makes the gain matter."""
    data = draw(rng, _SHARE, effects(rng, n_lots), np.repeat(np.arange(n_lots), size))
    background = 3.0 + np.sin(np.arange(N_WAVELENGTHS) / 9.0)
    gain, offset = (scale * rng.standard_normal((data.y.size, 1)) for scale in (_GAIN, _OFFSET))
    x = np.asarray((1.0 + gain) * (data.x + background) + offset, dtype=np.float64)
    return coverage.Data(x, data.y, data.codes)


def _method() -> Method:
    document = Method.load(_METHOD).document()
    document["spectra"]["ranges"] = []
    document["calibration"]["component_rule"] = "first_minimum"
    return Method.from_document(document)


def searched(method: Method, space: Space, data: Data, n_outer: int) -> tuple[Search, Chain]:
    """Search a space on spectra in memory; returns what was found, and the winner."""
    chains, _ = space.chains(method, data.wavelength)
    outer = outer_folds(int(data.codes.max()) + 1, n_outer)
    scores = [score for family in in_families(chains, data.wavelength) for score in score_family(family, data, outer)]
    found = conclude(scores, [])
    return found, next(chain for chain in chains if chain.key == found.winner.key)


def error_of_winner(found: Search, winner: Chain, data: Data, x: Array, y: Array) -> float:
    """Root mean squared error on other spectra of the winner, calibrated on all of its data."""
    treat = winner.method.treatment(data.wavelength)
    model = pls.fit(pls.Rows.of(treat(data.x), data.y), found.winner.n_components)
    return float(np.sqrt(np.mean((pls.predict(model, treat(x)) - y) ** 2)))


def study(n_lots: int, size: int, data_sets: int, *, progress: bool = False) -> Honesty:
    """Search simulated data sets, and hold what each search says against what is true.

    Parameters
    ----------
    n_lots, size : int
        Lots of a data set, and spectra of each.
    data_sets : int
    progress : bool, optional
        Show a progress bar.
    """
    rows = [_one(n_lots, size, i) for i in track(range(data_sets), "searches", disable=not progress)]
    true, nested, lower, upper, rmsecv, rmsecv_se = np.array(rows).T
    difference = (nested**2 - true**2) / np.mean(true**2)
    return Honesty(
        true=_root_mean_square(true),
        nested=_root_mean_square(nested),
        rmsecv=_root_mean_square(rmsecv),
        nested_covers=float(np.mean((lower <= true) & (true <= upper))),
        rmsecv_covers=float(np.mean(np.abs(rmsecv - true) <= 2.0 * rmsecv_se)),
        nested_width=float(np.median(upper / lower)),
        nested_error=float(np.std(difference, ddof=1) / np.sqrt(data_sets)),
    )


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _one(n_lots: int, size: int, index: int) -> tuple[Any, ...]:
    rng = np.random.default_rng([7, n_lots, size, index])
    own, new = _powder(rng, n_lots, size), _powder(rng, _NEW, 1)
    data = Data(np.asarray(_AXIS, dtype=np.float64), own.x, own.y, own.codes)
    found, winner = searched(_method(), _SPACE, data, _OUTER)
    assert found.nested is not None
    true = error_of_winner(found, winner, data, new.x, new.y)
    return true, found.nested.rmse, *found.nested.interval, found.winner.error, found.winner.standard_error


def main() -> None:
    """Print the study."""
    print(f"The winner's error (SD of the content 1) on fresh lots, and what its search said; {_DATA_SETS} SIMULATED")
    print(
        "sets each. `in`: share (%) whose true error lies in the nested 95 % interval, whose ends have the median ratio"
    )
    print("`ends`; `2 SE`: the same of RMSECV plus and minus two standard errors.")
    print(f"{'':<14}{'true':>7}{'nested':>8}{'in':>7}{'ends':>7}{'RMSECV':>8}{'2 SE':>7}")
    for n_lots, size in ((12, 4), (24, 4)):
        found = study(n_lots, size, _DATA_SETS, progress=True)
        of_nested = f"{found.nested:>8.4f}{100 * found.nested_covers:>7.1f}{found.nested_width:>7.2f}"
        of_rmsecv = f"{found.rmsecv:>8.4f}{100 * found.rmsecv_covers:>7.1f}"
        print(f"{f'{n_lots} lots x {size}':<14}{found.true:>7.4f}{of_nested}{of_rmsecv}")


if __name__ == "__main__":
    main()
