"""Migration: kills, full disks, and rows with any values."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.imports.released import v1
from tests.imports.released.reading import detail_of, rows_of, tree_of
from tests.imports.released.v1 import old
from tests.store.samples import tick_document
from tests.store.stores import write_documents
from tests.testing.killing import killed_at
from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.imports.arrow import EnvelopeDefaults, conform, match_names
from vectra_bot.imports.migrate import BACKUP, BUILDING, MARK, migrate_store
from vectra_bot.imports.report import FileReport
from vectra_bot.imports.schema_v1 import map_rows

__all__ = ["old"]  # the fixture


def run_until(store: Path, at: int) -> bool:
    """Migrate in a separate process that dies at operation *at*; return whether it got that far."""
    imports = "from vectra_bot.imports.migrate import migrate_store"
    return killed_at(at, imports, "migrate_store(sys.argv[2])", store)


def operations(store: Path, tmp_path: Path) -> int:
    """Return how many operations on the disk a migration of *store* takes."""
    copy = tmp_path / "counted"
    shutil.copytree(store, copy)
    seen: list[files.Op] = []
    with files.observing(seen.append):
        migrate_store(copy)
    return len(seen)


@pytest.mark.slow
def test_a_migration_that_was_killed_continues(old: Path, tmp_path: Path) -> None:
    """After a kill the store's name has the old or the new store, and a repeated migration completes it."""
    write_documents(old, [tick_document(n) for n in range(5)], "listed")
    count = operations(old, tmp_path)
    before = tree_of(old)
    for number, at in enumerate([count // 3, count - 7, count - 5, count - 3, count - 1]):
        store = tmp_path / f"run-{number}" / "store"
        shutil.copytree(old, store)

        assert run_until(store, at)
        if store.exists() and not (store / MARK).exists() and list(store.glob("doc_type=*/date=*")):
            assert tree_of(store) == before
        report = migrate_store(store)
        assert all(f.adds_up and not f.bad for f in report.files)
        assert len(rows_of(store, "game_tick")) == 7
        assert tree_of(Path(str(store) + BACKUP)) == before
        assert [p.name for p in store.parent.iterdir() if BUILDING in p.name] == []


def test_a_store_that_lost_its_name_gets_it_again(old: Path, tmp_path: Path) -> None:
    """Where the system cannot swap two folders, a kill may come between the two renames."""
    count = operations(old, tmp_path)
    assert run_until(old, count - 5)
    assert list(old.glob("doc_type=*/date=*"))
    before = tree_of(old)
    old.rename(old.with_name(old.name + BACKUP))

    report = migrate_store(old)

    assert report.finished
    assert report.backup == str(old) + BACKUP
    assert tree_of(Path(report.backup)) == before
    assert len(rows_of(old, "game_tick")) == 2


def test_a_full_disk_leaves_the_store_unchanged(old: Path, tmp_path: Path) -> None:
    """One clear error, and the same command works when there is space."""
    count = operations(old, tmp_path)
    before = tree_of(old)
    for at in range(1, count - 12, max(1, count // 10)):
        left = at

        def refuse(op: files.Op) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise OSError(28, "No space left on device")

        with files.observing(refuse), pytest.raises(StoreError, match="No space left"):
            migrate_store(old)
        assert tree_of(old) == before

    assert migrate_store(old).ok


def test_bad_rows_are_listed_up_to_a_bound_and_counted_in_full() -> None:
    """A report of a million bad rows is small and has correct counts."""
    report = FileReport("x")
    for number in range(1, 5001):
        report.refuse(number, f"reason {number % 300}", "\ud800" * 5)
    report.refuse(5001, "many", count=1_000_000)

    assert report.bad == report.rows == sum(report.reasons.values()) == 1_005_000
    assert len(report.bad_rows) == 1000
    assert len(report.reasons) <= 201
    assert json.dumps(report.to_json()).isascii()
    assert report.adds_up


def test_columns_that_no_release_knew_are_kept(tmp_path: Path) -> None:
    """An extra column, of any type, goes into the JSON after the document."""
    store = tmp_path / "store"
    v1.write(store, [v1.tick(1, 0, "1")])
    (path,) = store.rglob("*.parquet")
    table = pq.read_table(path)
    pq.write_table(table.append_column("mood", pa.array([{"level": 3}])), path)

    assert migrate_store(store).ok

    (event,) = rows_of(store, "system_event")
    assert detail_of(event)["mood"] == {"level": 3}


VALUES = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.sampled_from(
        ["1.5", "NaN", "1e999", "{}", "[1]", "received", "BUY", b"\xff", Decimal("1e40")]
    ),
    st.sampled_from(
        ['{"roundId": [1], "amount": {}}', '{"rugged": 1, "tick": 1e99}', '{"price": "x"}']
    ),
    st.dictionaries(st.sampled_from(["rugged", "cash", "tick"]), st.text(max_size=3)).map(
        json.dumps
    ),
)


@given(
    kind=st.sampled_from(v1.KINDS),
    rows=st.lists(
        st.dictionaries(st.sampled_from([*v1.COLUMNS.names, "mood"]), VALUES, max_size=8),
        min_size=1,
        max_size=5,
    ),
)
def test_rows_of_any_values_are_documents_or_reported(
    kind: str, rows: list[dict[str, Any]]
) -> None:
    """For any row of 1.0.0 nothing raises, and it is a document or reported."""
    mapped = map_rows(kind, rows)
    names = match_names(mapped.doc_type, mapped.table.column_names)
    numbers = np.arange(1, len(rows) + 1)

    made = conform(mapped.table, mapped.doc_type, names, EnvelopeDefaults("ids", "venue"), numbers)

    assert made.table.num_rows + len(made.bad) == len(rows) == len(mapped.rest) == len(mapped.seq)
    for text in mapped.rest:
        assert text is None or isinstance(json.loads(text), dict)
