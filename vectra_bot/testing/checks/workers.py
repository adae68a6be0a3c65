"""Running workers: as many at a time as there are processors, each with its own seed of hashes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import msgspec
from attrs import define, field, frozen

from vectra_bot.errors import InputError
from vectra_bot.testing.checks.worker import TIME_LIMIT_S, Orders, Outcome

_WORKER = (sys.executable, "-P", "-m", "vectra_bot.testing.checks.worker")


@frozen
class Assignment:
    """Orders for a worker, and the seed of its hashes."""

    orders: Orders
    hash_seed: int = 0


def run_workers(assignments: Sequence[Assignment]) -> list[list[Outcome]]:
    """Let a worker carry out each of *assignments*; return the outcomes of each.

    Raises:
        InputError: a worker ended before its orders were carried out.
    """
    crew = _Crew()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            return list(pool.map(crew.work, assignments))
        finally:
            crew.dismiss()


@define
class _Crew:
    """The processes of the workers."""

    _processes: list[subprocess.Popen[bytes]] = field(factory=list)
    _dismissed: bool = False

    def work(self, assignment: Assignment) -> list[Outcome]:
        """Run one worker to its end."""
        if self._dismissed:
            return []
        process = subprocess.Popen(  # noqa: S603 - this interpreter, with our module
            _WORKER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": str(assignment.hash_seed)},
            start_new_session=True,  # its copies end with it
        )
        self._processes.append(process)
        limit_s = TIME_LIMIT_S * (2 + len(assignment.orders.tasks))
        out, complaints = process.communicate(msgspec.json.encode(assignment.orders), limit_s)
        if process.returncode:
            lines = complaints.decode(errors="replace").strip().splitlines() or ["no message"]
            raise InputError(
                f"a play of the strategy ended with exit code {process.returncode} ({lines[-1]}): "
                "run it by `vectra-bot run` to see why"
            )
        return [msgspec.json.decode(line, type=Outcome) for line in out.splitlines()]

    def dismiss(self) -> None:
        """Kill what still runs, and start nothing more."""
        self._dismissed = True
        for process in self._processes:
            if process.poll() is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
