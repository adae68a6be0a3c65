"""Running a paper session on the embedded exchange, from a config to a report."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from vectra_bot.clock import Clock, WallClock
from vectra_bot.engine import Engine
from vectra_bot.errors import InputError, JournalError, StoreError, StrategyError, UsageError
from vectra_bot.exchange import Exchange, ExchangeConfig, RequestRecord
from vectra_bot.exchange.config import START_NS
from vectra_bot.game.ledger import to_sol
from vectra_bot.journal import Journal, journal_directory, never_began, read_header
from vectra_bot.loading import StrategySource, resolve_strategy
from vectra_bot.models import Mode
from vectra_bot.models.times import NS_PER_S
from vectra_bot.plugins import PluginManager
from vectra_bot.report.session import Report, SessionTally
from vectra_bot.session.config import FLUSH_SECONDS, SessionConfig, Snapshot, make_config
from vectra_bot.session.header import (
    differing,
    make_header,
    new_seed,
    new_session_id,
    restore,
    rounds_of,
    same_session,
    saved_state,
)
from vectra_bot.session.recovery import recover_store
from vectra_bot.session.shell import SegmentCloser, Shell, in_event_loop
from vectra_bot.session.telling import tell_finished, tell_started
from vectra_bot.store.api import Place, store_place
from vectra_bot.store.maintenance.sessions import drop_session, is_running
from vectra_bot.store.parquet.builder import begin_session
from vectra_bot.strategy import Strategy, configure
from vectra_bot.venues.base import Feed
from vectra_bot.venues.embedded import EmbeddedVenue, ExchangeLog

SNAPSHOT_EVERY_NS = NS_PER_S // 10


@frozen(kw_only=True)
class _Plan:
    """A checked config with everything loaded: nothing has been written yet."""

    config: SessionConfig
    source: StrategySource
    strategy: Strategy
    restored: Any
    plugins: PluginManager
    place: Place
    session_id: str
    seed: int
    start_ns: int

    @property
    def store(self) -> Path:
        """The folder that the session writes to."""
        return self.place.path


def run(strategy: str | type[Strategy], **options: Any) -> Report:
    """Run *strategy* on the embedded exchange and return the report.

    Args:
        strategy: a class, an entry-point name, or ``./file.py[:Class]``.
        options: fields of :class:`SessionConfig`, e.g. ``games=20, seed=7, settings={"stake": "0.02"}``.

    Raises:
        ConfigError: an option or a parameter is wrong.
        StrategyError: the strategy raised; the store is complete.
        UsageError: called inside a running event loop; await :func:`run_session` there.

    Example:
        ``report = vectra_bot.run(MyBot, games=50, seed=7); print(report.pnl)``
    """
    config = make_config(strategy, options)
    if in_event_loop():
        raise UsageError(
            "run() was called inside a running event loop: "
            "await vectra_bot.run_session(vectra_bot.SessionConfig(...)) there"
        )
    return asyncio.run(run_session(config))


def _plan(config: SessionConfig) -> _Plan:
    source = resolve_strategy(config.strategy)
    strategy = configure(source.cls, config.settings)
    place = store_place(config.store)
    restored = saved_state(place.path, config.restore_from) if config.restore_from else None
    restore(strategy, restored)
    return _Plan(
        config=config,
        source=source,
        strategy=strategy,
        restored=restored,
        plugins=PluginManager.load(
            settings=config.plugins, enable=config.enable_plugins, disable=config.disable_plugins
        ),
        place=place,
        session_id=config.session_id or new_session_id(),
        seed=new_seed() if config.seed is None else config.seed,
        start_ns=_start_ns(config),
    )


def _start_ns(config: SessionConfig) -> int:
    """Return where the exchange's clock starts: real time at speed 1, else a fixed day (design 3)."""
    if config.start_ns is not None:
        return config.start_ns
    return WallClock().now_ns() if config.speed == 1 else START_NS


