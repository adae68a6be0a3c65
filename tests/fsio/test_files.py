"""The seam: what its functions leave on the disk, what they report, and what an observer can inject."""

from __future__ import annotations

import errno
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.samples import memory_folder
from vectra_bot.errors import StoreError
from vectra_bot.fsio import Op, disk, files


@pytest.fixture
def ops(tmp_path: Path) -> Any:
    seen: list[Op] = []
    with files.observing(seen.append):
        yield seen


def reported(ops: list[Op], root: Path) -> list[str]:
    """Return the operations as short words, paths relative to *root*."""
    words = []
    for op in ops:
        names = [
            "." if path == root else path.relative_to(root).as_posix()
            for path in (op.path, op.target)
            if path is not None
        ]
        words.append(" ".join([op.kind, *names]))
    return words


def test_write_durably_reports_every_step_before_it(tmp_path: Path, ops: list[Op]) -> None:
    """Data and name are synced in an order that survives a crash at any step."""
    files.write_durably(tmp_path / "a", b"abc")
    assert reported(ops, tmp_path) == [
        "create .a.tmp",
        "write .a.tmp",
        "sync .a.tmp",
        "rename .a.tmp a",
        "sync_directory .",
    ]
    assert ops[1].data == b"abc"
    assert (tmp_path / "a").read_bytes() == b"abc"


def test_what_another_library_wrote_is_reported_whole(tmp_path: Path, ops: list[Op]) -> None:
    """A file written under the temporary name without the seam is reported before it is synced."""
    with files.replacing(tmp_path / "a") as temporary:
        temporary.write_bytes(b"foreign")
    assert [(op.kind, op.data) for op in ops[:3]] == [
        ("create", b""),
        ("write", b"foreign"),
        ("sync", b""),
    ]


def test_writes_are_reported_with_their_offset(tmp_path: Path, ops: list[Op]) -> None:
    """Appended and mapped writes, truncation and allocation say where they are."""
    path = tmp_path / "a"
    fd = files.open_file(path, append=True)
    files.write_all(fd, b"abc")
    files.write_all(fd, b"de")
    files.truncate(fd, 4)
    files.write_all(fd, b"f")
    os.close(fd)
    fd = files.open_file(path)
    files.allocate(fd, 10)
    files.report_write(path, 2, memoryview(b"z"))
    os.close(fd)
    assert [(op.kind, op.offset, op.data) for op in ops] == [
        ("create", 0, b""),
        ("write", 0, b"abc"),
        ("write", 3, b"de"),
        ("truncate", 4, b""),
        ("write", 4, b"f"),
        ("allocate", 10, b""),
        ("write", 2, b"z"),
    ]
    assert path.read_bytes() == b"abcdf" + bytes(5)


