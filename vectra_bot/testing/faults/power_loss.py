"""Simulated power failures: a store is written once, then what a disk may have kept of it is recovered."""

from __future__ import annotations

import copy
import hashlib
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from vectra_bot.fsio import Op, files
from vectra_bot.testing.faults.checks import Checker, PartReader
from vectra_bot.testing.faults.disk_model import Disk, Tree, read_tree, write_tree
from vectra_bot.testing.faults.processes import memory
from vectra_bot.testing.faults.scenarios import Mark, Promises, Step, StepLog, play

CRASHES_PER_TRACE = 250
KINDS = ("loss", "loss", "loss", "kill then loss", "loss while recovering")

Filter = Callable[[list[Step]], list[Step]]


@frozen
class Trace:
    """The steps of a writer in *root*, and its rows."""

    root: Path
    steps: list[Step]
    reader: PartReader


def record(seed: int) -> Trace:
    """Write a store once and return the steps; the store itself is removed."""
    steps = StepLog()
    reader = PartReader()
    root = Path(tempfile.mkdtemp(prefix="vectra-trace-", dir=memory()))
    store = root / "store"

    def observe(step: Step) -> None:
        if isinstance(step, Mark) and step.what == "dropping":
            reader.learn(store)
        steps(step)

    try:
        play(store, seed, observe)
        disk = Disk(root)
        for step in steps.taken:
            if isinstance(step, Op):
                disk.apply(step)
        _compare(disk.now(), read_tree(root))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return Trace(root, steps.taken, reader)


def _compare(model: Tree, real: Tree) -> None:
    """Compare the model with the real tree: a difference was made without the observed functions."""
    for name in sorted(set(model) | set(real)):
        if model.get(name, "missing") != real.get(name, "missing"):
            raise AssertionError(
                f"{name} was changed without the seam: the model has "
                f"{_size(model, name)} bytes, the disk {_size(real, name)}"
            )


def _size(tree: Tree, name: str) -> object:
    return None if name not in tree else len(tree[name] or b"")


@frozen
class Crash:
    """One crash: all its random choices follow from the number."""

    number: int
    point: int
    kind: str
    chance: random.Random


@define
class CrashFigures:
    """The results of many crashes."""

    crashes: int = 0
    distinct: int = 0
    kinds: Counter[str] = field(factory=Counter)
    problems: Counter[str] = field(factory=Counter)
    failures: list[str] = field(factory=list)
    steps: int = 0

    def add(self, other: CrashFigures) -> None:
        """Add the figures of another trace."""
        self.crashes += other.crashes
        self.distinct += other.distinct
        self.kinds += other.kinds
        self.problems += other.problems
        self.failures += other.failures
        self.steps += other.steps


def crash_trace(
    seed: int, crashes: int, only: int | None = None, spoil: Filter | None = None
) -> CrashFigures:
    """Crash the trace of *seed* that often and check the result each time.

    Args:
        seed: seed of the trace and of all crashes.
        crashes: number of crashes.
        only: number of the one crash to check.
        spoil: changes the trace before it is crashed, to plant a bug.
    """
    trace = record(seed)
    steps = trace.steps if spoil is None else spoil(trace.steps)
    figures = CrashFigures(steps=len(steps))
    checker = Checker(trace.reader)
    seen: set[bytes] = set()
    for crash, disk, known in _walk(
        trace.root, steps, list(_draw(seed, crashes, len(steps), only))
    ):
        figures.crashes += 1
        figures.kinds[crash.kind] += 1
        with tempfile.TemporaryDirectory(prefix="vectra-crash-", dir=memory()) as folder:
            store = Path(folder)
            tree = _left(crash, disk, checker)
            digest = _digest(tree, known)
            if digest in seen:
                continue
            seen.add(digest)
            figures.distinct += 1
            write_tree(store, tree)
            root = store / "store"
            promises = known if crash.kind == "loss" else {n: _lasting(k) for n, k in known.items()}
            problems = checker.check(root, promises) if root.exists() else _nothing(known)
        if problems:
            figures.failures.append(f"{seed}:{crash.number} at {_at(steps, crash)}: {problems[0]}")
            figures.problems.update({problem.split(":")[0] for problem in problems})
    return figures


def _draw(seed: int, crashes: int, steps: int, only: int | None) -> Iterator[Crash]:
    for number in range(crashes) if only is None else [only]:
        chance = random.Random(f"{seed}:{number}")
        yield Crash(number, chance.randrange(1, steps + 1), chance.choice(KINDS), chance)


