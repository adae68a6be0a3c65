"""The ends of actions: times at their limit, what an end of a game or session proves, evidence too late."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.models import (
    ActionState,
    ActionType,
    ClockAdvanced,
    DocType,
    SendResult,
    SideGameKind,
    StateCause,
)
from vectra_bot.testing import Bench

SECOND = 10**9
NEAR = st.sampled_from([-1, 0, 1])


def started(**options: Any) -> Bench:
    """Return a bench at tick 1 of a running game."""
    bench = Bench(Scripted(), **{"cash": 3, **options})
    bench.start_game((1.0, 1.1))
    return bench


def act(bench: Bench, *acts: Any, price: float = 1.2) -> list[Any]:
    """Let the strategy do *acts* at the next tick; return their commands."""
    assert isinstance(bench.engine.strategy, Scripted)
    before = len(bench.commands)
    bench.engine.strategy.todo = list(acts)
    bench.tick(price)
    return bench.commands[before:]


def clock(bench: Bench, now_ns: int) -> None:
    """Let it be *now_ns*."""
    bench.now_ns = now_ns
    bench.feed(ClockAdvanced(recv_ns=now_ns))


def events(bench: Bench, kind: str) -> list[Any]:
    """Return the stored system events of one kind."""
    return [event for event in bench.of_type(DocType.SYSTEM_EVENT) if event.kind == kind]


# ---- times


@given(NEAR)
def test_an_action_is_unknown_after_two_seconds_of_silence(off: int) -> None:
    """At two seconds it is still waited for; the change is said once."""
    bench = started()
    act(bench, lambda a: a.buy("0.01"))
    sent = bench.now_ns
    for extra in (0, SECOND):
        clock(bench, sent + 2 * SECOND + off + extra * (off > 0))
    (action,) = bench.engine.tracker.book.pending

    assert action.state is (ActionState.UNKNOWN if off > 0 else ActionState.SENT)
    assert bench.engine.tracker.book.unknown_count == int(off > 0)
    assert len(events(bench, "action.state")) == 1 + int(off > 0)


@given(NEAR)
def test_a_proven_action_is_complete_after_two_seconds_without_a_statement(off: int) -> None:
    """Its document is then written without the state after it."""
    bench = started()
    (command,) = act(bench, lambda a: a.buy("0.01"))
    bench.fill(command, update=False)
    assert bench.actions == []
    clock(bench, bench.now_ns + 2 * SECOND + off)

    assert [a.action_id for a in bench.actions] == ([command.action_id] if off >= 0 else [])
    assert all(a.state_after is None and a.timestamps.confirmed_ts is None for a in bench.actions)


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_an_action_has_the_times_of_its_evidence(first_ms: int, more_ms: int) -> None:
    """First evidence, confirmation and the venue's own time, each in milliseconds."""
    bench = started()
    (command,) = act(bench, lambda a: a.buy("0.01"))
    fill = bench.carry_out(command)
    asked = bench.now_ns
    bench.now_ns += first_ms * 1_000_000
    event = attrs.evolve(bench.fill_event(command, fill), server_ts=77, recv_ns=bench.now_ns)
    bench.feed(event)
    bench.now_ns += min(more_ms, 1999) * 1_000_000
    bench.update()
    (action,) = bench.actions

    late = first_ms > 2000
    assert action.state is (ActionState.EXECUTED_LATE if late else ActionState.CONFIRMED)
    assert action.timestamps.client_ts == asked // 1_000_000
    assert action.first_evidence_ts == asked // 1_000_000 + first_ms
    assert action.timestamps.confirmed_ts == asked // 1_000_000 + first_ms + min(more_ms, 1999)
    assert action.timestamps.server_ts == 77


# ---- ends


@pytest.mark.parametrize("end", ["session", "settled", "unsettled", "moved", "forgotten"])
@given(st.sampled_from(["buy", "sidebet", "short"]))
def test_only_a_settled_game_proves_that_nothing_happened(end: str, kind: str) -> None:
    """Not the session's end, nor a game without a statement after its rug, nor one that does not close."""
    bench = started()
    acts: dict[str, Any] = {
        "buy": lambda a: a.buy("0.01"),
        "sidebet": lambda a: a.sidebet("0.01"),
        "short": lambda a: a.short_open("0.01"),
    }
    act(bench, acts[kind])
    clock(bench, bench.now_ns + 3 * SECOND)
    if end == "moved":
        bench.ledger.credit(5, 0)
        bench.update()
    if end == "session":
        bench.end()
    else:
        bench.rug(settle=end != "unsettled")
        if end == "forgotten":  # an effect that no statement has shown
            bench.engine._books.open()  # the change is not that of a strategy
            bench.engine.account.move_cash(1, None, StateCause.EXTERNAL)
        bench.new_game()
        if end == "unsettled":  # a statement may still come
            assert bench.actions == []
            clock(bench, bench.now_ns + 10 * SECOND + 1)
    (action,) = bench.actions

    proven = end == "settled"
    assert action.state is (ActionState.NOT_EXECUTED if proven else ActionState.UNRESOLVED)
    assert (action.outcome is not None) is proven
    assert action.state_after is None
    if proven:
        assert action.outcome is not None
        found = (action.outcome.success, action.outcome.error, action.outcome.server_request_id)
        assert found == (False, "NOT_EXECUTED", 1)
    assert bench.engine.tracker.book.pending == ()


