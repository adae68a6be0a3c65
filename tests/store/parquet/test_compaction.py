"""Compaction: many small parts become one file, and no interruption loses or duplicates a row."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.store.samples import (
    HEADER,
    SESSION,
    memory_folder,
    small_session,
    tick_document,
    trade_document,
)
from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.journal import Entry, Journal, journal_directory
from vectra_bot.models import DocType, Frame
from vectra_bot.serde import document_columns
from vectra_bot.store.maintenance.rebuild import rebuild_session
from vectra_bot.store.parquet.builder import build_parts, part_path, write_table
from vectra_bot.store.parquet.compaction import (
    COMPACTED,
    MIN_PARTS,
    STAGING,
    compact_all,
    compact_session,
    finish_compaction,
)
from vectra_bot.store.parquet.manifest import (
    MANIFEST,
    part_folder,
    read_manifest,
    unlisted_files,
    write_manifest,
)
from vectra_bot.store.parquet.segment_record import read_segment_record
from vectra_bot.store.parquet.swapping import swapping_alone
from vectra_bot.store.parquet.writer import part_of

KINDS = (DocType.GAME_TICK, DocType.WS_EVENT, DocType.OTHER_PLAYER_ACTION, DocType.PLAYER_ACTION)


def make_session(store: Path, segments: int, *, close: bool = True) -> Path:
    """Write a session whose journal has *segments* closed segments of a frame, a tick and a trade each."""
    directory = journal_directory(store, SESSION)
    journal = Journal.create(directory, HEADER)
    journal.append(small_session())
    for n in range(segments - 1):
        journal.roll()
        first = 8 + 3 * n
        trade = trade_document(f"p{n}", "BUY", f"0.{n + 1:02d}", f"1.{n:02d}", f"g-{n}")
        journal.append(
            [
                Entry.of_frame(first, Frame(n, f'42["x",{{"n":{n}}}]')),
                Entry.of_document(first + 1, tick_document(n, 1.0 + n / 7, f"g-{n}")),
                Entry.of_document(first + 2, trade),
            ]
        )
    if close:
        journal.close("done")
    else:
        journal.roll()
        journal.abandon()
    build_parts(directory, store)
    return directory


def rows_of(store: Path, doc_type: DocType) -> list[tuple[Any, ...]]:
    """Return what a plain pattern over the folders reads, in order of ``seq``."""
    pattern = store / f"doc_type={doc_type.value}" / "**" / "*.parquet"
    names = ", ".join(f'"{column.name}"' for column in document_columns(doc_type))
    return duckdb.sql(f"SELECT {names} FROM '{pattern}' ORDER BY seq").fetchall()


def all_rows(store: Path) -> dict[DocType, list[tuple[Any, ...]]]:
    """Return the rows of every kind that the store has."""
    kinds = [d for d in DocType if any((store / f"doc_type={d.value}").rglob("*.parquet"))]
    return {doc_type: rows_of(store, doc_type) for doc_type in kinds}


def files_of(store: Path, doc_type: DocType) -> list[str]:
    """Return the names in the folder of a kind."""
    return sorted(path.name for path in part_folder(store, doc_type, SESSION).iterdir())


def test_many_parts_become_one_with_the_same_rows(tmp_path: Path) -> None:
    """At a session's end kinds with many parts are merged, frames are not; a repeat changes nothing."""
    directory = make_session(tmp_path, MIN_PARTS + 3)
    before = all_rows(tmp_path)
    merged = compact_session(directory, tmp_path)
    assert {path.parent.parent.name for path in merged} == {
        "doc_type=game_tick",
        "doc_type=other_player",
    }
    assert all(path.is_file() for path in merged)
    assert files_of(tmp_path, DocType.GAME_TICK) == [MANIFEST, COMPACTED]
    assert len(files_of(tmp_path, DocType.WS_EVENT)) == MIN_PARTS + 4
    assert all_rows(tmp_path) == before
    assert compact_session(directory, tmp_path) == []
    assert build_parts(directory, tmp_path) == []
    assert all_rows(tmp_path) == before
    assert not (tmp_path / STAGING / SESSION).exists()


