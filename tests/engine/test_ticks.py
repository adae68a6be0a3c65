"""What the receivers of a tick share: the tick, if all do nothing but read it, and no decimal context."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from decimal import ROUND_UP, Context, Decimal, Inexact, getcontext, setcontext
from functools import wraps
from types import MethodType
from typing import Any

import pytest

from vectra_bot import Strategy, hookimpl
from vectra_bot.engine.decimals import LentContext
from vectra_bot.game.outside import only_reads
from vectra_bot.models import DocType, GameTick
from vectra_bot.testing import Bench

# ---- decimal contexts


def shown(context: Context) -> tuple[Any, ...]:
    """Return all that can differ between two contexts."""
    return (
        *(context.prec, context.rounding, context.Emin, context.Emax, context.capitals),
        *(context.clamp, dict(context.flags), dict(context.traps)),
    )


def _precision() -> None:
    getcontext().prec = 2


def _rounding() -> None:
    getcontext().rounding = ROUND_UP


def _exponents() -> None:
    getcontext().Emax = 5
    getcontext().Emin = -5


def _clamp() -> None:
    getcontext().clamp = 1
    getcontext().capitals = 0


def _traps() -> None:
    getcontext().traps[Inexact] = True


def _all_traps() -> None:
    getcontext().clear_traps()


def _flags() -> None:
    assert Decimal(1) / 3 > 0


def _given_flags() -> None:
    getcontext().flags = {**getcontext().flags, Inexact: True}


def _another() -> None:
    setcontext(Context(prec=3, traps=[Inexact]))


CHANGES = (
    *(_precision, _rounding, _exponents, _clamp, _traps, _all_traps, _flags, _given_flags),
    _another,
)


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_the_decimal_context_end_with_the_tick(change: Callable[[], None]) -> None:
    """A plugin and a strategy that change theirs find it unchanged at the next tick, as does the caller."""
    found: list[tuple[Any, ...]] = []

    class Changing:
        @hookimpl
        def on_game_tick(self, tick: Any) -> None:
            found.append(shown(getcontext()))
            change()

    class Trader(Strategy):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            found.append(shown(getcontext()))
            change()

    before = shown(getcontext())
    bench = Bench(Trader(), plugins={"changing": Changing()})
    bench.start_game((1.0, 1.1, 1.2))
    bench.rug()

    assert bench.engine.failure is None
    assert not bench.engine.plugin_errors
    assert len(found) == 6
    assert found == [found[0]] * 6
    assert found[0][0] == 60
    assert shown(getcontext()) == before


def test_a_context_that_is_kept_changes_nothing_later() -> None:
    """What is written between two ticks to a context that was kept is not in the next tick's."""
    found: list[tuple[Any, ...]] = []

    class Keeping:
        @hookimpl
        def on_game_tick(self, tick: Any) -> None:
            found.append(shown(getcontext()))
            self.kept = getcontext()

        @hookimpl
        def on_game_end(self, summary: Any) -> None:
            self.kept.prec = 2
            self.kept.traps[Inexact] = True

    bench = Bench(Reads(), plugins={"keeping": Keeping()})
    for _ in range(2):
        bench.start_game((1.0, 1.1))
        bench.rug()
        bench.new_game()

    assert len(found) == 4
    assert found == [found[0]] * 4


def test_a_lent_context_can_be_copied() -> None:
    """Its copies are usual contexts with the same content, as are those of a context of the library."""
    LentContext(Context(prec=60)).lend()
    lent = getcontext()
    setcontext(Context())

    for copied in (
        lent.copy(),
        copy.copy(lent),
        copy.deepcopy(lent),
        pickle.loads(pickle.dumps(lent)),
    ):
        assert type(copied) is Context
        assert shown(copied) == shown(lent)


def test_flags_of_the_engine_are_lent_too() -> None:
    """A lent context begins as a copy of the engine's would, whose flags its own results set."""
    ours = Context(prec=60)
    context = LentContext(ours)
    ours.divide(Decimal(1), Decimal(3))
    before = getcontext()
    try:
        context.lend()
        assert shown(getcontext()) == shown(ours)
    finally:
        setcontext(before)


# ---- the tick itself


class Reads(Strategy):
    """Reads the price."""

    last = 0.0

    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.last = tick.price


