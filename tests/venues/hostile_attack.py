"""Sends the corpus to a venue that is read all the time, and lists what was wrong."""

from __future__ import annotations

import asyncio
from collections import Counter

from attrs import define, field

from tests.venues.hostile_corpus import Hostile, Link
from tests.venues.live_kit import Watched
from tests.venues.raw_venue import RawVenue
from tests.venues.scripted import tick
from vectra_bot.models import ConnectionChanged, Direction, Frame
from vectra_bot.models import Link as LinkChange

BACK_S = 20.0
"""Longest wait for the next tick; a machine that is busy needs more than the three seconds of the goal."""
_TICK = tick(0)[:60]
_STEADY = 5  # looks
_EVENTS = ("42", "45", "46", "47", "48", "49")


@define(eq=False)
class Attack:
    """One venue under attack.

    Attributes:
        raw: the venue.
        seen: what is attacked.
        pages: whether a page's client decides about the connection.
        back_s: how long each entry kept ticks away, by its name.
        problems: what was wrong, one line each.
    """

    raw: RawVenue
    seen: Watched
    pages: bool = False
    back_s: dict[str, float] = field(factory=dict)
    problems: list[str] = field(factory=list)

    async def send(self, entry: Hostile) -> None:
        """Send one entry, wait for the ticks after it, and account for its messages."""
        try:
            await self._settled()
        except TimeoutError:
            self.problems.append(f"before {entry.name}: the link was not back within {BACK_S:g} s")
            return
        counts, items = self.seen.venue.feed.counts, self.seen.items
        first, counted, ends = len(items), counts.refused + counts.stray_acks, self._ends()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self.raw.attack(entry)
        mark = self.raw.number
        try:
            await self.seen.until(lambda: self._newest(first) > mark, BACK_S)
        except TimeoutError:
            self.problems.append(f"{entry.name}: no tick within {BACK_S:g} s")
            return
        self.back_s[entry.name] = loop.time() - began_s
        ended = self._ends() - ends
        counted = counts.refused + counts.stray_acks - counted
        if entry.link is Link.LIVES and ended and not self.pages:
            self.problems.append(f"{entry.name}: the connection ended ({self._reason()})")
        # Of words, not of bytes, the page's client decides.
        if entry.link is Link.ENDS and not ended and not (self.pages and entry.texts):
            self.problems.append(f"{entry.name}: the connection did not end")
        given = Counter(item.raw for item in items[first:] if isinstance(item, Frame))
        passed = sum(min(given[raw], number) for raw, number in Counter(entry.texts).items() if raw)
        if not ended and passed + counted < len(entry.texts):
            self.problems.append(
                f"{entry.name}: of {len(entry.texts)} messages {passed} were given and {counted} counted"
            )

    def in_order(self) -> None:
        """Compare what was given with what was sent, by connection."""
        peers = iter(self.raw.peers)
        for number, given in enumerate(self._connections()):
            ours = [raw for raw in given if raw.startswith(_EVENTS)]
            first = next((raw for raw in ours if raw.startswith(_TICK)), "")
            # A page makes connections that end before the session takes them.
            theirs = next((peer.texts for peer in peers if first in peer.texts or not first), [])
            theirs = [raw for raw in theirs if raw.startswith(_EVENTS)]
            if ours != theirs[: len(ours)]:
                pairs = zip(ours, [*theirs, "nothing"], strict=False)
                raw, sent = next((a, b) for a, b in pairs if a != b)
                self.problems.append(
                    f"connection {number}: {raw[:60]!r} was given, {sent[:60]!r} sent"
                )

    def _connections(self) -> list[list[str]]:
        given: list[list[str]] = []
        for item in self.seen.items:
            if isinstance(item, ConnectionChanged) and item.link is LinkChange.CONNECTED:
                given.append([])
            elif isinstance(item, Frame) and item.direction is Direction.IN:
                given[-1].append(item.raw)
        return given

    async def _settled(self) -> None:
        """Wait until the venue's newest connection is read up to now, and stays for a moment."""
        held = 0
        while held < _STEADY:
            await self.seen.until(self._current, BACK_S)
            await asyncio.sleep(0.01 if self.pages else 0)
            held = held + 1 if self._current() else 0

    def _current(self) -> bool:
        peers, links = self.raw.peers, self.seen.links()
        if not peers or not peers[-1].open or links[-1].link is not LinkChange.CONNECTED:
            return False
        newest = self._newest(0)
        return newest >= self.raw.number - 2 and tick(newest) in peers[-1].texts[-5:]

    def _newest(self, first: int) -> int:
        for item in reversed(self.seen.items[first:]):
            if isinstance(item, Frame) and item.raw.startswith(_TICK):
                return int(item.raw.partition('"tickCount":')[2].partition(",")[0])
        return -1

    def _ends(self) -> int:
        return len([c for c in self.seen.links() if c.link is LinkChange.DISCONNECTED])

    def _reason(self) -> str:
        return [c for c in self.seen.links() if c.link is LinkChange.DISCONNECTED][-1].reason
