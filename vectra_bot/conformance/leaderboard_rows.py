"""Check rows of the leaderboard: their own arithmetic, and whether they agree with each other.

A row repeats facts of its frame and of the rows around it: the price of a tick is in the rows of that tick
and of the next one, a position that is not traded changes its PnL with the price alone, a row's place is
the order of PnL. So a wrong value is found even if the row's own sums agree (protocol 5.2, 6).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from operator import ne
from typing import TypeAlias

from attrs import Factory, define, frozen

from vectra_bot.conformance.crowd.recorded_games import possible_step
from vectra_bot.conformance.findings import FileDifference
from vectra_bot.conformance.frames.capture_rows import Row
from vectra_bot.conformance.trade_rows import lamports_of, sol
from vectra_bot.game import rules
from vectra_bot.game.fair import Difference
from vectra_bot.game.ledger import pnl_percent, sell_value
from vectra_bot.game.rules import LAMPORTS_PER_SOL

OPEN_TOLERANCE_LAMPORTS = 3
"""Rounding of an open position's PnL in nearly all real rows (protocol 6)."""
# The widest difference among real rows of one position is 5, of one row from what was invested 6.
POSITION_TOLERANCE_LAMPORTS = 8
# Rounding costs about a lamport for each lot; a gap this wide is profit realised in an earlier round trip of
# the same game, which a row does not state separately.
REALISED_LAMPORTS = 1000
# A trade executed at a tick is in the row up to three ticks later, and the row may lag by one (protocol 5.2).
_TRADE_DELAY_TICKS = 4
_SLACK = 1e-9  # relative
_FEW_ROWS = 2  # of one position, that one wrong row may have made alike

_PARTS = ("regularPnl", "sidebetPnl", "shortPnl")

_Position: TypeAlias = tuple[int, float, float]


@frozen(eq=False)
class _Seen:
    """The facts of one row that other rows repeat; amounts in lamports."""

    line: int
    game: str
    player: str
    tick: int
    rugged: bool
    price: float
    prev: float
    rank: int | None
    pnl: float
    qty: int
    position: _Position
    invested: int
    cost: int
    regular: int
    presale: bool
    username: object
    level: object


