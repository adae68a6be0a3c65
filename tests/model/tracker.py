"""Check the tracker against every history of two actions, breadth first.

    python tests/model/tracker.py [--depth N] [--json]

The states of tracker, venue and link after each event are compared with those seen before; equal ones are
merged. In every state: no action has two terminal states; what is CONFIRMED or EXECUTED_LATE was executed,
and what is NOT_EXECUTED, REJECTED or NOT_SENT was not; every terminal state has a proof or is UNRESOLVED; the
account has the venue's money to the lamport, as far as evidence of it came; nothing is undecided long after
the game.

Exit code 0 if all of this is true in every state, 1 with the shortest history that breaks it.
"""

# ruff: noqa: T201 - a script that prints

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from attrs import define, field, frozen

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.model.cloning import clone
from tests.model.venue import OLD_NS, SECOND, Request, Step, World
from vectra_bot.models import ActionState, ActionType, Proof

DEPTH = 8
SOL = 1_000_000_000

PAIRS: dict[str, tuple[tuple[Request, Request], int]] = {
    "buy, sidebet": (
        (Request(ActionType.BUY, SOL // 100), Request(ActionType.SIDEBET, SOL // 50)),
        0,
    ),
    "buy, buy of the same amount": (
        (Request(ActionType.BUY, SOL // 100), Request(ActionType.BUY, SOL // 100)),
        0,
    ),
    "buy, sell": (
        (Request(ActionType.BUY, SOL // 100), Request(ActionType.SELL, percentage=100)),
        SOL // 20,
    ),
    "sell, sell again": (
        (
            Request(ActionType.SELL, percentage=100),
            Request(ActionType.SELL, percentage=100),
        ),
        SOL // 20,
    ),
}
"""The two actions of each run, and what was bought before."""

EXECUTED = (ActionState.CONFIRMED, ActionState.EXECUTED_LATE)
PROOFS: dict[ActionState, set[Proof | None]] = {
    ActionState.CONFIRMED: {Proof.TRADE, Proof.UPDATE, Proof.SIDEBET, Proof.HISTORY},
    ActionState.EXECUTED_LATE: {Proof.TRADE, Proof.UPDATE, Proof.SIDEBET, Proof.HISTORY},
    ActionState.NOT_EXECUTED: {Proof.LEDGER, Proof.HISTORY},
    ActionState.REJECTED: {Proof.ACK},
    ActionState.NOT_SENT: {Proof.SEND},
    ActionState.UNRESOLVED: {None},
}


def world_of(pair: str, path: tuple[Step, ...] = ()) -> World:
    """Return the world after the steps of *path*."""
    requests, held = PAIRS[pair]
    world = World([attrs.evolve(request) for request in requests], held)
    for step in path:
        world.do(step)
    return world


def broken(world: World, step: Step) -> str | None:
    """Return which rule the state after *step* breaks, None if none."""
    terminal: Counter[str] = Counter(
        action_id for action_id, _, after in world.moves if ActionState(after).is_terminal
    )
    if any(ActionState(before).is_terminal for _, before, _ in world.moves) or any(
        count > 1 for count in terminal.values()
    ):
        return f"an action has two terminal states: {world.moves}"
    if len({action.action_id for action in world.completed}) < len(world.completed):
        return "an action was completed twice"
    for found in (_decisions(world), _money(world)):
        if found is not None:
            return found
    late = step == ("wait", 11) and world.closed and world.up
    if late and world.tracker.book.undecided():
        return "an action is undecided long after its game"
    return None


def _decisions(world: World) -> str | None:
    """Return how a terminal state differs from what the venue did."""
    actions = {action.action_id: action for action in world.completed}
    actions |= {key: tracked.action for key, tracked in world.tracker.book.incomplete.items()}
    for command, request in zip(world.actions, world.requests, strict=True):
        action = actions[command.action_id]
        state, name = action.state, request.kind.value
        if not state.is_terminal:
            if action.proof is not None:
                return f"{name} is {state.value} with a proof"
            continue
        if action.proof not in PROOFS[state]:
            return f"{name} is {state.value} with the proof {action.proof}"
        executed = request.truth == "executed"
        if state in EXECUTED and not executed:
            return f"{name} is {state.value}, but the venue did not execute it"
        if state not in (*EXECUTED, ActionState.UNRESOLVED) and executed:
            return f"{name} is {state.value}, but the venue executed it"
        possible = request.handed and request.truth == "open"
        if possible and state not in (*EXECUTED, ActionState.UNRESOLVED):
            return f"{name} is {state.value}, but the venue may still execute it"
    return None


def _money(world: World) -> str | None:
    """Return how our account differs from the venue's, as far as evidence of it came.

    It is what was stated last, and what was announced since. After a change without a known cause, what is
    announced may have been part of it, until the next statement.
    """
    account = world.account
    announced = sum(effect.delta_cash for effect in account.pending)
    if account.cash != world.stated_cash + announced:
        return f"our cash is {account.cash}: not what was stated and announced"
    if world.over or world.unexplained:
        return None
    unstated = [
        request
        for request in world.requests
        if request.truth == "executed" and not request.stated and request.trades
    ]
    cash = world.stated_cash + sum(request.cash for request in unstated)
    if account.cash != cash:
        return f"our cash is {account.cash}, the venue's evidence says {cash}"
    qty = world.stated_qty + sum(request.qty for request in unstated)
    if account.qty != max(qty, 0):
        return f"we hold {account.qty}, the venue's evidence says {qty}"
    return None


def key_of(world: World) -> Any:
    """Return what the next steps depend on: equal keys are the same state."""
    book, account, now_ns = world.tracker.book, world.account, world.now_ns

    def age(since_ns: int | None) -> int | None:
        """Return an age in whole seconds: no timeout lies between two that are equal then."""
        return None if since_ns is None else min(now_ns - since_ns, OLD_NS) // SECOND

    states: list[Any] = []
    done = {action.action_id: action for action in world.completed}
    for command in world.actions:
        tracked = book.incomplete.get(command.action_id)
        if tracked is None:
            action = done[command.action_id]
            late = book.traced(command.trace_id)
            states.append((action.state, action.proof, late is not None and late.booked,
                           None if late is None else late.price))  # fmt: skip
        else:
            states.append((tracked.action.state, tracked.action.proof, tracked.booked, tracked.price,
                           age(tracked.sent_ns), age(tracked.decided_ns)))  # fmt: skip
    missed = world.tracker.ends._missed
    bet = account.sidebet
    return (
        tuple(states),
        tuple(attrs.astuple(request) for request in world.requests),
        (world.up, world.over, world.closed, world.unexplained, world.game.now.phase),
        tuple(request.epoch == world.epoch for request in world.requests),
        (account.cash, account.qty, world.stated_cash, account.stated_qty),
        None if bet is None else (bet.start_tick, bet.action_id),
        tuple((e.delta_cash, e.delta_qty, e.action_id, age(e.since_ns)) for e in account.pending),
        tuple((c.delta_cash, c.delta_qty, age(c.update.recv_ns)) for c in account._unexplained),
        book._unexplained,
        None if missed is None else (missed.money, age(missed.since_ns)),
        tuple(sorted(world.tracker.book.gate.halts)),
    )


@frozen
class Failure:
    """A history that breaks a rule."""

    pair: str
    rule: str
    path: tuple[Step, ...]


@define
class Search:
    """The states of one pair of actions, breadth first."""

    pair: str
    depth: int
    states: int = 0
    transitions: int = 0
    decided: Counter[str] = field(factory=Counter)
    failure: Failure | None = None

    def run(self) -> Search:
        """Visit every state up to the depth, or up to the first that breaks a rule."""
        first = world_of(self.pair)
        seen = {key_of(first)}
        level: list[tuple[tuple[Step, ...], World]] = [((), first)]
        for number in range(self.depth):
            after: list[tuple[tuple[Step, ...], World]] = []
            while level:
                path, known = level.pop()
                for step, world in self._next(path, known):
                    key = key_of(world)
                    if key in seen:
                        continue
                    seen.add(key)
                    if number + 1 < self.depth:  # the last ones have no successor
                        after.append(((*path, step), world))
                if self.failure is not None:
                    return self
            level, self.states = after, len(seen)
        return self

    def _next(self, path: tuple[Step, ...], known: World) -> Iterator[tuple[Step, World]]:
        steps = list(known.steps())
        for step in steps:
            world: World = known if step is steps[-1] else clone(known, {})
            before = len(world.moves)
            try:
                world.do(step)
                rule = broken(world, step)
            except Exception as error:  # noqa: BLE001 - it is what the search looks for
                rule = f"{type(error).__name__}: {error}"
            self.transitions += 1
            if rule is not None:
                self.failure = Failure(self.pair, rule, (*path, step))
                return
            for _, _, after in world.moves[before:]:
                self.decided[after] += 1
            yield step, world


def search(depth: int, pairs: tuple[str, ...] = tuple(PAIRS)) -> list[Search]:
    """Search the states of every pair, up to the first failure."""
    done = []
    for pair in pairs:
        done.append(Search(pair, depth).run())
        if done[-1].failure is not None:
            break
    return done


def report_of(done: list[Search], depth: int, began: float) -> dict[str, Any]:
    """Return the result of a search that *began* then, as JSON data."""
    failure = next((one.failure for one in done if one.failure is not None), None)
    return {
        "ok": failure is None,
        "depth": depth,
        "states": sum(one.states for one in done),
        "transitions": sum(one.transitions for one in done),
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(time.process_time(), 1),
        "pairs": [
            {
                "actions": one.pair,
                "states": one.states,
                "transitions": one.transitions,
                "moves": dict(sorted(one.decided.items())),
            }
            for one in done
        ],
        "failure": None
        if failure is None
        else {
            "actions": failure.pair,
            "rule": failure.rule,
            "history": [" ".join(map(str, step)) for step in failure.path],
        },
    }


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--depth", type=int, default=DEPTH, help="events of a history")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    arguments = parser.parse_args()
    began = time.monotonic()
    report = report_of(search(arguments.depth), arguments.depth, began)
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        for pair in report["pairs"]:
            print(f"{pair['actions']}: {pair['states']} states, {pair['transitions']} transitions")
        print(
            f"depth {report['depth']}: {report['states']} states, {report['transitions']} transitions, "
            f"{report['seconds']} s, {report['cpu_seconds']} s of CPU"
        )
        if report["failure"] is not None:
            print(f"broken ({report['failure']['actions']}): {report['failure']['rule']}")
            for line in report["failure"]["history"]:
                print(f"  {line}")
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
