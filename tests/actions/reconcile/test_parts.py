"""The parts of reconciliation alone: ways in which actions may have been executed, bounds, missed ends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import chain, combinations
from math import comb, floor, inf
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.reconcile.parts import GAME, LAW, SOL, asked, entry, stated
from tests.actions.strategies import Scripted
from vectra_bot.actions.notes import Tracked
from vectra_bot.actions.reconcile.change import _quantities
from vectra_bot.actions.reconcile.ends import MissedEnd
from vectra_bot.actions.reconcile.fills import (
    Executed,
    UnprovenError,
    effect_of,
    paths,
    stake_of,
    subsets,
)
from vectra_bot.game.lots import Lot
from vectra_bot.models import (
    ActionOutcome,
    ActionState,
    ActionType,
    SidebetResult,
    StateCause,
)
from vectra_bot.testing import Bench

BUY, SELL, BET = ActionType.BUY, ActionType.SELL, ActionType.SIDEBET
Way = tuple[int, int, tuple[tuple[int, int], ...]]


# What a few actions can have done, worked out in fractions.

kinds = st.sampled_from([BUY, SELL, BET])
prices = st.lists(
    st.one_of(st.floats(0.1, 10), st.sampled_from([math.nan, 0.0, -1.0])), max_size=28
)
plans = st.lists(
    st.tuples(
        kinds, st.integers(1_000_000, SOL), st.sampled_from([None, 1, 33, 100]), st.integers(0, 6)
    ),
    max_size=2,
)
holdings = st.lists(
    st.tuples(st.integers(1, 3 * SOL), st.integers(1, SOL)).map(lambda d: Lot(*d, 0, 1.0)),
    max_size=2,
)


def ways(
    chosen: Sequence[Tracked], held: list[int], rates: Sequence[float], since: int = 0
) -> Iterator[Way]:
    """Yield cash, tokens and the single changes of every way, by trying all ticks."""
    if not chosen:
        yield 0, sum(held), ()
        return
    first, rest = chosen[0], chosen[1:]
    action = first.action
    options: list[tuple[int, int, list[int], int]] = []
    if action.action_type is BET:
        options.append((-floor((action.amount or 0) * SOL), 0, held, since))
    else:
        for tick, rate in enumerate(rates or [1.0]):
            on_time = action.game_context.tick <= tick <= action.game_context.tick + 20
            if not on_time or tick < since or not rate > 0:
                continue
            exact = Fraction(rate)
            if action.action_type is BUY:
                stake = floor((action.amount or 0) * SOL)
                bought = floor(stake / exact)
                options.append((-stake, bought, [*held, bought], tick))
                continue
            share = 100 if action.percentage is None else action.percentage
            todo = wanted = sum(held) * share // 100
            left, paid = [], 0
            for lot in held:
                part = min(lot, todo)
                todo -= part
                paid += floor(part * exact)
                left.append(lot - part)
            if wanted:
                options.append((paid, -wanted, [lot for lot in left if lot], tick))
    for cash, qty, after, tick in options:
        for more, end, changes in ways(rest, after, rates, tick):
            yield cash + more, end, ((cash, qty), *changes)


@given(plans, holdings, prices)
def test_every_way_is_found_and_no_other(
    plan: list[Any], held: list[Lot], rates: list[float]
) -> None:
    """In the order of sending, at the same or a later tick, at most twenty ticks after the decision."""
    chosen = [
        asked(kind, stake if kind is not SELL else None, share=share, tick=tick)
        for kind, stake, share, tick in plan
    ]
    found = sorted(
        (path.cash, path.qty, tuple((fill.cash, fill.qty) for fill in path.fills))
        for path in paths(chosen, held, rates)
    )
    assert found == sorted(ways(chosen, [lot.qty for lot in held], rates))


def test_a_bought_lot_is_as_the_action_asked_for_it() -> None:
    """Tick, price, cost and leverage of a lot are those of the way."""
    (path,) = paths([asked(BUY, 300, tick=1, leverage=3)], [], [1.0, 2.0])
    assert path.lots == (Lot(150, 300, 1, 2.0, 3),)
    assert (path.tick, path.qty) == (1, 150)


@pytest.mark.parametrize(("buys", "possible"), [(4, True), (5, False)])
def test_too_many_ways_prove_nothing(buys: int, possible: bool) -> None:
    """Twenty-one ticks in order: 10 626 ways for four buys are tried, 53 130 for five are not."""
    chosen = [asked(BUY, 1_000) for _ in range(buys)]
    if possible:
        assert sum(1 for _ in paths(chosen, [], [1.0] * 30)) == comb(24, 4)
    else:
        with pytest.raises(UnprovenError):
            list(paths(chosen, [], [1.0] * 30))


@given(st.integers(0, 5), st.integers(0, 3))
def test_subsets_are_all_of_at_least_a_size(count: int, least: int) -> None:
    """Each once, in the order of sending."""
    tracked = [asked(BUY, number + 1) for number in range(count)]
    wanted = chain.from_iterable(combinations(range(count), k) for k in range(least, count + 1))
    found = [tuple(tracked.index(one) for one in chosen) for chosen in subsets(tracked, least)]
    assert found == list(wanted)
    assert list(subsets(tracked)) == list(subsets(tracked, 1))


def test_only_an_entry_stakes_something() -> None:
    """An exit stakes nothing, whatever its amount; an entry without an amount neither."""
    assert stake_of(asked(BUY, 7)) == stake_of(asked(BET, 7)) == 7
    assert stake_of(asked(SELL, 7)) == stake_of(asked(BUY)) == 0


def test_the_effect_of_a_fill_is_the_actions() -> None:
    """Cash, tokens and bonus money, under the action's id."""
    tracked = asked(BUY, 7)
    effect = effect_of(Executed(tracked, -5, 3, -2))
    assert (effect.cause, effect.action_id) == (StateCause.ACTION, tracked.action.action_id)
    assert (effect.delta_cash, effect.delta_qty, effect.delta_bonus) == (-5, 3, -2)


