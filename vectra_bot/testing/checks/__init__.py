"""The check of a strategy: lookahead, determinism, exceptions, limits, bounds of parameters, odd prices.

Imports engine, exchange, venues, loading and params. A strategy is played in separate processes:
``check`` orders the plays, ``worker`` makes them under a condition, ``judge`` compares them.
"""
