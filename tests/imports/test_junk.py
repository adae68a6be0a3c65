"""Imports of arbitrary content: every row of a file is imported or reported."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imports.samples import (
    board_row,
    only,
    recorded_row,
    seeded_row,
    write_lines,
)
from tests.store.samples import memory_folder
from vectra_bot.conformance.verification import verify_file
from vectra_bot.errors import InputError, UsageError
from vectra_bot.imports.run import import_paths

ROWS = st.sampled_from([board_row(n) for n in range(4)]).map(lambda row: json.dumps(row).encode())


def as_line(text: str) -> bytes:
    """Return text as one line, with half surrogate pairs as invalid UTF-8."""
    return text.replace("\n", "").replace("\r", "").encode("utf-8", "surrogatepass")


JUNK = st.one_of(
    st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b"")),
    st.text(max_size=30).map(as_line),
    st.sampled_from(
        [
            b"", b"   ", b"# comment", b"// comment", b"null", b"[]", b"{}", b"1", b'"text"', b'{"a": NaN}',
            b'{"gameId": "\\ud800", "tick": 1, "row": {"id": "x"}}', b"{" * 3000, b"[" * 100_000,
            b'{"gameId": "g", "tick": 1e999, "row": {"id": "x"}}', b'{"gameId": "g", "tick": 1, "row": [',
            b'{"gameId": "g", "tick": 123456789012345678901234567890, "row": {"id": "x"}}',
            b'{"gameId": null, "tick": null, "row": null}', b"\xff\xfe\x00",
            b'{"t": 1, "event": "e", "args": []}',
            b'{"gameId": "g", "tick": 1, "row": {"id": "' + b"x" * 5000 + b'"}}',
        ]
    ),
)  # fmt: skip


@settings(max_examples=60)
@given(lines=st.lists(st.one_of(ROWS, JUNK), max_size=12), packed=st.booleans())
def test_every_line_is_accounted_for(lines: list[bytes], *, packed: bool) -> None:
    """For any lines nothing raises, and imported + bad is the number of rows."""
    data = b"".join(line + b"\n" for line in lines)
    with memory_folder() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(gzip.compress(data) if packed else data)

        report = only(import_paths(path, Path(folder) / "store"))

        if not report.bad_rows or "binary" not in report.bad_rows[0].reason:
            expected = sum(
                1 for line in lines if line.strip() and not line.strip().startswith((b"#", b"//"))
            )
            if not data.lstrip().startswith((b"[", b"\xff\xfe")):  # an array, UTF-16
                assert report.rows == expected
        assert json.dumps(report.to_json())
        assert only(import_paths(path, Path(folder) / "store")).imported == 0


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_archive_gives_what_can_be_read(tmp_path: Path, keep: float) -> None:
    """The rows before the end are imported; the early end is one bad row."""
    rows = [board_row(n) for n in range(2000)]
    whole = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), 1)
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(whole[: max(12, int(len(whole) * keep))])

    found = only(import_paths(path, tmp_path / "s"))

    assert found.bad == 1
    assert found.imported == found.rows - 1
    assert "ends early" in found.bad_rows[0].reason or "corrupt" in found.bad_rows[0].reason
    assert keep < 0.5 or found.imported > 500


def test_a_short_archive_that_is_truncated_gives_its_first_rows(tmp_path: Path) -> None:
    """A file whose whole text is smaller than a buffer is not refused as a whole."""
    text = "".join(json.dumps(board_row(n)) + "\n" for n in range(3)).encode()
    path = tmp_path / "short.jsonl.gz"
    path.write_bytes(gzip.compress(text)[:-8])

    found = only(import_paths(path, tmp_path / "s"))

    assert (found.imported, found.bad, found.bad_rows[0].row) == (3, 1, 4)


@pytest.mark.parametrize(
    "junk", [b"\0" * 64, '{"a": 1}'.encode("utf-16"), b'{"a": "\0"}', b"\x01\x02"]
)
def test_lines_of_other_bytes_are_refused_one_by_one(tmp_path: Path, junk: bytes) -> None:
    """A crash, or a shell that appends UTF-16, spoils lines: the others are imported, these are named."""
    path = write_lines(tmp_path / "a.jsonl", [board_row(1), junk, board_row(2), junk, board_row(3)])

    found = only(import_paths(path, tmp_path / "s"))

    assert (found.imported, found.bad) == (3, 2)
    assert [bad.row for bad in found.bad_rows] == [2, 4]
    assert all(bad.reason for bad in found.bad_rows)
    assert b"\0" not in junk or any("zero bytes" in bad.reason for bad in found.bad_rows)


def test_files_that_were_joined_keep_their_marks(tmp_path: Path) -> None:
    """A byte order mark at the beginning of a later line is not part of the line."""
    rows = [b"\xef\xbb\xbf" + json.dumps(board_row(n)).encode() for n in range(3)]

    found = only(import_paths(write_lines(tmp_path / "a.jsonl", rows), tmp_path / "s"))

    assert (found.imported, found.bad) == (3, 0)


def test_lines_that_end_in_a_carriage_return_alone_are_named(tmp_path: Path) -> None:
    """Such a file is one line; the reason says what to do."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\r".join(json.dumps(board_row(n)).encode() for n in range(3)))

    found = only(import_paths(path, tmp_path / "s"))

    assert (found.imported, found.bad) == (0, 1)
    assert "convert the line ends" in found.bad_rows[0].reason


