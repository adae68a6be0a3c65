"""The server's small parts: websocket frames, the list of broadcasts, the pace of time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.clock import VirtualClock
from vectra_bot.errors import ConfigError
from vectra_bot.models.times import NS_PER_S
from vectra_bot.server.clients import Broadcasts
from vectra_bot.server.faults import event_of
from vectra_bot.server.pace import Pace
from vectra_bot.server.transport import Prepared, websocket_frame


def read_back(data: bytes) -> list[str]:
    """Return the texts of unmasked websocket frames, parsed as in RFC 6455, 5.2."""
    texts = []
    while data:
        first, size, start = data[0], data[1], 2
        assert first == 0x81, "a final text frame"
        if size > 125:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        texts.append(data[start : start + size].decode())
        data = data[start + size :]
    return texts


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_websocket_frame_of_any_size_is_read_back(size: int) -> None:
    """The three forms of the length are written as RFC 6455 says."""
    text = "4" * size

    assert read_back(websocket_frame(text)) == [text]


def test_frames_written_together_are_read_apart() -> None:
    """Several frames in one write are several messages; letters beyond ASCII survive."""
    texts = ["2", '42["ä€𝄞"]', "x" * 130]

    assert read_back(b"".join(map(websocket_frame, texts))) == texts


@given(st.lists(st.sampled_from(["add", "read", "forget"]), max_size=60))
def test_a_reader_of_the_broadcasts_gets_each_of_them_once(steps: list[str]) -> None:
    """A reader gets every broadcast once, in order, also if those sent to all are dropped meanwhile."""
    waiting, added, got, place = Broadcasts(), 0, [], 0
    for step in steps:
        if step == "add":
            waiting.add(Prepared(str(added)))
            added += 1
        elif step == "read":
            got += [message.text for message in waiting.since(place)]
            place = waiting.next
        else:
            waiting.forget_before(place)
    got += [message.text for message in waiting.since(place)]

    assert got == [str(number) for number in range(added)]
    assert waiting.next == added


def test_time_runs_by_the_factor_and_never_back() -> None:
    """At speed 4 a real second is four venue seconds; a step that was ahead is not undone."""
    clock = VirtualClock(1_000)
    pace = Pace(4, clock, 50)
    clock.advance_to(1_000 + NS_PER_S)

    assert pace.venue_now_ns(0) == 50 + 4 * NS_PER_S
    assert pace.venue_now_ns(10 * NS_PER_S) == 10 * NS_PER_S
    assert pace.wait_s(50 + 6 * NS_PER_S) == 0.5
    assert pace.wait_s(50 + 3 * NS_PER_S) == 0


def test_a_machine_that_slept_is_forgiven_what_it_missed() -> None:
    """After a long stall time resumes where it stopped, and the rest is counted."""
    clock = VirtualClock(0)
    pace = Pace(1, clock, 0)
    clock.advance_to(60 * NS_PER_S)

    assert pace.wait_s(10 * NS_PER_S) == 0
    assert pace.forgiven_ns == 50 * NS_PER_S
    assert pace.wait_s(12 * NS_PER_S) == 2


def test_without_a_factor_time_is_the_exchanges_own() -> None:
    """At speed max nothing waits, and now is the last step."""
    pace = Pace(None, VirtualClock(0), 0)

    assert pace.venue_now_ns(77) == 77
    assert pace.wait_s(10**18) == 0


@pytest.mark.parametrize("speed", [0, -1, float("nan"), 1e9])
def test_a_speed_is_a_positive_number(speed: float) -> None:
    """Any other speed is an error with the value."""
    with pytest.raises(ConfigError, match="speed was"):
        Pace(speed, VirtualClock(0), 0)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('42["playerUpdate",{}]', "playerUpdate"),
        ('42["x"]', "x"),
        ("4312[]", "ack"),
        ("41", ""),
        ("", ""),
    ],
)
def test_the_event_of_a_text_is_known(text: str, name: str) -> None:
    """Faults select messages by this name."""
    assert event_of(text) == name
