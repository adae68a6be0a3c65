"""ActionBook: the actions under way, and the only steps by which one comes nearer to its end.

Whoever correlates evidence (the tracker, and what it holds for sidebets, rounds and shorts) finds an action
here and moves it on; what happened is reported as notes, in order.
"""

from __future__ import annotations

from collections import OrderedDict
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
    PlayerState,
    PlayerUpdate,
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
    """Holds what is under way and moves it on; who reads evidence says when.

    Attributes:
        notes: what happened, for the engine, which empties the list.
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

    # What the risk gate asks.

    @property
    def pending(self) -> tuple[PlayerAction, ...]:
        """Return the actions that are not decided yet, oldest first."""
        return tuple(t.action for t in self.undecided())

    @property
    def unknown_count(self) -> int:
        return sum(t.action.state is ActionState.UNKNOWN for t in self._open.values())

    @property
    def at_risk(self) -> int:
        """Return the lamports that undecided entries may have spent already."""
        return sum(
            to_lamports(t.action.amount or 0)
            for t in self.undecided()
            if t.action.action_type.is_entry and not t.booked
        )

    # What evidence can be about.

    def undecided(self) -> list[Tracked]:
        """Return what is not decided yet, oldest first."""
        return [t for t in self._open.values() if not t.action.is_decided]

    def get(self, action_id: str | None) -> Tracked | None:
        """Return what is under way as *action_id*, None if nothing is."""
        return self._open.get(action_id or "")

    def traced(self, trace_id: str | None) -> Tracked | None:
        """Return the action that left under *trace_id*, None if none did."""
        return self._by_trace.get(trace_id or "")

    def answered(self, ack_id: int) -> Tracked | None:
        """Return the action whose acknowledgement carries *ack_id*, once."""
        return self._by_ack.pop(ack_id, None)

    def match_trace(self, trade: Trade, kind: ActionType) -> Tracked | None:
        """Return the action that *trade* names, if the trade can be what it asked for."""
        tracked = self.traced(trade.trace_id)
        return tracked if tracked and fits(tracked.action, kind, trade.amount) else None

    def match_alone(self, trade: Trade, kind: ActionType) -> Tracked | None:
        """Return the one action in flight, if *trade* can be what it asked for."""
        alone = self.undecided()
        matches = len(alone) == 1 and fits(alone[0].action, kind, trade.amount)
        return alone[0] if matches else None

    def add(self, action: PlayerAction, command: Command, plan: ExitPlan, now_ns: int) -> None:
        """Take up an action whose command is about to leave."""
        tracked = Tracked(action, command, now_ns, plan)
        self._open[action.action_id] = tracked
        remember(self._by_trace, command.trace_id, tracked)

    def sent(self, tracked: Tracked, result: SendResult) -> None:
        """Take in that an action's command left."""
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

    def external(self, kind: ActionType, amount: Decimal, recv_ns: int, **values: Any) -> Tracked:
        """Make the record of something our account did without us; *values* are more of its fields."""
        action_id, _ = self.ids.next()
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

    # Time, link and the ends of things.

    def on_time(self, now_ns: int) -> None:
        """Give up waiting for what is overdue at *now_ns*."""
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
        """Make everything in flight UNKNOWN: what was sent may have executed unseen."""
        for tracked in self.undecided():
            if tracked.action.state is not ActionState.UNKNOWN:
                self.move(tracked, ActionState.UNKNOWN, f"link lost: {reason}")

    def on_game_closed(self, game_id: str, rug_ns: int | None, now_ns: int) -> None:
        """Decide what is still open of *game_id*: the settled ledger proves what did not happen.

        A stake in a side game's round is not of the game: its own round decides it.
        """
        stated = self.account.stated
        proven = (
            rug_ns is not None
            and stated is not None
            and stated.recv_ns >= rug_ns
            and self.account.closes
        )
        for tracked in list(self._open.values()):
            if tracked.action.game_id != game_id or tracked.action.action_type.is_side_game:
                continue
            if not tracked.action.is_decided:
                self.decide_unproven(tracked, now_ns, proven=proven)
            if tracked.action.action_id in self._open:
                self.complete(tracked, None, None)

    def on_ending(self, now_ns: int) -> None:
        """Close everything: the session ends."""
        for tracked in list(self._open.values()):
            if not tracked.action.is_decided:
                self.decide_unproven(tracked, now_ns, proven=False)
            self.complete(tracked, None, None)

    def decide_unproven(
        self, tracked: Tracked, now_ns: int, *, proven: bool, what: str = "settled game"
    ) -> None:
        """Decide an action of which no evidence came; if *proven*, *what* shows that it did nothing."""
        if proven:
            outcome = ActionOutcome(
                False,
                error=ActionState.NOT_EXECUTED.value,
                error_reason=f"the {what} closes to the lamport without it",
                server_request_id=tracked.ack_id,
            )
            self.decide(tracked, ActionState.NOT_EXECUTED, now_ns, "settled ledger", outcome)
        else:
            self.decide(tracked, ActionState.UNRESOLVED, now_ns, "no proof", None)

    # Steps every path shares.

    def executed(
        self, tracked: Tracked, now_ns: int, evidence: str, server_ts: int | None = None
    ) -> None:
        """Decide that the venue did what was asked."""
        late = tracked.action.state is ActionState.UNKNOWN
        action = tracked.action
        amount = tracked.amount if tracked.amount is not None else to_lamports(action.amount or 0)
        outcome = ActionOutcome(
            True,
            executed_price=None if tracked.price is None else Decimal(repr(tracked.price)),
            executed_amount=to_sol(amount),
            server_request_id=tracked.ack_id,
            executed_bonus=to_sol(tracked.bonus) if tracked.bonus else None,
        )
        if server_ts is not None:
            stamps = attrs.evolve(action.timestamps, server_ts=server_ts)
            tracked.action = attrs.evolve(action, timestamps=stamps)
        state = ActionState.EXECUTED_LATE if late else ActionState.CONFIRMED
        self.decide(tracked, state, now_ns, evidence, outcome)

    def evidence(self, tracked: Tracked, recv_ns: int) -> None:
        """Note when the first evidence of an action came."""
        if tracked.action.first_evidence_ts is None:
            tracked.action = attrs.evolve(tracked.action, first_evidence_ts=recv_ns // NS_PER_MS)

    def priced(self, tracked: Tracked, trade: Trade) -> None:
        """Take *trade* for the execution of an action: it states price and amount."""
        self.evidence(tracked, trade.recv_ns)
        tracked.price, tracked.amount = trade.price, to_lamports(trade.amount)

    def traded(self, tracked: Tracked, trade: Trade, shown: Unexplained | None) -> None:
        """Decide that *trade* executed an action; *shown* is the update that showed it before."""
        if tracked.action.is_decided:
            if not tracked.action.state.is_executed:
                self.contradiction(
                    tracked, "a trade shows an action executed that was decided otherwise"
                )
            return
        self.executed(tracked, trade.recv_ns, "trade", server_ts=trade.server_ts)
        self.complete_shown(tracked, shown)

    def decide(
        self,
        tracked: Tracked,
        state: ActionState,
        now_ns: int,
        why: str,
        outcome: ActionOutcome | None,
    ) -> None:
        """Move an action to a terminal *state*."""
        tracked.action = attrs.evolve(tracked.action, outcome=outcome)
        tracked.decided_ns = now_ns
        self.move(tracked, state, why)

    def move(self, tracked: Tracked, state: ActionState, why: str) -> None:
        """Move an action to *state* and say why."""
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
        """Let go of a decided action; *state* is the account after it, None if it is not known."""
        if self._open.pop(tracked.action.action_id, None) is None:
            return
        action = attrs.evolve(tracked.action, state_after=state)
        if confirmed_ms is not None:
            stamps = attrs.evolve(action.timestamps, confirmed_ts=confirmed_ms)
            action = attrs.evolve(action, timestamps=stamps)
        tracked.action = action
        self.notes.append(Completed(action))

    def complete_shown(self, tracked: Tracked, shown: Unexplained | None) -> None:
        """Complete an action whose effect an earlier update showed before anything explained it."""
        if shown is not None:
            self._unexplained -= 1
            update = shown.update
            self.complete(tracked, player_state(update), update.recv_ns // NS_PER_MS)

    def contradiction(self, tracked: Tracked, message: str) -> None:
        """Report evidence against what was decided; entries are halted."""
        self.find(
            "action.contradiction",
            "critical",
            message,
            action_id=tracked.action.action_id,
            state=tracked.action.state.value,
        )
        self.gate.halt(HaltCause.CONTRADICTION, message)

    def unexplained(self, statement: AccountUpdate) -> None:
        """Report a change of our account without a known cause; entries are halted after a few."""
        self._unexplained += 1
        self.find(
            "account.unexplained",
            "warning",
            "our account changed without a known cause",
            delta_cash=str(to_sol(statement.delta_cash)),
            delta_qty=str(to_sol(statement.delta_qty)),
        )
        if self._unexplained >= MAX_UNEXPLAINED:
            self.gate.halt(
                HaltCause.MONEY, f"{self._unexplained} unexplained changes of our account"
            )

    def find(self, kind: str, severity: str, message: str, **detail: Any) -> None:
        """Report what an operator may have to know."""
        self.notes.append(SystemEvent.of(kind, severity, message, **detail))


_TROUBLE = frozenset(
    {ActionState.UNKNOWN, ActionState.UNRESOLVED, ActionState.REJECTED, ActionState.NOT_SENT}
)


# What an order of these kinds brings is the venue's to say.
_PAID_BY_VENUE = frozenset({ActionType.SELL, ActionType.SHORT_CLOSE})


def fits(action: PlayerAction, kind: ActionType, amount: Decimal) -> bool:
    """Whether evidence of *kind* and *amount* can be of *action*."""
    if action.action_type is not kind:
        return False
    return kind in _PAID_BY_VENUE or action.amount == amount


def player_state(update: PlayerUpdate) -> PlayerState:
    """Return the account as *update* states it."""
    return PlayerState(
        update.cash,
        update.position_qty,
        update.avg_cost,
        update.total_invested,
        update.cumulative_pnl,
    )


def remember(table: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    """Put *value* into a table that forgets its oldest entries."""
    table[key] = value
    if len(table) > MAX_REMEMBERED:
        table.popitem(last=False)
