"""Compaction: many small parts become one file, and a crash in between costs and doubles nothing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from vectra_bot.models import DocType, Document, ServerState
from vectra_bot.store import compaction
from vectra_bot.store.catalog import open_store
from vectra_bot.store.compaction import MIN_PARTS, compact_session, finish_compaction
from vectra_bot.store.entry import Entry
from vectra_bot.store.journal import Journal, journal_directory
from vectra_bot.store.parquet import build_parts

HEADER = {"session_id": "S", "mode": "paper", "venue": "embedded"}


def make_session(store: Path, segments: int) -> Path:
    """Write a closed session whose journal has *segments* segments of one statement each."""
    directory = journal_directory(store, "S")
    journal = Journal.create(directory, HEADER, segment_bytes=1)
    for seq in range(1, segments):
        record = ServerState(
            cash=Decimal(seq),
            position_qty=Decimal(0),
            avg_cost=Decimal(0),
            total_invested=Decimal(0),
            cumulative_pnl=Decimal(0),
        )
        document = Document(
            doc_type=DocType.SERVER_STATE, record=record, ts_ns=seq, source="wire", game_id="g"
        )
        journal.append([Entry.of_document(seq, document)])
    journal.close("done")
    build_parts(directory, store)
    return directory


def statements(store: Path) -> list[tuple[int, Decimal]]:
    """Return what a plain glob over the folder reads."""
    glob = store / "doc_type=server_state" / "**" / "*.parquet"
    return duckdb.sql(f"SELECT seq, cash FROM '{glob}' ORDER BY seq, cash").fetchall()


def files_of(store: Path) -> list[str]:
    """Return the names of the part files."""
    return sorted(p.name for p in (store / "doc_type=server_state").rglob("*.parquet"))


def test_many_parts_become_one_with_the_same_rows(tmp_path: Path) -> None:
    """Merging changes files, never rows; doing it again changes nothing."""
    directory = make_session(tmp_path, MIN_PARTS + 3)
    before = statements(tmp_path)
    assert len(files_of(tmp_path)) >= MIN_PARTS

    (merged,) = compact_session(directory, tmp_path)
    assert files_of(tmp_path) == ["data.parquet"] == [merged.name]
    assert statements(tmp_path) == before
    assert compact_session(directory, tmp_path) == []
    assert build_parts(directory, tmp_path) == []
    assert statements(tmp_path) == before


def test_few_parts_are_left_alone(tmp_path: Path) -> None:
    """A short session keeps its parts."""
    directory = make_session(tmp_path, 4)
    before = files_of(tmp_path)

    assert compact_session(directory, tmp_path) == []
    assert files_of(tmp_path) == before


def crash_before_removal(patch: pytest.MonkeyPatch) -> None:
    """Die after the merged file has its name and before the parts are gone."""

    def die(parts: list[Path]) -> None:
        raise KeyboardInterrupt

    patch.setattr(compaction, "_remove", die)


def crash_before_the_name(patch: pytest.MonkeyPatch) -> None:
    """Die after the record was written and before the merged file has its name."""

    def die(self: Path, target: Path) -> Path:
        if target.name == compaction.COMPACTED:
            raise KeyboardInterrupt
        return real(self, target)

    real = Path.replace
    patch.setattr(Path, "replace", die)


@pytest.mark.parametrize("crash", [crash_before_removal, crash_before_the_name])
def test_a_crash_in_between_doubles_nothing(
    tmp_path: Path, crash: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """After a crash at either step the catalog reads each row once, and finishing cleans up."""
    directory = make_session(tmp_path, MIN_PARTS + 3)
    before = statements(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        crash(patch)
        with pytest.raises(KeyboardInterrupt):
            compact_session(directory, tmp_path)

    with open_store(tmp_path) as catalog:
        assert catalog.sql("SELECT seq, cash FROM server_state ORDER BY seq, cash").rows == before
    finish_compaction(directory, tmp_path)
    assert statements(tmp_path) == before
    compact_session(directory, tmp_path)
    assert files_of(tmp_path) == ["data.parquet"]
    assert statements(tmp_path) == before
