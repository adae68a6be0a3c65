"""The model check of the tracker at a small depth, and that it sees what it must."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model.cloning import clone
from tests.model.tracker import PAIRS, Step, broken, key_of, report_of, search, world_of
from vectra_bot.models import ActionState, Proof

DEPTH = 5
SCRIPT = Path(__file__).parent / "tracker.py"


@pytest.mark.parametrize("pair", PAIRS)
def test_every_short_history_keeps_the_rules(pair: str) -> None:
    """No two terminal states, none that is wrong or without proof, no lamport lost, nothing left open."""
    (done,) = search(DEPTH, (pair,))

    assert done.failure is None
    assert done.states > 500
    assert done.transitions > done.states
    reached = {ActionState(state) for state in done.decided}
    ended = {state for state in ActionState if state.is_terminal}
    assert reached >= ended - {ActionState.DENIED, ActionState.UNRESOLVED}


@pytest.mark.parametrize("pair", PAIRS)
def test_a_copied_world_behaves_as_the_one_that_was_lived(pair: str) -> None:
    """The search copies worlds: after every two steps a copy is the state that the history itself gives."""
    for first in list(world_of(pair).steps()):
        lived = world_of(pair, (first,))
        for second in list(lived.steps()):
            copied = clone(lived, {})
            copied.do(second)
            assert key_of(copied) == key_of(world_of(pair, (first, second)))
        assert key_of(lived) == key_of(world_of(pair, (first,)))


def lived(pair: str, *path: Step) -> list[tuple[ActionState, Proof | None]]:
    """Return the states and proofs of both actions after a history that keeps every rule."""
    world = world_of(pair)
    for step in path:
        world.do(step)
        assert broken(world, step) is None
    actions = {action.action_id: action for action in world.completed}
    actions |= {key: t.action for key, t in world.tracker.book.incomplete.items()}
    found = [actions[command.action_id] for command in world.actions]
    return [(action.state, action.proof) for action in found]


def test_both_of_two_actions_are_proven_by_one_statement() -> None:
    """After a lost link one update shows what both have done: only both together explain it."""
    found = lived(
        "buy, sidebet",
        ("sent", 0),
        ("sent", 1),
        ("disconnect",),
        ("reconnect",),
        ("update", (0, 1)),
    )
    assert found == [(ActionState.EXECUTED_LATE, Proof.UPDATE)] * 2


def test_of_two_equal_actions_a_statement_proves_none() -> None:
    """One of two equal buys was executed: nothing says which, so both wait, and end as UNRESOLVED."""
    path: tuple[Step, ...] = (
        ("sent", 0),
        ("sent", 1),
        ("disconnect",),
        ("reconnect",),
        ("update", (1,)),
    )
    assert lived("buy, buy of the same amount", *path) == [(ActionState.UNKNOWN, None)] * 2
    unproven = [(ActionState.UNRESOLVED, None)] * 2
    assert lived("buy, buy of the same amount", *path, ("game end", ())) == unproven
    missed: tuple[Step, ...] = (("disconnect",), ("game end missed", ()), ("reconnect",))
    path = (*path, *missed, ("update", ()), ("wait", 11))
    assert lived("buy, buy of the same amount", *path) == unproven


def test_a_missed_end_is_settled_by_the_history_of_games() -> None:
    """The game ended while the link was down: its sidebet is in the history, its buy in the account."""
    missed = (("sent", 0), ("sent", 1), ("disconnect",))
    for executed, buy, sidebet in (
        ((), ActionState.NOT_EXECUTED, ActionState.NOT_EXECUTED),
        ((0,), ActionState.EXECUTED_LATE, ActionState.NOT_EXECUTED),
        ((1,), ActionState.NOT_EXECUTED, ActionState.EXECUTED_LATE),
        ((0, 1), ActionState.EXECUTED_LATE, ActionState.EXECUTED_LATE),
    ):
        steps: tuple[Step, ...] = (("game end missed", executed), ("reconnect",), ("update", ()))
        proof = Proof.UPDATE if buy is ActionState.EXECUTED_LATE else Proof.LEDGER
        assert lived("buy, sidebet", *missed, *steps) == [(buy, proof), (sidebet, Proof.HISTORY)]


def test_what_came_after_a_missed_end_is_taken_into_account() -> None:
    """Of two equal buys a late trade proves the first: the statement proves that the other did not happen."""
    found = lived(
        "buy, buy of the same amount",
        ("sent", 0),
        ("sent", 1),
        ("game end, link lost", (0,)),
        ("reconnect",),
        ("late evidence", 0),
        ("update", ()),
    )
    assert found == [
        (ActionState.EXECUTED_LATE, Proof.TRADE),
        (ActionState.NOT_EXECUTED, Proof.LEDGER),
    ]


def test_a_broken_rule_is_reported_with_its_history() -> None:
    """The rules are about the venue's truth: a decision that differs from what it executed breaks one."""
    world = world_of("buy, sidebet", (("sent", 0), ("ack-", 0)))
    assert broken(world, ("ack-", 0)) is None
    world.requests[0].truth = "executed"
    assert "but the venue executed it" in (broken(world, ("ack-", 0)) or "")
    report = report_of(search(1), 1, 0.0)
    assert (report["ok"], report["failure"], report["depth"]) == (True, None, 1)


def test_the_script_prints_states_and_transitions() -> None:
    """It is run by hand and by the checks, as text or as JSON."""
    command = [sys.executable, str(SCRIPT), "--depth", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["ok"] is True
    assert report["states"] == sum(pair["states"] for pair in report["pairs"])
    assert report["transitions"] > report["states"] > 50
