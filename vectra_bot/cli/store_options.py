"""Options shared by the commands under ``vectra-bot store``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from vectra_bot.cli.output import json_option
from vectra_bot.store.location import STORE_HELP, STORE_METAVAR, STORE_SHOWN, default_store

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
    return str(default_store() if store is None else store)


def size(count: float) -> str:
    """Return a number of bytes in readable form."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
