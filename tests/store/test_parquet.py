"""Parts hold every document exactly, appear whole, and are the same when built again."""

from __future__ import annotations

import hashlib
from datetime import UTC
from pathlib import Path
from typing import Any

import attrs
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.strategies import records
from tests.store.samples import (
    BUY_RAW,
    HEADER,
    SESSION,
    TICK_RAW,
    TRACE,
    memory_folder,
    small_session,
    tick_document,
)
from vectra_bot.errors import JournalError, StoreError
from vectra_bot.models import RECORDS, Direction, DocType, Document, Envelope, Frame, Mode
from vectra_bot.serde import document_columns, document_from_row, document_packer
from vectra_bot.store.entry import Entry
from vectra_bot.store.journal import Journal, journal_directory, list_segments
from vectra_bot.store.parquet import (
    begin_session,
    build_parts,
    manifest_path,
    part_path,
    read_manifests,
    write_part,
)
from vectra_bot.store.schema import schema_of


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def _journal(store: Path, **options: Any) -> Journal:
    return Journal.create(journal_directory(store, SESSION), HEADER, **options)


def _rows(store: Path, doc_type: DocType) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in sorted((store / f"doc_type={doc_type.value}").glob("**/*.parquet")):
        with path.open("rb") as file:
            rows += pq.ParquetFile(file, page_checksum_verification=True).read().to_pylist()
    return rows


def _utc(row: dict[str, Any]) -> dict[str, Any]:
    """Return *row* with times in the standard library's UTC."""
    return {k: v.astimezone(UTC) if hasattr(v, "astimezone") else v for k, v in row.items()}


@given(st.data())
def test_every_document_survives_parquet(data: st.DataObject) -> None:
    """Any documents of any kind read back from a part exactly as they were written."""
    doc_type = data.draw(st.sampled_from(DocType))
    documents = data.draw(st.lists(records(RECORDS[doc_type]), max_size=4))
    pack = document_packer(doc_type)
    envelopes = [
        Envelope(
            session_id=getattr(record, "session_id", SESSION),
            seq=seq,
            doc_type=doc_type,
            mode=getattr(record, "mode", Mode.LIVE),
            venue="embedded",
            source="engine",
            ts_ns=seq * 10,
            game_id=getattr(record, "game_id", None) or "",
            player_id=getattr(record, "player_id", None) or "",
        )
        for seq, record in enumerate(documents)
    ]
    with memory_folder() as folder:
        root = Path(folder)
        rows = [pack(e, r) for e, r in zip(envelopes, documents, strict=True)]
        part = write_part(root, doc_type, SESSION, 1, rows)
        read = _rows(root, doc_type)
        assert [document_from_row(_utc(row)) for row in read] == list(
            zip(envelopes, documents, strict=True)
        )
        assert part.rows == len(documents)


def test_frames_and_sent_requests_are_ws_events(store: Path) -> None:
    """Inbound frames and what was sent become rows with name and trace id; a login never does."""
    journal = _journal(store)
    journal.append(small_session())
    frames = [
        Frame(1, '42["authenticate",{"token":"secret"}]', Direction.OUT),
        Frame(2, '4329[{"success":true}]'),
        Frame(3, f'42["newTrade",{{"x":"{"y" * 300}"}},{{"traceparent":"00-{TRACE}-1-01"}}]'),
    ]
    journal.append([Entry.of_frame(8 + i, frame) for i, frame in enumerate(frames)])
    journal.close("done")
    build_parts(journal.directory, store)
    rows = _rows(store, DocType.WS_EVENT)
    found = [(r["seq"], r["direction"], r["event_name"], r["trace_id"]) for r in rows]
    assert found == [
        (1, "in", "gameStateUpdate", None),
        (4, "out", "buyOrder", TRACE),
        (9, "in", None, None),
        (10, "in", "newTrade", None),
    ]
    assert [rows[0]["raw_json"], rows[1]["raw_json"]] == [TICK_RAW, BUY_RAW]
    assert {row["session_id"] for row in rows} == {SESSION}


def test_parts_appear_with_each_closed_segment(store: Path) -> None:
    """A closed segment's parts can be read while the session goes on; the open one has none."""
    journal = _journal(store)
    journal.append(small_session())
    assert [part.rows for part in build_parts(journal.directory, store)] == [0, 0]
    journal.roll()
    journal.append([Entry.of_document(8, tick_document(4))])
    parts = build_parts(journal.directory, store)
    assert {part.doc_type: part.rows for part in parts} == {
        DocType.WS_EVENT: 2,
        DocType.GAME_TICK: 1,
        DocType.SERVER_STATE: 1,
        DocType.PLAYER_ACTION: 1,
    }
    assert [row["tick"] for row in _rows(store, DocType.GAME_TICK)] == [3]
    assert build_parts(journal.directory, store) == []
    journal.close("done")
    build_parts(journal.directory, store)
    assert [row["tick"] for row in _rows(store, DocType.GAME_TICK)] == [3, 4]


