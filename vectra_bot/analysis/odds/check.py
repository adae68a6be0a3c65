"""Compare computed figures with simulated games: the difference, and whether chance explains it."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import Any

from attrs import frozen

from vectra_bot.analysis.odds import montecarlo
from vectra_bot.analysis.odds.figures import Figure, Sheet
from vectra_bot.analysis.odds.montecarlo import Tally

FALSE_ALARMS = 0.001
"""Probability that correct figures, all of them together, are reported as wrong."""

_ENOUGH_CASES = 25  # of a chance and its complement: with fewer the normal approximation is bad
_ENOUGH_GAMES = 1_000  # effective games of a mean


@frozen(kw_only=True)
class CheckedFigure:
    """A figure and its Monte-Carlo check.

    Attributes:
        figure: the figure.
        monte_carlo, standard_error, z, games: mean, its standard error, distance in standard errors,
            counted games; None without a check. The standard error of a chance is the one implied by the
            figure.
        agrees: whether the distance is within error and chance; None if there are too few games to judge.
    """

    figure: Figure
    monte_carlo: float | None = None
    standard_error: float | None = None
    z: float | None = None
    games: int = 0
    agrees: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the figure as JSON-ready data of the command line."""
        figure = self.figure
        return {
            "name": figure.name,
            "group": figure.group,
            "unit": figure.unit,
            "value": figure.value,
            "error": figure.error,
            "monte_carlo": self.monte_carlo,
            "standard_error": self.standard_error,
            "z": self.z,
            "games": self.games,
            "agrees": self.agrees,
            "unverified": figure.unverified,
            "params": figure.params,
        }


def check(sheet: Sheet, games: int, seed: int) -> list[CheckedFigure]:
    """Return every figure of *sheet* with the result of *games* simulated games; 0 games check nothing.

    A figure agrees if the Monte-Carlo mean is within its error plus :func:`z_limit` standard errors.
    """
    if games == 0:
        return [CheckedFigure(figure=figure) for figure in sheet.figures]
    rng = montecarlo.generator(seed)
    tallies = montecarlo.simulate(sheet.plan, games, rng)
    for price, low in sheet.states:
        tallies[f"edge {price!r} {low!r}"] = montecarlo.one_tick(price, low, games, rng)
    for name, chance in sheet.draws.items():
        tallies[name] = montecarlo.drawn(chance, games, rng)
    limit = z_limit(sum(figure.tally is not None for figure in sheet.figures))
    return [
        _checked(figure, tallies.get(figure.tally or "") or Tally(), limit)
        for figure in sheet.figures
    ]


def z_limit(figures: int) -> float:
    """Return the limit of z at which all correct *figures* pass with 99.9 % (Bonferroni)."""
    return NormalDist().inv_cdf(1 - FALSE_ALARMS / (2 * max(1, figures)))


def _checked(figure: Figure, tally: Tally, limit: float) -> CheckedFigure:
    if not tally.games:
        return CheckedFigure(figure=figure)
    mean = figure.scale * tally.mean + figure.shift
    enough = tally.effective_games >= _ENOUGH_GAMES and tally.games >= figure.needs_games()
    error = abs(figure.scale) * tally.standard_error
    if figure.unit == "chance":
        chance = min(1.0, max(0.0, figure.value))
        error = sqrt(chance * (1 - chance) / tally.games)
        enough = min(chance, 1 - chance) * tally.games >= _ENOUGH_CASES
    distance = mean - figure.value
    if error == 0:
        # One case disproves a chance of 0 or 1, but not a mean whose few cases happen to be equal.
        equal = abs(distance) <= figure.error + 1e-12
        return CheckedFigure(
            figure=figure,
            monte_carlo=mean,
            standard_error=0.0,
            z=0.0 if equal else None,
            games=tally.games,
            agrees=equal if equal or enough or figure.unit == "chance" else None,
        )
    within = abs(distance) <= figure.error + limit * error
    return CheckedFigure(
        figure=figure, monte_carlo=mean, standard_error=error, z=distance / error, games=tally.games,
        agrees=within if enough else None,
    )  # fmt: skip


def disagreeing(checked: Sequence[CheckedFigure]) -> list[CheckedFigure]:
    """Return the figures that disagree with the simulation."""
    return [one for one in checked if one.agrees is False]
