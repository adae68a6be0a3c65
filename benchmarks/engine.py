"""The engine on active ticks, its hooks and the decoder, compared with basana, pluggy and python-socketio.

    pip install -r benchmarks/peers.txt
    python benchmarks/engine.py --json

The sides take turns in each round; times are CPU times of one core.

`engine`: `Engine.process` of the frames of the embedded exchange, with a strategy and three plugins that read
every tick and no store; measured are live ticks. basana's backtesting exchange gets as many bars, with a
handler that reads each one: `basana`. Neither side includes reading its data. The engine does more: four
receivers instead of one, each protected from the others and in a decimal context that it may change, the
game's state with every price, a document for every tick, the equity at it. basana does more as well: its
handler is a coroutine, its events are merged by their time, and every bar updates its exchange.

`engine_keeping`: the strategy and the plugins keep the tick, so that each gets a copy; those that only read
it, as all bundled ones do, need none. `basana_four`: four handlers that read each bar. `basana_orders`: the
handler also places an order every 50 bars. `engine_orders`: the strategy also buys or sells every 50 ticks;
the venue's answers, whose processing is measured, are those of the exchange when the same games were played
before. The time of basana's orders includes their execution, ours that every action is recorded with the
state around it, checked against the limits, and compared with sealed books and code.

`hooks`: a tick passed to three plugins by their resolved methods, as the engine does it, and by pluggy's own
call of the same hook.

`decode`: the raw text of a frame of 9 to 10 kB to the typed event, compared with python-socketio's packets
and the standard library's JSON, which give a dict. The frames are the exchange's, or those of a capture
(`--frames`).
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import gc
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar, TypeAlias

from sides import cpu_s, finish, parser_of, ratios, versions
from store_common import alternate, frames_of_exchange, frames_of_file, spread

from vectra_bot import GameView, Limits, Plugin, Strategy, hookimpl
from vectra_bot.engine import Engine
from vectra_bot.exchange import Exchange, ExchangeConfig
from vectra_bot.models import (
    Command,
    Event,
    Frame,
    FrameKind,
    GameFrame,
    GamePhase,
    GameTick,
    Mode,
)
from vectra_bot.plugins import PluginManager
from vectra_bot.venues.embedded import EmbeddedVenue
from vectra_bot.wire.decode import decode

GOALS = {"engine_ratio": 1.2, "hooks_ratio": 10.0, "decode_ratio": 7.0}
CALLS = 20_000
PASSES = 5  # over the same ticks and frames in one round: the first runs with cold caches
ORDER_EVERY = 50

Stretch: TypeAlias = tuple[bool, list[Event]]


class Counts(Plugin):
    """Reads every tick."""

    ticks = 0
    last = 1.0

    @hookimpl
    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Keep the price."""
        self.ticks += 1
        self.last = tick.price


class Follows(Strategy):
    """Reads every tick."""

    ticks = 0
    last = 1.0

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Keep the price."""
        self.ticks += 1
        self.last = tick.price


class KeepingPlugin(Plugin):
    """Keeps every tick until the next one."""

    last: ClassVar[Any] = None

    @hookimpl
    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Keep the tick."""
        self.last = tick


class Keeping(Strategy):
    """Keeps every tick until the next one."""

    ticks = 0
    last: ClassVar[Any] = None

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Keep the tick."""
        self.ticks += 1
        self.last = tick


class Trades(Strategy):
    """Reads every tick, and buys or sells all at every 50th."""

    ticks = 0
    last = 1.0

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Keep the price; buy or sell."""
        self.ticks += 1
        self.last = tick.price
        if self.ticks % ORDER_EVERY == 0:
            if self.position:
                self.actions.sell()
            else:
                self.actions.buy("0.01")


