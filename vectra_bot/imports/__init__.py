"""Other people's data in a store: captures, recordings, journals, foreign Parquet, stores of schema 1.0.0."""

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
