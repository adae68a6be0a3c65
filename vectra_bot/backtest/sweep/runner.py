"""Runs a sweep: chooses sets, plays the chunks that are not finished yet, and judges what they made.

Every chunk's result is a function of its key, so the report of a sweep that was killed and resumed is that of
one that was not. This process alone reads and writes the folder; workers return their results to it.
Imports the room's other modules, errors, loading and params.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from attrs import define, field, fields, frozen

from vectra_bot.backtest.asked.config import BacktestOptions
from vectra_bot.backtest.asked.given import asked_games, digest_of_games
from vectra_bot.backtest.play import GivenGame
from vectra_bot.backtest.sweep.chunks import ChunkFolder, ChunkKey, ChunkResult
from vectra_bot.backtest.sweep.config import DEFAULT_SWEEP_GAMES, SweepConfig
from vectra_bot.backtest.sweep.results import Groups, SetResults
from vectra_bot.backtest.sweep.space import Space, shown, space_of
from vectra_bot.backtest.sweep.work import ChunkTask, Workers, code_of, given_settings, is_local
from vectra_bot.errors import ConfigError, UsageError
from vectra_bot.loading import StrategySource, resolve_strategy
from vectra_bot.params import configure, settings_of
from vectra_bot.params.saved import state_to_text
from vectra_bot.strategy import require_callback

MAX_CHUNKS: Final = 2_000_000
"""Most chunks of one sweep."""


class SweepStopped(Exception):
    """The config's ``stop`` was set; the message is its reason."""


@frozen(kw_only=True)
class SweepProgress:
    """How far a sweep is; ``games`` and ``games_total`` count each set's games."""

    sets: int
    sets_total: int
    games: int
    games_total: int
    games_reused: int


@frozen
class ParameterSet:
    """Values to try.

    Attributes:
        values: of the parameters that vary.
        key: all parameters of the strategy, as canonical JSON.
    """

    values: dict[str, Any]
    key: str


@frozen
class LeftOut:
    """Values that the strategy itself refuses, and why."""

    values: dict[str, Any]
    why: str


@define
class ChunkCounts:
    """Chunks of a sweep: those needed so far, played now, found finished, and found corrupt."""

    total: int = 0
    played: int = 0
    reused: int = 0
    corrupt: int = 0


