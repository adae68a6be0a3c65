"""``vectra-bot store recover``, ``compact`` and ``drop``: repair, merge and delete what a store has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.output import print_json
from vectra_bot.cli.progress import Steps
from vectra_bot.cli.store_options import size, store_options
from vectra_bot.redaction import clean

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
failed (lines), problems, skipped (the remaining ones, as in `store check`), seconds.
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
    help="Keep the valid entries of a corrupt journal; report the lost ones and keep the old file.",
)
@click.option("--rebuild", is_flag=True, help="Rebuild all files of the sessions, corrupt or not.")
@click.option("--quick", is_flag=True, help="Check sizes and footers only; verify no checksums.")
@store_options
def recover(
    *, store: str | None, sessions: tuple[str, ...], verbose: bool, as_json: bool, **how: bool
) -> int:
    """Recover killed sessions and rebuild lost or corrupt files.

    Killed sessions are finished and closed, files of closed segments are built, incomplete drops and
    temporary files are removed. A file that is missing or differs from its manifest is rebuilt from its
    session's journal. For a remote store, the rest of this machine's spool is uploaded. Sessions that
    are being written are skipped.

    Exit code 1 if something could not be repaired, or is in the store and not part of it; it is printed.
    """  # fmt: skip
    from vectra_bot.api import recover_store
    from vectra_bot.clock import WallClock

    clock = WallClock()
    started = clock.monotonic_ns()
    with Steps(verbose=verbose) as progress:
        report = recover_store(store, sessions=sessions, progress=progress, **how)
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
    for name in found["running"]:
        click.echo(f"skipped: {clean(name)}: it is being written")
    for line in found["failed"]:
        click.echo(f"not repaired: {clean(line)}")
    for problem in found["problems"]:
        click.echo(f"{problem['kind']}: {clean(problem['message'])}")
    for each in found["skipped"]:
        click.echo(f"skipped: {clean(each['path'])}: {each['reason']}")
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
    """Merge the files of closed sessions, one per kind of document.

    Queries during a compaction see the files before or after, with no row duplicate or missing. A
    session that is being written, or was killed and not recovered, is skipped and reported. Exit code 1
    if a session could not be compacted.
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
    with Steps(verbose=verbose) as progress:
        report = compact_store(root, sessions=sessions, progress=progress)
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
        click.echo(f"skipped {clean(session_id)}: {clean(why)}")
    for line in report.failed:
        click.echo(f"failed: {clean(line)}")
    click.echo(
        f"{figures['rows']} rows: {figures['files_before']} files to {figures['files_after']}, "
        f"{size(figures['bytes_before'])} to {size(figures['bytes_after'])}, {seconds:.1f} s"
    )


@click.command(epilog=_DROP_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("session", metavar="SESSION")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@store_options
def drop(*, store: str | None, session: str, yes: bool, verbose: bool, as_json: bool) -> int:
    """Delete a session permanently.

    Its journal, all of its documents and the files of its plugins are removed. Asks for confirmation;
    where standard input is not a terminal, --yes is required.
    """
    import sys

    from vectra_bot.errors import UsageError
    from vectra_bot.store.location import local
    from vectra_bot.store.maintenance.sessions import drop_session

    root = local(store)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"session {session!r} would be deleted permanently: give --yes")
        click.confirm(
            f"Delete session {clean(session)} from {root} permanently?", abort=True, err=True
        )
    with Steps(verbose=verbose) as progress:
        progress(f"drop {session}", 0, 1)
        drop_session(root, session)
    if as_json:
        print_json({"store": str(root), "session_id": session, "dropped": True})
    else:
        click.echo(f"dropped {clean(session)}")
    return 0
