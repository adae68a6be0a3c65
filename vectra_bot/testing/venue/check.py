"""The contract suite of a venue: situations of a session, and what must be true in each.

Each scenario opens a venue, drives it as a session does and closes it. A promise that is broken ends its
scenario or is noted, and the others run; so a report has the first thing that went wrong for each promise.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from itertools import count
from typing import Any, Final

from attrs import define, field

from vectra_bot.models import ActionType, ConnectionChanged, Frame, Link
from vectra_bot.testing.venue.driver import (
    UNDER_TEST,
    BrokenPromise,
    TaskWatch,
    VenueDriver,
    open_channels,
)
from vectra_bot.testing.venue.promises import PROMISES, VenueReport
from vectra_bot.testing.venue.rig import VenueRig
from vectra_bot.venues.base import Feed, Gateway

_EVENT: Final = "42"
_FLOOD_LOOKS: Final = 5  # times as long as something unwanted may take
_CLOSED_S: Final = 3.0
_FLOODS: Final = 4
BUY: Final = ActionType.BUY
SELL: Final = ActionType.SELL


class _Log(logging.Handler):
    """Keeps every log line."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@define(eq=False)
class _Suite:
    """The check of one rig."""

    rig: VenueRig
    broken: dict[str, str] = field(factory=dict)
    reasons: dict[str, str] = field(factory=dict)
    said: list[str] = field(factory=list)
    tasks: TaskWatch = field(factory=TaskWatch)
    _outside: Context = field(factory=copy_context)
    _numbers: count[int] = field(factory=lambda: count(1))
    _mark: str = field(factory=lambda: os.urandom(8).hex())

    def broke(self, error: BrokenPromise) -> None:
        self.broken.setdefault(error.promise, error.what)

    def skip(self, why: str, *promises: str) -> None:
        self.reasons.update(dict.fromkeys(promises, why))

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueDriver]:
        """Open a venue, and close it after the block; what is broken is recorded."""
        before, mark = open_channels(), UNDER_TEST.set(True)
        driver = VenueDriver(self.rig, self.rig.open(), self._numbers, self._mark)
        try:
            yield driver
        except BrokenPromise as error:
            self.broke(error)
        except Exception as error:  # noqa: BLE001 - whatever a venue raises is a finding
            self.broke(BrokenPromise("runs", f"{type(error).__name__}: {error}"))
        try:
            await driver.close()
            if self.rig.secrets:
                self.said += _said_by(driver)
            await _look_at_rest(driver)
            await self._look_at_opened(driver, before)
        except BrokenPromise as error:
            self.broke(error)
        UNDER_TEST.reset(mark)
        _look_at_items(driver)
        _look_at_frames(driver)
        for trouble in driver.trouble:
            self.broke(trouble)

    async def outside(self, act: Awaitable[object]) -> None:
        """Let the other side act: what it starts does not belong to the venue."""

        async def acting() -> None:
            await act

        await asyncio.create_task(acting(), context=self._outside)

    async def _look_at_opened(self, driver: VenueDriver, before: int) -> None:
        """Wait a moment until a closed venue has nothing open, unless one has left something before."""
        if "nothing-open" in self.broken:
            return
        loop = asyncio.get_running_loop()
        last_s = loop.time() + min(_CLOSED_S, self.rig.limit_s)
        while self.tasks.running() or open_channels() > before:
            if loop.time() > last_s:
                break
            await asyncio.sleep(0.02)
        for task in self.tasks.running():
            driver.note("nothing-open", f"a task runs: {task!r}"[:200])
        if (more := open_channels() - before) > 0:
            driver.note("nothing-open", f"{more} sockets or pipes are open")

    async def run(self) -> None:
        """Run every scenario that the rig allows."""
        for scenario in _SCENARIOS:
            if "parts" in self.broken:
                others = [name for name in PROMISES if name != "parts"]
                self.skip("the parts are not those of a venue", *others)
            else:
                await scenario(self)

    def look_at_secrets(self, lines: list[str]) -> None:
        """Look for the secrets in everything that was said."""
        for text in [*lines, *self.said]:
            if any(secret in text for secret in self.rig.secrets):
                shown = text
                for secret in self.rig.secrets:
                    shown = shown.replace(secret, "(the secret)")
                self.broke(BrokenPromise("secrets", shown[:200]))


