"""Fault injection for tests: an in-process API that no frame of a client can reach.

``messages`` changes what is written to a client, ``requests`` the outcome of a client's requests and logins;
:class:`Faults` arms both. Imports wire; starts timers.
"""

from vectra_bot.server.faults.messages import ArmedFault, event_of
from vectra_bot.server.faults.requests import LoginFault, Refusal, RefusalShape
from vectra_bot.server.faults.switchboard import Faults

__all__ = ["ArmedFault", "Faults", "LoginFault", "Refusal", "RefusalShape", "event_of"]
