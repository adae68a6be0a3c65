"""A journal compared with its own commands: its inputs run through a new engine with the strategy.

A journal is data. The strategy that it names runs only if it is installed and its source is the one that
ran, or if the caller names it; a plugin's hooks run only if it wants replays, and the vetoes of the others
are read from the journal. Nothing is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
from attrs import define, field, frozen

from vectra_bot.engine import Engine
from vectra_bot.journal import Entry, JournalReader, read_header, read_journal
from vectra_bot.loading import resolve_strategy
from vectra_bot.loading.recorded import RecordedPlugins, load_recorded
from vectra_bot.models import Command, PlayerAction, SendResult
from vectra_bot.plugins import hookimpl
from vectra_bot.serde import canonical_json, command_to_json
from vectra_bot.session.header import (
    SessionPlan,
    engine_of,
    plugin_entries_of,
    profile_of,
    source_changed,
    unrecorded,
    why_not_run,
)
from vectra_bot.session.recovery.killed import closed_by_recovery, event_of, is_recovery
from vectra_bot.session.shell import command_digest
from vectra_bot.strategy import Strategy
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
        equal: whether they are the same; None if nothing was replayed.
        sha256: over the replayed commands in canonical JSON, one a line.
        first_difference: where they differ first, None if they do not.
        clean: whether the journal was closed.
        torn: whether its end is truncated.
        command_log: the replayed commands in canonical JSON, in order.
        not_checked: why no strategy was run, empty if one was.
        plugin_notes: how the plugins differ from those that ran, one line each.
    """

    journal: str
    session_id: str
    strategy: str
    source_changed: bool
    inputs: int
    commands: int
    recorded: int
    equal: bool | None
    sha256: str
    first_difference: Divergence | None
    clean: bool
    torn: bool
    command_log: list[str]
    not_checked: str = ""
    plugin_notes: tuple[str, ...] = ()

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

    def name_missing(self, secrets: list[str]) -> None:
        """Say of a difference that it may come from *secrets*, which the journal does not contain."""
        if self.difference is not None and secrets:
            name = secrets[0]
            self.difference = attrs.evolve(
                self.difference,
                reason=f"{self.difference.reason}; the journal does not contain the secret {name!r}: "
                f"give --set {name}=env:NAME if decisions depend on it",
            )

    @property
    def sha256(self) -> str:
        return str(self._sha.hexdigest())


def check_journal(
    path: Path | str,
    strategy: str | type[Strategy] | None = None,
    secrets: Mapping[str, Any] | None = None,
    plugins: Iterable[Any] = (),
) -> ReplayCheck:
    """Replay a journal and compare its commands, as ``vectra-bot replay --check`` does.

    A journal is data: the strategy that it names runs only if it is installed and its source is unchanged.

    Args:
        path: a journal's folder, or one journal file.
        strategy: the strategy to run; the one that the journal names if None.
        secrets: the strategy's secret parameters, which are not in the journal. They are needed if its
            decisions depend on them.
        plugins: plugins of the session that are not installed, as ``./file.py[:Class]``, ``module:Class`` or
            classes; without one its vetoes are read from the journal.

    Returns:
        The comparison; ``equal`` says whether the replay decided the same. If no strategy was run, it is None
        and ``not_checked`` says why.

    Raises:
        InputError: there is no journal, or the strategy cannot be loaded.
        JournalError: it is corrupt.
        ConfigError: a parameter of *secrets* is not a secret of the session.
        UnknownNameError: the session had no such plugin.
        UnknownNameError, StrategyError, ConfigError, PluginError: the strategy, or a plugin that wants
            replays, cannot be created.
    """
    path = Path(path).expanduser()
    header = read_header(path)
    if strategy is None and (why := why_not_run(header)):
        return _unchecked(path, header, why)
    source = resolve_strategy(header["strategy"]["spec"] if strategy is None else strategy)
    found = _plugins_of(path, header, plugins)
    engine = engine_of(header, source, found.manager, secrets)
    check = _Check(engine, profile_of(header))
    reader = check.read(path)
    check.name_missing([name for name in unrecorded(header) if name not in (secrets or {})])
    return ReplayCheck(
        journal=str(path),
        session_id=header["session_id"],
        strategy=header["strategy"]["name"],
        source_changed=source_changed(header, source),
        inputs=check.inputs,
        commands=len(check.replayed),
        recorded=check.recorded,
        equal=check.difference is None,
        sha256=check.sha256,
        first_difference=check.difference,
        clean=reader.clean,
        torn=reader.torn,
        command_log=[canonical_json(command_to_json(command)) for command in check.replayed],
        plugin_notes=found.notes,
    )


def _unchecked(path: Path, header: dict[str, Any], why: str) -> ReplayCheck:
    with closing(read_journal(path)) as reader:
        recorded = sum(entry.kind == "intent" for entry in reader)
    return ReplayCheck(
        journal=str(path),
        session_id=str(header.get("session_id", "")),
        strategy=str(header["strategy"]["name"]),
        source_changed=False,
        inputs=0,
        commands=0,
        recorded=recorded,
        equal=None,
        sha256=hashlib.sha256().hexdigest(),
        first_difference=None,
        clean=reader.clean,
        torn=reader.torn,
        command_log=[],
        not_checked=f"{why}; give --strategy NAME|FILE to choose the one to run",
    )


def _plugins_of(
    path: Path, header: Mapping[str, Any], given: Iterable[Any] = ()
) -> RecordedPlugins:
    """Return the plugins of a session that run again, and one with the vetoes of the others."""
    found = load_recorded(plugin_entries_of(header), given)
    others = [f"plugin.{name}:" for name in found.absent]
    if others:
        with closing(read_journal(path)) as journal:
            vetoes = _JournaledVetoes(dict(_vetoes(journal, tuple(others))))
        found.manager.register("(journal)", vetoes)
    return found


@frozen
class _JournaledVetoes:
    """The vetoes that plugins gave in the session, by action."""

    reasons: dict[str, str]

    @hookimpl
    def review_action(self, action: PlayerAction) -> str | None:
        return self.reasons.get(action.action_id)


def _vetoes(journal: Iterable[Entry], plugins: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the actions that *plugins* denied, and why."""
    for entry in journal:
        if entry.kind == "doc" and b'"DENIED"' in entry.payload:
            record = entry.document().record
            outcome = getattr(record, "outcome", None)
            if outcome is not None and (outcome.error_reason or "").startswith(plugins):
                yield record.action_id, outcome.error_reason


def decides_otherwise(path: Path, plan: SessionPlan, given: Iterable[Any]) -> Divergence | None:
    """Return where the strategy of *plan* decides otherwise than the journal of its session, None if nowhere.

    *given* has the plugins of the session that are not installed.

    Raises:
        JournalError: the journal is corrupt.
    """
    header = read_header(path)
    check = _Check(plan.engine(_plugins_of(path, header, given).manager), profile_of(header))
    check.read(path)
    return check.difference
