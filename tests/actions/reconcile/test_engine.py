"""Through the engine: actions after a reconnection, a missed end of a game, the history of sidebets."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.actions.book import MAX_UNEXPLAINED
from vectra_bot.actions.risk import HaltCause
from vectra_bot.game.fair import play_game, server_seed_hash
from vectra_bot.models import (
    ActionState,
    Actor,
    DocType,
    FinishedGame,
    FrameKind,
    GameFrame,
    Proof,
    StateCause,
)
from vectra_bot.testing import Bench
from vectra_bot.testing.bench import PLAYER_ID
from vectra_bot.wire.builders import sidebets_of

SEED = "5" * 64


def law(bench: Bench) -> Any:
    """Return the bench's running game as the seed decides it."""
    return play_game(SEED, bench.game_id)


def started(*acts: Any, ticks: int = 6, cash: str = "1") -> Bench:
    """Return a bench whose game follows its seed, after a strategy did *acts* at the last of *ticks*."""
    strategy = Scripted()
    bench = Bench(strategy, cash=cash)
    bench.new_game()
    bench.presale()
    game = law(bench)
    assert game.rug_tick > ticks + 30
    bench._frame(FrameKind.START, active=True)
    for price in game.prices[1:ticks]:
        bench.tick(price)
    strategy.todo = list(acts)
    bench.tick(game.prices[ticks])
    return bench


def row(amount: Decimal, start: int, payout: Decimal, **changes: Any) -> dict[str, Any]:
    """Return a payout row of the history."""
    return {
        "playerId": PLAYER_ID, "gameId": "g", "username": None, "betAmount": float(amount),
        "payout": float(payout), "profit": float(payout - amount), "xPayout": 5,
        "coinAddress": "So11111111111111111111111111111111111111112", "endTick": start + 40,
        "startTick": start, "tickIndex": start, "timestamp": 1, "type": "payout", "id": f"{start}",
        **changes,
    }  # fmt: skip


def next_game(
    bench: Bench, rows: Iterable[dict[str, Any]] = (), *, text: str | None = None
) -> None:
    """Connect in the next game: its snapshot has the history, with *rows* of the game before."""
    ended = bench.game_id
    listed = [{**entry, "gameId": ended} for entry in rows]
    sidebets = (json.dumps(listed) if text is None else text).encode()
    game = law(bench)
    bench.ledger.forced_sell(game.rug_price, game.rug_tick)
    bench._games += 1
    bench._tick, bench._price = 0, 1.0
    bench.connect()
    bench.feed(
        GameFrame(
            recv_ns=bench.now_ns,
            kind=FrameKind.SNAPSHOT,
            game_id=bench.game_id,
            active=False,
            rugged=False,
            price=1.0,
            tick=0,
            cooldown_timer_ms=9000,
            prices=(),
            history=(
                FinishedGame(
                    game_id=ended,
                    peak=game.peak,
                    server_seed=SEED,
                    server_seed_hash=server_seed_hash(SEED),
                    version="v3",
                    timestamp_ms=1,
                    sidebets_of=partial(sidebets_of, sidebets),
                ),
            ),
        )
    )
    bench.now_ns += 1_000_000


def ended(bench: Bench) -> list[tuple[str, str | None]]:
    """Return the states and proofs of the completed actions, in the order in which they were asked for."""
    order = [command.action_id for command in bench.commands]
    done = sorted(bench.actions, key=lambda action: order.index(action.action_id))
    return [(a.state.value, None if a.proof is None else a.proof.value) for a in done]


