"""Whatever happens to a journal's bytes, a reader returns unchanged complete groups, or an error."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.samples import HEADER, memory_folder
from vectra_bot.errors import InputError, JournalError
from vectra_bot.fsio import files
from vectra_bot.journal import (
    Entry,
    Journal,
    compress_segment,
    ends_with_close,
    list_segments,
    read_journal,
    salvage,
    write_journal,
)
from vectra_bot.journal.format import MARK, MARK_BODY, MARK_BYTES, encode_group, whole_entries
from vectra_bot.models import Frame

PAGE = 4096


@attrs.frozen
class Written:
    """A journal as a kill leaves it, and what was appended to it."""

    directory: Path
    groups: list[list[Entry]]

    @property
    def entries(self) -> list[Entry]:
        return list(chain(*self.groups))

    def prefixes(self) -> list[list[Entry]]:
        """Return every state that a crash may leave."""
        return [list(chain(*self.groups[:count])) for count in range(len(self.groups) + 1)]

    def safe(self) -> int:
        """Return the number of the last entry that a mark covers."""
        segments = list_segments(self.directory)
        reach = (0, 0)
        ends = []
        for number, segment in enumerate(segments):
            for found in whole_entries(segment.path.read_bytes()):
                if found.code == MARK:
                    back, offset = MARK_BODY.unpack(found.payload)
                    reach = max(reach, (number - back, offset))
                else:
                    ends.append(((number, found.end), found.seq))
        return max((seq for end, seq in ends if end <= reach), default=-1)


STEPS = st.lists(
    st.sampled_from(["one", "small", "group", "long", "sync", "roll"]), min_size=1, max_size=14
)


def written(folder: str, steps: list[str], *, segment_bytes: int = 20_000) -> Written:
    """Write a journal by *steps* and leave it as a kill would."""
    directory = Path(folder, "journals", "s")
    journal = Journal.create(directory, HEADER, segment_bytes=segment_bytes, sync_interval_s=0)
    groups = [[Entry.of(0, "header", 0, {"header": {**HEADER, "journal_version": 2}})]]
    sizes = {"one": [30], "small": [0], "group": [5, 900, 40], "long": [6000, 100]}
    for step in steps:
        if step == "sync":
            journal.sync()
        elif step == "roll":
            journal.roll()
        else:
            first = journal.last_seq + 1
            texts = [chr(97 + (first + n) % 26) * size for n, size in enumerate(sizes[step])]
            group = [Entry.of_frame(first + n, Frame(1, text)) for n, text in enumerate(texts)]
            journal.append(group)
            groups.append(group)
    journal.abandon()
    return Written(directory, groups)


def raw_segment(journal: Written, data: st.DataObject) -> Path:
    return data.draw(st.sampled_from(list_segments(journal.directory))).path


@given(STEPS, st.data())
def test_a_flipped_bit_costs_only_unsynced_entries_or_is_an_error(
    steps: list[str], data: st.DataObject
) -> None:
    """No flipped bit changes an entry, or removes one that a mark covers."""
    with memory_folder() as folder:
        journal = written(folder, steps)
        safe = journal.safe()
        path = raw_segment(journal, data)
        content = bytearray(path.read_bytes())
        position = data.draw(st.integers(0, len(content.rstrip(b"\0")) + 60))
        content[min(position, len(content) - 1)] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
        reader = read_journal(journal.directory)
        try:
            got = list(reader)
        except (JournalError, InputError):
            return
        assert got in journal.prefixes()
        assert reader.torn or got == journal.entries
        assert got == [] or got[-1].seq >= safe


@given(STEPS, st.data())
def test_pages_lost_with_power_are_a_torn_tail(steps: list[str], data: st.DataObject) -> None:
    """Of unsynced data any page may be missing: a prefix is left, and the session can continue."""
    with memory_folder() as folder:
        journal = written(folder, [*steps, "sync"])
        safe = journal.entries[-1].seq
        directory = journal.directory
        synced = {s.path: len(s.path.read_bytes().rstrip(b"\0")) for s in list_segments(directory)}
        later = data.draw(STEPS)
        resumed = Journal.resume(directory, segment_bytes=20_000, sync_interval_s=0)
        groups = list(journal.groups)
        for step in later:
            if step == "roll":
                resumed.roll()
            elif step != "sync":
                first, size = resumed.last_seq + 1, {"long": 6000}.get(step, 700)
                groups.append([Entry.of_frame(first, Frame(1, "z" * size))])
                resumed.append(groups[-1])
        resumed.abandon()
        for segment in list_segments(directory):
            if segment.path in synced:
                continue
            content = bytearray(segment.path.read_bytes())
            for page in range(0, len(content), PAGE):
                if data.draw(st.integers(0, 2)) == 0:
                    content[page : page + PAGE] = bytes(len(content[page : page + PAGE]))
            segment.path.write_bytes(content)
        reader = read_journal(directory)
        got = list(reader)
        assert got in Written(directory, groups).prefixes()
        assert got[-1].seq >= safe
        assert got == list(chain(*groups)) or reader.torn or not reader.torn_bytes
        again = Journal.resume(directory, segment_bytes=5000, sync_interval_s=0)
        assert again.last_seq == got[-1].seq
        again.append([Entry.of_frame(again.last_seq + 1, Frame(1, "more"))])
        again.close("recovered")
        reader = read_journal(directory)
        assert list(reader)[: len(got)] == got
        assert reader.clean


def test_whole_entries_after_a_hole_are_counted(tmp_path: Path) -> None:
    """Entries after a hole in unsynced data are dropped, and their number is reported."""
    journal = written(str(tmp_path), ["one", "sync", "one", "group", "one"])
    path = journal.directory / "000001.log"
    content = path.read_bytes()
    spot = content.index(journal.groups[3][1].payload)
    path.write_bytes(content[:spot] + b"#" + content[spot + 1 :])
    reader = read_journal(journal.directory)
    assert [entry.seq for entry in reader] == [0, 1, 2]
    assert (reader.torn, reader.torn_entries) == (
        True,
        3,
    )  # two of the group, and the one after it
    assert reader.torn_bytes == len(encode_group(journal.groups[3] + journal.groups[4]))
    assert reader.last_seq == 2


@pytest.mark.parametrize("step", ["sync", "roll"])
def test_corruption_of_synced_data_names_place_and_repair(tmp_path: Path, step: str) -> None:
    """Corruption before a mark is an error with file, byte, number and command, on one line."""
    journal = written(str(tmp_path), ["one", "one", step, "sync", "one"])
    path = journal.directory / "000001.log"
    content = path.read_bytes()
    spot = content.index(journal.groups[1][0].payload)
    path.write_bytes(content[:spot] + b"#" + content[spot + 1 :])
    at = spot - 32
    with pytest.raises(
        JournalError,
        match=rf"000001\.log: the entry at byte {at}, after entry 0, is corrupt.*"
        r"`vectra-bot store recover --salvage s`",
    ) as caught:
        list(read_journal(journal.directory))
    assert "\n" not in str(caught.value)
    with pytest.raises(JournalError, match="is corrupt"):
        Journal.resume(journal.directory)


def test_missing_entries_and_segments_are_refused(tmp_path: Path) -> None:
    """Missing entries between two segments, or a missing segment, are an error that names the repair."""
    journal = written(
        str(tmp_path), ["one", "sync", "roll", "one", "sync", "roll", "one", "sync", "one"]
    )
    second = journal.directory / "000002.log"
    content = second.read_bytes()
    second.write_bytes(b"")
    with pytest.raises(JournalError, match=r"entry 2 is missing before entry 3.*--salvage s"):
        list(read_journal(journal.directory))
    second.unlink()
    with pytest.raises(JournalError, match=r"segment 000002 is missing.*--salvage s"):
        list(read_journal(journal.directory))
    second.write_bytes(content)
    assert list(read_journal(journal.directory)) == journal.entries


def test_a_copy_is_safe_as_a_whole(tmp_path: Path) -> None:
    """Corruption inside a copy is an error; a truncated copy is torn; omitted entries are not a gap."""
    journal = written(str(tmp_path), ["one", "one", "one", "one"])
    copy = tmp_path / "copy"
    kept = [entry for entry in journal.entries if entry.seq != 2]
    write_journal(copy, kept)
    content = copy.read_bytes()
    assert list(read_journal(copy)) == kept
    for at in range(0, len(content) - 44, 7):
        copy.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises((JournalError, InputError), match=r"corrupt|missing|not a journal"):
            list(read_journal(copy))
    for cut in range(1, len(content), 5):
        copy.write_bytes(content[:cut])
        reader = read_journal(copy)
        got = list(reader)
        assert got == kept[: len(got)]


def _corrupt(journal: Written, data: st.DataObject) -> set[int]:
    """Corrupt some entries of a journal, or remove a segment; return the lost numbers."""
    segments = list_segments(journal.directory)
    gone: set[int] = set()
    if len(segments) > 2 and data.draw(st.booleans()):
        taken = data.draw(st.sampled_from(segments[1:-1]))
        gone |= {f.seq for f in whole_entries(taken.path.read_bytes()) if f.code < MARK}
        taken.path.unlink()
        segments.remove(taken)
    for segment in segments:
        content = bytearray(segment.path.read_bytes())
        for found in list(whole_entries(bytes(content))):
            if found.seq > 0 and data.draw(st.integers(0, 4)) == 0:
                content[data.draw(st.integers(found.at, found.end - 1))] ^= 0x10
                if found.code < MARK:
                    gone.add(found.seq)
        segment.path.write_bytes(content)
    return gone


@settings(settings.get_profile("costly"))
@given(STEPS, st.booleans(), st.data())
def test_salvage_keeps_every_whole_entry(
    steps: list[str], closed: bool, data: st.DataObject
) -> None:
    """Whatever is corrupt, the rest is kept; losses are recorded; the session can continue."""
    with memory_folder() as folder:
        journal = written(folder, [*steps, "one"])
        directory, entries = journal.directory, journal.entries
        if closed:
            resumed = Journal.resume(directory, segment_bytes=5000, sync_interval_s=0)
            resumed.append([Entry.of_frame(resumed.last_seq + 1, Frame(1, "last"))])
            resumed.abandon()
            entries = list(read_journal(directory))
        gone = _corrupt(journal, data)
        before = {p.name: p.read_bytes() for p in directory.iterdir()}
        result = salvage(directory)
        kept = [entry for entry in entries if entry.seq not in gone]
        reader = read_journal(directory)
        assert list(reader) == kept
        assert not reader.torn
        assert result.kept == len(kept)
        assert result.lost == tuple(reader.losses)
        numbers = {seq for first, last in result.lost for seq in range(first, last + 1)}
        # Numbers at the very end are known to be lost only if a mark or a later entry says so.
        assert numbers <= gone
        assert {seq for seq in gone if seq < kept[-1].seq} <= numbers
        for name in result.rewritten:
            assert (
                name not in before or (directory / f"{name}.damaged").read_bytes() == before[name]
            )
        assert salvage(directory) == attrs.evolve(result, rewritten=())
        again = Journal.resume(directory, segment_bytes=5000, sync_interval_s=0)
        again.append([Entry.of_frame(again.last_seq + 1, Frame(1, "more"))])
        again.close("salvaged")
        reader = read_journal(directory)
        assert list(reader)[: len(kept)] == kept
        assert reader.clean


def test_salvage_repairs_packed_segments(tmp_path: Path) -> None:
    """A corrupt compressed segment is decompressed as far as possible; lines of text are kept as entries."""
    directory = tmp_path / "journals" / "s"
    writer = Journal.create(directory, HEADER, sync_interval_s=0)
    noise = random.Random(5)
    texts = [noise.randbytes(4000).hex() for _ in range(200)]
    for seq, text in enumerate(texts, 1):
        writer.append([Entry.of_frame(seq, Frame(1, text))])
    writer.roll()
    writer.append([Entry.of_frame(201, Frame(1, "behind"))])
    writer.abandon()
    packed = compress_segment(directory / "000001.log")
    content = packed.read_bytes()
    packed.write_bytes(content[: len(content) - 20])
    with pytest.raises(JournalError, match=r"000001\.log\.zst.*--salvage s"):
        list(read_journal(directory))
    result = salvage(directory)
    assert result.rewritten == ("000001.log",)
    assert not packed.exists()
    assert (directory / "000001.log.zst.damaged").exists()
    frames = [entry.frame().raw for entry in list(read_journal(directory))[1:]]
    assert frames[-1] == "behind"
    assert frames[:-1] == texts[: len(frames) - 1]
    assert len(frames) > 100


def test_salvage_needs_the_header(tmp_path: Path) -> None:
    """Without its header the session of a journal is unknown: it is left unchanged."""
    journal = written(str(tmp_path), ["one", "sync", "one"])
    path = journal.directory / "000001.log"
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)
    with pytest.raises(JournalError, match="the header at the beginning of segment 000001 is lost"):
        salvage(journal.directory)
    assert path.read_bytes() == content
    with pytest.raises(InputError, match="no journal in"):
        salvage(tmp_path)


@pytest.fixture
def syncs() -> Iterator[threading.Event]:
    """Set when a journal's segment was about to be synced."""
    seen = threading.Event()

    def observe(op: files.Op) -> None:
        if op.kind == "sync" and op.path.suffix == ".log":
            seen.set()

    with files.observing(observe):
        yield seen


