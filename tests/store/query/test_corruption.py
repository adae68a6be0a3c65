"""Corrupt files: no reader of the SDK returns a value that was never written without reporting it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vectra_bot.journal import Entry, list_segments, read_segment
from vectra_bot.journal.format import encode_group
from vectra_bot.testing.faults import compaction_race, corruption
from vectra_bot.testing.faults.processes import folder


@pytest.fixture(scope="module")
def original() -> Iterator[corruption.Original]:
    with folder() as name:
        corruption.make_store(name / "store", 1)
        found = corruption.Original(name / "store")
        found.read()
        yield found
        found.close()


def _paths(original: corruption.Original, kind: str) -> list[Path]:
    files = sorted(path for path in original.root.rglob("*") if path.is_file())
    return [path for path in files if path.stat().st_size and corruption.kind_of(path) == kind]


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("closed journal .log.zst", {"refused"}),
        ("killed journal .log", {"refused", "torn"}),
        ("part", {"skipped and named"}),
        ("compacted", {"skipped and named"}),
        ("_manifest.jsonl", {"equal", "refused", "skipped and named"}),
        ("closed journal .parts.json", {"refused", "skipped and named"}),
    ],
)
@pytest.mark.parametrize("reader", corruption.READERS)
def test_a_flip_in_the_middle_is_seen(
    original: corruption.Original, kind: str, seen: set[str], reader: str
) -> None:
    """A flipped bit in the middle of a file's content, and a truncation there, are detected."""
    original.reader = reader
    for path in _paths(original, kind)[:3]:
        whole = path.read_bytes()
        at = len(whole.rstrip(b"\0")) // 2
        try:
            for changed in (
                whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :],
                whole[:at],
            ):
                path.write_bytes(changed)
                assert original.judge(path) in seen, path
        finally:
            path.write_bytes(whole)


@pytest.mark.slow
def test_flips_and_cuts_anywhere() -> None:
    """No random flip or truncation is silent, and most are detected."""
    figures = corruption.run(60, 60, seed=3)
    assert figures["failures"] == []
    assert figures["verdicts"]["equal"] < 40


def test_a_changed_value_is_found(original: corruption.Original) -> None:
    """The test detects a valid file with another value."""
    segment = list_segments(original.root / "journals" / "killed")[-1]
    path = segment.path
    whole = path.read_bytes()
    read = list(read_segment(segment))
    changed = Entry.of(read[0].seq, read[0].kind, read[0].ts_ns + 1, read[0].data)
    entries = [changed, *read[1:]]
    try:
        path.write_bytes(encode_group(entries))
        assert original.judge(path) == corruption.SILENT
    finally:
        path.write_bytes(whole)


@pytest.mark.slow
def test_queries_while_sessions_are_compacted() -> None:
    """No row is duplicate or missing through the SDK; a raw pattern fails sometimes, and never miscounts."""
    figures = compaction_race.race(6, 2, exchange=True)
    assert compaction_race.over(figures, 6, exchange=True) == []
    assert figures["files_after"] < figures["files_before"]


@pytest.mark.slow
def test_queries_where_names_cannot_be_exchanged() -> None:
    """The same in the fallback, where a raw pattern may miss a session for an instant."""
    figures = compaction_race.race(3, 3, exchange=False)
    assert compaction_race.over(figures, 3, exchange=False) == []
