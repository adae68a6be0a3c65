"""What a session is started with, and what it shows while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from attrs import define, field, frozen

from vectra_bot.actions.risk import Limits
from vectra_bot.errors import ConfigError
from vectra_bot.strategy import Strategy

MAX_GAMES = 10_000_000
MAX_SEED = 2**63 - 1


@define
class StopFlag:
    """Asks a running session to end between two inputs; set by a signal handler or another task."""

    reason: str | None = None

    def set(self, reason: str) -> None:
        """Ask for the end; the first reason stays."""
        if self.reason is None:
            self.reason = reason


@frozen(kw_only=True)
class Snapshot:
    """A running session as a live table shows it; amounts in SOL."""

    games_done: int
    games_total: int
    game_id: str
    tick: int
    price: float
    phase: str
    cash: Decimal
    position_qty: Decimal
    avg_cost: Decimal
    position_value: Decimal
    pnl: Decimal
    actions: dict[str, int]
    elapsed_s: float


class Observer(Protocol):
    """Sees a running session about ten times a second."""

    def update(self, snapshot: Snapshot) -> None:
        """Show *snapshot*."""


@frozen(kw_only=True)
class SessionConfig:
    """A paper session on the embedded exchange.

    Attributes:
        strategy: entry-point name, ``./file.py[:Class]``, or the class itself.
        settings: the strategy's parameters.
        games: games to play.
        seed: seed of the exchange; random if None.
        speed: None for as fast as it goes, else times real time; 1 runs by the wall clock.
        session_id: name of the session; random if None.
        store: folder of the store; the default store if None.
        cash: SOL at the start.
        latency_ms: one way from us to the exchange, milliseconds.
        crowd: size of the crowd; the exchange's default if None.
        wire_format: ``feb`` or ``dec``.
        limits: what may be asked of the venue.
        plugins: parameters by plugin name; naming a plugin enables it.
        enable_plugins: plugins to enable although they are off by default.
        disable_plugins: plugins not to load.
        exchange_log: file that gets a line for every request before the exchange acts on it.
        start_ns: where the exchange's clock starts; its own default if None.
        restore_from: session of the same store whose strategy's last :meth:`Strategy.save` is taken up.
        recover: finish the sessions that a crash left open in the store first.
    """

    strategy: str | type[Strategy]
    settings: Mapping[str, Any] = field(factory=dict)
    games: int = 20
    seed: int | None = None
    speed: float | None = None
    session_id: str | None = None
    store: Path | None = None
    cash: Decimal = Decimal(1)
    latency_ms: int = 70
    crowd: int | None = None
    wire_format: str = "feb"
    limits: Limits = field(factory=Limits)
    plugins: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    enable_plugins: tuple[str, ...] = ()
    disable_plugins: tuple[str, ...] = ()
    exchange_log: Path | None = None
    start_ns: int | None = None
    observer: Observer | None = None
    stop: StopFlag = field(factory=StopFlag)
    restore_from: str | None = None
    recover: bool = True

    def __attrs_post_init__(self) -> None:
        _check("games", self.games, 1, MAX_GAMES)
        if self.seed is not None:
            _check("seed", self.seed, 0, MAX_SEED)
        if self.wire_format not in ("feb", "dec"):
            raise ConfigError(f"wire format was {self.wire_format!r}: give feb or dec")


def _check(name: str, value: Any, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(f"{name} was {value!r}: give a whole number from {low} to {high}")
