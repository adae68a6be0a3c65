"""The plugins of a recorded session, found again for a check of its journal.

A journal is data, which anyone may have written: of the plugins that it names, only installed ones run, and
those that the caller gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from vectra_bot.errors import UnknownNameError
from vectra_bot.loading.given import FoundPlugin, add_plugin, given_plugins, installed_plugins
from vectra_bot.loading.origin import origin_of
from vectra_bot.plugins import PluginManager, foreign, module_of


@frozen
class RecordedPlugins:
    """The plugins of a recorded session.

    Attributes:
        manager: those whose hooks run again.
        absent: names of the others.
        notes: what differs from the session, one line each.
    """

    manager: PluginManager
    absent: tuple[str, ...]
    notes: tuple[str, ...]


def load_recorded(
    entries: Iterable[Mapping[str, Any]], given: Iterable[Any] = ()
) -> RecordedPlugins:
    """Return the plugins of a session with the settings that they had.

    Args:
        entries: what the journal's header has of each plugin.
        given: plugins that may run although they are not installed: files, modules and classes. Objects do
            not run again: they have changed since.

    Raises:
        UnknownNameError: a plugin was given that the session did not have.
        VectraError: a plugin that wants replays cannot be used.
    """
    entries = list(entries)
    ours: dict[str, FoundPlugin] = {}
    for one in given_plugins(one for one in given if isinstance(one, str | type)):
        add_plugin(ours, one)
    recorded = [str(entry["name"]) for entry in entries]
    for name in ours:
        if name not in recorded:
            raise UnknownNameError("plugin", name, recorded, hint="(in the journal)")
    installed = installed_plugins()
    manager = PluginManager()
    absent, notes = [], []
    for entry in entries:
        name, spec = entry["name"], entry.get("spec", "")
        found = ours.get(name) or (None if spec else installed.get(name))
        if found is None:
            absent.append(name)
            where = f"{spec}, not an installed plugin" if spec else "not installed"
            notes.append(
                f"plugin {name!r} is {where}: it did not run, its vetoes were read from the journal; "
                "give --plugin ./file.py:Class to run it"
            )
            continue
        target = found.load()
        with foreign(name, "cannot be read"):
            repeats = getattr(target, "replays", False) is True
            sources = origin_of(module_of(target)).sources
        if sources != entry.get("sources", sources):
            notes.append(f"the source of plugin {name!r} is not the one that ran")
        if repeats:
            manager.register(name, target, entry["settings"], found.version, spec)
        else:
            absent.append(name)
    return RecordedPlugins(manager, tuple(absent), tuple(notes))
