"""Our account: a fold of the venue's statements about our money, and the view a strategy gets of it.

Theory of operation. Evidence of one effect arrives in several pieces and in any order (protocol 2.3, 10): a
trade with our trace id, a player update with the new cash, a sidebet event. The book applies an effect when
the first piece that states it arrives, so that a strategy sees its position at once, and remembers it as
*pending* until a player update shows it. A player update is then explained by the pending effect whose
change of cash and quantity it shows; that gives every change of cash its cause. The venue is
authoritative: if book and update differ with nothing pending, the update wins and the difference is reported.

Bonus money is counted separately: an effect moves the cash by its real part only. The value of a short is
what the venue states, because its payoff is not known. A stake in a side game's round outlives the main game.

Everything inside is lamports (1e-9 SOL, and 1e-9 units of quantity); everything outside is Decimal.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal

import attrs
from attrs import define, field, frozen

from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.holdings import ShortView, SidebetView, StakeView
from vectra_bot.game.lots import (
    Lot,
    average_cost,
    is_liquidated,
    leveraged_lot,
    lot_value,
    own_part,
    split_lots,
)
from vectra_bot.game.view import AccountView
from vectra_bot.models import (
    PlayerState,
    PlayerUpdate,
    ShortInfo,
    SideGameKind,
    StateCause,
)

# A player has only a few effects in flight; the bound only guards against a venue that never
# states the account.
MAX_PENDING = 64

# How long a player update may take to show an effect (measured: 0.13 s, protocol 2.3).
PENDING_NS = 2_000_000_000


@frozen
class Effect:
    """A change of our account that evidence announced; ``unverified`` if no capture shows its rule."""

    cause: StateCause
    delta_cash: int
    delta_qty: int
    action_id: str | None = None
    since_ns: int = 0
    delta_bonus: int = 0
    unverified: bool = False


@frozen
class Unexplained:
    """A change that an update showed before any evidence explained it.

    ``ours``: our undecided actions can have caused it, and nothing shows which.
    """

    delta_cash: int
    delta_qty: int
    update: PlayerUpdate
    ours: bool = False


@frozen
class AccountUpdate:
    """A player update as the account understood it.

    ``effects`` are the pending effects it showed, oldest first; ``explained`` is False when its change of
    cash or quantity, or bonus money that is gone, has no known cause; ``ours`` when our undecided actions
    can have caused it.
    """

    delta_cash: int
    delta_qty: int
    effects: tuple[Effect, ...]
    explained: bool
    first: bool = False
    delta_bonus: int = 0
    ours: bool = False


@define
class Account:
    """Fold own trades, bets, stakes and player updates.

    ``game_start_cash`` counts open stakes in rounds as cash: their result may come in a later game.
    """

    player_id: str = ""
    username: str | None = None
    cash: int = 0
    bonus: int = 0
    lots: list[Lot] = field(factory=list)
    sidebet: SidebetView | None = None
    short: ShortView | None = None
    stakes: dict[tuple[SideGameKind, str], StakeView] = field(factory=dict)
    stated: PlayerUpdate | None = None
    session_start_cash: int | None = None
    game_start_cash: int = 0
    now_ns: int = 0
    _stated_qty: int = 0
    _total_invested: int = 0
    _cumulative_pnl: int = 0
    _pending: deque[Effect] = field(factory=lambda: deque(maxlen=MAX_PENDING))
    _unexplained: deque[Unexplained] = field(factory=lambda: deque(maxlen=MAX_PENDING))

    @property
    def view(self) -> AccountView:
        """Return a read-only view, which follows the account."""
        return AccountView(self)

    @property
    def known(self) -> bool:
        """Whether the venue has stated our account."""
        return self.stated is not None

    @property
    def qty(self) -> int:
        return sum(lot.qty for lot in self.lots)

    @property
    def cost(self) -> int:
        return sum(lot.cost for lot in self.lots)

    @property
    def pending(self) -> tuple[Effect, ...]:
        return tuple(self._pending)

    @property
    def stated_qty(self) -> int:
        """Return the position as the venue stated it last; 0 at the start of a game."""
        return self._stated_qty

    @property
    def closes(self) -> bool:
        """Whether every change of our money in this game is known and stated by the venue."""
        return not self._pending and not self.unexplained

    @property
    def unexplained(self) -> bool:
        """Whether the venue stated a change in this game whose cause is not known."""
        return bool(self._unexplained)

    @property
    def state(self) -> PlayerState:
        """Return the current account, including effects the venue has not stated yet."""
        return PlayerState(
            cash=to_sol(self.cash),
            position_qty=to_sol(self.qty),
            avg_cost=to_sol(average_cost(self.lots)),
            total_invested=to_sol(self._total_invested),
            cumulative_pnl=to_sol(self._cumulative_pnl),
        )

    @property
    def leveraged(self) -> bool:
        """Whether a lot with leverage is held (protocol 9; unverified)."""
        return any([lot.leverage > 1 for lot in self.lots])  # noqa: C419 - faster for one lot

    @property
    def staked(self) -> int:
        """Return the lamports of cash staked in rounds of side games."""
        staked = (to_lamports(stake.amount - stake.bonus) for stake in self.stakes.values())
        return sum(staked) if self.stakes else 0

    @property
    def game_pnl(self) -> int:
        """Return the change of our cash in this game, in lamports; open stakes in rounds count as cash."""
        return self.cash + self.staked - self.game_start_cash

    def value(self, price: float) -> int:
        """Return what selling everything at *price* brings, in lamports."""
        return sum(lot_value(lot, price) for lot in self.lots) if price > 0 else 0

    def equity(self, price: float) -> int:
        """Return cash, position at *price*, short at its stated value, and open stakes, in lamports.

        What was paid with bonus money is paid back as bonus money, so it is excluded.
        """
        total = self.cash
        if self.stakes:
            total += self.staked
        if self.lots and price > 0:
            for lot in self.lots:
                total += own_part(lot_value(lot, price), lot.bonus, lot.cost)
        if self.sidebet is not None:
            total += to_lamports(self.sidebet.amount - self.sidebet.bonus)
        short = self.short
        if short is not None:
            value, bonus = to_lamports(short.value), to_lamports(short.bonus)
            total += own_part(value, bonus, to_lamports(short.stake))
        return total

    def bonus_in(self, amount: int, stated: Decimal | None = None) -> int:
        """Return the bonus part of a stake: as *stated*, else as much as there is (unverified)."""
        return min(amount, self.bonus if stated is None else to_lamports(stated))

    def open_game(self) -> None:
        """Begin a new game: positions, shorts and sidebets end with the old one, stakes in rounds do not."""
        self.lots = []
        self.sidebet = None
        self.short = None
        self._stated_qty = 0
        # What was changed just before may still be stated or explained, by its cash alone.
        fresh = [c for c in self._unexplained if self.now_ns - c.update.recv_ns < PENDING_NS]
        self._unexplained = deque((attrs.evolve(c, delta_qty=0) for c in fresh), MAX_PENDING)
        if self._pending:
            self._pending = deque(
                (attrs.evolve(e, delta_qty=0) for e in self._pending), MAX_PENDING
            )
        self.game_start_cash = self.cash + self.staked
        self._total_invested = 0
        self._cumulative_pnl = 0

    def buy(self, lot: Lot, action_id: str | None, cause: StateCause) -> Unexplained | None:
        """Book an own buy that evidence states; return the earlier update that already showed it, if any."""
        shown = self._book(
            Effect(
                cause,
                lot.bonus - lot.cost,
                lot.qty,
                action_id,
                delta_bonus=-lot.bonus,
                unverified=lot.leverage > 1,
            )
        )
        if shown is None:
            self.lots.append(lot)
        else:
            self.name_lot(lot)
        return shown

    def sell(
        self,
        amount: int,
        qty: int,
        action_id: str | None,
        cause: StateCause,
        *,
        bonus: int = 0,
        liquidated: Lot | None = None,
    ) -> Unexplained | None:
        """Book an own sale that evidence states; see :meth:`buy`.

        Args:
            amount: lamports it brought.
            qty: what was sold, oldest lots first.
            action_id: the action that it is the effect of.
            cause: why it happened.
            bonus: the part of *amount* that is bonus money.
            liquidated: the lot that was sold, instead of the oldest ones.
        """
        shown = self._book(
            Effect(
                cause,
                amount - bonus,
                -qty,
                action_id,
                delta_bonus=bonus,
                unverified=liquidated is not None or self.sells_leverage(qty),
            )
        )
        if shown is None:
            if liquidated is not None:
                self.lots.remove(liquidated)
            else:
                _, self.lots = split_lots(self.lots, qty)
        return shown

    def sells_leverage(self, qty: int) -> bool:
        """Return whether a sale of *qty* takes a leveraged lot, whose payout is unverified."""
        return any(lot.leverage > 1 for lot in split_lots(self.lots, qty)[0])

    def liquidated_lot(self, qty: int, price: float) -> Lot | None:
        """Return the leveraged lot of *qty* that *price* liquidates, None if there is none (protocol 9)."""
        for lot in self.lots:
            if lot.qty == qty and is_liquidated(lot, price):
                return lot
        return None

    def move_cash(
        self, amount: int, action_id: str | None, cause: StateCause, *, unverified: bool = False
    ) -> Unexplained | None:
        """Book money of a game that is over, whose position no longer exists; see :meth:`buy`."""
        return self._book(Effect(cause, amount, 0, action_id, unverified=unverified))

    def place_sidebet(self, bet: SidebetView, cause: StateCause) -> Unexplained | None:
        """Book an own sidebet that evidence states; see :meth:`buy`."""
        self.sidebet = bet
        return self._stake(cause, bet.amount, bet.bonus, bet.action_id)

    def settle_sidebet(self, payout: int, action_id: str | None) -> None:
        """Book the end of our sidebet."""
        bet, self.sidebet = self.sidebet, None
        bonus = 0
        if bet is not None and bet.bonus:
            bonus = payout * to_lamports(bet.bonus) // to_lamports(bet.amount)
        self._paid(StateCause.STAKE_SETTLED, payout, bonus, action_id)

    def open_short(self, short: ShortView, cause: StateCause) -> Unexplained | None:
        """Book an own short that evidence states; see :meth:`buy`."""
        self.short = short
        return self._stake(cause, short.stake, short.bonus, short.action_id, unverified=True)

    def close_short(
        self, amount: int, action_id: str | None, cause: StateCause, *, bonus: int = 0
    ) -> Unexplained | None:
        """Book that our short was closed and brought *amount* lamports; see :meth:`buy`."""
        self.short = None
        return self._paid(cause, amount, bonus, action_id, unverified=True)

    def place_stake(
        self, stake: StakeView, cause: StateCause, *, stated: bool = False
    ) -> Unexplained | None:
        """Book an own stake in a round that evidence states; see :meth:`buy`.

        If *stated*, the venue's last statement of our cash already lacks it.
        """
        self.stakes[stake.side_game, stake.round_id] = stake
        if stated:
            return self._explained(-to_lamports(stake.amount - stake.bonus), 0)
        return self._stake(cause, stake.amount, stake.bonus, stake.action_id, unverified=True)

    def settle_stake(
        self, key: tuple[SideGameKind, str], payout: int, action_id: str | None, *, bonus: int = 0
    ) -> None:
        """Book the result of a round that we have a stake in; *bonus* is part of *payout*."""
        self.stakes.pop(key, None)
        self._paid(StateCause.STAKE_SETTLED, payout, bonus, action_id, unverified=True)

    def _stake(
        self,
        cause: StateCause,
        amount: Decimal,
        bonus: Decimal,
        action_id: str | None,
        *,
        unverified: bool = False,
    ) -> Unexplained | None:
        own, free = to_lamports(amount - bonus), to_lamports(bonus)
        effect = Effect(cause, -own, 0, action_id, delta_bonus=-free, unverified=unverified)
        return self._book(effect)

    def _paid(
        self,
        cause: StateCause,
        amount: int,
        bonus: int,
        action_id: str | None,
        *,
        unverified: bool = False,
    ) -> Unexplained | None:
        effect = Effect(
            cause, amount - bonus, 0, action_id, delta_bonus=bonus, unverified=unverified
        )
        return self._book(effect)

    def _book(self, effect: Effect) -> Unexplained | None:
        """Make an effect pending and move the cash, unless an update showed it before it was explained."""
        change = self._explained(effect.delta_cash, effect.delta_qty)
        if change is not None:
            return change
        self.cash += effect.delta_cash
        self.bonus += effect.delta_bonus
        self._pending.append(attrs.evolve(effect, since_ns=self.now_ns))
        return None

    def _explained(self, delta_cash: int, delta_qty: int) -> Unexplained | None:
        """Remove and return a change of this size that was unexplained so far, None if there is none."""
        for change in self._unexplained:
            if change.delta_cash == delta_cash and change.delta_qty == delta_qty:
                self._unexplained.remove(change)
                return change
        return None

    def shown_net(self, delta_cash: int) -> Unexplained | None:
        """Remove and return an unexplained change of cash by *delta_cash*: a stake and its result at once."""
        return self._explained(delta_cash, 0)

    def name_lot(self, lot: Lot) -> None:
        """Set the tick and price of a lot, known from an update only, to those its trade states."""
        for index, held in enumerate(self.lots):
            if held.qty == lot.qty:
                self.lots[index] = lot
                return

    def state_update(self, update: PlayerUpdate) -> AccountUpdate:
        """Compare a player update with the pending effects and return which of them explain it.

        The book is not corrected yet: call :meth:`adopt` once the update is explained or will not be.
        """
        cash, qty = to_lamports(update.cash), to_lamports(update.position_qty)
        if self.stated is None:
            self.session_start_cash = self.game_start_cash = cash
            return AccountUpdate(0, 0, (), explained=True, first=True)
        delta_cash = cash - to_lamports(self.stated.cash)
        delta_qty = qty - self._stated_qty
        delta_bonus = to_lamports(update.bonus_balance - self.stated.bonus_balance)
        effects = self._match(delta_cash, delta_qty)
        # Bonus money is granted without a message, but spent by stakes alone.
        nothing = delta_cash == 0 and delta_qty == 0 and delta_bonus >= 0
        explained = bool(effects) or nothing
        return AccountUpdate(delta_cash, delta_qty, effects, explained, delta_bonus=delta_bonus)

    def _match(self, delta_cash: int, delta_qty: int) -> tuple[Effect, ...]:
        """Return the pending effects that add up to the change: one alone, else the oldest few."""
        for effect in self._pending:
            if effect.delta_cash == delta_cash and effect.delta_qty == delta_qty:
                return (effect,)
        sum_cash = sum_qty = 0
        for count, effect in enumerate(self._pending, 1):
            sum_cash += effect.delta_cash
            sum_qty += effect.delta_qty
            if count > 1 and sum_cash == delta_cash and sum_qty == delta_qty:
                return tuple(self._pending)[:count]
        return ()

    def adopt(self, update: PlayerUpdate, statement: AccountUpdate, tick: int) -> bool:
        """Take *update* as the stated account; return False if the book had to be corrected.

        A change that *statement* does not explain is kept: later evidence may explain it. An
        effect announced more than ``PENDING_NS`` ago and still not shown was part of such a change: the
        venue is authoritative.
        """
        if not statement.explained:
            change = Unexplained(statement.delta_cash, statement.delta_qty, update, statement.ours)
            self._unexplained.append(change)
        for effect in statement.effects:
            self._pending.remove(effect)
        fresh = [e for e in self._pending if update.recv_ns - e.since_ns < PENDING_NS]
        self._pending = deque(fresh, maxlen=MAX_PENDING)
        self.stated = update
        self._stated_qty = to_lamports(update.position_qty)
        self._total_invested = to_lamports(update.total_invested)
        self._cumulative_pnl = to_lamports(update.cumulative_pnl)
        self._adopt_short(update.short)
        self.bonus = to_lamports(update.bonus_balance) + sum(e.delta_bonus for e in self._pending)
        cash = to_lamports(update.cash) + sum(e.delta_cash for e in self._pending)
        qty = self._stated_qty + sum(e.delta_qty for e in self._pending)
        if cash == self.cash and qty == self.qty:
            return True
        self.cash = cash
        self._correct_lots(update, max(qty, 0), max(-statement.delta_cash, 0), tick)
        return statement.first

    def _adopt_short(self, stated: ShortInfo | None) -> None:
        """Set the short to what the venue states, unless newer evidence exists."""
        self.value_short(stated)
        if self._pending:
            return
        if stated is None:
            self.short = None
        elif self.short is None:
            self.short = ShortView(
                stated.amount, stated.entry_price, stated.entry_tick, stated.value
            )

    def value_short(self, stated: ShortInfo | None) -> None:
        """Record the current value of our short as the venue states it."""
        held = self.short
        if held is None or stated is None or stated.amount != held.stake:
            return
        if stated.value != held.value:
            self.short = attrs.evolve(held, value=stated.value)

    def _correct_lots(self, update: PlayerUpdate, qty: int, spent: int, tick: int) -> None:
        """Correct the lots to *qty* as the venue states it, keeping what is known of the older ones."""
        more = qty - self.qty
        if more <= 0:
            _, self.lots = split_lots(self.lots, -more)
        else:
            cost = spent or to_lamports(update.avg_cost) * more // 10**9
            self.lots.append(
                leveraged_lot(update, more) or Lot(more, cost, tick, cost / more or 1.0)
            )

    def shown(self, effect: Effect, tick: int, leverage: int = 1) -> None:
        """Book an effect that a player update showed before any other evidence stated it."""
        self.cash += effect.delta_cash
        self.bonus += effect.delta_bonus
        if effect.delta_qty > 0:
            bonus = -effect.delta_bonus
            cost, qty = bonus - effect.delta_cash, effect.delta_qty
            self.lots.append(Lot(qty, cost, tick, cost / qty, leverage, bonus))
        else:
            _, self.lots = split_lots(self.lots, -effect.delta_qty)
