"""The fast driver and the engine play the same: the same methods, the same fills, the same money."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from vectra_bot import Strategy
from vectra_bot.backtest import Games, PlayConfig, play_config
from vectra_bot.backtest.games import COLUMNS
from vectra_bot.exchange import ExchangeOptions
from vectra_bot.game.shorts import ShortAtRug, ShortPayoff
from vectra_bot.loading import resolve_strategy
from vectra_bot.models import Actor

GAMES = 3
TOTALS = ("denials", "actions", "placed", "unknown", "fills", "ticks", "capped")


SEEN: list[Any] = []
"""What a script has seen. Not an attribute of the class: a strategy gets its own copies of those."""


class Scripted(Strategy):
    """Does at each tick what its script says, and writes down all that it sees."""

    script: ClassVar[dict[tuple[str, int], list[tuple[str, Any]]]] = {}

    def note(self, what: str, *values: Any) -> None:
        account, position = self.account, self.position
        bet, short, actions = account.sidebet, account.short, self.actions
        SEEN.append(
            (
                what, *values, account.cash, account.pnl, position.qty, position.avg_cost,
                position.entry_tick, position.liquidation_price, bet, short, actions.bet_amount,
                [(a.action_type, a.state, a.amount) for a in actions.pending],
            )
        )  # fmt: skip

    def act(self, when: str, tick: int) -> None:
        for name, value in self.script.get((when, tick), []):
            call = getattr(self.actions, name)
            action = call(**value) if isinstance(value, dict) else call(*value)
            outcome = action.outcome
            SEEN.append((name, action.state, action.button, action.action_id, outcome))

    def on_phase(self, game: Any) -> None:
        self.note("phase", game.phase, game.tick, game.price, len(game.prices), game.rug_price)
        self.act(game.phase.value, 0)

    def on_game_start(self, game: Any) -> None:
        self.note("start", game.tick, game.price)

    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.note("tick", tick.game_id, tick.tick, tick.price, game.tick, game.price, tick.phase)
        self.note("game", game.peak, game.low, len(game.prices))
        self.act("tick", game.tick)

    def on_game_end(self, game: Any, summary: Any) -> None:
        self.note("end", game.phase, summary, self.history[-1] == summary, len(self.history))

    def on_action_outcome(self, action: Any) -> None:
        self.note("outcome", action.action_type, action.state, action.actor, action.outcome)
        self.act(f"after {action.action_type.value}", 0)

    def on_stake_settled(self, settled: Any, game: Any) -> None:
        self.note("settled", settled, game.tick, game.phase)
        self.act("settled", 0)


class SeesRequests(Scripted):
    """Also sees its requests, for which the fast driver takes each one's long way."""

    def on_action_submitted(self, action: Any) -> None:
        self.note("submitted", action.action_id, action.state, action.trace_id)


AMOUNTS = st.sampled_from(["0.001", "0.01", "0.05", "0.1", "0.2", "0.0000000015", "7"])
EXITS = st.fixed_dictionaries(
    {},
    optional={
        "take_profit": st.sampled_from([1.01, 1.1, 1.5]),
        "stop_loss": st.sampled_from([0.5, 0.9, 0.99]),
        "trailing_stop": st.sampled_from([0.5, 0.8, 0.95]),
        "max_ticks": st.integers(1, 30),
        "leverage": st.integers(1, 6),
    },
)
BUYS = st.builds(lambda amount, more: ("buy", {"amount": amount, **more}), AMOUNTS, EXITS)
SELLS = st.integers(1, 100).map(lambda share: ("sell", (share,))) | st.just(("sell", ()))
BETS = AMOUNTS.map(lambda amount: ("sidebet", (amount,)))
SHORTS = AMOUNTS.map(lambda amount: ("short_open", (amount,))) | st.just(("short_close", ()))
ADJUSTMENTS = st.sampled_from(
    [("bet_increment", ("0.01",)), ("bet_percentage", (10,)), ("buy", ())]
)
ASKED = st.lists(st.one_of(BUYS, SELLS, BETS, SHORTS, ADJUSTMENTS), min_size=1, max_size=2)
TICKS = st.tuples(st.just("tick"), st.integers(0, 60) | st.integers(0, 300))
MOMENTS = st.sampled_from(
    [("cooldown", 0), ("presale", 0), ("active", 0), ("rugged", 0), ("settled", 0)]
)
# No player sees the frames of a countdown: few of them save half of the engine's time.
EXCHANGES = st.builds(
    ExchangeOptions,
    countdown_step=st.just(5000),
    short_payoff=st.sampled_from(list(ShortPayoff)),
    short_at_rug=st.sampled_from(list(ShortAtRug)),
)
SCRIPTS = st.dictionaries(st.one_of(TICKS, TICKS, TICKS, MOMENTS), ASKED, min_size=1, max_size=14)


