"""The append-only log of a session: what was acknowledged survives a crash."""
