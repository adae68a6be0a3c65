"""The session: builds a mode from its parts, journals every input, and carries out the engine's effects."""

from vectra_bot.loading import StrategySource, resolve_strategy
from vectra_bot.session.calls import run
from vectra_bot.session.check import Divergence, ReplayCheck, check_journal
from vectra_bot.session.config import (
    FlushFlag,
    Observer,
    RecordConfig,
    ReplayConfig,
    SessionConfig,
    Snapshot,
    StopFlag,
)
from vectra_bot.session.options import RecordOptions, ReplayOptions, RunOptions
from vectra_bot.session.replay import ReplayReport, replay_session
from vectra_bot.session.runner import run_session

__all__ = [
    "Divergence",
    "FlushFlag",
    "Observer",
    "RecordConfig",
    "RecordOptions",
    "ReplayCheck",
    "ReplayConfig",
    "ReplayOptions",
    "ReplayReport",
    "RunOptions",
    "SessionConfig",
    "Snapshot",
    "StopFlag",
    "StrategySource",
    "check_journal",
    "replay_session",
    "resolve_strategy",
    "run",
    "run_session",
]