def test_few_parts_are_not_merged(tmp_path: Path) -> None:
    """A short session keeps its parts."""
    directory = make_session(tmp_path, 4)
    assert compact_session(directory, tmp_path) == []
    assert len(files_of(tmp_path, DocType.GAME_TICK)) == 5


def test_the_whole_store_is_compacted_on_request(tmp_path: Path) -> None:
    """Every folder becomes one file with its manifest, and the sums of the report are correct."""
    make_session(tmp_path, 5)
    before = all_rows(tmp_path)
    told: list[tuple[str, int, int]] = []
    report = compact_all(tmp_path, progress=lambda *news: told.append(news))
    assert all_rows(tmp_path) == before
    assert not (tmp_path / STAGING / SESSION).exists()
    assert (report.failed, report.skipped) == ((), ())
    for folder in report.folders:
        (part,) = read_manifest(part_folder(tmp_path, folder.doc_type, SESSION))
        assert part == part_of(tmp_path, tmp_path / part.path)
        assert part.path.endswith(f"/{COMPACTED}")
        assert (part.rows, part.bytes) == (folder.rows, folder.bytes_after)
        assert folder.rows == len(before[folder.doc_type])
    sums = report.to_json()
    assert sums["rows"] == sum(len(rows) for rows in before.values())
    assert sums["files_after"] == len(report.folders) < sums["files_before"]
    assert [done for _, done, _ in told] == list(range(len(told)))
    assert told[-1][1] == told[-1][2]
    assert compact_all(tmp_path).folders == ()


def test_only_closed_sessions_are_compacted(tmp_path: Path) -> None:
    """A killed or running session is skipped and reported, and so is an unknown one."""
    make_session(tmp_path, 5, close=False)
    before = all_rows(tmp_path)
    report = compact_all(tmp_path, [SESSION, "other"])
    assert report.folders == ()
    assert [name for name, _ in report.skipped] == ["other", SESSION]
    assert "recovered first" in dict(report.skipped)[SESSION]
    assert "no such session" in dict(report.skipped)["other"]
    assert all_rows(tmp_path) == before


def test_sessions_without_a_journal_are_compacted(tmp_path: Path) -> None:
    """Imported parts are compacted like others."""
    directory = make_session(tmp_path, 5)
    shutil.rmtree(directory)
    before = all_rows(tmp_path)
    assert compact_all(tmp_path).folders != ()
    assert all_rows(tmp_path) == before


def test_two_processes_never_compact_one_session_at_once(tmp_path: Path) -> None:
    """The second process gets an error, and changes nothing."""
    directory = make_session(tmp_path, MIN_PARTS)
    with swapping_alone(tmp_path, SESSION):
        with pytest.raises(StoreError, match="by another process"):
            compact_session(directory, tmp_path)
        assert "by another process" in compact_all(tmp_path).failed[0]
    assert compact_session(directory, tmp_path)


def test_a_corrupt_part_blocks_its_folder_only(tmp_path: Path) -> None:
    """Corrupt rows are never merged; other folders are."""
    make_session(tmp_path, 5)
    victim = part_path(tmp_path, DocType.GAME_TICK, SESSION, 2)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    report = compact_all(tmp_path)
    (failed,) = report.failed
    assert "part-000002.parquet is corrupt" in failed
    assert "store recover" in failed
    assert DocType.WS_EVENT in {folder.doc_type for folder in report.folders}
    assert len(files_of(tmp_path, DocType.GAME_TICK)) == 6


def test_a_part_without_a_manifest_line_blocks_its_folder(tmp_path: Path) -> None:
    """Rows of a file without a manifest line would be lost: it is reported instead."""
    make_session(tmp_path, 5)
    folder = part_folder(tmp_path, DocType.GAME_TICK, SESSION)
    write_manifest(tmp_path, folder, read_manifest(folder)[:-1])
    report = compact_all(tmp_path)
    assert "part-000005.parquet is not in the manifest" in report.failed[0]
    assert [path.name for path in unlisted_files(folder)] == ["part-000005.parquet"]


