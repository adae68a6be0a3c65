"""``vectra-bot run``: runs a session, shows its progress, and prints its report."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from vectra_bot.actions.limits import LIVE_LIMITS, Limits
from vectra_bot.alerts.preference_file import AlertOptions
from vectra_bot.cli import HELP_OPTIONS, TRADING_STOPPED
from vectra_bot.cli.options import (
    GroupedCommand,
    declared_options,
    given_options,
    plugin_options,
    written_pairs,
)
from vectra_bot.cli.output import json_option, print_json, quiet_stdout
from vectra_bot.cli.report import page_path, paged, print_report, report_option, write_page
from vectra_bot.cli.stopping import Stopper
from vectra_bot.config import LIVE, FileConfig, load_config
from vectra_bot.errors import UsageError
from vectra_bot.exchange import ExchangeOptions
from vectra_bot.redaction import shown_url
from vectra_bot.session import SessionConfig, run_session
from vectra_bot.session.live.options import LiveOptions
from vectra_bot.venues.patience import LiveSettings

if TYPE_CHECKING:
    from vectra_bot.report.results import Report
    from vectra_bot.session.config import Observer

SECTIONS = {
    "run": SessionConfig,
    "exchange": ExchangeOptions,
    "alerts": AlertOptions,
    LIVE: LiveOptions,
}
"""Sections of a configuration file, and the config class whose options they set."""

_EPILOG = """\b
Examples:
  vectra-bot run take-profit --games 20 --speed max
  vectra-bot run take-profit --set target=2.0 --set stake=0.02 --seed 7
  vectra-bot run ./my_bot.py:MyBot --plugin stake-guard --json
  vectra-bot run short --games 50 --short-payoff charged --protocol names.toml
  vectra-bot run ./my_bot.py --games 50 --seed 7 --report report.html
  vectra-bot run ./my_bot.py --games 5 --no-store
  vectra-bot run take-profit --venue https://HOST --games 5
  vectra-bot run --config bot.toml
"""


@click.command(cls=GroupedCommand, epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("strategy", required=False)
@declared_options(SessionConfig, Limits, LiveSettings)
@click.option("--config", "config_file", metavar="FILE", help="TOML file with settings.")
@report_option
@json_option
def run(
    strategy: str | None, config_file: str | None, page: str | None, as_json: bool, **options: Any
) -> int:
    """Run STRATEGY on the embedded exchange: a paper session with play money.

    With --venue it runs on the feed of that venue, in real time: nothing is sent to it, a paper desk fills
    the orders at the prices seen there. With --shadow as well it logs in to the account in [live] of
    --config, starts with its cash, and holds to the conditions and limits of a live session.

    STRATEGY is the name of an installed strategy, or a file: ./my_bot.py[:Class]. Options on the command
    line override those in --config.
    """
    path = page_path(page)
    if as_json:
        with paged(path), quiet_stdout(as_json):
            report, code = _run(_session_config(strategy, config_file, options), None)
        write_page(report, path)
        print_json(report.to_json())
    else:
        from vectra_bot.cli.progress_table import view

        config = _session_config(strategy, config_file, options)
        where = "the embedded exchange" if config.venue is None else shown_url(config.venue)
        mode = "shadow" if config.shadow else "paper"
        title = f"vectra-bot: {config.strategy}, {config.games} games, {mode} on {where}"
        with paged(path), view(title) as shown, quiet_stdout(as_json):
            report, code = _run(config, shown)
        write_page(report, path)
        print_report(report, path)
    return code or (0 if report.no_entries_from is None else TRADING_STOPPED)


def _run(config: SessionConfig, observer: Observer | None) -> tuple[Report, int]:
    """Run the session until it ends or a signal stops it; return its report and the exit code."""
    with Stopper(config.stop, config.flush.ask, foreign=True) as stopper:
        report = asyncio.run(run_session(attrs.evolve(config, observer=observer)))
    return report, stopper.exit_code


def _session_config(
    strategy: str | None, config_file: str | None, options: dict[str, Any]
) -> SessionConfig:
    """Merge defaults, file and command line; later ones override earlier ones."""
    file = load_config(Path(config_file), SECTIONS) if config_file else FileConfig()
    chosen = strategy or file.strategy
    if chosen is None:
        raise UsageError(
            "no strategy was given: name one (see `vectra-bot strategies`) or a file ./my_bot.py"
        )
    given = {**file.options, **given_options(SessionConfig, options)}
    if options["no_store"] and options["store"] is None:
        given.pop("store", None)  # the command line overrides the file
    usual = LIVE_LIMITS if given.get("shadow") else Limits()
    return SessionConfig(
        strategy=chosen,
        live=LiveOptions(**file.live),
        settings={**file.settings, **written_pairs("--set", options["set"])},
        limits=attrs.evolve(usual, **{**file.limits, **given_options(Limits, options)}),
        link=LiveSettings(**given_options(LiveSettings, options)),
        **plugin_options(file, options),
        **given,
    )
