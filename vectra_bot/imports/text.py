"""Import of text files: one session for each capture, one for each file of games, trades or rows.

A file is read twice: first to detect its kind and its captures, then each capture from its first row to
its last. Rows of frames and trades are replayed through the engine with the strategy `watch`, so that
their documents are the same as in a live session; whole games and leaderboard rows become separate
documents. Everything is journaled like any session.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Final, Protocol

import attrs

from vectra_bot.audit.auditor import FairAuditor
from vectra_bot.clock import WallClock
from vectra_bot.imports.bulk import IMPORTED, digest_of, make_room, session_of
from vectra_bot.imports.config import ImportConfig, RowRefused, finished_document, told
from vectra_bot.imports.frames import (
    capture_item,
    has_time,
    label_of,
    trade_id,
    trade_item,
)
from vectra_bot.imports.games import GameReader
from vectra_bot.imports.lines import TextFile, TextRow
from vectra_bot.imports.report import FileReport
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

MAX_CAPTURES: Final = 64
"""Limit of captures in one file; the rows of further ones are bad."""
MAX_TRADE_IDS: Final = 1_000_000
STRATEGY: Final = "watch"
_TOLD_EVERY: Final = 512
_NO_RECORDING: Final = "not a recording: no row of a capture, of trades, games or a leaderboard"
_KEYS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("capture", frozenset(("event", "args"))),
    ("capture", frozenset(("event", "data"))),
    ("seeded_games", frozenset(("id", "serverSeed", "prices"))),
    ("recorded_prices", frozenset(("game_id", "prices", "rug_price"))),
    ("leaderboard", frozenset(("gameId", "tick", "row"))),
    ("trades", frozenset(("gameId", "type", "tickIndex"))),
)


def kind_of(row: TextRow) -> str:
    """Return the kind of a row, empty if it cannot be imported."""
    if "event" in row.fields and ("t" in row.fields or "dir" in row.fields):
        return "capture"
    keys = row.fields.keys()
    return next((kind for kind, needed in _KEYS if needed <= keys), "")


class _Sink(Protocol):
    """Destination of the rows of one session."""

    async def put(self, item: Any) -> bool:
        """Store the result of a row; False if it could not be decoded, though it is stored."""


@attrs.define
class _Capture:
    """One session's rows within the file."""

    label: str
    first: int
    last: int
    timed: bool = False


