"""Third-party data into a store: captures, recordings, journals, Parquet files, stores of schema 1.0.0.

Reads files and writes sessions through store, session and journal; imports any room below. A capture is
replayed as a session, in an event loop that this room starts.
"""

from vectra_bot.imports.config import ImportReport
from vectra_bot.imports.migrate import MigrationReport, migrate_store
from vectra_bot.imports.report import BadRow, FileReport
from vectra_bot.imports.run import import_paths

__all__ = [
    "BadRow",
    "FileReport",
    "ImportReport",
    "MigrationReport",
    "import_paths",
    "migrate_store",
]
