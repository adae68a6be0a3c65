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

from vectra_bot.clock import Clock, SessionClock
from vectra_bot.errors import InputError
from vectra_bot.exchange import EvidenceDelays, ExchangeConfig
from vectra_bot.exchange.paper_desk import PaperDesk
from vectra_bot.game.ledger import to_lamports
from vectra_bot.journal import journal_directory
from vectra_bot.models import Command
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.report.difference import latencies_of
from vectra_bot.report.session import Report, SessionTally
from vectra_bot.session.config import FLUSH_SECONDS, ReplayConfig, SessionConfig
from vectra_bot.session.control import Controlled, ControlSocket
from vectra_bot.session.header import SessionPlan
from vectra_bot.session.hosting import HostedSession, host
from vectra_bot.session.realtime import Closer, drive_live
from vectra_bot.session.recovery.killed import recover_store
from vectra_bot.session.runner import LateLog, plan_of, refuse_taken
from vectra_bot.session.shell import SegmentCloser
from vectra_bot.session.status import Monitor
from vectra_bot.venues.base import Feed
from vectra_bot.venues.embedded import DEFAULT_USERNAME
from vectra_bot.venues.live import LiveFeed
from vectra_bot.venues.paper import Latency, PaperFeed, PaperGateway, PaperReplay

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
        config: SessionConfig, source: LiveFeed, plan: SessionPlan, clock: Clock, log: LateLog
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

    def warnings(self) -> list[str]:
        """Return what a reader of the results must know, one line each."""
        found = []
        if self.feed.own_dropped:
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
        ConfigError: the address, an option or a parameter is wrong.
        InputError: the venue was not reached in as many attempts as the settings allow.
        StoreError: the session exists already, or a write fails.
        StrategyError: the strategy raised, which is the cause of this error; the store is complete.
    """
    clock = clock or SessionClock()
    source = LiveFeed(url, settings=config.link, clock=clock)
    plan = plan_of(
        config,
        limits=config.limits,
        venue=source.venue,
        start_ns=clock.now_ns(),
        about={"url": source.endpoint.address, "paper": _paper(config)},
    )
    refuse_taken(plan)
    requests = LateLog(config.exchange_log)
    parts = PaperParts.on_venue(config, source, plan, clock, requests)
    feed = parts.feed
    recovered = (
        recover_store(plan.place.path, skip=plan.session_id, stop=config.stop)
        if config.recover
        else []
    )
    tally = SessionTally(plan.engine())
    async with host(
        plan, tally, parts.gateway, feed=feed, holding=requests, can_wait=False, stop=config.stop
    ) as session:
        try:
            ended = await _drive(session, feed, config, clock)
        except InputError:
            # Nothing failed on our side: the store is complete up to this point.
            await session.shell.end("the venue could not be reached")
            raise
    for warning in parts.warnings():
        log.warning("session=%s %s", plan.session_id, warning)
    session.raise_failure()
    report = session.report(ended, recovered=tuple(recovered))
    return evolve(report, unsettled=parts.desk.unsettled)


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
    session: HostedSession, feed: PaperFeed, config: SessionConfig, clock: Clock
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
        monitor = Monitor(session, clock, config.observer, control, config.games)
        flusher = SegmentCloser(shell, clock, config.flush, FLUSH_SECONDS)
        reason = await drive_live(
            shell, feed, clock, flusher, ended, after=monitor.look, operator=control
        )
        monitor.look(force=True)
    return reason


__all__ = ["run_on_feed"]
