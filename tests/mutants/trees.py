"""Scratch copies of the source tree, and the tests that run in them against a planted bug."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from attrs import frozen

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("vectra_bot", "plugins", "strategies", "tests", "docs", "README.md", "pyproject.toml")
WORKERS = 2
# CPU seconds: of one mutant's tests, and of all tests without a bug. One that does not end is killed too.
LIMIT_S = 90
BASELINE_S = 900
_LOADED = 8  # how much longer that may take: tests wait, and other processes use the machine
_TEST_S = 240  # of one test, waiting included
_CPU = re.compile(r"^cpu seconds: ([0-9.]+)$", re.MULTILINE)
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
# Pytest's exit codes: tests failed, or could not even be collected.
_KILLED = (1, 2)

T = TypeVar("T")
R = TypeVar("R")


class Unusable(Exception):
    """The run says nothing: a text is not there once, or the tests fail without a bug."""


@frozen
class Outcome:
    """What the tests say of one mutant.

    ``by`` is the first test that failed, ``timeout`` if none ended in time; empty if the mutant survived.
    ``cpu_seconds`` does not depend on what else the machine does.
    """

    killed: bool
    by: str
    seconds: float
    cpu_seconds: float


class Tree:
    """One scratch copy; a file at a time is changed in it, never in the worktree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._changes = 0
        for name in COPIED:
            source, target = ROOT / name, folder / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".hypothesis", "*.pyc")
                shutil.copytree(source, target, ignore=ignored)
            else:
                shutil.copy2(source, target)

    @contextmanager
    def changed(self, file: str, text: str) -> Iterator[None]:
        """Let *file* have *text* while the block runs."""
        path = self.folder / file
        original, times = path.read_bytes(), path.stat()
        path.write_text(text, encoding="utf-8")
        # Python compiles a file again if its size or its second of change is another: each change has its own
        # second, or the bytecode of an earlier one of the same size would be run.
        self._changes += 1
        os.utime(path, (times.st_atime, times.st_mtime + 10 * self._changes))
        try:
            yield
        finally:
            path.write_bytes(original)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def test(
        self, tests: Sequence[str], *, compiled: bool = False, limit_s: int = LIMIT_S
    ) -> Outcome:
        """Run *tests* up to the first that fails; keep what Python compiles if *compiled*.

        Raises:
            Unusable: pytest cannot run them.
        """
        command = [
            "sh", "-c", 'ulimit -t "$0" && exec "$@"', str(limit_s), sys.executable,
            "-m", "pytest", "-x", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider",
            "-p", "no:xdist", "-p", "quick_profile", "-o", "addopts=--import-mode=importlib",
            "--strict-markers", "--hypothesis-seed=0", f"--timeout={_TEST_S}", *tests,
        ]  # fmt: skip
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=self.folder, env=self._environment(compiled=compiled), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=limit_s * _LOADED)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
        seconds = time.monotonic() - began
        if process.returncode in (-signal.SIGKILL, -signal.SIGXCPU):
            return Outcome(killed=True, by="timeout", seconds=seconds, cpu_seconds=limit_s)
        if process.returncode not in (0, *_KILLED):
            raise Unusable(f"pytest ended with {process.returncode}:\n{output[-2000:]}")
        found = _FAILED.search(output)
        by = "" if process.returncode == 0 else found[1] if found else "collection"
        cpu = sum(map(float, _CPU.findall(output)))
        return Outcome(process.returncode != 0, by, seconds, cpu)

    def _environment(self, *, compiled: bool) -> dict[str, str]:
        folders = ("tests/mutants", ".", "plugins", "strategies")
        path = os.pathsep.join(str(self.folder / name) for name in folders)
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        values = {
            **os.environ,
            "PYTHONPATH": path,
            "HYPOTHESIS_PROFILE": "mutants",
            "TMPDIR": str(scratch),
        }
        values.pop("PYTHONDONTWRITEBYTECODE", None)
        return values if compiled else {**values, "PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def trees() -> Iterator[list[Tree]]:
    """Make one scratch copy a worker, and remove them."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        yield [Tree(Path(folder) / f"tree{number}") for number in range(WORKERS)]


def check_unchanged(copies: Sequence[Tree], tests: Sequence[str]) -> float:
    """Run *tests* without a bug, each in one of the copies; return the CPU seconds.

    Raises:
        Unusable: one fails.
    """
    shares = [tests[number :: len(copies)] for number in range(len(copies))]
    with ThreadPoolExecutor(len(copies)) as pool:
        outcomes = list(pool.map(_test_unchanged, copies, shares))
    for outcome in outcomes:
        if outcome.killed:
            raise Unusable(f"{outcome.by} fails without a bug: fix it first")
    return sum(outcome.cpu_seconds for outcome in outcomes)


def _test_unchanged(tree: Tree, tests: Sequence[str]) -> Outcome:
    if not tests:
        return Outcome(killed=False, by="", seconds=0, cpu_seconds=0)
    return tree.test(tests, compiled=True, limit_s=BASELINE_S)


def each(
    copies: Sequence[Tree], items: Iterable[T], work: Callable[[Tree, T], R]
) -> Iterator[tuple[T, R]]:
    """Do *work* for every item, as many at a time as there are copies; yield in order of the items."""
    free: SimpleQueue[Tree] = SimpleQueue()
    for tree in copies:
        free.put(tree)

    def do(item: T) -> R:
        tree = free.get()
        try:
            return work(tree, item)
        finally:
            free.put(tree)

    wanted = list(items)
    with ThreadPoolExecutor(len(copies)) as pool:
        yield from zip(wanted, pool.map(do, wanted), strict=True)
