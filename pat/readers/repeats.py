"""Spectra that stand in the data twice: a batch under a second name is no independent batch."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from pat.core.types import Array
from pat.errors import SpectraError
from pat.spectra.contract import Locate


def refuse_repeats(absorbance: Array, batch: Sequence[str], file: Sequence[int], locate: Locate) -> None:
    """Refuse a spectrum that is, to the last digit, that of another batch or of another file.

    No two readings of powder agree in every digit, so the one was copied from the other, and a validation on it would
    be one on the calibration's own spectra. Within one batch of one file, a sensor may be stuck, which the scorer sees.
    A spectrum without any structure (a sensor that is dead or saturated) says nothing about where it comes from.

    Parameters
    ----------
    absorbance : ndarray of shape (n_spectra, n_wavelengths)
        AU.
    batch : sequence of str, length n_spectra
        Names.
    file : sequence of int, length n_spectra
        Which file each spectrum comes from.
    locate : callable
        Says where row i came from.

    Raises
    ------
    SpectraError
        The message names both batches and rows, and how many such spectra there are.
    """
    first: dict[bytes, int] = {}
    repeats: list[tuple[int, int]] = []
    for row, spectrum in enumerate(absorbance):
        if np.ptp(spectrum) == 0.0:
            continue
        # Adding 0 makes one of the two zeros.
        earlier = first.setdefault(blake2b((spectrum + 0.0).tobytes(), digest_size=16).digest(), row)
        if (batch[earlier], file[earlier]) != (batch[row], file[row]):
            repeats.append((row, earlier))
    if repeats:
        row, earlier = repeats[0]
        raise SpectraError(
            f"{locate(row)}, batch {batch[row]!r}: expected a spectrum of its own, got that of {locate(earlier)}, "
            f"batch {batch[earlier]!r}, again, the same in every digit ({len(repeats)} such spectra in all)"
        )
