"""Players judged together: anomalies, records, the schema's rule, and what a simulation knows."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from vectra_bot.analysis.players.findings import Imitation, PlayersReport
from vectra_bot.analysis.players.games import (
    FinalRow,
    ObservedGame,
    ObservedSidebet,
    ObservedTrade,
)
from vectra_bot.analysis.players.judge import Standards, judge
from vectra_bot.analysis.players.simulated import SimulatedGames

SOL = 1_000_000_000


def game(number: int, *players: str, jumps: bool = True) -> ObservedGame:
    """Return a game in which each of *players* buys at tick 1 and sells at tick 5, after a rise."""
    top = 1.2 if jumps else 1.005
    trades = []
    for player in players:
        trades.append(ObservedTrade(player, "BUY", 1, 1.0, SOL, SOL))
        trades.append(ObservedTrade(player, "SELL", 5, top, round(top * SOL), SOL))
    return ObservedGame(
        f"g-{number}",
        prices=[1.0, 1.0, *[top] * 6],
        rug_tick=8,
        rug_price=0.02,
        trades=trades,
        trade_count=20,
        names=dict.fromkeys(players, "somebody"),
    )


def test_who_buys_before_every_jump_is_an_anomaly() -> None:
    """Twelve purchases before a jump are beyond luck; twelve before small moves are not."""
    games = [game(n, "seer") for n in range(12)] + [
        game(n, "lucky", jumps=False) for n in range(12, 24)
    ]
    report = judge(games, Standards())
    seer, lucky = report.players
    assert (seer.player_id, seer.anomaly, lucky.anomaly) == ("seer", True, False)
    assert seer.log10_e > report.log10_e_needed > lucky.log10_e
    assert seer.edge == pytest.approx(0.2, abs=0.01)
    assert (report.anomalies, report.tested, report.truth) == (1, 2, None)


def test_who_wins_every_sidebet_is_an_anomaly() -> None:
    """Ten won sidebets of ten have a chance of 4e-8; ten of fifty are luck."""
    games = []
    for number in range(50):
        bets = [ObservedSidebet("lucky", 0, 40, SOL, 5 * SOL * (number < 10))]
        bets += [ObservedSidebet("seer", 0, 40, SOL, 5 * SOL)] if number < 10 else []
        games.append(ObservedGame(f"g-{number}", sidebets=bets))
    report = judge(games, Standards())
    assert {one.player_id: one.anomaly for one in report.players} == {"seer": True, "lucky": False}
    assert report.players[0].record is not None
    assert report.players[0].record.specialization == "sidebets"


def test_a_record_states_what_was_seen() -> None:
    """The schema's record has exact counts, Decimal amounts, and nobody to imitate."""
    games = [game(n, "p", jumps=False) for n in range(10)]
    record = judge(games, Standards()).players[0].record
    assert record is not None
    assert (record.total_games_observed, record.total_trades_observed) == (10, 20)
    assert record.win_rate == 1
    assert record.avg_pnl_per_game == Decimal("0.005")
    assert (record.avg_entry_tick, record.avg_exit_tick, record.avg_hold_duration) == (1, 5, 4)
    assert (record.preferred_entry_zone, record.specialization) == ("early", "scalping")
    assert not record.is_consistent_winner
    assert not record.is_imitation_target
    assert record.username == "somebody"


@pytest.mark.parametrize(("games", "least", "has"), [(9, 10, False), (10, 10, True), (9, 9, True)])
def test_a_record_needs_known_results(games: int, least: int, has: bool) -> None:
    """Below the threshold there is no record."""
    report = judge([game(n, "p") for n in range(games)], Standards(min_games=least))
    assert (report.players[0].record is not None) == has == bool(report.records)


def test_a_record_needs_an_exit() -> None:
    """Whose purchases were never seen to end has no holding time, so no record."""
    games = []
    for number in range(12):
        bought = game(number, "p")
        bought.trades = bought.trades[:1]
        bought.table = [FinalRow("p", SOL)]
        games.append(bought)
    one = judge(games, Standards()).players[0]
    assert (one.games_known, one.win_rate, one.record) == (12, 1.0, None)


@pytest.mark.parametrize(
    ("imitation", "targets"),
    [
        (Imitation.NEVER, set()),
        (Imitation.ANOMALIES, {"seer"}),
        (Imitation.SEED_RULE, {"seer", "lucky"}),
    ],
)
def test_nobody_is_imitated_unless_asked(imitation: Imitation, targets: set[str]) -> None:
    """Targets follow the policy that the user sets, and by default there are none."""
    games = [game(n, "seer") for n in range(12)]
    games += [game(n, "lucky", jumps=False) for n in range(12, 24)]
    report = judge(games, Standards(imitation=imitation))
    records = [one.record for one in report.players if one.record is not None]
    assert {record.player_id for record in records if record.is_imitation_target} == targets
    assert len(records) == 2


