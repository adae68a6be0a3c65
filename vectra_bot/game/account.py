"""Our account: the fold of what the venue says about our money, and what a strategy sees of it.

Theory of operation. Evidence of one effect arrives in several pieces and in any order (protocol 2.3, 10): a
trade with our trace id, a player update with the new cash, a sidebet event. The book applies an effect when
the first piece that states it arrives, so that a strategy sees its position at once, and remembers it as
*pending* until a player update shows it. A player update is then explained by the pending effect whose
change of cash and quantity it shows; that gives every change of cash its cause. The venue has the last
word: where book and update differ with nothing pending, the update wins and the difference is reported.

Everything inside is lamports (1e-9 SOL, and 1e-9 units of quantity); everything outside is Decimal.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from attrs import define, field, frozen

from vectra_bot.game.ledger import Lot, average_cost, sell_value, split_lots, to_lamports, to_sol
from vectra_bot.models import PlayerState, PlayerUpdate, StateCause

# A player has at most a handful of effects under way; the bound only guards against a venue that never
# states the account.
MAX_PENDING = 64

# How long a player update may take to show an effect (measured: 0.13 s, protocol 2.3).
PENDING_NS = 2_000_000_000


@frozen
class Effect:
    """A change of our account that evidence announced."""

    cause: StateCause
    delta_cash: int
    delta_qty: int
    action_id: str | None = None
    since_ns: int = 0


@frozen
class Unexplained:
    """A change that an update showed before any evidence explained it."""

    delta_cash: int
    delta_qty: int
    update: PlayerUpdate


@frozen
class SidebetView:
    """A running sidebet; it wins if the game rugs by ``end_tick`` (protocol 7)."""

    amount: Decimal
    start_tick: int
    end_tick: int
    action_id: str | None = None


@frozen
class Statement:
    """A player update as the account understood it.

    ``effects`` are the pending effects it showed, oldest first; ``explained`` is False when its change of
    cash or quantity has no known cause.
    """

    delta_cash: int
    delta_qty: int
    effects: tuple[Effect, ...]
    explained: bool
    first: bool = False


@define
class Account:
    """Folds own trades, sidebets and player updates."""

    player_id: str = ""
    username: str | None = None
    cash: int = 0
    lots: list[Lot] = field(factory=list)
    sidebet: SidebetView | None = None
    stated: PlayerUpdate | None = None
    session_start_cash: int | None = None
    game_start_cash: int = 0
    now_ns: int = 0
    _stated_qty: int = 0
    _total_invested: int = 0
    _cumulative_pnl: int = 0
    _pending: deque[Effect] = field(factory=lambda: deque(maxlen=MAX_PENDING))
    _unexplained: deque[Unexplained] = field(factory=lambda: deque(maxlen=MAX_PENDING))
    _view: AccountView = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._view = AccountView(self)

    @property
    def view(self) -> AccountView:
        """Return the read-only view; the same object for the whole session."""
        return self._view

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
    def closes(self) -> bool:
        """Whether everything this game did to our money is known and stated."""
        return not self._pending and not self._unexplained

    @property
    def state(self) -> PlayerState:
        """Return the account as it stands, effects not yet stated by the venue included."""
        return PlayerState(
            cash=to_sol(self.cash),
            position_qty=to_sol(self.qty),
            avg_cost=to_sol(average_cost(self.lots)),
            total_invested=to_sol(self._total_invested),
            cumulative_pnl=to_sol(self._cumulative_pnl),
        )

    def value(self, price: float) -> int:
        """Return what selling everything at *price* brings, in lamports."""
        return sum(sell_value(lot.qty, price) for lot in self.lots) if price > 0 else 0

    def equity(self, price: float) -> int:
        """Return cash, position at *price* and the stake of an open sidebet, in lamports."""
        stake = to_lamports(self.sidebet.amount) if self.sidebet else 0
        return self.cash + self.value(price) + stake

    def open_game(self) -> None:
        """Begin a new game: no position and no sidebet survives the old one."""
        self.lots = []
        self.sidebet = None
        self._stated_qty = 0
        self._unexplained.clear()
        self.game_start_cash = self.cash
        self._total_invested = 0
        self._cumulative_pnl = 0

    def buy(self, lot: Lot, action_id: str | None, cause: StateCause) -> Unexplained | None:
        """Book an own buy that evidence states; return the update that showed it already, if one did."""
        shown = self._book(cause, -lot.cost, lot.qty, action_id)
        if shown is None:
            self.lots.append(lot)
        else:
            self._name_lot(lot)
        return shown

    def sell(
        self, amount: int, qty: int, action_id: str | None, cause: StateCause
    ) -> Unexplained | None:
        """Book an own sale that evidence states, oldest lots first; see :meth:`buy`."""
        shown = self._book(cause, amount, -qty, action_id)
        if shown is None:
            _, self.lots = split_lots(self.lots, qty)
        return shown

    def move_cash(
        self, amount: int, action_id: str | None, cause: StateCause
    ) -> Unexplained | None:
        """Book money of a game that is over: its position is gone already; see :meth:`buy`."""
        return self._book(cause, amount, 0, action_id)

    def place_sidebet(self, bet: SidebetView, cause: StateCause) -> Unexplained | None:
        """Book an own sidebet that evidence states; see :meth:`buy`."""
        self.sidebet = bet
        return self._book(cause, -to_lamports(bet.amount), 0, bet.action_id)

    def settle_sidebet(self, payout: int, action_id: str | None) -> None:
        """Book the end of our sidebet."""
        self.sidebet = None
        self._book(StateCause.STAKE_SETTLED, payout, 0, action_id)

    def _book(
        self, cause: StateCause, delta_cash: int, delta_qty: int, action_id: str | None
    ) -> Unexplained | None:
        """Make an effect pending and move the cash, unless an update showed it before it was explained."""
        for change in self._unexplained:
            if change.delta_cash == delta_cash and change.delta_qty == delta_qty:
                self._unexplained.remove(change)
                return change
        self.cash += delta_cash
        self._pending.append(Effect(cause, delta_cash, delta_qty, action_id, self.now_ns))
        return None

    def _name_lot(self, lot: Lot) -> None:
        """Give a lot that only an update showed the tick and price its trade states."""
        for index, held in enumerate(self.lots):
            if held.qty == lot.qty:
                self.lots[index] = lot
                return

    def state_update(self, update: PlayerUpdate) -> Statement:
        """Take in a player update and say which pending effects explain it.

        The book is not yet corrected: call :meth:`adopt` when the update is explained or given up on.
        """
        cash, qty = to_lamports(update.cash), to_lamports(update.position_qty)
        if self.stated is None:
            self.session_start_cash = self.game_start_cash = cash
            return Statement(0, 0, (), explained=True, first=True)
        delta_cash = cash - to_lamports(self.stated.cash)
        delta_qty = qty - self._stated_qty
        effects = self._match(delta_cash, delta_qty)
        explained = bool(effects) or (delta_cash == 0 and delta_qty == 0)
        return Statement(delta_cash, delta_qty, effects, explained)

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

    def adopt(self, update: PlayerUpdate, statement: Statement, tick: int) -> bool:
        """Make *update* the stated account; return False if the book had to be corrected.

        A change that *statement* leaves unexplained is kept: evidence that comes later may explain it. An
        effect that was announced some time ago and is not shown by now was part of such a change: the
        venue has the last word.
        """
        if not statement.explained:
            change = Unexplained(statement.delta_cash, statement.delta_qty, update)
            self._unexplained.append(change)
        for effect in statement.effects:
            self._pending.remove(effect)
        fresh = [e for e in self._pending if update.recv_ns - e.since_ns < PENDING_NS]
        overdue = len(fresh) < len(self._pending)
        if overdue:
            self._pending = deque(fresh, maxlen=MAX_PENDING)
        self.stated = update
        self._stated_qty = to_lamports(update.position_qty)
        self._total_invested = to_lamports(update.total_invested)
        self._cumulative_pnl = to_lamports(update.cumulative_pnl)
        cash = to_lamports(update.cash) + sum(e.delta_cash for e in self._pending)
        qty = self._stated_qty + sum(e.delta_qty for e in self._pending)
        if cash == self.cash and qty == self.qty:
            return True
        self.cash = cash
        self._correct_lots(update, max(qty, 0), max(-statement.delta_cash, 0), tick)
        return statement.first

    def _correct_lots(self, update: PlayerUpdate, qty: int, spent: int, tick: int) -> None:
        """Bring the lots to *qty* as the venue states it, keeping what is known of the older ones."""
        more = qty - self.qty
        if more < 0:
            _, self.lots = split_lots(self.lots, -more)
        elif more > 0:
            cost = spent or to_lamports(update.avg_cost) * more // 10**9
            self.lots.append(Lot(more, cost, tick, cost / more or 1.0))

    def shown(self, effect: Effect, tick: int, sidebet: SidebetView | None = None) -> None:
        """Book an effect that a player update showed before any other evidence stated it."""
        self.cash += effect.delta_cash
        if effect.delta_qty > 0:
            cost, qty = -effect.delta_cash, effect.delta_qty
            self.lots.append(Lot(qty, cost, tick, cost / qty))
        elif effect.delta_qty < 0:
            _, self.lots = split_lots(self.lots, -effect.delta_qty)
        if sidebet is not None:
            self.sidebet = sidebet


class PositionView:
    """Our long position, read-only; false when flat."""

    __slots__ = ("_account",)

    def __init__(self, account: Account) -> None:
        self._account = account

    def __bool__(self) -> bool:
        return bool(self._account.lots)

    @property
    def qty(self) -> Decimal:
        """Return the quantity held."""
        return to_sol(self._account.qty)

    @property
    def avg_cost(self) -> Decimal:
        """Return the mean entry price, rounded down to nine places; 0 when flat (protocol 6)."""
        return self._account.state.avg_cost

    @property
    def entry_tick(self) -> int | None:
        """Return the tick of the oldest lot still held, None when flat."""
        return self._account.lots[0].tick if self._account.lots else None

    def value(self, price: float) -> Decimal:
        """Return the SOL that selling everything at *price* brings."""
        return to_sol(self._account.value(price))

    def multiple(self, price: float) -> float:
        """Return value at *price* over cost; 0.0 when flat."""
        cost = self._account.cost
        return self._account.qty * price / cost if cost else 0.0


class AccountView:
    """Our money, read-only, in SOL."""

    __slots__ = ("_account", "position")

    def __init__(self, account: Account) -> None:
        self._account = account
        self.position = PositionView(account)

    @property
    def cash(self) -> Decimal:
        """Return the free balance, orders whose execution was seen included."""
        return to_sol(self._account.cash)

    @property
    def sidebet(self) -> SidebetView | None:
        """Return our open sidebet, None if there is none."""
        return self._account.sidebet

    @property
    def short(self) -> None:
        """Return our short position; None, as this venue adapter opens none."""
        return None

    @property
    def pnl(self) -> Decimal:
        """Return this game's realised profit in SOL; an open position counts at cost, a bet at stake."""
        account = self._account
        stake = to_lamports(account.sidebet.amount) if account.sidebet else 0
        return to_sol(account.cash + account.cost + stake - account.game_start_cash)

    @property
    def player_id(self) -> str:
        return self._account.player_id

    @property
    def state(self) -> PlayerState:
        """Return the account as a record."""
        return self._account.state
