"""Simulated spectra as a wide CSV file."""

from __future__ import annotations

from pathlib import Path

from pat.core.types import Array
from tests.simulated import WAVELENGTH


def write_csv(path: Path, batches: dict[str, Array]) -> None:
    """Write spectra of batches, their rows interleaved as two sensors would deliver them."""
    lines = [",".join(["batch", "time", "revolution", "instrument", "api", *(f"{nm:g}" for nm in WAVELENGTH)])]
    for i in range(max(map(len, batches.values()))):
        for batch, absorbance in batches.items():
            if i < len(absorbance):
                values = ",".join(repr(float(value)) for value in absorbance[i])
                lines.append(f"{batch},2026-03-01T08:{i // 60:02d}:{i % 60:02d}Z,{i + 1},NIR-1,,{values}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
