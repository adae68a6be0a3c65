"""Faults of what is written to a client.

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


class MessageFault(Enum):
    """What happens to a message."""

    DROP = "drop"
    DELAY = "delay"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    CONTRADICT = "contradict"


@define(eq=False, kw_only=True)
class ArmedFault:
    """One armed fault; ``hits`` counts the messages it affected."""

    kind: MessageFault
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
        if self.kind is MessageFault.DROP:
            return
        if self.kind is MessageFault.REORDER:
            self._late[client.number] = message
            return
        if self.kind is MessageFault.DELAY:
            client.hold(self.seconds)
        if self.kind is MessageFault.CONTRADICT and self.change is not None:
            changed = self.change(message.text)
            if changed == message.text:  # nothing in it to falsify: the next one counts
                self._left[client.number] += 1
                self.hits -= 1
            else:
                message = Prepared(changed, message.not_to)
        out.append(message)
        if self.kind is MessageFault.DUPLICATE:
            out.append(message)


def _payload(text: str) -> dict[str, Any]:
    return msgspec.json.decode(text[2:], type=tuple[str, dict[str, Any]])[1]


class SeedLie:
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


class PriceLie:
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
