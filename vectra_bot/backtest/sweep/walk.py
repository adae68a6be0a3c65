"""Walk-forward: the set that was best on all games until then, judged on the next ones.

Imports analysis (intervals) and the results of a sweep; numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from attrs import frozen

from vectra_bot.analysis.intervals import Mean
from vectra_bot.backtest.sweep.results import SetResults, mean_of_groups


@frozen(kw_only=True)
class WalkStep:
    """One step: a set chosen on games before ``judged_from``, and what it made on the games from there.

    Attributes:
        chosen: index of the set.
        judged_from, judged_to: numbers of the first game it was judged on, and of the one after the last.
        before: its profit per game where it was chosen, lamports.
        after: its profit per game where it was judged.
        all_after: mean profit per game of all sets there.
    """

    chosen: int
    judged_from: int
    judged_to: int
    before: Mean
    after: Mean
    all_after: float


@frozen(kw_only=True)
class WalkForward:
    """All steps, and the profit per game of the chosen sets over all judged games, lamports."""

    steps: tuple[WalkStep, ...]
    after: Mean
    all_after: float


def walk_forward(results: Sequence[SetResults], parts: int) -> WalkForward:
    """Return the steps over *parts* parts of the games: chosen on all parts before, judged on the next.

    Parts end where groups of games do.
    """
    counts = results[0].groups.counts()
    edges = np.linspace(0, len(counts), min(parts, len(counts)) + 1).round().astype(int).tolist()
    games = np.concatenate(([0], np.cumsum(counts)))
    table = np.stack([one.pnl for one in results])
    steps, made, others, judged = [], [], [], []
    for start, end in pairwise(edges[1:]):
        chosen = int(table[:, :start].sum(axis=1).argmax())
        rows = slice(start, end)
        steps.append(
            WalkStep(
                chosen=chosen,
                judged_from=int(games[start]),
                judged_to=int(games[end]),
                before=results[chosen].mean(slice(start)),
                after=results[chosen].mean(rows),
                all_after=_mean(table[:, rows], counts[rows]),
            )
        )
        made.append(table[chosen, rows])
        others.append(table[:, rows])
        judged.append(counts[rows])
    return WalkForward(
        steps=tuple(steps),
        after=mean_of_groups(np.concatenate(made), np.concatenate(judged)),
        all_after=_mean(np.concatenate(others, axis=1), np.concatenate(judged)),
    )


def _mean(table: Any, counts: Any) -> float:
    """Return the mean per game over all sets of a *table* of sums over groups of games."""
    return float(table.sum()) / (len(table) * int(counts.sum()))


__all__ = ["WalkForward", "WalkStep", "walk_forward"]
