"""Text files into a store: one session for each capture, one for each file of games, trades or rows.

A file is read twice: first to see what it is and which captures it holds, then each capture from its first
row to its last. Rows of frames and trades are replayed through the engine with the strategy that only
watches, so that their documents are made by what makes them in life; whole games and leaderboard rows become
documents of their own. All are journaled as any session is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import attrs

from vectra_bot.actions.risk import Limits
from vectra_bot.audit.auditor import FairAuditor
from vectra_bot.clock import WallClock
from vectra_bot.engine import Engine
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
from vectra_bot.journal import Entry, Journal, journal_directory
from vectra_bot.loading import resolve_strategy
from vectra_bot.models import Document, Frame, Mode
from vectra_bot.models.times import NS_PER_S
from vectra_bot.plugins import PluginManager
from vectra_bot.report.session import SessionTally, assumed_rounds
from vectra_bot.session.header import make_header
from vectra_bot.session.shell import NoGateway, Shell
from vectra_bot.store.parquet.builder import begin_session, build_parts
from vectra_bot.strategy import configure

MAX_CAPTURES: Final = 64
"""Captures of one file; the rows of further ones are bad."""
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
    """Return what a row is one of, empty if it is nothing that can be imported."""
    if "event" in row.fields and ("t" in row.fields or "dir" in row.fields):
        return "capture"
    keys = row.fields.keys()
    return next((kind for kind, needed in _KEYS if needed <= keys), "")


class _Sink(Protocol):
    """Where the rows of one session go."""

    def put(self, row: TextRow, item: Any) -> bool:
        """Take what was made of a row; False if nobody can read it, though it is stored."""

    def close(self, report: FileReport) -> None:
        """End the session."""

    def abandon(self) -> None:
        """Leave the session half done; harmless after :meth:`close`."""


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
        """Import the file and return what became of its rows.

        Raises:
            ConfigError: a session id was given and the file holds several captures.
            StoreError: a session's id is taken by something else, or the disk refuses.
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
        already = [self._session(capture) for capture in self._captures.values()]
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
        """Find what the file is by its first row that is anything, and which captures it holds."""
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

    def _session(self, capture: _Capture) -> bool:
        """Import one capture; return whether it stood there already."""
        report, config = self.report, self.config
        first = capture is next(iter(self._captures.values()))
        facts = (self._sha256,) if len(self._captures) == 1 else (self._sha256, capture.label)
        session_id = config.session_id or session_of(*facts)
        done = not make_room(config.store, session_id, self._sha256)
        report.sessions.append(session_id)
        read = _reader(report.kind, capture, session_id)
        sink = None if done else self._sink(session_id, capture)
        seen: set[str] = set()
        try:
            for row in self._rows(count=True):
                if not first and not capture.first <= row.number <= capture.last:
                    continue
                if not self._is_of(row, capture, first=first):
                    continue
                self._one(row, read, sink, seen)
            if sink is not None:
                sink.close(report)
        finally:
            if sink is not None:
                sink.abandon()
        return done

    def _is_of(self, row: TextRow, capture: _Capture, *, first: bool) -> bool:
        """Return whether a row belongs to *capture*; rows of none are named while the first is read."""
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

    def _one(
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
        readable = sink.put(row, item)
        report.accept()
        report.quarantined += not readable

    def _sink(self, session_id: str, capture: _Capture) -> _Sink:
        header = self._header(session_id, capture)
        if self.report.kind in ("capture", "trades"):
            return _FrameSink(self.config, header, self.report)
        return _DocumentSink(self.config, header, self.report)

    def _header(self, session_id: str, capture: _Capture) -> dict[str, Any]:
        source = resolve_strategy(STRATEGY)
        header = make_header(
            session_id=session_id,
            mode=Mode.REPLAY,
            venue=self.config.venue_name,
            source=source,
            strategy=configure(source.cls, {}),
            plugins=PluginManager(),
            config=None,
            limits=Limits(),
            start_ns=0,
        )
        about = {
            "sha256": self._sha256,
            "file": self.text.path.name,
            "kind": self.report.kind,
            "capture": capture.label,
            "timed": capture.timed,
        }
        return {**header, "audit": True, "import": about}


def _reader(kind: str, capture: _Capture, session_id: str) -> Callable[[TextRow], Any]:
    """Return what makes something of the rows of a kind; it raises RowRefused for the others."""
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


class _Shell(Shell):
    """A shell that also takes documents of the import itself."""

    def note(self, document: Document) -> None:
        """Journal a document that follows from no input."""
        self._append([Entry.of_document(self._next(), document)])


class _FrameSink:
    """Replays frames through the engine into a session."""

    def __init__(self, config: ImportConfig, header: dict[str, Any], report: FileReport) -> None:
        session_id = header["session_id"]
        source = resolve_strategy(STRATEGY)
        engine = Engine(
            session_id=session_id,
            mode=Mode.REPLAY,
            strategy=configure(source.cls, {}),
            plugins=PluginManager(),
            limits=Limits(),
            auditor=FairAuditor(session_id),
        )
        self._report = report
        self._loop = asyncio.Runner()
        journal = Journal.create(journal_directory(config.store, session_id), header)
        try:
            begin_session(config.store, session_id)
        except BaseException:
            journal.abandon()
            raise
        stats = _CountingStats(engine, assumed_rounds())
        stats.report = report
        self._shell = _Shell(
            engine, journal, NoGateway("an import sends nothing"), stats, config.store
        )
        self._closed = False

    def put(self, row: TextRow, item: Any) -> bool:
        before = self._shell.counts.quarantined
        self._loop.run(self._shell.take(item))
        self._report.documents["ws_event"] += isinstance(item, Frame)
        return self._shell.counts.quarantined == before

    def close(self, report: FileReport) -> None:
        shell = self._shell
        shell.note(finished_document(told(report), shell.engine.now_ns))
        self._loop.run(shell.end(IMPORTED))
        self._closed = True

    def abandon(self) -> None:
        if not self._closed:
            self._shell.abandon()
        self._loop.close()


@attrs.define
class _CountingStats(SessionTally):
    """Counts the documents that are stored."""

    report: FileReport = attrs.field(init=False)

    def after(self, document: Document) -> None:
        super().after(document)
        self.report.documents[document.doc_type.value] += 1


class _DocumentSink:
    """Journals documents that were made without an engine."""

    def __init__(self, config: ImportConfig, header: dict[str, Any], report: FileReport) -> None:
        self._store = config.store
        self._report = report
        self._journal = Journal.create(
            journal_directory(config.store, header["session_id"]), header
        )
        self._last_ns = 0
        try:
            begin_session(config.store, header["session_id"])
        except BaseException:
            self._journal.abandon()
            raise

    def put(self, row: TextRow, item: list[Document]) -> bool:
        seq = self._journal.last_seq
        self._journal.append(
            [Entry.of_document(seq + n, document) for n, document in enumerate(item, 1)]
        )
        for document in item:
            self._report.documents[document.doc_type.value] += 1
            self._last_ns = max(self._last_ns, document.ts_ns)
        return True

    def close(self, report: FileReport) -> None:
        document = finished_document(told(report), self._last_ns)
        self._journal.append([Entry.of_document(self._journal.last_seq + 1, document)])
        with self._journal.closing(IMPORTED, ts_ns=self._last_ns):
            build_parts(self._journal.directory, self._store)

    def abandon(self) -> None:
        self._journal.abandon()


__all__ = ["MAX_CAPTURES", "TextImport", "kind_of"]
