"""Running a paper session on the embedded exchange, from a config to a report."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, aclosing
from functools import partial
from pathlib import Path

import attrs

from vectra_bot.clock import Clock, WallClock
from vectra_bot.errors import InputError, JournalError, StoreError
from vectra_bot.exchange import Exchange, ExchangeConfig, RequestRecord
from vectra_bot.exchange.config import START_NS
from vectra_bot.game.ledger import to_sol
from vectra_bot.journal import journal_directory, never_began, read_header
from vectra_bot.loading import resolve_strategy
from vectra_bot.models import Mode
from vectra_bot.models.times import NS_PER_S
from vectra_bot.plugins import PluginManager
from vectra_bot.report.session import Report, SessionTally
from vectra_bot.session.config import FLUSH_SECONDS, SessionConfig, Snapshot
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
from vectra_bot.session.hosting import host
from vectra_bot.session.recovery import recover_store
from vectra_bot.session.replay import decides_otherwise
from vectra_bot.session.shell import SegmentCloser, Shell
from vectra_bot.store.api import store_place
from vectra_bot.store.maintenance.sessions import drop_session, is_running
from vectra_bot.strategy import configure
from vectra_bot.venues.base import Feed
from vectra_bot.venues.embedded import EmbeddedVenue, ExchangeLog

SNAPSHOT_EVERY_NS = NS_PER_S // 10


def _plan(config: SessionConfig) -> SessionPlan:
    source = resolve_strategy(config.strategy)
    strategy = configure(source.cls, config.settings)
    place = store_place(config.store)
    restored = saved_state(place.path, config.restore_from) if config.restore_from else None
    restore(strategy, restored)
    return SessionPlan(
        session_id=config.session_id or new_session_id(),
        mode=Mode.PAPER,
        venue="embedded",
        source=source,
        strategy=strategy,
        place=place,
        plugins=PluginManager.load(
            settings=config.plugins, enable=config.enable_plugins, disable=config.disable_plugins
        ),
        plugin_settings=config.plugins,
        limits=config.limits,
        start_ns=START_NS if config.start_ns is None else config.start_ns,
        seed=new_seed() if config.seed is None else config.seed,
        config=config,
        restored=restored,
        profile=config.protocol,
    )


async def run_session(config: SessionConfig, clock: Clock | None = None) -> Report:
    """Run one paper session to its end and return its report.

    Args:
        config: the strategy, the exchange, the store, and when to end.
        clock: the clock of the session; the machine's if None.

    Raises:
        ConfigError: an option or a parameter is wrong.
        UnknownNameError: no strategy or plugin has this name.
        StoreError: the session exists already, or a write fails.
        StrategyError: the strategy raised, which is the cause of this error; the store is complete.
    """
    plan = _plan(config)
    taken = _is_taken(plan, config)
    exchange_log = _LateLog(config.exchange_log)
    venue = _open_venue(plan, config, clock, exchange_log)
    recovered = recover_store(plan.place.path, skip=plan.session_id) if config.recover else []
    if taken:
        drop_session(plan.place.path, plan.session_id)
    tally = SessionTally(plan.engine(), rounds_of(plan.header))
    feed, stop = venue.feed, config.stop
    stop.on_set = partial(asyncio.get_running_loop().call_soon_threadsafe, feed.close)
    async with host(
        plan, tally, venue.gateway, feed=feed, holding=exchange_log, stop=stop
    ) as session:
        ended = await _drive(session.shell, feed, config, clock or WallClock())
    session.raise_failure()
    report = session.report(ended, recovered=tuple(recovered))
    return attrs.evolve(report, lag_ms=venue.lag_ms)


def _is_taken(plan: SessionPlan, config: SessionConfig) -> bool:
    """Return whether the session id is taken by this very reproducible run, which is to be replaced.

    Headers cannot contain everything that a strategy reads, so its decisions are compared as well.

    Raises:
        StoreError: it is taken by another run, which may be running, or its journal is corrupt.
    """
    store, header = plan.place.path, plan.header
    journal_dir = journal_directory(store, plan.session_id)
    if not journal_dir.exists():
        return False
    if is_running(journal_dir):
        raise StoreError(
            f"session {plan.session_id!r} in {store} is being written by another process: "
            "wait for it to end, or give another --session-id or --store"
        )
    if never_began(journal_dir):
        return True
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


def _difference(journal_dir: Path, config: SessionConfig) -> str:
    """Return where the strategy decides otherwise than in the stored session, empty if nowhere."""
    config = attrs.evolve(config, session_id=journal_dir.name)
    try:
        found = decides_otherwise(journal_dir, _plan(config).engine())
    except JournalError as error:
        return f"its journal is corrupt: {error}"
    return "" if found is None else f"game {found.game_id}, tick {found.tick}: {found.reason}"


class _LateLog(AbstractContextManager[None]):
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
                path.open("ab").close()
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
    plan: SessionPlan, config: SessionConfig, clock: Clock | None, log: _LateLog
) -> EmbeddedVenue:
    exchange = ExchangeConfig.of(config, seed=plan.header["seed"], start_ns=plan.start_ns)
    return EmbeddedVenue(
        Exchange(exchange, log),
        cash=config.cash,
        latency_ms=config.latency_ms,
        pace=config.speed,
        clock=clock,
        games=config.games,
    )


async def _drive(shell: Shell, feed: Feed, config: SessionConfig, clock: Clock) -> str:
    """Feed the shell until the games are over, the strategy fails or a stop is requested."""
    started = shown = clock.monotonic_ns()
    observer = config.observer
    # At full speed segments are closed by size only, so that the same run leaves the same files.
    every_s = None if config.speed is None else FLUSH_SECONDS
    flusher = SegmentCloser(shell, clock, config.flush, every_s)
    async with aclosing(aiter(feed)) as items:
        async for item in items:
            await shell.take(item)
            flusher.look()
            if shell.reason_to_end():
                break
            if observer is not None and clock.monotonic_ns() - shown >= SNAPSHOT_EVERY_NS:
                shown = clock.monotonic_ns()
                observer.update(snapshot(shell, config.games, (shown - started) / NS_PER_S))
    ended = shell.reason_to_end() or "games played"
    await shell.end(ended)
    if observer is not None:
        elapsed = (clock.monotonic_ns() - started) / NS_PER_S
        observer.update(snapshot(shell, config.games, elapsed))
    return ended


def snapshot(shell: Shell, games: int, elapsed_s: float) -> Snapshot:
    """Return the current state of the session."""
    engine = shell.engine
    game, account = engine.game, engine.account
    start = account.session_start_cash or 0
    return Snapshot(
        games_done=shell.stats.games,
        games_total=games,
        game_id=game.game_id,
        tick=game.tick,
        price=game.price,
        phase=game.phase.value,
        cash=to_sol(account.cash),
        position_qty=to_sol(account.qty),
        avg_cost=account.view.position.avg_cost,
        position_value=account.view.position.value(game.price),
        pnl=to_sol(account.equity(game.price) - start),
        actions=shell.stats.actions(),
        elapsed_s=elapsed_s,
    )
