"""Records as flat rows; the packing and unpacking functions are generated once per record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, cast

import attrs

from vectra_bot.errors import RecordError
from vectra_bot.models import RECORDS, DocType, Envelope, Mode
from vectra_bot.serde.values import BAD_VALUE, alert_type, canonical_json, unreadable

R = TypeVar("R")

# By the names of records, so that none is imported for it.
_DERIVED: dict[str, tuple[tuple[str, str], ...]] = {
    "ActionTimestamps": (
        ("send_latency_ms", "int"),
        ("confirm_latency_ms", "int"),
        ("total_latency_ms", "int"),
    ),
    "PlayerAction": (("reward", "sol"), ("cash_delta", "sol")),
    "OtherPlayerAction": (("is_profitable_player", "bool"), ("is_early_entry", "bool")),
}

# Envelope columns in order: kind, and whether a value is required.
_ENVELOPE: dict[str, tuple[str, bool]] = {
    "session_id": ("text", True),
    "seq": ("int", True),
    "doc_type": ("enum", True),
    "schema_version": ("text", True),
    "mode": ("enum", True),
    "venue": ("text", True),
    "source": ("text", True),
    "ts_ns": ("int", True),
    "game_id": ("text", False),
    "player_id": ("text", False),
}


@attrs.frozen
class Column:
    """One column of a row.

    Attributes:
        name: its name, nested names joined by an underscore.
        kind: ``sol``, ``price``, ``double``, ``int``, ``text``, ``enum``, ``alert_type``, ``bool``,
            ``utc`` or ``json``.
        required: whether it is never null.
        derived: whether it is computed from other columns, and so ignored on reading.
    """

    name: str
    kind: str
    required: bool
    derived: bool = False


@attrs.frozen
class _Leaf:
    """A column together with the Python expression that reads it from a record named ``r``."""

    column: Column
    expression: str
    enum_type: type | None = None


def _is_optional(attribute: attrs.Attribute[Any]) -> bool:
    annotation = attribute.type
    return type(None) in getattr(annotation, "__args__", ())


def _inner_type(attribute: attrs.Attribute[Any]) -> Any:
    """Return the annotation without ``None``."""
    arguments = [a for a in getattr(attribute.type, "__args__", ()) if a is not type(None)]
    return arguments[0] if arguments else attribute.type


def _packed(kind: str, value: str, *, required: bool) -> str:
    """Return the expression that turns a field's value into a row's value."""
    converted = {
        "price": f"float({value})",
        "enum": f"{value}.value",
        "alert_type": f"getattr({value}, 'value', {value})",
        "json": f"canonical_json({value})",
    }.get(kind, value)
    if required or converted == value:
        return converted
    return f"(None if {value} is None else {converted})"


def _leaves(
    record_type: type, prefix: str = "", path: str = "r", *, required: bool = True
) -> Iterator[_Leaf]:
    """Yield the columns of *record_type* in order, derived ones after the fields of their record."""
    for attribute in attrs.fields(record_type):
        kind = attribute.metadata["column"]
        inner = _inner_type(attribute)
        needed = required and not _is_optional(attribute)
        value = f"{path}.{attribute.name}"
        name = prefix + attribute.name
        if kind == "record":
            yield from _leaves(inner, f"{name}_", value, required=needed)
        else:
            optional = _is_optional(attribute)
            expression = _packed(kind, value, required=not optional)
            enum_type = inner if kind == "enum" else None
            yield _Leaf(Column(name, kind, needed), expression, enum_type)
    for name, kind in _DERIVED.get(record_type.__name__, ()):
        expression = f"{path}.{name}"
        if kind == "int":
            expression = f"_int64({expression})"
        yield _Leaf(Column(prefix + name, kind, required=False, derived=True), expression)


def _guarded(record_type: type, leaves: list[_Leaf]) -> list[str]:
    """Return the leaves' expressions, None for the columns of an optional record that is absent."""
    optional = [
        attribute.name
        for attribute in attrs.fields(record_type)
        if attribute.metadata["column"] == "record" and _is_optional(attribute)
    ]
    result = []
    for leaf in leaves:
        expression = leaf.expression
        for name in optional:
            if f"r.{name}." in expression:
                expression = f"(None if r.{name} is None else {expression})"
        result.append(expression)
    return result


def _int64(value: int | None) -> int | None:
    """Return a derived integer, None where it cannot be stored."""
    return value if value is not None and -(2**63) <= value < 2**63 else None


def _function(name: str, source: str, names: dict[str, Any]) -> Any:
    namespace = {"canonical_json": canonical_json, "_int64": _int64, **names}
    exec(compile(source, f"<generated {name}>", "exec"), namespace)  # noqa: S102 - from our own fields
    return namespace[name]


@cache
def columns(record_type: type) -> tuple[Column, ...]:
    """Return the columns of a record without its envelope."""
    return tuple(leaf.column for leaf in _leaves(record_type))


@cache
def _packer(record_type: type) -> Callable[[Any], tuple[Any, ...]]:
    leaves = list(_leaves(record_type))
    body = ", ".join(_guarded(record_type, leaves))
    packer: Callable[[Any], tuple[Any, ...]] = _function(
        "pack", f"def pack(r): return ({body},)", {}
    )
    return packer


def _unpacked(kind: str, value: str, enum_name: str) -> str:
    """Return the expression that turns a row's value back into a field's value."""
    return {
        "price": f"Decimal(repr({value}))",
        "enum": f"{enum_name}({value})",
        "alert_type": f"alert_type({value})",
        "json": f"json.loads({value})",
    }.get(kind, value)


