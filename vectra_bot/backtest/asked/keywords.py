"""Keyword options of :func:`vectra_bot.backtest`, ``compare`` and ``sweep``, for type checkers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypedDict

from vectra_bot.actions.limits import Limits
from vectra_bot.game.shorts import ShortAtRug, ShortPayoff
from vectra_bot.session.config import StopFlag
from vectra_bot.wire.profile import Profile
from vectra_bot.wire.states import WireFormat


class BacktestKeywords(TypedDict, total=False):
    """Keyword options of :func:`vectra_bot.backtest` and :func:`vectra_bot.compare`."""

    games: int | None
    source: str | None
    seed: int | None
    sampled: bool
    cash: Decimal | float | str
    engine: Literal["fast", "event"]
    jobs: int | None
    latency_ms: int
    limits: Limits | Mapping[str, Any] | None
    stop: StopFlag
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


class SweepKeywords(BacktestKeywords, total=False):
    """Keyword options of :func:`vectra_bot.sweep`."""

    grid: bool
    random: int | None
    optuna: Literal["tpe", "cmaes", "nsga2"] | None
    trials: int | None
    points: int
    walk_forward: str | int | None
    chunk: int
    backend: str
    scheduler: str | None
    out: Path | str | None
