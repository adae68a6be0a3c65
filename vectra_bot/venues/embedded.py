"""The embedded venue: feed and gateway over an exchange in the same process, in lock-step.

The feed is pull-based. The exchange advances only when the next item is requested, so a slow bot changes
nothing: without pacing (``pace=None``) a run is a pure function of its config and of what the bot sends.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from attrs import define, frozen

from vectra_bot.clock import Clock, WallClock
from vectra_bot.errors import InputError, VectraError
from vectra_bot.exchange import (
    EvidenceDelays,
    Exchange,
    ExchangeConfig,
    ExchangeOptions,
    Outbound,
    RequestRecord,
)
from vectra_bot.exchange.config import path_of
from vectra_bot.fsio.modes import file_mode
from vectra_bot.game.amounts import LedgerError, to_lamports, to_sol
from vectra_bot.game.fair import FairGame
from vectra_bot.models import Command, ConnectionChanged, Frame, Link, SendResult
from vectra_bot.models.times import NS_PER_MS, NS_PER_S, ns_from_utc
from vectra_bot.params import Heading, Refused, convert, declared, like, option, option_of
from vectra_bot.venues.base import FeedItem
from vectra_bot.wire.encode import encode_request

log = logging.getLogger(__name__)

# The first moment of 2200, later than any real clock, and a long session is still within int64 nanoseconds.
MAX_START_NS = 7_258_118_400_000_000_000
_A_TIME = "a time from 1971 to 2199 such as 2026-01-01T00:00:00Z"
DEFAULT_USERNAME = "vectra"
_YIELD_EVERY = 256  # items between two yields to the event loop at full speed


def _speed(value: Any) -> float | None:
    if isinstance(value, str) and value == "max":
        return None
    factor: float | None = convert(value, float | None, text=False)
    return factor


def _read_speed(text: Any) -> Any:
    return None if text == "max" else convert(text, float)


def _read_start(text: Any) -> int:
    """Return an ISO 8601 time as nanoseconds since the epoch; without an offset it is UTC."""
    moment: datetime | None = None
    with suppress(ValueError, TypeError):
        moment = datetime.fromisoformat(text)
    if moment is None or not 1971 <= moment.year <= 2200:
        raise Refused
    start_ns = ns_from_utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if start_ns > MAX_START_NS:
        raise Refused
    return start_ns


def _start_ns(value: Any) -> int | None:
    start: int | None = convert(value, int | None, text=False)
    if start is not None and not 0 <= start <= MAX_START_NS:
        raise Refused(f"nanoseconds since the epoch, from 0 to {MAX_START_NS}")
    return start


def _cash(value: Any) -> Decimal:
    amount: Decimal = convert(value, Decimal)
    try:
        to_lamports(amount)
    except LedgerError:
        raise Refused from None
    return amount


def _file(value: Any) -> Path | None:
    return None if value is None else path_of(value)


@frozen(kw_only=True, field_transformer=declared)
class EmbeddedOptions(ExchangeOptions):
    """How the embedded exchange is run: start time, speed, length and starting cash.

    Attributes:
        games: games to play.
        seed: seed of the exchange; random if None.
        speed: None or ``max`` for as fast as possible, else times real time. It only delays: the exchange's
            time, and so the session, is the same at every speed.
        cash: SOL at the start.
        latency_ms: one way from us to the exchange, milliseconds.
        start_ns: where the exchange's clock starts, nanoseconds since the epoch; by default a fixed day.
        exchange_log: file that gets a line for every request before the exchange acts on it.
        made_games: games to play first, in place of those that the seed decides: for tests.
    """

    games: int = option(20, low=1, high=10_000_000, help="End after N games.")
    seed: int | None = option(
        None, low=0, high=2**63 - 1, shown="random", help="Seed of the exchange."
    )
    speed: float | None = option(
        None,
        above=0,
        high=1_000_000,
        take=_speed,
        read=_read_speed,
        metavar="max|N",
        shown="max",
        words="max, or a number above 0 (1 is real time)",
        help="Speed of the exchange as a multiple of real time; max: as fast as possible.",
    )
    cash: Decimal = option(
        Decimal(1),
        low=0,
        high=1_000_000,
        take=_cash,
        metavar="SOL",
        words="SOL from 0 to 1000000 with at most nine places",
        help="SOL in the account at the start.",
    )
    latency_ms: int = option(
        70,
        low=0,
        high=60_000,
        metavar="MS",
        help="One-way latency of a request, in ms.",
        heading=Heading.EXCHANGE,
    )
    start_ns: int | None = option(
        None,
        key="start",
        low=0,
        high=MAX_START_NS,
        take=_start_ns,
        read=_read_start,
        words=_A_TIME,
        metavar="TIME",
        shown="2026-01-01T00:00:00Z",
        help="Where the exchange's clock starts, ISO 8601.",
        heading=Heading.EXCHANGE,
    )
    exchange_log: Path | None = option(
        None,
        take=_file,
        metavar="FILE",
        words="a path, as text or Path",
        help="File that gets one line per request.",
        heading=Heading.EXCHANGE,
    )
    made_games: tuple[FairGame, ...] = like(ExchangeConfig, "made_games")


_DEFAULTS = EmbeddedOptions()


class ExchangeLog:
    """One line of JSON per client request, on disk before the exchange executes it.

    Each line is one unbuffered write, so the log is complete after a kill. Columns: ``trace_id, type,
    amount`` (SOL with nine decimal places), ``percentage, game_id, tick, price, accepted, reason, ts_ms,
    player_id``.
    """

    def __init__(self, path: str | Path) -> None:
        """Create or empty the file at *path*.

        Raises:
            InputError: it cannot be opened for writing.
        """
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            self._file = os.open(path, flags, file_mode(Path(path)))
        except OSError as error:
            raise InputError(
                f"exchange log {str(path)!r} cannot be written ({error.strerror}): give a path in a folder "
                "that exists"
            ) from None

    def __call__(self, record: RequestRecord) -> None:
        """Write the line of *record*.

        Raises:
            InputError: the write failed.
        """
        line = {
            "trace_id": record.trace_id,
            "type": record.kind,
            "amount": f"{to_sol(record.amount):f}",
            "percentage": record.percentage,
            "game_id": record.game_id,
            "tick": record.tick,
            "price": record.price,
            "accepted": record.accepted,
            "reason": record.reason,
            "ts_ms": record.at_ns // NS_PER_MS,
            "player_id": record.player_id,
        }
        try:
            os.write(self._file, msgspec.json.encode(line) + b"\n")
        except OSError as error:
            raise InputError(
                f"exchange log cannot be written ({error.strerror}): free some space, or run without it"
            ) from None

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@define
class _Pace:
    """Maps the exchange's time to real time: ``factor`` seconds per second, None for no pacing.

    Attributes:
        closed: whether nothing is waited for any more.
        lag_ns: the longest that a message was late.
    """

    factor: float | None
    clock: Clock
    venue_started_ns: int
    closed: bool = False
    lag_ns: int = 0
    _sleeping: asyncio.Future[None] | None = None
    _started_ns: int | None = None
    _warn_ns: int = NS_PER_S

    async def wait_for(self, venue_ns: int) -> None:
        """Sleep until *venue_ns* of the exchange's time is due, or the venue is closed."""
        if self.factor is None:
            return
        now_ns = self.clock.monotonic_ns()
        if self._started_ns is None:
            self._started_ns = now_ns
        ahead_ns = self._started_ns - now_ns + (venue_ns - self.venue_started_ns) / self.factor
        if ahead_ns > 0:
            self._sleeping = asyncio.ensure_future(asyncio.sleep(ahead_ns / NS_PER_S))
            await asyncio.wait([self._sleeping])
        elif -ahead_ns > self.lag_ns:
            self.lag_ns = int(-ahead_ns)
            if self.lag_ns >= self._warn_ns:
                self._warn()

    def close(self) -> None:
        """End a wait."""
        self.closed = True
        if self._sleeping is not None:
            self._sleeping.cancel()

    def _warn(self) -> None:
        """Log how late the session is: at the first second, then whenever that has doubled."""
        log.warning(
            "the session is %.1f s behind --speed %g: strategy, plugins or disk take longer than the "
            "time between two messages; outcomes are the same, later",
            self.lag_ns / NS_PER_S,
            self.factor,
        )
        self._warn_ns = 2 * self.lag_ns


