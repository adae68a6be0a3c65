"""What tests of the live venue share: a server with one player, a venue logged in to it, and commands."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from attrs import define, field

from tests.venues.scripted import JOINED, Peer, tick
from vectra_bot.clock import SessionClock
from vectra_bot.errors import WireError
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.models import ActionType, Command, ConnectionChanged, Frame, GameFrame
from vectra_bot.server import ExchangeServer, Login
from vectra_bot.venues.base import FeedItem
from vectra_bot.venues.credentials import TokenSource, token_source
from vectra_bot.venues.live import LiveVenue
from vectra_bot.venues.patience import LiveSettings
from vectra_bot.wire.decode import decode
from vectra_bot.wire.profile import Profile, default_profile

PLAYER = "did:privy:link-tester"
TOKEN = "canary-token-7f81abe72ad0"
CONFIRMED = f'42["usernameStatus",{{"id":"{PLAYER}","hasUsername":true,"username":"tester"}}]'
"""The venue's answer to a login."""
PING = re.compile(r'42(\d+)\["ping",\{"lastPing":([0-9.eE+-]+)\}\]')
LONG_GAME = 12
"""A seed whose first game lasts."""


def server(protocol: Profile | None = None, **more: Any) -> ExchangeServer:
    """Return a server with one player, whose first game starts soon."""
    config = ExchangeConfig(
        seed=LONG_GAME, crowd=0, past_games=10, protocol=protocol or default_profile()
    )
    return ExchangeServer(
        config, tokens={TOKEN: Login(player_id=PLAYER, cash=5_000_000_000)}, **more
    )


def written(folder: Path, text: str = TOKEN) -> TokenSource:
    """Return the source of a private file that contains *text*."""
    path = folder / "login.token"
    path.write_text(text + "\n", encoding="utf-8")
    path.chmod(0o600)
    return token_source(f"file:{path}")


def quick(**more: Any) -> LiveSettings:
    """Return settings with short waits."""
    return LiveSettings(**{"backoff_s": 0.01, "backoff_cap_s": 0.05, "connect_s": 20.0, **more})


@define(eq=False)
class Watched:
    """A venue whose feed is read all the time, as a session does.

    Attributes:
        items: what the feed gave so far.
        events: the decoded frames among them.
        error: what ended the feed, None while it runs.
    """

    venue: LiveVenue
    clock: SessionClock
    items: list[FeedItem] = field(factory=list)
    events: list[Any] = field(factory=list)
    error: Exception | None = None
    number: int = 0

    async def read(self) -> None:
        """Take items until the feed ends."""
        try:
            while True:
                item = await self.venue.feed.next_item(0.05)
                if item is not None:
                    self.items.append(item)
                    if isinstance(item, Frame):
                        with contextlib.suppress(WireError):
                            self.events.append(decode(item))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    async def until(self, reached: Callable[[], object], limit_s: float = 20.0) -> None:
        """Wait until *reached* is true, looking often."""
        async with asyncio.timeout(limit_s):
            while not reached():
                if self.error is not None:
                    raise self.error
                await asyncio.sleep(0.002)

    def of(self, kind: type) -> list[Any]:
        """Return the decoded events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def links(self) -> list[ConnectionChanged]:
        """Return the connection changes."""
        return [item for item in self.items if isinstance(item, ConnectionChanged)]

    def game(self) -> GameFrame | None:
        """Return the newest game frame."""
        games = self.of(GameFrame)
        return games[-1] if games else None

    def ticking(self) -> bool:
        """Return whether the newest game frame is a tick of a running game."""
        game = self.game()
        return bool(game and game.active and not game.rugged)

    def command(self, kind: ActionType = ActionType.BUY, **more: Any) -> Command:
        """Return a command decided now, at the newest game frame."""
        self.number += 1
        game = self.game()
        amount = None if kind in (ActionType.SELL, ActionType.SHORT_CLOSE) else Decimal("0.01")
        values = {
            "action_id": f"00000000-0000-4000-8000-{self.number:012d}",
            "trace_id": f"{self.number:032x}",
            "action_type": kind,
            "game_id": "" if game is None else game.game_id,
            "tick": (game.tick or 0) if game is not None else 0,
            "price": 1.0,
            "amount": amount,
            "percentage": 100 if kind is ActionType.SELL else None,
            "created_ns": self.clock.now_ns(),
        }
        return Command(**{**values, **more})  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def watched(url: str, token: TokenSource | None, **more: Any) -> AsyncIterator[Watched]:
    """Connect to *url* and read its feed."""
    clock = SessionClock()
    more.setdefault("settings", quick())
    venue = LiveVenue(url, token=token, clock=clock, **more)
    seen = Watched(venue, clock)
    reading = asyncio.create_task(seen.read())
    try:
        yield seen
    finally:
        await venue.aclose()
        reading.cancel()
        await asyncio.wait([reading])


@define(eq=False)
class Host:
    """A venue's side of a connection, for :class:`ScriptedServer`: ticks, and answers to what it receives.

    Attributes:
        confirm: whether it confirms a login.
        pongs: whether it answers pings.
        ticks: whether it sends game frames.
        period_s: time between two of them.
        says: sent once, when the login was confirmed.
        tick: number of the newest game frame.
        marks: what to put in place of ``"rugged":false`` in game frames.
    """

    confirm: bool = True
    pongs: bool = True
    ticks: bool = True
    period_s: float = 0.02
    says: tuple[str, ...] = ()
    tick: int = 0
    marks: str = '"rugged":false'

    async def __call__(self, peer: Peer) -> None:
        await peer.say(JOINED)
        seen, due = 0, 0.0
        loop = asyncio.get_running_loop()
        while not peer.left.is_set() and not peer.socket.closed:
            for text in peer.heard[seen:]:
                seen += 1
                await self._answer(peer, text)
            if self.ticks and loop.time() >= due:
                due = loop.time() + self.period_s
                self.tick += 1
                await peer.say(tick(self.tick).replace('"rugged":false', self.marks))
            await asyncio.sleep(0.005)

    async def _answer(self, peer: Peer, text: str) -> None:
        if "authenticate" in text and self.confirm:
            await peer.say(CONFIRMED, *self.says)
        ping = PING.match(text)
        if ping and self.pongs:
            await peer.say(f"43{ping[1]}[]")
