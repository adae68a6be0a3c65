"""Any frame gives one event or one WireError, and never affects the next frame."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import samples
from tests.wire.samples import EVENTS, TRACE, event, inbound
from vectra_bot.errors import WireError
from vectra_bot.models import Event, Frame, GameFrame, PlayerUpdate, Trade
from vectra_bot.wire.decode import decode
from vectra_bot.wire.states import WireFormat

_GOOD = [event(name, TRACE, payload) for name, payload in EVENTS]
_GOOD += [event(name, payload) for name, payload in EVENTS]
_GOOD += [inbound('4329[{"success":true}]'), event("newChatMessage", TRACE, {"message": "hi"})]
_EXPECTED = [decode(frame) for frame in _GOOD]
_TEXTS = [frame.raw for frame in _GOOD]
_DEEP = "[" * 100_000
_TOKENS = [
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400, "-1", "-0", "1e-400", "null", "true",
    '"x"', '"1"', "[]", "{}", "[[]]", '"\\ud800"', "\ud800", "\x00", '"', "\\", "}", "]", ",", "01",
    "1.0", '{"__trace":true}', "18446744073709551616", "'a'", _DEEP, '{"a":' * 100_000,
]  # fmt: skip

tokens = st.sampled_from(_TOKENS)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def _one_answer(raw: str) -> Event | None:
    """Decode *raw*; check that it gives one result and does not affect the next frame."""
    found: Event | None = None
    refused = WireError("none", "")
    try:
        found = decode(inbound(raw))
    except WireError as error:
        refused = error
    assert refused.reason
    assert len(str(refused)) < 1000
    index = len(raw) % len(_GOOD)
    assert decode(_GOOD[index]) == _EXPECTED[index]
    return found


def _check_amount(value: Decimal) -> None:
    assert value.is_finite()
    assert abs(value) < 10**9
    assert value == value.quantize(Decimal("0.000000001"))


def _check_sane(found: Event | None) -> None:
    if isinstance(found, GameFrame):
        for price in (found.price, *(price for _, price in found.partial_prices)):
            assert price is None or (math.isfinite(price) and price >= 0)
        assert found.tick is None or 0 <= found.tick <= 2**53
    elif isinstance(found, Trade):
        assert math.isfinite(found.price)
        _check_amount(found.amount)
        _check_amount(found.qty)
    elif isinstance(found, PlayerUpdate):
        for amount in (found.cash, found.position_qty, found.avg_cost, found.cumulative_pnl):
            _check_amount(amount)


@given(st.text(st.characters(), max_size=40))
def test_any_text_gives_one_answer(raw: str) -> None:
    """Arbitrary text, lone surrogates included, never raises anything but a WireError."""
    _one_answer(raw)


@given(st.sampled_from(["42", "43", "421", "430", "45", "40", "42/x,"]), json_values)
def test_any_json_gives_one_answer(head: str, value: Any) -> None:
    """Arbitrary JSON behind any packet prefix never raises anything but a WireError."""
    _one_answer(head + json.dumps(value))


@given(st.sampled_from(sorted({name for name, _ in EVENTS})), st.lists(json_values, max_size=3))
def test_any_arguments_of_a_known_event_give_one_answer(name: str, arguments: list[Any]) -> None:
    """A known event with arbitrary arguments never raises anything but a WireError."""
    _check_sane(_one_answer(f"42{json.dumps([name, *arguments])}"))


@given(
    st.sampled_from([payload for _, payload in EVENTS]), st.data(), json_values,
    st.sampled_from(sorted({name for name, _ in EVENTS})),
)  # fmt: skip
def test_any_retyped_field_gives_one_answer(
    payload: dict[str, Any], data: st.DataObject, value: Any, name: str
) -> None:
    """A real-shaped payload with one field of any other type or range is rejected or read correctly."""
    key = data.draw(st.sampled_from(sorted(payload)))
    _check_sane(_one_answer(f"42{json.dumps([name, payload | {key: value}])}"))


@given(
    st.sampled_from(_TEXTS), st.integers(0, 2000), st.integers(0, 12), tokens | st.text(max_size=4)
)
def test_any_corrupt_frame_gives_one_result(
    text: str, position: int, length: int, insert: str
) -> None:
    """A real-shaped frame with any part removed or replaced gives one result."""
    start = position % (len(text) + 1)
    _check_sane(_one_answer(text[:start] + insert + text[start + length :]))


@given(st.sampled_from(_TEXTS), st.integers(0, 2000), tokens)
def test_any_replaced_value_gives_one_answer(text: str, position: int, token: str) -> None:
    """A real-shaped frame with one value replaced by a hostile one gives one result."""
    start = text.find(":", position % len(text)) + 1
    end = min(found for found in (text.find(c, start) for c in ",}]") if found >= 0)
    _check_sane(_one_answer(text[:start] + token + text[end:]))


@given(st.sampled_from(EVENTS), st.randoms(use_true_random=False))
def test_order_of_keys_never_matters(named: tuple[str, dict[str, Any]], random: Any) -> None:
    """The same keys in any order are the same event."""
    name, payload = named
    keys = list(payload)
    random.shuffle(keys)
    assert decode(event(name, {key: payload[key] for key in keys})) == decode(event(name, payload))


@given(st.sampled_from(_GOOD), st.sampled_from([" ", "\n", "\t"]))
def test_white_space_never_matters(frame: Frame, space: str) -> None:
    """A frame with another spacing, which takes the general path, is the same event."""
    head, array = frame.raw.split("[", 1)
    spaced = inbound(f"{head}[{space}{array[:-1]}{space}]")
    assert decode(spaced) == decode(frame)


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400])
@pytest.mark.parametrize("field", ["price", "tickCount", "averageMultiplier", "connectedPlayers"])
def test_numbers_that_are_none_are_refused(field: str, token: str) -> None:
    """NaN, Infinity and numbers out of a double's range are refused wherever a number is read."""
    payload = json.dumps(samples.TICK | {field: 77}).replace(
        f'"{field}": 77', f'"{field}": {token}'
    )
    with pytest.raises(WireError):
        decode(inbound(f'42["gameStateUpdate",{payload}]'))


