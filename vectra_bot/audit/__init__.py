"""Verify the feed against the seeds it reveals: every finished game is recomputed from its server seed."""
