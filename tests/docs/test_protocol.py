"""docs/protocol.md: each reference to it has one form and leads to a heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "protocol.md"
FOLDERS = ("vectra_bot", "plugins", "strategies", "tests", "benchmarks", "docs")
SUFFIXES = {".py", ".md", ".toml", ".c", ".txt", ".json"}

BREAK = r"""(?:[\s#"']|(?<=\s)f(?="))"""
"""What can be between two words of a sentence in code: its lines begin or end with these."""
NUMBER = r"\d+(?:\.\d+)*"
REFERENCE = re.compile(
    rf"\bprotocol(?:\.md)?(?:{BREAK}|[(§:,])+(?:(?:sections?|chapters?|parts?){BREAK}+)?§?{NUMBER}"
    rf"(?:{BREAK}*(?:[,;/&–-]|and|or|to){BREAK}*(?:and{BREAK}+)?{NUMBER})*"
    rf"|\b(?:sections?|chapters?){BREAK}+{NUMBER}{BREAK}+of{BREAK}+(?:the{BREAK}+)?protocol\b",
    re.IGNORECASE,
)
"""A reference in any form that people write."""
KNOWN_FORM = re.compile(rf"[Pp]rotocol ({NUMBER}(?:, {NUMBER})*)")


def headings() -> set[str]:
    """Return the numbers of the page's headings."""
    text = PAGE.read_text(encoding="utf-8")
    return set(re.findall(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", text, re.MULTILINE))


def references_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and words of each reference in *text*, on one line and without comment marks."""
    for match in REFERENCE.finditer(text):
        words = " ".join(re.sub(BREAK, " ", match.group()).split())
        yield text.count("\n", 0, match.start()) + 1, words


def fault_of(reference: str, known: set[str]) -> str:
    """Return what is wrong with a reference, "" if nothing is."""
    form = KNOWN_FORM.fullmatch(reference)
    if form is None:
        return "write `protocol N.M`, several as `protocol N.M, N.M`"
    missing = [number for number in form[1].split(", ") if number not in known]
    return f"docs/protocol.md has no heading {', '.join(missing)}" if missing else ""


def files() -> list[Path]:
    """Return every text of the repository that can refer to the page."""
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    texts = [path for path in below if path.suffix in SUFFIXES and path.is_file()]
    beside = [
        *ROOT.glob("*.md"),
        ROOT / "pyproject.toml",
        ROOT / ".importlinter",
        ROOT / ".ci" / "run",
    ]
    return sorted({*texts, *beside} - {PAGE, Path(__file__).resolve()})


def test_every_reference_leads_to_a_heading() -> None:
    """Code, tests and pages cite the protocol by the numbers of its headings, in one form."""
    known = headings()
    found = [
        (f"{path.relative_to(ROOT).as_posix()}:{line}", reference)
        for path in files()
        for line, reference in references_in(path.read_text(encoding="utf-8"))
    ]
    wrong = [
        f"{place}: {reference}: {fault}"
        for place, reference in found
        if (fault := fault_of(reference, known))
    ]

    assert wrong == []
    assert len(found) > 300


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("(protocol 5.2)", ""),
        ("(protocol 5.2, 12.1; unverified)", ""),
        ('# as seen (protocol\n    # 5.2, 7)."""', ""),
        ('"as seen (protocol "\n    f"5.2)"', ""),
        ("Protocol 5: what the server sends", ""),
        ("(protocol 5.20)", "heading 5.20"),
        ("(protocol 17)", "heading 17"),
        ("(protocol 5.2, 99)", "heading 99"),
        ("(protocol 4.2-4.5)", "write"),
        ("(protocol 6 to 9)", "write"),
        ("(protocol 4.2 and 7)", "write"),
        ("(protocol 3.1, 3.3 and 10)", "write"),
        ("(protocol 6.1; 8)", "write"),
        ("(protocol section 5)", "write"),
        ("(protocol.md sections 3, 4)", "write"),
        ("(protocol §5.2)", "write"),
        ("section 5.2 of the protocol", "write"),
    ],
)
def test_a_reference_in_another_form_is_found(text: str, fault: str) -> None:
    """Ranges, words between and sections are refused; a line break or a comment mark is not."""
    ((_, reference),) = references_in(text)

    assert fault in fault_of(reference, headings())
    assert bool(fault) == bool(fault_of(reference, headings()))


def test_the_page_refers_to_its_own_headings() -> None:
    """Sections that the page names exist, and no number is given to two headings."""
    text = PAGE.read_text(encoding="utf-8")
    named = re.findall(rf"\bsection ({NUMBER})", text)
    numbers = re.findall(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", text, re.MULTILINE)

    assert set(named) <= headings()
    assert named
    assert len(numbers) == len(set(numbers))


def test_every_level_of_evidence_is_explained() -> None:
    """V, T, D, G and X, as the tables mark what they state; refuted claims are still marked."""
    text = PAGE.read_text(encoding="utf-8")
    levels = text.partition("### 0.1 ")[2].partition("### 0.2 ")[0]

    assert re.findall(r"^\| \*\*(\w)\*\* \|", levels, re.MULTILINE) == ["V", "T", "D", "G", "X"]
    assert text.count("**X**") > 10