# Scenarios.


async def _trades(suite: _Suite) -> None:
    """Orders are sent, acknowledged and accounted for; a command that nothing can carry is not sent."""
    async with suite.venue() as driver:
        _look_at_parts(driver)
        if not suite.rig.waits:
            await _nothing_sent(driver, "no-link", BUY)
        await driver.ready()
        for kind in (BUY, SELL, BUY):
            result = await driver.send_at_once(kind)
            await driver.until(
                lambda: _answer_to(driver, result.ack_id),  # noqa: B023 - awaited here
                "answers",
                f"no acknowledgement of request {result.ack_id} was given",
                min(10.0, suite.rig.limit_s),
            )
        carried = await driver.send(driver.command(ActionType.BET_INCREMENT))
        if carried.sent:
            driver.note("not-sent", "a bet adjustment, which no request carries, was sent")
        await driver.account()
        await _look_for_written(driver)
    if suite.rig.waits:
        return
    suite.skip("the feed does not wait", "waits")


async def _waits(suite: _Suite) -> None:
    """A feed that waits lets nothing happen while nothing is requested."""
    if not suite.rig.waits:
        return
    async with suite.venue() as driver:
        await driver.ready()
        before = sum(map(len, suite.rig.written()))
        await asyncio.sleep(suite.rig.settle_s)
        after = sum(map(len, suite.rig.written()))
        if after != before:
            driver.note("waits", f"{after - before} frames were written meanwhile")


async def _iterates(suite: _Suite) -> None:
    """Iteration gives the items, and ends when the feed is closed."""
    async with suite.venue() as driver:
        feed = driver.parts.feed

        async def read() -> None:
            async for item in feed:
                driver.items.append(item)
                await asyncio.sleep(0)

        reading = asyncio.create_task(read())
        loop = asyncio.get_running_loop()
        last_s = loop.time() + suite.rig.limit_s
        while not any(isinstance(item, Frame) for item in tuple(driver.items)):
            if reading.done() or loop.time() > last_s:
                break
            await asyncio.sleep(0.005)
        else:
            await feed.aclose()
            driver.feed_closed = True
            await asyncio.wait([reading], timeout=suite.rig.limit_s)
            if not reading.done():
                driver.note("ends", "the iteration continued after the feed was closed")
        if not reading.done():
            reading.cancel()
        await asyncio.wait([reading])
        if not reading.cancelled() and reading.exception() is not None:
            raise BrokenPromise("ends", f"iterating raised {reading.exception()!r}")


async def _stops(suite: _Suite) -> None:
    """Nothing is sent from a stop on, exits included."""
    stop = suite.rig.stop
    if stop is None:
        suite.skip("the rig has no stop flag", "stop")
        return
    async with suite.venue() as driver:
        await driver.ready()
        await driver.send_at_once()
        stop("the contract is checked")
        await _nothing_sent(driver, "stop", BUY, SELL)
        await driver.account()


async def _cuts(suite: _Suite) -> None:
    """Nothing is sent after a cut by another thread."""
    async with suite.venue() as driver:
        cut = driver.parts.cut
        if cut is None:
            suite.skip("the venue has no cut", "cut")
            return
        await driver.ready()
        await asyncio.to_thread(cut)
        await _nothing_sent(driver, "cut", BUY, SELL)
        await driver.account()


async def _loses(suite: _Suite) -> None:
    """A connection is lost with orders in flight: reported, replaced, and nothing is sent twice."""
    drop = suite.rig.drop
    if drop is None:
        why = "the rig cannot end a connection"
        suite.skip(why, "lost", "stale", "never-resent", "epochs")
        if suite.rig.waits:
            suite.skip(why, "no-link")
        return
    async with suite.venue() as driver:
        if driver.parts.link is None:
            suite.skip("the venue has no link", "epochs")
        await driver.ready()
        old = [driver.command(kind) for kind in (BUY, SELL)]
        await driver.send_at_once()
        await driver.until(
            lambda: driver.sendings[-1].command.trace_id in suite.rig.arrived(),
            "once",
            "a command that was sent did not arrive",
            min(5.0, suite.rig.limit_s),
        )
        await asyncio.gather(driver.send(driver.command()), suite.outside(drop()))
        await driver.send(driver.command(SELL))
        await driver.until(
            lambda: Link.DISCONNECTED in driver.links(), "lost", "the loss was not reported"
        )
        _look_at_loss(driver)
        # Decided when the session learned of it, as its clock is that of the item.
        at_ns = driver.items[-1].recv_ns
        await _nothing_sent(driver, "no-link", BUY, SELL, created_ns=at_ns)
        await driver.ready(2)
        for command in old:
            result = await driver.send(command)
            if result.sent:
                driver.note("stale", f"a {command.action_type.value} of connection 1 was sent on 2")
        await driver.send_at_once()
        _look_at_epochs(driver)
        await driver.account(lost=True)


