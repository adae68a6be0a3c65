"""A frame whose end is known from the one before says what it says when it is read as a whole."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import samples
from tests.wire.samples import event, inbound
from vectra_bot.errors import WireError
from vectra_bot.models import Event, GameFrame
from vectra_bot.wire.decode import decode

_HEAD = '42["gameStateUpdate",'
_TEXTS = {
    name: event("gameStateUpdate", payload).raw
    for name, payload in (("tick", samples.TICK), ("countdown", samples.COUNTDOWN))
}
_PIECES = [
    ",", "}", "{", "]", '"', "\\", " ", "1e999", "9" * 400, "\ud800", '"x":1,', '"rugpool":null,',
    '"leaderboard":null,', '"gameId":"other",', '"provablyFair":null,', '"connectedPlayers":3,',
    '"rugRoyale":1e999,', '"rugRoyale":{},', '"price":2,', ',"rugpool":', ',"leaderboard":', "}}]", ",{}",
]  # fmt: skip


def _answer(raw: str) -> Event | tuple[str, str | None, bool]:
    try:
        return decode(inbound(raw))
    except WireError as error:
        return error.reason, error.event_name, error.money


def _whole(raw: str) -> Event | tuple[str, str | None, bool]:
    """Return the answer to a frame with a space before its payload, which no end is looked for in."""
    return _answer(raw.replace(_HEAD, f"{_HEAD} ", 1))


@given(st.data())
def test_changed_text_is_read_as_a_whole_is(data: st.DataObject) -> None:
    """Whatever is inserted, removed or replaced in a frame, and whichever end was read before."""
    first, second = (data.draw(st.sampled_from(sorted(_TEXTS.values()))) for _ in range(2))
    decode(inbound(first))
    at = data.draw(st.integers(len(_HEAD), len(second)))
    removed = data.draw(st.sampled_from([0, 0, 0, 1, 2, 5, 40]))
    text = data.draw(st.sampled_from(["", *_PIECES]))
    changed = f"{second[:at]}{text}{second[at + removed :]}"

    assert _answer(changed) == _whole(changed)
    assert _answer(changed) == _whole(changed)  # its own end may be the known one now
    assert _answer(second) == _whole(second)


@given(st.lists(samples.tick_states | samples.countdowns, min_size=2, max_size=5))
def test_frames_in_any_order_are_read_as_wholes_are(states: list[Any]) -> None:
    """Of frames with different, equal and no tables each gives what it states."""
    for state in (*states, *states[:2]):
        raw = f"{_HEAD}{msgspec.json.encode(state).decode()}]"
        assert _answer(raw) == _whole(raw)


@pytest.mark.parametrize("name", sorted(_TEXTS))
def test_an_end_is_used_by_the_next_frame(name: str) -> None:
    """Two frames with the same end have the same objects from it, and each its own start."""
    payload = {"tick": samples.TICK, "countdown": samples.COUNTDOWN}[name]
    one, two = (
        decode(event("gameStateUpdate", payload | {"cooldownTimer": timer})) for timer in (100, 200)
    )
    assert isinstance(one, GameFrame)
    assert isinstance(two, GameFrame)
    assert (one.cooldown_timer_ms, two.cooldown_timer_ms) == (100, 200)
    assert one.server_seed_hash is two.server_seed_hash
    assert (one.leaderboard is two.leaderboard) == (name == "countdown")


def test_a_key_of_the_end_is_not_found_in_another_object() -> None:
    """An end that belongs to an inner object, or to a second argument, is not the payload's."""
    tick = _TEXTS["tick"]
    decode(inbound(tick))
    at = tick.index(',"rugpool"')
    inner = f'{tick[:at]},"x":{{"y":1{tick[at:-2]}}}}}]'
    second = f'{tick[:at]}}},{{"y":1{tick[at:]}'
    found = _answer(inner)
    assert found == _whole(inner)
    assert isinstance(found, GameFrame)
    assert found.server_seed_hash is None
    assert json.loads(found.extra["x"])["y"] == 1
    assert _answer(second) == _whole(second) != decode(inbound(tick))


def test_a_number_out_of_range_in_the_end_is_found() -> None:
    """A part that nothing uses is checked when it changes, as a whole frame's is."""
    for text in ('"status":1e999', '"status":-1e999'):
        changed = _TEXTS["tick"].replace('"status":"INACTIVE"', text)
        assert changed != _TEXTS["tick"]
        assert isinstance(_answer(changed), tuple)
        assert _answer(changed) == _whole(changed)
