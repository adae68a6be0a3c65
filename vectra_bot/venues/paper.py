"""Paper trading on a feed that is not ours: a live venue or a recording, with a paper desk as its gateway.

The feed's frames go to the desk and to the session alike; the desk's answers are frames among them, so the
session does not know where they come from. Nothing is sent to the venue. A request arrives after the latency:
on a feed that is itself delayed this is the whole way there and back, because the tick in force at the venue
is one that we have not seen yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Protocol, TypeAlias

from attrs import define, field

from vectra_bot.errors import VectraError, WireError
from vectra_bot.exchange.paper_desk import PaperDesk
from vectra_bot.models import (
    Command,
    ConnectionChanged,
    Direction,
    Frame,
    GameFrame,
    Link,
    PlayerRequest,
    SendResult,
)
from vectra_bot.models.times import NS_PER_S
from vectra_bot.venues.base import Feed, FeedItem
from vectra_bot.wire.decode import decode, is_private
from vectra_bot.wire.encode import encode_request
from vectra_bot.wire.profile import Profile, default_profile

_GAME_FRAME = '42["gameStateUpdate",'


Latency: TypeAlias = Callable[[Command], int]
"""How long a command takes from us to its execution, in ns; the same for the same command."""


class WaitingFeed(Feed, Protocol):
    """A live feed: its next item can be waited for with a limit."""

    async def next_item(self, timeout_s: float) -> FeedItem | None:
        """Return the next item, None if there was none within *timeout_s* seconds."""

    def rest(self) -> FeedItem | None:
        """Return the next item received before the feed was closed, None if there are no more."""


@define(eq=False)
class PaperGateway:
    """Outbound half: commands become requests to the desk.

    Attributes:
        desk: executes them.
        latency: how long they take.
        now_ns: the session's time.
        profile: the venue's names of requests.
    """

    desk: PaperDesk
    latency: Latency
    now_ns: Callable[[], int]
    profile: Profile = field(factory=default_profile)
    _ack_id: int = 1  # an acknowledgement of id 0 breaks known clients (protocol 2.3)
    _closed: bool = False

    async def send(self, command: Command) -> SendResult:
        """Hand *command* over once.

        It is not sent without a link, if it was decided on an earlier connection, or if it cannot be encoded.
        """
        now_ns, action_id, ack_id = self.now_ns(), command.action_id, self._ack_id
        try:
            if self._closed:
                raise WireError("closed", "the session is over")
            if command.created_ns < self.desk.connected_ns:
                raise WireError("epoch", "it was decided before this connection was made")
            raw = encode_request(command, ack_id, self.profile)
            self.desk.request(now_ns + self.latency(command), raw)
        except VectraError as error:
            return SendResult(recv_ns=now_ns, action_id=action_id, sent=False, reason=str(error))
        self._ack_id += 1
        return SendResult(recv_ns=now_ns, action_id=action_id, sent=True, ack_id=ack_id, raw=raw)

    async def aclose(self) -> None:
        """Accept no more commands."""
        self._closed = True


class _Desked:
    """Puts the desk's answers among the items of a feed, in order of time."""

    def __init__(self, desk: PaperDesk, profile: Profile | None) -> None:
        self._desk = desk
        self._profile = profile or default_profile()
        self.own_dropped = 0

    def due(self, now_ns: int) -> Iterator[FeedItem]:
        """Yield the answers that have left by *now_ns*."""
        return (Frame(at_ns, text) for at_ns, text in self._desk.advance(now_ns))

    def around(self, item: FeedItem) -> Iterator[FeedItem]:
        """Yield *item* with the answers that precede and follow it, without another account's mail."""
        at_ns = item.recv_ns
        yield from self.due(at_ns)
        if isinstance(item, Frame):
            yield from self._around_frame(item)
            return
        if isinstance(item, PlayerRequest):
            self.own_dropped += 1
            return
        if isinstance(item, ConnectionChanged):
            if item.link is Link.CONNECTED:
                self._desk.connect(item.recv_ns)
            elif item.link is Link.DISCONNECTED:
                self._desk.disconnect()
        yield item

    def _around_frame(self, frame: Frame) -> Iterator[FeedItem]:
        if frame.direction is Direction.OUT or is_private(frame.raw, self._profile):
            self.own_dropped += 1
            return
        mail = None
        if frame.raw.startswith(_GAME_FRAME) and not frame.truncated:
            try:
                event = decode(frame, self._profile)
            except WireError:
                event = None  # the session quarantines it
            if isinstance(event, GameFrame):
                mail = self._desk.observe(event, frame.recv_ns)
        if mail is None:
            yield frame
            return
        yield from (Frame(frame.recv_ns, text) for text in mail.before)
        yield frame
        yield from (Frame(frame.recv_ns, text) for text in mail.after)


