"""What is counted of a player: results and how they are known, habits, and purchases that are judged."""

from __future__ import annotations

import pytest

from vectra_bot.analysis.players.games import (
    FinalRow,
    ObservedGame,
    ObservedSidebet,
    ObservedTrade,
)
from vectra_bot.analysis.players.tally import PlayerGame, PlayerTally, ResultSource, zone_of

SOL = 1_000_000_000
BUY = ObservedTrade("p", "BUY", 3, 1.0, SOL, SOL)
SELL = ObservedTrade("p", "SELL", 9, 1.5, 3 * SOL // 2, SOL)
HALF = ObservedTrade("p", "SELL", 9, 1.5, 3 * SOL // 4, SOL // 2)
OPEN = ObservedTrade("p", "SHORT_OPEN", 4, 1.0, SOL, 0)
CLOSE = ObservedTrade("p", "SHORT_CLOSE", 8, 0.9, 11 * SOL // 10, 0)
WON = ObservedSidebet("p", 0, 40, SOL, 5 * SOL)
LOST = ObservedSidebet("p", 40, 80, SOL, 0)
PRACTICE = ObservedSidebet("p", 0, 40, SOL, 5 * SOL, practice=True)
ROW = FinalRow("p", 7 * SOL)


def part(
    trades: list[ObservedTrade], bets: list[ObservedSidebet], row: FinalRow | None = None
) -> PlayerGame:
    """Return a player's part of a game of twelve ticks at price 1."""
    game = ObservedGame("g", prices=[1.0] * 12, rug_tick=12, rug_price=0.02)
    return PlayerGame(game, trades, bets, row)


@pytest.mark.parametrize(
    ("trades", "bets", "row", "source", "pnl"),
    [
        ([BUY, SELL], [], None, ResultSource.CLOSED, SOL // 2),
        ([BUY, SELL], [LOST], None, ResultSource.CLOSED, -SOL // 2),
        ([BUY, HALF], [], None, ResultSource.UNKNOWN, 0),
        ([BUY], [], None, ResultSource.UNKNOWN, 0),
        ([OPEN], [], None, ResultSource.UNKNOWN, 0),
        ([ObservedTrade("p", "BUY", 3, 1.0, SOL, 0)], [], None, ResultSource.UNKNOWN, 0),
        ([OPEN, CLOSE], [], None, ResultSource.CLOSED, SOL // 10),
        ([BUY, HALF], [], ROW, ResultSource.TABLE, 7 * SOL),
        ([], [WON, LOST], None, ResultSource.SIDEBETS, 3 * SOL),
        ([], [PRACTICE], None, ResultSource.PRACTICE, 0),
        ([], [WON], FinalRow("p", 5, practice=True), ResultSource.PRACTICE, 0),
    ],
)
def test_how_a_result_is_known(
    trades: list[ObservedTrade],
    bets: list[ObservedSidebet],
    row: FinalRow | None,
    source: ResultSource,
    pnl: int,
) -> None:
    """The final leaderboard decides; else a closed position, sidebets alone, or nobody knows."""
    assert part(trades, bets, row).result() == (source, pnl)


def test_results_and_habits_add_up() -> None:
    """Wins count among known results only; entries, exits and holding times are of trades."""
    one = PlayerTally()
    one.add(part([BUY, SELL], [LOST]))
    one.add(part([BUY], []))
    one.add(part([], [WON]))
    assert (one.games, one.known, one.wins, one.pnl) == (3, 2, 1, 4 * SOL - SOL // 2)
    assert (one.trades, one.sidebets) == (3, 2)
    assert (one.entries.mean, one.exits.mean, one.holds.mean) == (3.0, 9.0, 6.0)
    assert (one.entry_zones, one.exit_zones) == ({"early": 2}, {"early": 1})


def test_the_schemas_rule_counts_amount_times_price() -> None:
    """A sale counts amount times price, all else negative: the rule's own bias is kept."""
    one = PlayerTally()
    one.add(part([BUY, SELL], []))
    one.add(part([OPEN, CLOSE], []))
    one.add(part([], [WON]))
    assert (one.crude_games, one.crude_wins) == (2, 1)


def test_one_bet_for_purchases_of_one_tick() -> None:
    """Two purchases of a tick share their next price: one bet, and none on a sale."""
    one = PlayerTally()
    one.add(part([BUY, BUY, SELL], []))
    assert (one.by_entries.bets, one.edges.count, one.purchases) == (1, 1, 2)
    assert one.edges.mean == pytest.approx(0.000547, abs=1e-4)


@pytest.mark.parametrize(
    ("prices", "rug_tick", "tick", "judged"),
    [
        ([1.0, 1.1], None, 0, True),
        ([1.0, 1.1], None, 1, False),
        ([1.0, None, 1.1], None, 0, False),
        ([None, 1.0, 1.1], None, 1, True),
        ([1.0, 1.1], 2, 1, True),
        ([1.0, 1.1], 2, 2, False),
        ([1.0, 1.1, 1.2], 2, 2, False),
        ([1.0, 0.0, 0.0], None, 1, False),
        ([], None, 0, False),
    ],
)
def test_a_missing_price_is_not_invented(
    prices: list[float | None], rug_tick: int | None, tick: int, judged: bool
) -> None:
    """A purchase is judged if its price and the next one were seen, the rug's included."""
    rug = None if rug_tick is None else 0.02
    game = ObservedGame("g", prices=prices, rug_tick=rug_tick, rug_price=rug)
    one = PlayerTally()
    one.add(PlayerGame(game, [ObservedTrade("p", "BUY", tick, 1.0, SOL, SOL)], (), None))
    assert one.by_entries.bets == one.edges.count == judged


def test_the_low_of_a_game_needs_every_price_before() -> None:
    """After a missed price the low is unknown."""
    game = ObservedGame("g", prices=[1.0, 0.8, 0.9, None, 0.95])
    assert [game.low(tick) for tick in range(-1, 6)] == [None, 1.0, 0.8, 0.8, None, None, None]


@pytest.mark.parametrize(
    "bet",
    [
        ObservedSidebet("p", 4_970, 5_010, SOL, 5 * SOL),
        ObservedSidebet("p", 0, 39, SOL, 0),
    ],
)
def test_a_sidebet_without_a_known_chance_is_not_judged(bet: ObservedSidebet) -> None:
    """One that covers the law's last tick is certain to win; another window has other odds."""
    one = PlayerTally()
    one.add(part([], [bet]))
    assert (one.by_sidebets.bets, one.odd_sidebets, one.sidebets) == (0, 1, 1)


def test_zones_of_entries() -> None:
    """Early is before tick 50, which is the schema's limit, late from tick 150 on."""
    assert [zone_of(tick) for tick in (0, 49, 50, 149, 150)] == [
        "early", "early", "mid", "mid", "late",
    ]  # fmt: skip
