"""Parts contain every document exactly, appear complete, and are the same when rebuilt."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import random
import shutil
import zlib
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import attrs
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
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
from vectra_bot.fsio import files
from vectra_bot.journal import Entry, Journal, journal_directory, list_segments
from vectra_bot.models import RECORDS, Direction, DocType, Document, Envelope, Frame, Mode
from vectra_bot.serde import document_columns, document_from_row, document_packer
from vectra_bot.store.parquet import builder as parquet
from vectra_bot.store.parquet.builder import (
    begin_session,
    build_parts,
    doc_type_of,
    manifest_path,
    part_path,
    read_manifests,
    read_segment_record,
    write_part,
)
from vectra_bot.store.parquet.compaction import compact_all
from vectra_bot.store.parquet.manifest import Part, part_folder, read_manifest
from vectra_bot.store.parquet.segment_record import has_record
from vectra_bot.store.parquet.writer import open_part, part_of


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


@settings(settings.get_profile("costly"))
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
    """Inbound frames and sent requests become rows with name and trace id; a login never does."""
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
    """A closed segment's parts can be read while the session continues; the open one has none."""
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
    """Parts interrupted by a crash are rebuilt to the same bytes, and nothing incomplete is visible."""
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


def _listed(store: Path) -> list[Part]:
    folders = sorted(store.glob("doc_type=*/session_id=*"))
    return [part for folder in folders for part in read_manifest(folder)]


