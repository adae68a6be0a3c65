"""One tab of the browser, and its own connection to the venue, found without a hook in the page or a reload.

The browser names a websocket by an id in its events, and the page has an object for it. The id is known from
the event of its creation, or, for one that is older than our watching, from the game frames on it. The object
is found by its class: the one open websocket of the page to the venue's Socket.IO. Nothing of the page is
changed.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import define, field, frozen

from vectra_bot.clock import Clock, WallClock
from vectra_bot.errors import safe_error
from vectra_bot.models.times import NS_PER_MS, NS_PER_S
from vectra_bot.venues.browser import cdp
from vectra_bot.venues.browser.cdp import CdpError, CdpEvent, PageFrame
from vectra_bot.venues.browser.client import BrowserGone, CdpClient
from vectra_bot.venues.browser.transports import NotWritten
from vectra_bot.venues.connection import FRAMES

_GAME_FRAME: Final = '42["gameStateUpdate",'
# The heartbeat, the end of long polling, nothing to do: for the page alone.
_PACKETS: Final = ("2", "3", "6")
_GROUP: Final = "vectra-bot"
_PATH: Final = "/socket.io/"
_ELSEWHERE: Final = "the tab went to another address"
_REMEMBERED: Final = 1_024
_HELD_CHARS: Final = 16 << 20

_FIND: Final = """function(host){
const ours=u=>{try{const a=new URL(u);return a.pathname.includes('/socket.io/')&&
(a.hostname===host||a.hostname.endsWith('.'+host))}catch{return false}};
const open=this.filter(w=>w.readyState===1&&ours(w.url));
return open.length===1?open[0]:open.length}"""
# A page that was busy meanwhile must not send it late.
_SEND: Final = """function(text,until){if(Date.now()>until)return 'late';
if(this.readyState!==1)return 'closed';this.send(text);return 'sent'}"""
_NOT_SENT: Final = {
    "closed": "the page says that its connection is closed",
    "late": "the page was too busy to send it in time",
}
_CLOSE: Final = "function(){this.close();return 'closing'}"
# With these the browser says that the function was never called.
_NOT_CALLED: Final = ("Could not find object", "Cannot find context", "Session with given id")


@define(eq=False)
class PageSocket:
    """A websocket of the page to the venue.

    Attributes:
        request_id: the browser's name of it.
        whole: whether it was watched from the beginning of Socket.IO on it.
        joined: whether Socket.IO is connected on it.
        spent: whether a session used it before, and left it.
        lively: whether a game frame came since it was left.
        overrun: whether more came than could be held before it was taken.
    """

    request_id: str
    whole: bool
    most_held: int
    joined: bool = False
    spent: bool = False
    lively: bool = False
    overrun: bool = False
    reason: str = ""
    _sink: Callable[[str], None] | None = None
    _ended: Callable[[str], None] | None = None
    _held: deque[str] = field(factory=deque)
    _chars: int = 0

    @property
    def taken(self) -> bool:
        """Return whether a session uses it."""
        return self._sink is not None

    @property
    def usable(self) -> bool:
        """Return whether a session can take it."""
        return (
            self.joined and not self.reason and not self.overrun and (not self.spent or self.lively)
        )

    def receive(self, raw: str) -> None:
        """Pass on what the venue sent, or hold it until the socket is taken.

        A page may continue on a connection that the venue ended or refused in words; then it is taken again.
        """
        if raw.startswith("40") and not self.joined:
            self.joined = True
        elif raw.startswith("41"):
            self.interrupt("the venue ended the connection")
        elif raw.startswith("44"):
            self.interrupt("the venue refused the connection")
        elif raw.startswith(FRAMES):
            self.lively |= raw.startswith(_GAME_FRAME)
            if self.lively and not self.joined:
                # It began before we watched, or by polling: what came first was not seen.
                self.joined, self.whole = True, False
            if self._sink is not None:
                self._sink(raw)
            elif not self.spent:
                self._hold(raw)
        elif self._sink is not None and not raw.startswith(_PACKETS):
            self._sink(raw)  # counted there

    def _hold(self, raw: str) -> None:
        self._chars += len(raw)
        if len(self._held) >= self.most_held or self._chars > _HELD_CHARS:
            self.overrun = True
            self._held.clear()
        else:
            self._held.append(raw)

    def take(self, sink: Callable[[str], None], ended: Callable[[str], None]) -> None:
        """Pass everything to *sink* from its beginning, and the reason of its end to *ended*."""
        held, self._held, self._chars = self._held, deque(), 0
        self._sink, self._ended = sink, ended
        for raw in held:
            sink(raw)
        if self.reason:
            ended(self.reason)

    def leave(self) -> None:
        """Pass nothing on any more; the page continues with it."""
        self._sink = self._ended = None
        self.spent, self.lively = True, False

    def interrupt(self, reason: str) -> None:
        """End its use; it may be taken again later."""
        if self._ended is not None:
            self._ended(reason)

    def end(self, reason: str) -> None:
        """Record that it is over; the first reason is kept."""
        if not self.reason:
            self.reason = reason
            if self._ended is not None:
                self._ended(reason)


@frozen
class Delivery:
    """The result of sending a request.

    Attributes:
        sent: False is proof that it did not leave.
        doubt: why it is not known whether it did; "" if the browser said that it left, or that it did not.
        reason: why it was not sent.
    """

    sent: bool
    doubt: str = ""
    reason: str = ""


def same_site(url: str, address: str) -> bool:
    """Return whether *url* is a page of the venue at *address*: same scheme, host and port."""
    try:
        page, venue = urlsplit(url), urlsplit(address)
        return (page.scheme, page.hostname, page.port) == (venue.scheme, venue.hostname, venue.port)
    except ValueError:
        return False


def socket_host(address: str) -> str:
    """Return the host that the page's connection must have, or be a subdomain of."""
    return (urlsplit(address).hostname or "").removeprefix("www.")


