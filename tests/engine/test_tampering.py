"""Whatever a strategy or a plugin tries, what is executed is what the limits and plugins have seen."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import attrs
import pytest

from tests.actions.strategies import Scripted
from tests.engine.attempts import (
    BOTH,
    Attempt,
    Given,
    a_command,
    effects_added,
    effects_asked,
    force,
    found,
    limits_raised,
    rich,
)
from vectra_bot import Limits, Strategy, hookimpl
from vectra_bot.actions.arming import Arming, LiveTerms
from vectra_bot.actions.risk import HaltCause
from vectra_bot.engine.seals import Code
from vectra_bot.errors import StrategyError
from vectra_bot.models import ActionState, ActionType, Command, DocType, PlayerAction
from vectra_bot.testing import Bench

STAKE = Decimal("0.05")
LIMITS = {"stake": Decimal("0.1"), "session_loss": Decimal("0.3")}


@pytest.fixture(autouse=True)
def _code_is_restored() -> Iterator[None]:
    """What an attempt replaced of our code is back when its session is over."""
    code = Code()
    yield
    assert code.check() == ""


@pytest.fixture(autouse=True, scope="module")
def _others_are_restored() -> Iterator[None]:
    """What attempts write to all objects of a class reaches those of other tests as well."""
    kept = [
        (one, {field.name: getattr(one, field.name) for field in attrs.fields(type(one))})
        for kind in ("Command", "Limits", "PlayerAction")
        for one in found(kind)
    ]
    yield
    for one, values in kept:
        force(one, **values)


class Guard:
    """Denies what the tests never ask for, and keeps what it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    @hookimpl
    def review_action(self, action: PlayerAction) -> str | None:
        self.seen.append((action.action_type, action.amount, action.percentage, action.leverage))
        return "too much" if (action.amount or 0) > Decimal("0.07") else None


class Buyer(Strategy):
    """Buys at ticks 3 and 6 and sells at tick 8; asks for too much at tick 5; sees everything."""

    attempt: Any = None

    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.tries((tick, game))
        if game.tick in (3, 6):
            action = self.actions.buy(STAKE)
            self.tries((action, *self.actions.pending))
        elif game.tick == 5:
            self.actions.buy("0.09")
        elif game.tick == 8:
            self.actions.sell()

    def on_game_end(self, game: Any, summary: Any) -> None:
        self.tries((game, summary, *self.history))

    def on_action_submitted(self, action: Any) -> None:
        self.tries((action,))

    def on_action_outcome(self, action: Any) -> None:
        self.tries((action, self.account, self.position))

    def on_player_update(self, state: Any, game: Any) -> None:
        self.tries((state, game))

    def on_other_player_trade(self, trade: Any, game: Any) -> None:
        self.tries((trade, game))

    def tries(self, parts: tuple[Any, ...]) -> None:
        if self.attempt is not None:
            self.attempt(Given(parts, self.actions))


class Tamperer:
    """A plugin that makes its attempt in every hook."""

    attempt: Attempt | None = None

    @hookimpl
    def review_action(self, action: Any, game: Any, account: Any) -> None:
        self.tries((action, game, account, account.position))

    @hookimpl
    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.tries((tick, game))

    @hookimpl
    def on_action_outcome(self, action: Any) -> None:
        self.tries((action,))

    @hookimpl
    def on_player_update(self, state: Any, game: Any) -> None:
        self.tries((state, game))

    @hookimpl
    def on_game_end(self, game: Any, summary: Any) -> None:
        self.tries((game, summary))

    def tries(self, parts: tuple[Any, ...]) -> None:
        if self.attempt is not None:
            self.attempt(Given(parts))


class Ticks:
    """A plugin that reads every tick."""

    @hookimpl
    def on_game_tick(self, tick: Any, game: Any) -> None:
        assert tick.price == game.price


class TicksOnly:
    """A plugin that makes its attempt at ticks alone."""

    attempt: Attempt | None = None

    @hookimpl
    def on_game_tick(self, tick: Any, game: Any) -> None:
        if self.attempt is not None:
            self.attempt(Given((tick, game)))


