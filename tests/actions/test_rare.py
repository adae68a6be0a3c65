"""What happens seldom: evidence twice or without its usual parts, and the edges of what is allowed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.actions.limits import Limits
from vectra_bot.actions.notes import Stated, Tracked
from vectra_bot.actions.risk import MAX_IN_FLIGHT, RiskGate
from vectra_bot.errors import ConfigError, StrategyError
from vectra_bot.game.lots import Lot
from vectra_bot.models import (
    ActionState,
    ActionType,
    Actor,
    DocType,
    SidebetInfo,
    SideGameKind,
    StateCause,
)
from vectra_bot.testing import Bench

BBC, FLIP = SideGameKind.BBC, SideGameKind.CANDLEFLIP
SOL = 10**9


def bench_with(*acts: Any, **options: Any) -> Bench:
    """Return a bench whose strategy did *acts* at tick 2, price 1.2."""
    strategy = Scripted()
    bench = Bench(strategy, **options)
    bench.start_game((1.0, 1.1))
    bench.rounds.open(BBC, "r1")
    bench.rounds.open(FLIP, "r1", room=1)
    bench.rounds.open(BBC, "r2")
    strategy.todo = list(acts)
    bench.tick(1.2)
    return bench


def act(bench: Bench, *acts: Any) -> None:
    """Let the strategy do *acts* at the next tick."""
    strategy: Any = bench.engine.strategy
    strategy.todo = list(acts)
    bench.tick(bench.engine.game.price)


def kinds(bench: Bench) -> list[str]:
    """Return the kinds of the stored system events."""
    return [event.kind for event in bench.of_type(DocType.SYSTEM_EVENT)]


def last_cause(bench: Bench) -> StateCause | None:
    """Return the cause that the last statement of our account was given."""
    cause: StateCause | None = bench.of_type(DocType.SERVER_STATE)[-1].cause
    return cause


def state_of(tracked: Tracked) -> str:
    """Return the state of an action as it is now."""
    return tracked.action.state.value


# Evidence twice.


@pytest.mark.parametrize("closes", [False, True])
def test_a_second_trade_of_a_short_moves_nothing(closes: bool) -> None:
    """Another trade with the trace of a decided action opens no second short, and pays nothing again."""
    bench = bench_with(lambda a: a.short_open("0.05"))
    bench.execute(bench.commands[0])
    if closes:
        act(bench, lambda a: a.short_close())
        bench.execute(bench.commands[1])
    cash, settled = bench.engine.account.cash, len(bench.of_type(DocType.SHORT_POSITION))
    kind, amount = ("short_close" if closes else "short_open"), 50_000_000
    bench.trade(kind, amount, 0, trace_id=bench.commands[-1].trace_id, trade_id="again")

    assert bench.engine.account.cash == cash == bench.ledger.cash
    assert (bench.engine.account.short is None) is closes
    assert len(bench.of_type(DocType.SHORT_POSITION)) == settled


def test_a_rug_that_sells_lot_by_lot_is_one_forced_sale() -> None:
    """Every trade brings its money; the report to the strategy is one."""
    bench = bench_with(lambda a: a.buy("0.02"), lambda a: a.buy("0.03"))
    for command in bench.commands:
        bench.execute(command)
    first, second = bench.engine.account.lots
    bench._price = 0.02
    for number, lot in enumerate((first, second)):
        fill = bench.ledger.sell_qty(lot.qty, 0.02, 3)
        bench.trade("sell", fill.amount, fill.qty, trace_id=f"{number}" * 32)
        assert bench.engine.account.cash == bench.ledger.cash
    bench.update()

    assert bench.engine.counts["forced_sells"] == 1
    assert bench.engine.account.lots == []
    assert last_cause(bench) is StateCause.FORCED_SELL


def test_the_rugs_sale_of_what_was_never_shown_brings_its_money() -> None:
    """A buy without any evidence, then the rug's trade: cash moves, and the sale is reported."""
    bench = bench_with()
    bench._price = 0.02
    bench.trade("sell", 1_000, 50_000, trace_id="f" * 32)

    assert bench.engine.account.cash == SOL + 1_000
    assert bench.engine.counts["forced_sells"] == 1


