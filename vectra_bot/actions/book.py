"""ActionBook: the actions that are not complete, and every transition of their state.

The tracker, and the parts it owns for sidebets, rounds and shorts, match evidence to an action and call the
book, which changes the action's state and reports what happened as notes, in order.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs
from attrs import define, field

from vectra_bot.actions.exits import ExitPlan
from vectra_bot.actions.ids import ActionIds
from vectra_bot.actions.notes import (
    Completed,
    Note,
    Submitted,
    Tracked,
)
from vectra_bot.actions.risk import HaltCause, RiskGate
from vectra_bot.game.account import Account, AccountUpdate, Unexplained
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.state import GameView
from vectra_bot.models import (
    ActionOutcome,
    ActionState,
    ActionTimestamps,
    ActionType,
    Actor,
    Command,
    Mode,
    PlayerAction,
    PlayerRequest,
    PlayerState,
    PlayerUpdate,
    Proof,
    SendResult,
    SystemEvent,
    Trade,
)
from vectra_bot.models.times import NS_PER_MS

EVIDENCE_TIMEOUT_NS = 2_000_000_000
MAX_REMEMBERED = 1024
MAX_UNEXPLAINED = 3


@define
class ActionBook:
    """Keeps the incomplete actions and applies transitions; the tracker decides which.

    Attributes:
        notes: what happened; the engine processes the list and empties it.
    """

    session_id: str
    mode: Mode
    ids: ActionIds
    account: Account
    game: GameView
    gate: RiskGate
    notes: list[Note] = field(factory=list)
    _open: dict[str, Tracked] = field(factory=dict)
    _by_trace: OrderedDict[str, Tracked] = field(factory=OrderedDict)
    _by_ack: OrderedDict[int, Tracked] = field(factory=OrderedDict)
    _unexplained: int = 0

    # Read by the risk gate.

    @property
    def pending(self) -> tuple[PlayerAction, ...]:
        """Return the actions that are not decided yet, oldest first."""
        return tuple(t.action for t in self.undecided())

    @property
    def unknown_count(self) -> int:
        return sum(t.action.state is ActionState.UNKNOWN for t in self._open.values())

    @property
    def at_risk(self) -> int:
        """Return the lamports that undecided entries may already have spent."""
        return sum(
            to_lamports(t.action.amount or 0)
            for t in self.undecided()
            if t.action.action_type.is_entry and not t.booked
        )

    @property
    def incomplete(self) -> Mapping[str, Tracked]:
        """Return the actions that are not complete, by id; the same object for the whole session."""
        return self._open

    # Finding the action that evidence is about.

    def undecided(self) -> list[Tracked]:
        """Return the undecided actions, oldest first."""
        return [t for t in self._open.values() if not t.action.is_decided]

    def get(self, action_id: str | None) -> Tracked | None:
        """Return the incomplete action *action_id*, None if there is none."""
        return self._open.get(action_id or "")

    def traced(self, trace_id: str | None) -> Tracked | None:
        """Return the action sent under *trace_id*, None if there is none."""
        return self._by_trace.get(trace_id or "")

    def answered(self, ack_id: int) -> Tracked | None:
        """Return the action whose acknowledgement carries *ack_id*, and forget the id."""
        return self._by_ack.pop(ack_id, None)

    def match_trace(self, trade: Trade, kind: ActionType) -> Tracked | None:
        """Return the action whose trace id *trade* carries, if the trade fits what it asked for."""
        tracked = self.traced(trade.trace_id)
        return tracked if tracked and fits(tracked.action, kind, trade.amount) else None

    def match_alone(self, trade: Trade, kind: ActionType) -> Tracked | None:
        """Return the action in flight if there is only one and *trade*, of its game, fits what it asked."""
        alone = self.undecided()
        matches = len(alone) == 1 and fits(alone[0].action, kind, trade.amount)
        matches = matches and alone[0].action.game_id == trade.game_id
        return alone[0] if matches else None

    def add(self, action: PlayerAction, command: Command, plan: ExitPlan, now_ns: int) -> None:
        """Add an action whose command is about to be sent."""
        tracked = Tracked(action, command, now_ns, plan)
        self._open[action.action_id] = tracked
        remember(self._by_trace, command.trace_id, tracked)

    def sent(self, tracked: Tracked, result: SendResult) -> None:
        """Record that an action's command was sent."""
        tracked.sent_ns = result.recv_ns
        if result.ack_id is not None:
            tracked.ack_id = result.ack_id
            remember(self._by_ack, result.ack_id, tracked)
        if tracked.action.state is ActionState.INTENT:
            self.move(tracked, ActionState.SENT, "send result")
        self.notes.append(Submitted(tracked.action))

    def report(self, action: PlayerAction) -> None:
        """Report an action that is complete at once: denied, or local."""
        self.notes.append(Completed(action))

    def external(
        self,
        kind: ActionType,
        amount: Decimal,
        recv_ns: int,
        *,
        by_venue: bool = False,
        **values: Any,
    ) -> Tracked:
        """Record something our account did without us as an action; *values* are more of its fields.

        What another client did counts in the limits; what the venue did (*by_venue*) does not.
        """
        action_id, _ = self.ids.next()
        if not by_venue:
            self.gate.on_external(self.account.now_ns)
        action = PlayerAction(
            action_id,
            self.session_id,
            self.game.game_id,
            self.account.player_id,
            self.account.username,
            kind,
            "",
            amount,
            None,
            self.game.context(),
            self.account.state,
            ActionTimestamps(recv_ns // NS_PER_MS),
            state=ActionState.SENT,
            mode=self.mode,
            actor=Actor.EXTERNAL,
            **values,
        )
        tracked = Tracked(action, None, recv_ns, booked=True)
        self._open[action_id] = tracked
        self.evidence(tracked, recv_ns)
        self.find(
            "account.external",
            "warning",
            f"our account did a {kind.value} without us",
            action_id=action_id,
            amount=str(amount),
        )
        return tracked

    def human(self, request: PlayerRequest) -> None:
        """Record what the person at the page asked for as an action; its evidence decides it as ours."""
        action_id, _ = self.ids.next()
        action = PlayerAction(
            action_id,
            self.session_id,
            self.game.game_id,
            self.account.player_id,
            self.account.username,
            request.action_type,
            button_of(request),
            request.amount,
            request.percentage,
            self.game.context(),
            self.account.state,
            ActionTimestamps(request.recv_ns // NS_PER_MS),
            state=ActionState.SENT,
            trace_id=request.trace_id,
            mode=self.mode,
            actor=Actor.HUMAN,
            leverage=request.leverage,
            choice=request.choice,
            round_id=request.round_id,
            unverified=request.action_type.is_unverified or request.leverage > 1,
        )
        tracked = Tracked(
            action, None, request.recv_ns, sent_ns=request.recv_ns, ack_id=request.ack_id
        )
        self._open[action_id] = tracked
        if request.trace_id is not None:
            remember(self._by_trace, request.trace_id, tracked)
        if request.ack_id is not None:
            remember(self._by_ack, request.ack_id, tracked)

    # Time, connection changes, and the end of games and sessions.

    def on_time(self, now_ns: int) -> None:
        """Make actions without evidence UNKNOWN, and complete decided ones, when overdue at *now_ns*."""
        if not self._open:
            return
        for tracked in list(self._open.values()):
            if tracked.action.is_decided:
                if (
                    tracked.decided_ns is not None
                    and now_ns - tracked.decided_ns >= EVIDENCE_TIMEOUT_NS
                ):
                    self.complete(tracked, None, None)
            elif (
                tracked.sent_ns is not None
                and now_ns - tracked.sent_ns > EVIDENCE_TIMEOUT_NS
                and tracked.action.state is not ActionState.UNKNOWN
            ):
                self.move(tracked, ActionState.UNKNOWN, "no evidence in 2 s")

    def on_disconnected(self, reason: str) -> None:
        """Make every undecided action UNKNOWN: what was sent may have been executed unseen."""
        for tracked in self.undecided():
            if tracked.action.state is not ActionState.UNKNOWN:
                self.move(tracked, ActionState.UNKNOWN, f"link lost: {reason}")
            if tracked.action.actor is Actor.HUMAN and tracked.ack_id is not None:
                # The page counts from the start again: its next answers belong to other requests.
                self._by_ack.pop(tracked.ack_id, None)

    def on_game_closed(self, game_id: str, now_ns: int, *, wait: bool) -> None:
        """Decide the undecided actions of *game_id*: the settled ledger proves which were not executed.

        They stay as they are if they *wait* for a statement of our account. A stake in a side game's round
        does not belong to the game: its round decides it.
        """
        lacking = self._lacking()
        for tracked in list(self._open.values()):
            if tracked.action.game_id != game_id or tracked.action.action_type.is_side_game:
                continue
            if not tracked.action.is_decided:
                if wait:
                    continue
                self.decide_unproven(tracked, now_ns, lacking=lacking)
            if tracked.action.action_id in self._open:
                self.complete(tracked, None, None)

    def on_ending(self, now_ns: int) -> None:
        """Decide and complete everything: the session ends."""
        for tracked in list(self._open.values()):
            if not tracked.action.is_decided:
                self.decide_unproven(tracked, now_ns, lacking="the session ended")
            self.complete(tracked, None, None)

    def _lacking(self) -> str:
        """Return what is missing for the settled game to prove what was not executed, empty if nothing."""
        account = self.account
        if account.stated is None:
            return "the venue has not stated our account"
        if account.unexplained:
            return "our account changed without a known cause"
        return "" if account.closes else "our account does not show every effect yet"

    def decide_unproven(
        self, tracked: Tracked, now_ns: int, *, lacking: str, what: str = "settled game"
    ) -> None:
        """Decide an action without evidence: *what* proves it not executed, unless something is *lacking*."""
        if not lacking:
            outcome = ActionOutcome(
                False,
                error=ActionState.NOT_EXECUTED.value,
                error_reason=f"the {what} balances to the lamport without it",
                server_request_id=tracked.ack_id,
            )
            state, why = ActionState.NOT_EXECUTED, "settled ledger"
            self.decide(tracked, state, now_ns, why, outcome, proof=Proof.LEDGER)
        else:
            self.decide(tracked, ActionState.UNRESOLVED, now_ns, lacking, None, proof=None)

    # Steps shared by all paths.

    def executed(
        self,
        tracked: Tracked,
        now_ns: int,
        evidence: str,
        proof: Proof,
        server_ts: int | None = None,
    ) -> None:
        """Decide that the venue executed the action."""
        late = tracked.action.state is ActionState.UNKNOWN
        action = tracked.action
        outcome = ActionOutcome(
            True,
            executed_price=None if tracked.price is None else Decimal(repr(tracked.price)),
            executed_amount=action.amount if tracked.amount is None else to_sol(tracked.amount),
            server_request_id=tracked.ack_id,
            executed_bonus=to_sol(tracked.bonus) if tracked.bonus else None,
        )
        if server_ts is not None:
            stamps = attrs.evolve(action.timestamps, server_ts=server_ts)
            tracked.action = attrs.evolve(action, timestamps=stamps)
        state = ActionState.EXECUTED_LATE if late else ActionState.CONFIRMED
        self.decide(tracked, state, now_ns, evidence, outcome, proof=proof)

    def evidence(self, tracked: Tracked, recv_ns: int) -> None:
        """Record the time of an action's first evidence."""
        if tracked.action.first_evidence_ts is None:
            tracked.action = attrs.evolve(tracked.action, first_evidence_ts=recv_ns // NS_PER_MS)

    def priced(self, tracked: Tracked, trade: Trade) -> None:
        """Use *trade* as the fill of an action: it states price and amount."""
        self.evidence(tracked, trade.recv_ns)
        tracked.price, tracked.amount = trade.price, to_lamports(trade.amount)

    def traded(self, tracked: Tracked, trade: Trade, shown: Unexplained | None) -> None:
        """Decide that *trade* executed an action; *shown* is an earlier update that showed its effect."""
        if tracked.action.is_decided:
            if not tracked.action.state.is_executed:
                self.contradiction(
                    tracked,
                    "a trade shows the execution of an action that was decided as not executed",
                )
            return
        self.executed(tracked, trade.recv_ns, "trade", Proof.TRADE, server_ts=trade.server_ts)
        self.complete_shown(tracked, shown)

    def decide(
        self,
        tracked: Tracked,
        state: ActionState,
        now_ns: int,
        why: str,
        outcome: ActionOutcome | None,
        *,
        proof: Proof | None,
    ) -> None:
        """Move an action to a terminal *state*, which *proof* shows; None only if nothing does."""
        tracked.action = attrs.evolve(tracked.action, outcome=outcome, proof=proof)
        tracked.decided_ns = now_ns
        self.move(tracked, state, why)

    def move(self, tracked: Tracked, state: ActionState, why: str) -> None:
        """Move an action to *state* and record why."""
        before = tracked.action.state
        tracked.action = attrs.evolve(tracked.action, state=state)
        severity = "warning" if state in _TROUBLE else "debug"
        self.find(
            "action.state",
            severity,
            f"{before.value} -> {state.value}: {why}",
            action_id=tracked.action.action_id,
            trace_id=tracked.action.trace_id,
            before=before.value,
            after=state.value,
            evidence=why,
        )

    def complete(
        self, tracked: Tracked, state: PlayerState | None, confirmed_ms: int | None
    ) -> None:
        """Complete a decided action; *state* is the account after it, None if unknown."""
        if self._open.pop(tracked.action.action_id, None) is None:
            return
        action = attrs.evolve(tracked.action, state_after=state)
        if confirmed_ms is not None:
            stamps = attrs.evolve(action.timestamps, confirmed_ts=confirmed_ms)
            action = attrs.evolve(action, timestamps=stamps)
        tracked.action = action
        self.notes.append(Completed(action))

    def complete_shown(self, tracked: Tracked, shown: Unexplained | None) -> None:
        """Complete an action whose effect an earlier, then unexplained, update already showed."""
        if shown is not None:
            self._unexplained -= not shown.ours
            update = shown.update
            self.complete(tracked, player_state(update), update.recv_ns // NS_PER_MS)

    def contradiction(self, tracked: Tracked, message: str) -> None:
        """Report evidence that contradicts a decision; entries are halted."""
        self.find(
            "action.contradiction",
            "critical",
            message,
            action_id=tracked.action.action_id,
            state=tracked.action.state.value,
        )
        self.gate.halt(HaltCause.CONTRADICTION, message)

    def unexplained(self, statement: AccountUpdate) -> None:
        """Report an account change without a known cause; after a few of them entries are halted.

        One that our undecided actions can have caused counts as theirs: they are decided by other
        evidence, or end as UNRESOLVED.
        """
        self._unexplained += not statement.ours
        cause = "by one of several of our actions" if statement.ours else "without a known cause"
        self.find(
            "account.unexplained",
            "warning",
            f"our account changed {cause}",
            delta_cash=str(to_sol(statement.delta_cash)),
            delta_qty=str(to_sol(statement.delta_qty)),
        )
        if self._unexplained >= MAX_UNEXPLAINED:
            self.gate.halt(
                HaltCause.MONEY, f"{self._unexplained} unexplained changes of our account"
            )

    def find(self, kind: str, severity: str, message: str, **detail: Any) -> None:
        """Report something an operator may need to know."""
        self.notes.append(SystemEvent.of(kind, severity, message, **detail))


_TROUBLE = frozenset(
    {ActionState.UNKNOWN, ActionState.UNRESOLVED, ActionState.REJECTED, ActionState.NOT_SENT}
)


# For these kinds the venue decides the amount that is paid out.
_PAID_BY_VENUE = frozenset({ActionType.SELL, ActionType.SHORT_CLOSE})


def fits(action: PlayerAction, kind: ActionType, amount: Decimal) -> bool:
    """Return whether evidence of *kind* and *amount* fits *action*."""
    if action.action_type is not kind:
        return False
    return kind in _PAID_BY_VENUE or action.amount == amount


_BUTTONS = {ActionType.SHORT_OPEN: "SHORT", ActionType.SHORT_CLOSE: "CLOSE SHORT"}


def button_of(request: PlayerRequest) -> str:
    """Return the text of the button that asks for *request*."""
    kind = request.action_type
    if kind is ActionType.SELL and request.percentage not in (None, 100):
        return f"SELL {request.percentage}%"
    return request.choice or _BUTTONS.get(kind, kind.value)


def player_state(update: PlayerUpdate) -> PlayerState:
    """Return the account as stated in *update*."""
    return PlayerState(
        update.cash,
        update.position_qty,
        update.avg_cost,
        update.total_invested,
        update.cumulative_pnl,
    )


def remember(table: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    """Put *value* into a table that drops its oldest entries."""
    table[key] = value
    if len(table) > MAX_REMEMBERED:
        table.popitem(last=False)
