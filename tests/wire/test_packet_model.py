"""What a packet's arguments and acknowledgements say, whatever is around it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.errors import WireError
from vectra_bot.models import Ack, Frame, UnknownEvent
from vectra_bot.wire.decode import decode
from vectra_bot.wire.requests import decode_request

ids = st.text("0123456789abcdef", min_size=32, max_size=32)
usable = ids.map(lambda i: (i, {"__trace": True, "traceparent": f"00-{i}-{i[:16]}-01"}))
unusable = st.sampled_from(
    [
        (None, {"__trace": True}),
        (None, {"__trace": True, "traceparent": "00-XY-12-01"}),
        (None, {"__trace": True, "traceparent": 5}),
    ]
)
# Also what resembles a trace argument, inside another object.
payloads = st.sampled_from(
    [
        {"amount": 1},
        {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"},
        {"a": {"__trace": True, "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}},
    ]
)


@given(st.lists(st.one_of(usable, unusable), max_size=4), payloads)
def test_the_first_usable_trace_id_is_the_frames(traces: list[Any], payload: Any) -> None:
    """Of several trace arguments the first with an id counts, for both sides of the wire."""
    wanted = next((trace_id for trace_id, _ in traces if trace_id is not None), None)
    arguments = ["somethingNew", *(argument for _, argument in traces), payload]
    event = decode(Frame(1, f"42{json.dumps(arguments)}"))

    assert isinstance(event, UnknownEvent)
    assert event.trace_id == wanted
    assert json.loads(event.payload_json or "") == payload
    request = decode_request(f"427{json.dumps(arguments)}")
    assert (request.trace_id, request.ack_id, request.payload) == (wanted, 7, payload)


TEXTS = st.one_of(st.text(max_size=20), st.sampled_from([None, 5, True, ["x"], {"a": "b"}]))
MISSING = st.just(...)


@given(
    st.one_of(MISSING, st.booleans(), st.sampled_from([None, 0, 1, "true"])),
    st.one_of(MISSING, TEXTS),
    st.one_of(MISSING, TEXTS),
    st.integers(1, 2**53 - 1),
)
def test_an_acknowledgement_keeps_why_it_refused(
    success: Any, message: Any, error: Any, ack_id: int
) -> None:
    """The message, else the error, if it is a text; the whole payload is kept."""
    given_keys = {"success": success, "message": message, "error": error}
    payload = {key: value for key, value in given_keys.items() if value is not ...}
    ack = decode(Frame(1, f"43{ack_id}[{json.dumps(payload)}]"))

    assert isinstance(ack, Ack)
    said = message if isinstance(message, str) else error
    assert ack.ack_id == ack_id
    assert ack.success is (success if isinstance(success, bool) else None)
    assert ack.message == (said if isinstance(said, str) else None)
    assert json.loads(ack.payload_json or "") == payload


@pytest.mark.parametrize("text", ["43[]", "430[]", "4300[true]"])
def test_an_acknowledgement_answers_a_request(text: str) -> None:
    """Requests are counted from 1: one without a number, or of number 0, answers nothing."""
    with pytest.raises(WireError):
        decode(Frame(1, text))


@pytest.mark.parametrize("text", ["431[]", "431[true]", '431["no"]', "431[[]]"])
def test_an_acknowledgement_of_another_shape_says_nothing(text: str) -> None:
    """Neither success nor refusal is read into it."""
    ack = decode(Frame(1, text))

    assert isinstance(ack, Ack)
    assert (ack.success, ack.message) == (None, None)
