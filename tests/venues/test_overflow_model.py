"""A live queue that is full: what the session gets is the beginning of what was said, with no hole in it."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from vectra_bot.clock import VirtualClock
from vectra_bot.models import Frame
from vectra_bot.venues.connection import Connection
from vectra_bot.venues.inbox import Inbox
from vectra_bot.venues.patience import LiveCounts

steps = st.lists(
    st.one_of(
        st.tuples(st.just("frame"), st.integers(1, 30)), st.tuples(st.just("take"), st.just(0))
    ),
    max_size=40,
)


@example([("frame", 1)] * 4 + [("take", 0), ("frame", 1), ("take", 0)])
@given(steps)
def test_after_a_lost_frame_no_other_is_queued(todo: list[Any]) -> None:
    """Room that comes later is not used: the connection ends, and every frame is taken or counted as lost."""
    most, chars = 3, 60
    counts = LiveCounts()
    inbox = Inbox(most, chars)
    connection = Connection(inbox, VirtualClock(0), counts)
    said, taken = [], []
    waiting: list[str] = []
    lost = 0
    for kind, size in todo:
        if kind == "frame":
            text = f"42{len(said):03d}" + "x" * size
            said.append(text)
            connection.on_frame(text)
            fits = len(waiting) < most and sum(map(len, waiting)) + len(text) <= chars
            if lost or not fits:
                lost += 1
            else:
                waiting.append(text)
        else:
            item = inbox.take()
            assert (item is None) is (not waiting)
            if isinstance(item, Frame):
                taken.append(item.raw)
                assert item.raw == waiting.pop(0)
        assert (counts.frames, counts.lost_frames) == (len(said) - lost, lost)
        assert (connection.lost, connection.ended.is_set()) == (lost, lost > 0)
        half = len(waiting) <= most // 2 and sum(map(len, waiting)) <= chars // 2
        assert inbox.drained.is_set() is half

    assert taken == said[: len(taken)]
