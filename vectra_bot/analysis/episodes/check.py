"""The leak check of a dataset that was written: what its files say, without the store."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from attrs import field, frozen

from vectra_bot.analysis.episodes.card import CARD, FORMATS
from vectra_bot.analysis.episodes.leaks import Leak, LeakCheck, by_episode
from vectra_bot.analysis.episodes.minari_format import dataset_id, read_steps
from vectra_bot.analysis.episodes.split import NAMES
from vectra_bot.analysis.episodes.tables import RETURN, STARTED, schema_of
from vectra_bot.errors import InputError
from vectra_bot.game.amounts import to_lamports


@frozen
class Checked:
    """What the check of a dataset came to."""

    games: int
    episodes: int
    rows: int
    tests: int
    leaks: list[Leak] = field(factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the figures, and each leak with its column."""
        return {
            "ok": not self.leaks,
            "games": self.games,
            "episodes": self.episodes,
            "rows": self.rows,
            "tests": self.tests,
            "leaks": [{"column": leak.column, "message": leak.message} for leak in self.leaks],
        }


def check_folder(folder: Path) -> Checked:
    """Check the dataset in *folder*, of whatever kind its card says.

    Raises:
        InputError: it is not a dataset, or a file cannot be read.
        UsageError: it is one of Minari, which is not installed.
    """
    try:
        card = json.loads((folder / CARD).read_bytes())
        form, kind = card["format"], card["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder} is not a dataset: it has no {CARD} that can be read") from None
    if form not in FORMATS:
        raise InputError(f"{folder / CARD}: format was {form!r}: known are {', '.join(FORMATS)}")
    return check_dataset(folder, form, imitation=kind == "imitation")


def check_dataset(folder: Path, form: str, *, imitation: bool = False) -> Checked:
    """Check the files of a dataset.

    Raises:
        InputError: a file cannot be read.
    """
    files = _Files(folder, LeakCheck())
    if imitation:
        files.check_trades()
    elif form == "minari":
        files.check_minari()
    else:
        files.check_parquet()
    found = [*files.leaks, *files.check.finish()]
    return Checked(files.check.games, files.episodes, files.rows, files.check.tests, found)


class _Files:
    """Reads the files of a dataset into a check."""

    def __init__(self, folder: Path, check: LeakCheck) -> None:
        self.folder, self.check = folder, check
        self.leaks: list[Leak] = []
        self.episodes = self.rows = 0

    def check_minari(self) -> None:
        for name in NAMES:
            if (self.folder / dataset_id(name)).is_dir():
                for record, steps in read_steps(self.folder, name):
                    self._episode(name, record, steps)

    def check_parquet(self) -> None:
        for name in NAMES:
            records: dict[str, dict[str, Any]] = {}
            for columns in self._groups(name, "episodes"):
                for values in zip(*columns.values(), strict=True):
                    record = dict(zip(columns, values, strict=True))
                    records[record["episode_id"]] = record
            for columns in self._groups(name, "steps"):
                for steps in by_episode(columns):
                    record = records.pop(steps["episode_id"][0], {})
                    if record:
                        self._episode(name, record, steps)
                    else:
                        self._note(
                            "episode_id", f"{name} has steps without a row in episodes.parquet"
                        )
            for episode in records:
                self._note("episode_id", f"{name} has no steps of episode {episode}")

    def _episode(self, name: str, record: dict[str, Any], steps: dict[str, list[Any]]) -> None:
        self.episodes += 1
        self.rows += len(steps["reward"])
        self.check.place(name, record["game_id"], record[STARTED])
        self.check.add(steps)
        if record["game_id"] != steps["game_id"][0]:
            self._note("game_id", f"is not that of episode {record['episode_id']}")
        if sum(steps["reward"]) != record[RETURN] or record[RETURN] != record_pnl(record):
            self._note("reward", f"does not add up to the profit of episode {record['episode_id']}")

    def check_trades(self) -> None:
        """Check trades: their order, and that each has the market at its tick or before."""
        for name in NAMES:
            numbers: Counter[tuple[str, str]] = Counter()
            for columns in self._groups(name, "trades"):
                for values in zip(*columns.values(), strict=True):
                    self.rows += 1
                    row = dict(zip(columns, values, strict=True))
                    key = (row["game_id"], row["player_id"])
                    self.check.place(name, row["game_id"], row[STARTED])
                    if row["number"] != numbers[key]:
                        self._note("number", f"is not 0, 1, 2 ... in game {row['game_id']}")
                    numbers[key] = row["number"] + 1
                    if row["obs_tick"] > row["action_tick"]:
                        self._note("obs_tick", f"is after the trade in game {row['game_id']}")
                    if not row["obs_low"] <= row["obs_price"] <= row["obs_peak"]:
                        self._note("obs_price", f"is not from low to peak in game {row['game_id']}")

    def _note(self, column: str, message: str) -> None:
        if all(leak.column != column for leak in self.leaks):
            self.leaks.append(Leak(column, message))

    def _groups(self, name: str, table: str) -> Iterator[dict[str, list[Any]]]:
        """Yield the row groups of a table by column, if it has the documented columns."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path, known = self.folder / name / f"{table}.parquet", schema_of(table)
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                found = file.schema_arrow
                for column in found.names:
                    if column not in known.names:
                        self.leaks.append(
                            Leak(column, f"is not a documented column of {table}.parquet")
                        )
                for column in known:
                    if (
                        column.name not in found.names
                        or found.field(column.name).type != column.type
                    ):
                        raise InputError(
                            f"{path}: column {column.name} is missing or not {column.type}: export it again"
                        )
                for number in range(file.num_row_groups):
                    yield file.read_row_group(number, columns=known.names).to_pydict()
        except (OSError, ValueError, pa.ArrowException) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error


def record_pnl(record: dict[str, Any]) -> int:
    """Return ``final_pnl`` of a row of episodes in lamports."""
    return to_lamports(Decimal(str(record["final_pnl"])))
