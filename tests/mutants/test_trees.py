"""A scratch copy runs the text it has, whatever was run in it before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.mutants.trees import Tree

FILE = "vectra_bot/game/rules.py"


def test_every_change_is_run_and_undone(tmp_path: Path) -> None:
    """Two changes of one size are two texts, also where Python keeps what it compiled."""
    tree = Tree(tmp_path)
    path = tree.folder / FILE
    before = path.read_text(encoding="utf-8")
    line = "SIDEBET_PAYOUT_X = 5\n"
    assert before.count(line) == 1
    environment = {**os.environ, "PYTHONPATH": str(tree.folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [
        sys.executable,
        "-c",
        "from vectra_bot.game import rules; print(rules.SIDEBET_PAYOUT_X)",
    ]

    def shown() -> int:
        done = subprocess.run(
            command, env=environment, capture_output=True, check=True, cwd=tmp_path
        )
        return int(done.stdout)

    for value in (5, 6, 7, 6):
        with tree.changed(FILE, before.replace(line, line.replace("5", str(value)))):
            assert shown() == value
    assert shown() == 5
    assert path.read_text(encoding="utf-8") == before
