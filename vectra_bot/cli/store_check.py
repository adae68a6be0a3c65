"""``vectra-bot store check`` and ``stats``: the integrity and the size of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.output import print_json
from vectra_bot.cli.progress import Steps
from vectra_bot.cli.store_options import address, size, store_options
from vectra_bot.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vectra_bot.store.maintenance.check import CheckReport
    from vectra_bot.store.maintenance.check_parts import Problem
    from vectra_bot.store.maintenance.foreign import Skipped
    from vectra_bot.store.maintenance.stats import StoreStats

_CHECK_EPILOG = """\b
Examples:
  vectra-bot store check
  vectra-bot store check --store ./my_store --quick --json

\b
JSON: store, ok, quick, sessions, running (ids); segments, entries (of journals, as read);
parts, rows, bytes (by the manifests), bytes_read (hashed), seconds; problems, each with
kind, message, advice, session_id, path, doc_type, first_seq, last_seq (-1: unknown);
skipped, each with path, reason.
"""
_STATS_EPILOG = """\b
Examples:
  vectra-bot store stats
  vectra-bot store stats --json

\b
JSON: store, documents, files, bytes, journal_raw_bytes, journal_compressed_bytes, first_ns,
last_ns, running, unfinished, `damaged`; by_doc_type: documents, files, bytes of each;
sessions: session_id, state and the same figures of each.
"""
_MOST_LISTED = 200


@click.command(epilog=_CHECK_EPILOG, context_settings=HELP_OPTIONS)
@click.option("--session", "sessions", multiple=True, metavar="ID", help="Only this session.")
@click.option(
    "--quick", is_flag=True, help="Check sizes, footers and names only; verify no checksums."
)
@store_options
def check(
    *, store: str | None, sessions: tuple[str, ...], quick: bool, verbose: bool, as_json: bool
) -> int:
    """Verify every journal, manifest, file and row of a store.

    Nothing is changed. Each problem is printed with its file, its row numbers and what to do. Exit code
    1 if there is one, also if a session was killed and not recovered, or a temporary file was left. What
    is in the store and not part of it is printed as skipped, also with exit code 1. Of sessions that are
    being written, what is on the disk is checked.
    """
    from vectra_bot.api import check_store
    from vectra_bot.clock import WallClock

    clock = WallClock()
    started = clock.monotonic_ns()
    with Steps(verbose=verbose) as progress:
        report = check_store(store, sessions=sessions, quick=quick, progress=progress)
    seconds = (clock.monotonic_ns() - started) / 1e9
    if as_json:
        print_json({**report.to_json(), "seconds": round(seconds, 3)})
    else:
        _print_check(report, seconds)
    return 0 if report.ok else 1


def _print_check(report: CheckReport, seconds: float) -> None:
    for problem in report.problems[:_MOST_LISTED]:
        click.echo(_line(problem))
    if len(report.problems) > _MOST_LISTED:
        click.echo(f"and {len(report.problems) - _MOST_LISTED} more: --json lists all")
    print_skipped(report.skipped)
    running = f", {len(report.running)} of them running" if report.running else ""
    looked = "sizes and footers checked" if report.quick else f"{size(report.bytes_read)} hashed"
    click.echo(
        f"{len(report.sessions)} sessions{running}: {report.segments} journal segments "
        f"({report.entries} entries read), {report.parts} files with {report.rows} rows, {looked} "
        f"in {seconds:.1f} s"
    )
    for note in report.notes:
        click.echo(f"note: {clean(note)}")
    skipped = f"; {len(report.skipped)} skipped" if report.skipped else ""
    click.echo(f"{len(report.problems) or 'no'} problems{skipped}")
    for advice in dict.fromkeys(problem.advice for problem in report.problems):
        where = f" --store {clean(report.store)}" if "vectra-bot store" in advice else ""
        click.echo(f"next: {advice}{where}")


def print_skipped(skipped: Sequence[Skipped]) -> None:
    """Print what was not checked, and why."""
    for each in skipped[:_MOST_LISTED]:
        click.echo(f"skipped: {clean(each.path)}: {each.reason}")
    if len(skipped) > _MOST_LISTED:
        click.echo(f"and {len(skipped) - _MOST_LISTED} more skipped: --json lists all")


def _line(problem: Problem) -> str:
    rows = ""
    if problem.first_seq >= 0 and str(problem.first_seq) not in problem.message:
        last = problem.last_seq
        rows = f" (rows {problem.first_seq} to {last if last >= 0 else 'unknown'})"
    return f"{problem.kind}: {clean(problem.message)}{rows}"


@click.command(epilog=_STATS_EPILOG, context_settings=HELP_OPTIONS)
@store_options
def stats(*, store: str | None, verbose: bool, as_json: bool) -> None:
    """Count the sessions, documents, files and bytes of a store.

    Also journals and times. The figures come from the manifests; `store check` reads the files themselves.
    """
    from vectra_bot.store.maintenance.stats import store_stats

    with Steps(verbose=verbose) as progress:
        found = store_stats(address(store), progress=progress)
    if as_json:
        print_json(found.to_json())
    else:
        _print_stats(found)


def _print_stats(found: StoreStats) -> None:
    from vectra_bot.cli.tables import print_pairs, print_table

    total = found.to_json()
    raw, packed = total["journal_raw_bytes"], total["journal_compressed_bytes"]
    killed = f"{total['running']} running, {total['unfinished']} killed and not recovered"
    pairs = [
        ("Sessions", f"{len(found.sessions)}: {killed}"),
        ("Documents", f"{total['documents']} in {total['files']} files, {size(total['bytes'])}"),
        ("Journals", f"{size(raw)} raw, {size(packed)} compressed"),
        ("Time", _period(total["first_ns"], total["last_ns"])),
        ("Corrupt", f"{total['damaged']} (by name and size; store check reads every byte)"),
    ]
    print_pairs(pairs, title=f"Store {found.store}")
    click.echo()
    print_table(
        ("kind", "documents", "files", "size"),
        [(kind.value, held.documents, held.files, size(held.bytes))
            for kind, held in found.by_type.items()],
    )  # fmt: skip
    click.echo()
    print_table(
        ("session", "state", "documents", "files", "size", "journal", "time"),
        [
            (
                session.session_id, session.state, session.held.documents, session.held.files,
                size(session.held.bytes), size(session.raw_bytes + session.compressed_bytes),
                _period(session.first_ns, session.last_ns),
            )
            for session in found.sessions
        ],
    )  # fmt: skip


def _period(first_ns: int | None, last_ns: int | None) -> str:
    if first_ns is None or last_ns is None:
        return "-"
    return f"{_moment(first_ns)} to {_moment(last_ns)}"


def _moment(ns: int) -> str:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{ns} ns"  # a foreign clock may have any value
