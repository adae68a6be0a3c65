"""The pytest plugin: fixtures for tests of strategies and plugins, and no file in the user's home folder.

pytest loads it wherever vectra-bot is installed, so nothing is imported before a test asks for it. Fixtures:

* ``bench``: the class :class:`~vectra_bot.testing.Bench`,
* ``make_game``, ``play_games``: the functions of these names,
* ``vectra_store``: the folder of the test's store, made when something is stored.

The default store of every test is a separate temporary folder, also for a test that asks for no fixture and
for its child processes. Fixtures of modules and of the session share one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vectra_bot.testing import Bench

# What says where sessions are stored by default, and the folder's name in the temporary folder of the test.
_PLACES = {
    "VECTRA_STORE": "store",
    "VECTRA_LIVE_STORE": "live-store",
    "VECTRA_SPOOL": "spool",
}
# What would make sessions of one machine differ from another's.
_WISHES = ("VECTRA_PLUGINS_BLOCK", "VECTRA_PLUGINS_DISABLE", "VECTRA_PLUGINS_ENABLE")
_NUMBERS = count()


@pytest.fixture
def bench() -> type[Bench]:
    """Return the class Bench: ``bench(MyBot, entry=5)`` drives the strategy through the real engine."""
    from vectra_bot.testing import Bench

    return Bench


@pytest.fixture(name="make_game")
def _make_game() -> object:
    """Return the function make_game: ``make_game([1, 1.1, 1.3])`` is a game of these prices."""
    from vectra_bot.testing import make_game

    return make_game


@pytest.fixture(name="play_games")
def _play_games() -> object:
    """Return the function play_games, which runs a session over games from prices."""
    from vectra_bot.testing import play_games

    return play_games


@pytest.fixture
def vectra_store(_vectra_places: Path) -> Path:
    """Return the folder of the default store of this test."""
    return _vectra_places / _PLACES["VECTRA_STORE"]


@pytest.fixture(scope="session", autouse=True)
def _vectra_shared_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give fixtures of wider scope than a test a store in the temporary folder of the run."""
    folder = tmp_path_factory.getbasetemp() / "vectra-bot"
    with pytest.MonkeyPatch.context() as patch:
        _redirect(patch, folder)
        yield folder


@pytest.fixture(autouse=True)
def _vectra_places(_vectra_shared_places: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test its own store; the folder is made when something is written."""
    folder = _vectra_shared_places / f"test-{next(_NUMBERS)}"
    _redirect(monkeypatch, folder)
    return folder


def _redirect(patch: pytest.MonkeyPatch, folder: Path) -> None:
    for variable, name in _PLACES.items():
        patch.setenv(variable, str(folder / name))
    for variable in _WISHES:
        patch.delenv(variable, raising=False)
