"""Replaying: a recording or a journal through a strategy, stored as a new session; nothing is sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from vectra_bot.audit.auditor import FairAuditor
from vectra_bot.errors import InputError, JournalError
from vectra_bot.journal import read_header, read_journal
from vectra_bot.loading import resolve_strategy
from vectra_bot.loading.options import plugin_choice
from vectra_bot.loading.plugins import load_plugins
from vectra_bot.models import ClockAdvanced, ConnectionChanged, Frame, Mode, PlayerRequest
from vectra_bot.report.results import Report
from vectra_bot.report.session import SessionTally, assumed_rounds
from vectra_bot.session.check import ReplayCheck, check_journal
from vectra_bot.session.config import WATCH, ReplayConfig
from vectra_bot.session.header import SessionPlan, new_session_id, profile_of, rounds_of
from vectra_bot.session.hosting import host
from vectra_bot.session.shell import NoGateway, Shell
from vectra_bot.store.api import store_place
from vectra_bot.strategy import configure
from vectra_bot.venues.base import Feed, FeedItem, Gateway
from vectra_bot.venues.captures import parse_offset
from vectra_bot.venues.replay import CaptureFeed, detect_recording


@frozen(kw_only=True)
class ReplayReport:
    """What a replay of a recording read, and the report of the session it stored.

    Attributes:
        lines: frames and other entries of the recording: ``inbound + outbound + local``.
        inbound: frames that the venue sent.
        outbound: frames that were sent to the venue.
        local: entries that are not frames: connection changes and clock readings.
        decoded: inbound frames that became events.
        truncated: inbound frames that the recording holds only in part.
        unknown_events: inbound frames of an event that the engine does not use.
        quarantined: inbound frames that could not be decoded.
        by_event: number of inbound frames by the event's name.
        history_games: finished games of the recording's ``gameHistory``, each compared with its seed.
        games_verified: games that ended in the recording and agree with their seed.
        games_failed: games that ended in it and disagree with their seed.
        games_unverified: games that ended in it without showing their seed, or whose law is unknown.
        games_missed: games of which it has no frame, known from the history alone.
        alerts: games, those before the recording included, that disagree with their seed.
        failed_games: the first 100 of them: ``game_id`` and ``message``, the first difference.
        warnings: what is uncertain about the recording's times.
        session: the report of the stored session.
    """

    lines: int
    inbound: int
    outbound: int
    local: int
    decoded: int
    truncated: int
    unknown_events: int
    quarantined: int
    by_event: dict[str, int]
    history_games: int
    games_verified: int
    games_failed: int
    games_unverified: int
    games_missed: int
    alerts: int
    failed_games: list[dict[str, str]]
    warnings: list[str]
    session: Report

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data: the counts, then the keys of the session's report."""
        counts = {f.name: getattr(self, f.name) for f in attrs.fields(ReplayReport)[:-1]}
        return {**counts, **self.session.to_json()}


class JournalFeed:
    """The inputs of a journal as a feed: frames, connection changes and time; what was sent is skipped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        header = read_header(path)
        self.profile = profile_of(header)
        self.rounds = rounds_of(header)
        self._venue = str(header.get("venue", "journal"))

    @property
    def venue(self) -> str:
        """Return the venue of the journal's session."""
        return self._venue

    async def __aiter__(self) -> AsyncGenerator[FeedItem, None]:
        with closing(read_journal(self.path)) as journal:
            for entry in journal:
                if entry.kind == "frame":
                    yield entry.frame()
                elif entry.kind == "input":
                    event = entry.input()
                    if isinstance(event, ClockAdvanced | ConnectionChanged | PlayerRequest):
                        yield event

    async def aclose(self) -> None:
        """Do nothing: the file is closed when its iterator is."""


def open_recording(path: Path, utc_offset: str = "+00:00") -> CaptureFeed | JournalFeed:
    """Return a feed over *path*, a capture or a journal.

    *utc_offset* is the zone of a capture's times that have none.

    Raises:
        InputError: it is neither a capture nor a journal.
        JournalError: the journal has no header.
    """
    if detect_recording(path) == "capture":
        feed = CaptureFeed(path, utc_offset_s=parse_offset(utc_offset))
        feed.check()
        return feed
    return JournalFeed(path)


