"""The link through a page: the page's connection under a feed and a gateway, supervised like our own.

A connection of the link is one of the page's to the venue. It ends with the page's; when the tab is closed,
crashes or goes to another address; when the browser ends; and by the watchdog of game frames. The page makes
its connections itself, and the supervisor waits for the next one without limit: a person may need a minute.
What it waits for is one line for the operator.

A live session must see a connection from its beginning, because the venue names the account and states its
money only then. Of a page that was open before, the connection is closed once: the page makes another one, as
after any network failure. So is one that fell silent. A recording changes nothing and takes the connection as
it is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from functools import partial
from typing import Final

import aiohttp
from attrs import define, field

from vectra_bot.errors import VectraError, safe_error
from vectra_bot.models import Direction, Frame
from vectra_bot.models.times import NS_PER_S
from vectra_bot.venues.acks import AckTable
from vectra_bot.venues.browser.cdp import CdpDecoder, CdpError, CdpEvent, PageFrame, event_name
from vectra_bot.venues.browser.client import BrowserGone, CdpClient
from vectra_bot.venues.browser.human import PageLogin, player_request
from vectra_bot.venues.browser.launch import browser_program, open_browser, open_pipes
from vectra_bot.venues.browser.page import Delivery, Page, PageSocket, same_site
from vectra_bot.venues.browser.profile import BrowserProfile
from vectra_bot.venues.browser.settings import FIRST_ACK_ID, BrowserSettings
from vectra_bot.venues.browser.transports import CdpTransport, NotWritten, PortTransport
from vectra_bot.venues.connection import FRAMES, Connection
from vectra_bot.venues.link import LinkSupervisor, PingWatch
from vectra_bot.venues.login import LinkLogin
from vectra_bot.venues.refusals import FailedAttempt
from vectra_bot.wire.profile import Profile, default_profile

_LOOK_S: Final = 0.25
_REPLY_S: Final = 2.0
# An earlier reader may take the first reply.
_SYNC_S: Final = 0.5
_SYNCS: Final = 20
_RENEWALS: Final = 2
# A page that is connected again by itself is so within this time.
_OFFLINE_S: Final = 15
_ASKED: Final = 1_024
_PING: Final = "ping"
_LOST: Final = (BrowserGone, NotWritten, CdpError, OSError, aiohttp.ClientError, TimeoutError)


@define(eq=False)
class PageWriter:
    """Writes on the page's connection, where our connections have their websocket."""

    page: Page
    socket: PageSocket
    handle: str
    settings: BrowserSettings
    closed: bool = False

    @property
    def is_open(self) -> bool:
        """Return whether something can be written."""
        return not (self.closed or self.socket.reason or self.page.reason)

    @property
    def waiting(self) -> int:
        """Return the bytes that wait to be written: none ever do."""
        return 0

    async def deliver(self, text: str) -> Delivery:
        """Send one frame and return what the browser says of it."""
        settings = self.settings
        return await self.page.send(
            self.handle, text, leave_s=settings.leave_s, limit_s=settings.send_s
        )

    async def write(self, text: str) -> None:
        """Send one frame.

        Raises:
            NotWritten: it is not proven that it left.
        """
        delivery = await self.deliver(text)
        if delivery.reason or delivery.doubt:
            raise NotWritten(delivery.reason or delivery.doubt)

    def shut_down(self) -> None:
        """Let nothing more out, at once; any thread may call it, at any time."""
        self.closed = True
        self.page.client.transport.cut()

    def abort(self) -> None:
        """Write nothing any more; the page's connection is the page's."""
        self.closed = True

    def release(self) -> None:
        """Write nothing any more."""
        self.closed = True


