"""Train, validation and test: by game and by time, so that nothing of a later set is in an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from attrs import frozen

from vectra_bot.errors import UsageError

NAMES: Final = ("train", "validation", "test")
"""The three sets, in the order of time."""

DEFAULT: Final = "0.8,0.1,0.1"


@frozen
class Shares:
    """Which share of the games each set gets; they add up to 1."""

    train: Decimal
    validation: Decimal
    test: Decimal

    @classmethod
    def of(cls, text: str) -> Shares:
        """Read shares such as ``0.8,0.1,0.1``.

        Raises:
            UsageError: they are not three numbers from 0 to 1 that add up to 1.
        """
        try:
            parts = [Decimal(part.strip()) for part in text.split(",")]
        except InvalidOperation:
            parts = []
        usable = len(parts) == len(NAMES) and all(p.is_finite() and 0 <= p <= 1 for p in parts)
        if not usable or sum(parts) != 1:
            raise UsageError(
                f"--split was {text!r}: give three shares from 0 to 1 that add up to 1, such as {DEFAULT}"
            )
        return cls(*parts)


def split_games(started: Mapping[str, int], shares: Shares) -> dict[str, str]:
    """Return the set of each game.

    Games are ordered by their start; of those with the same start all are in one set, the earlier one. Every
    game of a set starts later than all games of the sets before it.

    Args:
        started: when each game began, by game id: the earliest time of all sessions that saw it.
        shares: how many games each set gets, rounded down for all but the last set that gets any.
    """
    order = sorted(started, key=lambda game: (started[game], game))
    ends = [int(len(order) * shares.train), int(len(order) * (shares.train + shares.validation))]
    if not shares.test:
        ends[1] = len(order)
    found: dict[str, str] = {}
    number, before = 0, -1
    for index, game in enumerate(order):
        if started[game] != before:
            number = max(number, sum(index >= end for end in ends))
        before = started[game]
        found[game] = NAMES[number]
    return found
