"""`vectra-bot run` with features that were never captured: their options, and the report about them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vectra_bot.cli.main import main
from vectra_bot.journal import read_journal

FAST = ["--games", "3", "--seed", "7", "--crowd", "0", "--countdown-step", "5000"]


def test_options_reach_the_session(
    capsys: pytest.CaptureFixture[str], store: Path, tmp_path: Path
) -> None:
    """Payoff, names and countdown are in the journal's header, and the run can be replayed."""
    names = tmp_path / "names.toml"
    names.write_text('[requests.short_open]\nevent = "openShort"\n')
    options = ["--short-payoff", "charged", "--short-at-rug", "lose", "--no-side-games"]
    code = main(["run", "short", *FAST, *options, "--protocol", str(names), "--json"])
    report = json.loads(capsys.readouterr().out)

    assert code == 0
    assert report["expected_without"] == ["shorts"]
    first = next(Path(report["journal"]).glob("000001*"))
    assert first.exists()
    assert main(["replay", report["journal"], "--check", "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["equal"]
    assert checked["commands"] > 0


def test_odds_of_side_games_reach_the_session(
    capsys: pytest.CaptureFixture[str], store: Path
) -> None:
    """Rounds are drawn and paid by the odds given, `expected` uses them, and a replay is the same."""
    odds = ["--bbc-odds", "0.001,0.001,0.998", "--bbc-payouts", "2, 2, 1.5"]
    code = main(["run", "bbc", *FAST, *odds, "--set", "prediction=CRAB", "--json"])
    report = json.loads(capsys.readouterr().out)

    assert code == 0
    assert report["pnl"] > 0
    stakes = report["actions"]["CONFIRMED"]
    assert report["expected"] == pytest.approx(stakes * 0.01 * (0.998 * 1.5 - 1))
    header = next(read_journal(Path(report["journal"]))).data["header"]
    bbc, flip = header["exchange"]["rounds"]
    assert (bbc["odds"]["CRAB"], bbc["payouts"]["CRAB"]) == ("499/500", 1.5)
    assert flip["odds"] == {"GREEN": "1/2", "RED": "1/2"}
    assert main(["replay", report["journal"], "--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["equal"]


def test_the_report_names_what_it_leaves_out(
    capsys: pytest.CaptureFixture[str], store: Path
) -> None:
    """The report says that the expected value of a short is unknown, and no luck is claimed."""
    assert main(["run", "short", *FAST]) == 0

    text = " ".join(capsys.readouterr().out.split())
    assert "unknown: the payoff of shorts is unverified" in text
    assert "by luck alone" not in text


def test_help_marks_what_is_unverified(capsys: pytest.CaptureFixture[str]) -> None:
    """Options about features that were never captured are marked."""
    main(["run", "--help"])
    text = " ".join(capsys.readouterr().out.split())

    sides = [f"--{game}-{what}" for game in ("bbc", "candleflip") for what in ("odds", "payouts")]
    for option in ("--side-games / --no-side-games", "--short-payoff", "--short-at-rug", *sides):
        assert "(unverified)" in text.split(option, 1)[1][:220]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--short-payoff", "generous"], "--short-payoff was 'generous'"),
        (["--countdown-step", "7"], "--countdown-step was"),
        (["--countdown-step", "300"], "--countdown-step was '300': give a divisor of 5000"),
        (["--bbc-odds", "1/2,1/2"], "odds of bbc were '1/2,1/2'"),
        (["--bbc-payouts", "2,2,much"], "payouts of bbc were '2,2,much'"),
        (["--candleflip-odds", "0.6,0.6"], "odds of candleflip were GREEN 3/5, RED 3/5"),
        (["--candleflip-payouts", "0,2"], "payouts of candleflip were"),
        (["--limit-leverage", "6"], "--limit-leverage was '6'"),
        (["--protocol", "no-such-file.toml"], "no-such-file.toml"),
    ],
)
def test_wrong_values_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str], store: Path, options: list[str], told: str
) -> None:
    """The error, its value and what to give, and nothing is written."""
    assert main(["run", "short", *FAST[:4], *options]) != 0

    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not (store / "journals").exists()
