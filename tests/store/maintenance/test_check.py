"""Checking a store: each kind of corruption is reported with its file and rows; nothing is changed."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.samples import HEADER, SESSION, memory_folder, small_session, tick_document
from vectra_bot.errors import InputError, StoreError, UnknownNameError
from vectra_bot.fsio import locks
from vectra_bot.journal import Entry, Journal, journal_directory
from vectra_bot.models import DocType
from vectra_bot.store.maintenance.check import KINDS, check_store
from vectra_bot.store.maintenance.check_parts import Problem, SeenNumbers
from vectra_bot.store.maintenance.sessions import drop_session, refuse_orphans
from vectra_bot.store.maintenance.stats import store_stats
from vectra_bot.store.parquet.builder import begin_session, build_parts
from vectra_bot.store.parquet.compaction import compact_all
from vectra_bot.store.parquet.manifest import (
    MANIFEST,
    Part,
    part_folder,
    read_manifest,
    write_manifest,
)
from vectra_bot.store.query.unbuilt import UnbuiltSessions

TICKS = 40


def make_store(root: Path, session_id: str = SESSION, *, close: bool = True) -> Path:
    """Make a store of one session in three segments and return its journal's folder."""
    journal = Journal.create(
        journal_directory(root, session_id), {**HEADER, "session_id": session_id}
    )
    entries = small_session()[:-1]  # the action names its session
    journal.append(entries)
    seq = entries[-1].seq
    for tick in range(TICKS):
        seq += 1
        journal.put(seq, "doc", seq, Entry.of_document(seq, tick_document(tick + 10)).payload)
        if tick in (10, 30):
            journal.roll()
    if close:
        journal.close("done")
    else:
        journal.abandon()
    build_parts(journal.directory, root)
    return journal.directory


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    make_store(root)
    return root


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "store")


def ticks_of(root: Path) -> Path:
    """Return the folder of the session's ticks."""
    return part_folder(root, DocType.GAME_TICK, SESSION)


def part(root: Path, number: int = 2) -> Path:
    """Return a file of ticks."""
    return ticks_of(root) / f"part-{number:06d}.parquet"