def is_venue_socket(url: str, host: str) -> bool:
    """Return whether *url* is of the venue's Socket.IO."""
    try:
        parts = urlsplit(url)
        name = parts.hostname or ""
    except ValueError:
        return False
    return _PATH in parts.path and (name == host or name.endswith(f".{host}"))


@define(eq=False)
class Page:
    """One tab.

    Attributes:
        client: the connection to the browser.
        session: the tab's session on it.
        target_id: the browser's name of the tab.
        address: the venue's page.
        most_held: frames held for a session.
        on_request: called with each request that the page itself sends on a socket that is taken.
        clock: the machine's, which the page has too.
        changed: set when there may be another socket to take, or the page is gone.
        reason: why the page is gone, "" while it is there.
        lag_ms: how much later than others the newest received frame came to us from the browser. Unit: ms.
    """

    client: CdpClient
    session: str
    target_id: str
    address: str
    most_held: int
    on_request: Callable[[PageFrame], None]
    clock: Clock = field(factory=WallClock)
    changed: asyncio.Event = field(factory=asyncio.Event)
    reason: str = ""
    lag_ms: int = 0
    _least_s: float = math.inf
    _sockets: OrderedDict[str, PageSocket] = field(factory=OrderedDict)
    _ours: OrderedDict[str, asyncio.Future[bool] | None] = field(factory=OrderedDict)
    _closed: str = ""

    # What the browser says.

    def hear(self, event: CdpEvent | PageFrame) -> None:
        """Process an event of this tab, or one of the browser about it."""
        if isinstance(event, PageFrame):
            if event.session == self.session:
                self._on_frame(event)
        elif event.session == self.session:
            self._on_socket(event)
        else:
            self._on_target(event)

    def _on_frame(self, frame: PageFrame) -> None:
        socket = self._sockets.get(frame.request_id)
        if frame.sent:
            if frame.raw in self._ours:
                self._proved(frame.raw)
            elif socket is not None and socket.taken:
                self.on_request(frame)
            return
        self._measure(frame.at_s)
        if socket is None:
            if not frame.raw.startswith(_GAME_FRAME):
                return
            socket = self._add(frame.request_id, whole=False)
        before = socket.usable
        socket.receive(frame.raw)
        if socket.usable != before:
            self.changed.set()

    def _measure(self, at_s: float) -> None:
        """Compare the way of a frame to us with the shortest one: the clocks have different origins."""
        way_s = self.clock.monotonic_ns() / NS_PER_S - at_s
        self._least_s = min(self._least_s, way_s)
        self.lag_ms = round((way_s - self._least_s) * 1_000)

    def _add(self, request_id: str, *, whole: bool) -> PageSocket:
        found = self._sockets[request_id] = PageSocket(request_id, whole, self.most_held)
        return found

    def _on_socket(self, event: CdpEvent) -> None:
        request_id = str(event.params.get("requestId", ""))
        if event.method == cdp.CREATED:
            if is_venue_socket(str(event.params.get("url", "")), socket_host(self.address)):
                for other in self._sockets.values():
                    other.interrupt("the page opened a second connection to the venue")
                self._add(request_id, whole=True)
        elif event.method == cdp.CLOSED:
            self._end_socket(request_id, "the page's connection to the venue was closed")
        elif event.method == cdp.LOADED:
            self._on_loaded(event.params.get("frame") or {})
        self.changed.set()

    def _on_loaded(self, frame: Mapping[str, Any]) -> None:
        """Process a new document: the browser reports no end of the connections of the one before."""
        if "parentId" in frame:
            return
        if not same_site(str(frame.get("url", "")), self.address):
            self.end(_ELSEWHERE)
        for request_id in list(self._sockets):
            self._end_socket(request_id, "the page was loaded again")

    def _end_socket(self, request_id: str, reason: str) -> None:
        socket = self._sockets.pop(request_id, None)
        if socket is None:
            return
        if socket.taken:
            # The browser reports a frame that left before it reports the end of its connection.
            self._closed = reason
            self._doubt()
        socket.end(reason)

    def _doubt(self) -> None:
        """End every wait for a proof."""
        for future in self._ours.values():
            if future is not None and not future.done():
                future.set_result(False)

    def _on_target(self, event: CdpEvent) -> None:
        about = event.params
        if event.method == cdp.CHANGED:
            info = about.get("targetInfo", {})
            if info.get("targetId") == self.target_id and not same_site(
                str(info.get("url", "")), self.address
            ):
                self.end(_ELSEWHERE)
        elif event.method == cdp.DETACHED:
            if about.get("sessionId") == self.session:
                self.end("the browser ended our access to the tab")
        elif about.get("targetId") == self.target_id:
            if event.method == cdp.CRASHED:
                self.end("the page crashed")
            elif event.method == cdp.DESTROYED:
                self.end("the tab was closed")

    def end(self, reason: str) -> None:
        """Record that the page is gone; the first reason is kept."""
        if self.reason:
            return
        self.reason = reason
        for request_id in list(self._sockets):
            self._end_socket(request_id, reason)
        self._doubt()
        self.changed.set()

    # Its connection.

    def newest(self) -> PageSocket | None:
        """Return the newest socket that a session can take, None if there is none."""
        usable = [socket for socket in self._sockets.values() if socket.usable]
        return usable[-1] if usable else None

    async def find(self) -> str | int:
        """Return the handle of the page's one open websocket to the venue, or how many there are.

        Raises:
            BrowserGone, NotWritten, CdpError: the browser does not answer.
        """
        call = self.client.call
        await call("Runtime.releaseObjectGroup", self.session, objectGroup=_GROUP)
        prototype = await call(
            "Runtime.evaluate",
            self.session,
            expression="WebSocket.prototype",
            objectGroup=_GROUP,
            silent=True,
        )
        found = await call(
            "Runtime.queryObjects",
            self.session,
            prototypeObjectId=_handle(prototype.get("result")),
            objectGroup=_GROUP,
        )
        one = await call(
            "Runtime.callFunctionOn",
            self.session,
            objectId=_handle(found.get("objects")),
            functionDeclaration=_FIND,
            arguments=[{"value": socket_host(self.address)}],
            objectGroup=_GROUP,
            silent=True,
        )
        result = one.get("result") or {}
        return str(result["objectId"]) if "objectId" in result else int(result.get("value") or 0)

    async def renew(self, handle: str) -> None:
        """Close the page's connection, so that the page makes another one as after any network failure.

        Raises:
            BrowserGone, NotWritten, CdpError: the browser does not answer.
        """
        await self.client.call(
            "Runtime.callFunctionOn",
            self.session,
            objectId=handle,
            functionDeclaration=_CLOSE,
            silent=True,
        )

    # Our requests.

    async def send(self, handle: str, text: str, *, leave_s: float, limit_s: float) -> Delivery:
        """Send *text* on the page's connection, once, and return what the browser says of it.

        Args:
            handle: the connection.
            text: the frame.
            leave_s: a page that is busy for longer does not send it, in seconds.
            limit_s: longest wait for what the browser says, in seconds.
        """
        proof: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._expect(text, proof)
        self._closed = ""
        params = {
            "objectId": handle,
            "functionDeclaration": _SEND,
            "arguments": [{"value": text}, {"value": self._until(leave_s)}],
            "returnByValue": True,
            "silent": True,
        }
        try:
            called = await self.client.begin("Runtime.callFunctionOn", params, self.session)
        except (BrowserGone, NotWritten, CdpError) as error:
            return Delivery(False, reason=str(error) or "the browser is gone")
        except Exception as error:  # noqa: BLE001 - whatever was raised, it may have left
            return Delivery(True, doubt=safe_error(error))
        try:
            async with asyncio.timeout(limit_s):
                return await self._delivered(proof, called)
        except TimeoutError:
            return Delivery(True, doubt=f"the browser did not confirm it within {limit_s:g} s")
        finally:
            self._ours[text] = None

    def _until(self, leave_s: float) -> int:
        """Return the time by the page's clock at which a request may leave at the latest, in ms."""
        return (self.clock.now_ns() + int(leave_s * NS_PER_S)) // NS_PER_MS

    def _expect(self, text: str, proof: asyncio.Future[bool]) -> None:
        self._ours[text] = proof
        while len(self._ours) > _REMEMBERED:
            self._ours.popitem(last=False)

    def _proved(self, text: str) -> None:
        proof = self._ours[text]
        if proof is not None and not proof.done():
            proof.set_result(True)

    async def _delivered(
        self, proof: asyncio.Future[bool], called: asyncio.Future[Mapping[str, Any]]
    ) -> Delivery:
        """Wait for the proof that a request left, or that it did not."""
        if not proof.done():
            waited: set[asyncio.Future[Any]] = {proof, called}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if proof.done() and not proof.result() and not self.reason:
            # Its connection has ended: whether the page still tried is in its answer.
            await asyncio.wait([called])
        if not proof.done() or not proof.result():
            refused = None if not called.done() else _refusal(called)
            if refused is not None:
                return refused
        if await proof:
            return Delivery(True)
        doubt = self.reason or self.client.reason or self._closed
        return Delivery(True, doubt=doubt or "the page was lost")


def _refusal(called: asyncio.Future[Mapping[str, Any]]) -> Delivery | None:
    """Return what the reply to the call says, None if it says that the page sent it."""
    error = called.exception()
    if isinstance(error, CdpError) and str(error).startswith(_NOT_CALLED):
        return Delivery(False, reason="the page has no such connection any more")
    if error is not None:
        return Delivery(True, doubt=safe_error(error))
    reply = called.result()
    if "exceptionDetails" in reply:
        return Delivery(True, doubt="the page raised while it was sent")
    why = _NOT_SENT.get(str((reply.get("result") or {}).get("value")))
    return None if why is None else Delivery(False, reason=why)


def _handle(found: Any) -> str:
    if not isinstance(found, dict) or "objectId" not in found:
        raise CdpError("the page has no websockets")
    return str(found["objectId"])


__all__ = ["Delivery", "Page", "PageSocket", "is_venue_socket", "same_site", "socket_host"]
