"""Running a paper session from a config to a report: on the embedded exchange, or by ``paper`` on a feed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, aclosing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import attrs

from vectra_bot.actions.limits import Limits
from vectra_bot.clock import Clock, WallClock
from vectra_bot.errors import ConfigError, InputError, JournalError, StoreError
from vectra_bot.exchange import Exchange, ExchangeConfig, RequestRecord
from vectra_bot.exchange.config import START_NS
from vectra_bot.fsio.modes import file_mode
from vectra_bot.journal import journal_directory, never_began, read_header
from vectra_bot.loading import resolve_strategy
from vectra_bot.loading.options import plugin_choice
from vectra_bot.loading.plugins import load_plugins
from vectra_bot.models import Mode
from vectra_bot.report.results import Report
from vectra_bot.report.session import SessionTally
from vectra_bot.session.check import decides_otherwise
from vectra_bot.session.config import FLUSH_SECONDS, SessionConfig
from vectra_bot.session.control import Controlled, ControlSocket
from vectra_bot.session.header import (
    SessionPlan,
    differing,
    new_seed,
    new_session_id,
    restore,
    rounds_of,
    same_session,
    saved_state,
)
from vectra_bot.session.hosting import AlertWishes, HostedSession, host
from vectra_bot.session.realtime import SegmentCloser, obey
from vectra_bot.session.recovery.killed import recover_store
from vectra_bot.session.status import Monitor, SessionOperator
from vectra_bot.store.api import Place, store_place
from vectra_bot.store.maintenance.replacement import Replacement, replacing, settle_replacement
from vectra_bot.store.maintenance.sessions import drop_session, is_running, refuse_orphans
from vectra_bot.store.parquet.worker import upload
from vectra_bot.strategy import configure, require_callback
from vectra_bot.venues.base import Feed
from vectra_bot.venues.embedded import EmbeddedVenue, ExchangeLog

if TYPE_CHECKING:
    from vectra_bot.actions.arming import LiveTerms
    from vectra_bot.session.live.config import LiveConfig

PLAYED = "games played"
"""Why a session ended that played all its games."""


def plan_of(
    config: SessionConfig | LiveConfig,
    *,
    mode: Mode = Mode.PAPER,
    limits: Limits,
    place: Place | None = None,
    venue: str = "embedded",
    start_ns: int = START_NS,
    seed: int | None = None,
    exchange: SessionConfig | None = None,
    terms: LiveTerms | None = None,
    about: Mapping[str, Any] | None = None,
) -> SessionPlan:
    """Load what the session of *config* needs; nothing is written.

    Args:
        config: the strategy, its settings, the store.
        mode: how the session runs.
        limits: what it may do.
        place: where its store is; the config's if None.
        venue: name of the venue.
        start_ns: start of the session's clock, nanoseconds since the epoch.
        seed: seed of the embedded exchange, if there is one.
        exchange: *config*, if it describes the embedded exchange.
        terms: the conditions of an account's session.
        about: more keys of the header.
    """
    source = resolve_strategy(config.strategy)
    require_callback(source.cls)
    strategy = configure(source.cls, config.settings)
    place = place or store_place(config.store, shared=config.shared)
    if isinstance(config, SessionConfig) and config.no_store:
        place = place._replace(kept=False)
    restored = saved_state(place.path, config.restore_from) if config.restore_from else None
    restore(strategy, restored)
    return SessionPlan(
        session_id=config.session_id or new_session_id(),
        mode=mode,
        venue=venue,
        source=source,
        strategy=strategy,
        place=place,
        plugins=load_plugins(plugin_choice(config, alerts=venue != "embedded")),
        limits=limits,
        start_ns=start_ns,
        seed=seed,
        config=exchange,
        restored=restored,
        profile=config.protocol,
        terms=terms,
        about=about or {},
    )


def _plan(config: SessionConfig) -> SessionPlan:
    return plan_of(
        config,
        limits=config.limits,
        start_ns=START_NS if config.start_ns is None else config.start_ns,
        seed=new_seed() if config.seed is None else config.seed,
        exchange=config,
    )


async def run_session(config: SessionConfig, clock: Clock | None = None) -> Report:
    """Run one paper session to its end and return its report.

    Args:
        config: the strategy, the exchange or the venue, the store, and when to end. With ``no_store``
            nothing is kept; a process that is killed leaves its temporary folder.
        clock: the clock of the session; the machine's if None.

    Raises:
        ConfigError: an option or a parameter is wrong.
        UnknownNameError: no strategy or plugin has this name.
        StoreError: the session exists already, or a write fails.
        StrategyError: the strategy raised, which is the cause of this error; the store is complete.
    """
    if not config.no_store:
        return await _run(config, clock)
    _refuse_store(config)
    with TemporaryDirectory(prefix="vectra-bot-run-", ignore_cleanup_errors=True) as folder:
        unkept = attrs.evolve(config, store=Path(folder), recover=False)
        report = await _run(unkept, clock)
    # What was not built is gone like the rest.
    left = tuple(line for line in report.unfinished if "store recover" not in line)
    return attrs.evolve(report, unfinished=left)


def _refuse_store(config: SessionConfig) -> None:
    """Refuse what needs a store, for a session without one."""
    for name in ("store", "shared", "restore_from", "latency_from"):
        value = getattr(config, name)
        if value:
            raise ConfigError(
                f"option {name} was {str(value)!r} together with no_store, which keeps nothing and reads no "
                "store: remove one of the two"
            )


async def _run(config: SessionConfig, clock: Clock | None) -> Report:
    if config.venue is not None:
        from vectra_bot.session.paper import run_on_feed

        return await run_on_feed(config, config.venue, clock)
    plan = _plan(config)
    taken = _is_taken(plan, config)
    exchange_log = LateLog(config.exchange_log)
    venue = _open_venue(plan, config, clock, exchange_log)
    recovered = (
        recover_store(plan.place.path, skip=plan.session_id, stop=config.stop)
        if config.recover
        else []
    )
    tally = SessionTally(plan.engine(), rounds_of(plan.header))
    feed, stop = venue.feed, config.stop
    stop.on_set = partial(asyncio.get_running_loop().call_soon_threadsafe, feed.close)
    with _repeating(plan) if taken else nullcontext() as repetition:
        hosted = plan if repetition is None else _aside(plan, repetition)
        async with host(
            hosted, tally, venue.gateway, feed=feed, holding=exchange_log, stop=stop, clock=clock,
            alerts=AlertWishes(config.alert_sinks, config.alerts_config),
        ) as session:  # fmt: skip
            ended = await _drive(session, feed, config, clock or WallClock())
        if repetition is not None:
            ended = _decide(repetition, ended)
    session.raise_failure()
    report = session.report(ended, recovered=tuple(recovered))
    return attrs.evolve(report, lag_ms=venue.lag_ms)


@contextmanager
def _repeating(plan: SessionPlan) -> Iterator[Replacement]:
    """Yield the repetition of a stored session; afterwards it has replaced that one, or is removed."""
    store, url = plan.place.path, plan.place.url
    with replacing(store, plan.session_id) as repetition:
        yield repetition
    upload(journal_directory(store, plan.session_id), store, url)


def _aside(plan: SessionPlan, repetition: Replacement) -> SessionPlan:
    return attrs.evolve(plan, place=plan.place._replace(aside=repetition.folder))


def _decide(repetition: Replacement, ended: str) -> str:
    """Let a repetition replace the stored session, unless it ended before that one; return how it ended."""
    if ended != PLAYED and repetition.is_shorter():
        return f"{ended}; the earlier session is longer: it was kept, and this one removed"
    repetition.commit()
    return ended


def _is_taken(plan: SessionPlan, config: SessionConfig) -> bool:
    """Return whether the session id is taken by this very reproducible run, which is to be replaced.

    Remains of a session that died before its first entry are removed.
    Headers cannot contain everything that a strategy reads, so its decisions are compared as well.

    Raises:
        StoreError: it is taken by another run, which may be running, or its journal is corrupt.
    """
    store, header = plan.place.path, plan.header
    journal_dir = journal_directory(store, plan.session_id)
    settle_replacement(store, plan.session_id)
    if not journal_dir.exists():
        return False
    if is_running(journal_dir):
        raise StoreError(
            f"session {plan.session_id!r} in {store} is being written by another process: "
            "wait for it to end, or give another --session-id or --store"
        )
    if never_began(journal_dir):
        refuse_orphans(store, plan.session_id)
        drop_session(store, plan.session_id)
        return False
    try:
        existing = read_header(journal_dir)
    except (InputError, JournalError) as error:
        raise StoreError(
            f"session {plan.session_id!r} exists in {store} and its journal is corrupt ({error}): "
            "restore its files, or give another --session-id or --store"
        ) from error
    why = "" if same_session(existing, header) else differing(existing, header)
    if why or (why := _difference(journal_dir, config)):
        raise StoreError(
            f"session {plan.session_id!r} exists in {store} and is another run ({why}): "
            "give another --session-id or --store"
        )
    return True


def refuse_taken(plan: SessionPlan) -> None:
    """Refuse a session id that the store has already: a session on a live feed cannot be repeated.

    Raises:
        StoreError: the id is taken.
    """
    journal_dir = journal_directory(plan.place.path, plan.session_id)
    if journal_dir.exists() and not never_began(journal_dir):
        raise StoreError(
            f"session {plan.session_id!r} exists in {plan.place.path} and cannot be repeated on a live feed: "
            "give another --session-id or --store"
        )


def _difference(journal_dir: Path, config: SessionConfig) -> str:
    """Return where the strategy decides otherwise than in the stored session, empty if nowhere."""
    config = attrs.evolve(config, session_id=journal_dir.name)
    try:
        found = decides_otherwise(journal_dir, _plan(config), plugin_choice(config).enable)
    except JournalError as error:
        return f"its journal is corrupt: {error}"
    return "" if found is None else f"game {found.game_id}, tick {found.tick}: {found.reason}"


class LateLog(AbstractContextManager[None]):
    """The exchange's request log, opened (and emptied) only when the session's lock is held."""

    def __init__(self, path: Path | None) -> None:
        """Check that the file can be opened later, and leave its content.

        Raises:
            InputError: it cannot be written.
        """
        self._path = path
        self._log: ExchangeLog | None = None
        try:
            if path is not None:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT, file_mode(path)))
        except OSError as error:
            raise InputError(
                f"exchange log {str(path)!r} cannot be written ({error.strerror}): give a path in a "
                "folder that exists"
            ) from error

    def __enter__(self) -> None:
        """Open the file."""
        if self._path is not None:
            self._log = ExchangeLog(self._path)

    def __call__(self, record: RequestRecord) -> None:
        """Write the line of *record*."""
        if self._log is not None:
            self._log(record)

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self._log is not None:
            self._log.close()


def _open_venue(
    plan: SessionPlan, config: SessionConfig, clock: Clock | None, log: LateLog
) -> EmbeddedVenue:
    exchange = ExchangeConfig.of(config, seed=plan.header["seed"], start_ns=plan.start_ns)
    exchange = attrs.evolve(exchange, made_games=config.made_games)
    return EmbeddedVenue(
        Exchange(exchange, log),
        cash=config.cash,
        latency_ms=config.latency_ms,
        pace=config.speed,
        clock=clock,
        games=config.games,
    )


async def _drive(session: HostedSession, feed: Feed, config: SessionConfig, clock: Clock) -> str:
    """Feed the shell until the games are over, the strategy fails or a stop is requested."""
    shell = session.shell
    with ExitStack() as opened:
        control = None
        if config.speed is not None:  # at full speed a session is over before anybody looks
            woken = config.stop.on_set or _nothing
            of = Controlled(shell.journal.directory, config.stop, woken=woken)
            control = opened.enter_context(ControlSocket(of))
        monitor = Monitor(session, clock, config.observer, control, config.games)
        operator = None if control is None else SessionOperator(control, monitor)
        # At full speed segments are closed by size only, so that the same run leaves the same files.
        every_s = None if config.speed is None else FLUSH_SECONDS
        flusher = SegmentCloser(shell, clock, config.flush, every_s)
        async with aclosing(aiter(feed)) as items:
            async for item in items:
                await shell.take(item)
                if operator is not None:
                    await obey(shell, operator, shell.engine.now_ns)
                flusher.look()
                if shell.reason_to_end():
                    break
                monitor.look()
        ended = shell.reason_to_end() or PLAYED
        if operator is not None:
            operator.link_closed()
            await obey(shell, operator, shell.engine.now_ns)
        await shell.end(ended)
        monitor.look(force=True)
    return ended


def _nothing() -> None:
    """Do nothing."""