def test_marks_say_what_is_on_the_disk(tmp_path: Path) -> None:
    """After a sync the next group is preceded by one mark with the right position."""
    journal = written(str(tmp_path), ["one", "sync", "sync", "one", "one", "sync", "roll", "one"])
    first = (journal.directory / "000001.log").read_bytes()
    second = (journal.directory / "000002.log").read_bytes()
    found = [f for f in whole_entries(first) if f.code == MARK]
    # The header was synced, then entry 1; entries 2 and 3 were followed by a roll.
    ends = {f.seq: f.end for f in whole_entries(first) if f.code != MARK}
    assert [(f.seq, MARK_BODY.unpack(f.payload)) for f in found] == [
        (0, (0, ends[0])),
        (1, (0, ends[1])),
    ]
    found = [f for f in whole_entries(second) if f.code == MARK]
    assert [(f.seq, MARK_BODY.unpack(f.payload)) for f in found] == [(3, (1, ends[3]))]
    assert all(a.seq + 1 == b.seq for a, b in pairwise(journal.entries))
    assert journal.safe() == 3


def test_a_lost_segment_after_a_compressed_one_is_a_torn_tail(tmp_path: Path) -> None:
    """Numbers continue from the compressed segment: unsynced entries after a hole are dropped."""
    journal = written(str(tmp_path), ["one", "one", "roll", "one", "roll", "one"])
    directory = journal.directory
    compress_segment(directory / "000001.log")
    (directory / "000002.log").write_bytes(b"")
    reader = read_journal(directory)
    assert [entry.seq for entry in reader] == [0, 1, 2]
    assert (reader.torn, reader.torn_entries) == (True, 1)
    resumed = Journal.resume(directory, segment_bytes=5000, sync_interval_s=0)
    assert (resumed.last_seq, resumed.segment) == (2, 2)
    resumed.close("recovered")
    reader = read_journal(directory)
    assert [entry.seq for entry in reader] == [0, 1, 2, 3]
    assert (reader.clean, reader.torn) == (True, False)
    # Directly after a compressed one, only synced entries can be missing.
    third = written(str(tmp_path / "b"), ["one", "roll", "one", "roll", "one"]).directory
    (third / "000002.log").unlink()
    (third / "000003.log").rename(third / "000002.log")
    compress_segment(third / "000001.log")
    with pytest.raises(JournalError, match="entry 2 is missing before entry 3"):
        list(read_journal(third))


@pytest.mark.parametrize("kept", [0, 1, 20, 31, 32, 40])
def test_a_close_whose_last_mark_was_lost_is_compressed_without_it(
    tmp_path: Path, kept: int
) -> None:
    """A power loss may take the mark after the close entry, or half of it: the session is still closed."""
    directory = tmp_path / "s"
    journal = Journal.create(directory, HEADER, segment_bytes=5000, sync_interval_s=0)
    journal.append([Entry.of_frame(1, Frame(1, "x"))])
    journal.close("done")
    path = directory / "000001.log"
    content = path.read_bytes()
    mark = content[-MARK_BYTES:]
    for half in (mark[:kept], bytes(kept) + mark[kept:]):
        whole = content[:-MARK_BYTES] + half
        path.write_bytes(whole + bytes(5000 - len(whole)))
        assert ends_with_close(list_segments(directory)[0])
        assert [entry.seq for entry in read_journal(directory)] == [0, 1, 2]
        packed = compress_segment(path)
        reader = read_journal(directory)
        assert [entry.seq for entry in reader] == [0, 1, 2]
        assert (reader.clean, reader.torn) == (True, False)
        packed.unlink()
