"""The measuring scripts of backtests run, in small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "options", "figure"),
    [
        ("parity.py", ["--games", "2", "--crowd-games", "0", "--strategy", "take-profit"], "rows"),
        ("reality_check.py", ["--repetitions", "3", "--resamples", "19"], "families"),
        ("replay.py", ["--games", "50", "--few", "5", "--rounds", "1"], "python_ratio"),
        ("montecarlo.py", ["--rounds", "1", "--games", "20000", "--exact", "2000"], "numpy_ratio"),
        ("compare_null.py", ["--comparisons", "20", "--jobs", "1"], "families"),
    ],
)
def test_a_script_measures(script: str, options: list[str], figure: str) -> None:
    """It prints one JSON object with its figure, and ends by its exit code."""
    command = [sys.executable, FOLDER / script, *options, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode in (0, 1), done.stderr
    assert done.stderr.count("Traceback") == 0
    assert json.loads(done.stdout)[figure]
