"""Drives a venue as a session does: takes one item at a time, sends in between, and keeps what happened."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextvars import ContextVar
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

from attrs import define, evolve, field

from vectra_bot.errors import WireError
from vectra_bot.models import (
    ActionType,
    Command,
    ConnectionChanged,
    Direction,
    Frame,
    GameFrame,
    Link,
    SendResult,
)
from vectra_bot.testing.venue.rig import VenueParts, VenueRig
from vectra_bot.venues.base import FeedItem
from vectra_bot.wire.decode import decode

_LOOK_S: Final = 0.02
_STAKE: Final = Decimal("0.001")
_GAME_FRAME: Final = '42["gameStateUpdate",'
_DESCRIPTORS: Final = (Path("/proc/self/fd"), Path("/dev/fd"))


class BrokenPromise(Exception):
    """A venue did not keep a promise.

    Attributes:
        promise: its name.
        what: what happened.
    """

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(f"{promise}: {what}")
        self.promise, self.what = promise, what


@define
class Sending:
    """A command that was handed to the gateway, and its result."""

    command: Command
    result: SendResult


@define(eq=False)
class VenueDriver:
    """One venue under test.

    Attributes:
        rig: its other side.
        parts: the venue.
        numbers: numbers the commands of all venues of a check.
        mark: 16 hex digits that the trace ids of a check begin with.
        items: what the feed gave.
        sendings: what was handed to the gateway.
        game: the newest game frame of this connection.
        trouble: broken promises that do not end the scenario.
        ended: whether the iteration has ended.
        feed_closed: whether the feed was closed already.
    """

    rig: VenueRig
    parts: VenueParts
    numbers: count[int]
    mark: str
    items: list[FeedItem] = field(factory=list)
    sendings: list[Sending] = field(factory=list)
    game: GameFrame | None = None
    trouble: list[BrokenPromise] = field(factory=list)
    ended: bool = False
    feed_closed: bool = False
    _iterator: AsyncGenerator[FeedItem, None] | None = None
    _next: asyncio.Task[FeedItem] | None = None

    # The feed.

    async def take(self, wait_s: float = _LOOK_S) -> FeedItem | None:
        """Return the next item as a session gets it, None if there was none in time."""
        try:
            item = await (self._anext(wait_s) if self.rig.waits else self._next_item(wait_s))
        except StopAsyncIteration:
            self.ended = True
            return None
        except Exception as error:
            raise BrokenPromise("runs", f"the feed raised {error!r}") from error
        if item is not None:
            self.keep(item)
        return item

    async def _next_item(self, wait_s: float) -> FeedItem | None:
        feed: Any = self.parts.feed
        item: FeedItem | None = await feed.next_item(wait_s)
        return item

    async def _anext(self, wait_s: float) -> FeedItem | None:
        if self._iterator is None:
            self._iterator = aiter(self.parts.feed)
        if self._next is None:
            self._next = asyncio.create_task(self._one(self._iterator))
        await asyncio.wait([self._next], timeout=wait_s)
        if not self._next.done():
            return None
        done, self._next = self._next, None
        try:
            return done.result()
        except _Ended:
            raise StopAsyncIteration from None

    @staticmethod
    async def _one(iterator: AsyncGenerator[FeedItem, None]) -> FeedItem:
        try:
            return await anext(iterator)
        except StopAsyncIteration:
            raise _Ended from None

    def keep(self, item: FeedItem) -> None:
        """Record an item that the feed gave."""
        self.items.append(item)
        if isinstance(item, ConnectionChanged):
            self.game = None
        elif isinstance(item, Frame) and item.raw.startswith(_GAME_FRAME):
            with contextlib.suppress(WireError):  # a session quarantines it
                event = decode(item)
                if isinstance(event, GameFrame):
                    self.game = event
        link = self.parts.link
        if link is not None and isinstance(item, ConnectionChanged):
            self._look_at_link(link.epoch)

    def _look_at_link(self, epoch: int) -> None:
        seen = self.links().count(Link.CONNECTED)
        # The link may be ahead of what the session has taken, and never behind.
        if epoch < seen:
            self.note("epochs", f"the link was in epoch {epoch} after {seen} connections")

    def note(self, promise: str, what: str) -> None:
        """Record a promise that is broken; the scenario continues."""
        self.trouble.append(BrokenPromise(promise, what))

    async def until(
        self, reached: Callable[[], object], promise: str, what: str, limit_s: float | None = None
    ) -> None:
        """Take items until *reached* is true; *promise* is broken by *what* if that takes too long."""
        loop = asyncio.get_running_loop()
        last_s = loop.time() + (self.rig.limit_s if limit_s is None else limit_s)
        while not reached():
            if loop.time() > last_s:
                raise BrokenPromise(promise, what)
            if await self.take() is None and self.ended:
                raise BrokenPromise("runs", "the feed ended by itself")
            if self.rig.waits:
                await asyncio.sleep(0)

    async def settle(self) -> None:
        """Take items for as long as something unwanted may take to arrive."""
        loop = asyncio.get_running_loop()
        last_s = loop.time() + self.rig.settle_s
        while loop.time() < last_s and not self.ended:
            await self.take()

    async def ready(self, connection: int = 1) -> None:
        """Take items until an account can trade on connection number *connection* of the feed."""
        await self.until(
            lambda: self.links().count(Link.CONNECTED) >= connection and self.can_trade(),
            "runs" if connection == 1 else "lost",
            f"connection {connection} did not show a running game that can be traded on",
        )

    def can_trade(self) -> bool:
        """Return whether a game runs, on a connection that the link calls fresh."""
        game, link = self.game, self.parts.link
        fresh = link is None or link.state.value == "FRESH"
        return fresh and game is not None and bool(game.active) and not game.rugged

    # What it gave.

    def links(self) -> list[Link]:
        """Return the connection changes."""
        return [item.link for item in self.items if isinstance(item, ConnectionChanged)]

    def connections(self) -> list[list[str]]:
        """Return the inbound events of each connection."""
        found: list[list[str]] = []
        for item in self.items:
            if isinstance(item, ConnectionChanged) and item.link is Link.CONNECTED:
                found.append([])
            elif isinstance(item, Frame) and item.direction is Direction.IN and found:
                found[-1].append(item.raw)
        return found

    # The gateway.

    def command(self, kind: ActionType = ActionType.BUY, **changes: Any) -> Command:
        """Return a command that is decided now, at the newest game frame."""
        number, game = next(self.numbers), self.game
        command = Command(
            action_id=f"00000000-0000-4000-8000-{number:012d}",
            trace_id=f"{self.mark}{number:016x}",
            action_type=kind,
            game_id="" if game is None else game.game_id,
            tick=0 if game is None else game.tick or 0,
            price=1.0,
            amount=None if kind is ActionType.SELL else _STAKE,
            percentage=100 if kind is ActionType.SELL else None,
            created_ns=self.parts.now_ns(),
        )
        return evolve(command, **changes)

    async def send(self, command: Command) -> SendResult:
        """Hand *command* to the gateway and keep the result."""
        try:
            async with asyncio.timeout(self.rig.limit_s):
                result = await self.parts.gateway.send(command)
        except TimeoutError:
            raise BrokenPromise(
                "runs", f"`send` did not return in {self.rig.limit_s:g} s"
            ) from None
        except Exception as error:
            raise BrokenPromise("never-raises", f"`send` raised {error!r}") from error
        self.sendings.append(Sending(command, result))
        self._look_at_result(command, result)
        return result

    async def send_at_once(self, kind: ActionType = ActionType.BUY) -> SendResult:
        """Send a command while a game runs; what is refused for a good reason is decided again."""
        loop = asyncio.get_running_loop()
        last_s, reason = loop.time() + self.rig.limit_s, ""
        while loop.time() < last_s:
            await self.until(self.can_trade, "runs", "no game runs any more")
            result = await self.send(self.command(kind))
            if result.sent:
                return result
            reason = result.reason or ""
            await self.take()
        raise BrokenPromise("runs", f"nothing was sent while a game ran: {reason}")

    def _look_at_result(self, command: Command, result: SendResult) -> None:
        if result.action_id != command.action_id:
            self.note("result", f"it names action {result.action_id}, not {command.action_id}")
        if not result.sent:
            if not result.reason:
                self.note("not-sent", "a command was not sent for no reason")
            return
        ack_id, raw = result.ack_id, result.raw or ""
        if ack_id is None or ack_id < 1:
            self.note("result", f"ack_id was {ack_id}")
        elif not raw.startswith(f"42{ack_id}["):
            self.note("result", f"the frame begins {raw[:12]!r}, and ack_id was {ack_id}")
        if command.trace_id not in raw:
            self.note("result", "the frame does not have the trace id of its command")
        ids = [s.result.ack_id for s in self.sendings if s.result.sent]
        if ids.count(ack_id) > 1:
            self.note("result", f"ack_id {ack_id} was used before")

    async def account(self, *, lost: bool = False) -> None:
        """Compare what was handed to the gateway with what has reached the other side.

        Args:
            lost: whether the connection was lost meanwhile.
        """
        sure = [s.command.trace_id for s in self.sendings if s.result.sent and not s.result.reason]
        if not lost:
            await self.until(
                lambda: set(sure) <= set(self.rig.arrived()),
                "once",
                "a command that was sent did not arrive",
                min(5.0, self.rig.limit_s),
            )
        await self.settle()
        arrived = list(self.rig.arrived())
        for sending in self.sendings:
            times = arrived.count(sending.command.trace_id)
            if times > 1:
                self.note("never-resent" if lost else "once", f"a request arrived {times} times")
            elif times and not sending.result.sent:
                reason = sending.result.reason
                self.note("not-sent", f"a request arrived that was not sent because of {reason!r}")

    # The end.

    async def close(self) -> None:
        """Close both halves, each twice, as a session and its caller do."""
        parts = self.parts
        for half in (parts.gateway, parts.feed):
            closed = self.feed_closed and half is parts.feed
            for again in (closed, True):
                await self._within("close-twice" if again else "runs", half.aclose())
        if self._next is not None and not self.rig.waits:
            self._next.cancel()
        if self._iterator is not None:
            if self._next is not None:
                await asyncio.wait([self._next], timeout=self.rig.limit_s)
                self._next.cancel()
            await self._within("ends", self._iterator.aclose())

    async def _within(self, promise: str, closing: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(self.rig.limit_s):
                await closing
        except TimeoutError:
            self.note(promise, f"closing did not return within {self.rig.limit_s:g} s")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
            self.note(promise, f"closing raised {error!r}")


class _Ended(Exception):
    """An iterator has ended: a task cannot raise StopAsyncIteration."""


UNDER_TEST: Final[ContextVar[bool]] = ContextVar("under_test", default=False)
"""Whether what runs now belongs to the venue: tasks of its other side do not, also in the same event loop."""


@define(eq=False)
class TaskWatch:
    """Knows the tasks that a venue starts: those that are made where :data:`UNDER_TEST` is set."""

    _tasks: WeakSet[asyncio.Future[Any]] = field(factory=WeakSet)
    _before: Any = None

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any
    ) -> asyncio.Future[Any]:
        """Make a task, as the event loop's task factory."""
        make = self._before or (lambda on, work, **rest: asyncio.Task(work, loop=on, **rest))
        task: asyncio.Future[Any] = make(loop, coroutine, **more)
        if UNDER_TEST.get():
            self._tasks.add(task)
        return task

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Watch during the block."""
        loop = asyncio.get_running_loop()
        self._before = loop.get_task_factory()
        loop.set_task_factory(self)
        try:
            yield
        finally:
            loop.set_task_factory(self._before)

    def running(self) -> list[asyncio.Future[Any]]:
        """Return the tasks that are not done."""
        return [task for task in self._tasks if not task.done()]


def open_channels() -> int:
    """Return how many sockets and pipes this process has open."""
    return sum(map(_is_channel, _numbers()))


def _numbers() -> Sequence[int]:
    folder = next(path for path in _DESCRIPTORS if path.exists())
    return [int(path.name) for path in folder.iterdir()]


def _is_channel(number: int) -> bool:
    try:
        mode = os.fstat(number).st_mode
    except OSError:
        return False  # the one that listed the folder
    return stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode)


__all__ = ["UNDER_TEST", "BrokenPromise", "Sending", "TaskWatch", "VenueDriver", "open_channels"]
