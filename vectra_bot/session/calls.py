"""Sessions as plain calls: ``run``, ``replay`` and ``record`` return when the session is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from attrs import AttrsInstance

from vectra_bot.errors import UsageError
from vectra_bot.report.results import Report
from vectra_bot.session.config import RecordConfig, ReplayConfig, SessionConfig, config_of
from vectra_bot.session.options import RecordOptions, ReplayOptions, RunOptions
from vectra_bot.session.replay import ReplayReport, replay_recording
from vectra_bot.session.runner import run_session
from vectra_bot.session.shell import in_event_loop
from vectra_bot.strategy import Strategy

if TYPE_CHECKING:
    from vectra_bot.session.recorder import RecordReport

C = TypeVar("C", bound=AttrsInstance)
R = TypeVar("R")


def run(strategy: str | type[Strategy], **options: Unpack[RunOptions]) -> Report:
    """Run *strategy* on the embedded exchange and return the report, as ``vectra-bot run`` does.

    Args:
        strategy: a class, an entry-point name, or ``./file.py[:Class]``.
        options: fields of :class:`SessionConfig`, e.g. ``games=20, seed=7, settings={"stake": "0.02"}``.

    Returns:
        What happened; amounts in SOL.

    Raises:
        ConfigError: an option or a parameter is wrong.
        UnknownNameError: no strategy or plugin has this name.
        StoreError: the session exists already, or a write fails.
        StrategyError: the strategy raised; the store is complete.
        UsageError: called inside a running event loop; await :func:`run_session` there.
    """
    config = config_of(SessionConfig, "run", options, strategy=strategy)
    return _finished("run", run_session, config)


def replay(path: Path | str, **options: Unpack[ReplayOptions]) -> ReplayReport:
    """Replay a recording through a strategy and store the session, as ``vectra-bot replay`` does.

    Nothing is sent anywhere. :func:`check_journal` compares a journal's commands instead.

    Args:
        path: a capture file, a journal's folder, or one journal file.
        options: fields of :class:`ReplayConfig`, e.g. ``strategy="watch", store="./store"``.

    Returns:
        How many frames were read, and the report of the stored session.

    Raises:
        ConfigError: an option or a parameter is wrong.
        InputError: the recording cannot be read.
        JournalError: the journal is corrupt.
        StoreError: the session exists already, or a write fails.
        StrategyError: the strategy raised; the store is complete.
        UsageError: called inside a running event loop; await :func:`replay_session` there.
    """
    config = config_of(ReplayConfig, "replay", options, path=path, check=False)
    return _finished("replay", replay_recording, config)


def record(venue: str, **options: Unpack[RecordOptions]) -> RecordReport:
    """Record a feed without trading and return the report, as ``vectra-bot record`` does.

    Without ``games`` or ``seconds`` it ends when its ``stop`` flag is set, by another thread or a signal
    handler.

    Args:
        venue: address of the venue, ``https://HOST[:PORT]`` or ``http://127.0.0.1:PORT``.
        options: fields of :class:`RecordConfig`, e.g. ``games=20, store="./recorded"``.

    Returns:
        What was recorded: games, ticks, gaps, alerts.

    Raises:
        ConfigError: the address or an option is wrong.
        InputError: the venue could not be reached as often as ``settings.attempts`` allows.
        StoreError: the session exists already, or a write fails.
        UsageError: called inside a running event loop; await :func:`record_session` there.
    """
    from vectra_bot.session.recorder import record_session

    config = config_of(RecordConfig, "record", options, venue=venue)
    return _finished("record", record_session, config)


def _finished(call: str, session: Callable[[C], Coroutine[Any, Any, R]], config: C) -> R:
    if in_event_loop():
        raise UsageError(
            f"{call}() was called inside a running event loop: "
            f"await vectra_bot.{call}_session(vectra_bot.{type(config).__name__}(...)) there"
        )
    return asyncio.run(session(config))


__all__ = ["record", "replay", "run"]
