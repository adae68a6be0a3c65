"""Declared exits over batches: the tick at which the engine would sell."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vectra_bot.actions.exits import DeclaredExits, ExitPlan
from vectra_bot.errors import UsageError
from vectra_bot.game.account import Account
from vectra_bot.game.lots import Lot
from vectra_bot.kernel import library
from vectra_bot.kernel.batch import GameBatch, draw_games
from vectra_bot.kernel.exits import ExitKind, ExitScan
from vectra_bot.kernel.library import LoadedLaw

multiples = st.none() | st.floats(0.2, 3)
scans = st.builds(
    ExitScan,
    take_profit=multiples,
    stop_loss=multiples,
    trailing_stop=multiples,
    max_ticks=st.none() | st.integers(1, 300),
)
costly = settings(
    settings.get_profile("costly"), suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def by_hand(
    scan: ExitScan,
    prices: list[float],
    first: int,
    entry: int,
    qty: int,
    cost: int,
    highest: float = 0.0,
) -> tuple[int, ExitKind]:
    """Look at one tick after the other."""
    for tick in range(first, len(prices)):
        held = qty * prices[tick] / cost if cost else 0.0
        highest = max(highest, held)
        if scan.take_profit is not None and held >= scan.take_profit:
            return tick, ExitKind.TAKE_PROFIT
        if scan.stop_loss is not None and held <= scan.stop_loss:
            return tick, ExitKind.STOP_LOSS
        if scan.trailing_stop is not None and held <= scan.trailing_stop * highest:
            return tick, ExitKind.TRAILING_STOP
        if scan.max_ticks is not None and tick - entry >= scan.max_ticks:
            return tick, ExitKind.MAX_TICKS
    return len(prices), ExitKind.NONE


def one_by_one(
    scan: ExitScan,
    games: GameBatch,
    n: int,
    entry: Any,
    qty: Any,
    cost: int,
    first: Any,
    highest: Any,
) -> int:
    """Look for the exit of one game alone."""
    prices = games.prices_of(n).copy()
    one = slice(n, n + 1)
    game = GameBatch(
        games.peak[one], games.rug_tick[one], games.rug_price[one], games.last_price[one],
        np.zeros(1, np.int64), prices,
    )  # fmt: skip
    return scan.find_one(
        game, prices.ctypes.data, entry=entry[n], qty=qty[n], cost=cost,
        first_tick=int(min(first[n], games.rug_tick[n])), highest=highest[n],
    )  # fmt: skip


@pytest.mark.parametrize("compiled_law", [True, False], ids=["compiled", "numpy"])
@costly
@given(st.data(), scans)
def test_exits_are_the_engines(
    compiled: LoadedLaw, compiled_law: bool, data: st.DataObject, scan: ExitScan
) -> None:
    """Each position of a batch leaves at the tick, and for the reason, of a look at every tick."""
    games = draw_games(12, data.draw(st.integers(0, 1_000)), prices=True)
    column = st.lists(st.integers(0, 120), min_size=12, max_size=12)
    entry, later = data.draw(column), data.draw(column)
    qty = data.draw(st.lists(st.integers(0, 10**12), min_size=12, max_size=12))
    cost = data.draw(st.integers(0, 10**10))
    before = data.draw(st.none() | st.lists(st.floats(0, 4), min_size=12, max_size=12))
    highest = before or [0.0] * 12
    first = np.array(entry) + np.array(later)
    expected = [
        by_hand(
            scan, games.prices_of(n).tolist(), int(first[n]), entry[n], qty[n], cost, highest[n]
        )
        if first[n] < games.rug_tick[n]
        else (games.rug_tick[n], ExitKind.NONE)
        for n in range(12)
    ]

    with pytest.MonkeyPatch.context() as patch:
        if not compiled_law:
            patch.setenv(library.SWITCH, "off")
        ticks, kinds = scan.find(games, entry, qty, cost, first_tick=first, highest=before)
        alone = [one_by_one(scan, games, n, entry, qty, cost, first, highest) for n in range(12)]

    assert alone == ticks.tolist()
    assert list(zip(ticks.tolist(), map(ExitKind, kinds.tolist()), strict=True)) == expected


@pytest.mark.parametrize("compiled_law", [True, False], ids=["compiled", "numpy"])
@costly
@given(st.integers(0, 1_000), st.floats(0.5, 0.99), st.integers(1, 200), st.data())
def test_a_scan_is_where_the_declared_exit_is_due(
    compiled: LoadedLaw,
    compiled_law: bool,
    seed: int,
    share: float,
    pause: int,
    data: st.DataObject,
) -> None:
    """A trailing stop, at the same tick also if the scan pauses and continues with the highest so far."""
    games = draw_games(12, seed, prices=True)
    entry = data.draw(st.integers(0, 40))
    qty, cost = data.draw(st.integers(1, 10**12)), data.draw(st.integers(1, 10**10))
    expected, highest = [], []
    for number in range(12):
        prices = games.prices_of(number).tolist()
        exits = DeclaredExits(ExitPlan(trailing_stop=share))
        account = Account(lots=[Lot(qty, cost, entry, 1.0)])
        looked = [
            exits.due(SimpleNamespace(price=price, tick=tick), account)  # type: ignore[arg-type]
            for tick, price in enumerate(prices[entry + 1 :], entry + 1)
        ]
        due = looked.index(True) + entry + 1 if True in looked else len(prices)
        expected.append(due)
        highest.append(
            max((qty * price / cost for price in prices[entry + 1 : entry + pause]), default=0.0)
        )
    scan = ExitScan(trailing_stop=share)

    with pytest.MonkeyPatch.context() as patch:
        if not compiled_law:
            patch.setenv(library.SWITCH, "off")
        ticks, _ = scan.find(games, entry, qty, cost)
        later, _ = scan.find(games, entry, qty, cost, first_tick=entry + pause, highest=highest)

    assert ticks.tolist() == expected
    paused = ticks >= entry + pause
    assert later[paused].tolist() == ticks[paused].tolist()


def test_the_tick_after_the_entry_is_the_first(compiled: LoadedLaw) -> None:
    """Without ``first_tick``, the tick of the entry itself is not looked at."""
    games = draw_games(500, 3, prices=True)

    ticks, kinds = ExitScan(take_profit=1e-6).find(games, 10, 1_000, 1_000)

    held = games.rug_tick > 11
    assert set(ticks[held]) == {11}
    assert set(kinds[held]) == {ExitKind.TAKE_PROFIT}
    assert np.array_equal(ticks[~held], games.rug_tick[~held])


def test_no_rule_never_sells(compiled: LoadedLaw) -> None:
    """A scan without a rule keeps every position to the rug, also one that cost nothing."""
    games = draw_games(100, 3, prices=True)

    for cost in (0, 1_000):
        ticks, kinds = ExitScan().find(games, 0, 1_000, cost)
        assert np.array_equal(ticks, games.rug_tick)
        assert not kinds.any()


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"take_profit": 0.0}, "take_profit was 0.0"),
        ({"stop_loss": -1.0}, "stop_loss was -1.0"),
        ({"trailing_stop": float("nan")}, "trailing_stop was nan"),
        ({"max_ticks": 0}, "max_ticks was 0"),
    ],
)
def test_rules_in_range(rules: dict[str, Any], message: str) -> None:
    """A rule that could never be meant is refused with its value."""
    with pytest.raises(UsageError, match=message):
        ExitScan(**rules)


def test_arguments(compiled: LoadedLaw) -> None:
    """A batch without prices and a tick below 0 are refused."""
    with pytest.raises(UsageError, match="make it with prices=True"):
        ExitScan().find(draw_games(2, 1), 0, 1, 1)
    with pytest.raises(UsageError, match="a tick was below 0"):
        ExitScan().find(draw_games(2, 1, prices=True), -1, 1, 1)
    empty: GameBatch = draw_games(0, 1, prices=True)
    assert len(ExitScan().find(empty, 0, 1, 1)[0]) == 0
