"""Bundled alerts: one rule for every alert type of the schema, and sinks that show and forward alerts."""
