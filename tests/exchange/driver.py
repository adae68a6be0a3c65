"""Drive an exchange by hand: run it, send requests, read what one client sees."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, field, frozen

from vectra_bot.exchange import EvidenceDelays, Exchange, ExchangeConfig, RequestRecord
from vectra_bot.game import rules
from vectra_bot.models import Event, Frame
from vectra_bot.wire.decode import decode
from vectra_bot.wire.states import WireFormat

ME = "did:privy:cmme00000000000000000000me"
MS = 1_000_000
STATE = "gameStateUpdate"


def config(seed: int = 1, crowd: int = 0, fmt: str = "feb", **more: Any) -> ExchangeConfig:
    """Return a config that starts quickly."""
    return ExchangeConfig(
        seed=seed, crowd=crowd, wire_format=WireFormat(fmt), past_games=10, **more
    )


@frozen
class Seen:
    """One message as the client got it."""

    at_ns: int
    text: str
    private: bool

    @property
    def name(self) -> str:
        return "ack" if self.text.startswith("43") else json.loads(self.text[2:])[0]

    @property
    def payload(self) -> Any:
        return json.loads(self.text[self.text.index("[") :])[-1]

    @property
    def trace_id(self) -> str | None:
        first = json.loads(self.text[self.text.index("[") :])[1]
        return first["traceparent"].split("-")[1] if "__trace" in first else None

    @property
    def event(self) -> Event:
        return decode(Frame(self.at_ns, self.text))


@define
class Client:
    """A client on its own exchange."""

    exchange: Exchange
    records: list[RequestRecord] = field(factory=list)
    seen: list[Seen] = field(factory=list)
    requests: int = 0

    def send(
        self, event: str, payload: dict[str, Any], *, after_ms: float = 70, at_ns: int | None = None
    ) -> str:
        """Send a request that arrives *after_ms* from now, or at *at_ns*; return its trace id."""
        self.requests += 1
        trace_id = f"{self.requests:032x}"
        trace = {"__trace": True, "traceparent": f"00-{trace_id}-{self.requests:016x}-01"}
        text = f"42{self.requests}{json.dumps([event, trace, payload])}"
        if at_ns is None:
            at_ns = self.exchange.now_ns + int(after_ms * MS)
        self.exchange.request(at_ns, ME, text)
        return trace_id

    def buy(self, amount: float, **when: Any) -> str:
        return self.send("buyOrder", {"amount": amount}, **when)

    def sell(self, percentage: int, **when: Any) -> str:
        return self.send("sellOrder", {"percentage": percentage}, **when)

    def sidebet(self, amount: float, **when: Any) -> str:
        return self.send("requestSidebet", {"amount": amount, "xPayout": 5}, **when)

    def step(self) -> list[Seen]:
        """Take one step of the exchange and return what this client got."""
        got = [
            Seen(message.at_ns, message.text, message.player_id is not None)
            for message in self.exchange.step()
            if message.player_id in {None, ME} and message.not_to != ME
        ]
        self.seen.extend(got)
        return got

    def until(self, stop: Callable[[Seen], bool]) -> Seen:
        """Run until *stop* is true for a message and return it."""
        while True:
            for seen in self.step():
                if stop(seen):
                    return seen

    def until_tick(self, tick: int) -> Seen:
        """Run until the frame of *tick* of a game that is long enough."""
        return self.until(lambda seen: live_tick(seen) == tick)

    def until_presale(self) -> Seen:
        return self.until(lambda seen: bool(state(seen).get("allowPreRoundBuys")))

    def until_rug(self) -> Seen:
        return self.until(lambda seen: bool(state(seen).get("rugged")))

    def games(self, count: int) -> None:
        """Run until *count* more games have ended and their seeds are revealed."""
        end = self.exchange.games_opened + count
        while self.exchange.games_opened < end:
            self.step()

    def drain(self) -> None:
        """Run until no private message is in flight (a second is more than any answer takes)."""
        end = self.exchange.now_ns + 400 * MS
        while self.exchange.next_ns() <= end:
            self.step()

    def answers(self, name: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.private and seen.name == name]


def state(seen: Seen) -> dict[str, Any]:
    """Return the payload of a state frame, an empty one of anything else."""
    if not seen.text.startswith(f'42["{STATE}"'):
        return {}
    payload: dict[str, Any] = seen.payload
    return payload


def live_tick(seen: Seen) -> int | None:
    """Return the tick of a live frame, None of anything else."""
    frame = state(seen)
    if frame.get("active") and not frame["rugged"]:
        return int(frame["tickCount"])
    return None


def connected(
    cfg: ExchangeConfig | None = None, cash: int = 10**9, delays: EvidenceDelays | None = None
) -> Client:
    """Return a client that has just connected."""
    records: list[RequestRecord] = []
    exchange = Exchange(cfg or config(), records.append)
    exchange.connect(ME, "me", cash, delays=delays)
    return Client(exchange, records)


def frames(client: Client) -> Iterator[dict[str, Any]]:
    """Yield the state frames seen so far."""
    return (frame for frame in map(state, client.seen) if frame)


def kind_of(frame: dict[str, Any]) -> str:
    """Return the name of a state frame in the automaton of protocol 3.1."""
    if "prices" in frame:
        return "snapshot"
    if "gameHistory" in frame:
        return "settlement" if frame["rugged"] else "new-game"
    if "price" not in frame:
        opening = frame["cooldownTimer"] == rules.PRESALE_MS
        return "presale-countdown" if opening else "countdown"
    if "tradeCount" not in frame:
        return "start"
    if frame["rugged"]:
        return "rug"
    return "tick" if frame["active"] else "presale"