def test_text_of_utf_16_that_ends_early_is_reported(tmp_path: Path) -> None:
    """Half a character at the end is one bad row; the whole lines before it are imported."""
    text = "".join(json.dumps(board_row(n)) + "\n" for n in range(3))
    path = tmp_path / "a.jsonl"
    path.write_bytes(text.encode("utf-16") + b"{")

    found = only(import_paths(path, tmp_path / "s"))

    assert (found.imported, found.bad) == (3, 1)
    assert "ends early" in found.bad_rows[0].reason
    path.write_bytes((json.dumps(seeded_row()) + "\n").encode("utf-16") + b"{")
    with pytest.raises(InputError, match=r"line 2: the text is truncated"):
        verify_file(path)


def test_gigantic_lines_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the limit is one bad row; the next is read."""
    monkeypatch.setattr("vectra_bot.venues.captures.lines.MAX_LINE", 1000)
    path = write_lines(
        tmp_path / "a.jsonl", [board_row(1), b"x" * 5000, board_row(2), b'{"a": "' + b"y" * 999]
    )

    found = only(import_paths(path, tmp_path / "s"))

    assert (found.imported, found.bad) == (2, 2)
    assert {bad.row for bad in found.bad_rows} == {2, 4}


def test_other_files_are_reported(tmp_path: Path) -> None:
    """An array of something else, one object, a picture, an empty file, rows of another kind."""
    (tmp_path / "array.json").write_text(
        json.dumps([{"serverSeed": "x", "first5": [1]}] * 3, indent=1)
    )
    (tmp_path / "object.json").write_text(json.dumps({"a": 1}, indent=1))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4)
    (tmp_path / "empty.jsonl").write_bytes(b"")
    write_lines(tmp_path / "mixed.jsonl", [board_row(), recorded_row(), board_row(2)])

    report = import_paths(tmp_path, tmp_path.parent / "store-of-junk")

    by_name = {Path(f.file).name: f for f in report.files}
    assert {name: (f.rows, f.imported, f.bad) for name, f in by_name.items()} == {
        "array.json": (3, 0, 3), "object.json": (1, 0, 1), "picture.png": (1, 0, 1),
        "empty.jsonl": (0, 0, 0), "mixed.jsonl": (3, 2, 1),
    }  # fmt: skip
    assert (
        by_name["mixed.jsonl"].bad_rows[0].reason
        == "a row of recorded_prices in a file of leaderboard"
    )
    assert by_name["array.json"].reasons.keys() == by_name["object.json"].reasons.keys()
    assert not report.ok


def test_an_array_of_rows_is_read_like_lines(tmp_path: Path) -> None:
    """Items are rows, numbered by their position."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps([board_row(1), {"a": 1}, board_row(2)], indent=2))

    found = only(import_paths(path, tmp_path / "s"))

    assert (found.imported, found.bad) == (2, 1)
    assert found.bad_rows[0].row == 2


def test_paths_that_cannot_be_imported_are_refused(tmp_path: Path) -> None:
    """One line each: missing, of schema 1.0.0, the store itself, in an event loop, an impossible id."""
    from tests.imports.released import v1

    with pytest.raises(InputError, match="does not exist"):
        import_paths(tmp_path / "nowhere", tmp_path / "s")
    v1.write(tmp_path / "old", v1.one_of_each())
    with pytest.raises(InputError, match="store migrate"):
        import_paths(tmp_path / "old", tmp_path / "s")
    path = write_lines(tmp_path / "l.jsonl", [board_row()])
    import_paths(path, tmp_path / "s")
    with pytest.raises(InputError, match="the store itself"):
        import_paths(tmp_path / "s", tmp_path / "s")
    with pytest.raises(InputError, match="session id was"):
        import_paths(path, tmp_path / "t", session_id="../x")

    async def inside() -> None:
        import_paths(path, tmp_path / "t")

    with pytest.raises(UsageError, match="event loop"):
        asyncio.run(inside())