async def run_session(config: SessionConfig, clock: Clock | None = None) -> Report:
    """Run one paper session to its end and return its report.

    Raises:
        VectraError: the config, the store or the strategy does not allow it; a strategy's own exception
            comes as the cause of a :class:`StrategyError`, after the store was completed.
    """
    plan = _plan(config)
    header = make_header(
        session_id=plan.session_id,
        mode=Mode.PAPER,
        venue="embedded",
        source=plan.source,
        strategy=plan.strategy,
        plugins=plan.plugins,
        config=config,
        limits=config.limits,
        start_ns=plan.start_ns,
        seed=plan.seed,
        plugin_settings=config.plugins,
        restored=plan.restored,
    )
    journal_dir = journal_directory(plan.store, plan.session_id)
    taken = _check_room(plan, journal_dir, header)
    exchange_log = _LateLog(config.exchange_log)
    venue = _open_venue(plan, clock, exchange_log)
    recovered = recover_store(plan.store, skip=plan.session_id) if config.recover else ()
    if taken:
        drop_session(plan.store, plan.session_id)
    engine = Engine(
        session_id=plan.session_id,
        mode=Mode.PAPER,
        strategy=plan.strategy,
        plugins=plan.plugins,
        limits=config.limits,
    )
    journal = Journal.create(journal_dir, header, ts_ns=plan.start_ns)
    try:
        begin_session(plan.store, plan.session_id)
        exchange_log.open()
    except BaseException:
        journal.abandon()
        raise
    stats = SessionTally(engine, rounds_of(header))
    shell = Shell(
        engine,
        journal,
        venue.gateway,
        stats,
        plan.store,
        config.protocol,
        remote=plan.place.url,
    )
    try:
        ended = await _carry(shell, venue.feed, plan, header, clock or WallClock())
    finally:
        await venue.feed.aclose()
        await venue.gateway.aclose()
        exchange_log.close()
    report = make_report(shell, header, plan.store, ended=ended, recovered=tuple(recovered))
    tell_finished(shell, header, report)
    raise_failure(shell, plan.source.name)
    return report


async def _carry(
    shell: Shell, feed: Feed, plan: _Plan, header: dict[str, Any], clock: Clock
) -> str:
    """Carry the session to its end; whatever breaks it off is told to the plugins and raised."""
    tell_started(shell, header)
    try:
        return await _drive(shell, feed, plan, clock)
    except BaseException as error:
        shell.abandon()
        tell_finished(shell, header, make_report(shell, header, plan.store, ended="error"), error)
        raise


def _check_room(plan: _Plan, journal_dir: Path, header: dict[str, Any]) -> bool:
    """Return whether the session id is taken by this very reproducible run, which is to be replaced.

    Raises:
        StoreError: it is taken by another run, which may be running, or its journal is damaged.
    """
    if not journal_dir.exists():
        return False
    if is_running(journal_dir):
        raise StoreError(
            f"session {plan.session_id!r} in {plan.store} is being written by another process: "
            "wait for it to end, or give another --session-id or --store"
        )
    if never_began(journal_dir):
        return True
    try:
        existing = read_header(journal_dir)
    except (InputError, JournalError) as error:
        raise StoreError(
            f"session {plan.session_id!r} exists in {plan.store} and its journal is damaged ({error}): "
            "restore its files, or give another --session-id or --store"
        ) from error
    reproducible = plan.config.speed is None
    if not (reproducible and same_session(existing, header)):
        raise StoreError(
            f"session {plan.session_id!r} exists in {plan.store} and is another run "
            f"({differing(existing, header)}): "
            "give another --session-id or --store"
        )
    return True


