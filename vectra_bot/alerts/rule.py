"""AlertRule: the base class of alert rules, and what a rule sees."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from vectra_bot.alerts.model import AlertModel
from vectra_bot.errors import ConfigError, NotInCallback, safe_repr
from vectra_bot.hookspecs import HOOKS
from vectra_bot.models import AlertType
from vectra_bot.params import Configurable
from vectra_bot.strategy import CALLBACKS

if TYPE_CHECKING:
    from vectra_bot.game.rounds import SideGamesView
    from vectra_bot.game.view import AccountView

SEVERITIES = ("info", "success", "warning", "error")
_NAMESPACED = re.compile(r"[a-z0-9_-]{1,40}\.[a-z0-9_.-]{1,80}", re.ASCII)


@frozen(kw_only=True)
class AlertDraft:
    """An alert as a rule gives it, made by :meth:`AlertRule.alert`; the engine adds id and time.

    Attributes:
        alert_type: the type.
        severity: ``info``, ``success``, ``warning`` or ``error``.
        title: headline.
        message: text for a person.
        data: JSON values behind it; None for none.
        expires_s: seconds of feed time after which it is of no interest; None for never.
        player_id: the player it is about; None for none.
        priority: higher is shown first.
        sound: whether it may make a sound.
    """

    alert_type: AlertType | str
    severity: str
    title: str
    message: str
    data: Mapping[str, Any] | None = None
    expires_s: float | None = None
    player_id: str | None = None
    priority: int = 0
    sound: bool = False


@frozen
class RuleSurroundings:
    """What a running rule can read besides the arguments of its callbacks."""

    account: AccountView
    side_games: SideGamesView
    model: AlertModel


class AlertRule(Configurable):
    """Base of alert rules: a subclass gives alerts from the callbacks it implements.

    Set ``alert_type`` to an :class:`~vectra_bot.models.AlertType` or to text of the form ``namespace.name``;
    a rule that gives several types lists them in ``alert_types`` and names one in each :meth:`alert`.
    Annotated fields are parameters, declared by :func:`vectra_bot.param`; other attributes are state. While
    a rule has set its ``asleep`` to True, its ``on_game_tick`` is not called: a rule with nothing to look at
    costs nothing, until one of its other callbacks sets it to False.

    Its callbacks have the names and arguments of the hooks of a plugin, and may take fewer arguments by name:
    ``on_phase``, ``on_game_start``, ``on_game_tick``, ``on_game_end``, ``on_other_player_trade``,
    ``on_action_submitted``, ``on_action_outcome``, ``on_stake_settled``, ``on_player_update`` and
    ``on_connection``; besides, ``on_side_round(side_round, game)`` runs when a round of a side game is new,
    closed or decided (protocol 11; unverified). A callback returns None, one alert or several, or yields
    them, at most eight for one event; its arguments are shared by all rules.

    Rules must be deterministic: they read no clock, file or random number, so that a replay gives the same
    alerts. They are called after the plugins' hooks and before the strategy. An exception is counted and
    stored; a rule that fails five times within a minute of feed time is not called again.

    Example::

        class Moon(AlertRule):
            alert_type = "example.moon"
            multiple: float = param(5.0, low=1.0)

            def on_game_tick(self, tick, game):
                if tick.price >= self.multiple > game.prices[tick.tick - 1]:
                    yield self.alert("Moon", f"{tick.price:.2f}x at tick {tick.tick}")
    """

    alert_type: ClassVar[AlertType | str | None] = None
    alert_types: ClassVar[tuple[AlertType | str, ...]] = ()
    asleep = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            _check_callback(cls, name)
        for one in cls.types():
            _check_type(cls, one)

    @classmethod
    def types(cls) -> tuple[AlertType | str, ...]:
        """Return the types of alert that the rule gives."""
        return cls.alert_types or (() if cls.alert_type is None else (cls.alert_type,))

    @property
    def account(self) -> AccountView:
        """Return our money, as a strategy sees it."""
        return self._around.account

    @property
    def side_games(self) -> SideGamesView:
        """Return the side games' rounds (protocol 11; unverified)."""
        return self._around.side_games

    @property
    def model(self) -> AlertModel:
        """Return the model of the session's chances: the law, unless a plugin registered another."""
        return self._around.model

    @property
    def _around(self) -> RuleSurroundings:
        around: RuleSurroundings | None = self.__dict__.get("_surroundings")
        if around is None:
            raise NotInCallback(
                f"{type(self).__name__} is not registered: use account, side_games and model inside its "
                "on_* methods"
            )
        return around

    def alert(
        self,
        title: str,
        message: str,
        *,
        alert_type: AlertType | str | None = None,
        severity: str = "info",
        data: Mapping[str, Any] | None = None,
        expires_s: float | None = None,
        player_id: str | None = None,
        priority: int = 0,
        sound: bool = False,
    ) -> AlertDraft:
        """Return an alert, to be returned or yielded by the callback.

        Args:
            title: headline.
            message: text for a person.
            alert_type: one of the rule's types; not needed if it has one.
            severity: ``info``, ``success``, ``warning`` or ``error``.
            data: JSON values behind it, stored as ``source_data``.
            expires_s: seconds of feed time after which it is of no interest; None for never.
            player_id: the player it is about; None for none.
            priority: higher is shown first.
            sound: whether it may make a sound.

        Raises:
            ConfigError: the type is not one of the rule's, or the severity is unknown.
        """
        types = self.types()
        if alert_type is None:
            if len(types) != 1:
                raise ConfigError(
                    f"{type(self).__name__} gives {len(types)} types: name alert_type"
                )
            alert_type = types[0]
        elif alert_type not in types:
            raise ConfigError(
                f"alert_type was {safe_repr(alert_type)}: {type(self).__name__} gives "
                f"{', '.join(map(str, types)) or 'none'}; add it to alert_types"
            )
        if severity not in SEVERITIES:
            raise ConfigError(f"severity was {safe_repr(severity)}: give {', '.join(SEVERITIES)}")
        return AlertDraft(
            alert_type=alert_type,
            severity=severity,
            title=title,
            message=message,
            data=data,
            expires_s=expires_s,
            player_id=player_id,
            priority=priority,
            sound=sound,
        )


