"""``vectra-bot sweep``: tries many sets of parameters on the same games, and judges the best by luck."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from vectra_bot.actions.limits import Limits
from vectra_bot.backtest.play import BACKTEST_LIMITS
from vectra_bot.backtest.sweep.config import SweepConfig
from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.numbers import WholeRange
from vectra_bot.cli.options import GroupedCommand, declared_options, given_options, pairs
from vectra_bot.cli.output import json_option, print_json, quiet_stdout
from vectra_bot.cli.report import beside_page, page_pairs, page_path, report_option
from vectra_bot.cli.speed import GameSpeed
from vectra_bot.cli.stopping import Stopper

if TYPE_CHECKING:
    from vectra_bot.backtest.sweep.report import SweepReport
    from vectra_bot.backtest.sweep.runner import SweepProgress

_EPILOG = """\b
Examples:
  vectra-bot sweep take-profit --range target=1.1:3 --games 2000 --seed 7
  vectra-bot sweep take-profit --random 200 --range target=1.05:10:log --range stake
  vectra-bot sweep ./my_bot.py --optuna tpe --trials 100 --jobs 4 --report sweep.html
  vectra-bot sweep ./my_bot.py --walk-forward 4 --json
  vectra-bot sweep take-profit --range target=1.1:3 --from recorded_prices.jsonl
  vectra-bot sweep ./my_bot.py --backend dask --scheduler tcp://127.0.0.1:8786
"""


@click.command(cls=GroupedCommand, epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("strategy")
@declared_options(SweepConfig, BACKTEST_LIMITS)
@click.option(
    "--top", type=WholeRange(min=1), default=10, show_default=True, metavar="N",
    help="Sets of the printed table.",
)  # fmt: skip
@report_option
@json_option
def sweep(strategy: str, page: str | None, top: int, as_json: bool, **options: Any) -> int:
    """Try many sets of STRATEGY's parameters, all on the same games, and judge the best by luck.

    Without --range, every parameter varies that declares two bounds or choices. A set's results are kept in
    --out as soon as a chunk of its games is played: after a kill the same command continues, and plays
    nothing twice. A changed source file, parameter, option or game of --from is another result.

    The best of many sets looks good by luck alone. The reality check says how often luck makes the best of so
    many at least this good; --walk-forward chooses on earlier games and judges on the next.

    STRATEGY is the name of an installed strategy, or a file: ./my_bot.py[:Class].
    """
    from vectra_bot.backtest.sweep.calls import run_sweep

    path, config = page_path(page), _config(strategy, options)
    with (
        Stopper(foreign=True) as stopper,
        quiet_stdout(as_json),
        GameSpeed("sweep", shown=not as_json) as speed,
    ):
        report = run_sweep(config, partial(_show, speed), stopper.caught)
    with beside_page(report, path) as written:
        if as_json:
            print_json(report.to_json())
        else:
            _print(report, top, written)
    return stopper.exit_code


def _config(strategy: str, options: dict[str, Any]) -> SweepConfig:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # processes share the work already
    return SweepConfig(
        strategy=strategy,
        settings=pairs("--set", options["set"]),
        ranges=options["range"],
        limits=evolve(BACKTEST_LIMITS, **given_options(Limits, options)),
        **given_options(SweepConfig, options),
    )


def _show(speed: GameSpeed, progress: SweepProgress) -> None:
    """Show how many sets are done; the games that were found finished took no time."""
    speed.what = f"{progress.sets} of {progress.sets_total} sets"
    speed(progress.games - progress.games_reused, progress.games_total - progress.games_reused)


def _print(report: SweepReport, top: int, path: Path | None) -> None:
    from vectra_bot.backtest.sweep.space import shown
    from vectra_bot.backtest.sweep.text import heat_lines, p_text, sweep_pairs
    from vectra_bot.cli.tables import print_pairs, print_table
    from vectra_bot.report.parts import signed

    if report.variants:
        print_table(
            ["set", "SOL per game", "low", "high", "expected", "p of luck", "games with a result"],
            [
                [
                    shown(one.parameters),
                    *(
                        "-" if value is None else signed(round(value, 9))
                        for value in (
                            one.profit.mean,
                            one.profit.low,
                            one.profit.high,
                            one.expected,
                        )
                    ),
                    p_text(one.p),
                    f"{one.traded:,}",
                ]
                for one in report.variants[:top]
            ],
        )
        heat = report.heat
        click.echo(f"\nProfit per game, SOL, by {'' if heat is None else heat.across}:")
        click.echo("\n".join(heat_lines(report)) + "\n")
    print_pairs([*sweep_pairs(report), *page_pairs(path)], title="Sweep")
