"""Backtests with a Python callback at every tick, and declared exits, compared with other frameworks.

    pip install -r benchmarks/peers.txt
    python benchmarks/peers.py --json

The rule is the same everywhere: buy at every tick whose number in its game is a multiple of 100, sell
everything 50 ticks later. The prices are those of the games that the fast driver plays, one after the other.
Times are CPU times of one core; reading the data, imports and compilation are excluded: the fast driver has
drawn its games before, and keeps them. The sides take turns in each round.

`strategy`: the fast driver with that strategy: fills, equity, exposure, ledger, and the game's phases.
`backtesting`, `nautilus`, `backtrader`: the same rule in these frameworks, with statistics where they always
make them. `exits_s`: take profit, stop loss and time exit, found in games in memory by the compiled scan;
`hftbacktest`: a strategy compiled by numba gets each price as a trade.

Not the same work: hftbacktest and NautilusTrader model order books, queues, latency and several venues, and
the other two bars of any market; the fast driver models one venue, with its side bets, shorts and rugs.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sides import cpu_s, finish, parser_of, ratios, versions
from store_common import alternate, spread

from vectra_bot import GameView, Strategy
from vectra_bot.backtest.play import PlayConfig, play, play_config
from vectra_bot.kernel.batch import draw_games
from vectra_bot.kernel.exits import ExitScan
from vectra_bot.loading import resolve_strategy
from vectra_bot.models import GameTick

GOALS = {"backtesting": 15.0, "nautilus": 50.0, "backtrader": 200.0, "hftbacktest": 5.0}
GOAL_EXITS = 1_000_000
MODULES = {"nautilus": "nautilus_trader"}
PACKAGES = (
    "backtesting",
    "backtrader",
    "hftbacktest",
    "nautilus_trader",
    "numba",
    "numpy",
    "pandas",
)
EVERY, HOLD = 100, 50
STAKE = Decimal("0.001")
SCANNED_GAMES, SCANS, ENTRY = 4_096, 20, 10
RULES = ExitScan(take_profit=1.5, stop_loss=0.7, max_ticks=60)

Prices = NDArray[np.float64]
Numbers = NDArray[np.int64]


class Rule(Strategy):
    """The rule that all sides play."""

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Buy or sell."""
        number = tick.tick % EVERY
        if number == 0:
            self.actions.buy(STAKE)
        elif number == HOLD:
            self.actions.sell()


def ticks_of(games: int, seed: int) -> tuple[Numbers, Prices]:
    """Return numbers in their games and prices of all ticks, in order."""
    seen: list[tuple[int, float]] = []

    class Listens(Strategy):
        def on_game_tick(self, tick: GameTick, game: GameView) -> None:
            seen.append((tick.tick, tick.price))

    play(Listens, games=games, seed=seed)
    numbers, prices = zip(*seen, strict=True)
    return np.array(numbers), np.array(prices)


def bars(prices: Prices) -> Any:
    """Return the prices as a data frame of bars of a second."""
    import pandas as pd

    index = pd.date_range("2026-01-01", periods=len(prices), freq="s")
    columns = dict.fromkeys(("Open", "High", "Low", "Close"), prices)
    return pd.DataFrame({**columns, "Volume": 1.0}, index=index)


def backtesting_s(numbers: Numbers, prices: Prices) -> Callable[[], float]:
    """Return a run of backtesting.py, statistics included."""
    from backtesting import Backtest
    from backtesting import Strategy as Base

    orders = numbers.tolist()

    class Theirs(Base):  # type: ignore[misc]
        def init(self) -> None:
            self.at = 1  # the first bar has no call

        def next(self) -> None:
            number = orders[self.at] % EVERY
            self.at += 1
            if number == 0:
                self.buy(size=1)
            elif number == HOLD:
                self.position.close()

    test = Backtest(bars(prices), Theirs, cash=1e6, finalize_trades=True)
    return lambda: cpu_s(test.run) / len(prices)


