"""The page of datasets: every column of every table with its type, unit and meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from generate_text import table

from vectra_bot.analysis.episodes.columns import (
    ACTION,
    ACTION_IDS,
    ACTIONS,
    END,
    KEYS,
    OBSERVATION,
    REWARD,
    TRADES,
    TableColumn,
)
from vectra_bot.analysis.episodes.tables import EXTRA

_HEADER = ("column", "type", "unit", "meaning")


def datasets_page() -> Iterator[str]:
    """Every column."""
    yield "# Columns of datasets\n"
    yield "What `vectra-bot export` writes; [Datasets](../datasets.md) says how to use it. Whole numbers are"
    yield "64 bits. Amounts are lamports (1e-9 SOL), quantities 1e-9 units, ticks 250 ms.\n"
    yield "## steps.parquet\n"
    yield "One row for each step. A step is the presale, then each live tick that was received in time.\n"
    yield from _rows((*KEYS, *OBSERVATION))
    yield "What the bot asked for after the tick and before the next one, in the same row; actions that our"
    yield "own limits denied are not in these columns.\n"
    yield from _rows((*ACTION, ACTION_IDS))
    yield "What followed. `next_obs_...` are the columns of the observation after the step, of the last step"
    yield "those at the end of the game.\n"
    yield from _rows((REWARD, *END))
    yield "## actions.parquet\n"
    yield "One row for each action; `later_` marks what is known after its step.\n"
    yield from _rows(ACTIONS)
    yield "## episodes.parquet\n"
    yield "The columns of [`ml_episode`](records.md#ml_episode) in the store, in SOL, then:\n"
    yield from _rows(EXTRA)
    yield "## trades.parquet\n"
    yield "With `--imitation`: one row for each trade of another player that was seen.\n"
    yield from _rows(TRADES)
    yield "## Minari\n"
    yield "Observations are the `obs_` columns of steps.parquet as a vector of doubles, in the order above,"
    yield "actions the `action_` columns before `action_ids`, rewards lamports; null is 0. Infos are"
    yield "`equity_lamports` and `tick`. The metadata of an episode has the columns of episodes.parquet and"
    yield "`actions`, a list of step and action id; that of the dataset has `observation_names` and"
    yield "`action_names`."


def _rows(columns: Iterable[TableColumn]) -> Iterator[str]:
    return table(
        _HEADER,
        (
            (f"`{c.name}`", f"{c.kind} or null" if c.optional else c.kind, c.unit, c.meaning)
            for c in columns
        ),
    )
