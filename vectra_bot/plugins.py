"""The plugin manager: finds plugins by entry point, checks them, and calls their hooks under guard.

pluggy registers and validates; calls go through tuples of bound methods resolved once at load, because a
pluggy call per tick costs ten times as much and stops at the first exception. Each implementation is
adapted to the hook's full signature, so taking fewer arguments by name stays legal. ``tryfirst`` and
``trylast`` are honoured; otherwise the order is that of the entry points' names.
"""

from __future__ import annotations

import inspect
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from typing import Any

import pluggy
from attrs import define, field, frozen

from vectra_bot import hookspecs
from vectra_bot.errors import PluginError, UnknownNameError
from vectra_bot.hookspecs import PROJECT, hookimpl, hookspec
from vectra_bot.models import PlayerAction
from vectra_bot.params import Configurable, Parameter, configure, parameters

__all__ = [
    "GROUP",
    "Fault",
    "Plugin",
    "PluginInfo",
    "PluginManager",
    "discover",
    "hookimpl",
    "hookspec",
]

GROUP = "vectra_bot.plugins"

# A plugin that fails this often within this many nanoseconds of feed time is quarantined.
MAX_FAULTS = 5
FAULT_WINDOW_NS = 60_000_000_000
MAX_TRACEBACK = 4_000


class Plugin(Configurable):
    """Base of plugins with parameters; the same :func:`vectra_bot.param` fields as a strategy's.

    Set ``enabled_by_default = False`` in a plugin that must be asked for.
    """

    enabled_by_default = True


HOOKS: dict[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(function).parameters)
    for name, function in vars(hookspecs).items()
    if inspect.isfunction(function) and hasattr(function, f"{PROJECT}_spec")
}
"""Every hook with its arguments, in the order of the contract page."""


