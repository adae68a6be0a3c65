"""Stores for tests of readers: documents in listed parts, written without a journal."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.store.samples import SESSION
from vectra_bot.models import SCHEMA_VERSION, DocType, Document, Envelope, Mode
from vectra_bot.serde import document_columns, document_packer
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


def write_frames(root: Path, frames: int, session_id: str = SESSION) -> Part:
    """Write a part of incompressible raw frames, 5,000 bytes each, numbered from 1."""
    chance = random.Random(frames)
    rows = []
    for seq in range(1, frames + 1):
        values = {
            "session_id": session_id,
            "seq": seq,
            "doc_type": DocType.WS_EVENT.value,
            "schema_version": SCHEMA_VERSION,
            "mode": Mode.PAPER.value,
            "venue": "embedded",
            "source": "engine",
            "ts_ns": seq,
            "game_id": "game-1",
            "direction": "in",
            "event_name": "gameStateUpdate",
            "raw_json": chance.randbytes(2_500).hex(),
        }
        rows.append(tuple(values.get(column.name) for column in document_columns(DocType.WS_EVENT)))
    return write_part(root, DocType.WS_EVENT, session_id, 1, rows)
