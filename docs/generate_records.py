"""The page of records: every column with its type, unit and meaning, and every other record and event."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import Any

import attrs
from generate_text import as_sentence, data, doc, plain, table

from vectra_bot import models
from vectra_bot.models import RECORDS, DocType, Document, Envelope
from vectra_bot.serde import document_columns

KINDS = {
    "sol": "DECIMAL(38,9)",
    "price": "DOUBLE",
    "double": "DOUBLE",
    "int": "BIGINT",
    "text": "VARCHAR",
    "enum": "VARCHAR",
    "alert_type": "VARCHAR",
    "bool": "BOOLEAN",
    "utc": "TIMESTAMP",
    "json": "VARCHAR, JSON",
}
UNITS = {"price": "SOL per unit", "utc": "UTC"}
"""Units of kinds of columns that have only one."""
UNITLESS = ("text", "enum", "alert_type", "bool", "json")
"""Kinds of columns that have no unit."""

FIRST = (
    DocType.PLAYER_ACTION,
    DocType.GAME_TICK,
    DocType.SERVER_STATE,
    DocType.OTHER_PLAYER_ACTION,
    DocType.ML_EPISODE,
)
ORDER = (*FIRST, *(doc_type for doc_type in DocType if doc_type not in FIRST))
"""Documents in the order in which they are looked for."""

_UNIT = re.compile(r"^(?P<meaning>.*?)\.?(?: Unit: (?P<unit>.*))?\.$", re.DOTALL)


@cache
def field_docs(record: type) -> dict[str, str]:
    """Return the docstrings of fields, members and properties by name, of a class itself."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(record))).body
    assert isinstance(node, ast.ClassDef)
    found = {}
    for before, after in zip(node.body, node.body[1:], strict=False):
        text = after.value.value if _is_text(after) else None
        target = before.target if isinstance(before, ast.AnnAssign) else None
        if isinstance(before, ast.Assign):
            target = before.targets[0]
        if isinstance(target, ast.Name) and text:
            found[target.id] = " ".join(inspect.cleandoc(text).split())
    for name, value in vars(record).items():
        if isinstance(value, property) and value.__doc__:
            text = " ".join(inspect.cleandoc(value.__doc__).split()).removeprefix("Return ")
            found[name] = text[0].upper() + text[1:] if text[0].isalpha() else text
    return found


def _is_text(node: ast.stmt) -> Any:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def column_doc(doc_type: DocType, column: str) -> tuple[str, str]:
    """Return meaning and unit of a column, empty where nothing states it."""
    record = RECORDS[doc_type]
    docs = field_docs(record)
    text = docs.get(column) or field_docs(Envelope).get(column) or _nested(record, column)
    found = _UNIT.match(text)
    if found is None:
        return "", ""
    kind = next(c.kind for c in document_columns(doc_type) if c.name == column)
    return f"{plain(found['meaning'])}.".replace("None", "null"), found["unit"] or UNITS.get(
        kind, ""
    )


def _nested(record: type, column: str) -> str:
    """Return the docstring of a column of a record in a record, with the inner record's place in it."""
    for field in attrs.fields(record):
        inner = column.removeprefix(f"{field.name}_")
        if field.metadata["column"] == "record" and inner != column:
            kinds = [t for t in getattr(field.type, "__args__", ()) if t is not type(None)]
            own = field_docs(kinds[0] if kinds else field.type).get(inner, "")
            place = field_docs(record).get(field.name, "")
            meaning, mark, unit = own.partition(" Unit: ")
            return f"{meaning} {place}{mark}{unit}" if own and place else ""
    return ""


