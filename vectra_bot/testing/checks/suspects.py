"""Names in a strategy's source by which results of other runs differ: where to look first."""

from __future__ import annotations

import ast
from collections.abc import Collection
from pathlib import Path
from types import MappingProxyType

_CLOCK = frozenset(
    {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time",
     "now", "utcnow", "today", "localtime", "gmtime", "strftime", "ctime"}
)  # fmt: skip
_CHANCE = frozenset(
    {"random", "randint", "randrange", "choice", "choices", "shuffle", "sample", "uniform", "gauss",
     "urandom", "uuid1", "uuid4", "token_hex", "token_bytes", "randbelow", "default_rng", "getrandbits",
     "SystemRandom", "normal", "rand", "integers"}
)  # fmt: skip
_ORDER = frozenset({"hash", "id", "set", "frozenset"})
_WORLD = frozenset(
    {"environ", "getenv", "getpid", "Thread", "Timer", "sleep", "open", "read_text", "loads"}
)
_INSIDE = frozenset(
    {"get_objects", "get_referrers", "_getframe", "currentframe", "stack", "modules", "import_module",
     "play_game", "f_locals", "f_back"}
)  # fmt: skip

NAMES = MappingProxyType(
    {"determinism": _CLOCK | _CHANCE | _ORDER | _WORLD, "lookahead": _INSIDE | _WORLD}
)
"""Names to look for, by check."""


def suspects(source: Path | None, names: Collection[str], most: int = 4) -> str:
    """Return what *source* calls or reads by one of *names*, with lines; empty if there is nothing."""
    try:
        tree = ast.parse(source.read_bytes()) if source is not None else ast.parse("")
    except (OSError, SyntaxError, ValueError):
        return ""
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in names:
            found.setdefault(ast.unparse(node), node.lineno)
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
        ):
            found.setdefault(f"{node.func.id}()", node.lineno)
        elif isinstance(node, ast.Set | ast.SetComp) and "set" in names:
            found.setdefault("a set", node.lineno)
    chosen = sorted(found.items(), key=lambda one: one[1])[:most]
    return ", ".join(f"{name} in line {line}" for name, line in chosen)
