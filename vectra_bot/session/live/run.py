"""Running a live session from its checks to its report.

Start and recovery after a crash are one path::

    checks, nothing connected -> lock of the account -> recovery of killed sessions -> header
    -> connection, login, snapshot, account update -> position adopted, ignored or halted -> ready -> armed

No action is sent before the last step: the engine denies every entry with the condition that is missing.
"""

from __future__ import annotations

import asyncio
import json
import threading
from functools import partial
from typing import Any, Final

from attrs import define, evolve, field

from vectra_bot.actions.arming import ArmingState, LiveTerms
from vectra_bot.clock import Clock, SessionClock
from vectra_bot.errors import ConfigError, InputError
from vectra_bot.models import Document, Mode, OperatorKind, SystemEvent
from vectra_bot.models.times import NS_PER_S
from vectra_bot.report.results import Report
from vectra_bot.report.session import SessionTally
from vectra_bot.session.config import FLUSH_SECONDS
from vectra_bot.session.control import Controlled, ControlSocket
from vectra_bot.session.header import SessionPlan
from vectra_bot.session.hosting import AlertWishes, HostedSession, host
from vectra_bot.session.live.config import LOGIN_S, CheckedAccount, LiveConfig, check_live
from vectra_bot.session.live.day import day_start_pnl, halted_before
from vectra_bot.session.live.locks import account_lock
from vectra_bot.session.live.operator import ArmingOperator
from vectra_bot.session.realtime import Closer, SegmentCloser, drive_live
from vectra_bot.session.recovery.killed import recover_store
from vectra_bot.session.runner import plan_of, refuse_taken
from vectra_bot.session.status import Monitor, SessionOperator
from vectra_bot.store.api import Place, store_place
from vectra_bot.store.location import default_live_store
from vectra_bot.venues.browser.venue import BrowserVenue
from vectra_bot.venues.live import LiveVenue


async def run_live(config: LiveConfig, clock: Clock | None = None) -> Report:
    """Run a live session to its end and return its report.

    Args:
        config: the account, the strategy, the limits.
        clock: the clock of the session; the machine's if None.

    Raises:
        ConfigError: something is missing or wrong, or the venue logged in another account.
        InputError: the venue was not reached, or did not confirm the login.
        StoreError: another session trades for the account, the session exists, or a write fails.
        StrategyError: the strategy raised, which is the cause of this error; the store is complete.
    """
    clock = clock or SessionClock()
    checked = check_live(config, clock.now_ns())
    venue = _venue_of(config, checked, clock)
    store = default_live_store() if config.store is None else config.store
    place = store_place(store, shared=config.shared)
    # Everything is loaded before the lock is taken: a wrong name leaves nothing behind.
    loaded = _plan(config, venue, place, clock, LiveTerms(account=checked.account))
    with account_lock(place.path, venue.feed.venue, checked.account):
        recovered = recover_store(place.path, stop=config.stop) if config.recover else []
        plan = evolve(loaded, terms=_terms(config, checked, place, clock))
        halted = halted_before(place.path, checked.account)
        refuse_taken(plan)
        tally = LiveTally(plan.engine())
        async with host(
            plan, tally, venue.gateway, feed=venue.feed, can_wait=False, stop=config.stop,
            alerts=AlertWishes(config.alert_sinks, config.alerts_config),
        ) as session:  # fmt: skip
            with ControlSocket(_controlled(session, config, venue), clock) as control:
                if halted:
                    control.submit(OperatorKind.HALT, halted)
                driver = LiveDriver(session, config, venue, clock, control, checked, tally)
                ended = await driver.drive()
    session.raise_failure()
    driver.raise_refusal()
    return session.report(ended, recovered=tuple(recovered))


def _venue_of(
    config: LiveConfig, checked: CheckedAccount, clock: Clock
) -> LiveVenue | BrowserVenue:
    """Return the venue: over our connection, or over the page of a browser."""
    shared: dict[str, Any] = {
        "settings": config.link,
        "clock": clock,
        "profile": config.protocol,
        "stopped": lambda: config.stop.reason,
    }
    if checked.source is None:
        return BrowserVenue(config.venue, browser=config.browser, **shared)
    return LiveVenue(config.venue, token=checked.source, **shared)


def _terms(config: LiveConfig, checked: CheckedAccount, place: Place, clock: Clock) -> LiveTerms:
    return LiveTerms(
        account=checked.account,
        positions=config.live.positions,
        dead_man_s=config.live.dead_man_s,
        day_start_pnl=day_start_pnl(place.path, checked.account, clock.now_ns()),
    )


def _plan(
    config: LiveConfig,
    venue: LiveVenue | BrowserVenue,
    place: Place,
    clock: Clock,
    terms: LiveTerms,
) -> SessionPlan:
    return plan_of(
        config,
        mode=Mode.LIVE,
        limits=config.all_limits(),
        place=place,
        venue=venue.feed.venue,
        start_ns=clock.now_ns(),
        terms=terms,
        about={
            "url": venue.feed.endpoint.address,
            "live": {
                "token": "none" if config.browser.browser else "set",
                "statement": config.live.terms,
            },
        },
    )


