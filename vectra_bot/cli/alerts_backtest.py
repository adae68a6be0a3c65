"""``vectra-bot alerts backtest``: what alerts would have been worth."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.numbers import WholeRange
from vectra_bot.cli.options import plugin_options
from vectra_bot.cli.output import json_option, print_json
from vectra_bot.config import FileConfig
from vectra_bot.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectra_bot.analysis.signals import AlertBacktest, Calibration, TypeScore
    from vectra_bot.plugins import PluginManager

_EXAMPLES = """\b
Examples:
  vectra-bot alerts backtest --games 5000 --seed 7
  vectra-bot alerts backtest --games 1000 --model ./edge.py:Edge --json
  vectra-bot alerts backtest --from ./recorded --rules ./my_rules.py:Moon
"""

_DEFAULT_GAMES = 1000
_SHOWN = 20


@click.command("backtest", epilog=_EXAMPLES, context_settings=HELP_OPTIONS)
@click.option(
    "--from", "store", metavar="DIR|URL", help="Play the frames of this store.  [default: games]"
)
@click.option(
    "--games",
    type=WholeRange(1, 1_000_000),
    metavar="N",
    help=f"Play N games of the exchange.  [default: {_DEFAULT_GAMES}]",
)
@click.option(
    "--seed", type=WholeRange(0, 2**63 - 1), metavar="N", help="Seed of the exchange.  [default: 1]"
)
@click.option(
    "--rules",
    multiple=True,
    metavar="NAME|FILE[:Class]",
    help="A plugin with rules, or an AlertRule of a file; repeatable.  [default: alerts]",
)
@click.option(
    "--model",
    metavar="FILE[:Class]",
    help="The AlertModel whose chances are stated.  [default: the law]",
)
@click.option(
    "--plugin-set",
    multiple=True,
    metavar="NAME.KEY=VALUE",
    help="A parameter of a plugin of --rules, such as alerts.rug_warning_tick=60.",
)
@json_option
def backtest(
    *,
    store: str | None,
    games: int | None,
    seed: int | None,
    rules: tuple[str, ...],
    model: str | None,
    plugin_set: tuple[str, ...],
    as_json: bool,
) -> None:
    """Score alert rules over games of the exchange, or over those of a store.

    For each alert type: alerts per hour; of alerts that state a chance how often the event came (precision),
    in which share of the games with the event such an alert came before it (recall), and how many ticks
    before the rug (lead); the profit of acting on each alert per unit of stake, with its 95 % interval, the
    expected profit by the law, and the chance that luck alone does as well. Acting on a rug warning or an
    exit signal means selling instead of holding to the horizon; shorts and side games have payoffs that are
    unverified.

    All chances that a model states are tested together. Exit code 1 if a model's chances are not true
    (p < 1e-6). Under the law no alert has an edge: no expected profit is above 0.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from vectra_bot.errors import CheckFailed, UsageError

    if store is not None and (games is not None or seed is not None):
        raise UsageError("--from was given with --games or --seed: give one source of games")
    plugins = _plugins(rules, model, plugin_set)
    found = asyncio.run(_play(plugins, store, games or _DEFAULT_GAMES, 1 if seed is None else seed))
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    for one in found.models:
        if one.refuted:
            raise CheckFailed(
                f"the chances that model {clean(one.model)!r} states are not true ({_p_value(one)}, "
                f"{one.claims} chances of {one.games} games): do not trust its alerts"
            )


def _plugins(
    rules: tuple[str, ...], model: str | None, plugin_set: tuple[str, ...]
) -> Callable[[], PluginManager]:
    from vectra_bot.analysis.signals import rule_plugins

    choice = {"plugin_set": plugin_set, "plugin": (), "no_plugin": ()}
    settings = plugin_options(FileConfig(), choice)["plugins"]
    return rule_plugins(rules or ("alerts",), model, settings)


async def _play(
    plugins: Callable[[], PluginManager], store: str | None, games: int, seed: int
) -> AlertBacktest:
    from vectra_bot.analysis.signals import backtest_report, play_exchange, play_store

    if store is not None:
        return backtest_report(await play_store(plugins, store), store)
    return backtest_report(await play_exchange(plugins, games, seed), "exchange", seed)


def _print(found: AlertBacktest) -> None:
    from vectra_bot.cli.tables import print_table

    click.echo(
        f"{found.games} games of {clean(found.source)}, {found.hours:.1f} hours, {found.alerts} alerts"
    )
    print_table(
        ("type", "per hour", "scored", "stated", "came", "recall", "lead", "profit", "interval",
         "by the law", "luck"),
        map(_row, found.types),
    )  # fmt: skip
    for one in found.models:
        verdict = "REFUTED" if one.refuted else "consistent"
        if one.p_value is None:
            verdict = "too few games to judge"
        click.echo(
            f"model {clean(one.model)}: {one.claims} chances in {one.games} games, {_p_value(one)}: "
            f"{verdict}"
        )
    for count, text in (
        (found.unfinished, "alerts in games whose end was not seen were not scored"),
        (found.dropped, "alerts were counted and not scored, because there were too many"),
        (found.faults, "exceptions of rules or plugins"),
        (found.unread, "frames could not be read"),
    ):
        if count:
            click.echo(f"{count} {text}")


def _p_value(one: Calibration) -> str:
    return "no p-value" if one.p_value is None else f"p = {one.p_value:.3g}"


def _row(score: TypeScore) -> tuple[object, ...]:
    interval = score.interval
    return (
        score.kind + (" (unverified)" if score.unverified else ""),
        "" if score.per_hour is None else f"{score.per_hour:.2f}",
        score.scored or "",
        _percent(score.stated),
        _percent(score.precision),
        _percent(score.recall),
        "" if score.lead_ticks is None else f"{score.lead_ticks:g}",
        _percent(score.profit, "+"),
        "" if interval is None else f"{_percent(interval[0], '+')} to {_percent(interval[1], '+')}",
        _percent(score.expected, "+"),
        "" if score.luck is None else f"{score.luck:.3f}",
    )


def _percent(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{100 * value:{sign}.2f} %"