@given(st.booleans(), st.none() | st.just("full"))
def test_what_did_not_leave_is_not_sent(known: bool, reason: str | None) -> None:
    """With the reason that was given; a result for nothing that is open is reported and changes nothing."""
    bench = started(send=False)
    bench._send = True
    (command,) = act(bench, lambda a: a.buy("0.01"))
    action_id = command.action_id if known else "another"
    bench.feed(
        SendResult(
            recv_ns=bench.now_ns, action_id=action_id, sent=False, ack_id=None, reason=reason
        )
    )

    assert [a.state for a in bench.actions] == ([ActionState.NOT_SENT] if known else [])
    assert bool(events(bench, "action.stray_send")) is not known
    if known:
        outcome = bench.actions[0].outcome
        assert outcome is not None
        assert outcome.success is False
        assert reason is None or outcome.error_reason == reason


@given(st.sampled_from(["refused", "proven"]), st.sampled_from([True, False, None]))
def test_an_acknowledgement_after_the_end_changes_nothing(first: str, success: Any) -> None:
    """Only a refusal of what was executed contradicts, and halts."""
    bench = started()
    (command,) = act(bench, lambda a: a.buy("0.01"))
    if first == "refused":
        bench.ack(command, success=False, message="no")
    else:
        bench.fill(command, update=False)
    bench.ack(command, success=success, message="no")
    bench.update()
    (action,) = bench.actions

    state = ActionState.REJECTED if first == "refused" else ActionState.CONFIRMED
    assert action.state is state
    contradicts = first == "proven" and success is False
    assert len(events(bench, "action.contradiction")) == int(contradicts)
    assert bool(bench.engine.tracker.book.gate.halts) is contradicts


def test_a_trade_of_what_was_refused_is_booked_and_contradicts() -> None:
    """The money has moved, whatever was said of it."""
    bench = started()
    (command,) = act(bench, lambda a: a.buy("0.01"))
    fill = bench.carry_out(command)
    event = bench.fill_event(command, fill)
    bench.ack(command, success=False, message="no")
    bench.feed(event)

    assert len(events(bench, "action.contradiction")) == 1
    assert bench.engine.account.cash == bench.ledger.cash


# ---- too late


@given(
    st.sampled_from(["buy", "leveraged", "sell", "short", "external"]),
    st.integers(1, 50),
    st.sampled_from(["0", "0.02"]),
)
def test_a_trade_of_a_game_that_is_over_moves_money_alone(kind: str, size: int, bonus: str) -> None:
    """Cash by the real part of what the trade says, no position, no short; unverified as its kind is."""
    bench = started(bonus=bonus)
    acts: dict[str, Any] = {
        "buy": lambda a: a.buy(Decimal(size) / 1000),
        "leveraged": lambda a: a.buy(Decimal(size) / 1000, leverage=3),
        "sell": lambda a: a.sell(size),
        "short": lambda a: a.short_open(Decimal(size) / 1000),
    }
    if kind == "sell":
        (first,) = act(bench, lambda a: a.buy("0.1"))
        bench.execute(first)
    (command,) = act(bench, acts.get(kind, acts["buy"]))
    before = bench.ledger.cash
    fill = bench.carry_out(command)
    event = bench.fill_event(command, fill)
    event = attrs.evolve(event, bonus_portion=Decimal(fill.bonus).scaleb(-9))
    if kind == "external":
        event = attrs.evolve(event, trace_id="c" * 32)
    moved = bench.ledger.cash - before
    bench.ledger.close_short(1.0, 3, 0) if kind == "short" else bench.ledger.forced_sell(1e-9, 3)
    bench.rug(settle=False)
    bench.start_game((1.0,))
    account = bench.engine.account
    account.now_ns = bench.now_ns
    seen = account.cash
    bench.feed(event)

    assert account.cash - seen == moved
    assert (account.qty, account.short) == (0, None)
    (effect,) = [e for e in account.pending if e.delta_cash == moved][-1:]
    assert effect.delta_qty == 0
    assert effect.unverified is (kind in {"leveraged", "short"})
    cause = StateCause.EXTERNAL if kind == "external" else StateCause.ACTION
    assert effect.cause is cause


