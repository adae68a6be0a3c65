"""The keyword options of ``run()``, ``replay()`` and ``record()``, for type checkers.

Each key is a field of the config that the function builds; its type is what the field accepts, which is
often wider than what it holds (``cash="0.5"`` becomes a Decimal). The config checks the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypedDict

from vectra_bot.actions.risk import Limits
from vectra_bot.alerts.sink import AlertSink
from vectra_bot.game.fair import FairGame
from vectra_bot.game.shorts import ShortAtRug, ShortPayoff
from vectra_bot.models import Document
from vectra_bot.session.flags import FlushFlag, Observer, StopFlag
from vectra_bot.session.live.options import LiveOptions
from vectra_bot.strategy import Strategy
from vectra_bot.venues.browser.settings import BrowserSettings
from vectra_bot.venues.patience import LiveSettings
from vectra_bot.wire.profile import Profile
from vectra_bot.wire.states import WireFormat


class RunOptions(TypedDict, total=False):
    """Keyword options of :func:`vectra_bot.run`: the fields of SessionConfig but ``strategy``."""

    wire_format: WireFormat | Literal["feb", "dec"]
    crowd: int | None
    countdown_step: int
    protocol: Profile | Path | str | None
    side_games: bool
    bbc_odds: str | None
    bbc_payouts: str | None
    candleflip_odds: str | None
    candleflip_payouts: str | None
    short_payoff: (
        ShortPayoff
        | Literal["textbook", "charged", "linear", "compounding", "late-close", "late-open"]
    )
    short_at_rug: ShortAtRug | Literal["settle", "lose", "refund"]
    games: int
    seed: int | None
    speed: float | Literal["max"] | None
    cash: Decimal | float | str
    latency_ms: int
    start_ns: int | None
    exchange_log: Path | str | None
    made_games: Sequence[FairGame]
    venue: str | None
    link: LiveSettings
    shadow: bool
    live: LiveOptions
    latency_from: str | None
    settings: Mapping[str, Any] | None
    session_id: str | None
    store: Path | str | None
    no_store: bool
    shared: bool
    limits: Limits | Mapping[str, Any] | None
    enable_plugins: Sequence[str]
    disable_plugins: Sequence[str]
    block_plugins: Sequence[str]
    plugins_dir: Path | str | None
    alerts: bool | None
    plugins: Mapping[str, Mapping[str, Any] | None] | Sequence[Any] | None
    alerts_config: Path | str | None
    alert_sinks: Sequence[AlertSink]
    observer: Observer | None
    stop: StopFlag
    flush: FlushFlag
    restore_from: str | None
    recover: bool


class ReplayOptions(TypedDict, total=False):
    """Keyword options of :func:`vectra_bot.replay`: the fields of ReplayConfig but ``path`` and ``check``."""

    strategy: str | type[Strategy]
    settings: Mapping[str, Any] | None
    session_id: str | None
    store: Path | str | None
    shared: bool
    protocol: Profile | Path | str | None
    utc_offset: str
    paper: bool
    cash: Decimal | float | str
    latency_ms: int
    latency_from: str | None
    limits: Limits | Mapping[str, Any] | None
    enable_plugins: Sequence[str]
    disable_plugins: Sequence[str]
    block_plugins: Sequence[str]
    plugins_dir: Path | str | None
    alerts: bool
    plugins: Mapping[str, Mapping[str, Any] | None] | Sequence[Any] | None
    stop: StopFlag


class RecordOptions(TypedDict, total=False):
    """Keyword options of :func:`vectra_bot.record`: the fields of RecordConfig but ``venue``."""

    games: int | None
    seconds: float | None
    session_id: str | None
    store: Path | str | None
    shared: bool
    flush_seconds: float
    wire_format: Literal["auto", "feb", "dec"]
    settings: LiveSettings
    enable_plugins: Sequence[str]
    disable_plugins: Sequence[str]
    block_plugins: Sequence[str]
    plugins_dir: Path | str | None
    alerts: bool
    plugins: Mapping[str, Mapping[str, Any] | None] | Sequence[Any] | None
    alerts_config: Path | str | None
    alert_sinks: Sequence[AlertSink]
    stop: StopFlag
    recover: bool
    browser: BrowserSettings
    flush: FlushFlag
    flushed: Callable[[int], None] | None
    told: Callable[[Document], None] | None
