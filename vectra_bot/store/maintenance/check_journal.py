"""Checks of a session's journal: whether it can be read, and whether its parts agree with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from vectra_bot.errors import StoreError, VectraError
from vectra_bot.fsio import files
from vectra_bot.journal import (
    CORRUPT_SUFFIX,
    Segment,
    list_segments,
    never_began,
    parts_records,
    read_segment,
)
from vectra_bot.models import DocType
from vectra_bot.store.maintenance.check_parts import (
    COPIED,
    RECOVER,
    FolderCheck,
    Problem,
    numbers_of,
)
from vectra_bot.store.maintenance.sessions import copied_from
from vectra_bot.store.parquet.builder import doc_type_of
from vectra_bot.store.parquet.manifest import Part
from vectra_bot.store.parquet.segment_record import (
    SegmentRecord,
    manifest_path,
    read_segment_record,
)
from vectra_bot.store.tree import Tree

if TYPE_CHECKING:
    import numpy as np

SALVAGE: Final = "vectra-bot store recover --salvage"
RESTORE: Final = "restore the segments from a copy: the rows of the session are still in its files"
EMPTIED: Final = "restore the segments from a copy, or vectra-bot store drop the session"
FORGET: Final = "vectra-bot store recover --rebuild"
UNKNOWN: Final = "are in files, but not in the journal"


@define
class JournalCheck:
    """Result of checking a journal.

    Attributes:
        segments: segments it has.
        entries: entries that were read.
        clean: whether it was closed.
        salvaged: whether a repair dropped corrupt entries: its files may have more rows than it has.
        imported: whether its files have more rows than it has because they were imported.
    """

    session_id: str
    problems: list[Problem] = field(factory=list)
    segments: int = 0
    entries: int = 0
    last_seq: int = -1
    clean: bool = False
    imported: bool = False
    salvaged: bool = False
    _comparison: _Comparison | None = None

    @property
    def place(self) -> str:
        """The journal's folder, relative to the store."""
        return f"journals/{self.session_id}"

    def comparison(self, tree: Tree, folders: list[FolderCheck]) -> _Comparison:
        """Return the comparison of the session's parts with its journal."""
        if self._comparison is None:
            self._comparison = _Comparison(tree, folders, self)
        return self._comparison

    def note(
        self, kind: str, message: str, path: str, *, advice: str = RECOVER, **about: Any
    ) -> None:
        """Note a problem."""
        self.problems.append(Problem(kind, message, advice, self.session_id, path, **about))


def check_journal(
    tree: Tree, directory: Path, folders: list[FolderCheck], *, read: bool, running: bool
) -> JournalCheck:
    """Check the journal in *directory* and compare the session's parts with it.

    Args:
        tree: the store.
        directory: the session's journal.
        folders: results for the session's parts.
        read: compare every entry with the parts; else only the records written when they were built.
        running: the session is being written: its last segments may lack their parts.
    """
    check = JournalCheck(directory.name)
    try:
        segments = list_segments(directory)
        began = not never_began(directory)
    except PermissionError:
        raise  # not a gap
    except (VectraError, OSError) as error:
        check.note("journal_gap", _line(error), check.place, advice=SALVAGE)
        return check
    check.segments = len(segments)
    if named := copied_from(directory):
        message = f"{check.place} was copied or renamed: it is the journal of session {named!r}"
        check.note("session_copied", message, check.place, advice=COPIED)
        return check
    if lost := _lost_at_end(directory, segments):
        message = f"{check.place}: segments {lost[0]:06d} to {lost[-1]:06d} are missing at its end"
        check.note("journal_gap", message, check.place, advice=RESTORE)
        return check
    if not (began or running) and folders:
        message = (
            f"{check.place} has no entry, but the session has files: another program emptied it"
        )
        check.note("journal_damaged", message, check.place, advice=EMPTIED)
        return check
    if not running:
        _check_temporary(check, directory)
    check.salvaged = any(directory.glob(f"*{CORRUPT_SUFFIX}*"))
    if began and _check_segments(check, tree, directory, segments, folders, read=read):
        unbuilt = [s for s in segments if not _record_path(directory, s).exists()]
        if unbuilt and unbuilt[-1] is segments[-1] and not check.clean:
            unbuilt.pop()  # it is open
        if not running:
            _note_unfinished(check, unbuilt)
        if read and check.clean and not (running or unbuilt or check.imported or check.salvaged):
            check.comparison(tree, folders).rest()
    return check