class Idle(Plugin):
    """Has the hook, and does nothing in it."""

    @hookimpl
    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Do nothing."""


class IdleTick(Plugin):
    """The same, and takes one of the two arguments."""

    @hookimpl
    def on_game_tick(self, tick: GameTick) -> None:
        """Do nothing."""


def three(plugin: type[Plugin]) -> PluginManager:
    """Return a manager with three plugins of a class."""
    manager = PluginManager()
    for number in range(3):
        manager.register(f"{plugin.__name__}-{number}", plugin)
    return manager


# ------------------------------------------------------------------------------------------------- the engine


async def events_of(games: int, seed: int) -> list[Event]:
    """Return the game frames of *games* games without a crowd, decoded."""
    venue = EmbeddedVenue(Exchange(ExchangeConfig(seed=seed, crowd=0)), games=games)
    events = [decode(item) async for item in venue.feed if isinstance(item, Frame)]
    return [event for event in events if isinstance(event, GameFrame)]


def is_live(event: Event) -> bool:
    """Return whether *event* is an active tick after the first of its game."""
    return (
        isinstance(event, GameFrame)
        and event.kind is FrameKind.TICK
        and event.active is True
        and not event.rugged
    )


def stretches_of(events: list[Event]) -> list[Stretch]:
    """Return *events* in stretches: live ticks with what the venue sent between them, and the others."""
    live, found = False, []
    for event in events:
        live = is_live(event) if isinstance(event, GameFrame) else live
        found.append((live, event))
    return [(live, [event for _, event in part]) for live, part in groupby(found, itemgetter(0))]


def engine_of(strategy: Strategy, plugin: type[Plugin]) -> Engine:
    """Return an engine with *strategy* and three plugins of a class."""
    return Engine(
        session_id="benchmark",
        mode=Mode.PAPER,
        strategy=strategy,
        plugins=three(plugin),
        limits=Limits(),
    )


def engine_s(
    stretches: list[Stretch], strategy_class: Any = Follows, plugin: type[Plugin] = Counts
) -> float:
    """Return the seconds that a new engine takes for a live tick and what belongs to it."""
    strategy = strategy_class()
    process, spent, ticks = engine_of(strategy, plugin).process, 0.0, 0
    for live, events in stretches:
        began = time.process_time()
        for event in events:
            process(event)
        if live:
            spent += time.process_time() - began
            ticks += sum(map(is_live, events))
    assert strategy.ticks >= ticks
    return spent / ticks


async def events_of_orders(games: int, seed: int) -> list[Event]:
    """Return the events of *games* games without a crowd in which :class:`Trades` trades."""
    venue = EmbeddedVenue(Exchange(ExchangeConfig(seed=seed, crowd=0)), games=games)
    process, events, sent = engine_of(Trades(), Counts).process, [], 0
    async for item in venue.feed:
        waiting: list[Event] = [decode(item) if isinstance(item, Frame) else item]
        while waiting:
            event = waiting.pop(0)
            events.append(event)
            for effect in process(event):
                if isinstance(effect, Command):
                    waiting.append(await venue.gateway.send(effect))
                    sent += 1
    assert sent >= sum(map(is_live, events)) // ORDER_EVERY // 2
    return events


def basana_s(bars: int, *, orders: bool = False, handlers: int = 1) -> float:
    """Return the seconds that basana's backtesting exchange takes for a bar."""
    import basana as bs
    from basana.backtesting import exchange as backtesting

    pair, second = bs.Pair("BTC", "USD"), dt.timedelta(seconds=1)
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    events = []
    for number in range(bars):
        price, begin = Decimal(100) + Decimal(number % 97) / 100, start + number * second
        bar = bs.Bar(begin, pair, price, price, price, price, Decimal(1000), second)
        events.append(bs.BarEvent(begin + second, bar))

    async def run() -> float:
        dispatcher = bs.backtesting_dispatcher()
        exchange = backtesting.Exchange(dispatcher, {"USD": Decimal(10**7)})
        exchange.set_pair_info(pair, bs.PairInfo(8, 2))
        exchange.add_bar_source(bs.FifoQueueEventSource(events=events))
        seen, last = 0, Decimal(1)

        async def on_bar(event: Any) -> None:
            nonlocal seen, last
            seen += 1
            last = event.bar.close
            if orders and seen % ORDER_EVERY == 0:
                side = bs.OrderOperation.BUY if seen // ORDER_EVERY % 2 else bs.OrderOperation.SELL
                await exchange.create_market_order(side, pair, Decimal(1))

        def another() -> Any:
            async def on_bar_too(event: Any) -> None:
                nonlocal last
                last = event.bar.close

            return on_bar_too

        exchange.subscribe_to_bar_events(pair, on_bar)
        for _ in range(handlers - 1):
            exchange.subscribe_to_bar_events(pair, another())
        began = time.process_time()
        await dispatcher.run()
        assert seen == bars
        assert last > 1
        return time.process_time() - began

    return asyncio.run(run()) / bars


# ----------------------------------------------------------------------------------- hooks and the decoder


