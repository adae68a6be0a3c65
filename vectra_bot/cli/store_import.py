"""``vectra-bot store migrate`` and ``import``: documents from other sources and earlier schemas."""

from __future__ import annotations

from typing import Any

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.output import print_json
from vectra_bot.cli.progress import Steps
from vectra_bot.cli.store_options import store_options
from vectra_bot.redaction import clean

_MIGRATE_EPILOG = """\b
Examples:
  vectra-bot store migrate --store ~/rugs_data/events_parquet
  vectra-bot store migrate --store ./old --into ./new --json

\b
JSON: source, target, found (schemas), schema_version, ok, sessions (ids), manifests, copied,
backup, finished; totals and files: rows, imported, duplicates, bad, reasons, bad_rows ...
"""
_IMPORT_EPILOG = """\b
Examples:
  vectra-bot store import raw_frames.jsonl.gz --store ./captures
  vectra-bot store import ./recordings --store ./captures --venue backend.rugs.fun --json

\b
JSON: store, ok, totals (files, rows, imported, duplicates, bad, quarantined, unknown, failed),
seconds; files: file, kind, the same figures, documents by kind, reasons, bad_rows (row, reason,
value), unused, warnings ...
"""
_SHOWN = 10
_WRONG = ("bad", "quarantined", "unknown", "failed")


@click.command(epilog=_MIGRATE_EPILOG, context_settings=HELP_OPTIONS)
@click.option(
    "--into", metavar="DIR", help="Write to this store, keep the old one.  [default: in place]"
)
@click.option("--to", default="2.0.0", show_default=True, metavar="VERSION", help="Target schema.")
@click.option(
    "--no-backup", is_flag=True, help="In place: delete the old files after the migration."
)
@store_options
def migrate(
    *,
    store: str | None,
    into: str | None,
    to: str,
    no_backup: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Migrate a store of an earlier schema to the current one.

    Every row is accounted for: rows that cannot be migrated are counted and listed with file and row
    number, and the exit code is 1. Only the current schema is written; an earlier one is refused.
    Nothing is replaced before the new store is complete.
    """
    from vectra_bot.imports import migrate_store
    from vectra_bot.store.location import local
    from vectra_bot.store.remote.address import local_folder

    root = local(store)
    target = None if into is None else local_folder(into, "--into")
    with Steps(verbose=verbose) as progress:
        report = migrate_store(root, target, to=to, keep_backup=not no_backup, progress=progress)
    found = report.to_json()
    if as_json:
        print_json(found)
    else:
        _print_files(found["files"], found["totals"])
        click.echo(f"{found['target']} has schema {found['schema_version']}")
        if found["backup"]:
            click.echo(f"the old files are in {clean(found['backup'])}")
    return 0 if report.ok else 1


@click.command("import", epilog=_IMPORT_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--session-id", metavar="ID", help="Name of the session.  [default: derived from the content]"
)
@click.option(
    "--venue", metavar="HOST", help="Origin of the data, if the recording does not name it."
)
@click.option(
    "--utc-offset", default="+00:00", show_default=True, metavar="+HH:MM",
    help="Zone of times that have none.",
)  # fmt: skip
@click.option(
    "--shared", is_flag=True,
    help="Make a new store that other users may read, as the umask allows (else 0600 and 0700).",
)  # fmt: skip
@store_options
def import_(
    *,
    paths: tuple[str, ...],
    store: str | None,
    session_id: str | None,
    venue: str | None,
    utc_offset: str,
    shared: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Import captures, recordings, journals and Parquet files.

    Folders of them are imported as well. Every row is accounted for: imported, duplicate, or reported as
    bad with its line and the reason. Exit code 1 if any row is bad, any frame is quarantined (it cannot
    be decoded) or of an unknown event, or any game fails its check. A line that the store has is not
    imported again, whatever file it is in. A capture is replayed with the strategy `watch`, which makes
    the same documents as recording the feed.
    """
    from vectra_bot.api import import_files
    from vectra_bot.errors import ConfigError, UsageError
    from vectra_bot.venues.captures import parse_offset

    try:
        parse_offset(utc_offset)
    except ConfigError as error:
        raise UsageError(f"--utc-offset: {error}") from None
    with Steps(verbose=verbose) as progress:
        report = import_files(
            paths,
            store,
            session_id=session_id,
            venue=venue,
            utc_offset=utc_offset,
            shared=shared,
            progress=progress,
        )
    found = report.to_json()
    if as_json:
        print_json(found)
    else:
        _print_files(found["files"], found["totals"])
    return 0 if report.ok else 1


def _print_files(files: list[dict[str, Any]], totals: dict[str, int]) -> None:
    from vectra_bot.cli.tables import print_table

    if files:
        columns = ("file", "kind", "rows", "imported", "duplicates", *_WRONG)
        print_table(columns, [[report[name] for name in columns] for report in files])
    for report in files:
        name = clean(report["file"])
        for warning in report["warnings"]:
            click.echo(f"{name}: {clean(warning)}")
        if report["unused"]:
            click.echo(f"{name}: not used: {clean(', '.join(report['unused']))}")
        for bad in report["bad_rows"][:_SHOWN]:
            value = f": {clean(bad['value'])}" if bad["value"] else ""
            name = clean(bad["file"] or report["file"])
            click.echo(f"{name} row {bad['row']}: {clean(bad['reason'])}{value}")
        if report["bad"] > _SHOWN:
            click.echo(
                f"{clean(report['file'])}: {report['bad']} bad rows in total; --json lists more"
            )
    click.echo(
        f"{totals['rows']} rows: {totals['imported']} imported, {totals['duplicates']} duplicates, "
        + ", ".join(f"{totals[name]} {name}" for name in _WRONG)
    )
