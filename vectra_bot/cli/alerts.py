"""``vectra-bot alerts``: which alerts reach you, by which sinks, and the outcomes of earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.alerts_backtest import backtest
from vectra_bot.cli.output import json_option, print_json
from vectra_bot.redaction import clean

if TYPE_CHECKING:
    from vectra_bot.alerts.preferences import AlertPreferences

_EPILOG = """\b
Examples:
  vectra-bot alerts list
  vectra-bot alerts disable game_start survival_milestone
  vectra-bot alerts set quiet start=22:00 end=07:00 zone=Europe/Vienna
  vectra-bot alerts test --plugin-set alert-sinks.file=alerts.jsonl
  vectra-bot alerts history --reason delivered
  vectra-bot alerts backtest --games 1000 --seed 7

Each command takes --json: one object on standard output.
"""
_SHOWN = "$XDG_CONFIG_HOME/vectra-bot/alerts.toml, else ~/.config/vectra-bot/alerts.toml"
_EFFECT = "running sessions use it within a second"


@click.group(epilog=_EPILOG, context_settings=HELP_OPTIONS, invoke_without_command=True)
@click.pass_context
def alerts(context: click.Context) -> None:
    """Choose which alerts reach you, test the sinks, show the outcomes of alerts, score the rules.

    Preferences are kept in your own file; a session that runs uses a changed file within a second and
    journals the change. Alerts themselves do not depend on them: all are in the store.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _with_file(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--alerts-config`` and ``--json``."""
    return click.option(
        "--alerts-config",
        "alerts_config",
        metavar="FILE",
        help=f"Preferences of alerts.  [default: {_SHOWN}]",
    )(json_option(command))


def _path(given: str | None) -> Path:
    from vectra_bot.alerts.preference_file import default_path

    return default_path() if given is None else Path(given).expanduser()


@alerts.command("list", context_settings=HELP_OPTIONS)
@_with_file
def list_(alerts_config: str | None, *, as_json: bool) -> None:
    """Show the preferences in force, by type, with everything that a type does not say filled in.

    `vectra-bot alerts set WHAT KEY=VALUE` changes one: WHAT is a type, or one of the other names shown.
    """
    from vectra_bot.alerts.preference_file import open_preferences

    path = _path(alerts_config)
    found = _described(open_preferences(path), path)
    if as_json:
        print_json(found)
        return
    from vectra_bot.cli.tables import print_pairs, print_table

    columns = (
        "mode",
        "min_priority",
        "dedupe_s",
        "burst",
        "per_minute",
        "escalate_after",
        "unseen_s",
    )
    rows = [
        (one["type"], *("" if one[name] is None else one[name] for name in columns))
        for one in found["types"]
    ]
    print_table(("type", *columns), rows)
    others = [
        (name, ", ".join(f"{key} = {value}" for key, value in part.items()))
        for name, part in found["others"].items()
    ]
    print_pairs(
        [*others, ("file", f"{path}{'' if found['exists'] else ' (not written yet)'}")], "Others"
    )


def _described(preferences: AlertPreferences, path: Path) -> dict[str, Any]:
    import attrs

    from vectra_bot.alerts.preferences import SEVERITIES, VERSION
    from vectra_bot.models import AlertType

    names = {kind.value for kind in AlertType} | set(preferences.types)
    others = {"default": preferences.of("", "")}
    others |= {name: preferences.of("", name) for name in SEVERITIES}
    singles: dict[str, Any] = {
        "limit": preferences.limit,
        "quiet": preferences.quiet,
        "do-not-disturb": preferences.do_not_disturb,
    }
    sinks: dict[str, Any] = {f"sink:{name}": one for name, one in preferences.sinks.items()}
    return {
        "path": str(path),
        "exists": path.exists(),
        "version": VERSION,
        "types": [
            {"type": name, **attrs.asdict(preferences.of(name, ""))} for name in sorted(names)
        ],
        "others": {name: attrs.asdict(one) for name, one in {**others, **singles, **sinks}.items()},
    }


def _changed(path: Path, changes: Iterable[tuple[str, str, str]], *, as_json: bool) -> None:
    """Write the file with *changes*, each of what, key and value, and say so."""
    from vectra_bot.alerts.delivery import changed
    from vectra_bot.alerts.preference_file import open_preferences, write_preferences
    from vectra_bot.alerts.preferences import AlertPreferences

    before = open_preferences(path)
    table = before.to_table()
    for what, key, value in changes:
        section = _section(table, what)
        if value:
            section[key] = value
        else:
            section.pop(key, None)
    after = AlertPreferences.of_table(table)
    kept = write_preferences(path, after)
    text = changed(before, after)
    if as_json:
        print_json(
            {"path": str(path), "changed": text, "kept": None if kept is None else str(kept)}
        )
        return
    click.echo(f"{clean(text)}; {_EFFECT}")
    if kept is not None:
        click.echo(f"the new file has no comments; the old one is {kept}", err=True)


def _section(table: dict[str, Any], what: str) -> dict[str, Any]:
    """Return the part of *table* that holds the preferences of *what*, made if it is not there."""
    from vectra_bot.alerts.preferences import SEVERITIES, check_sink, check_type

    if what in ("default", "limit", "quiet", "do-not-disturb"):
        return _inner(table, what.replace("-", "_"))
    if what in SEVERITIES:
        return _inner(_inner(table, "severity"), what)
    if what.startswith("sink:"):
        return _inner(_inner(table, "sinks"), check_sink(what.removeprefix("sink:")))
    return _inner(_inner(table, "types"), check_type(what))


def _inner(table: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = table.setdefault(name, {})
    return found


@alerts.command(context_settings=HELP_OPTIONS)
@click.argument("types", nargs=-1, required=True, metavar="TYPE...")
@click.option("--silent", is_flag=True, help="Only to sinks that interrupt nobody.")
@_with_file
def enable(
    types: tuple[str, ...], alerts_config: str | None, *, silent: bool, as_json: bool
) -> None:
    """Let alerts of each TYPE reach you."""
    mode = "silent" if silent else "on"
    _changed(_path(alerts_config), [(name, "mode", mode) for name in types], as_json=as_json)


@alerts.command(context_settings=HELP_OPTIONS)
@click.argument("types", nargs=-1, required=True, metavar="TYPE...")
@_with_file
def disable(types: tuple[str, ...], alerts_config: str | None, *, as_json: bool) -> None:
    """Let alerts of each TYPE reach no sink; they stay in the history."""
    _changed(_path(alerts_config), [(name, "mode", "off") for name in types], as_json=as_json)


@alerts.command("set", context_settings=HELP_OPTIONS)
@click.argument("what")
@click.argument("values", nargs=-1, required=True, metavar="KEY=VALUE...")
@_with_file
def set_(what: str, values: tuple[str, ...], alerts_config: str | None, *, as_json: bool) -> None:
    """Change preferences of WHAT: a type, default, info, success, warning, error, limit, quiet,
    do-not-disturb, or sink:NAME.

    KEY= without a value resets it. `vectra-bot alerts list` shows the keys.
    """  # noqa: D205 - the names do not fit on one line
    from vectra_bot.cli.options import pairs

    changes = [(what, key, value) for key, value in pairs("set", values).items()]
    _changed(_path(alerts_config), changes, as_json=as_json)


@alerts.command(context_settings=HELP_OPTIONS)
@click.argument("kind", metavar="[TYPE]", default="custom_signal_1")
@click.option(
    "--severity", default="warning", metavar="WORD", help="Its severity.  [default: warning]"
)
@click.option("--config", "config_file", metavar="FILE", help="TOML file with settings of plugins.")
@click.option("--plugin", multiple=True, metavar="NAME|FILE", help="Enable a plugin.")
@click.option("--no-plugin", multiple=True, metavar="NAME", help="Disable a plugin.")
@click.option(
    "--plugin-set",
    multiple=True,
    metavar="NAME.KEY=VALUE",
    help="A plugin's parameter; enables it.",
)
@_with_file
def test(
    kind: str, severity: str, alerts_config: str | None, *, as_json: bool, **options: Any
) -> None:
    """Send one alert of TYPE to every sink at once, and show what each did with it.

    It is sent whatever the preferences say; what they would make of it is shown too.
    """
    from vectra_bot.cli.alerts_test import try_sinks
    from vectra_bot.errors import CheckFailed

    found = try_sinks(kind, severity, _path(alerts_config), options)
    if as_json:
        print_json(found)
    else:
        for one in found["sinks"]:
            click.echo(f"{one['sink']}: {clean(one['result'])}")
        click.echo(
            f"by your preferences: {found['decision']} (to {', '.join(found['to']) or 'no sink'})"
        )
    failed = [one["sink"] for one in found["sinks"] if one["result"] != "delivered"]
    if failed:
        raise CheckFailed(
            f"{', '.join(failed)} did not deliver it: correct the plugin's parameters"
        )


@alerts.command(context_settings=HELP_OPTIONS)
@click.option("--session", metavar="SESSION", help="Of this session only.")
@click.option("--type", "kind", metavar="TYPE", help="Of this type only.")
@click.option(
    "--reason", metavar="WORD", help="With this reason only, such as delivered, duplicate, limit."
)
@click.option("--last", default=100, metavar="N", help="The last N of them.  [default: 100]")
@click.option(
    "--store", metavar="DIR|URL", help="Its store.  [default: $VECTRA_STORE, else ~/rugs_data/...]"
)
@json_option
def history(
    session: str | None,
    kind: str | None,
    reason: str | None,
    last: int,
    store: str | None,
    *,
    as_json: bool,
) -> None:
    """Show alerts of a store, delivered or not, and why.

    The newest alerts of a running session are in the store after five minutes at the latest.
    `vectra-bot query alert-history` gives all of them.
    """
    from vectra_bot.store.location import default_store
    from vectra_bot.store.query.catalog import open_store

    with open_store(default_store() if store is None else store) as catalog:
        result = catalog.run("alert-history", session=session)
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    rows = [
        row
        for row in rows
        if (kind is None or row["alert_type"] == kind)
        and (reason is None or row["reason"] == reason)
    ]
    shown = rows[-last:] if last > 0 else []
    if as_json:
        print_json({"count": len(rows), "alerts": shown})
        return
    from vectra_bot.cli.tables import print_table

    names = ("triggered_at", "alert_type", "severity", "reason", "sinks", "title")
    print_table(
        names, [["" if row[name] is None else row[name] for name in names] for row in shown]
    )
    click.echo(f"{len(shown)} of {len(rows)} alerts")


@alerts.command(context_settings=HELP_OPTIONS)
@click.argument("alert_id", required=False)
@click.option("--session", metavar="SESSION", help="Needed only if several run.")
@click.option("--store", metavar="DIR", help="Folder of its store.")
@json_option
def acknowledge(
    alert_id: str | None, session: str | None, store: str | None, *, as_json: bool
) -> None:
    """Take an alert of a running session for seen, all without ALERT_ID: they are not sent again."""
    from vectra_bot.session.control import ask, find_session

    directory = find_session(session, store)
    answer = ask(directory, "acknowledge", alert_id or "")
    if as_json:
        print_json({"session_id": directory.name, "done": answer["done"]})
    else:
        click.echo(f"session {directory.name}: {'seen' if answer['done'] else 'not processed yet'}")


alerts.add_command(backtest)
