"""The texts of the store's named queries, by subject."""
