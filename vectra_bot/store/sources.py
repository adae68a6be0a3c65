"""The files of a local store as a query may read them: by manifest, checked, damaged ones left out.

Each file that a manifest lists must have the listed size and CRC32. A file without a line (a crash came
between its name and its line, or it was written by something else) is read once as a whole with its page
checksums. What fails is left out and named, with the range of rows that it held; the rest is queried.

A folder is looked at through one open directory and must still be that directory afterwards: compaction
exchanges folders in one step, so what is seen is the old folder or the new one, never a mix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from vectra_bot.errors import StoreError
from vectra_bot.models import DocType
from vectra_bot.store.folder import SUFFIX, Folder, folders_in
from vectra_bot.store.parquet.manifest import MANIFEST, Part, decode_lines
from vectra_bot.store.parquet.schema import check_version
from vectra_bot.store.soundness import Contents, contents_of, crc32_of

if TYPE_CHECKING:
    import duckdb

ATTEMPTS: Final = 10
"""How often something is looked at again because it was exchanged meanwhile."""


@attrs.frozen
class Damaged:
    """Rows that a query does not see.

    Attributes:
        path: the file, or the folder whose list is damaged, relative to the store.
        first_seq, last_seq: range of the rows, -1 if unknown.
        rows: how many, -1 if unknown.
        reason: what is wrong.
    """

    doc_type: DocType
    session_id: str
    path: str
    reason: str
    first_seq: int = -1
    last_seq: int = -1
    rows: int = -1

    def __str__(self) -> str:
        held = "how many rows it holds is unknown"
        if self.rows >= 0:
            held = f"{self.rows} rows"
        if self.first_seq >= 0:
            held += f", seq {self.first_seq} to {self.last_seq}"
        return f"{self.path}: {self.reason} ({held})"


class Source(Protocol):
    """Where a catalog's rows come from: a local store, or one behind a URL."""

    @property
    def location(self) -> str:
        """The store's path or URL."""
        ...

    @property
    def roots(self) -> tuple[str, ...]:
        """How SQL may write the location."""
        ...

    @property
    def readable(self) -> tuple[str, ...]:
        """Folders that SQL may read files from by their names."""
        ...

    def prepare(self, connection: duckdb.DuckDBPyConnection, doc_types: Iterable[DocType]) -> None:
        """Make the views of *doc_types* show the store as it is now."""
        ...

    def damaged(self, doc_types: Iterable[DocType]) -> tuple[Damaged, ...]:
        """Return what the views of *doc_types*, prepared before, leave out."""
        ...

    def recover(self, error: Exception) -> bool:
        """Return whether the query that failed is worth another try after :meth:`prepare`."""
        ...

    def was_exchanged(self, doc_types: Iterable[DocType]) -> bool:
        """Return whether a file took the place of another since *doc_types* were prepared."""
        ...

    def sessions(self) -> tuple[str, ...]:
        """Return the ids of all sessions, sorted."""
        ...

    def sketches(self) -> Iterable[Mapping[str, Any]]:
        """Return the sketches of our actions' latencies, as the manifests have them, of every part."""
        ...

    def close(self) -> None:
        """Let go of what is held."""
        ...


@attrs.frozen
class StoreFile:
    """A sound Parquet file.

    Attributes:
        path: the file.
        session_id: of its folder, empty if the folder names none.
        state: inode, size and time.
        contents: what is in it, None if it is as the manifest says: of the present schema.
        data: its bytes, if they are held.
    """

    path: Path
    session_id: str
    state: tuple[int, ...]
    contents: Contents | None = None
    data: bytes | None = None


@attrs.define
class Holding:
    """The files of one kind of document: those to read, and what is left out."""

    files: list[StoreFile] = attrs.field(factory=list)
    damaged: list[Damaged] = attrs.field(factory=list)