@define(eq=False)
class BrowserLink(LinkSupervisor):
    """Supervises the connection of a page.

    Attributes:
        browser: how the browser is reached.
        profile: the venue's names of requests.
        renews: whether a connection must be seen from its beginning.
        client: the connection to the browser, None without one.
        page: the tab, None without one.
    """

    browser: BrowserSettings = field(factory=BrowserSettings)
    profile: Profile = field(factory=default_profile)
    renews: bool = True
    client: CdpClient | None = None
    page: Page | None = None
    folder: BrowserProfile = field(init=False)
    _started: bool = False
    _renewed_ns: int = 0
    _renewals: int = 0
    _silent: str = ""
    _said: str = ""
    _strays: set[str] = field(factory=set)
    _asked: deque[int] = field(factory=lambda: deque(maxlen=_ASKED))
    _tasks: set[asyncio.Task[None]] = field(factory=set)
    _used: contextlib.ExitStack = field(factory=contextlib.ExitStack)

    def __attrs_post_init__(self) -> None:
        self.acks = AckTable(self.clock, last_id=FIRST_ACK_ID - 1)
        self.login = PageLogin.of(
            self.profile, self.clock, self.endpoint.host, named=not self.renews
        )
        self.folder = BrowserProfile.of(self.endpoint.host, self.browser.browser_profile)

    def data_age_ms(self) -> int | None:
        """Return the age of the newest game frame, with its delay between the browser and us."""
        age_ms, page = LinkSupervisor.data_age_ms(self), self.page
        return age_ms if age_ms is None or page is None else age_ms + page.lag_ms

    def check(self) -> None:
        """Check what can be checked before anything is started.

        Raises:
            InputError: no browser is installed.
            StoreError: another session uses the browser.
        """
        if self.browser.browser_port is None:
            self.folder.refuse_used()
            browser_program()

    def cut(self) -> None:
        """Let nothing more out, at once and permanently; any thread may call it, at any time."""
        LinkSupervisor.cut(self)
        client = self.client
        if client is not None:
            client.transport.cut()

    # One connection.

    async def _serve(self, connection: Connection) -> FailedAttempt:
        """Serve one connection of the page until it ends."""
        self.dialing = True
        try:
            page, socket, handle = await self._usable_socket()
        finally:
            self.dialing = False
        connection.socket = PageWriter(page, socket, handle, self.browser)
        connection.open()
        self._asked.clear()
        socket.take(partial(self._receive, connection), connection.end)
        try:
            await self._watch(connection)
        finally:
            connection.socket.release()
            socket.leave()
        self._silent = handle if connection.dead else ""
        return FailedAttempt("")

    async def _look(
        self, connection: Connection, login: LinkLogin, watch: PingWatch, period: float
    ) -> None:
        """Look after the page's connection: its pings are the page's."""
        watch.pings = self.acks.pings
        if self.was_suspended():
            slept_s = (self.slept_ns() - self.slept_at_start_ns) / NS_PER_S
            connection.end(f"the machine was suspended for {slept_s:.0f} s", dead=True)
        elif watch.is_lost(self.acks, period):
            lost_s = self.settings.ping_lost_s
            connection.end(f"no answer to the page's pings for {lost_s:g} s", dead=True)

    def _receive(self, connection: Connection, raw: str) -> None:
        """Pass on what the venue sent, without the answers to what the page asked for itself."""
        if not raw.startswith(FRAMES):
            self.counts.refused += 1
            return
        if raw.startswith("43"):
            digits = raw[2:].partition("[")[0]
            if digits.isascii() and digits.isdigit() and not self._is_awaited(int(digits[:16])):
                self.counts.stray_acks += 1
                return
        connection.on_frame(raw)

    def _is_awaited(self, ack_id: int) -> bool:
        """Return whether an answer is to our request, to the person's, or to a ping of the page."""
        return ack_id >= FIRST_ACK_ID or ack_id in self._asked or self.acks.knows(ack_id)

    def _on_request(self, frame: PageFrame) -> None:
        """Queue a request that the page itself sent, as it was sent and as the person's action."""
        connection = self.connection
        if connection is None or connection.ended.is_set():
            return
        now_ns = self.clock.now_ns()
        if event_name(frame.raw) == _PING:
            self.acks.page_pinged(frame.raw, connection.epoch)
            return
        request = player_request(frame.raw, now_ns, self.profile)
        if self.inbox.put(Frame(now_ns, frame.raw, Direction.OUT)):
            if request is not None:
                if request.ack_id is not None:
                    self._asked.append(request.ack_id)
                self.inbox.mark(request)
            return
        connection.lost += 1
        self.counts.lost_frames += 1

    # Finding the page and its connection; each wait is for a person or for the page.

    async def _usable_socket(self) -> tuple[Page, PageSocket, str]:
        """Return a connection of the page and its handle, as soon as there is one."""
        began_ns = self.clock.monotonic_ns()
        while True:
            page = await self._usable_page()
            page.changed.clear()
            try:
                found = await self._take(page)
            except _LOST as error:
                self._say(f"the page does not answer: {safe_error(error)}")
                found = None
            if found is not None:
                self._said, self._renewals = "", 0
                return found
            if not self._said and self.clock.monotonic_ns() - began_ns > _OFFLINE_S * NS_PER_S:
                self._say("the page has no connection to the venue: reload it if that lasts")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await page.changed.wait()

    async def _take(self, page: Page) -> tuple[Page, PageSocket, str] | None:
        socket = page.newest()
        if socket is None:
            silent, self._silent = self._silent, ""
            if silent and self.renews and not await self._renew(page, silent):
                self._silent = silent  # later
            return None
        self._silent = ""
        handle = await page.find()
        if isinstance(handle, int):
            if handle > 1:
                self._say(f"the page has {handle} connections to the venue: reload it")
            return None
        if not self.renews or (socket.whole and not socket.spent):
            return None if socket.reason else (page, socket, handle)
        if await self._renew(page, handle):
            self._renewals += 1
            if self._renewals > _RENEWALS:
                self._say(
                    "the page's login is not seen: it does not begin its connection as a websocket"
                )
        return None

    async def _renew(self, page: Page, handle: str) -> bool:
        """Close the page's connection, so that the page makes another; return False if it is too early."""
        now_ns = self.clock.monotonic_ns()
        if self._renewed_ns and now_ns - self._renewed_ns <= self.browser.renew_s * NS_PER_S:
            return False
        self._renewed_ns = now_ns
        await page.renew(handle)
        return True

    async def _usable_page(self) -> Page:
        while True:
            try:
                client = await self._usable_client()
                page = self.page
                if page is not None and page.reason:
                    self.page = None
                    if page.client is client:
                        await _detach(client, page.session)  # what the tab shows now is not ours
                if self.page is None:
                    page = self.page = await self._attached(client)
                if page is not None:
                    return page
            except _LOST as error:
                self._say(f"the browser does not answer: {safe_error(error)}")
            await asyncio.sleep(_LOOK_S)

    def _notice(self, text: str) -> None:
        if self.login is not None:
            self.login.notice(text)

    def _say(self, text: str) -> None:
        """Say what the link waits for, once."""
        if text != self._said:
            self._said = text
            self._notice(text)

    async def _usable_client(self) -> CdpClient:
        client = self.client
        while client is None or client.ended.is_set():
            if client is not None:
                await client.aclose()
                self.client = None
            client = await self._connected()
            if client is None:
                await asyncio.sleep(_LOOK_S)
        return client

    async def _connected(self) -> CdpClient | None:
        """Connect to the browser; the first time our own is started if it is not open."""
        first, self._started = not self._started, True
        port = self.browser.browser_port
        transport: CdpTransport
        try:
            if port is not None:
                transport = await PortTransport.open(port, _REPLY_S)
                if first:
                    self._notice(
                        f"attached to port {port}: every program on this machine can control that browser, "
                        "and so this account"
                    )
            else:
                if first:
                    self.folder.make()
                    self._used.enter_context(self.folder.used())
                    await open_browser(self.folder, self.endpoint.address)
                transport = await open_pipes(
                    self.folder, self.browser.start_s if first else _LOOK_S
                )
        except (VectraError, *_LOST) as error:
            if first and isinstance(error, VectraError):
                raise
            where = f"port {port}" if port else "`vectra-bot browser login`"
            self._say(f"the browser is closed: open it again ({where}) or stop the session")
            return None
        return await self._synced(transport)

    async def _synced(self, transport: CdpTransport) -> CdpClient | None:
        """Return a client once the browser answers it: an earlier session may have left half a reply."""
        passes = frozenset({*self.profile.kinds, _PING})
        decoder = CdpDecoder(passes.__contains__)
        client = CdpClient(transport, decoder, self._on_event, self._lost_browser)
        client.start()
        for _ in range(_SYNCS):
            try:
                await client.call("Browser.getVersion", limit_s=_SYNC_S)
                await client.call("Target.setDiscoverTargets", discover=True)
            except CdpError:
                continue
            except _LOST:
                break
            self.client = client
            return client
        await client.aclose()
        return None

    async def _attached(self, client: CdpClient) -> Page | None:
        """Attach to the one tab that shows the venue's page; say what is wrong if there is none."""
        address = self.endpoint.address
        known = (await client.call("Target.getTargets")).get("targetInfos", [])
        tabs = [
            info
            for info in known
            if info.get("type") == "page" and same_site(str(info.get("url", "")), address)
        ]
        if len(tabs) != 1:
            what = f"{len(tabs)} tabs show" if tabs else "no tab shows"
            advice = "close all but one" if tabs else "open it in the browser"
            self._say(f"{what} {address}: {advice}")
            return None
        target_id = str(tabs[0]["targetId"])
        attached = await client.call("Target.attachToTarget", targetId=target_id, flatten=True)
        session = str(attached["sessionId"])
        page = Page(client, session, target_id, address, self.browser.held_frames, self._on_request)
        self.page = page
        # The browser keeps no content of requests and responses for us.
        limits = dict.fromkeys(
            ("maxTotalBufferSize", "maxResourceBufferSize", "maxPostDataSize"), 0
        )
        try:
            await client.call("Network.enable", session, limit_s=_REPLY_S, **limits)
            await client.call("Page.enable", session, limit_s=_REPLY_S)
        except CdpError:
            page.end("the tab does not answer")  # it has crashed
            raise
        return page

    # What the browser says.

    def _on_event(self, event: CdpEvent | PageFrame) -> None:
        page = self.page
        if page is not None:
            page.hear(event)
        if event.session and (page is None or event.session != page.session):
            self._detach_stray(event.session)

    def _detach_stray(self, session: str) -> None:
        """End the access of an earlier session that was killed, once."""
        client = self.client
        if client is None or session in self._strays or len(self._strays) > 1_000:
            return
        self._strays.add(session)
        task = asyncio.get_running_loop().create_task(_detach(client, session))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _lost_browser(self, reason: str) -> None:
        if self.page is not None:
            self.page.end(reason)

    async def wait_closed(self) -> None:
        """Detach from the page and leave it alone; after the end of :meth:`run`."""
        client, self.client = self.client, None
        with self._used:
            if client is None:
                return
            if self.page is not None and not self.page.reason:
                await _detach(client, self.page.session)
            for task in tuple(self._tasks):
                task.cancel()
            await client.aclose()


async def _detach(client: CdpClient, session: str) -> None:
    with contextlib.suppress(*_LOST):
        await client.call("Target.detachFromTarget", sessionId=session, limit_s=_REPLY_S)


__all__ = ["BrowserLink", "PageWriter"]
