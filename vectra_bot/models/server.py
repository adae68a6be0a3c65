"""Statements of the venue beyond prices and our account: leaderboard rows, finished games."""

from collections.abc import Callable
from typing import Any, Protocol

from attrs import field, frozen


class LeaderboardRow(Protocol):
    """One row of the leaderboard (protocol 5.2); numbers lag one tick.

    The wire's own typed row satisfies this, so ten rows a frame cost no conversion. Amounts are the
    venue's JSON numbers in SOL; ``practice`` marks practice play, ``position`` is the rank from 1.
    """

    @property
    def id(self) -> str: ...
    @property
    def username(self) -> str | None: ...
    @property
    def level(self) -> int: ...
    @property
    def pnl(self) -> float: ...
    @property
    def position_qty(self) -> float: ...
    @property
    def avg_cost(self) -> float: ...
    @property
    def total_invested(self) -> float: ...
    @property
    def position(self) -> int: ...
    @property
    def practice(self) -> bool: ...


@frozen(kw_only=True)
class FinishedGame:
    """A game of ``gameHistory`` with its revealed seed (protocol 5.3).

    ``prices`` are the venue's (live prices by tick, then the rug price), None in the February format.
    ``sidebets_json`` is the game's list of sidebet rows exactly as received (protocol 5.4).
    """

    game_id: str
    """The game."""
    peak: float
    """Highest price, as the venue states it. Unit: SOL per unit."""
    server_seed: str
    """Seed revealed after the game."""
    server_seed_hash: str
    """SHA-256 of the seed, public before the game."""
    version: str
    """Version of the law: v1, v2 or v3."""
    timestamp_ms: int
    """Venue's time of the game. Unit: ms since 1970-01-01 UTC."""
    rugged: bool = True
    """Whether it rugged; a game that reaches the last tick of the law ends without."""
    prices: tuple[float, ...] | None = None
    """Live prices by tick, then the rug price; None in the February format. Unit: SOL per unit."""
    sidebets_json: bytes = field(default=b"[]", repr=False)
    """Sidebet rows of the game as JSON text."""
    sidebets_of: Callable[[str, int], tuple[Any, ...] | None] | None = field(
        default=None, eq=False, repr=False
    )
    """Reads a player's results (`SidebetResult`) in these rows; None: they cannot be read. Arguments:
    player id, ns since 1970-01-01 UTC.
    """
