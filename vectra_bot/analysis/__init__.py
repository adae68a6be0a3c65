"""Figures computed from data or from the price law of the game, and datasets of a store.

``odds`` does no I/O and reads no clock; ``episodes`` reads a store and writes datasets.
"""
