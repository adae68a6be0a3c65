"""Figures computed from data or from the law of the game."""
