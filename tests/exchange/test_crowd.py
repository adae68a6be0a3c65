"""The crowd: its players, that they have no skill, and that a planted peeker has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from attrs import define, field

from vectra_bot.exchange.accounts import BookEntry, Books, Coin, Money, VenueAccount
from vectra_bot.exchange.config import ExchangeConfig
from vectra_bot.exchange.crowd import Crowd, Style
from vectra_bot.exchange.crowd.alone import CrowdMarket
from vectra_bot.exchange.crowd.lockstep import lockstep_groups
from vectra_bot.exchange.market import Deal, Market, Placed
from vectra_bot.game import rules
from vectra_bot.game.fair import play_game
from vectra_bot.wire.states import WireFormat

NOW = 1_767_225_600_000_000_000
Game = tuple[Sequence[float], float]


@define
class Floor:
    """A market and its crowd without the rest of the exchange, driven a game at a time."""

    seed: int = 1
    size: int = 300
    planted: int = 0
    shorts: bool = True
    presale_steps: int = 100
    alone: CrowdMarket = field(init=False)
    deals: list[tuple[int, str, str, int]] = field(factory=list, init=False)
    bets: list[Placed] = field(factory=list, init=False)
    games: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        config = ExchangeConfig(
            seed=self.seed,
            crowd=self.size,
            planted=self.planted,
            wire_format=WireFormat.FEB if self.shorts else WireFormat.DEC,
        )
        self.alone = CrowdMarket(
            config,
            presale_steps=self.presale_steps,
            on_deal=self._note,
            on_placed=self.bets.append,
        )

    @property
    def market(self) -> Market:
        """The market."""
        return self.alone.market

    @property
    def crowd(self) -> Crowd:
        """The crowd."""
        return self.alone.crowd

    @property
    def books(self) -> Books:
        """The accounts."""
        return self.alone.books

    def _note(self, deal: Deal) -> None:
        self.deals.append(
            (deal.fill.tick, deal.account.player_id, deal.fill.kind, deal.fill.amount)
        )

    def styles(self) -> dict[str, Style]:
        """Return how each player plays, by id."""
        return {player.account.player_id: player.style for player in self.crowd.players}

    def play(self, prices: Sequence[float], rug_price: float) -> None:
        """Play one game as the exchange does: presale, ticks, rug."""
        self.games += 1
        ticks = list(self.alone.play(f"game-{self.games}", prices, rug_price))
        assert ticks == list(range(len(prices) + 1))


def law_games(count: int, seed: str = "floor") -> list[Game]:
    """Return games of the law."""
    games = [play_game(f"{seed}-{number}", f"20260101-{number:016x}") for number in range(count)]
    return [(game.prices, game.rug_price) for game in games]


def play(floor: Floor, games: Sequence[Game]) -> Floor:
    """Play *games* on *floor*."""
    for prices, rug_price in games:
        floor.play(prices, rug_price)
    return floor


def earned(account: VenueAccount) -> int:
    """Return the net result of an account's trades, all money except practice, in lamports."""
    kinds = (BookEntry.BUY, BookEntry.SELL, BookEntry.FORCED_SELL, BookEntry.LIQUIDATION)
    return sum(
        account.flows.total(kind, money) for kind in kinds for money in (Money.SOL, Money.BONUS)
    )


@pytest.fixture(scope="module")
def floor() -> Floor:
    """Sixty games of the full crowd."""
    return play(Floor(seed=11), law_games(60))


def test_one_seed_is_one_crowd_and_one_course_of_events() -> None:
    """The seed determines the players, their styles and all their actions; another seed gives others."""
    games = law_games(3)
    first, again, other = (play(Floor(seed=seed), games) for seed in (5, 5, 6))
    assert first.styles() == again.styles()
    assert first.deals == again.deals
    assert not set(first.styles()) & set(other.styles())