def assert_equal(fast: Games, event: Games) -> None:
    """Every column and every total is the same; sums of expectations except their rounding."""
    for name in COLUMNS:
        ours, theirs = getattr(fast, name), getattr(event, name)
        if name in ("expected", "variance"):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=10, err_msg=name)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=name)
    for name in TOTALS:
        assert getattr(fast, name) == getattr(event, name), name


def both(
    script: dict[Any, Any], strategy: type[Scripted] = Scripted, **options: Any
) -> tuple[Games, Games]:
    """Play a script by both drivers and compare what it saw, in order."""
    Scripted.script = script
    found = []
    config = PlayConfig(source=resolve_strategy(strategy), **options)
    for engine in ("fast", "event"):
        SEEN.clear()
        games = play_config(evolve(config, engine=engine))
        found.append((games, SEEN[:]))
    (fast, ours), (event, theirs) = found
    assert ours
    assert theirs
    if fast.played.engine == "fast":
        for mine, its in zip(ours, theirs, strict=False):
            assert mine == its
        assert len(ours) == len(theirs)
    assert_equal(fast, event)
    return fast, event


@pytest.mark.parametrize("latency_ms", [0, 70])
@pytest.mark.parametrize("strategy", [Scripted, SeesRequests])
@given(script=SCRIPTS, seed=st.integers(0, 20), exchange=EXCHANGES)
@settings(settings.get_profile("games"))
def test_any_script_is_played_the_same(
    strategy: type[Scripted],
    script: dict[Any, Any],
    seed: int,
    exchange: ExchangeOptions,
    latency_ms: int,
) -> None:
    """Random actions at random moments: every callback sees the same, and the money is the same."""
    both(script, strategy, games=2, seed=seed, latency_ms=latency_ms, exchange=exchange)


def test_what_is_denied_between_two_games_belongs_to_the_next() -> None:
    """The announcement of a game ends the one before it, in one input."""
    fast, _ = both({("cooldown", 0): [("buy", {"amount": "0.001"})]}, games=2, seed=0)

    assert fast.denied.tolist() == [1, 2]
    assert fast.denials == {"account.unknown": 1, "phase": 2}


@pytest.mark.parametrize("latency_ms", [0, 70])
def test_the_result_of_a_sidebet_comes_before_the_forced_sale(latency_ms: int) -> None:
    """Both happen at the rug; the cash that a strategy sees at the first lacks what the second pays."""
    bets = {("tick", tick): [("sidebet", ("0.01",))] for tick in range(1, 900, 42)}
    script = {**bets, ("tick", 0): [("buy", {"amount": "0.1"})]}
    fast, _ = both(script, games=3, seed=2, latency_ms=latency_ms)

    assert fast.played.engine == "fast"
    assert any(what == "settled" and settled.won for what, settled, *_ in SEEN if what == "settled")


def test_what_the_venue_did_at_a_tick_is_told_before_the_answer_to_an_order_at_it() -> None:
    """A lost sidebet and a buy at the tick that ends it, a liquidation and a buy at its tick."""
    levered = [("buy", {"amount": "0.01", "leverage": 5})]
    script = {
        ("tick", 0): [("sidebet", ("0.01",))],
        ("tick", 40): [("buy", {"amount": "0.02"})],
        **{("tick", tick): levered for tick in range(50, 60)},
        **{("tick", tick): [("buy", {"amount": "0.001"})] for tick in range(60, 200)},
    }
    fast, _ = both(script, games=2, seed=4)

    assert fast.played.engine == "fast"
    assert any(seen[0] == "settled" and seen[1].tick == 40 for seen in SEEN)
    assert any(seen[0] == "outcome" and seen[3] is Actor.EXTERNAL for seen in SEEN)


@pytest.mark.parametrize("strategy", [Scripted, SeesRequests])
def test_orders_of_one_tick_are_all_executed(strategy: type[Scripted]) -> None:
    """Also those that follow from an outcome, and beside one that is denied."""
    script = {
        ("tick", 2): [("buy", {"amount": "0.01"}), ("buy", {"amount": "0.02"})],
        ("tick", 4): [("sell", (50,)), ("sell", ())],
        ("tick", 6): [("buy", {"amount": "7"}), ("buy", {"amount": "0.01"})],
        ("after SELL", 0): [("buy", {"amount": "0.003"})],
    }
    fast, _ = both(script, strategy, games=3, seed=0)

    assert fast.played.engine == "fast"
    assert fast.fills >= 12
