"""The fast driver, the engine and the exchange's books compared: the same fills and money, to the lamport.

    python benchmarks/parity.py --games 10000 --json

Every bundled strategy, and one with many stakes in side games, plays the same games by both drivers, at each
latency: each fill (tick, kind, lamports, tokens, price), every column of the table, the totals, and the cash
at the end of each block by the exchange's own books. With a crowd (`--crowd-games`) the engine plays both
times, and `engine` says so; then its account is compared with the books. `different` counts what differs,
`first` is the first difference with both values.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from attrs import evolve

from vectra_bot.backtest.event import EngineBlock
from vectra_bot.backtest.fast import NeedsEngine
from vectra_bot.backtest.fast.block import FastBlock
from vectra_bot.backtest.fast.rounds_block import RoundsBlock
from vectra_bot.backtest.games import COLUMNS, FillRow, Games
from vectra_bot.backtest.play import PlayConfig
from vectra_bot.exchange import ExchangeOptions
from vectra_bot.loading import resolve_strategy, strategy_names

SIDE_GAMES = str(Path(__file__).with_name("side_games.py"))
BLOCK = 250  # games of one task
CROWD = 300
COUNTDOWN_MS = (
    5000  # no player sees the frames of a countdown: few of them save half of the engine's time
)
ROUNDED = ("expected", "variance")  # sums of doubles, added in another order
TOTALS = ("denials", "actions", "placed", "unknown", "fills", "ticks", "capped")


class Task(NamedTuple):
    """A block to compare."""

    strategy: str
    latency_ms: int
    crowd: int
    first: int
    games: int
    seed: int

    def config(self) -> PlayConfig:
        return PlayConfig(
            source=resolve_strategy(self.strategy),
            games=self.games,
            seed=self.seed,
            first=self.first,
            latency_ms=self.latency_ms,
            exchange=ExchangeOptions(crowd=self.crowd, countdown_step=COUNTDOWN_MS),
        )


class Compared(NamedTuple):
    """The result of comparing a block."""

    task: Task
    engine: str
    why: str
    fills: int
    different: int
    first: str


def compare(task: Task) -> Compared:
    """Play a block both ways and compare everything."""
    config, theirs = task.config(), list[FillRow]()
    block = EngineBlock(evolve(config, engine="event"), theirs.append)
    event = block.play()
    found = [f"books: {block.booked()}, account {event.balance[-1]}"]
    if block.booked() == block.engine.account.cash:
        found = []
    engine, why, ours = "fast", "", list[FillRow]()
    try:
        fast, games = play_fast(config, ours)
        found += differences(games, event, ours, theirs)
        found += fast.venue.books.differences()
    except NeedsEngine as refusal:
        engine, why = "event", str(refusal)
    return Compared(task, engine, why, len(theirs), len(found), found[0] if found else "")


def play_fast(config: PlayConfig, fills: list[FillRow]) -> tuple[FastBlock, Games]:
    """Play a block by the fast driver, again with rounds if the strategy looks at side games."""
    block = FastBlock(config, fills.append)
    try:
        return block, block.play()
    except NeedsEngine:
        if not block.needs_rounds:
            raise
    fills.clear()
    block = RoundsBlock(config, fills.append)
    return block, block.play()


def differences(
    fast: Games, event: Games, ours: list[FillRow], theirs: list[FillRow]
) -> Iterator[str]:
    """Yield each difference: game, tick, and both values."""
    for mine, its in zip(ours, theirs, strict=False):
        if mine != its:
            yield f"game {mine.game}, tick {mine.tick}: fast {mine}, engine {its}"
    if len(ours) != len(theirs):
        yield f"fills: fast {len(ours)}, engine {len(theirs)}"
    for name in COLUMNS:
        mine, its = getattr(fast, name), getattr(event, name)
        same = np.isclose(mine, its, rtol=1e-6, atol=10) if name in ROUNDED else mine == its
        for row in np.flatnonzero(~same):
            yield f"game {fast.first + row}, {name}: fast {mine[row]}, engine {its[row]}"
    for name in TOTALS:
        mine, its = getattr(fast, name), getattr(event, name)
        if mine != its:
            yield f"{name}: fast {mine}, engine {its}"


def tasks(options: argparse.Namespace) -> list[Task]:
    """Return the blocks to compare, the parts of all rows mixed."""
    return [
        Task(strategy, latency_ms, crowd, first, min(options.block, games - first), options.seed)
        for crowd, games in ((0, options.games), (CROWD, options.crowd_games))
        for first in range(0, games, options.block)
        for strategy in options.strategy or [*sorted(strategy_names()), SIDE_GAMES]
        for latency_ms in options.latency_ms
    ]


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Compare every block, on as many processes as wanted."""
    rows: dict[tuple[str, int, int], dict[str, Any]] = {}
    began, every = time.monotonic(), tasks(options)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, context) as pool:
        for number, done in enumerate(pool.map(compare, every), 1):
            task = done.task
            row = rows.setdefault(
                (task.strategy, task.latency_ms, task.crowd),
                {
                    "strategy": task.strategy, "latency_ms": task.latency_ms, "crowd": task.crowd,
                    "games": 0, "fills": 0, "fast_games": 0, "why": {}, "different": 0, "first": "",
                },
            )  # fmt: skip
            row["games"] += task.games
            row["fills"] += done.fills
            row["fast_games"] += task.games * (done.engine == "fast")
            row["different"] += done.different
            row["first"] = row["first"] or done.first
            if done.why:
                row["why"][done.why] = row["why"].get(done.why, 0) + task.games
            if done.first or number % 20 == 0:
                text = f"{number} of {len(every)} blocks, {time.monotonic() - began:.0f} s {done.first}"
                print(text, file=sys.stderr, flush=True)
    found = list(rows.values())
    differ = [f"{row['strategy']} {row['latency_ms']} ms" for row in found if row["different"]]
    return {"games": options.games, "rows": found, "over_goal": differ}


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--games", type=int, default=10_000, help="games without a crowd")
    parser.add_argument("--crowd-games", type=int, default=500, help="games with a crowd")
    parser.add_argument("--latency-ms", type=int, nargs="*", default=[0, 70])
    parser.add_argument(
        "--strategy", nargs="*", help="by default all bundled ones, and side_games.py"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--block", type=int, default=BLOCK, help="games of a block")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = measured(options)
    if options.json:
        print(json.dumps(result))
    else:
        for row in result["rows"]:
            print(*(f"{name}={value}" for name, value in row.items()))
    return 1 if result["over_goal"] else 0


if __name__ == "__main__":
    sys.exit(main())
