"""What every cross-validation of a method begins with, and refuses to begin with."""

from __future__ import annotations

import numpy as np
import pytest

from pat.calibration import calibrate, nested_cross_validation, permutation_test
from pat.calibration.preparation import prepare
from pat.errors import InputError
from pat.treatment import treat
from tests.calibration.mixtures import method, mixtures


@pytest.mark.parametrize("work", [calibrate, nested_cross_validation, permutation_test])
def test_saturated_spectra_are_refused_by_all_that_learn_from_them(work):
    ds = mixtures(6, 4)
    ds["absorbance"][5, 3] = 2.6  # the demo's method says 2.5
    with pytest.raises(InputError, match=r"below saturation \(2\.5 AU\), got 1 that do not, of batches B001 \(1\)"):
        work(method(), ds)


def test_moments_are_of_the_batches_asked_for_and_folds_of_their_spectra():
    ds = mixtures(6, 4)
    ds["api"][9] = np.nan
    given = prepare(method(), treat(method(), ds), ["B004", "B002", "B000"])
    assert given.names == ["B000", "B002", "B004"]
    assert [rows.size for rows in given.folds.rows] == [4, 3, 4]
    total, known = given.moments(), np.isin(ds["batch"].values.tolist(), given.names) & ~np.isnan(ds["api"].values)
    x = ds["absorbance"].values[known]
    assert (total.n, total.n_missing) == (11, 1)
    np.testing.assert_allclose(total.sum_x + total.n * total.shift_x, x.sum(axis=0), rtol=1e-12)


def test_as_many_folds_as_are_left_out_bound_the_components():
    """11 spectra in folds of 4, 3 and 4: 7 are left without one fold, 3 without two."""
    ds = mixtures(3, 4)
    ds["api"][5] = np.nan
    prepare(method(max_components=6), ds, None).moments()
    for left_out, n, words in ((1, 7, "largest fold"), (2, 3, "2 largest folds")):
        given = prepare(method(max_components=n), ds, None)
        with pytest.raises(InputError, match=rf"at most {n - 1} for these spectra \({n} without the {words}, at 36"):
            given.moments(left_out=left_out)
