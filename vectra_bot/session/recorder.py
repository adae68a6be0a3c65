"""Recording a feed without trading: frames, documents, gaps, and every game verified against its seed.

A recording is a session like any other, with the bundled ``watch`` strategy and no gateway: its journal
contains every frame exactly as received, after a crash it is recovered by the next session of the store, and
a replay of the journal rebuilds the same documents, alerts included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from attrs import define, frozen

from vectra_bot.audit.auditor import FairAuditor
from vectra_bot.clock import Clock, SessionClock
from vectra_bot.errors import InputError
from vectra_bot.loading import resolve_strategy
from vectra_bot.loading.options import plugin_choice
from vectra_bot.loading.plugins import load_plugins
from vectra_bot.models import (
    AlertTrigger,
    Document,
    GamePhase,
    GameTick,
    Mode,
    SystemEvent,
)
from vectra_bot.models.times import NS_PER_S
from vectra_bot.report.session import SessionTally
from vectra_bot.session.config import RecordConfig
from vectra_bot.session.header import SessionPlan, new_session_id
from vectra_bot.session.hosting import AlertWishes, host
from vectra_bot.session.realtime import SegmentCloser, drive_live
from vectra_bot.session.recovery.killed import recover_store
from vectra_bot.session.shell import NoGateway, Shell
from vectra_bot.session.status import FiguresTeller
from vectra_bot.store.api import store_place
from vectra_bot.strategy import configure
from vectra_bot.venues.browser.venue import BrowserFeed
from vectra_bot.venues.live import LiveFeed

STRATEGY = "watch"


@frozen(kw_only=True)
class RecordReport:
    """The result of a recording.

    Attributes:
        games: games that ended while it ran: verified, failed and unverified ones.
        games_verified: every statement about them agrees with their seed.
        games_failed: at least one statement does not agree; each has an alert.
        games_unverified: their seed was never revealed, or their law is unknown.
        games_missed: games, part of ``games``, of which no frame was seen, known from the history alone.
        ticks: live ticks stored, each once, backfilled ones included.
        backfilled: ticks recovered later from a snapshot or a price window.
        missing_ticks: live ticks that are not stored, of games seen at least in part: to the rug, or to the
            last tick shown if the rug is not known.
        gaps: markers of ticks, rugs and whole games that were missed.
        connections: connections made; ``reconnects`` excludes the first.
        lost_frames: frames dropped because they came faster than they could be processed.
        quarantined: frames that could not be read.
        alerts: games, of the history before the session too, that disagree with their seed.
        failed_games: the first 100 of them: ``game_id`` and ``message``, the first difference.
        history_games: distinct finished games collected from ``gameHistory``.
        sidebet_rows: rows of sidebets in them.
        format: the venue's wire format, None before a history was seen.
        format_expected: False if another format was requested.
        unfinished: what a stop left undone, one line each.
    """

    session_id: str
    venue: str
    store: str
    journal: str
    ended: str
    seconds: float
    games: int
    games_verified: int
    games_failed: int
    games_unverified: int
    games_missed: int
    ticks: int
    backfilled: int
    missing_ticks: int
    gaps: int
    connections: int
    reconnects: int
    frames: int
    lost_frames: int
    quarantined: int
    unknown_events: int
    alerts: int
    failed_games: list[dict[str, str]]
    history_games: int
    sidebet_rows: int
    format: str | None
    format_expected: bool
    plugin_errors: dict[str, int]
    recovered: list[str]
    unfinished: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-serializable data."""
        return attrs.asdict(self)


@define
class _RecordStats(SessionTally):
    """Counts the stored documents."""

    told: Callable[[Document], None] | None = None
    ticks: int = 0
    backfilled: int = 0

    def after(self, document: Document) -> None:
        """Process a document that is about to be stored."""
        super().after(document)
        record = document.record
        if isinstance(record, GameTick) and record.phase is GamePhase.ACTIVE:
            self.ticks += 1
            self.backfilled += record.backfilled
        if self.told is not None and isinstance(record, AlertTrigger | SystemEvent):
            self.told(document)


def _feed_of(config: RecordConfig, clock: Clock) -> LiveFeed:
    """Return the feed: our connection, or the page of a browser."""
    if config.browser.browser:
        return BrowserFeed(
            config.venue, settings=config.settings, clock=clock, browser=config.browser
        )
    return LiveFeed(config.venue, settings=config.settings, clock=clock)


