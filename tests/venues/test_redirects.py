"""Redirects of a live venue: nothing is sent to another host."""

from __future__ import annotations

import pytest

from tests.venues.scripted import ScriptedServer, tick
from tests.venues.test_live import QUICK, frames, items_until, says
from vectra_bot.errors import InputError
from vectra_bot.venues.live import LiveFeed
from vectra_bot.venues.patience import LiveSettings


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://127.0.0.1:1/", "redirects to http://127.0.0.1:1, which is not followed"),
        ("https://venue.example/?a=b", "redirects to https://venue.example, which is not followed"),
        ("//venue.example/x", "redirects to ws://venue.example, which is not followed"),
        ("http://me:pw@venue.example", "redirects to http://venue.example, which is not followed"),
        ("http://[::1", "redirects to an invalid address"),
    ],
)
async def test_a_redirect_to_another_host_is_not_followed(location: str, words: str) -> None:
    """Nothing is sent to the other host, and one line says where the venue points."""
    async with ScriptedServer(says(), status=302, headers={"Location": location}) as server:
        feed = LiveFeed(f"{server.url}?token=secret-1", settings=LiveSettings(**QUICK, attempts=1))
        with pytest.raises(InputError) as caught:
            await items_until(feed, frames(1))
        await feed.aclose()
        queries = list(server.queries)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [query["token"] for query in queries] == ["secret-1"]


async def test_a_redirect_to_a_foreign_server_reaches_nobody() -> None:
    """The other server gets no request, with or without cookies and the address's token."""
    async with ScriptedServer(says(tick(1))) as other:
        headers = {"Location": f"{other.url}/socket.io/", "Set-Cookie": "session=mine"}
        async with ScriptedServer(says(), status=307, headers=headers) as server:
            settings = LiveSettings(**QUICK, attempts=1)
            feed = LiveFeed(f"{server.url}?token=secret-1", settings=settings)
            with pytest.raises(InputError, match="is not followed"):
                await items_until(feed, frames(1))
            await feed.aclose()
        assert other.queries == []


async def test_a_redirect_on_the_same_host_is_followed() -> None:
    """A venue may move its path; the connection works as before."""
    async with ScriptedServer(says(tick(1)), moved="/socket.io/moved") as server:
        feed = LiveFeed(f"{server.url}?token=secret-1", settings=LiveSettings(**QUICK, attempts=1))
        items = await items_until(feed, frames(1))
        await feed.aclose()

    assert items
    assert server.paths[:2] == ["/socket.io/", "/socket.io/moved"]
