"""Maintenance of a store's sessions: list, drop, check, rebuild, count.

Reads journals, manifests and Parquet files; only ``drop`` and ``rebuild`` change them, through fsio.
"""
