"""``vectra-bot verify`` as a user runs it: output, exit codes, errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.conformance.frames.frame_rows import body_of, public, rows, save
from vectra_bot.cli.verify import verify
from vectra_bot.errors import CheckFailed, InputError, UsageError
from vectra_bot.game.fair import play_game, server_seed_hash

SEED, GAME = "fedde170", "20250701-a"
TRADE = {
    "gameId": "g1",
    "type": "buy",
    "tickIndex": 3,
    "price": 1.25,
    "qty": 0.08,
    "amount": 0.1,
}


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(verify, list(arguments))


def capture(folder: Path, **changes: object) -> str:
    """Write a capture of one trade."""
    path = folder / "trades.jsonl"
    path.write_text(json.dumps({**TRADE, **changes}) + "\n")
    return str(path)


def test_right_file_as_json(tmp_path: Path) -> None:
    """A correct file gives one JSON object with its kind and counts, and exit code 0."""
    result = run(capture(tmp_path), "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (found["kind"], found["ok"], found["buys_exact"]) == ("real_trades", True, 1)
    assert found["differences"] == []


def test_wrong_file_as_json(tmp_path: Path) -> None:
    """A difference is printed with both values, and the command fails as a check."""
    result = run(capture(tmp_path, qty=0.09), "--json")
    assert isinstance(result.exception, CheckFailed)
    assert result.exception.exit_code == 1
    assert "game g1, tick 3: qty expected 0.08, found 0.09" in str(result.exception)
    (difference,) = json.loads(result.stdout)["differences"]
    assert difference == {
        "game": "g1",
        "tick": 3,
        "what": "qty",
        "expected": 0.08,
        "found": 0.09,
        "line": 1,
    }


def test_text_for_people(tmp_path: Path) -> None:
    """Without --json the counts and the wrong facts are readable lines."""
    right = run(capture(tmp_path))
    assert "buys_exact" in right.stdout
    assert right.stdout.endswith("no differences\n")
    wrong = run(capture(tmp_path, qty=0.09))
    assert "wrong: game g1, tick 3: qty expected 0.08, found 0.09" in wrong.stdout


def test_recording_of_frames_is_verified(tmp_path: Path) -> None:
    """A capture gives its games by verdict; a false price fails, with the line that shows it."""
    right = public(rows())
    found = json.loads(run(str(save(tmp_path / "right.jsonl", right)), "--json").stdout)
    assert (found["kind"], found["ok"], found["games"]) == ("capture", True, found["exact"])

    first = next(row for row in right if is_tick_of(row, 4))
    first["args"][-1]["price"] = 1.2345
    wrong = run(str(save(tmp_path / "wrong.jsonl", right)))
    assert isinstance(wrong.exception, CheckFailed)
    assert "tick 4: price expected" in wrong.stdout
    assert "failed                   1" in wrong.stdout


def is_tick_of(row: dict[str, Any], tick: int) -> bool:
    body = body_of(row) if row["event"] == "gameStateUpdate" else {}
    return bool(body.get("active")) and body.get("tickCount") == tick and not body["rugged"]


def test_seed_as_json_round_trips_every_double() -> None:
    """The game of a seed is printed so that every double comes back bit for bit."""
    found = json.loads(run("--server-seed", SEED, "--game-id", GAME, "--json").stdout)
    game = play_game(SEED, GAME)
    assert found["prices"] == [*game.prices, game.rug_price]
    assert (found["rug_tick"], found["rug_price"], found["peak"], found["hash"]) == (
        game.rug_tick,
        game.rug_price,
        game.peak,
        server_seed_hash(SEED),
    )


def test_seed_of_another_law() -> None:
    """--version picks the law."""
    result = run("--server-seed", SEED, "--game-id", GAME, "--version", "v1", "--json")
    assert json.loads(result.stdout)["rug_tick"] == play_game(SEED, GAME, "v1").rug_tick


def test_prices_that_differ(tmp_path: Path) -> None:
    """A file of prices is compared, and the first difference named."""
    prices = play_game(SEED, GAME).published_prices
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(prices))
    arguments = ("--server-seed", SEED, "--game-id", GAME, "--prices", str(path))
    right = run(*arguments)
    assert right.exit_code == 0
    assert "prices_match" in right.stdout
    path.write_text(json.dumps([*prices[:2], 0.5, *prices[3:]]))
    wrong = run(*arguments, "--json")
    assert isinstance(wrong.exception, CheckFailed)
    found = json.loads(wrong.stdout)
    assert not found["prices_match"]
    assert found["first_difference"] == {"tick": 2, "expected": prices[2], "found": 0.5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give either FILE"),
        (("file", "--server-seed", "s", "--game-id", "g"), "give either FILE"),
        (("--server-seed", "s"), "--game-id is missing"),
        (("--game-id", "g"), "--server-seed is missing"),
        (("file", "--version", "v1"), "not FILE"),
        (("--server-seed", "s", "--game-id", "g", "--version", "v7"), "'v7'"),
    ],
)
def test_wrong_command_lines(arguments: tuple[str, ...], message: str) -> None:
    """Options that do not fit together are refused with what to do."""
    result = run(*arguments)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
    assert result.stdout == ""


def test_missing_file() -> None:
    """A missing file is an input error, code 3, with nothing printed."""
    result = run("no-such-file", "--json")
    assert isinstance(result.exception, InputError)
    assert result.exception.exit_code == 3
    assert result.stdout == ""


def test_help_states_the_list_and_shows_an_example() -> None:
    """The help says what the list of prices holds, the exit codes, and an example."""
    text = run("--help").stdout
    assert "rug price at index rug_tick" in " ".join(text.split())
    assert "vectra-bot verify seeded_games.jsonl.gz" in text
    assert "Exit code" in text


@pytest.mark.parametrize("seed", [b"", b"\x80\xff", "é😀".encode(), b"--json", b"x" * 700])
def test_any_seed_through_the_program(seed: bytes) -> None:
    """Any bytes work as a seed on a real command line, and give the law's game."""
    command = [sys.executable, "-m", "vectra_bot.cli.main", "verify", "--json"]
    done = subprocess.run(
        [*map(os.fsencode, command), b"--server-seed", seed, b"--game-id", b"g"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    text = seed.decode(errors="surrogateescape")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["prices"] == play_game(text, "g").published_prices
    assert found["hash"] == server_seed_hash(text)


def test_exit_codes_of_the_program(tmp_path: Path) -> None:
    """The program exits 1 for a difference and 3 for an unusable file, with one line on stderr."""
    empty = tmp_path / "empty"
    empty.write_text("")
    for path, code in ((capture(tmp_path, qty=0.09), 1), (str(empty), 3)):
        done = subprocess.run(
            [sys.executable, "-m", "vectra_bot.cli.main", "verify", path],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert len(done.stderr.splitlines()) == 1
