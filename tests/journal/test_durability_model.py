"""What is on the disk after a sync, a close or a cut: every byte of every segment, and every name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from hypothesis import example, given
from hypothesis import strategies as st

from tests.store.samples import HEADER, SESSION, TS, memory_folder
from vectra_bot.fsio import files
from vectra_bot.journal import Entry, Journal, journal_directory
from vectra_bot.journal.segments import cut_segment
from vectra_bot.models import Frame


@define
class Disk:
    """Sees every step of the file system and knows what a power failure would lose."""

    dirty: set[Path] = field(factory=set)
    unnamed: set[Path] = field(factory=set)

    def see(self, op: Any) -> None:
        """Note one step."""
        if op.path.suffix != ".log" and op.kind != "sync_directory":
            return
        if op.kind == "create":
            self.unnamed.add(op.path)
        if op.kind in {"create", "write", "truncate", "allocate"}:
            self.dirty.add(op.path)
        elif op.kind == "sync":
            self.dirty.discard(op.path)
        elif op.kind == "sync_directory":
            self.unnamed = {path for path in self.unnamed if path.parent != op.path}


@example([("roll", 0), ("long", 5000), ("append", 1)])
@example([("append", 1), ("roll", 0)] * 8)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 3)),
            st.tuples(st.just("long"), st.sampled_from([3000, 5000])),
            st.tuples(st.sampled_from(["roll", "sync"]), st.just(0)),
        ),
        max_size=25,
    )
)
def test_after_a_sync_nothing_is_left_to_lose(steps: list[Any]) -> None:
    """Whatever was appended and rolled before, also into new segments; a close leaves nothing either."""
    with memory_folder() as folder:
        disk = Disk()
        with files.observing(disk.see):
            directory = journal_directory(folder, SESSION)
            journal = Journal.create(directory, HEADER, segment_bytes=4000, sync_interval_s=0)
            assert (disk.dirty, disk.unnamed) == (set(), set())
            for kind, size in steps:
                seq = journal.last_seq + 1
                if kind == "append":
                    journal.append([Entry.of_frame(seq + n, Frame(TS, "x")) for n in range(size)])
                elif kind == "long":
                    journal.append([Entry.of_frame(seq, Frame(TS, "x" * size))])
                elif kind == "roll":
                    journal.roll()
                else:
                    journal.sync()
                    assert (disk.dirty, disk.unnamed) == (set(), set())
                # The open segment, and few closed ones: with a slow disk the writer waits.
                assert len(disk.dirty) <= 5
            journal.close("done")
        assert (disk.dirty, disk.unnamed) == (set(), set())


@define
class _Writing:
    """Writes to a journal while it is synced, and knows how far each segment was written at its last sync."""

    todo: list[str]
    journal: Any = None
    synced: dict[str, int] = field(factory=dict)

    def see(self, op: Any) -> None:
        """Note a sync, and do the next thing before it ends."""
        if op.kind != "sync" or op.path.suffix != ".log" or self.journal is None:
            return
        segments = self.journal._segments
        for segment in (*segments._pending, segments.open):
            if segment.path == op.path:
                self.synced[op.path.name] = segment.end
        if self.todo:
            self.do(self.todo.pop())

    def do(self, what: str) -> None:
        """Append an entry, close the segment, or one after the other."""
        if "append" in what:
            entry = Entry.of_frame(self.journal.last_seq + 1, Frame(TS, "x"))
            self.journal.append([entry])
        # With more closed segments the writer waits for the end of the sync, in its own thread.
        if "roll" in what and not self.journal._segments.is_behind:
            self.journal.roll()

    def check(self, ends: dict[str, int]) -> None:
        """Check that what the next mark says is on the disk is there, and everything before it."""
        number, offset = self.journal._segments._durable
        name = f"{number:06d}.log"
        assert self.synced.get(name, 0) >= offset
        assert all(self.synced[other] == ends[other] for other in ends if other < name)


WRITES = st.sampled_from(["append", "roll", "append, roll", "nothing"])


@example([["append"]], [])
@example([["nothing", "append"]], ["roll", "append"])
@example([["append, roll"]], ["append"])
@given(st.lists(st.lists(WRITES, max_size=3), min_size=1, max_size=4), st.lists(WRITES, max_size=5))
def test_what_is_written_during_a_sync_is_not_said_to_be_on_the_disk(
    during: list[list[str]], between: list[str]
) -> None:
    """A thread syncs while another writes: nothing of that counts yet, and nothing of it is forgotten."""
    with memory_folder() as folder:
        writing = _Writing([])
        with files.observing(writing.see):
            directory = journal_directory(folder, SESSION)
            journal = Journal.create(directory, HEADER, segment_bytes=4000, sync_interval_s=0)
            writing.journal = journal
            for todo in during:
                for what in between:
                    writing.do(what)
                writing.todo = list(todo)
                journal.sync()
                open_, closed = journal._segments.open, journal._segments._pending
                ends = {path.name: path.stat().st_size for path in directory.glob("*.log")}
                ends.update({segment.path.name: segment.end for segment in (*closed, open_)})
                writing.check(ends)
            writing.todo = []
            journal.sync()
            assert journal._segments.is_safe
            journal.close("done")
        assert all(
            writing.synced[path.name] == path.stat().st_size for path in directory.glob("*.log")
        )


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5000)), min_size=1, max_size=6))
def test_a_group_counts_only_when_all_of_it_is_stored(groups: list[tuple[int, int]]) -> None:
    """A kill may split a write between pages: then the first header, which a reader looks for, is last."""
    with memory_folder() as folder:
        writes: list[tuple[int, int]] = []

        def see(op: Any) -> None:
            if op.kind == "write":
                writes.append((op.offset, len(op.data)))

        directory = journal_directory(folder, SESSION)
        journal = Journal.create(directory, HEADER, sync_interval_s=0)
        with files.observing(see):
            for size, length in groups:
                seq, text = journal.last_seq + 1, "x" * length
                writes.clear()
                journal.append([Entry.of_frame(seq + n, Frame(TS, text)) for n in range(size)])
                header, stored = writes[-1]
                if stored == 32:
                    assert header + stored == writes[-2][0]
                else:
                    assert header // 4096 == (header + stored - 1) // 4096
        journal.abandon()


@pytest.mark.parametrize(("size", "kept"), [(0, 0), (7, 7), (100, 100), (150, 100)])
def test_a_cut_is_forced_to_the_disk(tmp_path: Path, size: int, kept: int) -> None:
    """So that what a crash left half written does not come back with the next one."""
    path = tmp_path / "000001.log"
    path.write_bytes(bytes(range(100)))
    disk = Disk(dirty={path})
    with files.observing(disk.see):
        cut_segment(path, size)

    assert path.read_bytes() == bytes(range(kept))
    assert disk.dirty == set()
