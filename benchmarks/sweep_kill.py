"""A sweep killed at random moments and resumed, against one that was not: the same results, nothing twice.

    python benchmarks/sweep_kill.py --json
    python benchmarks/sweep_kill.py --backend dask --json

One sweep runs to its end. The other is killed by SIGKILL at moments drawn by ``--seed``, its whole process
group or the command alone, and started again until it finishes. After each kill every chunk that was there
before must be the same file, untouched: ``played_twice`` counts those that are not. ``orphans`` counts
processes of a killed command that are still there ten seconds later.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STRATEGY = '''
from vectra_bot import Strategy, param


class Timed(Strategy):
    """Buy at a tick, sell at a multiple or after some ticks."""

    entry: int = param(5, low=1, high=50)
    held: int = param(10, low=1, high=100)
    target: float = param(1.5, low=1.05, high=10.0, log=True)

    def on_game_tick(self, tick, game):
        if game.tick == self.entry:
            self.actions.buy("0.01")
        elif self.position and not self.actions.pending and (
            game.tick >= self.entry + self.held or self.position.multiple(game.price) >= self.target
        ):
            self.actions.sell()
'''
PATIENCE_S = 10.0
SAME = ("best", "variants", "reality_check", "walk_forward", "heat_map", "digest", "sets")
"""Parts of the report that must be identical."""

Files = dict[str, tuple[int, int]]


def command(args: argparse.Namespace, strategy: Path, out: Path) -> list[str]:
    """Return the command line of the sweep into *out*."""
    return [
        sys.executable, "-m", "vectra_bot", "sweep", str(strategy),
        "--random", str(args.sets), "--games", str(args.games), "--chunk", str(args.chunk),
        "--seed", str(args.seed), "--jobs", str(args.jobs), "--backend", args.backend,
        "--walk-forward", "4", "--out", str(out), "--json",
    ]  # fmt: skip


def chunk_files(out: Path) -> Files:
    """Return the finished chunks with their inode and time."""
    found = {}
    for path in out.rglob("*.chunk"):
        about = path.stat()
        found[str(path.relative_to(out))] = (about.st_ino, about.st_mtime_ns)
    return found


def finished(line: list[str]) -> tuple[dict[str, Any], float]:
    """Run a sweep to its end; return its report and how long it took."""
    start = time.perf_counter()
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode}: {done.stderr}")
    return json.loads(done.stdout), time.perf_counter() - start


def members(group: int) -> list[int]:
    """Return the processes of a group that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, pgrp = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except (OSError, ValueError):
                continue
            if int(pgrp) == group and state not in "ZX":
                found.append(int(entry.name))
    return found


def killed(line: list[str], after_s: float, *, whole: bool) -> tuple[bool, int]:
    """Start a sweep and kill it; return whether it was still running, and its orphans."""
    with subprocess.Popen(
        line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            pass
        else:
            return False, 0
        if whole:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    end = time.perf_counter() + PATIENCE_S
    while (left := members(process.pid)) and time.perf_counter() < end:
        time.sleep(0.1)
    for one in left:
        os.kill(one, signal.SIGKILL)
    return True, len(left)


def measured(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return what the killed sweep did, compared with the other one."""
    strategy = folder / "timed.py"
    strategy.write_text(STRATEGY)
    whole, whole_s = finished(command(args, strategy, folder / "whole"))
    out = folder / "killed"
    line, dice = command(args, strategy, out), random.Random(args.seed)
    kills, orphans, twice, before = 0, 0, 0, Files()
    kept = []
    for _ in range(args.kills):
        running, left = killed(
            line, whole_s * dice.uniform(0.02, 1.6 / args.kills), whole=dice.random() < 0.5
        )
        now = chunk_files(out)
        twice += sum(now.get(name) != about for name, about in before.items())
        kills, orphans, before = kills + running, orphans + left, now
        kept.append(len(now))
    resumed, resumed_s = finished(line)
    now = chunk_files(out)
    twice += sum(now.get(name) != about for name, about in before.items())
    identical = all(whole[name] == resumed[name] for name in SAME)
    chunks = resumed["chunks"]
    exact = chunks == {
        "total": len(now), "played": len(now) - len(before), "reused": len(before), "corrupt": 0,
    }  # fmt: skip
    return {
        "backend": args.backend,
        "sets": whole["sets"],
        "games": whole["games"],
        "chunks": chunks,
        "kills": kills,
        "kept_after_kill": kept,
        "identical": identical,
        "played_twice": twice,
        "orphans": orphans,
        "digests": [whole["digest"], resumed["digest"]],
        "whole_s": round(whole_s, 1),
        "resumed_s": round(resumed_s, 1),
        "ok": identical and exact and not twice and not orphans and kills > 0,
    }


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--games", type=int, default=2_000)
    parser.add_argument("--chunk", type=int, default=1_000, help="games of a chunk")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--backend", choices=("loky", "dask"), default="loky")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measured(args, Path(folder))
    print(json.dumps(result) if args.json else "\n".join(f"{k}: {v}" for k, v in result.items()))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
