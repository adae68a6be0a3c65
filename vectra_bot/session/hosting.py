"""The common frame of every session: its header, engine, journal and shell, opened and closed in one order.

Runner, recorder, replay and import load what they need (:class:`~vectra_bot.session.header.SessionPlan`) and
supply the inputs; the resources of a session are opened and released here, in one order::

    plan, header -> journal, locked -> empty parts -> shell -> session_started
    -> inputs -> end -> session_finished

An exception leaves the journal as a kill would, for the next recovery, and is re-raised. A session that
contains nothing but its header is removed.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from vectra_bot.alerts.delivery import AlertDelivery, SessionFacts, sinks_of
from vectra_bot.alerts.sink import AlertSink
from vectra_bot.clock import Clock, WallClock
from vectra_bot.engine.call_times import SlowCalls
from vectra_bot.errors import StrategyError, VectraError, safe_error
from vectra_bot.fsio import files
from vectra_bot.journal import Entry, Journal, journal_directory, never_began
from vectra_bot.loading import installed_as
from vectra_bot.models import DocType, Document, Mode, SessionInfo, SessionSummary, SystemEvent
from vectra_bot.models.times import NS_PER_MS, utc_from_ns
from vectra_bot.report.results import Report
from vectra_bot.report.session import SessionTally, session_report
from vectra_bot.session.config import StopFlag
from vectra_bot.session.header import SessionPlan
from vectra_bot.session.shell import Shell
from vectra_bot.store.api import Place
from vectra_bot.store.maintenance.sessions import drop_session, refuse_orphans
from vectra_bot.store.parquet.builder import begin_session
from vectra_bot.venues.base import Feed, Gateway

log = logging.getLogger(__name__)


@contextmanager
def hosted_journal(
    store: Path,
    header: Mapping[str, Any],
    *,
    ts_ns: int = 0,
    drop_for: tuple[type[BaseException], ...] = (),
    stop: StopFlag | None = None,
) -> Iterator[Journal]:
    """Create the journal of a new session and its empty parts; the block closes it, else it is abandoned.

    Args:
        store: root of the store.
        header: the session's header.
        ts_ns: start of the session, nanoseconds since the epoch.
        drop_for: exceptions of the block after which the session is removed with its journal.
        stop: if its time was over, the journal is not released: a thread still writes the session's files.

    Raises:
        StoreError: the session exists already, another process is writing it, or a write fails.
    """
    directory = journal_directory(store, header["session_id"])
    refuse_orphans(store, directory.name)
    try:
        journal = Journal.create(directory, header, ts_ns=ts_ns)
    except BaseException:
        _remove_unbegun(store, directory)
        raise
    try:
        begin_session(store, directory.name)
        yield journal
    except BaseException as error:
        journal.abandon()
        if journal.last_seq == 0 or isinstance(error, drop_for):
            _remove(store, directory.name)
        raise
    finally:
        if stop is None or not stop.abandoned:
            journal.abandon()


def _remove_unbegun(store: Path, directory: Path) -> None:
    """Remove an incomplete journal directory, unless it contains a session: the id stays free."""
    with suppress(VectraError, OSError):
        files.rmdir(directory)  # succeeds only if it is empty: not even a lock was created
    with suppress(VectraError, OSError):
        if directory.is_dir() and never_began(directory):
            drop_session(store, directory.name)


def _remove(store: Path, session_id: str) -> None:
    """Remove a failed session; if that fails too, log it and leave the session to the next recovery."""
    try:
        drop_session(store, session_id)
    except (VectraError, OSError) as error:
        log.info("session=%s cannot be removed: %s", session_id, error)


@frozen
class AlertWishes:
    """How a session's alerts are delivered.

    Attributes:
        sinks: besides those that plugins register.
        path: file of the preferences; the user's if None.
    """

    sinks: tuple[AlertSink, ...] = ()
    path: Path | None = None

    def open(self, plan: SessionPlan) -> AlertDelivery | None:
        """Start the sinks of the session of *plan*; None if it has none.

        Raises:
            PluginError: something that was given is not a sink, or its name is taken.
            VectraError: the preferences cannot be used.
        """
        sinks = sinks_of(plan.plugins, self.sinks)
        if not sinks:
            return None
        facts = SessionFacts(session_id=plan.session_id, mode=plan.mode.value, venue=plan.venue)
        return AlertDelivery.open(sinks, self.path, WallClock(), facts)


@frozen
class HostedSession:
    """A session between its first input and its end.

    Attributes:
        header: the first entry of its journal.
        shell: processes its inputs.
        place: where the session is when it is complete.
    """

    header: Mapping[str, Any]
    shell: Shell
    place: Place

    def note(self, document: Document) -> None:
        """Journal a document that does not follow from an input."""
        entry = Entry.of_document(self.shell._next(), document)  # noqa: SLF001 - one task owns both
        self.shell._append([entry])  # noqa: SLF001

    def raise_failure(self) -> None:
        """Raise the strategy's exception, after its session was stored; an interrupted call raised none.

        Raises:
            StrategyError: the strategy raised.
            KeyboardInterrupt: Ctrl-C met the strategy, in a program that handles it in Python's way.
        """
        failure = self.shell.engine.failure
        if failure is not None and isinstance(failure.exception, KeyboardInterrupt):
            raise failure.exception
        if failure is not None and not failure.interrupted:
            kept = f"the session {self.header['session_id']} is complete in {self.place.path}"
            raised = StrategyError(
                f"strategy {self.header['strategy']['name']!r} raised in {failure.callback}: "
                f"{failure.error}; trading stopped, {kept if self.place.kept else 'nothing was kept'}\n"
                f"{failure.trace}"
            )
            raised.report = self.report("strategy error")
            raise raised from failure.exception

    def report(self, ended: str, *, recovered: tuple[str, ...] = ()) -> Report:
        """Return the report of the session; *ended* says why it ended."""
        shell, session_id = self.shell, self.header["session_id"]
        found = session_report(
            self.header,
            shell.stats,
            store=self.place.shown if self.place.kept else "",
            journal=str(journal_directory(self.place.path, session_id)) if self.place.kept else "",
            frames=shell.counts.inbound,
            quarantined=shell.counts.quarantined,
            ended=ended,
            recovered=recovered,
            unfinished=tuple(shell.unfinished),
        )
        found = evolve(found, kept=self.place.kept)
        return found if shell.alerts is None else evolve(found, alert_sinks=shell.alerts.counts())

    def begin(self, clock: Clock) -> None:
        """Have calls of strategy and plugins timed by *clock*, and call the plugins' session_started.

        What they take is in no document: no two sessions take as long.
        """
        engine = self.shell.engine
        engine.plugins.timer = engine.call_times.timer = clock.monotonic_ns
        engine.call_times.notify = _log_slow
        engine.plugins.call("session_started", self._info())

    def notify_finished(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object
    ) -> None:
        """Call the plugins' session_finished, with the error that ended the session if there was one."""
        report = self.report("error")
        summary = SessionSummary(
            games=report.games,
            ticks=report.ticks,
            actions=report.actions,
            cash_start=report.cash_start,
            cash_end=report.cash_end,
            pnl=report.pnl,
            error=report.error if error is None else safe_error(error),
        )
        plugins = self.shell.engine.plugins
        plugins.call("session_finished", self._info(), summary)
        for fault in plugins.faults:
            log.warning("plugin=%s hook=%s error=%s", fault.plugin, fault.hook, fault.error)
        for warning in self.shell.stats.warnings:
            log.warning("%s", warning)

    def _info(self) -> SessionInfo:
        header, place = self.header, self.place
        folder = self.shell.store / "sessions" / header["session_id"]
        return SessionInfo(
            session_id=header["session_id"],
            mode=Mode(header["mode"]),
            venue=header["venue"],
            strategy=header["strategy"]["name"],
            store=str(place.path) if place.kept else "",
            folder=str(folder) if place.kept else "",
        )