def _lost_at_end(directory: Path, segments: list[Segment]) -> list[int]:
    """Return the last segments, if only the records of their parts are left."""
    last = segments[-1].number if segments else 0
    return [number for number in parts_records(directory) if number > last]


def _check_segments(
    check: JournalCheck,
    tree: Tree,
    directory: Path,
    segments: list[Segment],
    folders: list[FolderCheck],
    *,
    read: bool,
) -> bool:
    """Go through the segments; return whether all of them can be read."""
    closed = False
    for segment in segments:
        built = _record_path(directory, segment).exists()
        try:
            record = read_segment_record(directory, segment.number)
        except StoreError as error:
            path = f"{check.place}/{_record_path(directory, segment).name}"
            check.note("record_damaged", _line(error), path)
            record = None
        if read or segment is segments[-1]:
            comparison = check.comparison(tree, folders) if read else None
            if not _read(check, segment, comparison, built=built, last=segment is segments[-1]):
                return False
        if record is not None and not read:
            _check_listed(check, record, folders)
        closed = built
    # The record of the last segment is written after the journal was closed, even if its end was lost
    # later.
    check.clean = check.clean or closed
    return True


def _record_path(directory: Path, segment: Segment) -> Path:
    return manifest_path(directory, segment.number)


def _note_unfinished(check: JournalCheck, unbuilt: list[Segment]) -> None:
    for segment in unbuilt:
        path = f"{check.place}/{segment.path.name}"
        check.note("segment_unbuilt", f"{path} is closed and has no parts yet", path)
    if not check.clean:
        check.note(
            "session_unfinished",
            f"session {check.session_id!r} was killed after entry {check.last_seq}",
            check.place, first_seq=check.last_seq, last_seq=check.last_seq,
        )  # fmt: skip


def _check_listed(check: JournalCheck, record: SegmentRecord, folders: list[FolderCheck]) -> None:
    """Check that the manifests list what was built from a segment."""
    sound = {folder.doc_type: folder.sound for folder in folders}
    lost = {part.path for folder in folders for part in folder.lost}  # reported already
    for built in record.parts:
        listed = sound.get(built.doc_type, [])
        if built.rows and built.path not in lost and not any(_covers(p, built) for p in listed):
            check.note(
                "rows_missing",
                f"{built.rows} {built.doc_type.value} documents from {built.first_seq} to "
                f"{built.last_seq} are in no file listed in a manifest",
                built.path,
                doc_type=built.doc_type, first_seq=built.first_seq, last_seq=built.last_seq,
            )  # fmt: skip


def _covers(part: Part, built: Part) -> bool:
    if part.path == built.path:
        return part.rows == built.rows
    return part.first_seq <= built.first_seq and built.last_seq <= part.last_seq


def _check_temporary(check: JournalCheck, directory: Path) -> None:
    for path in sorted(directory.glob(f".*{files.TEMPORARY}")):
        name = f"{check.place}/{path.name}"
        check.note("temporary_left", f"{name} was left by a killed process", name)


def _read(
    check: JournalCheck,
    segment: Segment,
    comparison: _Comparison | None,
    *,
    built: bool,
    last: bool,
) -> bool:
    """Read a segment and compare it with its parts; return whether the next one can be read."""
    expected: dict[DocType, list[int]] = {}
    gaps: list[tuple[int, int]] = []  # left by a repair of the journal
    reader = read_segment(segment, after_seq=check.last_seq)
    path = f"{check.place}/{segment.path.name}"
    try:
        for entry in reader:
            check.entries += 1
            if entry.seq > check.last_seq + 1:
                gaps.append((check.last_seq + 1, entry.seq - 1))
            check.last_seq = entry.seq
            if entry.kind == "header":
                check.imported = "import" in entry.data["header"]
            doc_type = doc_type_of(entry) if comparison is not None and built else None
            if doc_type is not None:
                expected.setdefault(doc_type, []).append(entry.seq)
        if reader.last_seq > check.last_seq:  # the end of the segment was lost
            gaps.append((check.last_seq + 1, reader.last_seq))
            check.last_seq = reader.last_seq
    except PermissionError:
        raise  # not corruption
    except (VectraError, OSError) as error:
        check.note(
            "journal_damaged", _line(error), path,
            advice=SALVAGE, first_seq=check.last_seq + 1, last_seq=-1,
        )  # fmt: skip
        return False
    if reader.torn and not last:
        message = f"{path}: {reader.torn_bytes} bytes after entry {check.last_seq} are not an entry"
        check.note("journal_damaged", message, path, advice=SALVAGE)
        return False
    check.clean = reader.clean
    if comparison is not None and not built:
        comparison.skip(check.last_seq)
    elif comparison is not None:
        comparison.segment(path, expected, gaps, check.last_seq)
    return True


