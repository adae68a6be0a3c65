"""The journal gives back what was appended, cuts what is torn and refuses what is damaged."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.samples import (
    BUY_RAW,
    COMMAND,
    HEADER,
    TICK_RAW,
    TS,
    entry_lists,
    memory_folder,
    small_session,
    tick_document,
)
from vectra_bot.errors import InputError, JournalError, RecordError, StoreError
from vectra_bot.models import ClockAdvanced, Direction, Frame, GamePhase
from vectra_bot.store.entry import Entry, encode_entry
from vectra_bot.store.journal import (
    Journal,
    compress_segment,
    journal_directory,
    journal_summary,
    list_segments,
    read_header,
    read_journal,
    write_journal,
)

_HEADER_ENTRY = Entry(0, "header", TS, {"header": {**HEADER, "journal_version": 1}})


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return journal_directory(tmp_path, "s-1")


@pytest.fixture
def whole(directory: Path) -> Path:
    """A closed journal with an entry of every kind."""
    journal = Journal.create(directory, HEADER, ts_ns=TS)
    journal.append(small_session())
    journal.close("games played", ts_ns=TS + 9)
    return directory


def _chunks(entries: list[Entry], sizes: list[int]) -> Iterator[list[Entry]]:
    start = 0
    for size in [*sizes, len(entries)]:
        yield entries[start : start + size]
        start += size


def test_every_kind_reads_back_as_it_was(whole: Path) -> None:
    """Header, frames, inputs, intents, documents and close come back equal and in order."""
    reader = read_journal(whole)
    entries = list(reader)
    assert entries[0] == _HEADER_ENTRY
    assert entries[1:-1] == small_session()
    assert (entries[-1].kind, entries[-1].data["reason"]) == ("close", "games played")
    assert (reader.clean, reader.torn, reader.last_seq) == (True, False, 8)
    assert entries[1].frame() == Frame(TS, TICK_RAW)
    assert entries[3].command() == COMMAND
    assert entries[5].input() == ClockAdvanced(recv_ns=TS + 3)
    assert entries[2].document() == tick_document(3, 1.0625)


def test_closing_compresses_the_last_segment(whole: Path) -> None:
    """A closed journal holds compressed segments only."""
    assert [segment.path.name for segment in list_segments(whole)] == ["000001.log.zst"]


@given(entry_lists(), st.lists(st.integers(0, 4), max_size=4), st.integers(100, 2000), st.data())
def test_any_batches_survive_rolling_killing_and_resuming(
    entries: list[Entry], sizes: list[int], segment_bytes: int, data: st.DataObject
) -> None:
    """Whatever is appended, however it is split, rolled, left by a kill and resumed, reads back."""
    with memory_folder() as folder:
        directory = journal_directory(folder, "s")
        journal = Journal.create(directory, HEADER, ts_ns=TS, segment_bytes=segment_bytes)
        for chunk in _chunks(entries, sizes):
            journal.append(chunk)
            step = data.draw(st.sampled_from(["go on", "go on", "kill", "roll"]))
            if step == "kill":
                journal.abandon()
                journal = Journal.resume(directory, segment_bytes=segment_bytes)
            elif step == "roll":
                journal.roll()
        assert list(read_journal(directory))[1:] == entries
        journal.close("done")
        reader = read_journal(directory)
        assert list(reader)[1:-1] == entries
        assert reader.clean
        assert not reader.torn


@given(entry_lists(documents=False), st.data())
def test_a_cut_anywhere_gives_a_prefix(entries: list[Entry], data: st.DataObject) -> None:
    """A file cut at any byte gives a prefix of its entries, and can be resumed."""
    everything = [_HEADER_ENTRY, *entries]
    lines = [encode_entry(entry) for entry in everything]
    content = b"".join(lines)
    cut = data.draw(st.integers(0, len(content)))
    whole_lines = 0
    while whole_lines < len(lines) and len(b"".join(lines[: whole_lines + 1])) <= cut + 1:
        whole_lines += 1
    with memory_folder() as folder:
        file = Path(folder, "000001.log")
        file.write_bytes(content[:cut])
        reader = read_journal(folder)
        assert list(reader) == everything[:whole_lines]
        # A last line that lacks only its line feed is whole.
        assert reader.torn == (cut > len(b"".join(lines[:whole_lines])))
        if whole_lines:
            journal = Journal.resume(folder)
            extra = Entry.of_frame(journal.last_seq + 1, Frame(1, "42[]"))
            journal.append([extra])
            journal.abandon()
            assert list(read_journal(folder)) == [*everything[:whole_lines], extra]


@given(entry_lists(documents=False), st.sampled_from(["", ".zst", ".gz"]), st.data())
def test_a_flipped_bit_is_an_error_or_a_cut(
    entries: list[Entry], suffix: str, data: st.DataObject
) -> None:
    """No flipped bit ever gives an entry that was not written."""
    everything = [_HEADER_ENTRY, *entries]
    with memory_folder() as folder:
        file = Path(folder, f"copy.log{suffix}")
        write_journal(file, everything)
        content = bytearray(file.read_bytes())
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] ^= 1 << data.draw(st.integers(0, 7))
        file.write_bytes(content)
        try:
            got = list(read_journal(file))
        except (JournalError, InputError):
            return
        assert got == everything[: len(got)]


@pytest.mark.parametrize("suffix", ["", ".zst", ".gz"])
def test_copies_in_one_file_read_back(tmp_path: Path, suffix: str, whole: Path) -> None:
    """A copy as one plain, zstd or gzip file holds the same entries, whatever its name."""
    entries = list(read_journal(whole))
    copy = tmp_path / f"copy{suffix}"
    write_journal(copy, entries)
    renamed = copy.rename(tmp_path / f"other{suffix}")
    assert list(read_journal(renamed)) == entries
    assert journal_summary(renamed).entries == 9


def test_a_stranger_can_rewrite_a_journal(tmp_path: Path, whole: Path) -> None:
    """The recipe of the documentation works: strip to inputs, change a price, recompute the CRC."""
    raw = tmp_path / "000001.log"
    write_journal(raw, read_journal(whole))
    out = bytearray()
    for line in raw.read_bytes().splitlines():
        assert int(line[:8], 16) == zlib.crc32(line[9:])
        entry = json.loads(line[9:])
        if entry["kind"] in ("header", "frame", "input"):
            if entry["kind"] == "frame":
                entry["raw"] = entry["raw"].replace("1.0625", "1.07")
            body = json.dumps(entry).encode()
            out += b"%08x %b\n" % (zlib.crc32(body), body)
    plain = tmp_path / "stripped"
    plain.write_bytes(out)
    folder = tmp_path / "as-directory"
    folder.mkdir()
    (folder / "000001.log.gz").write_bytes(gzip.compress(bytes(out)))
    for copy in (plain, folder):
        entries = list(read_journal(copy))
        assert [entry.seq for entry in entries] == [0, 1, 4, 5]
        assert '"price":1.07,' in entries[1].frame().raw
    assert read_header(plain)["seed"] == 7


def test_raw_wins_where_a_crash_left_both_forms(directory: Path) -> None:
    """A segment that stands raw and compressed is read once, from the raw file."""
    journal = Journal.create(directory, HEADER, ts_ns=TS)
    journal.append(small_session())
    journal.sync()
    journal.abandon()
    raw = (directory / "000001.log").read_bytes()
    packed = compress_segment(directory / "000001.log")
    (directory / "000001.log").write_bytes(raw)
    packed.write_bytes(b"half")
    (directory / ".000001.log.zst.tmp").write_bytes(b"half")
    assert list(read_journal(directory))[1:] == small_session()


def test_damage_before_the_tail_is_named(tmp_path: Path) -> None:
    """A damaged entry with whole ones after it is an error with file, place and advice."""
    lines = [encode_entry(entry) for entry in [_HEADER_ENTRY, *small_session()]]
    lines[3] = lines[3].replace(b"buy", b"BUY").replace(b"BUY", b"buy", 0)
    lines[3] = lines[3][:20] + b"#" + lines[3][21:]
    file = tmp_path / "copy.log"
    file.write_bytes(b"".join(lines))
    offset = len(b"".join(lines[:3]))
    reader = read_journal(file)
    with pytest.raises(
        JournalError, match=rf"copy\.log: the entry at byte {offset}, after entry 2"
    ):
        list(reader)


def test_a_damaged_tail_of_several_lines_is_cut(tmp_path: Path) -> None:
    """Lost pages at the end are a torn tail: nothing whole comes after them."""
    lines = [encode_entry(entry) for entry in [_HEADER_ENTRY, *small_session()]]
    file = tmp_path / "copy.log"
    file.write_bytes(b"".join(lines[:4]) + b"\0" * 50 + b"\n" + b"garbage\n")
    reader = read_journal(file)
    assert [entry.seq for entry in reader] == [0, 1, 2, 3]
    assert (reader.torn, reader.torn_bytes) == (True, 59)


def test_sequence_must_increase(tmp_path: Path, directory: Path) -> None:
    """A number that does not increase is refused by the writer and by the reader."""
    journal = Journal.create(directory, HEADER)
    journal.append([Entry.of_frame(5, Frame(1, "x"))])
    with pytest.raises(JournalError, match="entry 5 would follow entry 5"):
        journal.append([Entry.of_frame(6, Frame(1, "x")), Entry.of_frame(5, Frame(1, "x"))][::-1])
    assert journal.last_seq == 5
    journal.abandon()
    file = tmp_path / "copy"
    frame = encode_entry(Entry.of_frame(1, Frame(1, "x")))
    file.write_bytes(encode_entry(_HEADER_ENTRY) + frame + frame)
    with pytest.raises(JournalError, match=r"entry 1 at byte \d+ follows entry 1"):
        list(read_journal(file))


def test_missing_segment_is_refused(directory: Path) -> None:
    """A gap between segments is named, with the segment that is missing."""
    journal = Journal.create(directory, HEADER)
    for seq in (1, 2):
        journal.append([Entry.of_frame(seq, Frame(1, "x"))])
        journal.roll()
    journal.abandon()
    (directory / "000002.log.zst").unlink()
    with pytest.raises(JournalError, match="segment 000002 is missing"):
        read_journal(directory)


def test_header_version_of_the_future_is_refused(tmp_path: Path) -> None:
    """A journal of a later format is refused clearly, not misread."""
    file = tmp_path / "copy"
    write_journal(file, [Entry(0, "header", 0, {"header": {**HEADER, "journal_version": 2}})])
    with pytest.raises(JournalError, match="journal version was 2"):
        list(read_journal(file))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"hello world\nmore\n", "is not a journal"),
        (b'{"t":1,"event":"gameStateUpdate"}\n', "is not a journal"),
        (encode_entry(Entry.of_frame(1, Frame(1, "x"))), "begins with its header"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, error: str) -> None:
    """A file that is something else says so in one line."""
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises((InputError, JournalError), match=error):
        list(read_journal(file))


def test_missing_journals_are_input_errors(tmp_path: Path) -> None:
    """A path without a journal says what to give."""
    with pytest.raises(InputError, match="no journal at"):
        read_journal(tmp_path / "none")
    with pytest.raises(InputError, match=r"no segment such as 000001\.log"):
        read_journal(tmp_path)


@pytest.mark.parametrize("session_id", ["", "../x", "a/b", ".hidden", "a b", "x" * 129])
def test_session_ids_are_folder_names(tmp_path: Path, session_id: str) -> None:
    """A session id that could leave its folder is refused."""
    with pytest.raises(InputError, match="session id was"):
        journal_directory(tmp_path, session_id)


def test_sessions_are_written_once(whole: Path) -> None:
    """An existing session is neither overwritten nor continued after its close."""
    with pytest.raises(StoreError, match="exists already"):
        Journal.create(whole, HEADER)
    with pytest.raises(StoreError, match="was closed"):
        Journal.resume(whole)


def test_header_must_say_whose_journal_it_is(directory: Path) -> None:
    """A header without session, mode or venue is refused and leaves nothing behind."""
    with pytest.raises(JournalError, match="no mode, venue"):
        Journal.create(directory, {"session_id": "s"})
    assert not directory.exists()


def test_login_is_never_written() -> None:
    """Of an outbound login only its name is kept; an inbound namesake is kept whole."""
    secret = '42["authenticate",{"__trace":true},{"token":"secret"}]'
    assert Entry.of_frame(1, Frame(1, secret, Direction.OUT)).data["raw"] == '42["authenticate"]'
    assert Entry.of_frame(1, Frame(1, secret)).data["raw"] == secret


def test_document_and_record_must_name_the_same_game() -> None:
    """A document of one game with a record of another is refused before it is written."""
    document = tick_document(3, game_id="g-1")
    bad = type(document)(
        doc_type=document.doc_type, record=document.record, ts_ns=1, source="x", game_id="g-2"
    )
    with pytest.raises(RecordError, match="game_id was 'g-2' in the document and 'g-1'"):
        Entry.of_document(1, bad)


def test_lone_surrogates_do_not_end_a_journal(directory: Path) -> None:
    """What UTF-8 cannot carry of a frame is replaced; anywhere else it is refused without harm."""
    journal = Journal.create(directory, HEADER)
    journal.append([Entry.of_frame(1, Frame(1, "a\ud800\u00e9b"))])
    with pytest.raises(JournalError, match="entry 2 of kind 'close' cannot be written"):
        journal.append([Entry(2, "close", 1, {"reason": "\ud800"})])
    journal.append([Entry.of_frame(2, Frame(1, BUY_RAW), "g-1")])
    journal.close("done")
    entries = list(read_journal(directory))
    assert [entry.seq for entry in entries] == [0, 1, 2, 3]
    assert entries[1].frame().raw == "a?\u00e9b"
    assert (entries[1].data.get("game"), entries[2].data.get("game")) == (None, "g-1")
    assert entries[2].frame() == Frame(1, BUY_RAW)


def test_entries_are_read_as_the_kind_they_are() -> None:
    """Asking an entry for what it is not gives an error, not a default."""
    entry = Entry.of_frame(4, Frame(1, "x"))
    for ask in (entry.command, entry.document, entry.input):
        with pytest.raises(JournalError, match="entry 4 of kind 'frame' has no"):
            ask()


def test_summary_counts_kinds(whole: Path) -> None:
    """A summary says what is in a journal and how it ended."""
    summary = journal_summary(whole)
    counts = {"header": 1, "frame": 1, "doc": 3, "intent": 1, "input": 2, "close": 1}
    assert summary.by_kind == counts
    assert (summary.first_seq, summary.last_seq, summary.entries) == (0, 8, 9)
    assert (summary.clean, summary.close_reason) == (True, "games played")
    header: Any = summary.header
    assert header["venue"] == "embedded"


def test_large_ticks_keep_their_bits(directory: Path) -> None:
    """A price goes through the journal bit for bit."""
    document = tick_document(1, 5e-324, phase=GamePhase.RUGGED)
    journal = Journal.create(directory, HEADER)
    journal.append([Entry.of_document(1, document)])
    journal.close("done")
    assert list(read_journal(directory))[1].document() == document


def test_torn_header_is_begun_anew(directory: Path) -> None:
    """A session may take the place of one that died in its first line; damage keeps its place."""
    directory.mkdir(parents=True)
    log = directory / "000001.log"
    log.write_bytes(b'0123abcd {"seq":0,"kind":"hea')
    Journal.create(directory, HEADER).close("done")
    assert [entry.kind for entry in read_journal(directory)] == ["header", "close"]
    (directory / "000001.log.zst").unlink()
    log.write_bytes(b"garbage\n")
    with pytest.raises(StoreError, match="exists already"):
        Journal.create(directory, HEADER)
    assert log.read_bytes() == b"garbage\n"
