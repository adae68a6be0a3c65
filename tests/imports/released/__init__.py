"""Stores as each release wrote them, made by code that does not use the present one's writers."""
