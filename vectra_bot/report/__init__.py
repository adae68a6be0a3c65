"""The report of a session: counts, profit and loss with a confidence interval, expected value.

Imports engine, game, models and serde, and of the store its default place alone. Computes from documents in
memory, and returns text and HTML: no I/O, clock or task, except a notebook's own display.
"""
