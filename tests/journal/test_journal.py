"""The journal returns what was appended, ignores a truncated tail and refuses corruption."""

from __future__ import annotations

import gc
import json
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain
from pathlib import Path

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
from vectra_bot.journal import (
    Entry,
    Journal,
    compress_segment,
    journal_directory,
    list_segments,
    never_began,
    read_header,
    read_journal,
    write_journal,
)
from vectra_bot.journal.format import MAX_PAYLOAD, encode_entry, encode_group
from vectra_bot.models import ClockAdvanced, Direction, Frame, GamePhase

_HEADER_ENTRY = Entry.of(0, "header", TS, {"header": {**HEADER, "journal_version": 2}})


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


def test_closing_truncates_the_segment_to_its_content(directory: Path) -> None:
    """An open segment has reserved space, a closed one only its content."""
    journal = Journal.create(directory, HEADER, segment_bytes=50_000)
    assert (directory / "000001.log").stat().st_size == 50_000
    journal.append(small_session())
    journal.roll()
    assert (directory / "000001.log").stat().st_size < 5_000
    assert (directory / "000002.log").stat().st_size == 50_000
    journal.abandon()


@given(entry_lists(), st.lists(st.integers(0, 4), max_size=4), st.integers(100, 2000), st.data())
def test_any_batches_survive_rolling_killing_and_resuming(
    entries: list[Entry], sizes: list[int], segment_bytes: int, data: st.DataObject
) -> None:
    """Whatever is appended, however it is split, rolled, left by a kill and resumed, reads back."""
    with memory_folder() as folder:
        directory = journal_directory(folder, "s")
        journal = Journal.create(
            directory, HEADER, ts_ns=TS, segment_bytes=segment_bytes, sync_interval_s=0
        )
        for chunk in _chunks(entries, sizes):
            journal.append(chunk)
            step = data.draw(st.sampled_from(["go on", "go on", "kill", "roll"]))
            if step == "kill":
                journal.abandon()
                journal = Journal.resume(directory, segment_bytes=segment_bytes, sync_interval_s=0)
            elif step == "roll":
                journal.roll()
        assert list(read_journal(directory))[1:] == entries
        journal.close("done")
        reader = read_journal(directory)
        assert list(reader)[1:-1] == entries
        assert reader.clean
        assert not reader.torn


def _grouped(entries: list[Entry], sizes: list[int]) -> list[list[Entry]]:
    return [[_HEADER_ENTRY], *(chunk for chunk in _chunks(entries, sizes) if chunk)]


def _prefixes(groups: list[list[Entry]]) -> list[list[Entry]]:
    """Return every possible remainder of a journal: nothing, the first group, the first two, ..."""
    return [list(chain(*groups[:count])) for count in range(len(groups) + 1)]


@given(entry_lists(documents=False), st.lists(st.integers(1, 3), max_size=3), st.data())
def test_a_cut_anywhere_gives_a_prefix(
    entries: list[Entry], sizes: list[int], data: st.DataObject
) -> None:
    """A segment truncated at any byte gives a prefix of its groups, and can be resumed."""
    groups = _grouped(entries, sizes)
    parts = [encode_group(group) for group in groups]
    content = b"".join(parts)
    cut = data.draw(st.integers(0, len(content)))
    ends = [0, *accumulate(map(len, parts))]
    whole = sum(end <= cut for end in ends) - 1
    expected = _prefixes(groups)[whole]
    with memory_folder() as folder:
        Path(folder, "000001.log").write_bytes(content[:cut])
        reader = read_journal(folder)
        assert list(reader) == expected
        assert reader.torn == (cut > ends[whole])
        assert never_began(Path(folder)) == (whole == 0)
        if whole:
            journal = Journal.resume(folder, segment_bytes=1000, sync_interval_s=0)
            extra = Entry.of_frame(journal.last_seq + 1, Frame(1, "42[]"))
            journal.append([extra])
            journal.abandon()
            reader = read_journal(folder)
            assert list(reader) == [*expected, extra]
            assert not reader.torn


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
    """A copy as one plain, zstd or gzip file has the same entries, whatever its name."""
    entries = list(read_journal(whole))
    copy = tmp_path / f"copy{suffix}"
    write_journal(copy, entries)
    renamed = copy.rename(tmp_path / f"other{suffix}")
    assert list(read_journal(renamed)) == entries