@pytest.mark.parametrize("leverage", [1, 2])
def test_after_the_rug_a_position_that_is_gone_was_sold_by_it(leverage: int) -> None:
    """The frame came first, then a statement without a trade; a leveraged lot may bring any sum."""
    bench = bench_with(lambda a: a.buy("0.05", leverage=leverage))
    bench.execute(bench.commands[0])
    bench.rug(0.02, settle=False)
    fill = bench.ledger.forced_sell(0.02, 4)
    assert fill is not None
    bench.ledger.cash += 0 if leverage == 1 else 7_000_000
    bench.update()

    assert last_cause(bench) is StateCause.FORCED_SELL
    assert bench.engine.counts["forced_sells"] == 1
    assert bench.engine.account.cash == bench.ledger.cash


def test_after_the_rug_a_sum_that_no_rug_pays_has_no_known_cause() -> None:
    """One lamport for each lot may be rounded, and no more."""
    for more, cause in ((1, StateCause.FORCED_SELL), (2, StateCause.UNEXPLAINED)):
        bench = bench_with(lambda a: a.buy("0.05"))
        bench.execute(bench.commands[0])
        bench.rug(0.02, settle=False)
        assert bench.ledger.forced_sell(0.02, 4) is not None
        bench.ledger.cash += more
        bench.update()
        assert last_cause(bench) is cause


# Changes of the account.


@pytest.mark.parametrize("rugged", [False, True])
def test_bonus_money_that_is_gone_is_no_forced_sale(rugged: bool) -> None:
    """Nothing was held: the change has no known cause."""
    bench = bench_with(bonus="0.1")
    if rugged:
        bench.rug()
    bench.ledger.bonus -= 1_000
    bench.update()

    assert bench.engine.counts["forced_sells"] == 0
    assert last_cause(bench) is StateCause.UNEXPLAINED
    assert kinds(bench)[-1] == "account.unexplained"


def test_bonus_money_that_is_granted_needs_no_cause() -> None:
    """The venue grants it without a message."""
    bench = bench_with()
    bench.ledger.bonus += 1_000
    bench.update()

    assert last_cause(bench) is None
    assert bench.engine.account.bonus == 1_000
    assert not bench.engine.account.unexplained
    assert "account.unexplained" not in kinds(bench)


@pytest.mark.parametrize("stated", [False, True])
def test_a_sidebet_that_an_update_proves_has_the_ticks_it_states(stated: bool) -> None:
    """Without them it begins at the newest tick and ends forty ticks later."""
    bench = bench_with(lambda a: a.sidebet("0.01"))
    bench.ledger.place_sidebet(10_000_000, 2)
    info = SidebetInfo(game_id=bench.game_id, amount=Decimal("0.01"), start_tick=3, end_tick=44)
    bench.feed(attrs.evolve(bench.update_event(), sidebet=info if stated else None))

    bet = bench.engine.account.sidebet
    assert bet is not None
    assert (bet.start_tick, bet.end_tick) == ((3, 44) if stated else (2, 42))
    assert (bet.amount, bet.action_id) == (Decimal("0.01"), bench.commands[0].action_id)
    assert bench.actions[0].state is ActionState.CONFIRMED


# Rounds beside each other.


@pytest.mark.parametrize(
    ("side_game", "round_id", "waits"), [(BBC, "r1", True), (BBC, "r2", False), (FLIP, "r1", False)]
)
def test_a_round_waits_for_a_result_only_if_it_may_have_our_stake(
    side_game: SideGameKind, round_id: str, waits: bool
) -> None:
    """Another round of the same game, and a round of that name in the other game, are stored at once."""
    bench = bench_with(lambda a: a.bbc_predict("BULL", "0.01", round_id="r1"))
    room = 1 if side_game is FLIP else None
    bench.rounds.end(side_game, round_id, "GREEN" if side_game is FLIP else "BULL", room)
    kind = DocType.CANDLEFLIP_ROUND if side_game is FLIP else DocType.BBC_ROUND
    assert len(bench.of_type(kind)) == (0 if waits else 1)


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("at", [-1, 0, 1])
def test_a_result_counts_its_stake_once_by_the_time_of_the_statement(at: int, sent: bool) -> None:
    """A statement after the stake was sent has it already, one at the same moment or before has not."""
    bench = bench_with(lambda a: a.bbc_predict("BULL", "0.01"))
    (command,), (tracked,) = bench.commands, bench.engine.tracker.book.undecided()
    tracked.created_ns, tracked.sent_ns = 50, (90 if sent else None)
    before = bench.engine.account.cash
    bench.engine.account.stated = attrs.evolve(
        bench.update_event(), recv_ns=at + (90 if sent else 50)
    )
    bench.rounds.place(command)
    result = bench.rounds.settle(BBC, command.round_id or "", "BULL")
    assert result is not None
    bench.engine.tracker.stakes.on_round_result(result)

    stake = 10_000_000
    assert bench.engine.account.cash == before + 2 * stake - (0 if at > 0 else stake)


