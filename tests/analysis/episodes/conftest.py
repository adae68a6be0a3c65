"""A store of a few sessions, recorded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.episodes.games import play_sessions


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with sessions of every kind of action; tests change copies only."""
    store = tmp_path_factory.mktemp("played")
    play_sessions(store)
    return store
