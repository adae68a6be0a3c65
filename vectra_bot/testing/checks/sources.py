"""Where a strategy could have the games of a play from: files that it reads, and games that it computes.

Both are audit events of Python: each file that is opened, and ``vectra_bot.play_game`` for each game that is
computed.
"""

from __future__ import annotations

import gzip
import os
import re
import struct
import sys
import sysconfig
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import msgspec
from attrs import define, field, frozen

import vectra_bot
from vectra_bot.exchange.exchange import as_committed
from vectra_bot.game.fair import FairGame
from vectra_bot.testing.checks.play import RunningPlay

MAX_BYTES = 64 * 2**20
"""Files are searched as long as they are not larger than this together."""

_PRICES = 3
_LONG = 12  # characters of a price that no other number has by chance
_RUGS = 3  # rug ticks in a row that no other file has by chance
_GZIP = b"\x1f\x8b"
_OPENING = ("open", "sqlite3.connect")


class Reading(msgspec.Struct, frozen=True):
    """A game that a strategy had before it was over.

    Attributes:
        source: the file that it was read from; empty if it was computed from the secret seed.
        game: number of the game in which that was, 0 while the strategy was imported.
        tick: the tick at which that was.
        knows: id of the game that it had.
    """

    source: str
    game: int
    tick: int
    knows: str


@frozen
class _Opened:
    """A file as it was when it was opened for the first time, and game and tick of that."""

    at: tuple[int, int]
    content: bytes


@define
class SourceWatch:
    """Notes the files that this process opens and the games that it computes, from now to its end.

    A file counts as it is when it is opened for the first time: what a play writes is not its
    future any more. So this play is the first of a check.

    Attributes:
        unsearched: files that were too large to be searched.
    """

    unsearched: int = 0
    _opened: dict[str, _Opened] = field(factory=dict)
    _bytes: int = 0
    _computed: dict[tuple[object, ...], tuple[int, int]] = field(factory=dict)
    _games: list[tuple[str, str, FairGame]] = field(factory=list)
    _running: RunningPlay | None = None
    _ours: bool = False

    def __attrs_post_init__(self) -> None:
        sys.addaudithook(self._note)

    def stage(self, number: int, seed: str, game_id: str) -> tuple[str, FairGame]:
        """Choose the game of the seed, and remember it."""
        self._ours = True
        _, game = as_committed(number, seed, game_id)
        self._ours = False
        self._games.append((seed, game_id, game))
        return seed, game

    def look(self, running: RunningPlay) -> bool:
        """Take note of the play; never end it."""
        self._running = running
        return False

    def readings(self, module: ModuleType) -> Iterator[Reading]:
        """Yield the games that it had before they were over; *module* is the strategy's own file."""
        if module.__file__ is not None:
            self._open(os.path.realpath(module.__file__), (0, 0))
        for path, opened in self._opened.items():
            knows = self._known(opened.content)
            if knows:
                yield Reading(path, *opened.at, knows)
        for number, (seed, game_id, _) in enumerate(self._games, 1):
            game, tick = self._computed.get((seed, game_id), (number + 1, 0))
            if game <= number:
                yield Reading("", game, tick, game_id)

    @property
    def _at(self) -> tuple[int, int]:
        """Return game and tick, zeros before the play."""
        running = self._running
        return (0, 0) if running is None else (running.number, running.engine.game.tick)

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._ours:
            return
        if event in _OPENING and isinstance(arguments[0], str):
            path = os.path.realpath(arguments[0])
            if not path.startswith(_known_folders()):
                self._ours = True
                self._open(path, self._at)
                self._ours = False
        elif event == "vectra_bot.play_game":
            self._computed.setdefault(arguments, self._at)

    def _open(self, path: str, at: tuple[int, int]) -> None:
        """Keep the content of a file that is opened for the first time."""
        if path in self._opened:
            return
        content = b""
        with suppress(OSError, EOFError, zlib.error):
            size = Path(path).stat().st_size if Path(path).is_file() else 0
            if self._bytes + size > MAX_BYTES:
                self.unsearched += 1
            elif size:
                self._bytes += size
                content = Path(path).read_bytes()
                content = gzip.decompress(content) if content.startswith(_GZIP) else content
        self._opened[path] = _Opened(at, content)

    def _known(self, content: bytes) -> str:
        """Return the id of a game of the play that *content* has; empty if there is none."""
        if not content:
            return ""
        for seed, game_id, game in self._games:
            if any(mark in content for mark in _marks(seed, game_id, game)):
                return game_id
        rugs = [game.rug_tick for _, _, game in self._games]
        return self._games[0][1] if _has_in_a_row(content, rugs) else ""


def _marks(seed: str, game_id: str, game: FairGame) -> Iterator[bytes]:
    """Yield bytes that only a file with this game has."""
    yield seed.encode()
    yield game_id.encode()
    exact = [price for price in (*game.prices[1:], game.peak) if len(repr(price)) >= _LONG]
    for price in exact[-_PRICES:]:
        yield repr(price).encode()
        yield struct.pack("<d", price)


def _has_in_a_row(content: bytes, rugs: Sequence[int]) -> bool:
    """Return whether *content* has the first rug ticks as numbers in a row."""
    numbers = rb"\b\D{1,40}\b".join(str(rug).encode() for rug in rugs[:_RUGS])
    return len(rugs) >= _RUGS and re.search(rb"\b" + numbers + rb"\b", content) is not None


def _known_folders() -> tuple[str, ...]:
    """Return the folders of Python, of installed distributions, of this package and of the system."""
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {str(Path(file).parent) for file in (vectra_bot.__file__,) if file}
    return (*(os.path.realpath(folder) + os.sep for folder in folders), "/proc/", "/sys/", "/dev/")
