"""Fault injection for the store: power failures, kills, full disks, corruption, lost locks, races.

Each command prints one JSON object with its figures and ``over_goal``, the missed goals; exit code 1 if
there are any. All randomness is derived from ``--seed``; a failure names the seed that reproduces it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Command = Callable[[argparse.Namespace], dict[str, Any]]


def power_loss(args: argparse.Namespace) -> dict[str, Any]:
    """Cut the power at random steps; recover what a disk may have kept."""
    from vectra_bot.testing.faults import power_loss as rig

    if args.only:
        trace, _, number = args.only.partition(":")
        found = rig.crash_trace(int(trace), 0, int(number))
        return {"failures": found.failures, "over_goal": ["lost"] if found.failures else []}
    return rig.run(args.crashes, args.seed, args.jobs)


def planted(args: argparse.Namespace) -> dict[str, Any]:
    """Skip necessary syncs, one kind at a time: the check of power failures must detect each."""
    from vectra_bot.testing.faults import planted as rig

    return rig.run(args.crashes, args.seed)


def kill(args: argparse.Namespace) -> dict[str, Any]:
    """Kill writers and sessions at random moments; measure the recovery of a big journal."""
    import store_faults_recovery

    from vectra_bot.testing.faults import kills

    half = args.times // 2
    writers = kills.writers(half, args.seed).to_json()
    sessions = kills.sessions(args.times - half, args.seed).to_json()
    measured = store_faults_recovery.run(args.gb) if args.gb else {"over_goal": []}
    both = {key: writers[key] + sessions[key] for key in ("kills", "lost", "unreadable")}
    over = [key for key in ("lost", "unreadable") if both[key]] + measured.pop("over_goal")
    return {**both, "writers": writers, "sessions": sessions, **measured, "over_goal": over}


def kill_steps(args: argparse.Namespace) -> dict[str, Any]:
    """Kill a writer at every disk operation, and recoveries at each of their operations."""
    from vectra_bot.testing.faults import kills

    return kills.steps_of(args.seed, args.inputs, args.every, args.recoveries)


def disk(args: argparse.Namespace) -> dict[str, Any]:
    """Make the disk full or broken from the N-th call of a session on, for each N."""
    from vectra_bot.testing.faults import disk_faults

    return disk_faults.run(args.calls, args.further, args.seed)


def locks(args: argparse.Namespace) -> dict[str, Any]:
    """Remove, replace, copy or rename the lock of running sessions, or truncate their segment."""
    from vectra_bot.testing.faults import tampering

    return tampering.locks(args.times, args.seed)


def repeats(args: argparse.Namespace) -> dict[str, Any]:
    """Interrupt runs that repeat a stored session, at random moments."""
    from vectra_bot.testing.faults import tampering

    return tampering.repeats(args.times, args.seed)


def corruption(args: argparse.Namespace) -> dict[str, Any]:
    """Flip a bit of a file, or truncate it, and read the store."""
    from vectra_bot.testing.faults import corruption as rig

    return rig.run(args.flips, args.cuts, args.seed, args.only)


def compaction_race(args: argparse.Namespace) -> dict[str, Any]:
    """Compact sessions while other processes query the store."""
    from vectra_bot.testing.faults import compaction_race as rig

    return rig.run(args.compactions, args.seed)


JSON: tuple[str, dict[str, Any]] = ("--json", {"action": "store_true", "help": "always on"})
COMMANDS: dict[str, tuple[Command, list[tuple[str, dict[str, Any]]]]] = {
    "power-loss": (
        power_loss,
        [
            ("--crashes", {"type": int, "default": 20_000}),
            ("--jobs", {"type": int, "default": 1, "help": "processes"}),
            ("--only", {"metavar": "TRACE:NUMBER", "help": "one crash, as named by a failure"}),
        ],
    ),
    "compaction-race": (
        compaction_race,
        [("--compactions", {"type": int, "default": 200})],
    ),
    "corruption": (
        corruption,
        [
            ("--flips", {"type": int, "default": 2000}),
            ("--cuts", {"type": int, "default": 2000}),
            ("--only", {"metavar": "flip:N|cut:N", "help": "one of them, as named by a failure"}),
        ],
    ),
    "disk": (
        disk,
        [
            ("--calls", {"type": int, "default": 50}),
            ("--further", {"type": int, "default": 50, "help": "random later calls"}),
        ],
    ),
    "kill": (
        kill,
        [
            ("--times", {"type": int, "default": 200}),
            (
                "--gb",
                {
                    "type": float,
                    "default": 1.0,
                    "help": "size of the raw frames in the big journal",
                },
            ),
        ],
    ),
    "kill-steps": (
        kill_steps,
        [
            ("--inputs", {"type": int, "default": 12, "help": "number of inputs written"}),
            ("--every", {"type": int, "default": 1, "help": "only every N-th step"}),
            (
                "--recoveries",
                {"type": int, "default": 8, "help": "recoveries killed at each of their steps"},
            ),
        ],
    ),
    "locks": (locks, [("--times", {"type": int, "default": 50}), JSON]),
    "repeats": (repeats, [("--times", {"type": int, "default": 50}), JSON]),
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
    started = time.perf_counter()
    figures = {"command": args.command, "seed": args.seed, **COMMANDS[args.command][0](args)}
    figures["seconds"] = round(time.perf_counter() - started, 1)
    figures["load"] = os.getloadavg()[0]
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 1 if figures["over_goal"] else 0


if __name__ == "__main__":
    sys.exit(main())
