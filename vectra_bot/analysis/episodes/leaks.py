"""The leak check: no column of a step says what happens after it, and no game is in two sets.

Two kinds of tests. *Exact* ones recompute what follows from the columns themselves: peak, low and volatility
from the prices so far, the observation after a step from the next step, rewards from the equity. Tests of
*dependence* look for a column that says more about the future than the past can. Under the law the future of
the price is independent of the past, whatever was done: how many ticks remain is memoryless, and the
next return has no memory of counts, players or money. So at a fixed number of steps after an episode's
first action, each column's rank correlation with the remaining ticks, the next return and the peak still
to come is that of chance; so is that of the column divided by the price. A column is reported if the
correlation is at least :data:`SMALLEST` and chance gives a larger one in any of the tests with less than
:data:`LEVEL`; so weaker leaks are not found, and few games show little. A column that is constant in each
game and different in all is reported too: it is an id or a seed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, Final, TypeAlias

import numpy as np
from attrs import define, field, frozen

from vectra_bot.analysis.episodes.columns import ACTION, NEXT, OBSERVATION
from vectra_bot.analysis.episodes.market import PriceHistory
from vectra_bot.analysis.episodes.split import NAMES
from vectra_bot.game import rules

Columns: TypeAlias = Mapping[str, Sequence[Any]]

LEVEL: Final = 1e-6
"""Chance of a false report in all tests of a dataset together, at most."""

SMALLEST: Final = 0.3
"""Smallest rank correlation that is reported: prices themselves correlate a little with later returns."""

FEWEST: Final = 10
"""Games below which no test of dependence is made."""

_OFFSETS: Final = (0, 1, 2, 5, 10, 20, 40)
_UNIQUE: Final = 0.95
_LEAST_STEPS: Final = 5
_MOST_NAMED: Final = 20
_RECOMPUTED: Final = frozenset(
    {
        "obs_presale",
        "obs_tick",
        "obs_starts_in_ms",
        "obs_price",
        "obs_peak",
        "obs_low",
        "obs_volatility",
    }
)
_TESTED: Final = tuple(
    column.name for column in (*OBSERVATION, *ACTION) if column.name not in _RECOMPUTED
)
_FORMS: Final = (*_TESTED, *_TESTED)
"""Each column as it is, then divided by the price: a later price shows in its ratio to the present one."""

_TARGETS: Final = ("remaining ticks", "next return", "peak to come")


@frozen
class Leak:
    """A column that depends on what comes after it, or a set that shares a game with another one."""

    column: str
    message: str

    def __str__(self) -> str:
        return f"{self.column}: {self.message}"


@define
class LeakCheck:
    """Checks a dataset episode by episode; memory grows with the number of games only.

    Attributes:
        games: games seen so far.
        tests: tests of dependence that :meth:`finish` made.
    """

    tests: int = 0
    _leaks: dict[tuple[str, str], Leak] = field(factory=dict)
    _places: dict[str, set[str]] = field(factory=lambda: defaultdict(set))
    _spans: dict[str, tuple[int, int]] = field(factory=dict)
    _samples: dict[int, list[tuple[float, ...]]] = field(factory=lambda: defaultdict(list))
    _constants: dict[str, list[float]] = field(factory=lambda: defaultdict(list))
    _sampled: set[str] = field(factory=set)
    _long: int = 0

    @property
    def games(self) -> int:
        """Games seen so far."""
        return len(self._places)

    def place(self, name: str, game_id: str, started_ns: int) -> None:
        """Note that *game_id*, which began at *started_ns*, is in the set *name*."""
        self._places[game_id].add(name)
        low, high = self._spans.get(name, (started_ns, started_ns))
        self._spans[name] = (min(low, started_ns), max(high, started_ns))

    def add(self, steps: Columns) -> None:
        """Check the steps of one episode, in order."""
        episode, game_id = str(steps["episode_id"][0]), str(steps["game_id"][0])
        for column, message in _broken(steps):
            self._note(column, f"{message} (episode {episode})", message)
        if bool(steps["terminated"][-1]) and game_id not in self._sampled:
            self._sampled.add(game_id)
            self._sample(steps)

    def _note(self, column: str, message: str, key: str) -> None:
        self._leaks.setdefault((column, key), Leak(column, message))

    def _sample(self, steps: Columns) -> None:
        prices = [float(price) for price in steps["obs_price"]]
        after = [*prices[1:], float(steps[f"{NEXT}obs_price"][-1])]
        count = len(prices)
        if count >= _LEAST_STEPS:
            self._long += 1
            for name in _TESTED:
                if name.startswith("obs_") and len(set(steps[name])) == 1:
                    self._constants[name].append(_number(steps[name][0]))
        first = _first_action(steps)
        end = int(steps[f"{NEXT}obs_tick"][-1])
        for offset in _OFFSETS:
            step = first + offset
            if step >= count or min(prices[step], after[step]) <= 0:
                continue
            targets = (
                float(end - int(steps["obs_tick"][step])),
                math.log(after[step] / prices[step]),
                math.log(max(prices[step:]) / prices[step]),
            )
            row = [_number(steps[name][step]) for name in _TESTED]
            by_price = [value / prices[step] for value in row]
            self._samples[offset].append((*row, *by_price, *targets))

    def finish(self) -> list[Leak]:
        """Make the tests that need all episodes, and return everything found, exact tests first."""
        self._check_sets()
        for name, values in self._constants.items():
            if FEWEST <= self._long == len(values) and len(set(values)) >= _UNIQUE * len(values):
                self._note(
                    name, "is constant in each game and different in all: an id or a seed", "id"
                )
        found = list(self._correlations())
        self.tests = len(found)
        worst: dict[str, tuple[float, str]] = {}
        for name, target, offset, count, rho, chance in found:
            if abs(rho) >= SMALLEST and chance * self.tests < LEVEL:
                text = (
                    f"says what comes after the step: rank correlation {rho:+.2f} with the {target}, "
                    f"{offset} steps after the first action, in {count} games"
                )
                worst[name] = max(worst.get(name, (0.0, "")), (abs(rho), text))
        for name, (_, text) in worst.items():
            self._note(name, text, "dependence")
        return list(self._leaks.values())

    def _check_sets(self) -> None:
        for game, names in self._places.items():
            if len(names) > 1:
                shared = " and ".join(sorted(names))
                self._note("split", f"game {game} is in {shared}", f"{names}")
        order = [name for name in NAMES if name in self._spans]
        for before, after in pairwise(order):
            if self._spans[before][1] >= self._spans[after][0]:
                self._note("split", f"{after} has a game that began before one of {before}", after)

    def _correlations(self) -> Iterator[tuple[str, str, int, int, float, float]]:
        for offset, rows in sorted(self._samples.items()):
            if len(rows) < FEWEST:
                continue
            values = np.array(rows)
            ranks = [_ranks(values[:, index]) for index in range(values.shape[1])]
            targets = ranks[len(_FORMS) :]
            for name, mine in zip(_FORMS, ranks, strict=False):
                for target, theirs in zip(_TARGETS, targets, strict=True):
                    if mine is None or theirs is None:
                        continue
                    rho = float(mine @ theirs)
                    chance = math.erfc(abs(rho) * math.sqrt((len(rows) - 1) / 2))
                    yield name, target, offset, len(rows), rho, chance


def _number(value: Any) -> float:
    return -1.0 if value is None else float(value)


def _first_action(steps: Columns) -> int:
    """Return the first step with an action: acting then depends on the past only."""
    asked = zip(*(steps[column.name] for column in ACTION), strict=True)
    return next((step for step, values in enumerate(asked) if any(values)), 0)


def _ranks(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Return mid-ranks, centred and of length 1; None if all values are the same."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    centred = middle[inverse] - middle[inverse].mean()
    length = float(np.sqrt(centred @ centred))
    return centred / length if length else None


def _broken(steps: Columns) -> Iterator[tuple[str, str]]:
    """Yield the exact tests that the steps of an episode fail, as column and message."""
    count = len(steps["step"])
    if list(steps["step"]) != list(range(count)):
        yield "step", "is not 0, 1, 2 ..."
    ticks, presale = list(steps["obs_tick"]), list(steps["obs_presale"])
    if any(presale[1:]) or any(
        b <= a and not p for (a, b), p in zip(pairwise(ticks), presale, strict=False)
    ):
        yield "obs_tick", "does not rise from step to step"
    for column in OBSERVATION:
        after = list(steps[NEXT + column.name])
        if after[:-1] != list(steps[column.name])[1:]:
            yield NEXT + column.name, "is not the observation of the next step"
    yield from _prices(steps)
    yield from _rewards(steps, count)


def _prices(steps: Columns) -> Iterator[tuple[str, str]]:
    live = [step for step, before in enumerate(steps["obs_presale"]) if not before]
    market = PriceHistory()
    contiguous = True
    for number, step in enumerate(live):
        tick, price = int(steps["obs_tick"][step]), float(steps["obs_price"][step])
        if tick == 0 and price != rules.START_PRICE:
            yield "obs_price", "is not 1 at tick 0"
        contiguous = contiguous and tick == number
        if not contiguous:  # what was missed and read late is in no step
            return
        market.see(tick, price)
        so_far = {"peak": market.peak, "low": market.low, "volatility": market.volatility}
        for name, value in so_far.items():
            if steps[f"obs_{name}"][step] != value:
                yield f"obs_{name}", "does not follow from the prices up to the step"


def _rewards(steps: Columns, count: int) -> Iterator[tuple[str, str]]:
    before = [0, *list(steps["obs_pnl"])[1:]]
    after = steps[f"{NEXT}obs_pnl"]
    if any(steps["reward"][t] != after[t] - before[t] for t in range(count)):
        yield "reward", "is not the change of obs_pnl"
    for name in ("terminated", "truncated"):
        if any(steps[name][:-1]):
            yield name, "is true before the last step"
    if bool(steps["terminated"][-1]) == bool(steps["truncated"][-1]):
        yield "terminated", "is not the opposite of truncated in the last step"


def by_episode(columns: dict[str, list[Any]]) -> Iterator[dict[str, list[Any]]]:
    """Yield the rows of each episode in a table of steps; those of one follow each other."""
    start = 0
    for _, rows in groupby(columns["episode_id"]):
        stop = start + sum(1 for _ in rows)
        yield {name: values[start:stop] for name, values in columns.items()}
        start = stop


def named(leaks: Sequence[Leak]) -> str:
    """Return what was found in one line."""
    shown = "; ".join(str(leak) for leak in leaks[:_MOST_NAMED])
    more = len(leaks) - _MOST_NAMED
    return f"{shown}; and {more} more" if more > 0 else shown