def _controlled(
    session: HostedSession, config: LiveConfig, venue: LiveVenue | BrowserVenue
) -> Controlled:
    loop = asyncio.get_running_loop()
    return Controlled(
        session.shell.journal.directory,
        config.stop,
        cut=venue.cut,
        woken=partial(loop.call_soon_threadsafe, Closer(venue.feed.aclose).start),
    )


FLATTEN_S: Final = 1.8
"""Time in which ``flatten_on_exit`` may sell, seconds: after two, calls of the strategy are interrupted."""


@define
class LiveTally(SessionTally):
    """Counts a live session's results, and notes another account that the venue logged in."""

    other: str = ""

    def after(self, document: Document) -> None:
        """Process a document of the engine."""
        super().after(document)
        record = document.record
        if isinstance(record, SystemEvent) and record.kind == "account.other":
            self.other = str(json.loads(record.detail_json)["seen"])


@define(eq=False)
class LiveDriver:
    """Drives one live session: its loop's checks between two items."""

    session: HostedSession
    config: LiveConfig
    venue: LiveVenue | BrowserVenue
    clock: Clock
    control: ControlSocket
    checked: CheckedAccount
    tally: LiveTally
    refusal: str = ""
    monitor: Monitor = field(init=False)
    _opened_ns: int | None = None
    _leaving: str = ""

    def __attrs_post_init__(self) -> None:
        config = self.config
        if config.live.flatten_on_exit:
            config.stop.postpone = self.leave
        self.monitor = Monitor(
            self.session,
            self.clock,
            config.observer,
            self.control,
            config.games or 0,
            self.venue.link,
            self.venue.feed,
        )

    async def drive(self) -> str:
        """Process the venue's items until there is a reason to end; return the reason."""
        shell, config = self.session.shell, self.config
        flusher = SegmentCloser(shell, self.clock, config.flush, FLUSH_SECONDS)
        try:
            return await drive_live(
                shell, self.venue.feed, self.clock, flusher, self.ended,
                after=self.after, operator=ArmingOperator(SessionOperator(self.control, self.monitor)),
            )  # fmt: skip
        except InputError as error:
            # Nothing failed on our side: the store is complete up to this point.
            await shell.end(f"the venue: {error}")
            raise
        finally:
            self.monitor.look(force=True)

    # Between two items.

    def leave(self, name: str) -> bool:
        """Sell everything before the signal *name* stops the session; False if nothing is open."""
        if self._is_flat():
            return False
        self._leaving = name
        self.control.submit(OperatorKind.FLATTEN, f"{name}, flatten_on_exit")
        limit = threading.Timer(FLATTEN_S, self.config.stop.set, (name,))
        limit.daemon = True
        limit.start()
        return True

    def _is_flat(self) -> bool:
        engine = self.session.shell.engine
        account = engine.account
        return not (account.lots or account.short or engine.tracker.book.pending)

    def after(self) -> None:
        """Show the state of the session, and store what the link has to say."""
        for text in self.venue.link.take_notices():
            event = SystemEvent.of("link.notice", "warning", text)
            shell = self.session.shell
            shell.note(Document.of_session(event, shell.engine.now_ns))
        self.monitor.look()

    def ended(self) -> str | None:
        """Return why the session must end now, None if it continues."""
        shell, config = self.session.shell, self.config
        if shell.engine.failure is not None:
            return "strategy error"
        if self._leaving and self._is_flat():
            config.stop.set(self._leaving)
        if config.stop.reason is not None:
            return f"stopped: {config.stop.reason}"
        self.refusal = self.refusal or self._refusal()
        if self.refusal:
            return f"stopped: {self.refusal}"
        now = shell.engine.standing
        if now.state is ArmingState.STOPPED:
            return f"stopped: {'; '.join(now.reasons)}"
        if config.games is not None and shell.stats.games >= config.games:
            return "games played"
        return None

    def _refusal(self) -> str:
        """Return why the venue does not let this session trade, "" if it does or has not said."""
        if self.tally.other:
            return self.checked.other(self.tally.other)
        if self.session.shell.engine.account.player_id:
            return ""
        if self.venue.link.epoch and self._opened_ns is None:
            self._opened_ns = self.clock.monotonic_ns()
        if self._opened_ns is None:
            return ""
        waited_s = (self.clock.monotonic_ns() - self._opened_ns) / NS_PER_S
        return self.checked.unconfirmed(self.venue.feed.venue) if waited_s >= LOGIN_S else ""

    def raise_refusal(self) -> None:
        """Raise if the venue did not let the session trade.

        Raises:
            ConfigError: it logged in another account, or none.
        """
        if self.refusal:
            raise ConfigError(self.refusal)


__all__ = ["run_live"]
