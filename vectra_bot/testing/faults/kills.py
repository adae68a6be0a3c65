"""kill -9 of real processes at random moments and at every step, and the state of their stores."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from vectra_bot.clock import WallClock
from vectra_bot.fsio import Op, files
from vectra_bot.journal import Journal
from vectra_bot.testing.faults.checks import Checker, PartReader, common, recover, rows_of
from vectra_bot.testing.faults.processes import folder, read_all, start
from vectra_bot.testing.faults.scenarios import Mark, Promises, Step, play


@define
class KillFigures:
    """The results of many kills."""

    kills: int = 0
    killed_before_the_end: int = 0
    problems: Counter[str] = field(factory=Counter)
    failures: list[str] = field(factory=list)

    def add(self, name: str, problems: list[str]) -> None:
        """Add the result of one kill."""
        self.kills += 1
        if problems:
            self.failures.append(f"{name}: {problems[0]}")
            self.problems.update({problem.split(":")[0] for problem in problems})

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON-serializable data."""
        lost = sum(n for kind, n in self.problems.items() if kind != "torn")
        torn = self.problems["torn"]
        return {
            "kills": self.kills,
            "killed_before_the_end": self.killed_before_the_end,
            "lost": lost,
            "unreadable": torn,
            "problems": dict(self.problems),
            "failures": self.failures[:20],
        }


def whole_run(seed: int, inputs: int) -> tuple[list[Step], PartReader]:
    """Return the steps of a writer that is not killed, and its rows."""
    steps: list[Step] = []
    reader = PartReader()
    with folder() as root:

        def observe(step: Step) -> None:
            if isinstance(step, Mark) and step.what == "dropping":
                reader.learn(root / "store")
            steps.append(step)

        play(root / "store", seed, observe, inputs=inputs)
    return steps, reader


@frozen
class Death:
    """When a process kills itself: at operation number *fatal* (never if 0), in its middle if *half*."""

    fatal: int = 0
    half: bool = False


def write(  # noqa: PLR0917 - passed to another process in order
    store: str, seed: int, inputs: int, interval_s: float, death: Death, pipe: Connection
) -> None:
    """Write a store, with one byte to *pipe* for each mark."""
    number = 0

    def observe(step: Step) -> None:
        nonlocal number
        if isinstance(step, Mark):
            os.write(pipe.fileno(), b".")
            return
        number += 1
        if number == death.fatal:
            die(step, half=death.half)

    play(Path(store), seed, observe, inputs=inputs, sync_interval_s=interval_s)


def recover_until(store: str, death: Death, pipe: Connection) -> None:
    """Recover a store, with one byte to *pipe* at the end, if not killed before."""
    number = 0

    def observe(step: Op) -> None:
        nonlocal number
        number += 1
        if number == death.fatal:
            die(step, half=death.half)

    with files.observing(observe):
        recover(Path(store))
    os.write(pipe.fileno(), b".")


