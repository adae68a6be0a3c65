"""Shorts: opened, valued by the venue alone, closed by us, by the rug or by their own loss."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.actions.strategies import Scripted
from vectra_bot.actions.risk import Limits
from vectra_bot.game.shorts import ShortTerms
from vectra_bot.models import ActionState, ActionType, Actor, DocType, StateCause
from vectra_bot.testing import Bench


def bench_with(*acts: Any, **options: Any) -> Bench:
    """Return a bench whose strategy does *acts* at tick 2, price 1."""
    strategy = Scripted()
    bench = Bench(strategy, **options)
    bench.start_game((1.0, 1.0))
    strategy.todo = list(acts)
    bench.tick(1.0)
    return bench


def act(bench: Bench, price: float, *acts: Any) -> None:
    """Let the strategy do *acts* at the next tick."""
    scripted(bench).todo = list(acts)
    bench.tick(price)


def scripted(bench: Bench) -> Scripted:
    """Return the bench's strategy."""
    assert isinstance(bench.engine.strategy, Scripted)
    return bench.engine.strategy


def opened(**options: Any) -> Bench:
    """Return a bench with a short of 0.05 SOL at price 1."""
    bench = bench_with(lambda a: a.short_open("0.05"), **options)
    bench.execute(bench.commands[0])
    return bench


def test_a_short_is_tracked_to_its_settlement() -> None:
    """Open and close are actions; the settlement names the opening action and is marked unverified."""
    bench = opened()
    view = bench.engine.account.view.short
    assert view is not None
    assert (view.stake, view.entry_price, view.entry_tick) == (Decimal("0.05"), 1.0, 2)
    act(bench, 0.75, lambda a: a.short_close())
    bench.execute(bench.commands[1])

    short_open, short_close = bench.actions
    assert (short_open.state, short_close.state) == (ActionState.CONFIRMED, ActionState.CONFIRMED)
    assert (short_open.unverified, short_close.unverified) == (True, True)
    assert short_close.outcome is not None
    assert short_close.outcome.executed_amount == Decimal("0.0625")
    (settled,) = scripted(bench).named("on_stake_settled")
    assert (settled.action_id, settled.action_type) == (short_open.action_id, "SHORT_OPEN")
    assert (settled.won, settled.pnl, settled.unverified) == (True, Decimal("0.0125"), True)
    assert bench.engine.account.short is None
    assert bench.engine.account.cash == bench.ledger.cash
    causes = [s.cause for s in bench.of_type(DocType.SERVER_STATE) if s.delta_cash]
    assert causes == [StateCause.ACTION, StateCause.ACTION]


def test_the_value_is_what_the_venue_states() -> None:
    """Nothing is computed here: the value remains until a row or an update states another."""
    bench = opened()
    bench.tick(0.5)
    view = bench.engine.account.view
    assert view.short is not None
    assert view.short.value == Decimal("0.05")
    bench.show_row()

    assert view.short is not None
    assert (view.short.value, view.short.pnl) == (Decimal("0.075"), Decimal("0.025"))
    assert view.short.multiple == 1.5
    assert bench.engine.account.equity(1.0) == 1_025_000_000


def test_documents_at_open_change_and_close() -> None:
    """One state at the opening, one at a change that an update shows, one at the close."""
    bench = opened()
    bench.tick(0.75)
    bench.update()
    act(bench, 0.75, lambda a: a.short_close())
    bench.execute(bench.commands[1])

    states = bench.of_type(DocType.SHORT_POSITION)
    assert [(s.has_short, s.short_pnl) for s in states] == [
        (True, Decimal(0)),
        (True, Decimal("0.0125")),
        (False, Decimal("0.0125")),
    ]
    assert all(s.unverified and s.short_entry_price == 1 for s in states)
    assert [s.short_value for s in states[:2]] == [Decimal("0.05")] * 2


def test_the_rug_settles_a_short_without_an_action() -> None:
    """It is a settlement: cause stake_settled, no player_action row, the episode ends by the rug."""
    bench = opened()
    bench.rug()
    bench.new_game()

    assert [a.action_type for a in bench.actions] == [ActionType.SHORT_OPEN]
    (settled,) = scripted(bench).named("on_stake_settled")
    assert (settled.won, settled.payout) == (True, Decimal("0.098999999"))
    last = [s for s in bench.of_type(DocType.SERVER_STATE) if s.delta_cash][-1]
    assert (last.cause, last.action_id) == (StateCause.STAKE_SETTLED, settled.action_id)
    assert last.unverified
    assert bench.engine.account.cash == bench.ledger.cash
    (episode,) = bench.of_type(DocType.ML_EPISODE)
    assert (episode.outcome, episode.final_pnl) == ("rug", Decimal("0.048999999"))


def test_a_short_that_lost_everything_is_closed_without_us() -> None:
    """That close is external, as a liquidation is, and settles the stake with a payout of zero."""
    bench = opened()
    bench.tick(2.1)

    close = bench.actions[-1]
    assert (close.action_type, close.actor) == (ActionType.SHORT_CLOSE, Actor.EXTERNAL)
    assert close.state is ActionState.CONFIRMED
    (settled,) = scripted(bench).named("on_stake_settled")
    assert (settled.won, settled.payout, settled.pnl) == (False, Decimal(0), Decimal("-0.05"))
    assert bench.engine.account.short is None
    assert bench.engine.account.cash == bench.ledger.cash


