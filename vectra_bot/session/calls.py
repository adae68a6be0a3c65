"""Sessions as plain calls: ``run``, ``replay`` and ``record`` return when the session is over.

Where an event loop is running, as in a notebook, the session runs in a separate thread with its own
loop, and the caller waits. Progress is shown by the caller's thread: a notebook knows the cell by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack

import attrs
from attrs import define

from vectra_bot.report.notebook import notebook_display, progress_html
from vectra_bot.report.results import Report
from vectra_bot.session.config import (
    RecordConfig,
    ReplayConfig,
    SessionConfig,
    Snapshot,
    config_of,
)
from vectra_bot.session.options import RecordOptions, ReplayOptions, RunOptions
from vectra_bot.session.replay import ReplayReport, replay_recording
from vectra_bot.session.runner import run_session
from vectra_bot.session.shell import in_event_loop
from vectra_bot.strategy import Strategy

if TYPE_CHECKING:
    from vectra_bot.session.recorder import RecordReport

C = TypeVar("C", SessionConfig, ReplayConfig, RecordConfig)
R = TypeVar("R")

_LOOK_S: Final = 0.1


def run(strategy: str | type[Strategy], **options: Unpack[RunOptions]) -> Report:
    """Run *strategy* on the embedded exchange and return the report, as ``vectra-bot run`` does.

    It also works where an event loop is running, which waits meanwhile; :func:`run_session` can be awaited.
    In a notebook it shows progress, unless an ``observer`` is given.

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
        KeyboardInterrupt: a notebook was interrupted; the session has ended, and the store is complete.
    """
    config = config_of(SessionConfig, "run", options, strategy=strategy)
    show = notebook_display() if config.observer is None else None
    if show is None:
        return _finished(run_session, config)
    latest = _Latest()
    return _finished(run_session, attrs.evolve(config, observer=latest), partial(latest.show, show))


@define
class _Latest:
    """Keeps the latest state of a session, until it is shown in another thread."""

    snapshot: Snapshot | None = None

    def update(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def show(self, show: Callable[[str], None]) -> None:
        seen, self.snapshot = self.snapshot, None
        if seen is not None:
            of = f" of {seen.games_total}" if seen.games_total else ""
            text = f"{seen.games_done}{of} games, cash {seen.cash:f} SOL, PnL {seen.pnl:+f} SOL"
            show(progress_html(seen.games_done, seen.games_total, text))


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
    """
    config = config_of(ReplayConfig, "replay", options, path=path, check=False)
    return _finished(replay_recording, config)


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
    """
    from vectra_bot.session.recorder import record_session

    config = config_of(RecordConfig, "record", options, venue=venue)
    return _finished(record_session, config)


def _finished(
    session: Callable[[C], Coroutine[Any, Any, R]],
    config: C,
    look: Callable[[], None] | None = None,
) -> R:
    """Return the result of *session*; *look* is called a few times a second, in this thread."""
    if look is None and not in_event_loop():
        return asyncio.run(session(config))
    with ThreadPoolExecutor(1, "vectra-bot-session") as thread:
        running = thread.submit(copy_context().run, asyncio.run, session(config))
        interrupted: KeyboardInterrupt | None = None
        while not running.done():
            try:
                wait([running], timeout=_LOOK_S)
                if look is not None:
                    look()
            except KeyboardInterrupt as error:
                if interrupted is not None:
                    raise
                interrupted = error
                config.stop.set("KeyboardInterrupt")
        if look is not None:
            look()
        result = running.result()
    if interrupted is not None:
        raise interrupted
    return result


__all__ = ["record", "replay", "run"]
