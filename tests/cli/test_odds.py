"""``vectra-bot odds`` as a user runs it: tables, JSON, exit codes, errors."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import vectra_bot
from vectra_bot.cli import tables
from vectra_bot.cli.odds import odds
from vectra_bot.errors import InputError, UnknownNameError, UsageError


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(odds, list(arguments))


def figures(*arguments: str) -> dict[str, Any]:
    """Return what the command prints as JSON."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_json_of_the_sidebet() -> None:
    """JSON holds the law, seed, games and, per figure, value, error and check; 18.17 % and -9.16 %."""
    found = figures("sidebet", "--tick", "0", "--simulate", "20000", "--seed", "5")
    head = {key: found[key] for key in ("law_version", "seed", "games", "ok")}
    assert head == {"law_version": "v3", "seed": 5, "games": 20000, "ok": True}
    chance, profit, variance = found["figures"]
    assert set(chance) == {
        "name", "group", "unit", "value", "error", "monte_carlo", "standard_error", "z", "games",
        "agrees", "unverified", "params",
    }  # fmt: skip
    assert chance["value"] == pytest.approx(0.18168, abs=1e-5)
    assert profit["value"] == pytest.approx(-0.0916, abs=1e-4)
    assert chance["games"] == 20000
    assert chance["agrees"] is profit["agrees"] is variance["agrees"] is True
    spread = (chance["monte_carlo"] - chance["value"]) / chance["standard_error"]
    assert chance["z"] == pytest.approx(spread)


def test_json_is_the_same_for_the_same_seed() -> None:
    """The same command line prints the same bytes."""
    line = ("edge", "survival", "--ticks", "3", "--simulate", "5000", "--json")
    assert run(*line).stdout == run(*line).stdout


def test_tables_for_people() -> None:
    """The table has a title per group, computed and simulated figures, and a verdict."""
    result = run("edge", "leverage", "--ticks", "2", "--simulate", "20000")
    assert result.exit_code == 0
    assert "House edge: profit of holding one tick" in result.stdout
    assert "Leverage (unverified payoff)" in result.stdout
    assert "-0.0457 %" in result.stdout
    assert "simulated" in result.stdout
    assert "by 20,000 games of seed 1: all agree" in result.stdout


