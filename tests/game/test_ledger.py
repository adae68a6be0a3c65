"""The ledger: to the lamport, oldest lots first, money conserved, rejections without side effects."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import suppress
from decimal import ROUND_DOWN, ROUND_FLOOR, Context, Decimal, localcontext
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st

from vectra_bot.game import rules
from vectra_bot.game.ledger import (
    BadAmount,
    Fill,
    GameOpen,
    InsufficientFunds,
    Ledger,
    LedgerError,
    Lot,
    NothingToSell,
    SidebetOpen,
    buy_qty,
    lamports_from_double,
    sell_value,
    to_lamports,
    to_sol,
)
from vectra_bot.game.shorts import ShortPayoff, ShortTerms

SOL = 10**9

amounts = st.integers(1_000_000, 5 * SOL)
prices = st.floats(0.001, 1000)
quantities = st.integers(1, 10**12)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("buy"), amounts, prices),
        st.tuples(st.just("sell"), st.integers(1, 100), prices),
        st.tuples(st.just("sidebet"), amounts, prices),
        st.tuples(st.just("settle"), st.booleans(), prices),
    ),
    max_size=12,
)


def exact(price: float) -> Fraction:
    """Return a price as an exact binary fraction."""
    return Fraction(price)


def play(ledger: Ledger, todo: list) -> list[Fill]:
    """Execute the valid steps of *todo*, one per tick, and return the fills."""
    fills = []
    for tick, (kind, size, price) in enumerate(todo):
        try:
            if kind == "buy":
                fills.append(ledger.buy(size, price, tick))
            elif kind == "sell":
                fills.append(ledger.sell(size, price, tick))
            elif kind == "sidebet":
                ledger.place_sidebet(size, tick)
            else:
                ledger.settle_sidebet(tick if size else None, tick)
        except LedgerError:
            continue
    return fills


def snapshot(ledger: Ledger) -> tuple:
    """Return the complete state of a ledger."""
    return (
        ledger.cash,
        ledger.lots,
        ledger.sidebet,
        ledger.sidebet_pnl,
        ledger.total_invested,
        ledger.regular_pnl(1.0),
    )


# ---- amounts


@pytest.mark.parametrize(
    ("amount", "lamports"),
    [("0.1", 10**8), (0.1, 10**8), (1, SOL), (Decimal("1e-9"), 1), ("-0.5", -5 * 10**8), (0, 0)],
)
def test_amounts_of_any_type(amount: object, lamports: int) -> None:
    """Decimal, int, str and float give exact lamports; a float counts as its shortest decimal."""
    assert to_lamports(amount) == lamports


@pytest.mark.parametrize(
    "amount",
    [
        "0.0000000001",
        "1e999999999",
        "nan",
        "inf",
        float("nan"),
        "",
        "one",
        True,
        None,
        "1e-99999999",
    ],
)
def test_amounts_that_cannot_be_booked(amount: object) -> None:
    """An invalid amount, or one finer than a lamport, is rejected with the value in the message."""
    with pytest.raises(BadAmount, match="amount was"):
        to_lamports(amount)


@given(st.integers(-(10**20), 10**20))
def test_sol_and_lamports_are_inverse(lamports: int) -> None:
    """SOL has nine places and gives the same lamports back, whatever the decimal context."""
    with localcontext(Context(prec=3)):
        sol = to_sol(lamports)
    assert sol.as_tuple().exponent == -9
    assert to_lamports(sol) == lamports
    assert sol == Fraction(lamports, SOL)


@given(st.integers(0, 10**14))
def test_json_numbers_give_their_lamports(lamports: int) -> None:
    """A JSON double of SOL is converted to lamports, float noise rounded away."""
    assert lamports_from_double(lamports / 1e9) == lamports
    noisy = lamports / 1e9 * (1 + 1e-16)
    assert lamports_from_double(noisy) == lamports


# ---- floors


@given(amounts, prices)
def test_a_buy_never_gives_too_much(amount: int, price: float) -> None:
    """The tokens bought are the exact quotient rounded down, less than a billionth below it."""
    qty = buy_qty(amount, price)
    assert qty * exact(price) <= amount < (qty + 1) * exact(price)


@given(quantities, prices)
def test_a_sell_never_pays_too_much(qty: int, price: float) -> None:
    """The lamports paid are the exact product rounded down, within one lamport."""
    paid = sell_value(qty, price)
    assert 0 <= qty * exact(price) - paid < 1


@given(amounts, prices)
def test_floors_agree_with_decimal_arithmetic(amount: int, price: float) -> None:
    """An independent computation in decimals gives the same floors."""
    with localcontext(Context(prec=400, rounding=ROUND_FLOOR)):
        product = int((amount * Decimal(price)).to_integral_value(ROUND_DOWN))
        quotient = int((amount / Decimal(price)).to_integral_value(ROUND_DOWN))
    assert (sell_value(amount, price), buy_qty(amount, price)) == (product, quotient)


@given(amounts, prices)
def test_a_round_trip_at_one_price_gains_nothing(amount: int, price: float) -> None:
    """Buying and selling at the same price loses at most the rounding, and never gains."""
    ledger = Ledger(amount)
    try:
        fill = ledger.buy(amount, price, 1)
    except BadAmount:
        return
    back = ledger.sell(100, price, 1).amount
    assert 0 <= amount - back <= price + 1
    assert fill.qty > 0


def test_floor_differs_from_round_here() -> None:
    """Both roundings are downward if the fraction is above one half."""
    assert buy_qty(2, 0.75) == 2
    assert sell_value(3, 0.9) == 2


# ---- lots


def test_oldest_lots_are_sold_first() -> None:
    """A sale takes the first lot whole before it touches the second."""
    ledger = Ledger(10 * SOL)
    ledger.buy(SOL, 1.0, 0)
    ledger.buy(2 * SOL, 2.0, 5)
    fill = ledger.sell_qty(3 * SOL // 2, 4.0, 9)
    assert (fill.amount, fill.cost) == (6 * SOL, 2 * SOL)
    assert ledger.lots == (Lot(SOL // 2, SOL, 5, 2.0),)
    assert ledger.avg_cost == 2 * SOL


@given(st.lists(st.tuples(amounts, prices), min_size=1, max_size=6), st.data())
def test_sales_are_paid_lot_by_lot(buys: list, data: st.DataObject) -> None:
    """A sale pays the floor of each lot part, oldest first, and leaves the newest lots."""
    ledger = Ledger(100 * SOL)
    held: list[tuple[int, int]] = []
    for tick, (amount, price) in enumerate(buys):
        held.append((ledger.buy(amount, price, tick).qty, tick))
    qty = data.draw(st.integers(1, ledger.position_qty))
    price = data.draw(prices)
    expected, rest, left = 0, qty, []
    for lot_qty, tick in held:
        part = min(rest, lot_qty)
        rest -= part
        expected += floor(part * exact(price))
        if lot_qty > part:
            left.append((lot_qty - part, tick))
    assert ledger.sell_qty(qty, price, 99).amount == expected
    assert [(lot.qty, lot.tick) for lot in ledger.lots] == left


@given(st.lists(st.tuples(amounts, prices), min_size=1, max_size=6), prices)
def test_the_sum_of_floors_is_just_below_the_floor_of_the_sum(buys: list, price: float) -> None:
    """Selling all pays at most the floor of the whole and less than a lamport a lot below it."""
    ledger = Ledger(100 * SOL)
    for tick, (amount, entry) in enumerate(buys):
        ledger.buy(amount, entry, tick)
    whole = sell_value(ledger.position_qty, price)
    assert whole - len(buys) < ledger.sell(100, price, 9).amount <= whole


@given(st.lists(st.tuples(amounts, prices), min_size=1, max_size=5), st.lists(st.integers(1, 100)))
def test_costs_of_parts_add_up(buys: list, percentages: list[int]) -> None:
    """The cost of what was sold and of what is left is what was paid, to the lamport."""
    ledger = Ledger(100 * SOL)
    for tick, (amount, price) in enumerate(buys):
        ledger.buy(amount, price, tick)
    paid = ledger.cost
    sold = sum(fill.cost for fill in play(ledger, [("sell", p, 1.5) for p in percentages]))
    assert sold + ledger.cost == paid == sum(amount for amount, _ in buys)
    assert all(lot.qty > 0 and lot.cost >= 0 for lot in ledger.lots)


def test_the_cost_of_a_sold_part_is_rounded_down() -> None:
    """A third of a lot of cost 100 lamports has cost 33; the odd lamport stays with the rest."""
    ledger = Ledger(SOL)
    ledger.buy(100, 1 / 3, 0)
    qty = ledger.position_qty
    assert ledger.sell_qty(qty // 3, 1.0, 1).cost == 33
    assert ledger.cost == 67


@given(st.lists(st.tuples(amounts, prices), min_size=1, max_size=6))
def test_average_cost_does_not_depend_on_the_order_of_buys(buys: list) -> None:
    """Position, cost and average cost after buys are the same in any order."""
    one, other = Ledger(100 * SOL), Ledger(100 * SOL)
    for amount, price in buys:
        one.buy(amount, price, 1)
    for amount, price in reversed(buys):
        other.buy(amount, price, 1)
    assert (one.position_qty, one.cost, one.avg_cost) == (
        other.position_qty,
        other.cost,
        other.avg_cost,
    )
    weighted = sum(lot.qty * Fraction(lot.price) for lot in one.lots) / one.position_qty
    assert 0 <= weighted * SOL - one.avg_cost < 1


def test_average_cost_of_two_real_lots() -> None:
    """Two real buys show the mean of their entry prices; cost by tokens would show ...688."""
    ledger = Ledger(SOL)
    ledger.buy(125_000_000, 0.7868795091618234, 216)
    assert ledger.avg_cost == 786_879_509
    ledger.buy(112_000_000, 0.46778795538366474, 244)
    assert (ledger.position_qty, ledger.avg_cost) == (398_280_043, 595_058_686)


def test_average_cost_changes_on_a_partial_sale() -> None:
    """Selling the cheap lot first raises the average cost of what is left; flat is 0."""
    ledger = Ledger(10 * SOL)
    ledger.buy(SOL, 1.0, 0)
    ledger.buy(SOL, 2.0, 1)
    assert ledger.avg_cost == 1_333_333_333
    ledger.sell(50, 3.0, 2)
    assert ledger.avg_cost == 1_666_666_666
    ledger.sell(100, 3.0, 3)
    assert (ledger.avg_cost, ledger.position_qty, ledger.lots) == (0, 0, ())


@given(st.integers(1, 100), amounts, prices)
def test_a_quote_is_what_the_sale_pays(percentage: int, amount: int, price: float) -> None:
    """A quote changes nothing and is paid exactly when the sale follows."""
    ledger = Ledger(100 * SOL)
    ledger.buy(amount, 0.7, 0)
    ledger.buy(amount, 1.9, 1)
    before = snapshot(ledger)
    quote = ledger.quote_sell(percentage, price)
    assert snapshot(ledger) == before
    fill = ledger.sell(percentage, price, 2)
    assert fill.amount == quote
    assert fill.qty == (fill.qty + ledger.position_qty) * percentage // 100


# ---- money


@given(steps)
def test_money_is_conserved(todo: list) -> None:
    """Cash is the start minus money out plus money in, and all PnL is in it once the game is over."""
    start = 20 * SOL
    ledger = Ledger(start)
    flow = 0
    for step in todo:
        stake, pnl = ledger.sidebet, ledger.sidebet_pnl
        for fill in play(ledger, [step]):
            flow += -fill.amount if fill.kind == "buy" else fill.amount
        if ledger.sidebet is not None and stake is None:
            flow -= ledger.sidebet.amount
        if ledger.sidebet is None and stake is not None:
            flow += ledger.sidebet_pnl - pnl + stake.amount
        assert ledger.cash == start + flow >= 0
    ledger.forced_sell(0.5, 99)
    settled = ledger.settle_sidebet(99, 99)
    assert settled is None or settled.pnl in (-settled.amount, 4 * settled.amount)
    assert ledger.cash == start + ledger.cumulative_pnl(0.5)


@settings(settings.get_profile("costly"))
@given(steps)
def test_refusals_leave_no_trace(todo: list) -> None:
    """A rejected request changes nothing, whatever came before."""
    ledger = Ledger(3 * SOL)
    play(ledger, todo)
    before = snapshot(ledger)
    refused = [
        lambda: ledger.buy(ledger.cash + 1, 1.0, 50),
        lambda: ledger.buy(0, 1.0, 50),
        lambda: ledger.buy(1, 0.0, 50),
        lambda: ledger.buy(1, float("nan"), 50),
        lambda: ledger.sell(0, 1.0, 50),
        lambda: ledger.sell(101, 1.0, 50),
        lambda: ledger.sell(True, 1.0, 50),
        lambda: ledger.sell_qty(ledger.position_qty + 1, 1.0, 50),
        lambda: ledger.sell_qty(0, 1.0, 50),
        lambda: ledger.quote_sell(101, 1.0),
        lambda: ledger.place_sidebet(-1, 50),
        lambda: ledger.place_sidebet(ledger.cash + 1, 50),
    ]
    if ledger.lots:
        refused += [lambda: ledger.sell(100, float("inf"), 50), ledger.begin_game]
    for request in refused:
        with pytest.raises(LedgerError):
            request()
        assert snapshot(ledger) == before


def test_refusals_have_their_own_errors() -> None:
    """Each kind of rejection has its class and its short reason."""
    ledger = Ledger(100)
    with pytest.raises(InsufficientFunds, match=r"0\.000000101 SOL"):
        ledger.buy(101, 1.0, 0)
    with pytest.raises(NothingToSell):
        ledger.sell(50, 1.0, 0)
    with pytest.raises(BadAmount, match="buys nothing"):
        ledger.buy(1, 5.0, 0)
    ledger.place_sidebet(10, 3)
    with pytest.raises(SidebetOpen, match="tick 43"):
        ledger.place_sidebet(10, 4)
    with pytest.raises(GameOpen):
        ledger.begin_game()
    reasons = {
        e.reason for e in (InsufficientFunds, NothingToSell, BadAmount, SidebetOpen, GameOpen)
    }
    assert len(reasons) == 5


# ---- invested, PnL


def test_total_invested_is_a_high_water_mark() -> None:
    """The venue's own example: a re-buy from proceeds adds nothing but the part above the mark."""
    ledger = Ledger(5 * SOL)
    ledger.buy(to_lamports("0.3"), 1.196390356976347, 130)
    qty = ledger.position_qty
    ledger.sell_qty(qty, 1.6710016566304622, 148)
    assert ledger.cash == 5 * SOL + to_lamports("0.419010812") - to_lamports("0.3")
    assert ledger.total_invested == to_lamports("0.3")
    ledger.buy(to_lamports("0.3"), 1.7, 150)
    assert ledger.total_invested == to_lamports("0.3")
    ledger.buy(to_lamports("0.3"), 1.7, 151)
    assert ledger.total_invested == to_lamports("0.480989188")


