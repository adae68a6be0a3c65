"""The crowd check: reading of rows, passing samples, and that a wrong crowd or law fails."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vectra_bot.conformance.crowd.crowd_check import Verdict, check_crowd, compare, play_samples
from vectra_bot.conformance.crowd.crowd_games import watch_games
from vectra_bot.conformance.crowd.crowd_quantities import QUANTITIES, Sample, Samples
from vectra_bot.conformance.frames.capture_rows import Row, read_rows
from vectra_bot.errors import InputError, UsageError
from vectra_bot.exchange.config import ExchangeConfig
from vectra_bot.game.fair import play_game

GAMES = 60
DICE = np.random.default_rng(3)


@pytest.fixture(scope="module")
def ours() -> Samples:
    """Sixty games of the full crowd."""
    return play_samples(ExchangeConfig(seed=77), GAMES)


def verdicts(ours: Samples, theirs: Samples) -> dict[str, Verdict]:
    """Return the verdicts against files by name."""
    return {v.name: v for v in compare(ours, theirs) if v.against == "files"}


def altered(samples: Samples, name: str, change: Any) -> Samples:
    """Return *samples* with the values of one quantity changed."""
    copy = Samples(list(samples.rug_ticks), dict(samples.samples))
    sample = samples.samples[name]
    copy.samples[name] = Sample([change(value) for value in sample.values], sample.games)
    return copy


def recorded_row(**changes: Any) -> dict[str, Any]:
    """Return a recorded game of six ticks."""
    return {
        "game_id": "20251029-a",
        "prices": [1.0, 1.2, 1.21, 0.97, 0.98, 0.99],
        "rug_tick": 6,
        "rug_price": 0.019,
        "complete": True,
        "recv_ms": [0, 260, 510, 760, 1010, 1260],
        "rug_recv_ms": 1550,
        "settle_tick": 7,
        "settle_recv_ms": 2150,
        "trade_count": [None, 40, 41, 44, 44, 45],
        "rug_trade_count": 60,
    } | changes


def test_a_watched_game_is_the_one_the_law_gives() -> None:
    """Rows of our games hold prices, counts and sidebets that agree with seed and law."""
    for recorded, seeded in watch_games(ExchangeConfig(seed=5, crowd=30), 4):
        game = play_game(seeded["serverSeed"], seeded["id"])
        assert recorded["prices"] == list(game.prices)
        assert (recorded["rug_tick"], recorded["rug_price"]) == (game.rug_tick, game.rug_price)
        assert len(recorded["trade_count"]) == len(recorded["recv_ms"]) == game.rug_tick
        assert recorded["rug_trade_count"] >= max(recorded["trade_count"][1:], default=0)
        assert seeded["peakMultiplier"] == game.peak
        assert {row["gameId"] for row in seeded["globalSidebets"]} <= {seeded["id"]}


def test_quantities_of_a_recorded_game() -> None:
    """Every figure of a recorded game is computed as defined in protocol 13."""
    found = Samples()
    found.add([Row(recorded_row(), "row", 1)])
    values = {name: sample.values for name, sample in found.samples.items()}
    assert values["rug_tick"] == [6]
    assert values["peak"] == [1.21]
    assert values["last_price"] == [0.99]
    assert values["big_move_share"] == [1, 0, 1, 0, 0]
    assert values["big_move_up_share"] == [1, 0]
    assert values["big_move_size"] == pytest.approx([0.2, 1 - 0.97 / 1.21])
    assert values["trades_per_game"] == [60]
    assert values["presale_trades"] == [40]
    assert values["trades_per_tick_early"] == [1, 3, 0, 1]
    assert values["forced_sells"] == [15]
    assert values["first_tick_gap_ms"] == [260]
    assert values["tick_gap_ms"] == [250, 250, 250, 250]
    assert (values["rug_gap_ms"], values["settlement_gap_ms"]) == ([290], [600])


def test_what_a_recording_missed_is_left_out() -> None:
    """Missed ticks give no gap and no count, and a settlement frame taken too late gives no time."""
    row = recorded_row(
        prices=[1.0, 1.2, None, 0.97, 0.98, 0.99],
        recv_ms=[0, 260, None, 760, 1010, None],
        trade_count=[None, 40, None, 44, 44, None],
        settle_tick=51,
    )
    found = Samples()
    found.add([Row(row, "row", 1)])
    values = {name: sample.values for name, sample in found.samples.items()}
    assert values["trades_per_tick_early"] == [0]
    assert values["tick_gap_ms"] == [250]
    assert "peak" not in values
    assert "forced_sells" not in values
    assert "rug_gap_ms" not in values
    assert "settlement_gap_ms" not in values


def test_quantities_of_a_seeded_game() -> None:
    """Sidebets count once each, by their payout rows; practice stakes are not SOL."""
    bets = [("a", 0, 0.01, "So1"), ("a", 43, 0.02, "So1"), ("b", 0, 5, "0xPractice")]
    rows = [
        {
            "type": "payout", "playerId": who, "startTick": start, "endTick": start + 40,
            "betAmount": stake, "coinAddress": coin,
        }
        for who, start, stake, coin in bets
    ]  # fmt: skip
    rows.append({"type": "placed", "playerId": "a", "startedAtTick": 43})
    row = {"id": "g", "serverSeed": "s", "rugTick": 100, "peakMultiplier": 2.5}
    found = Samples()
    found.add([Row({**row, "globalSidebets": rows}, "row", 1)])
    values = {name: sample.values for name, sample in found.samples.items()}
    assert values["sidebets_per_game"] == [3]
    assert values["sidebets_in_presale"] == [2]
    assert values["sidebet_players_per_game"] == [2]
    assert sorted(values["sidebets_per_player_and_game"]) == [1, 2]
    assert values["sidebet_pause_ticks"] == [3]
    assert values["sidebet_stakes"] == [0.01, 0.02]
    assert values["practice_sidebet_share"] == [0, 0, 1]


def test_a_game_counts_once_however_often_it_is_given(tmp_path: Path) -> None:
    """The same game in two files is one game."""
    path = tmp_path / "games.jsonl"
    path.write_text(json.dumps(recorded_row()) + "\n")
    found = Samples()
    found.read(read_rows(path))
    found.read(read_rows(path))
    assert found.rug_ticks == [6]
    assert found.samples["trades_per_game"].values == [60]


def test_our_games_pass_against_games_of_ours(ours: Samples) -> None:
    """A crowd passes against itself, and every quantity is compared."""
    found = compare(ours, ours)
    assert {v.name for v in found} == {q.name for q in QUANTITIES}
    assert all(v.passed for v in found if v.against == "files"), [
        v.name for v in found if not v.passed
    ]


@pytest.mark.parametrize(
    "name", [quantity.name for quantity in QUANTITIES if quantity.kind == "crowd"]
)
def test_a_crowd_that_does_it_otherwise_fails(ours: Samples, name: str) -> None:
    """If one crowd quantity is wrong by a factor, only this one fails."""
    theirs = altered(ours, name, lambda value: 3 * value + 2)
    found = verdicts(ours, theirs)
    assert found[name].passed is False
    assert [v.name for v in found.values() if v.passed is False] == [name]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("rug_tick", lambda value: value * 5),
        ("peak", lambda value: value + 1),
        ("last_price", lambda value: value * 3),
        (
            "big_move_share",
            lambda value: value or DICE.random() < 0.04,
        ),
        ("big_move_up_share", lambda _: 1.0),
        ("big_move_size", lambda value: value * 1.1),
    ],
)
def test_games_of_another_law_fail(ours: Samples, name: str, change: Any) -> None:
    """A rug chance, a size or a sign that differs from the law fails."""
    found = verdicts(ours, altered(ours, name, change))
    assert found[name].passed is False
    assert found[name].p is not None
    assert found[name].p < 0.001


def test_our_own_law_is_tested_without_a_file() -> None:
    """Quantities with a closed form are compared with the law itself: doubled rug ticks fail."""
    samples = Samples([1], {"rug_tick": Sample([400.0] * 200, list(range(200)))})
    (found,) = [v for v in compare(samples, Samples()) if v.against == "law"]
    assert (found.name, found.passed, found.mean_theirs) == (
        "rug_tick",
        False,
        pytest.approx(200, abs=1e-6),
    )


def test_what_no_file_carries_is_not_compared(ours: Samples) -> None:
    """A quantity without real values is neither passed nor failed, and says so."""
    theirs = Samples(list(ours.rug_ticks), {"presale_trades": ours.samples["presale_trades"]})
    found = verdicts(ours, theirs)
    assert found["presale_trades"].passed is True
    assert found["sidebet_stakes"].passed is None
    assert found["sidebet_stakes"].to_json()["compared"] is False


def test_few_games_widen_the_limit_and_say_so(ours: Samples) -> None:
    """Five games are too few for a distance of 0.10: the limit is wider and marked."""
    few = Samples()
    for number, game in enumerate(range(5)):
        few.rug_ticks.append(ours.rug_ticks[game])
        for name in ("sidebets_per_game", "sidebet_stakes"):
            sample = ours.samples[name]
            values = [v for v, g in zip(sample.values, sample.games, strict=True) if g == game]
            few.samples.setdefault(name, Sample()).extend(number, values)
    found = verdicts(ours, few)["sidebets_per_game"].to_json()
    assert found["limit"] > 0.2
    assert found["wide"] is True
    assert found["games_theirs"] == 5


def test_length_is_not_held_against_the_crowd(ours: Samples) -> None:
    """A file of only short games has fewer sidebets per game because of the law, not the crowd."""
    short = Samples()
    sample = ours.samples["trades_per_game"]
    for value, game in zip(sample.values, sample.games, strict=True):
        if ours.rug_ticks[game] < 120:
            short.rug_ticks.append(ours.rug_ticks[game])
            short.samples.setdefault("trades_per_game", Sample()).extend(
                len(short.rug_ticks) - 1, [value]
            )
    found = verdicts(ours, short)["trades_per_game"]
    assert found.matched
    assert found.mean_ours == pytest.approx(found.mean_theirs, rel=0.1)


def test_check_counts_games_and_needs_a_file(tmp_path: Path) -> None:
    """Every game played is reported; without a file there is nothing to check."""
    path = tmp_path / "games.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(recorded_row()).encode()))
    told: list[int] = []
    found = check_crowd(1, 3, [path], crowd=20, on_game=told.append)
    assert told == [1, 2, 3]
    assert found.to_json()["games"] == 3
    with pytest.raises(UsageError, match="give --against FILE"):
        check_crowd(1, 3, [])
    with pytest.raises(InputError, match="the number of games was 0"):
        check_crowd(1, 0, [path])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trade_count": [1, 2, "3", 4, 5, 6]}, "trade_count was"),
        ({"recv_ms": [0, 1, 2, 3, 4, "x"]}, "recv_ms was"),
        ({"rug_tick": "six"}, "rug_tick was"),
        ({"rug_recv_ms": "late"}, "rug_recv_ms was"),
    ],
)
def test_wrong_rows_are_named(change: dict[str, Any], message: str) -> None:
    """A row that is not what its kind says is refused with file, line and field."""
    with pytest.raises(InputError, match=message):
        Samples().add([Row(recorded_row(**change), "games.jsonl, line 1", 1)])


def test_real_files_carry_every_quantity(real_data: Path) -> None:
    """The real captures hold each quantity, of hundreds of games and dozens."""
    theirs = Samples()
    for name in ("recorded_prices.jsonl.gz", "seeded_games.jsonl.gz"):
        theirs.read(read_rows(real_data / name))
    assert set(theirs.samples) == {quantity.name for quantity in QUANTITIES}
    assert len(theirs.samples["trades_per_game"].values) > 100
    assert len(theirs.samples["sidebet_stakes"].values) > 500
