"""Recovering a session that was killed while recording as fast as possible: seconds per GB of journal."""

from __future__ import annotations

import argparse
import asyncio
import pickle
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

from store_common import Laps
from store_frames import TURN, counted, new_shell, source_of

from vectra_bot.journal import Journal, journal_directory
from vectra_bot.models import Frame
from vectra_bot.session.recovery.killed import recover_store
from vectra_bot.store.maintenance.check import check_store

LIMITS = {"seconds_per_gb": 5.0, "lost": 0, "problems": 0}
GB = 1_000_000_000


async def record(laps: Laps, store: Path, wanted: int) -> None:
    """Record without end; print the number of acknowledged frames after *wanted* bytes of journal."""
    shell = new_shell(store, "killed")
    frames, size = iter(laps), 0
    while True:
        for text in islice(frames, TURN):
            await shell.take(Frame(time.time_ns(), text))
            size += len(text)
        await asyncio.sleep(0)
        if size >= wanted:
            sys.stdout.write(f"{shell.counts.inbound} {size}\n")
            sys.stdout.flush()


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the figures."""
    laps, store = source_of(args), folder / "store"
    path = folder / "laps.pickle"
    path.write_bytes(pickle.dumps(laps))
    child = subprocess.Popen(
        [sys.executable, __file__, str(path), str(store), str(int(args.gigabytes * GB))],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    acknowledged, size = map(int, child.stdout.readline().split())
    child.send_signal(signal.SIGKILL)
    told = child.communicate()[0].split("\n")[:-1]  # the last line may be truncated
    if told:
        acknowledged, size = map(int, told[-1].split())
    in_journal = sum(e.kind == "frame" for e in Journal.open(journal_directory(store, "killed")))
    before = len(list(store.glob("journals/killed/*.parts.json")))
    segments = len(list(store.glob("journals/killed/*.log*")))
    started = time.perf_counter()
    finished = recover_store(store)
    seconds = time.perf_counter() - started
    assert finished == ["killed"]
    found = counted(store, "killed")
    return {
        "journal_bytes": size,
        "segments": segments,
        "segments_built_before": before,
        "acknowledged": acknowledged,
        "lost": max(0, acknowledged - in_journal) + in_journal - found["frames"],
        "problems": len(check_store(store).problems),
        "seconds": round(seconds, 2),
        "seconds_per_gb": round(seconds / size * GB, 2),
    }


if __name__ == "__main__":
    frames = pickle.loads(Path(sys.argv[1]).read_bytes())
    asyncio.run(record(frames, Path(sys.argv[2]), int(sys.argv[3])))
