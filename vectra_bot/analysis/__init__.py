"""Figures computed from data or from the price law of the game.

Its parts are ``odds`` and ``players``. No clock, and no I/O but that of a store that is given.
"""