def test_sidebet_stakes_always_add_to_what_was_invested() -> None:
    """Stakes of 0.002 raise 0.123 to 0.125, 0.127, 0.129, won or lost."""
    ledger = Ledger(SOL)
    ledger.buy(to_lamports("0.123"), 1.0, 0)
    for number, rug_tick in enumerate((None, 80, None), start=1):
        ledger.place_sidebet(to_lamports("0.002"), 40 * number)
        assert ledger.total_invested == to_lamports("0.123") + number * to_lamports("0.002")
        ledger.settle_sidebet(rug_tick, 40 * number + 40)


@given(steps)
def test_total_invested_never_falls(todo: list) -> None:
    """The mark is the greatest net money in so far plus all stakes; it never falls in a game."""
    ledger = Ledger(20 * SOL)
    net = peak = stakes = 0
    last = 0
    for step in todo:
        before = ledger.sidebet
        for fill in play(ledger, [step]):
            net += fill.amount if fill.kind == "buy" else -fill.amount
            peak = max(peak, net)
        if ledger.sidebet is not None and before is None:
            stakes += ledger.sidebet.amount
        assert ledger.total_invested == peak + stakes >= last
        last = ledger.total_invested


def test_pnl_is_truncated_toward_zero() -> None:
    """A loss is truncated toward zero like a gain: -0.00098885637 shows -0.000988856."""
    ledger = Ledger(SOL)
    ledger.buy(1_000_000, 1.0, 0)
    assert ledger.regular_pnl(0.01114363) == -988_856
    assert ledger.regular_pnl(1.0000007) == 0
    assert ledger.regular_pnl(1.0000017) == 1


