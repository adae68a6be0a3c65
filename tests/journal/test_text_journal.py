"""Journals of text, as older versions wrote them, are read, recovered and never written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.samples import (
    BUY_RAW,
    HEADER,
    TICK_RAW,
    TS,
    entry_lists,
    memory_folder,
    small_session,
    text_journal,
    text_line,
)
from vectra_bot.errors import InputError, JournalError, StoreError
from vectra_bot.journal.entry import Entry
from vectra_bot.journal.journal import (
    Journal,
    compress_segment,
    ends_with_close,
    journal_summary,
    list_segments,
    never_began,
    read_header,
    read_journal,
    read_segment,
    write_journal,
)
from vectra_bot.models import Frame

OLD_HEADER = Entry.of(0, "header", TS, {"header": {**HEADER, "journal_version": 1}})
CLOSE = Entry.of(8, "close", TS, {"reason": "games played"})
WHOLE = [OLD_HEADER, *small_session(), CLOSE]

# As version 1 wrote it, byte for byte.
GOLDEN = (
    b'b1054c23 {"seq":0,"kind":"header","ts":5,"header":{"session_id":"s","mode":"paper","venue":"x",'
    b'"journal_version":1}}\n'
    b'0c0a25b9 {"seq":1,"kind":"frame","ts":6,"dir":"in","raw":"42[\\"e\\",1]","game":"g-1"}\n'
)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_old_journals_read_as_before(tmp_path: Path, suffix: str) -> None:
    """Segments and single files of text, plain or packed, give the entries they were written from."""
    content = text_journal(WHOLE)
    if suffix == ".gz":
        content = gzip.compress(content)
    elif suffix == ".zst":
        content = pa.Codec("zstd").compress(content, asbytes=True)
    directory = tmp_path / "journals" / "s"
    directory.mkdir(parents=True)
    for path in (directory / f"000001.log{suffix}", tmp_path / "copy"):
        path.write_bytes(content)
    for place in (directory, tmp_path / "copy"):
        reader = read_journal(place)
        assert list(reader) == WHOLE
        assert (reader.clean, reader.torn, reader.last_seq) == (True, False, 8)
    assert ends_with_close(list_segments(directory)[0])
    assert journal_summary(directory).close_reason == "games played"
    assert read_header(directory)["journal_version"] == 1
    with pytest.raises(StoreError, match="was closed"):
        Journal.resume(directory)


def test_the_very_bytes_of_the_old_version(tmp_path: Path) -> None:
    """What is called text here is what version 1 wrote."""
    (tmp_path / "old").write_bytes(GOLDEN)
    header, frame = read_journal(tmp_path / "old")
    assert header.data["header"]["venue"] == "x"
    assert (frame.frame(), frame.game) == (Frame(6, '42["e",1]'), "g-1")


def test_documents_of_old_journals_say_their_kind_first(tmp_path: Path) -> None:
    """Whoever reads documents by their payload need not know that lines had any order of keys."""
    document = small_session()[1]
    data = dict(reversed(document.data.items()))
    (tmp_path / "old").write_bytes(
        text_journal([OLD_HEADER]) + text_line(1, "doc", document.ts_ns, data)
    )
    read = list(read_journal(tmp_path / "old"))[1]
    assert read.payload.startswith(b'{"doc_type":"game_tick",')
    assert read.document() == document.document()


def test_old_copies_may_have_gaps(tmp_path: Path) -> None:
    """Lines could be left out of an old copy without a word; a new copy of it says which."""
    kept = [OLD_HEADER, *small_session()[::2], CLOSE]
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(text_journal(kept))
    assert list(read_journal(old)) == kept
    write_journal(new, read_journal(old))
    assert list(read_journal(new)) == kept
    assert new.read_bytes().startswith(b"VJE2")


@given(entry_lists(documents=False), st.data())
def test_an_old_session_goes_on_in_a_new_segment(entries: list[Entry], data: st.DataObject) -> None:
    """Cut anywhere, an old journal gives its whole lines; resuming it adds a segment of the new kind."""
    everything = [OLD_HEADER, *entries]
    lines = [text_line(e.seq, e.kind, e.ts_ns, e.data) for e in everything]
    content = b"".join(lines)
    cut = data.draw(st.integers(0, len(content)))
    whole = 0
    while whole < len(lines) and len(b"".join(lines[: whole + 1])) <= cut + 1:
        whole += 1
    with memory_folder() as folder:
        directory = Path(folder)
        (directory / "000001.log").write_bytes(content[:cut])
        reader = read_journal(directory)
        assert list(reader) == everything[:whole]
        # A last line that lacks only its line feed is whole.
        assert reader.torn == (cut > len(b"".join(lines[:whole])))
        assert never_began(directory) == (whole == 0)
        if not whole:
            return
        journal = Journal.resume(directory, segment_bytes=2000, sync_interval_s=0)
        extra = Entry.of_frame(journal.last_seq + 1, Frame(1, "42[]"))
        journal.append([extra])
        journal.close("recovered")
        reader = read_journal(directory)
        assert list(reader)[:-1] == [*everything[:whole], extra]
        assert (reader.clean, reader.torn) == (True, False)
        assert [segment.number for segment in list_segments(directory)] == [1, 2]


def test_a_kill_after_going_on_is_no_damage(tmp_path: Path) -> None:
    """A session of both kinds can be killed and resumed like any other; old segments can be packed."""
    (tmp_path / "000001.log").write_bytes(text_journal(WHOLE[:4]))
    (tmp_path / "000002.log").write_bytes(text_journal(WHOLE[4:6]))
    for seq in range(6, 9):
        journal = Journal.resume(tmp_path, segment_bytes=2000, sync_interval_s=0)
        journal.append([Entry.of_frame(seq, Frame(1, "x"))])
        journal.abandon()
    compress_segment(tmp_path / "000001.log")
    assert [entry.seq for entry in read_journal(tmp_path)] == list(range(9))
    assert [e.seq for e in read_segment(list_segments(tmp_path)[1])] == [4, 5]
    Journal.resume(tmp_path, sync_interval_s=0).close("done")


def test_damage_in_old_journals_is_named(tmp_path: Path) -> None:
    """A damaged line with whole ones behind it is an error with file, place and repair."""
    directory = tmp_path / "s"
    directory.mkdir()
    lines = text_journal(WHOLE).splitlines(keepends=True)
    lines[3] = lines[3][:20] + b"#" + lines[3][21:]
    (directory / "000001.log").write_bytes(b"".join(lines))
    at = len(b"".join(lines[:3]))
    with pytest.raises(
        JournalError,
        match=rf"000001\.log: the entry at byte {at}, after entry 2, is damaged.*salvage s",
    ):
        list(read_journal(directory))
    (directory / "000001.log").write_bytes(b"".join(lines[:3]))
    (directory / "000002.log").write_bytes(lines[3][:30] + b"\n" + lines[4])
    with pytest.raises(JournalError, match="after entry 2, is damaged"):
        list(read_journal(directory))


def test_order_and_version_are_held(tmp_path: Path) -> None:
    """Numbers that do not increase, and versions nobody knows, are refused."""
    file = tmp_path / "old"
    frames = small_session()
    file.write_bytes(text_journal([OLD_HEADER, frames[1], frames[0]]))
    with pytest.raises(JournalError, match="entry 1 follows entry 2"):
        list(read_journal(file))
    header: dict[str, Any] = {"header": {**HEADER, "journal_version": 9}}
    file.write_bytes(text_line(0, "header", TS, header))
    with pytest.raises(JournalError, match="journal version was 9"):
        list(read_journal(file))
    file.write_bytes(text_journal(frames))
    with pytest.raises(JournalError, match="begins with its header"):
        list(read_journal(file))
    file.write_bytes(json.dumps({"t": 1}).encode() + b"\n")
    with pytest.raises(InputError, match="is not a journal"):
        list(read_journal(file))


def test_logins_in_old_journals_stay_out(tmp_path: Path) -> None:
    """A token in a line that something else wrote is not handed on."""
    data = {"dir": "out", "raw": '42["authenticate",{"token":"canary"}]'}
    lines = [
        text_line(1, "frame", TS, data),
        text_line(2, "frame", TS, {"dir": "out", "raw": BUY_RAW}),
    ]
    (tmp_path / "old").write_bytes(text_journal([OLD_HEADER]) + b"".join(lines))
    login, buy = list(read_journal(tmp_path / "old"))[1:]
    assert login.frame().raw == '42["authenticate"]'
    assert buy.frame().raw == BUY_RAW
    assert TICK_RAW not in buy.frame().raw