# Times.


def test_an_action_waits_two_seconds_for_evidence() -> None:
    """To the nanosecond; a decided one is complete after two seconds without its statement."""
    bench = bench_with(lambda a: a.buy("0.01"), lambda a: a.buy("0.02"))
    book = bench.engine.tracker.book
    waiting, decided = book.undecided()
    decided.action = attrs.evolve(decided.action, state=ActionState.CONFIRMED)
    waiting.sent_ns, decided.decided_ns = 100, None
    book.on_time(10**18)
    assert len(book.incomplete) == 2
    waiting.action = attrs.evolve(waiting.action, state=ActionState.SENT)
    decided.decided_ns = 100
    book.on_time(100 + 2 * SOL - 1)
    assert len(book.incomplete) == 2
    book.on_time(100 + 2 * SOL)
    assert list(book.incomplete.values()) == [waiting]
    assert state_of(waiting) == "SENT"
    book.on_time(101 + 2 * SOL)
    assert state_of(waiting) == "UNKNOWN"
    waiting.action, waiting.sent_ns = attrs.evolve(waiting.action, state=ActionState.INTENT), None
    book.on_time(10**18)
    assert state_of(waiting) == "INTENT"


def test_a_rounds_result_is_waited_for_two_seconds() -> None:
    """To the nanosecond; afterwards the round is stored without one."""
    bench = bench_with(lambda a: a.bbc_predict("BULL", "0.01"))
    bench.execute(bench.commands[0])
    stakes = bench.engine.tracker.stakes
    bench.feed(bench.rounds.update_event(BBC, "r1", is_open=False, result="BULL"))
    bench.feed(bench.rounds.update_event(BBC, "r2", is_open=False, result="BULL"))
    ((_, since_ns),) = stakes.waiting.values()
    assert since_ns == bench.now_ns
    stakes.on_time(since_ns + 2 * SOL)
    assert len(stakes.waiting) == 1
    stakes.on_time(since_ns + 2 * SOL + 1)
    assert len(stakes.waiting) == 0
    assert bench.engine.account.stakes == {}


@pytest.mark.parametrize("known", [True, False])
def test_a_stake_is_given_up_five_minutes_after_its_round(known: bool) -> None:
    """After the round's announced end, or after it was placed if the round is not known."""
    bench = bench_with(lambda a: a.bbc_predict("BULL", "0.01", round_id="r1"))
    bench.execute(bench.commands[0])
    ((key, stake),) = bench.engine.account.stakes.items()
    round_ = bench.engine.tracker.stakes.rounds.get(*key)
    assert round_ is not None
    end_ms = round_.closes_at_ms
    if not known:
        bench.engine.account.stakes.clear()
        bench.engine.account.stakes[BBC, "r9"] = attrs.evolve(stake, round_id="r9")
        assert stake.placed_ts is not None
        end_ms = stake.placed_ts
    stakes = bench.engine.tracker.stakes
    stakes.lose(end_ms * 1_000_000 + 300 * SOL)
    assert len(bench.engine.account.stakes) == 1
    stakes.lose(end_ms * 1_000_000 + 300 * SOL + 1)
    assert bench.engine.account.stakes == {}


def test_a_stake_is_not_placed_ten_seconds_after_its_rounds_end() -> None:
    """A statement later than that, which balances, proves it; other actions stay undecided."""
    bench = bench_with(
        lambda a: a.buy("0.01"), lambda a: a.bbc_predict("BULL", "0.01", round_id="r1")
    )
    buy, stake = bench.engine.tracker.book.undecided()
    stakes = bench.engine.tracker.stakes
    end_ms = bench.rounds.closes_at_ms[BBC, "r1"]
    stakes.prove(end_ms * 1_000_000 + 10 * SOL)
    assert not stake.action.is_decided
    stakes.prove(end_ms * 1_000_000 + 10 * SOL + 1)
    assert stake.action.state is ActionState.NOT_EXECUTED
    assert bench.engine.tracker.book.undecided() == [buy]


# Limits.