BOUNDS: list[tuple[list[Tracked], int, tuple[int, float]]] = [
    ([], 10, (10, 10)),
    ([asked(BET, 5)], 10, (10, 10)),
    ([asked(BUY, 5)], 10, (11, inf)),
    ([asked(BUY, 5), asked(BUY, 5)], 0, (2, inf)),
    ([asked(SELL)], 10, (-1, 1)),
    ([asked(SELL, share=100)], 10, (-1, 1)),
    ([asked(SELL, share=50)], 10, (4, 6)),
    ([asked(SELL, share=25)], 1_000, (749, 751)),
    ([asked(SELL, share=50)], 0, (1, 0)),
    ([asked(SELL, share=50)], 1, (0, 2)),
    ([asked(SELL), asked(SELL, share=50)], 1_000, (-1, 2)),
    ([asked(BUY, 5), asked(SELL)], 10, (-1, 1)),
    ([asked(BUY, 5), asked(SELL, share=50)], 9, (4, inf)),
    ([asked(SELL, share=50), asked(BUY, 5)], 10, (5, inf)),
]


@pytest.mark.parametrize(("chosen", "held", "bounds"), BOUNDS)
def test_bounds_of_what_is_held(
    chosen: list[Tracked], held: int, bounds: tuple[int, float]
) -> None:
    """A buy brings at least a billionth, a sale takes its share within rounding, at least something."""
    assert _quantities(chosen, held) == bounds


# A game whose end was missed.


def missed(*actions: Tracked, **changes: Any) -> MissedEnd:
    """Return a missed end with one SOL and nothing held."""
    values = {
        "game_id": GAME, "actions": actions, "money": SOL, "lots": (), "unknown": False,
        "since_ns": 0, "entry": entry(whole=True), "bonus": 0, **changes,
    }  # fmt: skip
    return MissedEnd(**values)


def test_a_buy_that_the_rug_ends_never_costs_nothing() -> None:
    """Without any price an unchanged account proves that no buy was executed."""
    buys = asked(BUY, 1_000), asked(BUY, 2_000)
    assert missed(*buys, entry=None).outcomes(stated(SOL)) == [()]
    for changes, update in (
        ({}, stated(SOL - 1)),
        ({"lots": (Lot(5, 5, 0, 1.0),)}, stated(SOL)),
        ({"unknown": True}, stated(SOL)),
    ):
        with pytest.raises(UnprovenError):
            missed(*buys, entry=None, **changes).outcomes(update)
    with pytest.raises(UnprovenError):
        missed(*buys, asked(SELL), entry=None).outcomes(stated(SOL))


