"""Other players judged fairly: results with intervals, habits, and skill against luck by e-values.

Imports store, exchange, wire and game; no clock, and no I/O but that of the store it is given.
"""