class _Comparison:
    """Compares journal and parts side by side, with one segment's numbers in memory."""

    def __init__(self, tree: Tree, folders: list[FolderCheck], check: JournalCheck) -> None:
        self._check = check
        self._numbers = {folder.doc_type: _Numbers(tree, folder.sound) for folder in folders}
        self._lost = {folder.doc_type: folder.lost for folder in folders}

    def segment(
        self,
        path: str,
        expected: dict[DocType, list[int]],
        gaps: list[tuple[int, int]],
        last_seq: int,
    ) -> None:
        """Compare the documents of a segment with the rows up to its last entry.

        Rows in one of its *gaps* are valid: the journal lost their entries.
        """
        import numpy as np

        for doc_type in DocType:
            wanted = np.array(expected.get(doc_type, []), dtype=np.int64)
            numbers = self._numbers.get(doc_type)
            found = wanted[:0] if numbers is None else numbers.upto(last_seq)
            missing = np.setdiff1d(wanted, found)
            for part in self._lost.get(doc_type, ()):  # reported already, with its range
                missing = missing[(missing < part.first_seq) | (missing > part.last_seq)]
            self._note("rows_missing", "are in no file", path, doc_type, missing)
            if self._check.salvaged:
                continue
            extra = np.setdiff1d(found, wanted)
            for first, last in gaps:
                extra = extra[(extra < first) | (extra > last)]
            self._note("rows_unknown", UNKNOWN, path, doc_type, extra)

    def skip(self, last_seq: int) -> None:
        """Skip a segment whose parts a crash interrupted: they will be rebuilt."""
        for numbers in self._numbers.values():
            numbers.upto(last_seq)

    def rest(self) -> None:
        """Check for rows after the journal's last entry."""
        for doc_type, numbers in self._numbers.items():
            extra = numbers.upto(2**63 - 1)
            self._note("rows_unknown", UNKNOWN, "", doc_type, extra)

    def _note(
        self, kind: str, what: str, path: str, doc_type: DocType, numbers: np.ndarray
    ) -> None:
        if len(numbers):
            first, last = int(numbers[0]), int(numbers[-1])
            self._check.note(
                kind,
                f"{len(numbers)} {doc_type.value} documents from {first} to {last} {what}",
                path or self._check.place,
                advice=FORGET if kind == "rows_unknown" else RECOVER,
                doc_type=doc_type, first_seq=first, last_seq=last,
            )  # fmt: skip


class _Numbers:
    """The numbers of one kind of document over all its files, ascending."""

    def __init__(self, tree: Tree, parts: list[Part]) -> None:
        import numpy as np

        self._batches = self._read(tree, sorted(parts, key=lambda part: part.first_seq))
        self._rest = np.zeros(0, np.int64)

    @staticmethod
    def _read(tree: Tree, parts: list[Part]) -> Iterator[np.ndarray]:
        for part in parts:
            yield from numbers_of(tree, part)

    def upto(self, last_seq: int) -> np.ndarray:
        """Return the numbers up to *last_seq* that were not returned before."""
        import numpy as np

        taken = []
        while True:
            taken.append(self._rest[self._rest <= last_seq])
            self._rest = self._rest[self._rest > last_seq]
            if len(self._rest):
                break
            batch = next(self._batches, None)
            if batch is None:
                break
            self._rest = batch
        return np.concatenate(taken)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
