"""Stops of bots that ask for 1,000 actions a second, and of bots with a callback that does not return."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from attrs import define, field
from live_common import BenchmarkError, Bot, FaultProxy, Venue, missed, quantiles

from vectra_bot.errors import InputError
from vectra_bot.session.control import STOP_NAME, ask

LIMIT_MS = {"socket": 100.0, "signal": 100.0, "file": 1_000.0}
"""A stop by file is found by looking for the file."""
WAYS = ("socket", "socket", "signal", "socket", "file")
HANGS = ("", "sleep", "", "spin")
EXIT_S = 10.0
ASKED = 500
"""Actions asked for before a stop; on a busy machine most are denied or too late to be sent."""
SPEED = 4.0
"""16 ticks a second."""
_WATCH_S = 1.5


@define
class Stops:
    """The figures of many stops."""

    seed: int
    venue: Venue
    waiting: list[int]
    stops: Counter[str] = field(factory=Counter)
    last_ms: dict[str, list[float]] = field(factory=lambda: {way: [] for way in LIMIT_MS})
    in_time: int = 0
    exits_s: list[float] = field(factory=list)
    requests: list[int] = field(factory=list)
    problems: list[str] = field(factory=list)


async def run(root: Path, times: int, seed: int, bots: int) -> dict[str, Any]:
    """Stop *times* bots, each a new process, and return the figures."""
    async with Venue.open(bots, seed=seed, speed=SPEED, latency_ms=0) as venue:
        found = Stops(seed, venue, list(range(times)))
        await asyncio.gather(*(_stop_some(root / f"bot-{n}", n, found) for n in range(bots)))
    return {
        "stops": sum(found.stops.values()),
        "in_time": found.in_time,
        "kinds": dict(found.stops),
        "last_frame_after_stop_ms": {way: quantiles(ms) for way, ms in found.last_ms.items()},
        "exit_after_stop_s": quantiles(found.exits_s),
        "requests_before_stop": quantiles([float(number) for number in found.requests], 0),
        "problems": found.problems[:20],
        "over_goal": missed(found.problems),
    }


async def _stop_some(folder: Path, number: int, found: Stops) -> None:
    async with FaultProxy("127.0.0.1", found.venue.server.port, number) as proxy:
        bot = Bot(proxy.url, folder, number, strategy="Storm")
        while found.waiting:
            turn = found.waiting.pop(0)
            hang = HANGS[turn % len(HANGS)]
            bot.parameters = {
                "hang": str(folder / f"hang-{turn}"),
                "spin": str(hang == "spin").lower(),
            }
            try:
                await _stop_one(bot, proxy, turn, hang, found)
            except BenchmarkError as error:
                found.problems.append(f"run: {error}")
            await bot.kill()


async def _stop_one(bot: Bot, proxy: FaultProxy, turn: int, hang: str, found: Stops) -> None:
    way, chance, venue = WAYS[turn % len(WAYS)], random.Random(f"{found.seed}:{turn}"), found.venue
    await bot.start()
    await bot.armed()
    before = len(venue.records[bot.account])
    bot.go.touch()
    await bot.until(lambda status: status["phase"] == "active", 180)
    await bot.until(lambda status: sum(status["actions"].values()) > ASKED, 120)
    await asyncio.sleep(chance.uniform(0.3, 1.2))
    if hang:
        await _hang(Path(bot.parameters["hang"]))
        await asyncio.sleep(chance.uniform(0, 0.3))
    stopped = time.monotonic()
    await _request(bot, way)
    asked = time.monotonic()
    await asyncio.sleep(_WATCH_S)
    last_ms = max(0.0, proxy.up.passed_s - stopped) * 1_000
    found.stops[f"{way}{' ' + hang if hang else ''}"] += 1
    found.last_ms[way].append(last_ms)
    found.in_time += last_ms <= LIMIT_MS[way]
    found.requests.append(len(venue.records[bot.account]) - before)
    if last_ms > LIMIT_MS[way]:
        found.problems.append(
            f"late: the last frame left {last_ms:.0f} ms after a stop by {way} {hang}, "
            f"which took {(asked - stopped) * 1_000:.0f} ms"
        )
    if hang:
        return
    assert bot.process is not None
    try:
        async with asyncio.timeout(EXIT_S):
            await bot.process.wait()
        found.exits_s.append(time.monotonic() - stopped)
    except TimeoutError:
        found.problems.append(f"exit: the process runs {EXIT_S} s after a stop by {way}")


async def _hang(mark: Path) -> None:
    """Have the next callback not return, and wait until it runs."""
    await asyncio.to_thread(mark.touch)
    await _until(mark.with_name(f"{mark.name}.now").exists, "it did not hang")


async def _request(bot: Bot, way: str) -> None:
    """Stop the session by its socket, a signal or a file."""
    if way == "socket":
        with contextlib.suppress(InputError):
            await asyncio.to_thread(ask, bot.journal, "stop", "benchmark")
    elif way == "signal":
        assert bot.process is not None
        os.kill(bot.process.pid, signal.SIGTERM)
    else:
        (bot.journal / STOP_NAME).touch()


async def _until(reached: Any, wrong: str, limit_s: float = 120.0) -> None:
    ends = time.monotonic() + limit_s
    while not reached():
        if time.monotonic() > ends:
            raise BenchmarkError(wrong)
        await asyncio.sleep(0.01)
