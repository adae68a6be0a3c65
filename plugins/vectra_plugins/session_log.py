"""A readable log: one line per action, outcome, alert, trade of another player, and game."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO

from vectra_bot import GameView, Plugin, hookimpl, param
from vectra_bot.models import (
    AlertTrigger,
    AlertType,
    GameSummary,
    GameTick,
    Link,
    OtherPlayerAction,
    PlayerAction,
    PlayerState,
    SessionInfo,
    SessionSummary,
    StakeSettled,
)

FILE_NAME = "session.log"
SHARED_MARK = ".vectra-shared"  # in the folder of a store that several users share


class SessionLog(Plugin):
    """Write a readable line for every action, other player's trade, outcome and game.

    The lines go to `session.log` in the session's folder of the store, to the file `path`, or to stderr
    if `path` is `-`. Text from the venue is escaped, so that a player's name cannot send control
    sequences to the terminal.
    """

    replays = True  # a replay has its own folder, and a check does not open the log

    path: str = param("", help="file to append to, - for stderr; empty: the session's folder")
    trades: bool = param(True, help="log other players' trades")
    ticks: bool = param(False, help="log every tick")
    account: bool = param(False, help="log every statement of our account")

    out: TextIO | None = None
    where = "-"

    @hookimpl
    def session_started(self, info: SessionInfo) -> None:
        """Open the log."""
        if self.path == "-":
            self.out = sys.stderr
        elif self.path or info.folder:
            target = Path(self.path) if self.path else Path(info.folder) / FILE_NAME
            self.out = _opened(target, shared=(Path(info.store) / SHARED_MARK).exists())
        self._line(f"session {info.session_id}: {info.strategy}, {info.mode.value} on {info.venue}")

    @hookimpl
    def session_finished(self, info: SessionInfo, report: SessionSummary) -> None:
        """Log the end of the session and close the log."""
        ending = f"failed: {report.error}" if report.error else "finished"
        self._line(
            f"session {info.session_id} {ending}: {report.games} games, {report.ticks} ticks, "
            f"PnL {report.pnl} SOL"
        )
        if self.out is not None and self.out is not sys.stderr:
            self.out.close()
        self.out = None

    @hookimpl
    def on_connection(self, status: Link) -> None:
        self._line(f"link {status.value}")

    @hookimpl
    def on_phase(self, game: GameView) -> None:
        self.where = f"{game.game_id} {game.phase.value}"

    @hookimpl
    def on_game_start(self, game: GameView) -> None:
        late = f", joined late at tick {game.tick}" if game.joined_late else ""
        self._line(f"game {game.game_id} started{late}")

    @hookimpl
    def on_game_tick(self, tick: GameTick) -> None:
        if self.ticks:
            self._line(f"tick {tick.tick} price {tick.price}")

    @hookimpl
    def on_game_end(self, summary: GameSummary) -> None:
        self._line(f"game {summary.game_id} ended: {_ending(summary)}")
        if self.out is not None:
            self.out.flush()

    @hookimpl
    def on_other_player_trade(self, trade: OtherPlayerAction) -> None:
        if self.trades:
            self._line(_trade(trade))

    @hookimpl
    def on_action_submitted(self, action: PlayerAction) -> None:
        self._line(f"sent {_action(action)}")

    @hookimpl
    def on_action_outcome(self, action: PlayerAction) -> None:
        self._line(f"{action.state.value} {_action(action)}{_result(action)}")

    @hookimpl
    def on_stake_settled(self, settled: StakeSettled) -> None:
        word = "won" if settled.won else "lost"
        self._line(
            f"{settled.action_type} {word}: stake {settled.stake} SOL, payout {settled.payout} SOL, "
            f"PnL {settled.pnl:+} SOL"
        )

    @hookimpl
    def on_alert(self, alert: AlertTrigger) -> None:
        self._line(f"alert {_name(alert)} ({alert.severity}): {alert.title}: {alert.message}")

    @hookimpl
    def on_player_update(self, state: PlayerState) -> None:
        if self.account:
            self._line(f"account: cash {state.cash} SOL, position {state.position_qty}")

    def _line(self, text: str) -> None:
        if self.out is not None:
            self.out.write(_clean(f"[{self.where}] {text}") + "\n")


def _opened(target: Path, *, shared: bool) -> TextIO:
    """Open a file to append to; unless the store is shared, it is readable for this user only."""
    for folder in reversed([target.parent, *target.parent.parents]):
        if not folder.exists():
            folder.mkdir(0o777 if shared else 0o700, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    fd = os.open(target, flags, 0o666 if shared else 0o600)
    return os.fdopen(fd, "a", encoding="utf-8", errors="backslashreplace")


def _clean(text: str) -> str:
    """Escape control characters, line breaks and invisible marks."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def _action(action: PlayerAction) -> str:
    amount = "" if action.amount is None else f" {action.amount} SOL"
    share = "" if action.percentage is None else f" {action.percentage} %"
    context = action.game_context
    return (
        f"{action.action_type.value}{amount}{share} at tick {context.tick} price {context.price} "
        f"({action.action_id})"
    )


def _result(action: PlayerAction) -> str:
    outcome = action.outcome
    if outcome is None:
        return ": outcome unknown"
    parts = []
    if outcome.executed_amount is not None:
        parts.append(f"executed {outcome.executed_amount} SOL at {outcome.executed_price}")
    if outcome.error_reason or outcome.error:
        parts.append(str(outcome.error_reason or outcome.error))
    if action.state_after is not None:
        parts.append(f"cash {action.state_after.cash} SOL")
    if action.total_latency_ms is not None:
        parts.append(f"{action.total_latency_ms} ms")
    return ": " + ", ".join(parts) if parts else ""


def _trade(trade: OtherPlayerAction) -> str:
    level = "" if trade.player_level is None else f" (level {trade.player_level})"
    rank = "" if trade.leaderboard_rank is None else f", rank {trade.leaderboard_rank}"
    play = ", practice" if trade.practice else ""
    return (
        f"player {trade.username or trade.player_id}{level} {trade.action_type} {trade.amount} SOL "
        f"at tick {trade.tick} price {trade.price}{rank}{play}"
    )


def _name(alert: AlertTrigger) -> str:
    kind = alert.alert_type
    return kind.value if isinstance(kind, AlertType) else kind


def _ending(summary: GameSummary) -> str:
    rug = "rug not seen" if summary.rug_tick is None else f"rug at tick {summary.rug_tick}"
    return f"{rug}, peak {summary.peak:.4f}, PnL {summary.pnl:+} SOL"
