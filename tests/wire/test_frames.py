"""Text of frames: numbers as JSON.stringify writes them, key sets per shape, requests both ways."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import samples
from tests.wire.samples import TRACE_ID
from vectra_bot.errors import WireError
from vectra_bot.models import ActionType, Command
from vectra_bot.wire.amounts import js_text, lamports, number, sol, sol_number
from vectra_bot.wire.encode import encode_request, span_id
from vectra_bot.wire.frames import ack_text, event_text, raw_part
from vectra_bot.wire.payloads import AckPayload
from vectra_bot.wire.requests import decode_request

# What a JavaScript engine prints for these doubles.
JS_NUMBERS = [
    (1.0, "1"), (0.0, "0"), (-0.0, "0"), (-3.0, "-3"), (0.1, "0.1"), (1e-7, "1e-7"),
    (1.5e-7, "1.5e-7"), (1e-6, "0.000001"), (9.7e-6, "0.0000097"), (0.020000000000000018,
    "0.020000000000000018"), (1e20, "100000000000000000000"), (1e21, "1e+21"), (1.5e300, "1.5e+300"),
    (5e-324, "5e-324"), (9007199254740992.0, "9007199254740992"), (9.1e15, "9100000000000000"),
    (1.2345678901234568e17, "123456789012345680"), (-2.5e-9, "-2.5e-9"), (1e16, "10000000000000000"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), JS_NUMBERS)
def test_numbers_as_javascript_writes_them(value: float, text: str) -> None:
    """A double is written with its shortest digits in JavaScript's own form."""
    assert js_text(value) == text
    if abs(value) < 2**53:
        assert bytes(raw_part({"a": number(value)})).decode() == f'{{"a":{text}}}'


@given(st.floats(-1e15, 1e15))
def test_number_text_is_the_same_double(value: float) -> None:
    """Every double survives a round trip through text, prepared by the writer or not."""
    for given_value in (number(value), value):
        text = bytes(raw_part([given_value])).decode()[1:-1]
        assert text == js_text(value)
        assert float(text) == value
        assert not text.endswith(".0")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_number_is_written_for_none(value: float) -> None:
    """NaN and Infinity are rejected, not written as null."""
    with pytest.raises(WireError):
        js_text(value)
    with pytest.raises(WireError):
        number(value)


@given(st.integers(-(10**15), 10**15))
def test_lamports_survive_the_wire(amount: int) -> None:
    """An amount in lamports comes back to the lamport from the JSON number of SOL."""
    value = json.loads(bytes(raw_part(sol_number(amount))))
    assert lamports(value) == amount
    assert sol(value) == Decimal(amount).scaleb(-9)


@given(st.integers(-(10**9) + 1, 10**9 - 1))
def test_great_whole_amounts_are_exact(amount: int) -> None:
    """Whole SOL up to the limit of an amount are read without an error of a lamport."""
    assert sol(float(amount)) == amount


def test_noise_is_rounded_whatever_the_callers_precision() -> None:
    """Float noise is rounded to a lamport, also under a caller's small decimal precision."""
    with localcontext() as context:
        context.prec = 3
        assert sol(0.06890460799999999) == Decimal("0.068904608")
        assert sol(123456789.0) == Decimal(123456789)


@given(st.lists(st.text(st.sampled_from('0123456789.,"\\}] a'), max_size=12), max_size=4))
def test_text_that_looks_like_a_number_is_left_alone(texts: list[str]) -> None:
    """Only numbers lose their empty fraction; text with the same characters does not."""
    value = {"numbers": [1.0, 2.5, -3.0], "texts": texts}
    data = json.loads(bytes(raw_part(value)))
    assert data["texts"] == texts
    assert [type(n) for n in data["numbers"]] == [int, float, int]


def test_acknowledgements_are_written_as_seen() -> None:
    """The acknowledgement of an action has one object, that of a ping none."""
    assert ack_text(29, AckPayload(success=True)) == '4329[{"success":true}]'
    assert ack_text(30) == "4330[]"
    assert ack_text(31, AckPayload(success=False, message="no")) == (
        '4331[{"success":false,"message":"no"}]'
    )


def test_event_without_arguments() -> None:
    """An event may have no argument, or only the trace."""
    assert event_text("chatHistory") == '42["chatHistory"]'
    assert event_text("a", trace_id=TRACE_ID, span_id="ab" * 8) == (
        f'42["a",{{"__trace":true,"traceparent":"00-{TRACE_ID}-abababababababab-01"}}]'
    )