class _LateLog:
    """The exchange's request log, opened (and emptied) no sooner than the session's lock is held."""

    def __init__(self, path: Path | None) -> None:
        """Refuse a file that could not be opened later, and leave what it holds.

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

    def open(self) -> None:
        """Begin to write."""
        if self._path is not None:
            self._log = ExchangeLog(self._path)

    def __call__(self, record: RequestRecord) -> None:
        """Write the line of *record*."""
        if self._log is not None:
            self._log(record)

    def close(self) -> None:
        """Close the file; harmless if it never was opened."""
        if self._log is not None:
            self._log.close()


def _open_venue(plan: _Plan, clock: Clock | None, log: _LateLog) -> EmbeddedVenue:
    config = plan.config
    exchange = ExchangeConfig.of(config, seed=plan.seed, start_ns=plan.start_ns)
    return EmbeddedVenue(
        Exchange(exchange, log),
        cash=config.cash,
        latency_ms=config.latency_ms,
        pace=config.speed,
        clock=clock,
        games=config.games,
    )


async def _drive(shell: Shell, feed: Feed, plan: _Plan, clock: Clock) -> str:
    """Feed the shell until the games are over, the strategy fails or somebody asks for the end."""
    started = shown = clock.monotonic_ns()
    observer, stop = plan.config.observer, plan.config.stop
    # At full speed segments close by size alone, so that the same run leaves the same files.
    every_s = None if plan.config.speed is None else FLUSH_SECONDS
    flusher = SegmentCloser(shell, clock, plan.config.flush, every_s)
    ended = "games played"
    async for item in feed:
        await shell.take(item)
        flusher.look()
        if shell.engine.failure is not None:
            ended = "strategy error"
            break
        if stop.reason is not None:
            ended = f"stopped: {stop.reason}"
            break
        if observer is not None and clock.monotonic_ns() - shown >= SNAPSHOT_EVERY_NS:
            shown = clock.monotonic_ns()
            observer.update(snapshot(shell, plan.config.games, (shown - started) / NS_PER_S))
    await shell.end(ended)
    if observer is not None:
        elapsed = (clock.monotonic_ns() - started) / NS_PER_S
        observer.update(snapshot(shell, plan.config.games, elapsed))
    return ended


def raise_failure(shell: Shell, name: str) -> None:
    """Raise what a strategy raised, now that its session is stored."""
    failure = shell.engine.failure
    if failure is not None:
        raise StrategyError(
            f"strategy {name!r} raised in {failure.callback}: {failure.error}; trading stopped, the session "
            f"{shell.engine.session_id} is complete in {shell.store}\n{failure.trace}"
        ) from failure.exception


def snapshot(shell: Shell, games: int, elapsed_s: float) -> Snapshot:
    """Return the session as it stands."""
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


def make_report(
    shell: Shell,
    header: Mapping[str, Any],
    store: Path,
    *,
    ended: str,
    recovered: tuple[str, ...] = (),
) -> Report:
    """Return the report of a session that has ended."""
    engine, stats = shell.engine, shell.stats
    account, games = engine.account, stats.games
    start = account.session_start_cash
    pnl = None if start is None else account.cash - start
    open_value = account.equity(engine.game.price) - account.cash
    expected = to_sol(round(stats.expected))
    failure = engine.failure
    return Report(
        mode=header["mode"],
        venue=header["venue"],
        session_id=header["session_id"],
        strategy=header["strategy"]["name"],
        seed=header["seed"],
        store=shell.remote or str(store),
        journal=str(shell.journal.directory),
        games=games,
        ticks=engine.counts["ticks"],
        actions=stats.actions(),
        forced_sells=engine.counts["forced_sells"],
        settlements=engine.counts["settlements"],
        cash_start=None if start is None else to_sol(start),
        cash_end=None if start is None else to_sol(account.cash),
        pnl=None if pnl is None else to_sol(pnl),
        open_value=to_sol(open_value),
        pnl_per_game=to_sol(round(stats.pnl_sum / games)) if games else None,
        pnl_interval=stats.interval(),
        expected=expected,
        expected_per_game=to_sol(round(stats.expected / games)) if games else None,
        luck=stats.luck(None if pnl is None else pnl + open_value),
        latency=stats.latency(),
        frames=shell.counts.inbound,
        quarantined=shell.counts.quarantined,
        digest=stats.digest,
        ended=ended,
        plugin_errors=dict(sorted(engine.plugin_errors.items())),
        error=None if failure is None else f"{failure.callback}: {failure.error}",
        expected_without=tuple(sorted(stats.unknown)),
        prizes=to_sol(engine.counts["prizes"]),
        recovered=recovered,
    )
