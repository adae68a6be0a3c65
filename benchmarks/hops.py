"""CPU time of one plain tick frame from ``Shell.take`` to the journal, compared with an earlier commit.

    python benchmarks/hops.py --json

The frames are those of some games of the embedded exchange, written once by the earlier commit and read by
both sides. A session like that of `vectra-bot run`, but without plugins and with a strategy that watches
and never acts, processes all of them; measured is the CPU time of its thread (`cpu_us`) over the tick
frames of running games, without the first game, which warms the interpreter. The kernel's work at the first
store into a page of the journal's file is done on both sides before the first frame: every page has been
touched.

Each side runs in a separate process, the two alternating, round after round. A busy machine only adds to
the cost of a frame, so each frame counts with its minimum over all rounds; `cpu_us` is the mean of these,
and `cpu_ratio` the ratio of both sides. `calls` and `modules` say, for information, how many Python
functions a tick frame calls, and in how many modules.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import json
import mmap
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from operator import attrgetter
from pathlib import Path
from types import FrameType
from typing import Any

BEFORE = "3d44e93"
GOAL_RATIO = 0.8
ROOT = Path(__file__).resolve().parents[1]
# Location of classes that moved since the earlier commit, by side.
MOVED = {
    "before": {
        "Journal": "vectra_bot.store.journal",
        "SessionTally": "vectra_bot.analysis.report.SessionStats",
    },
    "now": {
        "Journal": "vectra_bot.journal.journal",
        "SessionTally": "vectra_bot.report.session",
    },
}
# Attribute of a journal with the mapping of its open segment, by side.
OPEN_MAP = {"before": attrgetter("_map"), "now": attrgetter("_segments.open.map")}


def of_side(side: str, name: str) -> Any:
    """Return the class *name* of *side*, which may have another name there."""
    from importlib import import_module

    module, _, last = MOVED[side][name].rpartition(".")
    if last[0].isupper():
        return getattr(import_module(module), last)
    return getattr(import_module(MOVED[side][name]), name)


# ------------------------------------------------------------------------------- one side, in its own process


async def write_frames(path: Path, games: int) -> None:
    """Write the inbound frames of *games* games, one JSON array of time and text per line."""
    from vectra_bot.exchange import ExchangeConfig
    from vectra_bot.models import Frame
    from vectra_bot.venues.embedded import EmbeddedVenue

    venue = EmbeddedVenue.open(ExchangeConfig(seed=7), games=games)
    with path.open("w", encoding="utf-8") as out:
        async for item in venue.feed:
            if isinstance(item, Frame):
                out.write(json.dumps([item.recv_ns, item.raw]) + "\n")
    await venue.feed.aclose()


def is_tick(raw: str) -> bool:
    """Return whether *raw* is a tick frame of a running game, not its start or its end."""
    return (
        raw.startswith('42["gameStateUpdate",{"active":true')
        and '"tradeCount":' in raw
        and '"rugged":false' in raw
    )


def make_shell(side: str, store: Path, segment_bytes: int) -> Any:
    """Return the shell of a new session whose strategy only watches; its journal is one warm segment."""
    from vectra_bot.actions.risk import Limits
    from vectra_bot.engine import Engine
    from vectra_bot.models import Mode
    from vectra_bot.plugins import PluginManager
    from vectra_bot.session.shell import NoGateway, Shell
    from vectra_bot.strategy import Strategy

    class Watcher(Strategy):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            if game.tick == 100_000:
                self.actions.buy()

    engine = Engine(
        session_id="hops",
        mode=Mode.PAPER,
        strategy=Watcher(),
        plugins=PluginManager(),
        limits=Limits(),
    )
    header = {"session_id": "hops", "mode": "paper", "venue": "embedded"}
    journal = of_side(side, "Journal").create(
        store / "journals" / "hops", header, segment_bytes=segment_bytes, sync_interval_s=0
    )
    memory = OPEN_MAP[side](journal)
    for page in range(0, len(memory), mmap.PAGESIZE):
        memory[page] = memory[page]
    return Shell(engine, journal, NoGateway(), of_side(side, "SessionTally")(engine), store)


class Passed:
    """Count the functions that are called, and their modules."""

    def __init__(self) -> None:
        self.calls = 0
        self.modules = 0
        self.frames = 0
        self._seen: set[str] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            self.calls += 1
            self._seen.add(frame.f_globals.get("__name__", ""))

    def next_frame(self) -> None:
        self.frames += 1
        self.modules += len(self._seen)
        self._seen.clear()


async def measure(side: str, frames: Path, *, count_calls: bool) -> dict[str, Any]:
    """Return the cost of tick frames for *side*: nanoseconds of each, or the mean number of calls."""
    from vectra_bot.models import Frame

    with frames.open(encoding="utf-8") as lines:
        items = [Frame(recv_ns, raw) for recv_ns, raw in map(json.loads, lines)]
    passed = Passed()
    spent: list[int] = []
    with tempfile.TemporaryDirectory() as store:
        room = 2 * sum(len(item.raw) for item in items)
        shell = make_shell(side, Path(store), room + (1 << 20))
        # The garbage collector need not scan the benchmark's own objects.
        gc.collect()
        gc.freeze()
        for item in items:
            if not is_tick(item.raw) or not shell.engine.counts["games"]:
                await shell.take(item)
            elif count_calls:
                sys.setprofile(passed)
                await shell.take(item)
                sys.setprofile(None)
                passed.next_frame()
            else:
                began = time.thread_time_ns()
                await shell.take(item)
                spent.append(time.thread_time_ns() - began)
        shell.journal.abandon()
    if count_calls:
        return {"calls": passed.calls / passed.frames, "modules": passed.modules / passed.frames}
    return {"ns": spent}


# --------------------------------------------------------------------------------------------- the comparison


def old_tree(into: Path) -> Path:
    """Unpack the earlier commit."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", BEFORE, "vectra_bot"], check=True, capture_output=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tree:
        tree.extractall(into, filter="data")
    return into


