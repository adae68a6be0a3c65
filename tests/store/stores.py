"""Stores for the tests of what reads them: documents in listed parts, written without a journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from tests.store.samples import SESSION
from vectra_bot.models import DocType, Document, Envelope, Mode
from vectra_bot.serde import document_packer
from vectra_bot.store.parquet.manifest import Part
from vectra_bot.store.parquet.writer import write_part


def write_documents(
    root: Path,
    documents: Iterable[Document],
    session_id: str = SESSION,
    *,
    number: int = 1,
    first_seq: int = 1,
    venue: str = "embedded",
) -> list[Part]:
    """Write *documents*, numbered from *first_seq*, as one part of each kind."""
    rows: dict[DocType, list[tuple[object, ...]]] = {}
    for seq, document in enumerate(documents, first_seq):
        envelope = Envelope(
            session_id=session_id,
            seq=seq,
            doc_type=document.doc_type,
            mode=Mode.PAPER,
            venue=venue,
            source=document.source,
            ts_ns=document.ts_ns,
            game_id=document.game_id,
            player_id=document.player_id,
        )
        row = document_packer(document.doc_type)(envelope, document.record)
        rows.setdefault(document.doc_type, []).append(row)
    return [write_part(root, kind, session_id, number, made) for kind, made in rows.items()]


def write_ticks(
    root: Path,
    make: Callable[[int], Document],
    parts: int,
    *,
    each: int = 2,
    session_id: str = SESSION,
) -> list[Part]:
    """Write *parts* parts of *each* documents that *make* makes of their numbers."""
    return [
        part
        for index in range(parts)
        for part in write_documents(
            root,
            [make(index * each + place) for place in range(1, each + 1)],
            session_id,
            number=index + 1,
            first_seq=index * each + 1,
        )
    ]
