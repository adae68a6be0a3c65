"""Our side in the fast driver: strategy, account, desk, and what each answer of the venue changes.

Each method that takes an answer does what the engine does with the message of the same name. Imports
actions, game, models and strategy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from attrs import evolve

from vectra_bot.actions.exits import NO_EXITS
from vectra_bot.actions.risk import RiskGate
from vectra_bot.backtest.fast.chunks import FastGameData
from vectra_bot.backtest.fast.desk import FastDesk
from vectra_bot.backtest.fast.hooks import Hook, Hooks
from vectra_bot.backtest.fast.orders import (
    ACTIVE,
    BUY,
    BY_TRADE,
    CONFIRMED,
    DENIED,
    RUGGED,
    SELL,
    SHORT_CLOSE,
    SHORT_OPEN,
    Order,
    Owner,
    Refusals,
)
from vectra_bot.backtest.fast.tally import Holdings
from vectra_bot.backtest.fast.views import (
    EndedGame,
    FastAccount,
    FastActions,
    FastGame,
    FastHistory,
    NoRounds,
)
from vectra_bot.backtest.games import Games
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.holdings import ShortView, SidebetView
from vectra_bot.game.ledger import Fill, Ledger, OpenSidebet, SettledSidebet
from vectra_bot.game.lots import Lot
from vectra_bot.game.rounds import SideGamesView
from vectra_bot.game.shorts import OpenShort
from vectra_bot.models import (
    ActionState,
    ActionType,
    Actor,
    PlayerUpdate,
    Proof,
    StakeSettled,
)
from vectra_bot.params.saved import state_to_text
from vectra_bot.strategy import Strategy, Surroundings, bind

NEVER: Final = 1 << 62


class FastBot:
    """A strategy with its account and its orders.

    Attributes:
        running: the strategy's method that runs now, empty if none does.
        exit_at: first tick at which a declared exit may be due.
    """

    def __init__(
        self, strategy: Strategy, owner: Owner, gate: RiskGate, refusals: Refusals, table: Games
    ) -> None:
        self.owner, self.gate, self.refusals = owner, gate, refusals
        self.account = account = Account()
        self.game = FastGame(refusals)
        self.desk = self._make_desk()
        self.actions = FastActions(self.desk)
        self.history = FastHistory()
        self.hooks = Hooks(strategy, refusals)
        self.holdings = Holdings(table)
        self.running = ""
        self.exit_at = NEVER
        self._sold: list[Order] = []
        self._data: FastGameData
        views = FastAccount(account, refusals), self.history, self._make_rounds()
        bind(strategy, Surroundings(self.actions, *views))

    def _make_desk(self) -> FastDesk:
        return FastDesk(self.owner, self.game, self.account, self.gate, self.refusals)

    def _make_rounds(self) -> SideGamesView:
        """Return what the strategy sees of the side games."""
        return NoRounds(self.refusals)

    def log_in(self, cash: int) -> None:
        """Learn our account from the venue's first statement."""
        account, nothing = self.account, to_sol(0)
        account.player_id, account.username = self.owner.player_id, self.owner.username
        account.cash = account.session_start_cash = account.game_start_cash = cash
        account.stated = PlayerUpdate(
            recv_ns=0, player_id=self.owner.player_id, cash=to_sol(cash), position_qty=nothing,
            avg_cost=nothing, total_invested=nothing, cumulative_pnl=nothing,
        )  # fmt: skip
        self.desk.look()

    # The strategy's methods.

    def call(self, hook: Hook | None, name: str, *args: Any) -> None:
        """Run a method of the strategy, and then report what was denied in it."""
        if hook is not None:
            self.running = name
            hook(*args)
            self.running = ""
            if self.desk.reports:
                self.report()

    def report(self) -> None:
        """Complete the orders that are not sent."""
        reports = self.desk.reports
        while reports:
            self._completed(reports.popleft())

    def _completed(self, order: Order) -> None:
        self.holdings.completed(order, ended=order.game_id != self.game.game_id)
        if self.hooks.outcome is not None:
            self.running = "on_action_outcome"
            self.hooks.outcome(order.shown())
            self.running = ""

    def save(self) -> None:
        """Run ``save``, in which nothing can be asked for."""
        if self.hooks.save is None:
            return
        self.desk.closed, self.running = True, "save"
        state = self.hooks.save()
        if state is not None:
            state_to_text(state)
        self.desk.closed, self.running = False, ""

    def run_exits(self) -> None:
        """Sell everything if a declared exit is due, unless a sale is undecided."""
        desk = self.desk
        if not desk.exits.due(self.game, self.account):
            return
        if any(order.kind is SELL for order in desk.book.undecided):
            return
        if self.actions.sell().state is not DENIED:
            desk.exits.tries += 1
        if desk.reports:
            self.report()

    # The steps of a game.

    def begin(self, data: FastGameData) -> None:
        """Begin a game that was announced before; its prices are known from now on."""
        self._data = data
        self.game.every = data.prices
        self.holdings.begin(data)

    def rugged(self, data: FastGameData) -> None:
        """See the frame of the rug."""
        game = self.game
        game.phase, game.shown = RUGGED, data.rug_tick
        game.tick = game.rug_tick = data.rug_tick
        game.price = game.rug_price = data.rug_price
        if self.hooks.phase is not None:
            self.call(self.hooks.phase, "on_phase", game)

    def announced(self, game_id: str, server_seed: str, ended: FastGameData | None) -> None:
        """See the announcement of a game, which closes the one before it."""
        finished = None if ended is None else self._close(ended)
        self.game.begin(game_id, server_seed)
        self.desk.look()
        if finished is not None:
            if self.hooks.end is not None:
                self.call(self.hooks.end, "on_game_end", self.game, finished.summary)
            self.save()
        if self.hooks.phase is not None:
            self.call(self.hooks.phase, "on_phase", self.game)

    def _close(self, ended: FastGameData) -> EndedGame:
        account, desk = self.account, self.desk
        orders = desk.book.orders
        if orders and any(not order.kind.is_side_game for order in orders):
            self.refusals.refuse("an action is undecided at the end of its game")
        finished = EndedGame(
            ended.game_id, ended.server_seed, ended.rug_tick, ended.rug_price, ended.prices,
            account.game_pnl,
        )  # fmt: skip
        self.history.append(finished)
        self.holdings.close(ended, account)
        account.open_game()
        self.gate.open_game()
        desk.exits.clear()
        self.exit_at = NEVER
        return finished

    # The venue's answers.

    def _show(self, cash: int, lots: Sequence[Lot], *, until: int | None = None) -> None:
        """Let our account show what the venue's message states.

        Ticks are counted with what was held before, and it is found when a declared exit is due.
        """
        account, game, exits = self.account, self.game, self.desk.exits
        account.cash, account.lots = cash, list(lots)
        tick = game.tick if game.phase is ACTIVE else -1
        self.holdings.change(tick, tick if until is None else until, account)
        if exits.plan is not NO_EXITS:
            if not lots:
                exits.clear()
            self.find_exit(tick + 1)

    def find_exit(self, first: int) -> None:
        """Find the first tick from *first* on at which a declared exit is due."""
        account, exits = self.account, self.desk.exits
        if exits.plan is NO_EXITS or not account.lots:
            self.exit_at = NEVER
        elif account.leveraged:
            self.exit_at = first
        else:
            self.exit_at = exits.next_due(first, account, self._data)

    def filled(self, order: Order, fill: Fill, cash: int, lots: Sequence[Lot]) -> None:
        """Take the trade that executed *order*."""
        order.price, order.paid, order.booked = fill.price, fill.amount, True
        order.state, order.proof = CONFIRMED, BY_TRADE
        if order.kind is BUY:
            if order.plan is not NO_EXITS:
                self.desk.exits.declare(order.plan, lots)
        elif order.kind is SHORT_OPEN:
            stake = to_sol(fill.amount)
            self.account.short = ShortView(
                stake, fill.price, fill.tick, stake, order.ids[0], to_sol(fill.bonus)
            )
        elif order.kind is SHORT_CLOSE:
            self._end_short(fill, cash, lots)
            return
        self._show(cash, lots)

    def traded(self, order: Order, fill: Fill, ledger: Ledger) -> None:
        """Take all answers at once, as :meth:`filled` and :meth:`complete` do: for lots without leverage."""
        order.price, order.paid, order.booked = fill.price, fill.amount, True
        order.state, order.proof = CONFIRMED, BY_TRADE
        account, desk, exits = self.account, self.desk, self.desk.exits
        lots = list(ledger.lots)
        account.cash, account.lots = ledger.cash, lots
        if order.plan is not NO_EXITS:
            exits.declare(order.plan, lots)
        tick = fill.tick if self.game.phase is ACTIVE else -1
        self.holdings.traded(fill, tick)
        if exits.plan is not NO_EXITS:
            if not lots:
                exits.clear()
            self.find_exit(tick + 1)
        desk.book.orders.remove(order)
        outcome = self.hooks.outcome
        if outcome is not None:
            self.call(outcome, "on_action_outcome", order.shown())

    def _end_short(self, fill: Fill, cash: int, lots: Sequence[Lot]) -> None:
        """Book the payout of our short, and report the end of its stake."""
        short, self.account.short = self.account.short, None
        self._show(cash, lots)
        if short is None:
            return
        payout = to_sol(fill.amount)
        ended = StakeSettled(
            action_id=short.action_id or "",
            game_id=self.game.game_id,
            action_type=ActionType.SHORT_OPEN.value,
            stake=short.stake,
            won=payout > short.stake,
            payout=payout,
            pnl=payout - short.stake,
            tick=fill.tick,
            unverified=True,
        )
        self.call(self.hooks.settled, "on_stake_settled", ended, self.game)

    def value_short(self, stated: OpenShort | None, value: int) -> None:
        """Take a statement of a short's value; one of another stake is not about the short that is open."""
        held = self.account.short
        if held is not None and stated is not None and to_lamports(held.stake) == stated.amount:
            self.account.short = evolve(held, value=to_sol(value))

    def complete(self, order: Order) -> None:
        """Take the statement of our account that shows the effect of *order*."""
        self.desk.book.orders.remove(order)
        self._completed(order)
        if self.desk.reports:
            self.report()

    def placed(self, order: Order, bet: OpenSidebet, cash: int, lots: Sequence[Lot]) -> None:
        """Take the statement of our account that shows the sidebet of *order*."""
        # A statement with the new sidebet cannot be the effect of a stake in a round.
        if sum(not one.kind.is_side_game for one in self.desk.book.undecided) > 1:
            self.refusals.refuse("a sidebet is undecided together with another action")
        order.state, order.proof, order.booked = CONFIRMED, Proof.UPDATE, True
        order.paid = bet.amount
        self.account.sidebet = SidebetView(
            to_sol(bet.amount), bet.start_tick, bet.end_tick, order.ids[0], to_sol(bet.bonus)
        )
        self._show(cash, lots)
        self.complete(order)

    def rejected(self, order: Order, reason: str) -> None:
        """Take the acknowledgement that refuses *order*."""
        order.state, order.proof, order.reason = ActionState.REJECTED, Proof.ACK, reason
        self.complete(order)

    def sold(self, fill: Fill, cash: int, lots: Sequence[Lot]) -> None:
        """Take a sale by the venue while the game runs: a lot liquidated, or a short worth nothing."""
        is_short = fill.kind == "short_close"
        if is_short:
            self.gate.on_external(self.account.now_ns)
            self.desk.look()
        order = self.desk.make(SHORT_CLOSE if is_short else SELL, "")
        order.state, order.actor, order.proof = CONFIRMED, Actor.EXTERNAL, BY_TRADE
        order.amount = order.paid = fill.amount
        order.price, order.leverage, order.unverified = fill.price, fill.leverage, True
        self._sold.append(order)
        if is_short:
            self._end_short(fill, cash, self.account.lots)
        else:
            self._show(cash, lots)

    def stated_sales(self) -> None:
        """Take the statement of our account after the venue's own sales."""
        orders, self._sold = self._sold, []
        for order in orders:
            self._completed(order)
        self.report()

    def force_sold(self, fill: Fill, cash: int, lots: Sequence[Lot]) -> None:
        """Take the end of our position, or of our short, at the rug."""
        if fill.kind == "short_close":
            self._end_short(fill, cash, self.account.lots)
            return
        self.gate.rugged_game = self.game.game_id
        self.desk.look()
        self._show(cash, lots, until=self._data.rug_tick)

    def settled(self, bet: SettledSidebet, tick: int, cash: int) -> None:
        """Take the result of our sidebet, which the venue settled at *tick*."""
        held = self.account.sidebet
        self.account.sidebet = None
        self._show(cash, self.account.lots)
        hook = self.hooks.settled
        if hook is None:
            return
        self.call(
            hook,
            "on_stake_settled",
            StakeSettled(
                action_id="" if held is None or held.action_id is None else held.action_id,
                game_id=self.game.game_id,
                action_type=ActionType.SIDEBET.value,
                stake=to_sol(bet.amount),
                won=bet.payout > 0,
                payout=to_sol(bet.payout),
                pnl=to_sol(bet.pnl),
                tick=tick,
            ),
            self.game,
        )
