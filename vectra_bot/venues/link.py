"""The link to a live venue: one supervised connection under a feed and its gateway.

Theory of operation. One supervisor task owns the connection. Each connection uses a new client object and has
a number, its epoch. It ends when the venue closes it (``41``, ``44``), with the transport, when the queue is
full, when the machine was suspended, or by the watchdog, which counts game frames and not bytes: a connection
that sends only heartbeats counts as dead. The session learns of an end in the same step in which we do. Then
the supervisor waits, with jitter and exponential backoff up to a cap, and reconnects; every wait is bounded.

A link with credentials logs in right after each connection, with the token that its source has then, and
sends pings as the page does: unanswered ones show a way out that is dead while ticks still arrive. It may be
lost 20 times in 5 minutes; after that, or when the venue refuses us, the session ends with a reason. A link
without credentials sends nothing but what Socket.IO needs, and reconnects without limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final

from attrs import define, field

from vectra_bot.clock import Clock, suspended_ns
from vectra_bot.errors import InputError
from vectra_bot.models import ConnectionChanged, Link
from vectra_bot.models.times import NS_PER_MS, NS_PER_S
from vectra_bot.venues.acks import AckTable
from vectra_bot.venues.connection import CUT, Connection, Dialing
from vectra_bot.venues.endpoint import Endpoint
from vectra_bot.venues.inbox import Inbox
from vectra_bot.venues.login import Credentials, LinkLogin
from vectra_bot.venues.patience import BudgetLeft, LiveCounts, LiveSettings, SendBucket
from vectra_bot.venues.refusals import FailedAttempt, refusal
from vectra_bot.wire.encode import encode_ping

log = logging.getLogger(__name__)

# Longest time between two looks at a logged-in connection, in seconds.
_LOOK_S: Final = 0.25
SUSPENDED_NS: Final = NS_PER_S
"""A suspension of the machine longer than this ends the connection."""
# A game frame older than this is not fresh: while ticks come, during the countdown.
_FRESH_MS: Final = (600, 1_500)
_RECONNECTS: Final = 20


class LinkStage(str, Enum):
    """How far a link has come."""

    DOWN = "DOWN"
    """No connection, and none is being made now."""
    DIALING = "DIALING"
    """A connection is being made."""
    OPEN = "OPEN"
    """Connected, not logged in."""
    LOGGED_IN = "LOGGED_IN"
    """The venue named the account."""
    FRESH = "FRESH"
    """Logged in, and the newest game frame is young enough to act on."""


def jitter() -> float:
    """Return a number in [0, 1): many clients must not reconnect at the same moment.

    No event or document depends on it, so it comes from the system and not from a seed.
    """
    return int.from_bytes(os.urandom(4)) / 2**32


@define(eq=False)
class LinkSupervisor:
    """Owns the connection of a live venue, and reconnects.

    Attributes:
        endpoint: where to connect to.
        settings: timeouts, retries and limits.
        clock: stamps frames and measures ages.
        inbox: gets frames and connection changes.
        counts: what happened so far.
        credentials: how to log in; None to send nothing.
        spread: gives numbers in [0, 1) that spread the waits.
        slept_ns: how long the machine was suspended so far; only differences count.
        acks: the acknowledgement ids of the session.
        connection: the newest connection, None between two.
        login: logs each connection in; None without credentials.
    """

    endpoint: Endpoint
    settings: LiveSettings
    clock: Clock
    inbox: Inbox
    counts: LiveCounts
    credentials: Credentials | None = None
    spread: Callable[[], float] = jitter
    slept_ns: Callable[[], int] = suspended_ns
    acks: AckTable = field(init=False)
    connection: Connection | None = None
    dialing: bool = False
    login: LinkLogin | None = field(init=False)
    slept_at_start_ns: int = 0
    closed: bool = False
    was_cut: bool = False
    _losses: deque[int] = field(factory=deque)
    _closing: asyncio.Task[None] | None = None

    def __attrs_post_init__(self) -> None:
        self.acks = AckTable(self.clock)
        self.login = None
        if self.credentials is not None:
            login_s, host = self.settings.login_s, self.endpoint.host
            self.login = LinkLogin(self.credentials, self.clock, login_s, host)

    # What others may ask and do.

    def is_over(self) -> bool:
        """Return whether nothing may be sent or connected any more."""
        return self.closed or self.was_cut

    def opened(self) -> Connection | None:
        """Return the connection if it is open, else None."""
        connection = self.connection
        if connection is None or not connection.opened or connection.ended.is_set():
            return None
        return None if self.is_over() else connection

    @property
    def player_id(self) -> str | None:
        """Return the account that the venue named on this connection."""
        return None if self.login is None or self.opened() is None else self.login.player_id

    @property
    def stage(self) -> LinkStage:
        """Return how far the link has come."""
        connection = self.opened()
        if connection is None:
            return LinkStage.DIALING if self.dialing and not self.is_over() else LinkStage.DOWN
        if self.player_id is None:
            return LinkStage.OPEN
        age_ms = self.data_age_ms()
        limit_ms = _FRESH_MS[not connection.active]
        if connection.quiet:
            limit_ms = int(self.settings.quiet_s * 1000)
        fresh = age_ms is not None and age_ms <= limit_ms
        return LinkStage.FRESH if fresh else LinkStage.LOGGED_IN

    def data_age_ms(self) -> int | None:
        """Return how long ago the newest game frame of this connection was received, None without one."""
        connection = self.opened()
        if connection is None or not connection.beats:
            return None
        return max(0, self.clock.monotonic_ns() - connection.beat_ns) // NS_PER_MS

    def was_suspended(self) -> bool:
        """Return whether the machine was suspended since this connection was made."""
        return self.slept_ns() - self.slept_at_start_ns > SUSPENDED_NS

    def cut(self) -> None:
        """Let nothing more out, at once and permanently; any thread may call it, at any time."""
        self.was_cut = True
        connection = self.connection
        if connection is not None and connection.socket is not None:
            connection.socket.shut_down()

    def close(self) -> None:
        """End the connection in order; no other is made."""
        self.closed = True
        if self.connection is not None:
            self.connection.end("closed by us")

    @property
    def losses_allowed(self) -> int | None:
        """Return how often the link may be lost within the window, None for any number of times."""
        given = self.settings.reconnects
        return _RECONNECTS if given is None and self.credentials is not None else given

    def losses_left(self) -> int | None:
        """Return how often the link may still be lost within the window, None for any number of times."""
        allowed, oldest_ns = self.losses_allowed, self._window_ns()
        lost = sum(lost_ns >= oldest_ns for lost_ns in tuple(self._losses))
        return None if allowed is None else max(0, allowed - lost)

    # The supervisor.

    async def run(self) -> None:
        """Connect, and connect again, until closed.

        Raises:
            InputError: the venue was not reached in as many attempts as the settings allow, or refuses us;
                the link was lost too often; or there is no token to log in with.
        """
        failures = 0
        if self.login is not None:
            self.login.usable_token()
        self._mark_connecting()
        # The library swallows cancellation in places, so closing the feed also sets this flag.
        while not self.is_over():
            await self.inbox.drained.wait()
            connection = self._new_connection()
            started = self.clock.monotonic_ns()
            skipped = self.counts.refused
            refused = await self._serve(connection)
            connection.finish()
            self.connection = None
            self._report_skipped(self.counts.refused - skipped)
            if self.is_over():
                return
            lived_s = (self.clock.monotonic_ns() - started) / NS_PER_S
            if connection.opened:
                self._lost(connection)
            settled = connection.beats and lived_s >= self.settings.settled_s
            failures = 0 if settled else failures + 1
            if not connection.opened:
                self._failed(connection.reason, failures, refused)
            await asyncio.sleep(max(refused.wait_s, self.backoff(failures)))

    def _new_connection(self) -> Connection:
        connection = Connection(self.inbox, self.clock, self.counts)
        if self.login is not None:
            connection.acks, connection.on_private = self.acks, self.login.on_private
            self.login.start()
        self.slept_at_start_ns = self.slept_ns()
        self.connection = connection
        return connection

    def _mark_connecting(self) -> None:
        change = ConnectionChanged(
            recv_ns=self.clock.now_ns(),
            link=Link.CONNECTING,
            reason=f"to {self.endpoint.host}",
        )
        self.inbox.mark(change)

    def _report_skipped(self, number: int) -> None:
        if number:
            text = f"{number} messages of {self.endpoint.host} were not frames and were skipped"
            log.warning("%s", text) if self.login is None else self.login.notice(text)

    def _lost(self, connection: Connection) -> None:
        log.info("venue=%s link=lost reason=%s", self.endpoint.host, connection.reason)
        allowed = self.losses_allowed
        if allowed is not None:
            self._losses.append(self.clock.monotonic_ns())
            self._forget_losses()
            if len(self._losses) > allowed:
                raise InputError(
                    f"the link to {self.endpoint.host} was lost {len(self._losses)} times in "
                    f"{self.settings.reconnect_window_s:g} s (last: {connection.reason}): "
                    "check the network before you start again"
                )
        self._mark_connecting()

    def _window_ns(self) -> int:
        return self.clock.monotonic_ns() - int(self.settings.reconnect_window_s * NS_PER_S)

    def _forget_losses(self) -> None:
        oldest_ns = self._window_ns()
        while self._losses and self._losses[0] < oldest_ns:
            self._losses.popleft()

    def _failed(self, reason: str, failures: int, refused: FailedAttempt) -> None:
        self.counts.failures += 1
        limit = self.settings.attempts
        host = self.endpoint.host
        log.warning("venue=%s attempt=%d cannot connect: %s", host, failures, reason)
        if refused.final and self.credentials is not None:
            raise InputError(
                f"{host} refuses us ({reason}): nothing is sent any more, "
                "check the address and whether your account may log in"
            )
        if limit is not None and failures >= limit:
            raise InputError(
                f"{host} could not be reached in {failures} "
                f"attempt{'s' * (failures != 1)} ({reason}): "
                "check the address and that the venue is up"
            )

    def backoff(self, failures: int) -> float:
        """Return the wait after so many failures in a row, in seconds."""
        settings = self.settings
        doublings = min(max(failures - 1, 0), 16)
        longest: float = min(settings.backoff_cap_s, settings.backoff_s * 2.0**doublings)
        return longest * (0.5 + self.spread() / 2)

    async def _serve(self, connection: Connection) -> FailedAttempt:
        """Serve one connection until it ends; return how long the venue asks us to stay away."""
        settings = self.settings
        refused = FailedAttempt("")
        dialing = Dialing(connection, frame_bytes=settings.frame_bytes)
        self.dialing = True
        try:
            try:
                await dialing.connect(self.endpoint.url, self.endpoint.path, settings.connect_s)
            except TimeoutError:
                connection.end(f"no connection within {settings.connect_s:g} s")
            except Exception as error:  # noqa: BLE001 - whatever the handshake raised, it failed
                refused = refusal(error, settings.refused_s)
                connection.end(refused.reason)
            else:
                self.dialing = False
                if dialing.hold():
                    await self._watch(connection)
        finally:
            self.dialing = False
            # Closing the feed meanwhile must not leave half of it.
            self._closing = asyncio.ensure_future(dialing.close())
            await asyncio.shield(self._closing)
        return refused

    async def wait_closed(self) -> None:
        """Wait until nothing of a connection is left; after the end of :meth:`run`."""
        if self._closing is not None:
            await self._closing

    async def _watch(self, connection: Connection) -> None:
        """Wait for the end of a connection while watching for silence."""
        settings = self.settings
        login = self.login
        period = min(settings.stale_s, settings.quiet_s) / 12
        if login is not None and not self.is_over():
            period = min(period, _LOOK_S)
            await login.send(connection)
        seen, silent, watch = connection.beats, 0.0, PingWatch(settings)
        while not (connection.ended.is_set() or self.is_over()):
            if login is not None:
                await self._look(connection, login, watch, period)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(period):
                    await connection.ended.wait()
            # Counted in loop iterations and not by the clock: while we were busy ourselves, frames from the
            # venue may be waiting to be read.
            silent = silent + period if connection.beats == seen else 0.0
            seen = connection.beats
            if silent >= (settings.quiet_s if connection.quiet else settings.stale_s):
                connection.end(f"no game frame for {silent:.1f} s", dead=True)
        if self.was_cut:
            connection.end(CUT, dead=True)

    async def _look(
        self, connection: Connection, login: LinkLogin, watch: PingWatch, period: float
    ) -> None:
        """Look after a connection that is logged in or is to be."""
        if self.was_suspended():
            slept_s = (self.slept_ns() - self.slept_at_start_ns) / NS_PER_S
            connection.end(f"the machine was suspended for {slept_s:.0f} s", dead=True)
            return
        if watch.is_lost(self.acks, period):
            connection.end(f"no answer to our pings for {self.settings.ping_lost_s:g} s", dead=True)
            return
        if watch.is_due(period) and connection.socket is not None:
            ack_id = self.acks.next_id(connection.epoch)
            await self._write(connection, encode_ping(ack_id, self.acks.last_ms))
        await login.look(connection)

    async def _write(self, connection: Connection, text: str) -> None:
        """Write a ping; a connection that cannot carry it is about to end."""
        wire = connection.socket
        if wire is not None and not self.is_over() and wire.is_open and not wire.waiting:
            with contextlib.suppress(Exception):
                await wire.write(text)


class LinkState:
    """What is known of a link, at any moment and from any thread."""

    def __init__(self, supervisor: LinkSupervisor, bucket: SendBucket) -> None:
        self._link = supervisor
        self._bucket = bucket

    @property
    def state(self) -> LinkStage:
        """Return how far the link has come."""
        return self._link.stage

    @property
    def epoch(self) -> int:
        """Return the number of the newest connection, 0 before the first."""
        return self._link.counts.connections

    @property
    def player_id(self) -> str | None:
        """Return the account that the venue named on this connection, None if none."""
        return self._link.player_id

    @property
    def rtt_ms(self) -> float | None:
        """Return the smoothed round trip of our pings in ms, None before the first answer."""
        return self._link.acks.rtt_ms

    @property
    def budget(self) -> BudgetLeft:
        """Return what is left of the budgets."""
        return BudgetLeft(int(self._bucket.left()), self._link.losses_left())

    def data_age_ms(self) -> int | None:
        """Return how long ago the newest game frame was received in ms, None without one."""
        return self._link.data_age_ms()

    def token_left_s(self) -> float | None:
        """Return for how long the token says it is valid in seconds, None if it says nothing."""
        return None if self._link.login is None else self._link.login.token_left_s()

    def take_notices(self) -> list[str]:
        """Return what an operator should know since the last call, one line each."""
        if self._link.login is None:
            return []
        notices = self._link.login.notices
        return [notices.popleft() for _ in range(len(notices))]


@define(eq=False)
class PingWatch:
    """When a connection's next ping is due, and whether its answers stay away; counted in looks."""

    settings: LiveSettings
    since_ping_s: float = 1e9
    unanswered_s: float = 0.0
    pongs: int = 0
    pings: int = 0

    def is_due(self, period: float) -> bool:
        """Return whether a ping is to be sent now."""
        self.since_ping_s += period
        if self.since_ping_s < self.settings.ping_s:
            return False
        self.since_ping_s = 0.0
        self.pings += 1
        return True

    def is_lost(self, acks: AckTable, period: float) -> bool:
        """Return whether pings stay unanswered; a venue that never answered one does not count as lost."""
        waiting = self.pings > 0 and acks.pongs == self.pongs
        self.unanswered_s = self.unanswered_s + period if waiting else 0.0
        self.pongs = acks.pongs
        return acks.pongs > 0 and self.unanswered_s >= self.settings.ping_lost_s


__all__ = [
    "SUSPENDED_NS",
    "LinkStage",
    "LinkState",
    "LinkSupervisor",
    "PingWatch",
    "jitter",
]
