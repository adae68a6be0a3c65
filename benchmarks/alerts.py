"""CPU time of the engine with all alert rules, compared with the engine without.

    python benchmarks/alerts.py --json [--games N] [--seed N]

Games of the embedded exchange, and all frames of the recordings in the folder that `VECTRA_DATA` names, go
through two engines in the same process, thousands of events at a time, in alternating order: one with the
bundled plugin `alerts` and its three custom signals set, and one without. Both have a strategy that watches
every tick and never acts. Measured is the CPU time of the thread for each tick frame of a running game,
without the time that the measurement takes itself. `ratio` is the one with rules over the one without.

Recordings are few and short: they are played in several rounds, each with new engines, and each tick counts
with its minimum, because a busy machine only adds to it. Some games of the exchange, which warm the
interpreter, are played before and not measured. A third engine, with its own rules, processes the same
events, and its alerts must be equal (`deterministic`). Exit code 1 if a ratio is above 2 or alerts differ.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import sys
import time
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from attrs import define, field

from vectra_bot import Limits, Strategy
from vectra_bot.engine import Engine
from vectra_bot.errors import VectraError
from vectra_bot.exchange import Exchange, ExchangeConfig
from vectra_bot.loading.plugins import PluginChoice, load_plugins
from vectra_bot.models import (
    DocType,
    Document,
    Event,
    Frame,
    FrameKind,
    GameFrame,
    Mode,
)
from vectra_bot.serde import record_to_json
from vectra_bot.session.replay import open_recording
from vectra_bot.session.shell import read_frame
from vectra_bot.venues.embedded import EmbeddedVenue

GOAL_RATIO = 2.0
BATCH = 5_000  # events that one engine processes before the next: a session has one engine
CUSTOM = {
    "custom_1": "price > 3 and tick > 40",
    "custom_2": "price < 0.2 * peak",
    "custom_3": "change(4) > 1",
}


class Watcher(Strategy):
    """Look at every tick."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if game.tick == 100_000:
            self.actions.buy()


def make_engine(*, alerts: bool) -> Engine:
    """Return an engine with all rules, or without any."""
    plugins = load_plugins(
        PluginChoice(settings={"alerts": CUSTOM} if alerts else {}, disable=("session-log",))
    )
    return Engine(
        session_id="bench",
        mode=Mode.PAPER,
        strategy=Watcher(),
        plugins=plugins,
        limits=Limits(),
    )


@define
class Side:
    """One engine with what it took and what alerts it gave."""

    engine: Engine
    cpu_ns: array[int] = field(factory=lambda: array("q"))
    alerts: int = 0
    by_type: Counter[str] = field(factory=Counter)
    digest: Any = field(factory=hashlib.sha256)

    def take(self, event: Event) -> int:
        """Process *event* and return the CPU time, nanoseconds."""
        before = time.thread_time_ns()
        effects = self.engine.process(event)
        took = time.thread_time_ns() - before
        for effect in effects:
            if isinstance(effect, Document) and effect.doc_type is DocType.ALERT_TRIGGER:
                self.note(effect.record)
        return took

    def note(self, alert: Any) -> None:
        """Count an alert."""
        self.alerts += 1
        self.by_type[getattr(alert.alert_type, "value", alert.alert_type)] += 1
        self.digest.update(json.dumps(record_to_json(alert), sort_keys=True).encode())


def empty_ns() -> float:
    """Return the CPU time that a measurement itself takes, nanoseconds."""
    clock = time.thread_time_ns
    return min(sum(-clock() + clock() for _ in range(1000)) for _ in range(20)) / 1000


def is_active_tick(event: Event) -> bool:
    """Return whether *event* is a tick frame of a running game."""
    return (
        type(event) is GameFrame
        and event.kind is FrameKind.TICK
        and event.active is True
        and not event.rugged
    )


async def exchange_events(games: int, seed: int) -> AsyncIterator[Event]:
    """Yield the events of *games* games of the exchange, without a crowd."""
    venue = EmbeddedVenue(Exchange(ExchangeConfig(seed=seed, crowd=0)), games=games)
    async for item in venue.feed:
        yield read_frame(item) if isinstance(item, Frame) else item
    await venue.feed.aclose()


