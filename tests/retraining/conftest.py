"""A small simulated campaign with its champion, as it is and for one test to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from pat import tracking
from tests.retraining.settled import settle
from tests.small_campaign import Campaign, write_campaign


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """The campaign, and an empty store of MLflow, whose tables take seconds to make."""
    campaign = write_campaign(tmp_path_factory.mktemp("campaign"))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert tracking.champion("small", root=campaign.folder) is None
    return campaign


@pytest.fixture
def folder(made: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For one test to change."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return settle(made, tmp_path)
