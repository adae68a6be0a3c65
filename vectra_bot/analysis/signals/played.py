"""Games played through an engine with alert rules: each game's prices and the alerts given in it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from vectra_bot.actions.limits import Limits
from vectra_bot.engine import Engine
from vectra_bot.errors import InputError, WireError
from vectra_bot.exchange import Exchange, ExchangeConfig
from vectra_bot.models import (
    AlertTrigger,
    AlertType,
    DocType,
    Document,
    Event,
    Frame,
    GameSummary,
    GameTick,
    Mode,
    RoundUpdate,
)
from vectra_bot.models.times import NS_PER_S
from vectra_bot.plugins import PluginManager
from vectra_bot.store.query.catalog import open_store
from vectra_bot.strategy import Strategy
from vectra_bot.venues.embedded import EmbeddedVenue
from vectra_bot.wire.decode import decode

MAX_SIGNALS: Final = 1_000_000
"""Alerts that are kept for scoring; more are counted only."""

_FRAMES: Final = """
SELECT session_id, ts_ns, raw_json FROM ws_event WHERE direction = 'in' ORDER BY session_id, seq
"""

Plugins = Callable[[], PluginManager]


def type_of(alert: AlertTrigger) -> str:
    """Return the alert's type as text."""
    kind = alert.alert_type
    return kind.value if isinstance(kind, AlertType) else kind


@define
class SignalGame:
    """A finished game and the alerts that state a chance in it.

    Attributes:
        prices: live prices by tick; NaN where a tick was missed.
        rug_tick, rug_price: None if the rug was not seen.
        alerts: alerts with a ``probability`` in their data, oldest first.
    """

    game_id: str
    prices: array[float] = field(factory=lambda: array("d"))
    rug_tick: int | None = None
    rug_price: float | None = None
    alerts: list[AlertTrigger] = field(factory=list)


@define
class PlayedGames:
    """What was played.

    Attributes:
        games: finished games with alerts that can be scored, oldest first.
        finished: games that ended, those without such alerts included.
        lived: number of finished games by rug tick.
        counts: all alerts by type.
        hours: feed time, in hours.
        unfinished: alerts that state a chance in games whose end was not seen.
        rounds: results of the rounds that alerts are about, by id; empty while not known.
        faults: exceptions of rules and plugins.
        unread: frames that could not be read.
        dropped: alerts above :data:`MAX_SIGNALS`.
    """

    games: list[SignalGame] = field(factory=list)
    finished: int = 0
    lived: Counter[int] = field(factory=Counter)
    counts: Counter[str] = field(factory=Counter)
    hours: float = 0.0
    unfinished: int = 0
    rounds: dict[str, str] = field(factory=dict)
    faults: int = 0
    unread: int = 0
    dropped: int = 0
    _kept: int = 0

    def keep(self, game: SignalGame, summary: GameSummary) -> None:
        """Take a game that ended."""
        if summary.rug_tick is None or summary.rug_price is None:
            self.unfinished += len(game.alerts)
            return
        self.finished += 1
        self.lived[summary.rug_tick] += 1
        game.rug_tick, game.rug_price = summary.rug_tick, summary.rug_price
        self._kept += len(game.alerts)
        if game.alerts and self._kept <= MAX_SIGNALS:
            self.games.append(game)
        elif game.alerts:
            self.dropped += len(game.alerts)


class _Observer(Strategy):
    """Keeps the prices of the running game; acts never."""

    played: PlayedGames

    def __attrs_post_init__(self) -> None:
        self.game = SignalGame("")

    def on_game_tick(self, tick: GameTick, game: Any) -> None:
        if tick.game_id != self.game.game_id:
            self.begin(tick.game_id)
        prices = self.game.prices
        if len(prices) < tick.tick:
            prices.extend(game.prices[len(prices) : tick.tick])
        prices.append(tick.price)

    def on_game_end(self, game: Any, summary: GameSummary) -> None:
        if summary.game_id == self.game.game_id:
            self.played.keep(self.game, summary)
            self.game = SignalGame("")

    def begin(self, game_id: str) -> None:
        """Begin a game; one that never ended is not scored."""
        self.played.unfinished += len(self.game.alerts)
        self.game = SignalGame(game_id)


