"""One batch at a time: blending runs, repeat readings of a standard, and powders of a calibration design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pat.core.types import Array, BoolArray
from pat.errors import InputError
from pat.simulation import spectra
from pat.simulation.mixing import POWDER, TARGET, Mixing, Truth, autocorrelated, draw_mixing, draw_truth, mixing_rsd
from pat.simulation.spectra import MICRONIR, Instrument
from pat.simulation.variation import ERRORS, Day, ErrorComponents, Lot, composition, draw_day, draw_lot, draw_scatter

Seed: TypeAlias = int | Sequence[int]

SECONDS_PER_REVOLUTION = 5
"""12 revolutions a minute, one spectrum at each."""
SECONDS_PER_READING = 10
START = np.datetime64("2026-03-02T08:00:00", "s")
HEATING_REVOLUTIONS = 150.0
FILLER_MIXING = 0.5
"""RSD of the share of MCC in the filler over that of the API: both fillers are coarse and flow alike."""

# What each stream of random numbers is for. A stream is opened by the seed and its number, so that drawing more from
# one changes nothing in another.
_COURSE, _LOT, _DAY, _BLEND, _BEAM, _POCKET, _FILLER, _HEAT, _SCATTER, _NOISE = range(1, 11)


@dataclass(frozen=True)
class Run:
    """The spectra of one batch, with their truth.

    Attributes
    ----------
    batch, kind, instrument : str
        Name of the batch, kind of blend (`static` for a powder at rest), name of the instrument.
    wavelength : Array of shape (p,)
        Axis (nm).
    absorbance : Array of shape (n, p)
        Spectra (AU).
    revolution : Array of shape (n,)
        Revolutions since loading; NaN for a powder at rest.
    time : array of datetime64[s], shape (n,)
        UTC.
    truth : Truth
        What was in front of the sensor.
    mixing : Mixing or None
        Course of the blend; None for a powder at rest.
    """

    batch: str
    kind: str
    instrument: str
    wavelength: Array
    absorbance: Array
    revolution: Array
    time: NDArray[np.datetime64]
    truth: Truth
    mixing: Mixing | None


def simulate_run(
    kind: str,
    seed: Seed,
    *,
    n_revolutions: int = 300,
    lot: Lot | None = None,
    day: Day | None = None,
    mixing: Mixing | None = None,
    instrument: Instrument = MICRONIR,
    errors: ErrorComponents = ERRORS,
    nonlinear: bool = False,
) -> Run:
    """Simulate a blending run with one spectrum at each revolution.

    Parameters
    ----------
    kind : str
        A key of `pat.simulation.MIXING`: good, fast, slow, below, limit, demix, dead_zone, low_assay or fouling.
    seed : int or sequence of int
        Decides everything that is drawn.
    n_revolutions : int
        Number of revolutions.
    lot, day : Lot, Day
        Raw materials and conditions; drawn by the seed when not given.
    mixing : Mixing
        Course of the blend; drawn by the seed about that of its kind when not given.
    instrument : Instrument
        The spectrometer.
    errors : ErrorComponents
        Sizes of the errors.
    nonlinear : bool
        Kubelka-Munk in place of Beer-Lambert.

    Returns
    -------
    Run
        Spectra and truth.

    Raises
    ------
    InputError
        If there is no such kind and no `mixing` is given, or if `n_revolutions` is not positive.

    Examples
    --------
    >>> run = simulate_run("good", 1, n_revolutions=120)
    >>> run.absorbance.shape
    (120, 125)
    >>> 50 < true_endpoint(run) < 90
    True
    """
    if n_revolutions < 1:
        raise InputError(f"`n_revolutions` must be at least 1, got {n_revolutions}")
    course = draw_mixing(kind, _rng(seed, _COURSE)) if mixing is None else mixing
    revolution = np.arange(1.0, n_revolutions + 1.0)
    truth = draw_truth(course, revolution, (_rng(seed, _BLEND), _rng(seed, _BEAM), _rng(seed, _POCKET)))
    powder = _Powder(
        lot or draw_lot("drawn", _rng(seed, _LOT), errors), day or draw_day("drawn", _rng(seed, _DAY), errors)
    )
    heat = _rng(seed, _HEAT).uniform(2.0, 6.0) * -np.expm1(-revolution / HEATING_REVOLUTIONS)
    unmixed = FILLER_MIXING * mixing_rsd(course, revolution) * autocorrelated(n_revolutions, _rng(seed, _FILLER))
    seconds = SECONDS_PER_REVOLUTION * np.arange(n_revolutions)
    reader = _Reader(instrument, errors, nonlinear, seed)
    absorbance = reader.read(powder, truth, powder.day.temperature + heat, 1.0 + unmixed, seconds)
    return _run(kind, instrument, absorbance, revolution, seconds, truth, course)


def simulate_static(
    content: float,
    n_readings: int,
    seed: Seed,
    *,
    lot: Lot | None = None,
    day: Day | None = None,
    instrument: Instrument = MICRONIR,
    errors: ErrorComponents = ERRORS,
    nonlinear: bool = False,
) -> Run:
    """Simulate repeat readings of one uniform standard, presented anew each time.

    Parameters
    ----------
    content : float
        Content of the standard (% w/w), milled so finely that beam sampling plays no part.
    n_readings : int
        Number of readings.
    seed, lot, day, instrument, errors, nonlinear
        As in `simulate_run`.

    Returns
    -------
    Run
        Spectra that differ by scatter and noise alone: their predictions give the repeatability.
    """
    return _readings(content, 0.0, n_readings, seed, lot, day, _Reader(instrument, errors, nonlinear, seed))


def simulate_samples(
    content: float,
    n_readings: int,
    seed: Seed,
    *,
    lot: Lot | None = None,
    day: Day | None = None,
    instrument: Instrument = MICRONIR,
    errors: ErrorComponents = ERRORS,
    nonlinear: bool = False,
) -> Run:
    """Simulate readings of a well-mixed powder of a calibration or validation design, another portion each time.

    Parameters
    ----------
    content : float
        Content of the powder (% w/w).
    n_readings : int
        Number of readings.
    seed, lot, day, instrument, errors, nonlinear
        As in `simulate_run`.

    Returns
    -------
    Run
        Spectra that differ by beam sampling, scatter and noise.
    """
    beam = POWDER.sampling_rsd(content)
    return _readings(content, beam, n_readings, seed, lot, day, _Reader(instrument, errors, nonlinear, seed))


def uniform(
    truth: Truth, *, max_rsd: float = 3.0, max_mean_deviation: float = 4.0, target: float = TARGET
) -> BoolArray:
    """Say of each revolution whether the powder is uniform and on target.

    Parameters
    ----------
    truth : Truth
        Of n revolutions.
    max_rsd : float
        Largest population RSD (% of the mean).
    max_mean_deviation : float
        Largest deviation of the mean (% of target).
    target : float
        Content that the product should have (% w/w).

    Returns
    -------
    BoolArray of shape (n,)
        RSD <= `max_rsd` and |mean/target - 1| <= `max_mean_deviation`.
    """
    off_target = 100.0 * np.abs(truth.mean / target - 1.0)
    result: BoolArray = (truth.rsd <= max_rsd) & (off_target <= max_mean_deviation)
    return result


def true_endpoint(run: Run, *, max_rsd: float = 3.0, max_mean_deviation: float = 4.0) -> int | None:
    """First revolution from which a blend is uniform, or None.

    Parameters
    ----------
    run : Run
        A blending run.
    max_rsd, max_mean_deviation : float
        As in `uniform`.

    Returns
    -------
    int or None
        The blend is uniform from here to the end, or until it de-mixes.
    """
    holds = uniform(run.truth, max_rsd=max_rsd, max_mean_deviation=max_mean_deviation)
    return int(run.revolution[np.argmax(holds)]) if holds.any() else None


@dataclass(frozen=True)
class _Powder:
    """A lot of powder on a day."""

    lot: Lot
    day: Day


@dataclass(frozen=True)
class _Reader:
    """An instrument at work, with the streams of scatter and noise of one batch."""

    instrument: Instrument
    errors: ErrorComponents
    nonlinear: bool
    seed: Seed

    def read(
        self, powder: _Powder, truth: Truth, temperature: Array, filler: Array, seconds: NDArray[np.int64]
    ) -> Array:
        """Return what the instrument writes, shape (n, p); `filler` is a factor on the share of MCC."""
        lot, day = powder.lot, powder.day
        share = np.clip(lot.mcc_share * filler, 0.0, 1.0)
        effective = composition(truth.value, lot, share)
        effective[:, 0] *= lot.absorptivity * day.absorptivity
        clean = spectra.true_absorbance(effective, temperature, self.instrument, nonlinear=self.nonlinear)
        scatter = draw_scatter(truth.value.size, lot, _rng(self.seed, _SCATTER), self.errors)
        seen = spectra.behind_film(scatter.apply(clean), truth.film, self.instrument)
        return spectra.add_instrument_errors(seen, seconds / 3600.0, self.instrument, _rng(self.seed, _NOISE))


def _readings(
    content: float, beam: float, n: int, seed: Seed, lot: Lot | None, day: Day | None, reader: _Reader
) -> Run:
    if n < 1:
        raise InputError(f"`n_readings` must be at least 1, got {n}")
    value = content * (1.0 + beam * _rng(seed, _BEAM).standard_normal(n))
    truth = Truth(value, np.full(n, content), np.full(n, 100.0 * beam), np.zeros(n))
    powder = _Powder(
        lot or draw_lot("drawn", _rng(seed, _LOT), reader.errors),
        day or draw_day("drawn", _rng(seed, _DAY), reader.errors),
    )
    seconds = SECONDS_PER_READING * np.arange(n)
    absorbance = reader.read(powder, truth, np.full(n, powder.day.temperature), np.ones(n), seconds)
    return _run("static", reader.instrument, absorbance, np.full(n, np.nan), seconds, truth, None)


def _run(
    kind: str,
    instrument: Instrument,
    absorbance: Array,
    revolution: Array,
    seconds: NDArray[np.int64],
    truth: Truth,
    mixing: Mixing | None,
) -> Run:
    time = START + seconds.astype("timedelta64[s]")
    return Run(kind, kind, instrument.name, instrument.wavelength, absorbance, revolution, time, truth, mixing)


def _rng(seed: Seed, stream: int) -> np.random.Generator:
    return np.random.default_rng([*np.atleast_1d(seed), stream])
