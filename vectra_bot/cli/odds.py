"""``vectra-bot odds``: expected values and chances under the price law, checked by simulated games."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.numbers import Number, Whole
from vectra_bot.cli.output import json_option, print_json
from vectra_bot.cli.store_options import address, store_option

if TYPE_CHECKING:
    from vectra_bot.analysis.intervals import Mean
    from vectra_bot.analysis.odds.check import CheckedFigure
    from vectra_bot.analysis.odds.figures import Figure
    from vectra_bot.analysis.odds.report import OddsReport
    from vectra_bot.analysis.promotions import Presale, Promotions

_EXAMPLES = """\b
Examples:
  vectra-bot odds
  vectra-bot odds hold short --price 2.5 --low 0.8 --ticks 20 --ticks 60
  vectra-bot odds exits --target 1.5 --stop-loss 0.7 --max-ticks 60 --stake 0.05
  vectra-bot odds --simulate 1000000 --seed 7 --json
  vectra-bot odds promotions --store ./recorded
  vectra-bot odds certificate
"""

_PROMOTIONS = "promotions"
_CERTIFICATE = "certificate"

_TITLES = {
    "edge": "House edge: profit of holding one tick",
    "hold": "Holding: profit of buying now and selling later, or at the rug price if the game rugs",
    "exits": "Exits: profit of buying now with these exits, and the chances of each exit",
    "survival": "Survival: chance that the game is alive after this many ticks",
    "peak": "Peak: chance that the price reaches this multiple of the current price",
    "rug": "Rug: the price at the rug, and the last one before it",
    "sidebet": "Sidebet: 40 ticks, pays 5x",
    "leverage": "Leverage (unverified payoff)",
    "short": "Short (unverified payoff: the textbook one)",
    "rounds": "Side games (unverified odds)",
}


_NAMES = (*_TITLES, _PROMOTIONS, _CERTIFICATE)

_OF_FIGURES = (
    "ticks", "price", "low", "stake", "target", "stop_loss", "max_ticks", "tick", "simulate", "seed",
)  # fmt: skip


@click.command("odds", epilog=_EXAMPLES, context_settings=HELP_OPTIONS)
@click.argument("what", nargs=-1, metavar="[WHAT]...")
@click.option("--ticks", type=Whole(), multiple=True, metavar="N", help="Hold N ticks; repeatable.")
@click.option("--price", type=Number(), default=1.0, show_default=True, help="Current price.")
@click.option(
    "--low", type=Number(), help="Lowest price of the game so far.  [default: price or 1]"
)
@click.option("--stake", metavar="SOL", help="Also show the profit of this stake.")
@click.option(
    "--target", type=Number(), metavar="X", help="Sell at X times the current price or above."
)
@click.option(
    "--stop-loss", type=Number(), metavar="X", help="Sell at X times the current price or below."
)
@click.option("--max-ticks", type=Whole(), metavar="N", help="Sell after N ticks at the latest.")
@click.option("--tick", type=Whole(), metavar="N", help="Place the sidebet at tick N of the game.")
@click.option(
    "--simulate", type=Whole(), default=100_000, show_default=True, metavar="GAMES",
    help="Games of the Monte-Carlo check; 0 for none.",
)  # fmt: skip
@click.option("--seed", type=Whole(), default=1, show_default=True, help="Seed of the check.")
@store_option
@json_option
def odds(
    what: tuple[str, ...],
    *,
    simulate: int,
    seed: int,
    store: str | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Print expected values and chances of the game under the v3 law, computed, not sampled.

    WHAT is any of edge, hold, exits, survival, peak, rug, sidebet, leverage, short, rounds; without it,
    all of these. These are expected values before prizes: "promotions" estimates what the rugpool and
    Golden Hour drawings recorded in --store were worth. "certificate" proves in exact fractions that
    no rule for buying and selling gains from prices; both are given alone.

    Every figure is shown with the mean of simulated games, its standard error and the distance z
    in standard errors. The error is the bound of the numerical error; a formula has none.

    Profit is per unit invested: -0.05 % loses 0.0005 of 1 SOL. Leverage, shorts and side games use
    rules that were not observed at the venue: unverified.

    Exit code 1 if a mean is further away than error and chance together allow: the limit of z is
    such that all figures pass in 999 of 1000 runs. If there are too few games to judge, z is shown
    but not judged.
    """
    # The matrices are small: threads would only wait for each other. No effect if numpy is already loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from vectra_bot.analysis.odds import report as odds_report
    from vectra_bot.errors import CheckFailed, UnknownNameError, UsageError

    for name in what:
        if name not in _NAMES:
            raise UnknownNameError("group of odds", name, _NAMES)
    for alone in (_PROMOTIONS, _CERTIFICATE):
        if alone in what:
            _check_alone(alone, what)
    if _PROMOTIONS in what:
        _promotions(store, as_json=as_json)
        return
    if store is not None:
        raise UsageError(f"--store was given without {_PROMOTIONS}: only that reads a store")
    if _CERTIFICATE in what:
        _certificate(as_json=as_json)
        return
    report = odds_report.odds(*what, simulate=simulate, seed=seed, **asked)
    if as_json:
        print_json(report.to_json())
    else:
        _print(report)
    wrong = report.disagreeing
    if wrong:
        first = wrong[0]
        raise CheckFailed(
            f"{len(wrong)} of {len(report.figures)} figures disagree with the simulated games, the first: "
            f"{first.figure.group}, {first.figure.name}: {first.figure.value:.8g} computed, "
            f"{first.monte_carlo:.8g} simulated; try another --seed, and report it if it persists"
        )