@pytest.mark.parametrize("width", [80, 120])
def test_no_figure_is_cut_on_a_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all columns, at 80 and 120 characters every figure, verdict and word of a name is complete."""
    monkeypatch.setattr(tables, "_PIPE_WIDTH", width)
    result = run(
        "exits", "--target", "1.5", "--stop-loss", "0.7", "--stake", "0.05", "--simulate", "500"
    )
    assert result.exit_code == 0, result.exception
    lines = result.stdout.splitlines()
    assert max(len(line) for line in lines) <= width
    assert "…" not in result.stdout
    assert all(
        word in result.stdout
        for word in ("reached", "stopped", "rugged", "std. error", "of 0.05 SOL")
    )
    first = next(line for line in lines if line.strip().startswith("sell at"))
    assert "-1.6038 %" in first
    assert first.rstrip().endswith("-0.000801883 too few") or "-0.000801883  too few" in first


@pytest.mark.parametrize("games", [1, 2, 20])
def test_a_handful_of_games_raises_no_alarm(games: int) -> None:
    """Too few games to judge give exit code 0 and say so, also if all of them have the same result."""
    result = run("sidebet", "rounds", "--simulate", str(games))
    assert result.exit_code == 0, result.exception
    assert "too few to judge" in result.stdout.splitlines()[-1]


def test_without_simulation() -> None:
    """--simulate 0 prints the computed figures alone."""
    result = run("survival", "rounds", "--simulate", "0")
    assert "simulated   " not in result.stdout
    assert "nothing was simulated" in result.stdout
    assert "-6.6667 %" in result.stdout
    found = figures("survival", "--simulate", "0")
    assert all(one["monte_carlo"] is None and one["agrees"] is None for one in found["figures"])


def test_exits_and_stake() -> None:
    """Exits are multiples of the price, and a stake adds the profit in SOL."""
    line = ("exits", "--price", "2", "--low", "0.9", "--target", "1.5", "--stop-loss", "0.7")
    found = figures(*line, "--max-ticks", "60", "--stake", "0.05", "--simulate", "20000")
    profit, *ends = found["figures"]
    assert profit["name"] == "sell at 1.5x, stop at 0.7x, after 60 ticks"
    assert profit["params"]["price"] == 2
    assert profit["params"]["target"] == 1.5
    assert profit["profit_sol"] == pytest.approx(0.05 * profit["value"])
    assert [one["name"].rpartition(": ")[2] for one in ends] == [
        "reached", "stopped", "timed out", "rugged",
    ]  # fmt: skip
    assert sum(one["value"] for one in ends) == pytest.approx(1)
    shown = run(*line, "--stake", "0.05", "--simulate", "0").stdout
    assert "of 0.05 SOL" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--price", "0"), "price was 0.0"),
        (("--low", "2"), "low 2.0"),
        (("exits", "--target", "0.9"), "target was 0.9"),
        (("hold", "--ticks", "0"), "ticks was 0"),
        (("survival", "--ticks", "-1"), "ticks was -1"),
        (("sidebet", "--tick", "9999"), "tick was 9999"),
        (("--stake", "7"), "--stake was '7'"),
        (("--stake", "much"), "--stake was 'much'"),
        (("--simulate", "-1"), "--simulate was -1"),
        (("survival", "--simulate", "999999999999"), "games was 999999999999"),
    ],
)
def test_wrong_values_are_named(arguments: tuple[str, ...], message: str) -> None:
    """An invalid value is a usage error that names it."""
    result = run(*arguments)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)


def test_unknown_group() -> None:
    """An unknown group is named, with the nearest one."""
    result = run("peaks")
    assert isinstance(result.exception, UnknownNameError)
    assert "did you mean peak" in str(result.exception)


def test_help_names_groups_and_what_is_unverified() -> None:
    """--help lists the groups, an example, and says what is unverified."""
    text = run("--help").stdout
    assert "Examples:" in text
    assert "unverified" in text
    assert "leverage, short, rounds" in " ".join(text.split())


def test_promotions_read_a_store_alone(tmp_path: Path) -> None:
    """Prizes are estimated from recorded drawings; a store without one is a clear line, exit code 3."""
    store = tmp_path / "store"
    vectra_bot.run("watch", games=1, seed=11, crowd=0, store=store)
    empty = run("promotions", "--store", str(store))
    assert isinstance(empty.exception, InputError)
    assert "no drawing" in str(empty.exception)
    for wrong in (["promotions", "edge"], ["edge", "--store", str(store)]):
        refused = run(*wrong)
        assert isinstance(refused.exception, UsageError)


def test_the_certificate_is_printed_and_given_alone() -> None:
    """Every step with its fraction, then what follows."""
    printed = run("certificate")
    found = json.loads(run("certificate", "--json").output)
    together = run("certificate", "edge")

    assert printed.exit_code == 0
    assert "= 0.99954263146875 (< 1: true)" in printed.output
    assert "0.045737 % of its cost on average" in printed.output
    assert found["holds"]
    assert found["to_limit"] == str(Fraction("0.99954263146875"))
    assert found["above_limit"] == str(Fraction("0.999453125"))
    assert "certificate was given with other names: give it alone" in str(together.exception)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["certifcate"], "no group of odds is named 'certifcate': did you mean certificate?"),
        (
            ["xyzzy"],
            "certificate, edge, exits, hold, leverage, peak, promotions, rounds, rug, short",
        ),
        (["certificate", "--stake", "3"], "--stake was given with certificate"),
        (["certificate", "--simulate", "5"], "--simulate was given with certificate"),
        (["promotions", "--ticks", "5"], "--ticks was given with promotions"),
    ],
)
def test_what_is_given_in_vain_is_refused(given: list[str], message: str) -> None:
    """Every name is known, and no option is ignored."""
    assert message in str(run(*given).exception)
