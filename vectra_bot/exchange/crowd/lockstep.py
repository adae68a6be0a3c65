"""Accounts of one owner that act together: small equal stakes at the same ticks (protocol 13).

From recordings: a group of thirty buys in the presale, sells one half at tick 2 and the rest at
tick 3; a second one of fifteen to twenty-five sells everything at once, at tick 20 or earlier.
Both play in one kind of shift; in the other the second plays alone, and is larger.
"""

from __future__ import annotations

from collections.abc import Sequence

from vectra_bot.exchange.crowd import tables
from vectra_bot.exchange.crowd.players import CrowdPlayer
from vectra_bot.exchange.crowd.shifts import Shift
from vectra_bot.exchange.dice import Dice


def lockstep_groups(size: int) -> tuple[list[int], list[int]]:
    """Return the player numbers of both groups in a crowd of *size*."""
    first = round(size * tables.FIRST_GROUP)
    second = round(size * tables.SECOND_GROUP)
    return list(range(first)), list(range(first, first + second))


class Lockstep:
    """Both groups and what they plan for the running game.

    Attributes:
        buyers: who buys in the next presale, and for how many lamports.
    """

    def __init__(
        self, first: Sequence[CrowdPlayer], second: Sequence[CrowdPlayer], dice: Dice
    ) -> None:
        self._first = first
        self._second = second
        self._dice = dice
        self._shift = Shift(dice, tables.DOUBLE_SHIFT, tables.SINGLE_SHIFT)
        self._sales: dict[int, list[tuple[CrowdPlayer, int]]] = {}
        self._amounts = [tables.LOCKSTEP_BUYS.at(dice.roll()) * tables.MILLI for _ in range(2)]
        self.buyers: list[tuple[CrowdPlayer, int]] = []

    @property
    def alone(self) -> bool:
        """Whether only the second group plays."""
        return self._shift.on

    def begin_game(self) -> None:
        """Decide who plays and when they will sell."""
        dice = self._dice
        self._shift.next_game()
        self._sales = {}
        self.buyers = []
        if self.alone:
            first, second = 0, len(self._second) * dice.chance(tables.SECOND_COMES_ALONE)
        else:
            first = round(len(self._first) * tables.FIRST_COMES.at(dice.roll()))
            comes = first == len(self._first) and dice.chance(tables.SECOND_COMES)
            second = round(len(self._second) * tables.SECOND_GROUP_PART) * comes
        for player in self._first[:first]:
            self._plan(player, tables.FIRST_HALF_SALE, 50)
            self._plan(player, tables.FIRST_HALF_SALE + 1, 100)
        tick = tables.SECOND_SALES.at(dice.roll())
        for player in self._second[:second]:
            self._plan(player, tick, 100)
        groups = (self._first[:first], self._second[:second])
        self.buyers = [
            (player, amount)
            for group, amount in zip(groups, self._amounts, strict=True)
            for player in group
        ]

    def sales(self, tick: int) -> Sequence[tuple[CrowdPlayer, int]]:
        """Return who sells how many percent while the price of *tick* is in force."""
        return self._sales.get(tick, ())

    def _plan(self, player: CrowdPlayer, tick: int, percentage: int) -> None:
        self._sales.setdefault(tick, []).append((player, percentage))
