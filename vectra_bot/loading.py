"""Finding a strategy: by entry-point name, by file, or as a class, always with the digests of its source."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib import import_module, metadata
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NoReturn, TypeVar

from attrs import field, frozen

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

T = TypeVar("T")


@frozen
class Origin:
    """The code that a strategy or plugin is made of.

    Attributes:
        sources: SHA-256 of the file of every module that its module imports, directly or through others, by
            module name; those of other distributions, the standard library and vectra_bot excluded.
        requires: versions of the other distributions that it imports, by name.
    """

    sources: dict[str, str] = field(factory=dict)
    requires: dict[str, str] = field(factory=dict)


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
    """Return the installed strategies by name."""
    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def installed_as(spec: str) -> metadata.EntryPoint | None:
    """Return the installed strategy of the name or class *spec*, None if there is none; loads nothing."""
    points = strategy_names()
    return points.get(spec) or next((p for p in points.values() if p.value == spec), None)


def is_unchanged(module_name: str, digests: Collection[str]) -> bool:
    """Return whether *digests* are those of a module and of what it imports; loads nothing."""
    now = origin_of(module_name).sources.values()
    return bool(now) and set(now) <= set(digests)


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
        cls = class_of_file(spec, Strategy)
        return _source(f"{_path(path_text).resolve()}:{cls.__name__}", cls.__name__, cls)
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
    return _pick(_load_file(_path(path_text, what), what), class_name, path_text, base)


def _words(base: type) -> str:
    """Return the name of a class as words: ``alert rule``."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", base.__name__).lower()


def _source(spec: str, name: str, cls: type[Strategy]) -> StrategySource:
    try:
        path = inspect.getsourcefile(cls)
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""
    except (OSError, TypeError):
        digest = ""
    return StrategySource(spec, name, cls, digest, origin_of(cls.__module__))


def _path(text: str, what: str = "strategy") -> Path:
    try:
        path = Path(text).expanduser()
        found = path.is_file()
        str(path.resolve()).encode()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{what} file {text!r} cannot be read ({safe_error(error)}): check the path"
        ) from error
    if not found:
        raise InputError(f"{what} file {text!r} does not exist: give the path of a .py file")
    return path


def _load_file(path: Path, what: str) -> ModuleType:
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last: a neighbour replaces no installed module
    name = _module_name(path)
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise InputError(
            f"{what} file {str(path)!r} is not a Python file: give the path of a .py file"
        )
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        line = _line_in(module_spec.origin, error)
        named = f"{what} file {str(path)!r}"
        if not line and not isinstance(error, SyntaxError):
            raise InputError(
                f"{named} cannot be read ({safe_error(error)}): is it Python source?"
            ) from error
        _raise_foreign(error, f"{named}{line}", "correct it")
    return module


def _module_name(path: Path) -> str:
    """Return the file's own name, by which other processes can import it, unless that is taken."""
    own, place = path.stem, path.resolve()
    known = sys.modules.get(own)
    if known is not None and getattr(known, "__file__", None) == str(place):
        return own
    if known is None and own.isidentifier():
        importlib.invalidate_caches()  # the file may be younger than a finder's list of its folder
        found = importlib.util.find_spec(own)
        if found is not None and found.origin == str(place):
            return own
    return "vectra_strategy_" + hashlib.sha256(os.fsencode(place)).hexdigest()[:12]


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


def origin_of(module_name: str) -> Origin:
    """Return the code that the loaded module *module_name* is made of; nothing is imported for it.

    Imports inside functions count. A module that neither an import statement nor a global of a module names
    (``importlib.import_module`` in a callback) is not found.
    """
    sources: dict[str, str] = {}
    requires: dict[str, str] = {}
    waiting = [*_with_parents(module_name)]
    seen = set(waiting)
    while waiting:
        name = waiting.pop()
        spec = _spec_of(name)
        path = _source_path(name, spec)
        if path is None:
            continue
        if others := _other_distributions(name, module_name, path):
            requires |= others
            continue
        try:
            data = path.read_bytes()
        except OSError:
            continue  # e.g. in a zip archive
        sources[path.name if name == module_name else name] = hashlib.sha256(data).hexdigest()
        new = set(_imported(name, data, spec)) - seen
        seen |= new
        waiting += new
    return Origin(dict(sorted(sources.items())), dict(sorted(requires.items())))


def _with_parents(name: str) -> Iterator[str]:
    """Yield a module's name and those of its packages, unless its code is identified by a version."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "vectra_bot" or not top:
        return
    while name:
        yield name
        name = name.rpartition(".")[0]


def _spec_of(name: str) -> ModuleSpec | None:
    """Return where a module is, without importing it; None if it is not found."""
    module = sys.modules.get(name)
    if module is not None:
        return getattr(module, "__spec__", None)
    parent = name.rpartition(".")[0]
    places = None
    if parent:
        above = _spec_of(parent)
        if above is None or above.submodule_search_locations is None:
            return None
        places = list(above.submodule_search_locations)
    try:
        return PathFinder.find_spec(name, places)
    except (ImportError, OSError, ValueError):
        return None


def _source_path(name: str, spec: ModuleSpec | None) -> Path | None:
    if spec is not None and spec.has_location and spec.origin:
        return Path(spec.origin)
    file = getattr(sys.modules.get(name), "__file__", None)
    return Path(file) if file else None


def _other_distributions(name: str, own: str, path: Path) -> dict[str, str]:
    """Return version by name of the distributions that installed a module, none if *own* is of them."""
    top, own_top = name.partition(".")[0], own.partition(".")[0]
    if top == own_top or not {"site-packages", "dist-packages"} & set(path.parts):
        return {}
    known = _distributions()
    if set(known.get(top, ())) & set(known.get(own_top, ())):
        return {}
    return {one: metadata.version(one) for one in known.get(top, ())}


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _imported(name: str, data: bytes, spec: ModuleSpec | None) -> Iterator[str]:
    """Yield what a module may import: each name of its import statements, and the modules of its globals."""
    package = (spec.parent if spec is not None else "") or ""
    try:
        nodes = list(ast.walk(ast.parse(data)))
    except (SyntaxError, ValueError):
        nodes = []  # compiled
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(filter(None, (above, node.module)))
            for alias in node.names:
                yield from _with_parents(f"{base}.{alias.name}")
    for value in list(vars(sys.modules.get(name, object)).values()):
        if isinstance(value, ModuleType):
            # An import of a module anywhere makes it a global of its package.
            if not value.__name__.startswith(f"{name}."):
                yield from _with_parents(value.__name__)
        elif isinstance(value, type | FunctionType):
            yield from _with_parents(str(value.__module__))