def test_manifest_lists_parts_with_their_digests(store: Path) -> None:
    """Each folder's manifest has rows, range and checksums of the files on the disk, once."""
    journal = _journal(store)
    journal.append(small_session())
    journal.close("done")
    build_parts(journal.directory, store)
    parts = _listed(store)
    assert sorted(part.path for part in parts) == sorted(
        path.relative_to(store).as_posix() for path in store.glob("doc_type=*/**/*.parquet")
    )
    for part in parts:
        data = (store / part.path).read_bytes()
        assert (part.bytes, part.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert part.crc32 == zlib.crc32(data)
        assert part_of(store, store / part.path) == part
    ws_event = next(part for part in parts if part.doc_type is DocType.WS_EVENT)
    assert (ws_event.rows, ws_event.first_seq, ws_event.last_seq) == (2, 1, 4)
    action = next(part for part in parts if part.doc_type is DocType.PLAYER_ACTION and part.rows)
    assert list(action.sketches) == ["timestamps_total_latency_ms"]


def test_segment_record_lists_what_is_open(store: Path) -> None:
    """A segment's record lists the intents in it and the actions that were decided in it."""
    journal = _journal(store)
    assert read_segment_record(journal.directory, 1) is None
    journal.append(small_session()[:5])
    journal.roll()
    journal.append(small_session()[5:])
    journal.close("done")
    build_parts(journal.directory, store)
    first, second = (read_segment_record(journal.directory, n) for n in (1, 2))
    assert first is not None
    assert second is not None
    assert (first.first_seq, first.last_seq, first.entries) == (0, 5, 6)
    assert (dict(first.intents), set(first.decided)) == ({"a-1": 3}, set())
    assert (dict(second.intents), set(second.decided)) == ({}, {"a-1"})
    listed = {part.path for part in _listed(store) if part.rows}
    assert {part.path for part in read_manifests(journal.directory)} == listed


def test_no_flipped_bit_changes_a_segment_record(store: Path) -> None:
    """A record with any bit flipped is refused, never read as another one."""
    journal = _journal(store)
    journal.append(small_session())
    journal.close("done")
    build_parts(journal.directory, store)
    path = manifest_path(journal.directory, 1)
    whole, record = path.read_bytes(), read_segment_record(journal.directory, 1)
    chance = random.Random(4)
    for _ in range(300):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            assert read_segment_record(journal.directory, 1) == record
        except StoreError as error:
            assert "delete it, the parts are then rebuilt" in str(error)  # noqa: PT017 - or none


def test_no_flipped_bit_or_cut_passes_the_check_of_a_file(store: Path) -> None:
    """A flipped bit or a truncation anywhere in a file makes opening it an error."""
    journal = _journal(store)
    journal.append([Entry.of_document(i + 1, tick_document(i, 1.1**i)) for i in range(200)])
    journal.close("done")
    build_parts(journal.directory, store)
    part = read_manifest(part_folder(store, DocType.GAME_TICK, SESSION))[0]
    whole = (store / part.path).read_bytes()
    chance = random.Random(5)
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        for data in (flipped, whole[: chance.randrange(len(whole))]):
            (store / part.path).write_bytes(data)
            with pytest.raises(StoreError, match="is corrupt"), open_part(store, part):
                pass


class _Crash(BaseException):
    """Ends the run as a kill would, as far as Python allows."""


def _crashes(store: Path, journal_dir: Path) -> Iterator[int]:
    """Build parts repeatedly, each time up to one operation further, until the build ends."""
    for last in range(1, 1_000):
        done = 0

        def count(op: files.Op) -> None:
            nonlocal done
            done += 1
            if done > last:  # noqa: B023 - used within its turn
                raise _Crash

        try:
            with files.observing(count):
                build_parts(journal_dir, store)
        except _Crash:
            yield last
        else:
            return
        for folder in (*store.glob("doc_type=*"), *journal_dir.glob("*.parts.json")):
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


def test_a_crash_at_any_step_is_repaired() -> None:
    """After a crash at each operation on the disk, a rebuild gives the same files, listed once."""
    with memory_folder() as folder:
        store, other = Path(folder) / "store", Path(folder) / "other"
        journal = _journal(store)
        journal.append(small_session()[:2])
        journal.close("done")
        directory = journal.directory
        shutil.copytree(directory, Path(folder) / "kept")
        build_parts(Path(folder) / "kept", other)
        whole = {path.relative_to(other): path.read_bytes() for path in other.rglob("*.*")}
        crashes = 0
        for crashes in _crashes(store, directory):  # noqa: B007 - the last number
            for path in store.glob("doc_type=*/**/*.parquet"):
                assert pq.read_metadata(path).num_rows >= 0
            build_parts(directory, store)
            found = store.glob("doc_type=*/**/*.*")
            assert {path.relative_to(store): path.read_bytes() for path in found} == whole
            assert has_record(directory, 1)
        assert crashes > 30


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_full_or_broken_disk_leaves_no_half_file(store: Path, code: int) -> None:
    """A disk error at any operation is one StoreError; existing files can be read."""
    journal = _journal(store)
    journal.append(small_session())
    journal.close("done")
    for failing in range(40):
        done = 0

        def refuse(op: files.Op) -> None:
            nonlocal done
            done += 1
            if done > failing:  # noqa: B023 - used within its turn
                raise OSError(code, "the disk")

        with files.observing(refuse), contextlib.suppress(StoreError):
            build_parts(journal.directory, store)
        for path in store.glob("doc_type=*/**/*.parquet"):
            assert pq.read_metadata(path).num_rows >= 0
    build_parts(journal.directory, store)
    assert len(_rows(store, DocType.PLAYER_ACTION)) == 1


def test_rows_go_to_the_file_in_groups(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a segment is, only a group of rows is in memory; all rows come in order."""
    monkeypatch.setattr(parquet, "_TEXT_PER_GROUP", 3_000)
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 50)
    journal = _journal(store)
    for n in range(120):
        tick = Entry.of_document(2 * n + 2, tick_document(n))
        journal.append([Entry.of_frame(2 * n + 1, Frame(n, f"42[{'x' * 97}]")), tick])
    journal.close("done")
    build_parts(journal.directory, store)
    groups = {
        doc_type: pq.read_metadata(part_path(store, doc_type, SESSION, 1)).num_row_groups
        for doc_type in (DocType.WS_EVENT, DocType.GAME_TICK)
    }
    assert groups == {DocType.WS_EVENT: 4, DocType.GAME_TICK: 3}
    assert [row["tick"] for row in _rows(store, DocType.GAME_TICK)] == list(range(120))
    assert [row["seq"] for row in _rows(store, DocType.WS_EVENT)] == list(range(1, 240, 2))


def test_a_corrupt_record_is_rebuilt(store: Path) -> None:
    """The record of a segment is restored by building: to the same files and the same record."""
    journal = _journal(store)
    journal.append(small_session())
    journal.close("done")
    build_parts(journal.directory, store)
    path, before = manifest_path(journal.directory, 1), _listed(store)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"entries": 9', b'"entries": 8'))
    assert not has_record(journal.directory, 1)
    build_parts(journal.directory, store)
    assert (path.read_bytes(), _listed(store)) == (whole, before)


def test_a_segment_that_lost_its_end_gets_no_record(store: Path) -> None:
    """If the next segment does not continue the numbers, entries are missing: nothing is recorded."""
    journal = _journal(store)
    journal.append(small_session()[:3])
    first = journal.directory / "000001.log"
    raw = first.read_bytes()
    journal.roll()
    journal.append(small_session()[3:])
    journal.abandon()
    for packed in journal.directory.glob("000001.log*"):
        packed.unlink()
    third = raw.index(b"VJE2", raw.index(b"VJE2", raw.index(b"VJE2") + 1) + 1)
    first.write_bytes(raw[:third] + bytes(len(raw) - third))
    with pytest.raises(JournalError, match="missing"):
        build_parts(journal.directory, store)
    assert not has_record(journal.directory, 1)


def test_compacted_rows_are_not_built_again(store: Path) -> None:
    """Without its record a segment is rebuilt, except rows that are in a compacted file."""
    journal = _journal(store)
    journal.append(small_session())
    journal.close("done")
    build_parts(journal.directory, store)
    compact_all(store)
    before = _listed(store)
    manifest_path(journal.directory, 1).unlink()
    build_parts(journal.directory, store)
    assert _listed(store) == before
    assert has_record(journal.directory, 1)


def test_the_kind_of_an_entry_is_that_of_its_row(store: Path) -> None:
    """The kind of document of an entry is known without building."""
    journal = _journal(store)
    login = Entry.of_frame(8, Frame(1, '42["authenticate",{}]', Direction.OUT))
    entries = [*small_session(), login]
    journal.append(entries)
    journal.close("done")
    build_parts(journal.directory, store)
    expected = {e.seq: d for e in entries if (d := doc_type_of(e)) is not None}
    found = {row["seq"]: doc_type for doc_type in DocType for row in _rows(store, doc_type)}
    assert found == expected


def test_sessions_begin_with_empty_parts(store: Path) -> None:
    """The kinds in the schema's SQL have a file with their schema from the start."""
    begin_session(store, SESSION)
    for doc_type in (DocType.PLAYER_ACTION, DocType.OTHER_PLAYER_ACTION):
        schema = pq.read_schema(part_path(store, doc_type, SESSION, 0))
        assert schema.names == [column.name for column in document_columns(doc_type)]
    assert begin_session(store, SESSION) == []


def test_pyarrow_reads_the_whole_tree(store: Path) -> None:
    """Folder names and columns of the same name agree for readers that join both."""
    journal = _journal(store)
    journal.append(small_session())
    journal.close("done")
    build_parts(journal.directory, store)
    table = pq.read_table(store / "doc_type=player_action")
    assert table.column("session_id").to_pylist() == [SESSION]


def test_flipped_page_is_noticed(store: Path) -> None:
    """The files have page checksums: a flipped bit in the data is an error, not a value."""
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


def test_a_document_that_does_not_fit_its_schema_is_reported(store: Path) -> None:
    """A journal changed to contain a wrong record gives an error with the entry's number."""
    journal = _journal(store)
    document = tick_document(1)
    bad = Entry.of_document(1, document)
    record = {**bad.data["record"], "tick": "one"}
    journal.append([Entry.of(1, "doc", 5, {**bad.data, "record": record})])
    journal.close("done")
    with pytest.raises(JournalError, match=r"entry 1 cannot become a row: .*'one' is not int"):
        build_parts(journal.directory, store)


def test_segments_left_raw_are_compressed(store: Path) -> None:
    """Building parts also completes the compression that a kill prevented."""
    journal = _journal(store)
    journal.append(small_session())
    journal.append([Entry.of(8, "close", 5, {"reason": "done"})])
    journal.abandon()
    assert [segment.is_raw for segment in list_segments(journal.directory)] == [True]
    build_parts(journal.directory, store)
    assert [segment.is_raw for segment in list_segments(journal.directory)] == [False]
    assert len(_rows(store, DocType.PLAYER_ACTION)) == 1


def test_documents_of_another_session_are_refused(store: Path) -> None:
    """A record of another session than the header's is never written to its parts."""
    document = small_session()[-1].document()
    other = attrs.evolve(document.record, session_id="s-2")
    journal = _journal(store)
    changed = Document(doc_type=document.doc_type, record=other, ts_ns=1, source="x", game_id="g-1")
    journal.append([Entry.of_document(1, changed)])
    journal.close("done")
    with pytest.raises(JournalError, match="session_id was 's-1' in the envelope and 's-2'"):
        build_parts(journal.directory, store)
