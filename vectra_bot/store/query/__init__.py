"""Queries of a store, in SQL or by name.

Reads files or objects with pyarrow and DuckDB, several at a time in threads; changes nothing. A corrupt
file is skipped and reported.
"""
