"""Every terminal state says what proved it, in random sessions with lost links and repeated evidence."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot import Strategy, run
from vectra_bot.errors import VectraError
from vectra_bot.models import ActionState, PlayerAction, Proof, SideGameKind
from vectra_bot.store.query.catalog import open_store
from vectra_bot.testing import Bench

EXECUTED = {Proof.TRADE, Proof.UPDATE, Proof.SIDEBET, Proof.HISTORY, Proof.LOCAL}
PROOFS: dict[ActionState, set[Proof | None]] = {
    ActionState.CONFIRMED: {*EXECUTED},
    ActionState.EXECUTED_LATE: {*EXECUTED} - {Proof.LOCAL},
    ActionState.NOT_EXECUTED: {Proof.LEDGER, Proof.HISTORY},
    ActionState.REJECTED: {Proof.ACK},
    ActionState.NOT_SENT: {Proof.SEND},
    ActionState.DENIED: {Proof.LOCAL},
    ActionState.UNRESOLVED: {None},
}


def check(action: PlayerAction) -> None:
    """Check that an action says what decided it, and nothing else."""
    assert action.proof in PROOFS[action.state], (action.state, action.proof)
    local = action.action_type.is_local or action.state is ActionState.DENIED
    assert (action.proof is Proof.LOCAL) is local


ACTS: dict[str, Callable[[Any], Any]] = {
    "buy": lambda a: a.buy("0.01"),
    "leveraged": lambda a: a.buy("0.01", leverage=2),
    "too much": lambda a: a.buy("3"),
    "sell": lambda a: a.sell(),
    "sell a part": lambda a: a.sell(50),
    "sidebet": lambda a: a.sidebet("0.01"),
    "short": lambda a: a.short_open("0.01"),
    "close": lambda a: a.short_close(),
    "bbc": lambda a: a.bbc_predict("BULL", "0.01"),
    "raise": lambda a: a.bet_increment("0.01"),
}

steps = st.lists(
    st.one_of(
        st.tuples(st.just("act"), st.sampled_from(sorted(ACTS)), st.booleans()),
        st.tuples(st.just("execute"), st.booleans(), st.booleans()),
        st.tuples(st.just("ack"), st.sampled_from([True, False, None]), st.just(0)),
        st.tuples(st.just("link"), st.booleans(), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 3, 12]), st.just(0)),
        st.tuples(st.just("stranger"), st.sampled_from(["buy", "sell"]), st.just(0)),
        st.tuples(st.just("end"), st.booleans(), st.just(0)),
    ),
    max_size=25,
)


def settle_unseen(bench: Bench) -> None:
    """Let the venue settle what is open, and send us no message."""
    ledger, tick = bench.ledger, bench._tick
    if ledger.sidebet is not None:
        ledger.settle_sidebet(tick, tick)
    if ledger.short is not None:
        ledger.close_short(bench._price, tick, 0)
    ledger.forced_sell(bench._price, tick)


def live_through(bench: Bench, history: list[tuple[Any, ...]]) -> None:
    """Let the events of *history* happen, one after the other."""
    strategy: Any = bench.engine.strategy
    answered: set[str] = set()
    for what, first, second in history:
        pending = [c for c in bench.commands if c.action_id not in answered]
        if what == "act":
            strategy.todo = [ACTS[first]]
            bench._send = second
            bench.tick(1.2)
        elif what == "execute" and pending:
            answered.add(pending[0].action_id)
            try:
                bench.fill(pending[0], trade=first, update=second)
            except VectraError:  # the venue cannot execute it
                bench.update()
        elif what == "ack" and pending:
            bench.ack(pending[0], success=first)
            if first is not None:
                answered.add(pending[0].action_id)
        elif what == "link":
            bench.connect() if first else bench.disconnect()
        elif what == "wait":
            bench.wait(first)
        elif what == "stranger":
            bench.trade(first, 5_000_000, 5_000_000, trace_id="9" * 32)
        elif what == "end":
            if not first:
                settle_unseen(bench)
            bench.rug(settle=first)
            bench.start_game((1.0, 1.1))


@settings(max_examples=max(150, settings().max_examples))
@given(steps)
def test_every_terminal_state_has_its_proof(history: list[tuple[Any, ...]]) -> None:
    """Also what others did on the account; only what is UNRESOLVED has none."""
    bench = Bench(Scripted(), cash=3)
    bench.start_game((1.0, 1.1))
    bench.rounds.open(SideGameKind.BBC, "b")
    live_through(bench, history)
    bench.end()

    assert bench.engine.tracker.book.pending == ()
    assert len({a.action_id for a in bench.actions}) == len(bench.actions)
    for action in bench.actions:
        check(action)


class Restless(Strategy):
    """Does something at most ticks, much of it refused or denied."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        number = (game.tick * 7 + len(game.game_id)) % 9
        if number < 2:
            self.actions.buy("0.01")
        elif number == 2:
            self.actions.sell(50 if game.tick % 2 else 100)
        elif number == 3:
            self.actions.sidebet("0.01")
        elif number == 4:
            self.actions.bet_increment("0.001")
        elif number == 5:
            self.actions.buy(Decimal(5))


@pytest.mark.parametrize("seed", [3, 7])
def test_a_stored_session_has_the_proof_of_every_action(tmp_path: Path, seed: int) -> None:
    """The column is in the Parquet rows, null for UNRESOLVED alone."""
    run(Restless, games=3, seed=seed, store=tmp_path)
    rows = (
        open_store(tmp_path)
        .sql("SELECT state, proof, count(*) FROM player_action GROUP BY ALL ORDER BY ALL")
        .rows
    )

    assert len(rows) >= 3
    for state, proof, count in rows:
        assert count > 0
        assert (None if proof is None else Proof(proof)) in PROOFS[ActionState(state)]
