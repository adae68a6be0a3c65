"""Speed of the exchange in virtual time on one core, with every frame encoded.

    python benchmarks/exchange.py --games 1000
    python benchmarks/exchange.py --games 6000 --crowd 0 --countdown-step 5000
    python benchmarks/exchange.py --games 10000 --memory

Both sides in one run: the same games by the readable price law only (``game.fair.play_game``) are timed
in between, so that the ratio can be compared across machines. ``--memory`` gives the resident set at ten
points of the run, MB; it is flat if the last is not above the first by more than noise.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from vectra_bot.exchange import Exchange, ExchangeConfig
from vectra_bot.exchange.config import DEFAULT_CROWD
from vectra_bot.game.fair import play_game
from vectra_bot.wire.states import WireFormat

_POINTS = 10
_LAW_GAMES = 200


def resident_mb() -> float:
    """Return the resident set of this process, MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def law_seconds(games: int) -> float:
    """Return the seconds that the price law alone takes for *games* games."""
    started = time.perf_counter()
    for number in range(games):
        play_game(f"{number:064x}", "20260101-0123456789abcdef")
    return time.perf_counter() - started


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the exchange and return the figures."""
    config = ExchangeConfig(
        seed=options.seed,
        crowd=options.crowd,
        countdown_step=options.countdown_step,
        wire_format=WireFormat(options.format),
    )
    law = law_seconds(_LAW_GAMES) / _LAW_GAMES
    exchange = Exchange(config)
    size = frames = 0
    memory: list[float] = []
    wall, cpu = time.perf_counter(), time.process_time()
    for point in range(1, _POINTS + 1):
        until = options.games * point // _POINTS
        while exchange.games_opened < until:
            for message in exchange.step():
                size += len(message.text)
                frames += 1
        memory.append(round(resident_mb(), 1) if sys.platform == "linux" else 0.0)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    law = (law + law_seconds(_LAW_GAMES) / _LAW_GAMES) / 2
    figures: dict[str, Any] = {
        "seed": options.seed,
        "games": options.games,
        "crowd": options.crowd,
        "countdown_step_ms": options.countdown_step,
        "format": options.format,
        "games_per_min": round(options.games / wall * 60),
        "games_per_cpu_min": round(options.games / cpu * 60),
        "times_the_law_alone": round(wall / options.games / law, 2),
        "frames": frames,
        "kb_per_game": round(size / options.games / 1000, 1),
    }
    if options.memory:
        figures["resident_mb"] = memory
    return figures


def main() -> None:
    """Read the options, measure, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--games", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--crowd", type=int, default=DEFAULT_CROWD)
    parser.add_argument("--countdown-step", type=int, default=100, metavar="MS")
    parser.add_argument("--format", choices=("feb", "dec"), default="feb")
    parser.add_argument("--memory", action="store_true")
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
