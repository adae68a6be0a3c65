"""Records made from events: trades of others, our account, finished games, anomalies."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from vectra_bot.actions.notes import Stated
from vectra_bot.actions.tracker import ActionTracker
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import lamports_from_double, to_sol
from vectra_bot.game.changes import FrameRefused, GameClosed, GapSeen, PriceConflict
from vectra_bot.game.state import GameView
from vectra_bot.models import (
    GameFrame,
    GamePhase,
    GameSummary,
    OtherPlayerAction,
    ServerState,
    SystemEvent,
    Trade,
)
from vectra_bot.models.times import NS_PER_MS


def if_ours(account: Account, handler: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a handler that passes an event on to *handler* if it is about the player of *account*."""

    def handle(event: Any) -> None:
        if event.player_id == account.player_id:
            handler(event)

    return handle


def proven_by_history(tracker: ActionTracker, frame: GameFrame, opened: Callable[[], None]) -> None:
    """Decide what the venue's history of games proves, before *frame* ends the running game.

    *opened* is called before anything changes.
    """
    player_id, now_ns = tracker.account.player_id, tracker.account.now_ns
    tracker.ends.on_history(frame.history, now_ns)
    awaited = tracker.sidebets.awaited
    for entry in frame.history if awaited else ():
        if entry.game_id in awaited:
            opened()
            read = entry.sidebets_of
            results = None if read is None else read(player_id, frame.recv_ns)
            if results is not None:
                tracker.sidebets.on_history(entry.game_id, results, now_ns)


def other_player(session_id: str, trade: Trade, game: GameView) -> OtherPlayerAction:
    """Return another player's trade with what the leaderboard states about the player."""
    row = next((row for row in game.leaderboard if row.id == trade.player_id), None)
    same_game = trade.game_id == game.game_id
    return OtherPlayerAction(
        session_id,
        trade.game_id,
        trade.player_id,
        trade.username,
        trade.kind.upper(),
        trade.amount,
        Decimal(repr(trade.price)),
        trade.tick,
        game.phase if same_game else GamePhase.UNKNOWN,
        trade.server_ts,
        trade.recv_ns // NS_PER_MS,
        player_level=trade.level,
        player_pnl=None if row is None else to_sol(lamports_from_double(row.pnl)),
        player_position=None if row is None else to_sol(lamports_from_double(row.position_qty)),
        leaderboard_rank=None if row is None else row.position,
        qty=trade.qty,
        leverage=trade.leverage,
        trade_id=trade.trade_id,
        practice=row is not None and row.practice,
    )


def state_of(note: Stated) -> ServerState:
    """Return the venue's statement of our account with the cause of its change."""
    update = note.update
    return ServerState(
        cash=update.cash,
        position_qty=update.position_qty,
        avg_cost=update.avg_cost,
        total_invested=update.total_invested,
        cumulative_pnl=update.cumulative_pnl,
        sidebet_pnl=update.sidebet_pnl,
        bonus_balance=update.bonus_balance,
        cause=note.cause,
        delta_cash=to_sol(note.statement.delta_cash),
        action_id=note.action_id,
        unverified=note.unverified,
    )


def summary_of(closed: GameClosed, account: Account) -> GameSummary:
    """Return a finished game, with its effect on our money."""
    return GameSummary(
        game_id=closed.game_id,
        rug_tick=closed.rug_tick,
        rug_price=closed.rug_price,
        ticks=closed.ticks,
        peak=closed.peak,
        low=closed.low,
        pnl=to_sol(account.game_pnl),
        joined_late=closed.joined_late,
        complete=closed.complete,
        server_seed=closed.server_seed,
        server_seed_hash=closed.server_seed_hash,
    )


def anomaly(change: FrameRefused | GapSeen | PriceConflict) -> SystemEvent:
    """Return the document for a refused frame, for missed ticks, or for a tick with two prices."""
    match change:
        case FrameRefused():
            return SystemEvent.of(
                "game.frame_refused",
                "warning",
                change.reason,
                game_id=change.game_id,
                tick=change.tick,
            )
        case GapSeen():
            return SystemEvent.of(
                "game.gap",
                "warning",
                f"ticks {change.first} to {change.last} were missed",
                first=change.first,
                last=change.last,
            )
        case PriceConflict():
            return SystemEvent.of(
                "game.price_conflict",
                "error",
                f"tick {change.tick} came with another price",
                tick=change.tick,
                known=repr(change.known),
                seen=repr(change.seen),
            )


class EngineCounts(dict[str, int]):
    """Counters by name, 0 until something is counted; they count in a third of a Counter's time."""

    def __missing__(self, name: str) -> int:
        return 0

    def add(self, **more: int) -> None:
        """Add *more* to counters by their names."""
        for name, number in more.items():
            self[name] += number
