"""Measured spectra: they lie beside the project, never in it, for their licences differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.real.thread import Table

PROJECT = Path(__file__).parents[2]
DATA = PROJECT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def measured() -> Callable[[str], Table]:
    """Return the arrays of a measured data set by its name; skips where the data are not there."""

    def load(name: str) -> Table:
        path = DATA / f"{name}.npz"
        if not path.is_file():
            pytest.skip(f"measured data are no part of the project; looked for ../shared/data/{path.name} beside it")
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}

    return load