class Keeps(Strategy):
    """Keeps the ticks."""

    def __attrs_post_init__(self) -> None:
        self.kept: list[Any] = []

    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.kept.append(tick)


class Changes(Strategy):
    """Reads at the first tick, and then has another method, which writes to its tick."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if tick.tick == 0:
            self.on_game_tick = self.write  # type: ignore[method-assign]

    def write(self, tick: Any, game: Any) -> None:
        vars(tick)["price"] = 9.0


class KeepingPlugin:
    """Keeps the ticks."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    @hookimpl
    def on_game_tick(self, tick: Any) -> None:
        self.kept.append(tick)


def test_what_keeps_ticks_gets_one_for_each() -> None:
    """They stay as they were, and are not those that are stored."""
    strategy, plugin = Keeps(), KeepingPlugin()
    bench = Bench(strategy, plugins={"keeping": plugin})
    bench.start_game((1.0, 1.1, 1.2))

    stored = bench.of_type(DocType.GAME_TICK)[-3:]
    assert strategy.kept == plugin.kept == stored
    assert len({id(one) for one in (*strategy.kept, *plugin.kept, *stored)}) == 9


def test_a_method_that_replaces_the_one_that_only_reads_gets_a_copy() -> None:
    """What it writes is not stored."""
    bench = Bench(Changes())
    bench.start_game((1.0, 1.1, 1.2))

    assert [tick.price for tick in bench.of_type(DocType.GAME_TICK)][-3:] == [1.0, 1.1, 1.2]


def _keeps(self: Any, tick: Any) -> None:
    self.last = tick


def _passes(self: Any, tick: Any) -> None:
    self.last(tick.tick, tick)


def _renames(self: Any, tick: Any) -> None:
    one = tick
    self.last = one


def _closes_over(self: Any, tick: Any) -> None:
    self.last = lambda: tick.price


def _collects(self: Any, tick: Any) -> None:
    self.last = [tick for _ in range(2)]


def _looks_back(self: Any, tick: Any) -> None:
    self.last = locals()


def _takes_a_method(self: Any, tick: Any) -> None:
    self.last = tick.__repr__


def _takes_its_dict(self: Any, tick: Any) -> None:
    self.last = tick.__dict__


def _chooses(self: Any, tick: Any) -> None:
    self.last = (tick if tick.tick else self).price


def _writes(self: Any, tick: Any) -> None:
    tick.price = 9.0


def _deletes(self: Any, tick: Any) -> None:
    self.last = tick.price
    del tick


def _matches(self: Any, tick: Any) -> None:
    match tick:
        case GameTick(price=price):
            self.last = price


def _yields(self: Any, tick: Any) -> Any:
    yield tick.price


async def _waits(self: Any, tick: Any) -> None:
    self.last = tick.price


def _takes_any_number(self: Any, tick: Any, *more: Any) -> None:
    self.last = tick.price


def _takes_another(self: Any, one: Any) -> None:
    self.last = one.price


def _passed_on(function: Any) -> Any:
    @wraps(function)
    def wrapper(self: Any, tick: Any) -> None:
        self.last = tick.price

    return wrapper


def _reads(self: Any, tick: Any) -> None:
    self.last = tick.tick if tick.price > 1 else tick.phase


def _ignores(self: Any, tick: Any) -> None:
    self.last = 1


@pytest.mark.parametrize(
    ("function", "reads"),
    [
        *(
            (one, False)
            for one in (_keeps, _passes, _renames, _closes_over, _collects, _looks_back)
        ),
        *((one, False) for one in (_takes_a_method, _takes_its_dict, _chooses, _writes, _deletes)),
        *((one, False) for one in (_matches, _yields, _waits, _takes_any_number, _takes_another)),
        *((one, False) for one in (_passed_on(_reads), print, Keeps)),
        *((one, True) for one in (_reads, _ignores)),
    ],
)
def test_a_method_that_only_reads_is_known_by_its_code(function: Any, reads: bool) -> None:
    """Whatever else it may do with the argument needs a copy."""
    assert only_reads(function, "tick", GameTick) is reads
    if type(function) is type(_reads):
        assert only_reads(MethodType(function, object()), "tick", GameTick) is reads
