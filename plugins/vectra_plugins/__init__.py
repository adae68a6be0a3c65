"""Bundled plugins, each found by its entry point and written with public names only."""
