"""Planted players on the whole exchange: the ground truth for scoring an analysis of players."""

from __future__ import annotations

from vectra_bot.exchange.accounts import BookEntry
from vectra_bot.exchange.config import ExchangeConfig
from vectra_bot.exchange.crowd import Style
from vectra_bot.exchange.exchange import Exchange

GAMES = 25


def test_the_exchange_shows_the_next_price_to_planted_players_only() -> None:
    """Each planted player wins on the whole exchange, and the crowd without them has none."""
    exchange = Exchange(ExchangeConfig(seed=3, planted=3, countdown_step=5000, past_games=10))
    while exchange.games_opened < GAMES:
        exchange.step()
    peekers = [
        player.account.player_id
        for player in exchange.crowd.players
        if player.style is Style.PEEKER
    ]
    assert list(exchange.crowd.planted) == peekers
    assert len(peekers) == 3
    for player in exchange.crowd.planted:
        account = exchange.books.get(player)
        assert account is not None
        sums = [
            account.flows.total(entry)
            for entry in (BookEntry.BUY, BookEntry.SELL, BookEntry.FORCED_SELL)
        ]
        assert sum(sums) > 0.03 * -sums[0] > 0
    assert Exchange(ExchangeConfig(past_games=10)).crowd.planted == ()


def test_a_coarse_countdown_keeps_the_whole_presale() -> None:
    """With one countdown frame in the presale the crowd still makes all of its presale trades."""

    def presale(step_ms: int) -> int:
        exchange = Exchange(ExchangeConfig(seed=6, countdown_step=step_ms, past_games=10))
        count = 0
        while exchange.games_rugged < 3:
            for message in exchange.step():
                if '"tickCount":1,' in message.text and '"tradeCount":' in message.text:
                    count += int(message.text.split('"tradeCount":')[1].split(",")[0])
        return count

    fine, coarse = presale(100), presale(5_000)
    assert fine > 60
    assert abs(fine - coarse) <= 6
