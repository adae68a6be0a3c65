"""The test of the test: planted bugs, each of which the power-loss check must find.

A bug is an operation that the writer seems to have omitted, or done too late, in the crashed trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from vectra_bot.fsio import TEMPORARY, Op
from vectra_bot.testing.faults.power_loss import crash_trace
from vectra_bot.testing.faults.scenarios import Mark, Step

Spoil = Callable[[list[Step]], list[Step]]


def _without(wrong: Callable[[Op], bool]) -> Spoil:
    return lambda steps: [s for s in steps if not (isinstance(s, Op) and wrong(s))]


def _rename_before_sync(steps: list[Step]) -> list[Step]:
    """Sync a renamed file only after the rename."""
    result: list[Step] = []
    held: Op | None = None
    for step in steps:
        if isinstance(step, Op) and step.kind == "sync" and step.path.suffix == TEMPORARY:
            held = step
            continue
        result.append(step)
        if held is not None and isinstance(step, Op) and step.kind == "sync_directory":
            target = held.path.with_name(held.path.name[1:].removesuffix(TEMPORARY))
            result.append(Op("sync", target))
            held = None
    return result


def _no_sync_of_intents(steps: list[Step]) -> list[Step]:
    """Omit the syncs right before entries were reported as durable."""
    result: list[Step] = []
    for step in steps:
        if isinstance(step, Mark) and step.what == "durable":
            while result and _is_journal_sync(result[-1]):
                result.pop()
        result.append(step)
    return result


def _is_journal_sync(step: Step) -> bool:
    return isinstance(step, Op) and (
        (step.kind == "sync" and step.path.suffix == ".log")
        or (step.kind == "sync_directory" and step.path.parent.name == "journals")
    )


BUGS: Final[dict[str, Spoil]] = {
    "journals are never flushed to disk": _without(
        lambda op: op.kind == "sync" and op.path.suffix == ".log"
    ),
    "names of journals are never flushed to disk": _without(
        lambda op: op.kind == "sync_directory" and op.path.parent.name == "journals"
    ),
    "no directory is flushed to disk": _without(lambda op: op.kind == "sync_directory"),
    "files are renamed before they are flushed to disk": _rename_before_sync,
    "Parquet files are never flushed to disk": _without(
        lambda op: op.kind == "sync" and op.path.name.endswith(f".parquet{TEMPORARY}")
    ),
    "lines of manifests are never flushed to disk": _without(
        lambda op: op.kind == "sync" and op.path.name == "_manifest.jsonl"
    ),
    "intents are not flushed to disk before they are sent": _no_sync_of_intents,
}


def run(crashes: int, seed: int) -> dict[str, Any]:
    """Crash a trace with each bug that often; every bug must be found, and nothing without a bug."""
    found: dict[str, str] = {}
    for name, spoil in BUGS.items():
        figures = crash_trace(seed, crashes, spoil=spoil)
        found[name] = figures.failures[0] if figures.failures else ""
    clean = crash_trace(seed, crashes)
    missed = [name for name, failure in found.items() if not failure]
    return {
        "crashes_each": crashes,
        "bugs": len(BUGS),
        "found": len(BUGS) - len(missed),
        "missed": missed,
        "first_failures": found,
        "failures_without_a_bug": clean.failures[:5],
        "over_goal": [*missed, *(["clean"] if clean.failures else [])],
    }
