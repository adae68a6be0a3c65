"""The documents of a store that episodes are made of, read a few games at a time.

Rows that cannot be used, whatever wrote them, are counted by kind and skipped.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final, TypeVar

from attrs import define, field, frozen

from vectra_bot.analysis.episodes.fold import (
    CompletedRow,
    EndedRow,
    Episode,
    Facts,
    OpenedRow,
    SessionFold,
    ShortRow,
    ShortValueRow,
    StatedRow,
    StoredRow,
    TickRow,
    is_asked,
    moved_from,
)
from vectra_bot.analysis.episodes.ledger import Shown, shown_by
from vectra_bot.errors import RecordError, UnknownNameError, VectraError, WireError
from vectra_bot.game.state import MAX_TICK
from vectra_bot.models import (
    DocType,
    Frame,
    GamePhase,
    MLEpisode,
    PlayerAction,
    PlayerGameUpdate,
    ServerState,
    ShortPositionState,
)
from vectra_bot.serde import record_from_row
from vectra_bot.store.query.catalog import Catalog
from vectra_bot.wire.decode import decode

R = TypeVar("R")

SPAN: Final = 50_000
"""About seventy games."""

MOST_ROWS: Final = 1_000_000
"""Rows of one kind that are read at once; a store with more in one game is refused row by row."""

_LATER_GAMES: Final = 2  # an action is complete before this many more games have ended
_FIRST_FRAMES: Final = 2_000

_ASKED: Final = (
    "actor = 'bot' AND state NOT IN ('DENIED', 'NOT_SENT') "
    "AND action_type NOT IN ('BET_INCREMENT', 'BET_DECREMENT', 'BET_PERCENTAGE')"
)
_GAMES: Final = f"""
SELECT game_id, min(seq), min(ts_ns), bool_or(acted) FROM (
  SELECT game_id, seq, ts_ns, false AS acted FROM game_tick WHERE session_id = $session AND ts_ns IS NOT NULL
  UNION ALL SELECT game_id, seq, ts_ns, false FROM server_state
    WHERE session_id = $session AND ts_ns IS NOT NULL
  UNION ALL SELECT game_id, 9223372036854775807, 9223372036854775807, true FROM player_action
    WHERE session_id = $session AND {_ASKED})
