"""Strategies in files: neighbours, worker processes, and configuration beside them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vectra_bot.cli.main import main
from vectra_bot.loading import resolve_strategy

WORKERS = """
import multiprocessing
import sys
from vectra_bot import Strategy

class Job:
    def __init__(self, x):
        self.x = x

def work(job):
    return job.x * 2

class Pooled(Strategy):
    answers = []

    def on_game_start(self, game):
        if not self.answers:
            for kind in ("spawn", "forkserver"):
                with multiprocessing.get_context(kind).Pool(1) as pool:
                    self.answers += pool.map(work, [Job(3)])

    def save(self):
        return self.answers
"""


def test_classes_of_a_file_reach_workers(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spawned ones and those of a server import the file under its own name, from any folder."""
    path = tmp_path / "pooled_bot.py"
    path.write_text(WORKERS)
    words = ["run", str(path), "--games", "1", "--seed", "7", "--crowd", "0", "--store", str(store)]
    done = subprocess.run(
        [sys.executable, "-m", "vectra_bot", *words, "--json"],
        cwd="/", capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)["games"]) == (0, 1), done.stderr
    states = "select detail_json from system_event where kind = 'strategy.state'"
    assert main(["query", states, "--store", str(store), "--json"]) == 0
    assert "[6, 6]" in capsys.readouterr().out.replace("\\", "")


def test_a_file_imports_its_neighbours(tmp_path: Path) -> None:
    """Whatever the working folder is."""
    (tmp_path / "neighbour_of_mine.py").write_text("STAKE = '0.25'\n")
    path = tmp_path / "with_neighbour.py"
    path.write_text(
        "from neighbour_of_mine import STAKE\nfrom vectra_bot import Strategy\n"
        "class Mine(Strategy):\n    stake: str = STAKE\n"
    )
    assert resolve_strategy(str(path)).cls().stake == "0.25"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["json.py", "two words.py", "test_files.py"])
def test_a_file_replaces_no_module(name: str, tmp_path: Path) -> None:
    """One with the name of a module, or with a name that none can have, is still loaded."""
    path = tmp_path / name
    path.write_text("from vectra_bot import Strategy\nclass Mine(Strategy): ...\n")
    before = sys.modules.get("json")
    found = resolve_strategy(str(path))
    assert found.cls.__name__ == "Mine"
    assert sys.modules.get("json") is before


def test_two_files_of_one_name_are_two(tmp_path: Path) -> None:
    """The second is loaded under another name; a file that changed is loaded again."""
    paths = []
    for folder, stake in (("a", 1), ("b", 2)):
        path = tmp_path / folder / "twice_named.py"
        path.parent.mkdir()
        path.write_text(
            f"from vectra_bot import Strategy\nclass Mine(Strategy):\n    stake: int = {stake}\n"
        )
        paths.append(path)
    found = [resolve_strategy(str(path)).cls for path in paths]
    assert [cls().stake for cls in found] == [1, 2]  # type: ignore[attr-defined]
    paths[0].write_text(paths[0].read_text().replace("= 1", "= 33"))
    assert resolve_strategy(str(paths[0])).cls().stake == 33  # type: ignore[attr-defined]


def test_paths_of_a_configuration_are_relative_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As its author sees them; a byte order mark before the text is accepted."""
    folder = tmp_path / "bot"
    folder.mkdir()
    (folder / "mine.py").write_text(
        "from vectra_bot import Strategy\nclass Mine(Strategy):\n    def on_game_start(self, game): ...\n"
    )
    (folder / "bot.toml").write_text(
        '[run]\nstrategy = "./mine.py:Mine"\ngames = 1\nstore = "kept"\n\n[exchange]\ncrowd = 0\n',
        encoding="utf-8-sig",
    )
    assert main(["run", "--config", str(folder / "bot.toml"), "--seed", "7", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["store"] == str(folder / "kept")
