"""Finding a strategy: by entry-point name, by file, or as a class, always with the digests of its source."""

from __future__ import annotations

import inspect
import re
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from attrs import field, frozen

from vectra_bot.errors import ConfigError, InputError, UnknownNameError, safe_repr
from vectra_bot.loading.files import (
    digest_of,
    is_file_spec,
    load_file,
    load_object,
    path_of_file,
    raise_foreign,
)
from vectra_bot.loading.installed import installed, only_one, owner_of
from vectra_bot.loading.origin import Origin, origin_of
from vectra_bot.strategy import Strategy

GROUP = "vectra_bot.strategies"

T = TypeVar("T")


@frozen
class StrategySource:
    """A strategy class and where it came from.

    ``spec`` can be resolved again: a name, a file with class, or ``module:Class``. ``source_sha256`` is the
    digest of the source file, empty where there is none (a notebook). ``origin`` covers the modules that it
    imports as well.
    """

    spec: str
    name: str
    cls: type[Strategy]
    source_sha256: str
    origin: Origin = field(factory=Origin)


def strategy_names() -> dict[str, metadata.EntryPoint]:
    """Return the installed strategies by name, of a name that is taken twice the first."""
    return {name: points[0] for name, points in installed(GROUP).items()}


def installed_strategy(name: str) -> metadata.EntryPoint:
    """Return the entry point of an installed strategy.

    Raises:
        UnknownNameError: no strategy has this name.
        InputError: two distributions have taken it.
    """
    points = installed(GROUP)
    if name not in points:
        raise UnknownNameError("strategy", name, points, hint="(give a file as ./file.py)")
    return only_one(points[name], "strategy", InputError)


def installed_as(spec: str) -> metadata.EntryPoint | None:
    """Return the installed strategy of the name or class *spec*, None if there is none; loads nothing."""
    points = strategy_names()
    return points.get(spec) or next((p for p in points.values() if p.value == spec), None)


def resolve_strategy(spec: str | type[Strategy]) -> StrategySource:
    """Return the strategy *spec* names.

    Args:
        spec: entry-point name, ``./file.py``, ``./file.py:Class``, ``module:Class``, or a class.

    Raises:
        UnknownNameError: no strategy has this name.
        InputError: the file or module cannot be used.
        StrategyError: the strategy's own code raised while it was imported.
        ConfigError: a strategy class cannot run, or *spec* is something else.
    """
    if isinstance(spec, type):
        cls = _require(spec, spec.__name__)
        return _source(f"{cls.__module__}:{cls.__qualname__}", cls.__name__, cls)
    if not isinstance(spec, str):
        raise ConfigError(
            f"strategy was {safe_repr(spec)}: give a class, a name, ./file.py[:Class] or module:Class"
        )
    if is_file_spec(spec):
        path = path_of_file(spec.partition(":")[0], "strategy")
        cls = class_of_file(spec, Strategy)
        return _source(f"{path.resolve()}:{cls.__name__}", cls.__name__, cls)
    if ":" in spec:
        _, found = load_object(spec, "strategy")
        return _source(spec, spec.partition(":")[2], _require(found, spec))
    point = installed_strategy(spec)
    try:
        found = point.load()
    except BaseException as error:  # noqa: BLE001 - foreign code; raised as one of our errors
        raise_foreign(error, f"strategy {spec!r}", f"reinstall {owner_of(point)}")
    return _source(spec, spec, _require(found, spec))


def class_of_file(spec: str, base: type[T]) -> type[T]:
    """Return the class that ``./file.py:Class`` names, or the only one of its kind in ``./file.py``.

    Args:
        spec: the file, with the class if it has several.
        base: what the class inherits, such as :class:`Strategy`.

    Raises:
        InputError: the file cannot be used, or has no such class or several.
        UnknownNameError: it has no class of this name.
        StrategyError: its own code raised while it was imported.
        ConfigError: a class of it cannot be used.
    """
    path_text, _, class_name = spec.partition(":")
    what = _words(base)
    module = load_file(path_of_file(path_text, what), what)
    return _pick(module, class_name, path_text, base)


def _words(base: type) -> str:
    """Return the name of a class as words: ``alert rule``."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", base.__name__).lower()


def _source(spec: str, name: str, cls: type[Strategy]) -> StrategySource:
    try:
        path = inspect.getsourcefile(cls)
        digest = digest_of(Path(path)) if path else ""
    except (OSError, TypeError):
        digest = ""
    return StrategySource(spec, name, cls, digest, origin_of(cls.__module__))


def _pick(module: ModuleType, class_name: str, where: str, base: type[T]) -> type[T]:
    own = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, base)
        and value is not base
        and value.__module__ == module.__name__
    }
    if class_name:
        if class_name not in own:
            raise UnknownNameError(f"{_words(base)} class", class_name, own, hint=f"(in {where})")
        return own[class_name]
    if not own:
        raise InputError(
            f"{where!r} defines no {base.__name__}: add a class that inherits vectra_bot.{base.__name__}"
        )
    if len(own) > 1:
        names = ", ".join(sorted(own))
        raise InputError(f"{where!r} defines {names}: say which one, as in {where}:{min(own)}")
    return next(iter(own.values()))


def _require(found: Any, spec: str) -> type[Strategy]:
    if isinstance(found, type) and issubclass(found, Strategy):
        return found
    raise InputError(
        f"{spec!r} is {safe_repr(found)}: a strategy is a class that inherits vectra_bot.Strategy"
    )
