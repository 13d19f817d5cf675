"""Baseline correction: pybaselines' own answer, spectrum by spectrum, and no import before it is needed."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pybaselines
import pytest

from pat.core.baseline import METHODS, Baseline
from pat.core.preprocess import Treatment
from pat.errors import InputError, MissingExtra

AXIS = np.linspace(950.0, 1650.0, 90)
PARAMETERS: dict[str, dict[str, float]] = {
    "airpls": {"lam": 1e5},
    "arpls": {"lam": 1e5},
    "asls": {"lam": 1e5, "p": 0.02},
    "drpls": {"lam": 1e5},
    "imodpoly": {"poly_order": 3},
    "rolling_ball": {"half_window": 20},
    "snip": {"max_half_window": 15},
}


def _spectra(n: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    bands = np.exp(-(((AXIS - 1200.0) / 25.0) ** 2)) + 0.5 * np.exp(-(((AXIS - 1450.0) / 30.0) ** 2))
    slope = rng.uniform(2e-4, 6e-4, (n, 1)) * (AXIS - 950.0)
    return np.asarray(0.4 + bands + slope + 1e-3 * rng.standard_normal((n, AXIS.size)))


def test_every_method_is_tested():
    assert sorted(PARAMETERS) == sorted(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_equals_pybaselines_called_for_each_spectrum(method):
    x = _spectra(4)
    found = Baseline(AXIS, method, PARAMETERS[method])(x)
    for row, corrected in zip(x, found, strict=True):
        baseline, _ = getattr(pybaselines.Baseline(AXIS), method)(row, **PARAMETERS[method])
        np.testing.assert_array_equal(corrected, row - baseline)


@pytest.mark.parametrize("method", METHODS)
def test_a_spectrum_has_the_same_bits_alone_and_in_a_block(method):
    x = _spectra(5)
    correct = Baseline(AXIS, method, PARAMETERS[method])
    whole = correct(x)
    np.testing.assert_array_equal(np.array([correct(row) for row in x]), whole)
    np.testing.assert_array_equal(correct(np.asfortranarray(x)), whole)
    np.testing.assert_array_equal(correct(x.reshape(5, 1, -1))[:, 0], whole)


def test_one_object_serves_many_threads():
    x = _spectra(60)
    correct = Baseline(AXIS, "arpls", {"lam": 1e4})
    expected = correct(x)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(correct, np.split(x, 20)))
    np.testing.assert_array_equal(np.concatenate(found), expected)


def test_each_call_has_a_fitter_of_its_own(monkeypatch):
    # pybaselines' author calls its objects not thread-safe (issue 31); a race is too rare to be waited for.
    made, real = [], pybaselines.Baseline

    def make(*args: object, **keywords: object) -> object:
        made.append(real(*args, **keywords))
        return made[-1]

    monkeypatch.setattr(pybaselines, "Baseline", make)
    correct = Baseline(AXIS, "asls", {})
    made.clear()
    for _ in range(3):
        correct(_spectra(2))
    assert len({id(fitter) for fitter in made}) == 3


def test_the_input_stays_as_it_was():
    x = _spectra(2)
    kept = x.copy()
    x.flags.writeable = False
    Baseline(AXIS, "asls", {})(x)
    np.testing.assert_array_equal(x, kept)


# pybaselines warns that it stops early on such spectra; that is its right.
@pytest.mark.filterwarnings("ignore::pybaselines.utils.ParameterWarning")
@pytest.mark.parametrize("method", METHODS)
def test_what_a_fit_breaks_down_on_is_nan_or_an_answer_but_never_an_error(method):
    good = _spectra(1)[0]
    bad = [np.where(AXIS > 1400.0, np.nan, good), np.where(AXIS > 1400.0, np.inf, good), good * 1e200, good * 1e300]
    found = Baseline(AXIS, method, PARAMETERS[method])(np.array([good, *bad]))
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1:3]).all()
    np.testing.assert_array_equal(found[0], Baseline(AXIS, method, PARAMETERS[method])(good))


@pytest.mark.parametrize(
    ("method", "parameters", "message"),
    [
        ("als", {}, "must be one of airpls, arpls, asls, drpls, imodpoly, rolling_ball, snip, got 'als'"),
        ("asls", {"lambda": 1e5}, "unexpected keyword argument 'lambda'"),
        ("asls", {"lam": -1.0}, "lam must be greater than 0"),
        ("asls", {"p": 2.0}, "p must be between 0 and 1"),
        ("asls", {"lam": "many"}, "many"),
    ],
)
def test_a_baseline_that_cannot_be_is_refused_when_it_is_made(method, parameters, message):
    with pytest.raises(InputError) as caught:
        Baseline(AXIS, method, parameters)
    assert message in str(caught.value)


def test_without_pybaselines_the_message_names_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pybaselines", None)
    with pytest.raises(MissingExtra, match="pip install pybaselines"):
        Treatment(AXIS, [], [{"step": "baseline", "method": "asls"}])


def test_pybaselines_is_imported_for_a_method_that_has_the_step_and_only_then():
    code = """
import sys
import numpy as np
import pat.scorer
from pat.core.preprocess import Treatment
axis, heavy = np.linspace(950.0, 1650.0, 90), {"pybaselines", "scipy", "sklearn", "xarray", "pandas", "dask"}
Treatment(axis, [], [{"step": "snv"}, {"step": "savitzky_golay", "window": 9, "polyorder": 2, "deriv": 1}])(axis**0.5)
assert not heavy & set(sys.modules), heavy & set(sys.modules)
Treatment(axis, [], [{"step": "baseline", "method": "asls"}])
assert "pybaselines" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
