"""The benchmarks of faults in live sessions find nothing wrong, with few faults."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(*words: str) -> dict[str, Any]:
    """Run the benchmark and return its figures."""
    done = subprocess.run(
        [sys.executable, "live_faults.py", *words, "--json"],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.stdout, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@pytest.mark.long
def test_books_agree_after_kills() -> None:
    """Every session knows the exchange's books; nothing was sent twice."""
    found = run("kill", "--times", "4", "--bots", "2", "--speed", "8")

    assert found["problems"] == []
    assert (found["kills"], found["sent_twice"]) == (4, 0)
    assert found["books_compared"] >= 3
    assert found["actions"] > 0


@pytest.mark.long
def test_actions_in_flight_are_unknown_after_disconnects() -> None:
    """Every reset is noticed, and each action ends with a proof or unresolved."""
    found = run("disconnect", "--times", "4", "--bots", "1", "--speed", "8")

    # Times depend on what else the machine does; the goal is the benchmark's own.
    assert [line for line in found["problems"] if not line.startswith("slow")] == []
    assert found["disconnects_with_actions_in_flight"] >= 4
    assert found["sent_twice"] == 0
