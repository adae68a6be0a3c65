"""What is on the disk after a sync, a close or a cut: every byte of every segment, and every name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
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


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 3)),
            st.tuples(st.just("long"), st.just(3000)),
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
            journal.close("done")
        assert (disk.dirty, disk.unnamed) == (set(), set())


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