def child(tree: Path, *arguments: str) -> dict[str, Any]:
    """Return the output of this script for the package in *tree*."""
    done = subprocess.run(
        [sys.executable, __file__, "--side", *arguments],
        env={**os.environ, "PYTHONPATH": str(tree)},
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def cpu_times(count: int, trees: dict[str, Path], frames: Path) -> dict[str, float]:
    """Return the mean CPU time of a frame in microseconds by side; the first side of a round alternates."""
    seen: dict[str, list[list[int]]] = {side: [] for side in trees}
    for number in range(count):
        for side, tree in list(trees.items())[:: 1 if number % 2 else -1]:
            seen[side].append(child(tree, side, str(frames))["ns"])
    return {
        side: statistics.mean(map(min, zip(*found, strict=True))) / 1e3
        for side, found in seen.items()
    }


def compare(count: int, games: int) -> dict[str, Any]:
    """Return the figures of the comparison."""
    with tempfile.TemporaryDirectory() as scratch:
        trees = {"before": old_tree(Path(scratch) / BEFORE), "now": ROOT}
        frames = Path(scratch) / "frames.jsonl"
        child(trees["before"], "before", str(frames), "--write", str(games))
        cpu = cpu_times(count, trees, frames)
        calls = {side: child(tree, side, str(frames), "--calls") for side, tree in trees.items()}
    ratio = cpu["now"] / cpu["before"]
    return {
        "cpu_us": round(cpu["now"], 2),
        "cpu_us_before": round(cpu["before"], 2),
        "cpu_ratio": round(ratio, 3),
        "calls": round(calls["now"]["calls"], 1),
        "calls_before": round(calls["before"]["calls"], 1),
        "modules": round(calls["now"]["modules"], 1),
        "modules_before": round(calls["before"]["modules"], 1),
        "over_goal": [f"cpu_ratio > {GOAL_RATIO}"] if ratio > GOAL_RATIO else [],
        "load": round(os.getloadavg()[0], 2),
    }


def main() -> int:
    """Compare, or be one side of the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one line instead of many")
    parser.add_argument("--rounds", type=int, default=9, help="rounds (default 9)")
    parser.add_argument("--games", type=int, default=12, help="games to read (default 12)")
    parser.add_argument("--side", nargs=2, metavar=("NAME", "FRAMES"), help=argparse.SUPPRESS)
    parser.add_argument("--write", type=int, metavar="GAMES", help=argparse.SUPPRESS)
    parser.add_argument("--calls", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side is None:
        figures = compare(given.rounds, given.games)
        print(json.dumps(figures, indent=None if given.json else 2))
        return 1 if figures["over_goal"] else 0
    side, frames = given.side[0], Path(given.side[1])
    if given.write is not None:
        asyncio.run(write_frames(frames, given.write))
        print("{}")
    else:
        print(json.dumps(asyncio.run(measure(side, frames, count_calls=given.calls))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
