"""Episodes: one game in which we acted, summed up for reinforcement learning."""

from datetime import datetime
from decimal import Decimal

from attrs import frozen

from vectra_bot.models import _fields as f


@frozen
class MLEpisode:
    """One game in which we acted.

    ``outcome``: ``rug`` if something was open at the rug; ``exit_profit`` or ``exit_loss`` if we were flat
    before it, by the sign of ``final_pnl`` (0 is a profit); ``timeout`` if the session ended first.
    ``peak_pnl`` and ``max_drawdown`` come from equity marked at every tick; a step's reward is the change
    of that equity, so ``total_reward`` equals ``final_pnl``. ``avg_hold_time_ticks`` is weighted by SOL.
    """

    episode_id: str = f.text()
    """Id of the episode (UUID), from session and game."""
    session_id: str = f.text()
    """Session that acted."""
    game_id: str = f.text()
    """The game."""
    player_id: str = f.text()
    """Our player."""
    started_at: datetime = f.utc()
    """When the first frame of the game was received."""
    ended_at: datetime = f.utc()
    """When the first frame of the next game was received, or the session ended."""
    duration_ticks: int = f.integer()
    """Tick of the rug, or the last one seen. Unit: ticks of 250 ms."""
    duration_ms: int = f.integer()
    """Time from `started_at` to `ended_at`. Unit: ms."""
    outcome: str = f.choice("rug", "exit_profit", "exit_loss", "timeout")
    """rug, exit_profit, exit_loss or timeout (see above)."""
    final_pnl: Decimal = f.sol()
    """Change of equity over the game. Unit: SOL."""
    peak_pnl: Decimal = f.sol()
    """Highest change of equity seen at a tick. Unit: SOL."""
    max_drawdown: Decimal = f.sol()
    """Largest fall of equity from its peak so far. Unit: SOL."""
    total_actions: int = f.integer()
    """Actions of the bot that were sent. Unit: count."""
    buy_count: int = f.integer()
    """Executed buys of the bot. Unit: count."""
    sell_count: int = f.integer()
    """Executed sales of the bot; the rug's forced sale is not one. Unit: count."""
    avg_position_size: Decimal = f.sol()
    """Mean SOL of the executed buys; 0 without one. Unit: SOL."""
    first_buy_tick: int | None = f.opt_integer()
    """Tick at which the first executed buy was asked for; null without one. Unit: ticks of 250 ms."""
    last_sell_tick: int | None = f.opt_integer()
    """Tick at which the last executed sale was asked for; null without one. Unit: ticks of 250 ms."""
    avg_hold_time_ticks: int = f.integer()
    """Mean time that a bought SOL was held, rounded down; 0 without a buy. Unit: ticks of 250 ms."""
    total_reward: Decimal = f.sol()
    """Sum of the rewards of all steps, equal to `final_pnl`. Unit: SOL."""
    avg_reward_per_step: Decimal = f.sol()
    """`total_reward` per tick, rounded down to a lamport. Unit: SOL per tick."""
