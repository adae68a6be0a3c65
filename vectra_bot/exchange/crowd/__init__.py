"""The seeded crowd: persistent simulated players with the habits and rates of real ones (protocol 13).

They do not know future prices, except the peekers that a test adds. Imports game and wire; random numbers
follow from the exchange's seed; no I/O, clock or task.
"""

from __future__ import annotations

from vectra_bot.exchange.crowd.crowd import Crowd
from vectra_bot.exchange.crowd.players import CrowdPlayer, Style

__all__ = ["Crowd", "CrowdPlayer", "Style"]
