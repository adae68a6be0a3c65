"""The engine on active ticks, its hooks and the decoder, compared with basana, pluggy and python-socketio.

    pip install -r benchmarks/peers.txt
    python benchmarks/engine.py --json

The sides take turns in each round; times are CPU times of one core.

`engine`: `Engine.process` of the frames of the embedded exchange, with a strategy and three plugins that read
every tick and no store; measured are live ticks. basana's backtesting exchange gets as many bars, with a
handler that reads each one: `basana`; `basana_orders`: the handler also places an order every 50 bars.
Neither side includes reading its data.

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
from pathlib import Path
from statistics import fmean
from typing import Any

from sides import cpu_s, finish, parser_of, ratios, versions
from store_common import alternate, frames_of_exchange, frames_of_file, spread

from vectra_bot import GameView, Limits, Plugin, Strategy, hookimpl
from vectra_bot.engine import Engine
from vectra_bot.exchange import Exchange, ExchangeConfig
from vectra_bot.models import Event, Frame, FrameKind, GameFrame, GamePhase, GameTick, Mode
from vectra_bot.plugins import PluginManager
from vectra_bot.venues.embedded import EmbeddedVenue
from vectra_bot.wire.decode import decode

GOALS = {"engine_ratio": 1.2, "hooks_ratio": 10.0, "decode_ratio": 7.0}
CALLS = 20_000
PASSES = 5  # over the same ticks and frames in one round: the first runs with cold caches
ORDER_EVERY = 50


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


def engine_s(stretches: list[tuple[bool, list[Event]]]) -> float:
    """Return the seconds that a new engine takes for a live tick."""
    strategy = Follows()
    engine = Engine(
        session_id="benchmark",
        mode=Mode.PAPER,
        strategy=strategy,
        plugins=three(Counts),
        limits=Limits(),
    )
    process, spent, ticks = engine.process, 0.0, 0
    for live, events in stretches:
        began = time.process_time()
        for event in events:
            process(event)
        if live:
            spent += time.process_time() - began
            ticks += len(events)
    assert strategy.ticks >= ticks
    return spent / ticks


def basana_s(bars: int, *, orders: bool) -> float:
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

        exchange.subscribe_to_bar_events(pair, on_bar)
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
    stretches = [(live, list(part)) for live, part in groupby(events, is_live)]
    bars = sum(map(is_live, events))
    (hooks, pluggy), (one_argument, pluggy_one_argument) = hook_sides(Idle), hook_sides(IdleTick)
    sides: dict[str, Callable[[], float]] = {
        "engine": lambda: fmean(engine_s(stretches) for _ in range(PASSES)),
        "basana": lambda: basana_s(PASSES * bars, orders=False),
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
    result["engine_ratio_orders"] = ratios(found["basana_orders"], found["engine"])
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
