"""A pyarrow dataset that asks for its files when DuckDB scans it, and what a scan of it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.fs as pafs

_COUNTED: Final = 1 << 16
"""Rows of a batch that only says how many there are."""

Scan = Callable[[dict[str, Any], Callable[[], list[str]]], "list[Any] | pa.Table"]
"""Returns the fragments to scan, or a table to scan instead of them; takes the scan's options, and what gives
the paths of the files that its filter leaves over."""


@cache
def parquet_format() -> Any:
    """Return the format of a store's files: every page is compared with its checksum."""
    import pyarrow.dataset as ds

    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    return ds.ParquetFileFormat(default_fragment_scan_options=options)


def guarded_fragment(
    source: str | pa.Buffer,
    filesystem: pafs.FileSystem | None,
    session_id: str,
    seq_range: tuple[int, int],
) -> Any:
    """Return a file, by its path or its bytes, with what is true of every row of it.

    Args:
        source: where its bytes are.
        filesystem: what a path is opened by.
        session_id: of every row; "" if not known.
        seq_range: of the rows; below 0 if not known.
    """
    import pyarrow.dataset as ds

    known = ds.scalar(True)
    if session_id:
        known &= ds.field("session_id") == session_id
    if seq_range[0] >= 0:
        known &= (ds.field("seq") >= seq_range[0]) & (ds.field("seq") <= seq_range[1])
    return parquet_format().make_fragment(source, filesystem, known)


def counted_rows(counts: Iterable[tuple[str, int]]) -> pa.Table:
    """Return a table with the session of each row and nothing else, from how many rows each file has."""
    import pyarrow as pa

    schema = pa.schema([pa.field("session_id", pa.string())])
    batches = []
    for session_id, rows in counts:
        same = pa.repeat(pa.scalar(session_id, pa.string()), min(rows, _COUNTED))
        whole = pa.RecordBatch.from_arrays([same], schema=schema)
        batches += [whole.slice(0, min(_COUNTED, rows - at)) for at in range(0, rows, _COUNTED)]
    return pa.Table.from_batches(batches, schema)


def scanned_dataset(
    named: list[Any], schema: pa.Schema, filesystem: pafs.FileSystem, scan: Scan
) -> Any:
    """Return a dataset of the rows in *schema* that *scan* gives whenever it is scanned.

    Args:
        named: fragments of its files by their paths, none of which is opened.
        schema: of the rows; a column that an older file lacks is null.
        filesystem: what files are opened by.
        scan: is asked before a scan begins; what it raises comes out of the scan.
    """
    made = _dataset_class()(named, schema, parquet_format(), filesystem)
    made.scan = scan
    return made


@cache
def _dataset_class() -> Any:
    """Return the class, made when first needed: pyarrow is not imported before."""
    import pyarrow.dataset as ds

    class ScannedDataset(ds.FileSystemDataset):  # type: ignore[misc]
        """Files that are asked for by a scan."""

        scan: Scan

        def scanner(self, **options: Any) -> Any:
            def needed() -> list[str]:
                return [part.path for part in self.get_fragments(filter=options.get("filter"))]

            found = self.scan(options, needed)
            if isinstance(found, list):
                rows = ds.FileSystemDataset(found, self.schema, self.format, self.filesystem)
            else:
                rows = ds.dataset(found)
            return rows.scanner(**options)

    return ScannedDataset
