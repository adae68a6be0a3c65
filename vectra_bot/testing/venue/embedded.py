"""The embedded exchange as a venue under test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from attrs import define, field

from vectra_bot.exchange import Exchange, ExchangeConfig, Outbound, RequestRecord
from vectra_bot.testing.venue.rig import VenueParts, VenueRig
from vectra_bot.venues.embedded import EmbeddedVenue


@define(eq=False)
class _Recorded:
    """An exchange whose messages to its client are recorded."""

    exchange: Exchange
    player_id: str = ""
    texts: list[str] = field(factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exchange, name)

    def step(self) -> list[Outbound]:
        messages = list(self.exchange.step())
        self.texts += [
            message.text
            for message in messages
            if message.not_to != self.player_id and message.player_id in (None, self.player_id)
        ]
        return messages


def embedded_rig(seed: int = 7) -> VenueRig:
    """Return the rig of the embedded exchange, for :func:`check_venue`.

    Args:
        seed: seed of each exchange.

    Example:
        ``report = asyncio.run(check_venue(embedded_rig()))``
    """
    requests: list[RequestRecord] = []
    texts: list[str] = []

    def opened() -> VenueParts:
        config = ExchangeConfig(seed=seed, crowd=0, past_games=10)
        recorded = _Recorded(Exchange(config, requests.append))
        venue = EmbeddedVenue(cast("Exchange", recorded), latency_ms=0)
        recorded.player_id, recorded.texts = venue.player_id, texts
        texts.clear()
        return VenueParts(feed=venue.feed, gateway=venue.gateway, now_ns=venue.recv_ns)

    def arrived() -> Sequence[str]:
        return [record.trace_id or "" for record in requests]

    return VenueRig(open=opened, arrived=arrived, written=lambda: [list(texts)], waits=True)


__all__ = ["embedded_rig"]
