"""Parquet tables of a dataset: schemas with units and meanings, rows from episodes, and their writer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import attrs
from attrs import define, field

from vectra_bot.analysis.episodes.columns import (
    ACTION,
    ACTIONS,
    OBSERVATION,
    STEPS,
    TRADES,
    TableColumn,
)
from vectra_bot.analysis.episodes.fold import Episode, action_columns
from vectra_bot.fsio import files
from vectra_bot.game.amounts import to_lamports
from vectra_bot.models import DocType, PlayerAction
from vectra_bot.serde import record_to_row

if TYPE_CHECKING:
    import pyarrow as pa

ROWS: Final = 20_000
"""Rows of a row group, about: an episode is never divided."""

RETURN: Final = "return_lamports"
STARTED: Final = "game_started_ns"
_STARTED: Final = TableColumn(
    STARTED,
    "int",
    "ns since 1970-01-01 UTC",
    "When the first session saw the game; the sets are ordered by it.",
)
EXTRA: Final = (
    _STARTED,
    TableColumn("steps", "int", "count", "Steps of the episode."),
    TableColumn(
        RETURN, "int", "lamports", "Sum of the rewards of its steps: `final_pnl` in lamports."
    ),
    TableColumn("terminated", "bool", "", "Whether the game ended, rather than the session."),
    TableColumn("gaps", "int", "ticks of 250 ms", "Live ticks that were not received in time."),
    TableColumn("joined_late", "bool", "", "Whether the first step is after the game's start."),
    TableColumn(
        "record",
        "text",
        "",
        "`stored`: by the engine, and the documents give the same; `different`: by the engine, and they "
        "do not; `computed`: from the documents, the engine stored none.",
    ),
)
"""Columns of episodes.parquet after those of `ml_episode` in the store."""

TABLES: Final = ("episodes", "steps", "actions")


@cache
def schema_of(table: str) -> pa.Schema:
    """Return the schema of a table, with unit and meaning in the metadata of each field."""
    import pyarrow as pa

    from vectra_bot.store.parquet.schema import fields_of

    given = {"steps": STEPS, "actions": ACTIONS, "episodes": EXTRA, "trades": (*TRADES, _STARTED)}[
        table
    ]
    fields = [_field(column) for column in given]
    if table == "episodes":
        names = {attribute.name for attribute in attrs.fields(_episode_type())}
        stored = [f for f in fields_of(DocType.ML_EPISODE) if f.name in names]
        plain = [
            pa.field(f.name, pa.string()) if pa.types.is_dictionary(f.type) else f for f in stored
        ]
        fields = [*plain, *fields]
    return pa.schema(fields)


def _episode_type() -> Any:
    from vectra_bot.models import MLEpisode

    return MLEpisode


def _field(column: TableColumn) -> pa.Field:
    import pyarrow as pa

    kinds = {
        "bool": pa.bool_(),
        "int": pa.int64(),
        "double": pa.float64(),
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
    }
    about = {"unit": column.unit, "meaning": column.meaning}
    kind = kinds[column.kind]
    return pa.field(column.name, kind, nullable=column.optional, metadata=about)


def steps_of(episode: Episode) -> dict[str, list[Any]]:
    """Return the step columns of an episode."""
    count = len(episode.rewards)
    by_step: list[list[PlayerAction]] = [[] for _ in range(count)]
    for step, action in episode.actions:
        by_step[step].append(action)
    seen = list(zip(*episode.observations, strict=True))
    asked = list(zip(*map(action_columns, by_step), strict=True))
    found: dict[str, list[Any]] = {
        "episode_id": [episode.record.episode_id] * count,
        "game_id": [episode.record.game_id] * count,
        "step": list(range(count)),
    }
    for column, values in zip(OBSERVATION, seen, strict=True):
        found[column.name] = list(values[:-1])
        found[f"next_{column.name}"] = list(values[1:])
    found |= {column.name: list(values) for column, values in zip(ACTION, asked, strict=True)}
    found["action_ids"] = [[action.action_id for action in actions] for actions in by_step]
    found["reward"] = list(episode.rewards)
    found["terminated"] = [*[False] * (count - 1), episode.terminated]
    found["truncated"] = [*[False] * (count - 1), not episode.terminated]
    return found


def episode_row(episode: Episode) -> dict[str, Any]:
    """Return the row of an episode."""
    return {
        **record_to_row(episode.record),
        STARTED: episode.started_ns,
        "steps": len(episode.rewards),
        RETURN: sum(episode.rewards),
        "terminated": episode.terminated,
        "gaps": episode.gaps,
        "joined_late": episode.joined_late,
        "record": episode.source,
    }


def action_rows(episode: Episode) -> list[dict[str, Any]]:
    """Return the rows of an episode's actions."""
    return [_action_row(episode, step, action) for step, action in episode.actions]


