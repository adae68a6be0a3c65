"""Which plugins a session has: installed ones, and those given as file, folder, module, class or object.

Installed plugins come first, by name; then those that are given, in that order. A blocked one is not loaded,
and not even imported if it is installed.

``$VECTRA_PLUGINS_ENABLE``, ``$VECTRA_PLUGINS_DISABLE`` and ``$VECTRA_PLUGINS_BLOCK``, names separated by
commas, say for every session what a configuration file says for its own. The file prevails, except over a
block.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from attrs import NOTHING, evolve, field, frozen

from vectra_bot.errors import InputError, PluginError, UnknownNameError, VectraError, safe_text
from vectra_bot.hookspecs import API_VERSION, HOOKS, check_api, checked_hooks
from vectra_bot.loading.given import (
    GIVEN,
    FoundPlugin,
    add_plugin,
    given_plugins,
    installed_plugins,
    is_on_by_default,
    is_spec,
    plugins_in_folder,
)
from vectra_bot.params import Parameter
from vectra_bot.plugins import Fault, PluginManager, foreign, parameters_of

ENABLE, DISABLE, BLOCK = (f"VECTRA_PLUGINS_{word}" for word in ("ENABLE", "DISABLE", "BLOCK"))
"""Environment variables that decide about plugins."""

log = logging.getLogger(__name__)


@frozen(kw_only=True)
class PluginChoice:
    """Which plugins a session is to have.

    Attributes:
        settings: parameters by plugin name; naming a plugin here enables it.
        enable: plugins to load: by name, ``./file.py[:Class]``, ``module:Class``, as classes or objects.
        disable: names of plugins not to load.
        block: names of plugins that nothing can load.
        folder: folder whose files' plugins are loaded, unless a class is off by default.
        usual: names of plugins that are on here although they are off by default.
    """

    settings: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    enable: tuple[Any, ...] = ()
    disable: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    folder: Path | None = None
    usual: tuple[str, ...] = ()


class PluginState(StrEnum):
    """Whether a plugin takes part in a session."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    BLOCKED = "blocked"
    BROKEN = "broken"


@frozen(kw_only=True)
class PluginInfo:
    """A plugin as ``vectra-bot plugins`` lists it.

    Attributes:
        state: whether it takes part in a session.
        why: what decided that; of a broken one what is wrong with it.
        spec: where it is: ``module:Class``, ``/path/file.py:Class``.
        hooks: its hooks, each with its rank (-1: first, 1: last).
        error: why it cannot be used; None if it can.
    """

    name: str
    state: PluginState
    why: str
    distribution: str
    version: str
    spec: str
    api_version: int | None = None
    hooks: Mapping[str, int] = field(factory=dict)
    enabled_by_default: bool = False
    parameters: tuple[Parameter, ...] = ()
    summary: str = ""
    error: str | None = None


def load_plugins(choice: PluginChoice | None = None, *, replay: bool = False) -> PluginManager:
    """Return a manager with the plugins of *choice* and of the environment.

    Args:
        choice: which plugins; the installed ones that are on by default if None.
        replay: load only those with ``replays = True``.

    Raises:
        UnknownNameError: a name is not known.
        InputError: a file, folder or module cannot be used.
        PluginError: a plugin that was asked for cannot be used, or is blocked.
        ConfigError: a parameter is wrong.
    """
    choice = choice or PluginChoice()
    decisions = _Decisions.of(choice)
    manager = PluginManager()
    for name, found in decisions.found.items():
        if decisions.without_import(name) is not None:
            continue
        try:
            target = found.load()
            with foreign(name, "cannot be read"):
                wanted = name in decisions.enabled or is_on_by_default(target)
                repeats = getattr(target, "replays", False) is True
            if wanted and replay and not repeats and name in decisions.asked:
                raise PluginError(
                    f"plugin {name!r} does not run in replays, where its hooks would run again: set "
                    "replays = True in its class if they may"
                )
            if wanted and (repeats or not replay):
                spec = "" if found.points else found.spec
                settings = choice.settings.get(name, {})
                manager.register(name, target, settings, found.version, spec)
        except VectraError as error:
            if name in decisions.enabled:
                raise
            # A broken plugin that was not requested must not keep a session from running.
            manager.faults.append(Fault(name, "load", safe_text(error), "", quarantined=True))
    return manager


def list_plugins(choice: PluginChoice | None = None) -> list[PluginInfo]:
    """Return every plugin in the order of registration; a broken one has its error instead of raising.

    Raises:
        UnknownNameError, InputError, PluginError: as :func:`load_plugins`, for what *choice* names.
    """
    decisions = _Decisions.of(choice or PluginChoice())
    return [_info(found, decisions) for found in decisions.found.values()]


def calling_order(plugins: Iterable[PluginInfo]) -> dict[str, list[str]]:
    """Return the names of the enabled plugins of each hook in the order in which they are called."""
    enabled = [info for info in plugins if info.state is PluginState.ENABLED]
    found = {}
    for hook in HOOKS:
        having = sorted((i for i in enabled if hook in i.hooks), key=lambda i: i.hooks[hook])
        if having:
            found[hook] = [info.name for info in having]
    return found


