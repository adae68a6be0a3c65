"""Parts of which every page of figures is made: numbers with their key in the JSON, tables, the frame.

Every number is an element ``data`` whose ``data-key`` is its path in the JSON and whose ``value`` is the JSON
value. Names of strategies, reasons and paths are text of others: all of it is escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any, Final

from attrs import define

from vectra_bot.redaction import clean, redacted
from vectra_bot.report.style import STYLE

_STEP: Final = re.compile(r"\[(\d+)\]|\['([^']*)'\]|([^.\[]+)")

Row = tuple[str, str]


def whole_page(title: str, shown: str) -> str:
    """Return one HTML page of the fragment *shown*: no script, font or picture from elsewhere."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{text(title)}</title><style>html{{background:#fff}}"
        "@media (prefers-color-scheme:dark){html{background:#14171c}}body{margin:0}</style></head>\n"
        f"<body>{shown}</body></html>\n"
    )


def styled(sections: Iterable[str]) -> str:
    """Return those of *sections* that are not empty as HTML to show inside a page."""
    shown = "\n".join(part for part in sections if part)
    return f'<div class="vectra-report"><style>{STYLE}</style>\n{shown}\n</div>'


def sol(value: float) -> str:
    """Return an amount of SOL with the digits that it has, at most nine."""
    text = f"{value:.9f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def signed(value: float) -> str:
    """Return an amount of SOL with its sign."""
    text = sol(value)
    return text if text.startswith("-") or text == "0" else f"+{text}"


def share(value: float) -> str:
    """Return a share in per cent."""
    return f"{value:.1%}".replace("%", " %")


def plain(value: Any) -> str:
    """Return a number as it is."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def text(value: object) -> str:
    """Return text of others, escaped, without secrets."""
    return escape(clean(redacted(str(value))))


@define
class PageParts:
    """Builds the parts of a page from the JSON of what it shows."""

    json: dict[str, Any]

    def number(self, key: str, form: Callable[[Any], str] = plain, none: str = "none") -> str:
        """Return the number at *key* of the JSON, as *form* writes it."""
        value: Any = self.json
        for index, quoted, name in _STEP.findall(key):
            value = value[int(index)] if index else value[quoted or name]
        if value is None:
            return none
        return f'<data data-key="{text(key)}" value="{json.dumps(value)}">{form(value)}</data>'

    def tile_row(self, tiles: Iterable[tuple[str, str, str, str]]) -> str:
        """Return tiles: name, value, what is said about it, and its tone (``good``, ``bad`` or none)."""
        return '<div class="tiles">' + "".join(
            f'<div class="tile {tone}"><h2>{name}</h2><p class="big">{value}</p><p>{about}</p></div>'
            for name, value, about, tone in tiles
        ) + "</div>"  # fmt: skip

    def not_expected(self) -> list[Row]:
        """Return a row that names what the expected value does not cover, no row if nothing is missing."""
        left = self.json["expected_without"]
        return [("Not in the expected value", text(", ".join(left)))] if left else []

    def extreme_games(self) -> list[Row]:
        """Return the rows of the best and of the worst game, none where no game was traded."""
        return [
            (
                f"{name.capitalize()} game",
                f"{self.number(f'{name}_game.pnl', signed)}, game {self.number(f'{name}_game.game')}",
            )
            for name in ("best", "worst")
            if self.json[f"{name}_game"] is not None
        ]

    def pairs(self, title: str, rows: Sequence[Row]) -> str:
        """Return a section of names and values."""
        cells = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
        return f"<section><h2>{title}</h2><table>{cells}</table></section>"

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """Return a table."""
        head = "".join(f"<th>{name}</th>" for name in columns)
        lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
        return f"<table><tr>{head}</tr>{lines}</table>"