@given(steps, prices)
def test_open_pnl_is_within_a_lamport_of_the_exact_value(todo: list, price: float) -> None:
    """The PnL of the longs is the exact value, less than a lamport nearer to zero."""
    start = 20 * SOL
    ledger = Ledger(start)
    fills = play(ledger, todo)
    flow = sum(f.amount if f.kind != "buy" else -f.amount for f in fills)
    value = flow + ledger.position_qty * exact(price)
    shown = ledger.regular_pnl(price)
    assert abs(shown) <= abs(value)
    assert abs(value - shown) < 1
    assert ledger.cumulative_pnl(price) == shown + ledger.sidebet_pnl


@given(steps, prices)
def test_pnl_percent_is_the_venue_s_double(todo: list, price: float) -> None:
    """The percentage is pnl / totalInvested * 100 of the JSON doubles, 0 if nothing was invested."""
    ledger = Ledger(20 * SOL)
    play(ledger, todo)
    pnl = float(to_sol(ledger.cumulative_pnl(price)))
    invested = float(to_sol(ledger.total_invested))
    assert ledger.pnl_percent(price) == (pnl / invested * 100 if invested else 0)


# ---- sidebets, presale, rug


@given(st.integers(0, 3000), st.integers(1, 60), amounts)
def test_a_sidebet_wins_up_to_its_end(start: int, after: int, amount: int) -> None:
    """A bet at tick s wins for rug ticks s+1 to s+40 and loses for any later one."""
    ledger = Ledger(amount)
    bet = ledger.place_sidebet(amount, start)
    assert (bet.start_tick, bet.end_tick, ledger.cash) == (start, start + 40, 0)
    settled = ledger.settle_sidebet(start + after, start + after)
    assert settled is not None
    assert settled.won == (after <= 40)
    assert ledger.cash == settled.payout == (5 * amount if after <= 40 else 0)
    assert ledger.sidebet_pnl == settled.pnl == (4 * amount if after <= 40 else -amount)
    assert ledger.sidebet is None


