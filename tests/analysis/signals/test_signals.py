"""What alerts are worth: outcomes, profit, calibration, and models that claim what is not so."""

from __future__ import annotations

import asyncio
import math
import random
from array import array
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from vectra_bot.analysis.signals import (
    PlayedGames,
    backtest_report,
    calibration,
    play_exchange,
    play_store,
    rule_plugins,
    scores,
)
from vectra_bot.analysis.signals.calibration import Claim, chi_square_tail
from vectra_bot.analysis.signals.played import SignalGame
from vectra_bot.errors import InputError, UnknownNameError
from vectra_bot.models import AlertTrigger, AlertType

EDGE = """
from vectra_bot import AlertModel, AlertRule

class Edge(AlertModel):
    name = "edge"

    def rug_chance(self, game, ticks):
        law = super().rug_chance(game, ticks)
        return 0.35 if game.price > 1.2 else law

class Ends(AlertRule):
    alert_type = "mine.ends"

    def on_game_end(self, summary):
        return self.alert("End", summary.game_id)
"""


def alert_of(kind: AlertType, **data: Any) -> AlertTrigger:
    """Return an alert that states a chance."""
    return AlertTrigger(
        alert_id="a",
        alert_type=kind,
        severity="info",
        triggered_at=datetime(2026, 1, 1, tzinfo=UTC),
        expires_at=None,
        game_id="g",
        player_id=None,
        title="t",
        message="m",
        source_data={"model": "law", "probability": 0.5, "horizon_ticks": 3, "tick": 1, **data},
    )


def games_of(*alerts: AlertTrigger, rug_tick: int, prices: tuple[float, ...]) -> PlayedGames:
    """Return one game with its alerts."""
    game = SignalGame("g", array("d", prices), rug_tick, min(prices) * 0.02, list(alerts))
    played = PlayedGames(games=[game], finished=1, hours=0.5)
    played.lived[rug_tick] = 1
    for alert in alerts:
        played.counts[getattr(alert.alert_type, "value", "")] += 1
    return played


@pytest.mark.parametrize(
    ("rug_tick", "came", "lead"), [(2, 1.0, 1.0), (4, 1.0, 3.0), (5, 0.0, None)]
)
def test_a_rug_counts_up_to_the_horizon(rug_tick: int, came: float, lead: float | None) -> None:
    """The last tick of it included, the next one not."""
    alert = alert_of(AlertType.RUG_WARNING, event="rug")
    (score,), _ = scores(games_of(alert, rug_tick=rug_tick, prices=(1.0,) * rug_tick))

    assert (score.scored, score.precision, score.recall, score.lead_ticks) == (1, came, came, lead)
    assert score.per_hour == 2.0


def test_survival_is_the_opposite() -> None:
    """It has no lead time."""
    alert = alert_of(AlertType.HIGH_POTENTIAL_ENTRY, event="survival")
    (score,), _ = scores(games_of(alert, rug_tick=5, prices=(1.0,) * 5))

    assert (score.precision, score.recall, score.lead_ticks) == (1.0, 1.0, None)


@pytest.mark.parametrize(
    ("bet", "rug_tick", "profit"),
    [
        ("long", 9, 1.0),
        ("long", 3, 0.02 - 1),
        ("exit", 9, -1.0),
        ("short", 9, -1.0),
        ("sidebet", 3, 4.0),
        ("sidebet", 9, -1.0),
    ],
)
def test_the_profit_of_acting(bet: str, rug_tick: int, profit: float) -> None:
    """A position is closed at the horizon, or at the rug price."""
    prices = (1.0, 1.0, 1.5, 1.75, 2.0, 3.0, 3.0, 3.0, 3.0)[:rug_tick]
    alert = alert_of(AlertType.RUG_WARNING, event="rug", bet=bet)
    (score,), _ = scores(games_of(alert, rug_tick=rug_tick, prices=prices))

    assert score.bets == 1
    assert score.profit == pytest.approx(profit)
    assert score.expected is not None
    assert score.luck is not None


def test_a_position_over_a_missed_tick_is_not_a_bet() -> None:
    """The price, or the lowest one, is not known."""
    alert = alert_of(AlertType.RUG_WARNING, event="rug", bet="long")
    prices = (1.0, 1.0, math.nan, 2.0, 2.0, 2.0)
    (score,), _ = scores(games_of(alert, rug_tick=6, prices=prices))

    assert (score.scored, score.bets, score.profit) == (1, 0, None)


def test_a_round_is_scored_by_its_result() -> None:
    """And not at all while it has none."""
    data = {"event": "round", "round_id": "r", "choice": "BULL", "payout_x": 2.0, "bet": "round"}
    played = games_of(alert_of(AlertType.BBC_OPTIMAL_PREDICTION, **data), rug_tick=3, prices=(1.0,))
    (before,), _ = scores(played)
    played.rounds["r"] = "BULL"
    (after,), _ = scores(played)

    assert (before.scored, after.scored, after.precision, after.profit) == (0, 1, 1.0, 1.0)
    assert after.recall is None


@pytest.mark.parametrize(
    ("statistic", "freedom", "tail"),
    [
        (3.841458820694124, 1, 0.05),
        (5.991464547107979, 2, 0.05),
        (18.307038053275146, 10, 0.05),
        (30.0, 2, math.exp(-15)),
        (0.0, 3, 1.0),
        (0.5, 4, 0.9735009788392562),
    ],
)
def test_the_tail_of_chi_square(statistic: float, freedom: int, tail: float) -> None:
    """Against known quantiles."""
    assert chi_square_tail(statistic, freedom) == pytest.approx(tail, rel=1e-9)


