"""The file of alert preferences: where it is, how it is read, upgraded and written.

TOML with a ``version``. A file of an older version is upgraded when a command or session reads it, and a
copy of the old one is kept beside it (``alerts.toml.v1``); one of a newer version is refused.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from vectra_bot.alerts.preferences import VERSION, AlertPreferences
from vectra_bot.errors import ConfigError, InputError
from vectra_bot.exchange.config import path_of
from vectra_bot.fsio import files
from vectra_bot.params import declared, option

SHOWN: Final = "$XDG_CONFIG_HOME/vectra-bot/alerts.toml, else ~/.config/vectra-bot/alerts.toml"
"""The default path, for help texts."""

MAX_BYTES: Final = 256 << 10
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def path_given(value: Any) -> Path | None:
    """Return a path given as text or Path, None for the default."""
    return None if value is None else path_of(value)


@frozen(kw_only=True, field_transformer=declared)
class AlertOptions:
    """Options of alerts; section ``[alerts]`` of a configuration file.

    Attributes:
        alerts_config: file of the preferences; the user's if None.
    """

    alerts_config: Path | None = option(
        None,
        key="preferences",
        flag="--alerts-config",
        take=path_given,
        read=path_given,
        metavar="FILE",
        shown=SHOWN,
        words="a path",
        help="Preferences of alerts.",
    )


def default_path() -> Path:
    """Return the user's file of preferences."""
    given = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(given) if given.startswith("/") else Path("~/.config").expanduser()
    return folder / "vectra-bot" / "alerts.toml"


def _from_modes(table: dict[str, Any]) -> dict[str, Any]:
    """Return version 2 of a table of version 1: modes by type, and quiet hours in UTC as ``22:00-07:00``."""
    known = {"version", "modes", "quiet"}
    if not set(table) <= known or not isinstance(table.get("modes", {}), Mapping):
        raise ConfigError(f"version 1 has the keys {', '.join(sorted(known))}: remove the others")
    found: dict[str, Any] = {
        "version": 2,
        "types": {name: {"mode": mode} for name, mode in table.get("modes", {}).items()},
    }
    if quiet := table.get("quiet"):
        start, _, end = str(quiet).partition("-")
        found["quiet"] = {"start": start, "end": end}
    return found


UPGRADES: Final[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: _from_modes}
"""What makes the next version of a table, by version."""


def read_preferences(path: Path) -> AlertPreferences:
    """Return the preferences in *path*, the defaults if there is no such file; nothing is written.

    Raises:
        InputError: it cannot be read, or is not TOML.
        ConfigError: a key or value is not allowed, or its version is newer than ours.
    """
    return _parse(path, _text(path))


def open_preferences(path: Path) -> AlertPreferences:
    """Return the preferences in *path*; a file of an older version is upgraded, and a copy of it kept.

    Raises:
        InputError: it cannot be read, or is not TOML.
        ConfigError: a key or value is not allowed, or its version is newer than ours.
        StoreError: the upgraded file or the copy cannot be written.
    """
    text = _text(path)
    preferences = _parse(path, text)
    version = 0 if text is None else _version(path, tomllib.loads(text))
    if text is not None and version < VERSION:
        _keep(path, text, f".v{version}")
        _write(path, preferences)
    return preferences


def write_preferences(path: Path, preferences: AlertPreferences) -> Path | None:
    """Write *preferences* to *path*: the file is the old or the new one, whatever happens.

    Returns:
        where a copy of the old file is, if it had comments, which the new one lacks.

    Raises:
        StoreError: it cannot be written.
    """
    old = _text(path) if path.exists() else None
    kept = None
    if old is not None and any(line.lstrip().startswith("#") for line in old.splitlines()):
        kept = _keep(path, old, ".with-comments") if old != _rendered(preferences) else None
    _write(path, preferences)
    return kept


def signature(path: Path) -> tuple[int, ...]:
    """Return what changes when the file does, empty if there is none."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{str(path)!r} cannot be read ({reason}): check the path") from None
    if len(data) > MAX_BYTES:
        raise InputError(f"{str(path)!r} is longer than {MAX_BYTES} bytes: is it the right file?")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{str(path)!r} is not UTF-8 ({error}): save it as UTF-8") from None


def _parse(path: Path, text: str | None) -> AlertPreferences:
    if text is None:
        return AlertPreferences()
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{str(path)!r} is not TOML ({error}): correct that line") from None
    version = _version(path, table)
    try:
        for step in range(version, VERSION):
            table = UPGRADES[step](table)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return AlertPreferences.of_table(table, f"{path}: ")


def _version(path: Path, table: Mapping[str, Any]) -> int:
    version = table.get("version")
    if type(version) is not int or version < min(UPGRADES):
        raise ConfigError(
            f"{path}: version was {version!r}: begin the file with version = {VERSION}"
        )
    if version > VERSION:
        raise ConfigError(
            f"{path}: version was {version} and this program knows versions to {VERSION}: upgrade vectra-bot "
            "or name another file with --alerts-config"
        )
    return version


def _keep(path: Path, text: str, ending: str) -> Path:
    """Write a copy of the old file beside it, under a name that no other copy has, and return its path."""
    copy = path.with_name(path.name + ending)
    number = 1
    while copy.exists() and copy.read_bytes() != text.encode():
        number += 1
        copy = path.with_name(f"{path.name}{ending}-{number}")
    files.write_durably(copy, text.encode())
    return copy


def _write(path: Path, preferences: AlertPreferences) -> None:
    files.make_directories(path.parent, mode=0o700)
    files.write_durably(path, _rendered(preferences).encode())


def _rendered(preferences: AlertPreferences) -> str:
    """Return the preferences as TOML."""
    lines: list[str] = []
    _render(preferences.to_table(), (), lines)
    return "\n".join(lines).strip("\n") + "\n"


def _render(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    if path and plain:
        lines += ["", f"[{'.'.join(map(_key, path))}]"]
    # JSON's text, number, boolean and list of texts are TOML's.
    lines += [f"{_key(key)} = {json.dumps(value)}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            _render(value, (*path, key), lines)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)


__all__ = [
    "SHOWN",
    "AlertOptions",
    "default_path",
    "open_preferences",
    "read_preferences",
    "signature",
    "write_preferences",
]
