"""Calls to the browser over a transport, and what it says between them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import define, field

from vectra_bot.venues.browser.cdp import (
    CdpDecoder,
    CdpError,
    CdpEvent,
    CdpReply,
    PageFrame,
    encode_call,
)
from vectra_bot.venues.browser.transports import CdpTransport

CALL_S: Final = 10.0
"""Longest wait for a reply, in seconds."""
MOST_CALLS: Final = 256


class BrowserGone(Exception):
    """The connection to the browser was lost before it replied."""


@define(eq=False)
class CdpClient:
    """A connection to a browser.

    Attributes:
        transport: carries the messages.
        decoder: reads them.
        receive: called with each event and frame, in order.
        ended: set when the connection is lost.
        reason: why it was.
    """

    transport: CdpTransport
    decoder: CdpDecoder
    receive: Callable[[CdpEvent | PageFrame], None]
    lost: Callable[[str], None] = lambda _: None
    ended: asyncio.Event = field(factory=asyncio.Event)
    reason: str = ""
    _waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = field(factory=dict)
    _last_id: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        # An earlier session's calls on the same pipe may still be answered.
        self._last_id = int.from_bytes(os.urandom(3)) << 6

    def start(self) -> None:
        """Begin to read."""
        self.transport.start(self._take, self._lost)

    def _take(self, message: bytes | str) -> None:
        found = self.decoder.decode(message)
        if isinstance(found, CdpReply):
            waiting = self._waiting.pop(found.call_id, None)
            if waiting is None or waiting.done():
                return
            if found.error is None:
                waiting.set_result(found.result)
            else:
                waiting.set_exception(CdpError(found.error))
        elif found is not None:
            self.receive(found)

    def _lost(self, reason: str) -> None:
        if self.ended.is_set():
            return
        self.reason = reason
        self.ended.set()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(BrowserGone(reason))
        self.lost(reason)

    async def begin(
        self, method: str, params: Mapping[str, Any], session: str = ""
    ) -> asyncio.Future[Mapping[str, Any]]:
        """Write a call and return the future of its reply.

        Raises:
            BrowserGone: the connection was lost before.
            NotWritten: nothing was written.
        """
        if self.ended.is_set():
            raise BrowserGone(self.reason)
        if len(self._waiting) >= MOST_CALLS:
            raise CdpError(f"the browser has not answered {MOST_CALLS} calls")
        self._last_id += 1
        call_id = self._last_id
        future: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        # Retrieved here, so that one that nobody waits for any more is not an error of the loop.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiting[call_id] = future
        try:
            await self.transport.write(encode_call(call_id, method, params, session))
        except BaseException:
            self._waiting.pop(call_id, None)
            raise
        return future

    async def call(
        self, method: str, session: str = "", *, limit_s: float = CALL_S, **params: Any
    ) -> Mapping[str, Any]:
        """Call *method* and return its result.

        Raises:
            BrowserGone: the connection was lost.
            NotWritten: nothing was written.
            CdpError: the browser refused, or did not reply in time.
        """
        future = await self.begin(method, params, session)
        try:
            async with asyncio.timeout(limit_s):
                return await future
        except TimeoutError:
            raise CdpError(f"the browser did not reply to {method} within {limit_s:g} s") from None

    async def aclose(self) -> None:
        """Close the connection; the browser stays open."""
        await self.transport.aclose()
        self._lost("closed by us")


__all__ = ["CALL_S", "BrowserGone", "CdpClient"]
