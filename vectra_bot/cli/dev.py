"""``vectra-bot dev``: compare the embedded exchange with the venue, for maintainers."""

from __future__ import annotations

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.crowd_check import crowd_check
from vectra_bot.cli.frames_check import frames_check
from vectra_bot.cli.money_check import money_check

_EPILOG = """\b
Examples:
  vectra-bot dev frames-check raw_frames.jsonl.gz
  vectra-bot dev money-check --seed 7 --games 100

Each command takes --json: one object on standard output.
"""


@click.group(epilog=_EPILOG, context_settings=HELP_OPTIONS, invoke_without_command=True)
@click.pass_context
def dev(context: click.Context) -> None:
    """Check the embedded exchange against recordings and its own frames.

    Not needed to run bots: these commands show a maintainer where the exchange differs from the venue.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (frames_check, crowd_check, money_check):
    dev.add_command(_command)
