"""The variants that a command line asks for: strategies, and each combination of parameter values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from vectra_bot.errors import UsageError

MAX_VARIANTS = 200
"""More than this is a sweep."""

NamedVariant = tuple[str, str, tuple[str, ...]]


def variants_of(specs: Sequence[str], texts: Sequence[str]) -> list[NamedVariant]:
    """Return the name of each variant, its strategy, and its parameters as ``KEY=VALUE``.

    A key that is given several times makes a variant of each value, several such keys each combination, the
    last key changing fastest. Names are what distinguishes the variants.

    Raises:
        UsageError: there is one variant only, a variant is given twice, or there are more than 200.
    """
    values: dict[str, list[str]] = {}
    for text in texts:
        values.setdefault(text.partition("=")[0].strip(), []).append(text.strip())
    chosen = {key for key, given in values.items() if len(given) > 1}
    found = [
        (_name(spec, combination, chosen, several=len(specs) > 1), spec, combination)
        for spec in specs
        for combination in product(*values.values())
    ]
    _check(found)
    return found


def _name(spec: str, combination: Sequence[str], chosen: set[str], *, several: bool) -> str:
    shown = [text for text in combination if text.partition("=")[0].strip() in chosen]
    return " ".join([spec, *shown] if several or not shown else shown)


def _check(found: Sequence[NamedVariant]) -> None:
    if len(found) < 2:
        raise UsageError(
            f"{found[0][1]} is one variant only: give another strategy, or a --set key with several values, "
            "such as --set entry=5 --set entry=30"
        )
    if len(found) > MAX_VARIANTS:
        raise UsageError(f"{len(found)} variants were given: give at most {MAX_VARIANTS}")
    names = [name for name, _, _ in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"variant {name} was given twice: give each one once")
