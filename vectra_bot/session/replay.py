"""Replaying: a recording or a journal through a strategy, and a journal compared with its own commands.

``check_journal`` rebuilds the engine from the journal's header, feeds it the journal's inputs and compares
its decisions with the recorded ones. ``replay_session`` runs a strategy over a recording and stores the
result as a new session; nothing is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import attrs
from attrs import define, field, frozen

from vectra_bot.audit.auditor import FairAuditor
from vectra_bot.engine import Engine
from vectra_bot.errors import InputError, JournalError
from vectra_bot.journal import Entry, JournalReader, read_header, read_journal
from vectra_bot.loading import resolve_strategy
from vectra_bot.models import (
    ClockAdvanced,
    Command,
    ConnectionChanged,
    Mode,
    SendResult,
)
from vectra_bot.plugins import PluginManager
from vectra_bot.report.session import Report, SessionTally, assumed_rounds
from vectra_bot.serde import canonical_json, command_to_json
from vectra_bot.session.config import ReplayConfig
from vectra_bot.session.header import (
    SessionPlan,
    engine_of,
    new_session_id,
    profile_of,
    rounds_of,
    source_changed,
)
from vectra_bot.session.hosting import host
from vectra_bot.session.recovery import closed_by_recovery, event_of, is_recovery
from vectra_bot.session.shell import NoGateway, Shell, command_digest
from vectra_bot.store.api import store_place
from vectra_bot.strategy import configure
from vectra_bot.venues.base import FeedItem
from vectra_bot.venues.captures import parse_offset
from vectra_bot.venues.replay import CaptureFeed, detect_recording
from vectra_bot.wire.profile import Profile


@frozen(kw_only=True)
class Divergence:
    """The first difference between replay and journal; None is for no command."""

    index: int
    tick: int | None
    game_id: str | None
    recorded: dict[str, Any] | None
    replayed: dict[str, Any] | None
    reason: str


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


@frozen(kw_only=True)
class ReplayCheck:
    """A journal's commands compared with those of a replay.

    Attributes:
        journal: the journal's folder or file.
        session_id: the journal's session.
        strategy: name of its strategy.
        source_changed: whether a module of the strategy differs from the one that ran.
        inputs: inputs that were replayed.
        commands: commands that the replay decided.
        recorded: commands that the journal has.
        equal: whether they are the same.
        sha256: over the replayed commands in canonical JSON, one a line.
        first_difference: where they differ first, None if they do not.
        clean: whether the journal was closed.
        torn: whether its end is truncated.
        command_log: the replayed commands in canonical JSON, in order.
    """

    journal: str
    session_id: str
    strategy: str
    source_changed: bool
    inputs: int
    commands: int
    recorded: int
    equal: bool
    sha256: str
    first_difference: Divergence | None
    clean: bool
    torn: bool
    command_log: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON-ready data."""
        return attrs.asdict(self)


@define
class _Check:
    """Compares replayed commands with recorded ones in the order of the journal."""

    engine: Engine
    profile: Profile
    replayed: list[Command] = field(factory=list)
    recorded: int = 0
    difference: Divergence | None = None
    source_changed: bool = False
    inputs: int = 0
    last_effects: int = 0
    recovered: bool = False
    _sha: Any = field(factory=hashlib.sha256)
    _unsent: dict[str, tuple[int, Command]] = field(factory=dict)

    def read(self, path: Path) -> JournalReader:
        """Process a whole journal, and return its reader."""
        with closing(read_journal(path)) as reader:
            for entry in reader:
                self.take(entry)
        self.finish(clean=reader.clean)
        return reader

    def take(self, entry: Entry) -> None:
        """Process one entry of the journal."""
        if entry.kind == "intent":
            self._recorded(entry.command())
            return
        if entry.kind == "close":
            self.recovered = closed_by_recovery(entry.data.get("reason", ""))
        event = event_of(entry, self.profile)
        if event is None:
            return
        self.inputs += 1
        if isinstance(event, SendResult):
            self._sent(event)
        elif is_recovery(event):
            self._unsent.clear()
        else:
            self._all_sent()
        self.last_effects = 0
        for effect in self.engine.process(event):
            if isinstance(effect, Command):
                self.last_effects += 1
                self._replayed(effect)

    def _replayed(self, command: Command) -> None:
        self._unsent[command.action_id] = (len(self.replayed), command)
        self.replayed.append(command)
        self._sha.update(canonical_json(command_to_json(command)).encode() + b"\n")

    def _recorded(self, command: Command) -> None:
        index, self.recorded = self.recorded, self.recorded + 1
        mine = self.replayed[index] if index < len(self.replayed) else None
        if mine != command:
            self._differ(index, command, mine, "the replay decided differently")

    def _sent(self, result: SendResult) -> None:
        """Compare what was sent with what was decided; this also works without recorded intents."""
        known = self._unsent.pop(result.action_id, None)
        if result.command_sha256 is None:
            return
        if known is None:
            reason = f"action {result.action_id} was sent, not decided"
            self._differ(len(self.replayed), None, None, reason)
        elif command_digest(known[1]) != result.command_sha256:
            index, command = known
            self._differ(index, None, command, "a different command was sent")

    def _all_sent(self) -> None:
        """Check that every decided command was sent or reported as not sent before the next input."""
        for index, command in self._unsent.values():
            self._differ(index, None, command, "the journal does not record that it was sent")
        self._unsent.clear()

    def _differ(
        self, index: int, recorded: Command | None, replayed: Command | None, reason: str
    ) -> None:
        known = replayed or recorded
        if self.difference is None:
            self.difference = Divergence(
                index=index,
                tick=known.tick if known else self.engine.game.tick,
                game_id=known.game_id if known else self.engine.game.game_id,
                recorded=command_to_json(recorded) if recorded else None,
                replayed=command_to_json(replayed) if replayed else None,
                reason=reason,
            )

    def finish(self, *, clean: bool) -> None:
        """Find commands that were decided but never recorded or never sent.

        A journal truncated by a kill may lack the intents of its last input and their outcomes, and a copy
        without any intents has none to compare.
        """
        clean = clean and not self.recovered
        if clean:
            self._all_sent()
        if not self.recorded or self.recorded >= len(self.replayed):
            return
        lacking = len(self.replayed) - self.recorded
        if clean or lacking > self.last_effects:
            index = self.recorded
            self._differ(index, None, self.replayed[index], "the replay has an extra command")

    @property
    def sha256(self) -> str:
        return str(self._sha.hexdigest())


