"""The game as records: phases, ticks, the context of an action, and the summary of a finished game."""

from decimal import Decimal
from enum import Enum

from attrs import frozen

from vectra_bot.models import _fields as f

_INFINITE = float("inf")


class GamePhase(str, Enum):
    """Phases of a game (protocol 3.2); the seed's three values plus PRESALE and UNKNOWN."""

    COOLDOWN = "cooldown"
    """Countdown to the game, no buys."""
    PRESALE = "presale"
    """Countdown to the game, buys and sidebets at price 1."""
    ACTIVE = "active"
    """The price moves."""
    RUGGED = "rugged"
    """The game is over."""
    UNKNOWN = "unknown"
    """No frame has shown the phase yet."""


@frozen
class GameContext:
    """Game state at the moment of an action.

    ``volatility_1m`` is the standard deviation of the log returns of the last 240 ticks, None before
    20 returns are known. ``time_since_start`` is in ticks, None before the game started.
    """

    game_id: str = f.text()
    """Running game."""
    tick: int = f.integer()
    """Newest tick; 0 before the start. Unit: ticks of 250 ms."""
    price: Decimal = f.price()
    """Newest price; 1 before the start, the rug price after the rug."""
    phase: GamePhase = f.kind(GamePhase)
    """Phase of the game."""
    is_pre_round: bool = f.boolean()
    """Whether buys before the start were allowed (presale)."""
    connected_players: int = f.integer()
    """Players connected, as the venue counts them. Unit: count."""
    volatility_1m: Decimal | None = f.opt_sol(default=None)
    """Standard deviation of the log returns of the last 240 ticks (one minute); null below 20
    returns. Unit: log return per tick.
    """
    time_since_start: int | None = f.opt_integer(default=None)
    """Ticks since the start; null before it. Unit: ticks of 250 ms."""


# The most common record: a frozen class fills a dict faster than slots, arguments by position are passed
# faster than by name, and one test of a typical tick, of arguments not attributes, costs less than a check of
# each field.
@frozen(slots=False, field_transformer=f.check_later)
class GameTick:
    """One update of the price.

    ``price`` is an IEEE double, bit for bit as the venue sent it. ``backfilled`` marks a tick that was
    missed and recovered later from the price window of another frame; its receive time is that frame's.
    """

    game_id: str = f.text()
    """Game of the price."""
    tick: int = f.integer()
    """Number of the price in its game, from 0; the rug's settlement frames count on. Unit: ticks of
    250 ms.
    """
    price: float = f.double()
    """Price as the venue sent it, bit for bit; a game starts at 1. Unit: SOL per unit."""
    phase: GamePhase = f.kind(GamePhase)
    """Phase of the game at this frame."""
    cooldown_timer_ms: int = f.integer(default=0)
    """Countdown to the start, 0 while the game runs. Unit: ms."""
    allow_pre_round_buys: bool = f.boolean(default=False)
    """Whether buys before the start are allowed (presale)."""
    connected_players: int = f.integer(default=0)
    """Players connected, as the venue counts them. Unit: count."""
    trade_count: int | None = f.opt_integer(default=None)
    """Trades of the game so far, as the venue stated them last; null before it did. Unit: count."""
    backfilled: bool = f.boolean(default=False)
    """Whether the tick was missed and read later from another frame's price window."""

    def __init__(  # noqa: PLR0917 - by position, see above
        self,
        game_id: str,
        tick: int,
        price: float,
        phase: GamePhase,
        cooldown_timer_ms: int = 0,
        allow_pre_round_buys: bool = False,
        connected_players: int = 0,
        trade_count: int | None = None,
        backfilled: bool = False,
    ) -> None:
        values = {
            "game_id": game_id,
            "tick": tick,
            "price": price,
            "phase": phase,
            "cooldown_timer_ms": cooldown_timer_ms,
            "allow_pre_round_buys": allow_pre_round_buys,
            "connected_players": connected_players,
            "trade_count": trade_count,
            "backfilled": backfilled,
        }
        _set_values(self, values)
        timer, players = cooldown_timer_ms, connected_players
        trades = 0 if trade_count is None else trade_count
        usual = (
            type(game_id) is str
            and game_id.isascii()
            and type(price) is float
            and 0.0 <= price < _INFINITE
            and type(phase) is GamePhase
            and type(tick) is type(timer) is type(players) is type(trades) is int
            and (tick | timer | players | trades) >> 63 == 0  # none is negative or too long
            and type(allow_pre_round_buys) is type(backfilled) is bool
        )
        if not usual:
            f.check_fields(self)


# Attributes are found in a dict that was made whole in half the time of one with the class's keys.
_set_values = vars(GameTick)["__dict__"].__set__


@frozen(kw_only=True)
class GameSummary:
    """A finished game as our session saw it."""

    game_id: str = f.text()
    """The game."""
    rug_tick: int | None = f.opt_integer(default=None)
    """Tick of the rug; None if the rug was not seen. Unit: ticks of 250 ms."""
    rug_price: float | None = f.opt_double(default=None)
    """Price after the rug; None if not seen. Unit: SOL per unit."""
    ticks: int = f.integer(default=0)
    """Live ticks seen. Unit: count."""
    peak: float = f.double(default=1.0)
    """Highest live price seen, at least 1. Unit: SOL per unit."""
    low: float = f.double(default=1.0)
    """Lowest live price seen, at most 1. Unit: SOL per unit."""
    pnl: Decimal = f.sol(default=Decimal(0))
    """Change of our cash over this game; an open stake in a side game counts as cash. Unit: SOL."""
    joined_late: bool = f.boolean(default=False)
    """Whether the first frame seen of the game was after its start."""
    complete: bool = f.boolean(default=False)
    """Whether every live price from tick 0 to the rug was seen."""
    server_seed: str | None = f.opt_text(default=None)
    """Seed revealed with the next game's first frame; None if it was not."""
    server_seed_hash: str | None = f.opt_text(default=None)
    """SHA-256 of the seed, published before the game; None if not seen."""
