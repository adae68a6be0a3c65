"""Registered secrets do not pass; what is not one stays as it was."""

from __future__ import annotations

import json
import logging
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot import redaction
from vectra_bot.errors import ConfigError, safe_error, safe_repr, safe_text, safe_trace
from vectra_bot.journal import Entry
from vectra_bot.journal.format import encode_entry
from vectra_bot.redaction import SHOWN, RedactingFilter, hide, redacted, redacted_bytes, shown_url
from vectra_bot.venues.endpoint import Endpoint

SECRET = 'rEd4ct "me"/ä+1'
PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@pytest.fixture(autouse=True)
def only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test have its own secrets."""
    monkeypatch.setattr(redaction, "_hidden", [])
    monkeypatch.setattr(redaction, "_hidden_bytes", [])
    hide(SECRET)


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET, quote(SECRET), quote(SECRET, safe=""), quote_plus(SECRET), json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False), repr(SECRET), f"Bearer {SECRET}!",
    ],
)  # fmt: skip
def test_a_secret_is_found_in_every_spelling(spelt: str) -> None:
    """As text, in a URL, in JSON and in Python source."""
    assert SHOWN in redacted(spelt)
    assert "rEd4ct" not in redacted(spelt)


def test_what_messages_are_made_of_hides_it() -> None:
    """Text, repr, error and traceback of foreign code."""
    try:
        raise RuntimeError(f"no access with {SECRET}")
    except RuntimeError as raised:
        texts = [safe_text(SECRET), safe_repr([SECRET]), safe_error(raised), safe_trace(raised)]

    assert all(SHOWN in text and "rEd4ct" not in text for text in texts)


def test_a_log_record_hides_it_in_message_arguments_and_traceback() -> None:
    """The filter changes what a handler formats; other records stay as they were."""
    try:
        raise RuntimeError(SECRET)
    except RuntimeError as raised:
        caught = (RuntimeError, raised, raised.__traceback__)
    record = logging.LogRecord("x", 30, "f", 1, "with %s", (SECRET,), caught)

    assert RedactingFilter().filter(record)
    text = logging.Formatter("%(message)s").format(record)
    assert text.startswith(f"with {SHOWN}\n")
    assert "rEd4ct" not in text


def test_a_journal_entry_hides_it_and_remains_json() -> None:
    """The payload is one JSON document before and after."""
    entry = Entry.of(1, "doc", 5, {"record": {"detail": f"x {SECRET} y", "n": [1, 2]}})
    data = encode_entry(entry)
    body = json.loads(data[data.index(b"{") :])

    assert body["record"]["detail"] == f"x {SHOWN} y"
    assert body["record"]["n"] == [1, 2]


@pytest.mark.parametrize(
    "word", ["session_id", "player_action", "1234567890", "take-profit", "1e-09,"]
)
def test_a_word_or_a_number_does_not_change_a_journal(word: str) -> None:
    """A weak secret may be a key or a number of any document, which must remain readable."""
    hide(word)
    document = json.dumps(
        {word: 1, "x": 1234567890, "name": "take-profit", "y": [1e-9, 2]}
    ).encode()

    assert redacted_bytes(document) == document
    assert SHOWN in redacted(f"in a message: {word}")


def test_a_short_secret_is_not_searched_for() -> None:
    """It would match by chance."""
    hide("abc")

    assert redacted("abcdef") == "abcdef"


@given(PRINTABLE, PRINTABLE, PRINTABLE)
def test_a_url_is_shown_without_user_and_query(user: str, password: str, query: str) -> None:
    """Whatever characters they have, and whether the URL is valid or not."""
    marked = f"pW-{password}-Wp"
    for url in (
        f"https://{user}:{marked}@venue.example/path?q={query}",
        f"ftp://{marked}@venue.example:80",
        f"wss://venue.example/path?token={marked}",
        f"https://venue.example/path#{marked}",
    ):
        assert "pW-" not in shown_url(url) or "?" in f"{user}:{marked}" or "#" in f"{user}:{marked}"
        assert "-Wp" not in shown_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://venue.example:8443/a/b?c=d#e", "https://venue.example:8443/a/b"),
        ("https://me:pw@venue.example/a", "https://venue.example/a"),
        ("https://me:p/w@venue.example/a", "https://..."),
        ("https://me:p?w@venue.example", "https://..."),
        ("venue.example?x=1", "venue.example"),
        ("me:pw@venue.example", "venue.example"),
        ("", ""),
    ],
)
def test_a_url_is_shown_as_far_as_it_is_known(url: str, shown: str) -> None:
    """Scheme, host, port and path; only the scheme where the host is not certain."""
    assert shown_url(url) == shown


def test_the_query_of_a_venue_is_hidden_from_then_on() -> None:
    """Its values are used, and no message, repr or record shows them."""
    endpoint = Endpoint.parse("https://venue.example/x?token=t0Ken-of-mine")

    assert "t0Ken" in endpoint.url
    assert endpoint.address == "https://venue.example"
    assert "t0Ken" not in repr(endpoint)
    assert redacted("failed: t0Ken-of-mine") == f"failed: {SHOWN}"
    for bad in ("ftp://me:pw0rd!@x.example?t=pw0rd!", "https://me:pw0rd!@x.example"):
        with pytest.raises(ConfigError) as caught:
            Endpoint.parse(bad)
        assert "pw0rd!" not in str(caught.value)
