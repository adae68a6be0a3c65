"""The code that a strategy or plugin is made of, as digests of the modules that it imports."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FunctionType, ModuleType

from attrs import field, frozen


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


def is_unchanged(module_name: str, digests: Collection[str]) -> bool:
    """Return whether *digests* are those of a module and of what it imports; loads nothing."""
    now = origin_of(module_name).sources.values()
    return bool(now) and set(now) <= set(digests)


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
    return {one: _version(one) for one in known.get(top, ())}


@cache
def _version(distribution: str) -> str:
    return metadata.version(distribution)


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
