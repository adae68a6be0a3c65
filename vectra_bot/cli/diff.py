"""``vectra-bot diff``: compares two sessions decision by decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.output import json_option, print_json
from vectra_bot.cli.store_options import address, store_option
from vectra_bot.errors import CheckFailed, InputError
from vectra_bot.journal import journal_directory
from vectra_bot.redaction import clean

_EPILOG = """\b
Examples:
  vectra-bot diff SESSION_A SESSION_B
  vectra-bot diff ./a/journals/SESSION_A ./b/journals/SESSION_B --json
"""
_SHOWN = 20


@click.command(context_settings=HELP_OPTIONS, epilog=_EPILOG)
@click.argument("session_a", metavar="SESSION_A")
@click.argument("session_b", metavar="SESSION_B")
@store_option
@json_option
def diff(session_a: str, session_b: str, store: str | None, as_json: bool) -> int:
    """Compare the decisions of two sessions and their results, and name the cause of each difference.

    A session is an id in the store, or a journal: its folder, or one file. Games that only one of them saw
    whole are listed and not compared; decisions that the machine delayed by more than 200 ms are
    excluded and listed. A difference gives exit code 1.
    """
    from vectra_bot.report.difference import diff_sessions

    found = diff_sessions(_journal(session_a, store), _journal(session_b, store)).to_json()
    if as_json:
        print_json(found)
    else:
        _print(found)
    if not found["equal"]:
        first = found["differing"][0]
        raise CheckFailed(
            f"{found['differing_count']} of {found['compared']} decisions differ, first at tick "
            f"{first['tick']} of game {first['game_id']}: {first['cause']} ({first['detail']})"
        )
    return 0


def _journal(session: str, store: str | None) -> Path:
    """Return the journal's folder that a user means by *session*."""
    given = Path(session).expanduser()
    if given.exists():
        return given
    from vectra_bot.store.remote.address import local_folder

    folder = journal_directory(local_folder(address(store)), session)
    if not folder.is_dir():
        raise InputError(
            f"session was {session!r}: give the id of a session whose journal is in the store "
            f"({folder.parent}), or a journal"
        )
    return folder


def _print(found: dict[str, Any]) -> None:
    from vectra_bot.cli.tables import print_pairs, print_table

    print_pairs(
        [
            ("Session a", found["a"]),
            ("Session b", found["b"]),
            ("Equal", "yes" if found["equal"] else "no"),
            ("Games", f"{found['games']} compared{_only(found)}"),
            ("Decisions", f"{found['compared']} compared, {found['differing_count']} differ"),
            ("Excluded", f"{found['excluded_count']} that the machine delayed"),
            ("Settings", _settings(found["settings"])),
        ],
        title="Difference",
    )
    listed = [*found["differing"][:_SHOWN], *found["excluded"][:_SHOWN]]
    if listed:
        print_table(
            ("game", "tick", "session a", "session b", "cause"),
            [
                (row["game_id"], row["tick"], _shown(row["a"]), _shown(row["b"]), _why(row))
                for row in listed
            ],
        )
    rest = found["differing_count"] + found["excluded_count"] - len(listed)
    if rest:
        click.echo(f"{rest} more: --json lists up to 1,000 of each kind")


def _only(found: dict[str, Any]) -> str:
    parts = [
        f"{len(found[f'games_only_{name}'])} only in {name}"
        for name in ("a", "b")
        if found[f"games_only_{name}"]
    ]
    return f", {', '.join(parts)}" if parts else ""


def _settings(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "equal"
    shown = [f"{row['key']}: {row['a']} in a, {row['b']} in b" for row in rows[:5]]
    more = [f"{len(rows) - 5} more"] if len(rows) > 5 else []
    return "; ".join(clean(text) for text in [*shown, *more])


def _shown(decision: dict[str, Any] | None) -> str:
    if decision is None:
        return "-"
    share = decision["percentage"]
    what = decision["amount"] or ("" if share is None else f"{share}%")
    price = decision["executed_price"]
    shown = "" if price is None else f" at {float(price):.6g}"
    return f"{decision['action_type']} {what} {decision['state']}{shown}"


def _why(row: dict[str, Any]) -> str:
    return f"{row['cause']}: {row['detail']}"
