"""What distributions install: the entry points of a group, where a name that two have taken is refused."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from typing import NamedTuple

from vectra_bot.errors import VectraError


class Distribution(NamedTuple):
    """Name and version of a distribution, empty where its metadata is broken."""

    name: str
    version: str


def installed(group: str) -> dict[str, list[metadata.EntryPoint]]:
    """Return the entry points of *group* by name; a name that two distributions took has two."""
    found: dict[str, list[metadata.EntryPoint]] = {}
    for point in metadata.entry_points(group=group):
        points = found.setdefault(point.name, [])
        if not any(known.value == point.value and known.dist == point.dist for known in points):
            points.append(point)
    return found


def only_one(
    points: Sequence[metadata.EntryPoint], what: str, failure: type[VectraError]
) -> metadata.EntryPoint:
    """Return the entry point of a name.

    Args:
        points: what is installed under the name, at least one.
        what: what it is, for the message, such as ``strategy``.
        failure: raised if there are several.
    """
    if len(points) == 1:
        return points[0]
    owners = sorted(f"{distribution_of(one).name or 'unknown'} ({one.value})" for one in points)
    raise failure(
        f"{what} name {points[0].name!r} is taken by {' and by '.join(owners)}: uninstall all but one"
    )


def distribution_of(point: metadata.EntryPoint) -> Distribution:
    """Return the distribution of an entry point."""
    try:
        if point.dist is not None:
            return Distribution(point.dist.name or "", point.dist.version or "")
    except Exception:  # noqa: BLE001, S110 - whatever a broken installation raises
        pass
    return Distribution("", "")


def owner_of(point: metadata.EntryPoint) -> str:
    """Return the distribution of an entry point as a message names it: what pip can install or uninstall."""
    return distribution_of(point).name or f"the distribution that has {point.value}"
