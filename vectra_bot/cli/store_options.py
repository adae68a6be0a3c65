"""Options shared by the commands under ``vectra-bot store``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli.output import json_option
from vectra_bot.store.location import STORE_HELP, STORE_METAVAR, STORE_SHOWN, default_store

if TYPE_CHECKING:
    from vectra_bot.store.remote.address import RemoteStore


store_option = click.option(
    "--store", metavar=STORE_METAVAR, help=f"{STORE_HELP}  [default: {STORE_SHOWN}]"
)
"""Adds ``--store``."""


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--store``, ``--verbose`` and ``--json``."""
    for option in (
        json_option,
        click.option(
            "--verbose", is_flag=True, help="Print progress on standard error, line by line."
        ),
        store_option,
    ):
        command = option(command)
    return command


def address(store: str | None) -> str:
    """Return path or address of the given store, or of the default one."""
    return str(store or default_store())


def located(store: str | None) -> Path | RemoteStore:
    """Return the folder of the given store, or of the default one, or its remote store.

    Raises:
        InputError: there is no such folder, or the address is invalid.
        StoreError: it cannot be read.
    """
    from vectra_bot.store.remote.address import LocalStore, parse_store

    found = parse_store(address(store))
    return _readable(found.path) if isinstance(found, LocalStore) else found


def _readable(path: Path) -> Path:
    from vectra_bot.errors import InputError, StoreError

    if not path.is_dir():
        raise InputError(f"no store at {path}: run a session first, or give another --store")
    if not os.access(path, os.R_OK | os.X_OK):
        raise StoreError(f"cannot read {path}: Permission denied; check its permissions")
    return path


def local(store: str | None) -> Path:
    """Return the folder of a store on a disk.

    Raises:
        InputError: it does not exist, or the store is not on a disk.
        StoreError: it cannot be read.
    """
    from vectra_bot.store.remote.address import local_folder

    return _readable(local_folder(address(store)))


def checked_sessions(store: Path, names: Iterable[str]) -> list[str]:
    """Return *names*, each once.

    Raises:
        UnknownNameError: the store has no such session.
    """
    from vectra_bot.errors import UnknownNameError
    from vectra_bot.store.maintenance.sessions import list_sessions

    known = list_sessions(store)
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in known:
            raise UnknownNameError("session", name, known)
    return wanted


def size(count: float) -> str:
    """Return a number of bytes in readable form."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
