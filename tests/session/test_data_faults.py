"""Faults D01 to D10: what a store does about corrupt files, other writers, old data and slow disks."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vectra_bot
from tests.imports.released import v1
from tests.imports.samples import trade_row, write_lines
from tests.store.samples import HEADER, SESSION, tick_document
from tests.store.stores import write_documents, write_ticks
from vectra_bot.errors import JournalError
from vectra_bot.fsio import disk, files
from vectra_bot.imports.migrate import migrate_store
from vectra_bot.imports.run import import_paths
from vectra_bot.journal import Journal, read_journal, salvage
from vectra_bot.journal.format import HEADER_BYTES
from vectra_bot.models import DocType, Frame
from vectra_bot.report.session import SessionTally
from vectra_bot.session import runner
from vectra_bot.session.header import watching_engine
from vectra_bot.session.hosting import host
from vectra_bot.session.shell import MAX_DISK_WAIT_S, SLOW_DISK, NoGateway, Shell
from vectra_bot.store.maintenance.check import check_store
from vectra_bot.store.maintenance.sessions import drop_session
from vectra_bot.store.parquet.compaction import compact_session
from vectra_bot.store.parquet.manifest import part_folder
from vectra_bot.store.parquet.writer import part_path
from vectra_bot.store.query.catalog import open_store

FRAME = b'{"dir":"in","raw":"40"}'
ROWS = "SELECT session_id, seq, tick, price FROM game_tick ORDER BY ALL"
FAST: dict[str, Any] = {"games": 2, "seed": 7, "crowd": 0, "session_id": "S"}


def read(store: Path) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """Return the ticks of a store, and the files that were skipped."""
    skipped: list[Any] = []
    with open_store(store, on_corrupt=skipped.append) as catalog:
        return catalog.sql(ROWS).rows, skipped


@pytest.mark.parametrize("harm", ["truncated", "empty", "garbage"])
def test_d01_an_unreadable_part_is_skipped_with_its_rows(tmp_path: Path, harm: str) -> None:
    """The other parts are queried, and the loss is reported by its range of rows."""
    write_ticks(tmp_path, tick_document, 4)
    path = part_path(tmp_path, DocType.GAME_TICK, SESSION, 2)
    data = path.read_bytes()
    path.write_bytes({"truncated": data[:-9], "empty": b"", "garbage": b"\1" * len(data)}[harm])
    rows, skipped = read(tmp_path)
    assert [row[1] for row in rows] == [1, 2, 5, 6, 7, 8]
    assert [(one.first_seq, one.last_seq, one.rows) for one in skipped] == [(3, 4, 2)]


def test_d02_a_flipped_bit_is_never_read(tmp_path: Path) -> None:
    """Each of 150 random flips gives the written rows or a report, and the check finds every one."""
    write_ticks(tmp_path, tick_document, 2)
    whole, _ = read(tmp_path)
    path = part_path(tmp_path, DocType.GAME_TICK, SESSION, 1)
    data, chance = path.read_bytes(), random.Random(2)
    for _ in range(150):
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        rows, skipped = read(tmp_path)
        assert rows == whole or (rows == whole[2:] and len(skipped) == 1)
        assert [p.kind for p in check_store(tmp_path).problems] == ["part_damaged"]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return the open segment of a killed session's journal with 20 frames."""
    opened = Journal.create(tmp_path / "journals" / "s", HEADER, sync_interval_s=0)
    for _ in range(20):
        opened.put(opened.last_seq + 1, "frame", 1, FRAME)
    opened.sync()
    opened.abandon()
    (segment,) = opened.directory.glob("*.log")
    return segment


def test_d03_a_torn_last_entry_is_cut(journal: Path) -> None:
    """What was cut in its last entry has all entries before it."""
    whole = list(read_journal(journal))
    data = journal.read_bytes().rstrip(b"\0")
    for size in range(len(data) - 30, len(data)):
        journal.write_bytes(data[:size])
        kept = list(read_journal(journal))
        assert kept == whole[: len(kept)]
        assert len(kept) >= len(whole) - 1


@pytest.mark.parametrize("fault", ["duplicate", "gap"])
def test_d03_a_duplicate_or_missing_entry_is_refused(journal: Path, fault: str) -> None:
    """The journal is refused with the way to repair it, and not continued; the repair loses nothing more."""
    whole = list(read_journal(journal))
    data, size = journal.read_bytes().rstrip(b"\0"), HEADER_BYTES + len(FRAME)
    first, second = len(data) - 10 * size, len(data) - 9 * size
    changed = data[:second] + data[first:] if fault == "duplicate" else data[:first] + data[second:]
    journal.write_bytes(changed)
    with pytest.raises(JournalError, match=r"store recover --salvage s"):
        list(read_journal(journal.parent))
    with pytest.raises(JournalError):
        Journal.resume(journal.parent)
    done = salvage(journal.parent)
    kept = list(read_journal(journal.parent))
    assert kept == (whole if fault == "duplicate" else whole[:11] + whole[12:])
    assert (done.kept, done.lost) == (len(kept), () if fault == "duplicate" else ((11, 11),))