def test_a_sidebet_wins_when_the_rug_is_at_its_end() -> None:
    """The last winning rug tick is the end itself; one tick later is lost."""
    for rug_tick, won in ((50, True), (51, False)):
        ledger = Ledger(SOL)
        ledger.place_sidebet(SOL, 10)
        settled = ledger.settle_sidebet(rug_tick, rug_tick)
        assert settled is not None
        assert settled.won is won


def test_a_sidebet_is_lost_when_its_end_arrives_alive() -> None:
    """Alive before the end nothing is decided; alive at the end it is lost; then another may open."""
    ledger = Ledger(SOL)
    ledger.place_sidebet(SOL // 2, 10)
    assert ledger.settle_sidebet(None, 49) is None
    assert ledger.sidebet_pnl == 0
    settled = ledger.settle_sidebet(None, 50)
    assert settled is not None
    assert (settled.won, settled.pnl) == (False, -SOL // 2)
    assert ledger.settle_sidebet(None, 51) is None
    assert ledger.place_sidebet(SOL // 2, 50).end_tick == 90


def test_presale_then_rug() -> None:
    """A presale buy at price 1 and a presale bet end at the rug: forced sale, bet won by tick 40."""
    ledger = Ledger(SOL)
    ledger.begin_game()
    ledger.buy(SOL // 10, rules.START_PRICE, 0)
    ledger.place_sidebet(SOL // 100, 0)
    price = 0.020000000000000018
    fill = ledger.forced_sell(price, 40)
    settled = ledger.settle_sidebet(40, 40)
    assert fill == Fill(
        "forced_sell",
        SOL // 10,
        2_000_000,
        price,
        40,
        SOL // 10,
        valid_cost=SOL // 10,
        held_cost=SOL // 10 * 4 // 3,
    )
    assert settled is not None
    assert settled.won
    assert ledger.cash == SOL - SOL // 10 + 2_000_000 + 4 * SOL // 100
    assert ledger.forced_sell(price, 40) is None
    assert ledger.total_invested == SOL // 10 + SOL // 100


@given(steps)
def test_a_new_game_starts_at_zero_with_the_same_cash(todo: list) -> None:
    """After settlement a new game's books are empty and the cash is what it was."""
    ledger = Ledger(20 * SOL)
    play(ledger, todo)
    ledger.forced_sell(0.02, 500)
    ledger.settle_sidebet(500, 500)
    cash = ledger.cash
    ledger.begin_game()
    assert snapshot(ledger) == (cash, (), None, 0, 0, 0)
    assert ledger.pnl_percent(1.0) == 0


# ---- combinations: bonus money, leverage, shorts, the cap

CAP = SOL // 2
whole_game = st.lists(
    st.one_of(
        st.tuples(st.just("buy"), amounts, st.integers(1, 5)),
        st.tuples(st.just("sell"), st.integers(1, 100), st.none()),
        st.tuples(st.just("sidebet"), amounts, st.none()),
        st.tuples(st.just("settle"), st.booleans(), st.none()),
        st.tuples(st.just("short"), amounts, st.none()),
        st.tuples(st.just("cover"), st.none(), st.none()),
        st.tuples(st.just("round"), amounts, st.integers(0, 14)),
        st.tuples(st.just("move"), st.floats(0.75, 1.3), st.none()),
    ),
    max_size=14,
)
terms_of_any_kind = st.builds(ShortTerms, payoff=st.sampled_from(ShortPayoff))


@define
class Game:
    """One account's whole game: outflow and inflow by kind of money, computed from the fills alone."""

    ledger: Ledger
    terms: ShortTerms
    cash: int = 0
    bonus: int = 0
    won_aside: int = 0
    price: float = 1.0
    tick: int = 0

    def flow(self, amount: int, bonus: int) -> None:
        assert 0 <= bonus <= abs(amount) or -abs(amount) <= bonus <= 0
        self.bonus += bonus
        self.cash += amount - bonus

    def paid(self, fills: list[Fill]) -> None:
        for fill in fills:
            sign = -1 if fill.kind in {"buy", "short_open"} else 1
            self.flow(sign * fill.amount, sign * fill.bonus)

    def settle(self, rug_tick: int | None) -> None:
        settled = self.ledger.settle_sidebet(rug_tick, self.tick)
        if settled is not None:
            self.flow(settled.payout, settled.bonus)

    def cover(self, *, rugged: bool = False) -> None:
        short = self.ledger.short
        if short is not None:
            value = short.value(self.price, self.terms)
            fill = self.ledger.close_short(self.price, self.tick, value, rugged=rugged)
            self.paid([fill])

    def round(self, amount: int, times: int) -> None:
        """Stake in a side game and get a multiple back: outside the game's PnL."""
        bonus = self.ledger.stake("round", amount)
        back, share = amount * times, times * bonus
        self.ledger.credit(back, share)
        self.flow(-amount, -bonus)
        self.flow(back, share)
        self.won_aside += back - amount

    def move(self, factor: float) -> None:
        before, self.price = self.price, self.price * factor
        self.ledger.move_short(before, self.price)
        self.paid(self.ledger.liquidate(self.price, self.tick))

    def do(self, kind: str, size: Any, more: Any) -> None:
        """Do one step, if the ledger allows it; every step is a tick later."""
        ledger = self.ledger
        self.tick += 1
        if kind == "buy":
            self.paid([ledger.buy(size, self.price, self.tick, more)])
        elif kind == "sell":
            self.paid([ledger.sell(size, self.price, self.tick)])
        elif kind == "sidebet":
            bet = ledger.place_sidebet(size, self.tick)
            self.flow(-bet.amount, -bet.bonus)
        elif kind == "settle":
            self.settle(self.tick if size else None)
        elif kind == "short":
            self.paid([ledger.open_short(size, self.price, self.tick, self.terms)])
        elif kind == "cover":
            self.cover()
        elif kind == "round":
            self.round(size, more)
        else:
            self.move(size)

    def end(self) -> None:
        """Rug: settle the stake, end the short, sell what is left."""
        self.tick += 1
        before, self.price = self.price, self.price * 0.01
        self.ledger.move_short(before, self.price)
        self.settle(self.tick)
        self.cover(rugged=True)
        fill = self.ledger.forced_sell(self.price, self.tick)
        self.paid([] if fill is None else [fill])


def play_all(todo: list, terms: ShortTerms, cap: int | None) -> Iterator[Game]:
    """Yield a game after each of its steps and after its end."""
    game = Game(Ledger(10 * SOL, bonus=3 * SOL, max_win=cap), terms)
    for step in todo:
        with suppress(LedgerError):
            game.do(*step)
        yield game
    game.end()
    yield game


@given(whole_game, terms_of_any_kind, st.sampled_from([None, CAP]))
def test_money_of_both_kinds_is_conserved(todo: list, terms: ShortTerms, cap: int | None) -> None:
    """Cash and bonus money each equal the start plus the flows of the fills; neither falls below 0."""
    for game in play_all(todo, terms, cap):
        ledger = game.ledger
        assert ledger.cash == 10 * SOL + game.cash >= 0
        assert ledger.bonus == 3 * SOL + game.bonus >= 0
        assert ledger.free == ledger.cash + ledger.bonus
    assert (ledger.lots, ledger.short, ledger.sidebet, ledger.leveraged) == ((), None, None, False)
    assert ledger.free - 13 * SOL == ledger.cumulative_pnl(game.price, terms) + game.won_aside


@given(whole_game, terms_of_any_kind)
def test_nobody_wins_more_than_the_cap(todo: list, terms: ShortTerms) -> None:
    """Realised winnings of a game never exceed the cap, and are reduced only if they would."""
    for game in play_all(todo, terms, CAP):
        ledger = game.ledger
        assert ledger.booked + ledger.cost <= CAP
    uncapped = list(play_all(todo, terms, None))[-1].ledger
    if not ledger.hit_max_win:
        assert ledger.free == uncapped.free
    assert not uncapped.hit_max_win


@given(whole_game, terms_of_any_kind)
def test_held_and_sold_parts_add_up(todo: list, terms: ShortTerms) -> None:
    """Position, cost and the flag for leverage are those of the lots, at every moment."""
    for game in play_all(todo, terms, CAP):
        ledger = game.ledger
        assert ledger.position_qty == sum(lot.qty for lot in ledger.lots)
        assert ledger.cost == sum(lot.cost for lot in ledger.lots)
        assert ledger.leveraged == any(lot.leverage > 1 for lot in ledger.lots)
        assert all(0 <= lot.bonus <= lot.cost for lot in ledger.lots)


def test_bonus_money_is_spent_first_and_comes_back_in_its_share() -> None:
    """0.3 of bonus money in a buy of 0.4 is three quarters of what it sells for, rounded down."""
    ledger = Ledger(SOL, bonus=300_000_000)
    fill = ledger.buy(400_000_000, 1.0, 0)
    assert (fill.bonus, ledger.bonus, ledger.cash) == (300_000_000, 0, 900_000_000)
    half = ledger.sell(50, 1.5, 1)
    assert (half.amount, half.bonus) == (300_000_000, 225_000_000)
    rest = ledger.sell(100, 0.000000017, 2)
    assert (rest.amount, rest.bonus) == (3, 2)
    assert (ledger.cash, ledger.bonus) == (975_000_001, 225_000_002)


def test_a_won_sidebet_of_bonus_money_pays_bonus_money() -> None:
    """Five times the stake, split like the stake; the cap reduces both parts proportionally."""
    ledger = Ledger(SOL, bonus=10, max_win=None)
    ledger.place_sidebet(30, 0)
    settled = ledger.settle_sidebet(7, 7)
    assert settled is not None
    assert (settled.payout, settled.bonus, ledger.bonus, ledger.cash) == (150, 50, 50, SOL + 80)
    capped = Ledger(SOL, bonus=10, max_win=15)
    capped.place_sidebet(30, 0)
    settled = capped.settle_sidebet(7, 7)
    assert settled is not None
    assert (settled.won, settled.payout, settled.pnl, settled.bonus) == (True, 45, 15, 15)
    assert capped.hit_max_win


def test_the_cap_counts_the_whole_game_and_a_new_game_starts_at_zero() -> None:
    """Losses make room under the cap, winnings use it up; the flag ends with the game."""
    ledger = Ledger(10 * SOL, max_win=CAP)
    ledger.buy(SOL, 1.0, 0)
    assert ledger.sell(100, 2.0, 1).amount == SOL + CAP
    assert ledger.hit_max_win
    ledger.buy(SOL, 1.0, 2)
    assert ledger.sell(100, 1.5, 3).amount == SOL
    ledger.buy(SOL, 1.0, 4)
    assert ledger.sell(100, 0.75, 5).amount == SOL * 3 // 4
    ledger.place_sidebet(SOL, 6)
    settled = ledger.settle_sidebet(7, 7)
    assert settled is not None
    assert settled.pnl == SOL // 4
    assert ledger.cash == 10 * SOL + CAP
    ledger.begin_game()
    assert not ledger.hit_max_win
    ledger.buy(SOL, 1.0, 0)
    assert ledger.quote_sell(100, 1.25) == ledger.sell(100, 1.25, 1).amount == SOL * 5 // 4


def test_a_capped_sale_is_quoted_as_it_is_paid() -> None:
    """The hook gets the capped amount of a sale."""
    ledger = Ledger(SOL, max_win=CAP)
    ledger.buy(SOL, 1.0, 0)
    assert ledger.quote_sell(50, 3.0) == SOL
    assert ledger.sell(50, 3.0, 1).amount == SOL
    assert ledger.quote_sell(100, 3.0) == ledger.sell(100, 3.0, 2).amount == SOL // 2


def test_a_new_game_waits_for_a_short() -> None:
    """Nothing of the last game may be open, a short no more than a lot."""
    ledger = Ledger(SOL)
    ledger.open_short(SOL, 1.0, 1, ShortTerms())
    with pytest.raises(GameOpen):
        ledger.begin_game()
    ledger.close_short(0.5, 9, SOL)
    ledger.begin_game()
    assert (ledger.cumulative_pnl(1.0), ledger.total_invested) == (0, 0)


# ---- real rows


def test_real_buys_to_the_lamport(real_data: Path) -> None:
    """Every real buy holds exactly the tokens that the ledger books, at leverage 4 as well."""
    lines = (real_data / "real_trades.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["type"] == "buy"]
    assert rows
    for row in rows:
        ledger = Ledger(10 * SOL)
        fill = ledger.buy(lamports_from_double(row["amount"]), row["price"], row["tickIndex"])
        assert fill.qty == lamports_from_double(row["qty"])


def test_real_leaderboard_percentages(real_data: Path) -> None:
    """A ledger with a real row's PnL and investment shows the row's percentage bit for bit."""
    with gzip.open(real_data / "leaderboard_rows.jsonl.gz") as lines:
        rows = [json.loads(line)["row"] for line in lines]
    presale = [row for row in rows if row["avgCost"] == 1 and row["sidebetPnl"] == 0]
    shown = 0
    for row in presale:
        qty, pnl = lamports_from_double(row["positionQty"]), lamports_from_double(row["pnl"])
        if row["sideBet"] or qty != lamports_from_double(row["totalInvested"]):
            continue
        ledger = Ledger(qty)
        ledger.buy(qty, 1.0, 0)
        price = 1 + (pnl + (0.5 if pnl >= 0 else -0.5)) / qty
        assert ledger.avg_cost == SOL
        if ledger.regular_pnl(price) == pnl:
            assert ledger.pnl_percent(price) == row["pnlPercent"]
            shown += 1
    assert shown > 20
