"""The feed against the seeds it reveals: every finished game is computed again from its server seed."""
