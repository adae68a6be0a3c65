"""Games of files to play a strategy on: seeded games, recorded prices, recordings of frames, a store.

A game whose seed is known is computed from it, by its version of the law; one recorded without a seed, or by
another law, has the prices that were seen, if none is missing. What cannot be played is counted by reason.
Imports venues (captures) and wire.
"""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from sys import float_info
from typing import Any, Final

from attrs import define, field

from vectra_bot.backtest.play import GivenGame
from vectra_bot.errors import InputError, WireError
from vectra_bot.game import rules
from vectra_bot.game.fair import FairGame, rug_price
from vectra_bot.journal import journal_directory, list_segments, read_journal
from vectra_bot.kernel.play import play_game
from vectra_bot.models import Direction, Frame, GameFrame
from vectra_bot.venues.captures import TextRow, value_of
from vectra_bot.venues.captures.kinds import FRAMES, kind_of
from vectra_bot.venues.captures.lines import TextFile
from vectra_bot.venues.replay import CaptureFeed, detect_recording
from vectra_bot.wire.decode import decode

_PLAYABLE: Final = ("seeded_games", "recorded_prices")
_GIVE: Final = (
    "give seeded games or recorded prices, a recording that shows seeds, or a store with journals"
)


@define
class GivenGames:
    """The games of a file, a recording or a store, in the order in which they are found.

    Attributes:
        games: each once.
        unplayable: games that cannot be played, by reason.
    """

    games: list[GivenGame] = field(factory=list)
    unplayable: Counter[str] = field(factory=Counter)
    _known: set[str] = field(factory=set)

    def add(self, game_id: str, game: FairGame | str) -> None:
        """Add a game, or the reason why it cannot be played."""
        if isinstance(game, str):
            self.unplayable[game] += 1
        elif game_id in self._known:
            self.unplayable["the game is there twice"] += 1
        else:
            self._known.add(game_id)
            self.games.append(GivenGame(game_id, game))


def given_games(source: str) -> GivenGames:
    """Return the games of *source*: a file of games, a capture, a journal, or the folder of a store.

    Raises:
        InputError: it cannot be read, or has no game that can be played.
        JournalError: a journal is corrupt.
    """
    path, found = Path(source).expanduser(), GivenGames()
    journals = journal_directory(path, "session").parent
    if journals.is_dir():
        for journal in sorted(journals.iterdir()):
            _add_frames(_journal_frames(journal), found)
    elif not path.exists():
        raise InputError(f"--from was {source!r}, which does not exist: {_GIVE}")
    elif path.is_dir() and not list_segments(path):
        raise InputError(f"--from was {source!r}, a folder without a journal: {_GIVE}")
    elif not _add_rows(path, found):
        frames = (
            _journal_frames(path) if detect_recording(path) == "journal" else _capture_frames(path)
        )
        _add_frames(frames, found)
    if not found.games:
        reasons = [f"{reason}: {count}" for reason, count in found.unplayable.items()]
        why = f"no game that can be played ({', '.join(reasons)})" if reasons else "no game"
        raise InputError(f"--from was {source!r}, which has {why}: {_GIVE}")
    return found


def asked_games(
    source: str | None, games: int | None
) -> tuple[tuple[GivenGame, ...], dict[str, int]]:
    """Return the first *games* games of *source*, all if None, and those that are not played by reason.

    Raises:
        InputError, JournalError: as :func:`given_games`.
    """
    if source is None:
        return (), {}
    found = given_games(source)
    missing = (games or 0) - len(found.games)
    if missing > 0:
        found.unplayable["the source has no more games"] += missing
    return tuple(found.games[:games]), dict(found.unplayable)


