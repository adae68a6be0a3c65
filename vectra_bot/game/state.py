"""GameState: the fold of game frames, and the read-only view of it that strategies and plugins get.

Theory of operation. A ``gameStateUpdate`` comes in five shapes, some without a price, and after a stall in
bursts, with repeats and rare steps back (protocol 2.7, 5.1). :meth:`GameState.fold` accepts one typed frame
and returns what changed, in the order in which it must be reported: a game closed, a game opened, the phase
changed, ticks were seen, a rug. The phase comes only from the table of protocol 3.2.

Prices are indexed by tick. A tick that was never seen is NaN, not an estimate. A missed tick that
a later frame's price window still shows is filled in and marked ``backfilled``. Ticks that repeat or come
late are recorded, but a strategy sees strictly increasing ticks only. The rug's price is not a live price:
it is :attr:`GameView.rug_price`, not an element of ``prices``.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from decimal import Context, Decimal
from itertools import pairwise
from typing import Any, overload
from weakref import ref

import attrs
from attrs import Factory, define, field

from vectra_bot.game import rules
from vectra_bot.game.changes import (
    Change,
    FrameRefused,
    GameClosed,
    GameOpened,
    GameStarted,
    GapSeen,
    PhaseChanged,
    PriceConflict,
    Rugged,
    TickSeen,
    phase_of,
    rug_tick_of,
)
from vectra_bot.game.outside import _STATES, BareView, fresh
from vectra_bot.models import (
    FrameKind,
    GameContext,
    GameFrame,
    GamePhase,
    GameTick,
    LeaderboardRow,
)

VOLATILITY_TICKS = 240
VOLATILITY_MIN_RETURNS = 20

# Games whose frames may still arrive late, and how far a tick may count past the law's last one (the
# settlement frame counts up to four past the rug, protocol 3.1).
MAX_CLOSED = 8
MAX_TICK = rules.MAX_TICKS + 16

# Frames that state the current tick, e.g. after a reconnect: a tick they repeat is not a duplicate.
_STATEMENTS = (FrameKind.SNAPSHOT, FrameKind.SETTLEMENT)

# Read at every tick: as names of the module they cost half as much.
_ACTIVE, _RUGGED = GamePhase.ACTIVE, GamePhase.RUGGED
# The next tick is made without its constructor, whose checks take longer: the wire has checked its frame.
_new, _set_values = object.__new__, vars(GameTick)["__dict__"].__set__

# Precise enough that only the requested rounding happens, whatever decimal context the caller has set.
_EXACT = Context(prec=60)


class Prices(Sequence[float]):
    """Live prices by tick, read-only; ``numpy.asarray(game.prices)`` gives an array of doubles."""

    __slots__ = ("_values",)

    def __init__(self, values: tuple[float, ...]) -> None:
        self._values = values

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> list[float]: ...
    def __getitem__(self, index: int | slice) -> float | list[float]:
        found = self._values[index]
        return list(found) if isinstance(found, tuple) else found

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[float]:
        return iter(self._values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        import numpy as np

        return np.array(self._values, dtype=dtype or np.float64)

    def __repr__(self) -> str:
        return f"Prices({list(self._values)!r})"


@define
class _Game:
    """What is known of one game; :class:`GameView` is its documentation."""

    game_id: str = ""
    phase: GamePhase = GamePhase.UNKNOWN
    prices: list[float] = Factory(list)
    price: float = rules.START_PRICE
    tick: int = 0
    peak: float = rules.START_PRICE
    low: float = rules.START_PRICE
    started: bool = False
    joined_late: bool = False
    known_ticks: int = 0
    rug_tick: int | None = None
    rug_price: float | None = None
    cooldown_timer_ms: int = 0
    allow_pre_round_buys: bool = False
    connected_players: int = 0
    trade_count: int | None = None
    server_seed_hash: str | None = None
    leaderboard: tuple[LeaderboardRow, ...] = ()
    _copied: tuple[float, ...] = ()

    def copied_prices(self) -> tuple[float, ...]:
        """Return the prices as a tuple, made once for each tick."""
        if len(self._copied) != len(self.prices):
            self._copied = tuple(self.prices)
        return self._copied

    def set_price(self, tick: int, price: float) -> None:
        """Set the price of a tick that was seen before."""
        self.prices[tick] = price
        self._copied = ()


@define
class GameState:
    """Fold game frames; owned by one task."""

    now: _Game = field(factory=_Game)
    _closed: deque[str] = field(factory=lambda: deque(maxlen=MAX_CLOSED))

    def fold(self, frame: GameFrame) -> list[Change]:
        """Fold *frame* and return what changed, in the order in which it must be reported."""
        tick, price, game = frame.tick, frame.price, self.now
        if (  # the next tick of the running game, as nearly all are: then nothing else changes
            tick == len(game.prices)
            and price is not None
            and game.phase is _ACTIVE
            and frame.active
            and not frame.rugged
            and game.started
            and game.rug_price is None
            and frame.game_id == game.game_id
            and frame.prices is None
            and tick <= MAX_TICK
        ):
            return [self._next(frame, tick, price)]
        return self._fold(frame)

    def _next(self, frame: GameFrame, tick: int, price: float) -> GameTick:
        """Return the next tick of the running game; of what *frame* says its price alone is checked here."""
        game, players, trades = self.now, frame.connected_players, frame.trade_count
        game.cooldown_timer_ms = timer = frame.cooldown_timer_ms
        game.allow_pre_round_buys = presale = frame.allow_pre_round_buys
        game.connected_players = players
        if trades is None:
            trades = game.trade_count
        else:
            game.trade_count = trades
        if frame.server_seed_hash is not None:
            game.server_seed_hash = frame.server_seed_hash
        game.leaderboard = frame.leaderboard
        game.prices.append(price)
        game.known_ticks += 1
        game.price, game.tick = price, tick
        if price > game.peak:
            game.peak = price
        elif price < game.low:
            game.low = price
        seen = _new(GameTick)
        _set_values(
            seen,
            {
                "game_id": game.game_id,
                "tick": tick,
                "price": price,
                "phase": _ACTIVE,
                "cooldown_timer_ms": timer,
                "allow_pre_round_buys": presale,
                "connected_players": players,
                "trade_count": trades,
                "backfilled": False,
            },
        )
        if type(price) is not float or not 0.0 <= price < math.inf:
            return GameTick(**seen.__dict__)  # which says what is wrong
        return seen

    def _fold(self, frame: GameFrame) -> list[Change]:
        changes: list[Change] = []
        tick, price = frame.tick, frame.price
        game, game_id = self.now, frame.game_id
        # A countdown of 2025 names no game (protocol 12.1): it belongs to the running one.
        known = game_id == game.game_id or not game_id
        if not known and game_id in self._closed:
            return [FrameRefused("a frame of a game that is over", game_id, tick)]
        if tick is not None and tick > MAX_TICK:
            return [FrameRefused(f"tick {tick} is beyond any game's", game_id, tick)]
        if not known:
            game = self._open(frame, changes)
        previous = game.phase
        phase = phase_of(frame, previous)
        if game.rug_price is not None and game_id:
            live = frame.active and not frame.rugged
            if live and tick is not None and tick >= len(game.prices):
                return [FrameRefused("a live tick after the rug", game_id, tick)]
            # A rug is final: what comes later was sent before it, unless a countdown ended the game.
            ended = previous in (GamePhase.COOLDOWN, GamePhase.PRESALE)
            phase = previous if ended else _RUGGED
        game.phase = phase
        game.cooldown_timer_ms = frame.cooldown_timer_ms
        game.allow_pre_round_buys = frame.allow_pre_round_buys
        game.connected_players = frame.connected_players
        if frame.trade_count is not None:
            game.trade_count = frame.trade_count
        if frame.server_seed_hash is not None:
            game.server_seed_hash = frame.server_seed_hash
        game.leaderboard = frame.leaderboard
        if phase is not previous:
            changes.append(PhaseChanged(phase, previous))
        if price is None or tick is None:
            return changes
        if phase is _ACTIVE:
            self._fold_live(frame, price, tick, changes)
        elif phase is _RUGGED:
            self._fold_rug(frame, price, tick, changes)
        else:
            game.price = price
            changes.append(TickSeen(self._tick(tick, price)))
        return changes

    def _open(self, frame: GameFrame, changes: list[Change]) -> _Game:
        old = self.now
        if old.game_id:
            changes.append(_closed(old, frame))
            self._closed.append(old.game_id)
        self.now = _Game(game_id=frame.game_id)
        changes.append(GameOpened(frame.game_id))
        return self.now

    def _fold_live(self, frame: GameFrame, price: float, tick: int, changes: list[Change]) -> None:
        game = self.now
        if not game.started:
            game.started = True
            game.joined_late = tick > 0
            self._fill(frame, tick, changes)
            changes.append(GameStarted())
        elif frame.prices is not None:
            self._heal(frame.prices, changes)
        prices = game.prices
        if tick != len(prices):
            if tick < len(prices):
                if frame.kind not in _STATEMENTS or prices[tick] != price:
                    self._fold_late(price, tick, changes)
                return
            self._fill(frame, tick, changes)
        changes.append(self._next(frame, tick, price))

    def _fill(self, frame: GameFrame, upto: int, changes: list[Change]) -> None:
        """Fill in the ticks before *upto* from the frame's own price list or window."""
        game = self.now
        first = len(game.prices)
        known = dict(frame.partial_prices)
        if frame.prices is not None:
            known.update(enumerate(frame.prices))
        missing: list[int] = []
        for tick in range(first, upto):
            value = known.get(tick, math.nan)
            game.prices.append(value)
            self._know(value)
            if math.isnan(value):
                missing.append(tick)
            else:
                changes.append(TickSeen(self._tick(tick, value, backfilled=True)))
        if missing:
            changes.append(GapSeen(missing[0], missing[-1]))

    def _heal(self, prices: Sequence[float], changes: list[Change]) -> None:
        """Fill in ticks that were missed before from a snapshot's whole list."""
        known = self.now.prices
        for tick, value in enumerate(prices[: len(known)]):
            if known[tick] != known[tick]:
                self._set(tick, value)
                changes.append(TickSeen(self._tick(tick, value, backfilled=True)))

    def _know(self, price: float) -> None:
        """Count a live price and update peak and low; NaN (unknown) is ignored."""
        game = self.now
        if price == price:
            game.known_ticks += 1
            if price > game.peak:
                game.peak = price
            elif price < game.low:
                game.low = price

    def _fold_late(self, price: float, tick: int, changes: list[Change]) -> None:
        """Record a tick that repeats or comes late."""
        game = self.now
        known = game.prices[tick]
        if known != known:
            self._set(tick, price)
        elif known != price:
            changes.append(PriceConflict(tick, known, price))
        seen = attrs.evolve(self._tick(tick, price), phase=GamePhase.ACTIVE)
        changes.append(TickSeen(seen))

    def _set(self, tick: int, price: float) -> None:
        self.now.set_price(tick, price)
        self._know(price)

    def _fold_rug(self, frame: GameFrame, price: float, tick: int, changes: list[Change]) -> None:
        game = self.now
        if game.rug_price is None:
            rug_tick = rug_tick_of(frame, price, tick)
            if rug_tick is not None and (game.started or frame.prices):
                self._fill(frame, rug_tick, changes)
            game.joined_late = game.joined_late or not game.started
            game.rug_tick = rug_tick
            game.rug_price = price
            game.price = price
            game.tick = tick
            changes.append(TickSeen(self._tick(tick, price)))
            changes.append(Rugged(game.rug_tick, price))
        elif not frame.rugged and tick < len(game.prices):
            self._fold_late(price, tick, changes)
        elif frame.kind not in _STATEMENTS or (tick, price) != (game.tick, game.price):
            changes.append(TickSeen(self._tick(tick, price)))

    def _tick(self, tick: int, price: float, *, backfilled: bool = False) -> GameTick:
        game = self.now
        return GameTick(
            game.game_id,
            tick,
            price,
            _ACTIVE if backfilled else game.phase,
            game.cooldown_timer_ms,
            game.allow_pre_round_buys,
            game.connected_players,
            game.trade_count,
            backfilled,
        )

    def close(self) -> GameClosed | None:
        """Return the running game as closed now, None if no game was seen."""
        return _closed(self.now, None) if self.now.game_id else None


