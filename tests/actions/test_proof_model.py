"""What a player update alone proves of one or two actions in flight, and what it must leave open."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.models import ActionState, Actor, DocType, SideGameKind, StateCause
from vectra_bot.testing import Bench

ACTS: dict[str, Any] = {
    "buy": lambda a, s: a.buy(s),
    "leveraged": lambda a, s: a.buy(s, leverage=3),
    "sidebet": lambda a, s: a.sidebet(s),
    "short": lambda a, s: a.short_open(s),
    "bbc": lambda a, s: a.bbc_predict("BULL", s),
    "flip": lambda a, s: a.candleflip_bet("RED", s),
}
ROUNDS = {"bbc": SideGameKind.BBC, "flip": SideGameKind.CANDLEFLIP}
BUYS = {"buy", "leveraged"}
UNVERIFIED = {"leveraged", "short", "bbc", "flip"}
orders = st.tuples(st.sampled_from(sorted(ACTS)), st.sampled_from([10, 20]))


def started(strategy: Scripted, bonus: str) -> Bench:
    """Return a bench at tick 1 with a round of each side game open."""
    bench = Bench(strategy, cash=3, bonus=bonus)
    bench.start_game((1.0, 1.1))
    for name, side_game in ROUNDS.items():
        bench.rounds.open(side_game, name)
    return bench


def proven_by_words(done: tuple[str, int], other: tuple[str, int] | None) -> bool:
    """Return whether an update that shows *done* proves it although *other* is in flight as well."""
    if other is None or done[0] in {"sidebet", "short"}:  # the update itself states those two
        return True
    alike = BUYS if done[0] in BUYS else set(ROUNDS)
    return not (other[0] in alike and other[1] == done[1])


@settings(max_examples=max(200, settings().max_examples))
@given(
    st.lists(orders, min_size=1, max_size=2, unique_by=lambda order: order[0]),
    st.integers(0, 1),
    st.sampled_from(["as it is", "as it is", "other money", "other tokens", "fewer tokens"]),
    st.sampled_from(["0", "0.015", "1"]),
)
def test_an_update_proves_what_it_alone_can_mean(
    sent: list[tuple[str, int]], which: int, shape: str, bonus: str
) -> None:
    """The change must be the whole stake, with tokens for a buy alone, and of one action only."""
    strategy = Scripted()
    bench = started(strategy, bonus)
    strategy.todo = [lambda a, k=kind, s=Decimal(size) / 1000: ACTS[k](a, s) for kind, size in sent]
    bench.tick(1.2)
    which %= len(sent)
    command, done = bench.commands[which], sent[which]
    free = min(bench.ledger.bonus, done[1] * 1_000_000)
    bench.fill(command, trade=False, update=False)
    update = bench.update_event()
    if shape == "other money":
        update = attrs.evolve(update, cash=update.cash - Decimal("1e-9"))
    if shape == "other tokens":
        update = attrs.evolve(update, position_qty=update.position_qty + Decimal("0.5"))
    if shape == "fewer tokens":
        update = attrs.evolve(update, position_qty=Decimal("-0.5"))
    bench.feed(update)

    other = None if len(sent) == 1 else sent[1 - which]
    is_buy = done[0] in BUYS
    proven = proven_by_words(done, other) and (
        shape == "as it is" or (shape == "other tokens" and is_buy)
    )
    row = bench.of_type(DocType.SERVER_STATE)[-1]
    if not proven:
        # With other tokens a change may be what a buy in flight does, and nothing else could.
        alone = other is not None and shape == "other tokens"
        assert bench.actions == [] or alone
        if not bench.actions:
            assert row.cause is StateCause.UNEXPLAINED
            assert not bench.engine.account.closes  # so that nothing is proven by its absence
        return
    (action,) = bench.actions
    assert (action.action_id, action.state) == (command.action_id, ActionState.CONFIRMED)
    assert action.outcome is not None
    assert action.outcome.executed_amount == command.amount
    assert action.outcome.executed_bonus == (Decimal(free).scaleb(-9) if free else None)
    assert action.state_after is not None
    assert action.state_after.cash == update.cash
    assert action.timestamps.confirmed_ts == update.recv_ns // 1_000_000
    assert (row.cause, row.action_id) == (StateCause.ACTION, action.action_id)
    assert row.unverified is (done[0] in UNVERIFIED)
    _check_held(bench, done, command, free)
    assert (bench.engine.account.cash, bench.engine.account.bonus) == (
        bench.ledger.cash,
        bench.ledger.bonus,
    )


def _check_held(bench: Bench, done: tuple[str, int], command: Any, free: int) -> None:
    """Check that the account has what the proven action staked on."""
    account, kind, bonus = bench.engine.account, done[0], Decimal(free).scaleb(-9)
    bets = [b for b in (account.sidebet, account.short, *account.stakes.values()) if b is not None]
    if kind in {"buy", "leveraged"}:
        (lot,) = account.lots
        assert (lot.cost, lot.bonus) == (done[1] * 1_000_000, free)
        assert lot.leverage == (3 if kind == "leveraged" else 1)
        assert (lot.tick, lot.price) == (2, lot.cost / lot.qty)
        assert bets == []
        return
    (bet,) = bets
    assert (bet.action_id, bet.bonus) == (command.action_id, bonus)
    if account.sidebet is not None:
        found = account.sidebet
        assert (found.amount, found.start_tick, found.end_tick) == (command.amount, 2, 42)
    elif account.short is not None:
        short = account.short
        assert (short.stake, short.entry_tick, short.entry_price) == (command.amount, 2, 1.2)
    else:
        (stake,) = account.stakes.values()
        assert (stake.side_game, stake.round_id) == (ROUNDS[kind], kind)
        assert (stake.amount, stake.choice) == (command.amount, command.choice)


@given(
    st.sampled_from(sorted(ACTS)),
    st.sampled_from(["buy", "sell", "short_open", "short_close"]),
    st.booleans(),
)
def test_a_trace_counts_with_the_kind_and_the_amount_alone(
    asked: str, kind: str, named: bool
) -> None:
    """Our trade under a trace id that is unknown, or was chosen for something else, is external."""
    strategy = Scripted()
    bench = started(strategy, "0")
    strategy.todo = [lambda a: ACTS[asked](a, Decimal("0.01"))]
    bench.tick(1.2)
    (command,) = bench.commands
    bench.trade(kind, 10_000_000, 5_000_000, trace_id=command.trace_id if named else "9" * 32)

    fits = named and {"buy": "buy", "leveraged": "buy", "short": "short_open"}.get(asked) == kind
    pending = [a.action_id for a in bench.engine.tracker.book.pending]
    assert (command.action_id in pending) is not fits
    bench.wait(3)
    done = [a.action_id for a in bench.actions if a.actor is Actor.BOT]
    assert done == ([command.action_id] if fits else [])


@given(st.sampled_from(["bbc", "flip", "sidebet"]))
def test_an_open_short_is_not_what_another_update_proves(kind: str) -> None:
    """Every statement repeats the short that is held: it remains the action's that opened it."""
    strategy = Scripted()
    bench = started(strategy, "0")
    for number, asked in enumerate(("short", kind)):
        strategy.todo = [lambda a, k=asked: ACTS[k](a, Decimal("0.01"))]
        bench.tick(1.2)
        bench.fill(bench.commands[number], trade=False)

    opened, placed = bench.commands
    assert [a.action_id for a in bench.actions] == [opened.action_id, placed.action_id]
    account = bench.engine.account
    assert account.short is not None
    assert account.short.action_id == opened.action_id
    held = [account.sidebet] if kind == "sidebet" else list(account.stakes.values())
    assert [bet.action_id for bet in held if bet is not None] == [placed.action_id]