def test_building_again_gives_the_same_files(store: Path) -> None:
    """What a crash interrupted is built again to the same bytes, and nothing unfinished is visible."""
    journal = _journal(store)
    journal.append(small_session())
    journal.close("done")
    build_parts(journal.directory, store)
    before = {path: path.read_bytes() for path in store.glob("doc_type=*/**/*.parquet")}
    manifest_path(journal.directory, 1).unlink()
    victim = part_path(store, DocType.PLAYER_ACTION, SESSION, 1)
    victim.unlink()
    victim.with_name(".part-000001.parquet.tmp").write_bytes(b"half")
    build_parts(journal.directory, store)
    assert {path: path.read_bytes() for path in store.glob("doc_type=*/**/*.parquet")} == before


def test_manifest_lists_parts_with_their_digest(store: Path) -> None:
    """A segment's list of parts says rows, range and SHA-256 of what stands on the disk."""
    journal = _journal(store)
    journal.append(small_session())
    journal.close("done")
    build_parts(journal.directory, store)
    parts = list(read_manifests(journal.directory))
    assert {part.doc_type for part in parts} >= {DocType.WS_EVENT, DocType.PLAYER_ACTION}
    for part in parts:
        data = (store / part.path).read_bytes()
        assert (part.bytes, part.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    ws_event = next(part for part in parts if part.doc_type is DocType.WS_EVENT)
    assert (ws_event.rows, ws_event.first_seq, ws_event.last_seq) == (2, 1, 4)
    manifest_path(journal.directory, 1).write_text("{")
    with pytest.raises(StoreError, match="delete it, the parts are built again"):
        list(read_manifests(journal.directory))


def test_sessions_begin_with_empty_parts(store: Path) -> None:
    """The kinds that the schema's SQL names have a file with their schema from the start."""
    begin_session(store, SESSION)
    for doc_type in (DocType.PLAYER_ACTION, DocType.OTHER_PLAYER_ACTION):
        schema = pq.read_schema(part_path(store, doc_type, SESSION, 0))
        assert schema.names == [column.name for column in document_columns(doc_type)]
    assert begin_session(store, SESSION) == []


@pytest.mark.parametrize("doc_type", DocType, ids=lambda d: d.value)
def test_schema_says_version_and_units(doc_type: DocType) -> None:
    """Every file names its schema version, and what its numbers mean."""
    schema = schema_of(doc_type)
    assert schema.metadata[b"vectra.schema_version"] == b"2.0.0"
    for column in document_columns(doc_type):
        field = schema.field(column.name)
        assert field.nullable is not column.required
        if column.kind == "sol":
            assert str(field.type) == "decimal128(38, 9)"
            assert field.metadata[b"unit"].startswith(b"SOL")


def test_pyarrow_reads_the_whole_tree(store: Path) -> None:
    """Folder names and columns of the same name agree for readers that join both."""
    journal = _journal(store)
    journal.append(small_session())
    journal.close("done")
    build_parts(journal.directory, store)
    table = pq.read_table(store / "doc_type=player_action")
    assert table.column("session_id").to_pylist() == [SESSION]


def test_flipped_page_is_noticed(store: Path) -> None:
    """Page checksums stand in the files: a flipped bit in the data is an error, not a value."""
    journal = _journal(store)
    journal.append([Entry.of_document(i + 1, tick_document(i, 1.1**i)) for i in range(200)])
    journal.close("done")
    build_parts(journal.directory, store)
    path = part_path(store, DocType.GAME_TICK, SESSION, 1)
    column = pq.ParquetFile(path).metadata.row_group(0).column(11)
    assert column.path_in_schema == "price"
    data = bytearray(path.read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(OSError, match=r"(?i)crc|checksum|decompress"):
        _rows(store, DocType.GAME_TICK)


def test_a_document_that_fits_no_schema_is_named(store: Path) -> None:
    """A journal changed to hold a wrong record gives an error with the entry's number."""
    journal = _journal(store)
    document = tick_document(1)
    bad = Entry.of_document(1, document)
    record = {**bad.data["record"], "tick": "one"}
    journal.append([Entry(1, "doc", 5, {**bad.data, "record": record})])
    journal.close("done")
    with pytest.raises(JournalError, match=r"entry 1 cannot become a row: .*'one' is not int"):
        build_parts(journal.directory, store)


def test_segments_left_raw_are_compressed(store: Path) -> None:
    """Building parts also finishes the compression that a kill prevented."""
    journal = _journal(store)
    journal.append(small_session())
    journal.append([Entry(8, "close", 5, {"reason": "done"})])
    journal.abandon()
    assert [segment.is_raw for segment in list_segments(journal.directory)] == [True]
    build_parts(journal.directory, store)
    assert [segment.is_raw for segment in list_segments(journal.directory)] == [False]
    assert len(_rows(store, DocType.PLAYER_ACTION)) == 1


def test_documents_of_another_session_are_refused(store: Path) -> None:
    """A record that names another session than the header cannot slip into its parts."""
    document = small_session()[-1].document()
    other = attrs.evolve(document.record, session_id="s-2")
    journal = _journal(store)
    changed = Document(doc_type=document.doc_type, record=other, ts_ns=1, source="x", game_id="g-1")
    journal.append([Entry.of_document(1, changed)])
    journal.close("done")
    with pytest.raises(JournalError, match="session_id was 's-1' in the envelope and 's-2'"):
        build_parts(journal.directory, store)
