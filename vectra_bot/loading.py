"""Finding a strategy: by entry-point name, by file, or as a class, always with the digest of its source."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import sys
import traceback
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from attrs import frozen

from vectra_bot.errors import (
    ConfigError,
    InputError,
    StrategyError,
    UnknownNameError,
    safe_error,
    safe_repr,
    safe_text,
)
from vectra_bot.strategy import Strategy

GROUP = "vectra_bot.strategies"


@frozen
class StrategySource:
    """A strategy class and where it came from.

    ``spec`` can be resolved again: a name, a file with class, or ``module:Class``. ``source_sha256`` is the
    digest of the source file, empty where there is none (a notebook).
    """

    spec: str
    name: str
    cls: type[Strategy]
    source_sha256: str


def strategy_names() -> dict[str, metadata.EntryPoint]:
    """Return the installed strategies by name."""
    return {point.name: point for point in metadata.entry_points(group=GROUP)}


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
    path_text, _, class_name = spec.partition(":")
    if path_text.endswith(".py") or "/" in path_text:
        path = _path(path_text)
        cls = _pick(_load_file(path), class_name, path_text)
        return _source(f"{path.resolve()}:{cls.__name__}", cls.__name__, cls)
    if class_name:
        return _source(spec, class_name, _from_module(path_text, class_name))
    points = strategy_names()
    if spec not in points:
        hint = "(give a file as ./file.py)"
        raise UnknownNameError("strategy", spec, points, hint=hint)
    try:
        found = points[spec].load()
    except BaseException as error:  # noqa: BLE001 - foreign code; raised as one of our errors
        _raise_foreign(error, f"strategy {spec!r}", f"reinstall {points[spec].value!r}")
    return _source(spec, spec, _require(found, spec))


def _source(spec: str, name: str, cls: type[Strategy]) -> StrategySource:
    try:
        path = inspect.getsourcefile(cls)
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""
    except (OSError, TypeError):
        digest = ""
    return StrategySource(spec, name, cls, digest)


def _path(text: str) -> Path:
    try:
        path = Path(text).expanduser()
        found = path.is_file()
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"strategy file {text!r} cannot be read ({safe_error(error)}): check the path"
        ) from error
    if not found:
        raise InputError(f"strategy file {text!r} does not exist: give the path of a .py file")
    return path


def _load_file(path: Path) -> ModuleType:
    name = "vectra_strategy_" + hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise InputError(
            f"strategy file {str(path)!r} is not a Python file: give the path of a .py file"
        )
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        line = _line_in(module_spec.origin, error)
        what = f"strategy file {str(path)!r}"
        if not line and not isinstance(error, SyntaxError):
            raise InputError(
                f"{what} cannot be read ({safe_error(error)}): is it Python source?"
            ) from error
        _raise_foreign(error, f"{what}{line}", "correct it")
    return module


def _raise_foreign(error: BaseException, what: str, advice: str) -> NoReturn:
    """Raise the exception of a foreign import as one of our errors, in one line."""
    if isinstance(error, ConfigError):
        raise error
    if isinstance(error, SyntaxError):
        where = f" of {str(error.filename)!r}" if error.filename else ""
        raise InputError(
            f"{what}: line {error.lineno}{where} cannot be read ({safe_text(error.msg)}): {advice}"
        ) from error
    raise StrategyError(f"{what} raised {safe_error(error)}; {advice}") from error


def _pick(module: ModuleType, class_name: str, where: str) -> type[Strategy]:
    own = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Strategy)
        and value is not Strategy
        and value.__module__ == module.__name__
    }
    if class_name:
        if class_name not in own:
            raise UnknownNameError("strategy class", class_name, own, hint=f"(in {where})")
        return own[class_name]
    if not own:
        raise InputError(
            f"{where!r} defines no Strategy: add a class that inherits vectra_bot.Strategy"
        )
    if len(own) > 1:
        names = ", ".join(sorted(own))
        raise InputError(f"{where!r} defines {names}: say which one, as in {where}:{min(own)}")
    return next(iter(own.values()))


def _line_in(file: str | None, error: BaseException) -> str:
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        if frame.f_code.co_filename == file:
            return f" line {line}"
    return ""


def _from_module(module_name: str, class_name: str) -> type[Strategy]:
    spec = f"{module_name}:{class_name}"
    if not all(module_name.split(".")):
        raise InputError(
            f"strategy {spec!r} does not name a module: give a name, a file, or module:Class"
        )
    try:
        found: Any = import_module(module_name)
        for part in class_name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"strategy {spec} cannot be found ({safe_error(error)}): give a name, a file, or module:Class"
        ) from error
    except BaseException as error:  # noqa: BLE001 - foreign code; raised as one of our errors
        _raise_foreign(error, f"strategy {spec!r}", "correct it")
    return _require(found, spec)


def _require(found: Any, spec: str) -> type[Strategy]:
    if isinstance(found, type) and issubclass(found, Strategy):
        return found
    raise InputError(
        f"{spec!r} is {safe_repr(found)}: a strategy is a class that inherits vectra_bot.Strategy"
    )
