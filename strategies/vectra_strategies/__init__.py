"""Bundled strategies, as examples. None has an edge; each states its expected value under the law."""