def test_the_recipe_of_the_documentation_rewrites_a_journal(tmp_path: Path, whole: Path) -> None:
    """Strip to inputs, change a price, write a copy: it is read like the journal."""

    def stripped(entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            changed = entry
            if entry.kind == "frame":
                data = {**entry.data, "raw": entry.data["raw"].replace("1.0625", "1.07")}
                changed = Entry.of(entry.seq, entry.kind, entry.ts_ns, data)
            if entry.kind in ("header", "frame", "input"):
                yield changed

    plain, folder = tmp_path / "stripped.log.zst", tmp_path / "as-directory"
    folder.mkdir()
    for target in (plain, folder / "000001.log"):
        write_journal(target, stripped(Journal.open(whole)))
    for copy in (plain, folder):
        entries = list(Journal.open(copy))
        assert [entry.seq for entry in entries] == [0, 1, 4, 5]
        assert '"price":1.07,' in entries[1].frame().raw
    assert read_header(plain)["seed"] == 7


def test_the_bytes_follow_the_documented_format(tmp_path: Path, whole: Path) -> None:
    """The bytes are as documented: header, lengths, checksums, numbers."""
    plain = tmp_path / "copy"
    write_journal(plain, Journal.open(whole))
    content, at, seen = plain.read_bytes(), 0, []
    while at < len(content):
        magic, length, crc, ts_ns, seq, kind, flags = struct.unpack_from("<4sIIqQBB2x", content, at)
        assert magic == b"VJE2"
        assert crc == zlib.crc32(content[at + 12 : at + 32 + length])
        if kind <= 6:
            seen.append((seq, kind, ts_ns, flags, content[at + 32 : at + 32 + length]))
        at += 32 + length
    kinds = {"header": 1, "frame": 2, "input": 3, "intent": 4, "doc": 5, "close": 6}
    assert seen == [(e.seq, kinds[e.kind], e.ts_ns, 0, e.payload) for e in Journal.open(whole)]
    assert json.loads(seen[0][4])["header"]["venue"] == "embedded"
    assert seen[1][4] == b"\0\0\0\0\0" + TICK_RAW.encode()


def test_raw_wins_where_a_crash_left_both_forms(directory: Path) -> None:
    """A segment that exists raw and compressed is read once, from the raw file."""
    journal = Journal.create(directory, HEADER, ts_ns=TS)
    journal.append(small_session())
    journal.roll()
    journal.abandon()
    raw = (directory / "000001.log").read_bytes()
    packed = compress_segment(directory / "000001.log")
    assert list(read_journal(directory))[1:] == small_session()
    (directory / "000001.log").write_bytes(raw)
    packed.write_bytes(b"half")
    (directory / ".000001.log.zst.tmp").write_bytes(b"half")
    assert list(read_journal(directory))[1:] == small_session()


def test_numbers_are_consecutive(tmp_path: Path, directory: Path) -> None:
    """A skipped or repeated number is refused by the writer and by the reader."""
    journal = Journal.create(directory, HEADER)
    frames = [Entry.of_frame(seq, Frame(1, "x")) for seq in range(8)]
    journal.append(frames[1:3])
    for wrong in ([frames[4]], [frames[2]], frames[3:5][::-1], [frames[3], frames[5]]):
        with pytest.raises(JournalError, match=r"would follow entry \d+: seq must be consecutive"):
            journal.append(wrong)
    with pytest.raises(JournalError, match="entry 4 would follow entry 2"):
        journal.put(4, "frame", 1, b"")
    assert journal.last_seq == 2
    journal.put(3, "frame", 1, frames[3].payload)
    journal.close("done")
    assert [entry.seq for entry in read_journal(directory)] == [0, 1, 2, 3, 4]

    file = tmp_path / "copy"
    file.write_bytes(b"".join(map(encode_entry, [_HEADER_ENTRY, frames[1], frames[1]])))
    with pytest.raises(JournalError, match="entry 1 follows entry 1"):
        list(read_journal(file))
    file.write_bytes(b"".join(map(encode_entry, [_HEADER_ENTRY, frames[1], frames[4]])))
    with pytest.raises(JournalError, match="entries 2 to 3 are missing before entry 4"):
        list(read_journal(file))


@pytest.mark.parametrize(
    ("kind", "ts_ns", "payload"),
    [("mark", 1, b""), ("doc", 2**63, b""), ("doc", 1, bytes(MAX_PAYLOAD + 1))],
)
def test_what_does_not_fit_is_refused_without_harm(
    directory: Path, kind: str, ts_ns: int, payload: bytes
) -> None:
    """An entry that cannot be written is refused by both ways of appending; the journal continues."""
    journal = Journal.create(directory, HEADER)
    entry = Entry(1, kind, ts_ns, payload)
    for attempt in (lambda: journal.append([entry]), lambda: journal.put(1, kind, ts_ns, payload)):
        with pytest.raises(JournalError, match=r"kind was|cannot be written|the limit is"):
            attempt()
    journal.put(1, "doc", 1, b"{}")
    journal.close("done")
    assert [entry.kind for entry in read_journal(directory)] == ["header", "doc", "close"]


def test_an_entry_longer_than_a_segment_gets_its_own(directory: Path) -> None:
    """No length is too long for a segment; its neighbours are unchanged."""
    journal = Journal.create(directory, HEADER, segment_bytes=2000)
    texts = ["a" * size for size in (10, 7000, 10, 1500, 1900, 30_000)]
    for seq, text in enumerate(texts, 1):
        journal.append([Entry.of_frame(seq, Frame(1, text))])
    journal.close("done")
    assert [entry.frame().raw for entry in list(read_journal(directory))[1:-1]] == texts
    assert len(list_segments(directory)) > 4


def test_missing_segment_is_refused(directory: Path) -> None:
    """A gap between segments is named, with the segment that is missing."""
    journal = Journal.create(directory, HEADER)
    for seq in (1, 2):
        journal.append([Entry.of_frame(seq, Frame(1, "x"))])
        journal.roll()
    journal.abandon()
    (directory / "000002.log").unlink()
    with pytest.raises(JournalError, match="segment 000002 is missing"):
        read_journal(directory)


def test_header_version_of_the_future_is_refused(tmp_path: Path) -> None:
    """A journal of a later format is refused clearly, not misread."""
    file = tmp_path / "copy"
    write_journal(file, [Entry.of(0, "header", 0, {"header": {**HEADER, "journal_version": 3}})])
    with pytest.raises(JournalError, match="journal version was 3"):
        list(read_journal(file))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"hello world\nmore\n", "is not a journal"),
        (b'{"t":1,"event":"gameStateUpdate"}\n', "is not a journal"),
        (b'b1054c23 {"seq":0,"kind":"header","ts":5,"header":{}}\n', "is not a journal"),
        (b"01234567 {", "is not a journal"),
        (encode_entry(Entry.of_frame(1, Frame(1, "x"))), "begins with its header"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, error: str) -> None:
    """Another kind of file is refused with one line."""
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises((InputError, JournalError), match=error):
        list(read_journal(file))


