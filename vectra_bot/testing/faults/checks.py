"""What must be true of a store after a crash, before and after its recovery."""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from attrs import define, field, frozen

from vectra_bot.errors import VectraError
from vectra_bot.journal import Entry, Journal, journal_directory, list_segments
from vectra_bot.models import DocType
from vectra_bot.session.recovery.killed import recover_session, recover_store
from vectra_bot.store.maintenance.sessions import list_sessions, repair_store, was_closed
from vectra_bot.store.parquet.manifest import part_folder, read_manifest, unlisted_files
from vectra_bot.testing.faults.scenarios import Promises

# A recovery opens a new segment for a few entries: thousands at full size would be filled with zeros.
SMALL_SEGMENT = 1 << 16

# In this process, where faults are injected.
_recover = partial(
    recover_session,
    resume=partial(Journal.resume, segment_bytes=SMALL_SEGMENT, sync_interval_s=0),
)

Recover = Callable[[Path], Any]


def rows_of(entry: Entry) -> str | None:
    """Return the doc type of the row that *entry* becomes, None if there is none."""
    if entry.kind == "frame":
        return DocType.WS_EVENT.value
    if entry.kind == "doc":
        return str(entry.data["doc_type"])
    return None


@frozen
class Content:
    """The content of a Parquet file: its rows' numbers, those that differ, or why it cannot be read."""

    wrong: str = ""
    seqs: tuple[int, ...] = ()
    differing: frozenset[int] = frozenset()


@define
class PartReader:
    """Reads Parquet files, each content once, and compares them with those of an undisturbed run."""

    expected: dict[tuple[str, str], pa.Table] = field(factory=dict)
    _seen: dict[bytes, Content] = field(factory=dict)

    def learn(self, root: Path) -> None:
        """Use the rows of an undisturbed store as the expected ones."""
        for folder in sorted(root.glob("doc_type=*/session_id=*")):
            tables = [pq.ParquetFile(path).read() for path in sorted(folder.glob("*.parquet"))]
            if tables:
                self.expected[_key(folder)] = pa.concat_tables(tables)

    def read(self, path: Path) -> Content:
        """Return the content of a file."""
        data = path.read_bytes()
        digest = hashlib.blake2b(data, key=str(path.parent).encode()[-60:]).digest()
        if digest not in self._seen:
            self._seen[digest] = self._judge(data, path.parent)
        return self._seen[digest]

    def _judge(self, data: bytes, folder: Path) -> Content:
        try:
            source = pa.BufferReader(data)
            table = pq.ParquetFile(source, page_checksum_verification=True).read()
        except (pa.ArrowException, OSError) as error:
            return Content(wrong=f"unreadable: {error}")
        seqs = tuple(table.column("seq").to_pylist())
        whole = self.expected.get(_key(folder))
        if whole is None or not seqs:
            return Content(seqs=seqs)
        mine, theirs = _within(table, whole), _within(whole, table)
        if mine.cast(theirs.schema).equals(theirs):
            return Content(seqs=seqs)
        pairs = zip(mine.to_pylist(), theirs.to_pylist(), strict=False)
        return Content(seqs=seqs, differing=frozenset(a["seq"] for a, b in pairs if a != b))


def _within(table: pa.Table, other: pa.Table) -> pa.Table:
    """Return the rows of *table* whose numbers *other* has too."""
    return table.filter(pc.is_in(table["seq"], value_set=other["seq"].combine_chunks()))


def _key(folder: Path) -> tuple[str, str]:
    return folder.parent.name.removeprefix("doc_type="), folder.name.removeprefix("session_id=")


