"""The language of the project: no phrase that docs/glossary.md bans, in code, help and pages."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
CODE = ("vectra_bot", "plugins", "strategies", "docs")
AROUND = ("tests", "benchmarks")
"""Folders of which docstrings and comments are read; their other texts are data."""
PAGES = ("*.md", "docs/**/*.md", "benchmarks/*.md", "vectra_bot/**/*.toml")
SETTINGS = ("pyproject.toml", ".importlinter", ".ci/run")

SEARCHED = {
    "backtest",
    "checksum",
    "corrupt",
    "fill",
    "reconcile",
    "recover",
    "retry",
    "serialize",
    "timeout",
}
"""Words of the field that users search for; the glossary names a page for each."""

WORD = re.compile(r"(?<![\w-])[A-Za-z']+(?![\w-])")
GAP = r"""(?:[\s"'#]|(?<=\s)f(?="))+"""
"""Space between two words, also where a sentence goes through lines of a comment or pieces of a string."""
A_WORD = r"""[^\s"#.,;:]+"""
LIST = re.compile(r"^```banned\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"(?<!`)(`{1,2})(?!`)((?:[^`\n]|\n(?!\s*\n)){1,120}?)(?<!`)\1(?!`)")
SQL = re.compile(r"\s*(?:SELECT|WITH|CREATE|COPY|INSERT|DESCRIBE|FROM|--)\b")


class Phrase(NamedTuple):
    """A banned phrase: forms of its first word, the pattern of the rest, words that permit it."""

    first: tuple[str, ...]
    rest: re.Pattern[str]
    before: frozenset[str]
    after: frozenset[str]
    say: str


class Text(NamedTuple):
    """A string of a module: the offsets it lies between, and whether its words are prose."""

    start: int
    end: int
    is_prose: bool


def phrase_of(line: str) -> Phrase:
    """Return the phrase in a line of the glossary's list."""
    written, arrow, say = line.partition(" -> ")
    assert arrow, f"{line!r} does not say what to say instead"
    parts = re.fullmatch(r"(?:\((\S+)\) )?(.+?)(?: \((\S+)\))?", written)
    assert parts is not None
    before, bare, after = parts.groups(default="")
    first, *others = bare.split()
    pattern = ""
    for word in others:
        if word == "...":
            pattern += f"(?:{GAP}{A_WORD}){{1,4}}?"
        else:
            forms = f"{GAP}(?:{'|'.join(map(re.escape, word.strip('[]').split('/')))})"
            pattern += f"(?:{forms})?" if word.startswith("[") else forms
    return Phrase(
        tuple(first.split("/")),
        re.compile(rf"{pattern}(?![\w-])"),
        frozenset(before.split("/")),
        frozenset(after.split("/")),
        say,
    )


def listed() -> list[str]:
    """Return the lines of the glossary's list."""
    (body,) = LIST.findall(GLOSSARY.read_text(encoding="utf-8"))
    return str(body).splitlines()


@cache
def phrases() -> dict[str, list[Phrase]]:
    """Return the banned phrases of the glossary by the forms of their first word."""
    by_first = defaultdict(list)
    for phrase in map(phrase_of, listed()):
        for form in phrase.first:
            by_first[form].append(phrase)
            by_first[form[0].upper() + form[1:]].append(phrase)
    return by_first


def found_in(text: str) -> Iterator[tuple[int, str, Phrase]]:
    """Yield the offset, the words and the phrase of what *text* should not say."""
    by_first = phrases()
    for word in WORD.finditer(text):
        for phrase in by_first.get(word.group(), ()):
            match = phrase.rest.match(text, word.end())
            if match is None:
                continue
            start, end = word.start(), match.end()
            before = re.search(r"(\w+)\W*$", text[max(0, start - 40) : start])
            after = re.match(r"\W*(\w+)", text[end : end + 40])
            if before and before[1].lower() in phrase.before:
                continue
            if after and after[1].lower() in phrase.after:
                continue
            yield start, " ".join(text[start:end].split()), phrase
            break


def without_code(text: str) -> str:
    """Return *text* with what is marked as code blank, every line where it was."""
    return INLINE_CODE.sub(lambda match: re.sub(r"[^\n`]", "x", match.group()), text)