def claims_of(seed: int, games: int, stated: float, true: float, model: str = "m") -> list[Claim]:
    """Return two chances for each game, about one outcome, that share it."""
    draw = random.Random(seed).random
    found = []
    for game in range(games):
        happened = draw() < true
        found += [Claim(model, kind, game, stated, happened) for kind in ("a", "b")]
    return found


def test_true_chances_are_rarely_refuted() -> None:
    """Of many seeds, as few have a small p-value as it says, although a game's alerts share its outcome."""
    values = [calibration(claims_of(seed, 400, 0.2, 0.2))[0].p_value for seed in range(200)]
    small = sum(value is not None and value < 0.1 for value in values)

    assert None not in values
    assert 6 <= small <= 38  # of a binomial distribution with mean 20: further off in 1 of 1000


@pytest.mark.parametrize("true", [0.1, 0.3])
def test_a_false_chance_is_refuted(true: float) -> None:
    """In both directions."""
    (found,) = calibration(claims_of(1, 2000, 0.2, true))

    assert found.refuted
    assert found.freedom == 1  # the two types say the same


def test_a_model_that_is_right_on_average_only_is_refuted() -> None:
    """It states 0.1 and 0.3 by turns of what is always 0.2."""
    draw = random.Random(1).random
    claims = [
        Claim("m", "a", game, (0.1, 0.3)[game % 2], happened=draw() < 0.2) for game in range(4000)
    ]

    assert calibration(claims)[0].refuted


def test_what_cannot_be_happened() -> None:
    """One impossible event refutes a model."""
    (found,) = calibration([Claim("m", "a", 0, 0.0, happened=True)])

    assert (found.refuted, found.p_value) == (True, 0.0)


def test_few_games_are_not_judged() -> None:
    """There is no p-value, and nothing is refuted."""
    (found,) = calibration(claims_of(1, 49, 0.2, 0.9))

    assert (found.p_value, found.refuted) == (None, False)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_law_is_calibrated_over_many_games() -> None:
    """The joint test of the default signals does not refute the law.

    ``vectra-bot alerts backtest --games 5000 --seed 7`` makes it over more games.
    """
    report = backtest_report(
        asyncio.run(play_exchange(rule_plugins(["alerts"]), 1000, 7)), "exchange", 7
    )
    (law,) = report.models

    assert report.games == 1000
    assert law.p_value is not None
    assert law.p_value >= 0.001
    assert (report.faults, report.unread, report.dropped) == (0, 0, 0)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_planted_edge_is_named(tmp_path: Path) -> None:
    """A model that claims more than the law is refuted beyond doubt."""
    path = tmp_path / "edge.py"
    path.write_text(EDGE, encoding="utf-8")
    plugins = rule_plugins(["alerts"], f"{path}:Edge")
    report = backtest_report(asyncio.run(play_exchange(plugins, 600, 7)), "exchange", 7)
    (edge,) = report.models

    assert report.refuted == ["edge"]
    assert edge.p_value is not None
    assert edge.p_value < 1e-6


def test_games_of_the_exchange_are_played_through_rules_of_a_file(tmp_path: Path) -> None:
    """One alert for each game that ended; the same seed gives the same alerts."""
    path = tmp_path / "edge.py"
    path.write_text(EDGE, encoding="utf-8")
    plugins = rule_plugins([f"{path}:Ends"])
    reports = [
        backtest_report(asyncio.run(play_exchange(plugins, 3, 5)), "exchange", 5) for _ in range(2)
    ]

    assert reports[0].to_json() == reports[1].to_json()
    assert (reports[0].games, reports[0].alerts) == (3, 3)
    assert reports[0].types[0].kind == "mine.ends"
    assert reports[0].hours > 0


def test_a_store_is_played_from_its_frames(tmp_path: Path) -> None:
    """Every session through a separate engine; the market's alerts are those that were stored."""
    for seed in (3, 4):
        vectra_bot.run("watch", games=2, seed=seed, alerts=True, store=tmp_path)
    played = asyncio.run(play_store(rule_plugins(["alerts"]), tmp_path))
    with vectra_bot.open_store(tmp_path) as store:
        rows = store.sql("SELECT alert_type, count(*) FROM alert_trigger GROUP BY 1").rows

    assert played.finished == 4
    assert dict(played.counts) == dict(rows)
    assert played.unread == 0


def test_a_store_without_frames_is_refused(tmp_path: Path) -> None:
    """In one line."""
    (tmp_path / "doc_type=ws_event").mkdir()
    with pytest.raises(InputError, match="has no frames"):
        asyncio.run(play_store(rule_plugins(["alerts"]), tmp_path))


def test_a_wrong_rule_or_model_is_refused_before_anything_is_played(tmp_path: Path) -> None:
    """By name."""
    path = tmp_path / "edge.py"
    path.write_text(EDGE, encoding="utf-8")
    with pytest.raises(UnknownNameError, match="alert rule class"):
        rule_plugins([f"{path}:None"])
    with pytest.raises(UnknownNameError, match="nothing"):
        rule_plugins(["nothing"])
    with pytest.raises(InputError, match="alert model file"):
        rule_plugins(["alerts"], str(tmp_path / "other.py"))
    path.write_text(EDGE.replace('name = "edge"', "def __init__(self): raise OSError"))
    with pytest.raises(InputError, match="cannot be created"):
        rule_plugins(["alerts"], f"{path}:Edge")