def played(
    strategy: Strategy, plugins: dict[str, Any] | None = None, attempt: Attempt | None = None
) -> tuple[Bench, Guard, StrategyError | None]:
    """Return a bench after a whole game, what its guard saw, and the error that ended it.

    *attempt* is made from the first tick on, by the plugin ``bad`` if there is one, else by the strategy.
    """
    guard = Guard()
    bench = Bench(strategy, plugins={**(plugins or {}), "zz-guard": guard}, limits=Limits(**LIMITS))
    maker: Any = (plugins or {}).get("bad", strategy)
    maker.attempt = attempt
    error: StrategyError | None = None
    done = 0
    steps: list[Any] = [lambda: bench.start_game((1.0, 1.1))]
    steps += [lambda price=1.2 + n / 100: bench.tick(price) for n in range(8)]
    steps += [lambda: bench.trade("buy", 10**7, 10**7, player_id="other"), bench.rug]
    steps += [bench.new_game, bench.end]
    for step in steps:
        try:
            step()
        except StrategyError as raised:
            error = error or raised
        for command in bench.commands[done:]:
            try:
                bench.execute(command)
            except StrategyError as raised:
                error = error or raised
        done = len(bench.commands)
    return bench, guard, error


def asked(command: Command) -> tuple[Any, ...]:
    """Return what a command has executed."""
    return (command.action_type, command.amount, command.percentage, command.leverage)


EXPECTED = [
    (ActionType.BUY, STAKE, None, 1),
    (ActionType.BUY, STAKE, None, 1),
    (ActionType.SELL, None, 100, 1),
]


def check(bench: Bench, guard: Guard) -> list[tuple[Any, ...]]:
    """Check the orders of a game against what was checked, and the books; return the orders."""
    orders = [asked(command) for command in bench.commands]
    assert orders == EXPECTED[: len(orders)]
    assert all(order in guard.seen for order in orders)
    documents = {a.action_id: a for a in bench.actions}
    for command in bench.commands:
        action = documents[command.action_id]
        assert (action.action_type, action.amount) == (command.action_type, command.amount)
        assert action.state is ActionState.CONFIRMED
    assert bench.engine.account.cash == bench.ledger.cash
    return orders


def test_the_orders_without_an_attempt() -> None:
    """Two buys and a sale; what the guard denies is not sent."""
    bench, guard, error = played(Buyer())

    assert check(bench, guard) == EXPECTED
    assert error is None


@pytest.mark.parametrize("attempt", BOTH, ids=lambda one: one.__name__)
def test_a_strategy_cannot_change_what_is_executed(attempt: Attempt) -> None:
    """The orders are the checked ones; what reaches the engine itself ends in a StrategyError."""
    bench, guard, error = played(Buyer(), attempt=attempt)

    orders = check(bench, guard)
    assert error is not None or orders == EXPECTED
    if error is not None:
        assert "Buyer." in str(error)


@pytest.mark.parametrize("attempt", BOTH, ids=lambda one: one.__name__)
def test_a_plugin_cannot_change_what_is_executed(attempt: Attempt) -> None:
    """The orders are the checked ones; what reaches the engine itself is the plugin's fault, by name."""
    bench, guard, error = played(Buyer(), {"bad": Tamperer()}, attempt)

    orders = check(bench, guard)
    faults = [
        event
        for event in bench.of_type(DocType.SYSTEM_EVENT)
        if event.kind in ("plugin.error", "plugin.quarantined")
    ]
    assert all("'bad'" in event.message for event in faults)
    assert faults or error is not None or orders == EXPECTED


@pytest.mark.parametrize("attempt", [limits_raised, rich, effects_added, effects_asked])
def test_a_change_at_a_tick_ends_trading_with_the_names_of_the_plugins(attempt: Attempt) -> None:
    """Which of those that ran at a tick changed the engine is not known: the error names them all."""
    _, _, error = played(Buyer(), {"bad": TicksOnly(), "good": Ticks()}, attempt)

    assert "Buyer.on_game_tick" in str(error)
    assert "by it or by a plugin (bad, good)" in str(error)


def test_a_later_hook_is_not_blamed_for_a_change_at_a_tick() -> None:
    """A plugin that sees a trade is not quarantined for what the strategy changed at the tick before."""

    class Sees:
        @hookimpl
        def on_other_player_trade(self, trade: Any, game: Any) -> None:
            pass

    class Cheats(Strategy):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            limits_raised(Given((tick, game)))

    bench = Bench(Cheats(), plugins={"sees": Sees()}, limits=Limits(**LIMITS))
    bench.start_game((1.0,))
    with pytest.raises(StrategyError, match=r"Cheats\.on_game_tick.* changed from outside"):
        bench.trade("buy", 10**7, 10**7, player_id="other")

    kinds = [event.kind for event in bench.of_type(DocType.SYSTEM_EVENT)]
    assert "strategy.error" in kinds
    assert not {"plugin.error", "plugin.quarantined"} & set(kinds)


