"""Actions of a bot: what a strategy asks for, tracked from intent to outcome, within limits."""
