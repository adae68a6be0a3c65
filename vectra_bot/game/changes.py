"""What a game frame shows and can change, as :meth:`vectra_bot.game.state.GameState.fold` reports it."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from vectra_bot.models import FrameKind, GameFrame, GamePhase, GameTick


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


def phase_of(frame: GameFrame, previous: GamePhase) -> GamePhase:
    """Return the phase *frame* shows (protocol 3.2); a frame that shows none keeps *previous*."""
    if frame.rugged:
        return GamePhase.RUGGED
    if frame.active:
        return GamePhase.ACTIVE
    if frame.allow_pre_round_buys:
        return GamePhase.PRESALE
    if frame.cooldown_timer_ms > 0:
        return GamePhase.COOLDOWN
    return previous


def rug_tick_of(frame: GameFrame, price: float, tick: int) -> int | None:
    """Return the tick of the rug that *frame* shows, None if it cannot be known from the frame.

    A settlement frame counts past the rug (protocol 3.1); a snapshot shows it by its price list, whose last
    entry is then the rug price.
    """
    if frame.kind is FrameKind.TICK:
        return tick
    if frame.kind is FrameKind.SNAPSHOT and frame.prices and frame.prices[-1] == price:
        return len(frame.prices) - 1
    return None
