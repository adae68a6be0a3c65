"""Which lines a store has already, so that none is imported twice whatever file it comes in.

A line is its receive time as written, its direction, its text and its ordinal among equal lines, within
one capture label; the container (gzip, zstandard, line ends, a file that grew, files that overlap) does
not matter. The label of a file without labels is empty. A row of Parquet is its kind and its values
(:mod:`vectra_bot.imports.arrow.identity`). A complete session of an import has the digests of its lines or
rows, 8 bytes each, in ``sessions/ID/import.lines``; it is written after the session was closed, so an
interrupted import leaves none, and it disappears with the session.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.fsio import files
from vectra_bot.journal import journal_directory
from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import part_folder

if TYPE_CHECKING:
    import numpy as np

LINES_FILE: Final = "import.lines"
DIGEST_BYTES: Final = 8
_MAGIC: Final = b"VLINES1\n"


@attrs.define
class Lines:
    """The lines of one capture of a file, in order: their digests, equal lines with their ordinal."""

    digests: bytearray = attrs.field(factory=bytearray)
    _equal: Counter[bytes] = attrs.field(factory=Counter)

    def add(self, *facts: bytes) -> None:
        """Add the line that *facts* identify."""
        found = hashlib.blake2b(digest_size=DIGEST_BYTES)
        for fact in facts:
            found.update(len(fact).to_bytes(8, "little"))
            found.update(fact)
        ordinal = self._equal[found.digest()]
        self._equal[found.digest()] += 1
        if ordinal:
            found.update(ordinal.to_bytes(8, "little"))
        self.digests += found.digest()

    @property
    def identities(self) -> np.ndarray[Any, Any]:
        """Return the digests as numbers."""
        import numpy as np

        return np.frombuffer(bytes(self.digests), dtype="<u8")

    def seal(self) -> None:
        """Forget what is needed for adding only."""
        self._equal.clear()

    def __getitem__(self, index: int) -> bytes:
        return bytes(self.digests[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES])

    def __len__(self) -> int:
        return len(self.digests) // DIGEST_BYTES


@attrs.define
class KnownLines:
    """The lines of all complete imports of a store."""

    store: Path
    _keys: Any = None
    _owners: Any = None
    _sessions: list[str] = attrs.field(factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether the store has no line of any import."""
        if self._keys is None:
            self._load()
        return not len(self._keys)

    def find(self, wanted: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], list[str]]:
        """Return which identities are in the store, and the ids of the sessions that have them."""
        import numpy as np

        if self._keys is None:
            self._load()
        if not len(self._keys) or not len(wanted):
            return np.zeros(len(wanted), dtype=bool), []
        places = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        found = self._keys[places] == wanted
        owners = np.unique(self._owners[places[found]])
        return found, [self._sessions[owner] for owner in owners.tolist()]

    def add(self, session_id: str, digests: bytes) -> None:
        """Note the lines of a session whose import is complete.

        Raises:
            StoreError: the write fails.
        """
        folder = self.store / "sessions" / session_id
        if not (folder / LINES_FILE).exists():
            files.make_directories(folder)
            files.write_durably(folder / LINES_FILE, _MAGIC + digests)
            self._merge(session_id, digests)

    def _load(self) -> None:
        import numpy as np

        self._keys, self._owners = np.empty(0, dtype="<u8"), np.empty(0, dtype=np.int32)
        for path in sorted(self.store.glob(f"sessions/*/{LINES_FILE}")):
            data = path.read_bytes()
            if data.startswith(_MAGIC) and self._exists(path.parent.name):
                whole = len(data) - (len(data) - len(_MAGIC)) % DIGEST_BYTES
                self._merge(path.parent.name, data[len(_MAGIC) : whole])

    def _merge(self, session_id: str, digests: bytes) -> None:
        import numpy as np

        self._sessions.append(session_id)
        keys = np.concatenate([self._keys, np.frombuffer(digests, dtype="<u8")])
        owner = np.full(len(digests) // DIGEST_BYTES, len(self._sessions) - 1, dtype=np.int32)
        owners = np.concatenate([self._owners, owner])
        order = np.argsort(keys, kind="stable")
        self._keys, self._owners = keys[order], owners[order]

    def _exists(self, session_id: str) -> bool:
        """Return whether a session has its journal or rows still."""
        if journal_directory(self.store, session_id).is_dir():
            return True
        return any(part_folder(self.store, kind, session_id).is_dir() for kind in DocType)
