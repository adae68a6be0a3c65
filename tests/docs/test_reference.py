"""The reference pages: each says what it is for, links to headings that exist, and has readable tables."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

from generate_text import anchor

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(ROOT.glob("docs/reference/*.md"))
LONGEST_CELL = 300

pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def text_of(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def tables(page: Path) -> Iterator[list[list[str]]]:
    """Yield the tables of a page: their header, then their rows, as lists of cells."""
    table: list[list[str]] = []
    for line in [*text_of(page).splitlines(), ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif table:
            yield [table[0], *table[2:]]
            table = []


@pages
def test_a_page_begins_with_what_it_is_for(page: Path) -> None:
    """A paragraph below the title."""
    intro = re.search(r"^# [^\n]+\n\n(.+?)\n(?:\n|#|$)", text_of(page), re.MULTILINE | re.DOTALL)

    assert intro
    assert not intro[1].startswith(("#", "|"))


@pages
def test_tables_can_be_read(page: Path) -> None:
    """Rows are as wide as their header, cells are short, and a meaning is never missing."""
    for header, *rows in tables(page):
        assert rows, header
        for row in rows:
            assert len(row) == len(header), row
            lines = [line for cell in row for line in cell.split("<br>")]
            assert max(map(len, lines)) <= LONGEST_CELL, row
            if header[-1] in ("meaning", "means", "what to do", "remedy"):
                assert row[-1], row


@pages
def test_links_lead_to_headings(page: Path) -> None:
    """A link with a fragment names a heading of the page it leads to."""
    for name, fragment in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text_of(page)):
        target = page.parent / name if name else page
        headings = re.findall(r"^#+ (.+)$", text_of(target), re.MULTILINE)
        assert fragment in map(anchor, headings), f"{name}#{fragment}"
