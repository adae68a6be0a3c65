"""A manifest lists each file once, survives a truncated end, and detects corruption."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.errors import StoreError
from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import (
    MANIFEST,
    Part,
    add_part,
    decode_lines,
    encode_lines,
    part_folder,
    part_from_json,
    part_to_json,
    read_manifest,
    unlisted_files,
    write_manifest,
)


def make_part(number: int, **changes: Any) -> Part:
    """Return the description of a part that need not exist."""
    values: dict[str, Any] = {
        "doc_type": DocType.GAME_TICK,
        "path": f"doc_type=game_tick/session_id=S/part-{number:06d}.parquet",
        "rows": number,
        "first_seq": number,
        "last_seq": number * 2,
        "bytes": 900,
        "sha256": "ab" * 32,
        "crc32": 77,
    }
    return Part(**{**values, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = part_folder(tmp_path, DocType.GAME_TICK, "S")
    folder.mkdir(parents=True)
    return folder


def test_parts_are_listed_in_order_and_once(tmp_path: Path, folder: Path) -> None:
    """Each appended part is listed; a later line for the same file replaces the earlier one."""
    assert read_manifest(folder) == []
    sketches = {"timestamps_total_latency_ms": {"BUY": {"count": 0}}}
    first, second = make_part(1), make_part(2, sketches=sketches)
    add_part(tmp_path, first)
    add_part(tmp_path, second)
    assert read_manifest(folder) == [first, second]
    again = make_part(1, bytes=901)
    add_part(tmp_path, again)
    assert read_manifest(folder) == [second, again]
    write_manifest(tmp_path, folder, [first])
    assert read_manifest(folder) == [first]


@given(st.integers(0, 3), st.integers(1, 400), st.booleans())
def test_a_torn_end_loses_only_itself(whole: int, kept: int, zeros: bool) -> None:
    """After a crash within a line, also with zeros in its place, the lines before it are valid."""
    parts = [make_part(n) for n in range(whole + 1)]
    before = encode_lines(parts[:-1])
    line = encode_lines(parts[-1:])
    torn = line[: min(kept, len(line) - 2)]
    if zeros:
        torn = torn + bytes(len(line) - len(torn) - 1) + b"\n"
    assert decode_lines(before + torn, "m") == parts[:-1]


def test_the_next_line_truncates_a_torn_one(tmp_path: Path, folder: Path) -> None:
    """A part added after a crash does not join the bytes left by the crash."""
    add_part(tmp_path, make_part(1))
    path = folder / MANIFEST
    path.write_bytes(path.read_bytes() + b"0badc0de {half")
    add_part(tmp_path, make_part(2))
    assert [part.rows for part in read_manifest(folder)] == [1, 2]
    path.write_bytes(path.read_bytes() + bytes(40) + b"\n")
    add_part(tmp_path, make_part(3))
    assert [part.rows for part in read_manifest(folder)] == [1, 2, 3]


@given(st.data())
def test_no_flipped_bit_gives_another_manifest(data: st.DataObject) -> None:
    """Any flipped bit is an error, or loses the last line, whose file is then unlisted."""
    parts = [make_part(n) for n in range(3)]
    lines = bytearray(encode_lines(parts))
    place = data.draw(st.integers(0, len(lines) * 8 - 1))
    lines[place // 8] ^= 1 << place % 8
    try:
        found = decode_lines(bytes(lines), "m")
    except StoreError:
        return
    assert found == parts[:-1]


def test_a_lost_line_shows_as_an_unlisted_file(tmp_path: Path, folder: Path) -> None:
    """A manifest truncated at a line's end looks valid: the unlisted file shows the loss."""
    for number in (1, 2):
        part = make_part(number)
        (tmp_path / part.path).write_bytes(b"PAR1")
        add_part(tmp_path, part)
    assert unlisted_files(folder) == []
    path = folder / MANIFEST
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert [found.name for found in unlisted_files(folder)] == ["part-000002.parquet"]


@pytest.mark.parametrize(
    "change",
    [
        {"rows": "3"},
        {"rows": True},
        {"path": 3},
        {"sketches": []},
        {"doc_type": "nothing"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_line_that_is_not_a_part_is_corrupt(change: dict[str, Any]) -> None:
    """A line with a right checksum and wrong content is reported with its number."""
    import json

    data = {**part_to_json(make_part(1)), **change}
    with pytest.raises(ValueError, match=r"part|Expected `(int|str|object)`|nothing"):
        part_from_json(data)
    body = json.dumps(data).encode()
    lines = encode_lines([make_part(2)]) + b"%08x %b\n" % (zlib.crc32(body), body)
    with pytest.raises(StoreError, match=r"m: line 2 is corrupt.*store recover"):
        decode_lines(lines, "m")
