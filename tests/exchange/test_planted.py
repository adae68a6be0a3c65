"""Planted players on the whole exchange: the ground truth for scoring an analysis of players."""

from __future__ import annotations

from vectra_bot.exchange.accounts import BookEntry, Books, Money
from vectra_bot.exchange.config import ExchangeConfig
from vectra_bot.exchange.crowd import Style
from vectra_bot.exchange.crowd.alone import CrowdMarket
from vectra_bot.exchange.exchange import Exchange
from vectra_bot.game.fair import play_game

GAMES = 25
GAMES_ALONE = 4


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


def test_a_crowd_alone_plays_as_on_the_exchange() -> None:
    """Without frames the same seed gives every player the same trades and sidebets, to the lamport."""
    config = ExchangeConfig(
        seed=12, planted=4, side_games=False, countdown_step=5000, past_games=10
    )
    exchange, alone = Exchange(config), CrowdMarket(config)
    while exchange.games_opened < GAMES_ALONE:
        exchange.step()
    ids = alone.identities
    for number in range(GAMES_ALONE):
        game_id = ids.game_id(number, config.start_ns)
        game = play_game(ids.server_seed(number), game_id)
        *_, last = alone.play(game_id, game.prices, game.rug_price)
        assert last == game.rug_tick
    assert played(alone.books) == played(exchange.books)
    assert sum(len(sums) for sums in played(alone.books).values()) > 200
    assert alone.crowd.planted == exchange.crowd.planted


def played(books: Books) -> dict[str, dict[tuple[Money, BookEntry], int]]:
    """Return each player's sums of trades and sidebets, in lamports."""
    kinds = (
        BookEntry.BUY, BookEntry.SELL, BookEntry.FORCED_SELL, BookEntry.LIQUIDATION, BookEntry.SIDEBET,
        BookEntry.SIDEBET_PAYOUT, BookEntry.SHORT_OPEN, BookEntry.SHORT_CLOSE,
    )  # fmt: skip
    return {
        account.player_id: {
            key: amount for key, amount in account.flows.sums.items() if key[1] in kinds
        }
        for account in books.all()
    }