def _action_row(episode: Episode, step: int, action: PlayerAction) -> dict[str, Any]:
    outcome = action.outcome
    executed = outcome is not None and outcome.success
    amount = outcome.executed_amount if outcome is not None and executed else None
    price = outcome.executed_price if outcome is not None and executed else None
    return {
        "action_id": action.action_id,
        "episode_id": episode.record.episode_id,
        "step": step,
        "action_type": action.action_type.value,
        "amount": None if action.amount is None else to_lamports(action.amount),
        "percentage": action.percentage,
        "leverage": action.leverage,
        "choice": action.choice,
        "later_state": action.state.value,
        "later_executed_price": None if price is None else float(price),
        "later_executed_amount": None if amount is None else to_lamports(amount),
    }


@define
class TableWriter:
    """Writes one table, a row group at a time; use it as a context manager.

    Attributes:
        path: the file.
        table: name of the table, which gives its schema.
        rows: rows written so far.
    """

    path: Path
    table: str
    rows: int = 0
    _waiting: list[Any] = field(factory=list)
    _held: int = 0
    _writer: Any = None

    def __enter__(self) -> Self:
        import pyarrow.parquet as pq

        with files.store_errors(f"cannot write {self.path}"):
            self._writer = pq.ParquetWriter(
                self.path, schema_of(self.table), compression="zstd", write_page_checksum=True
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with files.store_errors(f"cannot write {self.path}"):
            try:
                if error is None:
                    self._flush()
            finally:
                self._writer.close()

    def add_columns(self, columns: dict[str, list[Any]]) -> None:
        """Add rows by column."""
        import pyarrow as pa

        self._add(pa.table(columns, schema=schema_of(self.table)))

    def add_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows."""
        import pyarrow as pa

        if rows:
            self._add(pa.Table.from_pylist(list(rows), schema=schema_of(self.table)))

    def _add(self, table: pa.Table) -> None:
        self._waiting.append(table)
        self._held += table.num_rows
        self.rows += table.num_rows
        if self._held >= ROWS:
            with files.store_errors(f"cannot write {self.path}"):
                self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            table = pa.concat_tables(self._waiting).combine_chunks()
            self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self._waiting, self._held = [], 0


@define
class ContentHash:
    """SHA-256 over the values of episodes, whatever format they are written in."""

    _digest: Any = field(factory=hashlib.sha256)

    def add(self, texts: Iterable[str]) -> None:
        """Add values, each as a line."""
        for text in texts:
            self._digest.update(text.encode("utf-8", "backslashreplace") + b"\n")

    def add_episode(self, name: str, episode: Episode) -> None:
        """Add an episode of the set *name*."""
        row = [f"{key}={value}" for key, value in sorted(episode_row(episode).items())]
        self.add((name, *row, repr(episode.observations)))
        columns = steps_of(episode)
        rest = [columns[column.name] for column in ACTION]
        self.add((repr(rest), repr(columns["action_ids"]), repr(episode.rewards)))

    def hexdigest(self) -> str:
        """Return the digest of everything added so far."""
        return str(self._digest.hexdigest())
