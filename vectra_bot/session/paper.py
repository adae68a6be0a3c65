"""A paper session on the feed of a venue: its ticks, and play money that a paper desk accounts for.

Nothing is sent to the venue, and no login is needed. The session is what a live one is, except for one
object: the gateway.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from attrs import evolve, frozen

from vectra_bot.actions.arming import LiveTerms
from vectra_bot.clock import Clock, SessionClock
from vectra_bot.errors import InputError
from vectra_bot.exchange import EvidenceDelays, ExchangeConfig
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.paper_desk import PAPER_PLAYER, PaperDesk
from vectra_bot.game.ledger import to_lamports
from vectra_bot.journal import journal_directory
from vectra_bot.loading import resolve_strategy
from vectra_bot.models import Command
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.report.difference import latencies_of
from vectra_bot.report.results import Report
from vectra_bot.report.session import SessionTally
from vectra_bot.session.config import FLUSH_SECONDS, ReplayConfig, SessionConfig
from vectra_bot.session.control import Controlled, ControlSocket
from vectra_bot.session.header import SessionPlan, new_session_id
from vectra_bot.session.hosting import AlertWishes, HostedSession, host
from vectra_bot.session.live.config import check_shadow
from vectra_bot.session.live.locks import account_lock
from vectra_bot.session.live.operator import ArmingOperator
from vectra_bot.session.live.shadow import NO_ORDERS, ResumedFeed, log_in
from vectra_bot.session.realtime import Closer, SegmentCloser, drive_live
from vectra_bot.session.recovery.killed import recover_store
from vectra_bot.session.runner import LateLog, plan_of, refuse_taken
from vectra_bot.session.status import Monitor, SessionOperator
from vectra_bot.store.api import store_place
from vectra_bot.store.location import default_live_store
from vectra_bot.venues.base import Feed
from vectra_bot.venues.embedded import DEFAULT_USERNAME
from vectra_bot.venues.live import LiveFeed, LiveVenue
from vectra_bot.venues.paper import (
    Latency,
    PaperFeed,
    PaperGateway,
    PaperReplay,
    WaitingFeed,
)

log = logging.getLogger(__name__)

F = TypeVar("F", PaperFeed, PaperReplay)


@frozen
class PaperParts(Generic[F]):
    """A paper desk with the feed that shows it the prices, and the gateway that brings it the commands."""

    desk: PaperDesk
    feed: F
    gateway: PaperGateway

    @staticmethod
    def on_venue(
        config: SessionConfig, source: WaitingFeed, plan: SessionPlan, clock: Clock, log: LateLog
    ) -> PaperParts[PaperFeed]:
        """Return the parts of a session on the feed of a venue."""
        terms = ExchangeConfig.of(config, seed=0, start_ns=plan.start_ns)
        desk = _desk(terms, config, plan, log)
        feed = PaperFeed(source, desk, clock.now_ns, plan.profile)
        return PaperParts(desk, feed, _gateway(desk, config, clock.now_ns, plan))

    @staticmethod
    def on_recording(
        config: ReplayConfig, source: Feed, plan: SessionPlan
    ) -> PaperParts[PaperReplay]:
        """Return the parts of a replay of a recording."""
        desk = _desk(ExchangeConfig(protocol=plan.profile), config, plan, None)
        feed = PaperReplay(source, desk, plan.profile)
        return PaperParts(desk, feed, _gateway(desk, config, feed.now_ns, plan))

    def warnings(self, *, shadow: bool = False) -> list[str]:
        """Return what a reader of the results must know, one line each.

        Args:
            shadow: whether frames of a real account are expected.
        """
        found = []
        if self.feed.own_dropped and not shadow:
            found.append(f"{self.feed.own_dropped} frames of another account were dropped")
        if self.desk.unsettled:
            found.append(
                f"{self.desk.unsettled} games ended unseen and their seeds were never shown: what was at "
                "stake in them counts as lost"
            )
        return found


def _desk(
    terms: ExchangeConfig,
    config: SessionConfig | ReplayConfig,
    plan: SessionPlan,
    log: LateLog | None,
) -> PaperDesk:
    return PaperDesk(
        evolve(terms, seed=plan.session_id),
        DEFAULT_USERNAME,
        to_lamports(config.cash),
        delays=EvidenceDelays.none() if config.latency_ms == 0 else None,
        on_request=log,
    )


def _gateway(
    desk: PaperDesk,
    config: SessionConfig | ReplayConfig,
    now_ns: Callable[[], int],
    plan: SessionPlan,
) -> PaperGateway:
    return PaperGateway(desk, _latency(config, plan), now_ns, plan.profile)


def _latency(config: SessionConfig | ReplayConfig, plan: SessionPlan) -> Latency:
    """Return the latency of commands: the configured one, or drawn from a session's by the action's id."""
    if config.latency_from is None:
        latency_ns = config.latency_ms * NS_PER_MS
        return lambda _: latency_ns
    measured = latencies_of(journal_directory(plan.place.path, config.latency_from))

    def drawn(command: Command) -> int:
        digest = hashlib.sha256(command.action_id.encode()).digest()
        return measured[int.from_bytes(digest) % len(measured)] * NS_PER_MS

    return drawn


async def run_on_feed(config: SessionConfig, url: str, clock: Clock | None = None) -> Report:
    """Run a paper session on the feed of the venue at *url*; see :func:`vectra_bot.session.run_session`.

    Raises:
        ConfigError: the address, an option or a parameter is wrong; the account of a shadow session is not
            logged in.
        InputError: the venue was not reached in as many attempts as the settings allow.
        StoreError: the session exists already, or a write fails.
        StrategyError: the strategy raised, which is the cause of this error; the store is complete.
    """
    clock = clock or SessionClock()
    if not config.shadow:
        return await _run(config, LiveFeed(url, settings=config.link, clock=clock), clock)
    checked = check_shadow(config.live, url, clock.now_ns())
    session_id = config.session_id or new_session_id()
    resolve_strategy(config.strategy)  # before anything is connected
    venue = LiveVenue(
        url,
        token=checked.source,
        settings=config.link,
        clock=clock,
        profile=config.protocol,
        stopped=lambda: NO_ORDERS,
    )
    live_store = store_place(default_live_store()).path
    with account_lock(live_store, venue.feed.venue, checked.account):
        try:
            start = await log_in(venue, checked, clock, config.protocol, lambda: config.stop.reason)
            shadowed = evolve(config, cash=start.cash, session_id=session_id)
            shadow = Shadow(venue, checked.account, start.feed)
            return await _run(shadowed, venue.feed, clock, shadow)
        finally:
            await venue.aclose()


@frozen
class Shadow:
    """The account that a paper session follows.

    Attributes:
        venue: where it is logged in.
        account: its id.
        feed: the venue's feed from its first item on.
    """

    venue: LiveVenue
    account: str
    feed: ResumedFeed


async def _run(
    config: SessionConfig, source: LiveFeed, clock: Clock, shadow: Shadow | None = None
) -> Report:
    about: dict[str, object] = {"url": source.endpoint.address, "paper": _paper(config)}
    plan = plan_of(
        config,
        limits=config.limits,
        venue=source.venue,
        start_ns=clock.now_ns(),
        terms=None if shadow is None else _terms(config),
        about=about if shadow is None else {**about, "shadow": {"account": shadow.account}},
    )
    refuse_taken(plan)
    requests = LateLog(config.exchange_log)
    opened = source if shadow is None else shadow.feed
    parts = PaperParts.on_venue(config, opened, plan, clock, requests)
    recovered = (
        recover_store(plan.place.path, skip=plan.session_id, stop=config.stop)
        if config.recover
        else []
    )
    tally = SessionTally(plan.engine())
    async with host(
        plan,
        tally,
        parts.gateway,
        feed=parts.feed,
        holding=requests,
        can_wait=False,
        stop=config.stop,
        alerts=AlertWishes(config.alert_sinks, config.alerts_config),
    ) as session:
        try:
            ended = await _drive(session, parts.feed, config, clock, shadow=shadow, source=source)
        except InputError:
            # Nothing failed on our side: the store is complete up to this point.
            await session.shell.end("the venue could not be reached")
            raise
    for warning in parts.warnings(shadow=shadow is not None):
        log.warning("session=%s %s", plan.session_id, warning)
    session.raise_failure()
    report = session.report(ended, recovered=tuple(recovered))
    return evolve(report, unsettled=parts.desk.unsettled)


def _terms(config: SessionConfig) -> LiveTerms:
    """Return the conditions of a live session, for the account that the paper desk keeps."""
    player = Identities(config.session_id or "").player_id(PAPER_PLAYER)
    return LiveTerms(account=player, dead_man_s=config.live.dead_man_s)


def _paper(config: SessionConfig) -> dict[str, object]:
    """Return what the header says about the desk."""
    return {
        "cash": str(config.cash),
        "latency_ms": config.latency_ms,
        "latency_from": config.latency_from,
        "short_payoff": config.short_payoff,
        "short_at_rug": config.short_at_rug,
    }


async def _drive(
    session: HostedSession,
    feed: PaperFeed,
    config: SessionConfig,
    clock: Clock,
    *,
    shadow: Shadow | None,
    source: LiveFeed,
) -> str:
    """Feed the shell until the games are over, the strategy fails or a stop is requested."""
    shell, loop = session.shell, asyncio.get_running_loop()

    def ended() -> str | None:
        if shell.engine.failure is not None:
            return "strategy error"
        if config.stop.reason is not None:
            return f"stopped: {config.stop.reason}"
        return "games played" if shell.stats.games >= config.games else None

    woken = partial(loop.call_soon_threadsafe, Closer(feed.aclose).start)
    of = Controlled(shell.journal.directory, config.stop, woken=woken)
    with ControlSocket(of, clock) as control:
        link = None if shadow is None else shadow.venue.link
        monitor = Monitor(session, clock, config.observer, control, config.games, link, source)
        plain = SessionOperator(control, monitor)
        operator = plain if shadow is None else ArmingOperator(plain)
        flusher = SegmentCloser(shell, clock, config.flush, FLUSH_SECONDS)
        reason = await drive_live(
            shell, feed, clock, flusher, ended, after=monitor.look, operator=operator
        )
        monitor.look(force=True)
    return reason


__all__ = ["run_on_feed"]