def _check_alone(name: str, what: tuple[str, ...]) -> None:
    """Refuse other names beside *name*, and options for the figures, which it has none of."""
    from vectra_bot.errors import UsageError

    if len(what) > 1:
        raise UsageError(f"{name} was given with other names: give it alone")
    context = click.get_current_context()
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if given and option.name in _OF_FIGURES:
            raise UsageError(
                f"{option.opts[0]} was given with {name}: it is for other figures only"
            )


def _promotions(store: str | None, *, as_json: bool) -> None:
    from vectra_bot.analysis.promotions import promotions
    from vectra_bot.errors import InputError
    from vectra_bot.store.query.catalog import open_store

    location = address(store)
    with open_store(location) as catalog:
        found = promotions(catalog)
    if not found.pools and not found.golden_drawings:
        raise InputError(
            f"no drawing and no rugpool with entries is recorded in {location}: record sessions of the "
            "venue, or give another --store"
        )
    if as_json:
        print_json({"store": location} | found.to_json())
    else:
        _print_promotions(found, location)


def _certificate(*, as_json: bool) -> None:
    from vectra_bot.analysis.odds.certificate import certificate
    from vectra_bot.errors import CheckFailed

    found = certificate()
    if as_json:
        print_json(found.to_json())
    else:
        for number, step in enumerate(found.steps, 1):
            decimal = f" = {float(step.value):.14g}" if step.value.denominator > 1 else ""
            claim = f" ({step.claim}: {'true' if step.holds else 'NOT TRUE'})" if step.claim else ""
            click.echo(f"{number:2}. {step.name}: {step.text}")
            click.echo(f"    {step.value}{decimal}{claim}")
        if found.holds:
            click.echo(
                "Every long position without leverage that is held for a tick or more loses at least "
                f"{100 * float(found.loss):.6f} % of its cost on average, before prizes, by whatever rule "
                "it is bought and sold."
            )
    if not found.holds:
        wrong = next(step for step in found.steps if not step.holds)
        raise CheckFailed(f"step {wrong.name!r} is not true: {wrong.value} {wrong.claim}")


def _print_promotions(found: Promotions, location: str) -> None:
    from vectra_bot.cli.tables import print_pairs

    rows: list[tuple[str, object]] = [
        ("Rugpool", f"drawings {found.pool_drawings}, pools seen with entries {found.pools}"),
        ("per SOL lost", _mean(found.pool_per_sol_lost, "pools")),
        ("Golden Hour", f"drawings {found.golden_drawings}"),
        ("per SOL of sidebets", _mean(found.golden_per_sol_of_sidebets, "drawings")),
        ("per SOL of longs", _mean(found.golden_per_sol_of_longs, "drawings")),
    ]
    if found.unreadable:
        rows.append(("Unreadable", f"{found.unreadable} frames of drawings"))
    print_pairs(rows, title=f"Prizes recorded in {location}, in SOL")
    if found.presale:
        print_pairs(
            [(f"sold at tick {row.tick}", _presale_line(row)) for row in found.presale],
            title="Purchase in the presale, expected profit by the law, with the rugpool's prize",
        )
    click.echo(
        "An estimate from few drawings, not an edge; what gives a Golden Hour entry is a model."
    )


