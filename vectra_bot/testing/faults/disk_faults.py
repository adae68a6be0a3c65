"""Full and failing disks under a running session: the N-th disk operation fails.

A session that buys repeatedly runs on the embedded exchange by ``vectra-bot run``. Every request in the
exchange's log must have its INTENT in the journal; the command must end with the store's exit code and one
line; and the store must be recoverable.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import runpy
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from attrs import define

from vectra_bot.errors import StoreError
from vectra_bot.fsio import Op, files
from vectra_bot.journal import Journal
from vectra_bot.testing.faults.checks import recover
from vectra_bot.testing.faults.kills import KillFigures, check_session
from vectra_bot.testing.faults.processes import folder, read_all, start

STRATEGY = '''
from vectra_bot import Strategy

class Busy(Strategy):
    """Buy whenever no action is undecided; sell every other time."""

    turn = 0

    def on_game_tick(self, tick, game):
        if self.actions.pending or game.tick < 2:
            return
        self.turn += 1
        if self.turn % 2 or not self.position:
            self.actions.buy("0.001")
        else:
            self.actions.sell()
'''
# What fails on a full disk. A store into a mapped segment already has its space.
NEEDS_ROOM = ("create", "write", "allocate", "mkdir")


@define
class Breaker:
    """An observer that fails operations from number *at* on: that one, or all that need space."""

    at: int
    code: int
    mapped: bool
    log: Path
    calls: int = 0
    broken: Op | None = None
    requests: int = 0

    def __call__(self, op: Op) -> None:
        """Count the operation, and fail it if it is the chosen one."""
        in_map = op.kind == "write" and op.path.suffix == ".log"
        if not in_map or self.mapped:
            self.calls += 1
        if self.broken is None and self.calls == self.at and (not in_map or self.mapped):
            self.broken = op
            self.requests = lines_of(self.log)
        elif not self._still_full(op, in_map=in_map):
            return
        raise OSError(self.code, os.strerror(self.code))

    def _still_full(self, op: Op, *, in_map: bool) -> bool:
        full = self.broken is not None and self.code == errno.ENOSPC
        return full and op.kind in NEEDS_ROOM and (self.mapped or not in_map)


def lines_of(log: Path) -> int:
    """Return the number of requests in the exchange's log."""
    return len(log.read_bytes().splitlines()) if log.exists() else 0


def words(root: Path, seed: int) -> list[str]:
    """Return the command line of the session in *root*."""
    return [
        "run", f"{root / 'busy.py'}:Busy", "--games", "3", "--crowd", "5", "--seed", str(seed),
        "--session-id", "K", "--store", str(root / "store"), "--json", "--speed", "max",
        "--exchange-log", str(root / "exchange.log"), "--limit-actions-per-game", "100",
    ]  # fmt: skip


def session(root: str, seed: int, at: int, code: int, mapped: bool, pipe: Connection) -> None:  # noqa: PLR0917
    """Run the session with a breaker, and report the result as one JSON object."""
    base = Path(root)
    breaker = Breaker(at, code, mapped, base / "exchange.log")
    with (
        (base / "out").open("w") as out,
        (base / "err").open("w") as err,
        files.observing(breaker),
    ):
        # The command line writes to the descriptors, whatever Python's streams are.
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        exit_code = _command_line(words(base, seed))
    broken = breaker.broken
    said = {
        "exit_code": exit_code,
        "calls": breaker.calls,
        "broken": None if broken is None else f"{broken.kind} {broken.path.name}",
        "requests": breaker.requests,
    }
    os.write(pipe.fileno(), json.dumps(said).encode())


def _command_line(arguments: list[str]) -> object:
    """Run ``python -m vectra_bot`` in this process, under its observer, and return the exit code."""
    sys.argv = ["vectra-bot", *arguments]
    try:
        runpy.run_module("vectra_bot", run_name="__main__")
    except SystemExit as leaving:
        return leaving.code
    return None


def run_session(root: Path, seed: int, at: int, code: int, *, mapped: bool) -> dict[str, Any]:
    """Run one session in a separate process and return its report."""
    (root / "busy.py").write_text(STRATEGY)
    process, pipe = start(session, str(root), seed, at, code, mapped)
    said = read_all(pipe)
    process.join()
    return json.loads(said) if said else {"exit_code": process.exitcode, "broken": "the process"}


