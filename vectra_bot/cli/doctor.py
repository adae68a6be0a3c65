"""``vectra-bot doctor``: checks the machine, the store, the account and the venue; nothing is sent."""

from __future__ import annotations

from pathlib import Path

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.output import json_option, print_json
from vectra_bot.errors import CheckFailed
from vectra_bot.store.location import LIVE_STORE_SHOWN

_EPILOG = """\b
Examples:
  vectra-bot doctor --venue https://HOST
  vectra-bot doctor --venue https://HOST --config live.toml --json
"""


@click.command("doctor", epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.option("--venue", metavar="URL", help="Address of the venue: https://HOST[:PORT].")
@click.option("--config", "config_file", metavar="FILE", help="TOML file with [live].")
@click.option("--store", metavar="DIR", help=f"Folder of the store.  [default: {LIVE_STORE_SHOWN}]")
@click.option("--protocol", metavar="FILE", help="Corrected names on the wire.")
@json_option
def doctor(
    venue: str | None,
    config_file: str | None,
    store: str | None,
    protocol: str | None,
    *,
    as_json: bool,
) -> int:
    """Check what a session needs: clock, disk, permissions, lock, token, profile, venue, kernel.

    Nothing is sent and no login is made; of the venue 20 public frames are decoded and the first
    difference from the profile is named. The token is read and never shown. Exit code 1 if a check
    failed.
    """
    import asyncio

    from vectra_bot.cli.live import SECTIONS
    from vectra_bot.config import FileConfig, load_config
    from vectra_bot.exchange.config import ExchangeOptions
    from vectra_bot.params import option_of
    from vectra_bot.session.live.doctor import FAILED, Examination
    from vectra_bot.session.live.options import LiveOptions
    from vectra_bot.store.location import default_live_store
    from vectra_bot.store.remote.address import RemoteStore, parse_store

    file = load_config(Path(config_file), SECTIONS) if config_file else FileConfig()
    where = parse_store(store or file.options.get("store") or default_live_store())
    names = option_of(ExchangeOptions, "protocol")
    profile = names.parse(protocol, "--protocol") if protocol else file.options.get("protocol")
    examination = Examination(
        store=where.spool if isinstance(where, RemoteStore) else where.path,
        profile=profile or names.from_python(None),
        live=LiveOptions(**file.live) if config_file else None,
        venue=venue,
    )
    checks = asyncio.run(examination.run())
    failed = [check for check in checks if check.word == FAILED]
    if as_json:
        print_json({"ok": not failed, "checks": [check.to_json() for check in checks]})
    else:
        from vectra_bot.cli.tables import print_table

        print_table(("check", "result", ""), [(c.name, c.word, c.message) for c in checks])
    if failed:
        raise CheckFailed(
            f"{len(failed)} of {len(checks)} checks failed: {failed[0].name}: {failed[0].message}"
        )
    return 0
