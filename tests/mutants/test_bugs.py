"""The planted bugs still fit the sources; `python tests/mutants/run.py` says whether they are noticed."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.mutants.bugs import BUGS, Bug
from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.trees import ROOT


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_can_be_planted(bug: Bug) -> None:
    """Its text is in its file exactly once, what it makes of the file compiles, and its tests are there."""
    text = (ROOT / bug.file).read_text(encoding="utf-8")
    mutated = text.replace(bug.old, bug.new)

    assert text.count(bug.old) == 1
    assert ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(text))
    assert bug.tests
    assert all((ROOT / name).is_file() for name in bug.tests)


def test_there_are_enough_bugs_of_their_own_names() -> None:
    """At least 64, and one can be asked for by name."""
    assert len(BUGS) >= 64
    assert max(Counter(bug.name for bug in BUGS).values()) == 1


@pytest.mark.parametrize(("file", "code", "mutant"), EQUIVALENT)
def test_an_explained_mutant_is_of_a_line_that_is_there(file: str, code: str, mutant: str) -> None:
    """What no test can notice is explained for the sources as they are."""
    text = (ROOT / "vectra_bot" / file).read_text(encoding="utf-8")

    assert code in [line.strip() for line in text.splitlines()]
    assert code != mutant
    assert EQUIVALENT[file, code, mutant]
