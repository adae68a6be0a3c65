"""``vectra-bot dev crowd-check``: compare the exchange's crowd with the real one."""

from __future__ import annotations

from typing import Any

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.numbers import WholeRange
from vectra_bot.cli.output import json_option, print_json
from vectra_bot.cli.progress import Steps

_GAMES = 2_000
_EXAMPLES = """\b
Examples:
  vectra-bot dev crowd-check --against recorded_prices.jsonl.gz --against seeded_games.jsonl.gz
  vectra-bot dev crowd-check --seed 7 --games 2000 --against recorded_prices.jsonl.gz --json
"""


@click.command(
    "crowd-check",
    short_help="Compare the simulated players with real ones.",
    epilog=_EXAMPLES,
    context_settings=HELP_OPTIONS,
)
@click.option("--against", multiple=True, metavar="FILE", help="A file of real games; repeatable.")
@click.option("--seed", default="1", show_default=True, metavar="SEED", help="The exchange's seed.")
@click.option(
    "--games", type=WholeRange(min=1), default=_GAMES, show_default=True,
    help="Games to play.",
)  # fmt: skip
@click.option(
    "--crowd", type=WholeRange(min=0), metavar="N", help="Players (default: the full crowd)."
)
@json_option
def crowd_check(
    *, against: tuple[str, ...], seed: str, games: int, crowd: int | None, as_json: bool
) -> None:
    """Play games with the full crowd and compare them with real games.

    FILE is a capture of kind recorded_prices or seeded_games, recognised by its content, plain or
    gzipped; several files are one sample. Each quantity is computed from the files that have it.

    Law quantities (rug tick, peak, last price, big moves) are tested against the files and, where it
    has a closed form, against the law: p >= 0.001 each. Crowd quantities must have a
    Kolmogorov-Smirnov distance below 0.10 and means within 10 %, or lie within what 99 % of samples
    of as many games would show by chance, if that is more: 33 games are too few for 0.10.
    The limit used is shown with each figure. A quantity that no file has is not compared, and
    never passes.

    Exit code 0 if all passed, 1 if anything failed or nothing could be compared, 2 for a wrong
    command line, 3 for a file that cannot be used.
    """
    from vectra_bot.conformance.crowd.crowd_check import check_crowd
    from vectra_bot.errors import CheckFailed, UsageError
    from vectra_bot.exchange.config import DEFAULT_CROWD

    if not against:
        raise UsageError(
            "nothing to compare with: give --against FILE, a recorded_prices or seeded_games capture"
        )
    with Steps() as steps:
        found = check_crowd(
            int(seed) if seed.isdecimal() else seed,
            games,
            against,
            crowd=DEFAULT_CROWD if crowd is None else crowd,
            on_game=lambda done: steps("games", done, games),
        )
    result = found.to_json()
    if as_json:
        print_json(result)
    else:
        _show(result)
    if not found.passed:
        failed = result["failed"]
        raise CheckFailed(
            f"{len(failed)} quantities differ: {', '.join(failed)}"
            if failed
            else "no quantity could be compared: give a file of real games that has one"
        )


def _show(result: dict[str, Any]) -> None:
    from vectra_bot.cli.tables import print_table

    columns = (
        "quantity",
        "against",
        "n",
        "theirs",
        "KS",
        "p",
        "mean",
        "theirs",
        "ratio",
        "limit",
        "",
    )
    print_table(columns, [_row(quantity) for quantity in result["quantities"]])
    if result["not_compared"]:
        click.echo(f"not compared, in no file: {', '.join(result['not_compared'])}")
    if any(quantity["wide"] for quantity in result["quantities"]):
        click.echo(
            "* too few real games for a limit of 0.10: the limit is the bound of 99 % of such samples"
        )


def _row(quantity: dict[str, Any]) -> tuple[object, ...]:
    if not quantity["compared"]:
        return (quantity["name"], "-", quantity["n_ours"], 0, *[""] * 6, "not compared")
    limits = _number(quantity["limit"], 3)
    if quantity["kind"] == "crowd":
        limits += f" / {quantity['mean_limit']:.0%}" + ("*" if quantity["wide"] else "")
    return (
        quantity["name"],
        quantity["against"],
        quantity["n_ours"],
        quantity["n_theirs"],
        _number(quantity["ks"], 3),
        _number(quantity["p"], 4),
        _number(quantity["mean_ours"], 4),
        _number(quantity["mean_theirs"], 4),
        _number(quantity["ratio"], 3),
        limits,
        "ok" if quantity["passed"] else "FAILED",
    )


def _number(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:.{places}f}"