@given(st.integers(1, 100), st.integers(1, 5))
def test_what_leaves_is_at_most_the_stake_and_the_leverage(stake: int, leverage: int) -> None:
    """The last look at a command: from one lamport to the limit, and no higher leverage."""
    bench = bench_with(lambda a: a.buy("0.01"))
    (command,) = bench.commands
    gate = RiskGate(Limits(stake=Decimal(stake) / SOL, leverage=leverage))
    for amount, allowed in ((0, False), (1, True), (stake, True), (stake + 1, False)):
        changed = attrs.evolve(command, amount=Decimal(amount) / SOL)
        assert gate.allows(changed) is allowed
    assert not gate.allows(attrs.evolve(command, amount=None))
    one = attrs.evolve(command, amount=Decimal(stake) / SOL)
    assert gate.allows(attrs.evolve(one, leverage=leverage))
    assert not gate.allows(attrs.evolve(one, leverage=leverage + 1))
    assert gate.allows(attrs.evolve(command, action_type=ActionType.SELL, amount=None))


def test_a_limit_finer_than_a_lamport_is_refused() -> None:
    """The message is the amount's own."""
    with pytest.raises(ConfigError, match="limit 'stake'"):
        Limits(stake=Decimal("0.0000000001"))
    assert Limits(stake=Decimal("0.000000001")).stake == Decimal("0.000000001")


@given(st.integers(1, MAX_IN_FLIGHT + 2))
def test_eight_actions_may_be_in_flight(asked: int) -> None:
    """The ninth is denied, and a sale of everything is not."""
    bench = bench_with(lambda a: a.buy("0.01"), limits=Limits(actions_per_game=100))
    bench.execute(bench.commands[0])
    act(bench, *(lambda a: a.buy("0.001") for _ in range(asked)))
    assert len(bench.commands) == 1 + min(asked, 8)
    act(bench, lambda a: a.sell(50), lambda a: a.sell())
    sold = [command.percentage for command in bench.commands if command.percentage]
    assert sold == ([50, 100] if asked < 8 else [100])


@pytest.mark.parametrize(
    ("percentage", "button", "bet"),
    [(10, "10%", "0.1"), (25, "25%", "0.25"), (50, "50%", "0.5"), (100, "MAX", "1")],
)
def test_a_share_of_the_cash_has_its_button(percentage: int, button: str, bet: str) -> None:
    """The whole is called MAX."""
    bench = bench_with(lambda a: a.bet_percentage(percentage))
    action = bench.actions[-1]
    assert (action.button, action.amount, action.percentage) == (button, Decimal(bet), percentage)
    assert (action.state, action.trace_id) == (ActionState.CONFIRMED, None)


def test_an_undecided_entry_without_an_amount_risks_nothing() -> None:
    """Only what is asked for can have been spent, and what was booked is no longer at risk."""
    bench = bench_with(lambda a: a.buy("0.01"), lambda a: a.sidebet("0.02"))
    book = bench.engine.tracker.book
    assert book.at_risk == 30_000_000
    first, second = book.undecided()
    second.booked = True
    assert book.at_risk == 10_000_000
    first.action = attrs.evolve(first.action, amount=None)
    assert book.at_risk == 0


@pytest.mark.parametrize("human", [False, True])
def test_after_a_lost_link_an_answer_is_ours_but_not_the_pages(human: bool) -> None:
    """The page counts its requests from the start again, our own numbers never repeat."""
    bench = bench_with(lambda a: a.buy("0.01"))
    (tracked,) = bench.engine.tracker.book.undecided()
    if human:
        tracked.action = attrs.evolve(tracked.action, actor=Actor.HUMAN)
    bench.engine.tracker.book.on_disconnected("test")
    assert tracked.action.state is ActionState.UNKNOWN
    found = bench.engine.tracker.book.answered(tracked.ack_id or 0)
    assert found is (None if human else tracked)


def test_a_lost_link_makes_an_action_unknown_once() -> None:
    """The second loss finds it as it is."""
    bench = bench_with(lambda a: a.buy("0.01"))
    bench.disconnect()
    found = len(kinds(bench))
    bench.engine.tracker.book.on_disconnected("again")
    assert bench.engine.tracker.book.notes == []
    assert kinds(bench)[:found].count("action.state") == 2


def test_a_stake_without_an_amount_is_nothing() -> None:
    """The amount of an entry is always given; what has none counts as none."""
    bench = bench_with(lambda a: a.sidebet("0.01"))
    (tracked,) = bench.engine.tracker.book.undecided()
    tracked.action = attrs.evolve(tracked.action, amount=None)
    shown = bench.engine.tracker.sidebets.shown(bench.update_event(), tracked)
    assert shown.amount == 0


