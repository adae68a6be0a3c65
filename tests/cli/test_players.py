"""``vectra-bot players`` as a user runs it: table, JSON, picture, errors, hostile names."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner, Result

from tests.store.samples import tick_document, trade_document
from tests.store.stores import write_documents
from vectra_bot.cli.players import players, short_name
from vectra_bot.errors import InputError, UsageError
from vectra_bot.models import GamePhase
from vectra_bot.models.envelope import Document

SIMULATED = ("--games", "12", "--seed", "7", "--peekers", "2")

HOSTILE = [
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "a\rb", "a\nb", "a\tb", "\u202egnp.exe",
    "\u2066left\u2069", "\u200b\u200d", "<script>alert(1)</script>", "<img src=x onerror=y>", "[red]x[/red]",
    "[link=http://x]y[/link]", "**bold** _it_", "@everyone", "`code` | cell |", "$x^2_{", "\x00\x7f\x9b",
    "x" * 500, "\U0001f680\u0301" * 9,
]  # fmt: skip


def run(*arguments: str | Path) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(players, [str(argument) for argument in arguments])


def found(*arguments: str | Path) -> dict[str, Any]:
    """Return what the command prints as JSON."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def trade(number: int, name: str) -> Document:
    """Return a purchase of a player with that name."""
    document = trade_document(f"did:privy:{number}", "BUY", "0.1", "1.5", "g-1")
    record = attrs.evolve(document.record, username=name, tick=number)
    return attrs.evolve(document, record=record)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return a store with trades of players with hostile names."""
    documents = [tick_document(tick, 1.0 + tick / 100) for tick in range(30)]
    documents.append(tick_document(30, 0.02, phase=GamePhase.RUGGED))
    documents += [trade(number, name) for number, name in enumerate(HOSTILE)]
    write_documents(tmp_path / "store", documents)
    return tmp_path / "store"


def test_the_table_has_peekers_first() -> None:
    """Two planted players are anomalies, the rest is luck; rule, coverage and truth are stated."""
    result = run(*SIMULATED, "--top", "3")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].strip() == "Players of 12 games of seed 7"
    assert "Anomalies    2 at 1 % false discoveries" in result.stdout
    assert "Peekers      2 of 2 found, 0 false discoveries" in result.stdout
    assert "(100.0 % of the venue's)" in result.stdout
    assert "more than 60 % of 10 games" in result.stdout
    assert len([line for line in lines if line.endswith(" anomaly")]) == 2
    assert "more players, by falling e-value" in result.stdout
    assert "Under the law timing cannot be skill" in result.stdout


def test_json_has_every_player() -> None:
    """The same figures for programs; amounts of records are text with nine decimals."""
    report = found(*SIMULATED)
    assert (report["store"], report["seed"], report["level"]) == (None, 7, 0.01)
    assert len(report["players"]) > 250
    assert report["truth"]["found_share"] == 1.0
    first = report["players"][0]
    assert first["planted"] is first["anomaly"] is True
    records = [one["record"] for one in report["players"] if one["record"] is not None]
    assert records
    for record in records:
        assert record["is_imitation_target"] is False
        assert Decimal(record["avg_pnl_per_game"]).as_tuple().exponent == -9


def test_the_public_sample_shows_less() -> None:
    """With --sample only the stream's trades are seen."""
    share = found(*SIMULATED, "--sample")["seen"]["trade_share"]
    assert 0 < share < 0.2


def test_imitation_is_asked_for() -> None:
    """A user may mark anomalies as targets."""
    report = found(*SIMULATED, "--imitation", "anomalies", "--min-games", "3")
    marked = [
        one["anomaly"]
        for one in report["players"]
        if one["record"] is not None and one["record"]["is_imitation_target"]
    ]
    assert marked == [True, True]


def test_hostile_names_are_harmless(hostile: Path) -> None:
    """No control character, direction mark or markup of a name reaches the terminal."""
    result = run("--store", hostile)
    assert result.exit_code == 0
    assert all(c.isprintable() or c == "\n" for c in result.stdout)
    assert "[red]x[/red]" in result.stdout
    assert "\\x1b[31mred\\x1b[0m" in result.stdout
    names = {one["username"] for one in found("--store", hostile)["players"]}
    assert names == set(HOSTILE)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_short_name_fits_its_column(name: str) -> None:
    """Every name is at most 20 printable characters."""
    shown = short_name("did:privy:1", name)
    assert shown.isprintable()
    assert 0 < len(shown) <= 20


def test_a_player_without_a_name_is_shown_by_the_id() -> None:
    """The end of the id, which differs between players."""
    assert short_name("did:privy:cmabcdefgh", None) == "...abcdefgh"
    assert short_name("\x1b[31m", None) == "...\\x1b[31m"


def test_a_picture_is_drawn(hostile: Path, tmp_path: Path) -> None:
    """--plot draws win rates and e-values; a store without known results has nothing to draw."""
    pytest.importorskip("matplotlib")
    target = tmp_path / "players.png"
    assert run(*SIMULATED, "--plot", target).exit_code == 0
    assert target.read_bytes().startswith(b"\x89PNG")
    assert isinstance(run("--store", hostile, "--plot", target).exception, InputError)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "3"], "seed was given without games"),
        (["--peekers", "3"], "peekers was given without games"),
        (["--sample"], "sample was given without games"),
        (["--games", "2", "--store", "x"], "a store and games were given"),
        (["--games", "2", "--level", "0"], "level was 0.0"),
        (["--games", "2", "--level", "nan"], "level was nan"),
        (["--games", "2", "--peekers", "301"], "peekers was 301: give 0 to 300"),
        (["--games", "2000000"], "games was 2000000: give 1 to 1000000"),
        (["--games", "2", "--plot", "x.txt"], "--plot was 'x.txt'"),
    ],
)
def test_wrong_options_are_named(arguments: list[str], message: str) -> None:
    """One line says what is wrong, the value, and what to give."""
    error = run(*arguments).exception
    assert isinstance(error, UsageError)
    assert message in str(error)


def test_a_store_without_players_is_named(tmp_path: Path) -> None:
    """There is nothing to judge in a store without other players."""
    write_documents(tmp_path, [tick_document(0, 1.0)])
    error = run("--store", tmp_path).exception
    assert isinstance(error, InputError)
    assert "no other player is recorded in" in str(error)