def test_d04_a_second_writer_is_refused(tmp_path: Path) -> None:
    """Another process cannot continue a journal that is being written."""
    directory = tmp_path / "journals" / "s"
    mine = Journal.create(directory, HEADER)
    code = "import sys; from vectra_bot.journal import Journal; Journal.resume(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory)], capture_output=True, text=True, check=False
    )
    mine.put(1, "frame", 1, b"{}")
    mine.close("done")
    assert "is being written by another process" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("what", ["compaction", "deletion"])
def test_d04_a_query_sees_the_old_or_the_new_files(tmp_path: Path, what: str) -> None:
    """Queries during a compaction or deletion return a session's rows all or not at all, each once."""
    names = [f"s-{number}" for number in range(5)]
    for name in [*names, "rest"]:
        write_ticks(tmp_path, tick_document, 8, session_id=name)
    sql = "SELECT session_id, count(*), count(DISTINCT seq) FROM game_tick GROUP BY 1"

    def change() -> None:
        for name in names:
            if what == "compaction":
                compact_session(tmp_path / "journals" / name, tmp_path)
            else:
                drop_session(tmp_path, name)

    changing = threading.Thread(target=change)
    with open_store(tmp_path) as catalog:
        changing.start()
        busy = True
        while busy:
            busy = changing.is_alive()
            rows = catalog.sql(sql).rows
            assert {tuple(row[1:]) for row in rows} == {(16, 16)}
            assert "rest" in {row[0] for row in rows}
    changing.join()
    assert len(rows) == (6 if what == "compaction" else 1)


def test_d05_old_and_foreign_rows_have_the_current_types(tmp_path: Path) -> None:
    """Rows without a version, with other types and without columns are read with those of new ones."""
    write_ticks(tmp_path, tick_document, 1)
    old = part_folder(tmp_path, DocType.GAME_TICK, "old")
    old.mkdir()
    price = pa.array([Decimal("1.5")], pa.decimal128(18, 9))
    table = pa.table({"session_id": ["old"], "seq": [1], "tick": [3], "price": price})
    pq.write_table(table, old / "a.parquet")
    with open_store(tmp_path) as catalog:
        sql = "SELECT schema_version, typeof(price), price, phase FROM game_tick WHERE seq = 1 ORDER BY 1"
        assert catalog.sql(sql).rows == [
            ("1.0.0", "DOUBLE", 1.5, None),
            ("2.0.0", "DOUBLE", 1.5, "active"),
        ]


def test_d05_a_store_of_both_schemas_is_migrated(tmp_path: Path) -> None:
    """Documents of schema 1.0.0 beside current ones become documents of the same number."""
    v1.write(tmp_path, v1.one_of_each())
    write_ticks(tmp_path, tick_document, 1)
    before = len(v1.one_of_each())
    report = migrate_store(tmp_path)
    assert report.ok
    with open_store(tmp_path) as catalog:
        found = sum(
            catalog.sql(
                f'SELECT count(*) FROM "{kind.value}" WHERE session_id <> $s', {"s": SESSION}
            ).rows[0][0]
            for kind in DocType
        )
        assert catalog.sql(f"{ROWS}").rows[0][0] == SESSION
    assert found >= before + 2


def test_d05_comments_in_a_recording_are_counted(tmp_path: Path) -> None:
    """Comments are skipped, other lines that are not rows are counted, and the rest is imported."""
    lines = ["# a comment", trade_row(1), "// another", "{no row", trade_row(2)]
    path = write_lines(tmp_path / "trades.jsonl", lines)
    report = import_paths([path], tmp_path / "store")
    (file,) = report.files
    assert (file.imported, file.bad) == (2, 1)
    assert not report.ok


def test_d06_a_store_of_data_parquet_files_is_imported(tmp_path: Path) -> None:
    """The layout of one ``data.parquet`` a session is read; a session that is running never writes it."""
    write_ticks(tmp_path / "made", tick_document, 1)
    table = pq.read_table(part_path(tmp_path / "made", DocType.GAME_TICK, SESSION, 1))
    seed = part_folder(tmp_path / "seed", DocType.GAME_TICK, SESSION)
    seed.mkdir(parents=True)
    pq.write_table(table, seed / "data.parquet")
    report = import_paths([tmp_path / "seed"], tmp_path / "store")
    assert report.ok
    assert [row[2:] for row in read(tmp_path / "store")[0]] == [
        row[2:] for row in read(tmp_path / "seed")[0]
    ]
    made: list[str] = []

    def watch(op: files.Op) -> None:
        made.append((op.target or op.path).name)

    with files.observing(watch):
        vectra_bot.run("take-profit", store=tmp_path / "run", **FAST)
    assert "part-000001.parquet" in made
    assert "data.parquet" not in made


