"""Sessions of a store: list, drop, check, rebuild, count."""
