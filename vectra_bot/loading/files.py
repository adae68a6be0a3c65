"""Python files and modules of users, imported by path or name; what their code raises, in one line."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import traceback
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn

from vectra_bot.errors import (
    ConfigError,
    InputError,
    StrategyError,
    VectraError,
    safe_error,
    safe_text,
)


def is_file_spec(spec: str) -> bool:
    """Return whether *spec* is ``./file.py`` or ``./file.py:Class``, and not a name."""
    path = spec.partition(":")[0]
    return path.endswith(".py") or "/" in path


def path_of_file(text: str, what: str) -> Path:
    """Return the path of the file *text*; *what* it has is for messages, such as ``strategy``.

    Raises:
        InputError: there is no such file.
    """
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


def load_file(
    path: Path, what: str, failure: type[VectraError] = StrategyError, *, again: bool = True
) -> ModuleType:
    """Import a file and return its module.

    Args:
        path: the file.
        what: what the file has, for messages.
        failure: raised if its code raises.
        again: whether it is imported again if it was already; else only if it has changed since.

    Raises:
        InputError: it is not Python source.
        ConfigError: a class of it cannot be used.
    """
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last: a neighbour replaces no installed module
    name = _module_name(path)
    digest = digest_of(path)
    if not again and _imported.get(name) == digest and name in sys.modules:
        return sys.modules[name]
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or not isinstance(module_spec.loader, SourceFileLoader):
        raise InputError(
            f"{what} file {str(path)!r} is not a Python file: give the path of a .py file"
        )
    module_spec.loader = _Uncached(name, module_spec.loader.path)
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
        raise_foreign(error, f"{named}{line}", "correct it", failure)
    _imported[name] = digest
    return module


class _Uncached(SourceFileLoader):
    """Compiles the file as it is: Python's cache misses an edit of equal size within a second."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


_imported: dict[str, str] = {}
"""Digests of the imported files by the module's name."""


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, empty if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def load_object(
    spec: str, what: str, failure: type[VectraError] = StrategyError
) -> tuple[ModuleType, Any]:
    """Import the module of ``module:Class`` and return it with what *spec* names in it.

    Raises:
        InputError: there is no such module, or it has no such name.
        ConfigError: a class of it cannot be used.
    """
    module_name, _, name = spec.partition(":")
    expected = "give a name, a file, or module:Class"
    if not all(module_name.split(".")):
        raise InputError(f"{what} {spec!r} does not name a module: {expected}")
    try:
        found: Any = import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"{what} {spec} cannot be found ({safe_error(error)}): {expected}"
        ) from error
    except BaseException as error:  # noqa: BLE001 - foreign code; raised as one of our errors
        raise_foreign(error, f"{what} {spec!r}", "correct it", failure)
    return sys.modules[module_name], found


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


def raise_foreign(
    error: BaseException, what: str, advice: str, failure: type[VectraError] = StrategyError
) -> NoReturn:
    """Raise the exception of a foreign import as one of our errors, in one line."""
    if isinstance(error, ConfigError):
        raise error
    if isinstance(error, SyntaxError):
        where = f" of {str(error.filename)!r}" if error.filename else ""
        raise InputError(
            f"{what}: line {error.lineno}{where} cannot be read ({safe_text(error.msg)}): {advice}"
        ) from error
    raise failure(f"{what} raised {safe_error(error)}; {advice}") from error


def _line_in(file: str | None, error: BaseException) -> str:
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        if frame.f_code.co_filename == file:
            return f" line {line}"
    return ""