def test_d07_a_clock_that_steps_back_changes_no_order(tmp_path: Path) -> None:
    """Documents are numbered as they came, and the session's time does not go back."""
    engine = watching_engine(HEADER)
    directory = tmp_path / "journals" / SESSION
    journal = Journal.create(directory, HEADER)
    shell = Shell(engine, journal, NoGateway(), SessionTally(engine), tmp_path)

    async def drive() -> None:
        for number, recv_ns in enumerate((10_000, 11_000, 3_000, 4_000, 12_000)):
            await shell.take(Frame(recv_ns, f'42["event {number}",{{}}]'))
        await shell.end("done")

    asyncio.run(drive())
    with open_store(tmp_path) as catalog:
        sql = "SELECT event_name FROM ws_event ORDER BY seq"
        assert [name for (name,) in catalog.sql(sql).rows] == [f"event {n}" for n in range(5)]
        times = [t for (t,) in catalog.sql("SELECT ts_ns FROM system_event ORDER BY seq").rows]
    assert times == sorted(times)
    assert engine.now_ns == 12_000


def test_d08_missing_folders_and_foreign_files_are_no_fault(tmp_path: Path) -> None:
    """A query over 2,000 games answers within 2 s, whatever else is in the store."""
    games = [f"g-{number}" for number in range(2_000)]
    for number in range(20):
        some = games[number * 100 : number * 100 + 100]
        documents = [tick_document(tick, 1.0 + tick, game) for game in some for tick in (0, 1)]
        write_documents(tmp_path, documents, f"s-{number}")
    shutil.rmtree(part_folder(tmp_path, DocType.GAME_TICK, "s-7"))
    for number in range(500):
        (tmp_path / f"note {number}.txt").write_text("mine")
        (tmp_path / "doc_type=game_tick" / f".{number}.swp").write_text("mine")
    with open_store(tmp_path) as catalog:
        started = time.monotonic()
        count = catalog.sql("SELECT count(DISTINCT game_id), max(price) FROM game_tick").rows
        assert time.monotonic() - started < 2
        assert catalog.corrupt == ()
    assert count == [(1_900, 2.0)]


@contextmanager
def slow_disk(seconds: float) -> Iterator[None]:
    """Delay every fsync of a file."""

    def delay(op: files.Op) -> None:
        if op.kind == "sync":
            time.sleep(seconds)

    with files.observing(delay):
        yield


def test_d09_in_real_time_no_action_waits_for_a_slow_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An action whose INTENT is not on the disk within 50 ms is NOT_SENT; the next one is retried."""
    monkeypatch.setattr(runner, "host", functools.partial(host, can_wait=False))
    log = tmp_path / "requests.jsonl"
    with slow_disk(0.5), caplog.at_level(logging.WARNING):
        report = vectra_bot.run("take-profit", store=tmp_path / "a", exchange_log=log, **FAST)
    assert set(report.actions) == {"NOT_SENT"}
    assert log.read_text() == ""
    assert SLOW_DISK in caplog.text
    with open_store(tmp_path / "a") as catalog:
        sql = "SELECT DISTINCT outcome_error_reason FROM player_action"
        assert catalog.sql(sql).rows == [(SLOW_DISK,)]
    report = vectra_bot.run("take-profit", store=tmp_path / "b", exchange_log=log, **FAST)
    assert set(report.actions) == {"CONFIRMED"}


def test_d09_in_virtual_time_a_slow_disk_changes_nothing(tmp_path: Path) -> None:
    """Paper on the exchange waits for the disk: the outcome is that of a fast one."""
    fast = vectra_bot.run("take-profit", store=tmp_path / "fast", **FAST)
    with slow_disk(2 * MAX_DISK_WAIT_S):
        slow = vectra_bot.run("take-profit", store=tmp_path / "slow", **FAST)
    assert (slow.digest, slow.actions) == (fast.digest, fast.actions)


async def test_d09_a_recorder_does_not_wait_for_a_slow_disk(tmp_path: Path) -> None:
    """Frames are taken while an fsync takes two seconds."""
    engine = watching_engine(HEADER)
    with slow_disk(2):
        journal = Journal.create(tmp_path / "journals" / SESSION, HEADER, sync_interval_s=0.05)
        shell = Shell(engine, journal, NoGateway(), SessionTally(engine), tmp_path, can_wait=False)
        longest = 0.0
        for number in range(100):
            started = time.monotonic()
            await shell.take(Frame(number, '42["event",{}]'))
            longest = max(longest, time.monotonic() - started)
            await asyncio.sleep(0.01)
        assert longest < 1
    shell.abandon()


def test_d10_a_store_on_a_network_share_is_a_warning_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first session on it says that synced data may be lost there, and what to do instead."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"22 1 0:1 / / rw - ext4 /dev/x rw\n36 22 0:9 / {tmp_path} rw - nfs4 server:/x rw\n"
    )
    monkeypatch.setattr(disk, "MOUNTS", mounts)
    with caplog.at_level(logging.WARNING):
        vectra_bot.run("watch", store=tmp_path / "store", **FAST)
    assert (
        "is on a nfs4 file system, which may lose synced data: record to a local disk"
        in caplog.text
    )
