"""The wire in both directions: raw frames to typed events, commands to requests, without I/O."""
