"""Links that are reset with actions in flight, and links that deliver nothing more."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

from attrs import define, field
from live_common import BenchmarkError, Bot, FaultProxy, Figures, Venue, missed, quantiles

UNKNOWN_MS = 50.0
DENIED_S = 1.5
REBUILT_S = 5.0
REBUILT_BY_PING_S = 8.0
LATENCY_MS = 400
RESOLVE_S = 30.0
_HELD_S = 0.15
_IN_FLIGHT_S = 0.1
_ORDER_BYTES = 120  # more than a ping or the answer to one
_ORDER_S = 5.0
_TICKS_LEFT = 40


@define
class Losses:
    """The figures of many lost links."""

    seed: int
    resets: Counter[str] = field(factory=Counter)
    unknown_ms: list[float] = field(factory=list)
    in_flight: int = 0
    resumed: int = 0
    pending: Counter[int] = field(factory=Counter)
    problems: list[str] = field(factory=list)


async def run_disconnects(
    root: Path, times: int, seed: int, bots: int, speed: float
) -> dict[str, Any]:
    """Reset links until *times* of them had actions in flight, and return the figures."""
    found, stores = Losses(seed), Figures()
    async with Venue.open(bots, seed=seed, speed=speed, latency_ms=LATENCY_MS) as venue:
        chains = [
            _lose(root / f"bot-{number}", number, venue, times, found) for number in range(bots)
        ]
        for bot in await asyncio.gather(*chains):
            stores.add(bot, venue)
        asked = sum(map(len, venue.records.values()))
    problems = found.problems + stores.problems
    spread = quantiles(found.unknown_ms)
    late = sum(ms > UNKNOWN_MS for ms in found.unknown_ms)
    if late:
        problems.append(f"slow: {late} disconnects were seen after more than {UNKNOWN_MS} ms")
    return {
        "disconnects": sum(found.resets.values()),
        "kinds": dict(found.resets),
        "disconnects_with_actions_in_flight": found.in_flight,
        "actions_in_flight": {str(number): n for number, n in sorted(found.pending.items())},
        "reset_to_unknown_ms": spread,
        "halts_lifted": found.resumed,
        "requests": asked,
        **stores.to_json(),
        "problems": problems[:20],
        "over_goal": missed(problems),
    }


async def _lose(folder: Path, number: int, venue: Venue, times: int, found: Losses) -> Bot:
    """Reset one bot's link again and again, and have its session end in order."""
    chance = random.Random(f"{found.seed}:{number}")
    async with FaultProxy("127.0.0.1", venue.server.port, number) as proxy:
        notes = folder / "notes"
        bot = Bot(
            proxy.url, folder, number,
            parameters={"notes": str(notes)}, options=("--reconnects", "1000000"),
        )  # fmt: skip
        try:
            await bot.start()
            bot.go.touch()
            while found.in_flight < times:
                await bot.armed()
                if await _order_sent(proxy, notes):
                    await asyncio.sleep(chance.uniform(0, _IN_FLIGHT_S))
                    await _reset(proxy, notes, chance, found)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RESOLVE_S):
                    await bot.until(lambda status: status["unknown"] == 0)
        except BenchmarkError as error:
            found.problems.append(f"run: {error}")
        found.resumed += bot.resumed
        await bot.stop()
        return bot


async def _order_sent(proxy: FaultProxy, notes: Path) -> bool:
    """Wait until the bot has sent an order over an open link; return whether it has."""
    passed, ends = proxy.up.passed, time.monotonic() + _ORDER_S
    while time.monotonic() < ends:
        before, passed = passed, proxy.up.passed
        if passed - before >= _ORDER_BYTES and _last_link(notes) == "connected":
            return True
        await asyncio.sleep(0.005)
    return False


def _last_link(notes: Path) -> str:
    """Return the newest state of the link that that the strategy was notified of."""
    lines = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
    return str(json.loads(lines[-1])["link"]) if lines else ""


async def _reset(proxy: FaultProxy, notes: Path, chance: random.Random, found: Losses) -> None:
    """Reset the link, perhaps after a while in which one direction lost everything."""
    kind = chance.choice(["at once", "at once", "requests lost", "answers lost"])
    if kind != "at once":
        proxy.half_open(up=kind == "requests lost", down=kind == "answers lost")
        await asyncio.sleep(_HELD_S)
    size = _size(notes)
    at_ns = time.time_ns()
    if not proxy.reset():
        return
    line = await _next_line(notes, size)
    found.resets[kind] += 1
    if line is None:
        found.problems.append("unseen: a reset link was not reported within 5 s")
        return
    found.pending[line["pending"]] += 1
    if line["pending"]:
        found.in_flight += 1
        found.unknown_ms.append((line["at_ns"] - at_ns) / 1e6)
    if line["unknown"] != line["pending"]:
        found.problems.append(f"known: {line} after a reset")


