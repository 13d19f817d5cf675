"""Permutation test of a whole model: could spectra that know nothing of the analyte predict it so well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from pat import compute
from pat.calibration.choice import components_by_rule
from pat.calibration.cross_validation import fold_codes, readings
from pat.calibration.preparation import prepare
from pat.calibration.relearning import require_no_references
from pat.core import pls
from pat.core.crossval import leave_groups_out
from pat.core.types import Array, IntArray
from pat.errors import InputError
from pat.method import Method

# Permuted references that are cross-validated together: they share every product with the spectra.
_TOGETHER = 10


@dataclass(frozen=True)
class PermutationTest:
    """What a permutation test found.

    Attributes
    ----------
    rmsecv : float
        RMSECV with the references as they are, at the number of components that the rule chooses.
    permuted : ndarray of shape (k,)
        The same with permuted references, each with a choice of its own.
    p_value : float
        (1 + number of permutations whose RMSECV is no larger) / (1 + k).
    """

    rmsecv: float
    permuted: Array
    p_value: float


def permutation_test(
    method: Method,
    ds: xr.Dataset,
    batches: Sequence[str] | None = None,
    *,
    n_permutations: int = 199,
    seed: int = 0,
    split_batches: bool = False,
    progress: str | None = None,
) -> PermutationTest:
    """Test that a method's spectra say anything of its analyte, choice of components included.

    Parameters
    ----------
    method, ds, batches, split_batches, progress
        As in `calibrate`. The treated spectra of the batches are held in memory.
    n_permutations : int, optional
    seed : int, optional

    Returns
    -------
    PermutationTest

    Raises
    ------
    InputError
        As `calibrate`. A method with OSC is refused.

    Notes
    -----
    Spectra of one fold share its level of the analyte. Permuting the references of all spectra freely would break that
    up, and the test would find a relation between spectra and references where there is none; see `permute`. With
    folds of unequal size the level is kept approximately: the mean of a small fold varies a little more than others.

    References
    ----------
    Lindgren et al., *J. Chemometrics* 10 (1996) 521; exchangeable blocks: Winkler et al., *NeuroImage* 123 (2015) 253.
    """
    require_no_references(method, "the permutation test")
    folds = prepare(method, ds, batches, split_batches=split_batches).folds
    rows = np.concatenate(folds.rows)
    loaded = compute.load(folds.spectra[["absorbance", method.analyte.name]].isel(spectrum=rows))
    X, y = readings(loaded, method.analyte.name)
    rules = method.calibration
    return permutation_test_of(
        X, y, fold_codes(folds), rules.max_components, rules.component_rule,
        n_permutations=n_permutations, seed=seed, progress=progress,
    )  # fmt: skip


def permutation_test_of(
    X: Array,
    y: Array,
    codes: IntArray,
    n_components: int,
    rule: str,
    *,
    n_permutations: int = 199,
    seed: int = 0,
    progress: str | None = None,
) -> PermutationTest:
    """Test spectra X (n, p) and references y (n,) in groups `codes` (n,); otherwise as `permutation_test`."""
    rng = np.random.default_rng(seed)
    responses = np.column_stack([y, *(permute(y, codes, rng) for _ in range(n_permutations))])
    xx = pls.moments(X, y, X.mean(axis=0), float(y.mean())).xx

    def some(columns: slice) -> Array:
        part = responses[:, columns]
        total = pls.moments(X, part, X.mean(axis=0), part.mean(axis=0), xx=xx)
        found = leave_groups_out(X, part, codes, n_components, total=total, distances=False)
        return _rmsecv_by_rule(found.predicted - part[:, None], codes, rule)

    blocks = [slice(i, i + _TOGETHER) for i in range(0, responses.shape[1], _TOGETHER)]
    values = np.concatenate(compute.map_items(some, blocks, progress=progress))
    as_small = int((values[1:] <= values[0]).sum())
    return PermutationTest(float(values[0]), values[1:], (1 + as_small) / (1 + n_permutations))


def permute(y: Array, codes: IntArray, rng: np.random.Generator) -> Array:
    """Permute reference values so that their groups stay groups.

    Parameters
    ----------
    y : ndarray of shape (n,)
    codes : ndarray of int, shape (n,)
        Group of each value.
    rng : Generator

    Returns
    -------
    ndarray of shape (n,)
        The means of the groups change places between the groups, and the deviations from them within each group: the
        values vary between and within the groups as they did.
    """
    _, codes = np.unique(codes, return_inverse=True)
    means = np.bincount(codes, weights=y) / np.bincount(codes)
    deviations = y - means[codes]
    # Sorting by group and then by a random number shuffles each group within itself.
    drawn, straight = np.lexsort((rng.random(y.size), codes)), np.argsort(codes, kind="stable")
    shuffled = np.empty(y.size)
    shuffled[straight] = deviations[drawn]
    return np.asarray(rng.permutation(means)[codes] + shuffled)


def _rmsecv_by_rule(errors: Array, codes: IntArray, rule: str) -> Array:
    """RMSECV (k,) of k responses, errors (n, A, k), each at the number of components that the rule chooses for it."""
    if not np.isfinite(errors).all():
        raise InputError("`n_components` is more than the spectra hold without some group")
    chosen = [components_by_rule(rule, errors[:, :, k], codes) for k in range(errors.shape[2])]
    return np.sqrt([np.mean(errors[:, a - 1, k] ** 2) for k, a in enumerate(chosen)])
