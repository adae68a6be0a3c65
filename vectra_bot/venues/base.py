"""The two halves of a venue adapter: a Feed delivers frames, a Gateway sends commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Protocol, TypeAlias, runtime_checkable

from vectra_bot.models import (
    ClockAdvanced,
    Command,
    ConnectionChanged,
    Frame,
    PlayerRequest,
    SendResult,
)

FeedItem: TypeAlias = Frame | ClockAdvanced | ConnectionChanged | PlayerRequest


@runtime_checkable
class Feed(Protocol):
    """Inbound half of a venue adapter.

    Iterating yields items in the order of arrival, one at a time: the next item is requested only after
    the previous one was processed and its commands were handed to the gateway, so an embedded exchange
    or a recording can never run ahead of the bot. A live feed, whose venue does not wait, owns the one
    bounded queue between its socket and this iterator.
    """

    @property
    def venue(self) -> str:
        """Return the venue's name: ``embedded``, or the host."""

    # A generator: a caller that stops early closes it, which releases its resources.
    def __aiter__(self) -> AsyncGenerator[FeedItem, None]:  # noqa: PYI058
        """Yield frames, clock advances and connection changes until the feed ends."""

    async def aclose(self) -> None:
        """Release the feed's resources; may be called twice."""


@runtime_checkable
class Gateway(Protocol):
    """Outbound half of a venue adapter."""

    async def send(self, command: Command) -> SendResult:
        """Hand *command* to the venue once and return whether it was sent; never resend, never raise."""

    async def aclose(self) -> None:
        """Release the gateway's resources; may be called twice."""


@runtime_checkable
class LinkedGateway(Protocol):
    """A gateway over a connection that may be lost while a command waits to be handed over."""

    def lost(self) -> asyncio.Event:
        """Return an event that is set once nothing can be sent on the connection of this moment."""


class Wire(Protocol):
    """What a connection's frames are written to."""

    @property
    def is_open(self) -> bool:
        """Return whether something can be written."""

    @property
    def waiting(self) -> int:
        """Return the bytes that the system has not accepted yet."""

    async def write(self, text: str) -> None:
        """Write one frame."""

    def shut_down(self) -> None:
        """Let nothing more pass, at once; any thread may call it, at any time."""

    def abort(self) -> None:
        """Reset the connection; what was not sent yet is discarded."""

    def release(self) -> None:
        """Release what is held besides the connection itself."""
