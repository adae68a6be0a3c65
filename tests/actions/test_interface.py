"""Acting: amounts, limits, local bet adjustments, declared exits, vetoes."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot import Limits, hookimpl
from vectra_bot.errors import ConfigError, NotInCallback, StrategyError
from vectra_bot.models import ActionState, ActionType, DocType
from vectra_bot.testing import Bench


def act(*acts: Any, **options: Any) -> tuple[Bench, Scripted]:
    """Return a bench whose strategy did *acts* at tick 2."""
    strategy = Scripted()
    bench = Bench(strategy, **options)
    bench.start_game((1.0, 1.1))
    strategy.todo = list(acts)
    bench.tick(1.2)
    return bench, strategy


def reason(bench: Bench) -> str:
    """Return why the last completed action was denied."""
    action = bench.actions[-1]
    assert action.state is ActionState.DENIED
    assert action.outcome is not None
    return action.outcome.error_reason or ""


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda a: a.buy("0.2"), "limit.stake"),
        (lambda a: a.buy("0.0005"), "venue.stake"),
        (lambda a: a.sell(), "position"),
        (lambda a: a.buy("0.01", leverage=9), "venue.leverage"),
    ],
)
def test_denials_name_the_limit(call: Any, code: str) -> None:
    """A denial begins with the code of what denied it."""
    bench, _ = act(call)
    assert reason(bench).startswith(code)
    assert bench.commands == []


def test_more_than_the_cash_is_denied() -> None:
    """An entry above the free cash is never sent, undecided entries counted."""
    bench, strategy = act(
        lambda a: a.buy("0.06"),
        lambda a: a.buy("0.06"),
        cash="0.1",
        limits=Limits(stake=Decimal("0.1")),
    )
    assert len(bench.commands) == 1
    assert reason(bench).startswith("cash")
    assert strategy.returned[1].state is ActionState.DENIED


def test_session_loss_counts_everything_open_as_lost() -> None:
    """The session's loss limit applies to the worst result of what is open or undecided."""
    limits = Limits(stake=Decimal("0.1"), session_loss=Decimal("0.15"))
    bench, _ = act(
        lambda a: a.buy("0.1"), lambda a: a.buy("0.05"), lambda a: a.buy("0.001"), limits=limits
    )
    assert len(bench.commands) == 2
    assert reason(bench).startswith("limit.session_loss")


def test_actions_per_game_never_hold_back_a_full_exit() -> None:
    """Beyond the count entries and partial sales are denied; selling everything is not."""
    bench, strategy = act(lambda a: a.buy("0.05"), limits=Limits(actions_per_game=1))
    bench.execute(bench.commands[0])
    strategy.todo = [lambda a: a.buy("0.01"), lambda a: a.sell(50), lambda a: a.sell()]
    bench.tick(1.3)

    assert [c.action_type for c in bench.commands] == [ActionType.BUY, ActionType.SELL]
    denied = [a for a in bench.actions if a.state is ActionState.DENIED]
    assert [a.button for a in denied] == ["BUY", "SELL 50%"]
    bench.execute(bench.commands[1])
    bench.new_game()
    bench.presale()
    assert bench.engine.tracker.book.gate.sent_this_game == 0


@pytest.mark.parametrize("phase", ["cooldown", "rugged"])
def test_no_entry_in_a_phase_without_trading(phase: str) -> None:
    """Entries are denied in cooldown and after the rug."""

    class Eager(Scripted):
        def on_phase(self, game: Any) -> None:
            if game.phase.value == phase:
                self.actions.buy("0.01")

    bench = Bench(Eager())
    bench.start_game((1.0, 1.1))
    bench.rug()
    assert reason(bench).startswith("phase")
    assert bench.commands == []


def test_presale_allows_buys_and_no_sales() -> None:
    """In the presale a buy is sent at price 1 and tick 0; a sale is not."""

    class Early(Scripted):
        def on_phase(self, game: Any) -> None:
            if game.phase.value == "presale":
                self.actions.buy("0.01")

    bench = Bench(Early())
    bench.new_game()
    bench.presale()
    (command,) = bench.commands
    assert (command.tick, command.price) == (0, 1.0)


@pytest.mark.parametrize(
    "amount",
    ["x", "NaN", "Infinity", -1, True, None.__class__, "-0.0000000001", -1e-12, 1j, 10**30],
)
def test_garbage_amounts_are_the_strategys_error(amount: Any) -> None:
    """An invalid amount of SOL ends trading with the strategy's traceback; nothing is sent."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0,))
    strategy.todo = [lambda a: a.buy(amount)]
    with pytest.raises(StrategyError, match="amount was"):
        bench.tick(1.1)
    assert bench.commands == []


@pytest.mark.parametrize("percentage", [0, 0.99, 101, True, "half", math.nan, -1])
def test_garbage_percentages_are_the_strategys_error(percentage: Any) -> None:
    """A sale accepts a number from 1 to 100."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0,))
    strategy.todo = [lambda a: a.sell(percentage)]
    with pytest.raises(StrategyError, match="percentage was"):
        bench.tick(1.1)


def test_acting_outside_a_callback_is_refused() -> None:
    """Actions are allowed in callbacks only: elsewhere they raise and send nothing."""
    bench, strategy = act()
    with pytest.raises(NotInCallback):
        strategy.actions.buy("0.01")
    assert bench.commands == []
    with pytest.raises(NotInCallback, match="not running"):
        _ = Scripted().account


