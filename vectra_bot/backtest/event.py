"""A block of games by the engine on the embedded exchange, without a journal: the slow, general way.

Imports engine, venues, report and session (reading of frames).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any

from attrs import define, field, frozen

from vectra_bot.backtest.games import FillRow, Games, OnFill, Played, ignore_fill
from vectra_bot.backtest.play import PlayConfig, Watch, never
from vectra_bot.engine import Engine
from vectra_bot.errors import StrategyError
from vectra_bot.exchange import Exchange
from vectra_bot.game.amounts import to_lamports
from vectra_bot.game.sidegames import BBC, CANDLEFLIP
from vectra_bot.models import (
    ActionState,
    ActionType,
    Command,
    Document,
    Event,
    Frame,
    Mode,
    PlayerAction,
    SessionEnding,
    Trade,
)
from vectra_bot.plugins import PluginManager
from vectra_bot.report.session import SessionTally
from vectra_bot.session.shell import read_frame
from vectra_bot.venues.embedded import EmbeddedVenue

_ENTRIES = (ActionType.BUY, ActionType.SHORT_OPEN)


def play_by_engine(config: PlayConfig, watch: Watch = never) -> Games:
    """Play a block, or the part of it that *watch* allows, and return its table.

    Raises:
        StrategyError: the strategy raised, which is the cause of this error.
    """
    return EngineBlock(config, watch=watch).play()


@frozen
class _Sums:
    """Sums of a session up to the end of a game."""

    prizes: int
    open_ticks: int
    open_sum: int
    expected: float
    variance: float

    @classmethod
    def of(cls, tally: SessionTally) -> _Sums:
        equity, risks = tally.equity, tally.risks
        return cls(
            tally.engine.counts["prizes"],
            equity.open_ticks,
            equity.open_sum,
            risks.expected,
            risks.variance,
        )


@define(eq=False)
class EngineBlock:
    """One session in memory: exchange, engine, and the tally that its table is filled from."""

    config: PlayConfig
    on_fill: OnFill = ignore_fill
    watch: Watch = never
    exchange: Exchange = field(init=False)
    engine: Engine = field(init=False)
    tally: SessionTally = field(init=False)
    table: Games = field(init=False)
    _row: int = 0
    _ended: bool = False
    _before: _Sums = field(factory=lambda: _Sums(0, 0, 0, 0.0, 0.0))

    def __attrs_post_init__(self) -> None:
        config = self.config
        exchange_config = config.exchange_config()
        self.exchange = Exchange(exchange_config)
        self.engine = Engine(
            session_id=config.session_id,
            mode=Mode.PAPER,
            strategy=config.strategy(),
            plugins=PluginManager(),
            limits=config.limits,
        )
        rounds = {BBC: exchange_config.bbc, CANDLEFLIP: exchange_config.candleflip}
        self.tally = SessionTally(self.engine, rounds)
        self.table = Games.empty(config.games, seed=config.seed, first=config.first)
        self.table.played = Played(engine="event")

    def play(self) -> Games:
        """Play to the end of the last game."""
        _finish(self._feed())
        self.process(SessionEnding(recv_ns=self.engine.now_ns, reason="games played"))
        table, tally = self.table, self.tally
        table.actions.update(tally.actions())
        table.placed.update(tally.risks.bets)
        table.unknown |= tally.unknown
        table.ticks = self.engine.counts["ticks"]
        table.capped = self.exchange.capped
        return table.head(self._row)

    async def _feed(self) -> None:
        config = self.config
        venue = EmbeddedVenue(
            self.exchange, cash=config.cash, latency_ms=config.latency_ms, games=config.games
        )
        profile = self.exchange.config.protocol
        async with aclosing(aiter(venue.feed)) as items:
            async for item in items:
                event = read_frame(item, profile) if isinstance(item, Frame) else item
                commands = deque(self.process(event))
                while commands:
                    result = await venue.gateway.send(commands.popleft())
                    commands.extend(self.process(result))
                if self._ended:
                    break

    def process(self, event: Event) -> list[Command]:
        """Process one event; return the commands that follow from it.

        Raises:
            StrategyError: the strategy raised.
        """
        engine, tally = self.engine, self.tally
        tally.before(event)
        if type(event) is Trade and event.player_id == engine.account.player_id:
            self._filled(event)
        effects = engine.process(event)
        for effect in effects:
            if isinstance(effect, Document):
                tally.after(effect)
                if isinstance(effect.record, PlayerAction):
                    self._count(effect.record)
        tally.count_games()
        failure = engine.failure
        if failure is not None:
            raise StrategyError(
                f"strategy {self.config.source.name!r} raised in {failure.callback}, game "
                f"{self.config.first + self._row}, tick {engine.game.tick}: {failure.error}\n{failure.trace}"
            ) from failure.exception
        while self._row < engine.counts["games"]:
            self._end_game()
        return [effect for effect in effects if isinstance(effect, Command)]

    def _filled(self, trade: Trade) -> None:
        self.table.fills += 1
        amount, qty = to_lamports(trade.amount), to_lamports(trade.qty)
        number = self.config.first + self._row
        self.on_fill(FillRow(number, trade.tick, trade.kind, amount, qty, trade.price))

    def booked(self) -> int | None:
        """Return our cash by the exchange's books in lamports, None if the books do not balance."""
        account = self.exchange.books.get(self.engine.account.player_id)
        if account is None or any(self.exchange.books.differences()):
            return None
        return account.sol.cash

    def _count(self, action: PlayerAction) -> None:
        """Count a completed action in its game: the running one, or the one that has just ended."""
        table, engine = self.table, self.engine
        ended = action.game_id != engine.game.game_id
        row = min(engine.counts["games"] - ended, len(table) - 1)
        if action.state is ActionState.DENIED:
            reason = (action.outcome.error_reason if action.outcome is not None else None) or ""
            table.deny(row, reason)
        elif action.state.is_executed and action.action_type.is_entry:
            counted = table.entries if action.action_type in _ENTRIES else table.bets
            counted[row] += 1
            table.stake[row] += to_lamports(action.amount or 0)

    def _end_game(self) -> None:
        """Fill the row of the game that the engine has closed."""
        engine, tally, table, row = self.engine, self.tally, self.table, self._row
        summary, before = engine.history[-1], self._before
        now = _Sums.of(tally)
        table.peak[row] = summary.peak
        table.rug_tick[row] = summary.rug_tick or 0
        table.rug_price[row] = summary.rug_price or 0.0
        table.prizes[row] = now.prizes - before.prizes
        table.pnl[row] = to_lamports(summary.pnl) - table.prizes[row]
        table.exposure_ticks[row] = now.open_ticks - before.open_ticks
        table.exposure_lamport_ticks[row] = now.open_sum - before.open_sum
        table.expected[row] = now.expected - before.expected
        table.variance[row] = now.variance - before.variance
        table.balance[row] = engine.account.cash
        self._before, self._row = now, row + 1
        self._ended = self.watch(self._row)


def _finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run *coroutine*, which waits for nothing but its turn, also where an event loop is running."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        return
