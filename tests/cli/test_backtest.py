"""`vectra-bot backtest` and `vectra-bot compare`: output, exit codes, refusals."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backtest.strategies import BUYER, LATE, RAISER, SPEAKER
from vectra_bot.cli.main import main
from vectra_bot.fsio import files


@pytest.fixture
def buyer(tmp_path: Path) -> str:
    path = tmp_path / "buyer.py"
    path.write_text(BUYER)
    return str(path)


def test_backtest_json(buyer: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One object on stdout, nothing else, and the page with the same numbers."""
    page = tmp_path / "r.html"
    code = main(
        ["backtest", buyer, "--games", "30", "--seed", "7", "--json", "--report", str(page)]
    )
    data = json.loads(capsys.readouterr().out)

    assert code == 0
    assert (data["games"], data["seed"], data["not_played"]) == (30, 7, 0)
    assert f'value="{data["pnl"]}"' in page.read_text()


def test_backtest_for_people(buyer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The report names profit, expectation, luck, how it was played and how fast."""
    assert main(["backtest", buyer, "--games", "30", "--seed", "7", "--set", "entry=9"]) == 0
    out = capsys.readouterr().out

    assert "Buyer (entry=9)" in out
    for name in ("PnL", "Expected", "Luck", "Profits", "Drawdown", "Played", "Speed", "Digest"):
        assert f"\n{name} " in out, name
    assert "games/s" in out


def test_both_engines_give_the_same_report(buyer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The engine on the exchange and the fast driver agree on every game's profit."""
    pnl = []
    for engine in ("fast", "event"):
        main(["backtest", buyer, "--games", "3", "--seed", "7", "--engine", engine, "--json"])
        data = json.loads(capsys.readouterr().out)
        assert data["played"]["engine"] == engine
        pnl.append((data["pnl"], data["best_game"], data["fills"], data["digest"]))

    assert pnl[0] == pnl[1]


def test_a_strategy_that_raises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 7, one JSON object that names game and tick; its prints are not on stdout."""
    path = tmp_path / "raiser.py"
    path.write_text(RAISER)

    assert main(["backtest", str(path), "--games", "2", "--seed", "7", "--json"]) == 7
    captured = capsys.readouterr()
    assert "game 0, tick 7: RuntimeError: seven" in json.loads(captured.out)["error"]


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (["run", "--no-store"], "strategy 'Late' raised in Late.on_game_tick: "),
        (["backtest"], "strategy 'Late' raised in Late.on_game_tick, game 0, tick 8: "),
        (
            ["backtest", "--engine", "event"],
            "strategy 'Late' raised in Late.on_game_tick, game 0, ",
        ),
        (
            ["backtest", "--jobs", "2"],
            "strategy 'Late' raised in Late.on_game_tick, game 0, tick 8: ",
        ),
        (["compare", "--set", "at=4", "--set", "at=5"], "variant at=4: strategy 'Late' raised in "),
        (["sweep", "--range", "at=4", "--jobs", "1"], "with at=4: strategy 'Late' raised in "),
        (["sweep", "--range", "at=4", "--jobs", "2"], "with at=4: strategy 'Late' raised in "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_strategy_that_raises_has_its_traceback(
    command: list[str],
    what: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each command shows the strategy's own lines, after at most one of the driver, and then the error."""
    monkeypatch.chdir(tmp_path)
    file = f"{tmp_path.name}.py"  # no other file of this name is known to this process
    Path(file).write_text(LATE)

    name, *options = command
    # Two blocks where two processes are asked for.
    games = "10001" if options == ["--jobs", "2"] else "2"
    assert main([name, f"./{file}", "--games", games, "--seed", "7", *options]) == 7

    error = capsys.readouterr().err
    trace = error.partition("Traceback (most recent call last):\n")[2]
    places = re.findall(r'^  File ".*?([^/]+)", line \d+, in (\w+)$', trace, re.MULTILINE)
    assert places[-2:] == [(file, "on_game_tick"), (file, "after")]
    assert len(places) <= 3
    assert "    raise RuntimeError(at)\nRuntimeError: 4\nerror: " in trace
    assert f"\nerror: {what}" in trace


@pytest.mark.parametrize(
    "command",
    [
        ["backtest"],
        ["compare", "--set", "target=1.2", "--set", "target=2"],
        ["sweep", "--range", "target=1.2,2", "--jobs", "1"],
    ],
    ids=lambda command: command[0],
)
def test_games_of_a_file_are_played_by_the_fast_driver(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Recorded prices without a seed: played all, by the fast driver; what cannot be played is counted."""
    monkeypatch.chdir(tmp_path)
    live = [1.0, *(1 + tick / 100 for tick in range(1, 40))]
    rows = [{"game_id": f"g{n}", "prices": live[: 30 + n], "rug_price": 0.02} for n in range(3)]
    rows.append({"game_id": "hole", "prices": [1.0, None], "rug_price": 0.02})
    Path("games.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    name, *options = command

    assert main([name, "take-profit", "--from", "games.jsonl", "--json", *options]) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["games"] == 3
    assert found["unplayable"] == {"a recorded price is missing": 1}
    played = [one["played"] for one in (found["variants"] if name == "compare" else [found])]
    assert {one["engine"] for one in played} == {"fast"}
    assert not any(one["why"] for one in played)


def test_the_variant_that_raises_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first of several variants plays to its end: the message names the second."""
    path = tmp_path / "late.py"
    path.write_text(LATE)

    code = main(["compare", str(path), "--set", "at=5000", "--set", "at=4", "--games", "2"])

    assert code == 7
    assert "\nerror: variant at=4: strategy 'Late' raised in " in capsys.readouterr().err


def test_compare_json(buyer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each variant has mean, interval, difference and corrected p."""
    arguments = ["--set", "entry=5", "--set", "entry=30", "--games", "60", "--seed", "7", "--json"]

    assert main(["compare", buyer, *arguments]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [variant["name"] for variant in data["variants"]] == ["entry=5", "entry=30"]
    assert data["variants"][0]["difference"] is None
    assert 0 < data["variants"][1]["p_corrected"] <= 1


def test_compare_for_people(buyer: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "watch", buyer, "--games", "40", "--seed", "7"]) == 0
    out = capsys.readouterr().out

    assert "baseline" in out
    assert "\nAnswer " in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["compare", "watch"], 2, "watch is one variant only"),
        (["compare", "watch", "take-profit", "--set", "stake=1"], 4, "no parameter 'stake'"),
        (["backtest", "nobody"], 5, "nobody"),
        (["backtest", "watch", "--games", "0"], 2, "--games was '0'"),
        (["backtest", "watch", "--engine", "slow"], 2, "--engine was 'slow'"),
        (["backtest", "watch", "--report", "page.txt"], 2, "--report was 'page.txt'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refused(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad input gets one line that names it, before anything is played."""
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


def test_ctrl_c_prints_what_was_played(tmp_path: Path) -> None:
    """The report of the games until then is printed; the exit code is that of Ctrl-C."""
    path = tmp_path / "speaker.py"
    path.write_text(SPEAKER)
    program = [sys.executable, "-m", "vectra_bot", "backtest", str(path), "--games", "1000000"]
    with subprocess.Popen(
        [*program, "--seed", "7", "--jobs", "1", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline() == "game 3\n"
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)

    data = json.loads(out)
    assert process.returncode == 130, error
    assert data["ended"] == "SIGINT"
    assert data["games"] >= 3
    assert data["not_played"] == 1_000_000 - data["games"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["backtest", "watch"], "Digest "),
        (["compare", "watch", "take-profit"], "Answer "),
        (["sweep", "take-profit", "--range", "target=1.1,2", "--jobs", "1"], "Best set "),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_a_result_is_printed_also_where_its_page_cannot_be_written(
    command: list[str],
    says: str,
    as_json: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing else keeps it: a full disk costs the page alone."""
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "r.html"

    def failing(op: files.Op) -> None:
        if op.target == page:
            raise OSError(28, "No space left on device")

    asked = [*command, "--games", "2", "--seed", "7", "--report", str(page)]
    with files.observing(failing):
        code = main([*asked, "--json"] if as_json else asked)
    out, err = capsys.readouterr()

    assert code == 3
    assert "No space left on device" in err
    assert json.loads(out)["seed"] == 7 if as_json else says in out
    assert "Page" not in out