@pytest.mark.parametrize("trace", ["its own", "none", "another"])
@given(st.sampled_from(["buy", "sidebet", "short", "bbc", "flip"]), st.booleans())
def test_evidence_with_another_trace_is_of_another_action(
    trace: str, asked: str, follows: bool
) -> None:
    """Even if it fits the only action in flight: somebody uses our account, and ours is not proven by it."""
    strategy = Scripted()
    bench = started(strategy, "0")
    strategy.todo = [lambda a: ACTS[asked](a, Decimal("0.01"))]
    bench.tick(1.2)
    (command,) = bench.commands
    known = {"its own": command.trace_id, "none": None, "another": "9" * 32}[trace]
    evidence: Any
    if asked == "sidebet":
        bet = bench.ledger.place_sidebet(10_000_000, 2)
        evidence = bench.sidebet_event(command, bet.start_tick, bet.end_tick)
    elif asked in ROUNDS:
        evidence = bench.rounds.place(command)
    else:
        evidence = bench.fill_event(command, bench.carry_out(command))
    bench.feed(attrs.evolve(evidence, trace_id=known))
    if follows:
        bench.update()

    ours = trace != "another"
    assert (bench.engine.tracker.book.pending == ()) is ours
    assert bool([a for a in bench.actions if a.actor is Actor.BOT]) is (ours and follows)
    external = [a for a in bench.actions if a.actor is Actor.EXTERNAL]
    assert bool(external) is (follows and not ours)
    assert bench.engine.account.cash == bench.ledger.cash