@given(st.sampled_from(["20251231-x", "20271231-x"]), st.sampled_from(["buy", "short_open"]))
def test_a_trade_of_any_other_game_opens_nothing(game_id: str, kind: str) -> None:
    """Of one before or after the running game alike."""
    bench = started()
    cash = bench.engine.account.cash
    event = bench.trade_event(kind, 10_000_000, 8_000_000, trace_id="d" * 32)
    bench.feed(attrs.evolve(event, game_id=game_id))

    account = bench.engine.account
    assert (account.qty, account.short, account.cash) == (0, None, cash - 10_000_000)


@given(st.permutations(["trade", "update"]), st.booleans())
def test_the_rugs_sale_moves_the_money_once(order: list[str], repeated: bool) -> None:
    """Whichever of its two pieces of evidence comes first, and again under another number."""
    bench = started()
    (command,) = act(bench, lambda a: a.buy("0.05"))
    bench.execute(command)
    fill = bench.ledger.forced_sell(0.02, 3)
    assert fill is not None
    event = attrs.evolve(bench.trade_event("sell", fill.amount, fill.qty), price=0.02)
    for piece in order:
        if piece == "trade":
            bench.feed(event)
        else:
            bench.update()
        assert bench.engine.account.cash == bench.ledger.cash
        assert bench.engine.account.lots == []
    if repeated:
        bench.feed(attrs.evolve(event, trade_id="again"))

    assert bench.engine.account.cash == bench.ledger.cash
    assert bench.engine.counts["forced_sells"] == 1
    causes = [row.cause for row in bench.of_type(DocType.SERVER_STATE) if row.delta_cash]
    assert causes == [StateCause.ACTION, StateCause.FORCED_SELL]


# ---- what an action says of itself


@pytest.mark.parametrize(
    ("do", "kind", "button", "unverified"),
    [
        (lambda a: a.buy("0.01"), ActionType.BUY, "BUY", False),
        (lambda a: a.buy("0.01", leverage=2), ActionType.BUY, "BUY", True),
        (lambda a: a.sidebet("0.01"), ActionType.SIDEBET, "SIDEBET", False),
        (lambda a: a.short_open("0.01"), ActionType.SHORT_OPEN, "SHORT", True),
        (lambda a: a.short_close(), ActionType.SHORT_CLOSE, "CLOSE SHORT", True),
        (lambda a: a.bbc_predict("crab", "0.01"), ActionType.BBC_PREDICT, "CRAB", True),
        (lambda a: a.candleflip_bet("red", "0.01"), ActionType.CANDLEFLIP_BET, "RED", True),
        (lambda a: a.sell(), ActionType.SELL, "SELL", False),
        (lambda a: a.sell(99), ActionType.SELL, "SELL 99%", False),
        (lambda a: a.sell(1), ActionType.SELL, "SELL 1%", False),
    ],
)
def test_an_action_says_what_was_asked(
    do: Any, kind: ActionType, button: str, unverified: bool
) -> None:
    """Kind, button, amount, leverage, round and choice; and whether any capture shows its rule."""
    bench = started()
    bench.rounds.open(SideGameKind.BBC, "b")
    bench.rounds.open(SideGameKind.CANDLEFLIP, "c")
    (buy,) = act(bench, lambda a: a.buy("0.05"))
    bench.execute(buy)
    if kind is ActionType.SHORT_CLOSE:
        (short,) = act(bench, lambda a: a.short_open("0.05"))
        bench.execute(short)
    (command,) = act(bench, do)
    (action,) = bench.engine.tracker.book.pending

    assert (action.action_type, action.button, action.unverified) == (kind, button, unverified)
    assert (command.action_type, command.amount) == (kind, action.amount)
    assert action.amount == (Decimal("0.01") if kind.is_entry else None)
    assert (
        command.leverage == action.leverage == (2 if unverified and kind is ActionType.BUY else 1)
    )
    in_round = {"CRAB": ("b", "CRAB"), "RED": ("c", "RED")}.get(button, (None, None))
    assert (action.round_id, action.choice) == (command.round_id, command.choice) == in_round
    assert command.trace_id == action.trace_id
    assert (command.tick, command.price) == (bench.engine.game.tick, 1.2)
    assert command.created_ns == bench.now_ns