@pytest.mark.parametrize("kind", ["buy", "sidebet"])
def test_what_another_client_does_in_the_next_game_decides_nothing_of_the_last(kind: str) -> None:
    """What comes without a trace after the end of a game is not the action that waits for its proof."""
    bench = started(lambda a: getattr(a, kind)("0.01"))
    bench.disconnect()
    next_game(bench, text="unreadable")
    if kind == "buy":
        bench.trade("buy", 10_000_000, 10_000_000)
    else:
        bet = bench.sidebet_event(bench.commands[0], 0, 40)
        bench.feed(attrs.evolve(bet, trace_id=None))

    ours, other = (tracked.action for tracked in bench.engine.tracker.book.incomplete.values())
    assert (ours.action_id, ours.state) == (bench.commands[0].action_id, ActionState.UNKNOWN)
    assert (other.actor, other.state) == (Actor.EXTERNAL, ActionState.CONFIRMED)


@given(st.lists(st.booleans(), min_size=3, max_size=3))
def test_one_update_after_a_reconnection_proves_what_it_alone_can_mean(
    executed: list[bool],
) -> None:
    """Three different stakes: each set of them gives another sum; the rest waits for the game's end."""
    stakes = ["0.01", "0.02", "0.04"]
    bench = started(*(lambda a, s=stake: a.buy(s) for stake in stakes))
    bench.disconnect()
    assert {a.state for a in bench.engine.tracker.book.pending} == {ActionState.UNKNOWN}
    for command, done in zip(bench.commands, executed, strict=True):
        if done:
            bench.carry_out(command)
    bench.connect()
    bench.update()

    assert ended(bench) == [("EXECUTED_LATE", "update")] * sum(executed)
    assert bench.engine.account.qty == bench.ledger.position_qty
    bench.rug()
    bench.new_game()
    assert ended(bench) == [
        ("EXECUTED_LATE", "update") if done else ("NOT_EXECUTED", "ledger") for done in executed
    ]
    assert bench.engine.account.cash == bench.ledger.cash
    assert len(bench.commands) == 3


@pytest.mark.parametrize("foreign", [False, True])
def test_a_change_that_ours_may_have_caused_halts_nothing(foreign: bool) -> None:
    """Nothing shows which of two equal buys it was: entries continue; else they halt."""
    bench = started()
    strategy: Any = bench.engine.strategy
    for number in range(MAX_UNEXPLAINED):
        strategy.todo = [lambda a: a.buy("0.01"), lambda a: a.buy("0.01")]
        price = law(bench).prices[7 + number]
        bench.tick(price)
        if foreign:  # no sum of our stakes, and no evidence was lost
            bench.ledger.buy(3_000_000, price, 7 + number)
        else:
            bench.disconnect()
            bench.carry_out(bench.commands[-2])
            bench.connect()
        bench.update()

    assert (HaltCause.MONEY in bench.engine.tracker.book.gate.halts) is foreign
    changes = [e for e in bench.of_type(DocType.SYSTEM_EVENT) if e.kind == "account.unexplained"]
    assert len(changes) == MAX_UNEXPLAINED
    assert {change.message for change in changes} == {
        f"our account changed {'without a known cause' if foreign else 'by one of several of our actions'}"
    }
    bench.rug()
    bench.new_game()
    states = {action.action_id: action.state for action in bench.actions}
    assert {states[command.action_id] for command in bench.commands} == {ActionState.UNRESOLVED}


def test_a_buy_and_a_sale_of_everything_are_told_apart_by_the_prices() -> None:
    """The position is gone either way: only the amount says whether the buy was sold as well."""
    for bought in (True, False):
        bench = started(lambda a: a.buy("0.05"))
        bench.execute(bench.commands[0])
        strategy: Any = bench.engine.strategy
        strategy.todo = [lambda a: a.buy("0.01"), lambda a: a.sell()]
        bench.tick(law(bench).prices[7])
        bench.disconnect()
        for command in bench.commands[1 if bought else 2 :]:
            bench.carry_out(command)
        bench.connect()
        bench.update()

        assert ended(bench)[1:] == [("EXECUTED_LATE", "update")] * (1 + bought)
        assert bench.engine.account.cash == bench.ledger.cash
        assert bench.engine.account.lots == []


