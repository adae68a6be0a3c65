"""``vectra-bot store``: check, recover, compact, migrate and import stores."""

from __future__ import annotations

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.store_check import check, stats
from vectra_bot.cli.store_import import import_, migrate
from vectra_bot.cli.store_repair import compact, drop, recover

_EPILOG = """\b
Examples:
  vectra-bot store check
  vectra-bot store recover --store ./my_store
  vectra-bot store compact --all --json
  vectra-bot store stats --store s3://bucket/store

Each command takes --json: one object on standard output, with the keys listed in its help.
"""


@click.group(epilog=_EPILOG, context_settings=HELP_OPTIONS, invoke_without_command=True)
@click.pass_context
def store(context: click.Context) -> None:
    """Check, recover, compact, migrate and import stores.

    A store is a folder, or the address of one in an object store, as given to --store of any command.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (check, recover, compact, migrate, import_, stats, drop):
    store.add_command(_command)
