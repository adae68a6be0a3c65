"""Check the sidebet rows of a finished game: decided right, paid right (protocol 5.4, 7).

A bet has up to two rows, ``placed`` and ``payout``, which state the same few facts several times.
Start and stake determine every field of both; the combination of start and stake with
the fewest wrong fields is taken as correct, and only those fields are reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from vectra_bot.conformance.frames.capture_rows import Row
from vectra_bot.game import rules
from vectra_bot.game.fair import Difference
from vectra_bot.game.ledger import sidebet_wins

_PLACED = ("gameId", "betAmount", "xPayout", "startedAtTick", "end")
_PAYOUT = (
    "gameId",
    "betAmount",
    "xPayout",
    "startTick",
    "endTick",
    "tickIndex",
    "payout",
    "profit",
)


@frozen
class _Bet:
    """The rows of one bet; a bet of the presale has no placed row."""

    payout: Row
    placed: Row | None


def sidebet_differences(
    rows: list[Row], game_id: str, rug_tick: int, rug_price: float
) -> tuple[int, list[tuple[str, Difference]]]:
    """Return how many bets are settled, and what is wrong with them as (payout row's id, difference).

    Args:
        rows: the game's ``globalSidebets``.
        game_id: the game they must belong to.
        rug_tick: tick of the rug.
        rug_price: price of the rug; a won row states it.
    """
    bets = _pair(rows)
    facts = _Facts(game_id, rug_tick, rug_price)
    wrong: list[tuple[str, Difference]] = []
    for bet in bets:
        starts = [start for start in _starts(bet) if 0 <= start < rug_tick]
        stakes = [stake for stake in _stakes(bet) if stake > 0]
        readings = [
            _compare(bet, facts, start, stake)
            for start in starts or [bet.payout.integer("startTick")]
            for stake in stakes or [bet.payout.number("betAmount")]
        ]
        best = min(readings, key=len)  # the first of equals, which uses the row's own values
        wrong.extend((bet.payout.text("id"), difference) for difference in best)
    return len(bets), wrong


@frozen
class _Facts:
    game_id: str
    rug_tick: int
    rug_price: float


def _pair(rows: list[Row]) -> list[_Bet]:
    """Join placed and payout rows by player and by start or end, each placed row once."""
    placed: dict[str, list[Row]] = {}
    payouts: list[Row] = []
    for row in rows:
        kind = row.text("type")
        if kind == "placed":
            _check(row, _PLACED)
            placed.setdefault(row.text("playerId"), []).append(row)
        elif kind == "payout":
            _check(row, _PAYOUT)
            payouts.append(row)
        else:
            row.fail("type", "it must be placed or payout")
    matches: dict[int, Row] = {}
    for agreeing in (2, 1):  # full matches first, so that a wrong row cannot take another's match
        for index, row in enumerate(payouts):
            own = placed.get(row.text("playerId"), [])
            match = next((p for p in own if _agreeing(row, p) == agreeing), None)
            if match is not None and index not in matches:
                own.remove(match)
                matches[index] = match
    return [_Bet(row, matches.get(index)) for index, row in enumerate(payouts)]


def _agreeing(payout: Row, placed: Row) -> int:
    """Return how many of start and end two rows agree on."""
    start = placed.integer("startedAtTick") == payout.integer("startTick")
    end = placed.integer("end") == payout.integer("endTick")
    return start + end


def _check(row: Row, keys: tuple[str, ...]) -> None:
    row.text("id")
    row.text("gameId")
    for key in keys:
        if key in ("startedAtTick", "end", "startTick", "endTick", "tickIndex"):
            row.integer(key)
        elif key != "gameId":
            row.number(key)


def _starts(bet: _Bet) -> Iterator[int]:
    """Yield the ticks at which the bet may have been placed, the most likely first."""
    window = rules.SIDEBET_WINDOW_TICKS
    start, end = bet.payout.integer("startTick"), bet.payout.integer("endTick")
    if bet.placed is None and end == window:
        yield 0  # only a bet of the presale has no placed row
    yield start
    yield end - window
    yield bet.payout.integer("tickIndex")
    if bet.placed is not None:
        yield bet.placed.integer("startedAtTick")
        yield bet.placed.integer("end") - window


def _stakes(bet: _Bet) -> Iterator[float]:
    """Yield the stakes the bet may have had, the stated one first."""
    row = bet.payout
    payout, profit = row.number("payout"), row.number("profit")
    yield row.number("betAmount")
    if bet.placed is not None:
        yield bet.placed.number("betAmount")
    yield round(payout / rules.SIDEBET_PAYOUT_X, rules.SOL_PLACES)
    yield round(payout - profit, rules.SOL_PLACES)
    yield -profit


def _compare(bet: _Bet, facts: _Facts, start: int, stake: float) -> list[Difference]:
    """Return what is wrong with the bet's rows if it was placed at *start* with *stake*."""
    won = sidebet_wins(start, facts.rug_tick)
    payout = stake * rules.SIDEBET_PAYOUT_X if won else 0.0
    common = {"gameId": facts.game_id, "betAmount": stake, "xPayout": rules.SIDEBET_PAYOUT_X}
    end = start + rules.SIDEBET_WINDOW_TICKS
    tick = facts.rug_tick if won else start  # a lost row repeats the start (protocol 5.4)
    settled = {
        **common,
        "startTick": start,
        "endTick": end,
        "tickIndex": tick,
        "payout": payout,
        "profit": payout - stake,
    }
    if won and "price" in bet.payout.fields:
        settled["price"] = facts.rug_price
    wrong = _wrong_fields(bet.payout, settled, tick, "")
    if bet.placed is not None:
        placed = {**common, "startedAtTick": start, "end": end}
        wrong += _wrong_fields(bet.placed, placed, start, "placed ")
    return wrong


def _wrong_fields(row: Row, expected: dict[str, Any], tick: int, prefix: str) -> list[Difference]:
    return [
        Difference(prefix + key, tick, value, row.fields[key])
        for key, value in expected.items()
        if row.fields[key] != value
    ]
