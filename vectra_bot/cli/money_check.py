"""``vectra-bot dev money-check``: recompute every player's money from the exchange's frames only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.numbers import WholeRange
from vectra_bot.cli.output import json_option, print_json
from vectra_bot.cli.progress import Steps
from vectra_bot.errors import CheckFailed

if TYPE_CHECKING:
    from vectra_bot.conformance.money_check import MoneyReport

_EPILOG = """\b
Examples:
  vectra-bot dev money-check --seed 7 --games 100
  vectra-bot dev money-check --seed 7 --games 1000 --format dec --json
"""


@click.command(
    short_help="Reconcile the exchange's books with its frames.",
    epilog=_EPILOG,
    context_settings=HELP_OPTIONS,
)
@click.option(
    "--seed",
    type=WholeRange(0, 2**63 - 1),
    default=1,
    show_default=True,
    help="Seed of the exchange and the clients.",
)
@click.option(
    "--games",
    type=WholeRange(1, 1_000_000),
    default=100,
    show_default=True,
    help="Games to play.",
)
@click.option(
    "--crowd",
    type=WholeRange(0, 3_000),
    default=300,
    show_default=True,
    help="Other players on the exchange.",
)
@click.option(
    "--clients",
    type=WholeRange(0, 200),
    default=12,
    show_default=True,
    help="Logged-in clients.",
)
@click.option(
    "--format",
    "wire_format",
    type=click.Choice(["feb", "dec"]),
    default="feb",
    show_default=True,
    help="Wire format: February or December.",
)
@json_option
def money_check(
    *, seed: int, games: int, crowd: int, clients: int, wire_format: str, as_json: bool
) -> int:
    """Reconcile the exchange's books with its frames, to the lamport.

    Plays games with the crowd and logged-in clients, every feature on (rugpool, Golden Hour and the cap on
    winnings more frequent), adds up every player's money from trades, stakes, results and drawings as sent,
    and compares it with the books. Shorts, leverage, bonus money and side games are unverified models of
    the venue. Exit code 1 if any lamport differs.
    """
    from vectra_bot.conformance.money_check import check_money
    from vectra_bot.wire.states import WireFormat

    with Steps() as report_step:
        report = check_money(
            seed,
            games,
            crowd=crowd,
            clients=clients,
            wire_format=WireFormat(wire_format),
            progress=lambda done: report_step("games", done, games),
        )
    if as_json:
        print_json(report.to_json())
    else:
        _print(report)
    if not report.passed:
        raise CheckFailed(
            f"{len(report.differences)} differences between frames and books, the first: "
            f"{report.differences[0]}"
        )
    return 0


def _print(report: MoneyReport) -> None:
    print(
        f"{report.games} games, {report.accounts} accounts, {report.frames} frames read, "
        f"{report.acks} answers to clients ({report.refused} rejections)"
    )
    width = max(map(len, report.features))
    for name, count in report.features.items():
        print(f"  {name:<{width}}  {count:>9,}")
    for money, amount in report.house.items():
        print(f"  house, {money}: {amount:+.9f}")
    for line in report.differences:
        print(line)
    print("frames and books agree to the lamport" if report.passed else "frames and books differ")