def test_the_seeds_rule_is_compared_with_luck() -> None:
    """Four of five players who win by luck are flagged: the rule calls luck skill."""
    games = [game(n, "a", "b", "c", "d", jumps=False) for n in range(10)]
    for each in games[:5]:
        each.trades += [ObservedTrade("e", "BUY", 2, 1.0, SOL, SOL)]
    for number in range(10, 15):
        lost = game(number)
        lost.trades = [ObservedTrade("e", "BUY", 2, 1.0, SOL, SOL)]
        games.append(lost)
    report = judge(games, Standards(), planted=frozenset({"a"}))
    seed = report.rules[0]
    assert (seed.name, seed.judged, seed.flagged, seed.anomalies) == ("seed", 5, 4, 0)
    assert seed.false_positive_rate == 0.75
    assert seed.expected_by_luck is not None
    assert 0.8 < seed.expected_by_luck <= 1.0
    profit = report.rules[1]
    assert (profit.judged, profit.flagged) == (4, 4)


def test_unknown_results_bound_the_win_rate() -> None:
    """A position whose end was not seen may be lost: the least win rate counts it so."""
    games = [game(n, "p") for n in range(6)]
    for each in games[:3]:
        each.trades = each.trades[:1]
    one = judge(games, Standards()).players[0]
    assert (one.games, one.games_known, one.wins) == (6, 3, 3)
    assert (one.win_rate, one.win_rate_least) == (1.0, 0.5)
    assert one.sources["unknown"] == 3


def test_coverage_is_stated() -> None:
    """Trades seen against the venue's count, and games with prices, sidebets and leaderboards."""
    bets = [ObservedSidebet("p", 0, 40, SOL, 0)]
    seen = judge(
        [game(1, "p"), ObservedGame("g-2", sidebets=bets, table=[FinalRow("q", 1)])], Standards()
    ).seen
    assert (seen.games, seen.games_with_prices, seen.games_with_sidebets) == (2, 1, 1)
    assert (seen.games_with_table, seen.trades, seen.sidebets) == (1, 2, 1)
    assert seen.trade_share == 0.1


def test_a_row_alone_is_not_an_observation() -> None:
    """Final leaderboards show winners: a player known from nothing else is not judged."""
    report = judge([ObservedGame("g", table=[FinalRow("q", SOL)])], Standards())
    assert report.players == ()


def simulated(games: int, seed: int, peekers: int, *, sample: bool = False) -> PlayersReport:
    """Return the report on a simulated crowd."""
    found = SimulatedGames(seed, peekers=peekers, sample=sample)
    return judge(found.play(games), Standards(), planted=found.planted)


@pytest.mark.parametrize("sample", [False, True])
def test_luck_alone_has_no_anomaly(sample: bool) -> None:
    """Forty games of a crowd without foresight: nobody is reported, and the rule flags many."""
    report = simulated(40, 4, 0, sample=sample)
    assert report.truth is not None
    assert (report.anomalies, report.truth.false_discoveries, report.truth.planted) == (0, 0, 0)
    rule = report.rules[1]
    assert rule.false_positive_rate is not None
    assert rule.false_positive_rate > 0.05
    assert rule.anomalies == 0
    share = report.seen.trade_share
    assert share is not None
    assert share < 0.2 if sample else share == 1.0


def test_every_trade_is_seen_once() -> None:
    """Without --sample the trades of a game are as many as the venue counts, with it a few of them."""
    for whole, part in zip(
        SimulatedGames(4).play(3), SimulatedGames(4, sample=True).play(3), strict=True
    ):
        assert len(whole.trades) == whole.trade_count == part.trade_count
        assert 0 < len(part.trades) < len(whole.trades) / 4
        rest = list(whole.trades)
        for trade in part.trades:
            rest.remove(trade)
        assert (whole.sidebets, whole.table) == (part.sidebets, part.table)


def test_peekers_are_found() -> None:
    """Players who see the next price are all found, and nobody else."""
    report = simulated(40, 4, 10)
    assert report.truth is not None
    assert (report.truth.planted, report.truth.found) == (10, 10)
    assert (report.truth.found_share, report.truth.false_discovery_rate) == (1.0, 0.0)
    assert all(one.anomaly for one in report.players if one.planted)
    assert report.edge_of_all_low is not None
    assert report.edge_of_all_low > 0


def test_the_same_seed_gives_the_same_report() -> None:
    """A simulation depends on its seed alone, and its JSON has plain values only."""
    first, again = (json.dumps(simulated(8, 2, 3).to_json()) for _ in range(2))
    assert first == again != json.dumps(simulated(8, 3, 3).to_json())
    assert '"imitation": "never"' in first
