"""9 kB frames from memory through decoder, engine with `watch`, journal and parts, at a given rate."""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from attrs import define, field
from store_common import Laps, frames_of_exchange, frames_of_file, load, percentile

from vectra_bot.actions.risk import Limits
from vectra_bot.engine import Engine
from vectra_bot.journal import Journal, journal_directory
from vectra_bot.loading import resolve_strategy
from vectra_bot.loading.plugins import load_plugins
from vectra_bot.models import Frame, Mode
from vectra_bot.report.session import SessionTally
from vectra_bot.session.shell import NoGateway, Shell
from vectra_bot.store.parquet.builder import begin_session
from vectra_bot.store.query.catalog import open_store
from vectra_bot.strategy import configure

LIMITS = {"loop_lag_p99_ms": 5.0, "lost_in_journal": 0, "lost_frames": 0, "lost_ticks": 0}
FLOORS = {"frames_per_s": 10_000.0}
SETTLE_S = 1.0
# Somewhat more often than a feed from a socket yields to the other tasks of the loop.
TURN = 4
TICK_S = 0.001


def new_shell(store: Path, session_id: str) -> Shell:
    """Return a session like that of `vectra-bot record`, without a connection."""
    header = {"session_id": session_id, "mode": "paper", "venue": "bench"}
    engine = Engine(
        session_id=session_id,
        mode=Mode.PAPER,
        strategy=configure(resolve_strategy("watch").cls, {}),
        plugins=load_plugins(),
        limits=Limits(),
    )
    journal = Journal.create(journal_directory(store, session_id), header)
    begin_session(store, session_id)
    return Shell(engine, journal, NoGateway(), SessionTally(engine), store, can_wait=False)


def source_of(args: argparse.Namespace) -> Laps:
    """Return the requested frames."""
    if args.frames is not None:
        return Laps(frames_of_file(args.frames))
    return Laps(frames_of_exchange(args.games, args.seed))


def waited_for_cores() -> float:
    """Return the seconds for which this thread was ready to run without a core; 0.0 if unknown."""
    try:
        text = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text()
    except OSError:
        return 0.0
    return int(text.split()[1]) / 1e9


@define
class Lags:
    """Delays of the other tasks of an event loop: how late a task that sleeps 1 ms wakes up.

    A second figure excludes the time in which the thread could have run but other processes had the
    cores, if the system reports it (Linux).
    """

    values: list[float] = field(factory=list)
    own: list[float] = field(factory=list)
    over: bool = False

    async def sample(self) -> None:
        """Sleep repeatedly until the end."""
        while not self.over:
            waited = waited_for_cores()
            before = time.perf_counter()
            await asyncio.sleep(TICK_S)
            late = time.perf_counter() - before - TICK_S
            self.values.append(late)
            self.own.append(max(0.0, late - (waited_for_cores() - waited)))

    def figures(self) -> dict[str, Any]:
        """Return the distribution in milliseconds."""
        return {
            "loop_lag_p50_ms": round(percentile(self.values, 0.50) * 1e3, 3),
            "loop_lag_p99_ms": round(percentile(self.values, 0.99) * 1e3, 3),
            "loop_lag_max_ms": round(max(self.values) * 1e3, 3),
            "loop_lag_p99_ms_without_waiting_for_cores": round(percentile(self.own, 0.99) * 1e3, 3),
            "loop_lag_samples": len(self.values),
        }


async def paced(shell: Shell, frames: Iterator[str], rate: float, seconds: float) -> dict[str, Any]:
    """Process *rate* frames a second for *seconds*; late frames are processed as soon as possible."""
    take = shell.take
    worst = taken = 0
    wanted = int(rate * seconds)
    used = time.process_time()
    started = time.perf_counter()
    while taken < wanted:
        due = min(int((time.perf_counter() - started) * rate) + 1, wanted)
        for text in islice(frames, min(due - taken, TURN)):
            await take(Frame(time.time_ns(), text))
            taken += 1
        worst = max(worst, due - taken)
        ahead = started + taken / rate - time.perf_counter()
        await asyncio.sleep(max(0.0, ahead))
    return {
        "frames": taken,
        "frames_per_s": round(taken / (time.perf_counter() - started), 1),
        "most_frames_behind": worst,
        "cpu_us_per_frame": round((time.process_time() - used) / taken * 1e6, 1),
    }


async def unpaced(shell: Shell, frames: Iterator[str], seconds: float) -> dict[str, Any]:
    """Process frames as fast as possible."""
    take = shell.take
    taken = 0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        for text in islice(frames, TURN):
            await take(Frame(time.time_ns(), text))
            taken += 1
        await asyncio.sleep(0)
    return {"frames": taken, "frames_per_s": round(taken / (time.perf_counter() - started), 1)}


async def run(shell: Shell, frames: Iterator[str], args: argparse.Namespace) -> dict[str, Any]:
    """Process frames, measure the loop meanwhile, and end the session."""
    lags = Lags()
    await paced(shell, frames, args.rate, SETTLE_S)
    before = shell.counts.inbound
    sampler = asyncio.create_task(lags.sample())
    figures = await paced(shell, frames, args.rate, args.seconds)
    lags.over = True
    await sampler
    assert shell.counts.inbound == before + figures["frames"]
    figures["segments_without_parts"] = shell.parts.lag
    ended = time.perf_counter()
    await shell.end("done")
    figures["parts_whole_after_s"] = round(time.perf_counter() - ended, 2)
    return {**figures, **lags.figures()}


def counted(store: Path, session_id: str) -> dict[str, int]:
    """Return the counts of a session's frames and live ticks in the journal and the parts."""
    in_journal = sum(
        entry.kind == "frame" for entry in Journal.open(journal_directory(store, session_id))
    )
    with open_store(store) as catalog:
        frames = (
            f"SELECT count(*), count(DISTINCT seq) FROM ws_event WHERE session_id = '{session_id}'"
        )
        ticks = (
            "SELECT count(*), count(DISTINCT (game_id, tick)) FROM game_tick WHERE phase = 'active' "
            f"AND session_id = '{session_id}' AND NOT backfilled"
        )
        (frame_rows, frame_numbers), (tick_rows, tick_pairs) = (
            catalog.sql(text).rows[0] for text in (frames, ticks)
        )
    assert (frame_rows, tick_rows) == (frame_numbers, tick_pairs), "a row is duplicate"
    return {"journal": in_journal, "frames": frame_rows, "ticks": tick_rows}


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the figures."""
    laps = source_of(args)
    frames = iter(laps)
    shell = new_shell(folder, "paced")
    figures = asyncio.run(run(shell, frames, args))
    sent = shell.counts.inbound
    found = counted(folder, "paced")
    free = new_shell(folder, "unpaced")
    loads = load()
    at_most = asyncio.run(unpaced(free, iter(laps), min(args.seconds, 5.0)))
    free.abandon()
    return {
        "frame_bytes": laps.mean_bytes,
        **figures,
        "sent": sent,
        "lost_in_journal": sent - found["journal"],
        "lost_frames": sent - found["frames"],
        "live_ticks": laps.live_ticks(sent),
        "lost_ticks": laps.live_ticks(sent) - found["ticks"],
        "unpaced_frames_per_s": at_most["frames_per_s"],
        "load_paced": loads,
    }
