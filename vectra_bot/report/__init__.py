"""The report of a session: counts, profit and loss with a confidence interval, expected value.

Imports engine, game, models and serde. Computes from documents in memory; no I/O, clock or task.
"""
