"""Whether the luck of a report can be trusted: sessions under the law in which there is nothing but luck.

    python benchmarks/luck.py --json

Each family of sessions plays by one rule: a few sidebets, positions with a target, a stop, a time limit,
or both kinds. Games are drawn from the law by the generator of ``vectra-bot odds``. A luck that is right is
below ``level`` in that share of sessions at most. ``exact_gap`` is how far luck is below the exact chance at
most: for sidebets by the binomial distribution, for others by the share of the family's sessions that made
at least the same profit, less three standard errors of that share.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vectra_bot.analysis.odds.montecarlo import generator, move
from vectra_bot.game import rules
from vectra_bot.report.luck import Risks
from vectra_bot.report.session import sidebet

LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
GOAL_GAP = 0.002
STAKE = 10_000_000
RUG_SHARE = 1 - rules.RUG_DROP

Multiples = NDArray[np.float64]


def positions(count: int, rng: Generator, *, target: float, stop: float, ticks: int) -> Multiples:
    """Return by what a stake of *count* games is multiplied: target, stop, time limit or the rug."""
    price, low = np.ones(count), np.ones(count)
    result = np.zeros(count)
    left = np.arange(count)
    for tick in range(1, rules.MAX_TICKS + 1):
        rugged = rng.random(len(left)) < rules.RUG_CHANCE
        result[left[rugged]] = low[left[rugged]] * RUG_SHARE
        left = left[~rugged]
        price[left] = move(price[left], rng)
        np.minimum(low, price, out=low)
        seen = price[left]
        closed = (seen >= target) | (seen <= stop) | (tick >= ticks)
        result[left[closed]] = seen[closed]
        left = left[~closed]
        if not len(left):
            return result
    result[left] = low[left] * RUG_SHARE
    return result


def sidebet_lucks(count: int, rng: Generator, *, bets: int) -> tuple[Multiples, Multiples]:
    """Return luck and exact chance of *count* sessions of *bets* sidebets each."""
    bet = sidebet(STAKE)
    won = rng.binomial(bets, bet.chance, count)
    lucks, exact = np.zeros(bets + 1), np.zeros(bets + 1)
    for wins in range(bets + 1):
        risks = Risks()
        for _ in range(bets):
            risks.add_bet(bet)
        luck = risks.luck(wins * bet.payout - bets * STAKE, {})
        assert luck is not None
        lucks[wins] = luck.chance
        exact[wins] = sum(
            math.comb(bets, k) * bet.chance**k * (1 - bet.chance) ** (bets - k)
            for k in range(wins, bets + 1)
        )
    return lucks[won], exact[won]


def position_lucks(
    count: int, rng: Generator, *, games: int, bets: int = 0, **rule: Any
) -> tuple[Multiples, Multiples]:
    """Return luck and exact chance of *count* sessions of *games* positions and *bets* sidebets each."""
    bet = sidebet(STAKE)
    multiples = positions(count * games, rng, **rule).reshape(count, games)
    made = np.floor(multiples * STAKE).astype(np.int64) - STAKE
    won = rng.binomial(bets, bet.chance, count)
    beside = won * bet.payout - bets * STAKE
    total = made.sum(axis=1) + beside
    lucks = np.empty(count)
    for number in range(count):
        risks = Risks()
        for _ in range(bets):
            risks.add_bet(bet)
        for game, profit in enumerate(made[number]):
            first = game == 0
            risks.add_game(
                int(profit) + (int(beside[number]) if first else 0),
                STAKE * (1 + (bets if first else 0)),
            )
        luck = risks.luck(int(total[number]), {})
        assert luck is not None
        lucks[number] = luck.chance
    order = np.sort(total)
    share = 1 - np.searchsorted(order, total, side="left") / count
    return lucks, share - 3 * np.sqrt(share * (1 - share) / count)


FAMILIES: dict[str, Callable[[int, Generator], tuple[Multiples, Multiples]]] = {
    **{
        f"{bets} sidebets": lambda count, rng, bets=bets: sidebet_lucks(count, rng, bets=bets)  # type: ignore[misc]
        for bets in range(1, 6)
    },
    **{
        f"{games} positions, {name}": lambda count, rng, games=games, rule=rule: position_lucks(  # type: ignore[misc]
            count, rng, games=games, **rule
        )
        for games in (1, 2, 5)
        for name, rule in {
            "target 1.5": {"target": 1.5, "stop": 0.0, "ticks": 5000},
            "target 1.05": {"target": 1.05, "stop": 0.0, "ticks": 5000},
            "target 3, stop 0.7, 60 ticks": {"target": 3.0, "stop": 0.7, "ticks": 60},
            "20 ticks": {"target": math.inf, "stop": 0.0, "ticks": 20},
        }.items()
    },
    "2 positions, target 1.5, and 2 sidebets": lambda count, rng: position_lucks(
        count, rng, games=2, bets=2, target=1.5, stop=0.0, ticks=5000
    ),
}


def measured(sessions: int, seed: int) -> dict[str, Any]:
    """Return the shares of sessions below each level, by family, and what they come to."""
    found: dict[str, Any] = {}
    worst_gap, worst_excess = -1.0, -1.0
    for number, (name, family) in enumerate(FAMILIES.items()):
        lucks, exact = family(sessions, generator(seed + number))
        shares = {str(level): round(float((lucks <= level).mean()), 5) for level in LEVELS}
        gap = float((exact - lucks).max())
        excess = max(
            float((lucks <= level).mean()) - level - 3 * math.sqrt(level * (1 - level) / sessions)
            for level in LEVELS
        )
        found[name] = {"share_below": shares, "exact_gap": round(gap, 5)}
        worst_gap, worst_excess = max(worst_gap, gap), max(worst_excess, excess)
    return {
        "sessions": sessions,
        "seed": seed,
        "families": found,
        "exact_gap": round(worst_gap, 5),
        "conservative": worst_excess <= 0,
        "ok": worst_excess <= 0 and worst_gap <= GOAL_GAP,
    }


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=20_000, help="sessions of each family")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    result = measured(args.sessions, args.seed)
    if args.json:
        print(json.dumps(result))
    else:
        for name, figures in result["families"].items():
            print(f"{name}: below each level {figures['share_below']}, gap {figures['exact_gap']}")
        print("ok" if result["ok"] else "NOT ok", f"exact_gap {result['exact_gap']}")
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
