"""Files that a strategy reads, searched for the games that it is about to play."""

from __future__ import annotations

import os
import struct
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import msgspec
from attrs import define, field

import vectra_bot
from vectra_bot.exchange.exchange import as_committed
from vectra_bot.game.fair import FairGame
from vectra_bot.testing.checks.play import RunningPlay

MAX_BYTES = 64 * 2**20
"""Larger files are not searched."""

_PRICES = 3
_LONG = 12  # characters of a price that no other number has by chance


class Reading(msgspec.Struct, frozen=True):
    """A file with games of the future that the strategy reads.

    Attributes:
        path: the file.
        game: number of the game in which it was first opened, 0 while the strategy was imported.
        tick: the tick at which it was first opened.
        knows: the game of the play that it has.
    """

    path: str
    game: int
    tick: int
    knows: str


@define
class FileWatch:
    """Notes which files this process opens, from now to its end.

    Attributes:
        before_ns: files that are younger were written by the check's own plays; nanoseconds since the epoch.
    """

    before_ns: int
    _opened: dict[str, tuple[int, int]] = field(factory=dict)
    _games: list[tuple[str, str, FairGame]] = field(factory=list)
    _at: tuple[int, int] = (0, 0)

    def __attrs_post_init__(self) -> None:
        sys.addaudithook(self._note)

    def stage(self, number: int, seed: str, game_id: str) -> tuple[str, FairGame]:
        """Choose the game of the seed, and remember it."""
        _, game = as_committed(number, seed, game_id)
        self._games.append((seed, game_id, game))
        return seed, game

    def look(self, running: RunningPlay) -> bool:
        """Note where the play is; never end it."""
        self._at = (running.number, running.engine.game.tick)
        return False

    def readings(self, module: ModuleType) -> Iterator[Reading]:
        """Yield the files with games of the play; *module* is the strategy's, whose source counts as one."""
        if module.__file__ is not None:
            self._opened[os.path.realpath(module.__file__)] = (0, 0)
        for path, (game, tick) in list(self._opened.items()):
            knows = self._known(path)
            if knows:
                yield Reading(path, game, tick, knows)

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str):
            path = os.path.realpath(arguments[0])
            if not path.startswith(_ours()):
                self._opened.setdefault(path, self._at)

    def _known(self, path: str) -> str:
        """Return the id of a game of the play that the file at *path* has; empty if there is none."""
        content = b""
        with suppress(OSError):
            about = Path(path).stat()
            if about.st_mtime_ns < self.before_ns and about.st_size <= MAX_BYTES:
                content = Path(path).read_bytes()
        for seed, game_id, game in self._games if content else ():
            if any(mark in content for mark in _marks(seed, game_id, game)):
                return game_id
        return ""


def _marks(seed: str, game_id: str, game: FairGame) -> Iterator[bytes]:
    """Yield bytes that only a file with this game has."""
    yield seed.encode()
    yield game_id.encode()
    exact = [price for price in game.prices[1:] if len(repr(price)) >= _LONG]
    for price in exact[-_PRICES:]:
        yield repr(price).encode()
        yield struct.pack("<d", price)


def _ours() -> tuple[str, ...]:
    """Return the folders of Python, of installed distributions and of this package."""
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {str(Path(file).parent) for file in (vectra_bot.__file__,) if file}
    return (*(os.path.realpath(folder) + os.sep for folder in folders), "/proc/", "/sys/", "/dev/")


__all__ = ["FileWatch", "Reading"]
