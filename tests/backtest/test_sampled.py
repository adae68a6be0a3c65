"""Sampled games: drawn from the law without a server seed, the same by each driver, block and process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vectra_bot
from tests.backtest.strategies import BUYER
from tests.backtest.test_blocks import same
from tests.backtest.test_parity import EXCHANGES, SCRIPTS, SEEN, assert_equal, both
from tests.backtest.test_sweep_given import chunks
from tests.kernel.test_draws import ks_distance
from tests.kernel.test_play import seeds
from vectra_bot.backtest import Games, PlayConfig, play, play_config
from vectra_bot.backtest.play import GivenGame
from vectra_bot.backtest.sweep import SweepConfig, run_sweep
from vectra_bot.errors import ConfigError, UsageError
from vectra_bot.exchange import Exchange, ExchangeConfig, ExchangeOptions
from vectra_bot.exchange.identities import Identities
from vectra_bot.game import fair
from vectra_bot.kernel import library
from vectra_bot.kernel.batch import play_games
from vectra_bot.loading import resolve_strategy
from vectra_bot.testing import make_game
from vectra_bot.wire.states import WireFormat


@pytest.mark.parametrize("latency_ms", [0, 70])
@given(script=SCRIPTS, seed=st.integers(0, 20), exchange=EXCHANGES)
@settings(settings.get_profile("games"))
def test_any_script_is_played_the_same(
    script: dict[Any, Any], seed: int, exchange: ExchangeOptions, latency_ms: int
) -> None:
    """Random actions in sampled games: every callback sees the same, and the money is the same."""
    fast, _ = both(
        script, games=2, seed=seed, latency_ms=latency_ms, exchange=exchange, sampled=True
    )

    assert fast.played.sampled


@pytest.mark.parametrize("strategy", ["take-profit", "sidebet", "short", "leveraged", "candleflip"])
def test_bundled_strategies_are_played_the_same(strategy: str) -> None:
    """The fast driver plays each, from any game on, and makes what the engine makes."""
    options: dict[str, Any] = {"games": 4, "seed": 5, "first": 510, "sampled": True}
    fast, event = (play(strategy, engine=engine, **options) for engine in ("fast", "event"))

    assert (fast.played.engine, fast.played.why) == ("fast", {})
    assert int((fast.entries + fast.bets).sum()) > 0
    assert_equal(fast, event)
    assert fast.game_ids() == event.game_ids()


def test_a_game_depends_on_its_number_alone(tmp_path: Path) -> None:
    """Blocks, processes and where a backtest begins change no game; other seeds have other games."""
    path = tmp_path / "buyer.py"
    path.write_text(BUYER)
    options: dict[str, Any] = {"seed": 7, "sampled": True}
    whole = play(str(path), games=40, **options)
    beside = play(str(path), games=40, block=10, jobs=2, **options)
    later = play(str(path), games=10, first=30, **options)

    assert beside.played.jobs == 2
    for name in ("peak", "rug_tick", "rug_price"):
        assert (getattr(whole, name) == getattr(beside, name)).all(), name
        assert (getattr(whole, name)[30:] == getattr(later, name)).all(), name
    assert same(beside, play(str(path), games=40, block=10, **options))
    assert later.game_ids() == whole.game_ids()[30:]
    other = play(str(path), games=40, seed=8, sampled=True)
    assert (other.rug_tick != whole.rug_tick).any()


def test_they_are_distributed_as_games_of_seeds() -> None:
    """Peak, length and rug price, by Kolmogorov and Smirnov."""
    sampled, exact = play("watch", games=20_000, seed=1, sampled=True), play_games(seeds(30_000, 5))

    for name in ("peak", "rug_tick", "rug_price"):
        assert ks_distance(getattr(sampled, name), getattr(exact, name)) < 1, name


def test_without_the_compiled_law_they_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It only takes longer."""
    compiled = play("take-profit", games=20, seed=7, sampled=True)
    monkeypatch.setenv(library.SWITCH, "off")
    slow = play("take-profit", games=20, seed=7, sampled=True)

    assert not slow.played.kernel
    assert same(compiled, slow)


def test_no_game_has_a_seed_or_the_id_of_one_that_has() -> None:
    """A strategy sees an empty seed in place of one that decides other prices, in both drivers."""
    both({}, games=3, seed=7, sampled=True)
    ends = [seen[1:] for seen in SEEN if seen[0] == "end"]

    assert len(ends) == 3
    for _, summary, *_ in ends:
        assert summary.server_seed == ""
        assert summary.server_seed_hash == fair.server_seed_hash("")
    sampled, exact = (
        play("watch", games=3, seed=7, sampled=sampled).game_ids() for sampled in (True, False)
    )
    assert [summary.game_id for _, summary, *_ in ends] == sampled
    assert not set(sampled) & set(exact)