def backtrader_s(numbers: Numbers, prices: Prices) -> Callable[[], float]:
    """Return a run of backtrader."""
    import backtrader as bt

    orders, frame = numbers.tolist(), bars(prices)

    class Theirs(bt.Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            self.at = 0

        def next(self) -> None:
            number = orders[self.at] % EVERY
            self.at += 1
            if number == 0:
                self.buy(size=1)
            elif number == HOLD:
                self.close()

    def run() -> float:
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.broker.setcash(1e6)
        cerebro.adddata(bt.feeds.PandasData(dataname=frame))
        cerebro.addstrategy(Theirs)
        return cpu_s(cerebro.run) / len(prices)

    return run


def nautilus_s(numbers: Numbers, prices: Prices) -> Callable[[], float]:
    """Return a run of NautilusTrader over quotes."""
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import QuoteTick
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import TraderId, Venue
    from nautilus_trader.model.objects import Money, Price, Quantity
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy as Base

    pair = TestInstrumentProvider.default_fx_ccy("USD/JPY", venue=Venue("SIM"))
    size, orders = Quantity(1e6, 0), numbers.tolist()
    quotes = []
    for at, price in enumerate(np.round(prices + 1, 3).tolist()):  # a price there is never 0
        when = 1_600_000_000_000_000_000 + at * 1_000_000_000
        quotes.append(
            QuoteTick(pair.id, Price(price, 3), Price(price + 0.001, 3), size, size, when, when)
        )

    class Theirs(Base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.at = 0

        def on_start(self) -> None:
            self.subscribe_quote_ticks(pair.id)

        def on_quote_tick(self, _: Any) -> None:
            number = orders[self.at] % EVERY
            self.at += 1
            if number in (0, HOLD):
                side = OrderSide.BUY if number == 0 else OrderSide.SELL
                self.submit_order(self.order_factory.market(pair.id, side, Quantity(1000, 0)))

    def run() -> float:
        quiet = LoggingConfig(bypass_logging=True)
        engine = BacktestEngine(BacktestEngineConfig(trader_id=TraderId("T-001"), logging=quiet))
        engine.add_venue(
            venue=Venue("SIM"),
            oms_type=OmsType.NETTING,
            account_type=AccountType.MARGIN,
            base_currency=USD,
            starting_balances=[Money(1_000_000, USD)],
        )
        engine.add_instrument(pair)
        engine.add_data(quotes)
        engine.add_strategy(Theirs())
        spent = cpu_s(engine.run)
        engine.dispose()
        return spent / len(prices)

    return run


def hftbacktest_s(prices: Prices) -> Callable[[], float]:
    """Return a run of hftbacktest, with a strategy that numba compiles."""
    import numba
    from hftbacktest import GTC, LIMIT, BacktestAsset, HashMapMarketDepthBacktest
    from hftbacktest.types import (
        BUY_EVENT,
        DEPTH_EVENT,
        EXCH_EVENT,
        LOCAL_EVENT,
        SELL_EVENT,
        TRADE_EVENT,
        event_dtype,
    )

    data, both = np.zeros(len(prices) + 2, event_dtype), EXCH_EVENT | LOCAL_EVENT
    data["exch_ts"] = 1_600_000_000_000_000_000 + np.arange(len(data)) * 1_000_000
    data["local_ts"] = data["exch_ts"] + 1000
    data["ev"] = TRADE_EVENT | both | BUY_EVENT
    data["px"][2:], data["qty"] = np.round(prices, 2), 1
    data["ev"][:2] = DEPTH_EVENT | both | BUY_EVENT, DEPTH_EVENT | both | SELL_EVENT
    data["px"][:2], data["qty"][:2] = (50, 150), 1e6

    @numba.njit  # type: ignore[untyped-decorator]
    def algorithm(book: Any) -> int:
        at = 0
        while book.wait_next_feed(False, 10**18) == 2:
            if at % EVERY == 0:
                book.submit_buy_order(0, at, 150.0, 1.0, GTC, LIMIT, False)
            elif at % EVERY == HOLD:
                book.submit_sell_order(0, at, 50.0, 1.0, GTC, LIMIT, False)
            if at % 1000 == 0:
                book.clear_inactive_orders(0)
            at += 1
        return at

    def run() -> float:
        asset = BacktestAsset().data(data).linear_asset(1.0).constant_order_latency(1000, 1000)
        asset = asset.risk_adverse_queue_model().no_partial_fill_exchange()
        asset = asset.trading_value_fee_model(0.0, 0.0).tick_size(0.01).lot_size(0.001)
        book = HashMapMarketDepthBacktest([asset.last_trades_capacity(0)])
        began = time.process_time()
        events = algorithm(book)
        spent = time.process_time() - began
        book.close()
        return spent / events

    run()  # compiles
    return run


def exit_sides(seed: int) -> tuple[Callable[[], float], float]:
    """Return a run of the scan of declared exits for one game, and the mean number of ticks it looks at."""
    games = draw_games(SCANNED_GAMES, seed, prices=True)
    ticks, _ = RULES.find(games, ENTRY, 10_000_000, 10_000_000)
    looked_at = np.maximum(np.minimum(ticks + 1, games.rug_tick) - ENTRY - 1, 0).mean()

    def scan() -> None:
        for _ in range(SCANS):
            RULES.find(games, ENTRY, 10_000_000, 10_000_000)

    return lambda: cpu_s(scan) / (SCANS * SCANNED_GAMES), float(looked_at)


def peers_of(numbers: Numbers, prices: Prices, few: int) -> dict[str, Callable[[], float]]:
    """Return a run of every peer that is installed."""
    makers: dict[str, Callable[[], Callable[[], float]]] = {
        "backtesting": lambda: backtesting_s(numbers, prices),
        "nautilus": lambda: nautilus_s(numbers[:few], prices[:few]),
        "backtrader": lambda: backtrader_s(numbers[:few], prices[:few]),
        "hftbacktest": lambda: hftbacktest_s(prices),
    }
    return {name: make() for name, make in makers.items() if find_spec(MODULES.get(name, name))}


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures."""
    numbers, prices = ticks_of(options.games, options.seed)
    scan, looked_at = exit_sides(options.seed)
    sides = peers_of(numbers, prices, options.few)
    config = PlayConfig(source=resolve_strategy(Rule), games=options.games, seed=options.seed)
    sides["strategy"] = lambda: cpu_s(lambda: play_config(config)) / len(prices)
    sides["exits"] = scan
    gc.collect()
    gc.freeze()
    found = alternate(options.rounds, sides)
    result: dict[str, Any] = {"games": options.games, "ticks": len(prices), "seed": options.seed}
    result["date"] = dt.datetime.now(dt.UTC).date().isoformat()
    result["versions"] = versions(*PACKAGES)
    result["us"] = {
        name: spread([second * 1e6 for second in seconds]) for name, seconds in found.items()
    }
    exits = [second / looked_at for second in found["exits"]]  # of a tick
    result["exits_games_per_s"] = round(1 / np.median(found["exits"]))
    result["exits_ticks_per_s"] = round(1 / np.median(exits))
    missed = [] if result["exits_games_per_s"] >= GOAL_EXITS else ["exits_games_per_s"]
    for name, goal in GOALS.items():
        if name not in found:
            missed.append(f"{name} is not installed: pip install -r benchmarks/peers.txt")
            continue
        ours = exits if name == "hftbacktest" else found["strategy"]
        result[f"{name}_ratio"] = figures = ratios(found[name], ours)
        if figures["median"] < goal:
            missed.append(f"{name}_ratio")
    result["over_goal"] = missed
    return result


def main() -> int:
    """Run the command."""
    parser = parser_of(__doc__, rounds=5)
    parser.add_argument("--games", type=int, default=500, help="games whose ticks are played")
    parser.add_argument("--few", type=int, default=20_000, help="ticks of the slow peers")
    options = parser.parse_args()
    return finish(measured(options), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
