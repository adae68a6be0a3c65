"""The login and the ping as the page sends them, with the names of a profile (protocol 2.4, 2.5)."""

from __future__ import annotations

import json

import pytest

from vectra_bot.errors import ConfigError
from vectra_bot.wire.encode import encode_login, encode_ping, span_id
from vectra_bot.wire.profile import default_profile, parse_profile
from vectra_bot.wire.requests import decode_request

TRACE_ID = "0123456789abcdef0123456789abcdef"


def test_the_login_is_an_event_without_an_id() -> None:
    """Trace object first, then the token; no acknowledgement is asked for."""
    raw = encode_login("a.b.c", TRACE_ID)

    trace = f'{{"__trace":true,"traceparent":"00-{TRACE_ID}-{span_id(TRACE_ID)}-01"}}'
    assert raw == f'42["authenticate",{trace},{{"token":"a.b.c"}}]'
    assert decode_request(raw).trace_id == TRACE_ID


@pytest.mark.parametrize("token", ['a"],["x"]', "back\\slash", "é", "\u2028"])
def test_a_token_cannot_end_its_string(token: str) -> None:
    """Whatever characters it has, it arrives as it is."""
    name, _, payload = json.loads(encode_login(token, TRACE_ID)[2:])

    assert (name, payload) == ("authenticate", {"token": token})


def test_the_names_can_be_corrected() -> None:
    """One or both; what is not given keeps its name."""
    one = parse_profile('[login]\ntoken = "jwt"\n')
    both = parse_profile('[login]\nevent = "logIn"\ntoken = "jwt"\n')

    assert default_profile().login == {"event": "authenticate", "token": "token"}
    assert one.login == {"event": "authenticate", "token": "jwt"}
    assert json.loads(encode_login("t", TRACE_ID, both)[2:])[0] == "logIn"
    assert json.loads(encode_login("t", TRACE_ID, both)[2:])[2] == {"jwt": "t"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[login]\nevent = "buyOrder"', "login.event was 'buyOrder'"),
        ('[login]\nevent = "ping"', "login.event was 'ping'"),
        ('[requests.buy]\nevent = "logIn"\n[login]\nevent = "logIn"', "login.event was 'logIn'"),
        ("[login]\nevent = 5", "login.event was 5"),
        ('[login]\nkey = "x"', "login.key is not known; known are event, token"),
        ("login = 5", "login was 5: give a table"),
    ],
)
def test_a_name_that_is_taken_is_refused(text: str, says: str) -> None:
    """One line with the key and the value."""
    with pytest.raises(ConfigError, match=says):
        parse_profile(text)


@pytest.mark.parametrize(
    ("last_ms", "text"), [(0.0, "0"), (69.0, "69"), (12.345, "12.345"), (1e-7, "1e-7")]
)
def test_a_ping_says_the_previous_round_trip(last_ms: float, text: str) -> None:
    """With an id, and numbers as JavaScript writes them."""
    assert encode_ping(7, last_ms) == f'427["ping",{{"lastPing":{text}}}]'