@given(st.booleans(), st.booleans(), st.booleans())
def test_a_missed_end_is_settled_by_the_seed(held: bool, bought: bool, sold: bool) -> None:
    """What was held at the lost link was sold at the rug's price, which the history's seed gives."""
    bench = started(lambda a: a.buy("0.05"))
    bench.execute(bench.commands[0])
    if not held:
        strategy: Any = bench.engine.strategy
        strategy.todo = [lambda a: a.sell()]
        bench.tick(law(bench).prices[7])
        bench.execute(bench.commands[1])
    first = len(bench.commands)
    strategy = bench.engine.strategy
    strategy.todo = [lambda a: a.buy("0.01"), *([lambda a: a.sell(50)] if held else [])]
    bench.tick(law(bench).prices[8])
    bench.disconnect()
    done = [bought, *([sold] if held else [])]
    for command, carried in zip(bench.commands[first:], done, strict=True):
        if carried:
            bench.carry_out(command)
    next_game(bench)
    assert len(bench.actions) == first
    assert bench.engine.tracker.book.unknown_count == len(done)
    bench.update()

    assert ended(bench)[first:] == [
        ("EXECUTED_LATE", "update") if carried else ("NOT_EXECUTED", "ledger") for carried in done
    ]
    assert bench.engine.account.cash == bench.ledger.cash
    assert not bench.of_type(DocType.SYSTEM_EVENT)[-1].kind.startswith("account.")
    cause = bench.of_type(DocType.SERVER_STATE)[-1].cause
    expected = StateCause.FORCED_SELL if held else None
    assert cause is (StateCause.ACTION if any(done) else expected)


def test_without_a_statement_a_missed_end_proves_nothing() -> None:
    """The actions of the game wait 10 s of connection for one; entries stay denied meanwhile."""
    bench = started(lambda a: a.buy("0.01"))
    bench.disconnect()
    next_game(bench)
    bench.wait(5)
    bench.disconnect()
    bench.wait(60)
    assert bench.actions == []
    bench.connect()
    next_game(bench)
    bench.wait(11)

    assert ended(bench) == [("UNRESOLVED", None)]
    moved = [e for e in bench.of_type(DocType.SYSTEM_EVENT) if e.kind == "action.state"]
    assert "no statement of our account" in json.loads(moved[-1].detail_json)["evidence"]


SOL_ROWS: list[tuple[str, dict[str, Any], tuple[str, str | None]]] = [
    ("lost", {}, ("EXECUTED_LATE", "history")),
    (
        "won",
        {"payout": 0.1, "profit": 0.08, "tickIndex": 9, "price": 0.02},
        ("EXECUTED_LATE", "history"),
    ),
    ("of another", {"playerId": "did:privy:other"}, ("NOT_EXECUTED", "history")),
    ("practice", {"coinAddress": "0xPractice"}, ("NOT_EXECUTED", "history")),
    ("of another amount", {"betAmount": 0.03, "profit": -0.03}, ("NOT_EXECUTED", "history")),
    ("before it was asked for", {"startTick": 2, "endTick": 42}, ("NOT_EXECUTED", "history")),
    ("placed row", {"type": "placed"}, ("NOT_EXECUTED", "history")),
]


