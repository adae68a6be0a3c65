"""The two halves of a venue adapter: a Feed brings frames in, a Gateway carries commands out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, TypeAlias, runtime_checkable

from vectra_bot.models import ClockAdvanced, Command, ConnectionChanged, Frame, SendResult

FeedItem: TypeAlias = Frame | ClockAdvanced | ConnectionChanged


@runtime_checkable
class Feed(Protocol):
    """Inbound half of a venue adapter.

    Iterating yields items in the order of arrival, one at a time: the next item is asked for only after
    the previous one was processed and its commands were handed to the gateway, so an embedded exchange
    or a recording can never run ahead of the bot. A live feed, whose venue does not wait, holds the one
    bounded queue between its socket and this iterator.
    """

    @property
    def venue(self) -> str:
        """Return the venue's name: ``embedded``, or the host."""

    # A generator: whoever breaks off closes it, and with it what it has open.
    def __aiter__(self) -> AsyncGenerator[FeedItem, None]:  # noqa: PYI058
        """Yield frames, passing time and connection changes until the feed ends."""

    async def aclose(self) -> None:
        """Release what the feed holds; harmless if called twice."""


@runtime_checkable
class Gateway(Protocol):
    """Outbound half of a venue adapter."""

    async def send(self, command: Command) -> SendResult:
        """Hand *command* to the venue once and say whether it left; never resend, never raise for it."""

    async def aclose(self) -> None:
        """Release what the gateway holds; harmless if called twice."""
