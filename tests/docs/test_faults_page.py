"""faults.md: every fault is listed once, each named test exists, and one without a test says so."""

from __future__ import annotations

import ast
import sys
from functools import lru_cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

import generate_faults

ROOT = Path(__file__).resolve().parents[2]
GROUPS = {"N": 14, "S": 30, "P": 12, "G": 12, "U": 9, "D": 10, "X": 18}
FAULTS = [fault for group in generate_faults.groups() for fault in group.faults]


@lru_cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of the tests of a file."""
    file = ROOT / "tests" / path
    if not file.is_file():
        return frozenset()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, functions))


def test_every_fault_is_listed_once() -> None:
    """Seven groups, 105 faults, numbered without a gap."""
    listed = {
        group.letter: [fault.name for fault in group.faults] for group in generate_faults.groups()
    }

    assert {letter: len(names) for letter, names in listed.items()} == GROUPS
    assert {group.letter: group.count for group in generate_faults.groups()} == GROUPS
    for letter, names in listed.items():
        assert names == [f"{letter}{number:02d}" for number in range(1, len(names) + 1)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_names_in_a_fault_exist(fault: generate_faults.Fault) -> None:
    """Each is named once, by its file and its function."""
    assert len(set(fault.tests)) == len(fault.tests)
    for test in fault.tests:
        path, _, name = test.partition("::")
        assert name.startswith("test_")
        assert name in names_in(path), test


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_without_a_test_says_so(fault: generate_faults.Fault) -> None:
    """What happens and what is done are sentences; without a test it is not yet done, or cannot happen."""
    assert fault.happens.endswith(".")
    assert fault.does.endswith(".")
    assert fault.tests or "not yet" in fault.does.lower() or "no live trading" in fault.does


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.name[0] in "NSPUD"], ids=lambda f: f.name)
def test_faults_of_a_session_have_a_test_of_their_name(fault: generate_faults.Fault) -> None:
    """Network, semantics, process, input and stored data: a test is named after each."""
    names = [test.partition("::")[2] for test in fault.tests]

    assert any(f"_{fault.name.lower()}_" in name for name in names)


def test_the_page_is_linked() -> None:
    """From the index and from the page that says where to look."""
    for page in ("index.md", "architecture.md"):
        assert "(reference/faults.md)" in (ROOT / "docs" / page).read_text(encoding="utf-8")
