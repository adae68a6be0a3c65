"""``kill -9`` of bots: each session recovers the killed one before it, and must know the exchange's books."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

from attrs import define, field
from live_common import BenchmarkError, Bot, Figures, Venue, books_agree, missed, quantiles

EARLY = 0.2
"""Share of kills before a session is armed: at its start, in its recovery, in its login."""
START_S = 2.5
TRADING_S = 2.5
LATENCY_MS = 400
"""From receipt to execution, of the venue's time."""


@define
class Kills:
    """The figures of many kills."""

    kills: Counter[str] = field(factory=Counter)
    in_flight: int = 0
    checks: int = 0
    ready_s: list[float] = field(factory=list)
    problems: list[str] = field(factory=list)


async def run(root: Path, times: int, seed: int, bots: int, speed: float) -> dict[str, Any]:
    """Kill *times* sessions of *bots* accounts in parallel, and return the figures."""
    found, stores = Kills(), Figures()
    async with Venue.open(bots, seed=seed, speed=speed, latency_ms=LATENCY_MS) as venue:
        shares = [times // bots + (number < times % bots) for number in range(bots)]
        chains = [
            _chain(Bot(venue.server.url, root / f"bot-{number}", number), venue, share, seed, found)
            for number, share in enumerate(shares)
        ]
        for bot in await asyncio.gather(*chains):
            stores.add(bot, venue)
        asked = sum(map(len, venue.records.values()))
    problems = found.problems + stores.problems
    whole = stores.to_json()
    return {
        "kills": sum(found.kills.values()),
        "killed": dict(found.kills),
        "killed_before_an_execution": found.in_flight,
        "books_compared": found.checks,
        "start_to_armed_s": quantiles(found.ready_s),
        "requests": asked,
        **whole,
        "problems": problems[:20],
        "over_goal": missed(problems),
    }


async def _chain(bot: Bot, venue: Venue, times: int, seed: int, found: Kills) -> Bot:
    """Start and kill the sessions of one account, then let one end in order."""
    chance = random.Random(f"{seed}:{bot.number}")
    try:
        for number in range(times):
            await bot.start()
            if number and chance.random() < EARLY:
                await asyncio.sleep(chance.uniform(0, START_S))
                await bot.kill()
                found.kills["before it was armed"] += 1
                continue
            await _until_armed(bot, venue, found)
            bot.go.touch()
            await asyncio.sleep(chance.uniform(0.05, TRADING_S))
            await bot.kill()
            asked = len(venue.records[bot.account])
            found.kills["while it traded"] += 1
            # What had been received is executed after the kill.
            await asyncio.sleep(2 * LATENCY_MS / venue.speed / 1_000)
            found.in_flight += len(venue.records[bot.account]) > asked
        await bot.start()
        await _until_armed(bot, venue, found)
        await bot.stop()
    except BenchmarkError as error:
        found.problems.append(f"run: {error}")
        await bot.kill()
    return bot


async def _until_armed(bot: Bot, venue: Venue, found: Kills) -> None:
    """Wait until a session is armed, and compare its books with the exchange's before it trades."""
    began = time.monotonic()
    await bot.armed()
    found.ready_s.append(time.monotonic() - began)
    found.checks += 1
    if wrong := await books_agree(bot, venue):
        found.problems.append(f"bot {bot.number} session {bot.sessions}: {wrong}")