def test_bet_adjustments_are_local() -> None:
    """Adjustments are CONFIRMED immediately, send nothing, count for no limit; the next buy uses them."""
    bench, strategy = act(
        lambda a: a.bet_increment("0.01"),
        lambda a: a.bet_decrement("0.001"),
        lambda a: a.buy(),
        lambda a: a.bet_percentage(10),
        limits=Limits(actions_per_game=1),
    )
    up, down, bought, share = strategy.returned
    assert [a.button for a in (up, down, bought, share)] == ["+0.01", "-0.001", "BUY", "10%"]
    assert [a.state for a in (up, down, share)] == [ActionState.CONFIRMED] * 3
    assert [a.amount for a in (up, down, bought)] == [
        Decimal("0.011"),
        Decimal("0.01"),
        Decimal("0.01"),
    ]
    assert share.amount == Decimal("0.1")
    assert len(bench.commands) == 1
    assert up.trace_id is None


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(["0.001", "0.01", "0.1", "1"])), max_size=30)
)
def test_adjusted_bet_stays_within_the_venues_limits(steps: list[tuple[bool, str]]) -> None:
    """However it is adjusted, the bet is an amount that the venue accepts."""
    bench, strategy = act(
        *[
            (lambda a, s=step, u=up: (a.bet_increment if u else a.bet_decrement)(s))
            for up, step in steps
        ]
    )
    assert Decimal("0.001") <= strategy.actions.bet_amount <= 5
    assert bench.commands == []


@pytest.mark.parametrize(
    ("declared", "prices", "sold_at"),
    [
        ({"take_profit": 1.5}, [1.3, 1.79, 1.81, 1.9], 1.81),
        ({"stop_loss": 0.5}, [1.0, 0.61, 0.6, 0.5], 0.6),
        ({"max_ticks": 3}, [1.2, 1.2, 1.21, 1.2], 1.21),
        ({"take_profit": 3.0, "max_ticks": 2}, [1.2, 1.22, 4.0], 1.22),
        ({"trailing_stop": 0.75}, [1.2, 2.0, 1.51, 1.5, 1.4], 1.5),
    ],
)
def test_declared_exits_are_carried_out(
    declared: dict[str, Any], prices: list[float], sold_at: float
) -> None:
    """The engine sells everything at the first tick that meets a declared exit, once."""
    bench, _ = act(lambda a: a.buy("0.05", **declared))
    bench.execute(bench.commands[0])
    for price in prices:
        bench.tick(price)
        if len(bench.commands) == 2 and bench.engine.tracker.book.pending:
            bench.execute(bench.commands[1])

    assert [c.action_type for c in bench.commands] == [ActionType.BUY, ActionType.SELL]
    assert bench.commands[1].price == sold_at
    assert not bench.engine.account.lots


def test_a_refused_exit_is_tried_again_at_most_three_times() -> None:
    """A full exit that the venue refuses is retried, but not without limit."""
    bench, _ = act(lambda a: a.buy("0.05", take_profit=1.1))
    bench.execute(bench.commands[0])
    for _ in range(6):
        bench.tick(2.0)
        if bench.engine.tracker.book.pending:
            bench.ack(bench.commands[-1], success=False, message="no")

    assert len(bench.commands) == 4


def test_wrong_exits_are_refused() -> None:
    """An impossible exit is an error of the strategy."""
    with pytest.raises(StrategyError, match="take_profit was"):
        act(lambda a: a.buy("0.01", take_profit=-1.0))
    with pytest.raises(StrategyError, match="max_ticks was"):
        act(lambda a: a.buy("0.01", max_ticks=0))


class Veto:
    """Denies buys."""

    @hookimpl
    def review_action(self, action: Any) -> str | None:
        return "no buys" if action.action_type is ActionType.BUY else None


class Broken:
    """Raises when called."""

    @hookimpl
    def review_action(self, action: Any) -> str | None:
        raise RuntimeError("broken guard")


class Garbage:
    """Returns an invalid answer."""

    @hookimpl
    def review_action(self, action: Any) -> Any:
        return 0


@pytest.mark.parametrize(
    ("plugin", "why"),
    [(Veto, "plugin.guard: no buys"), (Broken, "RuntimeError"), (Garbage, "TypeError")],
)
def test_a_veto_denies_and_a_broken_guard_denies_too(plugin: type, why: str) -> None:
    """Any denial wins; a plugin that raises or returns an invalid answer denies."""
    bench, _ = act(lambda a: a.buy("0.01"), plugins={"guard": plugin})
    assert why in reason(bench)
    assert bench.commands == []


@pytest.mark.parametrize("value", [0, -1, Decimal("NaN"), "much", True])
def test_limits_refuse_nonsense(value: Any) -> None:
    """A limit is a positive amount."""
    with pytest.raises(ConfigError, match="stake"):
        Limits(stake=value)


@given(
    st.lists(st.integers(min_value=1, max_value=120), min_size=1, max_size=25),
    st.integers(min_value=20, max_value=400),
)
def test_loss_never_passes_the_session_limit(stakes: list[int], limit: int) -> None:
    """Whatever is bought and lost, the session never loses more than its limit."""
    limits = Limits(session_loss=Decimal(limit) / 1000, actions_per_game=100)
    strategy = Scripted()
    bench = Bench(strategy, limits=limits)
    for chunk in (stakes[i : i + 5] for i in range(0, len(stakes), 5)):
        bench.start_game((1.0,))
        for size in chunk:
            strategy.todo = [lambda a, s=size: a.buy(Decimal(s) / 1000)]
            before = len(bench.commands)
            bench.tick(1.0)
            for command in bench.commands[before:]:
                bench.execute(command)
        bench.rug(0.0001)
    rows = bench.of_type(DocType.SERVER_STATE)
    assert min(row.cash for row in rows) >= 1 - limits.session_loss
