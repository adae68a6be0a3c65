"""Exact replay of games, compiled, compared with node and `seedrandom`, and with pure Python.

    python benchmarks/replay.py --json
    python benchmarks/replay.py --games 100000 --rounds 1 --json      # 100,000 seeds compared with seedrandom

The sides take turns in each round, and every game of node's is compared with ours, bit for bit. Times are CPU
times; those of `threads` are times of the clock and need two idle cores. npm brings `seedrandom`, unless
`NODE_PATH` has it; without node and npm that side is missing.

There are two sides of pure Python. `python` is the law as this file has it, the generator byte by byte and
all in one function. `fallback` is what the SDK plays without the compiled law, `vectra_bot.game.fair`: it
makes the generator's bytes in blocks, which takes less time.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from sides import clock_s, cpu_s, finish, parser_of, ratios
from store_common import alternate

from vectra_bot.game import fair, rules
from vectra_bot.kernel import library
from vectra_bot.kernel.batch import GameBatch, play_games
from vectra_bot.kernel.play import play_game

GOALS = {"node_ratio": 6.0, "python_ratio": 170.0, "threads_ratio": 1.4}
SCRIPT = Path(__file__).with_suffix(".js")


def play_plainly(server_seed: str, game_id: str) -> tuple[float, float, int]:
    """Return peak, last price and rug tick of a game (protocol 4)."""
    draw = draws_of(fair.generator_key(server_seed, game_id).encode())
    price = peak = 1.0
    for tick in range(1, rules.MAX_TICKS + 1):
        if draw() < rules.RUG_CHANCE:
            return peak, price, tick
        if draw() < rules.GOD_CANDLE_CHANCE and price <= rules.GOD_CANDLE_MAX_PRICE:
            price *= rules.GOD_CANDLE_FACTOR
        elif draw() < rules.BIG_MOVE_CHANCE:
            move = 0.15 + draw() * (0.25 - 0.15)
            price *= 1 + (move if draw() > 0.5 else -move)
        else:
            drift = -0.02 + draw() * (0.03 - -0.02)
            price *= 1 + (drift + 0.005 * min(10.0, sqrt(price)) * (2 * draw() - 1))
        price = max(price, 0.0)
        peak = max(peak, price)
    return peak, price, rules.MAX_TICKS + 1


def draws_of(key: bytes) -> Callable[[], float]:
    """Return the generator of `seedrandom` for a key: ARC4, of which the first 256 bytes are dropped."""
    state, i, j = list(range(256)), 0, 0
    for at in range(256):
        value = state[at]
        j = (j + value + key[at % len(key)]) & 255
        state[at], state[j] = state[j], value
    j = 0
    for at in (*range(1, 256), 0):
        value = state[at]
        j = (j + value) & 255
        state[at], state[j] = state[j], value

    def draw() -> float:
        nonlocal i, j
        n = bits = 0
        while bits < 56 or n < 1 << 52:
            i = (i + 1) & 255
            value = state[i]
            j = (j + value) & 255
            state[i] = other = state[j]
            state[j] = value
            n = n << 8 | state[(value + other) & 255]
            bits += 8
        surplus = n.bit_length() - 53
        if surplus > 0:
            n = n >> surplus << surplus
        return n / (1 << bits)

    return draw


class Node:
    """A process of node that plays all games when asked."""

    def __init__(self, games: list[tuple[str, str]], folder: Path, modules: Path) -> None:
        keys, self.results = folder / "keys.json", folder / "results"
        keys.write_text(json.dumps([fair.generator_key(*game) for game in games]))
        self._process = subprocess.Popen(
            ["node", SCRIPT, keys, self.results],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NODE_PATH": str(modules)},
        )

    def play(self) -> float:
        """Play every game; return the seconds of CPU time."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write("\n")
        stdin.flush()
        return float(stdout.readline())

    def different(self, batch: GameBatch) -> int:
        """Return how many games are not the same as ours, bit for bit."""
        peak, low, last, count = np.fromfile(self.results).reshape(-1, 4).T
        equal = (peak == batch.peak) & (last == batch.last_price) & (count == batch.rug_tick)
        equal &= low * (1 - rules.RUG_DROP) == batch.rug_price
        return int((~equal).sum())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def modules_of(folder: Path) -> Path | None:
    """Return a folder with `seedrandom`, installed if need be; None without node or npm."""
    given = os.environ.get("NODE_PATH")
    if shutil.which("node") is None:
        return None
    if given and (Path(given) / "seedrandom").is_dir():
        return Path(given)
    if shutil.which("npm") is None:
        return None
    command = ["npm", "install", "--silent", "--prefix", folder, "seedrandom@3.0.5"]
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    return folder / "node_modules" if done.returncode == 0 else None


def measured(count: int, few: int, rounds: int, seed: int, folder: Path) -> dict[str, Any]:
    """Return the figures."""
    rng = np.random.default_rng(seed)
    games = [(rng.bytes(32).hex(), f"20251207-{rng.bytes(8).hex()}") for _ in range(count)]
    batch = play_games(games)
    modules = modules_of(folder)
    node = None if modules is None else Node(games, folder, modules)
    sides: dict[str, Any] = {
        "ours": lambda: cpu_s(lambda: play_games(games)) / count,
        "prices": lambda: cpu_s(lambda: play_games(games[: 4 * few], prices=True)) / (4 * few),
        "one": lambda: cpu_s(lambda: [play_game(*game) for game in games[:few]]) / few,
        "python": lambda: cpu_s(lambda: [play_plainly(*game) for game in games[:few]]) / few,
        "fallback": lambda: cpu_s(lambda: [fair.play_game(*game) for game in games[:few]]) / few,
        "clock": lambda: clock_s(lambda: play_games(games)) / count,
        "threads": lambda: clock_s(lambda: play_games(games, threads=2)) / count,
    }
    if node is not None:
        node.play()  # warms its compiler
        sides["node"] = lambda: node.play() / count
    found = alternate(rounds, sides)
    result: dict[str, Any] = {"games": count, "seed": seed, "kernel": library.status().message}
    result["games_per_s"] = {
        name: round(1 / statistics.median(seconds)) for name, seconds in found.items()
    }
    pairs = {f"{name}_ratio": (name, "ours") for name in ("node", "python", "fallback")}
    pairs["threads_ratio"] = ("clock", "threads")
    for name, (theirs, ours) in pairs.items():
        if theirs in found:
            result[name] = ratios(found[theirs], found[ours])
    result["one_game_us"] = round(statistics.median(found["one"]) * 1e6, 1)
    result["different_from_fallback"] = sum(
        play_game(*game) != fair.play_game(*game) for game in games[:few]
    )
    of_batch = zip(batch.peak, batch.last_price, batch.rug_tick, strict=True)
    result["different_from_python"] = sum(
        play_plainly(*game) != ours for game, ours in zip(games[:few], of_batch, strict=False)
    )
    result["different_from_node"] = None
    if node is not None:
        result["different_from_node"] = node.different(batch)
        node.close()
    result["over_goal"] = [
        name for name, goal in GOALS.items() if name in result and result[name]["median"] < goal
    ]
    result["over_goal"] += [
        name for name in result if name.startswith("different") and result[name]
    ]
    return result


def main() -> int:
    """Run the command."""
    parser = parser_of(__doc__, rounds=7)
    parser.add_argument("--games", type=int, default=20_000, help="games of each round")
    parser.add_argument("--few", type=int, default=300, help="of them, played in pure Python")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measured(options.games, options.few, options.rounds, options.seed, Path(folder))
    return finish(result, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
