"""Bundled strategies: examples to copy. None has an edge; each states its expected value under the law."""
