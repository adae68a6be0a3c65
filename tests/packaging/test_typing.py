"""What a type checker finds in a user's project: nothing in right code, each mistake in wrong code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import vectra_bot
import vectra_bot.models
import vectra_bot.testing

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "python.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WRONG = """\
vectra_bot.run("watch", gamez=3)
vectra_bot.run("watch", games="3")
vectra_bot.run("watch", speed="fast")
vectra_bot.run("watch", wire_format="jan")
vectra_bot.run("watch", short_payoff="book")
vectra_bot.run("watch", limits=0.1)
vectra_bot.run("watch", stop=True)
vectra_bot.run("watch", observer=print)
vectra_bot.run("watch", enable_plugins=3)
vectra_bot.run(3)
vectra_bot.run()
vectra_bot.run(vectra_bot.Plugin)
vectra_bot.run("watch").profit
text: str = vectra_bot.run("watch")
vectra_bot.replay("capture", venue="https://venue.example")
vectra_bot.replay("capture", check=True)
vectra_bot.replay(3)
vectra_bot.replay("capture").games
vectra_bot.check_journal("journal")["equal"]
vectra_bot.record()
vectra_bot.record("https://venue.example", wire_format="FEB")
vectra_bot.record("https://venue.example", seconds="60")
vectra_bot.record("https://venue.example", settings={"attempts": 1})
vectra_bot.record("https://venue.example", flushed=lambda: None)
vectra_bot.SessionConfig(strategy="watch", games="3")
vectra_bot.SessionConfig(strategy="watch", gamez=3)
vectra_bot.Limits(actions_per_game="many")
vectra_bot.LiveSettings(attempts="three")
vectra_bot.check_store("store", quick="yes")
vectra_bot.check_store("store", sessions=3)
vectra_bot.check_store(3)
vectra_bot.recover_store("store", salvage_all=True)
vectra_bot.compact_store("store", sessions=[1])
vectra_bot.compact_store("store", progress=lambda: None)
vectra_bot.import_files(["file"], venue=3)
vectra_bot.import_files(3)
vectra_bot.verify()
vectra_bot.verify("file").problems
vectra_bot.verify_seed("seed")
vectra_bot.verify_seed("seed", "game")["ok"]
vectra_bot.odds(3)
vectra_bot.odds("edge", ticks=3)
vectra_bot.odds("edge", target="high")
vectra_bot.open_store()
vectra_bot.open_store("store").sql()
vectra_bot.Stratgy
models.GameTik
models.GameTick(game_id="g", tick="3", price=1.0, phase=models.GamePhase.ACTIVE)
testing.Bench("watch")
testing.Bench(strategy="watch", cash=[])
"""


@pytest.mark.slow
def test_a_users_project_is_checked_strictly(tmp_path: Path) -> None:
    """The examples use every public name and have no error; every line of the other file has one."""
    examples = "\n\n".join(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    (tmp_path / "right.py").write_text(examples, encoding="utf-8")
    imports = "import vectra_bot\nfrom vectra_bot import models, testing\n"
    (tmp_path / "wrong.py").write_text(imports + WRONG, encoding="utf-8")
    for module in (vectra_bot, vectra_bot.models, vectra_bot.testing):
        unused = [name for name in module.__all__ if not re.search(rf"\b{name}\b", examples)]
        assert unused == []

    done = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=cache",
            "right.py", "wrong.py",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    found = re.findall(r"^(\w+)\.py:(\d+): error: ", done.stdout, re.MULTILINE)
    lines = WRONG.splitlines()
    missed = [line for number, line in enumerate(lines, 3) if ("wrong", str(number)) not in found]

    assert missed == [], done.stdout
    assert [line for file, line in found if file != "wrong"] == [], done.stdout
