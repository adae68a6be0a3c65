"""The faults of one server: armed, counted, and applied where messages are written and requests read."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from vectra_bot.errors import InputError
from vectra_bot.server.faults.messages import ArmedFault, MessageFault, PriceLie, SeedLie
from vectra_bot.server.faults.requests import (
    LoginFault,
    LoginTrouble,
    Postponed,
    Refusal,
    RefusalShape,
)
from vectra_bot.server.transport import Prepared
from vectra_bot.wire.requests import Request

if TYPE_CHECKING:
    from vectra_bot.server.clients import Client


class Faults:
    """Arm faults; see the module's docstring. The server has one instance."""

    def __init__(
        self,
        kick: Callable[[Client | str | None, str], int],
        half_open: Callable[[Client | str | None], int],
        log_out: Callable[[Client | str | None], int],
    ) -> None:
        self._armed: list[ArmedFault] = []
        self._refusals: list[Refusal] = []
        self._postponed: list[Postponed] = []
        self._logins: list[LoginTrouble] = []
        self._kick = kick
        self._half_open = half_open
        self._log_out = log_out

    @property
    def active(self) -> bool:
        """Return whether any fault is armed."""
        return bool(self._armed)

    def clear(self) -> None:
        """Disarm everything; messages held by a reordering are lost."""
        self._armed.clear()
        self._refusals.clear()
        self._postponed.clear()
        self._logins.clear()

    def drop(
        self, *, event: str | None = None, client: Client | str | None = None, count: int = 1
    ) -> ArmedFault:
        """Do not send the next *count* messages."""
        return self._arm(MessageFault.DROP, event, client, count)

    def no_ack(self, *, client: Client | str | None = None, count: int = 1) -> ArmedFault:
        """Execute the next *count* requests without acknowledging them."""
        return self._arm(MessageFault.DROP, "ack", client, count)

    def delay(
        self,
        seconds: float,
        *,
        event: str | None = None,
        client: Client | str | None = None,
        count: int = 1,
    ) -> ArmedFault:
        """Delay the client's stream by *seconds*, from the next matching message on, in order."""
        fault = self._arm(MessageFault.DELAY, event, client, count)
        fault.seconds = seconds
        return fault

    def duplicate(
        self, *, event: str | None = None, client: Client | str | None = None, count: int = 1
    ) -> ArmedFault:
        """Send the next *count* messages twice."""
        return self._arm(MessageFault.DUPLICATE, event, client, count)

    def reorder(
        self, *, event: str | None = None, client: Client | str | None = None, count: int = 1
    ) -> ArmedFault:
        """Swap each of the next *count* messages with the one after it."""
        return self._arm(MessageFault.REORDER, event, client, count)

    def contradict(
        self,
        change: Callable[[str], str],
        *,
        event: str | None = None,
        client: Client | str | None = None,
        count: int = 1,
    ) -> ArmedFault:
        """Send ``change(text)`` in place of the next *count* texts; an unchanged text does not count."""
        fault = self._arm(MessageFault.CONTRADICT, event, client, count)
        fault.change = change
        return fault

    def lie_about_seed(self, *, client: Client | str | None = None) -> ArmedFault:
        """Reveal one finished game with a wrong seed: the next that rugs, in every frame that shows it.

        ``fault.hits`` is above 0 once a wrong seed was sent.
        """
        return self._lasting(SeedLie(), client)

    def lie_about_price(self, *, client: Client | str | None = None) -> ArmedFault:
        """Send one live tick from tick 2 on with a wrong price, in that frame only."""
        return self._lasting(PriceLie(), client)

    def kick(self, client: Client | str | None = None, *, how: str = "close") -> int:
        """End the connection of *client*, None for all; return the number of connections.

        Args:
            client: a client, a player id, or None.
            how: ``close`` writes what is due and closes, like a server that shuts down; ``disconnect``
                sends a Socket.IO disconnect first; ``abort`` resets the connection and loses messages in
                flight.
        """
        return self._kick(client, how)

    def half_open(self, client: Client | str | None = None) -> int:
        """Stop sending to and reading from *client*, without closing; return the number of connections.

        The heartbeat ends it like any lost connection, after at most ping interval plus ping timeout.
        """
        return self._half_open(client)

    def refuse(
        self,
        shape: RefusalShape | str = RefusalShape.MESSAGE,
        *,
        kind: str | None = None,
        client: Client | str | None = None,
        count: int = 1,
        message: str = "Insufficient funds",
        seconds: float = 3.0,
    ) -> Refusal:
        """Do not execute the next *count* action requests of *kind*, and answer them in *shape*.

        Args:
            shape: a :class:`RefusalShape` or its value; ``docs/serve.md`` says which prove a refusal.
            kind: our name of the request (``buy``, ``sell``, ``sidebet`` ...), None for any.
            client: a client, a player id, or None for any.
            count: number of requests, those of all clients together.
            message: the venue's words, where the shape has some.
            seconds: how late the answer of ``late`` comes, real seconds.
        """
        refusal = Refusal(
            target=client,
            count=count,
            shape=_one_of(RefusalShape, shape, "shape"),
            kind=kind,
            message=message,
            seconds=seconds,
        )
        self._refusals.append(refusal)
        return refusal

    def postpone(
        self, seconds: float, *, client: Client | str | None = None, count: int = 1
    ) -> Postponed:
        """Execute the next *count* action requests *seconds* of the venue's time later."""
        postponed = Postponed(target=client, count=count, seconds=seconds)
        self._postponed.append(postponed)
        return postponed

    def login(
        self,
        fault: LoginFault | str,
        *,
        seconds: float = 1.0,
        player_id: str = "did:privy:somebody-else",
        count: int = 1,
    ) -> LoginTrouble:
        """Have the next *count* logins end in *fault*, whatever their token.

        Args:
            fault: ``late`` answers after *seconds*, ``never`` not at all and without a login,
                ``other-account`` logs *player_id* in, ``refused`` refuses.
            seconds: real seconds.
            player_id: the other account.
            count: number of logins.
        """
        trouble = LoginTrouble(
            target=None,
            count=count,
            fault=_one_of(LoginFault, fault, "fault"),
            seconds=seconds,
            player_id=player_id,
        )
        self._logins.append(trouble)
        return trouble

    def log_out(self, client: Client | str | None = None) -> int:
        """End the login of *client*, None for all, silently: the connection and its feed continue.

        Returns:
            the number of connections. Later actions on them are rejected with ``Not logged in``.
        """
        return self._log_out(client)

    def refusal_of(self, client: Client, request: Request) -> Refusal | None:
        """Return the refusal that is armed for *request*, and count it."""
        for refusal in self._refusals:
            if request.kind and refusal.kind in (None, request.kind) and refusal.takes(client):
                return refusal
        return None

    def postponed_s(self, client: Client) -> float:
        """Return how much later a request of *client* is executed, seconds, and count it."""
        return next((p.seconds for p in self._postponed if p.takes(client)), 0.0)

    def trouble_of(self, client: Client) -> LoginTrouble | None:
        """Return what is armed for a login of *client*, and count it."""
        return next((trouble for trouble in self._logins if trouble.takes(client)), None)

    def apply(self, client: Client, messages: list[Prepared]) -> list[Prepared]:
        """Return what *client* gets in place of *messages*."""
        for fault in self._armed:
            messages = fault.apply(client, messages)
        return messages

    def _lasting(self, change: Callable[[str], str], client: Client | str | None) -> ArmedFault:
        fault = self._arm(MessageFault.CONTRADICT, "gameStateUpdate", client, 2**62)
        fault.change = change
        return fault

    def _arm(
        self, kind: MessageFault, event: str | None, client: Client | str | None, count: int
    ) -> ArmedFault:
        fault = ArmedFault(kind=kind, event=event, target=client, count=count)
        self._armed.append(fault)
        return fault


_E = TypeVar("_E", bound=Enum)


def _one_of(family: type[_E], value: object, what: str) -> _E:
    try:
        return family(value)
    except ValueError:
        raise InputError(
            f"{what} was {value!r}: give {', '.join(str(member.value) for member in family)}"
        ) from None
