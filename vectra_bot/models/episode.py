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
    session_id: str = f.text()
    game_id: str = f.text()
    player_id: str = f.text()
    started_at: datetime = f.utc()
    ended_at: datetime = f.utc()
    duration_ticks: int = f.integer()
    duration_ms: int = f.integer()
    outcome: str = f.choice("rug", "exit_profit", "exit_loss", "timeout")
    final_pnl: Decimal = f.sol()
    peak_pnl: Decimal = f.sol()
    max_drawdown: Decimal = f.sol()
    total_actions: int = f.integer()
    buy_count: int = f.integer()
    sell_count: int = f.integer()
    avg_position_size: Decimal = f.sol()
    first_buy_tick: int | None = f.opt_integer()
    last_sell_tick: int | None = f.opt_integer()
    avg_hold_time_ticks: int = f.integer()
    total_reward: Decimal = f.sol()
    avg_reward_per_step: Decimal = f.sol()
