"""Documents from the journal's JSON directly to rows, without building the record.

For each record a msgspec structure with the same fields and properties is generated once; it is decoded and
type-checked in C, and the functions that pack rows read it as they read the record. Limits of values (nine
places, the shortest decimal of a double) are checked where the record is made, and by the columns.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import attrs
import msgspec

from vectra_bot.errors import RecordError
from vectra_bot.models import RECORDS, DocType, Envelope, Mode
from vectra_bot.serde.rows import document_packer
from vectra_bot.serde.text import record_from_json
from vectra_bot.serde.values import alert_type, unreadable

_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
# The class itself: a test that stops the clock has a subclass in its place, which msgspec refuses.
_Datetime: Any = next(kind for kind in datetime.__mro__ if kind.__module__ == "datetime")
_Utc = Annotated[_Datetime, msgspec.Meta(tz=True)]
_TYPES: dict[str, Any] = {
    "sol": Decimal,
    "price": Decimal,
    "double": float,
    "int": _Int64,
    "text": str,
    "bool": bool,
    "utc": _Utc,
    "json": dict[str, Any],
    "alert_type": str,
}


class _Peek(msgspec.Struct):
    doc_type: DocType


def _arguments(annotation: Any) -> tuple[Any, bool]:
    """Return the annotation without ``None``, and whether it had it."""
    given = getattr(annotation, "__args__", ())
    inner = [argument for argument in given if argument is not type(None)]
    return (inner[0] if inner else annotation), type(None) in given


def _field_type(attribute: attrs.Attribute[Any]) -> Any:
    kind = attribute.metadata["column"]
    inner, optional = _arguments(attribute.type)
    options = getattr(attribute.validator, "options", None)
    if kind == "record":
        found: Any = _struct(inner)
    elif kind == "enum":
        found = inner
    elif options is not None:
        found = Literal[tuple(options)]
    else:
        found = _TYPES[kind]
    return found | None if optional else found


def _check_alert(struct: Any) -> None:
    alert_type(struct.alert_type)


@cache
def _struct(record_type: type) -> Any:
    """Return the structure that has the fields and the properties of a record."""
    namespace: dict[str, Any] = {
        name: value for name, value in vars(record_type).items() if isinstance(value, property)
    }
    fields: list[Any] = []
    for attribute in attrs.fields(record_type):
        declared = (attribute.name, _field_type(attribute))
        if attribute.default is attrs.NOTHING:
            fields.append(declared)
        else:
            fields.append((*declared, msgspec.field(default=attribute.default)))
        if attribute.metadata["column"] == "alert_type":
            namespace["__post_init__"] = _check_alert
    name = f"{record_type.__name__}Json"
    return msgspec.defstruct(name, fields, namespace=namespace, kw_only=True, gc=False)


@cache
def _decoder(doc_type: DocType) -> Callable[[bytes], Any]:
    record = _struct(RECORDS[doc_type])
    fields: list[Any] = [("source", str), ("game_id", str, ""), ("player_id", str, "")]
    document = msgspec.defstruct("DocumentJson", [("record", record), *fields], kw_only=True)
    return msgspec.json.Decoder(document, strict=True).decode


_plain = msgspec.json.Decoder(dict[str, Any]).decode
_peek = msgspec.json.Decoder(_Peek).decode
_BEGINNINGS = {b'{"doc_type":"%b"' % d.value.encode(): d for d in DocType}
_LENGTHS = sorted({len(beginning) for beginning in _BEGINNINGS})


def document_kind(data: bytes) -> DocType:
    """Return the kind of the document in a JSON object.

    Raises:
        RecordError: the kind is missing or unknown.
    """
    for length in _LENGTHS:
        found = _BEGINNINGS.get(data[:length])
        if found is not None:
            return found
    try:
        return _peek(data).doc_type
    except msgspec.DecodeError as error:
        raise RecordError(f"no document can be read from this JSON: {error}") from error


@attrs.frozen
class RowMaker:
    """Turns the documents of one session from the journal's JSON into rows.

    Attributes:
        session_id, mode, venue: of every document of the session.
    """

    session_id: str
    mode: Mode
    venue: str

    def row(self, data: bytes, seq: int, ts_ns: int) -> tuple[DocType, tuple[Any, ...]]:
        """Return a document's kind, and the values that ``document_packer`` gives for it.

        Args:
            data: a JSON object with ``doc_type``, ``source``, ``game_id``, ``player_id`` and ``record``.
            seq: its number in the session.
            ts_ns: its receive time, nanoseconds since the epoch.

        Raises:
            RecordError: a key is missing or of a wrong type, or envelope and record name different
                games, players, sessions or modes.
        """
        doc_type = document_kind(data)
        try:
            document = _decoder(doc_type)(data)
        except (msgspec.DecodeError, ValueError):
            document = _explained(doc_type, data)
        envelope = Envelope(
            session_id=self.session_id,
            seq=seq,
            doc_type=doc_type,
            mode=self.mode,
            venue=self.venue,
            source=document.source,
            ts_ns=ts_ns,
            game_id=document.game_id,
            player_id=document.player_id,
        )
        return doc_type, document_packer(doc_type)(envelope, document.record)


def _explained(doc_type: DocType, data: bytes) -> Any:
    """Read a document the slow way, to report which field is wrong.

    Raises:
        RecordError: it is not a document of its kind.
    """
    record_type = RECORDS[doc_type]
    try:
        given = _plain(data)
        record: Any = record_from_json(record_type, given["record"])
        return SimpleNamespace(
            record=record,
            source=given["source"],
            game_id=given.get("game_id", ""),
            player_id=given.get("player_id", ""),
        )
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError) as error:
        raise unreadable(record_type, "JSON", error) from error