def started(plan: SessionPlan, began_ns: int) -> Document:
    """Return the document that says what the session of *plan* is, and that it really began at *began_ns*.

    Its own times may be virtual: they are those of the session's clock.
    """
    header = plan.header
    strategy = header["strategy"]
    point = installed_as(strategy["spec"])
    began = utc_from_ns(began_ns).isoformat(timespec="milliseconds")
    record = SystemEvent.of(
        "session.started",
        "info",
        f"{strategy['name']} began at {began}",
        began=began,
        strategy=strategy["name"],
        version=None if point is None or point.dist is None else point.dist.version,
        source_sha256=strategy["source_sha256"],
        parameters=strategy["settings"],
        seed=header["seed"],
        limits=header["limits"],
        plugins={plugin["name"]: plugin["version"] for plugin in header["plugins"]},
    )
    return Document(
        doc_type=DocType.SYSTEM_EVENT, record=record, ts_ns=plan.start_ns, source="session"
    )


def _log_slow(calls: SlowCalls) -> None:
    log.warning(
        "%s took %d ms at tick %d of game %s, over a tick: a live venue continues for %d ticks meanwhile",
        calls.callback,
        calls.longest_ns // NS_PER_MS,
        calls.tick,
        calls.game_id,
        calls.ticks,
    )


