"""Rounds of side games in the fast driver are those of the exchange: the same views, stakes and money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backtest.test_parity import AMOUNTS, BETS, BUYS, SELLS, SHORTS, TICKS, Scripted, both
from vectra_bot import Strategy
from vectra_bot.actions.limits import Limits
from vectra_bot.backtest import play
from vectra_bot.backtest.play import BACKTEST_LIMITS
from vectra_bot.exchange import ExchangeOptions
from vectra_bot.models import SideGameKind


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
        if when != "tick":
            self.follow_ups += 1
            if self.follow_ups > 12:  # else what follows from each other never ends
                return
        for name, value in self.script.get((when, tick), []):
            call = getattr(self, name, None) or getattr(self.actions, name)
            action = call(**value) if isinstance(value, dict) else call(*value)
            outcome = action.outcome
            self.seen.append((name, action.state, action.choice, action.round_id, outcome))

    def on_game_end(self, game: Any, summary: Any) -> None:
        super().on_game_end(game, summary)
        self.act("end", 0)

    def on_action_submitted(self, action: Any) -> None:
        super().on_action_submitted(action)
        self.seen.append((action.choice, action.round_id, action.unverified, action.button))
        self.act("submitted", 0)

    def on_action_outcome(self, action: Any) -> None:
        self.note("outcome", action.action_type, action.state, action.actor, action.outcome)
        self.seen.append((action.proof, action.choice, action.round_id, action.unverified))
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
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_script_with_stakes_is_played_the_same(
    script: dict[Any, Any], seed: int, exchange: ExchangeOptions, latency_ms: int
) -> None:
    """Random stakes among other actions: every callback sees the same rounds, and the money is the same."""
    both(script, Staking, games=2, seed=seed, latency_ms=latency_ms, exchange=exchange)
