"""Rounds of side games in the fast driver are those of the exchange: the same views, stakes and money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backtest.test_parity import (
    AMOUNTS,
    BETS,
    BUYS,
    SEEN,
    SELLS,
    SHORTS,
    TICKS,
    Scripted,
    assert_equal,
    both,
)
from vectra_bot import Strategy
from vectra_bot.backtest import play
from vectra_bot.backtest.fast.block import FastBlock
from vectra_bot.backtest.fast.chunks import chunks_of
from vectra_bot.backtest.fast.orders import Order, Owner, Refusals
from vectra_bot.backtest.fast.tally import Holdings
from vectra_bot.backtest.fast.venue import FastVenue
from vectra_bot.backtest.games import Games
from vectra_bot.backtest.play import BACKTEST_LIMITS, PlayConfig
from vectra_bot.exchange import ExchangeConfig, ExchangeOptions
from vectra_bot.game.account import Account
from vectra_bot.game.holdings import StakeView
from vectra_bot.game.sidegames import bbc_game
from vectra_bot.loading import resolve_strategy
from vectra_bot.models import ActionState, ActionType, SideGameKind
from vectra_bot.report.luck import Bet


class Staking(Scripted):
    """Does at each moment what its script says, stakes in rounds included, and writes down what it sees."""

    first_round = ""
    follow_ups = 0

    def note(self, what: str, *values: Any) -> None:
        rounds = self.side_games
        if rounds.bbc is not None:
            self.first_round = self.first_round or rounds.bbc.round_id
        super().note(
            what,
            *values,
            rounds.bbc,
            rounds.candleflip,
            *map(rounds.open, SideGameKind),
            self.account.stakes,
        )

    def act(self, when: str, tick: int) -> None:
        if when == "submitted" or when.startswith("after"):
            self.follow_ups += 1
            if self.follow_ups > 12:  # else what follows from each other never ends
                return
        for name, value in self.script.get((when, tick), []):
            call = getattr(self, name, None) or getattr(self.actions, name)
            action = call(**value) if isinstance(value, dict) else call(*value)
            outcome = action.outcome
            SEEN.append((name, action.state, action.choice, action.round_id, outcome))

    def on_game_end(self, game: Any, summary: Any) -> None:
        super().on_game_end(game, summary)
        self.act("end", 0)

    def on_action_submitted(self, action: Any) -> None:
        super().on_action_submitted(action)
        SEEN.append((action.choice, action.round_id, action.unverified, action.button))
        self.act("submitted", 0)

    def on_action_outcome(self, action: Any) -> None:
        self.note("outcome", action.action_type, action.state, action.actor, action.outcome)
        SEEN.append((action.proof, action.choice, action.round_id, action.unverified))
        self.act(f"after {action.action_type.value}", 0)

    def oldest(self, amount: str) -> Any:
        """Stake in the round that closes first."""
        found = self.side_games.open(SideGameKind.CANDLEFLIP)
        round_id = found[0].round_id if found else "none"
        return self.actions.candleflip_bet("RED", amount, round_id=round_id)

    def closed(self, amount: str) -> Any:
        """Stake in the first round of all, which is closed nearly always."""
        return self.actions.bbc_predict("BULL", amount, round_id=self.first_round)


STAKES = st.one_of(
    st.builds(
        lambda on, amount: ("bbc_predict", (on, amount)),
        st.sampled_from(["BULL", "BEAR", "CRAB"]),
        AMOUNTS,
    ),
    st.builds(
        lambda on, amount: ("candleflip_bet", (on, amount)),
        st.sampled_from(["GREEN", "RED"]),
        AMOUNTS,
    ),
    AMOUNTS.map(lambda amount: ("oldest", (amount,))),
    AMOUNTS.map(lambda amount: ("closed", (amount,))),
)
OTHERS = st.one_of(BUYS, SELLS, BETS, SHORTS)
ASKED = st.one_of(
    st.lists(STAKES, min_size=1, max_size=4),
    st.lists(st.one_of(STAKES, OTHERS), min_size=1, max_size=3),
)
MOMENTS = st.sampled_from(
    [(when, 0) for when in ("cooldown", "presale", "active", "rugged", "settled", "end")]
    + [("after BBC_PREDICT", 0), ("after CANDLEFLIP_BET", 0), ("after SELL", 0), ("submitted", 0)]
)
SCRIPTS = st.dictionaries(st.one_of(TICKS, TICKS, MOMENTS), ASKED, min_size=1, max_size=14)
EXCHANGES = st.builds(
    ExchangeOptions,
    countdown_step=st.just(5000),
    bbc_payouts=st.sampled_from([None, "2,1.5,13.37"]),
)


@pytest.mark.parametrize("latency_ms", [0, 70])
@given(script=SCRIPTS, seed=st.integers(0, 20), exchange=EXCHANGES)
@settings(settings.get_profile("games"))
def test_any_script_with_stakes_is_played_the_same(
    script: dict[Any, Any], seed: int, exchange: ExchangeOptions, latency_ms: int
) -> None:
    """Random stakes among other actions: every callback sees the same rounds, and the money is the same."""
    both(script, Staking, games=2, seed=seed, latency_ms=latency_ms, exchange=exchange)


class Quiet(Staking):
    """Looks at no tick: rounds are seen at the steps of a game and of actions only."""

    on_game_tick = Strategy.on_game_tick


class Careless(Strategy):
    """Swallows whatever a look at a round raises, and then needs the round."""

    last = None

    def on_game_tick(self, tick: Any, game: Any) -> None:
        try:
            self.last = self.side_games.bbc
        except BaseException:  # noqa: BLE001 - what a careless strategy does
            self.last = None
        if game.tick == 100:
            assert self.last is not None


class Late(Strategy):
    """Looks at a round for the first time in the third game."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if len(self.history) == 2 and game.tick == 8:
            self.actions.candleflip_bet("RED", "0.05")