@define
class LeaderboardRows:
    """Collects the rows of a file, and compares them at its end.

    Attributes:
        unstated: whether rows may rest on what no row states: leverage, whose payoff is unknown (protocol 9),
            and trades within one tick. What these explain is not compared then.
        open_rows: rows with an open position.
        open_compared: those of them whose PnL another fact of the file states too.
    """

    unstated: bool = False
    open_rows: int = 0
    open_compared: int = 0
    _rows: list[_Seen] = Factory(list)
    _wrong: set[int] = Factory(set)

    def add(self, row: Row, *, wrong: bool) -> None:
        """Add a row; *wrong* says that a difference of it is reported already.

        Raises:
            InputError: the row lacks a field.
        """
        inner = row.row("row")
        qty, invested = lamports_of(inner, "positionQty"), lamports_of(inner, "totalInvested")
        presale = is_presale(inner)
        seen = _Seen(
            line=row.line,
            game=row.text("gameId"),
            player=inner.text("id") if "id" in inner.fields else "",
            tick=row.integer("tick"),
            rugged=row.flag("rugged"),
            price=row.positive("price")
            if not presale or "price" in row.fields
            else rules.START_PRICE,
            prev=rules.START_PRICE if presale else row.positive("pricePrev"),
            rank=inner.integer("position") if "position" in inner.fields else None,
            pnl=inner.number("pnl"),
            qty=qty,
            position=(qty, inner.number("avgCost"), inner.number("totalInvested")),
            invested=invested,
            cost=qty * lamports_of(inner, "avgCost") // LAMPORTS_PER_SOL,
            regular=lamports_of(inner, "pnl" if presale else "regularPnl"),
            presale=presale,
            username=inner.fields.get("username"),
            level=inner.fields.get("level"),
        )
        self._rows.append(seen)
        if wrong:
            self._wrong.add(row.line)

    def finish(self) -> Iterator[FileDifference]:
        """Yield what is wrong with the rows as a whole, one difference for a row."""
        prices = _prices(self._rows)
        checks: tuple[Callable[[list[_Seen], _Prices], _Found], ...] = (
            _price_differences,
            _identity_differences,
            self._position_differences,
            self._pnl_differences,
            _rank_differences,
        )
        for check in checks:
            right = [seen for seen in self._rows if seen.line not in self._wrong]
            for seen, difference in check(right, prices):
                if seen.line not in self._wrong:
                    self._wrong.add(seen.line)
                    yield FileDifference(seen.game, difference, seen.line)

    def _position_differences(self, right: list[_Seen], _: _Prices) -> _Found:
        """Yield positions that contradict the row itself or the rows before and after it."""
        for rows in _by_player(right):
            for seen in rows:
                if seen.rugged and seen.qty:
                    yield seen, Difference("positionQty", seen.tick, 0, sol(seen.qty))
                elif bool(seen.qty) != bool(seen.position[1]):
                    expected = "above 0" if seen.qty else 0
                    yield seen, Difference("avgCost", seen.tick, expected, seen.position[1])
            for before, seen, after in zip(rows, rows[1:], rows[2:], strict=False):
                if before.qty and before.position == after.position != seen.position:
                    # A lot that comes and goes changes the mean cost with the quantity.
                    altered = sum(map(ne, before.position, seen.position))
                    if altered == 1 or not self.unstated:
                        yield seen, _changed(before.position, seen)
            for before, seen in pairwise(rows):
                if seen.invested < before.invested:
                    least = f"at least {sol(before.invested)}"
                    yield seen, Difference("totalInvested", seen.tick, least, sol(seen.invested))

    def _pnl_differences(self, right: list[_Seen], prices: _Prices) -> _Found:
        """Yield PnL that the price, what was invested and the other rows of the position contradict."""
        for rows in _by_player(right):
            # A sidebet adds to what was invested, and leaves the position as it is.
            positions: defaultdict[tuple[int, float], list[_Seen]] = defaultdict(list)
            for seen in rows:
                if seen.qty and not seen.presale:
                    positions[seen.position[:2]].append(seen)
            for group in positions.values():
                yield from self._open_differences(group, rows, prices)
            closed = _closed_differences([seen for seen in rows if not seen.presale])
            yield from (found for found, sure in closed if sure or not self.unstated)

    def _open_differences(
        self, group: list[_Seen], rows: list[_Seen], prices: _Prices
    ) -> Iterator[tuple[_Seen, Difference]]:
        """Compare the rows of one open position: what was realised before it is the same in all of them."""
        realised = [[flow + seen.cost for flow in _flows(seen, prices)] for seen in group]
        common, agreeing = _common(realised)
        self.open_rows += len(group)
        if self.unstated and agreeing * 2 <= len(group):
            return
        others = [values for values in realised if not _near(values, common)]
        # Lots that come and go leave the position as it was, and what was realised changed.
        again = _common(others) if others and self.unstated else (common, 0)
        for seen, values in zip(group, realised, strict=True):
            if again[1] > _FEW_ROWS and _near(values, again[0]):
                continue
            if not _near(values, common):
                yield seen, _open_regular(seen, common, prices)
            elif max(values) - seen.cost + seen.invested < -POSITION_TOLERANCE_LAMPORTS:
                yield seen, _open_regular(seen, seen.cost - seen.invested, prices)
        seen = group[0]
        all_invested = _all_invested(seen.qty, seen.cost, seen.invested)
        # The mean cost is rounded for each SOL of tokens.
        rounding = POSITION_TOLERANCE_LAMPORTS + seen.qty // LAMPORTS_PER_SOL
        if len(group) > 1 or (all_invested and abs(common) <= rounding):
            self.open_compared += len(group)
            return
        if self.unstated:
            return
        # Nothing else shows what was realised before: a trade leads to this row, or from it to the next.
        at = rows.index(seen)
        pairs = pairwise(rows[max(0, at - 1) : at + 2])
        traded = any(_traded(before, after, prices) for before, after in pairs)
        self.open_compared += traded or all_invested
        if all_invested and not traded:
            yield seen, _open_regular(seen, 0, prices)