def test_a_close_that_comes_too_late_is_rejected() -> None:
    """The venue has closed the short already: our close is rejected, the stake settled once."""
    bench = opened()
    act(bench, 1.9, lambda a: a.short_close())
    bench.tick(2.1)
    bench.ack(bench.commands[1], success=False, message="No short position to close")

    ended = {a.action_id: a.state for a in bench.actions}
    assert ended[bench.commands[1].action_id] is ActionState.REJECTED
    assert len(scripted(bench).named("on_stake_settled")) == 1


def test_the_rugs_close_is_not_taken_for_ours() -> None:
    """A close in flight when the game rugs stays undecided until its own evidence: it was not executed."""
    bench = opened()
    act(bench, 0.9, lambda a: a.short_close())
    bench.rug()
    bench.ack(bench.commands[1], success=False, message="Game has rugged")

    assert bench.actions[-1].state is ActionState.REJECTED
    causes = [s.cause for s in bench.of_type(DocType.SERVER_STATE) if s.delta_cash]
    assert causes == [StateCause.ACTION, StateCause.STAKE_SETTLED]


def test_an_update_alone_confirms_the_only_open_in_flight() -> None:
    """The update states the short itself: nothing else can have used the stake."""
    bench = bench_with(lambda a: a.short_open("0.05"))
    bench.fill(bench.commands[0], trade=False)

    (action,) = bench.actions
    assert (action.state, action.outcome and action.outcome.executed_amount) == (
        ActionState.CONFIRMED,
        Decimal("0.05"),
    )
    assert bench.engine.account.short is not None
    assert bench.engine.account.short.action_id == action.action_id


def test_an_update_alone_proves_no_close() -> None:
    """The rug could have done it: the change is unexplained until a trade explains it."""
    bench = opened()
    act(bench, 0.75, lambda a: a.short_close())
    close = bench.commands[1]
    fill = bench.carry_out(close)
    bench.update()
    assert bench.of_type(DocType.SERVER_STATE)[-1].cause is StateCause.UNEXPLAINED
    bench.feed(bench.fill_event(close, fill))

    assert bench.actions[-1].state is ActionState.CONFIRMED
    assert bench.engine.account.cash == bench.ledger.cash


def test_a_short_of_another_client_is_external() -> None:
    """Another client of our account opened it: recorded, never ours."""
    bench = bench_with()
    fill = bench.ledger.open_short(30_000_000, 1.0, 2, bench.terms)
    bench.trade("short_open", fill.amount, 0, trace_id="a" * 32)
    bench.update()

    (action,) = bench.actions
    assert (action.actor, action.action_type) == (Actor.EXTERNAL, ActionType.SHORT_OPEN)
    assert bench.engine.account.short is not None
    assert bench.engine.account.cash == bench.ledger.cash


class OnPhase(Scripted):
    """Acts at the beginning of a phase, too."""

    def on_phase(self, game: Any) -> None:
        self.on_game_tick(None, game)


@pytest.mark.parametrize("phase", ["presale", "rugged"])
def test_shorts_need_a_running_game(phase: str) -> None:
    """The presale allows buys and sidebets only; nothing is allowed after the rug."""
    strategy = OnPhase()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.0))
    if phase == "presale":
        bench.rug()
        bench.new_game()
    strategy.todo = [lambda a: a.short_open("0.01")]
    if phase == "presale":
        bench.presale()
    else:
        bench.rug()

    outcome = bench.actions[-1].outcome
    assert outcome is not None
    assert (outcome.error_reason or "").endswith(f"in phase {phase}")


def test_one_short_at_a_time_and_nothing_to_close_without_one() -> None:
    """Both are denied with their own code before anything is sent."""
    bench = opened()
    act(bench, 1.0, lambda a: a.short_open("0.01"))
    act(bench, 1.0, lambda a: a.short_close())
    bench.execute(bench.commands[1])
    act(bench, 1.0, lambda a: a.short_close())

    reasons = [
        a.outcome.error_reason for a in bench.actions if a.state is ActionState.DENIED and a.outcome
    ]
    assert [r.split(":")[0] for r in reasons if r] == ["short.open", "short"]


def test_closing_is_an_exit_and_no_limit_holds_it_back() -> None:
    """After a halt and beyond the count of actions a short can still be closed."""
    bench = opened(limits=Limits(actions_per_game=1))
    act(bench, 1.0, lambda a: a.short_open("0.01"), lambda a: a.short_close())

    assert [c.action_type for c in bench.commands] == [
        ActionType.SHORT_OPEN,
        ActionType.SHORT_CLOSE,
    ]


def test_bonus_money_moves_the_bonus_alone() -> None:
    """A short paid with bonus money leaves the cash alone, and so does its close."""
    bench = opened(bonus="0.2")
    assert bench.engine.account.cash == bench.ledger.cash == 10**9
    act(bench, 0.75, lambda a: a.short_close())
    bench.execute(bench.commands[1])

    assert bench.engine.account.cash == bench.ledger.cash
    assert bench.engine.account.view.bonus == Decimal("0.2125")
    assert bench.actions[-1].outcome is not None
    assert bench.actions[-1].outcome.executed_bonus == Decimal("0.0625")


def test_a_payoff_of_the_venue_is_taken_as_it_comes() -> None:
    """Under another payoff the same code books what the venue pays."""
    bench = opened(terms=ShortTerms(payoff="charged"))
    act(bench, 0.75, lambda a: a.short_close())
    bench.execute(bench.commands[1])

    assert bench.engine.account.cash == bench.ledger.cash
    (settled,) = scripted(bench).named("on_stake_settled")
    assert settled.payout == Decimal("0.053320000")