@pytest.mark.parametrize(
    ("changes", "update"),
    [
        ({"unknown": True}, {}),
        ({"bonus": 1}, {}),
        ({}, {"bonus": 1}),
        ({}, {"qty": 1}),
        ({"actions": tuple(asked(BUY, 1_000) for _ in range(9))}, {}),
        ({"actions": (asked(ActionType.SHORT_OPEN, 5),)}, {}),
    ],
    ids=["unknown", "bonus", "bonus now", "position", "many", "short"],
)
def test_what_cannot_be_computed_proves_nothing(
    changes: dict[str, Any], update: dict[str, int]
) -> None:
    """One such thing is enough."""
    end = missed(asked(BUY, 1_000), **{k: v for k, v in changes.items() if k != "actions"})
    end.actions = changes.get("actions", end.actions)
    with pytest.raises(UnprovenError):
        end.outcomes(stated(SOL - 900, **update))


def test_eight_actions_are_not_too_many() -> None:
    """Each would have lost its stake: the empty set is the only one that fits."""
    early = LAW.rug_tick - 100
    bets = [asked(BET, 10**6 * (1 + number), tick=early) for number in range(8)]
    assert missed(*bets).outcomes(stated(SOL)) == [()]


@pytest.mark.parametrize("whole", [True, False], ids=["prices", "seed"])
@pytest.mark.parametrize("bought", [True, False])
def test_the_rug_ends_what_was_bought(whole: bool, bought: bool) -> None:
    """The lots that a buy leaves are sold at the rug's price, which the history gives."""
    buy = asked(BUY, 50_000_000, tick=3)
    rate, end = Fraction(LAW.prices[4]), Fraction(LAW.rug_price)
    paid = floor(floor(50_000_000 / rate) * end)
    money = SOL - 50_000_000 + paid if bought else SOL
    held = (Lot(2_000_000, 2_000_000, 0, 1.0),)
    money += floor(2_000_000 * end)
    found = missed(buy, lots=held, entry=entry(whole=whole)).outcomes(stated(money))
    assert found == ([(buy,)] if bought else [()])


def test_a_game_without_prices_and_with_a_bad_seed_proves_nothing() -> None:
    """Neither does one of a version whose law is not known."""
    for bad in (
        attrs.evolve(entry(whole=False), version="v9"),
        None,
    ):
        with pytest.raises(UnprovenError):
            missed(asked(BUY, 1_000), entry=bad).outcomes(stated(SOL - 900))


@pytest.mark.parametrize("late", [0, 20, 21])
def test_a_sidebet_wins_by_the_tick_at_which_it_began(late: int) -> None:
    """It may begin up to twenty ticks after its decision, and wins within forty ticks of the rug."""
    stake, rug = 10_000_000, len(LAW.prices)
    bet = asked(BET, stake, tick=rug - 40 - late)  # the first tick that wins is *late* after it
    won, lost = stated(SOL + 4 * stake), stated(SOL - stake)
    assert missed(bet).outcomes(won) == ([(bet,)] if late <= 20 else [])
    assert missed(bet).outcomes(lost) == ([(bet,)] if late > 0 else [])


@given(st.lists(st.sampled_from([None, True, False]), min_size=2, max_size=2))
def test_what_is_decided_is_in_every_set_or_in_none(decided: list[bool | None]) -> None:
    """Of two equal stakes one was lost; other evidence says which."""
    stake, early = 10_000_000, LAW.rug_tick - 100
    states = {
        None: ActionState.UNKNOWN,
        True: ActionState.EXECUTED_LATE,
        False: ActionState.NOT_EXECUTED,
    }
    bets = [asked(BET, stake, tick=early, state=states[one]) for one in decided]
    for bet in bets:
        if bet.action.is_decided:
            bet.action = attrs.evolve(bet.action, outcome=ActionOutcome(True))
    found = missed(*bets).outcomes(stated(SOL - stake))
    fitting = [
        (bet,)
        for number, bet in enumerate(bets)
        if decided[number] is not False and decided[1 - number] is not True
    ]
    assert [tuple(map(id, chosen)) for chosen in found] == [
        tuple(map(id, chosen)) for chosen in fitting
    ]


