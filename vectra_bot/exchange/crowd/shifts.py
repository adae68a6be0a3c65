"""Shifts: two states that alternate, each for a random number of games."""

from __future__ import annotations

from vectra_bot.exchange.dice import Dice


class Shift:
    """A state that is on for some games and off for others.

    Args:
        dice: a separate stream of random numbers.
        off: fewest and most games of the first state.
        on: fewest and most games of the second.
    """

    def __init__(self, dice: Dice, off: tuple[int, int], on: tuple[int, int]) -> None:
        self._dice = dice
        self._lengths = (off, on)
        self.on = False
        # A session may begin anywhere in a cycle of both states.
        self._left = 1
        whole = sum(low + high for low, high in self._lengths) // 2
        for _ in range(dice.index(whole)):
            self.next_game()

    def next_game(self) -> None:
        """Advance by one game."""
        self._left -= 1
        if self._left <= 0:
            self.on = not self.on
            low, high = self._lengths[self.on]
            self._left = low + self._dice.index(high - low + 1)
