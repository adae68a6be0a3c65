"""The exchange as a Socket.IO server for clients of the venue (protocol 2)."""

from vectra_bot.server.app import ExchangeServer
from vectra_bot.server.clients import Client
from vectra_bot.server.faults import ArmedFault, Faults
from vectra_bot.server.limits import ServerLimits
from vectra_bot.server.tokens import Login, TokenTable, read_tokens

__all__ = [
    "ArmedFault",
    "Client",
    "ExchangeServer",
    "Faults",
    "Login",
    "ServerLimits",
    "TokenTable",
    "read_tokens",
]
