"""Plugins: their base class, and the manager that checks them and calls their hooks guarded.

pluggy registers and validates; calls go through tuples of bound methods resolved once at load, because a
pluggy call per tick costs ten times as much and stops at the first exception. Each implementation is
adapted to the hook's full signature, so an implementation may take fewer arguments by name. ``tryfirst`` and
``trylast`` are honoured; otherwise the order is that of their registration.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import localcontext
from typing import Any, NoReturn

import pluggy
from attrs import define, field, frozen

from vectra_bot import hookspecs
from vectra_bot.errors import (
    ConfigError,
    PluginError,
    StopNow,
    UnknownNameError,
    safe_error,
    safe_repr,
    safe_text,
    safe_trace,
)
from vectra_bot.game.outside import BareView, fresh, only_reads
from vectra_bot.hookspecs import (
    API_VERSION,
    HOOKS,
    PROJECT,
    adapt,
    check_api,
    checked_hooks,
    hookimpl,
    hookspec,
)
from vectra_bot.models import GameTick, HookTime, PlayerAction
from vectra_bot.params import Configurable, Parameter, configure, parameters

__all__ = [
    "MAX_FAULTS",
    "Fault",
    "FaultWindow",
    "Plugin",
    "PluginManager",
    "hookimpl",
    "hookspec",
]

# A plugin that fails this often within this many nanoseconds of feed time is quarantined.
MAX_FAULTS = 5
FAULT_WINDOW_NS = 60_000_000_000
MAX_TRACEBACK = 4_000


class Plugin(Configurable):
    """Base of plugins with parameters; the same :func:`vectra_bot.param` fields as a strategy's.

    Set ``enabled_by_default = False`` in a plugin that must be enabled explicitly, and ``replays = True`` in
    one whose hooks may run again over what happened before: in replays and in ``replay --check``.
    ``api_version`` says for which version of the hooks the class was written; another one does not load it.
    """

    enabled_by_default = True
    replays = False
    api_version = API_VERSION

    @classmethod
    def settled(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return *settings* with the content of what they name, such as a file.

        It runs once, before the plugin is created. What it returns is in the journal's header and is what a
        replay uses, so that a plugin reads nothing by itself.
        """
        return settings

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, value in (("enabled_by_default", False), ("replays", True), ("api_version", 1)):
            if any(one.name == name for one in cls.__attrs_attrs__):
                raise ConfigError(
                    f"{cls.__name__}.{name} is annotated, which makes it a parameter: "
                    f"write {name} = {value}"
                )


@frozen
class Fault:
    """An exception of a plugin; ``quarantined``: from now on the plugin is not called."""

    plugin: str
    hook: str
    error: str
    trace: str
    quarantined: bool


@define
class FaultWindow:
    """Counts the exceptions of foreign code within a minute of feed time."""

    _times: deque[int] = field(factory=deque)

    def add(self, now_ns: int) -> bool:
        """Count an exception; return whether there were so many that the code is not to be called again."""
        self._times.append(now_ns)
        while now_ns - self._times[0] > FAULT_WINDOW_NS:
            self._times.popleft()
        return len(self._times) >= MAX_FAULTS


@define
class _Loaded:
    """A plugin of the session.

    Attributes:
        calls: its hooks, each with its place in the order.
        game: its view of the running game, which it gets at every tick.
        reads_ticks: whether all that it does with a tick is to read its fields.
    """

    name: str
    plugin: Any
    version: str
    spec: str
    calls: dict[str, tuple[int, Callable[..., Any]]] = field(factory=dict)
    faults: FaultWindow = field(factory=FaultWindow)
    quarantined: bool = False
    times: dict[str, list[int]] = field(factory=dict)
    game: Any = None
    reads_ticks: bool = False

    def add_time(self, hook: str, took_ns: int) -> None:
        """Count a call of *hook* that took *took_ns* nanoseconds."""
        times = self.times.get(hook)
        if times is None:
            times = self.times[hook] = [0, 0, 0]
        times[0] += 1
        times[1] += took_ns
        times[2] = max(times[2], took_ns)


_Call = tuple[_Loaded, Callable[..., Any]]


@contextmanager
def foreign(name: str, failure: str) -> Iterator[None]:
    """Turn whatever a plugin's own code raises into an error that names the plugin."""
    try:
        yield
    except ConfigError:
        raise
    except PluginError as error:
        text = safe_text(error)
        if repr(name) in text:
            raise
        raise PluginError(f"plugin {name!r}: {text}") from error
    except UnknownNameError as error:
        raise PluginError(f"plugin {name!r}: {safe_text(error)}") from None
    except BaseException as error:
        raise PluginError(
            f"plugin {name!r} {failure} ({safe_error(error)}): correct or remove it"
        ) from error


