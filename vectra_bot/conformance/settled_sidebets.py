"""Check the sidebet rows of a finished game: decided right, paid right (protocol 5.4, 7).

A bet has up to two rows, ``placed`` and ``payout``, which state the same few facts several times.
Start and stake determine every field of both; the combination of start and stake with
the fewest wrong fields is taken as correct, and only those fields are reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from attrs import frozen

from vectra_bot.conformance.frames.capture_rows import Row
from vectra_bot.conformance.trade_rows import lamports_of, sol
from vectra_bot.game import rules
from vectra_bot.game.fair import Difference
from vectra_bot.game.ledger import lamports_from_double, sidebet_wins

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

_COINS = (rules.SOL_ADDRESS, rules.PRACTICE_ADDRESS)


@frozen
class _Bet:
    """The rows of one bet; a bet of the presale has no placed row."""

    payout: Row
    placed: Row | None


Wrong = list[tuple[str, Difference]]
"""Differences, each with the id of the row it is about."""


def sidebet_differences(
    rows: list[Row], game_id: str, rug_tick: int, rug_price: float
) -> tuple[int, Wrong]:
    """Return how many bets are settled, and what is wrong with them as (row's id, difference).

    Args:
        rows: the game's ``globalSidebets``.
        game_id: the game they must belong to.
        rug_tick: tick of the rug.
        rug_price: price of the rug; a won row states it.
    """
    bets, wrong = _pair(rows)
    facts = _Facts(game_id, rug_tick, rug_price)
    named = {row_id for row_id, _ in wrong}
    windows: list[tuple[_Bet, int]] = []
    for bet in bets:
        starts = [start for start in _starts(bet) if 0 <= start < rug_tick]
        stakes = [stake for stake in _stakes(bet) if stake > 0]
        readings = [
            (_compare(bet, facts, start, stake), start)
            for start in starts or [bet.payout.integer("startTick")]
            for stake in stakes or [bet.payout.number("betAmount")]
        ]
        # The first of equals, which uses the row's own values.
        found, start = min(readings, key=lambda reading: len(reading[0]))
        row_id = bet.payout.text("id")
        if row_id not in named:
            wrong.extend((row_id, difference) for difference in found)
        windows.append((bet, start))
    wrong += _overlaps(windows, {row_id for row_id, _ in wrong})
    wrong += _sequence_differences(rows, {row_id for row_id, _ in wrong})
    return len(bets), wrong


@frozen
class _Facts:
    game_id: str
    rug_tick: int
    rug_price: float


def _pair(rows: list[Row]) -> tuple[list[_Bet], Wrong]:
    """Join placed and payout rows by player and by start or end, each placed row once.

    Every placed bet has exactly one payout row (protocol 12.1), and only a bet of the presale has no placed
    row: what is left over is returned as differences.
    """
    placed: list[Row] = []
    payouts: list[Row] = []
    for row in rows:
        kind = row.text("type")
        if kind == "placed":
            _check(row, _PLACED)
            placed.append(row)
        elif kind == "payout":
            _check(row, _PAYOUT)
            payouts.append(row)
        else:
            row.fail("type", "it must be placed or payout")
    matches: dict[int, Row] = {}
    left = list(placed)
    # Full matches first, so that a wrong row cannot take another's match.
    for agreeing, same_player in ((2, True), (1, True), (2, False)):
        by_player = _grouped(left, same_player=same_player)
        for index, row in enumerate(payouts):
            if index in matches or (not same_player and not row.integer("startTick")):
                continue
            own = by_player.get(row.text("playerId") if same_player else "", [])
            match = next((p for p in own if _agreeing(row, p) == agreeing), None)
            if match is not None:
                own.remove(match)
                matches[index] = match
        taken = {id(row) for row in matches.values()}
        left = [row for row in left if id(row) not in taken]
    bets = [_Bet(row, matches.get(index)) for index, row in enumerate(payouts)]
    return _single(bets, left)


def _grouped(rows: list[Row], *, same_player: bool) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.text("playerId") if same_player else "", []).append(row)
    return found


def _single(bets: list[_Bet], left: list[Row]) -> tuple[list[_Bet], Wrong]:
    """Return the bets without repeated payout rows, and the rows that lack or repeat a counterpart."""
    wrong: Wrong = []
    kept: list[_Bet] = []
    known = {_key(bet.payout, "startTick") for bet in bets if bet.placed is not None}
    presale: set[tuple[str, int]] = set()
    for bet in bets:
        key = _key(bet.payout, "startTick")
        if bet.placed is None and (key in known or key in presale):
            tick = bet.payout.integer("startTick")
            wrong.append((bet.payout.text("id"), Difference("payout rows", tick, 1, 2)))
            continue
        presale.add(key)
        kept.append(bet)
    for row in left:
        tick = row.integer("startedAtTick")
        if _key(row, "startedAtTick") in known:
            wrong.append((row.text("id"), Difference("placed rows", tick, 1, 2)))
        else:
            wrong.append((row.text("id"), Difference("payout rows", tick, 1, 0)))
    return kept, wrong


def _key(row: Row, start: str) -> tuple[str, int]:
    return row.text("playerId"), row.integer(start)


def _overlaps(windows: list[tuple[_Bet, int]], named: set[str]) -> Wrong:
    """Return the bets that were placed before the player's previous one was over (protocol 7)."""
    wrong: Wrong = []
    ends: dict[str, tuple[int, str]] = {}
    for bet, start in sorted(windows, key=lambda window: window[1]):
        row_id, player = bet.payout.text("id"), bet.payout.text("playerId")
        end, earlier = ends.get(player, (0, ""))
        if start < end and not {row_id, earlier} & named:
            wrong.append((row_id, Difference("open sidebets", start, 1, 2)))
        ends[player] = start + rules.SIDEBET_WINDOW_TICKS, row_id
    return wrong


def _sequence_differences(rows: list[Row], named: set[str]) -> Wrong:
    """Return rows with the id of another row, or whose time is before that of the row above them."""
    wrong: Wrong = []
    known: set[str] = set()
    for row in rows:
        row_id = row.text("id")
        if row_id in known and row_id not in named:
            wrong.append((row_id, Difference("rows with this id", None, 1, 2)))
        known.add(row_id)
    timed = [(row.number("timestamp"), row.text("id")) for row in rows if "timestamp" in row.fields]
    previous = 0.0
    for (time, row_id), (later, later_id) in pairwise(timed):
        if later < time:  # the one without which the rows are in order is wrong
            odd = (time, row_id) if previous <= later else (later, later_id)
            if odd[1] not in named:
                wrong.append((odd[1], Difference("timestamp", None, "rows in its order", odd[0])))
        previous = time
    return wrong


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
    # Only a won row states the rug's price.
    if won and ("price" in bet.payout.fields or "level" in bet.payout.fields):
        settled["price"] = facts.rug_price
    elif not won and "price" in bet.payout.fields:
        settled["price"] = None
    wrong = _wrong_fields(bet.payout, settled, tick, "")
    coin = bet.payout.fields.get("coinAddress", rules.SOL_ADDRESS)
    if bet.placed is None and coin not in _COINS:
        wrong.append(Difference("coinAddress", start, " or ".join(_COINS), coin))
    if bet.placed is None:
        return wrong + ([Difference("placed rows", start, 1, 0)] if start else [])
    placed = {**common, "startedAtTick": start, "end": end}
    wrong += _wrong_fields(bet.placed, placed, start, "placed ")
    return wrong + _own_differences(bet.placed, bet.payout, start, stake)


def _own_differences(placed: Row, payout: Row, start: int, stake: float) -> list[Difference]:
    """Return where two rows of a bet disagree on who placed it, in which coin and from which money."""
    facts = (
        Difference("playerId", start, placed.text("playerId"), payout.text("playerId")),
        Difference("username", start, placed.fields.get("username"), payout.fields.get("username")),
        Difference(
            "coinAddress", start, placed.fields.get("coinAddress"), payout.fields.get("coinAddress")
        ),
    )
    wrong = [fact for fact in facts if fact.found != fact.expected]
    if wrong or not {"bonusPortion", "realPortion"} & placed.fields.keys():
        return wrong
    practice = placed.fields.get("coinAddress") == rules.PRACTICE_ADDRESS
    portions = lamports_of(placed, "bonusPortion") + lamports_of(placed, "realPortion")
    expected = 0 if practice else lamports_from_double(stake)
    if portions != expected:
        wrong.append(
            Difference("placed realPortion + bonusPortion", start, sol(expected), sol(portions))
        )
    return wrong


def _wrong_fields(row: Row, expected: dict[str, Any], tick: int, prefix: str) -> list[Difference]:
    return [
        Difference(prefix + key, tick, value, row.fields.get(key))
        for key, value in expected.items()
        if row.fields.get(key) != value
    ]
