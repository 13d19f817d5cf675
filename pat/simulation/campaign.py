"""The committed campaign: a calibration, its validation and blending runs of every kind, as CSV with their truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pat.core.types import Array
from pat.errors import InputError
from pat.files import write_bytes
from pat.simulation.mixing import MIXING, TARGET, Mixing, mixing_rsd
from pat.simulation.runs import Run, simulate_run, simulate_samples, simulate_static, uniform
from pat.simulation.spectra import COMPONENTS, MICRONIR, pure_spectra
from pat.simulation.variation import Day, Lot, draw_day, draw_lot

SEED = 7
REFERENCE_ERROR = 0.02
"""SD of the gravimetric reference of a batch (% w/w)."""
LEVELS = (7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0)
"""Contents of the calibration design (% w/w): 70 to 130 % of target."""
PRODUCT = "Demo blend 10 % w/w (simulated)"

# Streams of the campaign; a batch, a lot and a day each have a number of their own, so that one more changes no other.
_BATCH, _LOT, _DAY, _DESIGN, _REFERENCE = range(101, 106)


@dataclass(frozen=True)
class Batch:
    """One batch of the campaign.

    Attributes
    ----------
    run : Run
        Spectra, times and truth.
    role, lot, day, scale : str
        Batch facts; `day` is a date.
    reference : float
        Gravimetric content (% w/w), NaN where there is none.
    """

    run: Run
    role: str
    lot: str
    day: str
    scale: str
    reference: float = np.nan


def campaign(seed: int = SEED) -> dict[str, list[Batch]]:
    """Simulate the campaign.

    Parameters
    ----------
    seed : int
        Decides everything that is drawn.

    Returns
    -------
    dict of str to list of Batch
        Batches by the name of their file.
    """
    return {
        "calibration": list(_calibration(seed)),
        "validation": list(_design(seed, "V", "validation", 2000, "2026-04-13", np.linspace(8.5, 11.5, 12), 1, 8)),
        "repeatability": list(_repeatability(seed)),
        "accepted_blends": list(_blends(seed, "A", "accepted", 4000, "2026-05-04", [("good", 200, None)] * 10)),
        "blends": [
            *_blends(seed, "B", "blend_validation", 5000, "2026-06-01", _VALIDATION_BLENDS),
            *_blends(seed, "H", "held_out", 6000, "2026-07-01", [("good", 180, None)]),
        ],
        "specificity": list(_specificity(seed)),
        "new_references": list(_design(seed, "N", "calibration", 7000, "2026-09-07", np.linspace(7.5, 12.5, 9), 3, 8)),
    }


def write_campaign(folder: Path, seed: int = SEED) -> list[Path]:
    """Simulate the campaign and write it as CSV.

    Parameters
    ----------
    folder : Path
        Made if it does not exist. Files that are there stay as they are: those of the same names and other content are
        an error, before anything is written.
    seed : int
        Decides everything that is drawn.

    Returns
    -------
    list of Path
        The files: spectra by role, `batches.csv` with the batch facts (`new_batches.csv` those of the references that
        came later), `pure_components.csv` with the spectra of the pure materials, and `truth.csv` with the truth of
        every spectrum, in the order of the spectra.

    Raises
    ------
    InputError
        If `folder` is a file or has files of the same names with other content, or `seed` is negative.
    """
    folder = Path(folder)
    if seed < 0:
        raise InputError(f"`seed` must be at least 0, got {seed}")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"the campaign is written into a folder, and {folder} is a file")
    contents = {folder / f"{name}.csv": data for name, data in _tables(seed).items()}
    for path, data in contents.items():
        if path.exists() and not (path.is_file() and path.read_bytes() == data):
            raise InputError(f"{path}: expected nothing there or the same simulated data, got something else; it stays")
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in contents.items():
        if not path.exists():
            write_bytes(path, data)
    return list(contents)


def _tables(seed: int) -> dict[str, bytes]:
    """Simulate the campaign: the bytes of every file by its name."""
    files = campaign(seed)
    tables = {name: _spectra_table(batches) for name, batches in files.items()}
    everything = [batch for batches in files.values() for batch in batches]
    first = [batch for name, batches in files.items() if name != "new_references" for batch in batches]
    tables["batches"] = _facts_table(first)
    tables["new_batches"] = _facts_table(files["new_references"])
    tables["pure_components"] = _pure_table()
    tables["truth"] = _truth_table(everything)
    return {name: ("\n".join(lines) + "\n").encode() for name, lines in tables.items()}


_VALIDATION_BLENDS: Sequence[tuple[str, int, Mixing | None]] = [
    ("good", 180, None),
    ("good", 180, None),
    ("slow", 280, None),
    ("demix", 280, None),
    ("dead_zone", 200, None),
    ("low_assay", 180, None),
    # The dangerous film: it grows over powder that is not uniform yet, and its variance falls.
    ("fouling", 200, MIXING["fouling"]),
]


def _calibration(seed: int) -> Iterator[Batch]:
    """Seven levels twelve times, over 21 lots and 28 days, each lot with four levels on four days."""
    conditions = _uncorrelated_conditions(seed)
    for i, (content, moisture, mcc_share, temperature) in enumerate(conditions):
        lot = replace(_lot(seed, 1000 + i // 4, f"LC{i // 4 + 1}"), moisture=moisture, mcc_share=mcc_share)
        day = replace(_day(seed, 1000 + i % 28, _date("2026-03-02", i % 28)), temperature=temperature)
        run = simulate_samples(content, 4, (seed, _BATCH, 1000 + i), lot=lot, day=day)
        yield _reference_batch(seed, 1000 + i, run, f"C{i + 1:02d}", "calibration", lot, day, i // 28)


def _uncorrelated_conditions(seed: int) -> Array:
    """Content, moisture, MCC share and temperature of the calibration batches, shape (84, 4).

    The last three are evenly spread in an order drawn until no two columns correlate beyond 0.1.
    """
    rng = np.random.default_rng([seed, _DESIGN])
    n = 12 * len(LEVELS)
    content = np.array([LEVELS[2 * i % len(LEVELS)] for i in range(n)])
    spread = [np.linspace(2.0, 5.0, n), np.linspace(0.36, 0.44, n), np.linspace(20.0, 32.0, n)]
    while True:
        design = np.column_stack([content, *(rng.permutation(column) for column in spread)])
        if np.abs(np.corrcoef(design.T) - np.eye(4)).max() < 0.1:
            return design


def _design(
    seed: int, prefix: str, role: str, first: int, start: str, contents: Array, per_lot: int, n_readings: int
) -> Iterator[Batch]:
    """Powders at the given contents in a drawn order, `per_lot` of each lot, every one on a day of its own."""
    order = np.random.default_rng([seed, _DESIGN, first]).permutation(contents)
    for i, content in enumerate(order):
        lot = _lot(seed, first + i // per_lot, f"L{prefix}{i // per_lot + 1}")
        day = _day(seed, first + i, _date(start, i))
        run = simulate_samples(float(content), n_readings, (seed, _BATCH, first + i), lot=lot, day=day)
        yield _reference_batch(seed, first + i, run, f"{prefix}{i + 1:02d}", role, lot, day, 0)


def _repeatability(seed: int) -> Iterator[Batch]:
    """One uniform standard, read on four days."""
    for i in range(4):
        lot, day = Lot("standard"), _day(seed, 3000 + i, _date("2026-04-29", i))
        run = simulate_static(TARGET, 80, (seed, _BATCH, 3000 + i), lot=lot, day=day)
        # In the afternoon: on its last day the instrument is at the first accepted blend in the morning.
        yield _reference_batch(seed, 3000 + i, run, f"R{i + 1:02d}", "repeatability", lot, day, 6)


_MUST_REFUSE = (
    ("placebo", 0.0, None),
    ("half_strength", 0.5 * TARGET, None),
    ("double_strength", 2.0 * TARGET, None),
    ("other_filler", TARGET, 0.95),
)
"""What a method of this product must refuse: kind, content (% w/w), and the share of cellulose in the filler."""


def _specificity(seed: int) -> Iterator[Batch]:
    """Two batches of each powder that is not this product, without references: nothing of them is to be measured."""
    for i, (kind, content, mcc_share) in enumerate(kind for kind in _MUST_REFUSE for _ in range(2)):
        lot, day = _lot(seed, 8000 + i, f"LS{i + 1}"), _day(seed, 8000 + i, _date("2026-05-19", i))
        lot = lot if mcc_share is None else replace(lot, mcc_share=mcc_share)
        run = replace(simulate_samples(content, 8, (seed, _BATCH, 8000 + i), lot=lot, day=day), kind=kind)
        yield Batch(_placed(run, f"S{i + 1:02d}", day.name, 0), "specificity", lot.name, day.name, "laboratory")


def _blends(
    seed: int, prefix: str, role: str, first: int, start: str, plan: Sequence[tuple[str, int, Mixing | None]]
) -> Iterator[Batch]:
    """Blending runs, each with a lot and a day of its own."""
    for i, (kind, n_revolutions, mixing) in enumerate(plan):
        lot = _lot(seed, first + i, f"L{prefix}{i + 1}")
        day = _day(seed, first + i, _date(start, i))
        number = (seed, _BATCH, first + i)
        run = simulate_run(kind, number, n_revolutions=n_revolutions, lot=lot, day=day, mixing=mixing)
        yield Batch(_placed(run, f"{prefix}{i + 1:02d}", day.name, 0), role, lot.name, day.name, "pilot")


def _reference_batch(seed: int, index: int, run: Run, name: str, role: str, lot: Lot, day: Day, slot: int) -> Batch:
    """Give a powder its gravimetric reference, with its error."""
    error = REFERENCE_ERROR * np.random.default_rng([seed, _REFERENCE, index]).standard_normal()
    reference = float(run.truth.mean[0] + error)
    return Batch(_placed(run, name, day.name, slot), role, lot.name, day.name, "laboratory", reference)


def _placed(run: Run, name: str, date: str, slot: int) -> Run:
    """Name a run and move its clock to its day: the first slot is at 08:00 UTC, the next one an hour later."""
    start = np.datetime64(f"{date}T08:00:00", "s") + np.timedelta64(slot, "h")
    return replace(run, batch=name, time=start + (run.time - run.time[0]))


def _lot(seed: int, number: int, name: str) -> Lot:
    return draw_lot(name, np.random.default_rng([seed, _LOT, number]))


def _day(seed: int, number: int, date: str) -> Day:
    return draw_day(date, np.random.default_rng([seed, _DAY, number]))


def _date(start: str, working_days: int) -> str:
    return str(np.busday_offset(start, working_days, roll="forward"))


def _spectra_table(batches: list[Batch]) -> Iterator[str]:
    wavelength = batches[0].run.wavelength
    yield ",".join(["batch", "time", "revolution", "instrument", "api [% w/w]", *(f"{w:.2f}" for w in wavelength)])
    for batch in batches:
        run = batch.run
        api = "" if np.isnan(batch.reference) else f"{batch.reference:.3f}"
        for time, revolution, spectrum in zip(run.time, run.revolution, run.absorbance, strict=True):
            values = ",".join(f"{value:.5f}" for value in spectrum)
            yield f"{run.batch},{time}Z,{_count(revolution)},{run.instrument},{api},{values}"


def _facts_table(batches: list[Batch]) -> Iterator[str]:
    yield "batch,role,kind,lot,day,product,scale,vessel_volume,fill,speed,simulated"
    for batch in batches:
        volume = 2 if batch.scale == "laboratory" else 60
        facts = (batch.run.batch, batch.role, batch.run.kind, batch.lot, batch.day, PRODUCT, batch.scale)
        yield f"{','.join(facts)},{volume},0.60,12,1"


def _pure_table() -> Iterator[str]:
    """Absorbance (AU) of each pure material at each wavelength of the instrument."""
    yield ",".join(["wavelength", *COMPONENTS])
    for w, values in zip(MICRONIR.wavelength, pure_spectra(MICRONIR).T, strict=True):
        yield ",".join([f"{w:.2f}", *(f"{value:.5f}" for value in values)])


def _truth_table(batches: list[Batch]) -> Iterator[str]:
    yield "batch,revolution,true_value,true_mean,true_rsd,uniform,state"
    for batch in batches:
        run, truth = batch.run, batch.run.truth
        columns = (run.revolution, truth.value, truth.mean, truth.rsd, uniform(truth), states(run))
        for revolution, value, mean, rsd, is_uniform, state in zip(*columns, strict=True):
            yield f"{run.batch},{_count(revolution)},{value:.4f},{mean:.4f},{rsd:.4f},{is_uniform:d},{state}"


def _count(revolution: float) -> str:
    return "" if np.isnan(revolution) else f"{revolution:.0f}"


def states(run: Run) -> NDArray[np.str_]:
    """Name the true state of every revolution.

    Parameters
    ----------
    run : Run
        Of n spectra.

    Returns
    -------
    array of str, shape (n,)
        `static` for a powder at rest; else `fouled` (a film on the window, whatever the powder is), `uniform`,
        `mixing`, `demixing`, `pockets` (mixed, but for pockets) or `off_target` (mixed, with the wrong mean).
    """
    if run.mixing is None:
        return np.full(run.revolution.size, "static")
    conditions = [
        run.truth.film > 0.0,
        uniform(run.truth),
        run.revolution >= run.mixing.demix_onset,
        mixing_rsd(run.mixing, run.revolution) > 0.03,
        np.full(run.revolution.size, run.mixing.pocket_share > 0.0),
    ]
    return np.select(conditions, ["fouled", "uniform", "demixing", "mixing", "pockets"], "off_target")