def forces_terms(given: Given) -> None:
    for arming in found("Arming"):
        force(arming, terms=None)


def forces_arming(given: Given) -> None:
    for arming in found("Arming"):
        force(arming, armed=True, framed=True, logged_in=True, stated=True, ticks=99)


def replaces_arming(given: Given) -> None:
    for gate in found("RiskGate"):
        gate.arming = Arming()


def lifts_halts(given: Given) -> None:
    for gate in found("RiskGate"):
        gate.halts.clear()
        gate.arming = attrs.evolve(gate.arming, armed=True)


def asks_to_flatten(given: Given) -> None:
    for flatten in found("Flatten"):
        flatten.active = True
    for gate in found("RiskGate"):
        gate.halts[HaltCause.FLATTEN] = "x"


def operates(given: Given) -> None:
    for control in found("Control"):
        control.desk.gate.arming = control.gate.arming.on_arm(1)
        control.watches = True


def freshens(given: Given) -> None:
    for fresh in found("Freshness"):
        fresh.last_ns = fresh.limit_ns = 10**19
        fresh.is_old = False
        fresh.lacking = 0


LIVE = (
    *(
        forces_terms,
        forces_arming,
        replaces_arming,
        lifts_halts,
        asks_to_flatten,
        operates,
        freshens,
    ),
)


class Presser(Strategy):
    """Tries to be armed, then asks for everything, at every tick."""

    attempt: Any = None

    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.attempt(Given((tick, game), self.actions))
        self.actions.buy("0.01")
        self.actions.sell()


@pytest.mark.parametrize("old", ["disarmed", "halted", "stale"])
@pytest.mark.parametrize("attempt", LIVE, ids=lambda one: one.__name__)
def test_a_strategy_cannot_arm_its_session(attempt: Attempt, old: str) -> None:
    """Not armed, halted, or at an old price: nothing leaves, whatever the strategy changes of our objects."""
    strategy = Presser(attempt=lambda _: None)
    terms = LiveTerms(account=Bench.player_id, fresh_ticks=1)
    bench = Bench(strategy, live=terms, limits=Limits(price_age_ms=1_500))
    bench.start_game((1.0,))
    if old != "disarmed":
        bench.operate("halt")
        bench.operate("arm")
    if old == "stale":
        bench.wait(10)
        bench.operate("resume")
    strategy.attempt = attempt
    with suppress(StrategyError):
        bench.tick(1.0, 2)
        bench.tick(1.0, 3)

    assert bench.commands == []


OURS = (
    "Account", "ActionBook", "ActionDesk", "ActionIds", "ActionTracker", "Arming", "Bench", "Callbacks",
    "Control", "DeclaredExits", "Effects", "Engine", "Flatten", "Freshness", "GameState", "Limits",
    "PluginManager", "RiskGate", "Rounds", "Tracked", "_Game",
)  # fmt: skip


def reached(start: Any) -> set[str]:
    """Return our classes that references lead to from *start*, without code and modules."""
    seen: dict[int, Any] = {}
    todo = [start]
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(
            one, type | ModuleType | FunctionType | BuiltinFunctionType
        ):
            continue
        seen[id(one)] = one
        todo += gc.get_referents(one)
        if isinstance(one, MethodType):
            todo.append(one.__self__)
    return {type(one).__name__ for one in seen.values()} & set(OURS)


class Collector(Strategy):
    """Keeps everything it is given."""

    def __attrs_post_init__(self) -> None:
        self.kept: list[Any] = []

    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.kept += [tick, game, game.prices, self.actions.buy, self.actions, self.account]
        self.kept += [self.position, self.history, self.side_games, *self.actions.pending]
        if game.tick == 3:
            self.kept.append(self.actions.sidebet("0.01"))
            self.kept.append(self.actions.buy("0.01"))

    def on_action_submitted(self, action: Any) -> None:
        self.kept += [action, self.account.sidebet, self.account.short]

    def on_action_outcome(self, action: Any) -> None:
        self.kept += [action, self.account.sidebet, self.account.state]

    def on_player_update(self, state: Any, game: Any) -> None:
        self.kept += [state, game]

    def on_game_end(self, game: Any, summary: Any) -> None:
        self.kept += [game, summary, *self.history]


