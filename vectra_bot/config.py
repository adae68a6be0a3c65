"""Merging a TOML file and the command line; options are declared where they are used.

A file has a section for each config class that a command names (``[run]`` accepts every option of a session,
``[exchange]`` those of its exchange), and ``[strategy]``, ``[limits]`` and ``[plugins.NAME]``. The command
line overrides the file; the file overrides the environment (``$VECTRA_STORE``) and the defaults. Every
message names the file, the key, the value and what is allowed. A secret parameter is given by reference: the
name of an environment variable, or of a file that only its owner can read (``{ file = "PATH" }``); no message
contains its value. A relative path in a file is relative to that file's folder.

Example::

    [run]
    strategy = "take-profit"
    games = 50

    [exchange]
    crowd = 100

    [strategy]
    target = 2.0

    [plugins.stake-guard]
    enabled = true
    max_share = 0.05

    [plugins]
    enable = ["session-log", "./my_plugin.py"]
    disable = ["metrics"]
    block = ["alert-sinks"]

    [plugins.my-notifier]
    token = { env = "NOTIFIER_TOKEN" }
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from vectra_bot.actions.risk import Limits
from vectra_bot.errors import ConfigError, InputError
from vectra_bot.fsio.private import bad_character, read_private
from vectra_bot.params import SecretReference, WrittenText, advice, options_of, parse_options
from vectra_bot.store.location import STORE_METAVAR

LIVE = "live"
"""The section of a real account: read by the commands that log in, ignored by all others."""

_OTHERS = ("strategy", "limits", "plugins")
_PLUGIN_LISTS = ("enable", "disable", "block")
_MAX_SECRET = 8_192
_PATHS = ("DIR", "FILE", STORE_METAVAR)
_ADDRESS = re.compile("[A-Za-z][A-Za-z0-9+.-]+:")


@frozen(kw_only=True)
class PluginSettings:
    """Settings for one plugin from a file or command line; ``enabled`` None keeps the plugin's default."""

    enabled: bool | None = None
    settings: dict[str, Any] = field(factory=dict, repr=False)


@frozen(kw_only=True)
class FileConfig:
    """A checked TOML file.

    Attributes:
        strategy: the strategy named in ``[run]``.
        options: values of options by the name of their field, converted for their classes.
        settings: the strategy's parameters.
        limits: limits by name.
        plugins: settings of plugins, by name.
        blocked: plugins that nothing can load.
        live: values of ``[live]``, the only section whose options are not among *options*.
    """

    strategy: str | None = None
    options: dict[str, Any] = field(factory=dict)
    live: dict[str, Any] = field(factory=dict, repr=False)
    settings: dict[str, Any] = field(factory=dict, repr=False)
    limits: dict[str, Any] = field(factory=dict)
    plugins: dict[str, PluginSettings] = field(factory=dict)
    blocked: tuple[str, ...] = ()


