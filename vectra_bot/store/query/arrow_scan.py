"""A pyarrow dataset that determines its files when DuckDB scans it, and the parts of a scan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from vectra_bot.models import DocType
from vectra_bot.store.parquet.schema import FOLDER_COLUMNS, fields_of, writer_options

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.fs as pafs

_COUNTED: Final = 1 << 16
"""Rows in a batch that only counts."""

_EXACT_CODES: Final = 26
"""The first pyarrow whose conditions on dictionary codes are exact."""

Scan = Callable[[dict[str, Any], Callable[[], list[str]]], "list[Any] | pa.Table"]
"""Returns the fragments to scan, or a table to scan instead; called with the scan's options, and a
function that returns the paths of the files that pass its filter."""


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return *schema* with plain texts instead of dictionaries, so that filters on them reach the scan."""
    import pyarrow as pa

    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in schema
    ]
    return pa.schema(fields)


@cache
def scan_schema(doc_type: DocType) -> pa.Schema:
    """Return the types in which rows of *doc_type* are scanned: repeated texts as dictionary codes.

    DuckDB groups codes three times as fast as texts. Folder names are plain: conditions on them exclude
    files. Under a pyarrow whose conditions on codes are not exact, everything is plain; such conditions
    then never reach the scan.
    """
    import pyarrow as pa

    schema = plain_schema(pa.schema(fields_of(doc_type)))
    if int(pa.__version__.partition(".")[0]) < _EXACT_CODES:
        return schema
    coded = {*writer_options(doc_type)["use_dictionary"]} - {*FOLDER_COLUMNS}
    return pa.schema(
        field.with_type(pa.dictionary(pa.int32(), field.type))
        if field.name in coded and pa.types.is_string(field.type)
        else field
        for field in schema
    )


def codes_of(schema: pa.Schema) -> tuple[str, ...]:
    """Return the columns that are scanned as dictionary codes."""
    import pyarrow as pa

    return tuple(field.name for field in schema if pa.types.is_dictionary(field.type))


@cache
def parquet_format(coded: tuple[str, ...] = ()) -> Any:
    """Return the format of a store's files, with page checksums verified.

    Args:
        coded: the columns that are read as dictionary codes.
    """
    import pyarrow.dataset as ds

    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    return ds.ParquetFileFormat(dictionary_columns=coded, default_fragment_scan_options=options)


def guarded_fragment(
    source: str | pa.Buffer,
    filesystem: pafs.FileSystem | None,
    session_id: str,
    seq_range: tuple[int, int],
    coded: tuple[str, ...],
) -> Any:
    """Return a file, by its path or its bytes, with conditions that are true of all its rows.

    Args:
        source: where its bytes are.
        filesystem: opens a path.
        session_id: session of all rows; "" if unknown.
        seq_range: of the rows; below 0 if unknown.
        coded: the columns that are read as dictionary codes.
    """
    import pyarrow.dataset as ds

    known = ds.scalar(True)
    if session_id:
        known &= ds.field("session_id") == session_id
    if seq_range[0] >= 0:
        known &= (ds.field("seq") >= seq_range[0]) & (ds.field("seq") <= seq_range[1])
    return parquet_format(coded).make_fragment(source, filesystem, known)


def counted_rows(counts: Iterable[tuple[str, int]]) -> pa.Table:
    """Return a table with the session of each row and nothing else, from the row counts of files."""
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
    """Return a dataset of the rows in *schema* that *scan* returns at each scan.

    Args:
        named: fragments of its files by their paths, none of which is opened.
        schema: of the rows; a column that an older file lacks is null.
        filesystem: opens the files.
        scan: called before a scan begins; its exceptions are raised by the scan.
    """
    made = _dataset_class()(named, schema, parquet_format(codes_of(schema)), filesystem)
    made.scan = scan
    return made


def _narrowed(part: Any, condition: Any) -> Any:
    """Return a file without the row groups excluded by *condition*; on codes Arrow excludes none."""
    source = part.path if part.buffer is None else part.buffer
    plain = parquet_format().make_fragment(source, part.filesystem, part.partition_expression)
    kept = [group.id for group in plain.subset(condition).row_groups]
    return part.subset(row_group_ids=kept)


@cache
def _dataset_class() -> Any:
    """Return the class, created when first needed, because pyarrow is not imported before."""
    import pyarrow.dataset as ds

    class ScannedDataset(ds.FileSystemDataset):  # type: ignore[misc]
        """Files that are determined by a scan."""

        scan: Scan

        def scanner(self, **options: Any) -> Any:
            def needed() -> list[str]:
                return [part.path for part in self.get_fragments(filter=options.get("filter"))]

            found = self.scan(options, needed)
            condition = options.get("filter")
            if isinstance(found, list):
                if condition is not None and self.format.read_options.dictionary_columns:
                    found = [_narrowed(part, condition) for part in found]
                rows = ds.FileSystemDataset(found, self.schema, self.format, self.filesystem)
            else:
                rows = ds.dataset(found)
            return rows.scanner(**options)

    return ScannedDataset
