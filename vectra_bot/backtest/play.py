"""Plays a backtest: the games of a seed in blocks, each with a fresh strategy and account.

A block depends on nothing but its number: results are the same for any number of processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from itertools import zip_longest
from typing import Any, Final, Literal

from attrs import define, evolve, field, frozen

from vectra_bot.actions.limits import MAX_SOL, Limits
from vectra_bot.backtest.games import Games, Played
from vectra_bot.errors import ConfigError, StrategyError, safe_repr
from vectra_bot.exchange.config import MAX_FIRST_GAME, START_NS, ExchangeConfig, ExchangeOptions
from vectra_bot.game import rules
from vectra_bot.game.fair import FairGame
from vectra_bot.kernel.library import loaded
from vectra_bot.loading import StrategySource, resolve_strategy
from vectra_bot.session.flags import StopFlag
from vectra_bot.strategy import Strategy, configure, require_callback

EngineName = Literal["fast", "event"]
Progress = Callable[[int, int], None]

BLOCK_GAMES: Final = 10_000
"""Games of a block: the after so many games a new strategy and account begin."""

BACKTEST_LIMITS: Final = Limits(session_loss=MAX_SOL)
"""Limits of a backtest unless others are given: those of paper mode, without one of the session's loss.

With that limit a losing strategy would stop early, and every game after that would count as a game without
an action.
"""

BACKTEST_CASH: Final = Decimal(1000)
"""SOL at the start of each block: enough that few strategies run out of it."""


Watch = Callable[[int], bool]
"""Called after each game of a block with the number of games played; true ends the block there."""


def never(_played: int) -> bool:
    """Let the block continue."""
    return False


def no_progress(_done: int, _total: int) -> None:
    """Show nothing."""


@frozen
class GivenGame:
    """A game to play that does not come from the exchange's seed."""

    game_id: str
    game: FairGame


@frozen(kw_only=True)
class PlayConfig:
    """Everything that determines the result of a backtest.

    Attributes:
        source: the strategy.
        settings: its parameters.
        games: games to play.
        seed: seed of the exchange.
        first: number of the first game under the seed.
        latency_ms: one way to the exchange, milliseconds; 0 also answers at once.
        cash: SOL at the start of each block.
        limits: what the strategy may do.
        exchange: the exchange's options; None for no crowd.
        engine: ``fast``, or ``event`` for the engine on the embedded exchange.
        block: games of a block.
        given: games to play instead of those of the seed; as many as *games*.
        sampled: whether the seed's games are drawn from the law by a free generator, not computed from
            server seeds.
    """

    source: StrategySource
    settings: Mapping[str, Any] = field(factory=dict)
    games: int
    seed: int
    first: int = 0
    latency_ms: int = 0
    cash: Decimal = BACKTEST_CASH
    limits: Limits = BACKTEST_LIMITS
    exchange: ExchangeOptions = field(factory=ExchangeOptions)
    engine: EngineName = "fast"
    block: int = BLOCK_GAMES
    given: tuple[GivenGame, ...] = field(default=(), repr=False)
    sampled: bool = False

    def __attrs_post_init__(self) -> None:
        for name, low, high in (
            ("games", 1, MAX_FIRST_GAME),
            ("first", 0, MAX_FIRST_GAME),
            ("seed", 0, 2**63 - 1),
            ("latency_ms", 0, 60_000),
            ("block", 1, MAX_FIRST_GAME),
        ):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ConfigError(
                    f"option {name} was {safe_repr(value)}: give a whole number from {low} to {high}"
                )
        if self.engine not in ("fast", "event"):
            raise ConfigError(f"option engine was {safe_repr(self.engine)}: give fast or event")
        if type(self.sampled) is not bool:
            raise ConfigError(f"option sampled was {safe_repr(self.sampled)}: give True or False")
        if self.sampled and self.given:
            raise ConfigError("option sampled was True with given games: give one of them")

    @property
    def session_id(self) -> str:
        """Return the session id of the block, from which the ids of its actions follow."""
        return f"backtest-{self.seed}-{self.first}"

    def strategy(self) -> Strategy:
        """Return a new strategy with the settings."""
        return configure(self.source.cls, self.settings)

    def exchange_config(self) -> ExchangeConfig:
        """Return the exchange that plays this backtest's games; without events outside the game."""
        options = self.exchange
        config = ExchangeConfig.of(
            evolve(options, crowd=options.crowd or 0),
            seed=self.seed,
            start_ns=START_NS,
            first_game=0 if self.given else self.first,
        )
        made = tuple(one.game for one in self.given)
        return evolve(config, notices=False, made_games=made, sampled=self.sampled)

    def blocks(self) -> Iterator[PlayConfig]:
        """Yield the config of each block."""
        for at in range(0, self.games, self.block):
            count = min(self.block, self.games - at)
            given = self.given[at : at + count]
            yield evolve(self, first=self.first + at, games=count, given=given)