@frozen(kw_only=True)
class PluginInfo:
    """An installed plugin as ``vectra-bot plugins`` shows it; ``error`` says why it cannot be used."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()
    enabled_by_default: bool = False
    parameters: tuple[Parameter, ...] = ()
    summary: str = ""
    error: str | None = None


@frozen
class Fault:
    """An exception of a plugin."""

    plugin: str
    hook: str
    error: str
    trace: str
    quarantined: bool


@define
class _Loaded:
    name: str
    plugin: Any
    version: str
    faults: deque[int] = field(factory=deque)
    quarantined: bool = False


_Call = tuple[_Loaded, Callable[..., Any]]


def discover() -> list[PluginInfo]:
    """Return every installed plugin, by name; a broken one carries its error instead of raising."""
    found = []
    for name, point in sorted(_entry_points().items()):
        dist = point.dist
        distribution = dist.name if dist is not None else ""
        version = dist.version if dist is not None else ""
        try:
            target = _load(name, point)
            hooks = tuple(hook for hook in HOOKS if _marked(target, hook))
            found.append(
                PluginInfo(
                    name=name,
                    distribution=distribution,
                    version=version,
                    hooks=hooks,
                    enabled_by_default=bool(getattr(target, "enabled_by_default", True)),
                    parameters=tuple(_parameters(target)),
                    summary=inspect.cleandoc(target.__doc__ or "").partition("\n")[0],
                )
            )
        except PluginError as error:
            found.append(
                PluginInfo(name=name, distribution=distribution, version=version, error=str(error))
            )
    return found


def _entry_points() -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def _load(name: str, point: metadata.EntryPoint) -> Any:
    """Import a plugin; whatever goes wrong in foreign code becomes a PluginError."""
    try:
        return point.load()
    except BaseException as error:
        raise PluginError(
            f"plugin {name!r} cannot be imported ({type(error).__name__}: {error}): "
            f"reinstall or remove {point.value!r}"
        ) from error


def _marked(target: Any, hook: str) -> bool:
    return getattr(getattr(target, hook, None), f"{PROJECT}_impl", None) is not None


def _parameters(target: Any) -> list[Parameter]:
    if isinstance(target, type) and issubclass(target, Configurable):
        return parameters(target)
    return []


class PluginManager:
    """Holds the plugins of a session and calls their hooks.

    Faults are collected in :attr:`faults`; the engine stores them as documents and empties the list.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.now_ns = 0
        self._pluggy = pluggy.PluginManager(PROJECT)
        self._pluggy.add_hookspecs(hookspecs)
        self._loaded: list[_Loaded] = []
        self._calls: dict[str, tuple[_Call, ...]] = dict.fromkeys(HOOKS, ())

    @classmethod
    def load(
        cls,
        *,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        enable: Iterable[str] = (),
        disable: Iterable[str] = (),
    ) -> PluginManager:
        """Return a manager with the installed plugins that are wanted.

        Args:
            settings: parameters by plugin name; naming a plugin here enables it.
            enable: plugins to load although they are off by default.
            disable: plugins not to load.

        Raises:
            UnknownNameError: a name is not installed.
            PluginError: a plugin asked for by name cannot be used.
            ConfigError: a parameter is wrong.
        """
        settings = settings or {}
        points = _entry_points()
        asked, refused = set(enable) | set(settings), set(disable)
        for name in sorted(asked | refused):
            if name not in points:
                raise UnknownNameError("plugin", name, points)
        manager = cls()
        for name in sorted(points):
            if name in refused:
                continue
            try:
                target = _load(name, points[name])
                if name not in asked and not getattr(target, "enabled_by_default", True):
                    continue
                dist = points[name].dist
                version = dist.version if dist is not None else ""
                manager.register(name, target, settings.get(name, {}), version=version)
            except PluginError as error:
                if name in asked:
                    raise
                manager.faults.append(Fault(name, "load", str(error), "", quarantined=True))
        return manager

    @classmethod
    def load_only(cls, wanted: Mapping[str, Mapping[str, Any]]) -> PluginManager:
        """Return a manager with exactly the plugins of *wanted*, each with its settings.

        Raises:
            UnknownNameError: a name is not installed.
            PluginError: a plugin cannot be used.
            ConfigError: a parameter is wrong.
        """
        others = set(_entry_points()) - set(wanted)
        return cls.load(settings=wanted, disable=others)

    def register(
        self, name: str, target: Any, settings: Mapping[str, Any] | None = None, version: str = ""
    ) -> None:
        """Add a plugin: a class (made with *settings*), an object or a module.

        Raises:
            PluginError: it implements an unknown hook, takes a wrong argument, is async or a wrapper.
            ConfigError: a setting is wrong.
        """
        plugin = self._make(name, target, settings or {})
        _check_plugin(name, plugin)
        try:
            self._pluggy.register(plugin, name)
            self._pluggy.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            if self._pluggy.get_plugin(name) is not None:
                self._pluggy.unregister(name=name)
            raise PluginError(f"plugin {name!r} does not fit the hooks: {error}") from None
        self._loaded.append(_Loaded(name, plugin, version))
        self._resolve()

    def _make(self, name: str, target: Any, settings: Mapping[str, Any]) -> Any:
        if isinstance(target, type):
            if issubclass(target, Configurable):
                return configure(target, settings)
            if not settings:
                try:
                    return target()
                except BaseException as error:
                    raise PluginError(f"plugin {name!r} cannot be made: {error!r}") from error
        if settings:
            raise PluginError(
                f"plugin {name!r} was given {sorted(settings)} but has no parameters: "
                "let it inherit vectra_bot.Plugin"
            )
        return target

    def _resolve(self) -> None:
        """Resolve every hook to a tuple of adapted bound methods, in the order of the calls."""
        rank = {loaded.name: index for index, loaded in enumerate(self._loaded)}
        for hook, names in HOOKS.items():
            calls = []
            for loaded in self._loaded:
                method = getattr(loaded.plugin, hook, None)
                options = getattr(method, f"{PROJECT}_impl", None)
                if method is None or options is None:
                    continue
                # A guard that fails elsewhere keeps its veto: silence must not open the gate.
                if loaded.quarantined and hook != "review_action":
                    continue
                order = -1 if options["tryfirst"] else 1 if options["trylast"] else 0
                calls.append((order, rank[loaded.name], loaded, _adapt(method, names)))
            calls.sort(key=lambda call: call[:2])
            self._calls[hook] = tuple((loaded, method) for _, _, loaded, method in calls)

    @property
    def names(self) -> list[tuple[str, str]]:
        """Return (name, version) of the loaded plugins in the order they are called."""
        return [(loaded.name, loaded.version) for loaded in self._loaded]

    def call(self, hook: str, *args: Any) -> None:
        """Run *hook* in every plugin; nothing a plugin raises gets out."""
        for loaded, method in self._calls[hook]:
            try:
                method(*args)
            except BaseException as error:  # noqa: BLE001 - foreign code; the host's own stop is a flag
                self._fault(loaded, hook, error)

    def review(self, action: PlayerAction, game: Any, account: Any) -> str | None:
        """Return why an action is vetoed; all plugins are asked, the first reason is given."""
        reason: str | None = None
        for loaded, method in self._calls["review_action"]:
            try:
                answer = method(action, game, account)
                if answer is not None and not isinstance(answer, str):
                    raise TypeError(f"review_action returned {answer!r}: return None or a reason")
            except BaseException as error:  # noqa: BLE001 - foreign code; a failing guard denies
                self._fault(loaded, "review_action", error)
                answer = f"raised {type(error).__name__}"
            if answer is not None and reason is None:
                reason = f"plugin.{loaded.name}: {answer or 'denied'}"
        return reason

    def _fault(self, loaded: _Loaded, hook: str, error: BaseException) -> None:
        loaded.faults.append(self.now_ns)
        while loaded.faults and self.now_ns - loaded.faults[0] > FAULT_WINDOW_NS:
            loaded.faults.popleft()
        loaded.quarantined = len(loaded.faults) >= MAX_FAULTS and hook != "review_action"
        trace = "".join(traceback.format_exception(error))[-MAX_TRACEBACK:]
        self.faults.append(
            Fault(loaded.name, hook, f"{type(error).__name__}: {error}", trace, loaded.quarantined)
        )
        if loaded.quarantined:
            self._resolve()