_Found: TypeAlias = Iterable[tuple[_Seen, Difference]]
_Prices: TypeAlias = dict[tuple[str, int], float]


def is_presale(inner: Row) -> bool:
    """Return whether a row is of the presale, whose rows lack the parts of the PnL (protocol 5.2).

    Raises:
        InputError: it has some of the parts.
    """
    lacking = [key for key in _PARTS if key not in inner.fields]
    if 0 < len(lacking) < len(_PARTS):
        inner.fail(lacking[0], "a row has all parts of the PnL or none of them")
    return bool(lacking)


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
    wrong: Difference | None = None
    sum_exact: bool | None = None
    if not is_presale(inner):
        total = inner.number("regularPnl") + inner.number("sidebetPnl") + inner.number("shortPnl")
        sum_exact = total == pnl
        if not sum_exact and percent_exact and invested:
            wrong = Difference("regularPnl + sidebetPnl + shortPnl", tick, pnl, total)
        elif not sum_exact:
            wrong = Difference("pnl", tick, total, pnl)
    for key in ("positionQty", "avgCost", "totalInvested", "level"):
        if wrong is None and inner.fields.get(key) is not None and inner.number(key) < 0:
            wrong = Difference(key, tick, "at least 0", inner.number(key))
    if inner.fields.get("hasActiveTrades", True) is not True:
        wrong = wrong or Difference("hasActiveTrades", tick, True, inner.fields["hasActiveTrades"])
    if wrong is None and not percent_exact:
        wrong = Difference("pnlPercent", tick, expected, percent)
    return wrong or _sidebet_difference(row, inner, tick), sum_exact, percent_exact


def _sidebet_difference(row: Row, inner: Row, tick: int) -> Difference | None:
    """Return what is wrong with the open sidebet of a row."""
    bet = inner.fields.get("sideBet")
    active = bet is not None or None
    stated = inner.fields.get("sidebetActive", active)
    # In the presale it may follow the bet by a second (protocol 5.2).
    if stated is not active and (stated is not None or not is_presale(inner)):
        return Difference("sidebetActive", tick, active, stated)
    if bet is None:
        return None
    bet = inner.row("sideBet")
    start = bet.integer("startedAtTick")
    if start > tick:
        return Difference("sideBet startedAtTick", tick, f"at most {tick}", start)
    expected = {
        "end": start + rules.SIDEBET_WINDOW_TICKS,
        "gameId": row.text("gameId"),
        "xPayout": rules.SIDEBET_PAYOUT_X,
    }
    for key, value in expected.items():
        if bet.fields.get(key) != value:
            return Difference(f"sideBet {key}", tick, value, bet.fields.get(key))
    return None


def open_position_error(row: Row) -> int | None:
    """Return the difference of an open long's PnL from ``qty * price - invested``, in lamports.

    The row may use the price of its tick or of the previous one (protocol 5.2); the nearer counts.
    None unless the invested amount is the cost of the open lots: no sidebet or short, ``avgCost *
    positionQty`` is ``totalInvested``, and nothing was realised before.
    """
    inner = row.row("row")
    qty, invested = lamports_of(inner, "positionQty"), lamports_of(inner, "totalInvested")
    others = (inner.fields.get(key) for key in ("sideBet", "shortPosition"))
    if qty <= 0 or any(other is not None for other in others) or "regularPnl" not in inner.fields:
        return None
    if inner.number("sidebetPnl") or inner.number("shortPnl"):
        return None
    cost = qty * lamports_of(inner, "avgCost") // LAMPORTS_PER_SOL
    if not _all_invested(qty, cost, invested):
        return None
    stated = lamports_of(inner, "regularPnl")
    prices = (row.positive("price"), row.positive("pricePrev"))
    error = min(abs(sell_value(qty, price) - invested - stated) for price in prices)
    return error if error < REALISED_LAMPORTS else None


def _all_invested(qty: int, cost: int, invested: int) -> bool:
    """Return whether all that was invested is in the open lots; ``avgCost`` is rounded for each SOL."""
    return abs(cost - invested) <= 2 + qty // LAMPORTS_PER_SOL


