"""Lots: how they split, what they are worth with leverage, where they are liquidated (protocol 6, 9)."""

from __future__ import annotations

from fractions import Fraction
from math import floor, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.game import rules
from vectra_bot.game.amounts import BadAmount
from vectra_bot.game.ledger import InsufficientFunds, Ledger, to_lamports
from vectra_bot.game.lots import (
    Lot,
    average_cost,
    buy_qty,
    is_liquidated,
    liquidation_price,
    lot_value,
    sell_value,
    split_lots,
)

SOL = 10**9

amounts = st.integers(1_000_000, 5 * SOL)
prices = st.floats(0.001, 1000)
leverages = st.integers(1, 5)


def bought(amount: int, price: float, share: int, tick: int, leverage: int) -> Lot:
    """Return a lot as a buy makes it, *share* percent of it paid with bonus money."""
    qty = buy_qty(amount, price)
    return Lot(qty, amount, tick, price, leverage, amount * share // 100)


lots_made = st.builds(bought, amounts, prices, st.integers(0, 100), st.integers(0, 99), leverages)


def value_of(lot: Lot, price: float) -> Fraction:
    """Return the value of a lot, computed literally from the rule: the stake and L times the gain."""
    tokens, stake = lot.qty * Fraction(price), Fraction(lot.cost)
    if lot.leverage == 1:
        return tokens
    return stake + lot.leverage * (tokens - stake)


# ---- splitting


@given(st.lists(lots_made, max_size=4), st.data())
def test_a_split_loses_nothing(lots: list[Lot], data: st.DataObject) -> None:
    """Tokens, cost and bonus of what is taken and what is left add up, lot by lot and to the unit."""
    held = sum(lot.qty for lot in lots)
    qty = data.draw(st.integers(0, held))
    sold, left = split_lots(lots, qty)
    assert sum(lot.qty for lot in sold) == qty
    for part in ("qty", "cost", "bonus"):
        whole = sum(getattr(lot, part) for lot in lots)
        assert sum(getattr(lot, part) for lot in [*sold, *left]) == whole
    assert all(0 <= lot.bonus <= lot.cost and lot.qty > 0 for lot in [*sold, *left])


@given(st.lists(lots_made, min_size=1, max_size=4), st.data())
def test_a_split_takes_the_oldest_first(lots: list[Lot], data: st.DataObject) -> None:
    """At most one lot is cut; those before it are taken whole, those after it are untouched."""
    sold, left = split_lots(
        lots, data.draw(st.integers(0, sum(lot.qty for lot in lots)), label="qty")
    )
    cut = len(sold) + len(left) - len(lots)
    assert cut in {0, 1}
    whole = len(sold) - cut
    assert sold[:whole] == list(lots[:whole])
    assert left[cut:] == list(lots[len(sold) :])
    for lot in [*sold, *left]:
        assert any(
            (lot.tick, lot.price, lot.leverage) == (o.tick, o.price, o.leverage) for o in lots
        )


@given(lots_made, st.data())
def test_cutting_a_lot_again_and_again_keeps_its_parts(lot: Lot, data: st.DataObject) -> None:
    """However often a lot is split, cost and bonus of the pieces add up to its own, none below 0."""
    lots, pieces = [lot], []
    while lots and len(pieces) < 4:
        sold, lots = split_lots(lots, data.draw(st.integers(1, lots[0].qty)))
        pieces += sold
    pieces += lots
    assert sum(piece.cost for piece in pieces) == lot.cost
    assert sum(piece.bonus for piece in pieces) == lot.bonus
    assert min(piece.cost - piece.bonus for piece in pieces) >= 0


def test_more_than_is_held_takes_everything() -> None:
    """A split never invents tokens."""
    lots = [Lot(5, 50, 0, 1.0), Lot(7, 70, 1, 1.0)]
    assert split_lots(lots, 100) == (lots, [])
    assert split_lots([], 1) == ([], [])


@given(st.lists(lots_made, min_size=1, max_size=4))
def test_the_average_cost_lies_between_the_entries(lots: list[Lot]) -> None:
    """The mean entry price lies within those of its lots, floored to 1e-9; none is 0."""
    entries = [Fraction(lot.price) * SOL for lot in lots]
    assert floor(min(entries)) <= average_cost(lots) <= max(entries)
    assert average_cost([]) == 0


# ---- value with leverage


@given(lots_made, prices)
def test_a_lots_value_is_the_exact_one_floored(lot: Lot, price: float) -> None:
    """Stake plus leverage times the gain, floored to a lamport, and never below 0."""
    assert lot_value(lot, price) == max(0, floor(value_of(lot, price)))


@given(lots_made)
def test_a_lot_sold_at_its_entry_gains_nothing(lot: Lot) -> None:
    """At the entry price the stake is paid back except for the floors, whatever the leverage."""
    back = lot_value(lot, lot.price)
    assert 0 <= lot.cost - back <= lot.leverage * (lot.price + 1)


@given(lots_made, prices, prices)
def test_a_higher_price_is_never_worth_less(lot: Lot, one: float, other: float) -> None:
    """Value never falls as the price rises."""
    low, high = sorted((one, other))
    assert 0 <= lot_value(lot, low) <= lot_value(lot, high)


@given(amounts, prices, st.integers(2, 5))
def test_leverage_multiplies_gain_and_loss(amount: int, price: float, leverage: int) -> None:
    """Ten percent up gains leverage times what the same lot without leverage gains, within the floors."""
    qty = buy_qty(amount, price)
    plain, levered = Lot(qty, amount, 0, price), Lot(qty, amount, 0, price, leverage)
    up = price * 1.1
    gain = lot_value(plain, up) - amount
    assert abs((lot_value(levered, up) - amount) - leverage * gain) <= leverage
    assert sell_value(qty, up) == lot_value(plain, up)


# ---- liquidation


@pytest.mark.parametrize(("leverage", "fall"), [(2, 0.20), (3, 0.10), (4, 0.025), (5, 0.01)])
def test_the_documented_thresholds(leverage: int, fall: float) -> None:
    """2x falls 20 %, 3x 10 %, 4x 2.5 %, 5x 1 % (protocol 9), and the exact limit liquidates."""
    limit = liquidation_price(1.0, leverage)
    assert limit == 1 - fall
    lot = Lot(SOL, SOL, 0, 1.0, leverage)
    assert is_liquidated(lot, limit)
    assert is_liquidated(lot, nextafter(limit, 0))
    assert not is_liquidated(lot, nextafter(limit, 2))


def test_without_leverage_nothing_is_liquidated() -> None:
    """1x ends only at the rug, however low the price."""
    assert liquidation_price(1.0, 1) is None
    assert not is_liquidated(Lot(SOL, SOL, 0, 1.0), 1e-12)


@given(
    st.lists(st.tuples(amounts, leverages), min_size=1, max_size=5),
    st.lists(st.floats(0.7, 1.3), min_size=1, max_size=20),
)
def test_lots_are_liquidated_at_the_first_price_at_their_limit(
    buys: list[tuple[int, int]], moves: list[float]
) -> None:
    """Each lot is liquidated separately, at the first tick at or below its own limit; the others stay."""
    ledger = Ledger(100 * SOL)
    for amount, leverage in buys:
        ledger.buy(amount, 1.0, 0, leverage)
    price, gone = 1.0, []
    for tick, move in enumerate(moves, start=1):
        price *= move
        before = list(ledger.lots)
        due = [lot for lot in before if is_liquidated(lot, price)]
        fills = ledger.liquidate(price, tick)
        assert [(f.kind, f.qty, f.cost, f.tick) for f in fills] == [
            ("liquidation", lot.qty, lot.cost, tick) for lot in due
        ]
        assert list(ledger.lots) == [lot for lot in before if lot not in due]
        gone += due
        assert ledger.leveraged == any(lot.leverage > 1 for lot in ledger.lots)
    assert all(lot.leverage > 1 for lot in gone)
    assert all(lot.leverage == 1 or lot_value(lot, price) > 0 for lot in ledger.lots)


def test_a_gap_below_the_limit_pays_what_is_left() -> None:
    """A fall through the limit is settled at the price reached, at 0 if that would be negative."""
    for leverage, price, paid in (
        (2, 0.75, "0.5"),
        (3, 0.75, "0.25"),
        (4, 0.75, "0"),
        (5, 0.9, "0.5"),
    ):
        ledger = Ledger(SOL)
        ledger.buy(SOL, 1.0, 0, leverage)
        (fill,) = ledger.liquidate(price, 1)
        assert abs(fill.amount - to_lamports(paid)) <= 5
        assert (ledger.cash, ledger.position_qty, ledger.cost) == (fill.amount, 0, 0)
        assert ledger.cumulative_pnl(price) == fill.amount - SOL


@pytest.mark.parametrize("leverage", [0, 6, -1, 2.5])
def test_leverage_that_nobody_offers_is_refused(leverage: int) -> None:
    """Leverage is 1 to 5; anything else changes nothing."""
    ledger = Ledger(SOL)
    with pytest.raises(BadAmount, match="leverage was"):
        ledger.buy(SOL, 1.0, 0, leverage)
    assert (ledger.cash, ledger.lots) == (SOL, ())


def test_leverage_does_not_lend_money() -> None:
    """A leveraged buy costs its stake, no more and no less (protocol 9: qty is not multiplied)."""
    ledger = Ledger(SOL)
    with pytest.raises(InsufficientFunds):
        ledger.buy(SOL + 1, 1.0, 0, 5)
    fill = ledger.buy(SOL, 1.25, 0, 4)
    assert (fill.qty, fill.leverage, ledger.cash) == (buy_qty(SOL, 1.25), 4, 0)


@given(st.lists(st.tuples(amounts, prices, leverages), min_size=1, max_size=5), prices, st.data())
def test_a_sale_across_lots_of_any_leverage_is_paid_lot_by_lot(
    buys: list[tuple[int, float, int]], price: float, data: st.DataObject
) -> None:
    """Oldest first, each part by its own leverage; the shown PnL is what selling all would give."""
    ledger = Ledger(100 * SOL)
    for tick, (amount, entry, leverage) in enumerate(buys):
        ledger.buy(amount, entry, tick, leverage)
    shown = ledger.regular_pnl(price)
    whole = sum(lot_value(lot, price) for lot in ledger.lots) - ledger.cost
    assert 0 <= shown - whole <= len(buys)
    qty = data.draw(st.integers(1, ledger.position_qty))
    sold, left = split_lots(ledger.lots, qty)
    fill = ledger.sell_qty(qty, price, 99)
    assert fill.amount == sum(lot_value(lot, price) for lot in sold)
    assert (fill.cost, list(ledger.lots)) == (sum(lot.cost for lot in sold), left)
    assert ledger.leveraged == any(lot.leverage > 1 for lot in left)


def test_thresholds_and_levels_are_the_rules_own() -> None:
    """Every allowed leverage above 1 has a threshold, each nearer to the entry than the one before."""
    falls = [rules.LIQUIDATION_FALL[n] for n in range(2, rules.MAX_LEVERAGE + 1)]
    assert falls == sorted(falls, reverse=True)
    assert set(rules.LIQUIDATION_FALL) == set(range(2, rules.MAX_LEVERAGE + 1))
    assert rules.MIN_LEVERAGE == 1
