"""Small parts of acting beside what their words say: exits, tables that forget, the digest of a context."""

from __future__ import annotations

import hashlib
import struct
from collections import OrderedDict
from contextlib import nullcontext
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.actions.book import MAX_REMEMBERED, remember
from vectra_bot.actions.exits import DeclaredExits, ExitPlan
from vectra_bot.errors import ConfigError, StrategyError
from vectra_bot.game.account import Account
from vectra_bot.game.lots import Lot
from vectra_bot.models import DocType, SideGameKind
from vectra_bot.testing import Bench

# ---- exits

multiples = st.sampled_from([None, 0.5, 0.75, 1.0, 1.25, 1.5])
stops = st.sampled_from([None, 0.5, 0.75, 0.875])
plans = st.tuples(multiples, stops, st.sampled_from([None, 1, 3, 5]), stops)


@given(
    st.lists(plans, max_size=3),
    st.integers(0, 4),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.sampled_from([0.5, 0.75, 0.875, 1.0, 1.25, 1.5]),
    st.integers(0, 6),
    st.booleans(),
)
def test_an_exit_is_due_at_its_mark(
    declared: list[Any], tries: int, before: float, price: float, tick: int, held: bool
) -> None:
    """At a multiple or a number of ticks itself, by what was declared last; not without a position."""
    exits, account = DeclaredExits(), Account()
    if held:
        account.lots += [Lot(10**9, 10**9, 1, 1.0), Lot(10**9, 10**9, 4, 1.0)]
    for high, low, most, share in declared:
        plan = ExitPlan(take_profit=high, stop_loss=low, max_ticks=most, trailing_stop=share)
        exits.declare(plan, account.lots)
    high, low, most, share = (
        next((plan[n] for plan in reversed(declared) if plan[n] is not None), None)
        for n in range(4)
    )
    exits.due(SimpleNamespace(price=before, tick=0), account)  # type: ignore[arg-type]
    exits.tries = tries
    wanted = (
        (high is not None and price >= high)
        or (low is not None and price <= low)
        or (most is not None and tick >= 1 + most)
        or (share is not None and price <= share * max(before, price, 1.0))
    )
    game: Any = SimpleNamespace(price=price, tick=tick)

    assert exits.due(game, account) is (held and tries < 3 and wanted)
    exits.clear()
    assert (exits.plan, exits.tries, exits.highest) == (ExitPlan(), 0, 0)


@pytest.mark.parametrize("value", [0, -1.0, 1e12, float("nan"), float("inf")])
def test_an_exit_that_cannot_be_is_refused(value: float) -> None:
    """A multiple is above 0 and below 1e12; ticks are whole and at least 1."""
    for name in ("take_profit", "stop_loss", "trailing_stop"):
        with pytest.raises(ConfigError, match=name):
            ExitPlan(**{name: value})
        assert getattr(ExitPlan(**{name: 1e-9}), name) == 1e-9
    assert ExitPlan(take_profit=1).take_profit == 1
    for ticks in (value if value < 1 else 0.5, 0, 0.99, True, "one"):
        with pytest.raises(ConfigError, match="max_ticks"):
            ExitPlan(max_ticks=ticks)  # type: ignore[arg-type]
    assert ExitPlan(max_ticks=1).max_ticks == 1


# ---- tables


@given(st.integers(-2, 3), st.integers(0, 20))
def test_a_table_forgets_its_oldest_entry_alone(more: int, again: int) -> None:
    """Up to its size everything is remembered, beyond it as many of the oldest are gone as are new."""
    table: OrderedDict[int, str] = OrderedDict()
    for key in range(MAX_REMEMBERED + more):
        remember(table, key, str(key))
    remember(table, max(more, 0) + again, "again")

    assert list(table) == list(range(max(more, 0), MAX_REMEMBERED + more))
    assert table[max(more, 0) + again] == "again"
    assert MAX_REMEMBERED == 1024


# ---- calls


@given(st.integers(60, 70))
def test_sixty_four_actions_may_be_asked_for_in_one_callback(calls: int) -> None:
    """One more is taken for a loop; those of another input are counted from the beginning."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.1))
    for _ in range(2):
        strategy.todo = [lambda a: a.bet_increment("0.001")] * calls
        with pytest.raises(StrategyError) if calls > 64 else nullcontext():
            bench.tick(1.2)
        if calls > 64:
            return
    assert strategy.actions.bet_amount == Decimal("0.001") * (2 * calls + 1)


# ---- the digest of a context


@given(st.booleans(), st.booleans(), st.booleans())
def test_a_context_digest_is_of_what_a_decision_could_see(
    position: bool, short: bool, rounds: bool
) -> None:
    """Prices, tick, phase and account; short and rounds only where there are any."""
    strategy = Scripted()
    bench = Bench(strategy, cash=3)
    bench.start_game((1.0, 1.1))
    for wanted, act in (
        (position, lambda a: a.buy("0.05")),
        (short, lambda a: a.short_open("0.02")),
    ):
        if wanted:
            strategy.todo = [act]
            bench.tick(1.2)
            bench.execute(bench.commands[-1])
    if rounds:
        bench.rounds.open(SideGameKind.BBC, "r")
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.3)
    game, account = bench.engine.game, bench.engine.account
    prices = list(game.prices)
    text = game.game_id.encode() + struct.pack(f"<{len(prices)}d", *prices)
    text += repr((game.tick, "active", account.cash, account.qty, account.cost)).encode()
    if short or rounds:
        ours = account.short
        text += repr(
            (
                None if ours is None else (str(ours.stake), ours.entry_price, str(ours.value)),
                [("r", True, None)] if rounds else [],
                [],
            )
        ).encode()

    assert bench.commands[-1].context_sha256 == hashlib.sha256(text).hexdigest()


# ---- corrections


@given(st.integers(-3, 3), st.booleans())
def test_a_book_that_was_corrected_is_reported(off: int, moved: bool) -> None:
    """Only where an explained statement has other money than the book; never where both agree."""
    bench = Bench(Scripted())
    bench.start_game((1.0, 1.1))
    if moved:
        strategy: Any = bench.engine.strategy
        strategy.todo = [lambda a: a.buy("0.05")]
        bench.tick(1.2)
        bench.fill(bench.commands[0], update=False)
    bench.engine._books.open()  # the change is not that of a strategy
    bench.engine.account.cash += off
    bench.update()
    kinds = [event.kind for event in bench.of_type(DocType.SYSTEM_EVENT)]

    assert ("account.corrected" in kinds) is (off != 0)
    assert "account.unexplained" not in kinds
    assert bench.engine.account.state.cash == Decimal(bench.ledger.cash).scaleb(-9)