def _prices(rows: Iterable[_Seen]) -> _Prices:
    """Return the price of each tick that most rows state; the first of equals."""
    stated: defaultdict[tuple[str, int], Counter[float]] = defaultdict(Counter)
    for seen in rows:
        if seen.presale:
            continue
        stated[seen.game, seen.tick][seen.price] += 1
        stated[seen.game, seen.tick - 1][seen.prev] += 1
    return {key: prices.most_common(1)[0][0] for key, prices in stated.items()}


def _price_differences(rows: list[_Seen], prices: _Prices) -> _Found:
    """Yield prices that other rows contradict, steps that the law forbids, and false rugs."""
    for seen in rows:
        tick, price, before = seen.tick, seen.price, seen.prev
        if seen.presale:
            yield from (
                (seen, fact) for fact in _presale_facts(seen) if fact.found != fact.expected
            )
            continue
        expected, earlier = prices[seen.game, tick], prices[seen.game, tick - 1]
        fell = price <= before * (1 - rules.RUG_DROP) * (1 + _SLACK)
        if price != expected:
            yield seen, Difference("price", tick, expected, price)
        elif before != earlier:
            yield seen, Difference("pricePrev", tick, earlier, before)
        elif fell != seen.rugged:
            yield seen, Difference("rugged", tick, fell, seen.rugged)
        elif not fell and not possible_step(before, price):
            yield seen, Difference("price", tick, "a step that is possible by the law", price)


def _presale_facts(seen: _Seen) -> tuple[Difference, ...]:
    """Return what is always so before a game."""
    return (
        Difference("tick", seen.tick, 0, seen.tick),
        Difference("price", seen.tick, rules.START_PRICE, seen.price),
        Difference("pnl", seen.tick, 0, seen.pnl),
    )


def _by_player(rows: Iterable[_Seen]) -> list[list[_Seen]]:
    """Return the rows of each player in each game, in the order of their ticks."""
    found: defaultdict[tuple[str, str], list[_Seen]] = defaultdict(list)
    for seen in rows:
        if seen.player:
            found[seen.game, seen.player].append(seen)
    return [sorted(group, key=lambda seen: seen.tick) for group in found.values()]


def _identity_differences(rows: list[_Seen], _: _Prices) -> _Found:
    """Yield rows whose player has another name or level than in the rows around, or whose name another id."""
    for facts, key in ((("username", "level"), "player"), (("player",), "username")):
        groups: defaultdict[tuple[str, object], list[_Seen]] = defaultdict(list)
        for seen in sorted(rows, key=lambda seen: seen.tick):
            if getattr(seen, key) not in ("", None):
                groups[seen.game, getattr(seen, key)].append(seen)
        for fact, group in ((fact, group) for fact in facts for group in groups.values()):
            ends = (0, len(group) - 1)
            for at, seen in enumerate(group if len(group) > _FEW_ROWS else []):
                if fact == "level" and at in ends:
                    continue  # a level may rise
                one, other = (1, 2) if at == 0 else (-3, -2) if at == ends[1] else (at - 1, at + 1)
                expected, found = getattr(group[one], fact), getattr(seen, fact)
                if expected == getattr(group[other], fact) != found:
                    name = "id" if fact == "player" else fact
                    yield seen, Difference(name, seen.tick, expected, found)


def _changed(expected: _Position, seen: _Seen) -> Difference:
    """Return the first fact of a position that is not as in the rows around it."""
    (qty, cost, invested), found = expected, seen.position
    facts = (
        Difference("positionQty", seen.tick, sol(qty), sol(found[0])),
        Difference("avgCost", seen.tick, cost, found[1]),
        Difference("totalInvested", seen.tick, invested, found[2]),
    )
    return next(fact for fact in facts if fact.expected != fact.found)


def _near(values: Iterable[int], value: int) -> bool:
    return any(abs(other - value) <= POSITION_TOLERANCE_LAMPORTS for other in values)


