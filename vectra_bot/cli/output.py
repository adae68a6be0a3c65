"""Output helpers: one JSON object for programs, and text that is safe on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

json_option: Callable[[F], F] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."
)


def print_json(value: Mapping[str, Any]) -> None:
    """Print *value* as one JSON object on one line; Decimals, times and paths as text."""
    sys.stdout.write(json.dumps(value, default=str, allow_nan=False) + "\n")
    sys.stdout.flush()


def quiet_stdout(quiet: bool) -> AbstractContextManager[Any]:
    """Return a context in which what strategies and plugins print goes to stderr, if *quiet*."""
    return redirect_stdout(sys.stderr) if quiet else nullcontext()


def clean(text: object) -> str:
    """Return *text* with every control character of a terminal escaped."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)
    )
