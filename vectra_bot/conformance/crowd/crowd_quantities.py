"""Quantities of crowd and law in finished games: samples of each, from real games or ours.

Two kinds of row carry them (protocol 15): ``recorded_prices`` (prices, trade counts and receive times by
tick) and ``seeded_games`` (``globalSidebets``). Our games are written as the same rows, so that the
same code reads both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from attrs import Factory, define, frozen
from numpy.typing import NDArray

from vectra_bot.conformance.frames.capture_rows import Row, shown
from vectra_bot.errors import InputError
from vectra_bot.game import rules

Kind: TypeAlias = Literal["law", "crowd"]
Values: TypeAlias = list[float]

LAST_PRESALE_TICK = 1
"""Ticks up to this one count the trades of the presale (protocol 13)."""

PHASES = (
    ("early", 2, 20),
    ("20_40", 20, 40),
    ("40_80", 40, 80),
    ("80_160", 80, 160),
    ("160_320", 160, 320),
    ("320_640", 320, 640),
    ("late", 640, rules.MAX_TICKS + 1),
)
"""Phases of a game: name, first tick, first tick after it (protocol 13)."""

_SETTLED_LATE = 4  # settlement frames count at most 4 ticks past the rug (protocol 3.1)
_BIG_TOLERANCE = 1e-9


@frozen
class Quantity:
    """One compared quantity: its name, and whether it depends on the law or the crowd.

    ``by_length`` says that a game's value grows with its length, which depends on the law: the games
    compared are then matched by length.
    """

    name: str
    kind: Kind
    by_length: bool = False


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("rug_tick", "law"),
    Quantity("peak", "law"),
    Quantity("last_price", "law"),
    Quantity("big_move_share", "law"),
    Quantity("big_move_up_share", "law"),
    Quantity("big_move_size", "law"),
    Quantity("trades_per_game", "crowd", by_length=True),
    Quantity("presale_trades", "crowd"),
    *(Quantity(f"trades_per_tick_{name}", "crowd") for name, _, _ in PHASES),
    Quantity("forced_sells", "crowd", by_length=True),
    Quantity("sidebets_per_game", "crowd", by_length=True),
    Quantity("sidebets_in_presale", "crowd"),
    Quantity("sidebet_players_per_game", "crowd", by_length=True),
    Quantity("sidebets_per_player_and_game", "crowd"),
    Quantity("sidebet_pause_ticks", "crowd"),
    Quantity("sidebet_stakes", "crowd"),
    Quantity("practice_sidebet_share", "crowd"),
    Quantity("first_tick_gap_ms", "crowd"),
    Quantity("tick_gap_ms", "crowd"),
    Quantity("rug_gap_ms", "crowd"),
    Quantity("settlement_gap_ms", "crowd"),
)
"""All compared quantities, in the order of the report."""


@define
class Sample:
    """The values of one quantity, each with the number of the game it belongs to."""

    values: Values = Factory(list)
    games: list[int] = Factory(list)

    def extend(self, game: int, values: Values) -> None:
        """Add the values of one game."""
        self.values.extend(values)
        self.games.extend([game] * len(values))

    @property
    def array(self) -> NDArray[np.float64]:
        """The values as an array."""
        return np.asarray(self.values, dtype=np.float64)

    @property
    def groups(self) -> NDArray[np.int64]:
        """The games as an array."""
        return np.asarray(self.games, dtype=np.int64)


@define
class Samples:
    """Samples by quantity, and the rug tick of every game read.

    Attributes:
        rug_ticks: the rug tick of each game by its number.
        samples: samples by quantity; one that no row has is missing.
    """

    rug_ticks: list[int] = Factory(list)
    samples: dict[str, Sample] = Factory(dict)
    _seen: set[str] = Factory(set)

    def read(self, rows: Iterable[Row]) -> None:
        """Add the games of a file; a game that has already been read is skipped.

        Raises:
            InputError: rows of this kind have no quantity, or one lacks a required field.
        """
        for row in rows:
            self.add([row])

    def add(self, rows: Iterable[Row]) -> None:
        """Add one game, given as rows of different kinds."""
        number = len(self.rug_ticks)
        new: dict[str, Values] = {}
        for row in rows:
            kind = _kind(row)
            name, rug_tick, found = _READERS[kind](row)
            if f"{kind} {name}" in self._seen:
                continue
            self._seen.add(f"{kind} {name}")
            if not new:
                self.rug_ticks.append(rug_tick)
            new.update(found)
        for quantity, values in new.items():
            self.samples.setdefault(quantity, Sample()).extend(number, values)


def _kind(row: Row) -> str:
    for kind in _READERS:
        if kind in row.fields:
            return kind
    keys = ", ".join(list(row.fields)[:4]) or "none"
    raise InputError(
        f"{row.place}: this kind of row (its keys: {shown(keys)}) has no crowd quantities: "
        "give recorded_prices or seeded_games"
    )


_Found: TypeAlias = tuple[str, int, dict[str, Values]]


def _recorded(row: Row) -> _Found:
    rug_tick = row.integer("rug_tick")
    prices = row.holed_numbers("prices")
    found: dict[str, Values] = {"rug_tick": [float(rug_tick)]}
    _read_prices(found, prices, complete=row.flag("complete") and None not in prices)
    counts, total = row.fields.get("trade_count"), row.fields.get("rug_trade_count")
    if isinstance(counts, list) and len(counts) == rug_tick:
        _read_trades(found, _holed_counts(row, counts), total)
    _read_times(found, row)
    return row.text("game_id"), rug_tick, found


def _holed_counts(row: Row, counts: list[Any]) -> list[int | None]:
    if not all(value is None or type(value) is int for value in counts):
        row.fail("trade_count", "it must be a list of whole numbers")
    return counts


def _read_prices(found: dict[str, Values], prices: list[float | None], *, complete: bool) -> None:
    known = [price for price in prices if price is not None]
    if complete:
        found["peak"] = [max(known)]
    if prices[-1] is not None:
        found["last_price"] = [prices[-1]]
    flags: Values = []
    ups: Values = []
    sizes: Values = []
    for before, after in pairwise(prices):
        if before and after is not None and after != before * rules.GOD_CANDLE_FACTOR:
            change = after / before - 1
            big = abs(change) >= rules.BIG_MOVE_MIN - _BIG_TOLERANCE
            flags.append(float(big))
            if big:
                ups.append(float(change > 0))
                sizes.append(abs(change))
    found["big_move_share"] = flags
    found["big_move_up_share"] = ups
    found["big_move_size"] = sizes


def _read_trades(found: dict[str, Values], counts: list[int | None], total: Any) -> None:
    if type(total) is int:
        found["trades_per_game"] = [float(total)]
        if counts[-1] is not None:
            found["forced_sells"] = [float(total - counts[-1])]
    first = counts[LAST_PRESALE_TICK] if len(counts) > LAST_PRESALE_TICK else None
    if first is not None:
        found["presale_trades"] = [float(first)]
    for name, start, end in PHASES:
        steps = zip(counts[start - 1 : end - 1], counts[start:end], strict=False)
        found[f"trades_per_tick_{name}"] = [
            float(after - before)
            for before, after in steps
            if before is not None and after is not None
        ]


def _read_times(found: dict[str, Values], row: Row) -> None:
    times = row.fields.get("recv_ms")
    if not isinstance(times, list) or len(times) != row.integer("rug_tick"):
        return
    if not all(value is None or type(value) in (int, float) for value in times):
        row.fail("recv_ms", "it must be a list of milliseconds")
    gaps = [
        None if None in (before, after) else float(after - before)
        for before, after in pairwise(times)
    ]
    found["first_tick_gap_ms"] = [gap for gap in gaps[:1] if gap is not None]
    found["tick_gap_ms"] = [gap for gap in gaps[1:] if gap is not None]
    rug, settled = row.fields.get("rug_recv_ms"), row.fields.get("settle_recv_ms")
    if rug is not None and times[-1] is not None:
        found["rug_gap_ms"] = [row.number("rug_recv_ms") - times[-1]]
    if rug is not None and settled is not None:
        late = row.integer("settle_tick") - row.integer("rug_tick")
        if 0 <= late <= _SETTLED_LATE:  # else the frame was missed, and a later one has its place
            found["settlement_gap_ms"] = [row.number("settle_recv_ms") - row.number("rug_recv_ms")]


def _seeded(row: Row) -> _Found:
    """Read the sidebets of a finished game, one payout row for each that was settled (protocol 5.4)."""
    rug_tick = row.integer("rugTick")
    bets = [bet for bet in row.rows("globalSidebets") if bet.text("type") == "payout"]
    starts = [bet.integer("startTick") for bet in bets]
    players = Counter(bet.text("playerId") for bet in bets)
    practice = [bet.text("coinAddress") == rules.PRACTICE_ADDRESS for bet in bets]
    return (
        row.text("id"),
        rug_tick,
        {
            "rug_tick": [float(rug_tick)],
            "peak": [row.number("peakMultiplier")],
            "sidebets_per_game": [float(len(bets))],
            "sidebets_in_presale": [float(starts.count(0))],
            "sidebet_players_per_game": [float(len(players))],
            "sidebets_per_player_and_game": [float(count) for count in players.values()],
            "sidebet_pause_ticks": list(_pauses(bets)),
            "sidebet_stakes": [
                bet.number("betAmount")
                for bet, is_practice in zip(bets, practice, strict=True)
                if not is_practice
            ],
            "practice_sidebet_share": [float(is_practice) for is_practice in practice],
        },
    )


def _pauses(bets: list[Row]) -> Iterator[float]:
    """Yield the ticks between the end of a player's bet and the start of the next."""
    last: dict[str, int] = {}
    for bet in sorted(bets, key=lambda bet: bet.integer("startTick")):
        player = bet.text("playerId")
        if player in last:
            yield float(bet.integer("startTick") - last[player])
        last[player] = bet.integer("endTick")


_READERS: dict[str, Callable[[Row], _Found]] = {"rug_price": _recorded, "serverSeed": _seeded}
"""The reader of each kind of row, by a key that only this kind has."""