async def recorded_events(path: Path) -> AsyncIterator[Event]:
    """Yield the events of a recording."""
    feed = open_recording(path)
    async for item in feed:
        if not isinstance(item, Frame):
            yield item
        elif item.direction.value == "in" and not item.truncated:
            yield read_frame(item)
    await feed.aclose()


async def play(events: AsyncIterator[Event]) -> tuple[Side, Side, Side]:
    """Return the engine without rules, the one with rules, and a second one with rules, after *events*."""
    without, with_rules, again = (
        Side(make_engine(alerts=alerts)) for alerts in (False, True, True)
    )
    batch: list[Event] = []
    order = [without, with_rules, again]
    async for event in events:
        batch.append(event)
        if len(batch) == BATCH:
            run(order, batch)
            batch, order = [], order[::-1]
    run(order, batch)
    return without, with_rules, again


def run(sides: list[Side], batch: list[Event]) -> None:
    """Process *batch* in one engine after the other."""
    for side in sides:
        for event in batch:
            took = side.take(event)
            if is_active_tick(event):
                side.cpu_ns.append(took)


async def measure(sources: Iterable[Callable[[], AsyncIterator[Event]]], rounds: int) -> Any:
    """Return what both sides took over the active ticks of *sources*, each tick's minimum over the rounds."""
    cpu_ns, ticks, alerts, faults = [0, 0], 0, 0, 0
    by_type: Counter[str] = Counter()
    digests: list[str] = []
    deterministic = True
    for source in sources:
        played = [await play(source()) for _ in range(rounds)]
        for side in (0, 1):
            cpu_ns[side] += sum(map(min, zip(*(one[side].cpu_ns for one in played), strict=True)))
        without, with_rules, _ = played[0]
        ticks += len(without.cpu_ns)
        by_type += with_rules.by_type
        alerts += with_rules.alerts
        faults += sum(with_rules.engine.plugin_errors.values())
        found = {side.digest.hexdigest() for one in played for side in one[1:]}
        deterministic = deterministic and len(found) == 1
        digests += sorted(found)
    base = empty_ns()
    a, b = (one / max(ticks, 1) - base for one in cpu_ns)
    return {
        "ticks": ticks,
        "cpu_us_without": round(a / 1000, 3),
        "cpu_us_with": round(b / 1000, 3),
        "ratio": round(b / a, 3) if ticks else None,
        "alerts": alerts,
        "by_type": dict(sorted(by_type.items())),
        "sha256": hashlib.sha256("".join(digests).encode()).hexdigest(),
        "deterministic": deterministic,
        "rule_faults": faults,
    }


def recordings() -> list[Path]:
    """Return the recordings of frames in the folder that ``VECTRA_DATA`` names."""
    folder = os.environ.get("VECTRA_DATA")
    found = []
    for path in sorted(Path(folder).rglob("*.jsonl*")) if folder else ():
        try:
            open_recording(path)
        except VectraError:
            continue
        found.append(path)
    return found


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--games", type=int, default=10_000, help="games of the exchange")
    parser.add_argument("--seed", type=int, default=1, help="seed of the exchange")
    parser.add_argument("--warm", type=int, default=20, help="games before, not measured")
    parser.add_argument("--rounds", type=int, default=5, help="rounds over the recordings")
    parser.add_argument(
        "--only", choices=("rules", "sinks"), default="rules", help="what is measured"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    if given.only == "sinks":
        import alerts_sinks

        return alerts_sinks.main(["--json"] if given.json else [])
    asyncio.run(play(exchange_events(given.warm, given.seed + 1)))
    games = partial(exchange_events, given.games, given.seed)
    files = [partial(recorded_events, path) for path in recordings()]
    found = {"exchange": asyncio.run(measure([games], 1))}
    if files:
        found["recordings"] = asyncio.run(measure(files, given.rounds))
    good = all(one["deterministic"] and (one["ratio"] or 0) <= GOAL_RATIO for one in found.values())
    report = {
        "games": given.games,
        "seed": given.seed,
        "goal_ratio": GOAL_RATIO,
        "ok": good,
        "parts": found,
    }
    if given.json:
        print(json.dumps(report, indent=2))
    else:
        for name, one in found.items():
            print(
                name,
                *(f"{key}={value}" for key, value in one.items() if not isinstance(value, dict)),
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