def die(step: Op, *, half: bool) -> None:
    """Kill this process as kill -9 does, after half of a write if *half*."""
    if half and step.kind == "write" and step.path.exists():
        fd = os.open(step.path, os.O_WRONLY)
        os.pwrite(fd, step.data[: len(step.data) // 2], step.offset)
    os.kill(os.getpid(), signal.SIGKILL)


def known_after(steps: list[Step], marks: int) -> dict[str, Promises]:
    """Return the promises after that many marks."""
    known: dict[str, Promises] = {}
    for mark in [step for step in steps if isinstance(step, Mark)][:marks]:
        known.setdefault(mark.session, Promises()).take(mark)
    return known


def run_child(
    target: Callable[..., None], *arguments: Any, kill_after_s: float | None = None
) -> tuple[int, int | None]:
    """Run *target* in a separate process; return the number of marks it wrote, and its exit code."""
    process, pipe = start(target, *arguments)
    marks = 0
    if kill_after_s is not None:
        marks += len(os.read(pipe.fileno(), 1 << 16))  # it has started
        process.join(kill_after_s)
        process.kill()
    marks += len(read_all(pipe))
    process.join()
    return marks, process.exitcode


def writers(times: int, seed: int, inputs: int = 60) -> KillFigures:
    """Kill a writer of two sessions at random moments, recover, check; kill one recovery in three too."""
    steps, reader = whole_run(seed, inputs)
    figures = KillFigures()
    clock = WallClock()
    started_ns = clock.monotonic_ns()
    with folder() as root:
        run_child(write, str(root / "store"), seed, inputs, 0.005, Death())
    whole_s = (clock.monotonic_ns() - started_ns) / 1e9
    for number in range(times):
        chance = random.Random(f"{seed}:{number}")
        with folder() as root:
            store = str(root / "store")
            # The start of a process is not to be hit.
            after = chance.uniform(0, whole_s * 0.6)
            marks, code = run_child(write, store, seed, inputs, 0.005, Death(), kill_after_s=after)
            figures.killed_before_the_end += code == -signal.SIGKILL
            if chance.random() < 0.34:
                death = Death(chance.randint(1, 150), chance.random() < 0.5)
                run_child(recover_until, store, death)
            problems = check(reader, root, known_after(steps, marks))
            figures.add(f"{seed}:{number}", problems)
    return figures


def check(reader: PartReader, root: Path, known: dict[str, Promises]) -> list[str]:
    """Check the store of a killed writer."""
    for session in known.values():
        session.states.add("recovering")
    if not (root / "store").exists():
        return (
            [f"lost: the store, and {sum(k.taken for k in known.values())} entries"]
            if known
            else []
        )
    return Checker(reader).check(root / "store", known, promised="taken")


def steps_of(seed: int, inputs: int, every: int, recoveries: int) -> dict[str, Any]:
    """Kill a writer at every step, and after some of the kills its recovery at every step.

    Args:
        seed: of the writer.
        inputs: number of inputs.
        every: only every n-th step; 1 for all.
        recoveries: number of kills after which the recovery is killed at every step.
    """
    steps, reader = whole_run(seed, inputs)
    total = sum(isinstance(step, Op) for step in steps)
    figures, again = KillFigures(), KillFigures()
    chosen = range(1, total + 1, every)
    # Not after the first step: there is nothing to recover yet.
    apart = len(chosen) // (recoveries + 1)
    nested = {chosen[(i + 1) * apart] for i in range(recoveries)}
    for number in chosen:
        for half in (False, True) if _can_tear(steps, number) else (False,):
            with folder() as root:
                store = str(root / "store")
                marks, code = run_child(write, store, seed, inputs, 0, Death(number, half))
                figures.killed_before_the_end += code == -signal.SIGKILL
                if number in nested and not half:
                    _kill_recovery(again, reader, root, known_after(steps, marks), number)
                problems = check(reader, root, known_after(steps, marks))
                figures.add(f"step {number}{' half' if half else ''} of {total}", problems)
    return {
        "steps": total,
        **figures.to_json(),
        "in_recovery": again.to_json(),
        "over_goal": [n for n, f in (("writing", figures), ("recovery", again)) if f.failures],
    }


def _can_tear(steps: list[Step], number: int) -> bool:
    """Return whether a step writes to a named file: in others a partial write is invisible."""
    step = [step for step in steps if isinstance(step, Op)][number - 1]
    return step.kind == "write" and step.path.suffix != files.TEMPORARY


def _kill_recovery(
    figures: KillFigures, reader: PartReader, root: Path, known: dict[str, Promises], number: int
) -> None:
    """Kill the recovery of a store at every step, each time from the same state."""
    fatal = 0
    while (root / "store").exists():
        fatal += 1
        with folder() as copy:
            shutil.copytree(root / "store", copy / "store", symlinks=True)
            marks, _ = run_child(recover_until, str(copy / "store"), Death(fatal, fatal % 2 == 0))
            if marks:
                return
            figures.killed_before_the_end += 1
            figures.add(f"step {number}, then {fatal}", check(reader, copy, known))


RUN = ["run", "take-profit", "--games", "400", "--crowd", "20", "--session-id", "K"]


def command(*words: str) -> list[str]:
    """Return the command line of vectra-bot with *words*."""
    return [sys.executable, "-m", "vectra_bot", *words]


def sessions(times: int, seed: int) -> KillFigures:
    """Kill ``vectra-bot run`` at random moments, recover with ``vectra-bot store recover``, and check."""
    figures = KillFigures()
    for number in range(times):
        chance = random.Random(f"run:{seed}:{number}")
        with folder() as root:
            store, log = root / "store", root / "exchange.log"
            words = ["--seed", str(chance.randrange(10**6)), "--store", str(store)]
            words += ["--exchange-log", str(log), "--json", "--speed", "max"]
            process = subprocess.Popen(
                command(*RUN, *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            _wait_for(store / "journals" / "K" / "000001.log", process)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0, 2.5))
            process.kill()
            figures.killed_before_the_end += process.wait() == -signal.SIGKILL
            figures.add(f"run {seed}:{number}", check_session(root, store, log))
    return figures


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    while not path.exists() and process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.005)


def recover_by_command(store: Path) -> str:
    """Recover a store as a user does; return the error."""
    done = subprocess.run(
        command("store", "recover", "--store", str(store), "--json"),
        capture_output=True,
        check=False,
    )
    return f"exit {done.returncode}: {done.stderr[-300:]!r}" if done.returncode else ""


def check_session(
    root: Path, store: Path, log: Path, recover: Callable[[Path], Any] = recover_by_command
) -> list[str]:
    """Recover a killed session and compare the store with journal and exchange."""
    reader, problems = PartReader(), list[str]()
    for path in store.rglob("*.parquet"):
        if wrong := reader.read(path).wrong:
            problems.append(f"torn: {path.name} {wrong} before recovery")
    journal = store / "journals" / "K"
    before = list(Journal.open(journal))
    if isinstance(wrong := recover(store), str) and wrong:
        return [*problems, f"lost: recovery: {wrong}"]
    entries = list(Journal.open(journal))
    if common(entries, before) < len(before) or entries[-1].kind != "close":
        problems.append("changed: recovery did not keep the journal's entries")
    sent = (
        [json.loads(line)["trace_id"] for line in log.read_text().splitlines()]
        if log.exists()
        else []
    )
    intents = {e.command().trace_id: e.command().action_id for e in entries if e.kind == "intent"}
    if unknown := [trace for trace in sent if trace not in intents]:
        problems.append(f"lost: {len(unknown)} requests have no intent, the first {unknown[0]}")
    found: Counter[tuple[str, int]] = Counter()
    for path in store.glob("doc_type=*/session_id=K/*.parquet"):
        content = reader.read(path)
        if content.wrong:
            problems.append(f"torn: {path.name} {content.wrong}")
        found.update(
            (path.parent.parent.name.removeprefix("doc_type="), seq) for seq in content.seqs
        )
    right = Counter((kind, e.seq) for e in entries if (kind := rows_of(e)) is not None)
    # What was sent is a row too, of the input that reports it.
    right.update(
        ("ws_event", e.seq) for e in entries if e.kind == "input" and e.data["input"].get("raw")
    )
    if found != right:
        missing, twice = (right - found), (found - right)
        problems.append(f"lost: rows missing {list(missing)[:3]}, too many {list(twice)[:3]}")
    return problems + seed_sql(root, store, set(intents.values()))


def seed_sql(root: Path, store: Path, actions: set[str]) -> list[str]:
    """Run the schema's own queries unchanged, in a home directory whose store is this one."""
    import duckdb

    from vectra_bot.store.query.named.seed import QUERIES

    home = root / "home"
    (home / "rugs_data").mkdir(parents=True, exist_ok=True)
    if not (home / "rugs_data" / "events_parquet").exists():
        (home / "rugs_data" / "events_parquet").symlink_to(store)
    with duckdb.connect(config={"home_directory": str(home)}) as connection:
        for query in QUERIES:
            connection.execute(query.sql).fetchall()
        text = (
            "SELECT action_id FROM '~/rugs_data/events_parquet/doc_type=player_action/**/*.parquet'"
        )
        ids = Counter(action for (action,) in connection.execute(text).fetchall())
    if twice := [action for action, times in ids.items() if times > 1]:
        return [f"twice: actions {twice[:3]} in the schema's own SQL"]
    lacking = actions - set(ids)
    return [f"lost: actions {sorted(lacking)[:3]} in the schema's own SQL"] if lacking else []
