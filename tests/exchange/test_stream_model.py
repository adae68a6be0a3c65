"""What the public trade stream may show, and the books behind it, for trades in either coin."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.exchange.accounts import Books, Coin, Money
from vectra_bot.exchange.market import Deal, Market
from vectra_bot.game.ledger import LedgerError
from vectra_bot.game.shorts import ShortTerms

SOL = 10**9
# Few sizes and many trades, so that equal ones in one window are common.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("buy"), st.integers(1, 3), st.integers(1, 2)),
        st.tuples(st.just("buy"), st.integers(0, 3), st.integers(1, 5)),
        st.tuples(st.just("sell"), st.integers(0, 3), st.integers(1, 100)),
        st.tuples(st.just("sidebet"), st.integers(0, 3), st.integers(1, 5)),
        st.tuples(st.just("move"), st.just(0), st.sampled_from([1, 2, 3])),
        st.tuples(st.just("show"), st.just(0), st.just(0)),
    ),
    min_size=8,
    max_size=25,
)


@given(steps)
def test_the_biggest_trade_in_sol_is_shown(todo: list[Any]) -> None:
    """Of each window the first biggest trade in SOL; practice trades count for no one but their player."""
    books = Books()
    deals: list[Deal] = []
    market = Market(books, ShortTerms(), on_deal=deals.append)
    players = [books.open(f"p{n}", None, 10, 20 * SOL, n * SOL) for n in range(4)]
    for practising in players[:2]:
        practising.select(Coin.PRACTICE)
    market.begin_game("g")
    market.open_presale()
    market.start()
    tick, shown = 0, 0
    for kind, who, size in todo:
        player = players[who]
        with suppress(LedgerError):
            if kind == "buy":
                market.buy(player, size * SOL)
            elif kind == "sell":
                market.sell(player, size)
            elif kind == "sidebet":
                market.place_sidebet(player, size * SOL, 0)
        if kind == "move":
            tick += 25
            market.move(tick, float(size))
            market.settle_lost(0)
        if kind == "show":
            window = [d for d in deals[shown:] if d.coin is Coin.SOL]
            shown = len(deals)
            most = max((d.fill.amount for d in window), default=0)
            first = next((d for d in window if d.fill.amount == most), None)
            assert market.take_biggest() is first
        assert list(books.differences()) == []
    for player in players[:2]:
        assert (player.golden, player.sol.cash) == (0, 20 * SOL)
        assert player.flows.balance(Money.SOL) == 20 * SOL
    assert [d.number for d in deals] == list(range(1, len(deals) + 1))
    assert market.trade_count == len(deals)
