"""A capture file becomes frames, byte for byte, and a bad one is refused by file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.errors import InputError
from vectra_bot.models import ConnectionChanged, Direction, Frame, Link
from vectra_bot.venues.base import Feed
from vectra_bot.venues.replay import CaptureFeed, detect_recording

# Odd spacing and number forms, which a frame must keep.
_LINES = [
    '{"capture":"c","t":1767225600.25,"dir":"in","event":"connect","args":[],"local":true}',
    (
        '{"capture":"c","t":1767225600.420892,"dir":"in","event":"gameStateUpdate","args":[{"price": 1.50,'
        '"tickCount":1e0}]}'
    ),
    (
        '{"capture":"c","t":1767225601,"dir":"in","event":"standard/newTrade","args":[{"__trace":true},'
        '{"amount":0.06890460799999999}]}'
    ),
    '{"capture":"c","t":1767225602.5,"dir":"out","event":"chatHistory","args":[]}',
    (
        '{"capture":"c","t":1767225603.5,"dir":"in","event":"usernameStatus","args":[{"__trace":true}],'
        '"args_truncated":true}'
    ),
    '{"t":1767225604.5,"dir":"in","event":"gr\u00fc\\u00df\\"e","args":[],"excerpt":true,"new_key":1}',
]


def _write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return _write(tmp_path / "capture.jsonl", _LINES)


async def _all(feed: Feed) -> list[Any]:
    return [item async for item in feed]


async def test_lines_become_items_in_order(capture: Path) -> None:
    """Each line is one item, with the line's own bytes, its direction and its time."""
    feed = CaptureFeed(capture)
    assert isinstance(feed, Feed)
    items = await _all(feed)
    assert items == [
        ConnectionChanged(
            recv_ns=1767225600250000000, link=Link.CONNECTED, reason="recorded: connect"
        ),
        Frame(1767225600420892000, '42["gameStateUpdate",{"price": 1.50,"tickCount":1e0}]'),
        Frame(
            1767225601000000000,
            '42["standard/newTrade",{"__trace":true},{"amount":0.06890460799999999}]',
        ),
        Frame(1767225602500000000, '42["chatHistory"]', Direction.OUT),
        Frame(1767225603500000000, '42["usernameStatus",{"__trace":true}]', truncated=True),
        Frame(1767225604500000000, '42["gr\u00fc\u00df\\"e"]'),
    ]
    await feed.aclose()
    await feed.aclose()


def test_gzip_is_read_alike(capture: Path, tmp_path: Path) -> None:
    """A gzipped capture gives the same items, whatever its name is."""
    packed = tmp_path / "packed.bin"
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    assert list(CaptureFeed(packed).items()) == list(CaptureFeed(capture).items())
    assert detect_recording(packed) == detect_recording(capture) == "capture"


async def test_feed_can_be_read_again(capture: Path) -> None:
    """Every iteration starts at the first line; the venue's name is the one given."""
    feed = CaptureFeed(capture, venue="recording")
    assert await _all(feed) == await _all(feed)
    assert feed.venue == "recording"


def test_check_reads_a_good_file(capture: Path) -> None:
    """A check of a good capture raises nothing, and the feed still starts at its first line."""
    feed = CaptureFeed(capture)
    feed.check()
    assert len(list(feed.items())) == 6


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "invalid JSON"),
        ("not json", "invalid JSON"),
        ("7", "not a JSON object"),
        ("{}", "unknown keys"),
        ('{"dir":"in","event":"a","args":[]}', "t is missing"),
        (_LINES[1].replace("1767225600.420892", '"now"'), "ISO 8601"),
        (_LINES[1].replace("1767225600.420892", "-5"), "-5"),
        (_LINES[1].replace("1767225600.420892", "1e300"), "1e+300"),
        (_LINES[1].replace('"in"', '"sideways"'), "sideways"),
        (_LINES[1].replace('"args":[', '"args":1,"x":['), "give a list"),
        ('{"t":1,"dir":"in","event":"a","args":' + "[" * 100_000, "JSON"),
    ],
)
async def test_bad_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    """A line that is not a captured event is refused with file, line number and what to do."""
    # A file without any time is read in the order of its lines.
    alone = [] if "missing" in says else [[line]]
    for place, lines in enumerate((*alone, [*_LINES, line])):
        path = _write(tmp_path / f"bad{place}.jsonl", lines)
        with pytest.raises(InputError) as caught:
            await _all(CaptureFeed(path))
        message = str(caught.value)
        assert str(path) in message
        assert f"line {len(lines)}" in message
        assert says in message
        assert "\n" not in message
    if alone:
        with pytest.raises(InputError):
            CaptureFeed(tmp_path / "bad0.jsonl").check()


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    """A line that is not UTF-8 is refused like any other bad line."""
    path = tmp_path / "latin.jsonl"
    path.write_bytes(_LINES[3].replace("chatHistory", "gr\xfc").encode("latin-1"))
    with pytest.raises(InputError, match="line 1"):
        list(CaptureFeed(path).items())


def test_cut_archive_is_named(capture: Path, tmp_path: Path) -> None:
    """A truncated gzip file is refused with the last good line, not silently read in part."""
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(capture.read_bytes())[:-9])
    with pytest.raises(InputError, match="is corrupt after line"):
        list(CaptureFeed(path).items())
    path.write_bytes(b"\x1f\x8bnot really gzip")
    with pytest.raises(InputError, match="is corrupt after line"):
        detect_recording(path)


def test_wrong_files_are_refused_before_anything_happens(tmp_path: Path) -> None:
    """A missing, an empty or a foreign file and a folder without a journal are refused with advice."""
    empty = _write(tmp_path / "empty.jsonl", [])
    foreign = _write(tmp_path / "foreign.jsonl", ['{"game_id":"g","prices":[1]}'])
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (tmp_path / "missing.jsonl", empty, foreign, folder):
        with pytest.raises(InputError) as caught:
            detect_recording(path)
        assert str(path) in str(caught.value)
        assert "give a recording" in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        CaptureFeed(folder).check()


def test_journals_are_told_from_captures(tmp_path: Path) -> None:
    """A line with a checksum before its JSON is a journal's, plain or gzipped; so is its folder."""
    folder = tmp_path / "journal"
    folder.mkdir()
    segment = _write(folder / "000001.log", ['0badcafe {"seq":0,"kind":"header","ts":1}'])
    packed = tmp_path / "copy.gz"
    packed.write_bytes(gzip.compress(segment.read_bytes()))
    zstd = tmp_path / "copy.zst"
    zstd.write_bytes(pa.compress(segment.read_bytes(), codec="zstd", asbytes=True))
    for path in (folder, segment, packed, zstd):
        assert detect_recording(path) == "journal"


@given(
    st.floats(0, 4e9).map(lambda t: round(t, 6)), st.lists(st.integers() | st.text(), max_size=3)
)
def test_any_line_keeps_its_arguments(
    tmp_path_factory: Any, t: float, arguments: list[Any]
) -> None:
    """Whatever the arguments are, the frame's array is the event's name and those arguments."""
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    line = {"t": t, "dir": "in", "event": "e", "args": arguments}
    path.write_text(json.dumps(line), encoding="utf-8")
    (frame,) = CaptureFeed(path).items()
    assert isinstance(frame, Frame)
    assert json.loads(frame.raw[2:]) == ["e", *arguments]
    assert frame.recv_ns == round(t * 1e6) * 1000
