"""The clients of the server, and the broadcasts each of them has not got yet.

Every broadcast has a number. A client stores the number of the next one it needs, and gets all missing ones
before any private message: so a slow round through a thousand clients never reorders what one of
them sees, and an answer need not wait for the end of the round.
"""

from __future__ import annotations

import asyncio
from collections import deque

from attrs import define, field

from vectra_bot.clock import Clock
from vectra_bot.server.faults import Faults
from vectra_bot.server.limits import Bucket, MessageVerdict
from vectra_bot.server.tokens import Login
from vectra_bot.server.transport import Outbox, Prepared

_MOST_HELD = 10_000


class Broadcasts:
    """The broadcasts that some client has not got yet, numbered from 0."""

    def __init__(self) -> None:
        self._waiting: deque[Prepared] = deque()
        self._first = 0

    @property
    def next(self) -> int:
        """Return the number of the next broadcast."""
        return self._first + len(self._waiting)

    def add(self, message: Prepared) -> None:
        """Add *message* with the next number."""
        self._waiting.append(message)

    def since(self, number: int) -> list[Prepared]:
        """Return the broadcasts from *number* on."""
        skip = number - self._first
        if skip >= len(self._waiting):
            return []
        if len(self._waiting) - skip == 1:
            return [self._waiting[-1]]
        return list(self._waiting)[max(0, skip) :]

    def forget_before(self, number: int) -> None:
        """Drop the broadcasts that every client has."""
        while self._waiting and self._first < number:
            self._waiting.popleft()
            self._first += 1


@define(eq=False, kw_only=True)
class Client:
    """One connection to the server.

    Attributes:
        number: counts connections from 1; a client that reconnects gets a new one.
        engine_sid: the library's id of the connection.
        login: the player, None before ``authenticate``.
        joined: whether it is in the namespace, so that it gets broadcasts.
        sent: the texts written to it, in order, if the server keeps them.
        gone: why the connection ended, empty while it is open.
    """

    number: int
    engine_sid: str
    outbox: Outbox
    bucket: Bucket
    clock: Clock
    faults: Faults
    broadcasts: Broadcasts
    joined: bool = False
    login: Login | None = None
    failed_logins: int = 0
    sent: list[str] | None = None
    gone: str = ""
    _next: int = field(init=False, default=0)
    _held: list[Prepared] = field(init=False, factory=list)
    _holding: bool = field(init=False, default=False)

    @property
    def player_id(self) -> str | None:
        """Return the id of the logged-in player, None before ``authenticate``."""
        return None if self.login is None else self.login.player_id

    def take(self, cost: float) -> MessageVerdict:
        """Charge the client for one message."""
        return self.bucket.take(cost, self.clock.monotonic_ns())

    def join(self, snapshot: Prepared) -> None:
        """Write the first frame; from now on this client gets broadcasts."""
        self.joined = True
        self._next = self.broadcasts.next
        self._write([snapshot])

    def catch_up(self) -> None:
        """Write every broadcast the client has not got yet."""
        if self.joined and self._next != self.broadcasts.next:
            self._write(self._lacking())

    def tell(self, message: Prepared) -> None:
        """Write *message* to this client only, after the earlier broadcasts."""
        if not self.joined or self._next == self.broadcasts.next:
            self._write([message])
        else:
            self._write([*self._lacking(), message])

    def hold(self, seconds: float) -> None:
        """Buffer all messages for *seconds*, then write them in order."""
        if not self._holding:
            self._holding = True
            asyncio.get_running_loop().call_later(seconds, self._release)

    def _lacking(self) -> list[Prepared]:
        messages = self.broadcasts.since(self._next)
        self._next = self.broadcasts.next
        player_id = self.player_id
        if player_id is None:
            return messages
        return [message for message in messages if message.not_to != player_id]

    def _write(self, messages: list[Prepared]) -> None:
        if self.gone:
            return
        if self.faults.active:
            messages = self.faults.apply(self, messages)
        if self._holding:
            self._held += messages
            if len(self._held) > _MOST_HELD and self.outbox.on_overflow is not None:
                self.outbox.on_overflow()
        elif messages:
            self._send(messages)

    def _release(self) -> None:
        self._holding = False
        held, self._held = self._held, []
        if held and not self.gone:
            self._send(held)

    def _send(self, messages: list[Prepared]) -> None:
        if self.sent is not None and not self.outbox.muted:
            self.sent.extend([message.text for message in messages])
        self.outbox.send(messages)
