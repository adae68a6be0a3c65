"""Strategy: the base class of bots, and what a strategy sees."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from vectra_bot.errors import ConfigError, NotInCallback, StrategyError, safe_error
from vectra_bot.params import Configurable, Parameter, configure, param, parameters

if TYPE_CHECKING:
    from vectra_bot.actions.interface import BotActionInterface
    from vectra_bot.game.rounds import SideGamesView
    from vectra_bot.game.state import GameView
    from vectra_bot.game.view import AccountView, PositionView
    from vectra_bot.models import (
        GameSummary,
        GameTick,
        Link,
        OtherPlayerAction,
        PlayerAction,
        PlayerState,
        StakeSettled,
    )


@frozen
class Surroundings:
    """What a running strategy can use: its actions, its account, finished games and the side games."""

    actions: BotActionInterface
    account: AccountView
    history: Sequence[GameSummary]
    side_games: SideGamesView


__all__ = [
    "HISTORY_GAMES",
    "Parameter",
    "Strategy",
    "Surroundings",
    "configure",
    "param",
    "parameters",
]

HISTORY_GAMES = 100


class _NotRunning:
    """The surroundings of a strategy that is not running: reading any of them is an error."""

    def _refused(self) -> Any:
        raise NotInCallback(
            "the strategy is not running: use actions, account, position, history and side_games inside its "
            "on_* methods"
        )

    actions = account = history = side_games = property(_refused)


_NOT_RUNNING: Any = _NotRunning()

if TYPE_CHECKING:
    _given = property
else:

    class _given(property):  # noqa: N801 - a kind of property
        """A property of every strategy, which nothing may replace."""

        def __set__(self, strategy: Strategy, value: object) -> None:
            """Refuse the assignment.

            Raises:
                StrategyError: always.
            """
            name = self.fget.__name__
            raise StrategyError(
                f"self.{name} belongs to every strategy and cannot be assigned: give your attribute another "
                f"name, such as self.my_{name}"
            )


class Strategy(Configurable):
    """Base of all strategies.

    Annotated fields are parameters, best declared by :func:`param`; every other attribute is state and
    persists across games. Ticks and phases are the clock: every method is synchronous, and the outcome of an
    action is reported to :meth:`on_action_outcome`.

    Example::

        class Early(Strategy):
            stake: Decimal = param("0.01", low="0.001", high="5")

            def on_game_tick(self, tick, game):
                if game.tick == 5:
                    self.actions.buy(self.stake, take_profit=1.2)
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in CALLBACKS:
            _check_callback(cls, name)
        for name in vars(cls):
            _check_name(cls, name)

    # Read at nearly every tick, so that each property below finds it without a call.
    _surroundings: ClassVar[Surroundings] = _NOT_RUNNING

    watches: ClassVar[bool] = False
    """Whether the class has no callback on purpose, and only has everything recorded."""

    @_given
    def actions(self) -> BotActionInterface:
        """Return the methods to act with; usable inside the callbacks below only."""
        return self._surroundings.actions

    @_given
    def account(self) -> AccountView:
        """Return our money: ``cash``, ``sidebet``, ``short``, ``stakes``, ``pnl``."""
        return self._surroundings.account

    @_given
    def position(self) -> PositionView:
        """Return our long position; false when there is none."""
        return self._surroundings.account.position

    @_given
    def history(self) -> Sequence[GameSummary]:
        """Return summaries of the last 100 finished games, oldest first."""
        return tuple(self._surroundings.history)

    @_given
    def side_games(self) -> SideGamesView:
        """Return the side games' rounds: ``bbc`` and ``candleflip`` (protocol 11; unverified).

        Rounds have no callback: check them at every tick.
        """
        return self._surroundings.side_games

    def on_phase(self, game: GameView) -> None:
        """Run at every change of phase, PRESALE included."""

    def on_game_start(self, game: GameView) -> None:
        """Run at tick 0, or at the first frame of a game joined late."""

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Run at every new tick of a running game; ticks strictly increase."""

    def on_game_end(self, game: GameView, summary: GameSummary) -> None:
        """Run when the game's money is settled and its seed revealed, with the next game's first frame.

        ``game`` already shows the next game; ``summary`` describes the one that ended.
        """

    def on_other_player_trade(self, trade: OtherPlayerAction, game: GameView) -> None:
        """Run when another player's trade was seen."""

    def on_action_submitted(self, action: PlayerAction) -> None:
        """Run when an action was handed to the venue."""

    def on_action_outcome(self, action: PlayerAction) -> None:
        """Run once for every action, when it is complete (or was denied)."""

    def on_stake_settled(self, settled: StakeSettled, game: GameView) -> None:
        """Run when the stake of a sidebet, short or side game was settled."""

    def on_player_update(self, state: PlayerState, game: GameView) -> None:
        """Run when the venue sent a statement of our account."""

    def on_connection(self, status: Link) -> None:
        """Run when the connection to the venue changed."""

    def save(self) -> Any:
        """Return JSON-serializable state to keep across restarts; None keeps nothing."""
        return None

    def restore(self, state: Any) -> None:
        """Restore state that :meth:`save` returned."""


