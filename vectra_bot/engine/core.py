"""The engine: one typed event in, commands and documents out.

``process(event)`` is synchronous and pure: no I/O, no clock, no task. Game state folds, the tracker
correlates, the account books, plugins' hooks run, then the strategy; effects come back in order of cause.
Replaying the same events gives the same effects, byte for byte. The engine is to trading what h11's
connection is to HTTP: the session feeds it and carries its effects out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from typing import Any

from vectra_bot.actions.episode import EpisodeBook
from vectra_bot.actions.notes import (
    Booked,
    Completed,
    ForcedSell,
    Note,
    Recorded,
    Settled,
    Stated,
    Submitted,
)
from vectra_bot.actions.risk import HaltCause, Limits
from vectra_bot.engine.auditing import Auditor, Findings
from vectra_bot.engine.output import Effect, EngineOutput
from vectra_bot.game import changes
from vectra_bot.game.amounts import lamports_from_double, to_lamports, to_sol
from vectra_bot.models import (
    Ack,
    ActionState,
    ActionType,
    AlertTrigger,
    ClockAdvanced,
    Command,
    ConnectionChanged,
    DocType,
    DrawingResult,
    Event,
    FrameRejected,
    GameFrame,
    GamePhase,
    GameSummary,
    LeaderboardRow,
    Link,
    LoginStatus,
    Mode,
    OperatorCommand,
    OperatorKind,
    OtherPlayerAction,
    PlayerGameUpdate,
    PlayerUpdate,
    RoundBet,
    RoundResult,
    RoundUpdate,
    SendResult,
    ServerState,
    SessionEnding,
    SidebetPlaced,
    SidebetResult,
    SystemEvent,
    Trade,
    UnknownEvent,
    VenueNotice,
)
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.plugins import PluginManager
from vectra_bot.strategy import Strategy

# Amounts are exact whatever context a strategy or plugin has set.
_CONTEXT = Context(prec=60)

# Names of unknown events that are reported; what comes after is still stored as a raw frame.
MAX_UNKNOWN_NAMES = 256
MAX_STATE_BYTES = 1 << 20

STATE_KIND = "strategy.state"
"""Kind of the system event that holds what :meth:`Strategy.save` returned."""


class Engine(EngineOutput):
    """Processes the events of one session.

    Args:
        session_id: names the session; action and trace ids follow from it.
        mode: how the session runs.
        strategy: decides; called directly, its exception ends trading.
        plugins: react and veto; their exceptions are counted and contained.
        limits: what may be asked of the venue.
        auditor: holds what the feed says against the seeds it reveals; None for no such check.
    """

    def __init__(
        self,
        *,
        session_id: str,
        mode: Mode,
        strategy: Strategy,
        plugins: PluginManager,
        limits: Limits,
        auditor: Auditor | None = None,
    ) -> None:
        super().__init__(
            session_id=session_id, mode=mode, strategy=strategy, plugins=plugins, limits=limits
        )
        self._episode = EpisodeBook(session_id, self._desk.ids)
        self.auditor = auditor
        self._rug_ns: int | None = None
        self._ended = False
        self._unknown_names: set[str] = set()
        self._handlers = self._table()

    def _table(self) -> dict[type[Event], Callable[[Any], None]]:
        return {
            GameFrame: self._on_game_frame,
            Trade: self._on_trade,
            PlayerUpdate: self._on_player_update,
            PlayerGameUpdate: self._on_player_game,
            SidebetPlaced: self._on_sidebet_placed,
            SidebetResult: self._on_sidebet_result,
            RoundUpdate: self._on_round_update,
            RoundBet: self._on_round_bet,
            RoundResult: self._on_round_result,
            LoginStatus: self._on_login,
            VenueNotice: self._ignore,
            DrawingResult: self._on_drawing,
            UnknownEvent: self._on_unknown,
            Ack: self._on_ack,
            FrameRejected: self._on_rejected,
            ClockAdvanced: self._ignore,
            ConnectionChanged: self._on_connection,
            SendResult: self._on_send_result,
            OperatorCommand: self._on_operator,
            SessionEnding: self._on_ending,
        }

    def process(self, event: Event) -> list[Effect]:
        """Take in one event and return its effects in order of cause.

        A strategy that raises is recorded in :attr:`failure`; from then on it is not called again and
        nothing leaves, but events are still folded and documented.
        """
        self._effects.clear()
        with localcontext(_CONTEXT):
            self._take_in(event)
        return list(self._effects)

    def _take_in(self, event: Event) -> None:
        desk = self._desk
        desk.now_ns = self.plugins.now_ns = max(desk.now_ns, event.recv_ns)
        self.account.now_ns = desk.now_ns
        desk.calls = 0
        working = self.failure is None
        self.tracker.on_time(desk.now_ns)
        self._drain()
        self._handlers[type(event)](event)
        self._drain()
        if working and self.failure is not None:
            self._withdraw()
        if not self.account.lots:
            desk.exits.clear()
        self._store_faults()

    def _withdraw(self) -> None:
        """Keep back what a strategy asked for while processing the input at which it raised."""
        asked = [effect for effect in self._effects if isinstance(effect, Command)]
        self._effects[:] = [e for e in self._effects if not isinstance(e, Command)]
        for command in asked:
            self.tracker.on_send_result(
                SendResult(
                    recv_ns=self._desk.now_ns,
                    action_id=command.action_id,
                    sent=False,
                    reason="the strategy raised",
                )
            )
        self._drain()

    # Events.

    def _ignore(self, event: Event) -> None:
        """Fold nothing: the raw frame is stored, and time has been taken in."""

    def _on_game_frame(self, frame: GameFrame) -> None:
        auditor = self.auditor
        for change in self._state.fold(frame):
            if auditor is not None:
                auditor.on_change(change)
            self._on_change(change)
            self._drain()
        if auditor is not None:
            self._found(auditor.on_frame(frame))

    def _found(self, findings: Findings) -> None:
        for finding in findings:
            alert = isinstance(finding.record, AlertTrigger)
            self._document(
                DocType.ALERT_TRIGGER if alert else DocType.SYSTEM_EVENT,
                finding.record,
                "auditor",
                game_id=finding.game_id,
            )

    def _on_change(self, change: changes.Change) -> None:
        match change:
            case changes.TickSeen():
                self._on_tick(change)
            case changes.PhaseChanged():
                self._tell("on_phase", self.game)
            case changes.GameStarted():
                self._tell("on_game_start", self.game)
            case changes.GameClosed():
                self._on_game_closed(change)
            case changes.GameOpened():
                self._open_game(change.game_id)
            case changes.Rugged():
                self._rug_ns = self._desk.now_ns
                self._episode.ticks = change.rug_tick or self._episode.ticks
            case changes.FrameRefused():
                self._system(
                    "game.frame_refused",
                    "warning",
                    change.reason,
                    game_id=change.game_id,
                    tick=change.tick,
                )
            case changes.GapSeen():
                self._system(
                    "game.gap",
                    "warning",
                    f"ticks {change.first} to {change.last} were missed",
                    first=change.first,
                    last=change.last,
                )
            case changes.PriceConflict():
                self._system(
                    "game.price_conflict",
                    "error",
                    f"tick {change.tick} came with another price",
                    tick=change.tick,
                    known=repr(change.known),
                    seen=repr(change.seen),
                )

    def _on_tick(self, seen: changes.TickSeen) -> None:
        self._document(DocType.GAME_TICK, seen.tick, "engine")
        if not seen.fresh:
            return
        self.counts["ticks"] += 1
        self._episode.mark(seen.tick.tick, seen.tick.price, self.account)
        self._run_exits()
        self._tell("on_game_tick", seen.tick, self.game)

    def _run_exits(self) -> None:
        exits = self._desk.exits
        selling = any(a.action_type is ActionType.SELL for a in self._actions.pending)
        if self.failure is not None or selling or not exits.due(self.game, self.account):
            return
        self._desk.in_callback = True
        try:
            action = self._actions.sell()
        finally:
            self._desk.in_callback = False
        if action.state is not ActionState.DENIED:
            exits.tries += 1

    def _on_game_closed(self, closed: changes.GameClosed) -> None:
        self.tracker.on_game_closed(closed.game_id, self._rug_ns, self._desk.now_ns)
        self._drain()
        rugged = closed.rug_price is not None
        self._close_episode(closed.last_price, rugged=True)
        summary = GameSummary(
            game_id=closed.game_id,
            rug_tick=closed.rug_tick,
            rug_price=closed.rug_price,
            ticks=closed.ticks,
            peak=closed.peak,
            low=closed.low,
            pnl=to_sol(self.account.game_pnl),
            joined_late=closed.joined_late,
            complete=closed.complete,
            server_seed=closed.server_seed,
            server_seed_hash=closed.server_seed_hash,
        )
        if rugged:
            self.counts["games"] += 1
        self.history.append(summary)
        self._open_game(self.game.game_id)
        self._tell("on_game_end", self.game, summary)
        self._save_strategy()

    def _open_game(self, game_id: str) -> None:
        if self._episode.game_id == game_id:
            return
        self._rug_ns = None
        self.account.open_game()
        self._gate.open_game()
        self._desk.exits.clear()
        self._episode.open(game_id, self._desk.now_ns, self.account)

    def _close_episode(self, price: float, *, rugged: bool) -> None:
        episode = self._episode.close(self._desk.now_ns, self.account, price, rugged=rugged)
        if episode is not None:
            self._document(DocType.ML_EPISODE, episode, "engine", game_id=episode.game_id)

    def _save_strategy(self) -> None:
        state = self._guarded("save", self.strategy.save)
        if state is None:
            return
        try:
            text = json.dumps(state, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            self._fail("save", error)
            return
        if len(text) > MAX_STATE_BYTES:
            self._system(
                "strategy.state_too_large",
                "error",
                f"save() gave {len(text)} bytes, at most {MAX_STATE_BYTES} are kept",
            )
            return
        self._store_system(
            SystemEvent(
                kind=STATE_KIND,
                severity="debug",
                message="strategy state saved",
                detail_json=text,
            )
        )

    def _on_trade(self, trade: Trade) -> None:
        if trade.player_id and trade.player_id == self.account.player_id:
            self.tracker.on_trade(trade)
            return
        seen = self._other_player(trade)
        self._document(
            DocType.OTHER_PLAYER_ACTION,
            seen,
            "wire",
            game_id=trade.game_id,
            player_id=trade.player_id,
        )
        self._tell("on_other_player_trade", seen, self.game)

    def _other_player(self, trade: Trade) -> OtherPlayerAction:
        row = self._row(trade.player_id)
        same_game = trade.game_id == self.game.game_id
        return OtherPlayerAction(
            self.session_id,
            trade.game_id,
            trade.player_id,
            trade.username,
            trade.kind.upper(),
            trade.amount,
            Decimal(repr(trade.price)),
            trade.tick,
            self.game.phase if same_game else GamePhase.UNKNOWN,
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

    def _row(self, player_id: str) -> LeaderboardRow | None:
        for row in self.game.leaderboard:
            if row.id == player_id:
                return row
        return None

    def _on_player_update(self, update: PlayerUpdate) -> None:
        if not self.account.player_id:
            self.account.player_id = update.player_id
        if update.player_id != self.account.player_id:
            self._system(
                "account.other",
                "critical",
                "a player update is of another account",
                expected=self.account.player_id,
                seen=update.player_id,
            )
            self._gate.stop_all("the venue answers for another account")
            return
        self.tracker.on_player_update(update)

    def _on_sidebet_placed(self, event: SidebetPlaced) -> None:
        if event.private and event.player_id == self.account.player_id:
            self.tracker.on_sidebet_placed(event)

    def _on_sidebet_result(self, event: SidebetResult) -> None:
        if event.player_id == self.account.player_id:
            self.tracker.on_sidebet_result(event)

    def _on_player_game(self, update: PlayerGameUpdate) -> None:
        """Take in what the venue says our short is worth; our row says nothing else that we act on."""
        if update.game_id == self.game.game_id:
            self.account.value_short(update.short)

    def _on_round_update(self, event: RoundUpdate) -> None:
        self.tracker.on_round_update(event, self.counts["ticks"])

    def _on_round_bet(self, event: RoundBet) -> None:
        if event.player_id == self.account.player_id:
            self.tracker.on_round_bet(event)

    def _on_round_result(self, event: RoundResult) -> None:
        if event.player_id == self.account.player_id:
            self.tracker.on_round_result(event)

    def _on_drawing(self, drawing: DrawingResult) -> None:
        for player_id, prize in drawing.winners:
            ours = player_id == self.account.player_id
            if ours and self.tracker.on_drawing(drawing, prize):
                self.counts["prizes"] += to_lamports(prize)

    def _on_login(self, status: LoginStatus) -> None:
        known = self.account.player_id
        if known and known != status.player_id:
            self._system(
                "account.other",
                "critical",
                "the venue logged in another account",
                expected=known,
                seen=status.player_id,
            )
            self._gate.stop_all("the venue logged in another account")
            return
        self.account.player_id = status.player_id
        self.account.username = status.username

    def _on_unknown(self, event: UnknownEvent) -> None:
        if event.name in self._unknown_names or len(self._unknown_names) >= MAX_UNKNOWN_NAMES:
            return
        self._unknown_names.add(event.name)
        self._system(
            "wire.unknown_event",
            "info",
            "an event the protocol reference does not know",
            name=event.name,
        )

    def _on_ack(self, ack: Ack) -> None:
        self.tracker.on_ack(ack)

    def _on_send_result(self, result: SendResult) -> None:
        self.tracker.on_send_result(result)

    def _on_rejected(self, rejected: FrameRejected) -> None:
        self.counts["quarantined"] += 1
        self._system(
            "frame.quarantined",
            "error" if rejected.money else "warning",
            rejected.message,
            reason=rejected.reason,
            event=rejected.event_name,
            raw=rejected.raw,
        )
        if rejected.money:
            self._gate.halt(
                HaltCause.MONEY, f"a frame about money could not be read ({rejected.reason})"
            )

    def _on_connection(self, change: ConnectionChanged) -> None:
        self._system("connection." + change.link.value, "info", change.reason or change.link.value)
        if change.lost_frames:
            self._system(
                "connection.overflow",
                "error",
                f"{change.lost_frames} frames were lost: they came faster than they were processed",
                lost_frames=change.lost_frames,
            )
        if change.link is Link.DISCONNECTED:
            self.tracker.on_disconnected(change.reason)
            self._gate.halt(HaltCause.LINK, "the link to the venue is lost")
        elif change.link is Link.CONNECTED:
            self._gate.lift(HaltCause.LINK)
        self._drain()
        self._tell("on_connection", change.link)

    def _on_operator(self, command: OperatorCommand) -> None:
        self._system(
            "operator." + command.kind.value, "warning", command.reason or command.kind.value
        )
        if command.kind is OperatorKind.HALT:
            self._gate.halt(HaltCause.OPERATOR, f"operator: {command.reason}")
        elif command.kind is OperatorKind.RESUME:
            self._gate.resume()
        else:
            self._gate.stop_all(f"operator: {command.reason}")

    def _on_ending(self, ending: SessionEnding) -> None:
        if self._ended:
            return
        self._ended = True
        self._gate.stop_all("the session ends")
        self.tracker.on_ending(self._desk.now_ns)
        self._drain()
        self._close_episode(self.game.price, rugged=self.game.rug_price is not None)
        if self.auditor is not None:
            self._found(self.auditor.on_ending(self._desk.now_ns))
        self._system("session.ending", "info", ending.reason or "ending")

    # Notes of the tracker: documents first, then hooks, then the strategy.

    def _drain(self) -> None:
        notes = self.tracker.notes
        index = 0
        while index < len(notes):
            self._on_note(notes[index])
            index += 1
        notes.clear()

    def _on_note(self, note: Note) -> None:
        match note:
            case SystemEvent():
                self._store_system(note)
            case Submitted():
                self._episode.sent(note.action)
                self._tell("on_action_submitted", note.action)
            case Completed():
                self._on_completed(note)
            case Stated():
                self._on_stated(note)
            case Booked():
                self._desk.exits.declare(note.plan)
            case Settled():
                self._episode.open_at_rug |= note.at_rug
                self.counts["settlements"] += 1
                self._tell("on_stake_settled", note.settled, self.game)
            case Recorded():
                self._document(note.doc_type, note.record, "tracker")
            case ForcedSell():
                self._episode.open_at_rug = True
                self.counts["forced_sells"] += 1

    def _on_completed(self, note: Completed) -> None:
        action = note.action
        self.states[action.state] += 1
        self._episode.completed(action)
        self._document(DocType.PLAYER_ACTION, action, "tracker", game_id=action.game_id)
        self._tell("on_action_outcome", action)

    def _on_stated(self, note: Stated) -> None:
        update = note.update
        if note.statement.first:
            self._episode.open(self.game.game_id, self._episode.started_ns, self.account)
        record = ServerState(
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
        self._document(DocType.SERVER_STATE, record, "wire")
        self._tell("on_player_update", record.player_state, self.game)
