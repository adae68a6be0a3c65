"""The gallery: each strategy runs as the page says, with the figures that the page states."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import vectra_bot

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "gallery.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = dict(_BLOCK.findall(TEXT))
ROWS = dict(re.findall(r"^\| `(\w+\.py)` \| (.*) \|$", TEXT, re.MULTILINE))
STRATEGIES = [name for name in FILES if not name.startswith("test_")]


def test_there_are_six_with_a_row_each() -> None:
    """Every strategy has its figures, and every row its strategy."""
    assert len(STRATEGIES) == 6
    assert list(ROWS) == STRATEGIES


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_figures_are_those_of_a_run(name: str, tmp_path: Path) -> None:
    """Profit, expected value and wins of 20 games from seed 7."""
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    report = vectra_bot.run(str(path), games=20, seed=7, crowd=0, no_store=True).to_json()
    sort = "bets" if report["bets"]["count"] else "trades"
    counted = report[sort]
    found = (
        f"{report['pnl']:+.9f} | {report['expected']:+.9f} | "
        f"{counted['won']} of {counted['count']} {sort.replace('trades', 'positions')}"
    )

    assert found == ROWS[name]
    assert report["expected"] < 0


def test_the_test_of_the_page_passes(tmp_path: Path) -> None:
    """With pytest, in the folder of the strategy."""
    for name in ("double.py", "test_double.py"):
        (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_double.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "1 passed" in done.stdout, done.stdout + done.stderr