def _closed(game: _Game, frame: GameFrame | None) -> GameClosed:
    history = () if frame is None else frame.history
    seed = next((one.server_seed for one in history if one.game_id == game.game_id), None)
    live = len(game.prices)
    return GameClosed(
        game_id=game.game_id,
        rug_tick=game.rug_tick,
        rug_price=game.rug_price,
        last_price=game.price,
        ticks=game.known_ticks,
        peak=game.peak,
        low=game.low,
        joined_late=game.joined_late,
        complete=game.rug_tick is not None and game.known_ticks == live == game.rug_tick,
        server_seed=seed,
        server_seed_hash=game.server_seed_hash,
    )


class GameView(BareView):
    """The running game, read-only.

    Attributes describe the game that the latest frame belongs to. Prices are the venue's doubles, unrounded;
    times are milliseconds.
    """

    __slots__ = ()

    @property
    def game_id(self) -> str:
        return _now(self).game_id

    @property
    def phase(self) -> GamePhase:
        return _now(self).phase

    @property
    def tick(self) -> int:
        """Return the newest tick; 0 before the game started."""
        # Read at nearly every tick: as _now(), without its call.
        now: _Game = _STATES[ref(self)].now
        return now.tick

    @property
    def price(self) -> float:
        """Return the newest price; 1 before the game started, the rug price after the rug."""
        # Read at nearly every tick: as _now(), without its call.
        now: _Game = _STATES[ref(self)].now
        return now.price

    @property
    def prices(self) -> Prices:
        """Return the live prices from tick 0; NaN where a tick was missed."""
        return Prices(_now(self).copied_prices())

    @property
    def peak(self) -> float:
        """Return the highest live price seen."""
        return _now(self).peak

    @property
    def low(self) -> float:
        """Return the lowest live price seen."""
        return _now(self).low

    @property
    def starts_in_ms(self) -> int:
        """Return the countdown to the start, 0 while the game runs."""
        return _now(self).cooldown_timer_ms

    @property
    def joined_late(self) -> bool:
        """Return whether the first frame seen of this game was not its start."""
        return _now(self).joined_late

    @property
    def rug_tick(self) -> int | None:
        return _now(self).rug_tick

    @property
    def rug_price(self) -> float | None:
        return _now(self).rug_price

    @property
    def connected_players(self) -> int:
        return _now(self).connected_players

    @property
    def trade_count(self) -> int | None:
        """Return the trades of the game so far as the venue counts them."""
        return _now(self).trade_count

    @property
    def server_seed_hash(self) -> str | None:
        """Return the venue's commitment to this game's seed."""
        return _now(self).server_seed_hash

    @property
    def leaderboard(self) -> tuple[LeaderboardRow, ...]:
        """Return up to ten rows; numbers lag one tick (protocol 5.2)."""
        return tuple(map(fresh, _now(self).leaderboard))

    @property
    def volatility(self) -> Decimal | None:
        """Return the standard deviation of the log returns of the last 240 ticks, None before 20."""
        return volatility_of(_now(self).prices)

    def context(self) -> GameContext:
        """Return the current state of the game as a record."""
        game = _now(self)
        return GameContext(
            game_id=game.game_id,
            tick=game.tick,
            price=Decimal(repr(game.price)),
            phase=game.phase,
            is_pre_round=game.allow_pre_round_buys,
            connected_players=game.connected_players,
            volatility_1m=volatility_of(game.prices),
            time_since_start=game.tick if game.started else None,
        )


def _now(view: GameView) -> _Game:
    now: _Game = _STATES[ref(view)].now  # as state_of() does it, without the cost of a call
    return now


def volatility_of(prices: list[float]) -> Decimal | None:
    """Return the standard deviation of the log returns of the last 240 ticks, None before 20."""
    window = prices[-(VOLATILITY_TICKS + 1) :]
    returns = [
        math.log(after / before) for before, after in pairwise(window) if before > 0 and after > 0
    ]
    count = len(returns)
    if count < VOLATILITY_MIN_RETURNS:
        return None
    mean = math.fsum(returns) / count
    variance = math.fsum((value - mean) ** 2 for value in returns) / (count - 1)
    return _EXACT.quantize(Decimal(repr(math.sqrt(variance))), rules.LAMPORT)
