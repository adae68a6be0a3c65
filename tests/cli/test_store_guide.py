"""The page on the store: its commands run as written, and it describes every problem and command."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from vectra_bot.cli.store import store
from vectra_bot.store.maintenance.check import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "store-guide.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_page_runs_as_written(tmp_path: Path) -> None:
    """Its blocks run one after another in an empty folder."""
    for kind, body in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "python":
            _run(["-c", body], tmp_path)
        elif kind == "sh":
            for line in body.strip().split("\n"):
                _run(["-m", *shlex.split(line.replace("vectra-bot", "vectra_bot", 1))], tmp_path)


def _run(arguments: list[str], folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"


def test_every_problem_and_command_is_explained() -> None:
    """Each kind of problem is in the table, each command in the text."""
    text = PAGE.read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in text] == []
    assert [name for name in store.commands if f"store {name}" not in text] == []