def _check_plugin(name: str, plugin: Any) -> None:
    """Refuse what pluggy would accept and this host cannot call."""
    for attribute in dir(type(plugin) if not inspect.ismodule(plugin) else plugin):
        method = getattr(plugin, attribute, None)
        options = getattr(method, f"{PROJECT}_impl", None)
        if options is None:
            continue
        if attribute not in HOOKS:
            raise UnknownNameError("hook", attribute, HOOKS, hint=f"(in plugin {name!r})")
        if options["wrapper"] or options["hookwrapper"]:
            raise PluginError(f"plugin {name!r}: {attribute} is a wrapper: hooks cannot be wrapped")
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
            raise PluginError(f"plugin {name!r}: {attribute} is async: hooks are plain functions")
        taken = set(inspect.signature(method).parameters)  # type: ignore[arg-type]
        wrong = sorted(taken - set(HOOKS[attribute]))
        if wrong:
            raise PluginError(
                f"plugin {name!r}: {attribute} takes {wrong}: it may take {list(HOOKS[attribute])}"
            )


def _adapt(method: Callable[..., Any], names: tuple[str, ...]) -> Callable[..., Any]:
    """Return *method* as one that takes all of *names* by position."""
    taken = tuple(inspect.signature(method).parameters)
    if taken == names:
        return method
    positions = tuple(names.index(name) for name in taken)

    def adapted(*args: Any) -> Any:
        return method(*(args[position] for position in positions))

    return adapted
