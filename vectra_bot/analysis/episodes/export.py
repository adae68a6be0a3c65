"""Datasets from a store: train, validation and test sets with a card, written whole or not at all."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import attrs
from attrs import define, field, frozen

from vectra_bot.analysis.episodes.card import CARD, FORMATS, Totals, card_of, readme_of
from vectra_bot.analysis.episodes.check import check_dataset
from vectra_bot.analysis.episodes.fold import Episode
from vectra_bot.analysis.episodes.imitation import TradeSource
from vectra_bot.analysis.episodes.leaks import named
from vectra_bot.analysis.episodes.minari_format import MinariWriter, required
from vectra_bot.analysis.episodes.source import StoreSource
from vectra_bot.analysis.episodes.split import DEFAULT, NAMES, Shares, split_games
from vectra_bot.analysis.episodes.staging import staged
from vectra_bot.analysis.episodes.tables import (
    STARTED,
    TABLES,
    ContentHash,
    TableWriter,
    action_rows,
    episode_row,
    steps_of,
)
from vectra_bot.errors import CheckFailed, InputError, UsageError
from vectra_bot.fsio import files
from vectra_bot.store.query.catalog import Catalog

Progress: TypeAlias = Callable[[str, int, int], object]
"""Called with the name of a step, how much is done, and the total."""

_LICENCE_LENGTH: Final = 200


@frozen
class ExportOptions:
    """What to export.

    Attributes:
        form: ``parquet`` or ``minari``.
        sessions: sessions to read; all if empty.
        shares: how many games each set gets.
        imitation: trades of other players, instead of our episodes.
        force: whether a dataset that exists is replaced.
        licence: licence of the data, for the card; None if it is not known.
    """

    form: str = "parquet"
    sessions: tuple[str, ...] = ()
    shares: Shares = Shares.of(DEFAULT)  # noqa: RUF009 - a constant
    imitation: bool = False
    force: bool = False
    licence: str | None = None


def export_dataset(
    catalog: Catalog,
    out: Path,
    options: ExportOptions,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a dataset to the folder *out* and return its card.

    The same store and options give the same files, byte for byte.

    Raises:
        UsageError: *out* exists and may not be replaced, or a package is not installed.
        UnknownNameError: the store has no such session.
        InputError: there is nothing to export.
        CheckFailed: the leak check found something; nothing was written.
        StoreError: the store cannot be read, or *out* cannot be written.
    """
    _check(options)
    source = StoreSource(catalog, options.sessions)
    with staged(out, force=options.force, replaceable=is_dataset) as folder:
        run = _Export(source, folder, options, progress)
        card = run.trades() if options.imitation else run.episodes()
        _write(folder / CARD, json.dumps(card, indent=2, sort_keys=True) + "\n")
        _write(folder / "README.md", readme_of(card))
    return card


def _check(options: ExportOptions) -> None:
    if options.form not in FORMATS:
        raise UsageError(f"--format was {options.form!r}: give {' or '.join(FORMATS)}")
    if options.imitation and options.form != "parquet":
        raise UsageError(
            "--imitation was given with --format minari: rewards of other players are not known; "
            "give --format parquet"
        )
    if options.licence is not None and len(options.licence) > _LICENCE_LENGTH:
        raise UsageError(
            f"--licence had {len(options.licence)} characters: give at most {_LICENCE_LENGTH}"
        )
    if options.form == "minari":
        required()


