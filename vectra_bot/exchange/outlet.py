"""All messages the venue sends: frames to everybody and private messages, in order."""

from __future__ import annotations

from typing import Any

from vectra_bot.exchange.config import Outbound
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.schedule import Schedule
from vectra_bot.wire.frames import event_text


class Outlet:
    """Collect sent messages until the exchange's caller takes them."""

    def __init__(self, schedule: Schedule, identities: Identities) -> None:
        self._schedule = schedule
        self._identities = identities
        self._sent: list[Outbound] = []

    def take(self) -> list[Outbound]:
        """Return what was sent since the last time, in order."""
        sent, self._sent = self._sent, []
        return sent

    def to_all(self, text: str, not_to: str | None = None) -> None:
        """Send *text* to everybody except the player *not_to*, who already got the same fact."""
        self._sent.append(Outbound(self._schedule.now_ns, None, text, not_to))

    def to_one(self, player_id: str, text: str) -> None:
        """Send *text* to one player."""
        self._sent.append(Outbound(self._schedule.now_ns, player_id, text))

    def announce(self, name: str, payload: Any) -> None:
        """Send an event to everybody, under a fresh trace id."""
        trace_id, span_id = self._identities.trace()
        self.to_all(event_text(name, payload, trace_id=trace_id, span_id=span_id))
