"""One client of the server gets everything once and in order, late or held back as it may be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.clock import VirtualClock
from vectra_bot.server.clients import Broadcasts, Client
from vectra_bot.server.tokens import Login
from vectra_bot.server.transport import Prepared

ME = "did:privy:me"


class Outbox:
    """Keeps what leaves."""

    muted = False
    on_overflow = None

    def __init__(self) -> None:
        self.texts: list[str] = []

    def send(self, messages: list[Prepared]) -> None:
        self.texts += [message.text for message in messages]


class NoFaults:
    """Breaks nothing."""

    active = False


def connected(broadcasts: Broadcasts, *, login: bool) -> tuple[Client, Outbox]:
    """Return a client that has joined."""
    outbox: Any = Outbox()
    client = Client(
        number=1,
        engine_sid="s",
        outbox=outbox,
        bucket=None,  # type: ignore[arg-type]
        clock=VirtualClock(0),
        faults=NoFaults(),  # type: ignore[arg-type]
        broadcasts=broadcasts,
    )
    if login:
        client.login = Login(player_id=ME, username="me")
    client.join(Prepared("snapshot"))
    return client, outbox


steps = st.lists(
    st.sampled_from(["broadcast", "to others", "tell", "catch up", "hold", "release"]), max_size=30
)


@given(steps, st.booleans())
async def test_a_client_gets_everything_once_and_in_order(todo: list[str], login: bool) -> None:
    """A private message comes after the broadcasts before it; what was held back comes first, and once."""
    broadcasts = Broadcasts()
    client, outbox = connected(broadcasts, login=login)
    lacking: list[str] = []
    expected = ["snapshot"]
    for said, step in enumerate(todo):
        text = str(said)
        if step in {"broadcast", "to others"}:
            not_to = ME if step == "to others" else None
            broadcasts.add(Prepared(text, not_to))
            if not_to is None or not login:
                lacking.append(text)
        elif step == "tell":
            client.tell(Prepared(text))
            expected += [*lacking, text]
            lacking = []
        elif step == "catch up":
            client.catch_up()
            expected += lacking
            lacking = []
        elif step == "hold":
            client.hold(3600)
        else:
            client._release()
    client.catch_up()
    client._release()

    assert outbox.texts == [*expected, *lacking]


@pytest.mark.parametrize("gone", ["", "left"])
async def test_nothing_is_written_to_a_client_that_is_gone(gone: str) -> None:
    """Neither what comes now nor what was held back."""
    client, outbox = connected(Broadcasts(), login=True)
    client.hold(3600)
    client.tell(Prepared("held"))
    client.gone = gone
    client._release()
    client.tell(Prepared("later"))

    assert outbox.texts == (["snapshot"] if gone else ["snapshot", "held", "later"])
