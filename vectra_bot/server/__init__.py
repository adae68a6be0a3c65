"""The exchange as a Socket.IO server that clients of the venue can use (protocol 2).

Imports exchange, game, wire, models and clock; one of two rooms that import python-socketio. Listens on a
socket, starts tasks, and reads the clock and a token file.
"""

from vectra_bot.server.app import ExchangeServer
from vectra_bot.server.clients import Client
from vectra_bot.server.faults import ArmedFault, Faults, LoginFault, RefusalShape
from vectra_bot.server.limits import ServerLimits
from vectra_bot.server.tokens import Login, TokenTable, read_tokens

__all__ = [
    "ArmedFault",
    "Client",
    "ExchangeServer",
    "Faults",
    "Login",
    "LoginFault",
    "RefusalShape",
    "ServerLimits",
    "TokenTable",
    "read_tokens",
]
