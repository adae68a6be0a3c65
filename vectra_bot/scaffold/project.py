"""Writing a distribution from the templates of its kind, whole or not at all."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from attrs import frozen

from vectra_bot.errors import InputError, UsageError

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 50
_SUFFIX = ".txt"
# Names that the templates import or define.
_USED = frozenset(
    {
        "ActionType",
        "Bench",
        "ConfigError",
        "GameSummary",
        "GameTick",
        "GameView",
        "Idle",
        "Plugin",
        "Strategy",
    }
)
_HIDDEN = {"gitignore": ".gitignore"}


class ProjectKind(StrEnum):
    """What a distribution provides."""

    STRATEGY = "strategy"
    PLUGIN = "plugin"

    @property
    def group(self) -> str:
        """Return the entry-point group of its kind, as the template has it."""
        return "vectra_bot.strategies" if self is ProjectKind.STRATEGY else "vectra_bot.plugins"


@frozen
class Project:
    """A distribution to write.

    Attributes:
        kind: what it provides.
        name: its name, also on the command line, such as ``my-bot``.
    """

    kind: ProjectKind
    name: str

    @property
    def module(self) -> str:
        """Return the name of its package: ``my_bot``."""
        return self.name.replace("-", "_")

    @property
    def cls(self) -> str:
        """Return the name of its class: ``MyBot``."""
        return "".join(word.capitalize() for word in self.name.split("-"))

    def check(self) -> None:
        """Refuse a name that cannot be used.

        Raises:
            UsageError: it is not a name, or it is taken.
        """
        if not _NAME.fullmatch(self.name) or len(self.name) > _LONGEST:
            raise UsageError(
                f"name was {self.name!r}: give at most {_LONGEST} lower-case letters, digits and single "
                "hyphens, a letter first, such as my-bot"
            )
        taken = self._taken_by()
        if taken:
            raise UsageError(f"name {self.name!r} is taken by {taken}: give another name")

    def _taken_by(self) -> str:
        """Return what has the name already, empty if nothing has."""
        points = metadata.entry_points(group=self.kind.group)
        if any(point.name == self.name for point in points):
            return f"an installed {self.kind.value}"
        if keyword.iskeyword(self.module) or keyword.issoftkeyword(self.module):
            return f"the keyword {self.module!r} of Python"
        if self.cls in _USED:
            return f"the class {self.cls!r} of vectra-bot"
        if self.module in sys.stdlib_module_names or self.module in ("tests", "conftest"):
            return f"the module {self.module!r} of Python or of tests"
        if importlib.util.find_spec(self.module) is not None:
            return f"the installed package {self.module!r}"
        try:
            return f"the installed distribution {metadata.distribution(self.name).name!r}"
        except metadata.PackageNotFoundError:
            return ""

    def files(self) -> dict[str, str]:
        """Return the content of every file by its path in the distribution."""
        replaced = {
            "name": self.name,
            "module": self.module,
            "cls": self.cls,
            "version": metadata.version("vectra-bot"),
        }
        templates = resources.files("vectra_bot.scaffold").joinpath("templates", self.kind.value)
        return {
            self._place(path): Template(file.read_text(encoding="utf-8")).substitute(replaced)
            for path, file in _walk(templates)
        }

    def _place(self, path: str) -> str:
        first, slash, rest = path.removesuffix(_SUFFIX).partition("/")
        return f"{self.module if first == 'package' else _HIDDEN.get(first, first)}{slash}{rest}"


def write_project(project: Project, folder: Path) -> Path:
    """Write *project* to a new folder of its name in *folder*; return that folder.

    It is written beside its place and moved there when it is complete.

    Raises:
        UsageError: its name cannot be used.
        InputError: the folder exists, or cannot be written.
    """
    project.check()
    target = folder / project.name
    if target.exists() or target.is_symlink():
        raise InputError(f"{str(target)!r} exists: give another name, or another --dir")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder, prefix=f".{project.name}-"))
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        made = scratch / project.name
        for path, text in project.files().items():
            file = made / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        made.rename(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{str(path)!r} cannot be written ({error.strerror}): give a folder in --dir that can"
    )


def _walk(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    """Yield every file below *folder* with its path."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = f"{above}{entry.name}"
        if entry.is_dir():
            yield from _walk(entry, f"{path}/")
        elif path.endswith(_SUFFIX):
            yield path, entry
