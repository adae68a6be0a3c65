"""Serialization of records: flat rows and JSON, both without loss.

Imports models and errors. No I/O, clock or task: it works on values and text in memory.

A *row* is what a column store holds: one value per column, nested records flattened with their field's name
as prefix (``state_before_cash``). The column type follows from the field's metadata (``models/_fields.py``);
the functions that pack and unpack rows are generated once per record, so that a row costs about as much as
its attribute reads. Properties that SQL needs (latencies, reward, cash delta) are extra columns, written and
never read back.

*JSON* is what the journal contains: nested objects in the order of the fields, Decimals as text, times as
ISO 8601, enums by value. It is made by one cattrs converter.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vectra_bot.serde.rows import (
        Column,
        columns,
        document_columns,
        document_from_row,
        document_packer,
        document_to_row,
        record_from_row,
        record_to_row,
    )
    from vectra_bot.serde.text import (
        JSON_INPUTS,
        command_from_json,
        command_to_json,
        input_from_json,
        input_to_json,
        record_from_json,
        record_to_json,
    )
    from vectra_bot.serde.values import canonical_json

_HOMES = {
    "Column": "rows",
    "JSON_INPUTS": "text",
    "canonical_json": "values",
    "columns": "rows",
    "command_from_json": "text",
    "command_to_json": "text",
    "document_columns": "rows",
    "document_from_row": "rows",
    "document_packer": "rows",
    "document_to_row": "rows",
    "input_from_json": "text",
    "input_to_json": "text",
    "record_from_json": "text",
    "record_from_row": "rows",
    "record_to_json": "text",
    "record_to_row": "rows",
}

__all__ = [
    "JSON_INPUTS",
    "Column",
    "canonical_json",
    "columns",
    "command_from_json",
    "command_to_json",
    "document_columns",
    "document_from_row",
    "document_packer",
    "document_to_row",
    "input_from_json",
    "input_to_json",
    "record_from_json",
    "record_from_row",
    "record_to_json",
    "record_to_row",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