WHERE game_id <> '' GROUP BY game_id HAVING min(seq) < 9223372036854775807 ORDER BY 2, 1
"""  # noqa: S608 - our own text
_TICKS: Final = """
SELECT seq, ts_ns, game_id, tick, price, phase, cooldown_timer_ms, connected_players, trade_count, backfilled
FROM game_tick WHERE session_id = $session AND seq >= $low AND seq < $high AND list_contains($games, game_id)
ORDER BY seq
"""
_EVENTS: Final = """
SELECT seq, ts_ns, kind, detail_json FROM system_event
WHERE session_id = $session AND seq >= $low AND seq < $high AND ts_ns IS NOT NULL
AND kind IN ('action.state', 'stake.unsettled', 'session.ending') ORDER BY seq
"""
_SHORT_VALUES: Final = """
SELECT seq, ts_ns, raw_json FROM ws_event
WHERE session_id = $session AND seq >= $low AND seq < $high AND event_name = 'gameStatePlayerUpdate'
AND direction = 'in' AND contains(raw_json, '"shortPosition"') ORDER BY seq
"""


def _rows_of(kind: DocType) -> str:
    return (
        f"SELECT * FROM {kind.value} WHERE session_id = $session "  # noqa: S608 - our own name
        "AND seq >= $low AND seq < $high ORDER BY seq"
    )


@frozen
class Game:
    """A game of a session: its first journal entry and time, and whether the bot acted in it."""

    game_id: str
    first_seq: int
    started_ns: int
    acted: bool


@define
class Coverage:
    """What of a store is in the episodes, and what is not."""

    sessions: int = 0
    games_seen: int = 0
    unfinished_sessions: int = 0
    skipped_rows: Counter[str] = field(factory=Counter)


@define
class StoreSource:
    """Reads the sessions of an open store in which the bot acted.

    Attributes:
        catalog: the store.
        wanted: sessions to read; all if empty.
        span: journal entries whose documents are read at once, unless one game has more.
        coverage: counts, complete once everything was read.
    """

    catalog: Catalog
    wanted: tuple[str, ...] = ()
    span: int = SPAN
    coverage: Coverage = field(factory=Coverage)

    def __attrs_post_init__(self) -> None:
        known = self.catalog.sessions
        for name in self.wanted:
            if name not in known:
                raise UnknownNameError("session", name, known)

    def sessions(self) -> list[str]:
        """Return the ids of the sessions in which the bot acted, sorted."""
        found = self.catalog.sql(
            f"SELECT DISTINCT session_id FROM player_action WHERE {_ASKED} ORDER BY 1"  # noqa: S608
        )
        names = [row[0] for row in found.rows if row[0]]
        return [name for name in names if not self.wanted or name in self.wanted]

    def games(self, session: str) -> list[Game]:
        """Return the games of a session in order."""
        found = self.catalog.sql(_GAMES, {"session": session})
        return [Game(*row) for row in found.rows]

    def episodes(self, session: str) -> Iterator[Episode]:
        """Yield the episodes of a session in order."""
        games = self.games(session)
        self.coverage.sessions += 1
        self.coverage.games_seen += len(games)
        fold = SessionFold(session, Facts({}, {}, {}))
        position = Decimal(0)
        ended, stored = False, dict[str, MLEpisode]()
        for part, low, high, later in parts(games, self.span):
            reader = SessionPart(self, session, low, high)
            rows, facts = reader.facts(later, position)
            fold.facts = facts
            # A game ends with the first document of the next one, which may be in the next part.
            before, found = stored, reader.stored(later)
            stored = {**before, **found}
            for entry in reader.entries(part, rows):
                ended = ended or isinstance(entry, EndedRow)
                self._feed(fold, entry)
                yield from self._taken(fold, stored)
            stored = found
            if rows:
                position = rows[-1].record.position_qty
        self._feed(fold, EndedRow(_END, 0))
        self.coverage.unfinished_sessions += not ended
        yield from self._taken(fold, stored)

    def _feed(self, fold: SessionFold, entry: StoredRow) -> None:
        """Fold a document; one that contradicts the others costs its game."""
        try:
            fold.feed(entry)
        except (VectraError, ArithmeticError, ValueError):
            self.coverage.skipped_rows[f"game with a contradictory {type(entry).__name__}"] += 1
            fold.abandon()

    def _taken(self, fold: SessionFold, stored: Mapping[str, MLEpisode]) -> Iterator[Episode]:
        for episode in fold.take():
            found = episode.confirmed_by(stored.get(episode.record.game_id))
            if found.is_storable:
                yield found
            else:
                self.coverage.skipped_rows["game with an amount beyond 64 bits"] += 1

    def read(
        self, kind: DocType, record: type[R], session: str, low: int, high: int
    ) -> Iterator[tuple[dict[str, Any], R]]:
        """Yield the rows of a kind with their records; what is not a valid record is skipped."""
        params = {"session": session, "low": low, "high": high}
        found = self.catalog.sql(_rows_of(kind), params, max_rows=MOST_ROWS)
        self._too_many(kind, more=found.more)
        for values in found.rows:
            row = dict(zip(found.columns, values, strict=True))
            try:
                made = record_from_row(record, row)
            except RecordError:
                self.coverage.skipped_rows[kind.value] += 1
                continue
            if row["ts_ns"] is None:
                self.coverage.skipped_rows[kind.value] += 1
            else:
                yield row, made

    def _too_many(self, kind: DocType, *, more: bool) -> None:
        if more:
            self.coverage.skipped_rows[f"{kind.value} beyond {MOST_ROWS} in a game"] += 1


_END: Final = 2**63 - 1


def parts(games: Sequence[Game], span: int) -> Iterator[tuple[list[Game], int, int, int]]:
    """Yield runs of games with the range of their entries, and its end some games later."""
    start = 0
    while start < len(games):
        stop = start + 1
        while stop < len(games) and games[stop].first_seq - games[start].first_seq < span:
            stop += 1
        low = 0 if start == 0 else games[start].first_seq
        high = games[stop].first_seq if stop < len(games) else _END
        after = stop + _LATER_GAMES
        later = games[after].first_seq if after < len(games) else _END
        yield list(games[start:stop]), low, high, later
        start = stop


@frozen
class SessionPart:
    """Reads the documents of one part of a session."""

    source: StoreSource
    session: str
    low: int
    high: int

    def facts(self, later: int, position: Decimal) -> tuple[list[StatedRow], Facts]:
        """Return the statements of the account in the part, and what is known of its actions."""
        read = self.source.read
        stated = [
            StatedRow(
                row["seq"], row["ts_ns"], row["game_id"] or "", row["player_id"] or "", record
            )
            for row, record in read(
                DocType.SERVER_STATE, ServerState, self.session, self.low, later
            )
        ]
        actions: dict[str, PlayerAction] = {}
        asked: defaultdict[str, list[PlayerAction]] = defaultdict(list)
        completed = read(DocType.PLAYER_ACTION, PlayerAction, self.session, self.low, later)
        for _, action in completed:
            if action.action_id in actions:
                self.source.coverage.skipped_rows["player_action twice"] += 1
                continue
            actions[action.action_id] = action
            if is_asked(action):
                asked[action.game_id].append(action)
        for found in asked.values():
            found.sort(key=lambda action: action.timestamps.client_ts)
        shown: dict[str, Shown] = shown_by([entry.record for entry in stated], position)
        return [s for s in stated if s.seq < self.high], Facts(actions, shown, dict(asked))

    def stored(self, later: int) -> dict[str, MLEpisode]:
        """Return the engine's episodes by game."""
        found: dict[str, MLEpisode] = {}
        read = self.source.read(DocType.ML_EPISODE, MLEpisode, self.session, self.low, later)
        for _, record in read:
            found.setdefault(record.game_id, record)
        return found

    def entries(self, games: Sequence[Game], stated: Iterable[StatedRow]) -> Iterator[StoredRow]:
        """Yield the part's documents in order."""
        opened = [OpenedRow(game.first_seq, game.started_ns, game.game_id) for game in games]
        acted = [game.game_id for game in games if game.acted]
        read, span = self.source.read, (self.session, self.low, self.high)
        completed = (
            CompletedRow(row["seq"], row["ts_ns"], record)
            for row, record in read(DocType.PLAYER_ACTION, PlayerAction, *span)
        )
        shorts = [
            ShortRow(row["seq"], row["ts_ns"], record)
            for row, record in read(DocType.SHORT_POSITION, ShortPositionState, *span)
        ]
        # A game's opening comes before the other documents of the same entry.
        streams: list[list[StoredRow]] = [
            list(opened),
            list(self.ticks(acted)),
            list(stated),
            list(self._events()),
            list(completed),
            list(shorts),
            list(self._values(shorts[0].seq)) if shorts else [],
        ]
        yield from heapq.merge(*streams, key=attrgetter("seq"))

    def ticks(self, acted: list[str]) -> Iterator[TickRow]:
        for row in self._rows(DocType.GAME_TICK, _TICKS, games=acted):
            if _is_usable(row):
                yield TickRow(*row)
            else:
                self.source.coverage.skipped_rows[DocType.GAME_TICK.value] += 1

    def _values(self, low: int) -> Iterator[ShortValueRow]:
        """Yield what frames state of our short, whose value changes between two documents of it."""
        for seq, ts_ns, raw in self._rows(DocType.WS_EVENT, _SHORT_VALUES, low=low):
            try:
                event = decode(Frame(recv_ns=ts_ns, raw=raw))
            except WireError:
                self.source.coverage.skipped_rows[DocType.WS_EVENT.value] += 1
                continue
            if isinstance(event, PlayerGameUpdate):
                yield ShortValueRow(seq, ts_ns, event.game_id, event.short)

    def _events(self) -> Iterator[StoredRow]:
        for seq, ts_ns, kind, detail in self._rows(DocType.SYSTEM_EVENT, _EVENTS):
            if kind == "session.ending":
                yield EndedRow(seq, ts_ns)
                continue
            moved = moved_from(seq, ts_ns, kind, detail or "")
            if moved is not None:
                yield moved
            else:
                self.source.coverage.skipped_rows[DocType.SYSTEM_EVENT.value] += 1

    def _rows(self, kind: DocType, text: str, **params: Any) -> list[tuple[Any, ...]]:
        values = {"session": self.session, "low": self.low, "high": self.high, **params}
        found = self.source.catalog.sql(text, values, max_rows=MOST_ROWS)
        self.source._too_many(kind, more=found.more)  # noqa: SLF001 - one module
        return found.rows


def _is_usable(row: tuple[Any, ...]) -> bool:
    """Return whether a row of ticks has what is needed, whatever wrote it."""
    _, ts_ns, _, tick, price, phase, starts_in_ms, connected, *_ = row
    return (
        None not in (ts_ns, tick, price, starts_in_ms, connected)
        and math.isfinite(price)
        and price >= 0
        and 0 <= tick <= MAX_TICK
        and phase in _PHASES
    )


_PHASES: Final = frozenset(phase.value for phase in GamePhase)


def law_versions(catalog: Catalog, session: str) -> list[str]:
    """Return the versions of the price law that the first frames of a session name."""
    found = catalog.sql(
        'SELECT DISTINCT regexp_extract(raw_json, \'"version":"(v[0-9]+)"\', 1) FROM ws_event '
        "WHERE session_id = $session AND seq < $seq ORDER BY 1",
        {"session": session, "seq": _FIRST_FRAMES},
    )
    return [row[0] for row in found.rows if row[0]]
