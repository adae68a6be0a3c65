"""Rounds of the side games: a fold of the venue's statements about them, and the view a strategy gets.

A round runs beside the main game and does not end with it (protocol 11; rules documented, wire unverified).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from attrs import define, evolve, field, frozen

from vectra_bot.game.outside import BareView, fresh, state_of
from vectra_bot.models import RoundUpdate, SideGameKind

# Rounds kept; far more than run at the same time in ten rooms.
MAX_ROUNDS = 256


@frozen(kw_only=True)
class Round:
    """A side game's round as the venue last stated it (unverified).

    Attributes:
        payouts: multiple of the stake that each choice pays.
        is_open: whether stakes are accepted, as far as the venue has stated.
        closes_at_ms: when stakes close, the venue's time, ms since the epoch.
        result: the choice that won, None while it is not known.
        room: the lobby room of a Candleflip round, None if the venue names none.
        start_tick, start_price: the main game's when the round was first seen.
        tick, price, game_id: the main game's at the last statement.
        ticks: ticks of the main game seen since the round was first seen.
        result_ts: the venue's time of the result, ms since the epoch.
    """

    side_game: SideGameKind
    round_id: str
    is_open: bool
    closes_at_ms: int
    payouts: Mapping[str, float]
    game_id: str
    start_tick: int
    start_price: float
    tick: int
    price: float
    ticks: int = 0
    room: int | None = None
    server_seed_hash: str | None = None
    server_seed: str | None = None
    result: str | None = None
    result_ts: int | None = None
    seen_at: int = field(default=0, repr=False)


@define
class Rounds:
    """Fold the rounds of all side games; the owner of this state."""

    _known: OrderedDict[tuple[SideGameKind, str], Round] = field(factory=OrderedDict)
    _streaks: dict[tuple[SideGameKind, int | None], tuple[str, int]] = field(factory=dict)

    def fold(self, event: RoundUpdate, ticks_seen: int) -> Round | None:
        """Fold a statement; return the round if it has its result now, each round once.

        Args:
            event: the venue's statement.
            ticks_seen: ticks of the main game that the session has seen so far.
        """
        key = (event.side_game, event.round_id)
        before = self._known.get(key)
        if before is not None and before.result is not None:
            return None
        found = self._known[key] = _stated(event, before, ticks_seen)
        if len(self._known) > MAX_ROUNDS:
            self._known.popitem(last=False)
        if found.result is None:
            return None
        streak = self._streaks.get((event.side_game, found.room))
        count = streak[1] + 1 if streak is not None and streak[0] == found.result else 1
        if len(self._streaks) >= MAX_ROUNDS:
            self._streaks.clear()
        self._streaks[event.side_game, found.room] = (found.result, count)
        return found

    def lose(self) -> None:
        """Mark every round as not open: the connection is lost, so newer statements were missed."""
        for key, known in self._known.items():
            if known.is_open:
                self._known[key] = evolve(known, is_open=False)

    def get(self, side_game: SideGameKind, round_id: str) -> Round | None:
        """Return a round by its id, None if it is not known."""
        return self._known.get((side_game, round_id))

    def open(self, side_game: SideGameKind) -> tuple[Round, ...]:
        """Return the rounds that accept stakes, oldest first."""
        return tuple(r for r in self._known.values() if r.is_open and r.side_game is side_game)

    def current(self, side_game: SideGameKind) -> Round | None:
        """Return the newest round that accepts stakes, else the newest one, None before the first."""
        newest: Round | None = None
        for known in reversed(self._known.values()):
            if known.side_game is not side_game:
                continue
            if known.is_open:
                return known
            newest = newest or known
        return newest

    def streak(self, ended: Round) -> int:
        """Return how many results equal to that of *ended* came in a row in its room."""
        result, count = self._streaks.get((ended.side_game, ended.room), ("", 0))
        return count if result == ended.result else 0

    @property
    def empty(self) -> bool:
        """Whether no round was ever seen."""
        return not self._known


def _stated(event: RoundUpdate, before: Round | None, ticks_seen: int) -> Round:
    return Round(
        side_game=event.side_game,
        round_id=event.round_id,
        is_open=event.is_open and event.result is None,
        closes_at_ms=event.closes_at_ms,
        payouts=event.payouts,
        game_id=event.game_id,
        start_tick=event.tick if before is None else before.start_tick,
        start_price=event.price if before is None else before.start_price,
        tick=event.tick,
        price=event.price,
        ticks=0 if before is None else ticks_seen - before.seen_at,
        room=event.room,
        server_seed_hash=event.server_seed_hash,
        server_seed=event.server_seed,
        result=event.result,
        result_ts=event.server_ts if event.result is not None else None,
        seen_at=ticks_seen if before is None else before.seen_at,
    )


class SideGamesView(BareView):
    """The side games' rounds, read-only (unverified)."""

    __slots__ = ()

    @property
    def bbc(self) -> Round | None:
        """Return the Bull/Bear/Crab round that accepts stakes, else the last one seen, None before it."""
        return _current(self, SideGameKind.BBC)

    @property
    def candleflip(self) -> Round | None:
        """Return the newest Candleflip round that accepts stakes, else the last one seen, None before it."""
        return _current(self, SideGameKind.CANDLEFLIP)

    def open(self, side_game: SideGameKind) -> tuple[Round, ...]:
        """Return all rounds of *side_game* that accept stakes, oldest first: Candleflip has several rooms."""
        rounds: Rounds = state_of(self)
        return tuple(map(fresh, rounds.open(side_game)))


def _current(view: SideGamesView, side_game: SideGameKind) -> Round | None:
    rounds: Rounds = state_of(view)
    found: Round | None = fresh(rounds.current(side_game))
    return found