def hook_sides(plugin: type[Plugin]) -> tuple[Callable[[], float], Callable[[], float]]:
    """Return both ways to call a hook of three plugins: the engine's and pluggy's."""
    manager = three(plugin)
    game, calls = object(), manager.calls
    tick = GameTick(game_id="g", tick=1, price=1.0, phase=GamePhase.ACTIVE)
    by_pluggy = manager._pluggy.hook.on_game_tick  # noqa: SLF001 - what is compared

    def ours() -> None:
        for _ in range(CALLS):
            for _plugin, method in calls["on_game_tick"]:
                method(tick, game)

    def theirs() -> None:
        for _ in range(CALLS):
            by_pluggy(tick=tick, game=game)

    return lambda: cpu_s(ours) / CALLS, lambda: cpu_s(theirs) / CALLS


def decode_sides(texts: list[str]) -> dict[str, Callable[[], float]]:
    """Return both ways to read a frame."""
    from engineio.packet import Packet as Transport
    from socketio.packet import Packet

    frames = [Frame(0, text) for text in texts]

    def ours() -> None:
        for _ in range(PASSES):
            for frame in frames:
                decode(frame)

    def theirs() -> None:
        for _ in range(PASSES):
            for text in texts:
                Packet(encoded_packet=Transport(encoded_packet=text).data)

    return {
        "decode": lambda: cpu_s(ours) / (PASSES * len(texts)),
        "socketio": lambda: cpu_s(theirs) / (PASSES * len(texts)),
    }


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures."""
    games, seed = options.games, options.seed
    path = options.frames
    texts = frames_of_exchange(games, seed) if path is None else frames_of_file(path)
    events = asyncio.run(events_of(games, seed))
    stretches = stretches_of(events)
    traded = stretches_of(asyncio.run(events_of_orders(games, seed)))
    bars = sum(map(is_live, events))
    (hooks, pluggy), (one_argument, pluggy_one_argument) = hook_sides(Idle), hook_sides(IdleTick)
    sides: dict[str, Callable[[], float]] = {
        "engine": lambda: fmean(engine_s(stretches) for _ in range(PASSES)),
        "engine_keeping": lambda: fmean(
            engine_s(stretches, Keeping, KeepingPlugin) for _ in range(PASSES)
        ),
        "engine_orders": lambda: fmean(engine_s(traded, Trades) for _ in range(PASSES)),
        "basana": lambda: basana_s(PASSES * bars),
        "basana_four": lambda: basana_s(PASSES * bars, handlers=4),
        "basana_orders": lambda: basana_s(PASSES * bars, orders=True),
        "hooks": hooks,
        "pluggy": pluggy,
        "hooks_one_argument": one_argument,
        "pluggy_one_argument": pluggy_one_argument,
        **decode_sides(texts),
    }
    gc.collect()
    gc.freeze()  # the collector need not scan the benchmark's own objects
    found = alternate(options.rounds, sides)
    result: dict[str, Any] = {"ticks": bars, "frames": len(texts), "seed": seed}
    result["frame_bytes"] = sum(map(len, texts)) // len(texts)
    result["versions"] = versions("basana", "pluggy", "python-socketio", "msgspec")
    result["us"] = {
        name: spread([second * 1e6 for second in seconds]) for name, seconds in found.items()
    }
    result["engine_ratio"] = ratios(found["basana"], found["engine"])
    result["engine_ratio_keeping"] = ratios(found["basana"], found["engine_keeping"])
    result["engine_ratio_four"] = ratios(found["basana_four"], found["engine"])
    result["engine_ratio_orders"] = ratios(found["basana_orders"], found["engine_orders"])
    result["hooks_ratio"] = ratios(found["pluggy"], found["hooks"])
    result["hooks_ratio_one_argument"] = ratios(
        found["pluggy_one_argument"], found["hooks_one_argument"]
    )
    result["decode_ratio"] = ratios(found["socketio"], found["decode"])
    result["over_goal"] = [name for name, goal in GOALS.items() if result[name]["median"] < goal]
    return result


def main() -> int:
    """Run the command."""
    parser = parser_of(__doc__, rounds=9)
    parser.add_argument("--games", type=int, default=12, help="games whose frames are used")
    parser.add_argument("--frames", type=Path, help="decode: a capture")
    parser.set_defaults(
        seed=5
    )  # it announces a rug royale, which makes frames as long as the venue's
    options = parser.parse_args()
    return finish(measured(options), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
