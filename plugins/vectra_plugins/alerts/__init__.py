"""Bundled alerts: one rule for every alert type of the schema."""
