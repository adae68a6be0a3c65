"""Shrinkage by empirical Bayes: how far a player's figure is believed, by what all players' figures say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from attrs import frozen

_EXACT: Final = 1_000  # trials up to which a binomial tail is summed


@frozen
class RatePrior:
    """A beta distribution of the players' true win rates.

    Attributes:
        mean: of the rates.
        strength: games that the mean counts for; None if nothing shows that the rates differ.
    """

    mean: float
    strength: float | None

    def shrink(self, wins: int, games: int) -> float:
        """Return the expected rate of a player with *wins* in *games*."""
        if self.strength is None:
            return self.mean
        return (wins + self.strength * self.mean) / (games + self.strength)


def rate_prior(results: Sequence[tuple[int, int]]) -> RatePrior | None:
    """Return the prior of win rates by the method of moments, None without games.

    Args:
        results: wins and games of each player, at least one game each.
    """
    games = sum(n for _, n in results)
    if not games:
        return None
    mean = sum(w for w, _ in results) / games
    spread = mean * (1.0 - mean)
    free = len(results) - 1
    room = games - sum(n * n for _, n in results) / games - free
    if spread <= 0 or room <= 0:
        return RatePrior(mean, None)
    found = math.fsum(n * (w / n - mean) ** 2 for w, n in results)
    share = (found / spread - free) / room  # correlation of two games of one player
    return RatePrior(mean, None if share <= 0 else max(0.0, 1.0 / share - 1.0))


@frozen
class EdgePrior:
    """A normal distribution of the players' true edges: mean and variance."""

    mean: float
    variance: float

    def shrink(self, edge: float, variance: float) -> float:
        """Return the expected edge of a player whose measured one has the given *variance*."""
        share = self.variance / (self.variance + variance) if self.variance else 0.0
        return self.mean + share * (edge - self.mean)


def edge_prior(edges: Sequence[tuple[float, float]]) -> EdgePrior | None:
    """Return the prior of edges by the method of DerSimonian and Laird, None without players.

    Args:
        edges: measured edge of each player, and the variance of its error, above 0.
    """
    if not edges:
        return None
    weights = [1.0 / variance for _, variance in edges]
    total = math.fsum(weights)
    mean = math.fsum(w * edge for w, (edge, _) in zip(weights, edges, strict=True)) / total
    found = math.fsum(w * (edge - mean) ** 2 for w, (edge, _) in zip(weights, edges, strict=True))
    room = total - math.fsum(w * w for w in weights) / total
    between = max(0.0, (found - (len(edges) - 1)) / room) if room > 0 else 0.0
    weights = [1.0 / (variance + between) for _, variance in edges]
    mean = math.fsum(w * edge for w, (edge, _) in zip(weights, edges, strict=True))
    return EdgePrior(mean / math.fsum(weights), between)


def chance_above(share: float, trials: int, chance: float) -> float:
    """Return the chance that more than *share* of *trials* succeed, each with *chance*.

    It is exact up to 1,000 trials, and by the normal distribution beyond.
    """
    least = math.floor(share * trials + 1e-9) + 1
    if chance <= 0.0 or chance >= 1.0:
        return float(chance >= 1.0 and least <= trials)
    if trials > _EXACT:
        spread = math.sqrt(trials * chance * (1.0 - chance))
        return 0.5 * math.erfc((least - 0.5 - trials * chance) / spread / math.sqrt(2.0))
    whole = math.lgamma(trials + 1)
    up, down = math.log(chance), math.log1p(-chance)
    return math.fsum(
        math.exp(
            whole - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * up + (trials - k) * down
        )
        for k in range(least, trials + 1)
    )
