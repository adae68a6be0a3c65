"""Other programs that touch the files of a running session, and runs that repeat a stored one.

``locks``: the lock of a running session is removed, replaced, copied or renamed, its segment is truncated, or
the store is seen through a read-only mount, while other processes recover the store. ``repeats``: a run is
interrupted at random moments while it repeats a session that is stored complete.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from vectra_bot.clock import WallClock
from vectra_bot.errors import StoreError
from vectra_bot.journal import read_journal
from vectra_bot.store.maintenance.check import check_store
from vectra_bot.testing.faults.checks import PartReader, recover
from vectra_bot.testing.faults.disk_faults import STRATEGY, lines_of
from vectra_bot.testing.faults.kills import KillFigures, check_session, command
from vectra_bot.testing.faults.processes import folder

_PATIENCE_S: Final = 120.0
_PAUSE_S: Final = 0.01


def _replace(path: Path) -> None:
    path.unlink()
    path.touch()


def _copy(path: Path) -> None:
    shutil.copy2(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


_LOST: Final = "was removed or replaced by another program"
_TRUNCATED: Final = "was truncated by another program"


@frozen
class _Way:
    """What is done to a running session, and what its error says; it continues if that is empty."""

    act: Callable[[Path], object]
    said: str = ""


WAYS: Final = {
    "lock removed": _Way(lambda journal: (journal / "lock").unlink(), _LOST),
    "lock replaced": _Way(lambda journal: _replace(journal / "lock"), _LOST),
    "lock copied": _Way(lambda journal: _copy(journal / "lock"), _LOST),
    "lock renamed": _Way(
        lambda journal: (journal / "lock").rename(journal.parents[2] / "x"), _LOST
    ),
    "segment truncated": _Way(lambda journal: os.truncate(_last(journal), 0), _TRUNCATED),
    "read-only mount": _Way(lambda _journal: None),
}


def _last(journal: Path) -> Path:
    return max(journal.glob("*.log"))


def locks(times: int, seed: int) -> dict[str, Any]:
    """Do each of the :data:`WAYS` in turn to running sessions, and return what was wrong afterwards."""
    figures, kinds = KillFigures(), Counter[str]()
    for number in range(times):
        name = list(WAYS)[number % len(WAYS)]
        chance = random.Random(f"locks:{seed}:{number}")
        with folder() as root:
            problems = _tamper(root, WAYS[name], chance)
        kinds[name] += 1
        figures.add(f"{seed}:{number} {name}", problems)
    found = figures.to_json()
    return {
        "sessions": figures.kills,
        "ways": dict(kinds),
        "problems": found["problems"],
        "failures": found["failures"],
        "over_goal": sorted(found["problems"]),
    }


def _tamper(root: Path, way: _Way, chance: random.Random) -> list[str]:
    store, log, journal = root / "store", root / "exchange.log", root / "store" / "journals" / "K"
    (root / "busy.py").write_text(STRATEGY)
    words = [
        "run",
        f"{root / 'busy.py'}:Busy",
        "--games",
        "5000",
        "--crowd",
        "5",
        "--session-id",
        "K",
    ]
    words += [
        "--seed",
        str(chance.randrange(10**6)),
        "--speed",
        "max",
        "--store",
        str(store),
        "--json",
    ]
    words += ["--exchange-log", str(log), "--limit-actions-per-game", "100"]
    with (root / "err").open("wb") as err:
        process = subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=err)
    try:
        _wait_until(lambda: lines_of(log) > chance.randint(1, 40) or process.poll() is not None)
        way.act(journal)
        others = [_other(store, read_only=not way.said, words=words) for words in _STARTS]
        for other in others:
            other.wait(_PATIENCE_S)
        problems = _ended(process, way, (root / "err").read_text) if way.said else []
        if not way.said and process.poll() is not None:
            problems.append(f"exit: the session ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()
    if way.said == _TRUNCATED:
        # What was in the file is gone; that is not to stay unnoticed.
        named = {problem.session_id for problem in check_store(store).problems}
        return problems if "K" in named else [*problems, "silent: check does not name the session"]
    return problems + check_session(root, store, log)


_STARTS: Final = (
    ["store", "recover"],
    ["run", "watch", "--games", "1", "--speed", "max", "--session-id", "other"],
)


def _other(store: Path, words: list[str], *, read_only: bool) -> subprocess.Popen[bytes]:
    """Start another process on the store, which would recover the session if it could."""
    line = command(*words, "--store", str(store))
    if read_only:
        script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        line = ["unshare", "-rm", "sh", "-ec", script, str(store), *line]
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _ended(process: subprocess.Popen[bytes], way: _Way, said: Callable[[], str]) -> list[str]:
    """Return what is wrong with the end of a session that lost its lock or its segment."""
    try:
        code = process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        return ["exit: the session continues"]
    lines = said().splitlines()
    if code != StoreError.exit_code:
        return [f"exit: code {code}, {lines[-1:]}"]
    if len(lines) != 1 or way.said not in lines[0]:
        return [f"exit: {len(lines)} lines, {lines[-1:]}"]
    return []


def _wait_until(true: Callable[[], bool]) -> None:
    clock = WallClock()
    end_ns = clock.monotonic_ns() + round(_PATIENCE_S * 1e9)
    while not true() and clock.monotonic_ns() < end_ns:
        with contextlib.suppress(ChildProcessError):
            signal.sigtimedwait([], _PAUSE_S)


# -------------------------------------------------------------------------------------- repetitions

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


def repeats(times: int, seed: int, games: int = 20) -> dict[str, Any]:
    """Interrupt a run at random moments while it repeats a complete session; return what was wrong."""
    figures, signals, replaced = KillFigures(), Counter[str](), 0
    clock = WallClock()
    with folder() as root:
        store = root / "store"
        words = ["run", "take-profit", "--games", str(games), "--seed", str(seed), "--speed", "max"]
        words += ["--session-id", "K", "--store", str(store), "--json", "--crowd", "5"]
        started_ns = clock.monotonic_ns()
        subprocess.run(command(*words), stdout=subprocess.DEVNULL, check=True)
        whole_s = (clock.monotonic_ns() - started_ns) / 1e9
        right = _state(store)
        for number in range(times):
            chance = random.Random(f"repeats:{seed}:{number}")
            sent = _SIGNALS[number % len(_SIGNALS)]
            inode = (store / "journals" / "K").stat().st_ino
            process = subprocess.Popen(
                command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0, whole_s * 1.5))
            process.send_signal(sent)
            figures.killed_before_the_end += process.wait(_PATIENCE_S) != 0
            signals[sent.name] += 1
            figures.add(f"{seed}:{number} {sent.name}", _judge(store, right))
            replaced += inode != (store / "journals" / "K").stat().st_ino
    found = figures.to_json()
    return {
        "interruptions": figures.kills,
        "interrupted_before_the_end": figures.killed_before_the_end,
        "signals": dict(signals),
        "replaced": replaced,
        "problems": found["problems"],
        "failures": found["failures"],
        "over_goal": sorted(found["problems"]),
    }


_Rows = Counter[tuple[str, int]]


def _state(store: Path) -> tuple[_Rows, list[int], list[str]]:
    """Return the rows of every kind, the numbers of the journal's entries, and unreadable files."""
    reader, rows, wrong = PartReader(), _Rows(), []
    for path in sorted(store.glob("doc_type=*/**/*.parquet")):
        content = reader.read(path)
        if content.wrong:
            wrong.append(f"{path.name}: {content.wrong}")
        rows.update((path.parent.parent.name, seq) for seq in content.seqs)
    return rows, [entry.seq for entry in read_journal(store / "journals" / "K")], wrong


def _judge(store: Path, right: tuple[_Rows, list[int], list[str]]) -> list[str]:
    """Return what is wrong with the store of an interrupted repetition, before and after a recovery."""
    problems = []
    for when in ("before", "after"):
        rows, entries, wrong = _state(store)
        problems += [f"torn: {line} {when} recovery" for line in wrong]
        if (rows, entries) != right[:2]:
            problems.append(
                f"lost: {rows.total()} rows and {len(entries)} entries {when} recovery, instead of "
                f"{right[0].total()} and {len(right[1])}"
            )
        if when == "before":
            recover(store)
    problems += [f"check: {problem.kind}" for problem in check_store(store).problems]
    problems += [f"left: {path.name}" for path in store.glob(".replacing/*")]
    return problems


__all__ = ["WAYS", "locks", "repeats"]
