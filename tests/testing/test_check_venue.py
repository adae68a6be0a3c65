"""The contract suite names the promise that a venue breaks: the toy venue of the docs with planted faults."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from vectra_bot.models import (
    ActionType,
    Command,
    ConnectionChanged,
    Frame,
    Link,
    SendResult,
)
from vectra_bot.testing import VenueParts, VenueReport, check_venue, embedded_rig
from vectra_bot.testing.venue.promises import PROMISES
from vectra_bot.venues.base import FeedItem
from vectra_bot.venues.link import LinkStage

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS))

import toy_venue  # noqa: E402
from toy_rig import TOKEN, toy_rig  # noqa: E402
from toy_venue import ToyFeed, ToyGateway, ToyLink  # noqa: E402

LINES_OF_A_VENUE = 200


class NoRest(ToyFeed):
    """It cannot be drained."""

    rest = None  # type: ignore[assignment]

    async def next_item(self, timeout_s: float) -> FeedItem | None:
        """Return the next item."""
        await asyncio.sleep(timeout_s)
        return None


class Raises(ToyFeed):
    """It raises in the middle of a game."""

    async def next_item(self, timeout_s: float) -> FeedItem | None:
        """Return the next item, or raise."""
        item = await super().next_item(timeout_s)
        if isinstance(item, Frame) and '"tickCount":2}' in item.raw:
            raise ValueError(item.raw)
        return item


class Changed(ToyFeed):
    """It changes what it received."""

    def changed(self, item: FeedItem) -> list[FeedItem]:
        """Return what is queued in place of *item*."""
        return [item]

    def _put(self, item: FeedItem) -> None:
        for each in self.changed(item):
            super()._put(each)


class EarlyFrame(Changed):
    """It gives a frame before the connection."""

    def changed(self, item: FeedItem) -> list[FeedItem]:
        """Return a frame first."""
        connected = isinstance(item, ConnectionChanged) and item.link is Link.CONNECTED
        return [Frame(item.recv_ns, '43999999["early"]'), item] if connected else [item]


class TwiceConnected(Changed):
    """It reports a connection twice."""

    def changed(self, item: FeedItem) -> list[FeedItem]:
        """Return a connection twice."""
        connected = isinstance(item, ConnectionChanged) and item.link is Link.CONNECTED
        return [item, item] if connected else [item]


class BackInTime(Changed):
    """Its clock steps back."""

    def changed(self, item: FeedItem) -> list[FeedItem]:
        """Return one frame with an earlier time."""
        early = isinstance(item, Frame) and '"tickCount":3}' in item.raw
        return [evolve(item, recv_ns=item.recv_ns - 10**9)] if early else [item]


class Forgets(Changed):
    """It loses a frame."""

    def changed(self, item: FeedItem) -> list[FeedItem]:
        """Return nothing for one frame."""
        return [] if isinstance(item, Frame) and '"tickCount":3}' in item.raw else [item]


class Doubles(Changed):
    """It gives a frame twice."""

    def changed(self, item: FeedItem) -> list[FeedItem]:
        """Return one frame twice."""
        return [item] * (1 + (isinstance(item, Frame) and '"tickCount":3}' in item.raw))


class Rewrites(Changed):
    """It serializes frames again."""

    def changed(self, item: FeedItem) -> list[FeedItem]:
        """Return the same value in another text."""
        if not isinstance(item, Frame) or not item.raw.startswith("42["):
            return [item]
        return [evolve(item, raw="42" + json.dumps(json.loads(item.raw[2:])))]


class Swaps(Changed):
    """It gives two frames in the wrong order."""

    held: FeedItem | None = None

    def changed(self, item: FeedItem) -> list[FeedItem]:
        """Return one frame after the next one."""
        if isinstance(item, Frame) and '"tickCount":3}' in item.raw:
            self.held = item
            return []
        held, self.held = self.held, None
        if held is None:
            return [item]
        after = [item, evolve(held, recv_ns=item.recv_ns)]
        return after if isinstance(item, Frame) else [held, item]


class DropsAnswers(Changed):
    """It keeps acknowledgements to itself."""

    def changed(self, item: FeedItem) -> list[FeedItem]:
        """Return nothing for an acknowledgement."""
        return [] if isinstance(item, Frame) and item.raw.startswith("43") else [item]


class Uncounted(Changed):
    """It does not say how much was lost."""

    def changed(self, item: FeedItem) -> list[FeedItem]:
        """Return the end without its count."""
        return [evolve(item, lost_frames=0) if isinstance(item, ConnectionChanged) else item]


class NoReason(Changed):
    """It does not say why the connection ended."""

    def changed(self, item: FeedItem) -> list[FeedItem]:
        """Return the end without its reason."""
        return [evolve(item, reason="") if isinstance(item, ConnectionChanged) else item]


class NoEnd(Changed):
    """It reports no end of a connection."""

    def changed(self, item: FeedItem) -> list[FeedItem]:
        """Return nothing for an end."""
        ended = isinstance(item, ConnectionChanged) and item.link is Link.DISCONNECTED
        return [] if ended else [item]


class Once(ToyFeed):
    """It never connects again."""

    async def _run(self) -> None:
        with suppress(OSError):
            await self._serve(await self._link.connect())


class KeepsIterating(ToyFeed):
    """Its iteration outlives it."""

    async def __aiter__(self) -> AsyncGenerator[FeedItem, None]:
        """Yield items until the task is cancelled."""
        while True:
            item = await self.next_item(0.05)
            if item is not None:
                yield item


class TalksOn(ToyFeed):
    """It receives after it was closed."""

    async def aclose(self) -> None:
        """Close, and have another item later."""
        await super().aclose()
        late = ConnectionChanged(recv_ns=self._link.clock.now_ns(), link=Link.CONNECTING)
        asyncio.get_running_loop().call_later(0.02, self._items.append, late)


class ClosesOnce(ToyFeed):
    """It cannot be closed twice."""

    async def aclose(self) -> None:
        """Close, or raise the second time."""
        if self._closed:
            raise RuntimeError("closed already")
        await super().aclose()


class LeavesTask(ToyFeed):
    """It leaves a task behind."""

    async def aclose(self) -> None:
        """Close, and start something."""
        self.left = asyncio.create_task(asyncio.sleep(5))
        await super().aclose()


class LeavesSocket(ToyFeed):
    """It leaves a socket behind."""

    left: list[socket.socket] = []  # noqa: RUF012 - closed by the test

    async def aclose(self) -> None:
        """Close, and open something."""
        self.left.append(socket.socket())
        await super().aclose()


class ShowsToken(ToyFeed):
    """Its representation has the token."""

    def __repr__(self) -> str:
        return f"ToyFeed({self._link._login()!r})"


class LogsToken(ToyLink):
    """It logs the login."""

    async def connect(self) -> asyncio.StreamReader:
        """Connect, and log what was sent."""
        logging.getLogger("toy").debug("sent %r", self._login())
        return await super().connect()


class NoEpochs(ToyLink):
    """It does not count connections."""

    async def connect(self) -> asyncio.StreamReader:
        """Connect as if for the first time."""
        self.epoch = 0
        return await super().connect()


class AlwaysFresh(ToyLink):
    """It is FRESH whatever happens."""

    @property
    def state(self) -> LinkStage:
        """Return FRESH."""
        return LinkStage.FRESH


class Uncut(ToyLink):
    """It cannot be cut."""

    def cut(self) -> None:
        """Do nothing."""


class Resends(ToyLink):
    """It repeats on a new connection what was sent on the one before."""

    before: bytes = b""

    async def connect(self) -> asyncio.StreamReader:
        """Connect, and send the earlier requests again."""
        reader = await super().connect()
        assert self.writer is not None
        self.writer.write(self.before)
        return reader


class Remembers(ToyGateway):
    """It lets the link repeat requests."""

    async def send(self, command: Command) -> SendResult:
        """Send, and remember it."""
        result = await super().send(command)
        if result.raw is not None:
            self._link.before += result.raw.encode() + b"\n"  # type: ignore[attr-defined]
        return result


class Other(ToyGateway):
    """It changes its result."""

    def changed(self, result: SendResult) -> SendResult:
        """Return another result."""
        return result

    async def send(self, command: Command) -> SendResult:
        """Send, and return something else."""
        return self.changed(await super().send(command))


class Twice(Other):
    """It writes a request twice."""

    def changed(self, result: SendResult) -> SendResult:
        """Write it again."""
        if result.raw is not None and self._link.writer is not None:
            self._link.writer.write(result.raw.encode() + b"\n")
        return result


class Pretends(ToyGateway):
    """It writes nothing, and says that it did."""

    async def send(self, command: Command) -> SendResult:
        """Return a result that is not true."""
        writer, self._link.writer = self._link.writer, Nowhere() if self._link.writer else None  # type: ignore[assignment]
        try:
            return await super().send(command)
        finally:
            self._link.writer = writer


class Nowhere:
    """A writer to nowhere."""

    def __init__(self) -> None:
        self.transport = self

    def write(self, _: bytes) -> None:
        """Do nothing."""

    def is_closing(self) -> bool:
        """Return False."""
        return False

    def get_write_buffer_size(self) -> int:
        """Return 0."""
        return 0


class SameId(Other):
    """Its acknowledgement ids repeat."""

    def changed(self, result: SendResult) -> SendResult:
        """Count from 1 again."""
        self._ack_id = 0
        return result


class NoRaw(Other):
    """It does not say what it wrote."""

    def changed(self, result: SendResult) -> SendResult:
        """Return no frame."""
        return evolve(result, raw="42[]" if result.sent else None)


class WrongAction(Other):
    """Its result is another action's."""

    def changed(self, result: SendResult) -> SendResult:
        """Return another action's id."""
        return evolve(result, action_id="00000000-0000-4000-8000-000000009999")


