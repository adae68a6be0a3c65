"""The venues as the contract suite wants them: each with a served exchange as its other side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

from tests.venues.live_kit import PLAYER, TOKEN, quick, server, written
from vectra_bot.clock import SessionClock
from vectra_bot.exchange import ExchangeConfig, RequestRecord
from vectra_bot.exchange.paper_desk import PaperDesk
from vectra_bot.server import ExchangeServer
from vectra_bot.server.transport import Prepared
from vectra_bot.testing import VenueParts, VenueRig
from vectra_bot.venues.live import LiveFeed, LiveVenue
from vectra_bot.venues.paper import PaperFeed, PaperGateway

QUEUE = 150
SPEED = 4.0


@define(eq=False)
class OtherSide:
    """A served exchange as the suite sees and controls it.

    Attributes:
        served: the exchange.
        requests: the actions that have reached it, or a paper desk.
        reason: why the newest venue is stopped, None while it is not.
    """

    served: ExchangeServer
    requests: list[RequestRecord] = field(factory=list)
    reason: str | None = None
    _before: int = 0

    def begin(self) -> None:
        """Begin with another venue: connections made before are not its own."""
        self._before, self.reason = len(self.served.connections), None

    def stop(self, reason: str) -> None:
        """Set the stop flag."""
        self.reason = reason

    def arrived(self) -> list[str]:
        """Return the trace ids of the requests."""
        return [record.trace_id or "" for record in self.requests]

    def written(self) -> Sequence[Sequence[str]]:
        """Return what was written to each connection of the newest venue."""
        numbers = range(self._before + 1, len(self.served.connections) + 1)
        return [self.served.sent_log(number) for number in numbers]

    async def drop(self) -> None:
        """Reset the connection."""
        self.served.faults.kick(how="abort")

    async def flood(self, number: int) -> None:
        """Write *number* frames of an event that nobody knows."""
        (client,) = self.served.clients
        for each in range(number):
            client.tell(Prepared(f'42["flood",{{"number":{each}}}]'))
            if each % 50 == 0:
                await asyncio.sleep(0.005)

    def rig(self, opened: Callable[[], VenueParts], **more: Any) -> VenueRig:
        """Return a rig of the venue that *opened* makes."""
        values: dict[str, Any] = {
            "drop": self.drop, "flood": self.flood, "queue_frames": QUEUE, **more,
        }  # fmt: skip
        return VenueRig(open=opened, arrived=self.arrived, written=self.written, **values)


@asynccontextmanager
async def other_side() -> AsyncIterator[OtherSide]:
    """Serve an exchange."""
    requests: list[RequestRecord] = []
    async with server(speed=SPEED, keep_sent=True, on_request=requests.append) as served:
        yield OtherSide(served, requests)


@asynccontextmanager
async def live_rig(folder: Path) -> AsyncIterator[VenueRig]:
    """Yield the rig of the live venue: Socket.IO, with a login."""
    async with other_side() as side:

        def opened() -> VenueParts:
            side.begin()
            clock = SessionClock()
            venue = LiveVenue(
                side.served.url,
                token=written(folder),
                settings=quick(queue_frames=QUEUE),
                clock=clock,
                stopped=lambda: side.reason,
            )
            return VenueParts(
                feed=venue.feed,
                gateway=venue.gateway,
                now_ns=clock.now_ns,
                link=venue.link,
                cut=venue.cut,
            )

        yield side.rig(opened, stop=side.stop, secrets=(TOKEN,))


@asynccontextmanager
async def paper_rig() -> AsyncIterator[VenueRig]:
    """Yield the rig of paper on the feed of a venue: a paper desk is the other side of the gateway."""
    async with other_side() as side:

        def opened() -> VenueParts:
            side.begin()
            clock = SessionClock()
            source = LiveFeed(side.served.url, settings=quick(queue_frames=QUEUE), clock=clock)
            desk = PaperDesk(
                ExchangeConfig(seed=1), "paper", 5_000_000_000, on_request=side.requests.append
            )
            feed = PaperFeed(source, desk, clock.now_ns)
            gateway = PaperGateway(desk, lambda _: 0, clock.now_ns)
            return VenueParts(feed=feed, gateway=gateway, now_ns=clock.now_ns)

        yield side.rig(opened, adds_frames=True)


__all__ = ["PLAYER", "QUEUE", "OtherSide", "live_rig", "other_side", "paper_rig"]
