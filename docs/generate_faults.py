"""The page of faults: what can happen, what vectra-bot does, and the tests, from docs/data/faults.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from generate_text import table

DATA = Path(__file__).resolve().parent / "data" / "faults.toml"
NOT_YET = "not yet"


@frozen
class Fault:
    """A fault that is expected.

    Attributes:
        name: its id, a letter and two digits.
        happens: what happens.
        does: what vectra-bot does.
        tests: path and name of the tests, ``PATH::NAME``.
    """

    name: str
    happens: str
    does: str
    tests: tuple[str, ...]


@frozen
class Group:
    """Faults of one kind.

    Attributes:
        letter: the first letter of their ids.
        count: how many there are; ids count from 01 to it.
        title: heading.
        faults: in order.
    """

    letter: str
    count: int
    title: str
    faults: tuple[Fault, ...]


def groups() -> Iterator[Group]:
    """Yield the groups of the data file."""
    for group in tomllib.loads(DATA.read_text())["group"]:
        lines = [line.split(" | ") for line in group["faults"].strip().splitlines()]
        faults = tuple(
            Fault(name, happens, does, () if tests == "-" else tuple(tests.split()))
            for name, happens, does, tests in lines
        )
        yield Group(group["letter"], group["count"], group["title"], faults)


def faults_page() -> Iterator[str]:
    """Every fault, with its tests."""
    known = list(groups())
    tested = sum(bool(fault.tests) for group in known for fault in group.faults)
    yield "# Faults\n"
    yield "What can go wrong, what vectra-bot does then, and the tests for it, by their path in `tests/`."
    yield f"{tested} of {sum(group.count for group in known)} have a test. *Not yet* marks what this version"
    yield "does not do: most of it needs live trading or a dashboard. `pytest -k NAME` runs a test.\n"
    for group in known:
        yield f"## {group.title}\n"
        rows = ((fault.name, fault.happens, fault.does, _tests(fault)) for fault in group.faults)
        yield from table(("id", "what happens", "what vectra-bot does", "tests"), rows)


def _tests(fault: Fault) -> str:
    return "<br>".join(f"`{test}`" for test in fault.tests) or NOT_YET