@frozen
class SweepPlan:
    """A checked config, with what follows from it.

    Attributes:
        config: as given.
        source: the strategy.
        code: digest of everything that results follow from beside parameters and terms.
        space: what varies.
        given: the games of ``--from``; empty for those of the seed.
        unplayable: games that were asked for and are not played, by reason.
    """

    config: SweepConfig
    source: StrategySource
    code: str
    space: Space
    given: tuple[GivenGame, ...] = field(default=(), repr=False)
    unplayable: dict[str, int] = field(factory=dict)

    @classmethod
    def of(cls, config: SweepConfig) -> SweepPlan:
        """Check *config*.

        Raises:
            UnknownNameError, InputError, StrategyError: the strategy cannot be loaded.
            ConfigError, UsageError: an option, a range or a parameter is wrong.
            InputError, JournalError: ``--from`` cannot be read, or has no game to play.
        """
        source = resolve_strategy(config.strategy)
        require_callback(source.cls)
        if is_local(source) and config.backend != "loky":
            raise ConfigError(
                f"the source of {source.name} is not in a file that other processes can import: write the "
                "class to a file and give ./file.py, or leave backend out"
            )
        code, space = code_of(source), space_of(source.cls, config.ranges, config.settings)
        plan = cls(config, source, code, space, *asked_games(config.source, config.games))
        config.parts(plan.games)
        chunks = -(-plan.games // config.chunk) * plan.sets_total()
        if chunks > MAX_CHUNKS:
            raise UsageError(
                f"the sweep has {chunks:,} chunks: give fewer sets or games, or a larger --chunk, "
                f"at most {MAX_CHUNKS:,} chunks"
            )
        return plan

    @property
    def games(self) -> int:
        """How many games each set plays."""
        return len(self.given) or self.config.games or DEFAULT_SWEEP_GAMES

    @cached_property
    def games_digest(self) -> str:
        """The digest of the games of ``--from``, "" without."""
        return digest_of_games(self.given) if self.given else ""

    @property
    def shared(self) -> BacktestOptions:
        """What every set is played under, without what belongs to this process."""
        names = (one.name for one in fields(BacktestOptions) if one.name != "stop")
        options = {name: getattr(self.config, name) for name in names}
        if self.config.source is not None:  # a worker may have another working folder
            options["source"] = str(Path(self.config.source).expanduser().resolve())
        return BacktestOptions(**options)

    @property
    def is_local(self) -> bool:
        """Whether only this process can play, and no chunk is kept: nothing says what the code was."""
        return is_local(self.source)

    @property
    def folder(self) -> Path:
        """Where results are kept."""
        return self.config.out or Path(f"sweep-{self.source.name}")

    def candidates(self) -> Iterator[dict[str, Any]]:
        """Yield the sets of a grid, or those drawn."""
        config = self.config
        if config.random is not None:
            return self.space.drawn(config.random, config.seed)
        return self.space.grid(config.points)

    def sets_total(self) -> int:
        """Return how many sets will be tried, at most."""
        config = self.config
        if config.optuna is not None and config.trials is not None:
            return config.trials
        return sum(1 for _ in self.candidates())

    def set_of(self, values: dict[str, Any]) -> ParameterSet | LeftOut:
        """Return *values* as a set, or why the strategy refuses them.

        Raises:
            StrategyError: its own code raised.
        """
        try:
            made = configure(self.source.cls, given_settings({**self.config.settings, **values}))
        except ConfigError as error:
            return LeftOut(values, str(error))
        return ParameterSet(values, state_to_text(settings_of(made)))

    def keys(self, one: ParameterSet) -> Iterator[ChunkKey]:
        """Yield the key of each chunk of a set."""
        games, size, terms = self.games, self.config.chunk, self.config.terms()
        for first, given in zip(range(0, games, size), self._digests, strict=True):
            yield ChunkKey(
                code=self.code,
                parameters=one.key,
                terms=terms,
                first=first,
                games=min(size, games - first),
                given=given,
            )

    @cached_property
    def _digests(self) -> list[str]:
        """The digest of each chunk's games of ``--from``: a source that only grows keeps what was played."""
        size = self.config.chunk
        return [
            digest_of_games(self.given[first : first + size]) if self.given else ""
            for first in range(0, self.games, size)
        ]

    def task(self, one: ParameterSet, key: ChunkKey) -> ChunkTask:
        """Return the work of a chunk."""
        settings = {**self.config.settings, **one.values}
        return ChunkTask(
            key=key,
            spec=self.source.spec,
            settings=settings,
            varied=shown(one.values),
            options=self.shared,
            games=len(self.given),
            given=self.games_digest,
            local=self.source if self.is_local else None,
        )


@define(eq=False)
class SweepRun:
    """A running sweep: the sets tried so far with what they made.

    Attributes:
        plan: what is done.
        folder: finished chunks.
        workers: processes.
        progress: called after each chunk.
        sets: the sets tried, in the order they were chosen, by their key.
        results: what each made, in the same order.
        left_out: sets that the strategy refuses.
        counts: chunks.
    """

    plan: SweepPlan
    folder: ChunkFolder
    workers: Workers
    progress: Callable[[SweepProgress], None]
    sets: dict[str, ParameterSet] = field(factory=dict)
    results: dict[str, SetResults] = field(factory=dict)
    left_out: list[LeftOut] = field(factory=list)
    counts: ChunkCounts = field(factory=ChunkCounts)
    _sets_total: int = field(init=False)
    _groups: Groups = field(init=False)
    _games_reused: int = 0
    _games_played: int = 0
    _finished: int = 0

    def __attrs_post_init__(self) -> None:
        self._sets_total = self.plan.sets_total()
        self._groups = Groups.of(self.plan.games, self._sets_total)

    def play(self, candidates: Iterable[dict[str, Any]]) -> list[SetResults | None]:
        """Play what is missing of the sets; return what each made, None where the strategy refuses it.

        Raises:
            StrategyError: it raised in a game.
            StoreError: a chunk cannot be read or written.
            SweepStopped: the sweep is to end.
        """
        asked = [self.plan.set_of(values) for values in candidates]
        new: list[ParameterSet] = []
        for one in asked:
            if isinstance(one, LeftOut):
                self.left_out.append(one)
                self._sets_total -= 1
            elif one.key not in self.sets:
                self.sets[one.key] = one
                self.results[one.key] = SetResults(self._groups)
                new.append(one)
        missing = [(one, key) for one in new for key in self.plan.keys(one) if not self._found(key)]
        self._show()
        self._obey()
        # joblib reads the tasks in its own threads: making one changes nothing.
        tasks = (self.plan.task(one, key) for one, key in missing)
        for key, packed in self.workers.results(tasks) if missing else ():
            if not self.plan.is_local:
                self.folder.write(key, packed)
            self.counts.played += 1
            self._games_played += key.games
            self._add(key, ChunkResult.unpack(packed, key))
            self._show()
            self._obey()
        return [None if isinstance(one, LeftOut) else self.results[one.key] for one in asked]

    def _obey(self) -> None:
        """End the sweep if that was requested, unless all is played."""
        reason = self.plan.config.stop.reason
        if reason is not None and self._finished < self._sets_total:
            raise SweepStopped(reason)

    def _found(self, key: ChunkKey) -> bool:
        """Take a finished chunk from the folder; return whether there was one."""
        chunk = None if self.plan.is_local else self.folder.read(key)
        self.counts.total += 1
        self.counts.corrupt = self.folder.corrupt
        if chunk is None:
            return False
        self.counts.reused += 1
        self._games_reused += key.games
        self._add(key, chunk)
        return True

    def _add(self, key: ChunkKey, chunk: ChunkResult) -> None:
        results = self.results[key.parameters]
        results.add(key, chunk)
        self._finished += results.is_complete

    def _show(self) -> None:
        total = max(self._sets_total, self._finished)
        if not total:
            return
        self.progress(
            SweepProgress(
                sets=self._finished,
                sets_total=total,
                games=self._games_played + self._games_reused,
                games_total=total * self.plan.games,
                games_reused=self._games_reused,
            )
        )

    def complete(self) -> list[tuple[ParameterSet, SetResults]]:
        """Return the sets that played all their games, in the order of their keys."""
        return [
            (self.sets[key], results)
            for key, results in sorted(self.results.items())
            if results.is_complete
        ]


__all__ = [
    "MAX_CHUNKS",
    "ChunkCounts",
    "LeftOut",
    "ParameterSet",
    "SweepPlan",
    "SweepProgress",
    "SweepRun",
    "SweepStopped",
]
