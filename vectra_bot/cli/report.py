"""The printed report of a session, and its page."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from vectra_bot.cli.tables import print_pairs
from vectra_bot.errors import InputError, StoreError, StrategyError, UsageError
from vectra_bot.fsio import files
from vectra_bot.report.results import Report
from vectra_bot.report.text import Copyable, Pairs, pairs

F = TypeVar("F", bound=Callable[..., Any])

SUFFIXES = (".html", ".htm")

report_option: Callable[[F], F] = click.option(
    "--report",
    "page",
    metavar="FILE",
    help="Write the report with its charts as one HTML page to FILE, which is replaced.",
)


def print_report(report: Report, page: Path | None = None) -> None:
    """Print *report*, and where its *page* is."""
    print_pairs([*pairs(report), *page_pairs(page)], title="Report")


def page_pairs(page: Path | None) -> Pairs:
    """Return the row that says where the page is, if there is one."""
    return [] if page is None else [("Page", Copyable(page))]


def page_path(given: str | None) -> Path | None:
    """Return where ``--report`` writes, None if it was not given; checked before the session begins.

    Raises:
        UsageError: the name does not end in one of :data:`SUFFIXES`.
        InputError: its folder does not exist or cannot be written.
    """
    if given is None:
        return None
    path = Path(given).expanduser()
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--report was {given!r}: give a name that ends in {', '.join(SUFFIXES)}")
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(
            f"--report was {given!r}, which cannot be written: give a file in a folder that exists and "
            "is yours"
        )
    return path


class HtmlResult(Protocol):
    """A result that can be written as a page."""

    def to_html(self) -> str:
        """Return the page."""


def write_page(report: HtmlResult, page: Path | None) -> None:
    """Write the page of *report* to *page*, if given: the whole page, or the old file stays.

    Raises:
        InputError: it cannot be written; the session and its store are complete.
    """
    if page is None:
        return
    try:
        files.write_durably(page, report.to_html().encode())
    except StoreError as error:
        raise InputError(
            f"--report was {str(page)!r}, which cannot be written ({error}): everything else is done"
        ) from error


@contextmanager
def beside_page(report: HtmlResult, page: Path | None) -> Iterator[Path | None]:
    """Write the page of *report*, and yield where it is: the block prints the result, kept nowhere else.

    Raises:
        InputError: the page cannot be written; None was yielded, and the result is printed.
    """
    failed: InputError | None = None
    try:
        write_page(report, page)
    except InputError as error:
        failed, page = error, None
    yield page
    if failed is not None:
        raise failed


@contextmanager
def paged(page: Path | None) -> Iterator[None]:
    """Write the page of a session whose strategy raised, before its error is raised further."""
    try:
        yield
    except StrategyError as error:
        if error.report is not None:
            write_page(error.report, page)
        raise
