"""Rows that say what became of whole games, or what a leaderboard showed, as documents.

A finished game becomes one ``game_tick`` for every price that it lists and one ``game.finished`` event, as a
recording tells it. Where its seed is there, prices, rug, peak and sidebets are held against it: the verdict
is ``verified`` or ``failed``, and a failed game has an alert. Without a seed the verdict is ``unverified``,
or ``failed`` if no step of the law makes a price.

Times: a game of the venue's history says when it ended, and all its documents have that time, for that is
when its prices became known. A recorded game says times from its own first tick on: its documents begin where
the game before it ended, and the first begins at 1970. A row of a leaderboard says no time at all: it is so
many nanoseconds after 1970 as its row number says. None of these is taken for a real time by mistake.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import attrs

from vectra_bot.audit.auditor import (
    ALERT_TYPE,
    FINISHED_KIND,
    MAX_SHOWN,
    difference_json,
)
from vectra_bot.conformance.crowd.recorded_games import recorded_differences
from vectra_bot.conformance.frames.capture_rows import Row
from vectra_bot.conformance.settled_sidebets import sidebet_differences
from vectra_bot.errors import InputError, RecordError, safe_text
from vectra_bot.game import fair, rules
from vectra_bot.imports.config import SOURCE, RowRefused
from vectra_bot.imports.lines import TextRow, value_of
from vectra_bot.models import (
    AlertTrigger,
    DocType,
    Document,
    GamePhase,
    GameTick,
    SystemEvent,
)

LEADERBOARD_KIND: Final = "import.leaderboard_row"
"""Kind of the system event that holds a row of a leaderboard; no kind of document is one."""
MAX_MS: Final = 9_223_372_036_854
_NS_PER_MS: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE: Final = "row"
_FAULT = re.compile(
    rf"{_PLACE}(?:: (\w+)(?:\[\d+\])?)?: (.+?) (?:was (.*?)|is missing): (.*)", re.DOTALL
)

T = TypeVar("T")


@attrs.define
class GameReader:
    """Makes the documents of one session.

    Attributes:
        session_id: of the session, from which the ids of alerts follow.
        verdicts: games by what was found of them.
    """

    session_id: str
    verdicts: Counter[str] = attrs.field(factory=Counter)
    _now_ns: int = 0

    def seeded(self, row: TextRow) -> list[Document]:
        """Return the documents of a game of the venue's history with its seed.

        Raises:
            RowRefused: the row lacks what makes it a game.
        """
        return _guarded(self._seeded, row)

    def recorded(self, row: TextRow) -> list[Document]:
        """Return the documents of a game recorded tick by tick without its seed.

        Raises:
            RowRefused: the row lacks what makes it a game.
        """
        return _guarded(self._recorded, row)

    def leaderboard(self, row: TextRow) -> list[Document]:
        """Return the document of a row of a leaderboard.

        Raises:
            RowRefused: the row names no game, tick or player.
        """
        return _guarded(_leaderboard, row)

    def _seeded(self, text: TextRow) -> Iterator[Document]:
        row = _row(text)
        game_id, ended_ms = row.text("id"), row.integer("timestamp")
        if not 0 <= ended_ms <= MAX_MS:
            row.fail("timestamp", "it must be milliseconds since 1970")
        prices, rug_tick = row.optional_numbers("prices"), row.integer("rugTick")
        differences, law = _seeded_differences(row)
        verdict = "failed" if differences else "verified" if law else "unverified"
        ts_ns = ended_ms * _NS_PER_MS
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
        seen = len(prices or ())
        yield self._finished(row, game_id, ts_ns, (verdict, differences, seen), detail)
        if differences:
            yield self._alert(game_id, ts_ns, differences)
        self.verdicts[verdict] += 1

    def _recorded(self, text: TextRow) -> Iterator[Document]:
        row = _row(text)
        game_id, rug_tick = row.text("game_id"), row.integer("rug_tick")
        prices, rug_price = row.holed_numbers("prices"), row.number("rug_price")
        times, counts = _aligned(row, "recv_ms", prices), _aligned(row, "trade_count", prices)
        differences = recorded_differences(row)
        verdict = "failed" if differences else "unverified"
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
        detail: dict[str, Any] = {
            "server_seed": None,
            "server_seed_hash": None,
            "version": None,
            "peak": max(known, default=None),
            "timestamp_ms": None,
            "sidebets": [],
            "recorded": _rest(row, "prices"),
        }
        self._now_ns += max(offset, _offset(row, "settle_recv_ms")) * _NS_PER_MS
        found = (verdict, differences, len(known))
        yield self._finished(row, game_id, self._now_ns, found, detail)
        if differences:
            yield self._alert(game_id, self._now_ns, differences)
        self._now_ns += _NS_PER_MS
        self.verdicts[verdict] += 1

    def _tick(
        self, game_id: str, offset_ms: int, seen: tuple[int, float, GamePhase, int | None]
    ) -> Document:
        """Return a tick seen *offset_ms* after its game's first."""
        tick, price, phase, trades = seen
        record = GameTick(game_id=game_id, tick=tick, price=price, phase=phase, trade_count=trades)
        moment = self._now_ns + offset_ms * _NS_PER_MS
        return _document(DocType.GAME_TICK, record, moment, game_id)

    def _finished(
        self,
        row: Row,
        game_id: str,
        ts_ns: int,
        found: tuple[str, list[fair.Difference], int],
        detail: dict[str, Any],
    ) -> Document:
        verdict, differences, ticks = found
        fields = row.fields
        detail = {
            "game_id": game_id,
            "verdict": verdict,
            "seen": ticks > 0,
            "ticks_seen": ticks,
            "rug_tick": fields.get("rugTick", fields.get("rug_tick")),
            "rug_price": fields.get("rugPrice", fields.get("rug_price")),
            "differences": [difference_json(difference) for difference in differences[:MAX_SHOWN]],
            **detail,
        }
        event = SystemEvent(
            kind=FINISHED_KIND,
            severity="error" if verdict == "failed" else "info",
            message=f"a finished game: {verdict}",
            detail_json=json.dumps(detail, sort_keys=True),
        )
        return _document(DocType.SYSTEM_EVENT, event, ts_ns, game_id)

    def _alert(self, game_id: str, ts_ns: int, differences: list[fair.Difference]) -> Document:
        first = differences[0]
        where = "" if first.tick is None else f" at tick {first.tick}"
        more = f" ({len(differences)} differences)" if len(differences) > 1 else ""
        facts = f"{self.session_id}\n{ALERT_TYPE}\n{game_id}".encode()
        alert = AlertTrigger(
            alert_id=str(uuid.UUID(bytes=hashlib.sha256(facts).digest()[:16], version=4)),
            alert_type=ALERT_TYPE,
            severity="error",
            triggered_at=_EPOCH + timedelta(microseconds=ts_ns // 1000),
            expires_at=None,
            game_id=game_id,
            player_id=None,
            title="Recording and law disagree",
            message=safe_text(
                f"game {game_id}: {first.what}{where} should be {first.expected}, was {first.found}{more}"
            ),
            source_event=SOURCE,
            source_data={
                "differences": [
                    difference_json(difference) for difference in differences[:MAX_SHOWN]
                ],
                "count": len(differences),
            },
        )
        return _document(DocType.ALERT_TRIGGER, alert, ts_ns, game_id)


def _guarded(read: Callable[[TextRow], Iterator[Document]], row: TextRow) -> list[Document]:
    """Read a row; what is wrong with it becomes the reason why it is refused."""
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
        raise RowRefused("a value that cannot be read", str(error)) from None


def _leaderboard(text: TextRow) -> Iterator[Document]:
    row = _row(text)
    game_id, tick, inner = row.text("gameId"), row.integer("tick"), row.row("row")
    player_id = inner.text("id")
    event = SystemEvent(
        kind=LEADERBOARD_KIND,
        severity="info",
        message=f"a row of the leaderboard at tick {tick}",
        detail_json=text.data.decode(),
    )
    yield _document(DocType.SYSTEM_EVENT, event, text.number, game_id, player_id)


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


def _seeded_differences(row: Row) -> tuple[list[fair.Difference], bool]:
    """Return where a game disagrees with its seed, and whether a law is known that tells."""
    version, game_id, rug_tick = row.text("gameVersion"), row.text("id"), row.integer("rugTick")
    bets, rug_price, peak = (
        row.rows("globalSidebets"),
        row.number("rugPrice"),
        row.number("peakMultiplier"),
    )
    prices, digest = row.optional_numbers("prices"), row.text("serverSeedHash")
    if version not in rules.LAW_VERSIONS:
        return [], False
    found = fair.verify_game(
        row.text("serverSeed"),
        game_id,
        version,
        seed_hash=digest,
        prices=prices,
        rug_tick=rug_tick,
        rug_price=rug_price,
        peak=peak,
    )
    _, wrong = sidebet_differences(bets, game_id, rug_tick, rug_price)
    return [*found, *(difference for _, difference in wrong)], True


def _aligned(row: Row, key: str, prices: list[T]) -> list[int | None]:
    """Return a list of whole numbers, one a price, with None where there is none."""
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
