"""What tests of the live venue share: a server with one player, a venue logged in to it, and commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from attrs import define, field

from vectra_bot.clock import SessionClock
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.models import ActionType, Command, ConnectionChanged, Frame, GameFrame
from vectra_bot.server import ExchangeServer, Login
from vectra_bot.venues.base import FeedItem
from vectra_bot.venues.credentials import TokenSource, token_source
from vectra_bot.venues.live import LiveVenue
from vectra_bot.venues.patience import LiveSettings
from vectra_bot.wire.decode import decode

PLAYER = "did:privy:link-tester"
TOKEN = "canary-token-7f81abe72ad0"
LONG_GAME = 12
"""A seed whose first game lasts."""


def server(**more: Any) -> ExchangeServer:
    """Return a server with one player, whose first game starts soon."""
    config = ExchangeConfig(seed=LONG_GAME, crowd=0, past_games=10)
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


@asynccontextmanager
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
