"""A missed end of a game: what is waited for, for how long, and what a statement then proves."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import attrs
import pytest

from tests.actions.reconcile.parts import GAME, LAW, SOL, entry, stated
from tests.actions.strategies import Scripted
from vectra_bot.actions.reconcile.ends import MissedEnd, MissedEnds
from vectra_bot.game.account import Unexplained
from vectra_bot.game.holdings import ShortView, SidebetView
from vectra_bot.game.lots import Lot
from vectra_bot.models import ActionState, ActionType, FinishedGame, StateCause
from vectra_bot.testing import Bench


def waiting(*acts: Any, **options: Any) -> tuple[Bench, MissedEnds]:
    """Return a bench whose strategy did *acts*, and what waits for missed ends on its account."""
    strategy = Scripted()
    bench = Bench(strategy, **options)
    bench.start_game((1.0, 1.1))
    strategy.todo = list(acts) or [lambda a: a.buy("0.01")]
    bench.tick(1.2)
    return bench, MissedEnds(bench.engine.tracker.book, bench.engine.account)


def end_of(ends: MissedEnds) -> MissedEnd:
    """Return the end that is waited for."""
    assert ends._missed is not None
    return ends._missed


@pytest.mark.parametrize(("after", "waits"), [(None, True), (-1, False), (0, False), (1, True)])
def test_a_statement_from_the_rug_on_is_not_waited_for(after: int | None, waits: bool) -> None:
    """One that was received before the rug does not show it."""
    bench, ends = waiting()
    assert bench.engine.account.stated is not None
    at = bench.engine.account.stated.recv_ns
    assert ends.begin(bench.game_id, None if after is None else at + after, 5) is waits
    assert (ends._missed is not None) is waits
    bench.engine.account.stated = None
    assert not ends.begin(bench.game_id, None, 5)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("acts", ["own", "other game", "round", "nothing"])
def test_only_what_the_game_left_open_waits(held: bool, acts: str) -> None:
    """Lots, or undecided actions of this game; a stake in a round is not of the game."""
    bench, ends = waiting()
    (tracked,) = bench.engine.tracker.book.undecided()
    lot = Lot(7, 8, 0, 1.0)
    bench.engine.account.lots = [lot] if held else []
    changes: dict[str, dict[str, Any]] = {
        "own": {},
        "other game": {"game_id": "another"},
        "round": {"action_type": ActionType.BBC_PREDICT},
        "nothing": {"state": ActionState.NOT_SENT},
    }
    tracked.action = attrs.evolve(tracked.action, **changes[acts])
    assert ends.begin(bench.game_id, None, 5) is (held or acts == "own")
    if ends._missed is not None:
        end = end_of(ends)
        assert end.actions == ((tracked,) if acts == "own" else ())
        assert (end.game_id, end.lots, end.since_ns) == (bench.game_id, (lot,) if held else (), 5)
        assert (end.money, end.bonus, end.unknown, end.entry) == (SOL, 0, False, None)


@pytest.mark.parametrize("beside", ["sidebet", "short", "unexplained", "leverage", "bonus"])
def test_what_stands_beside_makes_an_end_unknown(beside: str) -> None:
    """Each alone; bonus money counts as money, and is known."""
    bench, ends = waiting()
    account = bench.engine.account
    update = account.stated
    assert update is not None
    if beside == "sidebet":
        account.sidebet = SidebetView(Decimal("0.01"), 0, 40)
    elif beside == "short":
        account.short = ShortView(Decimal("0.01"), 1.0, 0, Decimal("0.01"))
    elif beside == "unexplained":
        account._unexplained.append(Unexplained(1, 0, update))
    elif beside == "leverage":
        account.lots = [Lot(7, 8, 0, 1.0, 2)]
    else:
        account.bonus = 9
    assert ends.begin(bench.game_id, None, 5)
    assert end_of(ends).unknown is (beside != "bonus")
    assert (end_of(ends).bonus, end_of(ends).money) == (
        (9, SOL + 9) if beside == "bonus" else (0, SOL)
    )


def test_the_wait_is_ten_seconds_of_connection() -> None:
    """It begins again with the history of the next connection; then nothing proves the actions."""
    bench, ends = waiting()
    (tracked,) = bench.engine.tracker.book.undecided()
    ends.on_time(10**18)
    assert ends.begin(bench.game_id, None, 5)
    ends.on_time(5 + 10 * SOL)
    assert end_of(ends).since_ns == 5
    ends.on_disconnected()
    ends.on_time(10**18)
    assert end_of(ends).since_ns is None
    ends.on_history((), 100)
    ends.on_history((), 200)
    assert end_of(ends).since_ns == 100
    ends.on_time(100 + 10 * SOL)
    assert not tracked.action.is_decided
    ends.on_time(101 + 10 * SOL)
    assert ends._missed is None
    assert tracked.action.state is ActionState.UNRESOLVED
    assert bench.engine.tracker.book.incomplete == {}


def test_a_history_is_kept_while_something_depends_on_it() -> None:
    """A missed end, a position, or an undecided action; the ended game is found in it by its id."""
    bench, ends = waiting()
    (tracked,) = bench.engine.tracker.book.undecided()
    account = bench.engine.account
    history: tuple[FinishedGame, ...] = (entry(whole=True),)
    ends.on_history(history, 1)
    assert ends.history == history
    bench.engine.tracker.book.report(tracked.action)
    tracked.action = attrs.evolve(tracked.action, state=ActionState.NOT_SENT)
    ends.on_history(history, 2)
    assert not ends.history
    account.lots = [Lot(7, 8, 0, 1.0)]
    ends.on_history(history, 3)
    assert ends.history == history
    assert ends.begin(GAME, None, 4)
    assert end_of(ends).entry == history[0]
    account.lots = []
    assert ends.begin("another", None, 5) is False
    assert ends._missed is None


def test_the_entry_of_a_game_may_come_later() -> None:
    """Once known it stays, whatever later histories have."""
    bench, ends = waiting()
    bench.engine.account.lots = [Lot(7, 8, 0, 1.0)]
    assert ends.begin(GAME, None, 4)
    other = attrs.evolve(entry(whole=True), game_id="another")
    ends.on_history((other,), 5)
    assert end_of(ends).entry is None
    first = entry(whole=False)
    ends.on_history((other, first), 6)
    assert end_of(ends).entry is first
    ends.on_history((entry(whole=True),), 7)
    assert end_of(ends).entry is first


@pytest.mark.parametrize("done", [True, False])
def test_a_statement_is_one_change_with_its_cause(done: bool) -> None:
    """What was executed and what was not, the change of cash, and whether the rug sold a position."""
    bench, ends = waiting()
    (tracked,) = bench.engine.tracker.book.undecided()
    tracked.action = attrs.evolve(
        tracked.action, game_context=attrs.evolve(tracked.action.game_context, tick=3)
    )
    account = bench.engine.account
    account.lots = [Lot(2_000_000, 2_000_000, 0, 1.0)]
    assert ends.explain(stated(SOL)) is None
    assert ends.begin(bench.game_id, None, 4)
    end_of(ends).entry = entry(whole=True)
    rate, last = Fraction(LAW.prices[3]), Fraction(LAW.rug_price)
    paid = floor(2_000_000 * last)
    if done:
        paid += floor(floor(10_000_000 / rate) * last) - 10_000_000
    assert ends.explain(stated(SOL + 123_457)) is None
    past = ends.explain(stated(SOL + paid))
    assert past is not None
    assert past.executed == ((tracked,) if done else ())
    assert past.others == (() if done else (tracked,))
    assert past.sold
    assert (past.effect.delta_cash, past.effect.delta_qty) == (paid, 0)
    assert past.effect.cause is (StateCause.ACTION if done else StateCause.FORCED_SELL)
    assert past.effect.action_id == (tracked.action.action_id if done else None)
    assert ends.explain(stated(SOL + paid)) is None
