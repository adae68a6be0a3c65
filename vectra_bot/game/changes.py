"""What a game frame can change, as :meth:`vectra_bot.game.state.GameState.fold` reports it."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from vectra_bot.models import GamePhase, GameTick


@frozen
class GameClosed:
    """The game *game_id* is over: the first frame of another game arrived."""

    game_id: str
    rug_tick: int | None
    rug_price: float | None
    last_price: float
    ticks: int
    peak: float
    low: float
    joined_late: bool
    complete: bool
    server_seed: str | None
    server_seed_hash: str | None


@frozen
class GameOpened:
    """The first frame of a game arrived."""

    game_id: str


@frozen
class PhaseChanged:
    """The phase changed from *previous* to *phase*."""

    phase: GamePhase
    previous: GamePhase


@frozen
class GameStarted:
    """Tick 0 was seen, or the first frame of a game joined late."""


@frozen
class TickSeen:
    """A price that is not a new live tick: backfilled, late, repeated, the rug's, or of no running game."""

    tick: GameTick


@frozen
class GapSeen:
    """Ticks *first* to *last* were missed and are not in any price window."""

    first: int
    last: int


@frozen
class PriceConflict:
    """A repeated tick has a different price than before."""

    tick: int
    known: float
    seen: float


@frozen
class FrameRefused:
    """A frame was not folded: it belongs to a game that is over, or its tick is out of range."""

    reason: str
    game_id: str
    tick: int | None


@frozen
class Rugged:
    """The game rugged; ``rug_tick`` is None if the rug frame itself was not seen."""

    rug_tick: int | None
    rug_price: float


Change: TypeAlias = (
    GameTick
    | GameClosed
    | GameOpened
    | PhaseChanged
    | GameStarted
    | TickSeen
    | GapSeen
    | PriceConflict
    | FrameRefused
    | Rugged
)
