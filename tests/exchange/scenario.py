"""One client in a game with known prices: requests that are answered immediately, and their results."""

from __future__ import annotations

from typing import Any

from tests.exchange.driver import ME, Client, config
from vectra_bot.exchange import EvidenceDelays, Exchange, ExchangeConfig
from vectra_bot.exchange.accounts import VenueAccount
from vectra_bot.exchange.config import DEFAULT_LEVEL, START_NS
from vectra_bot.exchange.identities import Identities
from vectra_bot.game import rules
from vectra_bot.game.fair import FairGame, play_game
from vectra_bot.game.ledger import Ledger

OTHER = "did:privy:cmother000000000000000other"
SOL = rules.LAMPORTS_PER_SOL
LONG = 11  # the first game of this seed lives 144 ticks between 0.71 and 3.14


def law(seed: int = LONG, number: int = 0) -> FairGame:
    """Return the *number*-th game that an exchange of *seed* plays on its first day."""
    ids = Identities(seed)
    return play_game(ids.server_seed(number), ids.game_id(number, START_NS))


def joined(
    cfg: ExchangeConfig | None = None,
    cash: int = 100 * SOL,
    *,
    bonus: int = 0,
    level: int = DEFAULT_LEVEL,
) -> Client:
    """Return a client whose every request is answered at the moment of its sending."""
    records: list[Any] = []
    exchange = Exchange(cfg or config(seed=LONG), records.append)
    exchange.connect(ME, "me", cash, bonus=bonus, level=level, delays=EvidenceDelays.none())
    return Client(exchange, records)


def account_of(client: Client, player_id: str = ME) -> VenueAccount:
    account = client.exchange.books.get(player_id)
    assert account is not None
    return account


def ledger_of(client: Client) -> Ledger:
    return account_of(client).ledger


def ask(client: Client, event: str, **payload: Any) -> dict[str, Any]:
    """Send a request that arrives now, run until it is answered, and return the answer."""
    client.send(event, payload, after_ms=0)
    answer: dict[str, Any] = client.until(lambda seen: seen.text.startswith("43")).payload
    return answer


def received(client: Client, name: str) -> list[dict[str, Any]]:
    """Return the payloads of the client's own events of one name."""
    return [seen.payload for seen in client.answers(name)]


def own_trades(client: Client) -> list[tuple[str, int, float]]:
    """Return type, tick and price of the client's own trades."""
    return [
        (trade["type"], trade["tickIndex"], trade["price"])
        for trade in received(client, "standard/newTrade")
    ]


def balanced(client: Client) -> bool:
    """Return whether the venue's books balance; the differences are shown if not."""
    assert list(client.exchange.books.differences()) == []
    return True
