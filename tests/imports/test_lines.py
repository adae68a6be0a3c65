"""Lines are imported once: whatever their file, from one recorder; two recorders stay two sessions."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.imports.samples import (
    board_row,
    capture,
    only,
    query,
    recorded_row,
    seeded_row,
    session,
    trade_row,
    write_lines,
)
from vectra_bot.imports.known import LINES_FILE
from vectra_bot.imports.run import import_paths
from vectra_bot.store.maintenance.sessions import drop_session, list_sessions

__all__ = ["capture", "session"]  # the fixtures

CONTAINERS: dict[str, Callable[[bytes], bytes]] = {
    "same": lambda data: data,
    "gz": gzip.compress,
    "zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
    "crlf": lambda data: data.replace(b"\n", b"\r\n"),
    "bom": lambda data: b"\xef\xbb\xbf" + data,
    "utf-16": lambda data: data.decode().encode("utf-16"),
    "no last end": lambda data: data.rstrip(b"\n"),
    "array": lambda data: json.dumps(list(map(json.loads, data.splitlines())), indent=1).encode(),
    "spaced": lambda data: b"\n# copied\n" + data.replace(b"\n", b"\n\n"),
}
KINDS: dict[str, list[dict[str, Any]]] = {
    "trades": [trade_row(n) for n in range(6)],
    "games": [seeded_row(timestamp=1_751_328_000_000 + n) for n in range(6)],
    "recorded": [recorded_row(f"20251030-{n:016x}") for n in range(6)],
    "leaderboard": [board_row(n) for n in range(6)],
    "native": [
        {"seq": n, "ts": f"2025-12-12T22:17:0{n}", "event": "e", "data": [n, n]} for n in range(6)
    ],
}
FRAMES = "SELECT ts_ns, direction, raw_json FROM ws_event ORDER BY ALL"


def place(tmp_path: Path, data: bytes, name: str = "again") -> Path:
    """Write *data* to a file."""
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("container", CONTAINERS)
def test_lines_are_imported_once_from_any_container(
    container: str, capture: Path, tmp_path: Path
) -> None:
    """The same lines in another file are duplicates of the session that has them, and no row is added."""
    store = tmp_path / "s"
    first = only(import_paths(capture, store))
    stored = query(store, FRAMES)

    again = only(import_paths(place(tmp_path, CONTAINERS[container](capture.read_bytes())), store))

    assert again.already
    assert (again.imported, again.duplicates, again.sessions) == (0, first.imported, first.sessions)
    assert query(store, FRAMES) == stored
    assert len(list_sessions(store)) == 1


@pytest.mark.parametrize("container", ["same", "gz", "crlf"])
def test_lines_of_a_file_that_grew_are_the_new_ones(
    container: str, capture: Path, tmp_path: Path
) -> None:
    """A hundred lines more are a hundred rows more, in a session that follows."""
    data = capture.read_bytes()
    lines = data.splitlines(keepends=True)
    store = tmp_path / "s"
    import_paths(place(tmp_path, b"".join(lines[:-100]), "short"), store)

    grown = only(import_paths(place(tmp_path, CONTAINERS[container](data)), store))

    assert (grown.imported, grown.duplicates) == (100, len(lines) - 100)
    assert len(grown.sessions) == len(list_sessions(store)) == 2
    import_paths(capture, tmp_path / "whole")
    assert query(store, FRAMES) == query(tmp_path / "whole", FRAMES)


def test_a_line_that_was_cut_is_imported_when_it_is_whole(capture: Path, tmp_path: Path) -> None:
    """A file that was copied while its recorder wrote a line: the line is bad, later it is new."""
    data = capture.read_bytes()
    lines = data.splitlines(keepends=True)
    store = tmp_path / "s"

    cut = only(import_paths(place(tmp_path, b"".join(lines[:50]) + lines[50][:40], "cut"), store))
    whole = only(import_paths(capture, store))

    assert (cut.imported, cut.bad) == (50, 1)
    assert (whole.imported, whole.duplicates, whole.bad) == (len(lines) - 50, 50, 0)


def test_lines_of_files_that_overlap_are_imported_once(capture: Path, tmp_path: Path) -> None:
    """Three files of one recorder that overlap make the rows of the whole."""
    lines = capture.read_bytes().splitlines(keepends=True)
    third, store = len(lines) // 3, tmp_path / "s"
    pieces = (lines[third : 2 * third + 20], lines[: third + 20], lines[2 * third :])
    for n, piece in enumerate(pieces):
        assert only(import_paths(place(tmp_path, b"".join(piece), f"{n}.jsonl"), store)).bad == 0

    import_paths(capture, tmp_path / "whole")
    assert query(store, FRAMES) == query(tmp_path / "whole", FRAMES)


@pytest.mark.parametrize("kind", KINDS)
def test_lines_of_every_kind_are_imported_once(kind: str, tmp_path: Path) -> None:
    """Trades, games, recorded prices and leaderboards that grew are known by their lines too."""
    rows, store = KINDS[kind], tmp_path / "s"
    first = only(import_paths(write_lines(tmp_path / "a.jsonl", rows[:4]), store))

    path = write_lines(tmp_path / "b.jsonl", rows)
    path.write_bytes(gzip.compress(path.read_bytes().replace(b"\n", b"\r\n")))
    second = only(import_paths(path, store))

    assert (first.imported, second.imported, second.duplicates) == (4, 2, 4)
    assert (first.bad, second.bad) == (0, 0)


def test_equal_lines_of_one_file_are_separate(tmp_path: Path) -> None:
    """Lines that are equal count by their ordinal: three are three, and a fourth is one more."""
    row = {"t": 1765069030.5, "dir": "in", "event": "e", "args": []}
    store = tmp_path / "s"

    assert only(import_paths(write_lines(tmp_path / "a.jsonl", [row] * 3), store)).imported == 3
    assert only(import_paths(write_lines(tmp_path / "b.jsonl", [row] * 4), store)).imported == 1


def test_two_recorders_of_one_game_stay_two_sessions(capture: Path, tmp_path: Path) -> None:
    """Another label, or the same frames at other times, are another recorder's lines."""
    rows = [json.loads(line) for line in capture.read_bytes().splitlines()[:40]]
    store = tmp_path / "s"
    others = (
        rows,
        [{**row, "capture": "b"} for row in rows],
        [{**row, "t": row["t"] + 0.001} for row in rows],
    )
    for n, lines in enumerate(others):
        found = only(import_paths(write_lines(tmp_path / f"{n}.jsonl", lines), store))
        assert (found.imported, found.duplicates) == (40, 0)

    assert len(list_sessions(store)) == 3


