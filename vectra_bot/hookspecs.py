"""The hook contract: every hook a plugin can implement, with its arguments and when it runs.

A plugin is a class (or module) with methods marked by :data:`vectra_bot.hookimpl`. It may take fewer
arguments than a hook offers, by name. All hooks are synchronous; a plugin's exception is counted, stored as
a ``system_event`` and never reaches another plugin or the strategy. Arguments are copies and read-only views,
for each plugin its own; a plugin that changes the engine's state is quarantined.

Hooks run once: in a session on the embedded exchange or on a live feed. Only a plugin with ``replays = True``
in its class is called in a replay of a recording, which is a session, and in ``replay --check``, which is
not: there ``session_started`` and ``session_finished`` are not run, so that a plugin that vetoes should not
depend on what it set up in them. The vetoes of every other plugin are read from the journal. The recovery of
a killed session calls no plugin.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pluggy
from attrs import frozen

from vectra_bot.errors import PluginError, UnknownNameError, safe_repr

if TYPE_CHECKING:
    from vectra_bot.alerts import AlertModel, AlertRule, AlertSink
    from vectra_bot.game.state import GameView
    from vectra_bot.game.view import AccountView
    from vectra_bot.models import (
        AlertTrigger,
        GameSummary,
        GameTick,
        Link,
        OtherPlayerAction,
        PlayerAction,
        PlayerState,
        SessionFigures,
        SessionInfo,
        SessionSummary,
        StakeSettled,
    )

API_VERSION = 1
"""Version of the hooks; a plugin may say in ``api_version`` for which it was written."""

PROJECT = "vectra_bot"
hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker(PROJECT)
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker(PROJECT)


@hookspec
def session_started(info: SessionInfo) -> None:
    """Run once before the first input of a session.

    Args:
        info: what the session is: id, mode, venue, strategy, store.
    """


@hookspec
def session_finished(info: SessionInfo, report: SessionSummary) -> None:
    """Run once after the last input of a session, also when it ended with an error.

    Args:
        info: what the session was.
        report: how it ended: games, actions by state, cash, profit.
    """


@hookspec
def register_alert_sinks(register: Callable[[AlertSink], None]) -> None:
    """Register what shows or forwards alerts; run once before the first input of a session.

    Not run in ``replay --check``.

    Args:
        register: call it with each sink; a name that is taken is refused.
    """


@hookspec
def on_session_figures(figures: SessionFigures) -> None:
    """Run about once a second while a session runs: what only its host knows, for monitoring.

    Not run in a replay. When it runs depends on the machine, so that a veto must not depend on it.

    Args:
        figures: the newest ones; counts are those since the session's start.
    """


@hookspec
def on_phase(game: GameView) -> None:
    """Run at every change of phase; ``game.phase`` is the new one.

    Args:
        game: the running game, read-only.
    """


@hookspec
def on_game_start(game: GameView) -> None:
    """Run at tick 0, or at the first frame of a game joined late.

    Args:
        game: the running game.
    """


@hookspec
def on_game_tick(tick: GameTick, game: GameView) -> None:
    """Run at every new tick of a running game; ticks strictly increase.

    Args:
        tick: the price update.
        game: the running game, the tick included.
    """


@hookspec
def on_game_end(game: GameView, summary: GameSummary) -> None:
    """Run when a game's money is settled and its seed revealed, with the next game's first frame.

    Args:
        game: already the next game.
        summary: the game that ended.
    """


@hookspec
def on_other_player_trade(trade: OtherPlayerAction, game: GameView) -> None:
    """Run when another player's trade was seen; the public stream is a sample (protocol 5.5).

    Args:
        trade: the trade, with the leaderboard's data about the player.
        game: the running game.
    """


@hookspec
def on_action_submitted(action: PlayerAction) -> None:
    """Run when an action was handed to the venue.

    Args:
        action: the action in state SENT.
    """


@hookspec
def on_action_outcome(action: PlayerAction) -> None:
    """Run once for every action when it is complete: decided, with the state after it known or never to be.

    Args:
        action: the action in its terminal state.
    """


@hookspec
def on_stake_settled(settled: StakeSettled, game: GameView) -> None:
    """Run when the stake of a sidebet, short or side game was settled.

    Args:
        settled: which action's stake, and its payout.
        game: the running game.
    """


@hookspec
def on_player_update(state: PlayerState, game: GameView) -> None:
    """Run when the venue sent a statement of our account.

    Args:
        state: the account as the venue states it.
        game: the running game.
    """


@hookspec
def on_connection(status: Link) -> None:
    """Run when the connection to the venue changed.

    Args:
        status: the new state of the connection.
    """


@hookspec
def register_alert_rules(register: Callable[[AlertRule | AlertModel], None]) -> None:
    """Register alert rules; runs once, before the first input.

    Args:
        register: call it with each rule, an object; with an ``AlertModel`` it sets the session's model.
    """


@hookspec
def on_alert(alert: AlertTrigger) -> None:
    """Run when an alert of a rule or of the auditor was stored; preferences have no effect on it.

    Args:
        alert: the alert.
    """


@hookspec
def review_action(action: PlayerAction, game: GameView, account: AccountView) -> str | None:
    """Veto an action before it is sent.

    Every plugin is called; any denial wins; a plugin that raises denies.

    Args:
        action: the action about to be sent, in state INTENT.
        game: the running game.
        account: our money, the action not yet included.

    Returns:
        None to allow it, or the reason to deny it.
    """


HOOKS: dict[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(function).parameters)
    for name, function in globals().copy().items()
    if inspect.isfunction(function) and hasattr(function, f"{PROJECT}_spec")
}
"""Every hook with its arguments, in the order of the contract page."""


@frozen
class _Hook:
    """An implementation as defined in a class, object or module, not yet bound."""

    name: str
    function: Any
    options: Mapping[str, Any]
    takes_self: bool


def _hooks(target: Any) -> Iterator[_Hook]:
    """Yield the marked implementations of a class, object or module without running its code."""
    for attribute in dir(target):
        value = inspect.getattr_static(target, attribute, None)
        if isinstance(value, property):
            if _options(value.fget) is not None:
                raise PluginError(f"{attribute} is a property: hooks are plain functions")
            continue
        options = _marks(value)
        if options is None:
            _refuse_unmarked(target, attribute, value)
            continue
        function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        in_class = inspect.getattr_static(type(target), attribute, None) is value
        takes_self = isinstance(value, classmethod) or (
            inspect.isfunction(value) and (isinstance(target, type) or in_class)
        )
        yield _Hook(attribute, function, options, takes_self)


def _marks(value: Any) -> Mapping[str, Any] | None:
    """Return the marks of an attribute, whether they are above or below ``@staticmethod``."""
    function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
    options = _options(function)
    return _options(value) if options is None else options


def _options(value: Any) -> Mapping[str, Any] | None:
    """Return the marks of ``@hookimpl``; only functions can have them."""
    if not (inspect.isroutine(value) or isinstance(value, staticmethod | classmethod)):
        return None
    options = getattr(value, f"{PROJECT}_impl", None)
    return options if isinstance(options, Mapping) else None


def _refuse_unmarked(target: Any, name: str, value: Any) -> None:
    """Refuse what has the name of a hook, or nearly, and would never run because it is not marked.

    Raises:
        PluginError: *name* is such a name.
    """
    if name in HOOKS:
        if not callable(value) and not isinstance(value, staticmethod | classmethod):
            raise PluginError(f"{name} is not a method: write @hookimpl def {name}(self, ...)")
        kind = target if isinstance(target, type) else type(target)
        marked = (one for one in kind.__mro__ if _marks(vars(one).get(name)) is not None)
        over = next((f" and overrides that of {one.__name__}, which is" for one in marked), "")
        raise PluginError(
            f"{name} would never run: it is not marked{over}; write @hookimpl above its def"
        )
    if not name.startswith("on_") or not inspect.isfunction(value) or inspect.ismodule(target):
        return
    close = difflib.get_close_matches(name, HOOKS, n=1, cutoff=0.6)
    advice = f"did you mean {close[0]}?" if close else f"the hooks are {', '.join(HOOKS)}"
    raise PluginError(
        f"{name} is not a hook and would never run: {advice} (a method of your own begins otherwise)"
    )


def has_hooks(target: Any) -> bool:
    """Return whether ``@hookimpl`` marks anything in a class, object or module; checks nothing."""
    return any(
        _marks(inspect.getattr_static(target, name, None)) is not None for name in dir(target)
    )


def rank_of(options: Mapping[str, Any]) -> int:
    """Return where ``@hookimpl`` puts an implementation: -1 first, 0, or 1 last."""
    return -1 if options["tryfirst"] else 1 if options["trylast"] else 0


def checked_hooks(target: Any) -> dict[str, int]:
    """Return the names of the hooks that *target* implements, with the rank of each.

    Raises:
        PluginError, UnknownNameError: pluggy would accept it, but this host cannot call it.
    """
    found = {}
    for hook in _hooks(target):
        _check_hook(hook)
        found[hook.name] = rank_of(hook.options)
    return found


def check_api(version: Any) -> None:
    """Check for which version of the hooks a plugin says that it was written.

    Raises:
        PluginError: not for this one.
    """
    if type(version) is not int:
        raise PluginError(
            f"api_version was {safe_repr(version)}: give a whole number, {API_VERSION}"
        )
    if version != API_VERSION:
        remedy = "vectra-bot" if version > API_VERSION else "the plugin"
        raise PluginError(
            f"it is written for version {version} of the hooks and this vectra-bot has version "
            f"{API_VERSION}: install a newer version of {remedy}"
        )


def _check_hook(hook: _Hook) -> None:
    if hook.name not in HOOKS:
        raise UnknownNameError("hook", hook.name, HOOKS)
    if hook.options.get("wrapper") or hook.options.get("hookwrapper"):
        raise PluginError(f"{hook.name} is a wrapper: hooks cannot be wrapped")
    if hook.options.get("specname"):
        raise PluginError(f"{hook.name} has a specname: name the method after its hook")
    function = hook.function
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PluginError(f"{hook.name} is async: hooks are plain functions")
    if inspect.isgeneratorfunction(function):
        raise PluginError(f"{hook.name} contains yield and would never run: write a plain function")
    arguments = list(inspect.signature(function).parameters.values())
    offered = HOOKS[hook.name]
    if hook.takes_self:
        if not arguments or arguments[0].name in offered:
            raise PluginError(f"{hook.name} lacks self: write def {hook.name}(self, ...)")
        del arguments[0]
    wrong = sorted(argument.name for argument in arguments if argument.name not in offered)
    if wrong:
        raise PluginError(f"{hook.name} takes {wrong}: it may take {list(offered)}")
    for argument in arguments:
        if argument.kind is not argument.POSITIONAL_OR_KEYWORD:
            raise PluginError(
                f"{hook.name} takes {argument.name!r} as a special argument: take it by plain name"
            )


def adapt(method: Callable[..., Any], names: tuple[str, ...]) -> Callable[..., Any]:
    """Return *method* as one that takes all of *names* by position."""
    taken = tuple(inspect.signature(method).parameters)
    if taken == names:
        return method
    if not taken:
        return lambda *_: method()
    if taken == names[:1]:
        return lambda first, *_: method(first)
    positions = tuple(names.index(name) for name in taken)

    def adapted(*args: Any) -> Any:
        return method(*(args[position] for position in positions))

    return adapted
