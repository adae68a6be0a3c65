"""Episodes: what our account did in one game, accumulated while the game runs."""

from __future__ import annotations

from decimal import Decimal

from attrs import define

from vectra_bot.actions.ids import ActionIds
from vectra_bot.game import rules
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.models import ActionType, Actor, MLEpisode, PlayerAction
from vectra_bot.models.times import NS_PER_MS, utc_from_ns


@define
class EpisodeBook:
    """Accumulates one game at a time; amounts in lamports."""

    session_id: str
    ids: ActionIds
    game_id: str = ""
    started_ns: int = 0
    start_equity: int = 0
    peak_equity: int = 0
    max_drawdown: int = 0
    cost_ticks: int = 0
    ticks: int = 0
    actions: int = 0
    buys: int = 0
    bought: int = 0
    sells: int = 0
    first_buy_tick: int | None = None
    last_sell_tick: int | None = None
    open_at_rug: bool = False

    def open(self, game_id: str, now_ns: int, account: Account) -> None:
        """Start a game."""
        equity = account.equity(rules.START_PRICE)
        fresh = EpisodeBook(
            self.session_id, self.ids, game_id, now_ns, start_equity=equity, peak_equity=equity
        )
        for name in _COUNTERS:
            setattr(self, name, getattr(fresh, name))

    def mark(self, tick: int, price: float, account: Account) -> None:
        """Mark the equity at a new tick."""
        self.ticks = tick
        if account.lots:
            self.cost_ticks += account.cost
        equity = account.equity(price)
        if equity != self.peak_equity:
            self._mark_equity(equity)

    def _mark_equity(self, equity: int) -> None:
        if equity > self.peak_equity:
            self.peak_equity = equity
        elif self.peak_equity - equity > self.max_drawdown:
            self.max_drawdown = self.peak_equity - equity

    def sent(self, action: PlayerAction) -> None:
        """Count an action that was sent to the venue."""
        if action.actor is Actor.BOT:
            self.actions += 1

    def completed(self, action: PlayerAction) -> None:
        """Count an executed action."""
        if action.actor is not Actor.BOT or not action.state.is_executed or action.outcome is None:
            return
        if action.game_id != self.game_id:  # proven after the end of its game
            return
        tick = action.game_context.tick
        if action.action_type is ActionType.BUY:
            self.buys += 1
            self.bought += to_lamports(action.outcome.executed_amount or 0)
            self.first_buy_tick = tick if self.first_buy_tick is None else self.first_buy_tick
        elif action.action_type is ActionType.SELL:
            self.sells += 1
            self.last_sell_tick = tick

    def close(
        self, now_ns: int, account: Account, price: float, *, rugged: bool
    ) -> MLEpisode | None:
        """Return the episode of the game that ends now, None if we did not act in it.

        *price* values what is still open: the rug price, or the last price seen if the session ends first.
        """
        if not self.actions:
            return None
        equity = account.equity(price)
        self._mark_equity(equity)
        pnl = equity - self.start_equity
        if not rugged:
            outcome = "timeout"
        elif self.open_at_rug or account.lots or account.sidebet or account.short:
            outcome = "rug"
        else:
            outcome = "exit_profit" if pnl >= 0 else "exit_loss"
        return MLEpisode(
            episode_id=self.ids.episode(self.game_id),
            session_id=self.session_id,
            game_id=self.game_id,
            player_id=account.player_id,
            started_at=utc_from_ns(self.started_ns),
            ended_at=utc_from_ns(now_ns),
            duration_ticks=self.ticks,
            duration_ms=(now_ns - self.started_ns) // NS_PER_MS,
            outcome=outcome,
            final_pnl=to_sol(pnl),
            peak_pnl=to_sol(self.peak_equity - self.start_equity),
            max_drawdown=to_sol(self.max_drawdown),
            total_actions=self.actions,
            buy_count=self.buys,
            sell_count=self.sells,
            avg_position_size=to_sol(self.bought // self.buys) if self.buys else Decimal(0),
            first_buy_tick=self.first_buy_tick,
            last_sell_tick=self.last_sell_tick,
            avg_hold_time_ticks=self.cost_ticks // self.bought if self.bought else 0,
            total_reward=to_sol(pnl),
            avg_reward_per_step=_per_step(pnl, self.ticks),
        )


_COUNTERS = tuple(name for name in EpisodeBook.__annotations__ if name not in ("session_id", "ids"))


def _per_step(pnl: int, ticks: int) -> Decimal:
    """Return the mean reward of a step in SOL, rounded down to a lamport."""
    return to_sol(pnl // max(ticks, 1))
