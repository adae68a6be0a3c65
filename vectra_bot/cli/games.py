"""Games of a feed that disagree with their seed: in the summary, by line, and as the exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from vectra_bot.errors import CheckFailed
from vectra_bot.redaction import clean

_SHOWN = 10


def games_by_verdict(report: Mapping[str, Any]) -> str:
    """Return the games that ended in a recording, by verdict, as text."""
    return (
        f"{report['games_verified']} verified, {report['games_failed']} failed, "
        f"{report['games_unverified']} unverified, {report['games_missed']} missed completely"
    )


def print_failed(count: int, failed: Sequence[Mapping[str, str]]) -> None:
    """Print a line for each of the first games that failed, and how many more there are.

    Args:
        count: number of games that disagree with their seed.
        failed: ``message`` of each, possibly not all of them.
    """
    for game in failed[:_SHOWN]:
        click.echo(f"FAILED {clean(game['message'])}")
    if count > _SHOWN:
        click.echo(f"and {count - _SHOWN} more: vectra-bot query alerts")


def check_games(count: int, failed: Sequence[Mapping[str, str]]) -> None:
    """Fail if a game disagrees with its seed.

    Raises:
        CheckFailed: there is such a game; the message names the first.
    """
    if count:
        number = "1 game disagrees" if count == 1 else f"{count} games disagree"
        raise CheckFailed(
            f"{number} with the seed revealed for it, the first: {clean(failed[0]['message'])}"
        )