def test_overlapping_parts_are_refused(tmp_path: Path) -> None:
    """Two files with the same rows are not merged into one with duplicates."""
    make_session(tmp_path, 2)
    folder = part_folder(tmp_path, DocType.GAME_TICK, SESSION)
    first = pq.ParquetFile(folder / "part-000001.parquet").read()
    write_table(tmp_path, DocType.GAME_TICK, SESSION, 9, first)
    assert "has rows up to" in compact_all(tmp_path).failed[0]


def test_newer_parts_are_refused_by_name(tmp_path: Path) -> None:
    """Rows of an unknown schema are left unchanged."""
    make_session(tmp_path, 3)
    folder = part_folder(tmp_path, DocType.GAME_TICK, SESSION)
    lines = (folder / MANIFEST).read_text().replace('"2.0.0"', '"2.1.0"')
    bodies = [line.split(" ", 1)[1] for line in lines.splitlines()]
    text = "".join(f"{zlib.crc32(body.encode()):08x} {body}\n" for body in bodies)
    (folder / MANIFEST).write_text(text)
    assert "schema version 2.1.0" in compact_all(tmp_path).failed[0]


_KILLER = """
import os, shutil, sys
from pathlib import Path
import pyarrow.parquet
from vectra_bot.models import DocType
from vectra_bot.fsio import files
from vectra_bot.store.parquet.compaction import compact_all
from vectra_bot.store.maintenance.rebuild import rebuild_session

work, session, what, exchanges = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "True"

def run(store):
    if what == "compact":
        compact_all(store)
    else:
        rebuild_session(store / "journals" / session, store, [DocType.GAME_TICK])

# Once without a kill: imports and first-use initialisation are then done in every child.
shutil.copytree(work / "store", work / "warm")
run(work / "warm")
shutil.rmtree(work / "warm")

for last in range(1000):
    store = work / f"{last:04d}"
    shutil.copytree(work / "store", store)
    child = os.fork()
    if child == 0:
        done = 0
        def kill(op):
            global done
            if done == last:
                os._exit(9)
            done += 1
        if not exchanges:
            files.exchange = lambda one, other: False
        with files.observing(kill):
            run(store)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        print(last)
        break
"""


def _killed_everywhere(work: Path, what: str, *, exchanges: bool) -> list[Path]:
    """Run an action on copies of a store, killed before each of its operations; return the copies."""
    arguments = [str(work), SESSION, what, str(exchanges)]
    killer = [sys.executable, "-c", _KILLER, *arguments]
    done = subprocess.run(killer, check=True, capture_output=True, text=True, timeout=120)
    assert int(done.stdout) > 20
    return sorted(path for path in work.iterdir() if path.name != "store")


def _make_ticks(store: Path) -> None:
    """Write a closed session with ticks only, in two parts."""
    journal = Journal.create(journal_directory(store, SESSION), HEADER)
    journal.append([Entry.of_document(1, tick_document(1))])
    journal.roll()
    journal.append([Entry.of_document(2, tick_document(2))])
    journal.close("done")
    build_parts(journal.directory, store)


def _ticks_seen(store: Path) -> list[tuple[int, int]]:
    """Return the ticks that a pattern over the folders finds; every file must be readable."""
    found = [pq.ParquetFile(path).read() for path in sorted(store.glob("doc_type=*/**/*.parquet"))]
    ticks = [table for table in found if "tick" in table.column_names and table.num_rows]
    return [
        pair
        for table in ticks
        for pair in zip(*(table.column(name).to_pylist() for name in ("seq", "tick")), strict=True)
    ]


