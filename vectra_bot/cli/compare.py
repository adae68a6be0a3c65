"""``vectra-bot compare``: plays strategies or parameter sets over the same games and compares them."""

from __future__ import annotations

from typing import Any

import click

from vectra_bot.backtest.asked.config import BacktestOptions
from vectra_bot.backtest.asked.variants import variants_of
from vectra_bot.backtest.play import BACKTEST_LIMITS
from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.backtest import backtest_options
from vectra_bot.cli.options import GroupedCommand, declared_options, written_pairs
from vectra_bot.cli.output import json_option, print_json, quiet_stdout
from vectra_bot.cli.report import beside_page, page_pairs, page_path, report_option
from vectra_bot.cli.speed import GameSpeed
from vectra_bot.cli.stopping import Stopper

_EPILOG = """\b
Examples:
  vectra-bot compare take-profit --set target=1.2 --set target=2 --games 20000 --seed 7
  vectra-bot compare ./a.py ./b.py --games 10000 --report compare.html
  vectra-bot compare ./s.py --set entry=5 --set entry=30 --set stake=0.01 --set stake=0.05 --json
"""


@click.command(cls=GroupedCommand, epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
@click.option(
    "--set",
    "set_",
    metavar="KEY=VALUE",
    multiple=True,
    help="A strategy parameter; a key given several times makes variants.",
)
@declared_options(BacktestOptions, BACKTEST_LIMITS)
@report_option
@json_option
def compare(
    specs: tuple[str, ...], set_: tuple[str, ...], page: str | None, as_json: bool, **options: Any
) -> int:
    """Compare strategies, or parameter sets of one, over the same games.

    SPEC is the name of an installed strategy, or a file: ./my_bot.py[:Class]. Each value of a --set key that
    is given several times is a variant; several such keys make each combination, the last key changing
    fastest. Every variant is compared with the first one, game by game: by how much it made more, with a
    95 % interval, and how likely luck alone makes such a difference, corrected for the number of
    comparisons.
    """
    from vectra_bot.backtest.asked.calls import run_comparison

    path = page_path(page)
    variants = [
        (name, spec, written_pairs("--set", texts))
        for name, spec, texts in variants_of(specs, set_)
    ]
    chosen = backtest_options(options, len(variants))
    with (
        Stopper(chosen.stop, foreign=True) as stopper,
        quiet_stdout(as_json),
        GameSpeed(f"{len(variants)} variants", shown=not as_json) as speed,
    ):
        found = run_comparison(variants, chosen, speed)
    with beside_page(found, path) as written:
        if as_json:
            print_json(found.to_json())
        else:
            from vectra_bot.backtest.results.comparison_text import COLUMNS, about_pairs, table_rows
            from vectra_bot.cli.tables import print_pairs, print_table

            print_table(COLUMNS, table_rows(found))
            click.echo()
            rows = [*about_pairs(found), ("Speed", speed.text()), *page_pairs(written)]
            print_pairs(rows, title="Comparison")
    return stopper.exit_code