def is_dataset(folder: Path) -> bool:
    """Return whether *folder* is a dataset that was exported."""
    try:
        card = json.loads((folder / CARD).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(card, dict) and "content_sha256" in card


def _write(path: Path, text: str) -> None:
    files.write_durably(path, text.encode("utf-8", "backslashreplace"))


@define
class _Export:
    """One export."""

    source: StoreSource
    folder: Path
    options: ExportOptions
    progress: Progress | None
    totals: Totals = field(factory=Totals)
    hash: ContentHash = field(factory=ContentHash)
    acting: Counter[str] = field(factory=Counter)

    def episodes(self) -> dict[str, Any]:
        """Export the episodes of our bot."""
        sessions = self.source.sessions()
        started: dict[str, int] = {}
        for session in sessions:
            for game in self.source.games(session):
                if game.acted:
                    begun = started.get(game.game_id, game.started_ns)
                    started[game.game_id] = min(begun, game.started_ns)
        sets = split_games(started, self.options.shares)
        with self._writers() as writers:
            for number, session in enumerate(sessions, 1):
                for episode in self.source.episodes(session):
                    name = sets.get(episode.record.game_id)
                    if name is not None:  # else its game began after the games were listed
                        self._add(name, episode, started[episode.record.game_id], writers[name])
                self._report("sessions", number, len(sessions))
        if not self.acting:
            where = "the sessions given" if self.options.sessions else self.source.catalog.location
            raise InputError(f"no bot acted in a game of {where}: run a strategy first")
        return self._card(sessions)

    def _add(self, name: str, episode: Episode, started_ns: int, writer: _SetWriter) -> None:
        episode = attrs.evolve(episode, started_ns=started_ns)
        columns = steps_of(episode)
        self.hash.add_episode(name, episode)
        self.totals.add_episode(name, episode, started_ns)
        self.acting[episode.record.session_id] += 1
        writer.add(episode, columns)

    def trades(self) -> dict[str, Any]:
        """Export the trades of other players."""
        source = TradeSource(self.source)
        games = source.games()
        sessions = sorted(set(games.values()))
        started: dict[str, int] = {}
        for session in sessions:
            for game in self.source.games(session):
                if games.get(game.game_id) == session:
                    started[game.game_id] = game.started_ns
        sets = split_games(started, self.options.shares)
        with contextlib.ExitStack() as stack:
            writers = {
                n: stack.enter_context(TableWriter(self._path(n, "trades"), "trades"))
                for n in NAMES
            }
            for number, session in enumerate(sessions, 1):
                mine = {game for game, seen_by in games.items() if seen_by == session} & set(sets)
                for found in source.rows(session, mine):
                    game_id = found[0]["game_id"]
                    name, begun = sets[game_id], started[game_id]
                    rows = [{**row, STARTED: begun} for row in found]
                    self.hash.add(repr(sorted(row.items())) for row in rows)
                    self.totals.add_trades(name, rows, begun)
                    self.acting[session] += len(rows)
                    writers[name].add_rows(rows)
                self._report("sessions", number, len(sessions))
        if not self.acting:
            raise InputError(
                f"no trade of another player in {self.source.catalog.location}: record a feed first"
            )
        self.totals.trades_seen = source.coverage
        return self._card(sessions)

    def _report(self, what: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(what, done, total)

    def _path(self, name: str, table: str) -> Path:
        (self.folder / name).mkdir(exist_ok=True)
        return self.folder / name / f"{table}.parquet"

    @contextlib.contextmanager
    def _writers(self) -> Iterator[dict[str, _SetWriter]]:
        """Yield a writer for each set, and complete them."""
        if self.options.form == "minari":
            about = (
                "Games that a bot played on rugs.fun or on the embedded model of it; see README.md."
            )
            made = {name: MinariWriter(self.folder, name, about) for name in NAMES}
            yield {name: _MinariSet(writer) for name, writer in made.items()}
            for writer in made.values():
                writer.close()
            return
        with contextlib.ExitStack() as stack:
            yield {
                name: _ParquetSet(
                    *(stack.enter_context(TableWriter(self._path(name, t), t)) for t in TABLES)
                )
                for name in NAMES
            }

    def _card(self, sessions: list[str]) -> dict[str, Any]:
        self._report("leak check", 0, 0)
        checked = check_dataset(self.folder, self.options.form, imitation=self.options.imitation)
        if checked.leaks:
            raise CheckFailed(f"the dataset was not written: {named(checked.leaks)}")
        return card_of(
            self.folder,
            self.source,
            self.totals,
            form=self.options.form,
            imitation=self.options.imitation,
            shares=self.options.shares,
            licence=self.options.licence,
            content=self.hash.hexdigest(),
            tests=checked.tests,
            rows_by_session={
                session: self.acting[session] for session in sessions if self.acting[session]
            },
        )


class _SetWriter(Protocol):
    """Writes the episodes of one set."""

    def add(self, episode: Episode, columns: dict[str, list[Any]]) -> None:
        """Write *episode*, whose steps are *columns*."""


@define
class _MinariSet:
    writer: MinariWriter

    def add(self, episode: Episode, columns: dict[str, list[Any]]) -> None:
        self.writer.add(episode)


@define
class _ParquetSet:
    episodes: TableWriter
    steps: TableWriter
    actions: TableWriter

    def add(self, episode: Episode, columns: dict[str, list[Any]]) -> None:
        self.episodes.add_rows([episode_row(episode)])
        self.steps.add_columns(columns)
        self.actions.add_rows(action_rows(episode))
