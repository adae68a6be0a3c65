"""Figures computed from data or from the price law of the game.

Its one part is ``odds``. No I/O or clock.
"""