def bind(strategy: Strategy, surroundings: Surroundings) -> None:
    """Give *strategy* its surroundings; the engine calls it once.

    Raises:
        StrategyError: a class of the strategy's own keeps it from having attributes.
    """
    try:
        strategy.__dict__["_surroundings"] = surroundings
    except BaseException as error:
        raise StrategyError(
            f"{type(strategy).__name__} cannot be used: reading its attributes raised {safe_error(error)}"
        ) from error


CALLBACKS = tuple(
    name
    for name, method in vars(Strategy).items()
    if inspect.isfunction(method) and not name.startswith("_")
)
"""The methods that the engine calls."""


# Methods of other frameworks, and what they are here.
_ELSEWHERE = {
    "handle_data": "on_game_tick",
    "init": "__attrs_post_init__",
    "initialize": "__attrs_post_init__",
    "next": "on_game_tick",
    "nextstart": "on_game_tick",
    "notify_order": "on_action_outcome",
    "notify_trade": "on_action_outcome",
    "on_bar": "on_game_tick",
    "on_book": "on_game_tick",
    "on_candle": "on_game_tick",
    "on_data": "on_game_tick",
    "on_event": "on_game_tick",
    "on_fill": "on_action_outcome",
    "on_init": "__attrs_post_init__",
    "on_order": "on_action_outcome",
    "on_order_event": "on_action_outcome",
    "on_order_filled": "on_action_outcome",
    "on_order_rejected": "on_action_outcome",
    "on_order_update": "on_action_outcome",
    "on_position_closed": "on_action_outcome",
    "on_price": "on_game_tick",
    "on_quote": "on_game_tick",
    "on_round_end": "on_game_end",
    "on_round_start": "on_game_start",
    "on_rug": "on_phase",
    "on_start": "on_game_start",
    "on_stop": "on_game_end",
    "on_tick": "on_game_tick",
    "on_trade": "on_other_player_trade",
    "populate_entry_trend": "on_game_tick",
    "populate_exit_trend": "on_game_tick",
    "populate_indicators": "on_game_tick",
    "prenext": "on_game_tick",
}


def require_callback(cls: type[Strategy]) -> None:
    """Refuse a class that reacts to nothing, unless it is :class:`Strategy`'s own way to say so.

    Raises:
        ConfigError: *cls* defines no callback and does not set ``watches = True``.
    """
    if cls.watches or any(
        getattr(cls, name) is not getattr(Strategy, name) for name in CALLBACKS[:-2]
    ):
        return
    raise ConfigError(
        f"{cls.__name__} has no callback, so it would never act: write one, e.g. "
        "def on_game_tick(self, tick, game); a class that only watches says watches: ClassVar[bool] = True"
    )


def _check_name(cls: type, name: str) -> None:
    """Refuse what looks like a callback and never runs, and what hides a part of the API.

    Raises:
        ConfigError: *name* is such a name.
    """
    value = vars(cls)[name]
    if isinstance(vars(Strategy).get(name), property):
        raise ConfigError(
            f"{cls.__name__}.{name} hides {name} of every strategy: give it another name, such as my_{name}"
        )
    if name in CALLBACKS or not callable(value) or isinstance(value, type):
        return
    if name in _ELSEWHERE:
        raise ConfigError(
            f"{cls.__name__}.{name} would never run: here it is {_call_of(_ELSEWHERE[name])}"
        )
    if name.startswith("on_"):
        close = difflib.get_close_matches(name, CALLBACKS, n=1, cutoff=0.6)
        advice = (
            f"did you mean {close[0]}?"
            if close
            else f"the callbacks are {', '.join(CALLBACKS[:-2])}"
        )
        raise ConfigError(f"{cls.__name__}.{name} is not a callback: {advice}")


def _call_of(name: str) -> str:
    """Return a callback as its definition has it."""
    if name not in CALLBACKS:
        return f"{name}(self), which runs when the parameters are set"
    return f"{name}{_parameters_of(name)}"


def _parameters_of(name: str) -> str:
    return f"({', '.join(inspect.signature(getattr(Strategy, name)).parameters)})"


def _check_callback(cls: type[Strategy], name: str) -> None:
    """Refuse a callback whose body would never run, or that does not take its arguments."""
    method = inspect.getattr_static(cls, name)
    function = method.__func__ if isinstance(method, staticmethod | classmethod) else method
    if isinstance(function, property) or not (callable(function) or hasattr(function, "__get__")):
        raise ConfigError(f"{cls.__name__}.{name} is not a method: write def {name}(self, ...)")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(
            f"{cls.__name__}.{name} is async and would never run: write a plain def, "
            "outcomes are reported to on_action_outcome"
        )
    if inspect.isgeneratorfunction(function):
        raise ConfigError(
            f"{cls.__name__}.{name} contains yield and would never run: write a plain function"
        )
    if inspect.isfunction(function):
        given = len(inspect.signature(getattr(Strategy, name)).parameters)
        try:
            inspect.signature(function).bind(*range(given - isinstance(method, staticmethod)))
        except TypeError as error:
            raise ConfigError(
                f"{cls.__name__}.{name}{inspect.signature(function)} cannot be called ({error}): "
                f"write def {name}{_parameters_of(name)}"
            ) from None