def _mean(mean: Mean | None, what: str) -> str:
    if mean is None:
        return f"unknown: no {what} recorded"
    if mean.low is None or mean.high is None:
        return f"{mean.mean:.4f} ({what}: 1, so no interval)"
    return (
        f"{mean.mean:.4f}, 95 % interval {mean.low:.4f} to {mean.high:.4f} ({what}: {mean.count})"
    )


def _presale_line(row: Presale) -> str:
    line = (
        f"{100 * row.before_prizes:+.3f} % before prizes, {100 * row.with_prize:+.3f} % with them"
    )
    if row.low is None or row.high is None:
        return line
    low, high = row.before_prizes + row.low, row.before_prizes + row.high
    return f"{line} (95 % interval {100 * low:+.3f} to {100 * high:+.3f} %)"


def _print(report: OddsReport) -> None:
    from itertools import groupby

    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from vectra_bot.cli.tables import Console

    columns = ["computed", "error"]
    columns += ["simulated", "std. error", "z"] if report.games else []
    columns += [f"of {report.stake} SOL"] if report.stake is not None else []
    console = Console()
    # Names wrap on a narrow terminal, figures never do: a truncated figure would be wrong.
    width = max(len(one.figure.name) for one in report.figures)
    narrow = console.width < width + 4 + 13 * (len(columns) + bool(report.games))
    for group, rows in groupby(report.figures, key=lambda one: one.figure.group):
        console.print(Text(_TITLES[group], style="bold"))
        cells = [_cells(one, report) for one in rows]
        table = Table(box=None, pad_edge=False, collapse_padding=narrow, header_style="dim")
        table.add_column("", min_width=None if narrow else width + 2, overflow="fold")
        for column in columns:
            table.add_column(
                column, justify="right", min_width=None if narrow else 11, no_wrap=True
            )
        if any(row[len(columns) + 1 :] != [""] for row in cells) and report.games:
            table.add_column("", no_wrap=True)
        for row in cells:
            table.add_row(Padding(row[0], (0, 0, 0, 2)), *row[1 : len(table.columns)])
        console.print(table)
        console.print()
    console.print(_closing(report))


def _cells(one: CheckedFigure, report: OddsReport) -> list[str]:
    figure, simulated = one.figure, bool(report.games)
    cells = [figure.name, _amount(figure.value, figure.unit), _error(figure)]
    if simulated:
        cells += [
            "-" if one.monte_carlo is None else _amount(one.monte_carlo, figure.unit),
            "-" if one.standard_error is None else _spread(one.standard_error, figure.unit),
            "-" if one.z is None else f"{one.z:+.2f}",
        ]
    if report.stake is not None:
        profit = report.profit_sol(one)
        cells.append("" if profit is None else f"{profit:+.9f}")
    if simulated:
        unsure = one.monte_carlo is not None and one.agrees is None
        cells.append("disagrees" if one.agrees is False else "too few" if unsure else "")
    return cells


def _amount(value: float, unit: str) -> str:
    if unit == "return":
        return f"{100 * value:+.4f} %"
    return f"{100 * value:.4f} %" if unit == "chance" else f"{value:.4f}"


def _error(figure: Figure) -> str:
    return _spread(figure.error, figure.unit) if figure.error else "exact"


def _spread(value: float, unit: str) -> str:
    shown, mark = (100 * value, " %") if unit in {"return", "chance"} else (value, "")
    return f"{shown:.4f}{mark}" if shown >= 0.00005 else f"<0.0001{mark}"


def _closing(report: OddsReport) -> str:
    checked, games, seed = report.figures, report.games, report.seed
    if not games:
        return f"{len(checked)} figures of the v3 law; nothing was simulated"
    judged = [one for one in checked if one.agrees is not None]
    wrong = sum(one.agrees is False for one in judged)
    if not judged:
        return f"{len(checked)} figures of the v3 law; {games:,} games of seed {seed} are too few to judge"
    verdict = f"{wrong} disagree" if wrong else "all agree"
    return (
        f"{len(checked)} figures of the v3 law, {len(judged)} checked by {games:,} games of seed {seed}: "
        f"{verdict} (limit of z: {report.z_limit:.2f})"
    )
