"""The desk of the fast driver: checks what a strategy asks for, as the engine's desk does.

Imports actions (interface, limits) and game.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from attrs import define, field, frozen

from vectra_bot.actions.desk import MAX_CALLS_PER_INPUT, Submit
from vectra_bot.actions.exits import NO_EXITS, ExitPlan
from vectra_bot.actions.limits import LEAST, MOST
from vectra_bot.actions.risk import Ask, RiskGate
from vectra_bot.backtest.fast.exits import FastExits
from vectra_bot.backtest.fast.orders import (
    ACTIVE,
    BUY,
    CONFIRMED,
    DENIED,
    PLAYS_ROUNDS,
    SELL,
    Order,
    Owner,
    Refusals,
)
from vectra_bot.errors import NotInCallback
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_lamports
from vectra_bot.game.state import GameView
from vectra_bot.models import ActionType, PlayerAction, Proof

_NO_LIMIT: Final = 1 << 62

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


@frozen
class _Terms:
    """What the gate's limits allow, in lamports; ``usual`` is False if there is more to check than this."""

    usual: bool
    stake: int
    session_loss: int
    game_loss: int
    actions: int

    @classmethod
    def of(cls, gate: RiskGate) -> _Terms:
        """Return the terms of a gate."""
        limits, arming = gate.limits, gate.arming
        more = (limits.exposure, limits.day_loss, limits.actions_per_minute, limits.price_age_ms)
        usual = all(one is None for one in (*more, arming.terms, arming.ignored))
        game_loss = limits.game_loss
        return cls(
            usual, min(MOST, to_lamports(limits.stake)), to_lamports(limits.session_loss),
            _NO_LIMIT if game_loss is None else to_lamports(game_loss), limits.actions_per_game,
        )  # fmt: skip


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
    exits: FastExits = field(factory=FastExits)
    bet: int = LEAST
    calls: int = 0
    closed: bool = False
    asked: deque[Order] = field(factory=deque)
    reports: deque[Order] = field(factory=deque)
    busy: bool = False
    count: int = 0
    _terms: _Terms = field(init=False)
    _usual: bool = False
    _least_cash: int = 0

    def __attrs_post_init__(self) -> None:
        self._terms = _Terms.of(self.gate)

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
        if kind is SELL:
            order.unverified = self.account.leveraged
        reason = None
        if ask.leverage > 1 or not self._is_usual(kind, ask.amount or 0, ask.percentage):
            reason = self.gate.check(
                ask, self.game, self.account, pending=book.pending, unknown=0, at_risk=book.at_risk
            )
        if reason is None:
            self.gate.on_sent(self.account.now_ns)
            book.orders.append(order)
            self.asked.append(order)
        else:
            order.state, order.reason, order.proof = DENIED, reason, Proof.LOCAL
            self.reports.append(order)
        self.busy = True
        return order.shown()

    def ask_plainly(
        self,
        kind: ActionType,
        button: str,
        amount: int | None,
        percentage: int | None,
        plan: ExitPlan,
    ) -> Order | None:
        """Queue a buy or a sale without leverage; None if it is not known at once to be allowed."""
        if not self._is_usual(kind, amount or 0, percentage):
            return None
        self.calls = 1
        order = self.make(kind, button)
        if kind is SELL:
            order.percentage = percentage
            if self.account.leveraged:
                order.unverified = True
        else:
            order.amount = amount
            if plan is not NO_EXITS:
                order.plan = plan
        self.gate.sent_this_game += 1  # there is no limit of a minute to count for
        self.book.orders.append(order)
        self.asked.append(order)
        self.busy = True
        return order

    def _is_usual(self, kind: ActionType, amount: int, percentage: int | None) -> bool:
        """Return whether a request without leverage is one that the gate surely allows; a short look."""
        gate, terms = self.gate, self._terms
        if not self._usual or self.book.orders or self.game.phase is not ACTIVE:
            return False
        is_counted = gate.sent_this_game + gate.external_this_game < terms.actions
        if kind is SELL:
            return bool(self.account.lots) and (is_counted or percentage == 100)
        return (
            kind is BUY
            and LEAST <= amount <= terms.stake
            and self.account.cash - amount >= self._least_cash
            and is_counted
        )

    def look(self) -> None:
        """Look what the gate allows while nothing but cash, lots and the number of actions changes."""
        gate, account, terms = self.gate, self.account, self._terms
        is_stopped = gate.halts or gate.stopped is not None
        self._usual = terms.usual and not is_stopped and gate.rugged_game != self.game.game_id
        of_session = (account.session_start_cash or 0) - terms.session_loss
        self._least_cash = max(0, of_session, account.game_start_cash - terms.game_loss)

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
        order.state, order.proof = CONFIRMED, Proof.LOCAL
        self.reports.append(order)
        self.busy = True
        return order.shown()

    def pending(self) -> tuple[PlayerAction, ...]:
        """Return the actions that are not decided yet, oldest first."""
        return self.book.pending