def test_identities_and_styles_persist_across_games(floor: Floor) -> None:
    """The same players come back game after game, and every style is among them."""
    assert set(floor.styles().values()) == set(Style) - {Style.PEEKER}
    traded = Counter(player for _, player, _, _ in floor.deals)
    assert set(traded) <= set(floor.styles())
    assert sum(count > 20 for count in traded.values()) > 100


def test_crowd_grows_linearly_with_its_size() -> None:
    """Half the players make half the trades and half the sidebets, within the luck of 80 games."""
    games = law_games(80)
    whole, half = (play(Floor(seed=3, size=size), games) for size in (300, 150))
    assert len(half.deals) / len(whole.deals) == pytest.approx(0.5, rel=0.15)
    assert len(half.bets) / len(whole.bets) == pytest.approx(0.5, rel=0.25)


@pytest.mark.parametrize("size", [0, 1, 2, 7])
def test_tiny_crowds_play(size: int) -> None:
    """An empty crowd does nothing; a small one plays without clients."""
    floor = play(Floor(size=size), law_games(20))
    assert len(floor.crowd.players) == len(floor.books.all()) == size
    assert not floor.deals or size
    assert list(floor.books.differences()) == []


def test_presale_only_buys_and_bets_and_loses_nothing_of_the_plan() -> None:
    """No player sells before tick 0, and actions do not depend on how finely the presale is divided."""
    fine, coarse = (Floor(seed=4, presale_steps=steps) for steps in (100, 2))
    for floor in (fine, coarse):
        play(floor, [([1.0], 0.02)])
    for floor in (fine, coarse):
        kinds = Counter(kind for _, _, kind, _ in floor.deals)
        assert set(kinds) <= {"buy", "forced_sell", "sell", "short_open", "short_close"}
        presale = [deal for deal in floor.deals if deal[2] == "buy"]
        assert len(presale) > 20
        assert all(bet.presale and bet.bet.start_tick == 0 for bet in floor.bets)
    assert [d for d in fine.deals if d[2] == "buy"] == [d for d in coarse.deals if d[2] == "buy"]


def test_lockstep_accounts_act_as_one(floor: Floor) -> None:
    """The first group sells one half at tick 2 and the rest at tick 3, all for equal stakes."""
    first, _ = lockstep_groups(300)
    ids = {floor.crowd.players[number].account.player_id for number in first}
    stakes = {amount for _, player, kind, amount in floor.deals if player in ids and kind == "buy"}
    sales = Counter(
        tick for tick, player, kind, _ in floor.deals if player in ids and kind == "sell"
    )
    assert len(stakes) == 1
    assert set(sales) == {2, 3}
    assert sales[2] >= sales[3] > 500


def test_every_feature_is_used(floor: Floor) -> None:
    """Practice money, bonus money, leverage with its liquidations, shorts and sidebets all occur."""
    counts: Counter[BookEntry] = Counter()
    kinds: Counter[Money] = Counter()
    for account in floor.books.all():
        counts.update(account.flows.counts)
        kinds.update(money for money, entry in account.flows.sums if entry is not BookEntry.DEPOSIT)
    for entry in (
        BookEntry.BUY, BookEntry.SELL, BookEntry.FORCED_SELL, BookEntry.LIQUIDATION, BookEntry.SHORT_OPEN,
        BookEntry.SHORT_CLOSE, BookEntry.SIDEBET, BookEntry.SIDEBET_PAYOUT,
    ):  # fmt: skip
        assert counts[entry] > 10, entry
    assert set(kinds) == set(Money)
    assert list(floor.books.differences()) == []


def test_nothing_the_crowd_does_depends_on_a_price() -> None:
    """Flat prices and rising ones see the same players do the same things at the same ticks."""

    def course(price: Callable[[int], float]) -> list[tuple[int, str, str]]:
        floor = Floor(seed=8, shorts=False)
        for length in (90, 40, 5, 120):
            floor.play([price(tick) for tick in range(length)], 0.02)
        return [(tick, player, kind) for tick, player, kind, _ in floor.deals]

    flat = course(lambda _tick: 1.0)
    assert flat == course(lambda tick: 1.0 + tick / 500)
    assert len(flat) > 300


