"""Fault injection for tests: an in-process API that no frame of a client can reach.

A fault is *armed* for the next ``count`` messages that match: those named ``event`` (``"ack"`` for
acknowledgements, None for any), to ``client`` (None: to each client, each counted separately). It is applied
at the last step, where a message is written to one client, so the exchange and the other clients do not
notice it. Faults are applied in the order in which they were armed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import define, field

from vectra_bot.game import rules
from vectra_bot.server.transport import Prepared

if TYPE_CHECKING:
    from vectra_bot.server.clients import Client

_NAME = re.compile(r'42\["([^"]*)"')
_PRICE = re.compile(r'"price":([0-9.eE+-]+)')
_FIRST_LIE_TICK = 2


def event_of(text: str) -> str:
    """Return the event's name of a frame, ``"ack"`` for an acknowledgement."""
    if text.startswith("43"):
        return "ack"
    match = _NAME.match(text)
    return match[1] if match else ""


class _Kind(Enum):
    DROP = "drop"
    DELAY = "delay"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    CONTRADICT = "contradict"


@define(eq=False, kw_only=True)
class ArmedFault:
    """One armed fault; ``hits`` counts the messages it affected."""

    kind: _Kind
    event: str | None
    target: Client | str | None
    count: int
    seconds: float = 0.0
    change: Callable[[str], str] | None = None
    hits: int = 0
    _left: dict[int, int] = field(init=False, factory=dict)
    _late: dict[int, Prepared] = field(init=False, factory=dict)

    def matches(self, client: Client, text: str) -> bool:
        """Return whether this fault applies to *text* for *client*, and count it if so."""
        if self.target is not None and self.target not in (client, client.player_id):
            return False
        if self.event is not None and event_of(text) != self.event:
            return False
        left = self._left.get(client.number, self.count)
        if left <= 0:
            return False
        self._left[client.number] = left - 1
        self.hits += 1
        return True

    def apply(self, client: Client, messages: list[Prepared]) -> list[Prepared]:
        """Return what *client* gets in place of *messages*."""
        out: list[Prepared] = []
        for message in messages:
            late = self._late.pop(client.number, None)
            if self.matches(client, message.text):
                self._one(client, message, out)
            else:
                out.append(message)
            if late is not None:
                out.append(late)
        return out

    def _one(self, client: Client, message: Prepared, out: list[Prepared]) -> None:
        if self.kind is _Kind.DROP:
            return
        if self.kind is _Kind.REORDER:
            self._late[client.number] = message
            return
        if self.kind is _Kind.DELAY:
            client.hold(self.seconds)
        if self.kind is _Kind.CONTRADICT and self.change is not None:
            changed = self.change(message.text)
            if changed == message.text:  # nothing in it to falsify: the next one counts
                self._left[client.number] += 1
                self.hits -= 1
            else:
                message = Prepared(changed, message.not_to)
        out.append(message)
        if self.kind is _Kind.DUPLICATE:
            out.append(message)


