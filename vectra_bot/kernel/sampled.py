"""Games drawn from the law by their number: the same ones alone and in batches, some hundred in memory."""

from __future__ import annotations

from typing import Final

from vectra_bot.game.fair import FairGame
from vectra_bot.kernel.batch import GameBatch, draw_games

_CHUNK_GAMES: Final = 512


class SampledGames:
    """The games of a seed of the free generator, drawn when they are needed.

    They have no server seed: nothing but the generator's seed and a game's number decides its prices.
    """

    def __init__(self, seed: int) -> None:
        """Choose the games of *seed*, below 2**64."""
        self._seed = seed
        self._first = -1
        self._drawn: GameBatch

    def batch(self, first: int, count: int) -> GameBatch:
        """Return *count* games from number *first* on, with their prices."""
        return draw_games(count, self._seed, first=first, prices=True)

    def game(self, number: int) -> FairGame:
        """Return game *number*; those after it are drawn with it."""
        at = number % _CHUNK_GAMES
        if number - at != self._first:
            self._first = number - at
            self._drawn = self.batch(self._first, _CHUNK_GAMES)
        games = self._drawn
        return FairGame(
            prices=tuple(games.prices_of(at).tolist()),
            rug_tick=int(games.rug_tick[at]),
            rug_price=float(games.rug_price[at]),
            peak=float(games.peak[at]),
            rugged=bool(games.rugged[at]),
        )


__all__ = ["SampledGames"]