def check_journal(path: Path | str) -> ReplayCheck:
    """Replay a journal and compare its commands, as ``vectra-bot replay --check`` does.

    Args:
        path: a journal's folder, or one journal file.

    Returns:
        The comparison; ``equal`` says whether the replay decided the same.

    Raises:
        InputError: there is no journal.
        JournalError: it is corrupt.
    """
    path = Path(path).expanduser()
    header = read_header(path)
    engine, source = engine_of(header)
    check = _Check(engine, profile_of(header))
    check.source_changed = source_changed(header, source)
    reader = check.read(path)
    return ReplayCheck(
        journal=str(path),
        session_id=header["session_id"],
        strategy=header["strategy"]["name"],
        source_changed=check.source_changed,
        inputs=check.inputs,
        commands=len(check.replayed),
        recorded=check.recorded,
        equal=check.difference is None,
        sha256=check.sha256,
        first_difference=check.difference,
        clean=reader.clean,
        torn=reader.torn,
        command_log=[canonical_json(command_to_json(command)) for command in check.replayed],
    )


def decides_otherwise(path: Path, engine: Engine) -> Divergence | None:
    """Return where a new *engine* of a journal's session decides otherwise than the journal, None if nowhere.

    Raises:
        JournalError: the journal is corrupt.
    """
    check = _Check(engine, profile_of(read_header(path)))
    check.read(path)
    return check.difference


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
                    if isinstance(event, ClockAdvanced | ConnectionChanged):
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
        return check_journal(config.path)
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
    async with host(
        plan, tally, NoGateway(), feed=feed, drop_for=unusable, stop=config.stop
    ) as session:
        ended, local = await _play(session.shell, feed)
    session.raise_failure()
    warnings = feed.warnings if isinstance(feed, CaptureFeed) else []
    return _result(session.shell, auditor, local, session.report(ended), warnings)


def _plan(
    config: ReplayConfig, feed: CaptureFeed | JournalFeed, auditor: FairAuditor
) -> SessionPlan:
    """Load everything; nothing is written yet."""
    source = resolve_strategy(config.strategy)
    own_names = feed.profile if isinstance(feed, JournalFeed) else config.protocol
    return SessionPlan(
        session_id=auditor.session_id,
        mode=Mode.REPLAY,
        venue=feed.venue,
        source=source,
        strategy=configure(source.cls, config.settings),
        place=store_place(config.store),
        plugins=PluginManager.load(
            settings=config.plugins, enable=config.enable_plugins, disable=config.disable_plugins
        ),
        plugin_settings=config.plugins,
        limits=config.limits,
        profile=own_names,
        auditor=auditor,
    )


async def _play(shell: Shell, feed: CaptureFeed | JournalFeed) -> tuple[str, int]:
    """Feed the shell to the end; return how it ended and the number of items that were not frames."""
    ended, local = "", 0
    async with aclosing(aiter(feed)) as items:
        async for item in items:
            local += isinstance(item, ConnectionChanged | ClockAdvanced)
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
    "Divergence",
    "ReplayCheck",
    "ReplayReport",
    "check_journal",
    "open_recording",
    "replay_recording",
    "replay_session",
]
