"""Shared by benchmarks that compare sides in one run: CPU times, versions of peers, and the output."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

from store_common import load, spread


def cpu_s(call: Callable[[], object]) -> float:
    """Return the seconds of CPU time that a call takes."""
    before = time.process_time()
    call()
    return time.process_time() - before


def clock_s(call: Callable[[], object]) -> float:
    """Return the seconds that pass during a call."""
    before = time.perf_counter()
    call()
    return time.perf_counter() - before


def ratios(theirs: list[float], ours: list[float]) -> dict[str, float]:
    """Return how many times faster ours was in each round: median, least, greatest."""
    return spread([a / b for a, b in zip(theirs, ours, strict=True)], 2)


def versions(*names: str) -> dict[str, str | None]:
    """Return the versions of the packages compared with; None for one that is not installed."""
    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def parser_of(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with the options that all have."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def finish(result: dict[str, Any], *, as_json: bool) -> int:
    """Print the figures with the machine's load; return the exit code: 1 if a goal was missed."""
    result["load"] = load()
    result["over_goal"] = result.pop("over_goal")
    if as_json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name}: {value}")
    return 1 if result["over_goal"] else 0
