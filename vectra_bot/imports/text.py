"""Import of text files: one session for each capture, one for each file of games, trades or rows.

A file is read twice: first to detect its kind and its captures, then each capture from its first row to
its last. Rows of frames and trades are replayed through the engine with the strategy `watch`, so that
their documents are the same as in a live session; whole games and leaderboard rows become separate
documents. Everything is journaled like any session. Lines that the store has already, from whatever file,
are duplicates (:mod:`vectra_bot.imports.known`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, Protocol

import attrs
import msgspec

from vectra_bot.audit.auditor import FairAuditor
from vectra_bot.clock import WallClock
from vectra_bot.imports.bulk import IMPORTED, make_room, session_of
from vectra_bot.imports.config import ImportConfig, finished_document, told
from vectra_bot.imports.games import GameReader
from vectra_bot.imports.known import Lines
from vectra_bot.imports.report import FileReport
from vectra_bot.imports.trades import TRADE_TIMES, TradeReader, trade_id
from vectra_bot.journal import Entry, Journal
from vectra_bot.loading import resolve_strategy
from vectra_bot.models import Document, Frame, Mode
from vectra_bot.models.times import NS_PER_S
from vectra_bot.report.session import SessionTally
from vectra_bot.session.header import SessionPlan
from vectra_bot.session.hosting import host, hosted_journal
from vectra_bot.session.shell import NoGateway, Shell
from vectra_bot.store.api import Place
from vectra_bot.store.parquet.builder import build_parts
from vectra_bot.strategy import configure
from vectra_bot.venues.base import FeedItem
from vectra_bot.venues.captures import (
    FRAMES,
    RowClock,
    RowReader,
    RowRefused,
    TextFile,
    TextRow,
    kind_of,
    label_of,
    row_frame,
)
from vectra_bot.venues.captures.times import TIME_NAMES, day_in, written_time

MAX_CAPTURES: Final = 64
"""Limit of captures in one file; the rows of further ones are bad."""
MAX_TRADE_IDS: Final = 1_000_000
STRATEGY: Final = "watch"
_TOLD_EVERY: Final = 512
_NO_RECORDING: Final = "not a recording: no row of a capture, of trades, games or a leaderboard"
_TIMES: Final = {FRAMES: TIME_NAMES, "trades": TRADE_TIMES, "game_rows": ("timestamp",)}
"""Keys of the receive times by kind of row."""


class _Sink(Protocol):
    """Destination of the rows of one session."""

    async def put(self, item: Any) -> bool:
        """Store the result of a row; False if it could not be decoded, though it is stored."""


class _Reader(Protocol):
    """Makes the items of a session's rows."""

    unused: set[str]

    @property
    def warnings(self) -> list[str]:
        """What a user must know about the rows, one line each."""

    @property
    def undated_rows(self) -> tuple[int, int]:
        """Number of rows that have their date from a game, and of those that have none."""

    def item(self, row: TextRow) -> Any:
        """Return what a row becomes; a row that cannot be used raises RowRefused."""


@attrs.define
class _Capture:
    """One session's rows within the file.

    Attributes:
        lines: identities of all its rows, in order.
        known: which of them are in the store.
        others: ids of the sessions that have those.
        kept: identities of the rows that are imported now.
        day_ns: day of its first game, nanoseconds since 1970; 0 if none is named.
    """

    label: str
    first: int
    last: int
    timed: bool = False
    lines: Lines = attrs.field(factory=Lines)
    known: Any = None
    others: list[str] = attrs.field(factory=list)
    kept: bytearray = attrs.field(factory=bytearray)
    day_ns: int = 0

    @property
    def sha256(self) -> str:
        """Digest of the lines that are not in the store."""
        return hashlib.sha256(self.lines.identities[~self.known].tobytes()).hexdigest()


