"""Finding a strategy: by entry-point name, by file, or as a class, always with the digest of its source."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import traceback
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from attrs import frozen

from vectra_bot.errors import InputError, StrategyError, UnknownNameError
from vectra_bot.strategy import Strategy

GROUP = "vectra_bot.strategies"


@frozen
class StrategySource:
    """A strategy class and where it came from.

    ``spec`` finds it again: a name, a file with class, or ``module:Class``. ``source_sha256`` is the digest
    of the file it is written in, empty where there is none (a notebook).
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
    """
    if isinstance(spec, type):
        return _source(f"{spec.__module__}:{spec.__qualname__}", spec.__name__, spec)
    path_text, _, class_name = spec.partition(":")
    if path_text.endswith(".py") or "/" in path_text:
        path = Path(path_text).expanduser()
        cls = _pick(_load_file(path), class_name, path_text)
        return _source(f"{path.resolve()}:{cls.__name__}", cls.__name__, cls)
    if class_name:
        return _source(spec, class_name, _from_module(path_text, class_name))
    points = strategy_names()
    if spec not in points:
        hint = "(a file is given as ./file.py)"
        raise UnknownNameError("strategy", spec, points, hint=hint)
    try:
        found = points[spec].load()
    except Exception as error:
        raise StrategyError(
            f"strategy {spec!r} cannot be imported ({type(error).__name__}: {error}): "
            f"reinstall {points[spec].value!r}"
        ) from error
    return _source(spec, spec, _require(found, spec))


def _source(spec: str, name: str, cls: type[Strategy]) -> StrategySource:
    try:
        path = inspect.getsourcefile(cls)
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""
    except (OSError, TypeError):
        digest = ""
    return StrategySource(spec, name, cls, digest)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"strategy file {str(path)!r} does not exist: give the path of a .py file")
    name = "vectra_strategy_" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise InputError(
            f"strategy file {str(path)!r} is no Python file: give the path of a .py file"
        )
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except SyntaxError as error:
        raise InputError(
            f"strategy file {str(path)!r} line {error.lineno} cannot be read ({error.msg}): correct it"
        ) from error
    except BaseException as error:
        line = _line_in(path, error)
        raise StrategyError(
            f"strategy file {str(path)!r}{line} raised {type(error).__name__}: {error}; correct it"
        ) from error
    return module


def _line_in(path: Path, error: BaseException) -> str:
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename) == path or frame.filename == str(path.resolve()):
            return f" line {frame.lineno}"
    return ""


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


def _from_module(module_name: str, class_name: str) -> type[Strategy]:
    try:
        found: Any = import_module(module_name)
        for part in class_name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"strategy {module_name}:{class_name} cannot be found ({error}): "
            "give a name, a file, or module:Class"
        ) from error
    return _require(found, f"{module_name}:{class_name}")


def _require(found: Any, spec: str) -> type[Strategy]:
    if isinstance(found, type) and issubclass(found, Strategy):
        return found
    raise InputError(
        f"{spec!r} is {found!r}: a strategy is a class that inherits vectra_bot.Strategy"
    )
