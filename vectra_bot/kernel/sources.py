"""What the library is built from: C sources, the constants of the game, flags, and the digest of all of them.

Imports nothing but ``game.rules``: the build uses it before the package's own libraries are installed.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from vectra_bot.game import rules

FOLDER: Final = Path(__file__).parent
# Not `.so`: such a file would be listed as a module of Python.
LIBRARY: Final = "law.lib"
LIBRARY_V3: Final = "law_v3.lib"
"""The same for x86-64 processors with the instructions of x86-64-v3."""

CONSTANTS: Final = (
    "START_PRICE", "RUG_CHANCE", "DRIFT_MIN", "DRIFT_MAX", "BIG_MOVE_CHANCE", "BIG_MOVE_MIN", "BIG_MOVE_MAX",
    "NOISE", "NOISE_ROOT_CAP", "GOD_CANDLE_CHANCE", "GOD_CANDLE_FACTOR", "GOD_CANDLE_MAX_PRICE", "MAX_TICKS",
    "RUG_DROP", "TICK_MS", "PRIVATE_BEFORE_RUG_MS",
)  # fmt: skip
"""Constants of ``game.rules`` that the sources use."""

FLAGS: Final = (
    "-std=c11", "-O3", "-shared", "-fPIC", "-fvisibility=hidden",
    # Every double as Python and JavaScript compute it: a fused multiply-add rounds once instead of twice.
    "-ffp-contract=off", "-fno-fast-math",
    # No error numbers or traps: without them square roots and selections become vector instructions.
    "-fno-math-errno", "-fno-trapping-math",
)  # fmt: skip
"""Flags of every build."""


def source_files() -> list[Path]:
    """Return the C files, sorted."""
    return sorted([*FOLDER.glob("*.c"), *FOLDER.glob("*.h")])


def definitions() -> list[str]:
    """Return the constants as definitions of C, each the same double as in Python."""
    return [f"-DLAW_{name}={getattr(rules, name)!r}" for name in CONSTANTS]


@cache
def digest() -> str:
    """Return the digest that a library built from today's sources, constants and flags has, in hex."""
    found = hashlib.sha256("\n".join([*FLAGS, *definitions()]).encode())
    for path in source_files():
        found.update(f"\n{path.name}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()