class PaperFeed:
    """A live feed with the desk's answers among its items.

    Args:
        source: the live feed.
        desk: gets every game frame before the session does.
        now_ns: the clock that stamps the feed's frames.
        profile: the venue's names of events.
    """

    def __init__(
        self,
        source: WaitingFeed,
        desk: PaperDesk,
        now_ns: Callable[[], int],
        profile: Profile | None = None,
    ) -> None:
        self._source = source
        self._desk = desk
        self._now_ns = now_ns
        self._desked = _Desked(desk, profile)
        self._ready: deque[FeedItem] = deque()
        self._closed = False

    @property
    def venue(self) -> str:
        """Return the venue's host."""
        return self._source.venue

    @property
    def own_dropped(self) -> int:
        """Return how many private and sent frames of another account were dropped."""
        return self._desked.own_dropped

    async def next_item(self, timeout_s: float) -> FeedItem | None:
        """Return the next item of the feed or the desk, None if there was none within *timeout_s* seconds.

        Raises:
            InputError: the venue was not reached in as many attempts as the settings allow.
        """
        if not self._ready:
            due_ns = self._desk.next_ns()
            if due_ns is not None:
                timeout_s = min(timeout_s, max(0.0, (due_ns - self._now_ns()) / NS_PER_S))
            item = await self._source.next_item(timeout_s)
            # What was received before an answer is due precedes it, however late we are.
            self._ready.extend(
                self._desked.due(self._now_ns()) if item is None else self._desked.around(item)
            )
        return self._ready.popleft() if self._ready else None

    def rest(self) -> FeedItem | None:
        """Return the next item received before the feed was closed, None if there are no more."""
        if not self._ready:
            item = self._source.rest()
            if item is not None:
                self._ready.extend(self._desked.around(item))
        return self._ready.popleft() if self._ready else None

    async def __aiter__(self) -> AsyncGenerator[FeedItem, None]:
        """Yield items until the feed is closed."""
        while not self._closed:
            item = await self.next_item(1.0)
            if item is not None:
                yield item

    async def aclose(self) -> None:
        """Close the source."""
        self._closed = True
        await self._source.aclose()


class PaperReplay:
    """A recording with the desk's answers among its items; another account's private frames are dropped.

    The session's time is that of the newest item. Captures do not say when the recorder was connected, so
    the account is logged in with the first game frame.

    Args:
        source: the recording.
        desk: gets every game frame before the session does.
        profile: the recording's names of events.
    """

    def __init__(self, source: Feed, desk: PaperDesk, profile: Profile | None = None) -> None:
        self._source = source
        self._desked = _Desked(desk, profile)
        self._now_ns = 0
        desk.connect()

    @property
    def venue(self) -> str:
        """Return the recording's venue."""
        return self._source.venue

    @property
    def own_dropped(self) -> int:
        """Return how many private and sent frames of another account were dropped."""
        return self._desked.own_dropped

    def now_ns(self) -> int:
        """Return the time of the newest item, nanoseconds since the epoch."""
        return self._now_ns

    async def __aiter__(self) -> AsyncGenerator[FeedItem, None]:
        async with aclosing(aiter(self._source)) as items:
            async for item in items:
                for shown in self._desked.around(item):
                    self._now_ns = max(self._now_ns, shown.recv_ns)
                    yield shown

    async def aclose(self) -> None:
        """Close the source."""
        await self._source.aclose()