@asynccontextmanager
async def host(
    plan: SessionPlan,
    tally: SessionTally,
    gateway: Gateway,
    *,
    feed: Feed | None = None,
    holding: AbstractContextManager[Any] | None = None,
    can_wait: bool = True,
    drop_for: tuple[type[BaseException], ...] = (),
    stop: StopFlag | None = None,
    clock: Clock | None = None,
    alerts: AlertWishes | None = None,
) -> AsyncIterator[HostedSession]:
    """Start the session of *plan*; the block supplies its inputs and ends its shell.

    A journal check or the recovery of a killed session is not hosted, so that no plugin repeats its side
    effects.

    Args:
        plan: everything the session needs.
        tally: counts the session's results, around its engine.
        gateway: sends its commands; closed with the session.
        feed: closed with the session, if given.
        holding: entered when the session's lock is held, and left with the session.
        can_wait: whether inputs may wait until parts are built.
        drop_for: exceptions of the block after which nothing of the session is kept.
        stop: ends the session; the block looks at it between inputs.
        clock: says when the session really began, and how long calls take; the machine's if None.
        alerts: sinks besides those of plugins, and the file of preferences; no alert is delivered if None.

    Raises:
        ConfigError: a parameter cannot be written into the header, or a preference of alerts is not allowed.
        StoreError: the session exists already, another process is writing it, or a write fails.
    """
    stop = StopFlag() if stop is None else stop
    async with AsyncExitStack() as opened:
        opened.enter_context(stop.obeyed(f"session {plan.session_id} in {plan.place.shown}"))
        opened.push_async_callback(gateway.aclose)
        if feed is not None:
            opened.push_async_callback(feed.aclose)
        header, place = plan.header, plan.place
        store = place.aside or place.path
        journal = opened.enter_context(
            hosted_journal(store, header, ts_ns=plan.start_ns, drop_for=drop_for, stop=stop)
        )
        opened.enter_context(holding or nullcontext())
        shell = Shell(
            tally.engine, journal, gateway, tally, store, plan.profile,
            can_wait=can_wait, remote="" if place.aside else place.url, stop=stop,
            opening=started(plan, (clock or WallClock()).now_ns()),
        )  # fmt: skip
        session = HostedSession(header, shell, place)
        opened.push(session.notify_finished)
        opened.callback(shell.abandon)  # does nothing after the session's end
        session.begin(clock or WallClock())
        if alerts is not None and (delivery := alerts.open(plan)) is not None:
            opened.callback(delivery.close)
            shell.alerts = delivery
            session.note(Document.of_session(delivery.opening(), plan.start_ns))
        yield session


__all__ = ["AlertWishes", "HostedSession", "host", "hosted_journal"]