class Denies(Other):
    """It says that a request was not sent which it has written."""

    times = 0

    def changed(self, result: SendResult) -> SendResult:
        """Deny the second request."""
        self.times += result.sent
        if not result.sent or self.times != 2:
            return result
        return evolve(result, sent=False, ack_id=None, raw=None, reason="it seems so")


class Unexplained(Other):
    """It does not say why something was not sent."""

    def changed(self, result: SendResult) -> SendResult:
        """Return no reason."""
        return result if result.sent else evolve(result, reason=None)


class Throws(ToyGateway):
    """It raises for a command that no request carries."""

    async def send(self, command: Command) -> SendResult:
        """Send, or raise."""
        if command.action_type is ActionType.BET_INCREMENT:
            raise KeyError(command.action_type)
        return await super().send(command)


class Claims(ToyGateway):
    """It ignores a reason not to send: without a connection it says that it has sent."""

    ignored = ("link", "epoch")

    def _objection(self, command: Command) -> str | None:
        reason = super()._objection(command)
        return None if (reason or "").startswith(self.ignored) else reason

    async def send(self, command: Command) -> SendResult:
        """Send, or pretend to."""
        if self._objection(command) is None and self._link.writer is None:
            self._ack_id += 1
            raw = f'42{self._ack_id}["{command.trace_id}"]'
            return SendResult(
                recv_ns=self._link.clock.now_ns(), action_id=command.action_id, sent=True,
                ack_id=self._ack_id, raw=raw,
            )  # fmt: skip
        return await super().send(command)