def judge(root: Path, said: dict[str, Any]) -> list[str]:
    """Return what is wrong with a session that met a failing operation, and with its store."""
    problems = []
    lines = (root / "err").read_text().splitlines()
    if said["exit_code"] != StoreError.exit_code:
        problems.append(f"exit: code {said['exit_code']} after {said['broken']}: {lines[-1:]}")
    elif not _is_one_error(lines):
        problems.append(f"exit: {len(lines)} lines after {said['broken']}: {lines[:3]}")
    log = root / "exchange.log"
    if said.get("requests") is not None and lines_of(log) > said["requests"]:
        problems.append(f"sent: {lines_of(log) - said['requests']} requests after {said['broken']}")
    journal = root / "store" / "journals" / "K"
    try:
        begun = next(iter(Journal.open(journal)), None) is not None
    except StoreError as error:
        return [*problems, f"lost: {error}"]
    except Exception:  # noqa: BLE001 - there is no journal
        begun = False
    if begun:
        problems += check_session(root, root / "store", log, recover=recover)
    elif lines_of(log):
        problems.append(f"sent: {lines_of(log)} requests without a journal")
    return [f"{problem} ({said['broken']})" for problem in problems]


def _is_one_error(lines: list[str]) -> bool:
    """Return whether the last line is the one error; before it the log may warn that parts are not built."""
    warned = all(line.startswith("store=") and "parts are not built" in line for line in lines[:-1])
    return bool(lines) and lines[-1].startswith("error: ") and warned


def run(calls: int, further: int, seed: int) -> dict[str, Any]:
    """Fail each of the first *calls* operations, and *further* others, with both errors."""
    chance = random.Random(seed)
    with folder() as root:
        whole = run_session(root, seed, 0, 0, mapped=False)
        requests = lines_of(root / "exchange.log")
    with folder() as root:
        every = run_session(root, seed, 0, 0, mapped=True)["calls"]
    figures, broken = KillFigures(), 0
    plan = [(at, code, False) for at in range(1, calls + 1) for code in (errno.ENOSPC, errno.EIO)]
    for _ in range(further):
        plan.append((chance.randint(calls, whole["calls"]), chance.choice(_CODES), False))
        plan.append((chance.randint(1, every), chance.choice(_CODES), True))
    for at, code, mapped in plan:
        with folder() as root:
            said = run_session(root, seed, at, code, mapped=mapped)
            if said["broken"] is None:
                continue
            broken += 1
            name = f"--only {at}:{errno.errorcode[code]}{':mapped' if mapped else ''}"
            figures.add(name, judge(root, said))
    full = full_disk(seed)
    problems = figures.to_json()
    return {
        "calls_of_a_session": whole["calls"],
        "with_stores_into_maps": every,
        "requests_of_a_session": requests,
        "failing_calls": broken,
        "problems": problems["problems"],
        "failures": problems["failures"],
        "full_disk": full,
        "over_goal": sorted(problems["problems"]) + (["full_disk"] if full.get("problems") else []),
    }


_CODES = (errno.ENOSPC, errno.EIO)


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path | None]:
    """Yield a separate file system of that size, None where one cannot be mounted."""
    with folder() as root:
        options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(root)]
        done = subprocess.run(["mount", *options], capture_output=True, check=False)
        if done.returncode != 0:
            yield None
            return
        try:
            yield root
        finally:
            subprocess.run(["umount", str(root)], check=True)


def full_disk(seed: int) -> dict[str, Any]:
    """Run a session on a disk that is full after its first segments, and recover on a bigger one."""
    if sys.platform != "linux":
        return {"skipped": "no tmpfs here"}
    with small_disk(70) as root, folder() as bigger:
        if root is None:
            return {"skipped": "mount -t tmpfs needs more rights"}
        (root / "busy.py").write_text(STRATEGY)
        arguments = words(root, seed)
        arguments[arguments.index("--games") + 1] = "2000"
        done = subprocess.run(
            [sys.executable, "-m", "vectra_bot", *arguments], capture_output=True, check=False
        )
        (root / "err").write_bytes(done.stderr[-2000:] if lines_fit(root) else b"")
        left = subprocess.run(["cp", "-a", f"{root}/.", str(bigger)], check=False)
        (bigger / "err").write_bytes(done.stderr)
        said = {"exit_code": done.returncode, "broken": "a full disk", "requests": None}
        return {
            "copied": left.returncode == 0,
            "requests": lines_of(bigger / "exchange.log"),
            "error": done.stderr.decode()[-300:],
            "problems": judge(bigger, said),
        }


def lines_fit(root: Path) -> bool:
    """Return whether a small disk has a free page."""
    status = os.statvfs(root)
    return status.f_bavail > 1
