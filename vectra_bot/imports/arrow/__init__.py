"""Third-party Arrow tables and Parquet files, their columns mapped to those of our records.

Imports store, serde, wire and models; reads Parquet files with pyarrow and writes nothing.
"""

from vectra_bot.imports.arrow.conform import Conformed, EnvelopeDefaults, conform
from vectra_bot.imports.arrow.files import (
    ForeignFile,
    RowBatch,
    batches_of,
    foreign_file,
    groups_of,
    is_parquet,
    open_file,
    read_batches,
)
from vectra_bot.imports.arrow.identity import RowLedger, row_digests
from vectra_bot.imports.arrow.names import OWN, Names, match_names, snake
from vectra_bot.imports.arrow.values import LONGEST_NUMBER

__all__ = [
    "LONGEST_NUMBER",
    "OWN",
    "Conformed",
    "EnvelopeDefaults",
    "ForeignFile",
    "Names",
    "RowBatch",
    "RowLedger",
    "batches_of",
    "conform",
    "foreign_file",
    "groups_of",
    "is_parquet",
    "match_names",
    "open_file",
    "read_batches",
    "row_digests",
    "snake",
]
