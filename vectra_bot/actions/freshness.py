"""Freshness: whether the newest price is new enough to enter at.

Theory of operation. Ticks come every 250 ms. When none comes for longer, the link, the venue or our own
process has stalled, and what was queued meanwhile arrives in a burst: prices that were true seconds ago. From
the number of a tick and the time since the last one before the stall follows how many ticks the venue has
sent since; a tick with a lower number is an old one, and so is its price. A burst is over when the ticks have
caught up, or come at their own pace again, which is how a pause of the venue itself ends. After a stall that
was longer than the limit, some ticks must arrive on time before the price counts as fresh.

All times are receive times of the session, from its events.
"""

from __future__ import annotations

from attrs import define

from vectra_bot.game import rules
from vectra_bot.models.times import NS_PER_MS

STALL_NS = 500 * NS_PER_MS
# A tick at its own pace comes at least this long after the one before it.
PACE_NS = 100 * NS_PER_MS
CLEAN_TICKS = 4
_TICK_NS = int(rules.TICK_MS * NS_PER_MS)


@define
class Freshness:
    """The receive times of ticks, as far as entries depend on them.

    Attributes:
        limit_ns: largest age of the newest price, nanoseconds.
        last_ns: when the newest tick of the running game was received; 0 if there is none.
        tick: its number.
        stalled_ns: when the last tick before a stall was received; 0 if there was no stall.
        stalled_tick: its number.
        is_old: whether the venue must have sent newer ticks than the newest one received.
        lacking: ticks that must still arrive on time.
    """

    limit_ns: int
    last_ns: int = 0
    tick: int = 0
    stalled_ns: int = 0
    stalled_tick: int = 0
    is_old: bool = False
    lacking: int = 0

    def reset(self) -> None:
        """Begin a new game, or wait for its first tick."""
        self.last_ns = self.stalled_ns = self.lacking = 0
        self.is_old = False

    def on_tick(self, tick: int, now_ns: int) -> None:
        """Note a fresh tick of the running game."""
        gap_ns = now_ns - self.last_ns if self.last_ns else 0
        if gap_ns > STALL_NS:
            if not self.is_old:  # else the stall before it continues
                self.stalled_ns, self.stalled_tick = self.last_ns, self.tick
            if gap_ns > self.limit_ns:
                self.lacking = CLEAN_TICKS
        elif gap_ns >= PACE_NS:
            self.stalled_ns = 0
        self.last_ns, self.tick = now_ns, tick
        self.is_old = False
        if self.stalled_ns:
            sent = (now_ns - self.stalled_ns) // _TICK_NS
            self.is_old = tick < self.stalled_tick + sent
        if self.lacking and not self.is_old and gap_ns <= STALL_NS:
            self.lacking -= 1

    def denies(self, now_ns: int) -> str | None:
        """Return why nothing is entered at the newest price at *now_ns*, None if it may be."""
        if not self.last_ns:
            return None
        age_ns = now_ns - self.last_ns
        if age_ns > self.limit_ns:
            return (
                f"limit.price_age: the newest price is {age_ns // NS_PER_MS} ms old, "
                f"the limit is {self.limit_ns // NS_PER_MS} ms"
            )
        if self.is_old:
            return f"price.old: tick {self.tick} came late after a stall, the venue is further"
        if self.lacking:
            return f"price.stalled: {self.lacking} more ticks must arrive on time after a stall"
        return None


__all__ = ["CLEAN_TICKS", "Freshness"]