@pytest.mark.parametrize(
    ("what", "exchanges"),
    [
        ("compact", True),
        pytest.param("compact", False, marks=pytest.mark.slow),
        pytest.param("rebuild", True, marks=pytest.mark.slow),
    ],
    ids=["compact", "compact by two renames", "rebuild"],
)
def test_a_kill_at_any_step_loses_and_duplicates_nothing(what: str, *, exchanges: bool) -> None:
    """Killed before each operation, a store shows each row once; recovery and a new run work.

    Where names cannot be swapped, a kill may leave a closed folder missing until the store is repaired.
    """
    with memory_folder() as folder:
        work = Path(folder)
        _make_ticks(work / "store")
        if what == "rebuild":
            compact_all(work / "store")
        before = [(1, 1), (2, 2)]
        for store in _killed_everywhere(work, what, exchanges=exchanges):
            assert _ticks_seen(store) in ([before] if exchanges else [before, []])
            finish_compaction(store / "journals" / SESSION, store)
            assert _ticks_seen(store) == before
            assert not (store / STAGING / SESSION).exists()
            assert all(map(_is_listed, store.glob("doc_type=*/session_id=*")))
        assert compact_all(store).failed == ()
        assert _ticks_seen(store) == before


def _is_listed(folder: Path) -> bool:
    names = sorted(part.name for part in read_manifest(folder))
    return names == sorted(path.name for path in folder.glob("*.parquet"))


def test_lost_files_are_rebuilt_from_the_journal(tmp_path: Path) -> None:
    """Corrupt, lost and unlisted files are rebuilt to the same bytes; other folders are not touched."""
    directory = make_session(tmp_path, 4)
    kinds = tmp_path / "doc_type=game_tick", tmp_path / "doc_type=ws_event"
    whole = {path: path.read_bytes() for kind in kinds for path in kind.rglob("*.*")}
    part_path(tmp_path, DocType.GAME_TICK, SESSION, 2).unlink()
    part_path(tmp_path, DocType.GAME_TICK, SESSION, 3).write_bytes(b"PAR1")
    (part_folder(tmp_path, DocType.WS_EVENT, SESSION) / MANIFEST).unlink()
    record = read_segment_record(directory, 2)
    rebuilt = rebuild_session(directory, tmp_path, [DocType.GAME_TICK, DocType.WS_EVENT])
    assert {path: path.read_bytes() for kind in kinds for path in kind.rglob("*.*")} == whole
    assert {part.doc_type for part in rebuilt} == {DocType.GAME_TICK, DocType.WS_EVENT}
    again = read_segment_record(directory, 2)
    assert record is not None
    assert again is not None
    assert (again.intents, again.decided) == (record.intents, record.decided)
    assert {part.path for part in again.parts} == {part.path for part in record.parts}


def test_a_compacted_session_becomes_parts_again(tmp_path: Path) -> None:
    """A corrupt compacted file is replaced by the parts it was made of."""
    directory = make_session(tmp_path, 4)
    before = all_rows(tmp_path)
    compact_all(tmp_path)
    target = part_folder(tmp_path, DocType.GAME_TICK, SESSION) / COMPACTED
    target.write_bytes(target.read_bytes()[:-9])
    rebuild_session(directory, tmp_path)
    assert all_rows(tmp_path) == before
    assert not target.exists()


def _import_more(store: Path) -> Path:
    """Make a session with a part that is not from its journal."""
    directory = journal_directory(store, SESSION)
    journal = Journal.create(directory, {**HEADER, "import": {"from": "elsewhere"}})
    journal.append([Entry.of_document(1, tick_document(1))])
    journal.close("imported")
    build_parts(directory, store)
    table = pq.ParquetFile(part_path(store, DocType.GAME_TICK, SESSION, 1)).read()
    numbers = table.schema.get_field_index("seq")
    more = table.set_column(numbers, table.schema.field(numbers), pa.array([7]))
    write_table(store, DocType.GAME_TICK, SESSION, 2, more)
    return directory


