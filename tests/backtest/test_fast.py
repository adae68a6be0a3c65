"""What the fast driver gives to the engine, and how it reports a strategy that raises."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal, getcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot import GameView, Strategy
from vectra_bot.actions.exits import NO_EXITS
from vectra_bot.actions.limits import Limits
from vectra_bot.actions.risk import Ask, HaltCause, RiskGate
from vectra_bot.backtest import PlayConfig, play
from vectra_bot.backtest.fast.block import FastBlock
from vectra_bot.backtest.fast.chunks import chunks_of, gains
from vectra_bot.backtest.fast.desk import FastDesk
from vectra_bot.backtest.fast.hooks import Hooks
from vectra_bot.backtest.fast.orders import Owner, Refusals
from vectra_bot.backtest.fast.views import FastGame
from vectra_bot.backtest.games import FillRow
from vectra_bot.errors import StrategyError
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.exchange.accounts import BookEntry
from vectra_bot.exchange.config import START_NS
from vectra_bot.game import fair
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_sol
from vectra_bot.game.lots import Lot
from vectra_bot.loading import resolve_strategy
from vectra_bot.models import ActionType, GamePhase, GameTick, PlayerUpdate
from vectra_bot.strategy import configure

STATED = PlayerUpdate(
    recv_ns=0, player_id="player", cash=to_sol(1), position_qty=to_sol(0), avg_cost=to_sol(0),
    total_invested=to_sol(0), cumulative_pnl=to_sol(0),
)  # fmt: skip


class ReadsCount(Strategy):
    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.last = game.trade_count


class ReadsStateOfAction(Strategy):
    def on_game_tick(self, tick: Any, game: Any) -> None:
        if game.tick == 1:
            self.last = self.actions.buy("0.01").state_before


class SwallowsEverything(Strategy):
    def on_game_tick(self, tick: Any, game: Any) -> None:
        try:
            self.last = game.trade_count
        except BaseException:  # noqa: BLE001 - what a careless strategy does
            self.last = None


class HasUpdates(Strategy):
    def on_player_update(self, state: Any, game: Any) -> None:
        self.last = state


class RoundsUp(Strategy):
    def on_game_start(self, game: Any) -> None:
        getcontext().rounding = ROUND_UP


class Raises(Strategy):
    def on_game_tick(self, tick: Any, game: Any) -> None:
        if game.tick == 3 and len(self.history) == 1:
            raise ValueError("no more")


class KeepsTicks(Strategy):
    def __attrs_post_init__(self) -> None:
        self.ticks: list[Any] = []

    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.ticks.append(tick)
        if len(self.ticks) > 1 and tick.tick:
            assert self.ticks[-2].tick == tick.tick - 1


@pytest.mark.parametrize(
    ("strategy", "options", "why"),
    [
        (ReadsCount, {}, "the strategy reads trade_count"),
        (ReadsStateOfAction, {}, "the strategy reads state_before of an action"),
        (SwallowsEverything, {}, "the strategy reads trade_count"),
        (HasUpdates, {}, "the strategy defines on_player_update"),
        (RoundsUp, {}, "the strategy changes the decimal context"),
        ("take-profit", {"latency_ms": 500}, "the latency is above 100 ms"),
        ("take-profit", {"crowd": 3}, "there is a crowd"),
        (
            "take-profit",
            {"limits": Limits(actions_per_minute=60)},
            "the limit actions_per_minute depends on time",
        ),
    ],
)
def test_what_is_not_exact_is_played_by_the_engine(
    strategy: Any, options: dict[str, Any], why: str
) -> None:
    games = play(strategy, games=1, seed=3, **options)

    assert games.played.engine == "event"
    assert games.played.why == {why: 1}
    assert games.ticks == games.rug_tick.sum()


def test_a_strategy_that_raises_ends_the_backtest() -> None:
    """The error names method and game, and its cause is what was raised."""
    with pytest.raises(
        StrategyError, match=r"raised in Raises.on_game_tick, game 6, tick 3: "
    ) as caught:
        play(Raises, games=3, seed=7, first=5)

    assert isinstance(caught.value.__cause__, ValueError)


def test_the_callers_decimal_context_is_kept() -> None:
    before = getcontext().copy()

    play(RoundsUp, games=1, seed=3)

    assert (getcontext().prec, getcontext().rounding) == (before.prec, before.rounding)


def test_ticks_that_are_kept_stay_what_they_were() -> None:
    """A strategy that may keep its tick gets a new one each time."""
    refusals = Refusals()

    assert Hooks(configure(KeepsTicks, {}), refusals).keeps_ticks
    assert not Hooks(configure(ReadsCount, {}), refusals).keeps_ticks
    assert play(KeepsTicks, games=1, seed=3).played.engine == "fast"


MOSTLY = [False, False, True]


@given(
    st.sampled_from([ActionType.BUY, ActionType.BUY, ActionType.SELL, ActionType.SIDEBET]),
    st.sampled_from([0, 999_999, 10**6, 10**7, 10**7 + 1, 9 * 10**7, 10**8, 10**8 + 1]),
    st.sampled_from([1, 99, 100]),
    st.tuples(*[st.sampled_from([0, 10**6, 10**7, 10**8, 10**8 + 1, 10**9])] * 3),
    st.builds(
        Limits,
        stake=st.sampled_from(["0.01", "0.1", "5"]),
        exposure=st.sampled_from([None, None, None, "0.5"]),
        game_loss=st.sampled_from([None, "0.1", "1"]),
        session_loss=st.sampled_from(["0.1", "1", "1"]),
        actions_per_game=st.integers(1, 3),
        actions_per_minute=st.sampled_from([None, None, None, 2]),
    ),
    st.sampled_from([*[GamePhase.ACTIVE] * 7, *GamePhase]),
    st.tuples(
        st.sampled_from([True, True, False]), st.sampled_from(MOSTLY), st.sampled_from(MOSTLY),
        st.sampled_from([0, 0, 1, 2, 3]),
    ),
)  # fmt: skip
def test_what_is_allowed_at_a_short_look_is_allowed_by_the_gate(
    kind: ActionType,
    amount: int,
    percentage: int,
    cash: tuple[int, int, int],
    limits: Limits,
    phase: GamePhase,
    more: tuple[bool, bool, bool, int],
) -> None:
    """The short look never allows what the gate denies; in the usual case it suffices."""
    has_lots, halted, rugged, sent = more
    refusals, account = Refusals(), Account()
    account.cash, session_lost, game_lost = cash
    account.session_start_cash = account.cash + session_lost
    account.game_start_cash = account.cash + game_lost
    account.stated = STATED
    account.lots = [Lot(10**9, 10**9, 3, 1.0)] if has_lots else []
    game, gate = FastGame(refusals), RiskGate(limits)
    game.begin("game", "")
    game.phase, gate.sent_this_game = phase, sent
    gate.rugged_game = "game" if rugged else ""
    if halted:
        gate.halt(HaltCause.REDUCE, "a test")
    desk = FastDesk(
        Owner("session", "player", None, refusals.refuse), game, account, gate, refusals
    )
    desk.look()
    share = percentage if kind is ActionType.SELL else None
    asked = desk.ask_plainly(kind, "", None if share else amount, share, NO_EXITS)

    fresh = RiskGate(limits, sent_this_game=sent, rugged_game=gate.rugged_game, halts=gate.halts)
    ask = Ask(kind, amount=None if share else amount, percentage=share)
    reason = fresh.check(ask, game, account, pending=(), unknown=0, at_risk=0)
    if asked is not None:
        assert reason is None
        assert gate.sent_this_game == sent + 1
    elif kind in (ActionType.BUY, ActionType.SELL) and phase is GamePhase.ACTIVE:
        unusual = halted or rugged or limits.exposure or limits.actions_per_minute
        assert unusual or reason is not None


@pytest.mark.parametrize(
    "stop",
    ["halt", "stop", "rug", "open order", "phase", "lost in game", "lost", "actions", "nothing"],
)
def test_the_short_look_leaves_what_is_unusual_to_the_gate(stop: str) -> None:
    refusals, account = Refusals(), Account()
    account.cash = account.session_start_cash = account.game_start_cash = 10**9
    account.stated = STATED
    account.game_start_cash += 91 * 10**6 if stop == "lost in game" else 90 * 10**6
    account.session_start_cash += 500 * 10**6 if stop == "lost" else 490 * 10**6
    gate = RiskGate(
        Limits(game_loss=Decimal("0.1"), session_loss=Decimal("0.5"), actions_per_game=2)
    )
    gate.sent_this_game = 2 if stop == "actions" else 1
    game = FastGame(refusals)
    game.begin("game", "")
    game.phase = GamePhase.PRESALE if stop == "phase" else GamePhase.ACTIVE
    owner = Owner("session", "player", None, refusals.refuse)
    desk = FastDesk(owner, game, account, gate, refusals)
    if stop == "halt":
        gate.halt(HaltCause.EXTERNAL, "a test")
    elif stop == "stop":
        gate.stop_all("a test")
    elif stop == "rug":
        gate.rugged_game = "game"
    desk.look()
    if stop == "open order":
        assert desk.ask_plainly(ActionType.BUY, "", 10**7, None, NO_EXITS)

    asked = desk.ask_plainly(ActionType.BUY, "", 10**7, None, NO_EXITS)

    assert (asked is not None) is (stop == "nothing")


class Trades(Strategy):
    """Buys, sells a part, and is sold out by the rug."""

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        if tick.tick % 7 == 2:
            self.actions.buy("0.01")
        elif tick.tick % 7 == 5:
            self.actions.sell(40 if tick.tick % 2 else 100)


def test_the_books_of_a_block_show_every_trade_and_balance() -> None:
    """Those that were executed at once are entered at its end, as sums."""
    fills: list[FillRow] = []
    config = PlayConfig(source=resolve_strategy(Trades), games=20, seed=3)
    block = FastBlock(config, fills.append)
    games = block.play()

    books, account = block.venue.books, block.venue.account
    assert list(books.differences()) == []
    counts = account.flows.counts
    sold = counts[BookEntry.SELL] + counts[BookEntry.FORCED_SELL]
    assert counts[BookEntry.BUY] == games.entries.sum() > 0
    assert counts[BookEntry.BUY] + sold == len(fills) == games.fills
    assert counts[BookEntry.FORCED_SELL] > 5
    assert account.flows.total(BookEntry.SELL) > 0 > account.flows.total(BookEntry.BUY)


def test_games_that_are_played_again_are_not_drawn_again() -> None:
    """The last ones are kept for every strategy; those of another seed or clock are others."""
    first, again = (list(chunks_of(ExchangeConfig(seed=11), 3)) for _ in range(2))
    other, later = (
        next(chunks_of(config, 3))
        for config in (ExchangeConfig(seed=12), ExchangeConfig(seed=11, start_ns=START_NS + 10**15))
    )

    assert all(one is its for one, its in zip(first, again, strict=True))
    assert other.server_seed != first[0].server_seed
    assert other.prices != first[0].prices
    assert later.game_id != first[0].game_id


def test_expectations_of_many_prices_are_those_of_the_law() -> None:
    rng = np.random.default_rng(5)
    prices = np.exp(rng.normal(0.0, 2.0, 500))
    lows = prices * rng.uniform(0.01, 1.0, 500)

    mean, variance = gains(prices, lows)

    pairs = list(zip(prices.tolist(), lows.tolist(), strict=True))
    means = [fair.expected_return(*pair) for pair in pairs]
    variances = [fair.return_variance(*pair) for pair in pairs]
    assert mean / prices == pytest.approx(means, abs=1e-14)
    assert variance / prices**2 == pytest.approx(variances, abs=1e-12)


def test_a_games_expectation_is_the_sum_over_its_ticks() -> None:
    """Also of a game whose prices are not the first in memory."""
    for game in chunks_of(ExchangeConfig(seed=7), 6):
        last, low, total = game.rug_tick, 1.0, 0.0
        for price in game.prices:
            low = min(low, price)
            total += fair.expected_return(price, low) * price
        assert game.expected(0, last)[0] == pytest.approx(total, rel=1e-9, abs=1e-9)
