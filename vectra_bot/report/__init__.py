"""What a session came to."""