def test_planted_players_win_and_the_others_do_not() -> None:
    """Peekers profit; no other player beats the law by more than luck explains."""
    games = law_games(150, "planted")
    floor = play(Floor(seed=9, planted=6), games)
    planted = set(floor.crowd.planted)
    assert len(planted) == 6
    assert {floor.styles()[player] for player in planted} == {Style.PEEKER}
    for account in floor.books.all():
        if account.player_id in planted:
            assert account.flows.counts[BookEntry.BUY] > 50
            assert earned(account) > 0.05 * -account.flows.total(BookEntry.BUY)
    others = [a for a in floor.books.all() if a.player_id not in planted and not a.is_practice]
    staked = -sum(
        a.flows.total(BookEntry.BUY) + a.flows.total(BookEntry.BUY, Money.BONUS) for a in others
    )
    assert sum(earned(account) for account in others) < 0.02 * staked
    returns = [
        earned(a) / -a.flows.total(BookEntry.BUY)
        for a in others
        if a.flows.total(BookEntry.BUY) < 0
    ]
    mean = sum(returns) / len(returns)
    spread = (sum((r - mean) ** 2 for r in returns) / len(returns) ** 2) ** 0.5
    assert mean < 3 * spread


def test_without_planting_nobody_is_a_peeker(floor: Floor) -> None:
    """The luck baseline has no skilled player in it."""
    assert floor.crowd.planted == ()
    assert Style.PEEKER not in floor.styles().values()


def test_an_instarug_costs_the_crowd_what_it_costs_real_players() -> None:
    """The pool gets 0.49 to 0.83 SOL per instarug and 0.000296 to 0.000334 per entry (protocol 12)."""
    lost, entries, games = 0, 0, 0
    for seed in range(1, 5):
        floor = Floor(seed=seed)
        for length in (1, 2, 3, 4, 5, 6) * 8:
            floor.play([1.0] * length, 0.02)
            market = floor.market
            losses = [
                -account.ledger.cumulative_pnl(market.price, market.terms)
                for account in market.players
                if not account.is_practice
            ]
            games += 1
            lost += sum(loss for loss in losses if loss > 0)
            entries += sum(loss // rules.RUGPOOL_LAMPORTS_PER_ENTRY for loss in losses if loss > 0)
    pool = lost * rules.RUGPOOL_PERCENT_OF_LOSS / 100 / rules.LAMPORTS_PER_SOL
    assert 0.49 <= pool / games <= 0.83
    assert 0.000296 <= pool / entries <= 0.000334


def test_few_sidebets_are_large(floor: Floor) -> None:
    """About three of a thousand sidebets are of 1 SOL or more, some of more than 2 (protocol 13)."""
    amounts = [
        bet.bet.amount / rules.LAMPORTS_PER_SOL for bet in floor.bets if bet.coin is Coin.SOL
    ]
    assert 0.001 < sum(amount >= 1 for amount in amounts) / len(amounts) < 0.008
    assert max(amounts) > 2


def test_sidebets_are_within_the_limits(floor: Floor) -> None:
    """Sidebets are of 0.001 to 5 SOL, in whole thousandths except practice money (protocol 6.1)."""
    amounts = [bet.bet.amount for bet in floor.bets if bet.coin is Coin.SOL]
    assert len(amounts) > 500
    assert min(amounts) == 1_000_000
    assert max(amounts) <= int(rules.MAX_STAKE * rules.LAMPORTS_PER_SOL)
    assert all(amount % 1_000_000 == 0 for amount in amounts)


def test_connected_counts_are_the_venues(floor: Floor) -> None:
    """Between 180 and 290 are online (protocol 13)."""
    counts = [floor.crowd.connected(0) for _ in range(100_000)]
    assert 180 <= min(counts) < 220
    assert 250 < max(counts) <= 290
