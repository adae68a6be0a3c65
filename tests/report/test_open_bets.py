"""Luck is a matter of decided bets: what is open when a session ends has neither won nor lost."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.models import SideGameKind
from vectra_bot.report.luck import LuckMethod, exact_tail
from vectra_bot.report.session import SessionTally, sidebet
from vectra_bot.testing import Bench


def act(bench: Bench, do: Any) -> None:
    """Let the strategy do something at the next tick, and execute it."""
    strategy: Any = bench.engine.strategy
    strategy.todo = [do]
    bench.tick(1.2)
    bench.execute(bench.commands[-1])


@given(
    st.lists(st.tuples(st.integers(1, 90), st.booleans()), max_size=3),
    st.none() | st.integers(1, 90),
    st.none() | st.integers(1, 90),
)
def test_an_open_bet_counts_for_no_luck(
    decided: list[tuple[int, bool]], bet: int | None, stake: int | None
) -> None:
    """An open sidebet or stake in a round leaves the luck of the decided ones as it is."""
    bench, placed, profit = Bench(Scripted(), cash=9), [], 0
    for size, won in decided:
        bench.start_game((1.0, 1.1))
        act(bench, lambda a, s=Decimal(size) / 1000: a.sidebet(s))
        if not won:
            for _ in range(40):
                bench.tick(1.2)
            bench.settle_sidebet(None)
        bench.rug()
        placed.append(sidebet(size * 1_000_000))
        profit += (4 if won else -1) * size * 1_000_000
    bench.start_game((1.0, 1.1))
    if bet is not None:
        act(bench, lambda a: a.sidebet(Decimal(bet) / 1000))
    if stake is not None:
        bench.rounds.open(SideGameKind.CANDLEFLIP, "c")
        act(bench, lambda a: a.candleflip_bet("RED", Decimal(stake) / 1000))
    tally = SessionTally(bench.engine)
    for document in bench.documents:
        tally.after(document)
    account = bench.engine.account
    start = account.session_start_cash
    assert start is not None
    luck = tally.luck(account.equity(1.2) - start)

    if not placed:
        assert luck is None
        return
    assert luck is not None
    assert luck.method is LuckMethod.EXACT
    assert luck.chance == pytest.approx(exact_tail(Counter(placed), profit))
