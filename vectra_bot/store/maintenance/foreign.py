"""Files and folders in a store that are not part of it: nothing checks, repairs or builds them.

They are found by name, never opened, and never deleted, except with a folder of a session that is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import attrs

from vectra_bot.fsio.modes import SHARED_MARK
from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import is_temporary
from vectra_bot.store.tree import Tree

_TOPS: Final = {"journals", "compacting", ".replacing", "sessions", "accounts"}
_TOP_FILES: Final = {"migration.json", SHARED_MARK}
_JOURNAL: Final = re.compile(
    r"lock|uploading|control\.sock|STOP|header\.json|\d{6,}\.(parts\.json|log(\.zst|\.gz)?(\.damaged\d*)?)"
)
FOREIGN: Final = "not a file of a store"
_FOLDER: Final = "not a folder of a store"


@attrs.frozen
class Skipped:
    """Something that was not checked.

    Attributes:
        path: the file or folder, relative to the store.
        reason: why.
    """

    path: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return attrs.asdict(self)


def foreign_in_journal(tree: Tree, session_id: str) -> list[Skipped]:
    """Return what is not the store's in the folder of a session's journal."""
    journal = f"journals/{session_id}"
    return [
        *others(tree, journal),
        *(
            Skipped(f"{journal}/{name}", FOREIGN)
            for name in tree.names(journal)
            if not is_journal_file(name)
        ),
    ]


def is_journal_file(name: str) -> bool:
    """Return whether a file of this name in the folder of a journal is the store's."""
    return bool(_JOURNAL.fullmatch(name)) or is_temporary(name)


def others(tree: Tree, folder: str) -> Iterator[Skipped]:
    """Yield the folders in a session's folder, which has none."""
    for name in tree.names(folder, directories=True):
        yield Skipped(f"{folder}/{name}", _FOLDER)


def foreign_in_store(tree: Tree) -> list[Skipped]:
    """Return what is not the store's outside the folders of sessions."""
    found = [Skipped(name, FOREIGN) for name in tree.names("") if name not in _TOP_FILES]
    known = {*_TOPS, *(f"doc_type={doc_type.value}" for doc_type in DocType)}
    for name in tree.names("", directories=True):
        if name not in known:
            kind = name.startswith("doc_type=")
            found.append(Skipped(name, "no such kind of document" if kind else _FOLDER))
    found += [Skipped(f"journals/{name}", FOREIGN) for name in tree.names("journals")]
    found += [
        Skipped(f"journals/{name}", "not the name of a session")
        for name in tree.names("journals", directories=True)
        if name.startswith(".") and not name.startswith(".dropped-")
    ]
    for doc_type in DocType:
        top = f"doc_type={doc_type.value}"
        found += [Skipped(f"{top}/{name}", FOREIGN) for name in tree.names(top)]
        found += [
            Skipped(f"{top}/{name}", _FOLDER)
            for name in tree.names(top, directories=True)
            if not name.startswith(("session_id=", "date="))
        ]
    return found