class EmbeddedVenue:
    """One client of an exchange in this process.

    Attributes:
        feed: inbound half; starts with the connection, the snapshot and the account.
        gateway: outbound half.
        player_id: the client's player id.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        cash: Decimal = _DEFAULTS.cash,
        latency_ms: int = _DEFAULTS.latency_ms,
        pace: float | None = None,
        clock: Clock | None = None,
        games: int | None = None,
    ) -> None:
        """Log the client in; nothing is sent until the feed is iterated.

        Args:
            exchange: the venue; one exchange serves one embedded venue.
            cash: SOL the account starts with.
            latency_ms: one way to the exchange; 0 also answers at once.
            pace: None for as fast as possible; else the maximum number of seconds of venue time per second of
                real time. It delays messages and changes none: all times are the exchange's.
            clock: what *pace* is measured by.
            games: the feed ends when so many games have rugged and the game after them is announced.

        Raises:
            ConfigError: *latency_ms*, *pace*, *games* or *cash* is out of range.
        """
        _check(latency_ms, pace, games, cash)
        self._exchange = exchange
        self._latency_ns = int(latency_ms * NS_PER_MS)
        self._games = games
        self._pace = _Pace(pace, clock or WallClock(), exchange.now_ns)
        self._inbox: deque[Outbound] = deque()
        self._seen_ns = exchange.now_ns
        self.player_id = exchange.client_id()
        exchange.connect(
            self.player_id,
            DEFAULT_USERNAME,
            to_lamports(cash),
            delays=EvidenceDelays.none() if latency_ms == 0 else None,
        )
        self.feed = EmbeddedFeed(self)
        self.gateway = EmbeddedGateway(self)

    @property
    def exchange(self) -> Exchange:
        """Return the exchange behind the venue."""
        return self._exchange

    def recv_ns(self) -> int:
        """Return the time of the newest message, nanoseconds since the epoch."""
        return self._seen_ns

    async def next_message(self) -> Outbound | None:
        """Return the next message for the client, None when the requested games are over."""
        while not self._inbox:
            if self._over():
                return None
            await self._pace.wait_for(self._exchange.next_ns())
            if self._pace.closed:
                return None
            for message in self._exchange.step():
                if message.not_to != self.player_id and message.player_id in (None, self.player_id):
                    self._inbox.append(message)
        message = self._inbox.popleft()
        self._seen_ns = message.at_ns
        return message

    def close(self) -> None:
        """End the feed, also while it waits for a message that is not due."""
        self._pace.close()

    @property
    def lag_ms(self) -> int | None:
        """Return the longest that a message was behind the pace, milliseconds; None without a pace."""
        return None if self._pace.factor is None else self._pace.lag_ns // NS_PER_MS

    def hand_over(self, text: str) -> int:
        """Send *text* to the exchange now, to arrive after the latency; return the time of sending."""
        self._exchange.request(self._seen_ns + self._latency_ns, self.player_id, text)
        return self._seen_ns

    def _over(self) -> bool:
        """Return whether all games are over and the messages of the last moment are delivered."""
        exchange = self._exchange
        if self._games is None or exchange.games_opened < self._games:
            return False
        return exchange.next_ns() > exchange.now_ns


class EmbeddedFeed:
    """Inbound half: frames in the order in which they leave the exchange."""

    def __init__(self, venue: EmbeddedVenue) -> None:
        self._venue = venue

    @property
    def venue(self) -> str:
        """Return ``embedded``."""
        return "embedded"

    async def __aiter__(self) -> AsyncGenerator[FeedItem, None]:
        """Yield the connection, then every frame for the client until the games are over."""
        venue = self._venue
        yield ConnectionChanged(recv_ns=venue.recv_ns(), link=Link.CONNECTED)
        taken = 0
        while True:
            message = await venue.next_message()
            if message is None:
                return
            yield Frame(venue.recv_ns(), message.text)
            taken += 1
            if taken % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    def close(self) -> None:
        """Stop, also a wait for the next frame; open positions stay open at the exchange."""
        self._venue.close()

    async def aclose(self) -> None:
        """Stop."""
        self.close()


class EmbeddedGateway:
    """Outbound half: commands become requests that arrive after the latency."""

    def __init__(self, venue: EmbeddedVenue) -> None:
        self._venue = venue
        # From 1: an acknowledgement of id 0 breaks known clients, so wire refuses it (protocol 2.3).
        self._ack_id = 1
        self._closed = False

    async def send(self, command: Command) -> SendResult:
        """Hand *command* over once; a command that cannot be encoded is reported as not sent."""
        now_ns = self._venue.recv_ns()
        if self._closed:
            return SendResult(
                recv_ns=now_ns, action_id=command.action_id, sent=False, reason="closed"
            )
        ack_id = self._ack_id
        try:
            raw = encode_request(command, ack_id, self._venue.exchange.config.protocol)
            now_ns = self._venue.hand_over(raw)
        except VectraError as error:
            return SendResult(
                recv_ns=now_ns, action_id=command.action_id, sent=False, reason=str(error)
            )
        self._ack_id += 1
        return SendResult(
            recv_ns=now_ns, action_id=command.action_id, sent=True, ack_id=ack_id, raw=raw
        )

    async def aclose(self) -> None:
        """Send nothing more; may be called twice."""
        self._closed = True


def _check(latency_ms: int, pace: float | None, games: int | None, cash: Decimal) -> None:
    option_of(EmbeddedOptions, "latency_ms").check(latency_ms, "latency_ms")
    option_of(EmbeddedOptions, "speed").check(pace, "pace")
    option_of(EmbeddedOptions, "cash").check(cash, "cash")
    if games is not None:
        option_of(EmbeddedOptions, "games").check(games, "games")
