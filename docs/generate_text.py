"""Docstrings, signatures and tables as Markdown, for the modules that write the reference pages."""

from __future__ import annotations

import inspect
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent / "data"

_LITERAL = re.compile(r"^(.*)::\n\n((?:    .*(?:\n|$)|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^    (`?\w+`?(?:, `?\w+`?)*): (.*)$")
_PROTOCOL = re.compile(r" ?\(protocol [\d., ]+\)")


def data(name: str) -> dict[str, Any]:
    """Return the descriptions in ``docs/data/NAME.toml``."""
    return tomllib.loads((DATA / f"{name}.toml").read_text(encoding="utf-8"))


def plain(text: str) -> str:
    """Return docstring markup as Markdown, without references to the protocol's sections."""
    text = _PROTOCOL.sub("", text)
    return re.sub(r":[a-z]+:`~?\.?([^`]+)`", r"`\1`", text).replace("``", "`")


def doc(value: object) -> str:
    """Return a docstring as Markdown: roles and double backquotes become code, sections bold."""
    text = re.sub(
        r"^(Args|Returns|Raises|Attributes|Example|Examples):$",
        r"\n**\1**\n",
        plain(inspect.getdoc(value) or ""),
        flags=re.MULTILINE,
    )
    text = _LITERAL.sub(_fenced, _as_list(text))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def sentence(value: object) -> str:
    """Return the first paragraph of a docstring in one line."""
    return " ".join(doc(value).partition("\n\n")[0].split())


def anchor(heading: str) -> str:
    """Return the fragment that links to a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def as_sentence(text: str) -> str:
    """Return *text* with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}." if text else ""


def _fenced(match: re.Match[str]) -> str:
    return f"{match[1]}:\n\n```python\n{textwrap.dedent(match[2]).strip()}\n```\n"


def _as_list(text: str) -> str:
    """Turn the entries of Google-style sections into list items."""
    lines, within = [], ""
    for line in text.split("\n"):
        if line.startswith("**"):
            within = line
        elif line and not line.startswith(" "):
            within = ""
        entry = _ENTRY.match(line) if within else None
        if entry and not within.startswith("**Example"):
            names = ", ".join(f"`{name.strip('`')}`" for name in entry[1].split(", "))
            lines.append(f"- {names}: {entry[2]}")
        elif within and re.match(r"^        ?\S", line) and not within.startswith("**Example"):
            lines.append(f"  {line.strip()}")
        elif within and line.startswith("    ") and not within.startswith("**Example"):
            lines.append(line.strip())
        else:
            lines.append(line)
    return "\n".join(lines)


def signature(function: Callable[..., Any]) -> str:
    """Return the signature without ``self``, annotations as written."""
    found = inspect.signature(function)
    kept = [p for p in found.parameters.values() if p.name != "self"]
    return re.sub(r"'([^']*)'", r"\1", str(found.replace(parameters=kept)))


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield a Markdown table."""
    names = list(header)
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield (
            "| "
            + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row)
            + " |"
        )
    yield ""