def test_every_action_of_a_game_is_decided_whatever_stands_between() -> None:
    """Stakes in rounds before and after it are passed over, and so is what waits."""
    bench = bench_with(
        lambda a: a.bbc_predict("BULL", "0.01", round_id="r1"),
        lambda a: a.buy("0.01"),
        lambda a: a.candleflip_bet("RED", "0.01"),
        lambda a: a.buy("0.02"),
    )
    book = bench.engine.tracker.book
    rounds, buys = book.undecided()[::2], book.undecided()[1::2]
    buys[1].action = attrs.evolve(buys[1].action, state=ActionState.CONFIRMED)
    book.on_game_closed(bench.game_id, bench.now_ns, wait=True)
    assert book.undecided() == [rounds[0], buys[0], rounds[1]]
    assert len(book.incomplete) == 3
    book.on_game_closed("another", bench.now_ns, wait=False)
    assert len(book.incomplete) == 3
    book.on_game_closed(bench.game_id, bench.now_ns, wait=False)
    assert list(book.incomplete.values()) == rounds
    assert buys[0].action.state is ActionState.NOT_EXECUTED


@pytest.mark.parametrize("amount", [True, b"1", [], {}, 1j, object()])
def test_what_is_no_number_is_told_by_its_class(amount: Any) -> None:
    """The message says what an amount is."""
    with pytest.raises(StrategyError) as caught:
        bench_with(lambda a: a.buy(amount))
    assert "give a positive, finite number of SOL" in str(caught.value.__cause__)


def test_what_another_client_did_is_not_at_risk_any_more() -> None:
    """It is known by its effect; so are its times and its actor."""
    bench = bench_with()
    book = bench.engine.tracker.book
    tracked = book.external(ActionType.BUY, Decimal("0.01"), 7_900_000)
    assert book.at_risk == 0
    assert (tracked.action.actor, tracked.action.first_evidence_ts) == (Actor.EXTERNAL, 7)
    assert tracked.action.timestamps.client_ts == 7
    assert (book.gate.external_this_game, book.notes[-1].kind) == (1, "account.external")  # type: ignore[union-attr]
    book.external(ActionType.SELL, Decimal("0.01"), 7, by_venue=True)
    assert book.gate.external_this_game == 1


def test_a_change_of_several_actions_has_the_last_ones_id() -> None:
    """One statement shows two buys: the cause is the action, the id that of the later one."""
    bench = bench_with(lambda a: a.buy("0.02"), lambda a: a.buy("0.03"))
    for command in bench.commands:
        bench.carry_out(command)
    bench.update()

    row = bench.of_type(DocType.SERVER_STATE)[-1]
    assert (row.cause, row.action_id) == (StateCause.ACTION, bench.commands[1].action_id)
    assert not row.unverified
    assert [lot.cost for lot in bench.engine.account.lots] == [20_000_000, 30_000_000]


@pytest.mark.parametrize("which", [0, 1])
def test_a_change_with_something_unverified_is_unverified(which: int) -> None:
    """A short among two actions is enough, and it is adopted from the statement."""
    acts = [lambda a: a.sidebet("0.02"), lambda a: a.short_open("0.03")]
    bench = bench_with(*(acts if which else reversed(acts)))
    for command in bench.commands:
        bench.fill(command, trade=False, update=False)
    bench.update()

    row = bench.of_type(DocType.SERVER_STATE)[-1]
    assert (row.cause, row.action_id) == (StateCause.ACTION, bench.commands[1].action_id)
    assert row.unverified
    short, bet = bench.engine.account.short, bench.engine.account.sidebet
    assert short is not None
    assert bet is not None
    ids = [command.action_id for command in bench.commands]
    assert [bet.action_id, short.action_id] == (ids if which else ids[::-1])


@pytest.mark.parametrize(("change", "forced"), [(0, True), (-1, False), (-2, False)])
def test_a_sale_by_the_rug_never_costs_anything(change: int, forced: bool) -> None:
    """Everything is gone for nothing: the rug's; if cash is gone as well, the cause is not known."""
    for qty in (1, 50_000_000):
        bench = bench_with()
        event = bench.update_event()
        bench.engine.tracker.account.lots.append(Lot(qty, 1, 0, 1.0))
        bench.engine.tracker.account._stated_qty = qty
        gone = attrs.evolve(event, cash=event.cash + Decimal(change) / SOL)
        bench.engine.tracker.on_player_update(gone)
        cause = [note.cause for note in bench.engine.tracker.book.notes if isinstance(note, Stated)]
        assert cause == [StateCause.FORCED_SELL if forced else StateCause.UNEXPLAINED]