@attrs.define
class TextImport:
    """One import of a text file."""

    text: TextFile
    config: ImportConfig
    report: FileReport = attrs.field(init=False)
    _sha256: str = ""
    _captures: dict[str, _Capture] = attrs.field(factory=dict)
    _done: int = 0

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
        self._sha256 = digest_of(self.text.path)
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
        """Detect the kind of the file by its first recognised row, and find its captures."""
        for row in self._rows():
            kind = "" if row.fault else kind_of(row)
            if not kind:
                continue
            self.report.kind = self.report.kind or kind
            if kind != self.report.kind:
                continue
            label = label_of(row, kind)
            known = self._captures.get(label)
            if known is None:
                if len(self._captures) >= MAX_CAPTURES:
                    continue
                known = self._captures[label] = _Capture(label, row.number, row.number)
            known.last = row.number
            known.timed = known.timed or has_time(row, kind)

    async def _sessions(self) -> list[bool]:
        """Import the captures one by one; return for each whether it was in the store already."""
        return [await self._session(capture) for capture in self._captures.values()]

    async def _session(self, capture: _Capture) -> bool:
        report, config = self.report, self.config
        facts = (self._sha256,) if len(self._captures) == 1 else (self._sha256, capture.label)
        session_id = config.session_id or session_of(*facts)
        done = not make_room(config.store, session_id, self._sha256)
        report.sessions.append(session_id)
        opened: AbstractAsyncContextManager[_Sink | None]
        opened = nullcontext() if done else self._sink(self._plan(session_id, capture))
        async with opened as sink:
            await self._read(capture, _reader(report.kind, capture, session_id), sink)
        return done

    async def _read(
        self, capture: _Capture, read: Callable[[TextRow], Any], sink: _Sink | None
    ) -> None:
        """Read the rows of one capture into its session, if it is not in the store already."""
        first = capture is next(iter(self._captures.values()))
        seen: set[str] = set()
        for row in self._rows(count=True):
            if row.number % _TOLD_EVERY == 0:
                await asyncio.sleep(0)  # where Ctrl-C is handled
            if not first and not capture.first <= row.number <= capture.last:
                continue
            if self._is_of(row, capture, first=first):
                await self._one(row, read, sink, seen)

    def _is_of(self, row: TextRow, capture: _Capture, *, first: bool) -> bool:
        """Return whether a row belongs to *capture*; others are reported during the first capture."""
        kind = "" if row.fault else kind_of(row)
        if kind == self.report.kind:
            label = label_of(row, kind)
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

    async def _one(
        self, row: TextRow, read: Callable[[TextRow], Any], sink: _Sink | None, seen: set[str]
    ) -> None:
        report = self.report
        try:
            item = read(row)
            if report.kind == "trades":
                name = trade_id(row)
                if name in seen:
                    report.repeat()
                    return
                if name is not None and len(seen) < MAX_TRADE_IDS:
                    seen.add(name)
        except RowRefused as error:
            report.refuse(row.number, error.reason, error.value)
            return
        if sink is None:
            report.repeat()
            return
        readable = await sink.put(item)
        report.accept()
        report.quarantined += not readable

    @asynccontextmanager
    async def _sink(self, plan: SessionPlan) -> AsyncIterator[_Sink]:
        """Start a session of the store and end it after the block; an exception leaves it incomplete."""
        store, report = self.config.store, self.report
        if report.kind in ("capture", "trades"):
            tally = _CountingTally(plan.engine(), report=report)
            async with host(plan, tally, NoGateway("an import sends nothing")) as session:
                yield _FrameSink(session.shell, report)
                session.note(finished_document(told(report), session.shell.engine.now_ns))
                await session.shell.end(IMPORTED)
        else:
            with hosted_journal(store, plan.header) as journal:
                sink = _DocumentSink(journal, report)
                yield sink
                sink.add([finished_document(told(report), sink.last_ns)])
                with journal.closing(IMPORTED, ts_ns=sink.last_ns):
                    build_parts(journal.directory, store)

    def _plan(self, session_id: str, capture: _Capture) -> SessionPlan:
        source = resolve_strategy(STRATEGY)
        about = {
            "sha256": self._sha256,
            "file": self.text.path.name,
            "kind": self.report.kind,
            "capture": capture.label,
            "timed": capture.timed,
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


def _reader(kind: str, capture: _Capture, session_id: str) -> Callable[[TextRow], Any]:
    """Return a function that converts rows of a kind; it raises RowRefused for the others."""
    if kind == "capture":
        return lambda row: capture_item(row, timed=capture.timed)
    if kind == "trades":
        return lambda row: trade_item(row, timed=capture.timed)
    games = GameReader(session_id)
    return {
        "seeded_games": games.seeded,
        "recorded_prices": games.recorded,
        "leaderboard": games.leaderboard,
    }[kind]


@attrs.frozen
class _FrameSink:
    """Replays frames through the engine into a session."""

    shell: Shell
    report: FileReport

    async def put(self, item: FeedItem) -> bool:
        before = self.shell.counts.quarantined
        await self.shell.take(item)
        self.report.documents["ws_event"] += isinstance(item, Frame)
        return self.shell.counts.quarantined == before


@attrs.define
class _CountingTally(SessionTally):
    """Counts the documents that are stored."""

    report: FileReport = attrs.field(kw_only=True)

    def after(self, document: Document) -> None:
        super().after(document)
        self.report.documents[document.doc_type.value] += 1


@attrs.define
class _DocumentSink:
    """Writes documents that were made without an engine to a journal."""

    journal: Journal
    report: FileReport
    last_ns: int = 0

    async def put(self, item: list[Document]) -> bool:
        self.add(item)
        for document in item:
            self.report.documents[document.doc_type.value] += 1
            self.last_ns = max(self.last_ns, document.ts_ns)
        return True

    def add(self, documents: list[Document]) -> None:
        """Append *documents* to the journal as one group."""
        first = self.journal.last_seq + 1
        self.journal.append(
            [Entry.of_document(seq, document) for seq, document in enumerate(documents, first)]
        )


__all__ = ["MAX_CAPTURES", "TextImport", "kind_of"]