def test_missing_journals_are_input_errors(tmp_path: Path) -> None:
    """The error for a path without a journal says what to give."""
    with pytest.raises(InputError, match="no journal at"):
        read_journal(tmp_path / "none")
    with pytest.raises(InputError, match=r"no segment such as 000001\.log"):
        read_journal(tmp_path)


def test_a_journal_that_appears_meanwhile_is_missing_or_read(tmp_path: Path, whole: Path) -> None:
    """A reader that polls for a journal never takes the new directory for a file."""
    expected = [entry.seq for entry in read_journal(whole)]
    for number in range(200):
        place = tmp_path / str(number)
        mover = threading.Timer(0.0005, whole.rename, [place])
        mover.start()
        while True:
            try:
                found = [entry.seq for entry in read_journal(place)]
                break
            except InputError:
                assert mover.is_alive() or place.exists()
        mover.join()
        assert found == expected
        whole = place


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


def test_document_and_record_must_name_the_same_game() -> None:
    """A document of one game with a record of another is refused before it is written."""
    document = tick_document(3, game_id="g-1")
    bad = type(document)(
        doc_type=document.doc_type, record=document.record, ts_ns=1, source="x", game_id="g-2"
    )
    with pytest.raises(RecordError, match="game_id was 'g-2' in the document and 'g-1'"):
        Entry.of_document(1, bad)


