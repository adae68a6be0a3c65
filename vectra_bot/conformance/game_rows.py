"""The rows of a file that has one game tick by tick: its facts, and whether they agree (protocol 12.1).

Such a file has ``game_start``, many ``tick`` rows and ``game_end``, which sums them up. The phases in the
rows are partly unknown, and those of the countdown are out of order: the phase follows from ``rugged``,
``active`` and ``cooldown_timer``. The price of the rug follows from the lowest price, every step is bounded
by the law, and the summary repeats facts of the rows.
"""

from __future__ import annotations

from math import inf
from typing import Any

from attrs import Factory, define

from vectra_bot.conformance.crowd.recorded_games import recorded_differences, wrong_ticks
from vectra_bot.conformance.frames.capture_rows import Row
from vectra_bot.game import rules
from vectra_bot.game.fair import Difference
from vectra_bot.models import GamePhase
from vectra_bot.venues.captures.kinds import TICK_ROWS


def phase_of_row(row: Row) -> GamePhase:
    """Return the phase that a ``tick`` row shows (protocol 3.2)."""
    if row.flag("rugged"):
        return GamePhase.RUGGED
    if row.flag("active"):
        return GamePhase.ACTIVE
    timer_ms = row.integer("cooldown_timer")
    if timer_ms > rules.PRESALE_MS:
        return GamePhase.COOLDOWN
    return GamePhase.PRESALE if timer_ms > 0 else GamePhase.UNKNOWN


@define
class GameRows:
    """Folds the rows of one game after another.

    Attributes:
        game_id: of the game that the last row belongs to.
        live: its live prices by tick.
        rug: tick and price of its first rugged row, None before.
        ended: whether no row is expected after the last one.
    """

    game_id: str = ""
    live: dict[int, float] = Factory(dict)
    rug: tuple[int, float] | None = None
    ended: bool = True
    _rows: int = 0
    _started: bool = False
    _ticks: tuple[float, float] = (inf, -inf)
    _prices: tuple[float, float] = (inf, -inf)
    _last: float | None = None
    _found: list[Difference] = Factory(list)

    @property
    def complete(self) -> bool:
        """Whether every live tick and the rug are known."""
        return self.rug is not None and all(tick in self.live for tick in range(self.rug[0]))

    @property
    def peak(self) -> float:
        """Return the highest live price."""
        return max((rules.START_PRICE, *self.live.values()))

    def add(self, row: Row) -> list[Difference]:
        """Add a row; a ``game_end`` row returns what is wrong with its game.

        Raises:
            InputError: the row lacks a field.
        """
        kind, game_id = row.text("type"), row.text("game_id")
        if kind not in TICK_ROWS:
            row.fail("type", f"it must be one of {', '.join(sorted(TICK_ROWS))}")
        if game_id != self.game_id or kind == "game_start":
            self._open(game_id, started=kind == "game_start")
        if kind == "tick":
            self._tick(row)
        self.ended = kind == "game_end"
        return [*self._found, *self._law(), *self._summary(row)] if self.ended else []

    def close(self) -> list[Difference]:
        """Return what is wrong with a game whose rows end here without ``game_end``."""
        if self.ended:
            return []
        self.ended = True
        return [
            *self._found,
            *self._law(),
            Difference("game_end", None, "a row that ends it", None),
        ]

    def _open(self, game_id: str, *, started: bool) -> None:
        self.game_id, self.live, self.rug = game_id, {}, None
        self._rows, self._started, self._last, self._found = 0, started, None, []
        self._ticks = self._prices = (inf, -inf)

    def _tick(self, row: Row) -> None:
        tick, price, phase = row.integer("tick"), row.number("price"), phase_of_row(row)
        self._rows += 1
        self._last = price
        self._ticks = min(self._ticks[0], tick), max(self._ticks[1], tick)
        self._prices = min(self._prices[0], price), max(self._prices[1], price)
        if phase is GamePhase.RUGGED and self.rug is None:
            self.rug = tick, price
        elif phase is GamePhase.ACTIVE:
            if self.rug is not None and tick >= self.rug[0]:
                self._found.append(Difference("live tick after the rug", tick, self.rug[0], price))
            elif self.live.setdefault(tick, price) != price:
                self._found.append(Difference("price", tick, self.live[tick], price))

    def _law(self) -> list[Difference]:
        """Compare the prices with the law."""
        last = self.rug[0] if self.rug else max(self.live, default=-1) + 1
        prices = [self.live.get(tick) for tick in range(last)]
        if not self.live:
            return []
        if last < 1:
            return [Difference("rug_tick", last, 1, last)]
        if self.rug is None:
            return [
                Difference("price", tick, "a possible step", prices[tick])
                for tick in wrong_ticks(prices)
            ]
        facts: dict[str, Any] = {
            "prices": prices,
            "rug_tick": last,
            "rug_price": self.rug[1],
            "complete": self.complete,
        }
        return recorded_differences(Row(facts, f"game {self.game_id}", 0))

    def _summary(self, row: Row) -> list[Difference]:
        """Compare the summary of a ``game_end`` row with the other rows."""
        if self._last is None:
            return []
        # The recorder counts the row of the start with the ticks.
        counts = (self._rows, self._rows + 1) if self._started else (self._rows,)
        total = row.fields.get("total_ticks")
        expected: dict[str, Any] = {
            "tick_range": [*self._ticks],
            "price_range": [*self._prices],
            "peak_price": max(self.peak, self._prices[1]),
            "final_price": self._last,
            "total_ticks": total if total in counts else counts[0],
        }
        right = {name: str(value) for name, value in expected.items()}
        found = {name: str(row.fields.get(name)) for name in expected}
        named = (
            Difference("tick_range", None, right["tick_range"], found["tick_range"]),
            Difference("price_range", None, right["price_range"], found["price_range"]),
            Difference("peak_price", None, right["peak_price"], found["peak_price"]),
            Difference("final_price", None, right["final_price"], found["final_price"]),
            Difference("total_ticks", None, right["total_ticks"], found["total_ticks"]),
        )
        given = row.fields
        return [d for d in named if d.what in given and given[d.what] != expected[d.what]]
