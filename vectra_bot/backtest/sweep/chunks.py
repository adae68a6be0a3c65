"""Finished chunks on the disk: one file for each parameter set and range of games, under what decided it.

A chunk is keyed by the digest of the code, the parameters and everything else that decides its result, so a
changed source or option never meets an old result. A file is written whole or not at all, and begins with the
SHA-256 of the rest: one that is truncated or corrupt is found and its chunk played again.
Imports errors, fsio and serde; numpy.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from attrs import asdict, field, frozen
from numpy.typing import NDArray

from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.fsio.locks import FileLock
from vectra_bot.serde import canonical_json

_MAGIC: Final = b"vectra-bot sweep chunk 1\n"
_DIGEST_BYTES: Final = 64
_KEY_CHARACTERS: Final = 24
_LOCK: Final = "lock"
_LEVEL: Final = 6  # of compression

SUFFIX: Final = ".chunk"


@frozen(kw_only=True)
class ChunkKey:
    """What decides the result of a chunk.

    Attributes:
        code: digest of the strategy's source and of this package.
        parameters: all parameters of the strategy, as canonical JSON.
        terms: seed, latency, cash, limits and exchange, as canonical JSON.
        first: number of the first game under the seed, or in ``--from``.
        games: number of games.
        given: digest of the games of ``--from``, "" for those of the seed.
    """

    code: str
    parameters: str
    terms: str
    first: int
    games: int
    given: str = ""

    def path(self, folder: Path) -> Path:
        """Return the chunk's file below *folder*: a folder for the code, one for the set, a file."""
        names = (self.code, self.parameters + self.terms + self.given)
        code, chosen = (hashlib.sha256(name.encode()).hexdigest() for name in names)
        name = f"{self.first}-{self.games}{SUFFIX}"
        return folder / code[:_KEY_CHARACTERS] / chosen[:_KEY_CHARACTERS] / name


@frozen(kw_only=True, eq=False)
class ChunkResult:
    """The results of a chunk, one entry per game, and its totals.

    Attributes:
        pnl: profit before prizes, lamports.
        expected: expected profit of the risks taken, by the law, lamports.
        entries: buys and shorts.
        bets: sidebets and stakes in side games.
        stake: lamports at risk.
        prizes: lamports.
        denials: actions that limits denied, by reason.
        unknown: kinds of entries whose expected profit is not known.
        unverified: what was staked on terms that no capture shows.
        engine: which driver played, and why it was not the fast one, "" if it was.
    """

    pnl: NDArray[np.int64]
    expected: NDArray[np.float64]
    entries: int = 0
    bets: int = 0
    stake: int = 0
    prizes: int = 0
    denials: dict[str, int] = field(factory=dict)
    unknown: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    engine: str = ""
    why: dict[str, int] = field(factory=dict)

    def pack(self, key: ChunkKey) -> bytes:
        """Return the content of the chunk's file."""
        head = canonical_json({"key": asdict(key), "totals": self._totals()}).encode()
        body = head + b"\n" + zlib.compress(self._columns(), _LEVEL)
        return _MAGIC + hashlib.sha256(body).hexdigest().encode() + body

    def digest(self) -> str:
        """Return the SHA-256 of the results."""
        about = canonical_json(self._totals()).encode()
        return hashlib.sha256(about + self._columns()).hexdigest()

    def _totals(self) -> dict[str, Any]:
        kinds = {name: list(getattr(self, name)) for name in _KINDS}
        return {name: getattr(self, name) for name in _TOTALS} | kinds

    def _columns(self) -> bytes:
        return self.pnl.astype("<i8").tobytes() + self.expected.astype("<f8").tobytes()

    @classmethod
    def unpack(cls, data: bytes, key: ChunkKey) -> Self:
        """Return the chunk in the content of a file.

        Raises:
            ValueError: the content is corrupt, truncated, or of another key.
        """
        start = len(_MAGIC) + _DIGEST_BYTES
        body = data[start:]
        if data[:start] != _MAGIC + hashlib.sha256(body).hexdigest().encode():
            raise ValueError("the checksum does not fit")
        head, _, compressed = body.partition(b"\n")
        about = json.loads(head)
        if about["key"] != asdict(key):
            raise ValueError("it is of another key")
        columns, totals = zlib.decompress(compressed), about["totals"]
        return cls(
            pnl=np.frombuffer(columns, "<i8", key.games),
            expected=np.frombuffer(columns, "<f8", key.games, key.games * 8),
            **(totals | {name: tuple(totals[name]) for name in _KINDS}),
        )


_KINDS: Final = ("unknown", "unverified")
_TOTALS: Final = ("entries", "bets", "stake", "prizes", "denials", "engine", "why")


class ChunkFolder:
    """A folder of finished chunks, locked against a second sweep; a context manager.

    Attributes:
        corrupt: files that could not be used, whose chunks are played again.
    """

    def __init__(self, folder: Path) -> None:
        """Lock *folder*, which is created if missing.

        Raises:
            StoreError: another sweep has it, or it cannot be created.
        """
        self.folder = folder
        self.corrupt = 0
        files.make_directories(folder)
        with files.store_errors(f"cannot lock {folder}"):
            lock = FileLock.of(folder / _LOCK)
        if lock is None:
            raise StoreError(
                f"{folder} is in use by another sweep: wait until it ends, or give another --out"
            )
        lock.sign()
        self._lock = lock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def read(self, key: ChunkKey) -> ChunkResult | None:
        """Return the finished chunk of *key*, None if there is none that can be used."""
        path = key.path(self.folder)
        try:
            return ChunkResult.unpack(path.read_bytes(), key)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(
                f"cannot read {path}: {error.strerror}; check its permissions"
            ) from error
        except ValueError:
            self.corrupt += 1
            return None

    def write(self, key: ChunkKey, data: bytes) -> None:
        """Write the packed chunk of *key*, durably and whole.

        Raises:
            StoreError: it cannot be written; what was finished before stays.
        """
        path = key.path(self.folder)
        if not path.parent.is_dir():
            files.make_directories(path.parent)
        files.write_durably(path, data)


__all__ = ["SUFFIX", "ChunkFolder", "ChunkKey", "ChunkResult"]
