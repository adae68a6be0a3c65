"""``vectra-bot live``: trades for a real account at a venue, within limits that the operator chose."""

from __future__ import annotations

import asyncio
import sys
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
from vectra_bot.redaction import clean, shown_url
from vectra_bot.session.live.config import OWN_LIMITS, LiveConfig
from vectra_bot.session.live.options import LiveOptions
from vectra_bot.venues.browser.profile import known_venue
from vectra_bot.venues.browser.settings import BrowserSettings
from vectra_bot.venues.patience import LiveSettings

if TYPE_CHECKING:
    from vectra_bot.report.results import Report
    from vectra_bot.session.config import Observer

SECTIONS = {"run": LiveConfig, "alerts": AlertOptions, LIVE: LiveOptions}
"""Sections of a configuration file, and the config class whose options they set."""

_EPILOG = """\b
Examples:
  vectra-bot live take-profit --config live.toml --venue https://HOST --account did:privy:...
  vectra-bot live ./my_bot.py --config live.toml --venue https://HOST --limit-stake 0.002
  vectra-bot live take-profit --config live.toml --browser --account did:privy:...

\b
The file live.toml:
  [live]
  enabled = true
  account = "did:privy:..."
  terms = "2026-01-31 I have read the venue's terms and may run a bot"
  token = "file:~/.config/vectra-bot/token"
  [limits]
  stake = "0.005"
  session_loss = "0.02"
  day_loss = "0.05"
"""


@click.command("live", cls=GroupedCommand, epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("strategy", required=False)
@declared_options(LiveConfig, LIVE_LIMITS, LiveSettings, BrowserSettings, required=OWN_LIMITS)
@click.option("--config", "config_file", metavar="FILE", help="TOML file with settings.")
@report_option
@json_option
def live(
    strategy: str | None, config_file: str | None, page: str | None, as_json: bool, **options: Any
) -> int:
    """Run STRATEGY at a venue with real money.

    It needs all of this, and says in one line what is missing before anything is connected: a
    configuration file with [live] enabled, the account's id there and typed again, the operator's
    dated statement about the venue's terms, a login token or --browser, and limits for stake,
    session_loss and day_loss. Nothing is sent before the venue has logged in that account and stated
    its money.

    From another terminal: vectra-bot status, halt, resume, reduce, flatten, stop. Ctrl-C is a stop.
    On average the game loses money.
    """
    path = page_path(page)
    if as_json:
        with paged(path), quiet_stdout(as_json):
            report, code = _run(_live_config(strategy, config_file, options), None)
        write_page(report, path)
        print_json(report.to_json())
    else:
        from vectra_bot.cli.progress_table import view

        config = _live_config(strategy, config_file, options)
        games = "" if config.games is None else f", {config.games} games"
        title = f"vectra-bot: {config.strategy}, LIVE on {shown_url(config.venue)}{games}"
        with paged(path), view(title) as shown, quiet_stdout(as_json):
            report, code = _run(config, shown)
        write_page(report, path)
        print_report(report, path)
    stopped = report.no_entries_from is not None or report.ended.startswith("stopped")
    return code or (TRADING_STOPPED if stopped else 0)


def _run(config: LiveConfig, observer: Observer | None) -> tuple[Report, int]:
    """Run the session until it ends or a signal stops it; return its report and the exit code."""
    from vectra_bot.session.live.run import run_live

    with Stopper(config.stop, config.flush.ask, foreign=True) as stopper:
        report = asyncio.run(run_live(attrs.evolve(config, observer=observer)))
    return report, stopper.exit_code


def _live_config(
    strategy: str | None, config_file: str | None, options: dict[str, Any]
) -> LiveConfig:
    """Merge file and command line; the latter overrides the former."""
    file = load_config(Path(config_file), SECTIONS) if config_file else FileConfig()
    chosen = strategy or file.strategy
    if chosen is None:
        raise UsageError(
            "no strategy was given: name one (see `vectra-bot strategies`) or a file ./my_bot.py"
        )
    account = LiveOptions(**file.live)
    given = {**file.options, **given_options(LiveConfig, options)}
    browser = BrowserSettings(**given_options(BrowserSettings, options))
    given["venue"] = given.get("venue") or known_venue(browser)
    if given.get("account") is None and account.enabled and account.account:
        given["account"] = _typed_account()
    return LiveConfig(
        strategy=chosen,
        live=account,
        settings={**file.settings, **written_pairs("--set", options["set"])},
        limits={**file.limits, **given_options(Limits, options)},
        link=LiveSettings(**given_options(LiveSettings, options)),
        browser=browser,
        **plugin_options(file, options),
        **given,
    )


def _typed_account() -> str | None:
    """Ask a person for the account; a program must give it."""
    if not sys.stdin.isatty():
        return None
    text = click.prompt("Real money. Type the id of the account to trade for", err=True)
    return clean(str(text).strip())
