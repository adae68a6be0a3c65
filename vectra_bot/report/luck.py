"""How often luck alone does at least as well as a session did, given the risks that it took.

Three answers, by what was at risk:

exact
    Bets alone (sidebets, side games): each wins with a known chance, so the distribution of their profit is
    computed. It is a matter of bets, not of games: one sidebet won of one placed has luck 0.182.
bound
    Positions in few games. When a position is closed depends on its price, so its profit has no known
    distribution; but no rule of buying and selling turns a game with an expected loss into a gain. The
    product over games of ``1 + share * profit / at risk`` is a supermartingale for every share from 0 to 1,
    and so is the mean over several shares. It exceeds ``x`` with a chance of ``1 / x`` at most (Ville's
    inequality), whatever the rule. Luck is that chance: never too small, often too large.
normal
    Positions in many games, or too many different bets: the tail of a normal distribution with the variance
    that the law gives for the risks taken (the martingale central limit theorem needs no fixed exits), and
    the limit of its error (Berry-Esseen).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from enum import Enum
from typing import Final

from attrs import define, field, frozen

FEW_GAMES: Final = 30
"""Positions in fewer games get the bound."""

# Distinct profits that a session's bets can sum up to, and distinct bets; beyond this the normal tail.
_MAX_SUMS: Final = 100_000
_MAX_KINDS: Final = 256
_SHARES: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
# Shevtsova's constant for summands that differ.
_BERRY_ESSEEN: Final = 0.56


class LuckMethod(str, Enum):
    """How a luck was computed."""

    EXACT = "exact"
    BOUND = "bound"
    NORMAL = "normal"


@frozen
class Bet:
    """A stake that pays a fixed amount with a known chance.

    Attributes:
        stake: lamports that are lost if it loses.
        payout: lamports that are paid if it wins, the stake included.
        chance: of winning, by the law.
    """

    stake: int
    payout: int
    chance: float

    @property
    def expected(self) -> float:
        """Expected profit in lamports."""
        return self.payout * self.chance - self.stake

    @property
    def variance(self) -> float:
        """Variance of the profit, lamports squared."""
        return float(self.payout) ** 2 * self.chance * (1.0 - self.chance)

    @property
    def third(self) -> float:
        """Third absolute central moment of the profit, lamports cubed."""
        chance = self.chance
        return float(self.payout) ** 3 * chance * (1 - chance) * (chance**2 + (1 - chance) ** 2)


@frozen
class Luck:
    """Chance that luck alone does at least as well.

    Attributes:
        chance: 0 to 1; a limit from above if ``method`` is ``bound``.
        method: how it was computed.
        error: how far a normal tail can be off; 0 where ``chance`` is exact or a bound.
    """

    chance: float
    method: LuckMethod
    error: float = 0.0


@define
class Risks:
    """What a session put at risk; memory does not grow with its length.

    Attributes:
        bets: bets placed, by their kind.
        games: games in which a position was held.
        expected: expected profit of all of it, lamports.
        variance: of the profit, lamports squared.
        profits: of the first games in which a position was held, each with what it put at risk.
    """

    bets: Counter[Bet] = field(factory=Counter)
    games: int = 0
    expected: float = 0.0
    variance: float = 0.0
    _more_kinds: bool = False
    _third: float = 0.0
    profits: list[tuple[int, int]] = field(factory=list)
    _squares: float = 0.0
    _cubes: float = 0.0

    def add_bet(self, bet: Bet) -> None:
        """Count a bet that was placed."""
        self.expected += bet.expected
        self.variance += bet.variance
        self._third += bet.third
        if bet in self.bets or len(self.bets) < _MAX_KINDS:
            self.bets[bet] += 1
        else:
            self._more_kinds = True

    def add_tick(self, value: float, expected: float, variance: float) -> None:
        """Count a tick over which a position of *value* lamports was held; the rest per lamport of it."""
        self.expected += value * expected
        self.variance += value * value * variance

    def add_game(self, profit: int, at_risk: int) -> None:
        """Count a game in which a position was held: its whole profit, and what it put at risk."""
        self.games += 1
        if self.games < FEW_GAMES:
            self.profits.append((profit, max(at_risk, -profit, 1)))
        self._squares += float(profit) ** 2
        self._cubes += abs(float(profit)) ** 3

    def luck(self, profit: int, undecided: Mapping[Bet, int]) -> Luck | None:
        """Return the luck of a session that made *profit* lamports, None if nothing was at risk.

        Args:
            profit: before prizes, what is open at its value.
            undecided: bets among those counted whose result is not known; they made no profit.
        """
        if self.games:
            return self._bound() if self.games < FEW_GAMES else self._normal(profit)
        decided = self.bets - Counter(undecided)
        if not decided.total():
            return None
        if not self._more_kinds:
            chance = exact_tail(decided, profit)
            if chance is not None:
                return Luck(chance, LuckMethod.EXACT)
        return self._normal(profit)

    def _bound(self) -> Luck:
        unit = max(at_risk for _, at_risk in self.profits)
        evidence = math.fsum(
            math.prod(1.0 + share * profit / unit for profit, _ in self.profits)
            for share in _SHARES
        ) / len(_SHARES)
        return Luck(1.0 if evidence <= 1.0 else 1.0 / evidence, LuckMethod.BOUND)

    def _normal(self, profit: int) -> Luck:
        z = (profit - self.expected) / math.sqrt(self.variance)
        third = self._cubes / self._squares**1.5 if self._squares else 0.0
        error = _BERRY_ESSEEN * max(third, self._third / self.variance**1.5)
        return Luck(0.5 * math.erfc(z / math.sqrt(2)), LuckMethod.NORMAL, min(error, 1.0))


def exact_tail(bets: Mapping[Bet, int], profit: int) -> float | None:
    """Return the chance that *bets* make *profit* lamports or more, None if there are too many sums.

    Args:
        bets: how many of each kind; they win independently of each other.
        profit: in lamports; a lamport of rounding for each bet is allowed for.
    """
    sums = {0: 1.0}
    for bet, count in bets.items():
        if len(sums) * (count + 1) > _MAX_SUMS:
            return None
        found: dict[int, float] = {}
        for wins, chance in enumerate(_binomial(count, bet.chance)):
            made = wins * bet.payout - count * bet.stake
            for total, before in sums.items():
                found[total + made] = found.get(total + made, 0.0) + before * chance
        sums = found
    least = profit - sum(bets.values())
    return min(1.0, math.fsum(chance for total, chance in sums.items() if total >= least))


def _binomial(count: int, chance: float) -> list[float]:
    """Return the chances of 0 to *count* wins."""
    if not 0.0 < chance < 1.0:
        return [float(wins == round(chance) * count) for wins in range(count + 1)]
    win, lose, whole = math.log(chance), math.log1p(-chance), math.lgamma(count + 1)
    return [
        math.exp(
            whole - math.lgamma(wins + 1) - math.lgamma(count - wins + 1)
            + wins * win + (count - wins) * lose
        )
        for wins in range(count + 1)
    ]  # fmt: skip