def snapshot(root: Path) -> dict[str, str]:
    """Return the digest of every file."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << (at % 8)
    path.write_bytes(bytes(data))


def _cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def _listed(root: Path, change: Callable[[list[Part]], list[Part]]) -> None:
    write_manifest(root, ticks_of(root), change(read_manifest(ticks_of(root))))


def _again(root: Path) -> None:
    """List the rows of a part a second time, in another file."""
    copy = part(root, 9)
    shutil.copy(part(root), copy)
    listed = read_manifest(ticks_of(root))
    (ours,) = [p for p in listed if p.name == part(root).name]
    path = copy.relative_to(root).as_posix()
    write_manifest(root, ticks_of(root), [*listed, attrs.evolve(ours, path=path)])


def _forge(root: Path, rows: Callable[[list[int]], list[int]]) -> None:
    """Replace a part by one with other rows and a correct manifest line."""
    import pyarrow.parquet as pq

    from vectra_bot.store.parquet.writer import write_table

    table = pq.ParquetFile(part(root)).read()
    places = rows(list(range(table.num_rows)))
    write_table(root, DocType.GAME_TICK, SESSION, 2, table.take(places))


DAMAGE: dict[str, tuple[Callable[[Path], object], set[str], set[str]]] = {
    "a bit of a part": (lambda r: _flip(part(r), 77), {"part_damaged"}, set()),
    "a part cut off": (lambda r: _cut(part(r), 50), {"part_damaged"}, {"part_damaged"}),
    "a part made longer": (
        lambda r: part(r).write_bytes(part(r).read_bytes() + b"0"), {"part_damaged"}, {"part_damaged"},
    ),
    "a part lost": (lambda r: part(r).unlink(), {"part_missing"}, {"part_missing"}),
    "a part and its line lost": (
        lambda r: (part(r).unlink(), _listed(r, lambda parts: [p for p in parts if p.name != part(r).name])),
        {"rows_missing"}, {"rows_missing"},
    ),
    "a line lost": (
        lambda r: _listed(r, lambda parts: [p for p in parts if p.name != part(r).name]),
        {"part_unlisted", "rows_missing"}, {"part_unlisted", "rows_missing"},
    ),
    "a line of another number of rows": (
        lambda r: _listed(r, lambda parts: [attrs.evolve(p, rows=p.rows + 1) for p in parts]),
        {"part_damaged"}, {"part_damaged"},
    ),
    "a line of another range": (
        lambda r: _listed(r, lambda parts: [attrs.evolve(p, last_seq=p.last_seq + 1) for p in parts]),
        {"part_damaged"}, {"part_damaged"},
    ),
    "a line of another schema": (
        lambda r: _listed(r, lambda parts: [attrs.evolve(p, schema_version="1.0.0") for p in parts]),
        {"part_damaged"}, {"part_damaged"},
    ),
    "a folder lost": (lambda r: shutil.rmtree(ticks_of(r)), {"rows_missing"}, {"rows_missing"}),
    "a manifest lost": (
        lambda r: (ticks_of(r) / MANIFEST).unlink(),
        {"manifest_missing", "rows_missing"}, {"manifest_missing", "rows_missing"},
    ),
    "a manifest corrupt": (
        lambda r: _flip(ticks_of(r) / MANIFEST, 20),
        {"manifest_damaged", "rows_missing"}, {"manifest_damaged", "rows_missing"},
    ),
    "rows in two files": (_again, {"rows_overlap", "rows_twice"}, {"rows_overlap"}),
    "a row removed": (lambda r: _forge(r, lambda n: n[1:]), {"rows_missing"}, {"rows_missing"}),
    "a row duplicated": (lambda r: _forge(r, lambda n: [0, *n]), {"rows_unordered"}, {"rows_missing"}),
    "rows in another order": (
        lambda r: _forge(r, lambda n: [n[0], *n[-2:0:-1], n[-1]]), {"rows_unordered"}, set(),
    ),
    "a segment corrupt": (
        lambda r: _flip(journal_directory(r, SESSION) / "000002.log.zst", 60), {"journal_damaged"}, set(),
    ),
    "a segment lost": (
        lambda r: (journal_directory(r, SESSION) / "000002.log.zst").unlink(),
        {"journal_gap"}, {"journal_gap"},
    ),
    "a record corrupt": (
        lambda r: _flip(journal_directory(r, SESSION) / "000002.parts.json", 60),
        {"record_damaged"}, {"record_damaged"},
    ),
    "a record lost": (
        lambda r: (journal_directory(r, SESSION) / "000002.parts.json").unlink(),
        {"segment_unbuilt"}, {"segment_unbuilt"},
    ),
    "a file left unfinished": (
        lambda r: (ticks_of(r) / ".part-000007.parquet.tmp").write_bytes(b"PAR1"),
        {"temporary_left"}, {"temporary_left"},
    ),
    "a segment left unfinished": (
        lambda r: (journal_directory(r, SESSION) / ".000002.log.zst.tmp").write_bytes(b"("),
        {"temporary_left"}, {"temporary_left"},
    ),
    "a drop left unfinished": (
        lambda r: (r / "journals" / ".dropped-gone").mkdir(), {"drop_unfinished"}, {"drop_unfinished"},
    ),
    "a compaction left unfinished": (
        lambda r: (r / "compacting" / SESSION / "game_tick").mkdir(parents=True),
        {"compaction_unfinished"}, {"compaction_unfinished"},
    ),
    "files of an old schema": (
        lambda r: (r / "doc_type=game_tick" / "date=2025-12-06").mkdir(), {"schema_old"}, {"schema_old"},
    ),
}  # fmt: skip


def kinds(problems: list[Problem]) -> set[str]:
    """Return the kinds of *problems*, all of them known."""
    found = {problem.kind for problem in problems}
    assert found <= set(KINDS)
    return found


def test_whole_store_has_no_problem(store: Path) -> None:
    """Everything is counted and nothing is wrong, before and after compaction."""
    before = snapshot(store)
    report = check_store(store)
    assert report.ok, report.problems
    assert (report.sessions, report.running, report.segments) == ([SESSION], [], 3)
    assert report.entries == 1 + len(small_session()) + TICKS
    assert report.rows == TICKS + 4  # the ticks; two frames, one tick, one state
    assert report.bytes_read == report.bytes > 0
    quick = check_store(store, quick=True)
    assert (quick.ok, quick.rows, quick.bytes_read) == (True, report.rows, 0)
    assert snapshot(store) == before
    assert not compact_all(store).failed
    assert check_store(store).problems == check_store(store, quick=True).problems == []


@pytest.mark.parametrize("name", DAMAGE)
def test_corruption_is_reported(store: Path, name: str) -> None:
    """Each kind of corruption is reported with its kind, place and advice, and nothing is changed."""
    damage, expected, quick = DAMAGE[name]
    damage(store)
    before = snapshot(store)
    problems = check_store(store).problems
    assert kinds(problems) == expected
    assert kinds(check_store(store, quick=True).problems) == quick
    assert snapshot(store) == before
    for problem in problems:
        assert problem.path
        assert problem.message
        assert problem.advice.startswith("vectra-bot store ")
        assert problem.to_json()["kind"] == problem.kind


def test_lost_rows_are_reported_by_their_range(store: Path) -> None:
    """A lost file is reported with the rows it had; they are not reported again from the journal."""
    (lost,) = [p for p in read_manifest(ticks_of(store)) if p.name == part(store).name]
    part(store).unlink()
    (problem,) = check_store(store).problems
    assert (problem.first_seq, problem.last_seq) == (lost.first_seq, lost.last_seq)
    assert (problem.doc_type, problem.session_id) == (DocType.GAME_TICK, SESSION)
    assert problem.path == lost.path


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_bit_of_a_file_can_flip_unnoticed(made: Path, data: st.DataObject) -> None:
    """A flipped bit in any file of documents is a problem; so is a truncated file."""
    with memory_folder() as folder:
        root = shutil.copytree(made, Path(folder) / "store")
        targets = sorted(root.glob("doc_type=*/**/*.parquet")) + sorted(
            root.glob("doc_type=*/**/_*")
        )
        path = data.draw(st.sampled_from(targets))
        content = path.read_bytes()
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            _flip(path, at)
        else:
            _cut(path, at)
        assert not check_store(root).ok


def test_killed_session_is_unfinished(tmp_path: Path) -> None:
    """A journal without its end is reported, with the last entry; the rest is checked as usual."""
    directory = make_store(tmp_path, close=False)
    (problem,) = check_store(tmp_path).problems
    assert problem.kind == "session_unfinished"
    assert problem.last_seq == Journal.resume(directory).last_seq


def test_running_session_is_checked_as_far_as_it_is_written(tmp_path: Path) -> None:
    """What a running session has not written yet is not a problem; corruption of what it has written is."""
    directory = make_store(tmp_path, close=False)
    journal = Journal.resume(directory)
    (ticks_of(tmp_path) / ".part-000009.parquet.tmp").write_bytes(b"")
    report = check_store(tmp_path)
    assert (report.problems, report.running) == ([], [SESSION])
    _flip(part(tmp_path), 99)
    assert kinds(check_store(tmp_path).problems) == {"part_damaged"}
    journal.abandon()


def test_one_session_can_be_selected(store: Path) -> None:
    """Only the given session is checked; an unknown session is refused, and so is a missing store."""
    make_store(store, "s-2")
    part(store).unlink()
    assert check_store(store, sessions=["s-2"]).ok
    assert not check_store(store, sessions=[SESSION]).ok
    with pytest.raises(UnknownNameError, match="s-2"):
        check_store(store, sessions=["s-3"])
    with pytest.raises(InputError, match="no store at"):
        check_store(store / "none")


def test_files_without_a_journal_are_checked(store: Path) -> None:
    """A store without its journals, like an imported one, is still checked: numbers are compared."""
    shutil.rmtree(store / "journals")
    assert check_store(store).ok
    _again(store)
    assert kinds(check_store(store).problems) == {"rows_overlap", "rows_twice"}


@given(st.lists(st.lists(st.integers(0, 2**40), unique=True, max_size=30).map(sorted), max_size=8))
def test_numbers_seen_before_are_found(batches: list[list[int]]) -> None:
    """Exactly the numbers of earlier batches are returned."""
    import numpy as np

    seen, known = SeenNumbers(), set()
    for batch in batches:
        again = seen.add(np.array(batch, dtype=np.int64))
        assert sorted(again.tolist()) == [n for n in batch if n in known]
        known |= set(batch)


def test_progress_is_reported(store: Path) -> None:
    """The callback is called with the progress, up to the end."""
    told: list[tuple[str, int, int]] = []
    check_store(store, progress=lambda *step: told.append(step))
    assert told[0][1:] == (0, 1)
    assert told[-1][1:] == (1, 1)


def test_stats_are_those_of_the_manifests(store: Path) -> None:
    """Documents, files, bytes, journals, times and states are counted without reading a row."""
    make_store(store, "s-2", close=False)
    found = store_stats(store).to_json()
    states = {session["session_id"]: session["state"] for session in found["sessions"]}
    assert states == {SESSION: "closed", "s-2": "killed"}
    files = list(store.glob("doc_type=*/**/*.parquet"))
    assert found["files"] == len(files)
    assert found["bytes"] == sum(path.stat().st_size for path in files)
    ticks = found["by_doc_type"]["game_tick"]["documents"]
    assert ticks == sum(
        p.rows
        for s in (SESSION, "s-2")
        for p in read_manifest(part_folder(store, DocType.GAME_TICK, s))
    )
    packed = list(store.glob("journals/*/*.zst"))
    assert found["journal_compressed_bytes"] == sum(path.stat().st_size for path in packed)
    assert found["journal_raw_bytes"] > 0
    assert (found["unfinished"], found["running"], found["damaged"]) == (1, 0, 0)
    assert found["first_ns"] < found["last_ns"]


def test_stats_count_corrupt_files(store: Path) -> None:
    """Files that are missing or of another size, and manifests that cannot be read, are counted."""
    part(store).unlink()
    _cut(part(store, 3), 20)
    assert store_stats(store).to_json()["damaged"] == 2
    _flip(ticks_of(store) / MANIFEST, 20)
    assert store_stats(store).to_json()["damaged"] == 1


def test_skipped_files_are_named(store: Path) -> None:
    """What is not the store's is named with the reason, and the check fails for nothing else."""
    made = {
        "README": "not a file of a store",
        "mine/file": "",
        "doc_type=other/x.parquet": "",
        "doc_type=game_tick/x.parquet": "not a file of a store",
        "doc_type=game_tick/mine/x.parquet": "",
        f"doc_type=game_tick/session_id={SESSION}/mine.parquet": "not a file of a store",
        f"doc_type=game_tick/session_id={SESSION}/._part-000002.parquet": "not a file of a store",
        f"doc_type=game_tick/session_id={SESSION}/deep/x": "",
        "journals/x": "not a file of a store",
        "journals/.hidden/x": "",
        f"journals/{SESSION}/x.log": "not a file of a store",
        f"journals/{SESSION}/deep/x": "",
    }
    for name in made:
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text("mine")
    report = check_store(store)
    assert (report.ok, report.problems) == (False, [])
    folders = {
        "mine": "not a folder of a store",
        "doc_type=other": "no such kind of document",
        "doc_type=game_tick/mine": "not a folder of a store",
        f"doc_type=game_tick/session_id={SESSION}/deep": "not a folder of a store",
        "journals/.hidden": "not the name of a session",
        f"journals/{SESSION}/deep": "not a folder of a store",
    }
    expected = folders | {name: why for name, why in made.items() if why}
    assert {skipped.path: skipped.reason for skipped in report.skipped} == expected
    assert report.to_json()["skipped"] == [attrs.asdict(skipped) for skipped in report.skipped]
    (one,) = check_store(store, sessions=[SESSION], quick=True).sessions
    assert one == SESSION


