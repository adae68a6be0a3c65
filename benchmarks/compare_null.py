"""Whether the *p* of a comparison can be trusted: strategies of equal value, which differ by luck alone.

    python benchmarks/compare_null.py --json

Both sides of a comparison toss coins with seeds independent of each other: whether to bet in a game, the
stake, and whether the bet wins. Each family of comparisons has one kind of coin, stake and number of games.
Luck should give *p* <= 0.05 in 5 % of comparisons: more would be false discoveries, fewer would waste
games. ``share`` is that share over the comparisons of a family, ``share_enough`` over those in which each
side made at least 200 bets. Families with ``alike: false`` compare different coins of equal value; there the
share must not exceed the limit either; their rarer win is frequent enough to be seen.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, Final

import numpy as np
from attrs import frozen
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

from vectra_bot.analysis.pairs import paired_difference

LEVEL: Final = 0.05
MOST: Final = 0.06
LEAST: Final = 0.04
ENOUGH_BETS: Final = 200
STAKE: Final = 10_000_000
RESAMPLES: Final = 999

Profits = NDArray[np.float64]


def one_stake(count: int, _rng: Generator) -> Profits:
    """Return *count* equal stakes in lamports."""
    return np.full(count, float(STAKE))


def ten_stakes(count: int, _rng: Generator) -> Profits:
    """Return *count* equal stakes, ten times as large."""
    return np.full(count, 10.0 * STAKE)


def wide_stakes(count: int, rng: Generator) -> Profits:
    """Return stakes that differ by factors of ten."""
    stakes: Profits = np.floor(STAKE * np.exp(rng.normal(0.0, 1.5, count)))
    return stakes


@frozen(kw_only=True)
class Coin:
    """A strategy that bets by chance.

    Attributes:
        wins: chance that a bet wins.
        gain: profit of a won bet in stakes; the expected profit of a bet is ``wins * (gain + 1) - 1`` stakes.
        bets: chance that it bets in a game.
        stakes: draws the stakes.
    """

    wins: float = 0.2
    gain: float = 4.0
    bets: float = 1.0
    stakes: Callable[[int, Generator], Profits] = one_stake

    def play(self, games: int, rng: Generator) -> Profits:
        """Return the profits of *games* in lamports."""
        stakes = self.stakes(games, rng) * (rng.random(games) < self.bets)
        return np.where(rng.random(games) < self.wins, self.gain * stakes, -stakes)


@frozen(kw_only=True)
class PriceCoin(Coin):
    """A strategy whose bets have a continuous, heavy-tailed result: a position sold at some price."""

    def play(self, games: int, rng: Generator) -> Profits:
        """Return the profits of *games* in lamports."""
        stakes = self.stakes(games, rng) * (rng.random(games) < self.bets)
        return np.floor(stakes * (np.minimum(rng.pareto(1.5, games), 1000.0) - 1.0))


@frozen(kw_only=True)
class Family:
    """Comparisons of one kind."""

    games: int
    first: Coin
    second: Coin

    @property
    def alike(self) -> bool:
        """Whether both sides are the same coin."""
        return self.first == self.second


def _alike(games: int, **coin: Any) -> Family:
    return Family(games=games, first=Coin(**coin), second=Coin(**coin))


RARE: Final[dict[str, Any]] = {"wins": 1 / 101, "gain": 100.0}
FAMILIES: Final[dict[str, Family]] = {
    **{f"{games} bets, win 4x": _alike(games) for games in (5, 20, 50, 200, 1000, 5000)},
    **{f"{games} bets, win 1x": _alike(games, wins=0.5, gain=1.0) for games in (10, 300)},
    **{f"{games} bets, win 100x": _alike(games, **RARE) for games in (50, 250)},
    "600 games, bets in half, win 4x": _alike(600, bets=0.5),
    "600 games, bets in half, win 100x": _alike(600, bets=0.5, **RARE),
    "20,000 games, bets in 2 %, win 4x": _alike(20_000, bets=0.02),
    "20 bets of unequal stakes, win 4x": _alike(20, stakes=wide_stakes),
    "400 bets of unequal stakes, win 4x": _alike(400, stakes=wide_stakes),
    **{
        f"{games} positions": Family(games=games, first=PriceCoin(), second=PriceCoin())
        for games in (8, 300)
    },
    "20 bets, win 4x, one stakes ten times as much": Family(
        games=20, first=Coin(), second=Coin(stakes=ten_stakes)
    ),
    "400 bets, win 4x, one stakes ten times as much": Family(
        games=400, first=Coin(), second=Coin(stakes=ten_stakes)
    ),
    "1000 bets, win 4x against 100x": Family(games=1000, first=Coin(), second=Coin(**RARE)),
    "300 bets, win 1x against 9x": Family(
        games=300, first=Coin(wins=0.5, gain=1.0), second=Coin(wins=0.1, gain=9.0)
    ),
}


def compared(name: str, comparisons: int, seed: int) -> dict[str, Any]:
    """Return the share of comparisons of the family *name* with a small *p*."""
    family, number = FAMILIES[name], list(FAMILIES).index(name)
    rng = Generator(PCG64(SeedSequence([seed, number])))
    small = enough = small_enough = 0
    for _ in range(comparisons):
        first = family.first.play(family.games, rng)
        second = family.second.play(family.games, rng)
        bets = int(np.count_nonzero(first)), int(np.count_nonzero(second))
        found = paired_difference(
            first, second, seed=int(rng.integers(2**62)), bets=bets, resamples=RESAMPLES
        )
        is_small, is_enough = found.p <= LEVEL, min(bets) >= ENOUGH_BETS
        small += is_small
        enough += is_enough
        small_enough += is_small and is_enough
    return {
        "alike": family.alike,
        "share": round(small / comparisons, 5),
        "enough": enough,
        "share_enough": round(small_enough / enough, 5) if enough else None,
    }


def within(figures: dict[str, Any], comparisons: int) -> bool:
    """Return whether a family's shares are within the limits, three standard errors allowed for."""
    reach = 3 * math.sqrt(LEVEL * (1 - LEVEL) / comparisons)
    allowed = 0.0 if comparisons >= 10_000 else reach
    least = figures["share_enough"]
    few = not figures["alike"] or least is None or figures["enough"] < comparisons / 2
    return figures["share"] <= MOST + allowed and (few or least >= LEAST - allowed)


def measured(comparisons: int, seed: int, jobs: int) -> dict[str, Any]:
    """Return the shares of all families, and whether they are within the limits."""
    share = partial(compared, comparisons=comparisons, seed=seed)
    with ProcessPoolExecutor(jobs) as pool:
        found = dict(zip(FAMILIES, pool.map(share, FAMILIES), strict=True))
    alike = [f for f in found.values() if f["alike"]]
    return {
        "comparisons": comparisons,
        "seed": seed,
        "level": LEVEL,
        "most": max(f["share"] for f in found.values()),
        "least_enough": min(f["share_enough"] for f in alike if f["share_enough"] is not None),
        "families": found,
        "ok": all(within(f, comparisons) for f in found.values()),
    }


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--comparisons", type=int, default=10_000, help="of each family")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    result = measured(args.comparisons, args.seed, args.jobs)
    if args.json:
        print(json.dumps(result))
    else:
        for name, figures in result["families"].items():
            print(f"{name}: p <= {LEVEL} in {figures['share']:.2%} of comparisons")
        print("ok" if result["ok"] else "NOT ok")
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