@frozen
class _Decisions:
    """Whether each plugin takes part, and what decided that.

    Attributes:
        found: all plugins by name, in the order of registration.
        asked: names of those that this session asks for, which must work.
        blocked, disabled, enabled: what says so, by name; blocking prevails, then disabling.
    """

    found: dict[str, FoundPlugin]
    asked: frozenset[str]
    blocked: dict[str, str]
    disabled: dict[str, str]
    enabled: dict[str, str]

    @classmethod
    def of(cls, choice: PluginChoice) -> _Decisions:
        """Find the plugins and decide.

        Raises:
            UnknownNameError: a name is not known.
            InputError: a file, folder or module cannot be used.
            PluginError: a plugin that was asked for is blocked.
        """
        enable, disable, block = map(_from_environment, (ENABLE, DISABLE, BLOCK))
        found = installed_plugins()
        given = (*given_plugins(choice.enable), *_given_everywhere(enable))
        for one in (*given, *plugins_in_folder(choice.folder)):
            add_plugin(found, one)
        named = dict.fromkeys((*_names(choice.enable), *choice.settings))
        _require_known((*named, *choice.disable, *choice.usual), found)
        _require_known(_names(enable), found, f"(in ${ENABLE})")
        _require_known(disable, found, f"(in ${DISABLE})")
        enabled = {
            **dict.fromkeys(choice.usual, "usual in such a session"),
            **dict.fromkeys(_names(enable), f"by ${ENABLE}"),
            **{one.name: one.given for one in found.values() if one.given},
            **dict.fromkeys(named, "asked for"),
        }
        asked = frozenset((*named, *(one.name for one in found.values() if one.given == GIVEN)))
        decisions = cls(
            found=found,
            asked=asked,
            blocked={
                **dict.fromkeys(block, f"by ${BLOCK}"),
                **dict.fromkeys(choice.block, "by the configuration"),
            },
            disabled={
                **{name: f"by ${DISABLE}" for name in disable if name not in asked},
                **dict.fromkeys(choice.disable, "by --no-plugin or the configuration"),
            },
            enabled=enabled,
        )
        decisions.check_blocked()
        return decisions

    def check_blocked(self) -> None:
        """Refuse a session that asks for what is blocked, and log what blocks nothing.

        Raises:
            PluginError: a plugin that was asked for is blocked.
        """
        for name, by in self.blocked.items():
            if name in self.asked:
                raise PluginError(f"plugin {name!r} is blocked {by}: remove it there")
            if name not in self.found:
                log.warning("plugin %r is blocked %s and not installed", name, by)

    def without_import(self, name: str) -> tuple[PluginState, str] | None:
        """Return the state of a plugin that is not to be loaded, and why; None if it may be."""
        if name in self.blocked:
            return PluginState.BLOCKED, self.blocked[name]
        if name in self.disabled:
            return PluginState.DISABLED, self.disabled[name]
        return None


def _info(found: FoundPlugin, decisions: _Decisions) -> PluginInfo:
    state, why = decisions.without_import(found.name) or (PluginState.ENABLED, "")
    info = PluginInfo(
        name=found.name,
        state=state,
        why=why,
        distribution=found.distribution,
        version=found.version,
        spec=found.spec,
    )
    if state is PluginState.BLOCKED:
        return info
    try:
        info = _described(info, found.load())
    except VectraError as error:
        text = safe_text(error)
        broken = evolve(info, error=text)
        return broken if why else evolve(broken, state=PluginState.BROKEN, why=text)
    if why:
        return info
    if found.name in decisions.enabled:
        return evolve(info, why=decisions.enabled[found.name])
    state = PluginState.ENABLED if info.enabled_by_default else PluginState.DISABLED
    return evolve(info, state=state, why="by default")


def _described(info: PluginInfo, target: Any) -> PluginInfo:
    """Return *info* with what the plugin's code says; the checks are those of a session.

    Raises:
        VectraError: the plugin cannot be used.
    """
    name = info.name
    with foreign(name, "cannot be read"):
        default, described = is_on_by_default(target), tuple(parameters_of(target))
        missing = [p.name for p in described if p.default is NOTHING]
        if default and missing:
            raise PluginError(
                f"plugin {name!r} is on by default but needs {', '.join(missing)}: give each a default, "
                "or set enabled_by_default = False"
            )
        version = getattr(target, "api_version", API_VERSION)
        check_api(version)
        hooks = checked_hooks(target)
        if not hooks:
            raise PluginError("it has no hook and would never run: mark a method by @hookimpl")
        return evolve(
            info,
            api_version=version,
            hooks={hook: hooks[hook] for hook in HOOKS if hook in hooks},
            enabled_by_default=default,
            parameters=described,
            summary=safe_text(inspect.cleandoc(target.__doc__ or "").partition("\n")[0]),
        )


def _require_known(names: Iterable[str], found: Mapping[str, FoundPlugin], hint: str = "") -> None:
    for name in names:
        if name not in found:
            raise UnknownNameError("plugin", name, found, hint=hint)


def _given_everywhere(plugins: Iterable[str]) -> list[FoundPlugin]:
    """Return the plugins that the environment gives as files or modules.

    Raises:
        InputError: one cannot be found; the message names the variable, where nobody looks first.
    """
    try:
        return [evolve(one, given=f"by ${ENABLE}") for one in given_plugins(plugins)]
    except InputError as error:
        raise InputError(f"{error} (in ${ENABLE})") from error


def _from_environment(variable: str) -> tuple[str, ...]:
    """Return the names in an environment variable, which commas separate."""
    texts = (text.strip() for text in os.environ.get(variable, "").split(","))
    return tuple(dict.fromkeys(text for text in texts if text))


def _names(plugins: Iterable[Any]) -> list[str]:
    """Return those of *plugins* that are given by name."""
    return [one for one in plugins if isinstance(one, str) and not is_spec(one)]


__all__ = [
    "PluginChoice",
    "PluginInfo",
    "PluginState",
    "calling_order",
    "list_plugins",
    "load_plugins",
]
