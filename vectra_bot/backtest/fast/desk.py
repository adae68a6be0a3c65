"""The desk of the fast driver: checks what a strategy asks for, as the engine's desk does.

Imports actions (interface, limits) and game.
"""

from __future__ import annotations

from collections import deque

from attrs import define, field

from vectra_bot.actions.desk import MAX_CALLS_PER_INPUT, Submit
from vectra_bot.actions.exits import DeclaredExits, ExitPlan
from vectra_bot.actions.limits import LEAST, MOST
from vectra_bot.actions.risk import Ask, RiskGate
from vectra_bot.backtest.fast.orders import PLAYS_ROUNDS, Order, Owner, Refusals
from vectra_bot.errors import NotInCallback
from vectra_bot.game.account import Account
from vectra_bot.game.state import GameView
from vectra_bot.models import ActionState, ActionType, PlayerAction, Proof

_PLAYED = (
    ActionType.BUY,
    ActionType.SELL,
    ActionType.SIDEBET,
    ActionType.SHORT_OPEN,
    ActionType.SHORT_CLOSE,
    ActionType.BBC_PREDICT,
    ActionType.CANDLEFLIP_BET,
)


@define(eq=False)
class OpenOrders:
    """The orders that are not complete, oldest first."""

    orders: list[Order] = field(factory=list)

    @property
    def undecided(self) -> list[Order]:
        """Return the orders without an outcome."""
        return [order for order in self.orders if not order.state.is_terminal]

    @property
    def pending(self) -> tuple[PlayerAction, ...]:
        """Return them as actions."""
        if not self.orders:
            return ()
        return tuple(order.shown() for order in self.undecided)

    @property
    def at_risk(self) -> int:
        """Return the lamports that undecided entries may already have spent."""
        if not self.orders:
            return 0
        return sum(
            order.amount or 0
            for order in self.undecided
            if order.kind.is_entry and not order.booked
        )


@define(eq=False, weakref_slot=True)
class FastDesk:
    """What an action call needs, with the methods of :class:`~vectra_bot.actions.desk.ActionDesk`.

    Attributes:
        bet: the adjusted bet, lamports.
        calls: actions asked for while the current input is processed.
        closed: whether no callback runs that may act.
        asked: orders to send after the callback, oldest first.
        reports: orders that are complete without being sent: denied, or local.
        busy: whether there is any of the two.
        count: number of actions so far.
    """

    owner: Owner
    game: GameView
    account: Account
    gate: RiskGate
    refusals: Refusals
    book: OpenOrders = field(factory=OpenOrders)
    exits: DeclaredExits = field(factory=DeclaredExits)
    bet: int = LEAST
    calls: int = 0
    closed: bool = False
    asked: deque[Order] = field(factory=deque)
    reports: deque[Order] = field(factory=deque)
    busy: bool = False
    count: int = 0

    def enter(self, what: str) -> None:
        """Begin the call of the action *what*.

        Raises:
            NotInCallback: no callback runs that may act.
        """
        if self.closed:
            raise NotInCallback(
                f"{what}() was called outside a callback: act inside on_* methods only"
            )
        self.calls += 1
        if self.calls > MAX_CALLS_PER_INPUT:
            self.refusals.refuse(
                f"the strategy asks for more than {MAX_CALLS_PER_INPUT} actions at once"
            )

    def ask(self, ask: Ask, button: str, plan: ExitPlan, submit: Submit) -> PlayerAction:
        """Check *ask* and queue its order; *submit* is for commands, of which there are none here."""
        kind = ask.action_type
        if kind not in _PLAYED:
            self.refusals.refuse(f"the strategy asks for {kind.value}")
        book = self.book
        order = self.make(kind, button)
        order.amount, order.percentage = ask.amount, ask.percentage
        order.leverage, order.plan = ask.leverage, plan
        if kind.is_side_game:
            order.choice = ask.choice
            order.round_id = None if ask.round is None else ask.round.round_id
        order.unverified = kind.is_unverified or ask.leverage > 1
        if kind is ActionType.SELL:
            order.unverified = self.account.leveraged
        reason = self.gate.check(
            ask, self.game, self.account, pending=book.pending, unknown=0, at_risk=book.at_risk
        )
        if reason is None:
            self.gate.on_sent(self.account.now_ns)
            book.orders.append(order)
            self.asked.append(order)
        else:
            order.state, order.reason, order.proof = ActionState.DENIED, reason, Proof.LOCAL
            self.reports.append(order)
        self.busy = True
        return order.shown()

    def make(self, kind: ActionType, button: str) -> Order:
        """Return a new order of the running game."""
        self.count += 1
        return Order(self.owner, self.count, kind, self.game.game_id, button)

    def ask_round(
        self, kind: ActionType, choice: str, amount: int, round_id: str | None, submit: Submit
    ) -> PlayerAction:
        """Give the block to the one with rounds: a block without has none."""
        self.refusals.refuse(PLAYS_ROUNDS)

    def adjust(
        self, kind: ActionType, button: str, wanted: int, percentage: int | None = None
    ) -> PlayerAction:
        """Set the bet to *wanted* lamports, within the venue's limits."""
        self.bet = min(max(wanted, LEAST), MOST)
        order = self.make(kind, button)
        order.amount, order.percentage = self.bet, percentage
        order.state, order.proof = ActionState.CONFIRMED, Proof.LOCAL
        self.reports.append(order)
        self.busy = True
        return order.shown()

    def pending(self) -> tuple[PlayerAction, ...]:
        """Return the actions that are not decided yet, oldest first."""
        return self.book.pending
