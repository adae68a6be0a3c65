"""Shared by the parts of the store's benchmark: rounds, frames, and the machine's load."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vectra_bot.exchange import Exchange, ExchangeConfig
from vectra_bot.models import Frame, FrameKind, GameFrame
from vectra_bot.venues.embedded import EmbeddedVenue
from vectra_bot.venues.replay import CaptureFeed
from vectra_bot.wire.decode import decode
from vectra_bot.wire.states import WireFormat

STATE = '42["gameStateUpdate"'
ROYALE = '"rugRoyale":'
ROYALE_CHARS = 5_000
# A frame with the history of a hundred games is forty times as long as a tick's: there is one per game.
LONGEST_TICK = 40_000
HEADER: dict[str, Any] = {"session_id": "bench", "mode": "paper", "venue": "bench"}


def alternate(rounds: int, sides: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Run every side once per round, in rotating order, and return the results of each round."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found[name].append(sides[name]())
    return found


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median over the rounds of *ours* divided by *theirs*."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def spread(values: list[float], digits: int = 3) -> dict[str, float]:
    """Return median, minimum and maximum."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def percentile(values: list[float], share: float) -> float:
    """Return the value below which *share* of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def load() -> float:
    """Return the machine's load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def timed(action: Callable[[], object]) -> float:
    """Return the duration of *action* in seconds."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def frames_of_file(path: Path) -> list[str]:
    """Return the game frames of a capture, as read by ``vectra-bot replay``, or of one raw text per line.

    Raises:
        SystemExit: there are none.
    """
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        texts = [line.rstrip("\n") for line in lines if line.startswith(STATE)]
    if not texts:
        items = CaptureFeed(path).items()
        texts = [item.raw for item in items if isinstance(item, Frame)]
    texts = [text for text in texts if text.startswith(STATE) and len(text) < LONGEST_TICK]
    if not texts:
        raise SystemExit(f"{path} has no game frames")
    return texts


def frames_of_exchange(games: int, seed: int) -> list[str]:
    """Return the live frames of *games* games of the exchange's ``dec`` format, 9 to 10 kB each.

    They are that long, on the venue and here, while a rug royale is announced; an announcement is added
    to the frames without one. The short frames of the countdown are excluded.

    Raises:
        SystemExit: no rug royale was announced in these games.
    """
    texts = asyncio.run(_collect(games, seed))
    longest = max((_royale(text) for text in texts), key=lambda found: len(found[1]))[1]
    if len(longest) < ROYALE_CHARS:
        raise SystemExit(
            f"seed {seed} announces no rug royale in {games} games: give another --seed"
        )
    return [f"{head}{longest}{tail}" for head, value, tail in map(_royale, texts) if value]


def _royale(text: str) -> tuple[str, str, str]:
    """Return the text before, in and after the value of ``rugRoyale``; all before, if there is none."""
    at = text.find(ROYALE)
    if at < 0:
        return text, "", ""
    start = at + len(ROYALE)
    _, length = json.JSONDecoder().raw_decode(text[start:])
    return text[:start], text[start : start + length], text[start + length :]


async def _collect(games: int, seed: int) -> list[str]:
    config = ExchangeConfig(seed=seed, wire_format=WireFormat.DEC)
    venue = EmbeddedVenue(Exchange(config), games=games)
    return [
        item.raw
        async for item in venue.feed
        if isinstance(item, Frame) and item.raw.startswith(STATE) and len(item.raw) < LONGEST_TICK
    ]


def live_tick(text: str) -> tuple[str, int] | None:
    """Return game and tick if the frame is a live tick, else None."""
    frame = decode(Frame(0, text))
    assert isinstance(frame, GameFrame)
    live = frame.kind in (FrameKind.TICK, FrameKind.START) and frame.active and not frame.rugged
    return (frame.game_id, frame.tick) if live and frame.tick is not None else None


class Laps:
    """An endless stream of frames: the same ones in each lap, with other game names."""

    def __init__(self, texts: list[str]) -> None:
        self._pieces: list[tuple[str, ...]] = []
        self._names: list[str] = []
        self._ticks: list[tuple[str, int] | None] = []
        for text in texts:
            tick = live_tick(text)
            frame = decode(Frame(0, text))
            assert isinstance(frame, GameFrame)
            self._pieces.append(tuple(text.split(frame.game_id)) if frame.game_id else (text,))
            self._names.append(frame.game_id or "")
            self._ticks.append(tick)

    def __len__(self) -> int:
        return len(self._pieces)

    def __iter__(self) -> Iterator[str]:
        lap = 0
        while True:
            for pieces, name in zip(self._pieces, self._names, strict=True):
                yield self._renamed(name, lap).join(pieces)
            lap += 1

    @property
    def mean_bytes(self) -> int:
        """Mean length of a frame."""
        return sum(
            len(name.join(p)) for name, p in zip(self._names, self._pieces, strict=True)
        ) // len(self)

    def live_ticks(self, frames: int) -> int:
        """Return the number of different live ticks in the first *frames* frames."""
        laps, rest = divmod(frames, len(self._pieces))
        whole = len({tick for tick in self._ticks if tick is not None})
        return laps * whole + len({tick for tick in self._ticks[:rest] if tick is not None})

    @staticmethod
    def _renamed(name: str, lap: int) -> str:
        """Return a game's name in a later lap, of the same length."""
        mark = f"{lap:06x}"
        return f"{name[:-6]}{mark}" if lap else name