RULE_CALLBACKS: dict[str, tuple[str, ...]] = {
    **{name: HOOKS[name] for name in CALLBACKS if name in HOOKS},
    "on_side_round": ("side_round", "game"),
}
"""The callbacks of rules with their arguments."""


def _check_type(cls: type, given: object) -> None:
    if isinstance(given, AlertType):
        return
    if not (isinstance(given, str) and _NAMESPACED.fullmatch(given)):
        raise ConfigError(
            f"{cls.__name__} has the alert type {safe_repr(given)}: give a member of AlertType, or "
            "namespace.name in small letters"
        )


def _check_callback(cls: type, name: str) -> None:
    """Refuse a callback that would never run, or whose arguments the engine does not have."""
    if not name.startswith("on_"):
        return
    function = inspect.getattr_static(cls, name)
    if name not in RULE_CALLBACKS:
        close = difflib.get_close_matches(name, RULE_CALLBACKS, n=1, cutoff=0.6)
        advice = (
            f"did you mean {close[0]}?"
            if close
            else "its callbacks are " + ", ".join(RULE_CALLBACKS)
        )
        raise ConfigError(f"{cls.__name__}.{name} is not a callback of rules: {advice}")
    if not inspect.isfunction(function):
        raise ConfigError(f"{cls.__name__}.{name} is not a method: write def {name}(self, ...)")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"{cls.__name__}.{name} is async: write a plain def")
    offered = RULE_CALLBACKS[name]
    _, *taken = inspect.signature(function).parameters.values()
    wrong = [
        one.name
        for one in taken
        if one.name not in offered or one.kind is not one.POSITIONAL_OR_KEYWORD
    ]
    if wrong:
        raise ConfigError(f"{cls.__name__}.{name} takes {wrong}: it may take {list(offered)}")