class Reader:
    """Finds the files of a local store.

    What was checked once is not read again while size, time and inode of the file are the same.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lists: dict[Path, tuple[tuple[int, ...], list[Part]]] = {}

    def sessions(self) -> tuple[str, ...]:
        """Return the ids of all sessions that have a folder, sorted."""
        found = {
            name.partition("=")[2]
            for kind in DocType
            for name in folders_in(self.root / f"doc_type={kind.value}")
            if name.startswith("session_id=")
        }
        return tuple(sorted(found))

    def sketches(self, doc_type: DocType) -> tuple[list[dict[str, Any]], Holding]:
        """Return the sketches in the manifests of *doc_type*, and the files whose rows they lack.

        Of a folder that is not covered as a whole, all files are returned and no sketches.

        Raises:
            StoreError: as :meth:`holding`.
        """
        found: list[dict[str, Any]] = []
        rest = Holding()
        top = self.root / f"doc_type={doc_type.value}"
        for name in folders_in(top):
            stored = self._stored_sketches(top / name)
            if stored is not None:
                found += stored
            elif name.startswith("session_id="):
                self._add_session(rest, doc_type, top / name)
            else:
                self._add_foreign(rest, doc_type, (top / name).glob(f"**/*{SUFFIX}"))
        self._add_foreign(rest, doc_type, top.glob(f"*{SUFFIX}"))
        return found, rest

    def _stored_sketches(self, path: Path) -> list[dict[str, Any]] | None:
        """Return the sketches in a folder's manifest, None if they do not cover its files."""
        try:
            with Folder(path) as folder:
                names = folder.names()
                listed = self._manifest(folder)
        except (FileNotFoundError, StoreError):
            return None
        covered = {part.name for part in listed if part.sketches or not part.rows}
        return [part.sketches for part in listed if part.sketches] if names == covered else None

    def holding(self, doc_type: DocType, room: int = 0) -> Holding:
        """Return the files of *doc_type*, every one checked.

        Args:
            doc_type: the kind of document.
            room: how many bytes of files that a compaction may take away are to be held in memory.

        Raises:
            StoreError: a file's schema is newer than this program's, or a folder cannot be read.
        """
        top = self.root / f"doc_type={doc_type.value}"
        found = Holding()
        for name in folders_in(top):
            if name.startswith("session_id="):
                room -= self._add_session(found, doc_type, top / name, room)
            else:
                self._add_foreign(found, doc_type, (top / name).glob(f"**/*{SUFFIX}"))
        self._add_foreign(found, doc_type, top.glob(f"*{SUFFIX}"))
        return found

    def _add_session(self, found: Holding, doc_type: DocType, path: Path, room: int = 0) -> int:
        """Add a session's files; return how many bytes of them are held."""
        for _ in range(ATTEMPTS):
            try:
                with Folder(path) as folder:
                    seen = self._folder(doc_type, folder)
                    size = _size_at_risk(seen.files)
                    if 0 < size <= room:
                        seen.files = [_held(folder, file) for file in seen.files]
                    if folder.is_still_there():
                        found.files += seen.files
                        found.damaged += seen.damaged
                        return size if size <= room else 0
            except FileNotFoundError:
                if not path.exists():
                    return 0  # dropped
        raise StoreError(f"{path} is exchanged again and again: wait for the compaction to end")

    def _folder(self, doc_type: DocType, folder: Folder) -> Holding:
        """Return what one session's folder holds, seen through the open directory alone."""
        held = Holding()
        session_id = folder.path.name.partition("=")[2]
        # Names first: a part that appears meanwhile then stands in the list, if it stands anywhere.
        names = folder.names()
        relative = folder.path.relative_to(self.root).as_posix()
        try:
            listed = self._manifest(folder)
        except StoreError as error:
            listed = []
            reason = f"its list {MANIFEST} is damaged: files were read as a whole instead"
            held.damaged.append(Damaged(doc_type, session_id, relative, f"{reason} ({error})"))
        for part in listed:
            check_version(part.schema_version, part.path)
            state = folder.state(part.name)
            fault = _fault(folder, part, state)
            if fault is None and state is not None:
                held.files.append(StoreFile(folder.path / part.name, session_id, state))
            elif fault is not None:
                held.damaged.append(
                    Damaged(
                        doc_type, session_id, f"{relative}/{part.name}", fault,
                        part.first_seq, part.last_seq, part.rows,
                    )
                )  # fmt: skip
        taken = [(part.first_seq, part.last_seq) for part in listed if part.rows]
        others = sorted(names - {part.name for part in listed})
        self._add_unlisted(held, doc_type, folder, others, taken)
        return held

    def _add_unlisted(
        self,
        held: Holding,
        doc_type: DocType,
        folder: Folder,
        names: list[str],
        taken: list[tuple[int, int]],
    ) -> None:
        """Add files without a line in the list; rows that stand in another file are not added again."""
        session_id = folder.path.name.partition("=")[2]
        relative = folder.path.relative_to(self.root).as_posix()
        found = [(name, contents_of(folder.path / name, doc_type)) for name in names]
        # The largest first: what was merged into it is a leftover of a compaction.
        for name, contents in sorted(found, key=lambda pair: (-pair[1].rows, pair[0])):
            first, last = contents.first_seq, contents.last_seq
            fault = contents.fault
            if fault is None and any(first <= high and low <= last for low, high in taken):
                fault = "rows of its range stand in another file"
            if fault is None:
                if contents.rows and first >= 0:
                    taken.append((first, last))
                held.files.append(
                    StoreFile(folder.path / name, session_id, contents.state, contents)
                )
            else:
                held.damaged.append(
                    Damaged(
                        doc_type,
                        session_id,
                        f"{relative}/{name}",
                        fault,
                        first,
                        last,
                        contents.rows,
                    )
                )

    def _add_foreign(self, found: Holding, doc_type: DocType, paths: Iterable[Path]) -> None:
        for path in sorted(paths):
            contents = contents_of(path, doc_type)
            if contents.fault is None:
                found.files.append(StoreFile(path, "", contents.state, contents))
            elif path.exists():
                relative = path.relative_to(self.root).as_posix()
                found.damaged.append(
                    Damaged(doc_type, "", relative, contents.fault, rows=contents.rows)
                )

    def _manifest(self, folder: Folder) -> list[Part]:
        """Return the manifest's parts, decoded once while the file is the same."""
        state = folder.state(MANIFEST)
        if state is None:
            return []
        known = self._lists.get(folder.path)
        if known is not None and known[0] == state:
            return known[1]
        parts = decode_lines(folder.read(MANIFEST), folder.path / MANIFEST)
        self._lists[folder.path] = (state, parts)
        return parts


def _size_at_risk(files: list[StoreFile]) -> int:
    """Return the bytes of a folder's files, 0 if it is one file already or not all of this schema."""
    names = [file.path.name for file in files]
    if names == ["data.parquet"] or any(file.contents is not None for file in files):
        return 0
    return sum(file.state[1] for file in files)


def _held(folder: Folder, file: StoreFile) -> StoreFile:
    return attrs.evolve(file, data=folder.read(file.path.name))


def _fault(folder: Folder, part: Part, state: tuple[int, ...] | None) -> str | None:
    """Return what is wrong with a listed file, None if it is as listed."""
    if state is None:
        return "the file is missing"
    if state[1] != part.bytes:
        return f"the file has {state[1]} bytes instead of {part.bytes}"
    try:
        found = crc32_of(folder.path / part.name, state, folder.open(part.name))
    except OSError as error:
        return f"the file cannot be read: {error.strerror or error}"
    return None if found == part.crc32 else "its bytes are not those that were written (CRC32)"
