"""Frames of unusual shapes beside the rules for them: ids, several arguments, two spellings of one field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.errors import WireError
from vectra_bot.models import Ack, Frame, PlayerUpdate, SidebetPlaced
from vectra_bot.wire.decode import decode
from vectra_bot.wire.packet import payload_of, read_packet, split_trace
from vectra_bot.wire.requests import decode_request


@given(st.integers(1, 20), st.sampled_from("123456789"), st.booleans())
def test_an_id_has_at_most_sixteen_digits(digits: int, first: str, ack: bool) -> None:
    """As many as a whole number of JavaScript can have."""
    text = first + "7" * (digits - 1)
    raw = f'43{text}[{{"success":true}}]' if ack else f'42{text}["ping",{{}}]'
    if digits > 16:
        with pytest.raises(WireError, match=f"has {digits} digits"):
            read_packet(raw)
        return
    assert read_packet(raw).packet_id == int(text)
    if ack:
        event = decode(Frame(1, raw))
        assert isinstance(event, Ack)
        assert event.ack_id == int(text)


ARGUMENTS = st.one_of(
    st.fixed_dictionaries({"n": st.integers(0, 9)}),
    st.lists(st.integers(0, 9), max_size=2),
    st.integers(0, 9),
    st.sampled_from(["a", "b", "c"]),
    st.none(),
)


@given(st.lists(ARGUMENTS, max_size=4))
def test_the_payload_is_the_last_that_can_be_one(arguments: list[Any]) -> None:
    """The last argument; where that is a text, the last object or list before it, if there is one."""
    packet = read_packet(f"42{json.dumps(['name', *arguments])}")
    found = payload_of(split_trace(packet.arguments)[1])

    expected = arguments[-1] if arguments else None
    if isinstance(expected, str):
        structured = [a for a in arguments[:-1] if isinstance(a, dict | list)]
        expected = structured[-1] if structured else expected
    assert (found is None) is (not arguments)
    assert found is None or json.loads(bytes(found)) == expected


TICKS = st.none() | st.integers(0, 90)


@given(st.tuples(TICKS, TICKS, TICKS, TICKS), st.booleans())
def test_a_window_of_ticks_is_read_in_either_spelling(ticks: Any, private: bool) -> None:
    """``startTick`` and ``endTick`` count before ``startedAtTick`` and ``end``; one pair must be there."""
    names = ("startTick", "endTick", "startedAtTick", "end")
    window = {name: tick for name, tick in zip(names, ticks, strict=True) if tick is not None}
    start = window.get("startTick", window.get("startedAtTick"))
    end = window.get("endTick", window.get("end"))
    if private:
        bet = {"playerId": "p", "gameId": "g", "betAmount": 0.1, **window}
        raw = f"42{json.dumps(['currentSidebet', bet])}"
    else:
        update = {
            "id": "p", "cash": 1, "positionQty": 0, "avgCost": 0, "cumulativePnL": 0,
            "totalInvested": 0, "sideBet": {"betAmount": 0.1, **window},
        }  # fmt: skip
        raw = f"42{json.dumps(['playerUpdate', update])}"
    if start is None or end is None:
        with pytest.raises(WireError, match="Tick is missing"):
            decode(Frame(1, raw))
        return
    event = decode(Frame(1, raw))
    found = event if isinstance(event, SidebetPlaced) else None
    if isinstance(event, PlayerUpdate):
        assert event.sidebet is not None
        assert (event.sidebet.start_tick, event.sidebet.end_tick) == (start, end)
    else:
        assert found is not None
        assert (found.start_tick, found.end_tick) == (start, end)


@given(
    st.one_of(
        st.integers(-2, 102), st.booleans(), st.floats(0, 101), st.sampled_from(["50", None, [5]])
    )
)
def test_a_requested_share_is_a_whole_number(value: Any) -> None:
    """Neither a boolean, nor a float, nor a text is one."""
    request = decode_request(f"421{json.dumps(['sellOrder', {'percentage': value}])}")

    whole = isinstance(value, int) and not isinstance(value, bool)
    assert request.percentage == (value if whole else None)
    assert type(request.percentage) in (int, type(None))
