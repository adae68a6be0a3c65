"""``vectra-bot store recover``, ``compact`` and ``drop``: what changes a store without adding to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.output import clean, print_json
from vectra_bot.cli.progress import Steps
from vectra_bot.cli.store_options import size, store_options

if TYPE_CHECKING:
    from vectra_bot.store.parquet.compaction import CompactionReport

_RECOVER_EPILOG = """\b
Examples:
  vectra-bot store recover
  vectra-bot store recover --salvage 0d3c0f6e-7c1c-4a53-9f43-1c6a2d2c5f57
  vectra-bot store recover --store s3://bucket/store --json

\b
JSON: store, salvaged (session_id, entries, lost: ranges), finished (ids), built, rebuilt, removed
(paths), uploaded (session_id, parts, bytes, removed), running (ids), journal_bytes, bytes_read,
failed (lines), problems (as of `store check`, those that are left), seconds.
"""
_COMPACT_EPILOG = """\b
Examples:
  vectra-bot store compact --all
  vectra-bot store compact my-session --store ./my_store --json

\b
JSON: store, rows, files_before, files_after, bytes_before, bytes_after, seconds; folders:
session_id, doc_type and the same figures of each; skipped (session_id, why); failed (lines).
"""
_DROP_EPILOG = """\b
Example:
  vectra-bot store drop my-session --store ./my_store --yes

\b
JSON: store, session_id, dropped.
"""


@click.command(epilog=_RECOVER_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option(
    "--salvage",
    is_flag=True,
    help="Keep the whole entries of a damaged journal; what was damaged is set aside and told.",
)
@click.option(
    "--rebuild", is_flag=True, help="Build all files of the sessions again, damaged or not."
)
@click.option(
    "--quick", is_flag=True, help="Look for damage by sizes and footers only; hash nothing."
)
@store_options
def recover(
    *, store: str | None, sessions: tuple[str, ...], verbose: bool, as_json: bool, **how: bool
) -> int:
    """Finish what kills left, and build lost or damaged files again from the journals.

    Killed sessions are finished and closed, files of closed segments are built, half dropped sessions and
    unfinished files are removed. A file that is missing or not what its manifest says is built again from
    its session's journal. Of a store at an address, what the spool on this machine has not uploaded yet is
    uploaded. Sessions that are being written are left alone.

    Exit code 1 if something could not be put right: each such thing is named.
    """  # fmt: skip
    from vectra_bot.api import recover_store
    from vectra_bot.clock import WallClock

    clock = WallClock()
    started = clock.monotonic_ns()
    with Steps(verbose=verbose) as told:
        report = recover_store(store, sessions=sessions, progress=told, **how)
    seconds = round((clock.monotonic_ns() - started) / 1e9, 3)
    found = {**report.to_json(), "seconds": seconds}
    if as_json:
        print_json(found)
    else:
        _print_recovery(found)
    return 0 if report.ok else 1


def _print_recovery(found: dict[str, Any]) -> None:
    for saved in found["salvaged"]:
        click.echo(
            f"salvaged {clean(saved['session_id'])}: {saved['entries']} entries kept, "
            f"{sum(last - first + 1 for first, last in saved['lost'])} lost"
        )
    for name in found["finished"]:
        click.echo(f"finished {clean(name)}")
    for what in ("built", "rebuilt", "removed"):
        if found[what]:
            click.echo(f"{what} {len(found[what])} files")
    if found["uploaded"]:
        parts = sum(each["parts"] for each in found["uploaded"])
        click.echo(f"uploaded {parts} files, {size(sum(e['bytes'] for e in found['uploaded']))}")
    for line in found["failed"]:
        click.echo(f"not put right: {clean(line)}")
    for problem in found["problems"]:
        click.echo(f"{problem['kind']}: {clean(problem['message'])}")
    bad = len(found["failed"]) + len(found["problems"])
    journals, seconds = size(found["journal_bytes"]), found["seconds"]
    click.echo(f"{bad or 'no'} problems left; journals of {journals}, {seconds:.1f} s")


@click.command(epilog=_COMPACT_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option("--all", "everything", is_flag=True, help="All closed sessions of the store.")
@store_options
def compact(
    *,
    store: str | None,
    sessions: tuple[str, ...],
    everything: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Merge the files of closed sessions: one file of each kind of document is left.

    Queries that run meanwhile see the files before or after, no row twice and none missing. A session that
    is being written, or was killed and not recovered, is left alone and named. Exit code 1 if a session could
    not be compacted.
    """
    from vectra_bot.api import compact_store
    from vectra_bot.clock import WallClock
    from vectra_bot.errors import UsageError
    from vectra_bot.store.location import local

    if bool(sessions) == everything:
        raise UsageError("give the sessions to compact, or --all for all closed ones of the store")
    clock = WallClock()
    started = clock.monotonic_ns()
    root = local(store)
    with Steps(verbose=verbose) as told:
        report = compact_store(root, sessions=sessions, progress=told)
    seconds = round((clock.monotonic_ns() - started) / 1e9, 3)
    if as_json:
        print_json({"store": str(root), **report.to_json(), "seconds": seconds})
    else:
        _print_compaction(report, seconds)
    return 1 if report.failed else 0


def _print_compaction(report: CompactionReport, seconds: float) -> None:
    from vectra_bot.cli.tables import print_table

    figures = report.to_json()
    if report.folders:
        rows = [
            (
                f.session_id, f.doc_type.value, f.rows, f"{f.files_before} to {f.files_after}",
                f"{size(f.bytes_before)} to {size(f.bytes_after)}",
            )
            for f in report.folders
        ]  # fmt: skip
        print_table(("session", "kind", "rows", "files", "size"), rows)
    for session_id, why in report.skipped:
        click.echo(f"left alone {clean(session_id)}: {clean(why)}")
    for line in report.failed:
        click.echo(f"failed: {clean(line)}")
    click.echo(
        f"{figures['rows']} rows: {figures['files_before']} files to {figures['files_after']}, "
        f"{size(figures['bytes_before'])} to {size(figures['bytes_after'])}, {seconds:.1f} s"
    )


@click.command(epilog=_DROP_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("session", metavar="SESSION")
@click.option("--yes", is_flag=True, help="Do not ask.")
@store_options
def drop(*, store: str | None, session: str, yes: bool, verbose: bool, as_json: bool) -> int:
    """Remove a session for good: its journal, all of its documents, and what its plugins kept.

    Asks first, unless --yes is given or nobody is there to answer: then --yes is needed.
    """
    import sys

    from vectra_bot.errors import UsageError
    from vectra_bot.store.location import local
    from vectra_bot.store.maintenance.sessions import drop_session

    root = local(store)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"session {session!r} would be removed for good: give --yes")
        click.confirm(
            f"Remove session {clean(session)} from {root} for good?", abort=True, err=True
        )
    with Steps(verbose=verbose) as told:
        told(f"drop {session}", 0, 1)
        drop_session(root, session)
    if as_json:
        print_json({"store": str(root), "session_id": session, "dropped": True})
    else:
        click.echo(f"dropped {clean(session)}")
    return 0