def play(
    strategy: StrategySource | type[Strategy] | str,
    *,
    games: int,
    seed: int,
    first: int = 0,
    settings: Mapping[str, Any] | None = None,
    latency_ms: int = 0,
    exchange: ExchangeOptions | None = None,
    crowd: int | None = None,
    engine: EngineName = "fast",
    cash: Decimal = BACKTEST_CASH,
    limits: Limits = BACKTEST_LIMITS,
    block: int = BLOCK_GAMES,
    sampled: bool = False,
    jobs: int = 1,
    progress: Progress = no_progress,
) -> Games:
    """Play *games* games of *seed* and return them as a table.

    Args:
        strategy: a class, an entry-point name, ``./file.py[:Class]``, or what was resolved from them.
        games: number of games.
        seed: seed of the exchange; game number n of a seed is the same in every backtest and session.
        first: number of the first game.
        settings: the strategy's parameters.
        latency_ms: one way to the exchange, milliseconds; 0 also answers at once.
        exchange: the exchange's options; by default there is no crowd.
        crowd: other players on the exchange, instead of those in *exchange*.
        engine: ``fast``, or ``event`` for the engine on the embedded exchange. What the fast driver cannot
            play exactly is played by the engine too, and :attr:`Games.played` says so.
        cash: SOL at the start of each block.
        limits: what the strategy may do.
        block: games after which a new strategy and account begin.
        sampled: draw the seed's games from the law by a free generator; they have no server seed.
        jobs: processes that play blocks at the same time; the result does not depend on it.
        progress: called with the games played and all of them, after each block at least.

    Raises:
        ConfigError: an option or a parameter is wrong.
        UnknownNameError: no strategy has this name.
        StrategyError: the strategy raised.
    """
    source = strategy if isinstance(strategy, StrategySource) else resolve_strategy(strategy)
    options = exchange or ExchangeOptions()
    config = PlayConfig(
        source=source, settings=dict(settings or {}), games=games, seed=seed, first=first,
        latency_ms=latency_ms, cash=cash, limits=limits, engine=engine, block=block, sampled=sampled,
        exchange=options if crowd is None else evolve(options, crowd=crowd),
    )  # fmt: skip
    return play_config(config, progress, jobs=jobs)


def play_config(
    config: PlayConfig,
    progress: Progress = no_progress,
    *,
    jobs: int = 1,
    stop: StopFlag | None = None,
) -> Games:
    """Play the games of *config* block by block; see :func:`play`.

    Args:
        config: what to play.
        progress: called with the games played and all of them.
        jobs: processes that play blocks at the same time.
        stop: ends the backtest after the running game when it is set: the table then has the games up to
            the first that was not played.
    """
    return play_all([config], progress, jobs=jobs, stop=stop)[0]


def play_all(
    configs: Sequence[PlayConfig],
    progress: Progress = no_progress,
    *,
    jobs: int = 1,
    stop: StopFlag | None = None,
    names: Sequence[str] = (),
) -> list[Games]:
    """Play several backtests, a block of each in turn, and return the table of each; see :func:`play_config`.

    With *names*, an error says which of them it was.
    """
    from vectra_bot.backtest.blocks import play_blocks

    for config in configs:
        require_callback(config.source.cls)
    # In turn, so that what is played of all of them, where a stop comes, is as much of each.
    turns = zip_longest(*(config.blocks() for config in configs))
    order = [(at, block) for turn in turns for at, block in enumerate(turn) if block is not None]
    # A class of the main module, such as a notebook's, is not known to other processes.
    alone = any(config.source.cls.__module__ == "__main__" for config in configs)
    jobs = 1 if alone else min(jobs, len(order))
    found = [_Joined(config) for config in configs]
    blocks, stopping, owners = [block for _, block in order], stop or StopFlag(), iter(order)
    with closing(play_blocks(blocks, jobs, progress, stopping)) as tables:
        at, _ = next(owners)
        try:
            for table in tables:
                found[at].add(table)
                at, _ = next(owners, (at, None))
        except StrategyError as error:
            if not names:
                raise
            raise StrategyError(f"variant {names[at]}: {error}") from error
    return [one.whole(jobs) for one in found]


@define
class _Joined:
    """The table of a backtest whose blocks are added in order, up to the first that was ended early."""

    config: PlayConfig
    games: Games = field(init=False)
    done: int = 0
    blocks: int = 0
    engines: set[str] = field(factory=set)
    why: Counter[str] = field(factory=Counter)

    def __attrs_post_init__(self) -> None:
        config = self.config
        self.games = Games.empty(config.games, seed=config.seed, first=config.first)
        self.games.ids = tuple(one.game_id for one in config.given)

    def add(self, table: Games) -> None:
        """Add the next block; one after a gap, which another process played meanwhile, is not counted."""
        if table.first != self.config.first + self.done:
            return
        self.games.put(table)
        self.done += len(table)
        self.blocks += 1
        self.engines.add(table.played.engine)
        self.why.update(table.played.why)

    def whole(self, jobs: int) -> Games:
        """Return the table of the games that were played, by *jobs* processes."""
        found, config = self.games.head(self.done), self.config
        found.played = Played(
            engine="mixed" if len(self.engines) > 1 else "".join(self.engines) or config.engine,
            why=dict(self.why),
            kernel=loaded() is not None,
            version=rules.LAW_VERSION,
            sampled=config.sampled,
            blocks=self.blocks,
            jobs=jobs,
        )
        return found


def play_block(config: PlayConfig, watch: Watch = never) -> Games:
    """Play the games of one block, or fewer if *watch* ends it.

    The engine plays it if the fast driver cannot play it exactly.
    """
    from vectra_bot.backtest.event import play_by_engine
    from vectra_bot.backtest.fast import NeedsEngine, play_fast

    if config.engine == "event":
        return play_by_engine(config, watch)
    try:
        return play_fast(config, watch)
    except NeedsEngine as refusal:
        games = play_by_engine(config, watch)
        games.played = Played(engine="event", why={str(refusal): len(games)})
        return games
