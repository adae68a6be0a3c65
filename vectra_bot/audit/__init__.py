"""The audit of a feed: every finished game is recomputed from its revealed server seed and compared.

The engine is given the auditor and runs it, so a replay repeats it. Imports engine, game and models; no
I/O, clock or task.
"""
