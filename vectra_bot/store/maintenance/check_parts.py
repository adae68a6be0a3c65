"""Checks of a folder of parts against its manifest: its files, their bytes, and their rows."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import attrs
from attrs import define, field

from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.models import DocType
from vectra_bot.store.maintenance.foreign import FOREIGN, Skipped, others
from vectra_bot.store.parquet.manifest import MANIFEST, Part, decode_lines, is_part_file
from vectra_bot.store.tree import Tree, range_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow.parquet as pq

RECOVER: Final = "vectra-bot store recover"
COPIED: Final = (
    "move the folder out of the store, or back to its own name, then vectra-bot store check"
)
_CHUNK: Final = 1 << 20
_WINDOW: Final = 1 << 20


@attrs.frozen
class Problem:
    """One problem.

    Attributes:
        kind: a code for programs, see :data:`vectra_bot.store.maintenance.check.KINDS`.
        message: what is wrong.
        advice: what to do.
        session_id: its session, empty if none.
        path: the file or folder, relative to the store.
        doc_type: the kind of document, if it concerns one.
        first_seq, last_seq: range of rows or entries, -1 if unknown or none.
    """

    kind: str
    message: str
    advice: str
    session_id: str = ""
    path: str = ""
    doc_type: DocType | None = None
    first_seq: int = -1
    last_seq: int = -1

    def to_json(self) -> dict[str, Any]:
        """Return the problem as JSON-ready data."""
        return {**attrs.asdict(self), "doc_type": self.doc_type and self.doc_type.value}


class SeenNumbers:
    """The set of numbers seen so far, one bit each, so that memory stays small for any session."""

    def __init__(self) -> None:
        self._windows: dict[int, Any] = {}

    def add(self, numbers: np.ndarray) -> np.ndarray:
        """Add *numbers*, ascending and distinct, and return those that were seen before."""
        import numpy as np

        again = []
        windows = numbers // _WINDOW
        for window in np.unique(windows):
            inside = numbers[windows == window]
            places = inside - window * _WINDOW
            packed = self._windows.get(int(window))
            bits = np.zeros(_WINDOW, bool) if packed is None else np.unpackbits(packed).view(bool)
            again.append(inside[bits[places]])
            bits[places] = True
            self._windows[int(window)] = np.packbits(bits)
        return np.concatenate(again) if again else numbers[:0]


@define
class FolderCheck:
    """Result of checking one folder.

    Attributes:
        sound: parts whose rows can be read.
        lost: parts whose rows cannot.
        skipped: what is not the store's.
    """

    session_id: str
    doc_type: DocType
    problems: list[Problem] = field(factory=list)
    sound: list[Part] = field(factory=list)
    lost: list[Part] = field(factory=list)
    skipped: list[Skipped] = field(factory=list)
    bytes_read: int = 0

    @property
    def folder(self) -> str:
        """Path of the folder, relative to the store."""
        return f"doc_type={self.doc_type.value}/session_id={self.session_id}"

    def note(self, kind: str, message: str, *, path: str = "", part: Part | None = None) -> None:
        """Record a problem that ``store recover`` can fix."""
        first, last = (-1, -1) if part is None else (part.first_seq, part.last_seq)
        self.problems.append(
            Problem(
                kind, message, RECOVER, self.session_id, path or self.folder, self.doc_type, first, last
            )
        )  # fmt: skip

    def note_copy(self, why: str, part: Part | None = None) -> None:
        """Record that the folder or a file in it is another session's; which one is meant is unknown."""
        path = self.folder if part is None else part.path
        first, last = (-1, -1) if part is None else (part.first_seq, part.last_seq)
        self.problems.append(
            Problem(
                "session_copied",
                f"{path} was copied or renamed: {why}; queries skip it",
                COPIED, self.session_id, path, self.doc_type, first, last,
            )
        )  # fmt: skip


def check_folder(
    tree: Tree,
    session_id: str,
    doc_type: DocType,
    *,
    quick: bool,
    running: bool,
    seen: SeenNumbers,
) -> FolderCheck:
    """Check the parts of one kind of document of a session.

    Args:
        tree: the store.
        session_id: whose folder.
        doc_type: which folder.
        quick: sizes and footers only; nothing is hashed and no row is read.
        running: the session is being written: a file that is not in the manifest yet is not a problem.
        seen: the numbers of the session's documents of other kinds; the numbers of this folder are added.
    """
    check = FolderCheck(session_id, doc_type)
    names = tree.names(check.folder)
    listed = _listed(tree, check, names)
    copied = next(
        (p for p in listed or () if (p.folder, p.doc_type) != (check.folder, doc_type)), None
    )
    if copied is not None:
        check.note_copy(f"its manifest is that of {copied.folder}")
        return check
    for part in listed or ():
        name = part.name
        if name not in names:
            check.lost.append(part)
            check.note("part_missing", f"{part.path} is missing", path=part.path, part=part)
        elif check_part(tree, check, part, quick=quick):
            check.sound.append(part)
        else:
            check.lost.append(part)
    _check_overlap(check)
    check.skipped += others(tree, check.folder)
    known = None if listed is None else {part.name for part in listed}
    _check_unlisted(check, names, known, running=running)
    if not quick:
        for part in sorted(check.sound, key=lambda part: part.first_seq):
            _check_rows(tree, check, part, seen)
    return check