@define
class _Play:
    """One session played."""

    played: PlayedGames
    engine: Engine
    observer: _Observer
    first_ns: int = 0

    @classmethod
    def of(cls, session_id: str, plugins: PluginManager, played: PlayedGames) -> _Play:
        observer = _Observer(played=played)
        engine = Engine(
            session_id=session_id,
            mode=Mode.PAPER,
            strategy=observer,
            plugins=plugins,
            limits=Limits(),
        )
        return cls(played, engine, observer)

    def take(self, event: Event) -> None:
        """Process an event and keep its alerts."""
        self.first_ns = self.first_ns or event.recv_ns
        if isinstance(event, RoundUpdate) and event.round_id in self.played.rounds:
            self.played.rounds[event.round_id] = event.result or ""
        for effect in self.engine.process(event):
            if isinstance(effect, Document) and effect.doc_type is not DocType.GAME_TICK:
                self._note(effect)

    def _note(self, document: Document) -> None:
        record, played = document.record, self.played
        if isinstance(record, AlertTrigger):
            played.counts[type_of(record)] += 1
            game = self.observer.game
            if "probability" in (record.source_data or {}):
                if record.game_id != game.game_id:
                    self.observer.begin(record.game_id or "")
                self.observer.game.alerts.append(record)
                self._await_round(record)

    def _await_round(self, alert: AlertTrigger) -> None:
        round_id = (alert.source_data or {}).get("round_id")
        if round_id is not None:
            self.played.rounds[str(round_id)] = ""

    def end(self) -> None:
        """Count what the session took."""
        played, engine = self.played, self.engine
        if engine.failure is not None:
            raise engine.failure.exception
        played.unfinished += len(self.observer.game.alerts)
        played.hours += (engine.now_ns - self.first_ns) / NS_PER_S / 3600
        played.faults += sum(engine.plugin_errors.values())


async def play_exchange(plugins: Plugins, games: int, seed: int) -> PlayedGames:
    """Play games of the exchange, without a crowd, through the rules of *plugins*.

    Args:
        plugins: makes the plugins with the rules.
        games: number of games.
        seed: seed of the exchange.
    """
    played = PlayedGames()
    venue = EmbeddedVenue(Exchange(ExchangeConfig(seed=seed, crowd=0)), games=games)
    play = _Play.of(f"backtest-{seed}", plugins(), played)
    async for item in venue.feed:
        if isinstance(item, Frame):
            _take_frame(play, item)
        else:
            play.take(item)
    await venue.feed.aclose()
    play.end()
    return played


async def play_store(plugins: Plugins, store: Path | str) -> PlayedGames:
    """Play the stored frames of every session of *store* through the rules of *plugins*.

    Raises:
        InputError: the store has no frames.
    """
    played = PlayedGames()
    play, current = None, None
    with open_store(store) as catalog:
        for session_id, ts_ns, raw in chain.from_iterable(catalog.stream(_FRAMES)):
            if session_id != current:
                if play is not None:
                    play.end()
                play, current = _Play.of(f"backtest-{session_id}", plugins(), played), session_id
            assert play is not None
            _take_frame(play, Frame(ts_ns, raw))
    if play is None:
        raise InputError(f"store {str(store)!r} has no frames: record or run a session first")
    play.end()
    return played


def _take_frame(play: _Play, frame: Frame) -> None:
    try:
        event = decode(frame)
    except WireError:
        play.played.unread += 1
        return
    play.take(event)


__all__ = ["PlayedGames", "SignalGame", "play_exchange", "play_store", "type_of"]