@pytest.mark.parametrize(("name", "changes", "expected"), SOL_ROWS, ids=[r[0] for r in SOL_ROWS])
def test_the_history_proves_a_sidebet_either_way(
    name: str, changes: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    """Every sidebet of the game has a payout row: ours is executed if its row is there, and only then."""
    bench = started(lambda a: a.sidebet("0.02"))
    bench.disconnect()
    payout = Decimal(str(changes.get("payout", 0)))
    next_game(bench, [row(Decimal("0.02"), 7, Decimal(0)) | changes])

    assert ended(bench) == [expected], name
    if expected[0] == "EXECUTED_LATE":
        bench.ledger.credit(int((payout - Decimal("0.02")).scaleb(9)), 0)
        strategy: Any = bench.engine.strategy
        (settled,) = strategy.named("on_stake_settled")
        assert (settled.won, settled.payout) == (payout > 0, payout)
        assert settled.action_id == bench.commands[0].action_id
    bench.update()
    assert bench.engine.account.cash == bench.ledger.cash
    assert bench.engine.tracker.book.unknown_count == 0


def test_a_sidebet_that_began_much_later_is_not_known_to_be_ours() -> None:
    """A person on the same account may have placed it: nothing is decided by it."""
    bench = started(lambda a: a.sidebet("0.02"))
    bench.disconnect()
    next_game(bench, [row(Decimal("0.02"), 60, Decimal(0))])
    assert bench.actions == []
    bench.wait(11)
    assert ended(bench) == [("UNRESOLVED", None)]


@pytest.mark.parametrize("text", ["[1]", "[{}]", '[{"playerId":"x"}]', "{}", ""])
def test_rows_that_cannot_be_read_prove_nothing(text: str) -> None:
    """An unknown form of the history leaves the sidebet open."""
    bench = started(lambda a: a.sidebet("0.02"))
    bench.disconnect()
    next_game(bench, text=text)
    assert bench.actions == []


def test_a_result_proves_a_sidebet_that_nothing_else_has_shown() -> None:
    """Its placement was lost with the link; the result that follows has its amount and its tick."""
    bench = started(lambda a: a.sidebet("0.02"))
    bench.disconnect()
    bench.fill(bench.commands[0], trade=False, update=False)
    bench.connect()
    bench._tick += 1
    bench.settle_sidebet(bench._tick)

    assert ended(bench) == [("EXECUTED_LATE", "sidebet")]
    assert bench.engine.account.cash == bench.ledger.cash
    assert bench.engine.counts["settlements"] == 1


def test_a_held_sidebet_is_settled_by_the_history() -> None:
    """Its result was missed with the end of the game."""
    bench = started(lambda a: a.sidebet("0.02"))
    bench.execute(bench.commands[0])
    bench.disconnect()
    next_game(bench, [row(Decimal("0.02"), 6, Decimal("0.1"))])
    bench.ledger.credit(100_000_000, 0)
    bench.update()

    strategy: Any = bench.engine.strategy
    assert [s.payout for s in strategy.named("on_stake_settled")] == [Decimal("0.1")]
    assert bench.of_type(DocType.SERVER_STATE)[-1].cause is StateCause.STAKE_SETTLED
    assert bench.engine.account.cash == bench.ledger.cash


def test_late_proofs_are_of_their_own_game() -> None:
    """An action that is proven after its game changes no episode of the next one."""
    bench = started(lambda a: a.buy("0.01"))
    bench.carry_out(bench.commands[0])
    bench.disconnect()
    next_game(bench)
    bench.update()
    (episode,) = bench.of_type(DocType.ML_EPISODE)
    assert (episode.total_actions, episode.buy_count) == (1, 0)
    (action,) = bench.actions
    assert (action.proof, action.state_after is not None) == (Proof.UPDATE, True)
    assert attrs.evolve(action).outcome.executed_amount == Decimal("0.01")
    bench.end()
    assert len(bench.of_type(DocType.ML_EPISODE)) == 1


def test_a_trade_that_comes_after_its_missed_end_moves_nothing() -> None:
    """The statement proved and booked it with the end of the game."""
    bench = started(lambda a: a.buy("0.05"))
    bench.disconnect()
    (command,) = bench.commands
    late = bench.fill_event(command, bench.carry_out(command))
    next_game(bench)
    bench.update()
    assert ended(bench) == [("EXECUTED_LATE", "update")]
    cash = bench.engine.account.cash
    bench.feed(late)
    assert bench.engine.account.cash == cash == bench.ledger.cash
    assert bench.engine.account.lots == []