@attrs.define
class TextImport:
    """One import of a text file."""

    text: TextFile
    config: ImportConfig
    report: FileReport = attrs.field(init=False)
    _captures: dict[str, _Capture] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.report = FileReport(str(self.text.path))

    def run(self) -> FileReport:
        """Import the file and return the outcome of its rows.

        Raises:
            ConfigError: a session id was given and the file has several captures.
            StoreError: a session's id exists with other content, or a write fails.
        """
        clock = WallClock()
        started = clock.monotonic_ns()
        self._look()
        if len(self._captures) > 1:
            self.config.own_id()
        if not self._captures:
            self.report.kind = "none"
            for row in self._rows(count=True):
                self.report.refuse(
                    row.number, row.fault or _NO_RECORDING, row.data[:100].decode("latin-1")
                )
        already = asyncio.run(self._sessions())
        self.report.already = bool(already) and all(already)
        self.report.seconds = round((clock.monotonic_ns() - started) / NS_PER_S, 3)
        return self.report

    def _rows(self, *, count: bool = False) -> Iterator[TextRow]:
        for number, row in enumerate(self.text):
            if count and number % _TOLD_EVERY == 0:
                size = self.text.size
                self.config.progress(str(self.text.path), min(row.read, size), size)
            yield row

    def _look(self) -> None:
        """Detect the kind of the file by its first recognised row, and find its captures and lines."""
        for row in self._rows():
            kind = kind_of(row)
            if not kind:
                continue
            self.report.kind = self.report.kind or kind
            if kind != self.report.kind:
                continue
            label = label_of(row)
            known = self._captures.get(label)
            if known is None:
                if len(self._captures) >= MAX_CAPTURES:
                    continue
                known = self._captures[label] = _Capture(label, row.number, row.number)
            known.last = row.number
            known.timed = known.timed or bool(written_time(row, _TIMES.get(kind, ())))
            known.day_ns = known.day_ns or day_in(row.data) or 0
            known.lines.add(label.encode(), *_identity(row, kind))
        for capture in self._captures.values():
            capture.lines.seal()

    async def _sessions(self) -> list[bool]:
        """Import the captures one by one; return for each whether it was in the store already."""
        return [await self._session(capture) for capture in self._captures.values()]

    async def _session(self, capture: _Capture) -> bool:
        report, config = self.report, self.config
        capture.known, capture.others = config.known.find(capture.lines.identities)
        session_id = config.session_id or session_of(capture.sha256, capture.label)
        reader = self._reader(capture, session_id)
        async with AsyncExitStack() as opened:
            target = _Target(self, capture, session_id, reader, opened)
            await self._read(capture, target)
        names = [*capture.others, *([session_id] if target.wanted else [])]
        report.sessions += [name for name in names if name not in report.sessions]
        self._note(capture, reader)
        report.dated_by_game += reader.undated_rows[0]
        report.undated += reader.undated_rows[1]
        if capture.kept:
            config.known.add(session_id, bytes(capture.kept))
        return bool(names) and target.sink is None

    async def _read(self, capture: _Capture, target: _Target) -> None:
        """Read the rows of one capture into its session, those that the store lacks."""
        first = capture is next(iter(self._captures.values()))
        seen: set[str] = set()
        index = 0
        for row in self._rows(count=True):
            if row.number % _TOLD_EVERY == 0:
                await asyncio.sleep(0)  # where Ctrl-C is handled
            if not first and not capture.first <= row.number <= capture.last:
                continue
            if self._is_of(row, capture, first=first):
                digest, known = capture.lines[index], bool(capture.known[index])
                index += 1
                if await self._one(row, target, seen, known=known) and not known:
                    capture.kept += digest

    def _is_of(self, row: TextRow, capture: _Capture, *, first: bool) -> bool:
        """Return whether a row belongs to *capture*; others are reported during the first capture."""
        kind = kind_of(row)
        if kind == self.report.kind and kind:
            label = label_of(row)
            if label in self._captures:
                return label == capture.label
            fault = f"more than {MAX_CAPTURES} captures in one file: import it in pieces"
        elif kind:
            fault = f"a row of {kind} in a file of {self.report.kind}"
        else:
            fault = row.fault or _NO_RECORDING
        if first:
            self.report.refuse(row.number, fault, row.data[:100].decode("latin-1"))
        return False

    async def _one(self, row: TextRow, target: _Target, seen: set[str], *, known: bool) -> bool:
        """Take one row; return whether it can be used."""
        report = self.report
        try:
            item = target.reader.item(row)
        except RowRefused as error:
            report.refuse(row.number, error.reason, error.value)
            return False
        if report.kind == "trades":
            name = trade_id(row)
            known = known or name in seen
            if name is not None and len(seen) < MAX_TRADE_IDS:
                seen.add(name)
        sink = None if known else await target.open()
        if sink is None:
            report.repeat()
            return True
        readable = await sink.put(item)
        report.accept()
        report.quarantined += not readable
        return True

    def _reader(self, capture: _Capture, session_id: str) -> _Reader:
        """Return what reads the rows of *capture*."""
        kind = self.report.kind
        clock = RowClock(
            timed=capture.timed, base_ns=capture.day_ns, utc_offset_s=self.config.utc_offset_s
        )
        if kind == FRAMES:
            return RowReader(clock)
        if kind == "trades":
            clock.names = TRADE_TIMES
            return TradeReader(clock)
        return GameReader(session_id, kind, clock)

    @asynccontextmanager
    async def sink(
        self, capture: _Capture, session_id: str, reader: _Reader
    ) -> AsyncIterator[_Sink]:
        """Start a session of the store and end it after the block; an exception leaves it incomplete."""
        plan = self._plan(session_id, capture, capture.sha256)
        store, report = self.config.store, self.report
        if report.kind in ("capture", "trades"):
            tally = _CountingTally(plan.engine(), report=report)
            async with host(plan, tally, NoGateway("an import sends nothing")) as session:
                yield _FrameSink(session.shell, report)
                self._note(capture, reader)
                session.note(finished_document(told(report), session.shell.engine.now_ns))
                await session.shell.end(IMPORTED)
        else:
            with hosted_journal(store, plan.header) as journal:
                sink = _DocumentSink(journal, report)
                yield sink
                self._note(capture, reader)
                sink.add([finished_document(told(report), sink.last_ns)])
                with journal.closing(IMPORTED, ts_ns=sink.last_ns):
                    build_parts(journal.directory, store)

    def _note(self, capture: _Capture, reader: _Reader) -> None:
        """Report what was not used of a capture's rows, and what must be known about them."""
        name = f"capture {capture.label}: " if len(self._captures) > 1 else ""
        self.report.take_notes(reader.unused, [name + line for line in reader.warnings])

    def _plan(self, session_id: str, capture: _Capture, sha256: str) -> SessionPlan:
        source = resolve_strategy(STRATEGY)
        about = {
            "sha256": sha256,
            "file": self.text.path.name,
            "kind": self.report.kind,
            "capture": capture.label,
            "timed": capture.timed,
            "utc_offset_s": self.config.utc_offset_s,
        }
        return SessionPlan(
            session_id=session_id,
            mode=Mode.REPLAY,
            venue=self.config.venue_name,
            source=source,
            strategy=configure(source.cls, {}),
            place=Place(self.config.store),
            auditor=FairAuditor(session_id),
            about={"import": about},
        )