@given(st.lists(st.sampled_from([True, False, None]), min_size=2, max_size=4), st.booleans())
def test_only_the_first_answer_to_a_request_counts(
    answers: list[bool | None], filled: bool
) -> None:
    """The id of an acknowledgement is used up by it: a repeated one proves and contradicts nothing."""
    strategy = Scripted()
    bench = started(strategy, "0")
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.2)
    (command,) = bench.commands
    states = []
    for success in answers:
        bench.ack(command, success=success)
        book = bench.engine.tracker.book
        states.append([a.state for a in (*book.pending, *bench.actions)])
    assert states == [states[0]] * len(answers)
    refused = answers[0] is False
    if filled and not refused:
        bench.fill(command)
        bench.ack(command, success=False)
    assert bench.engine.tracker.book.gate.halts == {}
    assert [a.state.is_executed for a in bench.actions] == [False] * refused + [True] * (
        filled and not refused
    )


@given(st.permutations(["ours", "external"]))
def test_an_update_that_shows_two_effects_has_the_cause_of_the_last(order: list[str]) -> None:
    """Both are complete by it."""
    strategy = Scripted()
    bench = started(strategy, "0")
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.2)
    for name in order:
        if name == "ours":
            bench.fill(bench.commands[0], update=False)
        else:
            fill = bench.ledger.buy(20_000_000, 1.2, 2)
            bench.trade("buy", fill.amount, fill.qty, trace_id="a" * 32)
    assert bench.actions == []
    bench.update()

    row = bench.of_type(DocType.SERVER_STATE)[-1]
    causes = {"ours": StateCause.ACTION, "external": StateCause.EXTERNAL}
    assert row.cause is causes[order[-1]]
    assert row.delta_cash == Decimal("-0.03")
    assert {a.actor for a in bench.actions} == {Actor.BOT, Actor.EXTERNAL}
    (last,) = [a for a in bench.actions if (a.actor is Actor.BOT) is (order[-1] == "ours")]
    assert row.action_id == last.action_id


@given(st.integers(1, 100), st.integers(2, 5))
def test_an_update_never_proves_the_sale_of_a_leveraged_lot(percentage: int, leverage: int) -> None:
    """A liquidation looks the same."""
    strategy = Scripted()
    bench = started(strategy, "0")
    strategy.todo = [lambda a: a.buy("0.1", leverage=leverage)]
    bench.tick(1.2)
    bench.execute(bench.commands[0])
    strategy.todo = [lambda a: a.sell(percentage)]
    bench.tick(1.2)
    bench.fill(bench.commands[1], trade=False)

    assert [a.action_id for a in bench.actions] == [bench.commands[0].action_id]
    assert bench.of_type(DocType.SERVER_STATE)[-1].cause is StateCause.UNEXPLAINED


@pytest.mark.parametrize("phase", ["active", "rugged"])
@given(st.sampled_from([0.0, 0.02, 0.0201, 0.05, 0.1, 0.100001, 0.5]), st.booleans())
def test_a_sale_is_the_rugs_if_everything_is_gone_for_what_only_a_rug_pays(
    phase: str, share: float, whole: bool
) -> None:
    """At most a tenth of the price in force; once the rug's price is known, at most that."""
    strategy = Scripted()
    bench = started(strategy, "0")
    strategy.todo = [lambda a: a.buy("0.1")]
    bench.tick(1.0)
    bench.execute(bench.commands[0])
    if phase == "rugged":
        bench.rug(0.02, settle=False)
    held = bench.ledger.position_qty
    sold = held if whole else held - 1
    shown = bench.update_event()
    bench.feed(
        attrs.evolve(
            shown,
            cash=shown.cash + Decimal(int(sold * share)).scaleb(-9),
            position_qty=Decimal(held - sold).scaleb(-9),
        )
    )

    rugs = whole and share <= (0.02 if phase == "rugged" else 0.1)
    cause = bench.of_type(DocType.SERVER_STATE)[-1].cause
    assert cause is (StateCause.FORCED_SELL if rugs else StateCause.UNEXPLAINED)
    assert bench.engine.counts["forced_sells"] == int(rugs)
    assert sum(lot.qty for lot in bench.engine.account.lots) == held - sold


def test_a_new_game_starts_at_nothing() -> None:
    """What the venue stated of the last game is not said of the next."""
    strategy = Scripted()
    bench = started(strategy, "0")
    strategy.todo = [lambda a: a.buy("0.1")]
    bench.tick(1.2)
    bench.execute(bench.commands[0])
    before = bench.engine.account.state
    bench.rug()
    bench.new_game()
    after = bench.engine.account.state

    assert (before.total_invested, before.cumulative_pnl) != (0, 0)
    assert (after.total_invested, after.cumulative_pnl, after.position_qty) == (0, 0, 0)
    assert bench.engine.account.lots == []
