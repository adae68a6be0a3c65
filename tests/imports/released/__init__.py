"""Stores as each release wrote them, made by code that does not use the current writers."""