def _walk(
    root: Path, steps: list[Step], crashes: list[Crash]
) -> Iterator[tuple[Crash, Disk, dict[str, Promises]]]:
    """Yield each crash with the disk and the promises at its moment; one pass over the trace."""
    disk, known, done = Disk(root), dict[str, Promises](), 0
    for crash in sorted(crashes, key=lambda c: c.point):
        for step in steps[done : crash.point]:
            if isinstance(step, Mark):
                known.setdefault(step.session, Promises()).take(step)
            else:
                disk.apply(step)
        done = crash.point
        yield crash, disk, known


def _at(steps: list[Step], crash: Crash) -> str:
    before = steps[crash.point - 1]
    what = before.kind if isinstance(before, Op) else before.what
    where = before.path.name if isinstance(before, Op) else before.session
    return f"step {crash.point} of {len(steps)} (after {what} {where}; {crash.kind})"


def _left(crash: Crash, disk: Disk, checker: Checker) -> Tree:
    """Return what the crash leaves; for the other kinds, after a recovery with a power failure."""
    if crash.kind == "loss":
        return disk.crash(crash.chance)
    lost = crash.kind == "loss while recovering"
    tree = disk.crash(crash.chance) if lost else disk.now()
    steps = StepLog()
    with tempfile.TemporaryDirectory(prefix="vectra-again-", dir=memory()) as folder:
        again = Path(folder)
        write_tree(again, tree)
        if (again / "store").exists():
            with files.observing(steps):
                checker.recover(again / "store")
        after = _fork(disk, tree, again, lost=lost)
    for step in steps.taken[: crash.chance.randint(0, len(steps.taken))]:
        if isinstance(step, Op):
            after.apply(step)
    return after.crash(crash.chance)


def _fork(disk: Disk, tree: Tree, again: Path, *, lost: bool) -> Disk:
    """Return a disk in the state that the recovery in *again* found: pending changes are still pending.

    After a power failure everything that is there is durable.
    """
    if lost:
        other = Disk(again)
        for name, data in sorted(tree.items()):
            other.put(again / name, data)
        return other
    other = copy.deepcopy(disk)
    other.root = again
    return other


def _lasting(known: Promises) -> Promises:
    """Return the promises when a recovery has continued the session: it may have more entries."""
    return Promises(
        entries=known.entries, taken=known.taken, durable=known.durable, starts=known.starts,
        states={*known.states, "recovering"},
    )  # fmt: skip


def _nothing(known: dict[str, Promises]) -> list[str]:
    lost = [name for name, k in known.items() if k.durable and "dropping" not in k.states]
    return [f"lost: sessions {lost} with the whole store"] if lost else []


def _digest(tree: Tree, known: dict[str, Promises]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for name, data in sorted(tree.items()):
        digest.update(f"{name} {-1 if data is None else len(data)}\n".encode())
        digest.update(data or b"")
    for name, k in sorted(known.items()):
        digest.update(f"{name} {len(k.entries)} {k.taken} {k.durable} {sorted(k.states)}".encode())
    return digest.digest()


def run(crashes: int, seed: int, jobs: int = 1) -> dict[str, Any]:
    """Crash that often in total and return the figures."""
    total = CrashFigures()
    traces = max(1, crashes // CRASHES_PER_TRACE)
    shares = [crashes // traces + (i < crashes % traces) for i in range(traces)]
    seeds = [seed + i for i in range(traces)]
    for figures in _all(seeds, shares, jobs):
        total.add(figures)
    lost = sum(n for kind, n in total.problems.items() if kind != "torn")
    return {
        "crashes": total.crashes,
        "distinct": total.distinct,
        "traces": traces,
        "steps": total.steps,
        "seed": seed,
        "kinds": dict(total.kinds),
        "lost": lost,
        "torn": total.problems["torn"],
        "problems": dict(total.problems),
        "failures": sorted(total.failures)[:20],
        "over_goal": [
            name for name, bad in (("lost", lost), ("torn", total.problems["torn"])) if bad
        ],
    }


def _all(seeds: list[int], shares: list[int], jobs: int) -> Iterable[CrashFigures]:
    if jobs == 1:
        yield from map(crash_trace, seeds, shares)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(crash_trace, seeds, shares)