def _constructor(record_type: type, prefix: str, names: dict[str, Any]) -> str:
    """Return the expression that builds *record_type* from a row named ``r``."""
    type_name = f"T{len(names)}"
    names[type_name] = record_type
    arguments = []
    for attribute in attrs.fields(record_type):
        kind = attribute.metadata["column"]
        inner = _inner_type(attribute)
        name = prefix + attribute.name
        optional = _is_optional(attribute)
        if kind == "record":
            value = _constructor(inner, f"{name}_", names)
            first = next(
                leaf.column.name for leaf in _leaves(inner, f"{name}_") if leaf.column.required
            )
            guard = f"r[{first!r}]"
        else:
            enum_name = f"T{len(names)}"
            names[enum_name] = inner
            added = attribute.metadata.get("added", False)
            guard = f"r.get({name!r})" if added else f"r[{name!r}]"
            value = _unpacked(kind, guard, enum_name)
        if optional and value != guard:
            value = f"(None if {guard} is None else {value})"
        arguments.append(f"{attribute.name}={value}")
    return f"{type_name}({', '.join(arguments)})"


@cache
def _unpacker(record_type: type) -> Callable[[Mapping[str, Any]], Any]:
    names: dict[str, Any] = {"Decimal": Decimal, "json": json, "alert_type": alert_type}
    source = f"def unpack(r): return {_constructor(record_type, '', names)}"
    unpacker: Callable[[Mapping[str, Any]], Any] = _function("unpack", source, names)
    return unpacker


def record_to_row(record: Any) -> dict[str, Any]:
    """Return *record* as a flat row: column name to value."""
    record_type: Any = type(record)
    names = (column.name for column in columns(record_type))
    return dict(zip(names, _packer(record_type)(record), strict=True))


def record_from_row(record_type: type[R], row: Mapping[str, Any]) -> R:
    """Return the record in *row*; columns the record does not have are ignored.

    Columns that earlier versions did not have may be missing.

    Raises:
        RecordError: a column is missing or holds a value the record forbids.
    """
    try:
        unpack: Callable[[Mapping[str, Any]], R] = _unpacker(cast("Any", record_type))
        return unpack(row)
    except BAD_VALUE as error:
        raise unreadable(record_type, "row", error) from error


# --- documents: a record with its envelope ----------------------------------------------------------


@cache
def document_columns(doc_type: DocType) -> tuple[Column, ...]:
    """Return the columns of a stored document: the envelope's, then those of its record.

    A column both have (``game_id``) appears once, at the envelope's position, with the record's value.
    """
    record_columns = {column.name: column for column in columns(RECORDS[doc_type])}
    head = [
        Column(
            name, kind, (required and name not in record_columns) or _required(record_columns, name)
        )
        for name, (kind, required) in _ENVELOPE.items()
    ]
    tail = [column for name, column in record_columns.items() if name not in _ENVELOPE]
    return (*head, *tail)


def _required(record_columns: Mapping[str, Column], name: str) -> bool:
    return name in record_columns and record_columns[name].required


@cache
def document_packer(doc_type: DocType) -> Callable[[Envelope, Any], tuple[Any, ...]]:
    """Return the function from envelope and record to the values of :func:`document_columns`.

    It raises :class:`RecordError` if they name different games, players, sessions or modes.
    """
    record_type = RECORDS[doc_type]
    leaves = list(_leaves(record_type))
    expressions = dict(
        zip((leaf.column.name for leaf in leaves), _guarded(record_type, leaves), strict=True)
    )
    values = []
    for column in document_columns(doc_type):
        name = column.name
        if name not in _ENVELOPE:
            values.append(expressions[name])
        elif name in expressions:
            own = f"e.{name}.value" if column.kind == "enum" else f"e.{name}"
            values.append(f"_agreed({name!r}, {own}, {expressions[name]})")
        elif column.kind == "enum":
            values.append(f"e.{name}.value")
        else:
            values.append(f"e.{name}" if column.required else f"e.{name} or None")
    source = f"def pack(e, r): return ({', '.join(values)},)"
    packer: Callable[[Envelope, Any], tuple[Any, ...]] = _function(
        "pack", source, {"_agreed": _agreed}
    )
    return packer


def _agreed(name: str, envelope_value: str, record_value: str | None) -> str | None:
    """Return the record's value of a column that the envelope has too; refuse a difference."""
    if record_value and envelope_value and record_value != envelope_value:
        raise RecordError(
            f"{name} was {envelope_value!r} in the envelope and {record_value!r} in the record: "
            "give the same"
        )
    return record_value


def document_to_row(envelope: Envelope, record: Any) -> dict[str, Any]:
    """Return a document as a flat row.

    Raises:
        RecordError: envelope and record name different games, players, sessions or modes.
    """
    names = (column.name for column in document_columns(envelope.doc_type))
    return dict(zip(names, document_packer(envelope.doc_type)(envelope, record), strict=True))


def document_from_row(row: Mapping[str, Any]) -> tuple[Envelope, Any]:
    """Return envelope and record of a stored document.

    Raises:
        RecordError: a column is missing or holds a value its schema forbids.
    """
    try:
        doc_type = DocType(row["doc_type"])
        values = {name: row[name] for name in _ENVELOPE}
        values.update(
            doc_type=doc_type,
            mode=Mode(row["mode"]),
            game_id=row["game_id"] or "",
            player_id=row["player_id"] or "",
        )
        envelope = Envelope(**values)
    except BAD_VALUE as error:
        raise unreadable(Envelope, "row", error) from error
    return envelope, record_from_row(RECORDS[doc_type], row)