# No player sees the frames of a countdown: few of them save half of the engine's time.
FEW_FRAMES = ExchangeOptions(countdown_step=5000)
EVERYWHERE = {
    (when, 0): [("bbc_predict", ("BULL", "0.01")), ("candleflip_bet", ("RED", "0.02"))]
    for when in ("cooldown", "presale", "active", "rugged", "settled", "end")
}
OFTEN = {
    ("tick", tick): [("candleflip_bet", ("GREEN", "0.01")), ("bbc_predict", ("BEAR", "0.01"))]
    for tick in range(0, 900, 7)
}


@pytest.mark.parametrize("latency_ms", [0, 70])
@pytest.mark.parametrize(
    ("strategy", "script"),
    [(Staking, EVERYWHERE), (Quiet, EVERYWHERE), (Staking, OFTEN)],
    ids=["between games", "without ticks", "the same amount twice"],
)
def test_stakes_are_placed_and_settled_as_in_the_engine(
    strategy: type[Staking], script: dict[Any, Any], latency_ms: int
) -> None:
    fast, _ = both(script, strategy, games=4, seed=4, latency_ms=latency_ms, exchange=FEW_FRAMES)

    assert fast.played.engine == "fast"
    assert fast.bets.sum() >= 4
    assert fast.placed.total() == fast.bets.sum()
    assert fast.exposure_ticks.sum() > 0


def test_a_stake_counts_while_it_is_open_also_in_the_next_game() -> None:
    """A stake of the last ticks is settled in a later game; ticks and money count where they belong."""
    script = {
        ("rugged", 0): [("candleflip_bet", ("RED", "0.05")), ("bbc_predict", ("BULL", "0.03"))]
    }
    fast, event = both(script, Staking, games=6, seed=11, latency_ms=70, exchange=FEW_FRAMES)

    assert fast.played.engine == "fast"
    assert fast.bets.sum() == event.bets.sum() > 0
    assert fast.pnl.sum() != 0


@pytest.mark.parametrize("latency_ms", [0, 70])
def test_what_is_undecided_at_the_end_has_no_outcome(latency_ms: int) -> None:
    """A stake that is asked for at the last announcement arrives only without latency."""
    script = {
        (when, 0): [("bbc_predict", ("BULL", "0.01")), ("candleflip_bet", ("RED", "0.01"))]
        for when in ("cooldown", "after BBC_PREDICT")
    }
    found = set[str]()
    for seed in range(4):
        fast, _ = both(
            script, Staking, games=1, seed=seed, latency_ms=latency_ms, exchange=FEW_FRAMES
        )
        assert fast.played.engine == "fast"
        found |= set(fast.actions)

    assert ("UNRESOLVED" in found) == (latency_ms > 0)


def test_odds_and_payouts_are_those_of_the_exchange() -> None:
    odds = {"candleflip_odds": "1/4,3/4", "candleflip_payouts": "3.8,1.25"}
    exchange = ExchangeOptions(countdown_step=5000, **odds)
    fast, _ = both(OFTEN, Staking, games=3, seed=2, exchange=exchange)

    bets = {(bet.payout, bet.chance) for bet in fast.placed}
    assert (38_000_000, 0.25) in bets


def test_without_side_games_no_round_is_known() -> None:
    exchange = ExchangeOptions(countdown_step=5000, side_games=False)
    fast, _ = both(OFTEN, Staking, games=1, seed=2, exchange=exchange)

    assert fast.played.engine == "fast"
    assert set(fast.denials) == {"round"}


