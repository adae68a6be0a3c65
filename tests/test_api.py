"""Commands as functions: each returns what its command prints, and raises its command's errors."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import vectra_bot
from vectra_bot.cli.main import cli
from vectra_bot.errors import InputError, UnknownNameError, UsageError

SEED = ("fedde170", "20250701-a")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with one session of two games."""
    store = tmp_path_factory.mktemp("api") / "store"
    vectra_bot.run("take-profit", games=2, seed=7, session_id="S", store=store)
    return store


@pytest.fixture
def store(recorded: Path, tmp_path: Path) -> Path:
    """Return a copy of the store, at the same path for function and command."""
    return Path(shutil.copytree(recorded, tmp_path / "store"))


def printed(*arguments: str) -> dict[str, Any]:
    """Return what a command prints with ``--json``, without what it measures itself."""
    result = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    found: dict[str, Any] = json.loads(result.stdout)
    return {key: value for key, value in found.items() if key != "seconds"}


def as_printed(report: Any) -> dict[str, Any]:
    """Return a report as a command would print it."""
    found: dict[str, Any] = json.loads(json.dumps(report.to_json(), default=str))
    return found


def test_check_is_the_command(store: Path) -> None:
    """The problems of a store with a corrupt file are the same, with the same words."""
    part = next((store / "doc_type=game_tick").rglob("*.parquet"))
    part.write_bytes(b"PAR1")
    report = vectra_bot.check_store(store)

    assert not report.ok
    assert as_printed(report) == printed("store", "check", "--store", str(store))


def test_recover_is_the_command(store: Path, tmp_path: Path) -> None:
    """A corrupt file is rebuilt by either, and the store is whole afterwards."""
    part = next((store / "doc_type=game_tick").rglob("*.parquet"))
    part.write_bytes(b"PAR1")
    shutil.copytree(store, tmp_path / "other")
    report = vectra_bot.recover_store(store, sessions=["S"])
    command = printed("store", "recover", "S", "--store", str(tmp_path / "other"))

    assert report.ok
    assert report.rebuilt
    assert as_printed(report) | {"store": ""} == command | {"store": ""}
    assert vectra_bot.check_store(store).ok


def test_compact_is_the_command(store: Path, tmp_path: Path) -> None:
    """Both merge the same folders of the same sessions."""
    shutil.copytree(store, tmp_path / "other")
    report = vectra_bot.compact_store(store)
    command = printed("store", "compact", "--all", "--store", str(tmp_path / "other"))

    assert {"store": command["store"], **as_printed(report)} == command


def test_import_is_the_command(store: Path, tmp_path: Path) -> None:
    """Both import a journal, every row of it."""
    journal = str(store / "journals" / "S")
    report = vectra_bot.import_files(journal, tmp_path / "one")
    command = printed("store", "import", journal, "--store", str(tmp_path / "two"))

    assert report.ok
    (own,), (other,) = as_printed(report)["files"], command["files"]
    assert own["imported"] > 0
    assert own | {"seconds": 0} == other | {"seconds": 0}


def test_verify_is_the_command(tmp_path: Path) -> None:
    """A file with a wrong price has the same differences, a seed the same game."""
    game = vectra_bot.verify_seed(*SEED)
    row = {
        "game_id": game.game_id,
        "prices": [*game.prices[:5], 7.5, *game.prices[6:-1]],
        "rug_tick": game.rug_tick,
        "rug_price": game.rug_price,
        "complete": True,
    }
    file = tmp_path / "games.jsonl"
    file.write_text(json.dumps(row) + "\n")
    result = CliRunner().invoke(cli, ["verify", str(file), "--json"])
    of_seed = printed("verify", "--server-seed", SEED[0], "--game-id", SEED[1])

    assert as_printed(vectra_bot.verify(file)) == json.loads(result.stdout)
    assert as_printed(game) == of_seed


def test_odds_are_the_command() -> None:
    """The same question has the same figures, simulated ones included."""
    report = vectra_bot.odds("sidebet", "edge", tick=50, stake="0.05", simulate=2_000, seed=3)
    command = printed(
        "odds", "sidebet", "edge", "--tick", "50", "--stake", "0.05", "--simulate", "2000",
        "--seed", "3",
    )  # fmt: skip

    assert as_printed(report) == command
    assert report.ok == command["ok"]


def test_check_of_a_journal_is_the_command(store: Path) -> None:
    """The comparison of commands is the same."""
    journal = store / "journals" / "S"

    assert as_printed(vectra_bot.check_journal(journal)) == printed(
        "replay", "--check", str(journal)
    )


@pytest.mark.parametrize(
    "function",
    [vectra_bot.check_store, vectra_bot.recover_store, vectra_bot.compact_store],
    ids=lambda function: function.__name__,
)
def test_a_store_that_is_not_there_is_an_input_error(
    function: Callable[[Path], object], tmp_path: Path
) -> None:
    """The message names the path."""
    with pytest.raises(InputError, match="nowhere"):
        function(tmp_path / "nowhere")


def test_an_unknown_session_is_named(store: Path) -> None:
    """Each function says which sessions there are or which is close."""
    for function in (vectra_bot.check_store, vectra_bot.compact_store):
        with pytest.raises(UnknownNameError, match="no session is named 'T'"):
            function(store, sessions=["T"])


def test_progress_is_reported(store: Path) -> None:
    """The callback gets what is done, how much, and the total."""
    steps: list[tuple[str, int, int]] = []
    vectra_bot.check_store(store, progress=lambda *step: steps.append(step))

    assert steps[0] == ("check S", 0, 1)
    assert steps[-1] == ("check", 1, 1)


def test_the_default_store_is_that_of_the_command_line(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a path it is $VECTRA_STORE."""
    monkeypatch.setenv("VECTRA_STORE", str(store))

    assert vectra_bot.check_store(quick=True).sessions == ["S"]
    assert vectra_bot.compact_store().failed == ()


def test_imports_are_refused_inside_a_running_loop(tmp_path: Path) -> None:
    """The message names the function and what to do."""

    async def inside() -> None:
        vectra_bot.import_files(tmp_path, tmp_path / "store")

    with pytest.raises(UsageError, match=r"to_thread\(vectra_bot.import_files"):
        asyncio.run(inside())


def test_the_functions_import_nothing_before_they_run() -> None:
    """Looking them up brings neither tables nor tasks with it."""
    program = (
        "import sys, vectra_bot;"
        "vectra_bot.check_store, vectra_bot.compact_store, vectra_bot.import_files;"
        "vectra_bot.recover_store, vectra_bot.verify;"
        "heavy = [m for m in ('attrs', 'pyarrow', 'duckdb', 'asyncio', 'numpy', 'rich')"
        " if m in sys.modules]; sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
