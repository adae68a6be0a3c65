"""The venue's books: every flow is entered on two sides, and every lamport that is not is reported."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exchange.driver import ME, Client, config, live_tick
from tests.exchange.scenario import LONG, SOL, account_of, ask, joined, law
from vectra_bot.exchange.accounts import BookEntry, Books, Money, VenueAccount
from vectra_bot.exchange.market import Market
from vectra_bot.game.ledger import LedgerError
from vectra_bot.game.shorts import ShortPayoff, ShortTerms

GAME = law()

acts = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["buy", "sell", "bet", "short", "cover", "coin", "move", "deposit"]),
        st.integers(1, 100),
    ),
    max_size=40,
)


def imbalances(books: Books) -> str:
    return "\n".join(books.differences())


@given(acts, st.sampled_from(ShortPayoff), st.sampled_from(["settle", "lose", "refund"]))
def test_the_books_balance_whatever_players_do(
    todo: list[tuple[int, str, int]], payoff: ShortPayoff, at_rug: str
) -> None:
    """Games of random actions by three players with all kinds of money: no difference at any time."""
    books = Books(max_win=SOL // 4)
    accounts = [books.open(f"p{n}", None, 20, SOL, SOL // 3) for n in range(3)]
    market = Market(books, ShortTerms(payoff=payoff, at_rug=at_rug))
    market.begin_game("g1")
    market.open_presale()
    market.start()
    for who, act, size in todo:
        _act(market, accounts[who], act, size)
        assert imbalances(books) == ""
    _end(market)
    assert imbalances(books) == ""
    market.begin_game("g2")
    for account in accounts:
        for ledger in (account.sol, account.practice):
            assert (ledger.position_qty, ledger.short, ledger.sidebet) == (0, None, None)
        assert not account.joined
        assert account.select(account.coin)


def _act(market: Market, account: VenueAccount, act: str, size: int) -> None:
    stake = size * SOL // 100
    try:
        if act == "buy":
            market.buy(account, stake, None, 1 + size % 5)
        elif act == "sell":
            market.sell(account, size)
        elif act == "bet":
            market.place_sidebet(account, stake, 0)
        elif act == "short":
            market.open_short(account, stake)
        elif act == "cover":
            market.close_short(account)
        elif act == "coin":
            account.select(type(account.coin)(["SOL", "0xPractice"][size % 2]))
        elif act == "deposit":
            market.books.deposit(account, size, list(Money)[size % 3])
        else:
            market.move(market.tick + 1, market.price * (0.5 + size / 100))
            market.settle_lost(0)
    except LedgerError:
        return


def _end(market: Market) -> None:
    market.rug(market.tick + 1, market.price * 0.01)
    for account in list(market.players):
        market.settle_won(account, market.tick, 0)
        market.liquidate(account)


def test_every_flow_is_entered_on_both_sides() -> None:
    """The house receives what players pay, entry by entry and in each kind of money."""
    client = joined(config(seed=LONG, crowd=60), bonus=SOL)
    while client.exchange.games_opened < 1:
        for seen in client.step():
            if not seen.private and (live_tick(seen) or 0) % 12 == 4:
                ask(client, "buyOrder", amount=0.1, leverage=2)
                ask(client, "shortOrder", amount=0.1)
                ask(client, "sellOrder", percentage=40)
    books = client.exchange.books
    assert imbalances(books) == ""
    keys = {key for account in books.all() for key in account.flows.sums}
    for money, entry in keys:
        if entry in {BookEntry.DEPOSIT, BookEntry.RUGPOOL_PRIZE}:
            continue
        paid = sum(account.flows.total(entry, money) for account in books.all())
        assert books.house.total(entry, money) == -paid
    entries = {entry for _, entry in keys}
    assert {
        BookEntry.BUY,
        BookEntry.SELL,
        BookEntry.FORCED_SELL,
        BookEntry.SHORT_OPEN,
        BookEntry.SIDEBET,
    } <= entries


Tamper = Callable[[Client], None]


def _cash(client: Client) -> None:
    account_of(client).sol.cash += 1


def _bonus(client: Client) -> None:
    account_of(client).sol.credit(0, 1)


def _practice(client: Client) -> None:
    account_of(client).practice.cash -= 1


def _house(client: Client) -> None:
    client.exchange.books.house.add(Money.SOL, BookEntry.BUY, 1)


def _pool(client: Client) -> None:
    client.exchange.books.pool.add(Money.SOL, BookEntry.RUGPOOL_FEED, -1)


def _flow(client: Client) -> None:
    account_of(client).flows.add(Money.BONUS, BookEntry.SELL, 1)


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (_cash, f"{ME}: SOL is 98999999999 lamports, its entries sum to 98999999998"),
        (_bonus, f"{ME}: bonus is "),
        (_practice, f"{ME}: practice is 99999999999 lamports, its entries sum to 100000000000"),
        (_house, "lamports of SOL, "),
        (_pool, "lamports of SOL, "),
        (_flow, f"{ME}: bonus is 0 lamports, its entries sum to 1"),
    ],
)
def test_a_single_lamport_is_named(tamper: Tamper, named: str) -> None:
    """A ledger, a flow, the house or the pool wrong by one lamport is reported, with its money and owner."""
    client = joined()
    client.until_tick(2)
    ask(client, "buyOrder", amount=1)
    ask(client, "sellOrder", percentage=50)
    ask(client, "buyOrder", amount=0.5)
    assert imbalances(client.exchange.books) == ""
    tamper(client)
    assert named.replace("98999999999", str(account_of(client).sol.cash)).replace(
        "98999999998", str(account_of(client).sol.cash - 1)
    ) in imbalances(client.exchange.books)


def test_deposits_come_from_outside_the_house() -> None:
    """A deposit is passed to the hook and is not an entry of the house."""
    given: list[tuple[str, Money, int]] = []
    books = Books(on_deposit=lambda *what: given.append(what))
    account = books.open("p", None, 1, 7, 3)
    books.deposit(account, 5, Money.PRACTICE)
    assert given == [
        ("p", Money.SOL, 7),
        ("p", Money.BONUS, 3),
        ("p", Money.PRACTICE, 100 * SOL),
        ("p", Money.PRACTICE, 5),
    ]
    assert (account.sol.cash, account.sol.bonus, account.practice.cash) == (7, 3, 100 * SOL + 5)
    assert not books.house.sums
    assert imbalances(books) == ""


def test_nothing_of_a_game_survives_it() -> None:
    """Sums, bets, waiting closes and lists of leveraged and short players are empty in the next game."""
    client = joined(config(seed=LONG, short_payoff="late-close"))
    client.until_tick(GAME.rug_tick - 1)
    ask(client, "buyOrder", amount=1, leverage=2)
    ask(client, "shortOrder", amount=1)
    ask(client, "closeShort")
    ask(client, "requestSidebet", amount=1, xPayout=5)
    client.games(1)
    account, market = account_of(client), client.exchange._market
    kept = (market.players, market.bets, market._open_bets, market._shorts, market._closing)
    assert not any([*kept, market._leveraged])
    assert (market.rugged, market.open, market.tick) == (False, False, 0)
    assert (account.joined, account.golden, account.rank, account.moving) == (False, 0, 0, False)
    assert account.ledger.total_invested == 0
    client.until_tick(2)
    assert ask(client, "shortOrder", amount=1)["success"]
