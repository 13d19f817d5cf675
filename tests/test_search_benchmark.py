"""The peers of the search benchmark are given the chains that ours are, spectra and RMSECV alike."""

from __future__ import annotations

import numpy as np

from benchmarks.search import SPACE, by_numpy_and_scipy
from pat.search import Space
from tests.calibration.mixtures import method


def test_every_chain_is_treated_as_ours() -> None:
    wavelength = np.arange(1000.0, 1120.0, 2.0, dtype=np.float64)
    chains, left_out = Space.from_document(SPACE).chains(method(), wavelength)
    assert (len(chains), left_out) == (200, [])
    x = np.random.default_rng(1).normal(0.5, 0.1, (5, 60)).cumsum(axis=1)
    for chain in chains:
        ours, theirs = chain.method.treatment(wavelength)(x), by_numpy_and_scipy(chain, x)
        np.testing.assert_allclose(ours, theirs, atol=1e-11 * np.abs(theirs).max(), err_msg=chain.label)
