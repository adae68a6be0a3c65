"""Plugins where they are: installed, or given as file, folder, module, class or object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from attrs import evolve, frozen

from vectra_bot.errors import InputError, PluginError, UnknownNameError, safe_error, safe_repr
from vectra_bot.hookspecs import HOOKS, has_hooks
from vectra_bot.loading.files import is_file_spec, load_file, load_object, path_of_file
from vectra_bot.loading.installed import distribution_of, installed, only_one, owner_of
from vectra_bot.plugins import Plugin, foreign
from vectra_bot.strategy import Strategy

GROUP = "vectra_bot.plugins"
"""Entry points of plugins."""

GIVEN = "given"
"""How a plugin was given that a session asks for."""


@frozen(kw_only=True)
class FoundPlugin:
    """A plugin that can be loaded.

    Attributes:
        spec: where it is: ``module:Class``, ``/path/file.py:Class``.
        target: the class, object or module, of one that is given.
        points: the entry points of an installed one.
        given: how it was given, empty if it was only found.
    """

    name: str
    spec: str
    distribution: str = ""
    version: str = ""
    target: Any = None
    points: tuple[metadata.EntryPoint, ...] = ()
    given: str = ""

    def is_same(self, other: FoundPlugin) -> bool:
        """Return whether *other* is this plugin again: not another object of its class."""
        return self.spec == other.spec and (self.target is None or self.target is other.target)

    def load(self) -> Any:
        """Return the class, object or module; any failure of foreign code becomes a PluginError."""
        if self.target is not None:
            return self.target
        point = only_one(self.points, "plugin", PluginError)
        try:
            return point.load()
        except BaseException as error:
            raise PluginError(
                f"plugin {self.name!r} cannot be imported ({safe_error(error)}): "
                f"reinstall or uninstall {owner_of(point)}"
            ) from error


def installed_plugins() -> dict[str, FoundPlugin]:
    """Return the plugins that distributions install, by name; nothing is imported."""
    found = {}
    for name, points in sorted(installed(GROUP).items()):
        origins = [distribution_of(point) for point in points]
        found[name] = FoundPlugin(
            name=name,
            spec=", ".join(point.value for point in points),
            distribution=", ".join(origin.name for origin in origins),
            version=", ".join(origin.version for origin in origins),
            points=tuple(points),
        )
    return found


def is_spec(text: str) -> bool:
    """Return whether *text* says where a plugin is, and is not its name."""
    return is_file_spec(text) or ":" in text


def given_plugins(plugins: Iterable[Any]) -> Iterator[FoundPlugin]:
    """Yield the plugins that are given otherwise than by name."""
    for one in plugins:
        if not isinstance(one, str):
            yield _of_target(one, one if isinstance(one, type) else type(one))
        elif is_spec(one):
            yield _of_file(one) if is_file_spec(one) else _of_module(one)


def _of_file(spec: str) -> FoundPlugin:
    path_text, _, name = spec.partition(":")
    path = path_of_file(path_text, "plugin")
    module = load_file(path, "plugin", PluginError, again=False)
    own = _plugins_in(module)
    if name:
        if not hasattr(module, name):
            raise UnknownNameError("plugin class", name, own, hint=f"(in {path_text})")
        return _in_module(module, path, name, getattr(module, name))
    if len(own) > 1:
        raise InputError(
            f"{path_text!r} defines {', '.join(sorted(own))}: say which one, as in "
            f"{path_text}:{min(own)}"
        )
    if not own:
        raise InputError(f"{path_text!r} defines no plugin: {_advice(module)}")
    name, target = next(iter(own.items()))
    return _in_module(module, path, name, target)


def _in_module(module: ModuleType, path: Path, name: str, target: Any) -> FoundPlugin:
    """Return the plugin *name* of a file; a module that is one itself has no class."""
    place = path.resolve()
    return FoundPlugin(
        name=name,
        spec=str(place) if target is module else f"{place}:{name}",
        version=_version_of(module),
        target=_required(target, name),
        given=GIVEN,
    )


def _of_module(spec: str) -> FoundPlugin:
    for one in installed_plugins().values():
        if one.spec == spec:
            return evolve(one, given=GIVEN)
    module, target = load_object(spec, "plugin", PluginError)
    name = spec.partition(":")[2]
    version = _version_of(module)
    return FoundPlugin(
        name=name, spec=spec, version=version, target=_required(target, name), given=GIVEN
    )


def _of_target(target: Any, cls: type) -> FoundPlugin:
    """Return the plugin that Python code gives as a class or object; an installed one keeps its name."""
    spec = f"{cls.__module__}:{cls.__qualname__}"
    target = _required(target, cls.__name__)
    for one in installed_plugins().values():
        if one.spec == spec:
            return evolve(one, target=target, given=GIVEN)
    return FoundPlugin(name=cls.__name__, spec=spec, target=target, given=GIVEN)


def plugins_in_folder(folder: Path | None) -> Iterator[FoundPlugin]:
    """Yield the plugins of a folder's files, by file and name; files whose name begins with _ have none.

    Raises:
        InputError: there is no such folder, or no plugin in it.
    """
    if folder is None:
        return
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".py")
    except OSError as error:
        raise InputError(
            f"plugin folder {str(folder)!r} cannot be read ({error.strerror}): check the path"
        ) from None
    count = 0
    for path in paths:
        if path.name.startswith("_"):
            continue
        module = load_file(path, "plugin", PluginError, again=False)
        own = _plugins_in(module)
        unmarked = _unmarked_in(module)
        if unmarked and not own:
            raise InputError(f"{str(path)!r} defines no plugin: {unmarked}")
        for name, target in own.items():
            count += 1
            with foreign(name, "cannot be read"):
                given = "in --plugins-dir" if is_on_by_default(target) else ""
            yield evolve(_in_module(module, path, name, target), given=given)
    if not count:
        raise InputError(
            f"plugin folder {str(folder)!r} has no file with a plugin: add one, or remove --plugins-dir"
        )


def _plugins_in(module: ModuleType) -> dict[str, Any]:
    """Return the plugins that a module defines, by name: classes, or itself if its functions are hooks."""
    own: dict[str, Any] = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and not issubclass(value, Strategy)
        and (issubclass(value, Plugin) or has_hooks(value))
    }
    return own or ({module.__name__: module} if has_hooks(module) else {})


def _unmarked_in(module: ModuleType) -> str:
    """Return what to correct in a class that has methods of hooks and no mark, empty if there is none."""
    for name, value in vars(module).items():
        if not isinstance(value, type) or value.__module__ != module.__name__:
            continue
        if issubclass(value, Strategy):
            continue
        hook = next((hook for hook in HOOKS if hook in vars(value)), None)
        if hook is not None:
            return f"{name}.{hook} is not marked, write @hookimpl above its def"
    return ""


def _advice(module: ModuleType) -> str:
    if unmarked := _unmarked_in(module):
        return unmarked
    for name, value in vars(module).items():
        if isinstance(value, type) and issubclass(value, Strategy) and value is not Strategy:
            return f"{name} is a strategy, run it by `vectra-bot run`"
    return "add a class that inherits vectra_bot.Plugin"


def _required(target: Any, name: str) -> Any:
    """Return *target* if it may be a plugin.

    Raises:
        PluginError: it is something else.
    """
    if isinstance(target, Strategy) or (isinstance(target, type) and issubclass(target, Strategy)):
        raise PluginError(f"plugin {name!r} is a strategy: run it by `vectra-bot run`")
    if isinstance(target, type | ModuleType | Plugin) or has_hooks(target):
        return target
    raise PluginError(
        f"plugin {safe_repr(target)} has no hook: give a class that inherits vectra_bot.Plugin, its object, "
        "a name, ./file.py[:Class] or module:Class"
    )


def _version_of(module: ModuleType) -> str:
    version = getattr(module, "__version__", "")
    return version if isinstance(version, str) else ""


def add_plugin(found: dict[str, FoundPlugin], given: FoundPlugin) -> None:
    """Add a given plugin; it replaces itself as installed, after another of its name it is numbered."""
    name, number = given.name, 1
    while (known := found.get(name)) is not None and not known.is_same(given):
        number += 1
        name = f"{given.name}-{number}"
    how = known.given if known is not None and known.given else given.given
    found[name] = evolve(given, name=name, given=how)


def is_on_by_default(target: Any) -> bool:
    """Return whether a class, object or module takes part if nothing says otherwise."""
    return bool(getattr(target, "enabled_by_default", True))