def _command(kind: ActionType, **values: Any) -> Command:
    return Command(
        action_id="a", trace_id=TRACE_ID, action_type=kind, game_id=samples.GAME, tick=3, price=1.25,
        **values,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "event", "payload"),
    [
        (_command(ActionType.BUY, amount=Decimal("0.010000000")), "buyOrder", '{"amount":0.01}'),
        (_command(ActionType.BUY, amount=Decimal(5), leverage=4), "buyOrder",
         '{"amount":5,"leverage":4}'),
        (_command(ActionType.BUY, amount=Decimal("0.000000001")), "buyOrder", '{"amount":1e-9}'),
        (_command(ActionType.SELL, percentage=25), "sellOrder", '{"percentage":25}'),
        (_command(ActionType.SIDEBET, amount=Decimal("0.002")), "requestSidebet",
         '{"amount":0.002,"coinAddress":"So11111111111111111111111111111111111111112","xPayout":5}'),
        (_command(ActionType.SHORT_OPEN, amount=Decimal("0.02")), "shortOrder", '{"amount":0.02}'),
        (_command(ActionType.SHORT_CLOSE), "closeShort", "{}"),
        (_command(ActionType.BBC_PREDICT, amount=Decimal("0.01"), choice="CRAB", round_id='r"1'),
         "bbcPredict", '{"amount":0.01,"prediction":"crab","roundId":"r\\"1"}'),
        (_command(ActionType.CANDLEFLIP_BET, amount=Decimal(1), choice="RED", round_id="r2"),
         "candleflipBet", '{"amount":1,"choice":"red","roundId":"r2"}'),
    ],
)  # fmt: skip
def test_requests_are_written_as_the_browser_does(
    command: Command, event: str, payload: str
) -> None:
    """A request has its id, the trace object with our trace id and a separate span id, and the payload."""
    span = hashlib.sha256(TRACE_ID.encode()).digest()[:8].hex()
    assert encode_request(command, 29) == (
        f'4229["{event}",{{"__trace":true,"traceparent":"00-{TRACE_ID}-{span}-01"}},{payload}]'
    )
    assert span_id(TRACE_ID) == span


@given(st.integers(1, 10**13), st.integers(1, 5), st.integers(1, 10**6))
def test_buy_is_read_back_to_the_lamport(amount: int, leverage: int, ack_id: int) -> None:
    """The exchange reads the amount, leverage, id and trace that were sent."""
    command = _command(ActionType.BUY, amount=Decimal(amount).scaleb(-9), leverage=leverage)
    found = decode_request(encode_request(command, ack_id))
    assert (found.event, found.ack_id, found.trace_id) == ("buyOrder", ack_id, TRACE_ID)
    assert found.amount == amount
    assert found.leverage == (leverage if leverage != 1 else None)
    assert found.percentage is None


@given(st.integers(1, 100))
def test_sell_is_read_back(percentage: int) -> None:
    """The exchange reads the percentage that was sent."""
    found = decode_request(encode_request(_command(ActionType.SELL, percentage=percentage), 3))
    assert (found.event, found.percentage, found.amount) == ("sellOrder", percentage, None)


@pytest.mark.parametrize(
    "command",
    [
        _command(ActionType.BET_INCREMENT, amount=Decimal(1)),
        _command(ActionType.SHORT_OPEN),
        _command(ActionType.BBC_PREDICT, amount=Decimal(1), round_id="r"),
        _command(ActionType.BBC_PREDICT, amount=Decimal(1), choice="BULL"),
        _command(ActionType.BBC_PREDICT, amount=Decimal(1), choice="MOOSE", round_id="r"),
        _command(ActionType.BUY),
        _command(ActionType.SELL),
    ],
)
def test_requests_that_lack_something_are_refused(command: Command) -> None:
    """An action that is not a request, or lacks a value, is an error; nothing is invented."""
    with pytest.raises(WireError):
        encode_request(command, 1)


@pytest.mark.parametrize("value", ['"1"', "true", "null", "1e300", "[1]", "{}"])
def test_unusable_numbers_of_a_request_are_none(value: str) -> None:
    """A request with an invalid number is readable, so that it can be rejected by its id."""
    found = decode_request(f'427["buyOrder",{{"amount":{value},"percentage":{value}}}]')
    assert (found.ack_id, found.amount, found.percentage) == (7, None, None)


def test_request_without_payload_or_id() -> None:
    """A request may have neither payload nor id; its trace alone is not a payload."""
    found = decode_request('42["chatHistory"]')
    assert (found.event, found.ack_id, found.trace_id, found.payload) == (
        "chatHistory",
        None,
        None,
        {},
    )
    found = decode_request('420["ping",{"lastPing":12.5}]')
    assert (found.ack_id, found.payload) == (0, {"lastPing": 12.5})


@given(st.text(st.characters(), max_size=30) | st.sampled_from(["4", "42", "43", "42["]))
def test_any_text_is_a_request_or_a_wire_error(text: str) -> None:
    """Arbitrary text from a client never raises anything but a WireError."""
    for raw in (text, f"42[{text}]", f'421["buyOrder",{text}]'):
        reason = ""
        try:
            decode_request(raw)
        except WireError as error:
            reason = error.reason
        assert reason.isascii()
