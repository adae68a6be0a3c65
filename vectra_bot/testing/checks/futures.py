"""Games whose future is another seed's from a tick on: what a decision must not depend on.

A play forks when such a game is chosen, before the strategy can have seen anything of it: the copy plays the
changed game until the change shows, and the original plays on. So a game costs its changes no earlier games.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import msgspec
from attrs import define, field

from vectra_bot.exchange.exchange import as_committed
from vectra_bot.game.fair import FairGame
from vectra_bot.kernel.play import play_game
from vectra_bot.testing.checks.play import RunningPlay
from vectra_bot.testing.games import make_game

_CANDIDATES = 48


class OtherFuture(msgspec.Struct, frozen=True):
    """Where a game's future is replaced.

    Attributes:
        game: number of the game, from 1.
        tick: the last tick of the original.
        rise: whether the new future is a good one: long and high; else it is short.
    """

    game: int
    tick: int
    rise: bool


def seed_of_future(change: OtherFuture, game_id: str) -> str:
    """Return the seed whose future is put in place, the best or the worst of several."""
    texts = (f"check/{change.game}/{change.tick}/{number}" for number in range(_CANDIDATES))
    seeds = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    games = {seed: play_game(seed, game_id) for seed in seeds}
    # One that rugs at once would be decided before its last tick is over.
    lasting = [seed for seed in seeds if games[seed].rug_tick > change.tick + 2]
    if not lasting:
        return max(seeds, key=lambda seed: games[seed].rug_tick)
    if change.rise:
        return max(lasting, key=lambda seed: max(games[seed].prices[change.tick + 1 :]))
    return min(lasting, key=lambda seed: games[seed].rug_tick)


def changed(original: FairGame, other: FairGame, tick: int) -> FairGame:
    """Return the game of *original* up to *tick*, and of *other* from the next tick on."""
    return make_game((*original.prices[: tick + 1], *other.prices[tick + 1 :]))


@define
class Futures:
    """Chooses the games of a play, and forks for every change of a game.

    Attributes:
        changes: by number of the game.
        fork: forks the process for a change; True in the copy.
        in_time: whether there is time for another change.
        change: the change that this process plays; None in the original.
    """

    changes: Mapping[int, list[OtherFuture]]
    fork: Callable[[OtherFuture], bool]
    in_time: Callable[[], bool]
    change: OtherFuture | None = field(default=None, init=False)

    def __call__(self, number: int, seed: str, game_id: str) -> tuple[str, FairGame]:
        """Return the secret seed and the game to play."""
        for change in self.changes.get(number, ()):
            if self.change is None and self.in_time() and self.fork(change):
                self.change = change
                secret = seed_of_future(change, game_id)
                # By the exchange's own function: code that listens there gets the future that is played.
                _, other = as_committed(number, secret, game_id)
                return secret, changed(play_game(seed, game_id), other, change.tick)
        return as_committed(number, seed, game_id)

    def is_shown(self, running: RunningPlay) -> bool:
        """Return whether the change of this process was seen; the original ends with its games."""
        change, now = self.change, (running.number, running.engine.game.tick)
        return change is not None and now > (change.game, change.tick)


def plan_changes(
    ticks: Mapping[int, list[int]], lengths: Mapping[int, int], most: int
) -> list[OtherFuture]:
    """Return where to replace futures: at decisions, and in games without any at the start and on the way.

    Args:
        ticks: ticks with a decision, by number of the game.
        lengths: rug tick by number of the game.
        most: number of changes of one game.
    """
    found = []
    for number, length in lengths.items():
        decided = sorted(set(ticks.get(number, ())))
        on_the_way = [0, length // 4, length // 2, length - 2]
        chosen = _spread(decided, most // 2 - 1) + _spread(
            on_the_way, max(1, most // 2 - len(decided))
        )
        for tick in dict.fromkeys(tick for tick in chosen if 0 <= tick < length):
            found += [OtherFuture(number, tick, True), OtherFuture(number, tick, False)]
    return found


def _spread(values: list[int], most: int) -> list[int]:
    """Return at most *most* of *values*, evenly spread, first and last included."""
    if len(values) <= most or most < 2:
        return values[:most]
    step = (len(values) - 1) / (most - 1)
    return [values[round(number * step)] for number in range(most)]