def records() -> Iterator[str]:
    """Every kind of document with its columns, and every record and event."""
    yield "# Records\n"
    yield "What a store holds, for who writes SQL, and what strategies and plugins are given. Schema"
    yield f"{models.SCHEMA_VERSION}: one section for each kind of document (a folder `doc_type=NAME`, a view"
    yield "`NAME` in `vectra-bot query`), with the columns of its Parquet files.\n"
    yield "Types are DuckDB's. `null` means the column may be null; `derived` that it is computed from others"
    yield "when a row is written, and may be null with them. A unit is the venue's unit of a position; at"
    yield "price 1 it costs 1 SOL. A tick is one update of the price, 250 ms.\n"
    yield from table(("document", "one row for each"), _overview())
    yield "## Columns of every document\n"
    names = [field.name for field in attrs.fields(Envelope)]
    yield "These columns come first in every kind of document and are not repeated below.\n"
    yield from table(_HEADER, (_row(DocType.WS_EVENT, name) for name in _order(names)))
    for doc_type in ORDER:
        record = RECORDS[doc_type]
        yield f"## {doc_type.value}\n"
        yield f"Record `{record.__name__}`. {doc(record)}\n"
        columns = (c.name for c in document_columns(doc_type) if c.name not in names)
        yield from table(_HEADER, (_row(doc_type, name) for name in columns))
    yield from _others()


_HEADER = ("column", "type", "unit", "", "meaning")


def _overview() -> Iterator[tuple[str, str]]:
    for doc_type in ORDER:
        yield f"[{doc_type.value}](#{doc_type.value})", doc(RECORDS[doc_type]).split("\n")[0]


def _order(names: list[str]) -> list[str]:
    columns = [c.name for c in document_columns(DocType.WS_EVENT)]
    return [name for name in columns if name in names]


def _row(doc_type: DocType, name: str) -> tuple[str, ...]:
    (column,) = [c for c in document_columns(doc_type) if c.name == name]
    meaning, unit = column_doc(doc_type, name)
    presence = "derived" if column.derived else "" if column.required else "null"
    return f"`{name}`", KINDS[column.kind], unit, presence, meaning


def _others() -> Iterator[str]:
    yield "## Other records and events\n"
    yield "What is in the records above, inputs of the engine, and what hooks are called with.\n"
    stored = set(RECORDS.values())
    for name in sorted(models.__all__):
        value = getattr(models, name)
        if isinstance(value, type) and value not in stored and value is not Envelope:
            yield f"### {name}\n"
            yield f"{doc(value)}\n"
            yield from _members(value)


def _members(value: type) -> Iterator[str]:
    if attrs.has(value):
        rows = [
            (f"`{field.name}`", f"`{_type_name(field.type)}`", member_doc(value, field.name))
            for field in attrs.fields(value)
        ]
        if rows:
            yield from table(("field", "type", "meaning"), rows)
    elif issubclass(value, Enum):
        docs = field_docs(value)
        if docs.keys() & value.__members__.keys():
            rows = [(f"`{member.value}`", plain(docs.get(member.name, ""))) for member in value]
            yield from table(("value", "meaning"), rows)
        else:
            yield "Values: " + ", ".join(f"`{member.value}`" for member in value) + ".\n"


def member_doc(value: type, name: str) -> str:
    """Return the meaning of a field of a record that is not stored, "" where nothing states it."""
    for owner in value.__mro__:
        if attrs.has(owner) and name in field_docs(owner):
            text = plain(field_docs(owner)[name]).replace("null", "None")
            return re.sub(r"\. Unit: (.*)\.$", r" (\1).", text)
    section = "documents" if value is Document else "fields"
    return shared_doc(value, name, section)


def shared_doc(value: type, name: str, *sections: str) -> str:
    """Return what ``docs/data/events.toml`` says of a field, in the first section that does."""
    for section in sections:
        texts = data("events")[section]
        for key in (*(f"{owner.__name__}.{name}" for owner in value.__mro__), name):
            if key in texts:
                return as_sentence(texts[key])
    return ""


def _type_name(kind: Any) -> str:
    text = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
    if getattr(kind, "__args__", None):
        text = str(kind)
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])|typing\.|collections\.abc\.", "", text)
