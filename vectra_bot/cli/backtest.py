"""``vectra-bot backtest``: plays many games in memory, shows the speed, and prints the report."""

from __future__ import annotations

import os
from typing import Any

import attrs
import click

from vectra_bot.actions.limits import Limits
from vectra_bot.backtest.asked.config import BacktestOptions
from vectra_bot.backtest.play import BACKTEST_LIMITS
from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.options import (
    GroupedCommand,
    declared_options,
    given_options,
    written_pairs,
)
from vectra_bot.cli.output import json_option, print_json, quiet_stdout
from vectra_bot.cli.report import beside_page, page_pairs, page_path, report_option
from vectra_bot.cli.speed import GameSpeed
from vectra_bot.cli.stopping import Stopper

_MANY_GAMES = 5000
"""From here on several processes save more time than it takes to start them."""

_EPILOG = """\b
Examples:
  vectra-bot backtest take-profit --games 10000 --seed 7
  vectra-bot backtest ./my_bot.py --set entry=30 --games 100000 --report backtest.html
  vectra-bot backtest sidebet --games 5000 --seed 7 --json
  vectra-bot backtest take-profit --from seeded_games.jsonl
"""


@click.command(cls=GroupedCommand, epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("strategy")
@click.option("--set", "set_", metavar="KEY=VALUE", multiple=True, help="A strategy parameter.")
@declared_options(BacktestOptions, BACKTEST_LIMITS)
@report_option
@json_option
def backtest(
    strategy: str, set_: tuple[str, ...], page: str | None, as_json: bool, **options: Any
) -> int:
    """Play STRATEGY over many games in memory and report the result.

    STRATEGY is the name of an installed strategy, or a file: ./my_bot.py[:Class]. Games of a seed are the
    same in every backtest and session. They are played in blocks of 10,000, each with a new strategy and
    account, so that the result does not depend on --jobs. Nothing is stored.
    """
    from vectra_bot.backtest.asked.calls import run_backtest

    path, chosen = page_path(page), backtest_options(options)
    settings = written_pairs("--set", set_)
    with (
        Stopper(chosen.stop, foreign=True) as stopper,
        quiet_stdout(as_json),
        GameSpeed(f"backtest of {strategy}", shown=not as_json) as speed,
    ):
        report = run_backtest(strategy, settings, chosen, speed)
    with beside_page(report, path) as written:
        if as_json:
            print_json(report.to_json())
        else:
            from vectra_bot.backtest.results.text import backtest_pairs
            from vectra_bot.cli.tables import print_pairs

            rows = [*backtest_pairs(report), ("Speed", speed.text()), *page_pairs(written)]
            print_pairs(rows, title="Backtest")
    return stopper.exit_code


def backtest_options(options: dict[str, Any], variants: int = 1) -> BacktestOptions:
    """Return what was given on the command line for a number of variants."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # processes share the work already
    limits = attrs.evolve(BACKTEST_LIMITS, **given_options(Limits, options))
    chosen = BacktestOptions(limits=limits, **given_options(BacktestOptions, options))
    if chosen.jobs is None and (chosen.games or 0) * variants >= _MANY_GAMES:
        return attrs.evolve(chosen, jobs=os.cpu_count())
    return chosen
