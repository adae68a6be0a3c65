"""Games from prices, and sessions that play them on the embedded exchange."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vectra_bot.errors import ConfigError, safe_repr
from vectra_bot.game import rules
from vectra_bot.game.fair import FairGame, rug_price
from vectra_bot.loading.given import GROUP as PLUGINS
from vectra_bot.loading.installed import installed
from vectra_bot.params.numbers import exact

if TYPE_CHECKING:
    from vectra_bot.report.results import Report
    from vectra_bot.strategy import Strategy


def make_game(prices: Iterable[float], rug: float | None = None) -> FairGame:
    """Return the game that has *prices* and then rugs.

    Args:
        prices: live prices by tick; the first is tick 0, whose price is 1 in every game.
        rug: price at which open positions are sold at the rug; by default the lowest live price less 98 %, as
            the law has it.

    Raises:
        ConfigError: there is no price, the first is not 1, there are more than 5001, or one is not a finite
            number above 0 (a rug price: 0 or above).

    Example:
        >>> make_game([1, 1.1, 1.3]).rug_tick
        3
    """
    found = tuple(_price(price, f"price of tick {tick}") for tick, price in enumerate(prices))
    if not 1 <= len(found) <= rules.MAX_TICKS + 1:
        raise ConfigError(f"a game of {len(found)} prices: give 1 to {rules.MAX_TICKS + 1}")
    if found[0] != rules.START_PRICE:
        raise ConfigError(f"price of tick 0 was {found[0]}: give 1, every game starts there")
    if not min(found) > 0:
        tick = next(tick for tick, price in enumerate(found) if not price > 0)
        raise ConfigError(f"price of tick {tick} was {found[tick]}: give a number above 0")
    return FairGame(
        prices=found,
        rug_tick=len(found),
        rug_price=rug_price(found) if rug is None else _price(rug, "rug price"),
        peak=max(found),
    )


def _price(value: Any, what: str) -> float:
    try:
        price = float(exact(value))
    except ValueError:
        price = -1.0
    if price < 0:
        raise ConfigError(f"{what} was {safe_repr(value)}: give a number of 0 or above")
    return price


def play_games(strategy: str | type[Strategy], games: Sequence[FairGame], **options: Any) -> Report:
    """Run a whole session that plays *games* on the embedded exchange, without other players.

    Requests take the exchange's usual latency, so that a buy of tick 5 is filled at the price of tick 5, the
    one in force when it arrives. Nothing is stored unless *options* name a store, and only plugins that
    *options* name take part.

    Args:
        strategy: a class, an entry-point name, or ``./file.py[:Class]``.
        games: what :func:`make_game` returns, in the order in which they are played.
        options: those of :func:`vectra_bot.run`, e.g. ``settings={"target": 1.2}``.

    Returns:
        The session's report; amounts in SOL. What it says of luck and the law's expectation holds for games
        of the law only.

    Raises:
        ConfigError: there is no game, or an option or a parameter is wrong.
        StrategyError: the strategy raised.

    Example:
        >>> play_games("take-profit", [make_game([1, 1.1, 1.3])]).games
        1
    """
    from vectra_bot.session.calls import run

    if not games:
        raise ConfigError("play_games got no game: give a list of what make_game(prices) returns")
    usual = {
        "seed": 1,
        "crowd": 0,
        "side_games": False,
        "no_store": "store" not in options,
        "disable_plugins": _unnamed_plugins(options),
    }
    return run(strategy, **{**usual, **options, "games": len(games), "made_games": tuple(games)})


def _unnamed_plugins(options: Mapping[str, Any]) -> list[str]:
    """Return the installed plugins that *options* do not name."""
    given = (*(options.get("plugins") or ()), *options.get("enable_plugins", ()))
    named = {plugin for plugin in given if isinstance(plugin, str)}
    return sorted(set(installed(PLUGINS)) - named)


__all__ = ["make_game", "play_games"]
