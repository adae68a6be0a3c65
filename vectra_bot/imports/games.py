"""Rows with the outcome of whole games, or of a leaderboard, as documents.

A finished game becomes one ``game_tick`` for every listed price and one ``game.finished`` event, as in a
recording. If its seed is known, prices, rug, peak and sidebets are verified against it: the verdict is
``verified`` or ``failed``, and a failed game has an alert. Without a seed the verdict is ``unverified``,
or ``failed`` if the law cannot produce a price.

Times: a game of the venue's history has its end time, and all its documents have that time, because its
prices became known then. A recorded game has times relative to its first tick: its documents begin at
the end of the game before it, or at the start of the day that its id names if that is later. A row of a
leaderboard has no time: it gets the day of its game and its row number in nanoseconds. Without a day in
the id, both count from 1970; the import says how many rows have no date. The rows of a file that has one
game tick by tick have their own times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import attrs

from vectra_bot.audit.findings import differences_json, disagreement, finished_game
from vectra_bot.conformance.crowd.recorded_games import recorded_differences
from vectra_bot.conformance.frames.capture_rows import Row
from vectra_bot.conformance.game_rows import GameRows, phase_of_row
from vectra_bot.conformance.settled_sidebets import sidebet_differences
from vectra_bot.conformance.verification import law_differences
from vectra_bot.errors import InputError, RecordError, safe_text
from vectra_bot.game import rules
from vectra_bot.game.fair import Difference
from vectra_bot.imports.config import SOURCE
from vectra_bot.models import DocType, Document, GamePhase, GameTick, SystemEvent
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.venues.captures import RowClock, RowRefused, TextRow, day_of_game, value_of
from vectra_bot.venues.captures.times import PayloadTimes, time_warnings

LEADERBOARD_KIND: Final = "import.leaderboard_row"
"""Kind of the system event for a row of a leaderboard; there is no kind of document for it."""
MAX_MS: Final = 9_223_372_036_854
_PLACE: Final = "row"
_FAULT = re.compile(
    rf"{_PLACE}(?:: (\w+)(?:\[\d+\])?)?: (.+?) (?:was (.*?)|is missing): (.*)", re.DOTALL
)

T = TypeVar("T")


@attrs.define
class GameReader:
    """Makes the documents of one session.

    Attributes:
        session_id: of the session; the ids of alerts are derived from it.
        kind: of the rows.
        clock: reads the times of rows that have them.
        unused: keys of which nothing was made; every row is stored whole, so there are none.
    """

    session_id: str
    kind: str
    clock: RowClock = attrs.field(factory=RowClock)
    unused: set[str] = attrs.field(factory=set)
    _now_ns: int = 0
    _payloads: PayloadTimes = attrs.field(factory=PayloadTimes)
    _undated: list[int] = attrs.field(factory=lambda: [0, 0])
    _game: GameRows = attrs.field(factory=GameRows)

    @property
    def warnings(self) -> list[str]:
        """What a user must know about the times of the rows, one line each."""
        found = time_warnings(self.clock, self._payloads)
        if not self._game.ended:
            found.append(f"the file ends before the end of game {self._game.game_id}")
        return found

    @property
    def undated_rows(self) -> tuple[int, int]:
        """Number of rows that have their date from a game, and of those that have none."""
        by_nothing, by_game = self._undated
        return by_game + self.clock.undated_rows[0], by_nothing + self.clock.undated_rows[1]

    def item(self, row: TextRow) -> list[Document]:
        """Return the documents of a row.

        Raises:
            RowRefused: the row lacks a required value.
        """
        read = {
            "seeded_games": self.seeded,
            "recorded_prices": self.recorded,
            "leaderboard": self.leaderboard,
            "game_rows": self.game_row,
        }
        return read[self.kind](row)

    def game_row(self, row: TextRow) -> list[Document]:
        """Return the documents of a row of one game: a tick, or at its end the finished game.

        Raises:
            RowRefused: the row lacks a required value.
        """
        return _guarded(self._game_row, row)

    def seeded(self, row: TextRow) -> list[Document]:
        """Return the documents of a game of the venue's history with its seed.

        Raises:
            RowRefused: the row lacks a required value.
        """
        return _guarded(self._seeded, row)

    def recorded(self, row: TextRow) -> list[Document]:
        """Return the documents of a game recorded tick by tick without its seed.

        Raises:
            RowRefused: the row lacks a required value.
        """
        return _guarded(self._recorded, row)

    def leaderboard(self, row: TextRow) -> list[Document]:
        """Return the document of a row of a leaderboard.

        Raises:
            RowRefused: the row has no game, tick or player.
        """
        return _guarded(self._leaderboard, row)

    def _seeded(self, text: TextRow) -> Iterator[Document]:
        row = _row(text)
        game_id, ended_ms = row.text("id"), row.integer("timestamp")
        if not 0 <= ended_ms <= MAX_MS:
            row.fail("timestamp", "it must be milliseconds since 1970")
        prices, rug_tick = row.optional_numbers("prices"), row.integer("rugTick")
        differences, law = _seeded_differences(row)
        verdict = "failed" if differences else "verified" if law else "unverified"
        ts_ns = ended_ms * NS_PER_MS
        for tick, price in enumerate(prices or ()):
            phase = GamePhase.RUGGED if tick >= rug_tick else GamePhase.ACTIVE
            record = GameTick(game_id=game_id, tick=tick, price=price, phase=phase, backfilled=True)
            yield _document(DocType.GAME_TICK, record, ts_ns, game_id)
        detail = {
            "server_seed": safe_text(row.text("serverSeed")),
            "server_seed_hash": safe_text(row.text("serverSeedHash")),
            "version": safe_text(row.text("gameVersion")),
            "peak": row.number("peakMultiplier"),
            "timestamp_ms": ended_ms,
            "sidebets": row.fields["globalSidebets"],
            "recorded": _rest(row, "prices", "globalSidebets"),
        }
        yield from self._finished(
            row, game_id, ts_ns, (verdict, differences, len(prices or ())), detail
        )

    def _recorded(self, text: TextRow) -> Iterator[Document]:
        row = _row(text)
        game_id, rug_tick = row.text("game_id"), row.integer("rug_tick")
        prices, rug_price = row.holed_numbers("prices"), row.number("rug_price")
        times, counts = _aligned(row, "recv_ms", prices), _aligned(row, "trade_count", prices)
        differences = recorded_differences(row)
        verdict = "failed" if differences else "unverified"
        self._now_ns = max(self._now_ns, self._day(game_id))
        offset = 0
        for tick, price in enumerate(prices):
            offset = max(offset, times[tick] or 0)
            if price is not None:
                seen = (tick, price, GamePhase.ACTIVE, counts[tick])
                yield self._tick(game_id, offset, seen)
        offset = max(offset, _offset(row, "rug_recv_ms"))
        rugged = (rug_tick, rug_price, GamePhase.RUGGED, _optional(row, "rug_trade_count"))
        yield self._tick(game_id, offset, rugged)
        known = [price for price in prices if price is not None]
        detail = {"peak": max(known, default=None), "recorded": _rest(row, "prices")}
        self._now_ns += max(offset, _offset(row, "settle_recv_ms")) * NS_PER_MS
        found = (verdict, differences, len(known))
        yield from self._finished(row, game_id, self._now_ns, found, detail)
        self._now_ns += NS_PER_MS

    def _leaderboard(self, text: TextRow) -> Iterator[Document]:
        row = _row(text)
        game_id, tick, inner = row.text("gameId"), row.integer("tick"), row.row("row")
        player_id = inner.text("id")
        event = SystemEvent(
            kind=LEADERBOARD_KIND,
            severity="info",
            message=f"a row of the leaderboard at tick {tick}",
            detail_json=text.data.decode(),
        )
        ts_ns = self._day(game_id) + text.number
        yield _document(DocType.SYSTEM_EVENT, event, ts_ns, game_id, player_id)

    def _game_row(self, text: TextRow) -> Iterator[Document]:
        row = _row(text)
        ts_ns = self.clock.moment(text)
        differences = self._game.add(row)
        self._payloads.see_game(ts_ns, self._game.game_id)
        game, kind = self._game, row.text("type")
        if kind == "tick":
            record = GameTick(
                game_id=game.game_id,
                tick=row.integer("tick"),
                price=row.number("price"),
                phase=phase_of_row(row),
                cooldown_timer_ms=row.integer("cooldown_timer"),
                trade_count=_optional(row, "trade_count"),
            )
            yield _document(DocType.GAME_TICK, record, ts_ns, game.game_id)
        elif kind == "game_end":
            tick, price = game.rug or (None, None)
            detail = {
                "peak": game.peak, "rug_tick": tick, "rug_price": price, "recorded": row.fields,
            }  # fmt: skip
            found = ("failed" if differences else "unverified", differences, len(game.live))
            yield from self._finished(row, game.game_id, ts_ns, found, detail)

    def _day(self, game_id: str) -> int:
        """Return the start of a game's day, 1970 if its id names none; count the row as undated."""
        day_ns = day_of_game(game_id) or 0
        self._undated[day_ns > 0] += 1
        return day_ns

    def _tick(
        self, game_id: str, offset_ms: int, seen: tuple[int, float, GamePhase, int | None]
    ) -> Document:
        """Return a tick *offset_ms* after the first one of its game."""
        tick, price, phase, trades = seen
        record = GameTick(game_id=game_id, tick=tick, price=price, phase=phase, trade_count=trades)
        moment = self._now_ns + offset_ms * NS_PER_MS
        return _document(DocType.GAME_TICK, record, moment, game_id)

    def _finished(
        self,
        row: Row,
        game_id: str,
        ts_ns: int,
        found: tuple[str, list[Difference], int],
        detail: dict[str, Any],
    ) -> Iterator[Document]:
        """Yield the event of a finished game, and an alert if something differs."""
        verdict, differences, ticks = found
        fields = row.fields
        detail = {
            "game_id": game_id,
            "seen": ticks > 0,
            "ticks_seen": ticks,
            "rug_tick": fields.get("rugTick", fields.get("rug_tick")),
            "rug_price": fields.get("rugPrice", fields.get("rug_price")),
            "differences": differences_json(differences),
            **dict.fromkeys(("server_seed", "server_seed_hash", "version", "timestamp_ms")),
            "sidebets": [],
            **detail,
        }
        event = finished_game(verdict, detail)
        yield _document(DocType.SYSTEM_EVENT, event, ts_ns, game_id)
        if differences:
            alert = disagreement(
                self.session_id, game_id, ts_ns, differences,
                title="Recording and law disagree", source_event=SOURCE,
            )  # fmt: skip
            yield _document(DocType.ALERT_TRIGGER, alert, ts_ns, game_id)