def test_lines_without_a_time_are_known_by_their_place(tmp_path: Path) -> None:
    """A copy of an untimed file is a duplicate; the same frames elsewhere are not."""
    rows = [f'42["e",{n}]' for n in range(5)]
    store = tmp_path / "s"

    assert only(import_paths(write_lines(tmp_path / "a", rows), store)).imported == 5
    assert (
        only(import_paths(write_lines(tmp_path / "b", [*rows, '42["e",9]']), store)).imported == 1
    )
    assert only(import_paths(write_lines(tmp_path / "c", rows[::-1]), store)).duplicates == 1


def test_lines_of_a_dropped_session_can_be_imported(tmp_path: Path) -> None:
    """What is gone from the store is not known; a bad line never is."""
    path = write_lines(
        tmp_path / "a.jsonl", [*KINDS["native"], {"ts": "soon", "event": "e", "data": 1}]
    )
    store = tmp_path / "s"
    first = only(import_paths(path, store))
    again = only(import_paths(path, store))
    assert (again.imported, again.duplicates, again.bad) == (0, 6, 1)
    assert again.sessions == list_sessions(store) == first.sessions

    drop_session(store, first.sessions[0])

    found = only(import_paths(path, store))
    assert (found.imported, found.bad) == (6, 1)


def test_lines_are_known_after_a_kill_before_they_were_noted(capture: Path, tmp_path: Path) -> None:
    """A session that is complete but has no list of lines is recognised, and the list is written."""
    store = tmp_path / "s"
    first = only(import_paths(capture, store))
    listed = store / "sessions" / first.sessions[0] / LINES_FILE
    whole = listed.read_bytes()
    listed.unlink()

    again = only(import_paths(capture, store))

    assert (again.already, again.duplicates) == (True, first.imported)
    assert listed.read_bytes() == whole
