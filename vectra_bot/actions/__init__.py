"""Actions of a bot: what a strategy asks for, tracked from intent to outcome, within limits.

Imports game, models and params; reaches no wire, venue or store. No I/O, clock or task: times come with
the events that the engine passes on.
"""
