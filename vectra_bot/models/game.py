"""The game as records: phases, ticks, the context of an action, and the summary of a finished game."""

import math
from decimal import Decimal
from enum import Enum

from attrs import frozen

from vectra_bot.models import _fields as f


class GamePhase(str, Enum):
    """Phases of a game (protocol 3.2); the seed's three values plus PRESALE and UNKNOWN."""

    COOLDOWN = "cooldown"
    PRESALE = "presale"
    ACTIVE = "active"
    RUGGED = "rugged"
    UNKNOWN = "unknown"


@frozen
class GameContext:
    """Game state at the moment of an action.

    ``volatility_1m`` is the standard deviation of the log returns of the last 240 ticks, None before
    20 returns are known. ``time_since_start`` is in ticks, None before the game started.
    """

    game_id: str = f.text()
    tick: int = f.integer()
    price: Decimal = f.price()
    phase: GamePhase = f.kind(GamePhase)
    is_pre_round: bool = f.boolean()
    connected_players: int = f.integer()
    volatility_1m: Decimal | None = f.opt_sol(default=None)
    time_since_start: int | None = f.opt_integer(default=None)


# The most common record: a frozen class fills a dict faster than slots, and one test of a typical tick
# costs less than a check of each field.
@frozen(kw_only=True, slots=False, field_transformer=f.check_later)
class GameTick:
    """One update of the price.

    ``price`` is an IEEE double, bit for bit as the venue sent it. ``backfilled`` marks a tick that was
    missed and recovered later from the price window of another frame; its receive time is that frame's.
    """

    game_id: str = f.text()
    tick: int = f.integer()
    price: float = f.double()
    phase: GamePhase = f.kind(GamePhase)
    cooldown_timer_ms: int = f.integer(default=0)
    allow_pre_round_buys: bool = f.boolean(default=False)
    connected_players: int = f.integer(default=0)
    trade_count: int | None = f.opt_integer(default=None)
    backfilled: bool = f.boolean(default=False)

    def __attrs_post_init__(self) -> None:
        tick, timer, players = self.tick, self.cooldown_timer_ms, self.connected_players
        trades = 0 if self.trade_count is None else self.trade_count
        usual = (
            type(self.game_id) is str
            and self.game_id.isascii()
            and type(self.price) is float
            and 0 <= self.price < math.inf
            and type(self.phase) is GamePhase
            and type(tick) is type(timer) is type(players) is type(trades) is int
            and (tick | timer | players | trades) >> 63 == 0  # none is negative or too long
            and type(self.allow_pre_round_buys) is type(self.backfilled) is bool
        )
        if not usual:
            f.check_fields(self)


@frozen(kw_only=True)
class GameSummary:
    """A finished game as our session saw it.

    Attributes:
        rug_tick: tick of the rug, None if the rug was not seen.
        rug_price: price after the rug, None if not seen.
        ticks: live ticks seen.
        peak: highest live price seen, at least 1 if seen from the start.
        pnl: our account's profit in SOL over this game, settlements included.
        server_seed: revealed with the next game's first frame, None if it was not.
        complete: every live price from tick 0 to the rug was seen.
    """

    game_id: str = f.text()
    rug_tick: int | None = f.opt_integer(default=None)
    rug_price: float | None = f.opt_double(default=None)
    ticks: int = f.integer(default=0)
    peak: float = f.double(default=1.0)
    low: float = f.double(default=1.0)
    pnl: Decimal = f.sol(default=Decimal(0))
    joined_late: bool = f.boolean(default=False)
    complete: bool = f.boolean(default=False)
    server_seed: str | None = f.opt_text(default=None)
    server_seed_hash: str | None = f.opt_text(default=None)