def test_lost_end_of_a_journal_is_a_gap(store: Path) -> None:
    """A last segment that is missing is found by the record of its parts."""
    (journal_directory(store, SESSION) / "000003.log.zst").unlink()
    (problem,) = check_store(store).problems
    assert problem.kind == "journal_gap"
    assert "segments 000003 to 000003 are missing at its end" in problem.message


def test_state_of_a_session_is_not_guessed(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session whose lock cannot be read is neither running nor killed."""
    directory = make_store(store, "killed", close=False)
    assert store_stats(store).to_json()["unfinished"] == 1
    real = os.open

    def refuse(path: Any, flags: int, *rest: Any) -> int:
        if Path(path) == directory / "lock":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, flags, *rest)

    monkeypatch.setattr(locks.os, "open", refuse)
    report = check_store(store)
    assert report.running == []
    (problem,) = report.problems
    assert problem.kind == "session_unknown"
    figures = store_stats(store).to_json()
    assert (figures["running"], figures["unfinished"]) == (0, 0)
    assert [s["state"] for s in figures["sessions"]] == ["unknown", "closed"]


def test_emptied_journal_is_named(tmp_path: Path) -> None:
    """`truncate -s 0` of the only segment is corruption: a session has files only after its first entry."""
    journal = Journal.create(journal_directory(tmp_path, SESSION), HEADER)
    begin_session(tmp_path, SESSION)
    journal.abandon()
    (journal.directory / "000001.log").write_bytes(b"")

    found = [(p.kind, p.session_id, p.path) for p in check_store(tmp_path).problems]
    assert found == [("journal_damaged", SESSION, f"journals/{SESSION}")]
    assert store_stats(tmp_path).to_json()["damaged"] == 1
    assert [each.session_id for each in UnbuiltSessions(tmp_path).look()] == [SESSION]
    with pytest.raises(StoreError, match=r"has rows in .* but an empty journal"):
        refuse_orphans(tmp_path, SESSION)
    drop_session(tmp_path, SESSION)
    assert check_store(tmp_path).ok
