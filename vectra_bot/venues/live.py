"""A live venue: its feed, exactly as received, and its gateway, over one supervised link.

The feed passes on a venue's frames as text, in the wire's order, through one bounded queue. The gateway hands
commands to the websocket, each at most once, after a last look at everything that may have changed since they
were decided. :mod:`~vectra_bot.venues.link` owns the connection under both.

A :class:`LiveFeed` alone has no login and no gateway, and sends nothing except what Socket.IO needs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from typing import Final

from vectra_bot.clock import Clock, SessionClock, WallClock
from vectra_bot.errors import ConfigError, VectraError, safe_error
from vectra_bot.models import Command, SendResult
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.venues.base import FeedItem, Wire
from vectra_bot.venues.connection import Connection
from vectra_bot.venues.credentials import TokenSource
from vectra_bot.venues.endpoint import Endpoint
from vectra_bot.venues.inbox import Inbox
from vectra_bot.venues.link import LinkState, LinkSupervisor, jitter
from vectra_bot.venues.login import TOKEN_MARGIN_S, Credentials
from vectra_bot.venues.patience import LiveCounts, LiveSettings, SendBucket, SendBudget
from vectra_bot.wire.encode import encode_request
from vectra_bot.wire.profile import Profile, default_profile

_YIELD_EVERY: Final = 8  # items between two yields to the event loop, so that reading continues
# Entries and exits have different limits: an exit that comes late is better than none.
ENTRY_DATA_MS: Final = 600
COUNTDOWN_DATA_MS: Final = 1_500
EXIT_DATA_MS: Final = 3_000
ENTRY_LATE_MS: Final = 250
EXIT_LATE_MS: Final = 1_000
SLOW_RTT_MS: Final = 1_000
_TICKS_BEHIND: Final = 8  # two seconds of the venue; the engine itself denies entries in a burst
_BUDGET: Final = SendBudget()
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class LiveFeed:
    """The inbound half of a live venue.

    Attributes:
        counts: what happened on the link.

    Example:
        ``async for item in LiveFeed("https://backend.rugs.fun"): ...``
    """

    def __init__(
        self,
        url: str,
        *,
        settings: LiveSettings | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = jitter,
        credentials: Credentials | None = None,
    ) -> None:
        """Prepare the feed; it connects when the first item is requested.

        Args:
            url: the venue's address, see :meth:`Endpoint.parse`.
            settings: timeouts, retries and queue limits.
            clock: stamps received frames.
            jitter: gives numbers in [0, 1) that spread the waits.
            credentials: how to log in; None to watch only.

        Raises:
            ConfigError: *url* is not a valid address.
        """
        self.endpoint = Endpoint.parse(url)
        self.settings = settings or LiveSettings()
        self.counts = LiveCounts()
        self._inbox = Inbox(self.settings.queue_frames, self.settings.queue_chars)
        self.supervisor = LinkSupervisor(
            self.endpoint,
            self.settings,
            clock or WallClock(),
            self._inbox,
            self.counts,
            credentials,
            jitter,
        )
        self._running: asyncio.Task[None] | None = None
        self._taken = 0
        self._closed = False

    @property
    def venue(self) -> str:
        """Return the host."""
        return self.endpoint.host

    @property
    def waiting(self) -> int:
        """Return how many items were received and not taken yet."""
        return len(self._inbox)

    async def __aiter__(self) -> AsyncGenerator[FeedItem, None]:
        """Yield frames and connection changes until the feed is closed."""
        while not self._closed:
            item = await self.next_item(1.0)
            if item is not None:
                yield item

    async def next_item(self, timeout_s: float) -> FeedItem | None:
        """Return the next item, None if there was none within *timeout_s*.

        Raises:
            InputError: the venue was not reached in as many attempts as the settings allow; or, with a login,
                it refuses us, there is no valid token, or the link was lost too often.
        """
        if self._running is None and not self._closed:
            self._running = asyncio.create_task(self.supervisor.run())
            self._running.add_done_callback(lambda _: self._inbox.ready.set())
        self._taken += 1
        if self._taken % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
        item = self._inbox.take()
        if item is None:
            self._raise_if_over()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._inbox.ready.wait()
            item = self._inbox.take()
        return item

    def rest(self) -> FeedItem | None:
        """Return the next item received before the feed was closed, None if there are no more."""
        return self._inbox.take()

    def _raise_if_over(self) -> None:
        over = self._running
        if over is not None and over.done() and not over.cancelled():
            over.result()

    async def aclose(self) -> None:
        """Close the connection; may be called twice."""
        self._closed = True
        self.supervisor.close()
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        await self.supervisor.wait_closed()


class LiveGateway:
    """The outbound half of a live venue: each command is written to the websocket once, or not at all.

    Attributes:
        sent: requests handed to the websocket.
        refused: requests that were not sent, by the code their reason begins with.
    """

    def __init__(
        self,
        supervisor: LinkSupervisor,
        bucket: SendBucket,
        *,
        profile: Profile,
        stopped: Callable[[], str | None],
    ) -> None:
        self.sent = 0
        self.refused: Counter[str] = Counter()
        self._link = supervisor
        self._clock = supervisor.clock
        self._bucket = bucket
        self._profile = profile
        self._stopped = stopped
        self._closed = False

    async def send(self, command: Command) -> SendResult:
        """Write *command* to the websocket if everything it was decided on still holds; never again.

        Returns:
            ``sent`` False is proof that nothing left, and its reason begins with a code; ``sent`` True with a
            reason means that it may have left.
        """
        now_ns = self._clock.now_ns()
        connection = self._link.opened()
        wire = None if connection is None else connection.socket
        reason = self._objection(command, connection, wire, now_ns)
        if reason is None and connection is not None and wire is not None:
            ack_id = self._link.acks.next_id(connection.epoch, command.action_id)
            try:
                raw = encode_request(command, ack_id, self._profile)
            except VectraError as error:
                reason = f"request: {error}"
            else:
                return await self._write(command, wire, raw, ack_id)
        reason = reason or "link: there is no connection"
        self.refused[reason.partition(":")[0]] += 1
        return SendResult(recv_ns=now_ns, action_id=command.action_id, sent=False, reason=reason)

    async def _write(self, command: Command, wire: Wire, raw: str, ack_id: int) -> SendResult:
        doubt = None
        self._bucket.take()
        try:
            await wire.write(raw)
            if not wire.is_open:
                doubt = "the connection was lost while it was written"
            elif wire.waiting:
                doubt = "the system has not accepted all of it yet"
        except Exception as error:  # noqa: BLE001 - whatever was raised, it may have left
            doubt = safe_error(error)
        self.sent += 1
        return SendResult(
            recv_ns=self._clock.now_ns(),
            action_id=command.action_id,
            sent=True,
            ack_id=ack_id,
            raw=raw,
            reason=None if doubt is None else f"not proven: {doubt}",
        )

    async def aclose(self) -> None:
        """Send nothing any more; the feed closes the link."""
        self._closed = True

    # The last look. Nothing waits between it and the write.

    def _objection(
        self,
        command: Command,
        connection: Connection | None,
        wire: Wire | None,
        now_ns: int,
    ) -> str | None:
        """Return why *command* must not be sent now, None if it may."""
        stopped = self._stopped()
        if stopped is not None or self._closed:
            return f"stopped: {stopped or 'the session is over'}"
        if connection is None or wire is None or not wire.is_open:
            return "link: there is no connection"
        if self._link.player_id is None:
            return "link: the venue has not confirmed the login"
        if command.created_ns < connection.opened_ns or self._link.was_suspended():
            return "epoch: it was decided before this connection was made"
        entry = command.action_type.is_entry
        return (
            self._stale(command, connection, entry=entry)
            or self._late(command, now_ns, entry=entry)
            or self._limited(wire, entry=entry)
        )

    def _stale(self, command: Command, connection: Connection, *, entry: bool) -> str | None:
        age_ms = self._link.data_age_ms()
        limit_ms = ENTRY_DATA_MS if entry else EXIT_DATA_MS
        if age_ms is None:
            return "stale: no game frame was received on this connection"
        if not connection.active:
            limit_ms = COUNTDOWN_DATA_MS if entry else EXIT_DATA_MS
        # After a rug and in a pause no frames are due.
        if age_ms > limit_ms and not connection.quiet:
            return f"stale: the newest game frame is {age_ms} ms old, more than {limit_ms}"
        if command.action_type.is_side_game:
            return None
        if connection.rugged:
            return "over: the game has rugged since it was decided"
        if entry and connection.tick - command.tick >= _TICKS_BEHIND and connection.active:
            return f"behind: it was decided at tick {command.tick}, and {connection.tick} is here"
        return None

    def _late(self, command: Command, now_ns: int, *, entry: bool) -> str | None:
        late_ms = (now_ns - command.created_ns) // NS_PER_MS
        limit_ms = ENTRY_LATE_MS if entry else EXIT_LATE_MS
        if late_ms > limit_ms:
            return f"late: it was decided {late_ms} ms ago, more than {limit_ms}"
        return None

    def _limited(self, wire: Wire, *, entry: bool) -> str | None:
        login = self._link.login
        left_s = None if login is None else login.token_left_s()
        if entry and left_s is not None and left_s <= TOKEN_MARGIN_S:
            return f"token: it ends in {left_s:.0f} s, and entries need {TOKEN_MARGIN_S:.0f} s"
        rtt_ms = self._link.acks.slowness_ms(self._link.counts.connections)
        if entry and rtt_ms > SLOW_RTT_MS:
            return f"slow: the round trip takes {rtt_ms:.0f} ms, more than {SLOW_RTT_MS}"
        if wire.waiting:
            return "blocked: the system does not accept what was sent before"
        if not self._bucket.allows(entry=entry):
            return "rate: the budget of requests is used up for now"
        return None


class LiveVenue:
    """A live venue with a login: its feed, its gateway, and the state of the link under both.

    Attributes:
        feed: the inbound half.
        gateway: the outbound half.
        link: what is known of the connection.

    Example:
        ``venue = LiveVenue("https://backend.rugs.fun", token=token_source("env:VECTRA_TOKEN"))``
    """

    def __init__(
        self,
        url: str,
        *,
        token: TokenSource | None = None,
        settings: LiveSettings | None = None,
        clock: Clock | None = None,
        profile: Profile | None = None,
        stopped: Callable[[], str | None] = lambda: None,
        budget: SendBudget = _BUDGET,
    ) -> None:
        """Prepare the venue; it connects when the feed's first item is requested.

        Args:
            url: its address: https, or http on this machine.
            token: where the login token is; without it nothing can be sent.
            settings: timeouts, retries and queue limits.
            clock: the session's clock.
            profile: the venue's names of requests, and of the login.
            stopped: returns why nothing may be sent any more, None while that is not so.
            budget: limit on requests.

        Raises:
            ConfigError: *url* is not a valid address, or would carry the token unencrypted.
        """
        profile = profile or default_profile()
        credentials = None if token is None else Credentials(token, profile)
        self.feed = LiveFeed(
            url, settings=settings, clock=clock or SessionClock(), credentials=credentials
        )
        endpoint = self.feed.endpoint
        if (
            token is not None
            and endpoint.url.startswith("http:")
            and endpoint.host not in _LOOPBACK
        ):
            raise ConfigError(
                f"url was {endpoint.address!r}, and a token is not sent unencrypted: give https://"
            )
        self._link = self.feed.supervisor
        bucket = SendBucket(budget, self._link.clock)
        self.gateway = LiveGateway(self._link, bucket, profile=profile, stopped=stopped)
        self.link = LinkState(self._link, bucket)

    def cut(self) -> None:
        """Let nothing more out, at once and permanently.

        Any thread may call it, also while the event loop hangs.
        """
        self._link.cut()

    async def aclose(self) -> None:
        """Close gateway, feed and link; may be called twice."""
        await self.gateway.aclose()
        await self.feed.aclose()


__all__ = ["LinkState", "LiveFeed", "LiveGateway", "LiveVenue", "SendBudget"]
