"""Size of a store according to its manifests; no row is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
from attrs import define, field

from vectra_bot.errors import StoreError, VectraError
from vectra_bot.models import DocType
from vectra_bot.store.maintenance.check import Progress, no_progress, sessions_of
from vectra_bot.store.parquet.manifest import MANIFEST, Part, decode_lines
from vectra_bot.store.tree import Tree, open_tree

_PACKED = (".log.zst", ".log.gz")


@define
class DocumentCount:
    """Documents of one kind, or of one session.

    Attributes:
        documents: rows.
        files: Parquet files.
        bytes: of the files.
    """

    documents: int = 0
    files: int = 0
    bytes: int = 0

    def add(self, part: Part) -> None:
        """Count a file."""
        self.documents += part.rows
        self.files += 1
        self.bytes += part.bytes


@define
class SessionStats:
    """One session.

    Attributes:
        state: ``closed``, ``running``, ``killed`` (``store recover`` finishes it), ``unknown`` (its lock
            cannot be read: it is running or was killed), ``damaged`` (its journal is corrupt) or
            ``no_journal`` (imported, or its journal is elsewhere, for example in a spool).
        held: its documents.
        raw_bytes: of journal segments that are not compressed.
        compressed_bytes: of those that are.
        first_ns, last_ns: times of its first and last document, None if it has none or they are unknown.
        corrupt: number of files that are missing or whose size differs from their manifest, and of
            manifests that cannot be read; ``store check`` reads every byte.
    """

    session_id: str
    state: str = "no_journal"
    held: DocumentCount = field(factory=DocumentCount)
    raw_bytes: int = 0
    compressed_bytes: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    corrupt: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON-ready data."""
        return {
            "session_id": self.session_id,
            "state": self.state,
            **attrs.asdict(self.held),
            "journal_raw_bytes": self.raw_bytes,
            "journal_compressed_bytes": self.compressed_bytes,
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "damaged": self.corrupt,
        }


@define
class StoreStats:
    """Totals of a store."""

    store: str
    sessions: list[SessionStats] = field(factory=list)
    by_type: dict[DocType, DocumentCount] = field(factory=dict)

    @property
    def total(self) -> DocumentCount:
        """All documents of the store."""
        held = self.by_type.values()
        return DocumentCount(
            sum(h.documents for h in held), sum(h.files for h in held), sum(h.bytes for h in held)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON-ready data."""
        states = [session.state for session in self.sessions]
        return {
            "store": self.store,
            **attrs.asdict(self.total),
            "journal_raw_bytes": sum(s.raw_bytes for s in self.sessions),
            "journal_compressed_bytes": sum(s.compressed_bytes for s in self.sessions),
            "first_ns": min(
                (s.first_ns for s in self.sessions if s.first_ns is not None), default=None
            ),
            "last_ns": max(
                (s.last_ns for s in self.sessions if s.last_ns is not None), default=None
            ),
            "running": states.count("running"),
            "unfinished": states.count("killed"),
            "damaged": sum(s.corrupt for s in self.sessions) + states.count("damaged"),
            "by_doc_type": {kind.value: attrs.asdict(held) for kind, held in self.by_type.items()},
            "sessions": [session.to_json() for session in self.sessions],
        }


def store_stats(store: str | Path, *, progress: Progress = no_progress) -> StoreStats:
    """Count the content of *store*, on a disk or in an object store: sessions, documents, files and bytes.

    Raises:
        InputError: there is no store.
    """
    tree, root = open_tree(store)
    stats = StoreStats(str(store))
    found = sessions_of(tree)
    for done, (session_id, doc_types) in enumerate(sorted(found.items())):
        progress("read manifests", done, len(found))
        session = SessionStats(session_id)
        if root is not None:
            _add_journal(session, root / "journals" / session_id)
        for doc_type in doc_types:
            parts = _parts(tree, session, doc_type)
            for part in parts:
                session.held.add(part)
                stats.by_type.setdefault(doc_type, DocumentCount()).add(part)
            _add_times(tree, session, parts)
        stats.sessions.append(session)
    order = list(DocType)
    stats.by_type = dict(sorted(stats.by_type.items(), key=lambda pair: order.index(pair[0])))
    return stats


def _parts(tree: Tree, session: SessionStats, doc_type: DocType) -> list[Part]:
    folder = f"doc_type={doc_type.value}/session_id={session.session_id}"
    try:
        sizes = {name: state.size for name, state in tree.files(folder).items()}
        if MANIFEST not in sizes:
            session.corrupt += any(name.endswith(".parquet") for name in sizes)
            return []
        parts = decode_lines(tree.read(f"{folder}/{MANIFEST}"), folder)
    except (StoreError, OSError):
        session.corrupt += 1
        return []
    session.corrupt += sum(sizes.get(part.name) != part.bytes for part in parts)
    return parts


def _add_journal(session: SessionStats, directory: Path) -> None:
    from vectra_bot.journal import never_began, writer_of
    from vectra_bot.store.maintenance.sessions import lost_its_journal, was_closed

    if not directory.is_dir():
        return
    try:
        for path in directory.iterdir():
            if path.name.endswith(_PACKED):
                session.compressed_bytes += path.stat().st_size
            elif path.suffix == ".log":
                session.raw_bytes += path.stat().st_size
        writer = writer_of(directory)
        if writer:
            session.state = "running"
        elif lost_its_journal(directory.parent.parent, directory.name):
            session.state = "damaged"
        elif never_began(directory) or was_closed(directory):
            session.state = "closed"
        else:
            session.state = "killed" if writer is False else "unknown"
    except PermissionError:
        session.state = "unknown"
    except (VectraError, OSError):
        session.state = "damaged"


def _add_times(tree: Tree, session: SessionStats, parts: Iterable[Part]) -> None:
    """Extend the session's time range by that of its first and last file."""
    filled = sorted((part for part in parts if part.rows), key=lambda part: part.first_seq)
    for part in {filled[0].path, filled[-1].path} if filled else ():
        try:
            times = tree.times(part)
        except OSError:
            continue  # counted as corrupt elsewhere
        if times is not None:
            first, last = times
            session.first_ns = min(
                first, session.first_ns if session.first_ns is not None else first
            )
            session.last_ns = max(last, session.last_ns if session.last_ns is not None else last)
