"""records.md: a meaning and a unit for every column, a meaning for every field, and no entry without one."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Any

import attrs
import pytest

from vectra_bot import models
from vectra_bot.game.holdings import ShortView, StakeView
from vectra_bot.game.rounds import Round, SideGamesView
from vectra_bot.game.state import GameView
from vectra_bot.game.view import AccountView, PositionView
from vectra_bot.models import RECORDS, DocType
from vectra_bot.serde import document_columns

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

import generate_records
from generate_text import data

KINDS = [
    value
    for name in models.__all__
    if isinstance(value := getattr(models, name), type)
    and issubclass(value, Enum)
    and value not in (DocType, models.AlertType)
]
STORED = set(RECORDS.values())
OTHERS = [
    value
    for name in models.__all__
    if attrs.has(value := getattr(models, name)) and value not in STORED
]


@pytest.mark.parametrize("doc_type", list(DocType), ids=lambda doc_type: doc_type.value)
def test_every_column_has_a_meaning_and_a_unit(doc_type: DocType) -> None:
    """Numbers and times have a unit; text, enumerations, truth values and JSON have none."""
    for column in document_columns(doc_type):
        meaning, unit = generate_records.column_doc(doc_type, column.name)
        assert meaning, column.name
        assert bool(unit) is (column.kind not in generate_records.UNITLESS), column.name


@pytest.mark.parametrize("record", OTHERS, ids=lambda record: record.__name__)
def test_every_field_has_a_meaning(record: type) -> None:
    """Events and the records that are parts of others, too."""
    fields = [field.name for field in attrs.fields(record)]

    assert [name for name in fields if not generate_records.member_doc(record, name)] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_value_of_a_column_has_a_meaning(kind: type[Enum]) -> None:
    """Members of enumerations, but document types (a section each) and the schema's types of alerts."""
    assert sorted(set(kind.__members__) - generate_records.field_docs(kind).keys()) == []


def test_every_description_of_a_field_is_used() -> None:
    """No description is left of a field that is gone."""
    shared = data("events")["fields"]
    fields = {field.name for record in OTHERS for field in attrs.fields(record)}
    qualified = {f"{r.__name__}.{field.name}" for r in OTHERS for field in attrs.fields(r)}

    views = {
        name
        for view in (
            AccountView,
            GameView,
            PositionView,
            Round,
            ShortView,
            SideGamesView,
            StakeView,
        )
        for own in (*vars(view), *(field.name for field in view_fields(view)))
        for name in (own, f"{view.__name__}.{own}")
    }

    assert sorted(set(shared) - fields - qualified) == []
    assert sorted(set(data("events")["views"]) - views) == []


def view_fields(view: type) -> tuple[Any, ...]:
    """Return the fields of a view that is an attrs class."""
    return attrs.fields(view) if attrs.has(view) else ()
