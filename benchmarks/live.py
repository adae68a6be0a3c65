"""Time from a live tick to the order it led to: ``vectra-bot live`` beside a bare python-socketio client.

A server in this process plays games; each side trades at every second tick, one side after another:
``vectra-bot live --no-alerts`` without plugins and with five (``live_plugins.py``), and a client that emits
on the tick and keeps nothing. ``tick_to_socket_ms`` is from the receipt of the tick's frame to the hand-over
of the order's frame to the socket, the intent on the disk included, as the bot's journal has it;
``tick_to_server_ms`` is from the server's write of the tick to the receipt of the order, for all alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import socketio
from attrs import define, field
from live_common import Bot, Venue, load, quantiles

from vectra_bot.exchange import Outbound, RequestRecord
from vectra_bot.journal import read_journal
from vectra_bot.models import SendResult
from vectra_bot.models.times import NS_PER_MS

GOAL_MS = {"0 plugins": 5.0, "5 plugins": 10.0}
QUIET = 0.5
"""Load of the machine below which the goals apply."""
SPEED = 2.0
EVERY = 2
_SYNCS = 100
_SYNCED = 5_000
_TICK = '42["gameStateUpdate"'
_PLUGINS = ("average", "counts", "extremes", "guard", "trades")


@define
class Watch:
    """When the server wrote each live tick, and how long after it an order arrived."""

    venue: Venue
    written: dict[tuple[str, int], int] = field(factory=dict)
    late_ms: dict[str, list[float]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        exchange = self.venue.server.exchange
        step: Callable[[], list[Outbound]] = exchange.step

        def watched() -> list[Outbound]:
            messages = step()
            for message in messages:
                if message.text.startswith(_TICK) and '"active":true' in message.text:
                    market = exchange._market  # noqa: SLF001 - the tick that was just shown
                    self.written[market.game_id, market.tick] = time.perf_counter_ns()
            return messages

        exchange.step = watched  # type: ignore[method-assign]

    def on_record(self, record: RequestRecord) -> None:
        """Note an order that arrived."""
        written = self.written.get((record.game_id, record.tick))
        if written is not None:
            late_ms = (time.perf_counter_ns() - written) / NS_PER_MS
            self.late_ms.setdefault(record.player_id, []).append(late_ms)


def plugin_folder(root: Path) -> Path:
    """Return a folder with the five plugins as an installed distribution offers them."""
    folder = root / "plugins"
    info = folder / "live_plugins-1.dist-info"
    info.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("live_plugins.py"), folder)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: live-plugins\nVersion: 1\n")
    lines = [f"{name} = live_plugins:{name.capitalize()}" for name in _PLUGINS]
    (info / "entry_points.txt").write_text("[vectra_bot.plugins]\n" + "\n".join(lines) + "\n")
    return folder


async def live(
    root: Path, number: int, plugins: int, seconds: float, venue: Venue
) -> dict[str, Any]:
    """Trade with ``vectra-bot live``; return the times of its journal."""
    bot = Bot(
        venue.server.url, root / f"bot-{number}", number, strategy="OnTick", waits=False,
        parameters={"every": str(EVERY)},
        options=("--no-alerts", *(w for name in _PLUGINS[:plugins] for w in ("--plugin", name))),
    )  # fmt: skip
    await bot.start()
    await bot.armed()
    await asyncio.sleep(seconds)
    await bot.stop()
    decided: dict[str, int] = {}
    late_ms = []
    for entry in read_journal(bot.journal):
        if entry.kind == "intent":
            command = entry.command()
            decided[command.action_id] = command.created_ns
        elif (
            entry.kind == "input"
            and isinstance(result := entry.input(), SendResult)
            and result.sent
        ):
            late_ms.append((result.recv_ns - decided[result.action_id]) / NS_PER_MS)
    return {"orders": len(late_ms), "tick_to_socket_ms": quantiles(late_ms, 3)}


async def bare(number: int, seconds: float, venue: Venue) -> dict[str, Any]:
    """Trade with a bare client, which emits on the tick."""
    client = socketio.AsyncClient(handle_sigint=False)
    sent = 0

    async def on_tick(*arguments: Any) -> None:
        nonlocal sent
        state = arguments[-1]
        if state.get("active") and not state.get("rugged") and not state["tickCount"] % EVERY:
            sent += 1
            trace = {"__trace": True, "traceparent": f"00-{sent:032x}-{sent:016x}-01"}
            await client.emit("buyOrder", (trace, {"amount": 0.001}), callback=lambda *_: None)

    client.on("gameStateUpdate", on_tick)
    await client.connect(venue.server.url, transports=["websocket"])
    await client.emit("authenticate", {"token": f"bot-{number}"})
    await asyncio.sleep(seconds)
    await client.disconnect()
    return {"orders": sent}


async def measure(root: Path, seconds: float, seed: int) -> dict[str, Any]:
    """Return the figures of each side."""
    os.environ["PYTHONPATH"] = str(plugin_folder(root))
    async with Venue.open(3, seed=seed, speed=SPEED, latency_ms=0) as venue:
        watch = Watch(venue)
        sides: list[tuple[str, Callable[[], Awaitable[dict[str, Any]]]]] = [
            ("0 plugins", partial(live, root, 0, 0, seconds, venue)),
            ("5 plugins", partial(live, root, 1, len(_PLUGINS), seconds, venue)),
            ("bare client", partial(bare, 2, seconds, venue)),
        ]
        found: dict[str, Any] = {}
        for number, (name, side) in enumerate(sides):
            account = Bot(venue.server.url, root / f"bot-{number}", number).account
            venue.on_record[account] = watch.on_record
            before = load()
            found[name] = await side()
            found[name]["tick_to_server_ms"] = quantiles(watch.late_ms.get(account, []), 3)
            found[name]["load"] = [before, load()]
    return found


def sync_ms(folder: Path) -> dict[str, float | None]:
    """Return how long the disk takes to sync 5 kB in a file with its space allocated, as a journal's is."""
    file = os.open(folder / "sync", os.O_CREAT | os.O_WRONLY)
    times = []
    try:
        os.posix_fallocate(file, 0, _SYNCS * _SYNCED)
        os.fsync(file)
        for number in range(_SYNCS):
            os.pwrite(file, bytes(_SYNCED), number * _SYNCED)
            began = time.perf_counter_ns()
            os.fdatasync(file)
            times.append((time.perf_counter_ns() - began) / NS_PER_MS)
    finally:
        os.close(file)
    return quantiles(times, 3)


def over_goal(found: dict[str, Any]) -> list[str]:
    """Return the goals that were missed, if the machine was quiet."""
    return [
        f"{name}: p99 above {goal} ms"
        for name, goal in GOAL_MS.items()
        if max(found[name]["load"]) < QUIET
        and (found[name]["tick_to_socket_ms"]["p99"] or 1e9) > goal
    ]


def main() -> int:
    """Measure, print the figures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=90.0, help="time of each side")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vectra-live-") as folder:
        found = asyncio.run(measure(Path(folder), args.seconds, args.seed))
        synced = sync_ms(Path(folder))
    quiet = all(max(found[name]["load"]) < QUIET for name in GOAL_MS)
    result = {**found, "disk_sync_ms": synced, "quiet": quiet, "over_goal": over_goal(found)}
    print(json.dumps(result, indent=None if args.json else 2))
    return 1 if result["over_goal"] else 0


if __name__ == "__main__":
    sys.exit(main())
