"""Parquet files: schema, manifest, writing, building from journals, compaction.

Writes through fsio and pyarrow. ``worker`` builds the parts of a running session in a child process.
"""