def test_imported_parts_are_kept(tmp_path: Path) -> None:
    """Rows that the journal does not have are kept, if their file is whole."""
    directory = _import_more(tmp_path)
    part_path(tmp_path, DocType.GAME_TICK, SESSION, 1).unlink()
    rebuild_session(directory, tmp_path)
    assert [row[1] for row in rows_of(tmp_path, DocType.GAME_TICK)] == [1, 7]
    part_path(tmp_path, DocType.GAME_TICK, SESSION, 2).write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"part-000002\.parquet is corrupt"):
        rebuild_session(directory, tmp_path)


def test_imported_rows_in_a_compacted_file_cannot_be_rebuilt(tmp_path: Path) -> None:
    """Where imported rows were merged with others, nothing is replaced and the error says what to do."""
    directory = _import_more(tmp_path)
    compact_all(tmp_path)
    before = all_rows(tmp_path)
    with pytest.raises(StoreError, match="import it again"):
        rebuild_session(directory, tmp_path)
    assert all_rows(tmp_path) == before


def test_a_full_disk_leaves_the_parts_as_they_are(tmp_path: Path) -> None:
    """If a write fails, the folder is unchanged and a repair clears the staging folder."""
    directory = make_session(tmp_path, MIN_PARTS)
    before = all_rows(tmp_path)

    def refuse(op: files.Op) -> None:
        if op.kind == "write" and op.path.parent.name == DocType.GAME_TICK.value:
            raise OSError(28, "No space left on device")

    with files.observing(refuse), pytest.raises(StoreError, match="No space left"):
        compact_session(directory, tmp_path)
    assert all_rows(tmp_path) == before
    finish_compaction(directory, tmp_path)
    assert not (tmp_path / STAGING / SESSION).exists()


def test_latencies_are_sketched_whole(tmp_path: Path) -> None:
    """The sketch of a compacted file is that of its rows."""
    make_session(tmp_path, 3)
    compact_all(tmp_path)
    (part,) = read_manifest(part_folder(tmp_path, DocType.PLAYER_ACTION, SESSION))
    assert part.sketches["timestamps_total_latency_ms"]["BUY"]["count"] == 1
    amounts = duckdb.sql(f"SELECT amount FROM '{tmp_path / part.path}'").fetchall()
    assert amounts == [(Decimal("0.01"),)]


def test_a_lost_manifest_line_is_restored(tmp_path: Path) -> None:
    """A file in its segment's record is added to the manifest again, if its bytes are right."""
    directory = make_session(tmp_path, 3)
    folder = part_folder(tmp_path, DocType.GAME_TICK, SESSION)
    listed = read_manifest(folder)
    write_manifest(tmp_path, folder, listed[:-1])
    assert finish_compaction(directory, tmp_path) == []
    assert read_manifest(folder) == listed
    write_manifest(tmp_path, folder, listed[:-1])
    shutil.copy(tmp_path / listed[0].path, tmp_path / listed[-1].path)
    finish_compaction(directory, tmp_path)
    assert read_manifest(folder) == listed[:-1]


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("what", ["compaction", "rebuild"])
def test_foreign_file_survives_the_replacement_of_its_folder(
    what: str, exchanges: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are not the store's are moved into the new folder, whatever their names."""
    directory = make_session(tmp_path, 3)
    folder = part_folder(tmp_path, DocType.GAME_TICK, directory.name)
    before = rows_of(tmp_path, DocType.GAME_TICK)
    mine = ("notes.txt", "mine.parquet", ".hidden")
    for name in mine:
        (folder / name).write_text(name)
    if not exchanges:
        monkeypatch.setattr(files, "exchange", lambda one, other: False)
    if what == "compaction":
        assert not compact_all(tmp_path).failed
    else:
        rebuild_session(directory, tmp_path)
    assert {name: (folder / name).read_text() for name in mine} == {name: name for name in mine}
    (folder / "mine.parquet").unlink()
    assert rows_of(tmp_path, DocType.GAME_TICK) == before
