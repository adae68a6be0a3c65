"""The session: wires a mode together, journals everything, and carries the engine's effects out."""

from vectra_bot.loading import StrategySource, resolve_strategy
from vectra_bot.session.config import RecordConfig, ReplayConfig, SessionConfig, Snapshot, StopFlag
from vectra_bot.session.replay import replay_session
from vectra_bot.session.runner import run, run_session

__all__ = [
    "RecordConfig",
    "ReplayConfig",
    "SessionConfig",
    "Snapshot",
    "StopFlag",
    "StrategySource",
    "replay_session",
    "resolve_strategy",
    "run",
    "run_session",
]
