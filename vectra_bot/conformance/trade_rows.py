"""Check rows of real trades by the trade arithmetic (protocol 5.5, 6)."""

from __future__ import annotations

from vectra_bot.conformance.frames.capture_rows import Row
from vectra_bot.game.fair import Difference
from vectra_bot.game.ledger import (
    buy_qty,
    lamports_from_double,
    sell_value,
    to_sol,
)
from vectra_bot.game.rules import MAX_LEVERAGE, MIN_LEVERAGE, START_PRICE

# A sell is paid lot by lot, each rounded down, so it may be below the floor of the total by the number of
# further lots; three is the most seen in real rows (protocol 6).
SELL_TOLERANCE_LAMPORTS = 3
# The two portions of a sell are rounded down each, up to 6e-9 SOL in all (protocol 6).
PORTIONS_TOLERANCE_LAMPORTS = 6

_COIN = "solana"
_LEVERAGES = range(MIN_LEVERAGE, MAX_LEVERAGE + 1)

TRADE_KINDS = ("buy", "sell", "short_open", "short_close")


def trade_difference(row: Row) -> Difference | None:
    """Return what is wrong with a trade.

    Raises:
        InputError: the row lacks a field, or its type is unknown.
    """
    kind = row.text("type")
    if kind not in TRADE_KINDS:
        row.fail("type", f"it must be {', '.join(TRADE_KINDS[:-1])} or {TRADE_KINDS[-1]}")
    checks = {"buy": buy_difference, "sell": sell_difference}
    return checks.get(kind, short_difference)(row) or common_difference(row)


def buy_difference(row: Row) -> Difference | None:
    """Return what is wrong with a buy: ``qty = floor9(amount / price)``, whatever the leverage."""
    amount, qty = lamports_of(row, "amount"), lamports_of(row, "qty")
    price, tick = row.positive("price"), row.integer("tickIndex")
    right = buy_qty(amount, price) == qty
    portions = _portions(row)
    if portions is None or portions == amount:
        if right:
            return None
        return Difference("qty", tick, sol(buy_qty(amount, price)), row.number("qty"))
    if right:
        return Difference("realPortion + bonusPortion", tick, row.number("amount"), sol(portions))
    return Difference("amount", tick, sol(portions), row.number("amount"))


def sell_error(row: Row) -> int:
    """Return the lamports a sell paid above ``floor9(qty * price)``; negative if below."""
    qty = lamports_of(row, "qty")
    return lamports_of(row, "amount") - sell_value(qty, row.positive("price"))


def sell_difference(row: Row) -> Difference | None:
    """Return what is wrong with a sell: its amount, within the rounding of lots and portions."""
    amount, tick = lamports_of(row, "amount"), row.integer("tickIndex")
    right = -SELL_TOLERANCE_LAMPORTS <= sell_error(row) <= 0
    portions = _portions(row)
    if right:
        if portions is None or 0 <= amount - portions <= PORTIONS_TOLERANCE_LAMPORTS:
            return None
        return Difference("realPortion + bonusPortion", tick, row.number("amount"), sol(portions))
    value = sell_value(lamports_of(row, "qty"), row.positive("price"))
    return Difference("amount", tick, sol(value), row.number("amount"))


def short_difference(row: Row) -> Difference | None:
    """Return what is wrong with a short: it has no quantity; its payoff is unknown (protocol 5.5, 8)."""
    qty = row.number("qty")
    return Difference("qty", row.integer("tickIndex"), 0, qty) if qty else None


def common_difference(row: Row) -> Difference | None:
    """Return what contradicts the row's type: only buys have leverage, and tick 0 is the presale.

    The coin is always the same, also for bonus money (protocol 5.5).
    """
    kind, tick, leverage = row.text("type"), row.integer("tickIndex"), row.fields.get("leverage")
    if row.fields.get("coin", _COIN) != _COIN:
        return Difference("coin", tick, _COIN, row.fields["coin"])
    if row.fields.get("level") is not None and row.number("level") < 0:
        return Difference("level", tick, "at least 0", row.number("level"))
    if leverage is not None and kind != "buy":
        return Difference("leverage", tick, None, leverage)
    if leverage is not None and leverage not in _LEVERAGES:
        known = f"{MIN_LEVERAGE} to {MAX_LEVERAGE}"
        return Difference("leverage", tick, known, leverage)
    if tick > 0:
        return None
    if kind == "sell":
        return Difference("tickIndex", tick, "above 0 for a sell", tick)
    price = row.number("price")
    return Difference("price", tick, START_PRICE, price) if price != START_PRICE else None


def lamports_of(row: Row, key: str) -> int:
    """Return an amount of SOL in lamports."""
    return lamports_from_double(row.number(key))


def _portions(row: Row) -> int | None:
    if row.fields.get("realPortion") is None and row.fields.get("bonusPortion") is None:
        return None
    return lamports_of(row, "realPortion") + lamports_of(row, "bonusPortion")


def sol(lamports: int) -> float:
    """Return lamports in SOL."""
    return float(to_sol(lamports))
