"""``vectra-bot check``: looks for what makes a strategy's results untrue before its results are believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.options import pairs
from vectra_bot.cli.output import json_option, print_json, quiet_stdout

if TYPE_CHECKING:
    from vectra_bot.testing.checks.report import StrategyCheck, StrategyProblem

_EPILOG = """\b
Examples:
  vectra-bot check take-profit
  vectra-bot check ./my_bot.py:MyBot --games 20 --seed 7
  vectra-bot check ./my_bot.py --set stake=0.02 --json
"""


@click.command("check", epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("strategy")
@click.option(
    "--games",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="Games of each play.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=1,
    show_default=True,
    help="Seed of the exchange.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Parameter of the strategy."
)
@json_option
def check(strategy: str, games: int, seed: int, settings: tuple[str, ...], as_json: bool) -> int:
    """Check STRATEGY, a name or a file ./my_bot.py[:Class], before you believe its results.

    It is played many times, in separate processes: as it is; again, with another clock, other random
    numbers, another order of hashes and another environment (determinism); with other futures after its
    decisions, which must not change them (lookahead); with the bounds of its parameters; and in games of
    drawn prices, flat, wild and short (needs hypothesis). Exceptions and denied actions are reported too.

    Exit code 0 without a problem, 1 with problems.
    """
    with quiet_stdout(as_json):
        from vectra_bot.testing.checks.check import check_strategy

        found = check_strategy(strategy, games=games, seed=seed, settings=pairs("--set", settings))
    if as_json:
        print_json(found.to_json())
    else:
        _show(found)
    return 0 if found.ok else 1


def _show(found: StrategyCheck) -> None:
    from vectra_bot.cli.tables import print_table

    rows: list[tuple[object, ...]] = [
        (one["check"], one["plays"], _verdict(one)) for one in found.to_json()["checks"]
    ]
    print_table(("check", "plays", "found"), rows)
    lines = [line for problem in found.problems for line in _lines(problem)]
    lines += [f"note: {note}" for note in found.notes]
    number = len(found.problems)
    lines.append("no problem" if found.ok else f"{number} problem" + ("s" if number > 1 else ""))
    click.echo("\n".join(lines).encode(errors="backslashreplace").decode())


def _verdict(check: dict[str, Any]) -> str:
    if check["problems"]:
        return f"{check['problems']} problems" if check["problems"] > 1 else "1 problem"
    return f"skipped: {check['skipped']}" if check["skipped"] else "ok"


def _lines(problem: StrategyProblem) -> list[str]:
    place = f" {problem.place}:" if problem.place else ""
    lines = [f"{problem.check.value}:{place} {problem.why}"]
    if problem.decision or problem.expected:
        lines.append(
            f"    decides {problem.decision or 'nothing'}, else {problem.expected or 'nothing'}"
        )
    if trace := problem.detail.get("trace"):
        lines += [f"    {line}" for line in str(trace).rstrip().splitlines()[-3:]]
    return lines