async def _floods(suite: _Suite) -> None:
    """A session that takes nothing loses what its queue cannot hold, and gets the number."""
    flood, most = suite.rig.flood, suite.rig.queue_frames
    if suite.rig.waits:
        suite.skip("a feed that waits has no queue", "queue")
        return
    if flood is None or most is None:
        suite.skip("the rig cannot write more than the queue holds", "queue")
        return
    async with suite.venue() as driver:
        await driver.ready()
        before = sum(map(len, driver.connections()))
        await suite.outside(flood(_FLOODS * most))
        await asyncio.sleep(_FLOOD_LOOKS * suite.rig.settle_s)
        await driver.until(
            lambda: Link.DISCONNECTED in driver.links() or _frames_after(driver, before) > 2 * most,
            "queue",
            f"{_FLOODS * most} frames were written, and no end of the connection was reported",
        )
        given = _frames_after(driver, before)
        ends = [i for i in driver.items if isinstance(i, ConnectionChanged) and i.lost_frames]
        if given > 2 * most:
            driver.note("queue", f"{given} frames were queued, more than {most}")
        elif not ends:
            driver.note("queue", "frames were lost, and the end of the connection counts none")


_SCENARIOS: Final[tuple[Callable[[_Suite], Awaitable[None]], ...]] = (
    _trades,
    _waits,
    _iterates,
    _stops,
    _cuts,
    _loses,
    _floods,
)


# What must be true.


async def _nothing_sent(
    driver: VenueDriver, promise: str, *kinds: ActionType, **changes: Any
) -> None:
    for kind in kinds:
        result = await driver.send(driver.command(kind, **changes))
        if result.sent:
            driver.note(promise, f"a {kind.value} was sent")


def _answer_to(driver: VenueDriver, ack_id: int | None) -> bool:
    begins = f"43{ack_id}["
    return any(raw.startswith(begins) for raw in driver.connections()[-1])


def _frames_after(driver: VenueDriver, before: int) -> int:
    return sum(map(len, driver.connections())) - before


def _look_at_parts(driver: VenueDriver) -> None:
    feed, gateway = driver.parts.feed, driver.parts.gateway
    halves: list[tuple[Any, type]] = [(feed, Feed), (gateway, Gateway)]
    if not all(isinstance(half, kind) for half, kind in halves):
        raise BrokenPromise("parts", "a method of Feed or Gateway is missing")
    needed = () if driver.rig.waits else ("next_item", "rest")
    missing = [name for name in needed if not callable(getattr(feed, name, None))]
    if missing:
        raise BrokenPromise("parts", f"the feed has no {' and no '.join(missing)}")
    if not feed.venue or feed.venue != feed.venue.strip():
        driver.note("parts", f"the venue's name was {feed.venue!r}")


def _look_at_items(driver: VenueDriver) -> None:
    """Compare the order of all items with what a session relies on."""
    connected, before_ns = False, 0
    for item in driver.items:
        if item.recv_ns < before_ns:
            driver.note("times", f"{item.recv_ns} ns came after {before_ns}")
        before_ns = max(before_ns, item.recv_ns)
        if isinstance(item, ConnectionChanged):
            if item.link is Link.CONNECTING:
                continue
            if connected is (item.link is Link.CONNECTED):
                driver.note("connected", f"{item.link.value} came twice")
            connected = item.link is Link.CONNECTED
        elif not connected and isinstance(item, Frame):
            driver.note("connected", "a frame came without a connection")


