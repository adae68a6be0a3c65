"""Comparison of the exchange's crowd with recordings of real games.

Imports exchange, game and wire. Reads capture files; games of the exchange are computed in memory.
"""
