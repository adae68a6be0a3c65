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
from vectra_bot.clock import WallClock
from vectra_bot.errors import StrategyError, VectraError, safe_error
from vectra_bot.fsio import files
from vectra_bot.journal import Entry, Journal, journal_directory, never_began
from vectra_bot.models import Document, Mode, SessionInfo, SessionSummary
from vectra_bot.report.session import Report, SessionTally, session_report
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
            raise StrategyError(
                f"strategy {self.header['strategy']['name']!r} raised in {failure.callback}: "
                f"{failure.error}; trading stopped, the session {self.header['session_id']} is complete "
                f"in {self.place.path}\n{failure.trace}"
            ) from failure.exception

    def report(self, ended: str, *, recovered: tuple[str, ...] = ()) -> Report:
        """Return the report of the session; *ended* says why it ended."""
        shell = self.shell
        found = session_report(
            self.header,
            shell.stats,
            store=self.place.shown,
            journal=str(journal_directory(self.place.path, self.header["session_id"])),
            frames=shell.counts.inbound,
            quarantined=shell.counts.quarantined,
            ended=ended,
            recovered=recovered,
            unfinished=tuple(shell.unfinished),
        )
        return found if shell.alerts is None else evolve(found, alert_sinks=shell.alerts.counts())

    def notify_started(self) -> None:
        """Call the plugins' session_started, before the first input."""
        self.shell.engine.plugins.call("session_started", self._info())

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

    def _info(self) -> SessionInfo:
        header, store = self.header, self.shell.store
        return SessionInfo(
            session_id=header["session_id"],
            mode=Mode(header["mode"]),
            venue=header["venue"],
            strategy=header["strategy"]["name"],
            store=str(self.place.path),
            folder=str(store / "sessions" / header["session_id"]),
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
        )  # fmt: skip
        session = HostedSession(header, shell, place)
        opened.push(session.notify_finished)
        opened.callback(shell.abandon)  # does nothing after the session's end
        session.notify_started()
        if alerts is not None and (delivery := alerts.open(plan)) is not None:
            opened.callback(delivery.close)
            shell.alerts = delivery
            session.note(Document.of_session(delivery.opening(), plan.start_ns))
        yield session


__all__ = ["AlertWishes", "HostedSession", "host", "hosted_journal"]
