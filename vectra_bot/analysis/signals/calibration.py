"""Whether stated chances are true: one joint test of all chances that a model stated.

Theory of operation. For every alert that states a chance ``p`` of an event with outcome ``o`` (1 or 0), the
error ``o - p`` has mean 0 if the chance is true. Alerts of one game share its outcome, so errors are summed
by game, and only games are independent. For each alert type there are two sums: of the errors, and of the
errors times how far ``p`` is from the type's mean, which shows a model that is right on average only. The
vectors of sums, one for each game, have mean 0 under the model; their total is compared with its covariance,
estimated from the games, by a chi-square test (Wald). The test is asymptotic: below :data:`LEAST_GAMES` games
it is not made.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from attrs import frozen

LEAST_GAMES: Final = 50
REFUTED_P: Final = 1e-6


@frozen
class Claim:
    """One stated chance and what happened.

    Attributes:
        model: who stated it.
        kind: type of the alert.
        game: number of the game; claims of one game are not independent.
        chance: as it was stated.
        happened: whether the event did.
    """

    model: str
    kind: str
    game: int
    chance: float
    happened: bool


@frozen
class Calibration:
    """The joint test of one model's chances.

    Attributes:
        model: its name.
        claims: stated chances.
        games: games they are about.
        freedom: degrees of freedom of the test.
        statistic: chi-square; None if the test was not made.
        p_value: chance of a statistic at least as large if all chances are true; None as well.
        refuted: whether the p-value is below 1e-6: the model claims what is not so.
    """

    model: str
    claims: int
    games: int
    freedom: int
    statistic: float | None
    p_value: float | None
    refuted: bool

    def to_json(self) -> dict[str, Any]:
        """Return the test as JSON-ready data."""
        return {
            "model": self.model,
            "claims": self.claims,
            "games": self.games,
            "freedom": self.freedom,
            "statistic": self.statistic,
            "p_value": self.p_value,
            "refuted": self.refuted,
        }


def calibration(claims: Sequence[Claim]) -> list[Calibration]:
    """Return the joint test of every model in *claims*, by name."""
    by_model: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_model[claim.model].append(claim)
    return [_test(model, found) for model, found in sorted(by_model.items())]


def _test(model: str, claims: Sequence[Claim]) -> Calibration:
    games = {game: row for row, game in enumerate(sorted({claim.game for claim in claims}))}
    sums = _sums(claims, games)
    impossible = any(
        (claim.chance <= 0 and claim.happened) or (claim.chance >= 1 and not claim.happened)
        for claim in claims
    )
    if impossible:  # what cannot be happened
        return Calibration(model, len(claims), len(games), 0, None, 0.0, refuted=True)
    if len(games) < LEAST_GAMES:
        return Calibration(model, len(claims), len(games), 0, None, None, refuted=False)
    total, second = sums.sum(axis=0), sums.T @ sums
    scale = np.sqrt(np.diag(second))
    used = scale > 0
    total, scale, second = total[used], scale[used], second[np.ix_(used, used)]
    total, second = total / scale, second / np.outer(scale, scale)
    inverse = np.linalg.pinv(second, rcond=1e-9, hermitian=True)
    freedom = int(np.linalg.matrix_rank(second, tol=1e-9, hermitian=True)) if used.any() else 0
    if freedom == 0:
        return Calibration(model, len(claims), len(games), 0, None, None, refuted=False)
    statistic = float(total @ inverse @ total)
    p_value = chi_square_tail(statistic, freedom)
    return Calibration(
        model, len(claims), len(games), freedom, statistic, p_value, refuted=p_value < REFUTED_P
    )


def _sums(claims: Sequence[Claim], games: dict[int, int]) -> Any:
    """Return the errors summed by game: two columns for each type."""
    kinds = sorted({claim.kind for claim in claims})
    means = {
        kind: math.fsum(c.chance for c in claims if c.kind == kind)
        / sum(c.kind == kind for c in claims)
        for kind in kinds
    }
    column = {kind: 2 * index for index, kind in enumerate(kinds)}
    sums = np.zeros((len(games), 2 * len(kinds)))
    for claim in claims:
        error, away = claim.happened - claim.chance, claim.chance - means[claim.kind]
        row, at = games[claim.game], column[claim.kind]
        sums[row, at] += error
        if abs(away) > 1e-12:
            sums[row, at + 1] += error * away
    return sums


def chi_square_tail(statistic: float, freedom: int) -> float:
    """Return the chance that chi-square with *freedom* degrees is at least *statistic*."""
    half, x = freedom / 2, statistic / 2
    if x <= 0:
        return 1.0
    logarithm = half * math.log(x) - x - math.lgamma(half)
    if x < half + 1:
        return max(0.0, 1.0 - _series(half, x) * math.exp(logarithm))
    return min(1.0, _fraction(half, x) * math.exp(logarithm))


def _series(half: float, x: float) -> float:
    """Return the lower incomplete gamma function over its leading factor."""
    term = total = 1.0 / half
    n = half
    while term > total * 1e-16:
        n += 1
        term *= x / n
        total += term
    return total


def _fraction(half: float, x: float) -> float:
    """Return the upper incomplete gamma function over its leading factor, by Lentz's continued fraction."""
    b = x + 1 - half
    c, d = 1e300, 1 / b
    value = d
    for i in range(1, 10_000):
        a = -i * (i - half)
        b += 2
        d = 1 / (a * d + b)
        c = b + a / c
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


__all__ = ["Calibration", "Claim", "calibration", "chi_square_tail"]
