"""Faults under real ``vectra-bot live`` processes that trade on a served exchange on loopback.

``kill``: ``kill -9`` at random moments, also of starts and recoveries; the next session's books must be the
exchange's. ``disconnect``: the link is reset with actions in flight. ``half-open``: it delivers nothing more.
``stop``: a stop while 1,000 actions a second are asked for, and while a callback hangs. Each prints one JSON
object with its figures and ``over_goal``, the missed goals; exit code 1 if there are any. All chance follows
from ``--seed``; times are those of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from live_common import load

Command = Callable[[argparse.Namespace, Path], Coroutine[Any, Any, dict[str, Any]]]


async def kill(args: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Kill bots at random moments."""
    from live_kills import run

    return await run(root, args.times, args.seed, args.bots, args.speed)


async def disconnect(args: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Reset links with actions in flight."""
    from live_links import run_disconnects

    return await run_disconnects(root, args.times, args.seed, args.bots, args.speed)


async def half_open(args: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Have links deliver nothing more, in one direction or both."""
    from live_links import run_half_open

    return await run_half_open(root, args.times, args.seed)


async def stop(args: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Stop bots under load and while a callback hangs."""
    from live_stops import run

    return await run(root, args.times, args.seed, args.bots)


COMMANDS: dict[str, tuple[Command, int, int]] = {
    "kill": (kill, 200, 4),
    "disconnect": (disconnect, 1_000, 8),
    "half-open": (half_open, 9, 1),
    "stop": (stop, 50, 2),
}


def main() -> int:
    """Run one command, print its figures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, times, bots) in COMMANDS.items():
        command = commands.add_parser(name)
        command.add_argument("--times", type=int, default=times, help="number of faults")
        command.add_argument("--bots", type=int, default=bots, help="bots at the same time")
        command.add_argument("--seed", type=int, default=7)
        command.add_argument("--speed", type=float, default=4.0, help="venue seconds per second")
        command.add_argument("--folder", type=Path, help="where files are kept afterwards")
        command.add_argument("--json", action="store_true", help="one line of JSON")
    args = parser.parse_args()
    if args.folder is not None and args.folder.exists() and any(args.folder.iterdir()):
        parser.error(f"--folder was {str(args.folder)!r}, which is not empty: give a new one")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # bots end with the benchmark
    began, load_before = time.monotonic(), load()
    with tempfile.TemporaryDirectory(prefix="vectra-live-") as folder:
        root = args.folder or Path(folder)
        found = asyncio.run(COMMANDS[args.command][0](args, root))
    found = {
        "command": args.command,
        **found,
        "seconds": round(time.monotonic() - began, 1),
        "load": [load_before, load()],
    }
    print(json.dumps(found, indent=None if args.json else 2))
    return 1 if found["over_goal"] else 0


if __name__ == "__main__":
    sys.exit(main())