def _size(notes: Path) -> int:
    return notes.stat().st_size if notes.exists() else 0


async def _next_line(notes: Path, size: int) -> dict[str, Any] | None:
    """Return the strategy's note of the next lost connection, None if there is none in 5 s."""
    ends = time.monotonic() + 5
    while time.monotonic() < ends:
        if _size(notes) > size:
            with notes.open(encoding="utf-8") as file:
                file.seek(size)
                lines = [json.loads(line) for line in file if line.endswith("\n")]
            for line in lines:
                if line["link"] == "disconnected":
                    return dict(line)
        await asyncio.sleep(0.005)
    return None


@define
class Silences:
    """The figures of one kind of half-open link."""

    denied_s: list[float] = field(factory=list)
    rebuilt_s: list[float] = field(factory=list)
    problems: list[str] = field(factory=list)


async def run_half_open(root: Path, times: int, seed: int) -> dict[str, Any]:
    """Have a link become half-open *times* times, in each direction and both, in real time."""
    kinds = ("both", "down", "up")
    found = {kind: Silences() for kind in kinds}
    stores = Figures()
    async with (
        Venue.open(1, seed=seed, speed=1.0, latency_ms=0) as venue,
        FaultProxy("127.0.0.1", venue.server.port, seed) as proxy,
    ):
        bot = Bot(proxy.url, root / "bot", 0, options=("--reconnects", "1000000"))
        await bot.start()
        bot.go.touch()
        for number in range(times):
            kind = kinds[number % len(kinds)]
            await _silence(bot, venue, proxy, kind, found[kind])
        await bot.stop()
        stores.add(bot, venue)
    problems = [f"{kind}: {line}" for kind in kinds for line in found[kind].problems]
    return {
        **{
            kind: {
                "times": len(figures.rebuilt_s),
                "entries_denied_after_s": quantiles(figures.denied_s),
                "link_rebuilt_after_s": quantiles(figures.rebuilt_s),
            }
            for kind, figures in found.items()
        },
        **stores.to_json(),
        "problems": (problems + stores.problems)[:20],
        "over_goal": missed(problems + stores.problems),
    }


async def _silence(bot: Bot, venue: Venue, proxy: FaultProxy, kind: str, found: Silences) -> None:
    """Make the link half-open during a game; measure when entries are denied, and when it is new."""
    await _mid_game(bot, venue)
    accepted, began = proxy.accepted, time.monotonic()
    proxy.half_open(up=kind != "down", down=kind != "up")
    denied_s = rebuilt_s = None
    while time.monotonic() - began < 2 * REBUILT_BY_PING_S and rebuilt_s is None:
        status = await bot.status()
        if denied_s is None and status and status["standing"] != "allowed":
            denied_s = time.monotonic() - began
        if proxy.accepted > accepted:
            rebuilt_s = time.monotonic() - began
        await asyncio.sleep(0.02)
    limit_s = REBUILT_BY_PING_S if kind == "up" else REBUILT_S
    if rebuilt_s is None or rebuilt_s > limit_s:
        found.problems.append(f"rebuilt: after {rebuilt_s} s, more than {limit_s}")
    if kind != "up" and (denied_s is None or denied_s > DENIED_S + 0.1):
        found.problems.append(f"denied: after {denied_s} s, more than {DENIED_S}")
    found.rebuilt_s += [] if rebuilt_s is None else [rebuilt_s]
    found.denied_s += [] if denied_s is None else [denied_s]


async def _mid_game(bot: Bot, venue: Venue) -> None:
    """Wait until entries are allowed in a game that lasts for a while."""
    exchange = venue.server.exchange
    while True:
        await bot.until(
            lambda status: status["standing"] == "allowed" and status["phase"] == "active", 180
        )
        market, game = exchange._market, exchange._game  # noqa: SLF001 - the end is nobody's knowledge
        if not market.rugged and game.rug_tick - market.tick > _TICKS_LEFT:
            return
        await asyncio.sleep(1)