async def _look_for_written(driver: VenueDriver) -> None:
    """Wait until what is written by now was given."""
    written = [len(_events(texts)) for texts in driver.rig.written()]
    await driver.until(
        lambda: all(
            len(_events(given)) >= number
            for given, number in zip(driver.connections(), written, strict=False)
        ),
        "frames",
        f"of {sum(written)} frames that were written not all were given",
        min(10.0, driver.rig.limit_s),
    )


def _look_at_frames(driver: VenueDriver) -> None:
    """Compare the events that the feed gave with those that the other side wrote, by connection."""
    written = driver.rig.written()
    if len(driver.connections()) > len(written):
        driver.note("connected", f"more connections were reported than the {len(written)} made")
    for given, texts in zip(driver.connections(), written, strict=False):
        ours, theirs = _events(given), _events(texts)
        if driver.rig.adds_frames:
            known = set(theirs)
            ours = [raw for raw in ours if raw in known]
        for number, (raw, text) in enumerate(zip(ours, theirs, strict=False)):
            if raw != text:
                what = f"frame {number} was {raw[:80]!r}, and {text[:80]!r} was written"
                driver.note("frames", what)
                break
        else:
            if len(ours) > len(theirs):
                driver.note("frames", f"{len(ours)} frames were given, {len(theirs)} written")


def _events(texts: Any) -> list[str]:
    return [text for text in texts if text.startswith(_EVENT)]


def _look_at_loss(driver: VenueDriver) -> None:
    ends = [item for item in driver.items if isinstance(item, ConnectionChanged)]
    if not next(item.reason for item in ends if item.link is Link.DISCONNECTED):
        driver.note("lost", "the end of the connection has no reason")


def _look_at_epochs(driver: VenueDriver) -> None:
    link = driver.parts.link
    if link is not None and link.epoch != driver.links().count(Link.CONNECTED):
        seen = driver.links().count(Link.CONNECTED)
        driver.note("epochs", f"the link was in epoch {link.epoch} after {seen} connections")


async def _look_at_rest(driver: VenueDriver) -> None:
    """Look at a venue that is closed: what was received before may follow, and nothing else."""
    if driver.parts.link is not None and driver.parts.link.state.value == "FRESH":
        driver.note("epochs", "the link is FRESH after it was closed")
    result = await driver.send(driver.command())
    if result.sent:
        driver.note("closed", "a command was sent after the gateway was closed")
    feed: Any = driver.parts.feed
    if driver.rig.waits or not callable(getattr(feed, "rest", None)):
        return
    most = 1 + sum(map(len, driver.rig.written())) + len(driver.items)
    for _ in range(most):
        item = feed.rest()
        if item is None:
            break
        driver.keep(item)
    else:
        driver.note("closed", "a closed feed has more items than were ever written")
    await asyncio.sleep(driver.rig.settle_s)
    if feed.rest() is not None:
        driver.note("closed", "an item came after the feed was closed")


def _said_by(driver: VenueDriver) -> list[str]:
    parts = driver.parts
    objects = [parts, parts.feed, parts.gateway, parts.link, *driver.items, *driver.sendings]
    inner = [value for whole in objects[1:4] for value in getattr(whole, "__dict__", {}).values()]
    return [f"{thing!r} {thing}" for thing in [*objects, *inner]]


async def check_venue(rig: VenueRig) -> VenueReport:
    """Check what a venue promises to a session, in scenarios that take some seconds each.

    Args:
        rig: the venue, and its other side.

    Returns:
        The promises that are kept, those that are broken with what happened, and those that were not checked.

    Example:
        ``assert (await check_venue(embedded_rig())).ok``
    """
    suite, log, root = _Suite(rig), _Log(), logging.getLogger()
    level = root.level
    if rig.secrets:
        root.addHandler(log)
        root.setLevel(logging.DEBUG)
    else:
        suite.skip("the rig names no secret", "secrets")
    try:
        with suite.tasks.installed():
            await suite.run()
    finally:
        root.removeHandler(log)
        root.setLevel(level)
    suite.look_at_secrets(log.lines)
    not_asked: Mapping[str, str] = {
        name: why for name, why in suite.reasons.items() if name not in suite.broken
    }
    broken = {name: suite.broken[name] for name in PROMISES if name in suite.broken}
    kept = tuple(name for name in PROMISES if name not in broken and name not in not_asked)
    return VenueReport(kept, broken, not_asked)


__all__ = ["check_venue"]
