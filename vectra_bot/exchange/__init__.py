"""The exchange: a deterministic model of the venue's server (market, accounts, orders, messages).

Imports game, wire, models and params, and nothing of those who play on it (actions, engine, strategies).
No sockets, tasks or clocks: the caller advances its time, and random numbers follow from the seed. The one
file it may read is a protocol profile.
"""

from vectra_bot.exchange.config import (
    EvidenceDelays,
    ExchangeConfig,
    ExchangeOptions,
    Outbound,
    RequestRecord,
)
from vectra_bot.exchange.exchange import Exchange

__all__ = [
    "EvidenceDelays",
    "Exchange",
    "ExchangeConfig",
    "ExchangeOptions",
    "Outbound",
    "RequestRecord",
]
