"""What a sink is given: texts that other players chose do no harm; and the feed of a program."""

from __future__ import annotations

import asyncio
import html
import json
import unicodedata
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alerts.samples import HOSTILE
from vectra_bot import AlertFeed, AlertNotice, AlertSink
from vectra_bot.alerts.sink import checked_sink, harmless, harmless_data, markdown_text
from vectra_bot.errors import PluginError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def notice(title: str = "Title", message: str = "message") -> AlertNotice:
    """Return a notice as delivery makes it."""
    return AlertNotice(
        alert_id="alert-1",
        kind="my.alert",
        severity="warning",
        title=harmless(title, 120),
        message=harmless(message),
        triggered_at=NOW,
    )


class Tags(HTMLParser):
    """Collects the tags of a text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Note a tag."""
        self.tags.append(tag)


def is_harmless(text: str) -> bool:
    """Return whether every character is visible or a plain space."""
    return all(
        character == " " or unicodedata.category(character)[0] not in "CZ" for character in text
    )


def test_there_are_twenty_hostile_names() -> None:
    """So many the samples have at least."""
    assert len(HOSTILE) >= 20


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_harmless_in_every_form(name: str) -> None:
    """One line, visible, short, without mentions, addresses, tags, or markup that means something."""
    found = notice(HOSTILE[name], f"{HOSTILE[name]} bought 0.1 SOL")
    for text in (found.line, found.markdown(), html.unescape(found.html())):
        assert is_harmless(text)
        assert "@" not in text
        assert "://" not in text
        assert len(text) <= 2 * (120 + 500) + 20
    parser = Tags()
    parser.feed(found.html())
    assert parser.tags == ["b"]
    parser.feed(found.markdown())
    assert parser.tags == ["b"]
    assert json.loads(json.dumps(found.to_json())) == found.to_json()


@given(st.text())
def test_any_text_becomes_one_visible_line(text: str) -> None:
    """And a text that is one already stays as it is, cut where it is too long."""
    found = harmless(text, 40)

    assert len(found) <= 40
    assert is_harmless(found)
    assert harmless(found, 40) == found


def test_plain_text_is_not_changed() -> None:
    """Names in any script, emoji, signs."""
    for text in ("Żółw 亀 черепаха", "🐢 +12.5 % (x1.3)", "a_b*c", "naïve e\u0301"):
        assert harmless(text) == text
    assert markdown_text("a_b*c [x] <i>") == r"a\_b\*c \[x\] ‹i›"


def test_data_is_cut_and_harmless() -> None:
    """Deep or long values, hostile keys."""
    deep: dict[str, object] = {"a": {"b": {"c": {"d": {"e": 1}}}}, "n": list(range(1_000))}
    found = harmless_data({**deep, "\x1b[31m": HOSTILE["newlines"]})

    assert len(json.dumps(found)) < 1_000
    assert "[31m" in found
    assert len(found["n"]) == 64


class Named(AlertSink):
    """Does nothing."""

    name = "named"

    def deliver(self, notice: AlertNotice) -> None:
        """Do nothing."""


class Shouting(Named):
    """Has a name that no sink can have."""

    name = "LOUD"


class Mute(AlertSink):
    """Cannot deliver."""

    name = "mute"


@pytest.mark.parametrize(
    ("sink", "message"),
    [
        (Mute(), "the alert sink Mute delivers nothing: write def deliver"),
        (object(), "give an object of a class that inherits AlertSink"),
        (Named, "give an object of a class that inherits AlertSink"),
        (Shouting(), "Shouting.name was 'LOUD': a sink's name has lower-case letters"),
        (Named(), "two alert sinks are named 'named'"),
    ],
    ids=["no deliver", "object", "class", "name", "taken"],
)
def test_what_is_no_sink_is_refused(sink: object, message: str) -> None:
    """With what it was, and what to give."""
    with pytest.raises(PluginError, match=message):
        checked_sink(sink, {"named"})


async def test_a_feed_gives_alerts_to_every_reader() -> None:
    """From the thread of a sink to the loops of readers; who is slow loses the oldest and it is counted."""
    feed = AlertFeed(limit=2)
    fast, slow = feed.follow(), feed.follow()
    first = [asyncio.ensure_future(anext(reader)) for reader in (fast, slow)]
    await asyncio.sleep(0)
    await asyncio.to_thread(feed.deliver, notice("one"))
    assert [one.title for one in await asyncio.gather(*first)] == ["one", "one"]

    for title in ("two", "three", "four"):
        await asyncio.to_thread(feed.deliver, notice(title))
    assert [(await anext(fast)).title for _ in range(2)] == ["three", "four"]
    assert [(await anext(slow)).title for _ in range(2)] == ["three", "four"]
    assert feed.missed == 2
    await fast.aclose()
    await slow.aclose()
    assert feed._readers == []
    feed.deliver(notice("nobody reads"))
