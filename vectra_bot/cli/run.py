"""``vectra-bot run``: a session, watched while it runs, and its report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from vectra_bot.actions.risk import Limits
from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.options import pairs, plugin_options, plugin_settings
from vectra_bot.cli.output import json_option, print_json, quiet_stdout
from vectra_bot.cli.stopping import Stopper
from vectra_bot.config import (
    LIMITS_HELP,
    FileConfig,
    RunSettings,
    check_setting,
    load_config,
    make_limits,
    parse_speed,
    parse_start,
)
from vectra_bot.errors import ConfigError, UsageError
from vectra_bot.params import Parameter, parameters
from vectra_bot.session import SessionConfig, run_session
from vectra_bot.session.config import load_profile
from vectra_bot.wire.profile import Profile, default_profile

if TYPE_CHECKING:
    from vectra_bot.report.session import Report
    from vectra_bot.session.config import Observer

_EPILOG = """\b
Examples:
  vectra-bot run take-profit --games 20 --speed max
  vectra-bot run take-profit --set target=2.0 --set stake=0.02 --seed 7
  vectra-bot run ./my_bot.py:MyBot --plugin stake-guard --json
  vectra-bot run short --games 50 --short-payoff charged --protocol names.toml
  vectra-bot run --config bot.toml
"""


_METAVARS = {
    "speed": "max|N",
    "session_id": "ID",
    "store": "DIR|URL",
    "cash": "SOL",
    "start": "TIME",
    "exchange_log": "FILE",
    "countdown_step": "MS",
    "protocol": "FILE",
    "bbc_odds": "P,P,P",
    "bbc_payouts": "X,X,X",
    "candleflip_odds": "P,P",
    "candleflip_payouts": "X,X",
}


def _setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for every setting and limit; values are checked where files are checked too."""
    for name, limit in reversed(attrs.fields_dict(Limits).items()):
        command = click.option(
            f"--limit-{name.replace('_', '-')}",
            f"limit_{name}",
            metavar="N",
            help=f"{LIMITS_HELP[name]}  [default: {limit.default}]",
        )(command)
    for setting in reversed(parameters(RunSettings)):
        if isinstance(setting.default, bool):
            command = _switch(setting)(command)
            continue
        default = "" if setting.default is None else f"  [default: {setting.default}]"
        choices = "|".join(setting.choices or ())
        command = click.option(
            f"--{setting.name.replace('_', '-')}",
            setting.name,
            metavar=choices or _METAVARS.get(setting.name, "N"),
            help=f"{setting.help}{default}",
        )(command)
    return command


def _switch(setting: Parameter) -> Callable[..., Any]:
    """Return the option of a setting that is on or off."""
    flag = setting.name.replace("_", "-")
    default = "on" if setting.default else "off"
    return click.option(
        f"--{flag}/--no-{flag}",
        setting.name,
        default=None,
        help=f"{setting.help}  [default: {default}]",
    )


@click.command(epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("strategy", required=False)
@_setting_options
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="A strategy parameter.")
@click.option("--config", "config_file", metavar="FILE", help="TOML file with settings.")
@plugin_options
@json_option
def run(strategy: str | None, config_file: str | None, as_json: bool, **options: Any) -> int:
    """Run STRATEGY on the embedded exchange: a paper session with play money.

    STRATEGY is the name of an installed strategy, or a file: ./my_bot.py[:Class]. The command line
    wins over --config.
    """
    config = _session_config(strategy, config_file, options)
    if as_json:
        with quiet_stdout(as_json):
            report, code = _run(config, None)
        print_json(report.to_json())
    else:
        from vectra_bot.cli.live import view
        from vectra_bot.cli.report import print_report

        title = (
            f"vectra-bot: {config.strategy}, {config.games} games, paper on the embedded exchange"
        )
        with view(title) as shown:
            report, code = _run(config, shown)
        print_report(report)
    return code


def _run(config: SessionConfig, observer: Observer | None) -> tuple[Report, int]:
    """Run the session until it ends or a signal asks it to; return its report and the exit code."""
    with Stopper(config.stop.set, config.flush.ask) as stopper:
        report = asyncio.run(run_session(attrs.evolve(config, observer=observer)))
    return report, stopper.exit_code


def _session_config(
    strategy: str | None, config_file: str | None, options: dict[str, Any]
) -> SessionConfig:
    """Merge defaults, file and command line, the last one winning."""
    file = load_config(Path(config_file)) if config_file else FileConfig()
    chosen = strategy or file.strategy
    if chosen is None:
        raise UsageError(
            "no strategy was given: name one (see `vectra-bot strategies`) or a file ./my_bot.py"
        )
    settings = RunSettings(**{**file.run, **_given_settings(options)})
    enable, disable, by_plugin = plugin_settings(file.plugins, options)
    return SessionConfig(
        strategy=chosen,
        settings={**file.settings, **pairs("--set", options["sets"])},
        games=settings.games,
        seed=settings.seed,
        speed=parse_speed(settings.speed),
        session_id=settings.session_id,
        store=settings.store,
        cash=settings.cash,
        latency_ms=settings.latency_ms,
        crowd=settings.crowd,
        wire_format=settings.format,
        limits=_limits(file, options),
        plugins=by_plugin,
        enable_plugins=enable,
        disable_plugins=disable,
        exchange_log=_path(settings.exchange_log),
        start_ns=None if settings.start is None else parse_start(settings.start),
        protocol=_profile(settings.protocol),
        short_payoff=settings.short_payoff,
        short_at_rug=settings.short_at_rug,
        side_games=settings.side_games,
        countdown_step=settings.countdown_step,
        bbc_odds=settings.bbc_odds,
        bbc_payouts=settings.bbc_payouts,
        candleflip_odds=settings.candleflip_odds,
        candleflip_payouts=settings.candleflip_payouts,
    )


def _given_settings(options: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that stood on the command line, checked."""
    checked = {}
    for setting in parameters(RunSettings):
        value = options[setting.name]
        if value is not None:
            flag = f"--{setting.name.replace('_', '-')}"
            try:
                checked[setting.name] = check_setting(setting.name, value, flag)
            except ConfigError as error:
                raise UsageError(str(error)) from None
    return checked


def _limits(file: FileConfig, options: dict[str, Any]) -> Limits:
    given = {name: options[f"limit_{name}"] for name in attrs.fields_dict(Limits)}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        make_limits(given, "--limit-")
    except ConfigError as error:
        raise UsageError(str(error).replace("_", "-")) from None
    return make_limits({**file.limits, **given})


def _profile(text: str | None) -> Profile:
    path = _path(text)
    return default_profile() if path is None else load_profile(path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text).expanduser()
