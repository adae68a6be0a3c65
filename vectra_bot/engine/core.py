"""The engine: one typed event in, commands and documents out.

``process(event)`` is synchronous and pure: no I/O, no clock, no task. In this order: the game state is
updated, the tracker correlates, the account books, plugins' hooks run, then the strategy; effects are
returned in order of cause. Replaying the same events gives the same effects, byte for byte. The engine is to
trading what h11's connection is to HTTP: the session feeds it and carries out its effects.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from decimal import getcontext, setcontext
from functools import partial
from typing import Any

from vectra_bot.actions.arming import Arming, LiveTerms, Standing
from vectra_bot.actions.book import ActionBook
from vectra_bot.actions.desk import ActionDesk
from vectra_bot.actions.episode import EpisodeBook
from vectra_bot.actions.exits import NO_EXITS
from vectra_bot.actions.ids import ActionIds
from vectra_bot.actions.limits import Limits
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
from vectra_bot.actions.risk import RiskGate
from vectra_bot.actions.rounds import Stakes
from vectra_bot.actions.shorts import Shorts
from vectra_bot.actions.sidebets import Sidebets
from vectra_bot.actions.tracker import ActionTracker
from vectra_bot.engine import records
from vectra_bot.engine.auditing import Auditor
from vectra_bot.engine.callbacks import Callbacks, StrategyFailure
from vectra_bot.engine.control import Control
from vectra_bot.engine.effects import Effect, Effects, EngineActions, only_documents
from vectra_bot.engine.flatten import Flatten
from vectra_bot.engine.seals import SealedBooks, is_public
from vectra_bot.game import changes
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_lamports
from vectra_bot.game.outside import fresh
from vectra_bot.game.rounds import Rounds, SideGamesView
from vectra_bot.game.state import GameState, GameView
from vectra_bot.models import (
    Ack,
    ActionState,
    ClockAdvanced,
    ConnectionChanged,
    DocType,
    DrawingResult,
    Event,
    FrameRejected,
    GameFrame,
    GameSummary,
    GameTick,
    Link,
    LoginStatus,
    Mode,
    OperatorCommand,
    PlayerGameUpdate,
    PlayerRequest,
    PlayerUpdate,
    RoundBet,
    RoundResult,
    RoundUpdate,
    SendResult,
    SessionEnding,
    SidebetPlaced,
    SidebetResult,
    SystemEvent,
    Trade,
    UnknownEvent,
    VenueNotice,
)
from vectra_bot.plugins import PluginManager
from vectra_bot.strategy import HISTORY_GAMES, Strategy, Surroundings


class Engine:
    """Processes the events of one session.

    Args:
        session_id: names the session; action and trace ids follow from it.
        mode: how the session runs.
        strategy: makes the decisions; an exception it raises ends trading.
        plugins: observe and veto; their exceptions are counted and contained.
        limits: what the session may do.
        auditor: verifies the feed against the seeds it reveals; None for no such check.
        terms: the conditions of a live session; None for any other, which is armed from the start.
        watches: it flattens nothing itself: a recovery reads the commands from the journal.

    Attributes:
        game: the running game, read-only.
        account: our money.
        history: the last finished games.
        counts: counters by name, such as ``ticks``.
        states: number of completed actions by state.
        call_times: how long the strategy's calls take.
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
        terms: LiveTerms | None = None,
        watches: bool = False,
    ) -> None:
        # Attributes are found in it in half the time of a dict with the class's keys, which vars() makes.
        self.__dict__ = {}
        self.session_id, self.mode = session_id, mode
        self.strategy, self.plugins = strategy, plugins
        self.auditor = auditor
        self.counts = records.EngineCounts()
        self.states: Counter[ActionState] = Counter()
        self.account = account = Account()
        self.history: deque[GameSummary] = deque(maxlen=HISTORY_GAMES)
        self._state = state = GameState()
        self.game = game = GameView(state)
        self._gate = gate = RiskGate(limits, Arming(terms=terms))
        self._effects = effects = Effects(state, account)
        ids, rounds = ActionIds(session_id), Rounds()
        book = ActionBook(session_id, mode, ids, account, game, gate)
        self._notes, self._incomplete = book.notes, book.incomplete
        stakes = Stakes(book, account, rounds)
        self._waiting = stakes.waiting
        self.tracker = ActionTracker(
            book,
            account,
            game,
            Sidebets(book, account, game),
            stakes,
            Shorts(book, account, game),
        )
        review = partial(plugins.review, game=game, account=account.view)
        self._desk = desk = ActionDesk(
            session_id, mode, ids, game, account, rounds, book, gate, review, effects.command
        )
        self._actions = EngineActions(desk)
        self._flatten = Flatten(desk, effects)
        self._control = Control(desk, effects, self._flatten, watches)
        self._books = SealedBooks(desk, state, plugins, vars(self))
        self._callbacks = Callbacks(strategy, plugins, desk, effects, self._books, GameView(state))
        self._context = self._callbacks.context
        self.call_times = self._callbacks.times
        self._finished: deque[GameSummary] = deque(maxlen=HISTORY_GAMES)
        self._callbacks.begin(
            Surroundings(self._actions, account.view, self._finished, SideGamesView(rounds))
        )
        self._episode = EpisodeBook(session_id, ids)
        self._rug_ns: int | None = None
        self._ended = False
        self._watched = gate.depends_on_time
        self._handlers = self._table()

    @property
    def now_ns(self) -> int:
        """Return the time of the newest event, nanoseconds since the epoch."""
        return self.account.now_ns

    @property
    def standing(self) -> Standing:
        """Return what the session may do now, and why it is not more."""
        return self._control.standing

    @property
    def failure(self) -> StrategyFailure | None:
        """Return what the strategy raised, None if it did not."""
        return self._callbacks.failure

    @property
    def plugin_errors(self) -> Counter[str]:
        """Return the number of exceptions by plugin."""
        return self._callbacks.plugin_errors

    def _table(self) -> dict[type[Event], Callable[[Any], None]]:
        tracker, stakes = self.tracker, self.tracker.stakes
        ours = partial(records.if_ours, self.account)
        return {
            GameFrame: self._on_game_frame,
            Trade: self._on_trade,
            PlayerUpdate: self._on_player_update,
            PlayerGameUpdate: self._on_player_game,
            SidebetPlaced: self._on_sidebet_placed,
            SidebetResult: ours(tracker.sidebets.on_result),
            RoundUpdate: self._on_round,
            RoundBet: ours(stakes.on_round_bet),
            RoundResult: ours(stakes.on_round_result),
            LoginStatus: self._control.on_login,
            VenueNotice: self._ignore,
            DrawingResult: self._on_drawing,
            UnknownEvent: self._effects.unknown,
            Ack: tracker.on_ack,
            FrameRejected: self._on_rejected,
            ClockAdvanced: self._ignore,
            ConnectionChanged: self._on_connection,
            PlayerRequest: tracker.on_player_request,
            SendResult: self._on_send_result,
            OperatorCommand: self._control.on_operator,
            SessionEnding: self._on_ending,
        }

    def opened(self) -> ActionTracker:
        """Return the tracker with the books open, for a recovery that enters what a journal proves."""
        self._callbacks.open()
        return self.tracker

    def process(self, event: Event) -> list[Effect]:
        """Process one event and return its effects in order of cause.

        A strategy that raises is recorded in :attr:`failure`; after that it is not called again and nothing
        is sent, but events are still processed and documented.
        """
        found = self._effects.begin()
        caller = getcontext()
        setcontext(self._context)
        try:
            self._apply(event, found)
            # What is due after every input; then the books are sealed.
            desk, callbacks = self._desk, self._callbacks
            if self._watched:
                self._control.look()
            if desk.exits.plan is not NO_EXITS and not self.account.lots:
                callbacks.open()
                desk.exits.clear()
            if self.plugins.faults or callbacks.alerts.faults:
                callbacks.store_faults()
            if not self._books.sealed:
                self._books.close()
        except Exception:
            if not self._callbacks.explains():
                raise
            self._withdraw()
        finally:
            setcontext(caller)
        return found

    def _apply(self, event: Event, found: list[Effect]) -> None:
        account, desk, callbacks = self.account, self._desk, self._callbacks
        now_ns, kind = event.recv_ns, type(event)
        if now_ns < account.now_ns:  # noqa: PLR1730 - max() costs several times as much
            now_ns = account.now_ns
        account.now_ns = self.plugins.now_ns = now_ns
        desk.calls = 0
        if desk.sent:
            callbacks.open()
            desk.sent = ()
        working = callbacks.failure is None
        if self._incomplete or self._waiting:
            callbacks.open()
            self.tracker.on_time(now_ns)
        elif kind is not GameFrame and not is_public(event, account.player_id):
            callbacks.open()
        if self._watched:
            self._control.on_time(now_ns)
        if self._notes:
            self._drain()
        self._handlers[kind](event)
        if self._notes:
            self._drain()
        if desk.sent or not only_documents(found):
            callbacks.check_orders()
        if working and callbacks.failure is not None:
            self._withdraw()

    def _withdraw(self) -> None:
        """Withhold what a strategy requested during the input at which it raised."""
        self._callbacks.open()
        now_ns, reason = self.account.now_ns, "the strategy raised"
        sent, self._desk.sent = self._desk.sent, ()
        self._effects.keep(())
        for command in sent:
            action_id = command.action_id
            self.tracker.on_send_result(
                SendResult(recv_ns=now_ns, action_id=action_id, sent=False, reason=reason)
            )
        self._drain()

    # Events.

    def _ignore(self, event: Event) -> None:
        """Do nothing: the raw frame is stored, and the time was already advanced."""

    def _on_game_frame(self, frame: GameFrame) -> None:
        auditor, books = self.auditor, self._books
        if self._watched:
            self._control.on_frame(frame)
        if books.seen is not None:
            game, values = books.seen
            if game.price is not values["price"] or game.game_id is not values["game_id"]:
                self._callbacks.open()
            books.seen = None
        if frame.history:
            records.proven_by_history(self.tracker, frame, self._callbacks.open)
        for change in self._state.fold(frame):
            if auditor is not None:
                auditor.on_change(change)
            if type(change) is GameTick:  # nearly all of them: faster than a match
                self._on_tick(change)
            elif type(change) is changes.TickSeen:
                self._effects.tick(change.tick)
            else:
                self._on_change(change)
            if self._notes:
                self._drain()
        if auditor is not None:
            self._effects.findings(auditor.on_frame(frame))

    def _on_change(self, change: changes.Change) -> None:
        self._callbacks.open()
        match change:
            case changes.PhaseChanged():
                self._callbacks.notify("on_phase", self.game)
            case changes.GameStarted():
                self._callbacks.notify("on_game_start", self.game)
            case changes.GameClosed():
                self._on_game_closed(change)
            case changes.GameOpened():
                self._open_game(change.game_id)
            case changes.Rugged():
                self._rug_ns = self.account.now_ns
                self._episode.ticks = change.rug_tick or self._episode.ticks
            case changes.FrameRefused() | changes.GapSeen() | changes.PriceConflict():
                self._effects.document(DocType.SYSTEM_EVENT, records.anomaly(change), "engine")

    def _on_tick(self, tick: GameTick) -> None:
        self._effects.tick(tick)
        self._books.seen = (self._state.now, tick.__dict__)
        self.counts["ticks"] += 1
        if self._watched:
            self._control.on_tick(tick.tick)
        self._episode.mark(tick.tick, tick.price, self.account)
        if self._flatten.active:
            self._flatten.run()
        if self._desk.exits.plan is not NO_EXITS:
            self._callbacks.run_exits(self._actions)
        self._callbacks.tick(tick)

    def _on_game_closed(self, closed: changes.GameClosed) -> None:
        self.tracker.on_game_closed(closed.game_id, self._rug_ns, self.account.now_ns)
        self._drain()
        rugged = closed.rug_price is not None
        self._close_episode(closed.last_price, rugged=True)
        summary = records.summary_of(closed, self.account)
        if rugged:
            self.counts["games"] += 1
        self.history.append(summary)
        self._finished.append(fresh(summary))
        self._open_game(self.game.game_id)
        self._callbacks.notify("on_game_end", self.game, summary)
        self._callbacks.save()

    def _open_game(self, game_id: str) -> None:
        if self._episode.game_id == game_id:
            return
        self._rug_ns = None
        if self._episode.game_id or not self.account.known:
            self.account.open_game()  # else what was stated before the first frame is of this game
        self._gate.open_game()
        self._desk.exits.clear()
        self._episode.open(game_id, self.account.now_ns, self.account)

    def _close_episode(self, price: float, *, rugged: bool) -> None:
        episode = self._episode.close(self.account.now_ns, self.account, price, rugged=rugged)
        if episode is not None:
            self._effects.document(DocType.ML_EPISODE, episode, "engine", game_id=episode.game_id)

    def _on_trade(self, trade: Trade) -> None:
        if trade.player_id and trade.player_id == self.account.player_id:
            self.tracker.on_trade(trade)
            return
        seen = records.other_player(self.session_id, trade, self.game)
        self._effects.document(
            DocType.OTHER_PLAYER_ACTION,
            seen,
            "wire",
            game_id=trade.game_id,
            player_id=trade.player_id,
        )
        self._callbacks.notify("on_other_player_trade", seen, self.game)

    def _on_player_update(self, update: PlayerUpdate) -> None:
        if self._control.is_ours(update.player_id):
            self.tracker.on_player_update(update)
            self._control.on_update(update)

    def _on_sidebet_placed(self, event: SidebetPlaced) -> None:
        if event.private and event.player_id == self.account.player_id:
            self.tracker.sidebets.on_placed(event)

    def _on_round(self, event: RoundUpdate) -> None:
        stakes, key = self.tracker.stakes, (event.side_game, event.round_id)
        before = stakes.rounds.get(*key)
        stakes.on_round_update(event, self.counts["ticks"])
        self._callbacks.side_round(before, stakes.rounds.get(*key))

    def _on_player_game(self, update: PlayerGameUpdate) -> None:
        """Update the value of our short; nothing else in our row is used."""
        if self.account.short is not None and update.game_id == self.game.game_id:
            self._callbacks.open()
            self.account.value_short(update.short)

    def _on_drawing(self, drawing: DrawingResult) -> None:
        for player_id, prize in drawing.winners:
            ours = player_id == self.account.player_id
            if ours and self.tracker.on_drawing(drawing, prize):
                self.counts["prizes"] += to_lamports(prize)

    def _on_rejected(self, rejected: FrameRejected) -> None:
        self.counts["quarantined"] += 1
        self._control.on_rejected(rejected)

    def _on_send_result(self, result: SendResult) -> None:
        self.tracker.on_send_result(result)
        self._flatten.on_send_result(result)

    def _on_connection(self, change: ConnectionChanged) -> None:
        self._effects.connection(change)
        if change.link is Link.DISCONNECTED:
            self.tracker.on_disconnected(change.reason)
        self._control.on_link(change)
        self._drain()
        self._callbacks.notify("on_connection", change.link)

    def _on_ending(self, ending: SessionEnding) -> None:
        if self._ended:
            return
        self._ended = True
        self._callbacks.check_orders()
        self._gate.stop_all("the session ends")
        self.tracker.on_ending(self.account.now_ns)
        self._drain()
        self._close_episode(self.game.price, rugged=self.game.rug_price is not None)
        if self.auditor is not None:
            self._effects.findings(self.auditor.on_ending(self.account.now_ns))
        self._effects.system("session.ending", "info", ending.reason or "ending")

    # Notes of the tracker: documents first, then hooks, then the strategy.

    def _drain(self) -> None:
        self._callbacks.open()
        notes = self._notes
        index = 0
        while index < len(notes):
            self._on_note(notes[index])
            self._callbacks.open()
            index += 1
        notes.clear()

    def _on_note(self, note: Note) -> None:
        match note:
            case SystemEvent():
                self._effects.document(DocType.SYSTEM_EVENT, note, "engine")
            case Submitted():
                self._episode.sent(note.action)
                self._callbacks.notify("on_action_submitted", note.action)
            case Completed():
                self._on_completed(note)
            case Stated():
                self._on_stated(note)
            case Booked():
                self._desk.exits.declare(note.plan, self.account.lots)
            case Settled(settled=end):
                self._episode.open_at_rug |= note.at_rug
                pnl = to_lamports(end.pnl)
                self.counts.add(settlements=1, bets_won=end.won, bets_pnl=pnl)
                self._callbacks.notify("on_stake_settled", end, self.game)
            case Recorded():
                self._effects.document(note.doc_type, note.record, "tracker")
            case ForcedSell():
                self._episode.open_at_rug = True
                self.counts.add(forced_sells=1, forced_sold=note.amount)

    def _on_completed(self, note: Completed) -> None:
        action = note.action
        if not action.is_human:
            self.states[action.state] += 1
        self._episode.completed(action)
        self._effects.document(DocType.PLAYER_ACTION, action, "tracker", game_id=action.game_id)
        self._callbacks.notify("on_action_outcome", action)

    def _on_stated(self, note: Stated) -> None:
        if note.statement.first:
            self._episode.open(self.game.game_id, self._episode.started_ns, self.account)
        record = records.state_of(note)
        self._effects.document(DocType.SERVER_STATE, record, "wire")
        self._callbacks.notify("on_player_update", record.player_state, self.game)