def digest_of_games(games: Sequence[GivenGame]) -> str:
    """Return the SHA-256 of everything that is played of *games*, and of their ids; the order counts."""
    found = hashlib.sha256()
    for one in games:
        game, name = one.game, one.game_id.encode("utf-8", "surrogatepass")
        found.update(struct.pack("<qq", len(name), len(game.prices)) + name)
        found.update(struct.pack(f"<{len(game.prices)}d", *game.prices))
        found.update(struct.pack("<qd?", game.rug_tick, game.rug_price, game.rugged))
    return found.hexdigest()


def _add_rows(path: Path, found: GivenGames) -> bool:
    """Add the games of a file that has one in each row; return whether it is one."""
    if not path.is_file():
        return False
    file = TextFile(path)
    if file.is_binary:
        return False
    for row in file:
        kind = kind_of(row)
        if kind == FRAMES:
            return False
        if kind not in _PLAYABLE:
            found.unplayable["the row has no game with seed or prices"] += 1
            continue
        try:
            if kind == "seeded_games":
                found.add(_text(row, "id"), _seeded(row))
            else:
                found.add(_text(row, "game_id"), _recorded(row))
        except ValueError:
            found.unplayable["a value of the row cannot be read"] += 1
    return bool(found.games or found.unplayable)


def _seeded(row: TextRow) -> FairGame | str:
    seed, version = _text(row, "serverSeed"), _text(row, "gameVersion")
    if seed and version in rules.LAW_VERSIONS:
        return play_game(seed, _text(row, "id"), version)
    recorded = _recorded(row, "rugPrice", "rugTick")
    if isinstance(recorded, str):
        return "the seed is missing or the law's version is unknown"
    return recorded


def _recorded(
    row: TextRow, rug_price_key: str = "rug_price", rug_tick_key: str = "rug_tick"
) -> FairGame | str:
    prices = value_of(row.fields.get("prices"))
    rug = value_of(row.fields.get(rug_price_key))
    whole = isinstance(prices, list) and prices and all(_is_price(price) for price in prices)
    if not whole or len(prices) > rules.MAX_TICKS + 1 or prices[0] != rules.START_PRICE:
        return "a recorded price is missing"
    if value_of(row.fields.get(rug_tick_key)) not in (None, len(prices)):
        return "a recorded price is missing"
    if not _is_price(rug) and value_of(row.fields.get("complete")) is False:
        return "the recording ends before the rug"
    live = tuple(map(float, prices))
    return FairGame(
        prices=live,
        rug_tick=len(live),
        rug_price=float(rug) if _is_price(rug) else rug_price(live),
        peak=max(live),
    )


def _is_price(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= float_info.max


def _text(row: TextRow, name: str) -> str:
    value = value_of(row.fields.get(name))
    return value if isinstance(value, str) else ""


def _add_frames(frames: Iterator[Frame], found: GivenGames) -> None:
    """Add the games of the frames: those are played whose seed the history shows."""
    seen: set[str] = set()
    running: dict[str, None] = {}  # in order
    for frame in frames:
        if frame.direction is not Direction.IN or frame.truncated:
            continue
        try:
            event = decode(frame)
        except WireError:
            found.unplayable["a frame cannot be read"] += 1
            continue
        if not isinstance(event, GameFrame):
            continue
        running[event.game_id] = None
        for game in event.history:
            if game.game_id in seen:
                continue
            seen.add(game.game_id)
            if game.version in rules.LAW_VERSIONS:
                played = play_game(game.server_seed, game.game_id, game.version)
                found.add(game.game_id, played)
            else:
                found.add(game.game_id, "the law's version is unknown")
    for game_id in running:
        if game_id not in seen:
            found.add(game_id, "the recording does not show its seed")


def _journal_frames(path: Path) -> Iterator[Frame]:
    with closing(read_journal(path)) as journal:
        for entry in journal:
            if entry.kind == "frame":
                yield entry.frame()


def _capture_frames(path: Path) -> Iterator[Frame]:
    for _, _, item in CaptureFeed(path).placed():
        if isinstance(item, Frame):
            yield item
