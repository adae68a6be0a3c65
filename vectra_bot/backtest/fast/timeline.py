"""The times of one game after another, drawn as the exchange draws them, in the same order.

Nothing that a player does changes a time, so those of all games of a chunk are drawn at once by the compiled
kernel; without it, and where frames have no delays to draw, by the exchange's own :class:`Timing`. Imports
backtest.fast.chunks, exchange (its clock), game and kernel; numpy.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence

import numpy as np
from attrs import astuple, frozen
from numpy.typing import NDArray

from vectra_bot.backtest.fast.chunks import FastGameData
from vectra_bot.exchange import jitter
from vectra_bot.exchange.config import ExchangeConfig
from vectra_bot.exchange.dice import BELOW_ONE, Dice
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.jitter import Timing
from vectra_bot.game import rules
from vectra_bot.kernel.library import DelayCurve, DelayTables, LinkRow, loaded
from vectra_bot.kernel.times import GameClock, array_of, chances, curve
from vectra_bot.models.times import NS_PER_MS

RugTicks = NDArray[np.int32]


@frozen
class GameTimes:
    """When the steps of a game happen, nanoseconds since the epoch.

    Attributes:
        presale_ns: the presale opens.
        ticks_ns: the live ticks, by number.
        decided_ns: the rug is decided, and our account settled.
        rug_ns: the frame of the rug.
        next_ns: the next game is announced.
    """

    presale_ns: int
    ticks_ns: Sequence[int]
    decided_ns: int
    rug_ns: int
    next_ns: int


class Timeline:
    """The clock of an exchange without a client's influence: nothing a player does changes a time."""

    def __init__(self, config: ExchangeConfig) -> None:
        source, law = Identities(config.seed).dice("jitter"), loaded()
        step = config.countdown_step
        timers = range(rules.COOLDOWN_MS - step, 0, -step)
        self._clock: DrawnClock | SingleClock
        if law is None or not config.jitter:
            timing = Timing(Dice(source), steady=not config.jitter)
            self._clock = SingleClock(timing, timers, config.begins_ns)
        else:
            _, words, _ = source.getstate()
            clock = GameClock(law, delay_tables(timers), words, config.begins_ns)
            self._clock = DrawnClock(clock)
        self._times: Iterator[GameTimes] = iter(())

    def game(self, data: FastGameData) -> GameTimes:
        """Return the times of the next game, which is the one after the last in its chunk, or in the next."""
        if not data.at:
            self._times = self._clock.games(data.chunk.games.rug_tick)
        return next(self._times)


class DrawnClock:
    """The times of many games drawn at once."""

    def __init__(self, clock: GameClock) -> None:
        self._clock = clock

    def games(self, rug_ticks: RugTicks) -> Iterator[GameTimes]:
        """Yield the times of the next games."""
        drawn = self._clock.draw(rug_ticks)
        start, ticks = drawn.start.tolist(), drawn.ticks.data  # whose items are of type int
        for game, (presale, decided, rug, following) in enumerate(drawn.steps.tolist()):
            own = ticks[start[game] : start[game + 1]]
            yield GameTimes(presale, own, decided, rug, following)


class SingleClock:
    """The times of one game drawn after another."""

    def __init__(self, timing: Timing, timers: Sequence[int], begins_ns: int) -> None:
        self._timing, self._timers, self._now_ns = timing, timers, begins_ns

    def games(self, rug_ticks: RugTicks) -> Iterator[GameTimes]:
        """Yield the times of the next games, each drawn when it is asked for."""
        return map(self._game, rug_ticks.tolist())

    def _game(self, rug_tick: int) -> GameTimes:
        timing, announced = self._timing, self._now_ns
        timing.begin_game()
        presale = announced + _ns(timing.countdown_frames_ms(self._timers))
        now = presale + _ns(timing.start_ms())
        ticks = [now]
        if rug_tick > 1:
            now += _ns(timing.first_tick_ms())
            ticks.append(now)
        for gap in timing.tick_gaps_ms(rug_tick - 2):
            now += int(gap * NS_PER_MS)
            ticks.append(now)
        gap = timing.rug_gap_ms(first=rug_tick == 1)
        decided = now + _ns(max(0.0, gap - rules.PRIVATE_BEFORE_RUG_MS))
        rug = now + _ns(gap)
        settled, _ = timing.settlement_ms()
        self._now_ns = rug + _ns(settled + timing.new_game_ms())
        return GameTimes(presale, ticks, decided, rug, self._now_ns)


def _ns(after_ms: float) -> int:
    return int(after_ms * NS_PER_MS)


def delay_tables(timers: Sequence[int]) -> DelayTables:
    """Return the exchange's tables of delays as the kernel reads them."""
    extras, links = jitter.EXTRA_TICKS, jitter.LINKS
    return DelayTables(
        core=curve(jitter.CORE.pieces),
        stall=curve(jitter.STALL.pieces),
        held=curve(jitter.HELD.pieces),
        together=curve(jitter.TOGETHER.pieces),
        first_tick=curve(jitter.FIRST_TICK.pieces),
        rug=curve(jitter.RUG.pieces),
        start=curve(jitter.START.pieces),
        new_game=curve(jitter.NEW_GAME.pieces),
        settlements=array_of(
            DelayCurve, [curve(jitter.SETTLEMENT[extra].pieces) for extra in extras.values]
        ),
        settlement_chances=chances(extras.edges),
        links=array_of(LinkRow, [astuple(link) for link in links.values]),
        link_chances=chances(links.edges),
        frame_due=array_of(ctypes.c_double, [jitter.countdown_due_ms(timer) for timer in timers]),
        frames=len(timers),
        opening=timers.index(rules.PRESALE_MS),
        next_ms=jitter.NEXT_MS,
        burst_ms=jitter.BURST_MS,
        below_one=BELOW_ONE,
        ns_per_ms=NS_PER_MS,
        deck_size=jitter.RUGS,
    )
