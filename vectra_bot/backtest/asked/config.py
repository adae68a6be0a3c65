"""The options of a backtest, in Python and on the command line, and what is played for them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal

import attrs
from attrs import frozen

from vectra_bot.actions.limits import Limits
from vectra_bot.backtest.play import BACKTEST_CASH, BACKTEST_LIMITS, GivenGame, PlayConfig
from vectra_bot.errors import UsageError
from vectra_bot.exchange import ExchangeOptions
from vectra_bot.exchange.config import MAX_FIRST_GAME
from vectra_bot.loading import StrategySource
from vectra_bot.params import Refused, configure, convert, declared, like, option
from vectra_bot.session.config import SessionConfig, StopFlag
from vectra_bot.session.header import new_seed
from vectra_bot.venues.embedded import EmbeddedOptions

DEFAULT_GAMES: Final = 1000


def _source(value: Any) -> str | None:
    text: str | None = None if value is None else convert(value, str, text=False)
    if text is not None and not text.strip():  # a variable of a shell that is not set
        raise Refused
    return text


@frozen(kw_only=True, field_transformer=declared)
class BacktestOptions(ExchangeOptions):
    """What is played, for one strategy or several.

    Attributes:
        games: games to play; None for 1000, or all of *source*.
        seed: seed of the exchange; random if None.
        sampled: draw the games of the seed from the price law by a free generator in place of computing each
            from a server seed: the distribution is the same. Not with *source*.
        cash: SOL at the start of each block of games.
        latency_ms: one way to the exchange, milliseconds.
        engine: ``fast``, or ``event`` for the engine on the embedded exchange: the result is the same.
        source: a file of seeded games or recorded prices, a recording that shows seeds, or a store: its games
            are played instead of those of the seed, all of them if *games* is None.
        jobs: processes; one if None. The result does not depend on it. A script that gives more must call
            from below ``if __name__ == "__main__"``, as for :mod:`multiprocessing`.
        limits: what a strategy may do; Limits or a dict of them.
        stop: ends the backtest after the running game when it is set.
    """

    games: int | None = option(
        None, low=1, high=MAX_FIRST_GAME, shown="1000, or all of --from", help="Play N games."
    )
    source: str | None = option(
        None,
        take=_source,
        read=str,
        words="a file of games, a recording, or the folder of a store",
        flag="--from",
        metavar="FILE|STORE",
        help="Play the games of a file or a store.",
    )
    seed: int | None = like(EmbeddedOptions, "seed")
    sampled: bool = option(
        False,
        help="Draw games from the law by a free generator: faster, without server seeds to verify.",
    )
    cash: Decimal = like(EmbeddedOptions, "cash", default=BACKTEST_CASH)
    engine: Literal["fast", "event"] = option(
        "fast",
        choices=("fast", "event"),
        help="What plays: the fast driver, or the engine on the exchange; results are the same.",
    )
    jobs: int | None = option(
        None,
        low=1,
        high=1024,
        shown="one for each processor from 5000 games on",
        help="Play in N processes; the result is the same.",
    )
    latency_ms: int = like(EmbeddedOptions, "latency_ms")
    crowd: int | None = like(
        ExchangeOptions, "crowd", shown="0", help="Other players: the event engine plays then."
    )
    limits: Limits = like(SessionConfig, "limits", default=BACKTEST_LIMITS)
    stop: StopFlag = like(SessionConfig, "stop")

    def __attrs_post_init__(self) -> None:
        if self.sampled and self.source is not None:
            raise UsageError("--sampled was given with --from: give one of them")

    def played(
        self,
        source: StrategySource,
        settings: Mapping[str, Any],
        given: tuple[GivenGame, ...] = (),
    ) -> PlayConfig:
        """Return what is played for one strategy with its parameters, on games that are *given* if any.

        Raises:
            ConfigError: a parameter is unknown or its value not allowed.
        """
        strategy = configure(source.cls, settings)
        values = {name: getattr(strategy, name) for name in settings}  # secrets as well: it plays
        shared = {field.name: getattr(self, field.name) for field in attrs.fields(ExchangeOptions)}
        return PlayConfig(
            source=source,
            settings=values,
            games=len(given) or self.games or DEFAULT_GAMES,
            given=given,
            seed=0 if self.seed is None else self.seed,
            latency_ms=self.latency_ms,
            cash=self.cash,
            limits=self.limits,
            exchange=ExchangeOptions(**shared),
            engine=self.engine,
            sampled=self.sampled,
        )


def seeded(options: BacktestOptions) -> BacktestOptions:
    """Return *options* with a seed."""
    return options if options.seed is not None else attrs.evolve(options, seed=new_seed())


__all__ = ["BacktestOptions", "seeded"]
