"""The files of a store as a query sees them when it begins, by their manifests.

Changed manifests are re-read, and listed files must exist in their size. A file without a manifest line is
inspected, and is read if its rows are in no other file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from vectra_bot.errors import StoreError
from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import MANIFEST, Part, decode_lines
from vectra_bot.store.parquet.schema import check_version
from vectra_bot.store.query.integrity import FileChecks, StoreFile
from vectra_bot.store.query.results import CorruptFile
from vectra_bot.store.query.unlisted import (
    Contents,
    cast_fault,
    contents_of,
    is_rows,
    outside_files,
)
from vectra_bot.store.tree import CHANGED, FileState, Tree, attempts

SESSION: Final = "session_id="


@attrs.define
class Kind:
    """Files of one kind of document in a query.

    Attributes:
        whole: whether every byte of all files was verified, and DuckDB reads them itself.
        alike: whether all of these files have the same columns.
    """

    files: list[StoreFile] = attrs.field(factory=list)
    corrupt: list[CorruptFile] = attrs.field(factory=list)
    whole: bool = False
    alike: bool = True


class Listing:
    """Finds the files of a store.

    Args:
        tree: the files.
        checks: which of them are corrupt.
        dataset: returns a dataset of files of a kind in a schema, to convert odd columns.

    Attributes:
        contents: of the files without a manifest line, read once while they are unchanged.
    """

    def __init__(
        self,
        tree: Tree,
        checks: FileChecks,
        dataset: Callable[[DocType, list[StoreFile], Any], Any],
    ) -> None:
        self._tree = tree
        self._checks = checks
        self._dataset = dataset
        self._manifests: dict[str, tuple[FileState, list[Part]]] = {}
        self.contents: dict[tuple[str, FileState], Contents] = {}

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in *folder*."""
        return self._tree.names(folder, directories=True)

    def settled(self, doc_type: DocType) -> Kind:
        """Return the present files of *doc_type*."""
        top = f"doc_type={doc_type.value}"
        self._tree.look_again(top)
        found = Kind()
        wanted = [name for name in self.folders(top) if name.startswith(SESSION)]

        def look(name: str) -> Kind:
            return self._session(doc_type, f"{top}/{name}")

        for kind in self._tree.each(look, wanted):
            found.files += kind.files
            found.corrupt += kind.corrupt
        if not self._tree.is_remote:
            own = frozenset(file.session_id for file in found.files if file.rows)
            for pair in outside_files(self._tree, top):
                days = pair[0].startswith(f"{top}/date=")  # the folders of schema 1.0.0
                self._add_unlisted(found, doc_type, pair, "", [], own=frozenset() if days else own)
        return found

    def _session(self, doc_type: DocType, folder: str) -> Kind:
        """Return the content of a session's folder, consistent at one moment."""
        before: Kind | None = None
        for _ in attempts():
            with self._tree.held(folder) as identity:
                if identity is None:
                    return Kind()  # dropped
                try:
                    kind = self._folder(doc_type, folder)
                except FileNotFoundError:
                    kind = None
                is_same = self._tree.identity(folder) == identity
            if kind is not None and is_same:
                # A missing object may have been replaced since the objects were listed.
                if not self._tree.is_remote or not kind.corrupt or kind == before:
                    return kind
                before = kind
            self._tree.look_again(folder)
        raise StoreError(CHANGED.format(self._tree.full(folder)))

    def _folder(self, doc_type: DocType, folder: str) -> Kind:
        found = Kind()
        session_id = folder.rpartition(SESSION)[2]
        # Names first: a part that is added meanwhile is then in the manifest.
        there = self._tree.files(folder)
        listed: list[Part] = []
        try:
            listed = self._manifest(folder, there)
        except StoreError as error:
            reason = "its manifest is corrupt"
            if not self._tree.is_remote:
                reason = f"{MANIFEST} is corrupt: the files were read whole instead"
            found.corrupt.append(CorruptFile(doc_type, session_id, folder, f"{reason} ({error})"))
        copied = next(
            (part for part in listed if (part.doc_type, part.folder) != (doc_type, folder)), None
        )
        if copied is not None:
            reason = f"it was copied or renamed: its manifest is that of {copied.folder}"
            rows = sum(part.rows for part in listed)
            found.corrupt.append(CorruptFile(doc_type, session_id, folder, reason, rows=rows))
            return found
        for part in listed:
            check_version(part.schema_version, part.path)
            self._add_listed(found, part, session_id, there.get(part.name))
        if not self._tree.is_remote:
            self._add_others(found, doc_type, folder, there, listed)
        return found

    def _manifest(self, folder: str, there: Mapping[str, FileState]) -> list[Part]:
        """Return the manifest's parts, decoded once while the file is unchanged."""
        state = there.get(MANIFEST)
        if state is None:
            return []
        path = f"{folder}/{MANIFEST}"
        known = self._manifests.get(path)
        if known is not None and known[0] == state:
            return known[1]
        data, name = self._tree.read(path), self._tree.full(path)
        parts = decode_lines(data, name, whole=self._tree.is_remote)
        if len(data) == state.size:  # else a line was added since the names were read
            self._manifests[path] = state, parts
        return parts

    def _add_listed(
        self, found: Kind, part: Part, session_id: str, state: FileState | None
    ) -> None:
        """Add a file that the manifest lists, or the reason why it is skipped."""
        state = state or self._tree.state(part.path)
        file = StoreFile(part.path, session_id, state or FileState(-1), part)
        what = "object" if self._tree.is_remote else "file"
        if state is None:
            found.corrupt.append(file.corrupt(part.doc_type, f"the {what} is missing"))
        elif state.size != part.bytes:
            reason = f"the {what} has {state.size} bytes instead of {part.bytes}"
            found.corrupt.append(file.corrupt(part.doc_type, reason))
        elif reason := self._checks.corrupt.get(file.key, ""):
            found.corrupt.append(file.corrupt(part.doc_type, reason))
        else:
            found.files.append(file)

    def _add_others(
        self,
        found: Kind,
        doc_type: DocType,
        folder: str,
        there: Mapping[str, FileState],
        listed: list[Part],
    ) -> None:
        """Add files without a manifest line; rows that are in another file are not added twice."""
        known = {part.name for part in listed}
        paths = [
            (f"{folder}/{name}", state)
            for name, state in sorted(there.items())
            if is_rows(name) and name not in known
        ]
        taken = [(part.first_seq, part.last_seq) for part in listed if part.rows]
        # The largest first: a file whose rows were merged into it is a leftover of a compaction.
        paths.sort(key=lambda pair: (-self._read(doc_type, *pair).rows, pair[0]))
        for pair in paths:
            self._add_unlisted(found, doc_type, pair, folder.rpartition(SESSION)[2], taken)

    def _add_unlisted(
        self,
        found: Kind,
        doc_type: DocType,
        pair: tuple[str, FileState],
        session_id: str,
        taken: list[tuple[int, int]],
        *,
        own: frozenset[str] = frozenset(),
    ) -> None:
        """Add it unless its rows are *taken*, or are of a session with its *own* folder."""
        path, state = pair
        contents = self._read(doc_type, path, state)
        file = StoreFile(path, session_id, state, None, contents)
        fault, (first, last) = contents.fault, file.seq_range
        if fault is None and any(first <= high and low <= last for low, high in taken):
            fault = "another file has rows of its range"
        if fault is None and (copied := contents.sessions & own):
            fault = f"its rows are of session {min(copied)!r}, which has its own folder"
        if fault is not None:
            found.corrupt.append(file.corrupt(doc_type, fault))
            return
        if session_id and contents.rows and first >= 0:
            taken.append((first, last))
        found.files.append(file)

    def _read(self, doc_type: DocType, path: str, state: FileState) -> Contents:
        """Return the content of an unlisted file, read once while it is unchanged."""
        key = path, state
        if key not in self.contents:
            contents = contents_of(self._tree, path, doc_type)
            if contents.fault is None and contents.rows and contents.odd:
                file = StoreFile(path, "", state, None, contents)
                made = self._dataset(doc_type, [file], contents.schema)
                contents = attrs.evolve(contents, fault=cast_fault(made, contents.odd))
            self.contents[key] = contents
        return self.contents[key]