def test_lone_surrogates_do_not_end_a_journal(directory: Path) -> None:
    """What UTF-8 cannot encode of a frame is replaced; anywhere else it is refused without harm."""
    journal = Journal.create(directory, HEADER)
    journal.append([Entry.of_frame(1, Frame(1, "a\ud800\u00e9b"))])
    with pytest.raises(JournalError, match="entry 2 of kind 'close' cannot be written"):
        Entry.of(2, "close", 1, {"reason": "\ud800"})
    journal.append([Entry.of_frame(2, Frame(1, BUY_RAW), "g-1")])
    journal.close("done")
    entries = list(read_journal(directory))
    assert [entry.seq for entry in entries] == [0, 1, 2, 3]
    assert entries[1].frame().raw == "a?\u00e9b"
    assert (entries[1].data.get("game"), entries[2].data.get("game")) == (None, "g-1")
    assert entries[2].frame() == Frame(1, BUY_RAW)


def test_entries_are_read_as_the_kind_they_are() -> None:
    """A property that does not fit the kind of an entry gives an error, not a default."""
    entry = Entry.of_frame(4, Frame(1, "x"))
    for ask in (entry.command, entry.document, entry.input):
        with pytest.raises(JournalError, match="entry 4 of kind 'frame' has no"):
            ask()


def test_a_reader_says_how_a_journal_ended(whole: Path) -> None:
    """After the last entry the reader knows its number, and whether it is a close."""
    reader = read_journal(whole)
    kinds = [entry.kind for entry in reader]
    assert (kinds[0], kinds[-1], len(kinds)) == ("header", "close", 9)
    assert (reader.last_seq, reader.clean, reader.torn, reader.losses) == (8, True, False, [])


def test_large_ticks_keep_their_bits(directory: Path) -> None:
    """A price goes through the journal bit for bit."""
    document = tick_document(1, 5e-324, phase=GamePhase.RUGGED)
    journal = Journal.create(directory, HEADER)
    journal.append([Entry.of_document(1, document)])
    journal.close("done")
    assert list(read_journal(directory))[1].document() == document


@pytest.mark.parametrize(
    "rest", [b"", bytes(4000), b"\0" * 32 + b'{"header":' + bytes(90), b"VJE2\1"]
)
def test_a_session_that_never_began_can_be_created_again(directory: Path, rest: bytes) -> None:
    """A session may replace one that died in its first entry; a corrupt one is kept."""
    directory.mkdir(parents=True)
    log = directory / "000001.log"
    log.write_bytes(rest)
    assert never_began(directory)
    Journal.create(directory, HEADER).close("done")
    assert [entry.kind for entry in read_journal(directory)] == ["header", "close"]
    for path in directory.iterdir():
        path.unlink()
    whole = encode_entry(_HEADER_ENTRY) + encode_entry(small_session()[0])
    for damage in (b"garbage\n", b"x" + whole[1:], whole[:40] + b"#" + whole[41:]):
        log.write_bytes(damage)
        with pytest.raises(StoreError, match="exists already"):
            Journal.create(directory, HEADER)
        assert log.read_bytes() == damage


def test_what_entries_mean_is_read_once_and_without_json_where_it_matters() -> None:
    """A frame's text, direction and game are in its payload without JSON."""
    entry = Entry.of_frame(1, Frame(5, '42["e",\u00e9]', Direction.OUT, truncated=True), "g-\u00e9")
    assert (entry.direction, entry.game, entry.truncated) == ("out", "g-\u00e9", True)
    assert entry.raw_bytes == '42["e",\u00e9]'.encode()
    assert entry.data is entry.data
    assert entry == Entry.of(1, "frame", 5, entry.data)
    assert not entry != Entry.of(1, "frame", 5, entry.data)  # noqa: SIM202 - its own method
    assert hash(entry) == hash(Entry.of(1, "frame", 5, entry.data))
    assert entry != Entry.of_frame(2, entry.frame())
    document = Entry.of_document(2, tick_document(3))
    assert document.payload.startswith(b'{"doc_type":"game_tick",')
    with pytest.raises(JournalError, match="entry 3 of kind 'doc' cannot be decoded"):
        _ = Entry(3, "doc", 1, b"{").data


def open_files() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def test_reading_a_header_leaves_no_file_open(tmp_path: Path) -> None:
    """The file is closed when the header is known, without the garbage collector."""
    journal = Journal.create(tmp_path / "j", HEADER)
    journal.close("test")
    gc.disable()
    try:
        before = open_files()
        for _ in range(3):
            read_header(tmp_path / "j")
        after = open_files()
    finally:
        gc.enable()

    assert after == before