def test_allocation_reserves_space_and_writes_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Allocated bytes are zero and have blocks, also where the system has no fallocate."""
    for name in ("fast", "slow"):
        path = tmp_path / name
        fd = files.open_file(path)
        files.write_all(fd, b"head")
        files.allocate(fd, 1 << 20)
        assert os.fstat(fd).st_blocks * 512 >= 1 << 20
        os.close(fd)
        assert path.read_bytes() == b"head" + bytes((1 << 20) - 4)
        monkeypatch.delattr(os, "posix_fallocate", raising=False)


def test_exchange_swaps_two_folders_atomically(tmp_path: Path, ops: list[Op]) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / f"of_{name}").touch()
    if not files.exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this file system cannot exchange names")
    assert (tmp_path / "b" / "of_a").exists()
    assert (tmp_path / "a" / "of_b").exists()
    assert reported(ops, tmp_path) == ["exchange a b"]
    with pytest.raises(FileNotFoundError):
        files.exchange(tmp_path / "a", tmp_path / "missing")


def test_trees_are_made_and_removed_name_by_name(tmp_path: Path, ops: list[Op]) -> None:
    """New directories are synced one by one; a tree is removed leaves first; links are not followed."""
    files.make_directories(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "f").touch()
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    assert reported(ops[1:], tmp_path) == [
        "mkdir a",
        "sync_directory .",
        "mkdir a/b",
        "sync_directory a",
    ]
    assert (ops[0].kind, ops[0].path) == ("sync_directory", tmp_path.parent)
    ops.clear()
    files.remove_tree(tmp_path / "a")
    assert reported(ops, tmp_path) == ["unlink a/b/f", "rmdir a/b", "unlink a/link", "rmdir a"]
    files.remove_tree(tmp_path / "a")
    assert tmp_path.exists()


@given(
    lines=st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"") + b"\n"), max_size=4),
    torn=st.binary(max_size=200_000).map(lambda b: b.replace(b"\n", b"")),
)
def test_append_line_truncates_what_a_crash_left(lines: list[bytes], torn: bytes) -> None:
    """After an incomplete line of any length, the next one starts a new line."""
    with memory_folder() as folder:
        path = Path(folder) / "list"
        for line in lines:
            files.append_line(path, line)
        with path.open("ab") as file:
            file.write(torn)
        files.append_line(path, b"next\n")
        assert path.read_bytes() == b"".join(lines) + b"next\n"
        files.append_line(path, b"kept\n", keep=len(b"".join(lines)))
        assert path.read_bytes() == b"".join(lines) + b"kept\n"


@pytest.mark.parametrize("kind", ["create", "write", "sync", "rename", "sync_directory"])
def test_an_observer_that_raises_is_a_broken_disk(tmp_path: Path, kind: str) -> None:
    """The caller gets the error as from the disk itself, and the old file is unchanged."""
    path = tmp_path / "a"
    files.write_durably(path, b"old")

    def broken(op: Op) -> None:
        if op.kind == kind:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        files.observing(broken),
        pytest.raises(
            StoreError, match=r"cannot write .*a: No space left on device; check free space"
        ),
    ):
        files.write_durably(path, b"new")
    # The new name existed when its directory could not be synced.
    assert path.read_bytes() == (b"new" if kind == "sync_directory" else b"old")
    assert [left.name for left in tmp_path.iterdir()] == ["a"]


def test_an_observer_observes_all_threads_and_is_removed_afterwards(tmp_path: Path) -> None:
    seen: list[Op] = []
    with files.observing(seen.append):
        thread = threading.Thread(target=files.write_durably, args=(tmp_path / "a", b"x"))
        thread.start()
        thread.join()
    assert len(seen) == 5
    files.write_durably(tmp_path / "a", b"y")
    assert len(seen) == 5


_MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/root rw
30 22 0:40 / /net rw - nfs4 server:/export rw
31 30 0:41 / /net/disk rw shared:3 - xfs /dev/sdb rw
32 22 0:42 / /home/me/my\\040drive rw - fuse.sshfs me@host: rw
33 22 0:43 / /win rw - 9p C:\\134 rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind", "unsafe"),
    [
        ("/srv/store", "ext4", False),
        ("/net/store", "nfs4", True),
        ("/network/store", "ext4", False),
        ("/net/disk/store", "xfs", False),
        ("/home/me/my drive/store", "fuse.sshfs", True),
        ("/win", "9p", True),
    ],
)
def test_the_type_of_a_file_system_is_that_of_its_nearest_mount(
    path: str, kind: str, unsafe: bool
) -> None:
    assert disk.filesystem_of(Path(path), _MOUNTS) == kind
    assert disk.is_unsafe(kind) is unsafe


def test_an_unsafe_disk_is_warned_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("22 1 254:0 / / rw - nfs host:/ rw\n")
    monkeypatch.setattr(disk, "MOUNTS", mounts)
    monkeypatch.setattr(disk.sys, "platform", "linux")
    with caplog.at_level(logging.WARNING):
        said = [disk.warn_if_unsafe(tmp_path / "store") for _ in range(3)]
    assert said[0] is not None
    assert "is on a nfs file system" in said[0]
    assert len(caplog.records) == 1
    monkeypatch.setattr(disk, "MOUNTS", tmp_path / "missing")
    assert disk.warn_if_unsafe(tmp_path / "other") is None