@attrs.define
class _Target:
    """The session for the new lines of a capture; it is begun with the first of them.

    Attributes:
        wanted: whether there was a new line.
        sink: the session, None if it was not begun or is complete in the store.
    """

    of: TextImport
    capture: _Capture
    session_id: str
    reader: _Reader
    opened: AsyncExitStack
    wanted: bool = False
    sink: _Sink | None = None

    async def open(self) -> _Sink | None:
        """Return the session, None if it is complete in the store."""
        if not self.wanted:
            self.wanted = True
            if make_room(self.of.config.store, self.session_id, self.capture.sha256):
                opening = self.of.sink(self.capture, self.session_id, self.reader)
                self.sink = await self.opened.enter_async_context(opening)
        return self.sink


def _identity(row: TextRow, kind: str) -> tuple[bytes, ...]:
    """Return what makes a row the same line as another of its capture."""
    if kind == FRAMES:
        try:
            found = row_frame(row)
        except RowRefused:
            return (row.data,)
        way = b"local" if found.direction is None else found.direction.value.encode()
        # A line without a time is known by its place.
        time = written_time(row) or str(row.number).encode()
        return (time, way, _compact(found.text[2:].encode("utf-8", "surrogatepass")))
    return (kind.encode(), _compact(row.data))


def _compact(text: bytes) -> bytes:
    """Return JSON without white space between its values, other text as it is."""
    try:
        return msgspec.json.format(text, indent=-1)
    except msgspec.MsgspecError:
        return text


@attrs.define
class _FrameSink:
    """Replays frames through the engine into a session."""

    shell: Shell
    report: FileReport
    unknown: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.unknown = self.report.unknown

    async def put(self, item: FeedItem) -> bool:
        before = self.shell.counts.quarantined
        await self.shell.take(item)
        self.report.documents["ws_event"] += isinstance(item, Frame)
        self.report.unknown = self.unknown + self.shell.counts.unknown_events
        return self.shell.counts.quarantined == before


@attrs.define
class _CountingTally(SessionTally):
    """Counts the documents that are stored."""

    report: FileReport = attrs.field(kw_only=True)

    def after(self, document: Document) -> None:
        super().after(document)
        self.report.count(document)


@attrs.define
class _DocumentSink:
    """Writes documents that were made without an engine to a journal."""

    journal: Journal
    report: FileReport
    last_ns: int = 0

    async def put(self, item: list[Document]) -> bool:
        self.add(item)
        for document in item:
            self.report.count(document)
            self.last_ns = max(self.last_ns, document.ts_ns)
        return True

    def add(self, documents: list[Document]) -> None:
        """Append *documents* to the journal as one group."""
        first = self.journal.last_seq + 1
        self.journal.append(
            [Entry.of_document(seq, document) for seq, document in enumerate(documents, first)]
        )


__all__ = ["MAX_CAPTURES", "TextImport"]