def _common(realised: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Return the value that most rows have nearly, the smallest of equals, and the number of these rows."""
    points = sorted((value, row) for row, values in enumerate(realised) for value in values)
    near: Counter[int] = Counter()
    first = end = 0
    best = (0, 0, 0)
    for value, _ in points:
        while end < len(points) and points[end][0] <= value + POSITION_TOLERANCE_LAMPORTS:
            near[points[end][1]] += 1
            end += 1
        while points[first][0] < value - POSITION_TOLERANCE_LAMPORTS:
            near[points[first][1]] -= 1
            first += 1
        best = max(best, (sum(count > 0 for count in near.values()), -abs(value), value))
    return best[2], best[0]


def _flows(seen: _Seen, prices: _Prices) -> list[int]:
    """Return what the player's trades of the game paid in all, in lamports, by either price of the row."""
    if seen.presale:
        return [seen.regular - sell_value(seen.qty, rules.START_PRICE)]
    ticks = (seen.tick, seen.tick - 1)
    return [seen.regular - sell_value(seen.qty, prices[seen.game, tick]) for tick in ticks]


def _open_regular(seen: _Seen, realised: int, prices: _Prices) -> Difference:
    """Return the difference of an open position's PnL; the price of the tick before is the usual one."""
    value = sell_value(seen.qty, prices[seen.game, seen.tick - 1])
    return _regular(seen, value - seen.cost + realised)


def _regular(seen: _Seen, expected: int) -> Difference:
    return Difference("regularPnl", seen.tick, sol(expected), sol(seen.regular))


def _traded(before: _Seen, after: _Seen, prices: _Prices) -> bool:
    """Return whether one trade at a known price leads from one row of a player to the next."""
    ticks = range(before.tick - _TRADE_DELAY_TICKS, after.tick + 1)
    known = [prices[before.game, tick] for tick in ticks if (before.game, tick) in prices]
    bought = after.qty - before.qty
    return any(
        abs(late - early + bought * price) <= POSITION_TOLERANCE_LAMPORTS
        for early in _flows(before, prices)
        for late in _flows(after, prices)
        for price in known
    )


def _closed_differences(
    rows: Sequence[_Seen],
) -> Iterator[tuple[tuple[_Seen, Difference], bool]]:
    """Yield PnL of a closed position that differs from the row a tick before or after.

    Each with whether the rows on both sides agree; else a buy and a sale within one tick may explain it.
    """
    for at, (before, seen) in enumerate(pairwise(rows), start=1):
        if before.qty or seen.qty or before.invested != seen.invested:
            continue
        if seen.tick - before.tick > 1 or before.regular == seen.regular:
            continue
        earlier = rows[at - 2] if at > 1 else None
        after = rows[at + 1] if at + 1 < len(rows) else None
        first = after is not None and after.regular == seen.regular and not after.qty
        wrong, right = (before, seen) if first else (seen, before)
        other = earlier if first else after
        sure = other is not None and not other.qty and other.regular == right.regular
        yield (wrong, _regular(wrong, right.regular)), sure


def _rank_differences(rows: list[_Seen], _: _Prices) -> _Found:
    """Yield rows whose place is not the order of PnL."""
    frames: defaultdict[tuple[str, int, bool], list[_Seen]] = defaultdict(list)
    for seen in rows:
        if seen.rank is not None and not seen.presale:
            frames[seen.game, seen.tick, seen.rugged].append(seen)
    for group in frames.values():
        group.sort(key=lambda seen: seen.rank or 0)
        while (odd := _misplaced(group)) is not None:
            group.remove(odd)
            better = 1 + sum(other.pnl > odd.pnl for other in group)
            yield odd, Difference("position", odd.tick, f"at least {better}", odd.rank)


def _misplaced(group: list[_Seen]) -> _Seen | None:
    """Return the row without which the places are in order, or the first that is out of order."""
    breaks = [pair for pair in pairwise(group) if not _in_order(*pair)]
    if not breaks:
        return None
    for seen in breaks[0]:
        rest = [other for other in group if other is not seen]
        if all(_in_order(*pair) for pair in pairwise(rest)):
            return seen
    return breaks[0][1]


def _in_order(better: _Seen, worse: _Seen) -> bool:
    return better.rank != worse.rank and better.pnl >= worse.pnl
