"""Check rows of real trades and leaderboard rows by the trade arithmetic (protocol 5.2, 5.5, 6)."""

from __future__ import annotations

from vectra_bot.conformance.frames.capture_rows import Row
from vectra_bot.game.fair import Difference
from vectra_bot.game.ledger import (
    buy_qty,
    lamports_from_double,
    pnl_percent,
    sell_value,
    to_sol,
)
from vectra_bot.game.rules import LAMPORTS_PER_SOL

# A sell is paid lot by lot, each rounded down, so it may be below the floor of the total by the number of
# further lots; three is the most seen in real rows (protocol 6).
SELL_TOLERANCE_LAMPORTS = 3
# The two portions of a sell are rounded down each, up to 6e-9 SOL in all (protocol 6).
PORTIONS_TOLERANCE_LAMPORTS = 6
# Rounding costs about a lamport for each lot; a gap this wide is profit realised in an earlier round trip of
# the same game, which a row does not state separately.
REALISED_LAMPORTS = 1000


def buy_difference(row: Row) -> Difference | None:
    """Return what is wrong with a buy: ``qty = floor9(amount / price)``, whatever the leverage."""
    amount, qty = _lamports(row, "amount"), _lamports(row, "qty")
    price, tick = row.positive("price"), row.integer("tickIndex")
    right = buy_qty(amount, price) == qty
    portions = _portions(row)
    if portions is None or portions == amount:
        if right:
            return None
        return Difference("qty", tick, _sol(buy_qty(amount, price)), row.number("qty"))
    if right:
        return Difference("realPortion + bonusPortion", tick, row.number("amount"), _sol(portions))
    return Difference("amount", tick, _sol(portions), row.number("amount"))


def sell_error(row: Row) -> int:
    """Return the lamports a sell paid above ``floor9(qty * price)``; negative if below."""
    qty = _lamports(row, "qty")
    return _lamports(row, "amount") - sell_value(qty, row.positive("price"))


def sell_difference(row: Row) -> Difference | None:
    """Return what is wrong with a sell: its amount, within the rounding of lots and portions."""
    amount, tick = _lamports(row, "amount"), row.integer("tickIndex")
    right = -SELL_TOLERANCE_LAMPORTS <= sell_error(row) <= 0
    portions = _portions(row)
    if right:
        if portions is None or 0 <= amount - portions <= PORTIONS_TOLERANCE_LAMPORTS:
            return None
        return Difference("realPortion + bonusPortion", tick, row.number("amount"), _sol(portions))
    value = sell_value(_lamports(row, "qty"), row.positive("price"))
    return Difference("amount", tick, _sol(value), row.number("amount"))


def leaderboard_difference(row: Row) -> tuple[Difference | None, bool | None, bool]:
    """Return what is wrong with a leaderboard row, whether its sum is exact, and its percentage.

    The sum is None in rows of the presale, which lack the three parts (protocol 5.2).
    """
    inner = row.row("row")
    tick = row.integer("tick")
    pnl, percent = inner.number("pnl"), inner.number("pnlPercent")
    invested = inner.number("totalInvested")
    expected = pnl_percent(pnl, invested)
    percent_exact = expected == percent
    if "regularPnl" not in inner.fields:
        wrong = None if percent_exact else Difference("pnlPercent", tick, expected, percent)
        return wrong, None, percent_exact
    total = inner.number("regularPnl") + inner.number("sidebetPnl") + inner.number("shortPnl")
    sum_exact = total == pnl
    if sum_exact and percent_exact:
        return None, sum_exact, percent_exact
    if sum_exact:
        wrong = Difference("pnlPercent", tick, expected, percent)
    elif percent_exact and invested:
        wrong = Difference("regularPnl + sidebetPnl + shortPnl", tick, pnl, total)
    else:
        wrong = Difference("pnl", tick, total, pnl)
    return wrong, sum_exact, percent_exact


def open_position_error(row: Row) -> int | None:
    """Return the difference of an open long's PnL from ``qty * price - invested``, in lamports.

    The row may use the price of its tick or of the previous one (protocol 5.2); the nearer counts.
    None unless the invested amount is the cost of the open lots: no sidebet or short, ``avgCost *
    positionQty`` is ``totalInvested``, and nothing was realised before.
    """
    inner = row.row("row")
    qty, invested = _lamports(inner, "positionQty"), _lamports(inner, "totalInvested")
    others = (inner.fields.get(key) for key in ("sideBet", "shortPosition"))
    if qty <= 0 or any(other is not None for other in others) or "regularPnl" not in inner.fields:
        return None
    if inner.number("sidebetPnl") or inner.number("shortPnl"):
        return None
    cost = qty * _lamports(inner, "avgCost") // LAMPORTS_PER_SOL
    if abs(cost - invested) > 2 + qty // LAMPORTS_PER_SOL:
        return None
    shown = _lamports(inner, "regularPnl")
    prices = (row.positive("price"), row.positive("pricePrev"))
    error = min(abs(sell_value(qty, price) - invested - shown) for price in prices)
    return error if error < REALISED_LAMPORTS else None


def _lamports(row: Row, key: str) -> int:
    return lamports_from_double(row.number(key))


def _portions(row: Row) -> int | None:
    if row.fields.get("realPortion") is None or row.fields.get("bonusPortion") is None:
        return None
    return _lamports(row, "realPortion") + _lamports(row, "bonusPortion")


def _sol(lamports: int) -> float:
    return float(to_sol(lamports))