def test_games_before_the_first_are_still_those_of_seeds() -> None:
    """The history of the exchange shows games that can be verified, then sampled ones."""
    shown = {"wire_format": WireFormat.DEC, "past_games": 10, "crowd": 0}
    exchange = Exchange(ExchangeConfig(seed=7, sampled=True, **shown))
    exchange.connect("did:privy:me", "me")
    while exchange.games_opened < 2:
        last = [sent.text for sent in exchange.step() if '"gameHistory"' in sent.text]

    history = json.loads(last[-1][2:])[1]["gameHistory"]
    seeds_shown = [game["provablyFair"]["serverSeed"] for game in history]
    assert seeds_shown[0] == ""
    assert seeds_shown.count("") == 2
    for game, seed in list(zip(history, seeds_shown, strict=True))[2:]:
        assert game["prices"] == fair.play_game(seed, game["id"]).published_prices


def test_a_game_is_the_same_alone_and_in_a_batch() -> None:
    """Also those around the end of what is drawn at one time, and in any order."""
    games, numbers = Identities(7).sampled_games(), [1_023, 510, 511, 512, 513, 510]
    whole = games.batch(0, 1_024)

    for number in numbers:
        game = games.game(number)
        assert game.prices == tuple(whole.prices_of(number).tolist())
        assert (game.rug_tick, game.rug_price) == (len(game.prices), whole.rug_price[number])
        assert (game.peak, game.rugged) == (max(game.prices), True)


def test_reports_say_it() -> None:
    """Report, comparison, their JSON and pages name it, and no report of games of seeds does."""
    options: dict[str, Any] = {"games": 5, "seed": 7}
    line = "games were drawn from the law by a free generator: no server seed, nothing to verify"
    for sampled in (True, False):
        report = vectra_bot.backtest("take-profit", sampled=sampled, **options)
        found = vectra_bot.compare("take-profit", "watch", sampled=sampled, **options)
        for text in (str(report), str(found), report.to_html(), found.to_html()):
            assert (line in text) == sampled
        assert report.to_json()["played"]["sampled"] is sampled
        assert found.to_json()["variants"][1]["played"]["sampled"] is sampled


def sweep(folder: Path, **more: Any) -> vectra_bot.SweepReport:
    """Return the report of a sweep of two sets in chunks of two games."""
    usual: dict[str, Any] = {"games": 4, "chunk": 2, "jobs": 1, "seed": 7, "out": folder / "out"}
    return run_sweep(
        SweepConfig(strategy="take-profit", ranges=("target=1.02,1.2",), **{**usual, **more})
    )


def test_a_sweep_of_sampled_games_is_resumed_and_meets_no_other(tmp_path: Path) -> None:
    """Chunks of sampled games are found by sampled sweeps alone, and hold what a backtest makes."""
    first = sweep(tmp_path, games=2, sampled=True)
    exact = sweep(tmp_path, sampled=False)
    resumed = sweep(tmp_path, sampled=True)
    whole = sweep(tmp_path, sampled=True, out=tmp_path / "other", jobs=2)

    assert [chunks(one) for one in (first, exact, resumed)] == [(2, 2, 0), (4, 4, 0), (4, 2, 2)]
    assert resumed.digest == whole.digest != exact.digest
    assert "Sampled" in str(resumed)
    assert resumed.to_json()["played"]["sampled"] is True
    assert resumed.best is not None
    report = vectra_bot.backtest(
        "take-profit", games=4, seed=7, sampled=True, settings=resumed.best.parameters
    )
    assert resumed.best.profit.mean == pytest.approx(float(report.pnl) / 4)


def test_a_crowd_plays_in_sampled_games() -> None:
    """The engine plays then, on the same prices."""
    alone, crowded = (play("watch", games=2, seed=7, crowd=crowd, sampled=True) for crowd in (0, 3))

    assert crowded.played.why == {"there is a crowd": 2}
    assert (alone.rug_price == crowded.rug_price).all()


def test_games_of_a_file_are_not_sampled() -> None:
    """Both together are refused, and so is anything but true and false."""
    config: dict[str, Any] = {"source": resolve_strategy("watch"), "games": 1, "seed": 7}

    with pytest.raises(UsageError, match="--sampled was given with --from: give one of them"):
        vectra_bot.backtest("watch", sampled=True, source="games.jsonl")
    with pytest.raises(UsageError, match="--sampled was given with --from: give one of them"):
        SweepConfig(strategy="watch", sampled=True, source="games.jsonl")
    with pytest.raises(ConfigError, match="option sampled was True with given games"):
        PlayConfig(given=(GivenGame("g", make_game([1, 2])),), sampled=True, **config)
    with pytest.raises(ConfigError, match="option sampled was 1: give True or False"):
        PlayConfig(sampled=1, **config)
    with pytest.raises(ConfigError, match="sampled"):
        vectra_bot.backtest("watch", sampled="perhaps")  # type: ignore[arg-type]


def test_a_table_of_several_backtests_keeps_its_ids() -> None:
    """The first games of a table have the ids that they have in the whole one."""
    config = PlayConfig(source=resolve_strategy("watch"), games=4, seed=7, block=3, sampled=True)
    table: Games = play_config(config)

    assert table.head(2).game_ids() == table.game_ids()[:2]
    assert table.game_id(3) == table.game_ids()[3]
    assert np.unique(table.arrow()["game_id"].to_pylist()).size == 4
