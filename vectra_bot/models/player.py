"""Players as records: our account's state, other players' trades, exceptional players."""

from decimal import Decimal
from enum import Enum

from attrs import frozen

from vectra_bot.models import _fields as f
from vectra_bot.models.game import GamePhase

# The seed counts an entry in the first 50 ticks as early.
EARLY_ENTRY_TICKS = 50


@frozen
class PlayerState:
    """Our account as the venue states it in ``playerUpdate`` (protocol 5.6), in SOL."""

    cash: Decimal = f.sol()
    position_qty: Decimal = f.sol()
    avg_cost: Decimal = f.sol()
    total_invested: Decimal = f.sol()
    cumulative_pnl: Decimal = f.sol()

    @property
    def has_position(self) -> bool:
        return self.position_qty > 0

    @property
    def position_value(self) -> Decimal:
        """Return the position's cost: quantity times average cost."""
        return self.position_qty * self.avg_cost


class StateCause(str, Enum):
    """Why our account changed."""

    ACTION = "action"
    FORCED_SELL = "forced_sell"
    STAKE_SETTLED = "stake_settled"
    EXTERNAL = "external"
    UNEXPLAINED = "unexplained"


@frozen(kw_only=True)
class ServerState:
    """One statement of our account by the venue, with the change of cash and its cause.

    Over the rows of a session ``delta_cash`` adds up to the change of ``cash``, to the lamport.
    ``cause`` is None where cash did not change. ``action_id`` names the action that caused the
    change, or whose stake was settled; a drawing's prize is ``stake_settled`` without one.
    ``unverified`` marks a change by a rule that no capture shows.
    """

    cash: Decimal = f.sol()
    position_qty: Decimal = f.sol()
    avg_cost: Decimal = f.sol()
    total_invested: Decimal = f.sol()
    cumulative_pnl: Decimal = f.sol()
    sidebet_pnl: Decimal = f.sol(default=Decimal(0))
    bonus_balance: Decimal = f.sol(default=Decimal(0))
    cause: StateCause | None = f.opt_kind(StateCause, default=None)
    delta_cash: Decimal = f.sol(default=Decimal(0))
    action_id: str | None = f.opt_text(default=None)
    unverified: bool = f.boolean(default=False)

    @property
    def player_state(self) -> PlayerState:
        return PlayerState(
            self.cash, self.position_qty, self.avg_cost, self.total_invested, self.cumulative_pnl
        )


@frozen
class OtherPlayerAction:
    """A trade of another player from the public trade stream (protocol 5.5).

    The stream is a sample, not the full tape: never sum volumes. ``server_ts`` is None unless the venue
    sent a time. ``practice`` marks a trade with the practice coin.
    """

    session_id: str = f.text()
    game_id: str = f.text()
    player_id: str = f.text()
    username: str | None = f.opt_text()
    action_type: str = f.choice("BUY", "SELL", "SHORT_OPEN", "SHORT_CLOSE")
    amount: Decimal = f.sol()
    price: Decimal = f.price()
    tick: int = f.integer()
    game_phase: GamePhase = f.kind(GamePhase)
    server_ts: int | None = f.opt_integer()
    ingested_ts: int = f.integer()
    player_level: int | None = f.opt_integer(default=None)
    player_pnl: Decimal | None = f.opt_sol(default=None)
    player_position: Decimal | None = f.opt_sol(default=None)
    leaderboard_rank: int | None = f.opt_integer(default=None)
    short_position: Decimal | None = f.opt_sol(default=None)
    short_entry_price: Decimal | None = f.opt_price(default=None)
    qty: Decimal | None = f.opt_sol(default=None)
    leverage: int | None = f.opt_integer(default=None)
    trade_id: str | None = f.opt_text(default=None)
    practice: bool = f.boolean(default=False)

    @property
    def is_profitable_player(self) -> bool:
        return self.player_pnl is not None and self.player_pnl > 0

    @property
    def is_early_entry(self) -> bool:
        return self.tick < EARLY_ENTRY_TICKS and self.action_type in ("BUY", "SHORT_OPEN")


@frozen
class ExceptionalPlayer:
    """A player with exceptional results, aggregated over their trades."""

    player_id: str = f.text()
    username: str | None = f.opt_text()
    total_games_observed: int = f.integer()
    total_trades_observed: int = f.integer()
    win_rate: Decimal = f.sol()
    avg_pnl_per_game: Decimal = f.sol()
    avg_entry_tick: int = f.integer()
    avg_exit_tick: int = f.integer()
    preferred_entry_zone: str = f.choice("early", "mid", "late")
    avg_hold_duration: int = f.integer()
    is_consistent_winner: bool = f.boolean()
    is_imitation_target: bool = f.boolean()
    specialization: str | None = f.opt_text()
