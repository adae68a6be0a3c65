"""Files of finished chunks: whole or not at all, and of nothing but their key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from attrs import evolve, fields
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.backtest.sweep.chunks import ChunkFolder, ChunkKey, ChunkResult
from vectra_bot.errors import StoreError
from vectra_bot.fsio import Op, observing

KEY = ChunkKey(code="c0de", parameters='{"target":1.5}', terms='{"seed":7}', first=10, games=4)
CHUNK = ChunkResult(
    pnl=np.array([-5, 0, 7, 2**62]),
    expected=np.array([-0.5, 0.0, -0.25, 1e300]),
    entries=3,
    stake=12,
    unknown=("short",),
    engine="event",
    why={"shorts": 4},
)
PACKED = CHUNK.pack(KEY)


def test_a_chunk_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every column and total comes back, bit for bit."""
    with ChunkFolder(tmp_path / "out") as folder:
        assert folder.read(KEY) is None
        folder.write(KEY, PACKED)
        found = folder.read(KEY)

    assert found is not None
    assert found.pack(KEY) == PACKED
    assert found.digest() == CHUNK.digest()
    assert (found.unknown, found.why, found.stake) == (("short",), {"shorts": 4}, 12)
    assert folder.corrupt == 0


@given(at=st.integers(0, len(PACKED) - 1), bit=st.integers(0, 7))
def test_every_flipped_bit_is_found(at: int, bit: int) -> None:
    """No single error of a disk is taken for a result."""
    data = bytearray(PACKED)
    data[at] ^= 1 << bit

    with pytest.raises(ValueError, match="checksum"):
        ChunkResult.unpack(bytes(data), KEY)


@given(length=st.integers(0, len(PACKED) - 1))
def test_a_truncated_file_is_found(length: int) -> None:
    """Nor is the beginning of a file."""
    with pytest.raises(ValueError, match="checksum"):
        ChunkResult.unpack(PACKED[:length], KEY)


@pytest.mark.parametrize("name", [one.name for one in fields(ChunkKey)])
def test_another_key_is_another_file(name: str, tmp_path: Path) -> None:
    """Code, parameters, terms and games each lead to another file; a renamed one is refused."""
    value = getattr(KEY, name)
    other = evolve(KEY, **{name: value + (1 if isinstance(value, int) else "x")})

    assert other.path(tmp_path) != KEY.path(tmp_path)
    with pytest.raises(ValueError, match="another key"):
        ChunkResult.unpack(PACKED, other)


def test_a_corrupt_file_is_counted_and_replaced(tmp_path: Path) -> None:
    """It reads as missing, and the next write repairs it."""
    with ChunkFolder(tmp_path) as folder:
        folder.write(KEY, PACKED)
        KEY.path(tmp_path).write_bytes(PACKED[:-3])
        assert folder.read(KEY) is None
        assert folder.corrupt == 1

        folder.write(KEY, PACKED)

        assert folder.read(KEY) is not None


def test_two_sweeps_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second one is refused with advice; afterwards the folder is free."""
    with (
        ChunkFolder(tmp_path),
        pytest.raises(StoreError, match=r"in use by another sweep.*give another --out"),
    ):
        ChunkFolder(tmp_path)

    with ChunkFolder(tmp_path) as folder:
        assert folder.read(KEY) is None


@pytest.mark.parametrize("kind", ["create", "write", "sync", "rename", "sync_directory"])
def test_a_failing_disk_leaves_no_part_of_a_file(kind: str, tmp_path: Path) -> None:
    """Whatever step fails, the chunk's file is missing or whole."""

    def fail(op: Op) -> None:
        if op.kind == kind:
            raise OSError(28, "No space left on device")

    with ChunkFolder(tmp_path) as folder:
        KEY.path(tmp_path).parent.mkdir(parents=True)
        with observing(fail), pytest.raises(StoreError, match="No space left"):
            folder.write(KEY, PACKED)

        found = folder.read(KEY)

    assert found is None or found.pack(KEY) == PACKED
    assert folder.corrupt == 0
    assert [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")] == []