async def replay_session(config: ReplayConfig) -> ReplayReport | ReplayCheck:
    """Replay a recording and store it as a new session, or compare a journal's commands.

    Args:
        config: the recording, the strategy, the store; ``check`` asks for the comparison.

    Returns:
        :class:`ReplayCheck` if ``config.check`` is set, else :class:`ReplayReport`.

    Raises:
        InputError: the recording cannot be read, or only a journal can be checked.
        JournalError: the journal is corrupt.
        StoreError: the session exists already, or a write fails.
        StrategyError: the strategy raised; the store is complete.
    """
    if config.check:
        if detect_recording(config.path) != "journal":
            raise InputError(
                f"{config.path} is a recording: only a journal has commands to check, give its folder"
            )
        named = None if config.strategy == WATCH else config.strategy
        given = plugin_choice(config).enable
        return check_journal(config.path, named, config.settings, given)
    return await replay_recording(config)


async def replay_recording(config: ReplayConfig) -> ReplayReport:
    """Replay a recording into a new session; see :func:`replay_session`."""
    feed = open_recording(config.path, config.utc_offset)
    auditor = FairAuditor(config.session_id or new_session_id())
    plan = _plan(config, feed, auditor)
    tally = SessionTally(
        plan.engine(), feed.rounds if isinstance(feed, JournalFeed) else assumed_rounds()
    )
    # If a recording turns out to be invalid, the session of its first half is not kept.
    unusable = (InputError, JournalError)
    played: Feed = feed
    gateway: Gateway = NoGateway()
    desked = None
    if config.paper:
        from vectra_bot.session.paper import PaperParts

        desked = PaperParts.on_recording(config, feed, plan)
        played, gateway = desked.feed, desked.gateway
    async with host(
        plan, tally, gateway, feed=played, drop_for=unusable, stop=config.stop
    ) as session:
        ended, local = await _play(session.shell, played)
    session.raise_failure()
    warnings = feed.warnings if isinstance(feed, CaptureFeed) else []
    if desked is not None:
        warnings = [*warnings, *desked.warnings()]
    return _result(session.shell, auditor, local, session.report(ended), warnings)


def _plan(
    config: ReplayConfig, feed: CaptureFeed | JournalFeed, auditor: FairAuditor
) -> SessionPlan:
    """Load everything; nothing is written yet.

    Raises:
        PluginError: a plugin that was asked for does not want replays.
    """
    source = resolve_strategy(config.strategy)
    own_names = feed.profile if isinstance(feed, JournalFeed) else config.protocol
    return SessionPlan(
        session_id=auditor.session_id,
        mode=Mode.REPLAY,
        venue=feed.venue,
        source=source,
        strategy=configure(source.cls, config.settings),
        place=store_place(config.store, shared=config.shared),
        plugins=load_plugins(plugin_choice(config, sinks=False), replay=True),
        limits=config.limits,
        profile=own_names,
        auditor=auditor,
    )


async def _play(shell: Shell, feed: Feed) -> tuple[str, int]:
    """Feed the shell to the end; return how it ended and the number of items that were not frames."""
    ended, local = "", 0
    async with aclosing(aiter(feed)) as items:
        async for item in items:
            local += not isinstance(item, Frame)
            await shell.take(item)
            if ended := shell.reason_to_end():
                break
    ended = ended or "recording ended"
    await shell.end(ended)
    return ended, local


def _result(
    shell: Shell, auditor: FairAuditor, local: int, report: Report, warnings: list[str]
) -> ReplayReport:
    counts, games = shell.counts, auditor.counts
    return ReplayReport(
        lines=counts.inbound + counts.outbound + local,
        inbound=counts.inbound,
        outbound=counts.outbound,
        local=local,
        decoded=counts.decoded,
        truncated=counts.truncated,
        unknown_events=counts.unknown_events,
        quarantined=counts.quarantined,
        by_event=dict(sorted(counts.by_event.items())),
        history_games=games.history_games,
        games_verified=games.verified,
        games_failed=games.failed,
        games_unverified=games.unverified,
        games_missed=games.missed,
        alerts=games.alerts,
        failed_games=[game.to_json() for game in auditor.failed],
        warnings=warnings,
        session=report,
    )


__all__ = [
    "ReplayCheck",
    "ReplayReport",
    "check_journal",
    "open_recording",
    "replay_recording",
    "replay_session",
]