class Stale(Claims):
    """It sends what was decided on an earlier connection."""

    ignored = ("epoch",)


class Unstoppable(ToyGateway):
    """It does not look at the stop flag."""

    def _objection(self, command: Command) -> str | None:
        stopped, self._stopped = self._stopped, lambda: None
        try:
            return super()._objection(command)
        finally:
            self._stopped = stopped


class StopsEntries(Unstoppable):
    """A stop does not hold for exits."""

    def _objection(self, command: Command) -> str | None:
        entry = command.action_type.is_entry
        return ToyGateway._objection(self, command) if entry else super()._objection(command)


class IgnoresCut(ToyGateway):
    """It sends after a cut."""

    def _objection(self, command: Command) -> str | None:
        self._link.was_cut = False
        return super()._objection(command)


class SendsAfterClosing(Claims):
    """It says that it sends after it was closed."""

    def _objection(self, command: Command) -> str | None:
        return None if self._closed else ToyGateway._objection(self, command)


ALONG: dict[type, set[str]] = {
    TwiceConnected: {"frames", "epochs"},
    Twice: {"never-resent"},
    Pretends: {"answers"},
    Claims: {"stale", "once"},
    NoEnd: {"connected", "queue"},
}
"""Promises that a fault breaks besides the one that it is planted for."""