def _guarded(read: Callable[[TextRow], Iterator[Document]], row: TextRow) -> list[Document]:
    """Parse a row; an error becomes the reason for its refusal."""
    try:
        return list(read(row))
    except InputError as error:
        match = _FAULT.fullmatch(str(error))
        if match is None:
            raise RowRefused(str(error)) from None
        inner, key, value, want = match.groups()
        name = f"{inner}.{key}" if inner else key
        reason = want.split(", restore")[0]
        raise RowRefused(f"{name}: {reason}", value or "missing") from None
    except RecordError as error:
        raise RowRefused(str(error).split(" was ")[0], str(error)) from None


def _row(text: TextRow) -> Row:
    try:
        return Row({key: value_of(raw) for key, raw in text.fields.items()}, _PLACE, text.number)
    except (ValueError, RecursionError) as error:
        raise RowRefused("an invalid value", str(error)) from None


def _document(
    doc_type: DocType, record: Any, ts_ns: int, game_id: str, player_id: str = ""
) -> Document:
    return Document(
        doc_type=doc_type,
        record=record,
        ts_ns=ts_ns,
        source=SOURCE,
        game_id=game_id,
        player_id=player_id,
    )


def _seeded_differences(row: Row) -> tuple[list[Difference], bool]:
    """Return where a game disagrees with its seed, and whether a matching law is known."""
    game_id, rug_tick = row.text("id"), row.integer("rugTick")
    bets, rug_price = row.rows("globalSidebets"), row.number("rugPrice")
    if row.text("gameVersion") not in rules.LAW_VERSIONS:
        return [], False
    found = law_differences(row, game_id)
    _, wrong = sidebet_differences(bets, game_id, rug_tick, rug_price)
    return [*found, *(difference for _, difference in wrong)], True


def _aligned(row: Row, key: str, prices: list[T]) -> list[int | None]:
    """Return a list with one whole number per price, None where there is none."""
    values = row.fields.get(key)
    if values is None:
        return [None] * len(prices)
    if not isinstance(values, list) or len(values) != len(prices):
        row.fail(key, "it must have one number for each price")
    for value in values:
        if value is not None and (type(value) is not int or not -MAX_MS <= value <= MAX_MS):
            row.fail(key, "it must be a list of whole numbers")
    return values


def _optional(row: Row, key: str) -> int | None:
    return None if row.fields.get(key) is None else row.integer(key)


def _offset(row: Row, key: str) -> int:
    value = _optional(row, key) or 0
    if not -MAX_MS <= value <= MAX_MS:
        row.fail(key, "it must be milliseconds")
    return value


def _rest(row: Row, *but: str) -> dict[str, Any]:
    return {key: value for key, value in row.fields.items() if key not in but}
