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
    """Free cash. Unit: SOL."""
    position_qty: Decimal = f.sol()
    """Position held. Unit: units."""
    avg_cost: Decimal = f.sol()
    """Average cost of the position; 0 when flat. Unit: SOL per unit."""
    total_invested: Decimal = f.sol()
    """Most money that was ever put into this game, sidebets added; not a sum of buys. Unit: SOL."""
    cumulative_pnl: Decimal = f.sol()
    """Profit of this game as the venue states it. Unit: SOL."""

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
    """One of our actions, or one of the person at the page."""
    FORCED_SELL = "forced_sell"
    """The rug sold the position."""
    STAKE_SETTLED = "stake_settled"
    """A stake was settled, or a prize won."""
    EXTERNAL = "external"
    """Our account acted without us: another client, or a liquidation."""
    UNEXPLAINED = "unexplained"
    """No evidence explains it."""


@frozen(kw_only=True)
class ServerState:
    """One statement of our account by the venue, with the change of cash and its cause.

    Over the rows of a session ``delta_cash`` adds up to the change of ``cash``, to the lamport.
    ``cause`` is None where cash did not change. ``action_id`` names the action that caused the
    change, or whose stake was settled; a drawing's prize is ``stake_settled`` without one.
    ``unverified`` marks a change by a rule that no capture shows.
    """

    cash: Decimal = f.sol()
    """Free cash. Unit: SOL."""
    position_qty: Decimal = f.sol()
    """Position held. Unit: units."""
    avg_cost: Decimal = f.sol()
    """Average cost of the position; 0 when flat. Unit: SOL per unit."""
    total_invested: Decimal = f.sol()
    """Most money that was ever put into this game, sidebets added; not a sum of buys. Unit: SOL."""
    cumulative_pnl: Decimal = f.sol()
    """Profit of this game. Unit: SOL."""
    sidebet_pnl: Decimal = f.sol(default=Decimal(0))
    """Part of the profit that is from sidebets; changes when one is settled. Unit: SOL."""
    bonus_balance: Decimal = f.sol(default=Decimal(0))
    """Bonus money, which is not part of the cash. Unit: SOL."""
    cause: StateCause | None = f.opt_kind(StateCause, default=None)
    """Why the cash changed; null where it did not."""
    delta_cash: Decimal = f.sol(default=Decimal(0))
    """Change of cash since the statement before. Unit: SOL."""
    action_id: str | None = f.opt_text(default=None)
    """Action that caused the change, or whose stake was settled; null without one."""
    unverified: bool = f.boolean(default=False)
    """Whether the change follows a rule that no capture shows."""

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
    """Session that saw the trade."""
    game_id: str = f.text()
    """Game of the trade."""
    player_id: str = f.text()
    """Player who traded."""
    username: str | None = f.opt_text()
    """Player's name; null if the venue sent none."""
    action_type: str = f.choice("BUY", "SELL", "SHORT_OPEN", "SHORT_CLOSE")
    """BUY, SELL, SHORT_OPEN or SHORT_CLOSE."""
    amount: Decimal = f.sol()
    """SOL paid for a buy, received for a sale. Unit: SOL."""
    price: Decimal = f.price()
    """Price of the trade."""
    tick: int = f.integer()
    """Tick whose price was used. Unit: ticks of 250 ms."""
    game_phase: GamePhase = f.kind(GamePhase)
    """Phase when the trade was received; `unknown` if it is of another game than the running one."""
    server_ts: int | None = f.opt_integer()
    """Time of the trade by the venue's clock; null where it sent none. Unit: ms since 1970-01-01 UTC."""
    ingested_ts: int = f.integer()
    """When the frame was received. Unit: ms since 1970-01-01 UTC."""
    player_level: int | None = f.opt_integer(default=None)
    """Player's level at the venue; null if not sent. Unit: level, 0 to 100."""
    player_pnl: Decimal | None = f.opt_sol(default=None)
    """Player's profit in this game by the leaderboard; null if not in its ten rows. Unit: SOL."""
    player_position: Decimal | None = f.opt_sol(default=None)
    """Player's position by the leaderboard, one tick old; null if not in its ten rows. Unit: units."""
    leaderboard_rank: int | None = f.opt_integer(default=None)
    """Player's rank, from 1; null if not in the leaderboard's ten rows. Unit: rank."""
    short_position: Decimal | None = f.opt_sol(default=None)
    """Always null: the trade stream does not state it. Unit: SOL."""
    short_entry_price: Decimal | None = f.opt_price(default=None)
    """Always null: the trade stream does not state it."""
    qty: Decimal | None = f.opt_sol(default=None)
    """Units traded. Unit: units."""
    leverage: int | None = f.opt_integer(default=None)
    """Leverage of the trade; null if not sent. Unit: multiple."""
    trade_id: str | None = f.opt_text(default=None)
    """Venue's id of the trade."""
    practice: bool = f.boolean(default=False)
    """Whether the leaderboard shows the player with the practice coin; false for a player not in it."""

    @property
    def is_profitable_player(self) -> bool:
        """Whether the leaderboard shows the player with a profit in this game."""
        return self.player_pnl is not None and self.player_pnl > 0

    @property
    def is_early_entry(self) -> bool:
        """Whether it is a BUY or SHORT_OPEN before tick 50."""
        return self.tick < EARLY_ENTRY_TICKS and self.action_type in ("BUY", "SHORT_OPEN")


@frozen
class ExceptionalPlayer:
    """A player with exceptional results, aggregated over their trades."""

    player_id: str = f.text()
    """The player."""
    username: str | None = f.opt_text()
    """Player's name; None if the venue sent none."""
    total_games_observed: int = f.integer()
    """Games with a trade of the player. Unit: count."""
    total_trades_observed: int = f.integer()
    """Trades of the player that were seen. Unit: count."""
    win_rate: Decimal = f.sol()
    """Share of games with a profit. Unit: share, 0 to 1."""
    avg_pnl_per_game: Decimal = f.sol()
    """Mean profit per game. Unit: SOL."""
    avg_entry_tick: int = f.integer()
    """Mean tick of entries. Unit: ticks of 250 ms."""
    avg_exit_tick: int = f.integer()
    """Mean tick of exits. Unit: ticks of 250 ms."""
    preferred_entry_zone: str = f.choice("early", "mid", "late")
    """early, mid or late."""
    avg_hold_duration: int = f.integer()
    """Mean time from entry to exit. Unit: ticks of 250 ms."""
    is_consistent_winner: bool = f.boolean()
    """Whether the player wins consistently."""
    is_imitation_target: bool = f.boolean()
    """Whether the player is worth imitating."""
    specialization: str | None = f.opt_text()
    """What the player is good at, as a word; None if nothing is out."""
