"""Games drawn from the law, compiled, compared with numpy; their distribution; and declared exits over them.

    python benchmarks/montecarlo.py --json

The other side is the vectorised simulation of `vectra-bot odds`, all rules included: games sorted by length,
one array operation for all that are alive. Sides take turns in each round; times are CPU times of one core.
`ks` is the Kolmogorov-Smirnov distance of drawn games from exact ones, over the 5 % critical value.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sides import cpu_s, finish, parser_of, ratios
from store_common import alternate

from vectra_bot.analysis.odds import montecarlo
from vectra_bot.kernel import library
from vectra_bot.kernel.batch import draw_games, play_games
from vectra_bot.kernel.exits import ExitKind, ExitScan

GOAL_RATIO = 20.0
GOAL_EXITS = 1_000_000
GOAL_SCANNED = 1_000_000
PIECE = 4_096  # games whose prices are in memory at a time
ENTRY = 10
RULES = ExitScan(take_profit=1.5, stop_loss=0.7, max_ticks=60)


def numpy_games(count: int, seed: int) -> None:
    """Play games as `vectra-bot odds` does."""
    rng = montecarlo.generator(seed)
    for batch in montecarlo.batches(count, rng):
        montecarlo.play(batch, rng)


def exits(count: int, seed: int) -> NDArray[np.int64]:
    """Draw games and find the exits of a stake at tick 10; return the number of games by kind of exit."""
    kinds = np.zeros(len(ExitKind), np.int64)
    for first in range(0, count, PIECE):
        games = draw_games(min(PIECE, count - first), seed, first=first, prices=True)
        assert games.prices is not None
        assert games.start is not None
        bought = games.rug_tick > ENTRY
        at_entry = games.prices[np.where(bought, games.start + ENTRY, games.start)]
        qty = (10_000_000 / at_entry).astype(np.int64)
        _, why = RULES.find(games, ENTRY, qty, 10_000_000)
        kinds += np.bincount(why[bought], minlength=len(kinds))
    return kinds


def ks(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the distance of two samples over the critical value of 5 %."""
    one, other = np.sort(one), np.sort(other)
    points = np.concatenate([one, other])
    shares = [np.searchsorted(sample, points, "right") / len(sample) for sample in (one, other)]
    critical = 1.358 * np.sqrt(1 / len(one) + 1 / len(other))
    return float(np.abs(shares[0] - shares[1]).max() / critical)


def distances(exact: int, drawn: int, seed: int) -> dict[str, float]:
    """Return how far drawn games are from exact ones."""
    rng = np.random.default_rng(seed)
    keys = [(rng.bytes(32).hex(), f"20251207-{rng.bytes(8).hex()}") for _ in range(exact)]
    one, other = play_games(keys), draw_games(drawn, seed)
    names = ("peak", "rug_tick", "rug_price", "last_price")
    return {name: round(ks(getattr(one, name), getattr(other, name)), 3) for name in names}


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures."""
    count, few, seed = options.games, options.games // 20, options.seed
    priced = draw_games(PIECE, seed, prices=True)
    found = alternate(
        options.rounds,
        {
            "ours": lambda: cpu_s(lambda: draw_games(count, seed)) / count,
            "numpy": lambda: cpu_s(lambda: numpy_games(few, seed)) / few,
            "exits": lambda: cpu_s(lambda: exits(few, seed)) / few,
            "scan": lambda: (
                cpu_s(
                    lambda: [RULES.find(priced, ENTRY, 10_000_000, 10_000_000) for _ in range(20)]
                )
                / (20 * PIECE)
            ),
        },
    )
    ticks, _ = RULES.find(priced, ENTRY, 10_000_000, 10_000_000)
    looked_at = float(np.maximum(np.minimum(ticks + 1, priced.rug_tick) - ENTRY - 1, 0).mean())
    result: dict[str, Any] = {"games": count, "seed": seed, "kernel": library.status().message}
    result["games_per_s"] = {
        name: round(1 / statistics.median(seconds)) for name, seconds in found.items()
    }
    result["numpy_ratio"] = ratios(found["numpy"], found["ours"])
    result["scanned_ticks_per_s"] = round(looked_at / statistics.median(found["scan"]))
    result["exits"] = dict(
        zip((kind.name.lower() for kind in ExitKind), exits(few, seed).tolist(), strict=True)
    )
    result["ks"] = distances(options.exact, count, seed)
    speeds = result["games_per_s"]
    checks = {
        "numpy_ratio": result["numpy_ratio"]["median"] >= GOAL_RATIO,
        "exits": speeds["exits"] >= GOAL_EXITS,
        "scan": speeds["scan"] >= GOAL_SCANNED,
        "ks": max(result["ks"].values()) < 1,
    }
    result["over_goal"] = [name for name, met in checks.items() if not met]
    return result


def main() -> int:
    """Run the command."""
    parser = parser_of(__doc__, rounds=7)
    parser.add_argument("--games", type=int, default=1_000_000, help="drawn games of each round")
    parser.add_argument("--exact", type=int, default=100_000, help="exact games to compare with")
    options = parser.parse_args()
    return finish(measured(options), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
