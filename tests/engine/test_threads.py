"""Actions are accepted from the callback itself: not from another thread, nor from a signal handler."""

from __future__ import annotations

import asyncio
import functools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from vectra_bot import Strategy
from vectra_bot.errors import NotInCallback, StrategyError
from vectra_bot.testing import Bench

TICKS = 20


class Attacked(Strategy):
    """Lets something else act while each of its callbacks runs."""

    def __attrs_post_init__(self) -> None:
        self.attack: Callable[[Callable[[], None]], None] = lambda act: act()
        self.raised: list[str] = []
        self.accepted = 0
        self.calls = 0

    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.attack(self.act)

    def act(self, *_: Any) -> None:
        self.calls += 1
        act = (self.actions.buy, self.actions.sidebet, self.actions.sell)[self.calls % 3]
        try:
            act()
            self.accepted += 1
        except NotInCallback as error:
            self.raised.append(str(error))


def attacked(attack: Callable[[Callable[[], None]], None]) -> Attacked:
    """Return a strategy after a game in which *attack* acted at each tick."""
    strategy = Attacked()
    bench = Bench(strategy)
    strategy.attack = attack
    bench.start_game((1.0,))
    for _ in range(TICKS - 1):
        bench.tick(1.1)
    bench.end()
    assert bench.commands == []
    assert bench.actions == []
    assert bench.engine.tracker.book.pending == ()
    return strategy


def in_thread(act: Callable[[], None]) -> None:
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


def in_timer(act: Callable[[], None]) -> None:
    timer = threading.Timer(0, act)
    timer.start()
    timer.join()


def in_pool(act: Callable[[], None]) -> None:
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(act) for _ in range(13)]:
            done.result()


def in_loop_of_a_thread(act: Callable[[], None]) -> None:
    async def later() -> None:
        act()
        await asyncio.get_running_loop().run_in_executor(None, act)

    in_thread(lambda: asyncio.run(later()))


@pytest.mark.parametrize("attack", [in_thread, in_timer, in_pool, in_loop_of_a_thread])
def test_actions_from_another_thread_are_refused(attack: Any) -> None:
    """While the callback waits for them as well; each names the thread as the reason."""
    strategy = attacked(attack)

    assert strategy.accepted == 0
    assert len(strategy.raised) == strategy.calls >= TICKS
    assert all("from another thread" in text for text in strategy.raised)


def test_a_thousand_attempts_while_callbacks_run() -> None:
    """Threads that act at any moment are refused each time, and the strategy's own actions are not."""
    strategy = Attacked()
    bench = Bench(strategy)
    stop = threading.Event()

    def hammer() -> None:
        while not stop.is_set():
            strategy.act()

    threads = [threading.Thread(target=hammer) for _ in range(3)]
    own: list[Any] = []

    def attack(_: Any) -> None:
        before = len(strategy.raised)
        while len(strategy.raised) < before + 60 and any(t.is_alive() for t in threads):
            time.sleep(0.0005)
        own.append(strategy.actions.bet_increment("0.001"))

    strategy.attack = attack
    for thread in threads:
        thread.start()
    try:
        bench.start_game((1.0,))
        for _ in range(TICKS - 1):
            bench.tick(1.1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    bench.end()

    assert len(strategy.raised) >= 1000
    assert strategy.accepted == 0
    assert bench.commands == []
    assert len(own) == len(bench.actions) == TICKS


# ---- signal handlers


@pytest.fixture
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR2)
    yield
    signal.signal(signal.SIGUSR2, before)


class Handler:
    """A handler that is an object, with one that is a method."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act

    def __call__(self, number: int, frame: Any) -> None:
        self.act()

    def method(self, *_: Any) -> None:
        self.act()


def _reset(act: Callable[[], None]) -> Any:
    def handler(number: int, frame: Any) -> None:
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
        act()

    return handler


def _late(act: Callable[[], None]) -> Any:
    def deeper() -> None:
        act()

    return lambda *_: deeper()


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize(
    "handler",
    [
        lambda act: lambda *_: act(),
        lambda act: lambda number, frame: act(),
        Handler,
        lambda act: Handler(act).method,
        lambda act: functools.partial(lambda then, *_: then(), act),
        _reset,
        _late,
    ],
)
def test_actions_of_a_signal_handler_are_refused(handler: Any) -> None:
    """It runs in the callback's thread, but at any moment: the same session would act otherwise."""

    def attack(act: Callable[[], None]) -> None:
        signal.signal(signal.SIGUSR2, handler(act))
        signal.raise_signal(signal.SIGUSR2)

    strategy = attacked(attack)

    assert strategy.accepted == 0
    assert len(strategy.raised) == strategy.calls == TICKS
    assert all("in a signal handler" in text for text in strategy.raised)


@pytest.mark.usefixtures("_signals")
def test_a_handler_that_is_the_action_itself() -> None:
    """Its number and frame are not an amount: an error of the strategy."""

    class Direct(Strategy):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            signal.signal(signal.SIGUSR2, self.actions.buy)
            signal.raise_signal(signal.SIGUSR2)

    bench = Bench(Direct())
    with pytest.raises(StrategyError):
        bench.start_game((1.0,))
    assert bench.commands == []


def test_a_callback_acts_through_helpers() -> None:
    """Nested calls, default arguments and numbers beside frames are not a signal handler."""

    class Helps(Strategy):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            self.first(1, tick)

        def first(self, number: int, tick: Any, *rest: Any) -> None:
            self.second(number, tick, *rest)

        def second(self, *_: Any) -> None:
            self.actions.buy("0.01")

    bench = Bench(Helps())
    bench.start_game((1.0,))

    assert len(bench.commands) == 1


def test_a_session_that_is_over_gives_no_actions() -> None:
    """The actions of an engine that is gone say so."""
    strategy = Attacked()
    bench = Bench(strategy)
    actions = strategy.actions
    del bench
    strategy.__dict__.clear()

    with pytest.raises(NotInCallback):
        actions.buy()