def _listed(tree: Tree, check: FolderCheck, names: list[str]) -> list[Part] | None:
    """Return what the manifest lists, None if it is missing or cannot be read."""
    path = f"{check.folder}/{MANIFEST}"
    if MANIFEST not in names:
        if any(name.endswith(".parquet") for name in names):
            check.note(
                "manifest_missing", f"{path} is missing: the content of the files is unknown"
            )
        return None
    data = tree.read(path)
    try:
        return decode_lines(data, path)
    except StoreError as error:
        check.note("manifest_damaged", _line(error), path=path)
        return None


def _check_unlisted(
    check: FolderCheck, names: list[str], listed: set[str] | None, *, running: bool
) -> None:
    """Report files that the manifest does not list; *listed* is None if it is missing or corrupt."""
    for name in names:
        path = f"{check.folder}/{name}"
        if name in (listed or ()):
            continue
        if not is_part_file(name):
            check.skipped.append(Skipped(path, FOREIGN))
        elif running:
            continue
        elif name.endswith(files.TEMPORARY):
            check.note("temporary_left", f"{path} was left by a killed process", path=path)
        elif listed is not None and name != MANIFEST:
            check.note("part_unlisted", f"{path} is in no manifest", path=path)


def _check_overlap(check: FolderCheck) -> None:
    """Two parts of one kind never share numbers: their ranges must not overlap."""
    last: Part | None = None
    for part in sorted((p for p in check.sound if p.rows), key=lambda part: part.first_seq):
        if last is not None and part.first_seq <= last.last_seq:
            check.note(
                "rows_overlap",
                f"{part.path} and {last.path} both have rows {part.first_seq} to "
                f"{min(part.last_seq, last.last_seq)}",
                path=part.path,
                part=part,
            )
        if last is None or part.last_seq > last.last_seq:
            last = part


def check_part(tree: Tree, check: FolderCheck, part: Part, *, quick: bool) -> bool:
    """Compare one file with its line of the manifest; return whether its rows can be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with tree.open(part.path) as file, tree.asking(part.path):
            size = file.size()
            differs = f"has {size} bytes, expected {part.bytes}"
            if size == part.bytes:
                differs = "" if quick else _hash_difference(check, file, part)
            if not differs:
                file.seek(0)
                differs = _footer_difference(pq.ParquetFile(file), part)
    except PermissionError:
        raise  # not corruption
    except (pa.ArrowException, OSError) as error:
        differs = f"cannot be read: {_line(error)}"
    if differs:
        check.note("part_damaged", f"{part.path} {differs}", path=part.path, part=part)
    return not differs


def _hash_difference(check: FolderCheck, file: Any, part: Part) -> str:
    crc, sha = 0, hashlib.sha256()
    while data := file.read(_CHUNK):
        crc = zlib.crc32(data, crc)
        sha.update(data)
        check.bytes_read += len(data)
    if sha.hexdigest() != part.sha256:
        return f"has SHA-256 {sha.hexdigest()[:16]}..., expected {part.sha256[:16]}..."
    if part.crc32 >= 0 and crc != part.crc32:
        return f"has CRC {crc:08x}, expected {part.crc32:08x}"
    return ""


def _footer_difference(parquet: pq.ParquetFile, part: Part) -> str:
    metadata = parquet.metadata
    if metadata.num_rows != part.rows:
        return f"has {metadata.num_rows} rows, expected {part.rows}"
    about = metadata.metadata or {}
    version = about.get(b"vectra.schema_version", b"").decode(errors="replace")
    if version != part.schema_version:
        return f"has schema {version or 'unknown'}, expected {part.schema_version}"
    kind = about.get(b"vectra.doc_type", b"").decode(errors="replace")
    if kind != part.doc_type.value:
        return f"has {kind or 'unknown'} documents, expected {part.doc_type.value}"
    found = range_of(metadata, "seq")
    if found is not None and found != (part.first_seq, part.last_seq):
        return f"has rows {found[0]} to {found[1]}, expected {part.first_seq} to {part.last_seq}"
    return ""


def numbers_of(tree: Tree, part: Part) -> Iterator[np.ndarray]:
    """Yield the numbers of a part's rows in batches."""
    import pyarrow.parquet as pq

    with tree.open(part.path) as file:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=_WINDOW, columns=["seq"]):
            yield batch.column(0).to_numpy()


def sessions_in(tree: Tree, part: Part) -> set[str]:
    """Return the sessions that a part's rows name."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with tree.open(part.path) as file:
        table = pq.ParquetFile(file).read(columns=["session_id"])
    return set(map(str, pc.unique(table.column(0)).to_pylist()))


def _check_rows(tree: Tree, check: FolderCheck, part: Part, seen: SeenNumbers) -> None:
    """Check for numbers out of order, and for numbers that other rows have."""
    before = -1
    again: list[int] = []
    if others := sessions_in(tree, part) - {check.session_id}:
        check.note_copy(f"its rows are of session {min(others)!r}", part)
        return
    for numbers in numbers_of(tree, part):
        if len(numbers) == 0:
            continue
        if numbers[0] <= before or (numbers[1:] <= numbers[:-1]).any():
            check.note(
                "rows_unordered",
                f"the rows of {part.path} are not in ascending order: one is duplicate or misplaced",
                path=part.path,
                part=part,
            )
            return
        before = int(numbers[-1])
        again += [int(n) for n in seen.add(numbers)]
    if again:
        check.problems.append(
            Problem(
                "rows_twice",
                f"{len(again)} rows of {part.path} have numbers that other rows of the session have",
                RECOVER, check.session_id, part.path, check.doc_type, min(again), max(again),
            )
        )  # fmt: skip


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