def strings_of(source: str, *, docstrings_only: bool) -> Iterator[Text]:
    """Yield the strings of a module; one without a space is a name or a key, and no prose."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    nodes = list(ast.walk(tree))
    docstrings = {
        id(node.value)
        for node in nodes
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    pieces = {
        id(piece)
        for node in nodes
        if isinstance(node, ast.JoinedStr)
        for piece in ast.walk(node)
        if piece is not node
    }
    for node in nodes:
        if not isinstance(node, ast.Constant | ast.JoinedStr) or id(node) in pieces:
            continue
        value = node.value if isinstance(node, ast.Constant) else ast.unparse(node)
        if not isinstance(value, str | bytes):
            continue
        is_prose = (
            isinstance(value, str)
            and bool(re.search(r"\s", value.strip()))
            and not SQL.match(value)
            and (id(node) in docstrings or not docstrings_only)
        )
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        yield Text(start, end, is_prose)


def is_prose(source: str, offset: int, strings: list[Text]) -> bool:
    """Return whether the character at *offset* of a module is in a sentence: a string's or a comment's."""
    place = len(source[:offset].encode())
    around = [text for text in strings if text.start <= place < text.end]
    if around:
        return all(text.is_prose for text in around)
    line = source.rfind("\n", 0, offset) + 1
    marks = (line + match.start() for match in re.finditer("#", source[line:offset]))
    return any(
        not any(text.start <= len(source[:mark].encode()) < text.end for text in strings)
        for mark in marks
    )


def refused(path: Path) -> Iterator[str]:
    """Yield ``file:line: words: say ...`` for each banned phrase of a file."""
    source = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT).as_posix()
    text = without_code(source)
    if path == GLOSSARY:
        text = LIST.sub(lambda match: "\n" * match.group().count("\n"), text)
    hits = list(found_in(text))
    if hits and path.suffix == ".py":
        strings = list(strings_of(source, docstrings_only=name.startswith(AROUND)))
        hits = [hit for hit in hits if is_prose(source, hit[0], strings)]
    for offset, words, phrase in hits:
        line = text.count("\n", 0, offset) + 1
        yield f"{name}:{line}: {words!r}: say {phrase.say}"


def refused_in(paths: Iterable[Path]) -> list[str]:
    """Return what is refused in some files, in order."""
    return [line for path in sorted(set(paths)) for line in refused(path)]


def modules_of(*folders: str) -> list[Path]:
    """Return every module below some folders of the repository."""
    return [path for folder in folders for path in (ROOT / folder).rglob("*.py")]


def helps(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """Yield the help of a command and of all below it, by name."""
    # A command keeps the options for help of the first context that shows them.
    context = click.Context(
        command, info_name=name, max_content_width=1000, terminal_width=1000, **HELP_OPTIONS
    )
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            below = command.get_command(context, inner)
            assert below is not None
            yield from helps(below, f"{name} {inner}")


def test_no_banned_phrase_in_pages() -> None:
    """Pages, and what settings say in comments."""
    pages = [path for pattern in PAGES for path in ROOT.glob(pattern)]

    assert refused_in([*pages, *(ROOT / name for name in SETTINGS)]) == []


def test_no_banned_phrase_in_code() -> None:
    """Docstrings, comments and messages of the packages."""
    assert refused_in(modules_of(*CODE)) == []


def test_no_banned_phrase_around_the_code() -> None:
    """Docstrings and comments of tests and benchmarks."""
    assert refused_in(modules_of(*AROUND)) == []


def test_no_banned_phrase_in_help() -> None:
    """The help of every command, as it is printed."""
    printed = dict(helps(cli, "vectra-bot"))
    wrong = [
        f"{name}: {words!r}: say {phrase.say}"
        for name, text in printed.items()
        for _, words, phrase in found_in(without_code(text))
    ]

    assert len(printed) > 20
    assert wrong == []


def examples_of(line: str) -> Iterator[str]:
    """Yield a sentence for each form of a banned phrase's first word."""
    bare = re.sub(r"^\(\S+\) | \(\S+\)$", "", line.partition(" -> ")[0])
    first, *others = ["it" if word == "..." else word.strip("[]") for word in bare.split()]
    for form in first.split("/"):
        yield " ".join([form, *(word.split("/")[-1] for word in others)])


@pytest.mark.parametrize("line", listed(), ids=lambda line: line.partition(" -> ")[0])
def test_each_banned_phrase_is_found(line: str) -> None:
    """Every form, also at the beginning of a sentence, with something else to say."""
    for example in examples_of(line):
        for text in (f"so {example} it", f"{example[0].upper()}{example[1:]}."):
            assert [words for _, words, _ in found_in(text)], text
    assert len(line.partition(" -> ")[2]) > 3


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ('"""A page is damaged."""', ["damaged"]),
        ("x = 1  # held every price\n# against its seed", ["held every price # against"]),
        ('raise ValueError(\n    f"{x} is "\n    f"no address"\n)', ['is " f"no']),
        ('say("It is no address")', ["is no"]),
        ('say(f"{name} stands")', ["stands"]),
        ('say(f"{name}" f" stands")', ["stands"]),
        ('say("It was not " "told")', ["told"]),
        ('say("there is no address, and none of it is no longer here")', []),
        ('say("None of this is None, if there is none")', []),
        ('problem = {"kind": "damaged"}', []),
        ('"""The kind ``damaged`` and the key `told`."""', []),
        ("told = stands", []),
        ('b"we stand"', []),
        ('"SELECT 1 AS told"', []),
        ("undamaged_parts = 'x y'", []),
        ('x = "#"  # it stands', ["stands"]),
        ('x = "# it" + stands', []),
    ],
)
def test_prose_of_a_module_is_read(text: str, hits: list[str], tmp_path: Path) -> None:
    """Through line breaks; not names, keys, SQL, bytes or what is marked as code."""
    strings = list(strings_of(text, docstrings_only=False))
    found = [words for at, words, _ in found_in(without_code(text)) if is_prose(text, at, strings)]

    assert found == hits


def test_data_of_tests_is_not_read() -> None:
    """Of tests and benchmarks docstrings and comments are prose, other texts are not."""
    source = '"""It stands."""\nx = "it stands"  # it stands\n'
    strings = list(strings_of(source, docstrings_only=True))
    found = [at for at, _, _ in found_in(source) if is_prose(source, at, strings)]

    assert [source.count("\n", 0, at) for at in found] == [0, 1]


def test_words_to_search_for_are_on_their_pages() -> None:
    """Each word, in some form, is on the page that the glossary names for it."""
    text = GLOSSARY.read_text(encoding="utf-8")
    table = text.partition("\n## Where to look\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| \[[^]]+\]\(([^)]+)\) \|$", table, re.MULTILINE)
    missing = [
        f"{page}: {word}"
        for word, page in rows
        if not re.search(
            rf"\b{re.sub('y$', '[yi]', word.removesuffix('e'))}",
            (GLOSSARY.parent / page).read_text(encoding="utf-8"),
            re.IGNORECASE,
        )
    ]

    assert {word for word, _ in rows} >= SEARCHED
    assert missing == []
