"""A deterministic model of the venue's server."""

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
