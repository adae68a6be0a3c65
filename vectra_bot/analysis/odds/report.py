"""Odds as one call: figures computed under the law, each compared with simulated games."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from attrs import frozen

from vectra_bot.analysis.odds import check, figures
from vectra_bot.analysis.odds.check import CheckedFigure
from vectra_bot.analysis.odds.figures import Question
from vectra_bot.analysis.odds.passages import State
from vectra_bot.errors import UsageError
from vectra_bot.game.rules import LAW_VERSION, MAX_STAKE, MIN_STAKE


@frozen(kw_only=True)
class OddsReport:
    """Computed figures and how they compare with simulated games.

    Attributes:
        law_version: the law that was computed.
        seed: seed of the simulation.
        games: simulated games; 0 if nothing was simulated.
        z_limit: distance in standard errors from which a figure counts as wrong.
        stake: SOL of one stake, None if none was given.
        figures: every figure beside its simulation.
    """

    law_version: str
    seed: int
    games: int
    z_limit: float
    stake: Decimal | None
    figures: tuple[CheckedFigure, ...]

    @property
    def disagreeing(self) -> list[CheckedFigure]:
        """Figures that are further from the simulation than error and chance allow."""
        return check.disagreeing(self.figures)

    @property
    def ok(self) -> bool:
        """Whether no figure disagrees with the simulation."""
        return not self.disagreeing

    def profit_sol(self, checked: CheckedFigure) -> float | None:
        """Return the expected profit of one stake in SOL; None without a stake, or if it is not a return."""
        if self.stake is None or checked.figure.unit != "return":
            return None
        return float(self.stake) * checked.figure.value

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        rows = []
        for one in self.figures:
            profit = self.profit_sol(one)
            rows.append(one.to_json() | ({} if profit is None else {"profit_sol": profit}))
        return {
            "law_version": self.law_version,
            "seed": self.seed,
            "games": self.games,
            "z_limit": self.z_limit,
            "ok": self.ok,
            "figures": rows,
        }


def odds(
    *groups: str,
    price: float = 1.0,
    low: float | None = None,
    ticks: Sequence[int] = (),
    stake: Decimal | float | str | None = None,
    target: float | None = None,
    stop_loss: float | None = None,
    max_ticks: int | None = None,
    tick: int | None = None,
    simulate: int = 100_000,
    seed: int = 1,
) -> OddsReport:
    """Compute expected values and chances under the v3 law, as ``vectra-bot odds`` does.

    Args:
        groups: any of edge, hold, exits, survival, peak, rug, sidebet, leverage, short, rounds; all if none
            is given.
        price: the price now.
        low: lowest price of the game so far; the smaller of *price* and 1 if None.
        ticks: how long positions are held, in ticks; the usual choices if empty.
        stake: SOL of one stake, for profits in SOL.
        target: sell at this multiple of the price now or above.
        stop_loss: sell at this multiple of the price now or below.
        max_ticks: sell after so many ticks at the latest.
        tick: tick of the game at which the sidebet is placed.
        simulate: games of the Monte-Carlo check; 0 for none.
        seed: seed of the check.

    Returns:
        The figures; ``ok`` says whether all agree with the simulation.

    Raises:
        UnknownNameError: there is no such group.
        UsageError: a number is out of range.
    """
    if simulate < 0 or seed < 0:
        raise UsageError(f"--simulate was {simulate} and --seed {seed}: give 0 or more")
    amount = None if stake is None else _stake(stake)
    question = Question(
        state=State(price=price, low=min(price, 1.0) if low is None else low),
        ticks=tuple(dict.fromkeys(ticks)),
        target=target,
        stop=stop_loss,
        max_ticks=max_ticks,
        tick=tick,
    )
    sheet = figures.compute(question, groups)
    return OddsReport(
        law_version=LAW_VERSION,
        seed=seed,
        games=simulate,
        z_limit=check.z_limit(sum(figure.tally is not None for figure in sheet.figures)),
        stake=amount,
        figures=tuple(check.check(sheet, simulate, seed)),
    )


def _stake(given: Decimal | float | str) -> Decimal:
    try:
        stake = Decimal(str(given))
    except InvalidOperation:
        stake = Decimal("NaN")
    if not stake.is_finite() or not MIN_STAKE <= stake <= MAX_STAKE:
        raise UsageError(f"--stake was {str(given)!r}: give {MIN_STAKE} to {MAX_STAKE} SOL")
    return stake