FAULTS: list[tuple[str, dict[str, type]]] = [
    ("parts", {"feed_type": NoRest}),
    ("runs", {"feed_type": Raises}),
    ("connected", {"feed_type": EarlyFrame}),
    ("connected", {"feed_type": TwiceConnected}),
    ("times", {"feed_type": BackInTime}),
    ("frames", {"feed_type": Forgets}),
    ("frames", {"feed_type": Doubles}),
    ("frames", {"feed_type": Rewrites}),
    ("frames", {"feed_type": Swaps}),
    ("answers", {"feed_type": DropsAnswers}),
    ("queue", {"feed_type": Uncounted}),
    ("once", {"gateway_type": Twice}),
    ("once", {"gateway_type": Pretends}),
    ("result", {"gateway_type": SameId}),
    ("result", {"gateway_type": NoRaw}),
    ("result", {"gateway_type": WrongAction}),
    ("not-sent", {"gateway_type": Denies}),
    ("not-sent", {"gateway_type": Unexplained}),
    ("never-raises", {"gateway_type": Throws}),
    ("lost", {"feed_type": NoReason}),
    ("lost", {"feed_type": NoEnd}),
    ("lost", {"feed_type": Once}),
    ("epochs", {"link_type": NoEpochs}),
    ("epochs", {"link_type": AlwaysFresh}),
    ("no-link", {"gateway_type": Claims}),
    ("stale", {"gateway_type": Stale}),
    ("never-resent", {"link_type": Resends, "gateway_type": Remembers}),
    ("stop", {"gateway_type": Unstoppable}),
    ("stop", {"gateway_type": StopsEntries}),
    ("cut", {"link_type": Uncut, "gateway_type": IgnoresCut}),
    ("closed", {"gateway_type": SendsAfterClosing}),
    ("closed", {"feed_type": TalksOn}),
    ("ends", {"feed_type": KeepsIterating}),
    ("close-twice", {"feed_type": ClosesOnce}),
    ("nothing-open", {"feed_type": LeavesTask}),
    ("nothing-open", {"feed_type": LeavesSocket}),
    ("secrets", {"feed_type": ShowsToken}),
    ("secrets", {"link_type": LogsToken}),
]


def named(fault: tuple[str, dict[str, type]]) -> str:
    """Return the id of a fault's test."""
    return "-".join([fault[0], *(kind.__name__ for kind in fault[1].values())])


async def checked(**types: Any) -> VenueReport:
    """Check the toy venue, with other types."""
    async with toy_rig(**types) as rig:
        return await check_venue(evolve(rig, settle_s=0.05, limit_s=3.0))


async def test_the_toy_venue_keeps_the_contract() -> None:
    """It is a venue, in the lines that the docs promise."""
    report = await checked()
    lines = (DOCS / "toy_venue.py").read_text(encoding="utf-8").splitlines()

    assert report.ok, str(report)
    assert set(report.not_asked) == {"waits"}
    assert set(report.kept) == PROMISES.keys() - {"waits"}
    assert len(lines) <= LINES_OF_A_VENUE


@pytest.mark.parametrize(("promise", "types"), FAULTS, ids=map(named, FAULTS))
async def test_a_fault_is_named(promise: str, types: dict[str, type]) -> None:
    """The report names the promise that the fault breaks, and says what happened."""
    report = await checked(**types)
    for left in LeavesSocket.left:
        left.close()

    assert promise in report.broken, str(report)
    along = set().union(*(ALONG.get(kind, set()) for kind in types.values()))
    assert set(report.broken) <= {promise} | along, str(report)
    assert TOKEN not in str(report)


async def test_a_queue_without_a_limit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue that keeps everything that it received would fill the memory."""
    monkeypatch.setattr(toy_venue, "QUEUE", 10**9)
    report = await checked()

    assert set(report.broken) == {"queue"}, str(report)


async def test_a_feed_that_does_not_wait_is_named() -> None:
    """An exchange that runs ahead of the session is noticed."""
    rig = evolve(embedded_rig(), limit_s=2.0)
    running: list[asyncio.Task[None]] = []

    def opened() -> VenueParts:
        parts = rig.open()

        async def run_ahead() -> None:
            while True:
                parts.gateway._venue.exchange.step()  # type: ignore[attr-defined]
                await asyncio.sleep(0.01)

        running.append(asyncio.create_task(run_ahead()))
        return parts

    report = await check_venue(evolve(rig, open=opened))
    for task in running:
        task.cancel()

    assert "waits" in report.broken, str(report)


def test_every_promise_has_a_planted_fault() -> None:
    """No promise is checked by something that cannot fail."""
    assert {promise for promise, _ in FAULTS} | {"waits"} == PROMISES.keys()


def test_the_page_lists_every_promise() -> None:
    """The table of the page has each promise with its sentence."""
    page = (DOCS / "venues.md").read_text(encoding="utf-8")
    table = page.partition("| name | promise |\n")[2]

    assert re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", table, re.MULTILINE) == list(PROMISES.items())


def test_a_report_is_readable() -> None:
    """One line for each promise that is broken or was not checked."""
    report = VenueReport(("parts",), {"once": "a request arrived 2 times"}, {"cut": "no cut"})

    assert not report.ok
    assert str(report).splitlines() == [
        "once: broken (a command that was sent reaches the venue once): a request arrived 2 times",
        "cut: not checked: no cut",
        "1 promises kept",
    ]
