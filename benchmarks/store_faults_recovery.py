"""Duration of `vectra-bot store recover` for a big killed recording."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from store_common import Laps, frames_of_exchange

from vectra_bot.journal import Journal, journal_directory, list_segments
from vectra_bot.loading import resolve_strategy
from vectra_bot.loading.plugins import load_plugins
from vectra_bot.models import Frame, Mode
from vectra_bot.report.session import SessionTally
from vectra_bot.session.header import SessionPlan
from vectra_bot.session.shell import NoGateway, Shell
from vectra_bot.store.api import Place
from vectra_bot.store.parquet.builder import begin_session
from vectra_bot.strategy import configure
from vectra_bot.testing.faults.kills import command
from vectra_bot.testing.faults.processes import start

GOAL_S_PER_GB = 5.0
GB = 10**9
START_NS = 1_767_225_600_000_000_000
TICK_NS = 250_000_000
# A rug royale is announced in these games: without one, frames are half as long as the venue's.
GAMES, GAMES_SEED = 12, 5


def new_recording(store: Path) -> Shell:
    """Return a session like that of ``vectra-bot record``, without a connection."""
    source = resolve_strategy("watch")
    plan = SessionPlan(
        session_id="big", mode=Mode.PAPER, venue="bench", source=source,
        strategy=configure(source.cls, {}), place=Place(store), plugins=load_plugins(),
        start_ns=START_NS,
    )  # fmt: skip
    engine = plan.engine()
    journal = Journal.create(journal_directory(store, "big"), plan.header, ts_ns=START_NS)
    begin_session(store, "big")
    return Shell(engine, journal, NoGateway(), SessionTally(engine), store, can_wait=False)


def record(store: str, frames_file: str, size: int, built: bool, told: Connection) -> None:
    """Record *size* bytes of raw frames, report it, and wait to be killed.

    Unless *built*, no parts are built meanwhile, as if the process that builds them could not start.
    """
    laps = Laps(json.loads(Path(frames_file).read_text()))
    shell = new_recording(Path(store))
    if not built:
        shell.parts.closed = _ignored  # type: ignore[method-assign]

    async def take() -> None:
        done = 0
        for number, text in enumerate(laps):
            await shell.take(Frame(START_NS + number * TICK_NS, text))
            done += len(text)
            if done >= size:
                break
        os.write(told.fileno(), b"%d" % done)

    asyncio.run(take())
    while True:
        time.sleep(1)


def _ignored(_segment: int) -> None:
    """Build nothing."""


def run(gigabytes: float) -> dict[str, Any]:
    """Measure in the temporary folder: a recording left by a kill, and one without any parts."""
    with tempfile.TemporaryDirectory(prefix="vectra-recovery-") as name:
        folder = Path(name)
        frames_file = folder / "frames.json"
        frames_file.write_text(json.dumps(frames_of_exchange(GAMES, GAMES_SEED)))
        recorded = _measure(folder / "recorded", frames_file, int(gigabytes * GB), built=True)
        unbuilt = _measure(folder / "unbuilt", frames_file, int(gigabytes * GB), built=False)
    return {
        "seconds_per_gb": recorded["seconds_per_gb"],
        "recovery": recorded,
        "recovery_without_parts": unbuilt,
        "over_goal": ["seconds_per_gb"] if recorded["seconds_per_gb"] > GOAL_S_PER_GB else [],
    }


def _measure(store: Path, frames_file: Path, size: int, *, built: bool) -> dict[str, Any]:
    started = time.perf_counter()
    child, pipe = start(record, str(store), str(frames_file), size, built)
    raw = int(os.read(pipe.fileno(), 64))
    recorded_s = time.perf_counter() - started
    child.kill()
    child.join()
    journal = journal_directory(store, "big")
    segments = list_segments(journal)
    figures = {
        "raw_gb": round(raw / GB, 3),
        "recorded_s": round(recorded_s, 1),
        "segments": len(segments),
        "with_parts": len(list(journal.glob("*.parts.json"))),
        "journal_bytes_on_disk": sum(segment.path.stat().st_size for segment in segments),
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        command("store", "recover", "--store", str(store), "--json"),
        capture_output=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads(done.stdout) if done.returncode == 0 else {}
    frames = sum(1 for entry in Journal.open(journal) if entry.kind == "frame")
    return {
        **figures,
        "exit_code": done.returncode,
        "finished": report.get("finished"),
        "seconds": round(seconds, 2),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "seconds_per_gb": round(seconds / (raw / GB), 2)
        if report.get("finished") == ["big"]
        else 1e9,
        "frames": frames,
        "rows": _rows(store),
        "peak_rss_mb": after.ru_maxrss // 1024,
    }


def _rows(store: Path) -> int:
    import pyarrow.parquet as pq

    found = store.glob("doc_type=ws_event/session_id=big/*.parquet")
    return sum(pq.ParquetFile(path).metadata.num_rows for path in found)