class Complaints(logging.Handler):
    """Keeps the last warning or error that the SDK logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.last = [*self.last[-3:], record.getMessage()]


COMPLAINTS = Complaints()


def recover(root: Path) -> Any:
    """Recover a store as the start of the next session does."""
    COMPLAINTS.last = []
    logger = logging.getLogger("vectra_bot")
    logger.addHandler(COMPLAINTS)
    try:
        return recover_store(root, recover=_recover)
    finally:
        logger.removeHandler(COMPLAINTS)


@define
class Checker:
    """Checks a crashed store against the promises made to its writer."""

    reader: PartReader
    recover: Recover = recover
    strict: frozenset[str] = frozenset({"split"})
    problems: list[str] = field(factory=list)
    counts: Counter[str] = field(factory=Counter)

    def check(
        self, root: Path, known: dict[str, Promises], *, promised: str = "durable"
    ) -> list[str]:
        """Return what is wrong with the store in *root*: after the crash, and after its recovery.

        *promised* names what must not be lost: ``durable`` (flushed to disk: after a power failure) or
        ``taken`` (the append had returned: after a kill).
        """
        self.problems = []
        self._visible(root, known)
        before = {name: self._journal(root, name, known[name], promised) for name in known}
        try:
            self.recover(root)
        except Exception as error:  # noqa: BLE001 - any exception is a finding
            self._bad("lost", f"recovery raised {type(error).__name__}: {error}")
            return self.problems
        self._recovered(root, known, before)
        return self.problems

    def _bad(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        self.problems.append(f"{kind}: {text}")

    def _visible(self, root: Path, known: dict[str, Promises]) -> None:
        """Check that files found by a glob are complete, and that rows are in one file and not invented."""
        for path in sorted(root.rglob("*.parquet")):
            if wrong := self.reader.read(path).wrong:
                self._bad("torn", f"{path.relative_to(root)} {wrong}")
        for folder in sorted(root.glob("doc_type=*/session_id=*")):
            where = folder.relative_to(root)
            contents = [self.reader.read(path) for path in _files(folder)]
            seqs = Counter(seq for content in contents for seq in content.seqs)
            if twice := [seq for seq, times in seqs.items() if times > 1]:
                self._bad("twice", f"{where} rows {twice[:5]}")
            kind, session = _key(folder)
            if session in known and "recovering" not in known[session].states:
                right = {e.seq for e in known[session].entries if rows_of(e) == kind}
                invented = (set(seqs) - right).union(*(content.differing for content in contents))
                if invented:
                    self._bad("invented", f"{where} rows {sorted(invented)[:5]}")

    def _journal(self, root: Path, name: str, known: Promises, promised: str) -> list[Entry]:
        """Return the entries of a session's journal, which must be a prefix of what was appended."""
        directory = journal_directory(root, name)
        must = getattr(known, promised) if "dropping" not in known.states else 0
        try:
            there = directory.is_dir() and list_segments(directory)
            entries = list(Journal.open(directory)) if there else []
        except VectraError as error:
            # A session that was never acknowledged may have no header yet.
            if must:
                self._bad("lost", f"journal {name}: {error}")
            return []
        same = common(entries, known.entries)
        beyond = entries[same:]
        if "recovering" not in known.states and beyond:
            closed = "closing" in known.states and same == len(known.entries)
            if not closed or [entry.kind for entry in beyond] != ["close"]:
                self._bad("changed", f"journal {name}, entry {same} is {str(beyond[0])[:120]}")
        if same < must:
            self._bad("lost", f"journal {name} has {same} of {must} promised entries")
        if same < len(known.entries) and same not in known.starts and "split" in self.strict:
            self._bad("split", f"journal {name} ends within a group, after {same} entries")
        return entries

    def _recovered(
        self, root: Path, known: dict[str, Promises], before: dict[str, list[Entry]]
    ) -> None:
        report = repair_store(root)
        if report.failed or report.unfinished:
            self._bad(
                "lost", f"not repaired: {report.failed} {report.unfinished} {COMPLAINTS.last}"
            )
        first = _listing(root)
        self.recover(root)
        if (second := _listing(root)) != first:
            changed = sorted(set(first.items()) ^ set(second.items()))[:4]
            self._bad("not idempotent", f"a second recovery changed {changed}")
        self._visible(root, {})
        standing = set(list_sessions(root))
        for name, entries in before.items():
            if name in standing:
                self._session(root, name, entries, known[name])
                if "dropped" in known[name].states:
                    self._bad("undead", f"session {name} was dropped and is there")
            else:
                self._gone(root, name, known[name])

    def _gone(self, root: Path, name: str, known: Promises) -> None:
        if "created" in known.states and "dropping" not in known.states:
            self._bad("lost", f"session {name} is gone")
        left = [path for path in root.rglob(f"*{name}*") if path.name != f"session_id={name}"]
        left += list(root.glob(f"doc_type=*/session_id={name}/*"))
        if left and "dropping" in known.states:
            self._bad("undead", f"dropped session {name} still has {left[0].relative_to(root)}")

    def _session(self, root: Path, name: str, before: list[Entry], known: Promises) -> None:
        """Check that a recovered session has its journal's entries, is closed, and has every row once."""
        directory = journal_directory(root, name)
        try:
            entries = list(Journal.open(directory))
        except VectraError as error:
            self._bad("lost", f"journal {name} after its recovery: {error}")
            return
        if common(entries, before) < len(before):
            self._bad("changed", f"journal {name} lost entries by its recovery")
        seqs = [entry.seq for entry in entries]
        if any(a >= b for a, b in itertools.pairwise(seqs)):
            self._bad("changed", f"journal {name} has entries out of order: {seqs[-6:]}")
        if before and not was_closed(directory):
            self._bad("lost", f"session {name} was not closed by its recovery")
        ours = {entry.seq for entry in known.entries[: common(entries, known.entries)]}
        for doc_type in DocType:
            right = [entry.seq for entry in entries if rows_of(entry) == doc_type.value]
            folder = part_folder(root, doc_type, name)
            contents = [self.reader.read(path) for path in _files(folder)]
            found = [seq for content in contents for seq in content.seqs]
            if sorted(found) != right:
                self._bad("lost", f"{doc_type.value} of {name}: rows {_difference(found, right)}")
            changed = [seq for content in contents for seq in content.differing if seq in ours]
            if changed:
                self._bad("changed", f"{doc_type.value} of {name}: rows {changed[:5]}")
            self._manifest(root, folder)

    def _manifest(self, root: Path, folder: Path) -> None:
        try:
            parts = read_manifest(folder)
        except VectraError as error:
            self._bad("manifest", str(error))
            return
        for part in parts:
            path = root / part.path
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "nothing"
            if digest != part.sha256:
                self._bad("manifest", f"{part.path} differs from its manifest")
        if unlisted := unlisted_files(folder):
            self._bad(
                "manifest",
                f"{folder.relative_to(root)} does not list {[path.name for path in unlisted]}",
            )


def _files(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.glob("*.parquet")))


def common(one: list[Entry], other: list[Entry]) -> int:
    """Return the length of the common prefix."""
    if one == other[: len(one)]:
        return len(one)
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if not a == b), min(len(one), len(other)))  # noqa: SIM201


def _difference(found: list[int], right: list[int]) -> str:
    one, other = Counter(found), Counter(right)
    return f"missing {sorted((other - one).elements())[:5]}, too many {sorted((one - other).elements())[:5]}"


def _listing(root: Path) -> dict[str, tuple[int, ...]]:
    """Return names, inodes, sizes and times: any rewrite changes one of them."""
    found: dict[str, tuple[int, ...]] = {}
    for path in root.rglob("*"):
        status = path.stat()
        is_file = path.is_file()
        found[path.relative_to(root).as_posix()] = (
            status.st_ino,
            status.st_size if is_file else 0,
            status.st_mtime_ns if is_file else 0,
        )
    return found
