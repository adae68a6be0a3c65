"""The account beside a model of it: what explains a change, what it is worth, how bonus money is split."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_sol
from vectra_bot.game.holdings import ShortView, SidebetView, StakeView
from vectra_bot.game.lots import Lot, split_lots
from vectra_bot.models import LeveragedInfo, PlayerUpdate, ShortInfo, SideGameKind, StateCause

SECOND = 10**9
SOL = 10**9
START_CASH, START_QTY = 1000, 50
Change = tuple[int, int]


def update(cash: int, qty: int, recv_ns: int = 0, bonus: int = 0, **more: Any) -> PlayerUpdate:
    """Return a statement of an account, amounts in lamports."""
    values = {"avg_cost": Decimal(0), "total_invested": Decimal(0), "cumulative_pnl": Decimal(0)}
    return PlayerUpdate(
        recv_ns=recv_ns,
        player_id="me",
        cash=to_sol(cash),
        position_qty=to_sol(qty),
        bonus_balance=to_sol(bonus),
        **{**values, **more},
    )


def stated(cash: int = START_CASH, qty: int = START_QTY, bonus: int = 0, **more: Any) -> Account:
    """Return an account that was stated once."""
    account = Account()
    first = update(cash, qty, bonus=bonus, **more)
    statement = account.state_update(first)
    assert (statement.delta_cash, statement.delta_qty, statement.delta_bonus) == (0, 0, 0)
    assert (statement.effects, statement.explained, statement.first) == ((), True, True)
    account.adopt(first, statement, 0)
    return account


class Model:
    """What the account must know: what waits to be shown, and what was shown before it was explained."""

    def __init__(self) -> None:
        self.now = 0
        self.stated = (START_CASH, START_QTY)
        self.book = (START_CASH, START_QTY)
        self.waiting: list[tuple[int, int, int]] = []
        self.shown: list[Change] = []

    def evidence(self, cash: int, qty: int) -> bool:
        """Take evidence of an effect; return whether an update had shown it."""
        if (cash, qty) in self.shown:
            self.shown.remove((cash, qty))
            return True
        self.waiting.append((cash, qty, self.now))
        self.book = (self.book[0] + cash, self.book[1] + qty)
        return False

    def statement(self, cash: int, qty: int) -> tuple[list[Change], bool, bool]:
        """Take a statement; return what explains it, whether it is explained, and if the book agreed."""
        found = next(([e] for e in self.waiting if e[:2] == (cash, qty)), [])
        for count in range(2, len(self.waiting) + 1):
            first = self.waiting[:count]
            if not found and (sum(e[0] for e in first), sum(e[1] for e in first)) == (cash, qty):
                found = first
        explained = bool(found) or (cash, qty) == (0, 0)
        if not explained:
            self.shown.append((cash, qty))
        for effect in found:
            self.waiting.remove(effect)
        self.waiting = [e for e in self.waiting if self.now - e[2] < 2 * SECOND]
        self.stated = (self.stated[0] + cash, self.stated[1] + qty)
        after = tuple(self.stated[i] + sum(e[i] for e in self.waiting) for i in (0, 1))
        agreed, self.book = after == self.book, (after[0], after[1])
        return [e[:2] for e in found], explained, agreed


def evidence(account: Account, cash: int, qty: int) -> bool:
    """Book an effect by the method that fits it; return whether an update had shown it."""
    if qty > 0:
        lot = Lot(qty, -cash, 3, 1.0)
        return account.buy(lot, "a", StateCause.ACTION) is not None
    if qty < 0:
        return account.sell(cash, -qty, "a", StateCause.ACTION) is not None
    return account.move_cash(cash, "a", StateCause.ACTION) is not None


# Few sizes, so that changes of equal cash and other quantity, and sums of two, are common.
changes = st.one_of(
    st.tuples(st.integers(-3, 0), st.integers(1, 2)),
    st.tuples(st.integers(0, 3), st.integers(-2, -1)),
    st.tuples(st.integers(-3, 3), st.just(0)),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("evidence"), changes),
        st.tuples(st.just("update"), changes),
        st.tuples(st.just("show"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.sampled_from([1, SECOND - 1, SECOND, 2 * SECOND])),
    ),
    max_size=14,
)


@example([("update", (0, 1))])
@example([("update", (-1, 0)), ("evidence", (-1, 1))])
@example([("evidence", (-1, 1)), ("update", (-1, 2))])
@example([("evidence", (1, 0)), ("wait", 2 * SECOND), ("update", (0, 0))])
@given(steps)
def test_a_change_is_explained_by_cash_and_quantity_together(todo: Sequence[Any]) -> None:
    """Evidence and statements in any order: the account knows what the model knows after each of them."""
    account, model = stated(), Model()
    for kind, value in todo:
        if kind == "wait":
            model.now += value
            account.now_ns = model.now
            continue
        if kind == "evidence":
            assert evidence(account, *value) is model.evidence(*value)
        else:
            change = value
            if kind == "show":  # a prefix of what waits, as an honest venue shows it
                first = model.waiting[:value]
                change = (sum(e[0] for e in first), sum(e[1] for e in first))
            cash, qty = model.stated[0] + change[0], model.stated[1] + change[1]
            shown = update(cash, qty, model.now)
            statement = account.state_update(shown)
            effects, explained, agreed = model.statement(*change)
            assert [(e.delta_cash, e.delta_qty) for e in statement.effects] == effects
            assert (statement.explained, statement.first) == (explained, False)
            assert (statement.delta_cash, statement.delta_qty) == change
            assert account.adopt(shown, statement, 5) is agreed
        assert [(e.delta_cash, e.delta_qty) for e in account.pending] == [
            e[:2] for e in model.waiting
        ]
        assert (account.cash, account.qty) == model.book
        # What was stated first is where session and game began.
        assert account.session_start_cash == START_CASH
        assert account.game_pnl == account.cash - START_CASH
        assert not any(e.unverified for e in account.pending)
        assert account.closes is not bool(model.waiting or model.shown)


@given(steps, st.integers(0, 4 * SECOND))
def test_a_new_game_forgets_what_was_shown_long_ago(todo: Sequence[Any], later: int) -> None:
    """What was shown less than two seconds before a game may still be explained in it; nothing older."""
    account, model = stated(), Model()
    times: list[tuple[Change, int]] = []
    for kind, value in todo:
        if kind == "wait":
            model.now += value
            account.now_ns = model.now
        elif kind == "update":
            shown = update(model.stated[0] + value[0], model.stated[1] + value[1], model.now)
            if not model.statement(*value)[1]:
                times.append((value, model.now))
            account.adopt(shown, account.state_update(shown), 5)
    account.now_ns = model.now + later
    account.open_game()

    assert (account.lots, account.sidebet, account.short, account.game_pnl) == ([], None, None, 0)
    fresh = [change for change, at in times if account.now_ns - at < 2 * SECOND]
    assert account.closes is not bool(fresh)
    for cash, _ in fresh:
        before = account.cash
        assert evidence(account, cash, 0)  # the position of the old game is gone
        assert account.cash == before
    assert account.closes


@given(st.integers(1, SOL), st.integers(1, SOL), st.integers(1, START_QTY))
def test_a_sale_is_stated_after_its_game_by_its_cash(cash: int, amount: int, qty: int) -> None:
    """The update that shows it comes with the next game: it is counted once, and explained."""
    account = stated(cash, START_QTY)
    account.sell(amount, qty, "a", StateCause.ACTION)
    assert account.cash == cash + amount
    account.open_game()
    late = update(cash + amount, 0, recv_ns=1)
    statement = account.state_update(late)
    assert (statement.explained, statement.delta_cash, statement.delta_qty) == (True, amount, 0)
    assert [effect.action_id for effect in statement.effects] == ["a"]
    assert account.adopt(late, statement, 0)
    assert account.cash == cash + amount
    assert account.closes


# ---- what it is worth

money = st.integers(0, SOL)
prices = st.floats(0.01, 100)


@st.composite
def stakes(draw: st.DrawFn) -> tuple[int, int]:
    """Draw a stake and the part of it that was bonus money."""
    amount = draw(st.integers(1, SOL))
    return amount, draw(st.sampled_from([0, amount]) | st.integers(0, amount))


def own(value: int, stake: tuple[int, int]) -> int:
    """Return the part of *value* that comes back as cash, split as the stake was."""
    return value - floor(Fraction(value * stake[1], stake[0]))


@given(
    money,
    st.lists(st.tuples(stakes(), st.integers(1, SOL), st.integers(1, 5)), max_size=3),
    st.none() | stakes(),
    st.none() | st.tuples(stakes(), money),
    st.lists(stakes(), max_size=2),
    prices | st.just(0.0),
)
def test_equity_counts_everything_that_is_open(
    cash: int, lots: Any, bet: Any, short: Any, rounds: Any, price: float
) -> None:
    """Cash, lots, sidebet, short and stakes in rounds, each without what bonus money paid for."""
    account = Account(cash=cash, game_start_cash=cash)
    expected, rounds_cash, value = cash, 0, 0
    for number, (stake, qty, leverage) in enumerate(lots):
        account.lots.append(Lot(qty, stake[0], number, 1.0, leverage, stake[1]))
        if price > 0:
            exact = stake[0] + leverage * (qty * Fraction(price) - stake[0])
            worth = floor(qty * Fraction(price)) if leverage == 1 else max(0, floor(exact))
            expected, value = expected + own(worth, stake), value + worth
    if bet is not None:
        account.sidebet = SidebetView(to_sol(bet[0]), 0, 40, "b", to_sol(bet[1]))
        expected += bet[0] - bet[1]
    if short is not None:
        stake, worth = short
        account.short = ShortView(to_sol(stake[0]), 1.0, 0, to_sol(worth), "s", to_sol(stake[1]))
        expected += own(worth, stake)
    for number, (amount, bonus) in enumerate(rounds):
        key = (SideGameKind.BBC, str(number))
        account.stakes[key] = StakeView(*key, "BULL", to_sol(amount), "r", to_sol(bonus))
        rounds_cash += amount - bonus

    assert account.equity(price) == expected + rounds_cash
    assert (account.staked, account.game_pnl) == (rounds_cash, rounds_cash)
    assert account.value(price) == value
    assert account.leveraged is any(leverage > 1 for _, _, leverage in lots)


# ---- bonus money


@given(money, money, st.none() | money)
def test_a_stake_takes_no_more_bonus_money_than_there_is(
    amount: int, bonus: int, said: int | None
) -> None:
    """Unless the venue states the portion, bonus money pays first, as far as it goes."""
    account = stated(bonus=bonus)
    part = account.bonus_in(amount, None if said is None else to_sol(said))

    assert part == min(amount, bonus if said is None else said)


@given(stakes(), st.integers(0, 5 * SOL), st.sampled_from(["sidebet", "short", "round"]), money)
def test_what_a_stake_brings_is_split_as_the_stake_was(
    stake: tuple[int, int], payout: int, kind: str, cash: int
) -> None:
    """Placing moves the real part out of the cash and the rest out of the bonus; a payout comes back so."""
    amount, bonus = stake
    account = stated(cash + amount, bonus=bonus)
    sol, free = to_sol(amount), to_sol(bonus)
    back = floor(Fraction(payout * bonus, amount))
    cause, key = StateCause.ACTION, (SideGameKind.CANDLEFLIP, "r")
    if kind == "sidebet":
        account.place_sidebet(SidebetView(sol, 3, 43, "b", free), cause)
    elif kind == "short":
        account.open_short(ShortView(sol, 1.0, 3, sol, "b", free), cause)
    else:
        account.place_stake(StakeView(*key, "RED", sol, "b", free), cause)
    placed = (account.cash, account.bonus)
    if kind == "sidebet":
        account.settle_sidebet(payout, "b")
    elif kind == "short":
        account.close_short(payout, "b", cause, bonus=back)
    else:
        account.settle_stake(key, payout, "b", bonus=back)

    assert placed == (cash + bonus, 0)
    assert (account.cash, account.bonus) == (placed[0] + payout - back, back)
    assert [(e.delta_cash, e.delta_bonus, e.action_id) for e in account.pending] == [
        (bonus - amount, -bonus, "b"),
        (payout - back, back, "b"),
    ]
    assert [e.unverified for e in account.pending] == [kind != "sidebet"] * 2
    settles = StateCause.ACTION if kind == "short" else StateCause.STAKE_SETTLED
    assert [e.cause for e in account.pending] == [StateCause.ACTION, settles]
    assert (account.sidebet, account.short, account.stakes) == (None, None, {})


@given(stakes(), st.integers(1, SOL), st.integers(0, SOL), st.integers(1, 5))
def test_a_buy_and_its_sale_move_real_and_bonus_money_apart(
    stake: tuple[int, int], qty: int, brought: int, leverage: int
) -> None:
    """Also where an update alone shows the effect, and with leverage, which no capture shows."""
    amount, bonus = stake
    account = stated(amount, 0, bonus)
    account.buy(Lot(qty, amount, 3, 2.0, leverage, bonus), "b", StateCause.ACTION)
    assert (account.cash, account.bonus, account.qty, account.cost) == (bonus, 0, qty, amount)
    back = floor(Fraction(brought * bonus, amount))
    account.sell(brought, qty, "s", StateCause.EXTERNAL, bonus=back)

    assert (account.cash, account.bonus, account.lots) == (bonus + brought - back, back, [])
    assert [(e.cause, e.action_id, e.unverified) for e in account.pending] == [
        (StateCause.ACTION, "b", leverage > 1),
        (StateCause.EXTERNAL, "s", leverage > 1),
    ]


@given(
    st.lists(
        st.tuples(stakes(), st.sampled_from(["buy", "short", "sidebet", "round"])), max_size=6
    ),
    st.data(),
)
def test_what_a_statement_does_not_show_yet_still_counts(plan: list[Any], data: Any) -> None:
    """Stakes are announced faster than statements show them: cash and bonus are those after all of them."""
    cash, bonus = (sum(part) for part in zip((SOL, SOL), *(s for s, _ in plan), strict=True))
    account = stated(cash, 0, bonus)
    shown, qty, waiting = (cash, bonus), 0, []
    for number, (stake, kind) in enumerate(plan):
        amount, free = stake
        sol, part = to_sol(amount), to_sol(free)
        if kind == "buy":
            account.buy(Lot(5, amount, 3, 1.0, 1, free), "a", StateCause.ACTION)
        elif kind == "short":
            account.open_short(ShortView(sol, 1.0, 3, sol, "a", part), StateCause.ACTION)
        elif kind == "sidebet":
            account.place_sidebet(SidebetView(sol, 3, 43, "a", part), StateCause.ACTION)
        else:
            key = (SideGameKind.BBC, str(number))
            account.place_stake(StakeView(*key, "BULL", sol, "a", part), StateCause.ACTION)
        cash, bonus = cash - (amount - free), bonus - free
        waiting.append((amount - free, free, 5 if kind == "buy" else 0))
        assert (account.cash, account.bonus) == (cash, bonus)
        for _ in range(data.draw(st.integers(0, len(waiting)))):
            real, paid, bought = waiting.pop(0)
            shown, qty = (shown[0] - real, shown[1] - paid), qty + bought
            told = update(shown[0], qty, bonus=shown[1])
            account.adopt(told, account.state_update(told), 5)
            assert (account.cash, account.bonus) == (cash, bonus)


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 5), st.sampled_from([1.0, 2.0])), max_size=4
    ),
    st.integers(1, 3),
    st.sampled_from([0.7, 0.8, 0.85, 0.9, 0.975, 0.99, 1.0, 1.9]),
)
def test_a_liquidated_lot_has_the_tokens_that_were_sold(
    lots: list[tuple[int, int, float]], qty: int, price: float
) -> None:
    """The oldest of exactly so many that fell far enough; one without leverage never does."""
    account = Account()
    for number, (held, leverage, entry) in enumerate(lots):
        account.lots.append(Lot(held, 10, number, entry, leverage))
    falls = {2: 0.20, 3: 0.10, 4: 0.025, 5: 0.01}
    expected = [
        lot
        for lot in account.lots
        if lot.qty == qty and lot.leverage > 1 and price <= lot.price * (1 - falls[lot.leverage])
    ]
    assert account.liquidated_lot(qty, price) is (expected[0] if expected else None)
    for sold in range(qty + 1):
        taken = [lot.leverage for lot in split_lots(account.lots, sold)[0]]
        assert account.sells_leverage(sold) is any(leverage > 1 for leverage in taken)


@given(stakes(), st.integers(0, SOL))
def test_a_stake_that_a_statement_already_lacks_is_taken_once(
    stake: tuple[int, int], more: int
) -> None:
    """It explains the change of just its real part; it is held, and no money moves again."""
    amount, bonus = stake
    account = stated(amount + more, 0, bonus)
    shown = update(bonus + more, 0)
    account.adopt(shown, account.state_update(shown), 5)
    key = (SideGameKind.BBC, "r")
    placed = StakeView(*key, "BULL", to_sol(amount), "b", to_sol(bonus))
    before = (account.cash, account.bonus)
    change = account.place_stake(placed, StateCause.ACTION, stated=True)

    # A stake of bonus money alone changes no cash: the loss of bonus money is what was unexplained.
    assert change is not None
    assert (change.delta_cash, change.delta_qty) == (bonus - amount, 0)
    assert (account.cash, account.bonus) == before == (bonus + more, 0)
    assert (account.stakes, account.pending, account.closes) == ({key: placed}, (), True)


# ---- corrections


@given(st.integers(0, 3), st.integers(0, 5))
def test_a_position_is_never_below_nothing(held: int, sold: int) -> None:
    """Also if more is said to be sold than the venue ever stated."""
    account = stated(100, 3)
    account.sell(7, sold, "s", StateCause.EXTERNAL)
    shown = update(99, held)
    account.adopt(shown, account.state_update(shown), 5)

    assert account.qty == max(held - sold, 0)
    assert all(lot.qty > 0 for lot in account.lots)


@given(
    st.integers(1, SOL),
    st.sampled_from([0, 1]) | st.integers(0, SOL),
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from([0, 2]),
)
def test_a_position_that_only_the_venue_knows_is_taken_over(
    qty: int, spent: int, leverage: int, listed: bool, average: int
) -> None:
    """Its cost is what the cash fell by, else the stated average; a listed leveraged lot is kept as it is."""
    info = LeveragedInfo(
        amount=to_sol(77),
        qty=to_sol(qty),
        leverage=leverage,
        entry_price=2.5,
        entry_tick=6,
        liquidation_price=1.0,
    )
    account = stated(SOL, 0)
    shown = update(
        SOL - spent, qty, avg_cost=to_sol(average * SOL), leveraged=(info,) if listed else ()
    )
    agreed = account.adopt(shown, account.state_update(shown), 9)

    (lot,) = account.lots
    assert agreed is False
    assert (account.cash, lot.qty) == (SOL - spent, qty)
    if listed:
        assert lot == Lot(qty, 77, 6, 2.5, leverage)
    else:
        cost = spent or average * qty
        assert (lot.cost, lot.tick, lot.leverage) == (cost, 9, 1)
        assert lot.price == (pytest.approx(cost / qty) if cost else 1.0)


@given(st.none() | stakes(), st.none() | stakes(), money, st.booleans())
def test_a_short_follows_the_statement_unless_evidence_is_ahead(
    held: Any, said: Any, worth: int, ahead: bool
) -> None:
    """The venue's short is taken over, its value only for the same stake; pending evidence keeps ours."""
    account = stated(SOL, 0)
    if held is not None:
        sol = to_sol(held[0])
        account.short = ShortView(sol, 1.5, 4, sol, "mine", to_sol(held[1]))
    if ahead:
        account.move_cash(-7, None, StateCause.ACTION)
    info = None
    if said is not None:
        info = ShortInfo(
            amount=to_sol(said[0]),
            entry_price=1.25,
            entry_tick=8,
            value=to_sol(worth),
            pnl=to_sol(0),
        )
    shown = update(SOL, 0, short=info)
    account.adopt(shown, account.state_update(shown), 9)

    ours = account.short
    if held is None:
        assert (ours is None) is (said is None or ahead)
        if ours is not None:
            assert (ours.stake, ours.entry_price, ours.entry_tick) == (to_sol(said[0]), 1.25, 8)
            assert (ours.value, ours.action_id) == (to_sol(worth), None)
    elif said is None and not ahead:
        assert ours is None
    else:
        assert ours is not None
        same = said is not None and said[0] == held[0]
        assert (ours.stake, ours.action_id) == (to_sol(held[0]), "mine")
        assert ours.value == to_sol(worth if same else held[0])


@given(st.integers(-2, 2), st.integers(-2, 2), st.integers(-2, 2))
def test_a_stake_and_its_result_at_once_are_a_change_of_cash_alone(
    cash: int, qty: int, net: int
) -> None:
    """A change of cash without tokens is explained by their sum, once."""
    account = stated()
    later = update(START_CASH + cash, START_QTY + qty)
    statement = account.state_update(later)
    account.adopt(later, statement, 0)
    shown = account.shown_net(net)
    fits = net == cash != 0 and qty == 0
    assert (shown is not None) is fits
    assert account.unexplained is (not fits and (cash, qty) != (0, 0))
    assert account.shown_net(net) is None
