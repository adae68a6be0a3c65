"""Questions to a store, in SQL or by name."""