def test_a_leveraged_lot_at_the_end_gives_nothing() -> None:
    """What the venue pays for it is not known for certain."""
    rate, end = Fraction(LAW.prices[4]), Fraction(LAW.rug_price)
    tokens = floor(50_000_000 / rate)
    value = max(0, floor(2 * tokens * end) - 50_000_000)
    buy = asked(BUY, 50_000_000, tick=3, leverage=2)
    assert missed(buy).outcomes(stated(SOL - 50_000_000 + value)) == []


# The history's sidebets.


def bets_of(*ticks: int) -> tuple[Bench, list[Tracked]]:
    """Return a bench with undecided sidebets of one amount, sent at *ticks*."""
    bench = Bench(Scripted())
    bench.start_game((1.0, 1.1))
    book = bench.engine.tracker.book
    for number, tick in enumerate(ticks):
        one = asked(BET, 5, tick=tick)
        one.action = attrs.evolve(one.action, action_id=f"a{number}", game_id=bench.game_id)
        book._open[one.action.action_id] = one
    return bench, book.undecided()


def result(bench: Bench, start: int, amount: int = 5, payout: int = 0) -> SidebetResult:
    """Return the result of a sidebet."""
    return SidebetResult(
        recv_ns=1, game_id=bench.game_id, player_id="me", amount=Decimal(amount) / SOL,
        payout=Decimal(payout) / SOL, profit=Decimal(payout - amount) / SOL,
        start_tick=start, end_tick=start + 40,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ticks", "rows", "executed"),
    [
        ((2, 5), (6, 3), [True, True]),
        ((2, 5), (), [False, False]),
        ((2, 5), (1, 3, 6), [True, True]),  # one began before the oldest was sent
        ((2, 5), (3,), [None, None]),  # of two, one: which is not known
        ((2, 5), (3, 4), [None, None]),  # the second was not sent yet
        ((2,), (22,), [True]),
        ((2,), (23,), [None]),  # more than twenty ticks later
        ((2,), (1,), [False]),
        ((2,), (2, 3), [None]),
    ],
)
def test_bets_of_one_amount_are_paired_in_order_or_not_at_all(
    ticks: tuple[int, ...], rows: tuple[int, ...], executed: list[bool | None]
) -> None:
    """The oldest row is of the oldest action; a row before it is another client's."""
    bench, bets = bets_of(*ticks)
    results = [result(bench, start) for start in rows]
    results.append(result(bench, 30, amount=6))
    bench.engine.tracker.sidebets.on_history(bench.game_id, results, 9)
    states = {True: "EXECUTED_LATE", False: "NOT_EXECUTED", None: "UNKNOWN"}
    assert [one.action.state.value for one in bets] == [states[one] for one in executed]
    done = sum(one is True for one in executed)
    assert bench.engine.account.cash == SOL - 5 * done


def test_a_result_that_fits_one_bet_decides_it() -> None:
    """Of two that it may be, none; a repeated one changes nothing."""
    bench, bets = bets_of(2, 50)
    sidebets = bench.engine.tracker.sidebets
    sidebets.on_result(result(bench, 3, payout=25))
    sidebets.on_result(result(bench, 3, payout=25))
    assert [one.action.state.value for one in bets] == ["EXECUTED_LATE", "UNKNOWN"]
    assert bench.engine.account.cash == SOL + 20
    bench, bets = bets_of(2, 3)
    bench.engine.tracker.sidebets.on_result(result(bench, 3, payout=25))
    assert [one.action.state.value for one in bets] == ["UNKNOWN", "UNKNOWN"]


def test_two_stakes_that_won_or_lost_add_up() -> None:
    """Each set of bets gives its own sum."""
    early, late = LAW.rug_tick - 100, LAW.rug_tick - 30
    bets = asked(BET, 10_000_000, tick=late), asked(BET, 3_000_000, tick=early)
    for chosen, change in (
        ((), 0), ((0,), 40_000_000), ((1,), -3_000_000), ((0, 1), 37_000_000),
    ):  # fmt: skip
        found = missed(*bets).outcomes(stated(SOL + change))
        assert found == [tuple(bets[number] for number in chosen)]
