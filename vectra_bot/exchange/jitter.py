"""Arrival times of frames: the venue's clock (protocol 3.1) with the delays of a real link (protocol 13).

Theory of operation. The venue ticks on a regular grid and each frame is delayed independently, so that a long
gap is followed by a short one (gaps of real recordings correlate by -0.47). A frame never overtakes the one
before it: a frame delayed by a stall arrives with the next one, a few milliseconds apart. The link's quality
differs from game to game: most are good, one in six stalls all the time.

Public feed and private answers share one clock: a late frame is late for everybody.

``kernel/times.c`` draws the times of whole games from the tables here, equal to the nanosecond.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from attrs import frozen

from vectra_bot.exchange.dice import Choice, Curve, Deck, Dice
from vectra_bot.game import rules

CORE = Curve(
    ((0.0, -9.0), (0.05, -4.5), (0.25, -2.2), (0.5, 0.0), (0.75, 3.2), (0.95, 11.0),
     (0.99, 24.0), (1.0, 40.0))
)  # fmt: skip
STALL = Curve(((0.0, 20.0), (0.5, 70.0), (0.8, 150.0), (0.95, 300.0), (0.99, 480.0), (1.0, 1400.0)))
HELD = Curve(((0.0, 255.0), (1.0, 315.0)))
TOGETHER = Curve(((0.0, 2.5), (0.5, 3.5), (1.0, 5.5)))
"""Interval of frames that arrive in a burst, milliseconds."""

BURST_MS = 3.0
"""A tick that would come so soon after the one before, or before it, comes in a burst, milliseconds."""

_NEAR_MS = 1_000
"""How long before another frame of a countdown one may be and delay it; several times the longest delay."""

NEXT_MS = 0.5
"""Minimum interval of two countdown frames, milliseconds."""

FIRST_TICK = Curve(((0.0, 8.0), (0.25, 14.0), (0.5, 16.5), (0.75, 21.0), (1.0, 38.0)))
RUG = Curve(
    ((0.0, 16.0), (0.1, 21.0), (0.25, 33.0), (0.5, 41.0), (0.75, 53.0), (0.9, 62.0), (0.98, 72.0),
     (1.0, 134.0))
)  # fmt: skip
"""Additional time of the first tick and of the rug, compared with an ordinary tick, milliseconds."""

EXTRA_TICKS = Choice[int](((1, 459), (2, 366), (3, 11), (0, 10), (4, 3)))
SETTLEMENT = {
    0: Curve(((0.0, 250.0), (0.5, 284.0), (1.0, 320.0))),
    1: Curve(
        ((0.0, 265.0), (0.05, 384.0), (0.25, 475.0), (0.5, 545.0), (0.75, 710.0),
         (0.95, 1300.0), (1.0, 2400.0))
    ),
    2: Curve(
        ((0.0, 510.0), (0.05, 553.0), (0.25, 605.0), (0.5, 690.0), (0.75, 925.0),
         (0.95, 1740.0), (1.0, 2800.0))
    ),
    3: Curve(((0.0, 850.0), (0.5, 1250.0), (1.0, 3000.0))),
    4: Curve(((0.0, 900.0), (0.5, 1500.0), (1.0, 3200.0))),
}  # fmt: skip
NEW_GAME = Curve(
    ((0.0, 30.0), (0.05, 45.0), (0.5, 72.0), (0.8, 105.0), (0.93, 300.0), (1.0, 900.0))
)
START = Curve(
    ((0.0, 9955.0), (0.05, 9962.0), (0.25, 10005.0), (0.5, 10035.0), (0.85, 10120.0),
     (0.95, 10680.0), (1.0, 10900.0))
)  # fmt: skip


@frozen
class LinkDelays:
    """How a link delays frames: the scale of the small delays, and the chances of the large ones.

    ``stalls`` is the chance of a stall, ``holds`` that a frame waits for the next one, ``smears`` that
    it is late by anything up to ``smear_ms``.
    """

    scale: float
    stalls: float
    holds: float = 0.0
    smears: float = 0.0
    smear_ms: float = 0.0


LINKS = Choice[LinkDelays](
    (
        (LinkDelays(0.9, 0.004), 34),
        (LinkDelays(1.15, 0.02), 20),
        (LinkDelays(1.5, 0.055), 24),
        (LinkDelays(3.0, 0.10, smears=0.20, smear_ms=60.0), 6),
        (LinkDelays(2.5, 0.02, holds=0.13, smears=0.42, smear_ms=230.0), 16),
    )
)
_STEADY = LinkDelays(0.0, 0.0)
RUGS = 50
"""Games whose rugs have the whole distribution, each part of it once."""


def countdown_due_ms(timer_ms: int) -> float:
    """Return when the countdown frame with *timer_ms* is due, milliseconds after the new-game frame."""
    elapsed = rules.COOLDOWN_MS - rules.COUNTDOWN_STEP_MS - timer_ms
    return 2 + elapsed * rules.MEASURED_COUNTDOWN_STEP_MS / rules.COUNTDOWN_STEP_MS


class Timing:
    """The times of one game after another, in the order in which the exchange requests them.

    A game: :meth:`begin_game`, then :meth:`countdown_ms` for each countdown frame, :meth:`start_ms`,
    :meth:`first_tick_ms`, :meth:`tick_gap_ms` for each further tick, :meth:`rug_gap_ms`,
    :meth:`settlement_ms`, :meth:`new_game_ms`.

    Args:
        dice: a separate stream of random numbers.
        steady: no delays; every time has its typical value.
    """

    def __init__(self, dice: Dice, *, steady: bool = False) -> None:
        self._dice = dice
        self._roll = dice.roll
        self._steady = steady
        self._rugs = Deck(dice, RUGS)
        self._link = _STEADY
        self._due = 0.0
        self._last = 0.0
        self._opened = 0.0

    def begin_game(self) -> None:
        """Draw the link quality of the next game; call it with the new-game frame."""
        if not self._steady:
            self._link = LINKS.at(self._dice.roll())
        self._last = 0.0

    def countdown_ms(self, timer_ms: int) -> float:
        """Return when the countdown frame with *timer_ms* comes, milliseconds after the new-game frame."""
        due = countdown_due_ms(timer_ms)
        if not self._steady:
            due = max(due + max(0.0, self._small()), self._last + NEXT_MS)
        if timer_ms == rules.PRESALE_MS:
            self._opened = due
        self._last = due
        return due

    def countdown_frames_ms(self, timers: Sequence[int]) -> float:
        """Draw a whole countdown; return when the presale opens, after the new-game frame.

        Leaves the same state as :meth:`countdown_ms` for each timer, in less time: a frame is delayed by less
        than a few steps, so that only the frames just before the presale and the start count.
        """
        roll, opens, last = self._roll, rules.PRESALE_MS, timers[-1] if timers else 0
        before_opening, before_last = opens + _NEAR_MS, last + _NEAR_MS
        for timer in timers:
            if opens <= timer < before_opening or timer < before_last or self._steady:
                self.countdown_ms(timer)
            else:
                roll()
        return self._opened

    def tick_gaps_ms(self, count: int) -> list[float]:
        """Return what as many calls of :meth:`tick_gap_ms` would, in less time."""
        if self._steady:
            return [self.tick_gap_ms() for _ in range(count)]
        link, roll, pieces, levels = self._link, self._roll, CORE.pieces, CORE.levels
        scale, stalls, holds, smears = link.scale, link.stalls, link.holds, link.smears
        due, last, tick_ms, burst_ms = self._due, self._last, rules.TICK_MS, BURST_MS
        gaps = []
        for _ in range(count):
            u = roll()
            low, width, value, rise = pieces[bisect_right(levels, u) - 1]  # as Curve.at()
            delay = (value + (u - low) / width * rise) * scale
            u = roll()
            if u < stalls:
                delay += STALL.at(u / stalls)
            else:
                u -= stalls
                if u < holds:
                    delay += HELD.at(u / holds)
                else:
                    u -= holds
                    if u < smears:
                        delay += u / smears * link.smear_ms
            due += tick_ms
            arrival = due + delay
            if arrival <= last + burst_ms:
                arrival = last + TOGETHER.at(roll())
            gaps.append(arrival - last)
            last = arrival
        self._due, self._last = due, last
        return gaps

    def start_ms(self) -> float:
        """Return when tick 0 comes, milliseconds after the frame that opens the presale."""
        if self._steady:
            return rules.START_AFTER_PRESALE_MS
        return max(START.at(self._dice.roll()), self._last - self._opened + NEXT_MS)

    def first_tick_ms(self) -> float:
        """Return the gap from tick 0 to tick 1."""
        self._begin_ticks()
        if self._steady:
            return self._arrive(rules.FIRST_TICK_MS, 0.0)
        return self._arrive(rules.TICK_MS + FIRST_TICK.at(self._dice.roll()), self._delay())

    def tick_gap_ms(self) -> float:
        """Return the gap from the last tick to the next."""
        if self._steady:
            return self._arrive(rules.TICK_MS, 0.0)
        return self._arrive(rules.TICK_MS, self._delay())

    def rug_gap_ms(self, *, first: bool = False) -> float:
        """Return the gap from the last live tick to the rug frame; *first* if that tick was tick 0."""
        if first:
            self._begin_ticks()
        if self._steady:
            return self._arrive(rules.RUG_AFTER_TICK_MS, 0.0)
        return self._arrive(rules.TICK_MS + RUG.at(self._rugs.roll()), self._delay())

    def settlement_ms(self) -> tuple[float, int]:
        """Return the time of the settlement frame after the rug frame, and its ticks past the rug."""
        if self._steady:
            return rules.SETTLEMENT_AFTER_RUG_MS, 1
        extra = EXTRA_TICKS.at(self._dice.roll())
        return SETTLEMENT[extra].at(self._dice.roll()), extra

    def new_game_ms(self) -> float:
        """Return the time of the new-game frame after the settlement frame, milliseconds."""
        if self._steady:
            return rules.NEW_GAME_AFTER_RUG_MS - rules.SETTLEMENT_AFTER_RUG_MS
        return NEW_GAME.at(self._dice.roll())

    def _begin_ticks(self) -> None:
        self._due = 0.0
        self._last = 0.0 if self._steady else self._delay()  # tick 0 is delayed like any frame

    def _arrive(self, after_due_ms: float, delay_ms: float) -> float:
        """Return the gap of the arrivals for a frame sent *after_due_ms* after the previous one."""
        self._due += after_due_ms
        arrival = self._due + delay_ms
        if arrival <= self._last + BURST_MS:
            arrival = self._last + (BURST_MS if self._steady else TOGETHER.at(self._dice.roll()))
        gap = arrival - self._last
        self._last = arrival
        return gap

    def _small(self) -> float:
        return CORE.at(self._roll()) * self._link.scale

    def _delay(self) -> float:
        link, roll = self._link, self._roll
        delay = CORE.at(roll()) * link.scale
        u = roll()
        if u < link.stalls:
            return delay + STALL.at(u / link.stalls)
        u -= link.stalls
        if u < link.holds:
            return delay + HELD.at(u / link.holds)
        u -= link.holds
        return delay + u / link.smears * link.smear_ms if u < link.smears else delay
