"""Files of earlier versions, without a column that was added since."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.store.samples import SESSION, action_document
from tests.store.stores import write_documents
from vectra_bot.errors import RecordError, StoreError
from vectra_bot.models import ActionType, DocType, PlayerAction
from vectra_bot.serde import (
    record_from_json,
    record_from_row,
    record_to_json,
    record_to_row,
)
from vectra_bot.store.maintenance.check import check_store
from vectra_bot.store.parquet.compaction import compact_all
from vectra_bot.store.parquet.manifest import Part, part_folder, write_manifest
from vectra_bot.store.parquet.writer import part_of
from vectra_bot.store.query.catalog import open_store

QUERY = "SELECT action_id, state, proof FROM player_action ORDER BY seq"


def _part(store: Path, number: int) -> Part:
    action = action_document(f"a-{number}", ActionType.BUY, "0.01", before="1", after="0.99")
    return write_documents(store, [action], number=number, first_seq=number)[0]


def _without(store: Path, part: Part, column: str) -> Part:
    """Write the rows of *part* as a version that did not have *column* wrote them."""
    path = store / part.path
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns([column]), path)
    return part_of(store, path)


@pytest.mark.parametrize("old", [(1, 2), (1,)], ids=["all", "one"])
def test_rows_without_the_proof_read_as_null(tmp_path: Path, old: tuple[int, ...]) -> None:
    """Files with and without the column are queried, checked and compacted together."""
    parts = [_part(tmp_path, number) for number in (1, 2)]
    parts = [
        _without(tmp_path, part, "proof") if number in old else part
        for number, part in enumerate(parts, 1)
    ]
    write_manifest(tmp_path, parts[0].folder, parts)
    expected = [("a-1", "CONFIRMED", None), ("a-2", "CONFIRMED", None)]

    assert open_store(tmp_path).sql(QUERY).rows == expected
    assert check_store(tmp_path).problems == []
    report = compact_all(tmp_path)
    assert (report.failed, report.skipped) == ((), ())
    folder = part_folder(tmp_path, DocType.PLAYER_ACTION, SESSION)
    assert "proof" in pq.read_schema(folder / "data.parquet").names
    assert open_store(tmp_path).sql(QUERY).rows == expected


def test_a_file_without_a_column_that_is_never_null_is_refused(tmp_path: Path) -> None:
    """Only what may be null is filled."""
    part = _part(tmp_path, 1)
    with pytest.raises(StoreError, match="field names"):
        _without(tmp_path, part, "state_before_cash")


def test_records_without_the_proof_are_read() -> None:
    """A row and a journal's JSON of an earlier version give an action without proof."""
    record = action_document("a", ActionType.BUY, "0.01", before="1", after="0.99").record
    row, data = record_to_row(record), record_to_json(record)
    del row["proof"], data["proof"]

    assert record_from_row(PlayerAction, row) == record
    assert record_from_json(PlayerAction, data) == record
    with pytest.raises(RecordError, match="Proof"):
        record_from_row(PlayerAction, {**row, "proof": "hearsay"})
