"""The codec of the DevTools Protocol: framing, calls, events, and what never passes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectra_bot.venues.browser import cdp
from vectra_bot.venues.browser.cdp import (
    CdpDecoder,
    CdpError,
    CdpEvent,
    CdpReply,
    Framing,
    PageFrame,
    encode_call,
)

PASSES = frozenset({"buyOrder", "ping"})
CANARY = "canary-token-7f81abe72ad0"
FEW = settings(max_examples=30, deadline=None)

messages = st.lists(st.binary(min_size=1, max_size=60).map(lambda b: b.replace(b"\0", b"x")))


def frame(raw: str, *, sent: bool, opcode: int = 1) -> str:
    """Return the browser's event of one websocket frame."""
    response = {"opcode": opcode, "mask": sent, "payloadData": raw}
    params = {"requestId": "7.1", "timestamp": 12.5, "response": response}
    method = cdp.SENT if sent else cdp.RECEIVED
    return json.dumps({"method": method, "sessionId": "S", "params": params})


@FEW
@given(messages, st.data())
def test_messages_survive_any_division(sent: list[bytes], data: st.DataObject) -> None:
    """However the bytes of a pipe are divided, the messages come out whole and in order."""
    stream = b"".join(message + b"\0" for message in sent)
    framing, found, place = Framing(), [], 0
    while place < len(stream):
        size = data.draw(st.integers(1, max(1, len(stream) - place)))
        found += framing.feed(stream[place : place + size])
        place += size

    assert found == sent


def test_a_message_without_end_is_refused() -> None:
    """A message longer than allowed ends the connection instead of filling the memory."""
    framing = Framing(most_bytes=100)
    framing.feed(b"x" * 100)

    with pytest.raises(CdpError, match="more than 100 bytes"):
        framing.feed(b"x")


@FEW
@given(
    st.integers(1, 2**31),
    st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20), max_size=4),
    st.text(max_size=10),
)
def test_a_call_says_what_was_asked(call_id: int, params: dict[str, Any], session: str) -> None:
    """A call is one JSON object without a NUL in it."""
    written = encode_call(call_id, "Runtime.evaluate", params, session)
    read = json.loads(written)

    assert b"\0" not in written
    assert (read["id"], read["method"], read["params"]) == (call_id, "Runtime.evaluate", params)
    assert read.get("sessionId", "") == session


def test_replies_and_events() -> None:
    """Results, refusals, frames and events are typed; what no session needs is not decoded."""
    decoder = CdpDecoder(PASSES.__contains__)

    assert decoder.decode('{"id":3,"result":{"a":1}}') == CdpReply(3, {"a": 1})
    assert decoder.decode(b'{"id":4,"error":{"code":-1,"message":"no"}}') == CdpReply(4, {}, "no")
    assert decoder.decode(
        '{"method":"Target.targetCrashed","params":{"targetId":"T"}}'
    ) == CdpEvent("Target.targetCrashed", "", {"targetId": "T"})
    assert decoder.decode(frame("42[]", sent=False)) == PageFrame("S", "7.1", "42[]", 12.5, False)
    assert decoder.decode(frame("AAAA", sent=False, opcode=2)) == PageFrame(
        "S", "7.1", "", 12.5, False
    )
    assert decoder.decode(frame("AAAA", sent=True, opcode=2)) is None
    cookies = '{"method":"Network.requestWillBeSentExtraInfo","params":{"headers":{"cookie":"x"}}}'
    assert decoder.decode(cookies) is None
    assert decoder.unreadable == 0


@pytest.mark.parametrize(
    "raw",
    [
        f'42["authenticate",{{"__trace":true}},{{"token":"{CANARY}"}}]',
        f'429["authenticate",{{"token":"{CANARY}"}}]',
        f'42["logIn",{{"token":"{CANARY}"}}]',
        f'40{{"token":"{CANARY}"}}',
        f'42[ "buyOrder",{{"token":"{CANARY}"}}]',
        f'42["\\u0061uthenticate",{{"token":"{CANARY}"}}]',
        f'42["chatHistory",{{"token":"{CANARY}"}}]',
        f"451-{CANARY}",
        CANARY,
    ],
)
def test_what_the_page_sends_besides_requests_is_dropped(raw: str) -> None:
    """A login in any form, and everything that is not a request of the profile, never leaves the decoder."""
    decoder = CdpDecoder(PASSES.__contains__)

    assert decoder.decode(frame(raw, sent=True)) is None
    assert decoder.dropped == 1
    assert CANARY not in repr(decoder)


def test_requests_of_the_page_pass() -> None:
    """An order and a ping are seen, exactly as sent."""
    decoder = CdpDecoder(PASSES.__contains__)
    raw = '4212["buyOrder",{"amount":0.01}]'

    assert decoder.decode(frame(raw, sent=True)) == PageFrame("S", "7.1", raw, 12.5, True)
    assert decoder.decode(frame('423["ping",{}]', sent=True)) is not None


@FEW
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_anything_can_be_decoded(message: bytes | str) -> None:
    """Whatever the browser sends, the decoder returns; what it cannot read it counts."""
    decoder = CdpDecoder(PASSES.__contains__)
    found = decoder.decode(message)

    assert found is None or isinstance(found, CdpReply | CdpEvent | PageFrame)
