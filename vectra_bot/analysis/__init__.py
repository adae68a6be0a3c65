"""Figures computed from data or from the price law of the game, and datasets of a store.

Its parts are ``odds``, ``players`` and ``episodes``. No clock, and no I/O but that of a store that is given
and of the datasets that ``episodes`` writes.
"""
