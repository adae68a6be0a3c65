"""Parquet files: schema, manifest, writing, building from journals, compaction."""
