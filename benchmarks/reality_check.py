"""Whether the reality check of a sweep can be trusted: sweeps under the law, in which all is luck.

    python benchmarks/reality_check.py --json

Each repetition draws new games from the law and plays all sets of a family on them: positions entered at a
tick and left at a target, a stop, or the rug. A set's excess is its profit less what the law expects of the
risk, tick by tick, as in a sweep. The p of the best must be uniform over the repetitions: ``ks_p`` is that of
the Kolmogorov-Smirnov distance, ``share_below`` the share of repetitions with a p of at most each level.
Families differ by how skewed and how rare results are; ``judged`` is how many sets have enough games.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from vectra_bot.analysis.reality import reality_check
from vectra_bot.backtest.fast.chunks import Chunk
from vectra_bot.conformance.crowd.statistics import ks_distance_to_law, ks_p_value
from vectra_bot.kernel.batch import GameBatch, draw_games
from vectra_bot.kernel.exits import ExitScan

LEVELS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
GOAL_KS_P = 0.001
TOKENS = 10**9

Floats = NDArray[np.float64]


@frozen
class Rule:
    """A set of parameters: the tick of the entry, and what ends the position before the rug."""

    entry: int
    exits: ExitScan


def rules_of(
    entries: Sequence[int], targets: Sequence[float], stops: Sequence[float | None]
) -> list[Rule]:
    """Return every combination."""
    return [
        Rule(entry, ExitScan(take_profit=target, stop_loss=stop))
        for entry, target, stop in itertools.product(entries, targets, stops)
    ]


STOPS = (None, 0.3, 0.5, 0.7, 0.9)
USUAL = rules_of((2, 5, 10, 30, 100), (1.05, 1.2, 1.5, 2, 3, 5, 10, 30), STOPS)
RARE = rules_of((2, 10, 100, 300, 600), (1.01, 1.05, 1.2, 1.5, 2, 5, 20, 100), STOPS)

FAMILIES: dict[str, tuple[list[Rule], int]] = {
    "usual": (USUAL, 2_000),
    "rare": (RARE, 2_000),
    "few games": (RARE, 500),
}
"""Rules of each family, and games of a sweep."""


def excesses(games: GameBatch, sets: Sequence[Rule]) -> tuple[Floats, NDArray[np.int64]]:
    """Return each set's excess per game and unit of stake, and the games it entered."""
    prices, starts = games.prices, games.start
    assert prices is not None
    assert starts is not None
    gains, last = np.asarray(Chunk(games).sums[0]), len(prices) - 1
    table = np.zeros((len(games), len(sets)))
    entered = np.zeros(len(sets), np.int64)
    for number, one in enumerate(sets):
        alive = games.rug_tick > one.entry
        bought = np.where(alive, prices[np.minimum(starts + one.entry, last)], 1.0)
        ticks, kinds = one.exits.find(games, one.entry, TOKENS, (bought * TOKENS).astype(np.int64))
        sold = np.where(kinds > 0, prices[np.minimum(starts + ticks, last)], games.rug_price)
        expected = gains[starts + ticks] - gains[np.minimum(starts + one.entry, last)]
        table[:, number] = np.where(alive, (sold - bought - expected) / bought, 0.0)
        entered[number] = alive.sum()
    return table, entered


def family(name: str, repetitions: int, seed: int, resamples: int) -> dict[str, Any]:
    """Return how the p of a family are distributed."""
    sets, count = FAMILIES[name]
    dice = np.random.default_rng(seed)
    found, judged = [], 0
    for number in range(repetitions):
        games = draw_games(count, seed, first=number * count, prices=True)
        table, entered = excesses(games, sets)
        check = reality_check(table, dice, played=entered, resamples=resamples)
        assert check.p is not None
        found.append(check.p)
        judged += check.judged
    p = np.sort(found)
    distance = ks_distance_to_law(p, p)
    return {
        "sets": len(sets),
        "games": count,
        "judged": round(judged / repetitions, 1),
        "ks_distance": round(distance, 4),
        "ks_p": round(ks_p_value(distance, repetitions), 6),
        "share_below": {str(level): round(float((p <= level).mean()), 4) for level in LEVELS},
    }


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=1_000)
    parser.add_argument("--resamples", type=int, default=499, help="draws of games in each check")
    parser.add_argument("--only", choices=tuple(FAMILIES), help="one family")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    names = [args.only] if args.only else list(FAMILIES)
    found = {
        name: family(name, args.repetitions, args.seed + at, args.resamples)
        for at, name in enumerate(names)
    }
    least = min(one["ks_p"] for one in found.values())
    result = {
        "repetitions": args.repetitions,
        "resamples": args.resamples,
        "seed": args.seed,
        "families": found,
        "ks_p": least,
        "ok": least >= GOAL_KS_P,
    }
    if args.json:
        print(json.dumps(result))
    else:
        for name, figures in found.items():
            print(f"{name}: {figures}")
        print("ok" if result["ok"] else "NOT ok", f"ks_p {least}")
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
