"""The seeded crowd: persistent players that trade like the real ones and have no skill (protocol 13)."""

from __future__ import annotations

from vectra_bot.exchange.crowd.crowd import Crowd
from vectra_bot.exchange.crowd.players import CrowdPlayer, Style

__all__ = ["Crowd", "CrowdPlayer", "Style"]
