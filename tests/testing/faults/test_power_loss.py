"""Power failures: what a model of the disk may have kept of a store is recovered; nothing synced is lost."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.samples import memory_folder
from vectra_bot.fsio import Op, files
from vectra_bot.testing.faults import planted, power_loss
from vectra_bot.testing.faults.disk_model import (
    PAGE,
    Disk,
    DiskFile,
    SeamError,
    read_tree,
    write_tree,
)

ROOT = Path("/disk")


def op(kind: str, name: str, target: str | None = None, offset: int = 0, data: bytes = b"") -> Op:
    """Return an operation on names below the root."""
    where = None if target is None else ROOT / target
    return Op(kind, ROOT / name, where, offset, data)  # type: ignore[arg-type]


def left(ops: list[Op], draws: int = 200) -> set[tuple[tuple[str, bytes | None], ...]]:
    """Return every tree that is left by a crash after *ops*, over many draws."""
    disk = Disk(ROOT)
    for step in ops:
        disk.apply(step)
    return {tuple(sorted(disk.crash(random.Random(n)).items())) for n in range(draws)}


def test_a_synced_file_without_its_name_may_be_gone() -> None:
    """The bytes are safe by the file's sync, the name by the directory's, and not before."""
    written = [op("create", "a"), op("write", "a", data=b"xy"), op("sync", "a")]
    assert left(written) == {(), (("a", b"xy"),)}
    assert left([*written, op("sync_directory", "")]) == {(("a", b"xy"),)}


def test_an_unsynced_file_may_be_short_empty_or_zeros() -> None:
    """A name and a size can be kept without the bytes."""
    found = left([op("create", "a"), op("sync_directory", ""), op("write", "a", data=b"xy")])
    contents = {tree[0][1] for tree in found}
    assert {b"", b"xy", b"\0\0"} <= contents
    assert all(len(content or b"") in (0, 2) for content in contents)


def test_pages_and_sectors_are_kept_each_for_itself() -> None:
    """A later page may be there without an earlier one, and half of a page without the other."""
    file = DiskFile()
    for number in range(3):
        file.apply(op("write", "a", offset=number * PAGE, data=bytes([number + 1]) * PAGE))
    drawn = [file.draw(random.Random(n)) for n in range(300)]
    starts = {tuple(data[at : at + 1] for at in range(0, 3 * PAGE, PAGE)) for data in drawn}
    assert (b"\0", b"\x02", b"\x03") in starts
    assert any(len(set(data[:PAGE])) > 1 for data in drawn)


@pytest.mark.parametrize("kind", ["rename", "exchange"])
def test_two_names_change_together(kind: str) -> None:
    """A rename or exchange over two directories is kept as a whole or not at all."""
    ops = [op("mkdir", "p"), op("mkdir", "q")]
    for name in ("p/a", "q/b"):
        ops += [op("create", name), op("write", name, data=name.encode()), op("sync", name)]
    ops += [op("sync_directory", name) for name in ("", "p", "q")]
    ops.append(op(kind, "p/a", "q/b"))
    before = {("p", None), ("p/a", b"p/a"), ("q", None), ("q/b", b"q/b")}
    after = {("p", None), ("q", None), ("q/b", b"p/a")}
    if kind == "exchange":
        after.add(("p/a", b"q/b"))
    assert {frozenset(tree) for tree in left(ops)} == {frozenset(before), frozenset(after)}
    ops.append(op("sync_directory", "q"))
    assert {frozenset(tree) for tree in left(ops)} == {frozenset(after)}


def test_what_goes_past_the_seam_is_noticed(tmp_path: Path) -> None:
    """A write to a file that the seam did not make, or in a folder it did not make, is an error."""
    disk = Disk(ROOT)
    with pytest.raises(SeamError, match="did not make"):
        disk.apply(op("write", "a", data=b"x"))
    with pytest.raises(SeamError, match="not a directory"):
        disk.apply(op("create", "folder/a"))


@given(data=st.data())
@settings(max_examples=60)
def test_the_model_shows_what_the_system_shows(data: st.DataObject) -> None:
    """After any operations through the seam the model's tree is the real one, and nothing synced changes."""
    with memory_folder() as name:
        root = Path(name)
        disk = Disk(root)
        with files.observing(disk.apply):
            for number in range(data.draw(st.integers(1, 8))):
                path = root / data.draw(st.sampled_from(["a", "b", "c"]))
                match data.draw(
                    st.sampled_from(["write", "append", "rename", "exchange", "unlink"])
                ):
                    case "write":
                        files.write_durably(path, b"%d" % number)
                    case "append":
                        files.append_line(path, b"%d\n" % number)
                    case "rename" if path.exists():
                        files.rename(path, root / "b")
                    case "exchange" if path.exists() and (root / "a").exists():
                        files.exchange(path, root / "a")
                    case "unlink":
                        files.unlink(path)
        assert disk.now() == read_tree(root)
        with files.observing(disk.apply):
            files.sync_directory(root)
        kept = disk.crash(random.Random(data.draw(st.integers(0, 99))))
        assert kept == disk.now()
        write_tree(root / "again", kept)
        assert read_tree(root / "again") == kept


@pytest.mark.parametrize("seed", [11, pytest.param(3, marks=pytest.mark.slow)])
def test_nothing_synced_is_lost_and_nothing_torn_is_seen(seed: int) -> None:
    """Crashes at random steps of a whole store's life; seed 3 has a system that cannot exchange names."""
    figures = power_loss.crash_trace(seed, 30)
    assert figures.failures == []
    assert figures.distinct > 20
    assert len(figures.kinds) == 3


def test_a_crash_is_the_same_each_time() -> None:
    """A failure can be reproduced by its seed."""
    one, other = (power_loss.record(5).steps for _ in range(2))
    assert [getattr(step, "kind", None) for step in one] == [
        getattr(step, "kind", None) for step in other
    ]


@pytest.mark.parametrize(
    "bug",
    [
        "journals are never flushed to disk",
        *(
            pytest.param(bug, marks=pytest.mark.slow)
            for bug in (
                "no directory is flushed to disk",
                "files are renamed before they are flushed to disk",
                "intents are not flushed to disk before they are sent",
            )
        ),
    ],
)
def test_a_planted_bug_is_found(bug: str) -> None:
    """The check fails for a writer that omits a required step."""
    figures = power_loss.crash_trace(5, 30, spoil=planted.BUGS[bug])
    assert figures.failures != []
