"""The manifest of a folder: the content of each Parquet file of one kind and session, and its checksums.

``_manifest.jsonl`` is in the folder it describes, so that swapping the folder swaps both atomically. It
has one line per file, ``CRC32 JSON``, appended and synced right after the file got its name. A later
line for the same path replaces the earlier one. An incomplete last line left by a crash is ignored, and
truncated by the next append; corruption anywhere else is an error. A line that is lost as a whole cannot
be detected in the manifest itself: :func:`unlisted_files` returns the files without a line.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from vectra_bot.errors import StoreError
from vectra_bot.fsio import TEMPORARY
from vectra_bot.models import SCHEMA_VERSION, DocType

MANIFEST: Final = "_manifest.jsonl"

_PART_NAME: Final = re.compile(r"part-\d{6,}\.parquet|data\.parquet")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


@attrs.frozen
class Part:
    """One Parquet file of a session.

    Attributes:
        path: the file, relative to the store, with ``/`` as separator.
        first_seq, last_seq: range of its rows, -1 in an empty part.
        bytes: the file's size.
        sha256: of the file's bytes, as hexadecimal digits.
        crc32: ``zlib.crc32`` of the file's bytes.
        schema_version: schema of its rows.
        sketches: column to action type to a sketch as JSON, see :mod:`vectra_bot.store.parquet.sketch`.
        footer_crc32, headers_crc32: of the file's footer and of the headers of its pages, see
            :mod:`vectra_bot.store.parquet.pages`; None in lines written without them.
    """

    doc_type: DocType
    path: str
    rows: int
    first_seq: int
    last_seq: int
    bytes: int
    sha256: str
    crc32: int
    schema_version: str = SCHEMA_VERSION
    sketches: dict[str, Any] = attrs.field(factory=dict, hash=False)
    # Derived from the bytes, which the SHA-256 identifies: a line without them describes the same file.
    footer_crc32: int | None = attrs.field(default=None, eq=False)
    headers_crc32: int | None = attrs.field(default=None, eq=False)

    @property
    def folder(self) -> str:
        """The folder of the file, relative to the store."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The file's name within its folder."""
        return self.path.rsplit("/", 1)[-1]


_FIELDS: Final = attrs.fields_dict(Part).keys()
_OPTIONAL: Final = frozenset({"footer_crc32", "headers_crc32"})


def part_folder(store: str | Path, doc_type: DocType, session_id: str) -> Path:
    """Return the folder of one kind of document of a session."""
    return Path(store) / f"doc_type={doc_type.value}" / f"session_id={session_id}"


def part_to_json(part: Part) -> dict[str, Any]:
    """Return *part* as a JSON object."""
    fields = {
        name: value
        for name in _FIELDS
        if (value := getattr(part, name)) is not None or name not in _OPTIONAL
    }
    return {**fields, "doc_type": part.doc_type.value}


def part_from_json(data: Any) -> Part:
    """Return the part in a JSON object.

    Raises:
        ValueError: a key is missing, unknown or of a wrong type.
    """
    if not isinstance(data, dict) or not _FIELDS - _OPTIONAL <= data.keys() <= _FIELDS:
        raise ValueError(f"these keys do not describe a part: {sorted(data)}")
    try:
        return msgspec.convert(data, Part)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def encode_lines(parts: Iterable[Part]) -> bytes:
    """Return the lines of a manifest."""
    return b"".join(map(_line, parts))


def _line(part: Part) -> bytes:
    body = _encode(part_to_json(part))
    return b"%08x %b\n" % (zlib.crc32(body), body)


def decode_lines(data: bytes, name: str | Path, *, whole: bool = False) -> list[Part]:
    """Return the parts in the lines of the manifest *name*, the newest line of each path.

    Args:
        data: the manifest.
        name: its name in errors.
        whole: it was written at once, as an object is: it has no incomplete end, and each path only once.

    Raises:
        StoreError: it is corrupt before its incomplete end.
    """
    found: dict[str, Part] = {}
    lines = data[: len(data) - _torn_bytes(data)].splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        try:
            part = _part_of(line)
        except ValueError as error:
            raise StoreError(
                f"{name}: line {number} is corrupt ({error}); "
                "rebuild the session's files with `vectra-bot store recover`"
            ) from error
        # The newest line keeps its own place, not that of the one it replaces.
        found.pop(part.path, None)
        found[part.path] = part
    if whole and not (data.endswith(b"\n") and data.count(b"\n") == len(found)):
        raise StoreError(f"{name}: truncated; upload the session again")
    return list(found.values())


def _part_of(line: bytes) -> Part:
    if not _is_whole(line):
        raise ValueError(f"wrong checksum, {line[:24]!r}")
    return part_from_json(_decode(line[9:]))


def _is_whole(line: bytes) -> bool:
    return line[8:9] == b" " and line[:8] == b"%08x" % zlib.crc32(line[9:-1])


def _torn_bytes(data: bytes) -> int:
    """Return the length of the incomplete line that a crash left at the end.

    Such a line has no line feed, or has zeros where its blocks were never written.
    """
    start = data.rfind(b"\n", 0, len(data) - 1) + 1
    last = data[start:]
    if not last or (last.endswith(b"\n") and (_is_whole(last) or 0 not in last)):
        return 0
    return len(last)


def add_part(store: str | Path, part: Part) -> None:
    """Append *part* to the manifest of its folder; it is synced when this returns.

    Raises:
        StoreError: the manifest cannot be written.
    """
    from vectra_bot.fsio import files

    path = (Path(store) / part.path).with_name(MANIFEST)
    with files.store_errors(f"cannot write {path}"):
        known = path.read_bytes() if path.exists() else b""
    files.append_line(path, _line(part), keep=len(known) - _torn_bytes(known))


def read_manifest(folder: str | Path) -> list[Part]:
    """Return the parts that the manifest of *folder* lists, none if there is no manifest.

    Raises:
        StoreError: it cannot be read, or is corrupt before its incomplete end.
    """
    path = Path(folder) / MANIFEST
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(
            f"cannot read {path}: {error.strerror or error}; check its permissions and the disk"
        ) from error
    return decode_lines(data, str(path))


def write_manifest(store: str | Path, folder: str | Path, parts: Iterable[Part]) -> None:
    """Write the complete manifest of *folder*, a folder of *store*, replacing the old one.

    Raises:
        StoreError: it cannot be written; the old manifest is unchanged.
    """
    from vectra_bot.fsio import files

    files.write_durably(Path(store) / folder / MANIFEST, encode_lines(parts))


def is_temporary(name: str) -> bool:
    """Return whether a file of this name is being written, or was left by a killed process."""
    return name.startswith(".") and name.endswith(TEMPORARY)


def is_part_file(name: str) -> bool:
    """Return whether a file of this name in the folder of a session is the store's."""
    return name == MANIFEST or bool(_PART_NAME.fullmatch(name)) or is_temporary(name)


def unlisted_files(folder: str | Path) -> list[Path]:
    """Return the store's Parquet files in *folder* that its manifest does not list, sorted.

    In the folder of a session that is being written, the newest file may not be listed yet; anywhere
    else its line was lost.

    Raises:
        StoreError: the manifest is corrupt.
    """
    listed = {part.name for part in read_manifest(folder)}
    found = [path for path in Path(folder).glob("*.parquet") if is_part_file(path.name)]
    return sorted(path for path in found if path.name not in listed)
