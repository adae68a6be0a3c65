"""``vectra-bot alerts``: alerts and what they are worth."""

from __future__ import annotations

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.alerts_backtest import backtest

_EPILOG = """\b
Examples:
  vectra-bot alerts backtest --games 1000 --seed 7

Each command takes --json: one object on standard output.
"""


@click.group(epilog=_EPILOG, context_settings=HELP_OPTIONS, invoke_without_command=True)
@click.pass_context
def alerts(context: click.Context) -> None:
    """Score alert rules."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


alerts.add_command(backtest)
