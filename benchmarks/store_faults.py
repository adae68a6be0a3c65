"""Faults against the store: lost power, kills, full and broken disks, damaged files, races with compaction.

Each command prints one JSON object with its figures and ``over_goal``, the goals it missed; exit code 1
if there are any. All chances follow from ``--seed``; a failure names the seed that shows it again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

Command = Callable[[argparse.Namespace], dict[str, Any]]


def power_loss(args: argparse.Namespace) -> dict[str, Any]:
    """Lose power at random steps; recover what a disk may have kept."""
    from benchmarks.faults import power_loss as rig

    if args.only:
        trace, _, number = args.only.partition(":")
        found = rig.crash_trace(int(trace), 0, int(number))
        return {"failures": found.failures, "over_goal": ["lost"] if found.failures else []}
    return rig.run(args.crashes, args.seed, args.jobs)


def planted(args: argparse.Namespace) -> dict[str, Any]:
    """Leave out syncs that matter, one kind at a time: the check of power losses must notice each."""
    from benchmarks.faults import planted as rig

    return rig.run(args.crashes, args.seed)


COMMANDS: dict[str, tuple[Command, list[tuple[str, dict[str, Any]]]]] = {
    "power-loss": (
        power_loss,
        [
            ("--crashes", {"type": int, "default": 20_000}),
            ("--jobs", {"type": int, "default": 1, "help": "processes"}),
            ("--only", {"metavar": "TRACE:NUMBER", "help": "one crash, as a failure names it"}),
        ],
    ),
    "planted": (planted, [("--crashes", {"type": int, "default": 250, "help": "for each bug"})]),
}


def main() -> int:
    """Read the command line, run, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (function, options) in COMMANDS.items():
        command = commands.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
        for option, settings in options:
            command.add_argument(option, **settings)
        command.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    figures = COMMANDS[args.command][0](args)
    figures = {"command": args.command, "seed": args.seed, **figures, "load": os.getloadavg()[0]}
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 1 if figures["over_goal"] else 0


if __name__ == "__main__":
    sys.exit(main())
