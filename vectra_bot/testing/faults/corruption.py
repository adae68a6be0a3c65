"""Corrupt files: a flipped bit or a truncation is detected by the SDK's readers, or has no effect."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from attrs import define, field

from vectra_bot.errors import VectraError
from vectra_bot.journal import Entry, Journal
from vectra_bot.models import DocType
from vectra_bot.store.parquet.builder import read_segment_record
from vectra_bot.store.query.catalog import Catalog
from vectra_bot.store.query.dataset import StoreDataset
from vectra_bot.store.query.whole import WHOLE
from vectra_bot.store.tree import Tree
from vectra_bot.testing.faults.processes import folder
from vectra_bot.testing.faults.scenarios import SmallSession, Step, compact

SILENT, EQUAL, REFUSED, SKIPPED, CUT = "silent", "equal", "refused", "skipped and named", "torn"


def _quiet(_step: Step) -> None:
    """Observe nothing."""


def make_store(root: Path, seed: int) -> None:
    """Write one session in parts, one compacted and one killed."""
    for name in ("parts", "compacted", "killed"):
        chance = random.Random(f"{name}:{seed}")
        session = SmallSession(root, name, chance, _quiet, 8192, actions=0.5)
        journal = session.begin()
        for _ in range(40):
            session.step(journal)
        if name == "killed":
            journal.sync()
            session.step(journal)
            journal.abandon()
            continue
        session.close(journal)
        if name == "compacted":
            compact(root, name)


READERS = ("new", "open", "scan")
"""Who reads the tables: a store opened after the corruption, one that was open before, and Arrow."""


@define
class Original:
    """What the readers returned before the corruption.

    Attributes:
        reader: one of :data:`READERS`.
    """

    root: Path
    reader: str = "new"
    journals: dict[str, tuple[list[Entry], bool]] = field(factory=dict)
    tables: dict[DocType, pa.Table] = field(factory=dict)
    panel: Any = None
    records: dict[Path, Any] = field(factory=dict)
    _open: Catalog | None = None

    def read(self) -> None:
        """Read everything."""
        for directory in sorted((self.root / "journals").iterdir()):
            reader = Journal.open(directory)
            entries = list(reader)
            self.journals[directory.name] = entries, reader.clean
            for path in directory.glob("*.parts.json"):
                self.records[path] = read_segment_record(directory, int(path.name[:6]))
        with self._catalog() as store:
            self.tables = {doc_type: _sorted(store.arrow(doc_type)) for doc_type in DocType}
            self.panel = store.latency_panel().rows

    def judge(self, path: Path) -> str:
        """Return how the readers handle the store when *path* is corrupt."""
        if path.name.endswith(".parts.json"):
            return self._record(path)
        if path.is_relative_to(self.root / "journals"):
            return self._journal(path.parent)
        return self._table(DocType(path.parent.parent.name.removeprefix("doc_type=")))

    @contextmanager
    def _catalog(self) -> Iterator[Catalog]:
        """Yield the store as the reader sees it."""

        def opened() -> Catalog:
            source = StoreDataset(Tree(self.root), 0 if self.reader == "scan" else WHOLE)
            return Catalog(str(self.root), source, lambda _: None)

        if self.reader == "open":
            self._open = self._open or opened()
            yield self._open
        else:
            with opened() as catalog:
                yield catalog

    def close(self) -> None:
        """Close the store that was open all the time."""
        if self._open is not None:
            self._open.close()

    def _record(self, path: Path) -> str:
        try:
            found = read_segment_record(path.parent, int(path.name[:6]))
        except VectraError:
            return REFUSED
        if found is None:
            return SKIPPED  # it is rebuilt from the journal
        return EQUAL if found == self.records[path] else SILENT

    def _journal(self, directory: Path) -> str:
        right, clean = self.journals[directory.name]
        try:
            reader = Journal.open(directory)
            entries = list(reader)
        except VectraError:
            return REFUSED
        if entries != right[: len(entries)]:
            return SILENT
        if len(entries) == len(right):
            return EQUAL if reader.clean == clean else SILENT
        return CUT if reader.torn or (clean and not reader.clean) else SILENT

    def _table(self, doc_type: DocType) -> str:
        with self._catalog() as store:
            try:
                table = _sorted(store.arrow(doc_type))
                panel = store.latency_panel().rows
                damaged = [c for c in store.corrupt if c.doc_type is not None]
            except VectraError:
                return REFUSED
        right = self.tables[doc_type]
        if table.equals(right):
            same_panel = doc_type is not DocType.PLAYER_ACTION or panel == self.panel
            return EQUAL if same_panel or damaged else SILENT
        if not damaged:
            return SILENT
        ours = pc.binary_join_element_wise(
            right["session_id"].cast(pa.string()), right["seq"].cast(pa.string()), ":"
        )
        left = pc.binary_join_element_wise(
            table["session_id"].cast(pa.string()), table["seq"].cast(pa.string()), ":"
        )
        kept = right.filter(pc.is_in(ours, value_set=left.combine_chunks()))
        return SKIPPED if table.equals(kept) else SILENT


def _sorted(table: pa.Table) -> pa.Table:
    return table.sort_by([("session_id", "ascending"), ("seq", "ascending")]).combine_chunks()


def run(
    flips: int, cuts: int, seed: int, only: str | None = None, *, frames: int | None = None
) -> dict[str, Any]:
    """Corrupt one file at a time, and count how the readers handle it.

    Args:
        flips: number of bit flips at random places.
        cuts: number of truncations at random places.
        seed: seed of the places.
        only: run one case, as named in ``failures``.
        frames: number of bit flips in footers of Parquet files and in headers of their pages, each; a tenth
            of *flips* if None.
    """
    found: Counter[str] = Counter()
    by_file: dict[str, Counter[str]] = {}
    failures: list[str] = []
    with folder() as name:
        root = name / "store"
        make_store(root, seed)
        original = Original(root)
        original.read()
        paths = sorted(path for path in root.rglob("*") if path.is_file() and path.stat().st_size)
        kinds = [
            [p for p in paths if kind_of(p) == kind] for kind in sorted(set(map(kind_of, paths)))
        ]
        tables = [path for path in paths if path.suffix == ".parquet"]
        framed = flips // 10 if frames is None else frames
        ways = {"flip": flips, "cut": cuts, "footer": framed, "header": framed}
        for way, number in [(way, n) for way, count in ways.items() for n in range(count)]:
            if only is not None and only != f"{way}:{number}":
                continue
            chance = random.Random(f"{seed}:{way}:{number}")
            # Some kinds have few files: each kind gets its share.
            path = chance.choice(chance.choice(kinds) if chance.random() < 0.5 else paths)
            if way in ("footer", "header"):
                path = chance.choice(tables)
            whole = path.read_bytes()
            at = place_of(whole, way, chance)
            original.reader = READERS[number % len(READERS)]
            path.write_bytes(corrupted(whole, way, at, chance))
            verdict = original.judge(path)
            path.write_bytes(whole)
            found[verdict] += 1
            by_file.setdefault(kind_of(path), Counter())[verdict] += 1
            if verdict == SILENT:
                failures.append(f"--only {way}:{number}: byte {at} of {path.relative_to(root)}")
        original.close()
    return {
        "flips": flips,
        "cuts": cuts,
        "footers": framed,
        "headers": framed,
        "verdicts": dict(found),
        "by_file": {kind: dict(counts) for kind, counts in sorted(by_file.items())},
        "silent": found[SILENT],
        "failures": failures[:20],
        "over_goal": ["silent"] if found[SILENT] else [],
    }


def place_of(whole: bytes, way: str, chance: random.Random) -> int:
    """Return the byte to corrupt."""
    if way in ("flip", "cut"):
        return chance.randrange(len(whole))
    length = int.from_bytes(whole[-8:-4], "little") + 8
    if way == "footer":
        return chance.randrange(len(whole) - length, len(whole))
    metadata = pq.ParquetFile(pa.BufferReader(whole)).metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    starts = [chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks]
    # No header is shorter; an empty file has none.
    return chance.choice(starts) + chance.randrange(16) if starts else chance.randrange(len(whole))


def corrupted(whole: bytes, way: str, at: int, chance: random.Random) -> bytes:
    """Return *whole* with one bit flipped, or truncated, at byte *at*."""
    if way == "cut":
        return whole[:at]
    changed = bytearray(whole)
    changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed)


def kind_of(path: Path) -> str:
    if path.parent.parent.name == "journals":
        state = "killed" if path.parent.name == "killed" else "closed"
        return f"{state} journal {''.join(path.suffixes)}"
    return (
        "compacted"
        if path.name == "data.parquet"
        else path.name
        if path.suffix == ".jsonl"
        else "part"
    )