def test_what_is_handed_out_leads_to_nothing_of_ours() -> None:
    """No reference of a view, a record or the actions leads to the engine's own objects."""
    strategy = Collector()
    bench, _, error = played(strategy)

    assert error is None
    assert len(strategy.kept) > 80
    for one in strategy.kept:
        assert reached(one) == set(), one
    stored = {id(document.record) for document in bench.documents}
    assert not stored & {id(one) for one in strategy.kept}
    assert reached(bench.engine) >= {"Account", "RiskGate", "Limits", "_Game", "GameState"}


def test_each_receiver_gets_its_own_copy() -> None:
    """What one plugin writes to a record or a view, no other plugin and no strategy reads."""
    seen: list[Any] = []

    class First:
        @hookimpl(tryfirst=True)
        def on_game_tick(self, tick: Any, game: Any) -> None:
            vars(tick)["price"] = 9.0
            lie = type("Lie", (type(game),), {"__slots__": (), "price": 9.0})
            object.__setattr__(game, "__class__", lie)

    class Second:
        @hookimpl
        def on_game_tick(self, tick: Any, game: Any) -> None:
            seen.append((tick.price, game.price))

    class Reader(Strategy):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            seen.append((tick.price, game.price))

    bench = Bench(Reader(), plugins={"a": First(), "b": Second()})
    bench.start_game((1.0, 1.1))

    assert seen == [(1.0, 1.0), (1.0, 1.0), (1.1, 1.1), (1.1, 1.1)]
    assert [tick.price for tick in bench.of_type(DocType.GAME_TICK)][-2:] == [1.0, 1.1]


# ---- numbers whose class lies


class LyingDecimal(Decimal):
    """Says that it is small."""

    def __le__(self, _: Any) -> bool:
        return True

    __lt__ = __ge__ = __gt__ = __eq__ = __le__
    __hash__ = Decimal.__hash__

    def as_integer_ratio(self) -> tuple[int, int]:
        return (1, 100)

    def __str__(self) -> str:
        return "0.01"

    __repr__ = __str__

    def is_finite(self) -> bool:
        return True

    def adjusted(self) -> int:
        return 0


class LyingInt(int):
    """Multiplies to what it likes."""

    def __mul__(self, _: Any) -> Any:
        return LyingInt(5 * 10**9)

    __rmul__ = __mul__

    def __lt__(self, _: Any) -> bool:
        return False

    __gt__ = __lt__

    def __index__(self) -> int:
        return 1

    __int__ = __index__


class LyingFloat(float):
    """Shows another number than it is."""

    def __repr__(self) -> str:
        return "0.01"

    __str__ = __repr__

    def __float__(self) -> float:
        return 0.01


class LyingText(str):  # noqa: SLOT000 - as a user would write it
    """Shows another text than it is."""

    def __str__(self) -> str:
        return "0.01"

    def isascii(self) -> bool:
        return True

    def __contains__(self, _: Any) -> bool:
        return False


