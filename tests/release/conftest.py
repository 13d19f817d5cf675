"""A site, and an artefact in a model's folder, made anew for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny
from tests.site import Site, make_site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "trust")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny.write(tmp_path / "model" / "artefact")
    return tmp_path / "model" / "artefact"