def load_config(path: Path, sections: Mapping[str, type]) -> FileConfig:
    """Return the checked content of the TOML file at *path*.

    Args:
        path: the file.
        sections: config classes by the section that sets their options; the section ``run`` may also
            say ``strategy``.

    Raises:
        InputError: the file cannot be read or is not TOML.
        ConfigError: a section, key or value is not allowed, or a key is in two sections.
    """
    document = _placed(_read(path), sections, path.parent)
    known = (*sections, *_OTHERS)
    for section, table in document.items():
        if section not in known:
            raise ConfigError(f"{path}: section {section!r} {advice(section, known)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} is not a section: write it as [{section}]")
    strategy = document.get("run", {}).pop("strategy", None)
    if strategy is not None and not isinstance(strategy, str):
        raise ConfigError(f"{path}: [run] strategy was {strategy!r}: give a name or ./file.py")
    options: dict[str, Any] = {}
    live: dict[str, Any] = {}
    said: dict[str, str] = {}
    for section, owner in sections.items():
        table = document.get(section, {})
        found = parse_options(options_of(owner), table, f"{path}: [{section}] ")
        if section == LIVE:
            live = found
            continue
        options |= found
        for key in table:
            if said.setdefault(key, section) != section:
                raise ConfigError(f"{path}: {key} is in [{said[key]}] and [{section}]: keep one")
    return FileConfig(
        strategy=strategy,
        options=options,
        live=live,
        settings=_written(document.get("strategy", {}), f"{path}: [strategy] "),
        limits=parse_options(options_of(Limits), document.get("limits", {}), f"{path}: [limits] "),
        plugins=_plugins(path, document.get("plugins", {})),
        blocked=tuple(_listed(path, document.get("plugins", {}), "block")),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"config {str(path)!r} cannot be read ({reason}): check the path"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"config {str(path)!r} is not UTF-8 ({error}): save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"config {str(path)!r} is not TOML ({error}): correct that line") from None


def _placed(document: dict[str, Any], sections: Mapping[str, type], folder: Path) -> dict[str, Any]:
    """Return *document* with its relative paths below *folder*, where they were written down."""
    paths = {
        option.key
        for owner in sections.values()
        for option in options_of(owner)
        if option.metavar in _PATHS
    }

    def placed(key: str, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if key == "token" and value.startswith("file:"):
            return "file:" + _below(folder, value.removeprefix("file:"))
        if key == "strategy":
            return _spec_below(folder, value)
        return _below(folder, value) if key in paths else value

    return {
        section: _references_placed(table, folder)
        if section in _OTHERS or not isinstance(table, dict)
        else {key: placed(key, value) for key, value in table.items()}
        for section, table in document.items()
    }


def _references_placed(value: Any, folder: Path) -> Any:
    """Return parameters with the files of their secrets below *folder*."""
    if not isinstance(value, dict):
        return value
    if set(value) == {"file"} and isinstance(value["file"], str):
        return {"file": _below(folder, value["file"])}
    return {key: _references_placed(inner, folder) for key, inner in value.items()}


def _spec_below(folder: Path, spec: str) -> str:
    """Return ``./file.py:Class`` with its file below *folder*; a name as it is."""
    file, colon, name = spec.partition(":")
    is_file = file.endswith(".py") or "/" in file
    return _below(folder, file) + colon + name if is_file else spec


def _below(folder: Path, text: str) -> str:
    """Return a relative path below *folder*; an address or a path from the root or home as it is."""
    if not text or text.startswith("~") or _ADDRESS.match(text):
        return text
    return str(folder / text)


def _plugins(path: Path, section: Mapping[str, Any]) -> dict[str, PluginSettings]:
    """Return the plugins of a file: those with a section, and the lists ``enable`` and ``disable``."""
    found = {
        name: _plugin(path, name, table)
        for name, table in section.items()
        if name not in _PLUGIN_LISTS or isinstance(table, dict)
    }
    for key, enabled in (("enable", True), ("disable", False)):
        for name in (_spec_below(path.parent, one) for one in _listed(path, section, key)):
            known = found.get(name, PluginSettings())
            if known.enabled not in (None, enabled):
                raise ConfigError(
                    f"{path}: [plugins] {key} has {name!r}, which the file also says otherwise: keep one"
                )
            found[name] = evolve(known, enabled=enabled)
    return found


def _listed(path: Path, section: Mapping[str, Any], key: str) -> list[str]:
    """Return the plugins of one of the lists; a section of that name is a plugin's."""
    listed = section.get(key, [])
    if isinstance(listed, dict):
        return []
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise ConfigError(f"{path}: [plugins] {key} was {listed!r}: give a list of names")
    return listed


def _plugin(path: Path, name: str, table: Any) -> PluginSettings:
    where = f"{path}: [plugins.{name}]"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is not a section: make it one")
    settings = _written(table, f"{where} ")
    enabled = settings.pop("enabled", None)
    if enabled is not None and not isinstance(enabled, bool):
        raise ConfigError(f"{where} enabled was {enabled!r}: give true or false")
    return PluginSettings(enabled=enabled, settings=settings)


def _written(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    settings = {name: referenced(value, f"{where}{name}") for name, value in table.items()}
    return {
        name: WrittenText(value, read_secret) if type(value) is str else value
        for name, value in settings.items()
    }


def referenced(value: Any, where: str) -> Any:
    """Return a parameter's value, a dict as the reference that it is: ``{"env": NAME}``, ``{"file": PATH}``.

    The secret is read when its parameter is set.

    Args:
        value: what was given.
        where: the parameter's name in messages.

    Raises:
        ConfigError: it is a dict and not a reference.
    """
    if not isinstance(value, Mapping):
        return value
    found = [(kind, name) for kind, name in value.items() if kind in ("env", "file")]
    if len(value) != 1 or not found or not isinstance(found[0][1], str):
        raise ConfigError(
            f"{where} is a table: give a plain value, or for a secret "
            '{ env = "NAME" } or { file = "PATH" }'
        )
    return SecretReference(*found[0], read_secret)


def read_secret(kind: str, name: str) -> str:
    """Return the secret in the environment variable (*kind* ``env``) or file (``file``) *name*.

    Raises:
        ConfigError: the variable is not set, or the secret is empty, longer than 8,192 characters, or
            contains a line end or another control character. No message contains it.
        InputError: the file cannot be read, or others have access to it.
    """
    if kind == "env":
        what = f"the secret in ${name}"
        found = os.environ.get(name)
        if found is None:
            raise ConfigError(f"the environment variable {name} is not set: set it to the secret")
    else:
        what = f"the secret in {name!r}"
        found = read_private(Path(name).expanduser(), "secret file")
        found = found.removesuffix("\n").removesuffix("\r")
    if not 0 < len(found) <= _MAX_SECRET:
        raise ConfigError(f"{what} has {len(found)} characters: give 1 to {_MAX_SECRET}")
    if (bad := bad_character(found)) is not None:
        raise ConfigError(f"{what} contains {bad}: give printable text on one line")
    return found