@frozen
class _Recording:
    """A recording in progress."""

    config: RecordConfig
    clock: Clock
    feed: LiveFeed
    auditor: FairAuditor
    plan: SessionPlan
    stats: _RecordStats

    @classmethod
    def of(cls, config: RecordConfig, clock: Clock) -> _Recording:
        """Load everything; nothing is written and no connection is made yet."""
        source = resolve_strategy(STRATEGY)
        feed = _feed_of(config, clock)
        auditor = FairAuditor(config.session_id or new_session_id())
        plan = SessionPlan(
            session_id=auditor.session_id,
            mode=Mode.PAPER,
            venue=feed.venue,
            source=source,
            strategy=configure(source.cls, {}),
            place=store_place(config.store, shared=config.shared),
            plugins=load_plugins(plugin_choice(config)),
            start_ns=clock.now_ns(),
            auditor=auditor,
            about={
                "wire_format": None if config.wire_format == "auto" else config.wire_format,
                "url": feed.endpoint.address,
            },
        )
        stats = _RecordStats(plan.engine(), told=config.told)
        return cls(config, clock, feed, auditor, plan, stats)

    async def drive(self, shell: Shell) -> str:
        """Process the feed's items until there is a reason to end; return the reason."""
        config, feed, clock = self.config, self.feed, self.clock
        flusher = SegmentCloser(shell, clock, config.flush, config.flush_seconds, config.flushed)
        teller = FiguresTeller(shell, clock, feed)
        end_ns = None
        if config.seconds is not None:
            end_ns = clock.monotonic_ns() + int(config.seconds * NS_PER_S)
        return await drive_live(
            shell,
            feed,
            clock,
            flusher,
            lambda: self._ended(end_ns),
            after=lambda: self._after(shell, teller),
        )

    def _after(self, shell: Shell, teller: FiguresTeller) -> None:
        """Store and show what the link has to say, and give plugins the figures of the session."""
        teller.look()
        login = self.feed.supervisor.login
        while login is not None and login.notices:
            record = SystemEvent.of("link.notice", "warning", login.notices.popleft())
            document = Document.of_session(record, shell.engine.now_ns)
            shell.note(document)
            if self.config.told is not None:
                self.config.told(document)

    def _ended(self, end_ns: int | None) -> str | None:
        """Return why the recording must end now, None if it continues."""
        config = self.config
        if config.stop.reason is not None:
            return f"stopped: {config.stop.reason}"
        if config.games is not None and self.auditor.counts.games >= config.games:
            return "games recorded"
        if end_ns is not None and self.clock.monotonic_ns() >= end_ns:
            return "time is over"
        return None

    def report(
        self, shell: Shell, ended: str, seconds: float, recovered: list[str]
    ) -> RecordReport:
        """Return the result of the recording."""
        plan, stats, counts, link = self.plan, self.stats, self.auditor.counts, self.feed.counts
        found, expected = self.auditor.wire_format, plan.header["wire_format"]
        return RecordReport(
            session_id=plan.session_id,
            venue=plan.venue,
            store=plan.place.shown,
            journal=str(shell.journal.directory),
            ended=ended,
            seconds=round(seconds, 3),
            games=counts.games,
            games_verified=counts.verified,
            games_failed=counts.failed,
            games_unverified=counts.unverified,
            games_missed=counts.missed,
            ticks=stats.ticks,
            backfilled=stats.backfilled,
            missing_ticks=counts.missing_ticks,
            gaps=counts.gaps,
            connections=link.connections,
            reconnects=max(0, link.connections - 1),
            frames=shell.counts.inbound,
            lost_frames=link.lost_frames,
            quarantined=shell.counts.quarantined,
            unknown_events=shell.counts.unknown_events,
            alerts=counts.alerts,
            failed_games=[game.to_json() for game in self.auditor.failed],
            history_games=counts.history_games,
            sidebet_rows=counts.sidebet_rows,
            format=found,
            format_expected=expected is None or found in (None, expected),
            plugin_errors=dict(sorted(shell.engine.plugin_errors.items())),
            recovered=recovered,
            unfinished=list(shell.unfinished),
        )


async def record_session(config: RecordConfig, clock: Clock | None = None) -> RecordReport:
    """Record a feed until the config's end or its stop flag, and return the report.

    Args:
        config: the venue, the store, and when to end.
        clock: the clock of the session; the machine's if None.

    Raises:
        ConfigError: the address or a setting is wrong.
        InputError: the venue was not reached in as many attempts as the settings allow.
        StoreError: the session exists already, or a write fails.
    """
    clock = clock or SessionClock()
    recording = _Recording.of(config, clock)
    plan, feed = recording.plan, recording.feed
    recovered = (
        recover_store(plan.place.path, skip=plan.session_id, stop=config.stop)
        if config.recover
        else []
    )
    started = clock.monotonic_ns()
    gateway = NoGateway("a recording sends nothing")
    async with host(
        plan, recording.stats, gateway, feed=feed, can_wait=False, stop=config.stop,
        alerts=AlertWishes(config.alert_sinks, config.alerts_config),
    ) as session:  # fmt: skip
        try:
            ended = await recording.drive(session.shell)
        except InputError:
            # Nothing failed on our side: the store is complete up to this point.
            await session.shell.end("the venue could not be reached")
            raise
    seconds = (clock.monotonic_ns() - started) / NS_PER_S
    return recording.report(session.shell, ended, seconds, recovered)


__all__ = ["RecordReport", "record_session"]
