"""The times of one game after another, drawn as the exchange draws them, in the same order.

Imports exchange (its clock) and game.
"""

from __future__ import annotations

from attrs import frozen

from vectra_bot.exchange.config import ExchangeConfig
from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.jitter import Timing
from vectra_bot.game import rules
from vectra_bot.models.times import NS_PER_MS


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
    ticks_ns: list[int]
    decided_ns: int
    rug_ns: int
    next_ns: int


class Timeline:
    """The clock of an exchange without a client's influence: nothing a player does changes a time."""

    def __init__(self, config: ExchangeConfig) -> None:
        self.now_ns = config.begins_ns
        step = config.countdown_step
        self._timers = range(rules.COOLDOWN_MS - step, 0, -step)
        dice = Dice(Identities(config.seed).dice("jitter"))
        self._timing = Timing(dice, steady=not config.jitter)

    def game(self, rug_tick: int) -> GameTimes:
        """Return the times of the game that is announced now, and go to the next announcement."""
        timing, announced = self._timing, self.now_ns
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
        self.now_ns = rug + _ns(settled + timing.new_game_ms())
        return GameTimes(presale, ticks, decided, rug, self.now_ns)


def _ns(after_ms: float) -> int:
    return int(after_ms * NS_PER_MS)
