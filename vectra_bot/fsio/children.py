"""The environment of processes that we start: this one's, without the variables that hold a secret."""

from __future__ import annotations

import os

_kept: set[str] = set()


def keep_from_children(variable: str) -> None:
    """Leave environment variable *variable* out of what :func:`child_environment` returns from now on."""
    _kept.add(variable)


def child_environment() -> dict[str, str]:
    """Return the environment for a process that we start."""
    return {name: value for name, value in os.environ.items() if name not in _kept}


__all__ = ["child_environment", "keep_from_children"]