def module_of(target: Any) -> str:
    """Return the name of the module that defines a plugin, empty if it has none."""
    return getattr(inspect.getmodule(target), "__name__", "")


def parameters_of(target: Any) -> list[Parameter]:
    """Return the declared parameters of a plugin's class, none for anything else."""
    if isinstance(target, type) and issubclass(target, Configurable):
        return parameters(target)
    return []


class PluginManager:
    """Manages the plugins of a session and calls their hooks.

    Faults are collected in :attr:`faults`; the engine stores them as documents and empties the list. After
    each :meth:`call` :attr:`watch` says what the plugin changed of the engine, which it puts back. The engine
    calls ``on_game_tick`` itself. :attr:`calls` has the implementations of each hook in order of their calls,
    :attr:`settings` the parameters of each plugin. If :attr:`timer` is set, it gives nanoseconds, and
    :attr:`hook_times` says how long the hooks took.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.now_ns = 0
        self.settings: dict[str, Mapping[str, Any]] = {}
        self.watch: Callable[[str], str] = _unwatched
        self.timer: Callable[[], int] | None = None
        self._pluggy = pluggy.PluginManager(PROJECT)
        self._pluggy.add_hookspecs(hookspecs)
        self._loaded: list[_Loaded] = []
        self.calls: dict[str, tuple[_Call, ...]] = dict.fromkeys(HOOKS, ())

    def register(
        self,
        name: str,
        target: Any,
        settings: Mapping[str, Any] | None = None,
        version: str = "",
        spec: str = "",
    ) -> None:
        """Add a plugin: a class (made with *settings*), an object or a module.

        Args:
            name: its name in this session.
            target: the class, object or module.
            settings: parameters of a class.
            version: its version, if it has one.
            spec: where it is, such as ``/path/file.py:Class``, if it is not installed.

        Raises:
            PluginError: it cannot be created, is written for another version of the hooks, implements none or
                an unknown one, takes a wrong argument, is async, a generator or a wrapper, or has the method
                of a hook without its mark.
            ConfigError: a setting is wrong.
        """
        with foreign(name, "cannot be created"):
            check_api(getattr(target, "api_version", API_VERSION))
            plugin, self.settings[name] = self._make(name, target, settings or {})
        with foreign(name, "does not match the hooks"):
            self._add(_Loaded(name, plugin, version, spec))
        self._resolve()

    def _make(
        self, name: str, target: Any, settings: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        """Return the plugin and the settings that it was made with."""
        if isinstance(target, type) and issubclass(target, Plugin):
            settings = target.settled(settings)
        if isinstance(target, type) and issubclass(target, Configurable):
            return configure(target, settings, PluginError), settings
        if settings:
            raise PluginError(
                f"plugin {name!r} was given {safe_repr(sorted(settings))} but "
                + (
                    "is an object: give them where it is created"
                    if isinstance(target, Configurable)
                    else "has no parameters: let it inherit vectra_bot.Plugin"
                )
            )
        if isinstance(target, type):
            return target(), settings
        return target, {one.name: getattr(target, one.name) for one in parameters_of(type(target))}

    def _add(self, loaded: _Loaded) -> None:
        name, plugin = loaded.name, loaded.plugin
        for hook, rank in checked_hooks(plugin).items():
            method = getattr(plugin, hook)
            loaded.calls[hook] = (rank, adapt(method, HOOKS[hook]))
            if hook == "on_game_tick":
                loaded.reads_ticks = only_reads(method, "tick", GameTick)
        if not loaded.calls:
            raise PluginError("it has no hook and would never run: mark a method by @hookimpl")
        try:
            self._pluggy.register(plugin, name)
            self._pluggy.check_pending()
        except BaseException:
            if self._pluggy.get_plugin(name) is plugin:
                self._pluggy.unregister(name=name)
            raise
        self._loaded.append(loaded)

    def _resolve(self) -> None:
        """Compute the order of calls of every hook; runs no code of the plugins."""
        for hook in HOOKS:
            calls = []
            for rank, loaded in enumerate(self._loaded):
                # A guard that fails in another hook keeps its veto: a fault must not allow actions.
                if hook in loaded.calls and (not loaded.quarantined or hook == "review_action"):
                    order, method = loaded.calls[hook]
                    calls.append((order, rank, loaded, method))
            calls.sort(key=lambda call: call[:2])
            self.calls[hook] = tuple((loaded, method) for _, _, loaded, method in calls)

    def show(self, game: BareView) -> tuple[BareView, ...]:
        """Give every plugin its own view of the running game, and return these views."""
        for loaded in self._loaded:
            loaded.game = fresh(game)
        return tuple(loaded.game for loaded in self._loaded)

    @property
    def names(self) -> list[tuple[str, str]]:
        """Return (name, version) of the loaded plugins in the order they are called."""
        return [(loaded.name, loaded.version) for loaded in self._loaded]

    @property
    def specs(self) -> dict[str, str]:
        """Return where each loaded plugin is that is not installed, by the plugin's name."""
        return {one.name: one.spec for one in self._loaded if one.spec}

    @property
    def modules(self) -> dict[str, str]:
        """Return the module that defines each loaded plugin, by the plugin's name."""
        return {one.name: module_of(one.plugin) for one in self._loaded}

    @property
    def parameters(self) -> dict[str, list[Parameter]]:
        """Return the declared parameters of each loaded plugin, by the plugin's name."""
        return {one.name: parameters_of(type(one.plugin)) for one in self._loaded}

    def call(self, hook: str, *args: Any) -> None:
        """Run *hook* in every plugin; no exception of a plugin is passed on.

        A plugin's changes of the decimal context end with the call.
        """
        calls = self.calls[hook]
        if not calls:
            return
        timer = self.timer
        with localcontext():
            for loaded, method in calls:
                began = 0 if timer is None else timer()
                try:
                    method(*map(fresh, args))
                except BaseException as error:  # noqa: BLE001 - foreign code
                    self.fault(loaded, hook, error)
                if timer is not None:
                    loaded.add_time(hook, timer() - began)
                self._look(loaded, hook)

    @property
    def hook_times(self) -> tuple[HookTime, ...]:
        """Return how long each hook of each plugin took since the timer was set."""
        return tuple(
            HookTime(plugin=loaded.name, hook=hook, calls=calls, total_ns=total, longest_ns=longest)
            for loaded in self._loaded
            for hook, (calls, total, longest) in loaded.times.items()
        )

    def review(self, action: PlayerAction, game: Any, account: Any) -> str | None:
        """Return why an action is denied; all plugins are called, the first reason is returned."""
        reason: str | None = None
        timer = self.timer
        for loaded, method in self.calls["review_action"]:
            began = 0 if timer is None else timer()
            try:
                with localcontext():
                    answer = method(fresh(action), fresh(game), fresh(account))
                if answer is not None:
                    answer = safe_text(answer) if isinstance(answer, str) else _refuse(answer)
            except BaseException as error:  # noqa: BLE001 - foreign code; a failing guard denies
                self.fault(loaded, "review_action", error)
                answer = f"raised {type(error).__name__}"
            if timer is not None:
                loaded.add_time("review_action", timer() - began)
            if self._look(loaded, "review_action"):
                answer = "changed the session"
            if answer is not None and reason is None:
                reason = safe_text(f"plugin.{loaded.name}: {answer or 'denied'}")
        return reason

    @property
    def reviewers(self) -> tuple[_Call, ...]:
        """What reviews actions, in the order of the calls."""
        return self.calls["review_action"]

    @reviewers.setter
    def reviewers(self, calls: tuple[_Call, ...]) -> None:
        self.calls["review_action"] = calls
        for loaded, method in calls:
            order, _ = loaded.calls.get("review_action", (0, None))
            loaded.calls["review_action"] = (order, method)

    def _look(self, loaded: _Loaded, hook: str) -> bool:
        """Return whether a plugin has just changed the engine; then it is quarantined."""
        changed = self.watch(hook)
        if changed:
            error = PluginError(
                f"plugin {loaded.name!r} changed the state of the session ({changed}): it was restored; "
                "a plugin may only read what its hooks are given"
            )
            self.fault(loaded, hook, error, at_once=True)
        return bool(changed)

    def fault(
        self, loaded: _Loaded, hook: str, error: BaseException, *, at_once: bool = False
    ) -> None:
        """Count an exception of a plugin, and quarantine it if there were too many or *at_once*."""
        if isinstance(error, StopNow):
            raise error
        often = loaded.faults.add(self.now_ns) and hook != "review_action"
        newly = (often or at_once) and not loaded.quarantined
        loaded.quarantined = loaded.quarantined or newly
        self.faults.append(
            Fault(loaded.name, hook, safe_error(error), safe_trace(error, MAX_TRACEBACK), newly)
        )
        if newly:
            self._resolve()


def _unwatched(_hook: str) -> str:
    """Return that nothing was changed: no engine uses the manager yet."""
    return ""


def _refuse(answer: object) -> NoReturn:
    raise TypeError(f"review_action returned {safe_repr(answer)}: return None or a reason")