class Faults:
    """Arm faults; see the module's docstring. The server has one instance."""

    def __init__(
        self,
        kick: Callable[[Client | str | None, str], int],
        half_open: Callable[[Client | str | None], int],
    ) -> None:
        self._armed: list[ArmedFault] = []
        self._kick = kick
        self._half_open = half_open

    @property
    def active(self) -> bool:
        """Return whether any fault is armed."""
        return bool(self._armed)

    def clear(self) -> None:
        """Disarm everything; messages held by a reordering are lost."""
        self._armed.clear()

    def drop(
        self, *, event: str | None = None, client: Client | str | None = None, count: int = 1
    ) -> ArmedFault:
        """Do not send the next *count* messages."""
        return self._arm(_Kind.DROP, event, client, count)

    def no_ack(self, *, client: Client | str | None = None, count: int = 1) -> ArmedFault:
        """Execute the next *count* requests without acknowledging them."""
        return self._arm(_Kind.DROP, "ack", client, count)

    def delay(
        self,
        seconds: float,
        *,
        event: str | None = None,
        client: Client | str | None = None,
        count: int = 1,
    ) -> ArmedFault:
        """Delay the client's stream by *seconds*, from the next matching message on, in order."""
        fault = self._arm(_Kind.DELAY, event, client, count)
        fault.seconds = seconds
        return fault

    def duplicate(
        self, *, event: str | None = None, client: Client | str | None = None, count: int = 1
    ) -> ArmedFault:
        """Send the next *count* messages twice."""
        return self._arm(_Kind.DUPLICATE, event, client, count)

    def reorder(
        self, *, event: str | None = None, client: Client | str | None = None, count: int = 1
    ) -> ArmedFault:
        """Swap each of the next *count* messages with the one after it."""
        return self._arm(_Kind.REORDER, event, client, count)

    def contradict(
        self,
        change: Callable[[str], str],
        *,
        event: str | None = None,
        client: Client | str | None = None,
        count: int = 1,
    ) -> ArmedFault:
        """Send ``change(text)`` in place of the next *count* texts; an unchanged text does not count."""
        fault = self._arm(_Kind.CONTRADICT, event, client, count)
        fault.change = change
        return fault

    def lie_about_seed(self, *, client: Client | str | None = None) -> ArmedFault:
        """Reveal one finished game with a wrong seed: the next that rugs, in every frame that shows it.

        ``fault.hits`` is above 0 once a wrong seed was sent.
        """
        return self._lasting(_SeedLie(), client)

    def lie_about_price(self, *, client: Client | str | None = None) -> ArmedFault:
        """Send one live tick from tick 2 on with a wrong price, in that frame only."""
        return self._lasting(_PriceLie(), client)

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

    def apply(self, client: Client, messages: list[Prepared]) -> list[Prepared]:
        """Return what *client* gets in place of *messages*."""
        for fault in self._armed:
            messages = fault.apply(client, messages)
        return messages

    def _lasting(self, change: Callable[[str], str], client: Client | str | None) -> ArmedFault:
        fault = self._arm(_Kind.CONTRADICT, "gameStateUpdate", client, 2**62)
        fault.change = change
        return fault

    def _arm(
        self, kind: _Kind, event: str | None, client: Client | str | None, count: int
    ) -> ArmedFault:
        fault = ArmedFault(kind=kind, event=event, target=client, count=count)
        self._armed.append(fault)
        return fault


def _payload(text: str) -> dict[str, Any]:
    return msgspec.json.decode(text[2:], type=tuple[str, dict[str, Any]])[1]


class _SeedLie:
    """Change one hex digit of one game's revealed seed, the same way in every frame."""

    def __init__(self) -> None:
        self._seed = ""

    def __call__(self, text: str) -> str:
        if '"gameHistory"' not in text:
            return text
        if not self._seed:
            payload = _payload(text)
            if payload["cooldownTimer"] != rules.COOLDOWN_MS:
                return text
            self._seed = payload["gameHistory"][0]["provablyFair"]["serverSeed"]
        first = "1" if self._seed[0] == "0" else "0"
        wrong = first + self._seed[1:]
        return text.replace(f'"serverSeed":"{self._seed}"', f'"serverSeed":"{wrong}"')


class _PriceLie:
    """Double the price of one live tick, everywhere in its frame."""

    def __init__(self) -> None:
        self._frame = ""

    def __call__(self, text: str) -> str:
        if (self._frame and text != self._frame) or '"tradeCount"' not in text:
            return text
        payload = _payload(text)
        tick = payload["tickCount"]
        found = _PRICE.search(text)
        if not payload["active"] or payload["rugged"] or tick < _FIRST_LIE_TICK or found is None:
            return text
        self._frame = text
        price, wrong = found[1], repr(payload["price"] * 2.0)
        return text.replace(found[0], f'"price":{wrong}', 1).replace(
            f'"{tick}":{price}', f'"{tick}":{wrong}', 1
        )
