"""A pyarrow dataset whose files are fetched when it is scanned, those alone that the scan's filter needs.

The bytes are handed over before the scan begins, in the thread that asks for it. Arrow's own threads never
call Python: they would wait for its lock, which DuckDB holds while it waits for them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import Part
from vectra_bot.store.parquet.schema import schema_of

Buffers = Callable[[list[Part]], list[Any]]
"""Returns a ``pyarrow.Buffer`` with the bytes of each part."""


def lazy_dataset(doc_type: DocType, parts: list[Part], buffers: Buffers) -> Any:
    """Return a dataset of the rows in *parts*.

    Columns are those of the present schema, texts plain; a column that an older file lacks is null. What
    *buffers* raises comes out of the scan.
    """
    import pyarrow.dataset as ds
    from pyarrow import fs

    made = ds.ParquetFileFormat()
    named = fs.LocalFileSystem()  # names only: nothing is opened by them
    fragments = [made.make_fragment(part.path, named, _holds(part)) for part in parts]
    dataset = _dataset_class()(fragments, _plain_schema(doc_type), made, named)
    dataset.parts = {part.path: part for part in parts}
    dataset.buffers = buffers
    return dataset


@cache
def _dataset_class() -> Any:
    """Return the class, made when first needed: pyarrow is not imported before."""
    import pyarrow.dataset as ds

    class LazyDataset(ds.FileSystemDataset):  # type: ignore[misc]
        """Files that are fetched by a scan."""

        parts: dict[str, Part]
        buffers: Buffers

        def scanner(self, **options: Any) -> Any:
            needed = list(self.get_fragments(filter=options.get("filter")))
            data = self.buffers([self.parts[fragment.path] for fragment in needed])
            fragments = [
                self.format.make_fragment(buffer, None, fragment.partition_expression)
                for fragment, buffer in zip(needed, data, strict=True)
            ]
            return ds.FileSystemDataset(fragments, self.schema, self.format).scanner(**options)

    return LazyDataset


def _holds(part: Part) -> Any:
    """Return what is true of every row of *part*, so that a scan can leave it out."""
    import pyarrow.dataset as ds

    if not part.rows:
        return ds.scalar(False)
    session_id = part.path.rpartition("/")[0].rpartition("session_id=")[2]
    seq = ds.field("seq")
    known = ds.field("session_id") == session_id
    if part.first_seq >= 0:
        known &= (seq >= part.first_seq) & (seq <= part.last_seq)
    return known


def _plain_schema(doc_type: DocType) -> Any:
    """Return the schema with plain texts in place of dictionaries: filters on them then reach the scan."""
    import pyarrow as pa

    return pa.schema(
        [
            field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
            for field in schema_of(doc_type)
        ]
    )
