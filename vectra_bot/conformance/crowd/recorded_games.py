"""Check games recorded without their seed: rug price, and steps that are possible by the law.

Without a seed the prices cannot be computed, but every step is bounded (protocol 4.2): a quiet move
within drift and noise, a big move of 15 to 25 %, or a god candle. A price altered by more than that
breaks the step into it and the step out of it, which distinguishes it from its neighbours.
"""

from __future__ import annotations

from math import inf, nextafter, sqrt

from vectra_bot.conformance.frames.capture_rows import Row
from vectra_bot.game import rules
from vectra_bot.game.fair import Difference, rug_price

_SLACK = 1e-9  # relative, for the rounding of a quotient; bands are a million times wider
_OVERTAKEN_MS = 100
Prices = list[float | None]


def recorded_differences(row: Row) -> list[Difference]:
    """Return what is wrong with a recorded game; of an incomplete one, with the known part."""
    prices, rug_tick = row.holed_numbers("prices"), row.integer("rug_tick")
    found_rug = row.number("rug_price")
    if len(prices) != rug_tick:
        return [_count_difference(row, prices, rug_tick)]
    if row.flag("complete") and None in prices:
        return [Difference("price", prices.index(None), "a price, the game is complete", None)]
    if not row.flag("complete") and None not in prices:
        return [Difference("complete", None, True, False)]
    wrong = [_price_difference(prices, tick, found_rug) for tick in wrong_ticks(prices)]
    known = [price for price in prices if price is not None]
    if wrong or not known:
        return wrong
    law = rug_price(known)
    right = found_rug == law if row.flag("complete") else found_rug <= law
    return [] if right else [Difference("rug_price", rug_tick, law, found_rug)]


def course_differences(row: Row) -> list[Difference]:
    """Return where the receive times and trade counts of a recorded game do not follow each other.

    Frames may overtake each other by milliseconds; a count of trades never falls.
    """
    rug_tick = row.integer("rug_tick")
    found: list[Difference] = []
    for key, last, slack in (
        ("recv_ms", ("rug_recv_ms", "settle_recv_ms"), _OVERTAKEN_MS),
        ("trade_count", ("rug_trade_count",), 0),
    ):
        if not isinstance(row.fields.get(key), list):
            continue
        values = row.holed_numbers(key)
        if len(values) != rug_tick:
            found.append(Difference(f"{key} count", None, rug_tick, len(values)))
            continue
        named = [(key, tick, value) for tick, value in enumerate(values) if value is not None]
        stated = [name for name in last if row.fields.get(name) is not None]
        named += [(name, rug_tick, row.number(name)) for name in stated]
        found += _falls(named, slack)
    settled = row.fields.get("settle_tick")
    if settled is not None and row.integer("settle_tick") < rug_tick:
        found.append(Difference("settle_tick", rug_tick, f"at least {rug_tick}", settled))
    return found


def _falls(named: list[tuple[str, int, float]], slack: float) -> list[Difference]:
    """Return values that are below the one before by more than *slack*; one for each fall."""
    found, highest = [], -inf
    for name, tick, value in named:
        if value < highest - slack:
            found.append(Difference(name, tick, f"at least {highest:.12g}", value))
        else:
            highest = max(highest, value)
    return found[:1]


def possible_step(before: float, after: float) -> bool:
    """Return whether one tick of the law can move the price from *before* to *after*."""
    if before <= 0 or after < 0:
        return before == after == 0
    change = after / before - 1
    if any(low - _SLACK <= change <= high + _SLACK for low, high in _bands(before)):
        return True
    return before <= rules.GOD_CANDLE_MAX_PRICE and after == before * rules.GOD_CANDLE_FACTOR


def wrong_ticks(prices: Prices) -> list[int]:
    """Return the ticks whose price cannot be right, one for each break of the series."""
    wrong = []
    if prices[0] is not None and prices[0] != rules.START_PRICE:
        wrong.append(0)
    tick = 1
    while tick < len(prices):
        if tick - 1 not in wrong[-1:] and not _step_possible(prices, tick):
            wrong.append(tick)
        tick += 1
    return wrong


def _step_possible(prices: Prices, tick: int) -> bool:
    before, after = prices[tick - 1], prices[tick]
    return before is None or after is None or possible_step(before, after)


def _bands(price: float) -> tuple[tuple[float, float], ...]:
    noise = rules.NOISE * min(rules.NOISE_ROOT_CAP, sqrt(price))
    return (
        (rules.DRIFT_MIN - noise, rules.DRIFT_MAX + noise),
        (rules.BIG_MOVE_MIN, rules.BIG_MOVE_MAX),
        (-rules.BIG_MOVE_MAX, -rules.BIG_MOVE_MIN),
    )


def _count_difference(row: Row, prices: Prices, rug_tick: int) -> Difference:
    """Return a wrong rug tick or a wrong price count, distinguished by the receive times."""
    times = row.fields.get("recv_ms")
    if isinstance(times, list) and len(times) == rug_tick:
        breaks = wrong_ticks(prices)
        return Difference("price count", breaks[0] if breaks else None, rug_tick, len(prices))
    return Difference("rug_tick", len(prices), len(prices), rug_tick)


def _price_difference(prices: Prices, tick: int, found_rug: float) -> Difference:
    found = prices[tick]
    if tick == 0:
        return Difference("price", 0, rules.START_PRICE, found)
    others = [price for at, price in enumerate(prices) if at != tick and price is not None]
    low = _low_of(found_rug)
    if low is not None and low < min(others):
        return Difference("price", tick, low, found)  # the rug price follows from the lowest price
    before = prices[tick - 1]
    if before is None:
        return Difference("price", tick, "a step that is possible by the law", found)
    ranges = " or ".join(
        f"{before * (1 + low):.6g} to {before * (1 + high):.6g}" for low, high in _bands(before)
    )
    return Difference("price", tick, ranges, found)


def _low_of(found_rug: float) -> float | None:
    """Return the price whose rug price is *found_rug*, None if no double gives it."""
    low = found_rug / (1 - rules.RUG_DROP)
    for candidate in (low, nextafter(low, 0), nextafter(low, 2)):
        if rug_price(candidate) == found_rug:
            return candidate
    return None