def test_limits_count_what_is_staked() -> None:
    limits = attrs.evolve(BACKTEST_LIMITS, exposure=Decimal("0.01"))
    fast, _ = both(OFTEN, Staking, games=3, seed=2, limits=limits, exchange=FEW_FRAMES)

    assert fast.played.engine == "fast"
    assert fast.denials["limit.exposure"] > 0


@pytest.mark.parametrize("strategy", [Careless, Late])
def test_a_block_begins_again_with_rounds_at_the_first_look(strategy: type[Strategy]) -> None:
    """Whenever it is, and also if the strategy hides it: the result is the engine's."""
    options: dict[str, Any] = {"games": 3, "seed": 8, "exchange": FEW_FRAMES}
    fast, event = play(strategy, **options), play(strategy, engine="event", **options)

    assert fast.played.engine == "fast"
    assert_equal(fast, event)


@pytest.mark.parametrize("latency_ms", [0, 70])
@pytest.mark.parametrize("strategy", ["bbc", "candleflip"])
def test_bundled_strategies_of_side_games_are_played_fast(strategy: str, latency_ms: int) -> None:
    options: dict[str, Any] = {"games": 5, "seed": 7, "latency_ms": latency_ms}
    fast = play(strategy, exchange=FEW_FRAMES, **options)
    event = play(strategy, exchange=FEW_FRAMES, engine="event", **options)

    assert fast.played.engine == "fast"
    assert fast.bets.sum() > 0
    assert_equal(fast, event)


def test_a_strategy_that_looks_at_no_round_has_a_block_without() -> None:
    """No statement is made, no time is drawn: such a block costs what it did."""
    block = FastBlock(config_of("take-profit"))
    block.play()

    assert type(block.venue) is FastVenue
    assert not block.needs_rounds
    assert block._timeline is None


def config_of(strategy: str) -> PlayConfig:
    return PlayConfig(source=resolve_strategy(strategy), games=2, seed=7)


def test_a_stake_from_an_earlier_game_counts_from_the_first_tick_of_the_next() -> None:
    """It is at risk at each tick until its result, and at none between the games."""
    table = Games.empty(2, seed=7, first=0)
    holdings, account = Holdings(table), Account()
    first, second = chunks_of(ExchangeConfig(seed=7), 2)
    stake = StakeView(SideGameKind.BBC, "round", "BULL", Decimal("0.01"))
    holdings.begin(first)
    account.stakes[SideGameKind.BBC, "round"] = stake
    holdings.change(first.rug_tick - 3, first.rug_tick - 3, account)
    holdings.end_ticks()
    holdings.change(-1, -1, account)
    holdings.close(first, account)
    holdings.begin(second)
    holdings.carry(account)
    account.stakes.clear()
    holdings.change(4, 4, account)
    holdings.flush()

    assert table.exposure_ticks.tolist() == [2, 5]
    assert table.exposure_lamport_ticks.tolist() == [20_000_000, 50_000_000]


def test_a_stake_counts_in_the_game_in_which_it_was_asked_for() -> None:
    """What the law expects of it counts when it is confirmed, as in a session."""
    table = Games.empty(2, seed=7, first=0)
    holdings = Holdings(table, {ActionType.BBC_PREDICT: bbc_game()}, row=1)
    owner = Owner("session", "player", None, Refusals().refuse)
    order = Order(owner, 1, ActionType.BBC_PREDICT, "game-0", "CRAB")
    order.amount, order.choice = 30, "CRAB"
    order.state = ActionState.CONFIRMED
    holdings.completed(order, ended=True)
    holdings.flush()

    assert table.bets.tolist() == [1, 0]
    assert table.stake.tolist() == [30, 0]
    assert table.expected.tolist() == pytest.approx([0, -2])
    assert table.placed == {Bet(30, 420, 1 / 15): 1}


class AtTheEnd(Strategy):
    """Stakes when a game ends; hardly a round lasts until the next one's first tick."""

    def on_game_end(self, game: Any, summary: Any) -> None:
        self.actions.bbc_predict("BULL", "0.01")


def test_a_round_may_last_from_the_end_of_a_game_into_the_next() -> None:
    options: dict[str, Any] = {"games": 4, "seed": 22, "exchange": FEW_FRAMES}
    fast, event = play(AtTheEnd, **options), play(AtTheEnd, engine="event", **options)

    assert fast.played.engine == "fast"
    assert fast.exposure_ticks.tolist() == [0, 0, 0, 1]
    assert_equal(fast, event)
