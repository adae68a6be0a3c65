"""kill -9 of real processes, at steps on the disk and at random moments, and of their recoveries."""

from __future__ import annotations

import os
import signal

import pytest

from vectra_bot.fsio import Op
from vectra_bot.testing.faults import kills
from vectra_bot.testing.faults.checks import Checker, PartReader
from vectra_bot.testing.faults.kills import Death
from vectra_bot.testing.faults.processes import folder
from vectra_bot.testing.faults.scenarios import Step

SEED, INPUTS = 5, 4


@pytest.fixture(scope="module")
def whole() -> tuple[list[Step], PartReader]:
    return kills.whole_run(SEED, INPUTS)


@pytest.mark.parametrize(
    "share",
    [
        0.35,
        0.8,
        *(
            pytest.param(share, marks=pytest.mark.slow)
            for share in (0.02, 0.1, 0.2, 0.5, 0.65, 0.9, 0.99)
        ),
    ],
)
def test_kill_at_a_step(whole: tuple[list[Step], PartReader], share: float) -> None:
    """A writer killed at a step on the disk, or in the middle of it, loses nothing that was accepted."""
    steps, reader = whole
    number = max(1, int(share * sum(isinstance(step, Op) for step in steps)))
    with folder() as root:
        store = str(root / "store")
        death = Death(number, number % 2 == 0)
        marks, code = kills.run_child(kills.write, store, SEED, INPUTS, 0, death)
        assert code == -signal.SIGKILL
        assert kills.check(reader, root, kills.known_after(steps, marks)) == []


@pytest.mark.slow
def test_kill_while_recovering(whole: tuple[list[Step], PartReader]) -> None:
    """Recoveries killed one after the other, each a few steps later, leave a store that recovers."""
    steps, reader = whole
    total = sum(isinstance(step, Op) for step in steps)
    with folder() as root:
        store = str(root / "store")
        marks, _ = kills.run_child(kills.write, store, SEED, INPUTS, 0, Death(total // 2, True))
        died = 0
        for fatal in range(2, 60, 9):
            done, code = kills.run_child(kills.recover_until, store, Death(fatal, fatal % 2 == 0))
            died += code == -signal.SIGKILL
            if done:
                break
        assert died > 0
        assert kills.check(reader, root, kills.known_after(steps, marks)) == []


@pytest.mark.slow
def test_kill_at_random_moments() -> None:
    """Writers killed at random moments, with a thread that flushes their journals to disk."""
    figures = kills.writers(4, 7, INPUTS * 3)
    assert figures.failures == []
    assert figures.kills == 4


@pytest.mark.slow
def test_kill_of_a_session() -> None:
    """``vectra-bot run`` is killed: ``store recover`` leaves a store that the schema's SQL can read."""
    figures = kills.sessions(1, 3)
    assert figures.failures == []
    assert figures.killed_before_the_end == 1


def test_a_lost_entry_is_found(whole: tuple[list[Step], PartReader]) -> None:
    """The check fails for a journal that lacks its end."""
    steps, reader = whole
    number = sum(isinstance(step, Op) for step in steps) // 3
    with folder() as root:
        store = str(root / "store")
        marks, _ = kills.run_child(kills.write, store, SEED, INPUTS, 0, Death(number))
        known = kills.known_after(steps, marks)
        last = max((root / "store" / "journals" / "one").glob("0*.log"))
        os.truncate(last, 0)
        found = Checker(reader).check(root / "store", known, promised="taken")
    assert any(problem.startswith("lost") for problem in found)
