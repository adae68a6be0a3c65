"""Rows made directly from the journal's JSON are the rows of the records."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given

from tests.models.strategies import any_document
from vectra_bot.errors import RecordError
from vectra_bot.models import RECORDS, DocType, Envelope, Mode
from vectra_bot.serde import document_packer, record_from_json, record_to_json
from vectra_bot.serde.typed import RowMaker, document_kind


def document_json(doc_type: DocType, record: Any, fields: Any = None) -> bytes:
    """Return a document as in the journal, the record's JSON replaced by *fields* if given."""
    data = {
        "doc_type": doc_type.value,
        "source": "engine",
        "game_id": getattr(record, "game_id", None) or "",
        "player_id": getattr(record, "player_id", None) or "",
        "record": record_to_json(record) if fields is None else fields,
    }
    return msgspec.json.encode(data)


@given(any_document())
def test_rows_are_those_of_the_records(pair: tuple[DocType, Any]) -> None:
    """The row of any document is the row of its record."""
    doc_type, record = pair
    session_id = getattr(record, "session_id", "S")
    mode = getattr(record, "mode", Mode.PAPER)
    envelope = Envelope(
        session_id=session_id,
        seq=7,
        doc_type=doc_type,
        mode=mode,
        venue="embedded",
        source="engine",
        ts_ns=11,
        game_id=getattr(record, "game_id", None) or "",
        player_id=getattr(record, "player_id", None) or "",
    )
    found = RowMaker(session_id, mode, "embedded").row(document_json(doc_type, record), 7, 11)
    assert found == (doc_type, document_packer(doc_type)(envelope, record))


@given(any_document())
def test_what_a_record_refuses_for_its_type_a_row_refuses(pair: tuple[DocType, Any]) -> None:
    """A field of another JSON type is refused, with the error that the record itself gives."""
    doc_type, record = pair
    fields = record_to_json(record)
    maker = RowMaker("S", Mode.PAPER, "embedded")
    for name in fields:
        changed = {**fields, name: [[]]}
        with pytest.raises(RecordError) as expected:
            record_from_json(RECORDS[doc_type], changed)
        with pytest.raises(RecordError) as found:
            maker.row(document_json(doc_type, record, changed), 1, 1)
        assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("doc_type", DocType)
def test_kind_is_found_wherever_it_stands(doc_type: DocType) -> None:
    """The kind is read at the beginning, which is fast, or anywhere else."""
    assert document_kind(b'{"doc_type":"%b","x":1}' % doc_type.value.encode()) is doc_type
    assert document_kind(b'{"x":1,"doc_type":"%b"}' % doc_type.value.encode()) is doc_type


@pytest.mark.parametrize("data", [b"{}", b'{"doc_type":"other"}', b'{"doc_type":1}', b"x"])
def test_no_kind_is_refused(data: bytes) -> None:
    """Data without a known kind is not a document."""
    with pytest.raises(RecordError, match="no document can be read"):
        RowMaker("S", Mode.PAPER, "embedded").row(data, 1, 1)


@pytest.mark.parametrize(
    "changes", [{"source": None}, {"source": 3}, {"record": None}, {"record": []}], ids=str
)
def test_an_incomplete_document_is_refused(changes: dict[str, Any]) -> None:
    """A document without its source or record gives a typed error."""
    data = {"doc_type": "system_event", "source": "x", "record": {}, **changes}
    with pytest.raises(RecordError):
        RowMaker("S", Mode.PAPER, "embedded").row(msgspec.json.encode(data), 1, 1)