@pytest.mark.parametrize("name", ["newChatMessage", "unknown/event"])
@pytest.mark.parametrize("token", ["NaN", "1e999", '"\\ud800"', _DEEP, "\ud800"])
def test_kept_text_is_readable_by_others(name: str, token: str) -> None:
    """A payload that is only stored is rejected too if a later reader could not read it."""
    with pytest.raises(WireError):
        decode(inbound(f'42["{name}",{{"a":{token}}}]'))


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("gameStateUpdate", samples.TICK | {"brandNew": 77123}),
        ("gameStateUpdate", samples.TICK | {"rugRoyale": {"status": "x", "events": [77123]}}),
        ("gameStateUpdate", samples.TICK | {"rugpool": {"rugpoolAmount": 77123}}),
        ("gameStateUpdate", samples.SETTLEMENT[WireFormat.FEB] | {"godCandle50x": 77123}),
        ("gameStateUpdate", samples.SETTLEMENT[WireFormat.FEB] | {"gameHistory": [
            samples.SETTLEMENT[WireFormat.FEB]["gameHistory"][0] | {"globalSidebets": [77123]}]}),
        ("gameStatePlayerUpdate", samples.PLAYER_GAME | {"rugpool": {"rugpoolAmount": 77123}}),
        ("playerUpdate", samples.PLAYER_UPDATE | {"shitcoinBalances": {"0xPractice": 77123}}),
    ],
)  # fmt: skip
def test_parts_that_are_not_used_are_checked_too(name: str, payload: dict[str, Any]) -> None:
    """A number out of range is rejected anywhere, also in a part that is only stored."""
    text = event(name, payload).raw
    assert decode(inbound(text)).recv_ns
    for token in ("1e999", "NaN", '"\\ud800"'):
        with pytest.raises(WireError):
            decode(inbound(text.replace("77123", token)))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "empty"),
        ("2", "not-an-event"),
        ('0{"sid":"a"}', "not-an-event"),
        ('40{"sid":"a"}', "not-an-event"),
        ("41", "not-an-event"),
        ("42", "not-an-event"),
        ("42{}", "not-an-event"),
        ("42x[]", "not-an-event"),
        ("42٣[1]", "not-an-event"),
        ('42/admin,["playerUpdate",{}]', "namespace"),
        ('451-["playerUpdate",{"_placeholder":true,"num":0}]', "binary"),
        ("45999999999-", "binary"),
        ("461-[]", "binary"),
        ("42[", "not-json"),
        ("42[]", "bad-name"),
        ("42[1]", "bad-name"),
        ("42[null,{}]", "bad-name"),
        ('42["a"]x', "not-json"),
        ('42["a",\ud800]', "not-json"),
        ('42["\\ud800"]', "not-json"),
        ("430[]", "bad-id"),
        ("43[]", "bad-id"),
        ("43" + "9" * 100 + "[]", "bad-id"),
        ('42["gameStateUpdate",' + _DEEP, "too-deep"),
        ('42["gameStateUpdate",{"gameId":' + _DEEP, "too-deep"),
        ('42["x",' + _DEEP, "too-deep"),
        ("431" + _DEEP, "too-deep"),
    ],
)
def test_broken_frames_have_their_reason(raw: str, reason: str) -> None:
    """Each kind of broken frame is one WireError with its own reason; the next frame is unaffected."""
    with pytest.raises(WireError) as caught:
        decode(inbound(raw))
    assert caught.value.reason == reason
    assert len(str(caught.value)) < 1000
    assert decode(_GOOD[0]) == _EXPECTED[0]


def test_error_of_a_huge_frame_stays_short() -> None:
    """A message shows the start of a frame, never half a megabyte of it."""
    with pytest.raises(WireError) as caught:
        decode(inbound('42["gameStateUpdate",' + "x" * 500_000))
    assert len(str(caught.value)) < 400
