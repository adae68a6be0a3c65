"""Queries over a store, in SQL or by name."""