class LyingClass:
    """Claims another class."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return Decimal

    def __index__(self) -> int:
        return 5


def once(act: Any) -> tuple[Bench, BaseException | None]:
    """Return a bench whose strategy did *act* at tick 1, and what that raised."""

    class Actor(Strategy):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            if game.tick == 1:
                act(self.actions)

    bench = Bench(Actor(), limits=Limits(**LIMITS), cash=20)
    try:
        bench.start_game((1.0, 1.1))
    except StrategyError as error:
        return bench, error
    return bench, None


@pytest.mark.parametrize(
    "amount",
    [LyingDecimal(5), LyingInt(5), LyingFloat(5), LyingText("5")],
    ids=lambda one: type(one).__name__,
)
def test_an_amount_of_a_class_of_its_own_counts_as_what_it_is(amount: Any) -> None:
    """Five SOL are above the limit, whatever their class says of comparisons and text."""
    bench, error = once(lambda actions: actions.buy(amount))

    assert error is None
    assert bench.commands == []
    (action,) = bench.actions
    assert action.amount == 5
    assert type(action.amount) is Decimal
    assert action.outcome is not None
    assert str(action.outcome.error_reason).startswith("limit.stake")


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda a: a.buy(LyingClass()), "amount was"),
        (lambda a: a.buy(True), "amount was"),
        (lambda a: a.buy("1_0"), "amount was"),
        (lambda a: a.buy("\u0661"), "amount was"),
        (lambda a: a.buy("\uff11"), "amount was"),
        (lambda a: a.bet_increment("0.0_1"), "amount was"),
        (lambda a: a.buy("0.05", leverage=LyingClass()), "leverage was"),
        (lambda a: a.buy("0.05", leverage=True), "leverage was"),
        (lambda a: a.buy("0.05", max_ticks=LyingClass()), "max_ticks was"),
        (lambda a: a.buy("0.05", take_profit=LyingClass()), "take_profit was"),
        (lambda a: a.buy("0.05", stop_loss="x"), "stop_loss was"),
        (lambda a: a.buy("0.05", trailing_stop=LyingClass()), "trailing_stop was"),
        (lambda a: a.sell(LyingClass()), "percentage was"),
        (lambda a: a.bet_percentage(LyingClass()), "percentage was"),
        (lambda a: a.bbc_predict(LyingClass()), "prediction was"),
    ],
)
def test_what_is_no_plain_number_is_refused(act: Any, message: str) -> None:
    """With one clear line that names the argument; nothing is sent."""
    bench, error = once(act)

    assert message in str(error)
    assert bench.commands == []


def test_a_whole_number_is_what_it_is() -> None:
    """Whatever its class says about it: the command has a plain number."""
    bench, error = once(lambda a: a.buy("0.05", leverage=LyingInt(5), max_ticks=LyingInt(5)))
    assert error is None
    (command,) = bench.commands
    assert (command.leverage, type(command.leverage)) == (5, int)


def test_the_highest_of_a_trailing_stop_is_the_engines() -> None:
    """A strategy that raises it, so that the stop would sell, ends trading; the highest is restored."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.1))
    strategy.todo = [lambda a: a.buy(STAKE, trailing_stop=0.5)]
    bench.tick(1.2)
    bench.execute(bench.commands[0])
    bench.tick(1.5)
    (exits,) = [one for one in found("DeclaredExits") if one.highest == 1.5]

    def raises_it(_: Any) -> None:
        exits.highest = 1e9

    strategy.todo = [raises_it]
    bench.tick(1.4)
    with pytest.raises(StrategyError, match="highest"):
        bench.tick(1.4)

    assert exits.highest == 1.5
    assert len(bench.commands) == 1


# ---- the way to the venue


def test_submit_takes_no_command_that_was_not_checked() -> None:
    """Calling the engine's own step is an error of the strategy, also with a copy of a checked command."""
    bench, error = once(lambda actions: actions._submit(a_command()))
    assert "no limit has checked" in str(error)
    assert bench.commands == []

    def repeat(actions: Any) -> None:
        actions.buy(STAKE)
        for command in [one for one in gc.get_objects() if type(one) is Command]:
            actions._submit(command)

    bench, error = once(repeat)
    assert "no limit has checked" in str(error)
    assert bench.commands == []


@pytest.mark.parametrize(
    "write",
    [
        lambda a: setattr(a, "_submit", print),
        lambda a: object.__setattr__(a, "buy", print),
        lambda a: a.__dict__.update(_submit=print),
    ],
)
def test_the_actions_have_no_attribute_to_write(write: Any) -> None:
    """An attempt to replace a method of one session's actions is an error of the strategy."""
    bench, error = once(write)

    assert "AttributeError" in str(error)
    assert bench.commands == []


def test_replaced_surroundings_fool_the_strategy_only() -> None:
    """Another account in its own dictionary changes nothing for the engine."""

    def act(actions: Any) -> None:
        strategy = next(one for one in gc.get_referrers(actions) if attrs.has(type(one)))
        object.__setattr__(strategy, "actions", None)
        actions.buy(STAKE)

    bench, error = once(act)
    assert error is None
    assert [command.amount for command in bench.commands] == [STAKE]


def test_no_hook_acts_inside_a_review() -> None:
    """A plugin that reaches the actions cannot use them: the call is outside the strategy's callback."""
    kept: list[Any] = []

    class Reaches:
        @hookimpl
        def review_action(self) -> None:
            kept[0].buy(STAKE)

    class Keeps(Strategy):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            kept.append(self.actions)
            if game.tick == 1:
                self.actions.buy(STAKE)

    bench = Bench(Keeps(), plugins={"reaches": Reaches()})
    bench.start_game((1.0, 1.1))

    assert bench.commands == []
    (action,) = bench.actions
    assert action.outcome is not None
    assert action.outcome.error_reason == "plugin.reaches: raised NotInCallback"
