"""Episodes as Minari datasets: one for each set, in the folder that ``MINARI_DATASETS_PATH`` names.

Needs the extra ``rl``. Observations and actions are vectors of doubles in the order of the columns; null is
0 and a flag is 0 or 1. Amounts are lamports, which doubles hold exactly. Infos have the same keys in every
step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from vectra_bot.analysis.episodes.columns import ACTION, NEXT, OBSERVATION
from vectra_bot.analysis.episodes.fold import Episode
from vectra_bot.analysis.episodes.tables import episode_row, steps_of
from vectra_bot.errors import InputError, UsageError
from vectra_bot.fsio import files

TOGETHER: Final = 50
"""Episodes that are kept in memory before they are written."""

INFOS: Final = ("equity_lamports", "tick")
EXACT: Final = 2**53
"""Doubles hold whole numbers exactly below this."""

_FORMAT: Final = "arrow"


def dataset_id(name: str) -> str:
    """Return the id with which Minari loads the set *name*."""
    return f"{name}-v0"


def required() -> tuple[Any, Any]:
    """Return Minari's storage class and Gymnasium.

    Raises:
        UsageError: they are not installed.
    """
    try:
        gymnasium = import_module("gymnasium")
        import_module("minari.dataset._storages.arrow_storage")
        return import_module("minari.dataset.minari_storage").MinariStorage, gymnasium
    except ImportError as error:
        raise UsageError(
            f"--format minari needs {error.name or error}: pip install 'vectra-bot[rl]'"
        ) from error


@define
class MinariWriter:
    """Writes the episodes of one set, a few at a time; :meth:`close` writes the rest."""

    folder: Path
    name: str
    about: str
    episodes: int = 0
    steps: int = 0
    _storage: Any = None
    _waiting: list[Episode] = field(factory=list)

    def add(self, episode: Episode) -> None:
        """Add an episode."""
        self._waiting.append(episode)
        if len(self._waiting) >= TOGETHER:
            self._flush()

    def close(self) -> None:
        """Write what is left; a set without an episode has no dataset."""
        if self._waiting:
            self._flush()
        if self._storage is not None:
            size = type(self._storage).get_size(self._storage)
            self._storage.update_metadata({"dataset_size": float(size)})

    def _flush(self) -> None:
        with files.store_errors(f"cannot write {self.folder}"):
            storage = self._storage or self._created()
            buffers = [_buffer(episode) for episode in self._waiting]
            first = self.episodes
            storage.update_episodes(buffers)
            self.episodes += len(buffers)
            self.steps += sum(len(episode.rewards) for episode in self._waiting)
            metadata = [_metadata(episode) for episode in self._waiting]
            storage.update_episode_metadata(metadata, range(first, self.episodes))
        self._waiting = []

    def _created(self) -> Any:
        storage_type, gymnasium = required()
        import minari
        import numpy as np

        path = self.folder / dataset_id(self.name) / "data"
        path.mkdir(parents=True)
        size = len(OBSERVATION)
        box = gymnasium.spaces.Box
        self._storage = storage = storage_type.new(
            path,
            observation_space=box(-np.inf, np.inf, (size,), np.float64),
            action_space=box(0.0, np.inf, (len(ACTION),), np.float64),
            data_format=_FORMAT,
        )
        storage.update_metadata(
            {
                "dataset_id": dataset_id(self.name),
                "minari_version": minari.__version__,
                "algorithm_name": "strategies of vectra-bot",
                "author": {"vectra-bot"},
                "description": self.about,
                "observation_names": [column.name for column in OBSERVATION],
                "action_names": [column.name for column in ACTION],
                "reward_unit": "lamports",
            }
        )
        # Minari adds up the sizes of all files after each episode: n^2 time. close() does it once.
        storage.get_size = lambda: 0.0
        return storage


def _doubles(columns: Sequence[Sequence[Any]]) -> Any:
    """Return columns as an array with a row for each step.

    Raises:
        InputError: a whole number is too large for a double.
    """
    import numpy as np

    for values in columns:
        largest = max((abs(v) for v in values if isinstance(v, int)), default=0)
        if largest >= EXACT:
            raise InputError(
                f"an amount was {largest} lamports, which Minari's doubles cannot hold exactly: "
                "give --format parquet"
            )
    rows = [[0.0 if value is None else float(value) for value in values] for values in columns]
    return np.array(rows, dtype=np.float64).T.copy()


def _buffer(episode: Episode) -> Any:
    import numpy as np
    from minari.data_collector.episode_buffer import EpisodeBuffer

    columns = steps_of(episode)
    seen = list(zip(*episode.observations, strict=True))
    place = {column.name: index for index, column in enumerate(OBSERVATION)}
    return EpisodeBuffer(
        observations=_doubles(seen),
        actions=_doubles([columns[column.name] for column in ACTION]),
        rewards=_doubles([columns["reward"]])[:, 0],
        terminations=np.array(columns["terminated"]),
        truncations=np.array(columns["truncated"]),
        infos={
            "equity_lamports": list(seen[place["obs_equity"]]),
            "tick": list(seen[place["obs_tick"]]),
        },
    )


def _metadata(episode: Episode) -> dict[str, Any]:
    """Return the episode's record; amounts, which JSON has no exact type for, and times as text."""
    row = episode_row(episode)
    found: dict[str, Any] = {
        key: value if value is None or isinstance(value, bool | int | str) else str(value)
        for key, value in row.items()
    }
    found["actions"] = [[step, action.action_id] for step, action in episode.actions]
    return found


def read_steps(folder: Path, name: str) -> Iterator[tuple[dict[str, Any], dict[str, list[Any]]]]:
    """Yield the record and the step columns of each episode of the set *name*, for the leak check.

    Raises:
        InputError: Minari cannot read it.
    """
    storage_type, _ = required()
    path = folder / dataset_id(name) / "data"
    try:
        storage = storage_type.read(path)
        for index in range(storage.total_episodes):
            (metadata,) = storage.get_episode_metadata([index])
            (episode,) = storage.get_episodes([index])
            yield metadata, _columns(metadata, episode)
    except (OSError, ValueError, KeyError, AssertionError) as error:
        raise InputError(f"{path} cannot be read: {type(error).__name__}: {error}") from error


def _columns(metadata: dict[str, Any], episode: dict[str, Any]) -> dict[str, list[Any]]:
    seen, asked = episode["observations"], episode["actions"]
    count = len(asked)
    found: dict[str, list[Any]] = {
        "episode_id": [metadata["episode_id"]] * count,
        "game_id": [metadata["game_id"]] * count,
        "step": list(range(count)),
    }
    for index, column in enumerate(OBSERVATION):
        values = [_typed(column.name, value) for value in seen[:, index].tolist()]
        found[column.name], found[NEXT + column.name] = values[:-1], values[1:]
    for index, column in enumerate(ACTION):
        found[column.name] = asked[:, index].tolist()
    found["reward"] = episode["rewards"].tolist()
    found["terminated"] = episode["terminations"].tolist()
    found["truncated"] = episode["truncations"].tolist()
    return found


def _typed(name: str, value: float) -> Any:
    """Return a value as the Parquet table has it; a volatility of 0 is null there."""
    return None if name == "obs_volatility" and value == 0 else value
