"""Lots, what is left of one buy, with their value, and trades (protocol 6; leverage: protocol 9, unverified).

A leveraged lot holds the tokens its stake buys, as the one real trade with leverage shows, and gains and
loses ``leverage`` times as much: its value is the stake plus leverage times the gain of its tokens,
never below 0. That form, and what a liquidation pays, is unverified; the thresholds are documented.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from vectra_bot.game import rules
from vectra_bot.game.amounts import UNIT, price_ratio, to_lamports
from vectra_bot.models import PlayerUpdate

FillKind: TypeAlias = Literal[
    "buy", "sell", "forced_sell", "liquidation", "short_open", "short_close"
]


class Lot(NamedTuple):
    """What is left of one buy: tokens and cost in 1e-9 units, its tick and entry price.

    ``bonus`` is the part of the cost that was paid with bonus money. A tuple is made in a third of the time
    of a frozen class, and every trade makes one.
    """

    qty: int
    cost: int
    tick: int
    price: float
    leverage: int = 1
    bonus: int = 0


class Fill(NamedTuple):
    """One executed trade; a tuple, as :class:`Lot` is one.

    ``qty`` and ``amount`` are in 1e-9 units; ``qty`` of a short is 0. ``cost`` is what was paid: the
    amount itself for an opening, the oldest lots' share for a sell, so that ``amount - cost`` is the
    realised PnL. ``bonus`` is the bonus money in the amount, ``valid_cost`` the part of the cost that was
    held long enough for experience (protocol 6.1: D), ``held_cost`` the cost weighted by time (protocol 12).
    """

    kind: FillKind
    qty: int
    amount: int
    price: float
    tick: int
    cost: int
    leverage: int = 1
    bonus: int = 0
    valid_cost: int = 0
    held_cost: int = 0


def buy_qty(amount: int, price: float) -> int:
    """Return the tokens that *amount* lamports buy: ``floor9(amount / price)`` (protocol 6)."""
    top, bottom = price_ratio(price)
    return amount * bottom // top


def sell_value(qty: int, price: float) -> int:
    """Return the lamports that one lot part of *qty* sells for: ``floor9(qty * price)`` (protocol 6)."""
    top, bottom = price_ratio(price)
    return qty * top // bottom


def lot_value(lot: Lot, price: float) -> int:
    """Return the lamports that *lot* sells for at *price*.

    A leveraged one: ``floor9(leverage * qty * price - (leverage - 1) * cost)``, at least 0 (unverified).
    """
    if lot.leverage == 1:
        return sell_value(lot.qty, price)
    top, bottom = price_ratio(price)
    return max(0, leveraged_top(lot, top, bottom) // bottom)


def leveraged_top(lot: Lot, top: int, bottom: int) -> int:
    """Return the value of a leveraged lot at the price *top* / *bottom*, times *bottom*."""
    return lot.leverage * lot.qty * top - (lot.leverage - 1) * lot.cost * bottom


def liquidation_price(entry: float, leverage: int) -> float | None:
    """Return the price at or below which a lot is liquidated, None without leverage (protocol 9: D)."""
    fall = rules.LIQUIDATION_FALL.get(leverage)
    return None if fall is None else entry * (1 - fall)


def is_liquidated(lot: Lot, price: float) -> bool:
    """Return whether *price* liquidates *lot*."""
    limit = liquidation_price(lot.price, lot.leverage)
    return limit is not None and price <= limit


def held_cost(lot: Lot, tick: int) -> int:
    """Return the cost of *lot* times 1 to 4, by how long it was held at *tick* (protocol 12; a model)."""
    least, most = rules.GOLDEN_LONG_TICKS, rules.GOLDEN_LONG_TICKS * rules.GOLDEN_LONG_MAX_X
    return lot.cost * min(max(tick - lot.tick, least), most) // least


def split_lots(lots: Sequence[Lot], qty: int) -> tuple[list[Lot], list[Lot]]:
    """Return the lots that a sale of *qty* takes, oldest first, and the remaining ones.

    A part of a lot takes its share of the cost, rounded down; more than is held takes everything.
    """
    sold: list[Lot] = []
    for index, lot in enumerate(lots):
        if not qty:
            return sold, list(lots[index:])
        if qty < lot.qty:
            taken, rest = _cut(lot, qty)
            sold.append(taken)
            return sold, [rest, *lots[index + 1 :]]
        sold.append(lot)
        qty -= lot.qty
    return sold, []


def _cut(lot: Lot, qty: int) -> tuple[Lot, Lot]:
    cost, bonus = lot.cost * qty // lot.qty, lot.bonus * qty // lot.qty
    taken = Lot(qty, cost, lot.tick, lot.price, lot.leverage, bonus)
    left = lot.qty - qty
    return taken, Lot(left, lot.cost - cost, lot.tick, lot.price, lot.leverage, lot.bonus - bonus)


def own_part(amount: int, bonus: int, cost: int) -> int:
    """Return the part of *amount* that is not bonus money, split as its cost was."""
    return amount - amount * bonus // cost if bonus else amount


def average_cost(lots: Sequence[Lot]) -> int:
    """Return the mean entry price of *lots* weighted by tokens, floored, in 1e-9 SOL; 0 for none."""
    if not lots:
        return 0
    ratios = [(lot.qty, *price_ratio(lot.price)) for lot in lots]
    # The denominators are powers of two: the largest is a multiple of all.
    common = max(bottom for _, _, bottom in ratios)
    top = sum(qty * top * (common // bottom) for qty, top, bottom in ratios)
    return top * UNIT // (common * sum(qty for qty, _, _ in ratios))


def leveraged_lot(update: PlayerUpdate, qty: int) -> Lot | None:
    """Return the lot of *qty* that the venue states as leveraged, None if there is none (unverified)."""
    for stated in update.leveraged:
        if to_lamports(stated.qty) == qty:
            return Lot(
                qty,
                to_lamports(stated.amount),
                stated.entry_tick,
                stated.entry_price,
                stated.leverage,
            )
    return None
