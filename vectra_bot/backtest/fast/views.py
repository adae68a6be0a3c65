"""What a strategy sees of a game in the fast driver: views that are changed in place from tick to tick.

They show what the engine's views show; what they cannot show exactly gives the block to the engine. Imports
game, models and backtest.fast.orders.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, overload

from attrs import define

from vectra_bot.actions.exits import NO_EXITS, ExitPlan
from vectra_bot.actions.interface import Amount, Whole, lamports_of
from vectra_bot.backtest.fast.desk import FastDesk
from vectra_bot.backtest.fast.orders import (
    ACTIVE,
    BUY,
    COOLDOWN,
    PLAYS_ROUNDS,
    SELL,
    FastAction,
    Refusals,
)
from vectra_bot.engine.effects import EngineActions
from vectra_bot.errors import VectraError
from vectra_bot.game import rules
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_sol
from vectra_bot.game.fair import server_seed_hash
from vectra_bot.game.holdings import ShortView, SidebetView
from vectra_bot.game.lots import Lot
from vectra_bot.game.rounds import Rounds, SideGamesView
from vectra_bot.game.state import GameState, GameView, Prices, volatility_of
from vectra_bot.game.view import AccountView, PositionView, multiple
from vectra_bot.models import (
    GamePhase,
    GameSummary,
    GameTick,
    PlayerAction,
    PlayerState,
)
from vectra_bot.strategy import HISTORY_GAMES


class FastGame(GameView):
    """The running game; the driver sets ``tick``, ``price`` and ``phase``.

    Attributes:
        shown: number of live prices seen.
        every: the live prices of the whole game, which the strategy sees up to ``shown``.
        server_seed: of the running game.
    """

    __slots__ = (
        "_copied",
        "_refusals",
        "every",
        "game_id",
        "phase",
        "price",
        "rug_price",
        "rug_tick",
        "server_seed",
        "shown",
        "starts_in_ms",
        "tick",
    )

    game_id: str
    phase: GamePhase
    tick: int
    price: float
    rug_tick: int | None
    rug_price: float | None
    starts_in_ms: int
    server_seed: str
    shown: int
    every: Sequence[float]

    def __init__(self, refusals: Refusals) -> None:
        super().__init__(GameState())
        self._refusals = refusals
        self.begin("", "")

    def begin(self, game_id: str, server_seed: str) -> None:
        """Show a game that was announced."""
        self.game_id, self.server_seed = game_id, server_seed
        self.phase = COOLDOWN
        self.tick, self.price, self.shown = 0, rules.START_PRICE, 0
        self.rug_tick, self.rug_price = None, None
        self.starts_in_ms = rules.COOLDOWN_MS
        self.every = ()
        self._copied = Prices(())

    def _seen(self) -> list[float]:
        """Return the live prices seen; while ticks come, the newest tick is the last of them."""
        end = self.tick + 1 if self.phase is ACTIVE else self.shown
        return list(self.every[:end])

    @property
    def prices(self) -> Prices:
        seen = self._seen()
        if len(self._copied) != len(seen):
            self._copied = Prices(tuple(seen))
        return self._copied

    @property
    def peak(self) -> float:
        return max(self._seen(), default=rules.START_PRICE)

    @property
    def low(self) -> float:
        return min(self._seen(), default=rules.START_PRICE)

    @property
    def joined_late(self) -> bool:
        return False

    @property
    def connected_players(self) -> int:
        return 1

    @property
    def trade_count(self) -> int | None:
        self._refusals.refuse("the strategy reads trade_count")

    @property
    def server_seed_hash(self) -> str | None:
        return server_seed_hash(self.server_seed)

    @property
    def leaderboard(self) -> Any:
        self._refusals.refuse("the strategy reads the leaderboard")

    @property
    def volatility(self) -> Decimal | None:
        return volatility_of(self._seen())

    def context(self) -> Any:
        self._refusals.refuse("the strategy reads the game's context")


# Attributes are found in a dict that was made whole in half the time of one with the class's keys.
_set_values = vars(GameTick)["__dict__"].__set__

_SAME: dict[str, Any] = {
    "game_id": "",
    "tick": 0,
    "price": 0.0,
    "phase": ACTIVE,
    "cooldown_timer_ms": 0,
    "allow_pre_round_buys": False,
    "connected_players": 1,
    "backfilled": False,
}
"""The fields of every tick, in their order."""


class FastTick(GameTick):
    """A tick whose count of trades gives the block to the engine; the rest is set by the driver."""

    def __init__(self, game_id: str, tick: int, price: float, refusals: Refusals) -> None:
        # A frozen record is filled by its dict, as the engine copies one.
        values = _SAME.copy()
        values["game_id"], values["tick"], values["price"] = game_id, tick, price
        values["_refusals"] = refusals
        _set_values(self, values)

    # Not by __getattr__: a class that has it is slower at every attribute.
    @property
    def trade_count(self) -> int | None:
        refusals: Refusals = self.__dict__["_refusals"]
        refusals.refuse("the strategy reads trade_count")


class FastPosition(PositionView):
    """Our position, read without a look-up at each tick."""

    __slots__ = ("_account", "_cost", "_leveraged", "_lots", "_qty")

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._account = account
        self._lots: list[Lot] | None = None

    def __bool__(self) -> bool:
        return bool(self._account.lots)

    def multiple(self, price: float) -> float:
        account = self._account
        if account.lots is not self._lots:  # the driver replaces the list with every change
            self._lots, self._leveraged = account.lots, account.leveraged
            self._qty, self._cost = account.qty, account.cost
        if self._leveraged or not self._cost:
            return multiple(account, price)
        return self._qty * price / self._cost


class FastAccount(AccountView):
    """Our money; the venue's own totals give the block to the engine."""

    __slots__ = ("_account", "_refusals", "position")

    position: FastPosition

    def __init__(self, account: Account, refusals: Refusals) -> None:
        super().__init__(account)
        self._account, self._refusals = account, refusals
        self.position = FastPosition(account)

    @property
    def sidebet(self) -> SidebetView | None:
        return self._account.sidebet

    @property
    def short(self) -> ShortView | None:
        return self._account.short

    @property
    def state(self) -> PlayerState:
        self._refusals.refuse("the strategy reads the account's state")


class FastActions(EngineActions):
    """The methods to act with; the usual request takes a short way, which changes nothing of it."""

    __slots__ = ("_desk",)

    def __init__(self, desk: FastDesk) -> None:
        super().__init__(desk)
        self._desk = desk

    def buy(
        self,
        amount: Amount | None = None,
        *,
        leverage: Whole = 1,
        take_profit: Amount | None = None,
        stop_loss: Amount | None = None,
        trailing_stop: Amount | None = None,
        max_ticks: Whole | None = None,
    ) -> PlayerAction:
        desk = self._desk
        if not desk.calls and not desk.closed and type(leverage) is int and leverage == 1:
            try:
                stake = desk.bet if amount is None else lamports_of(amount)
                plan = ExitPlan.of(take_profit, stop_loss, trailing_stop, max_ticks)
                order = desk.ask_plainly(BUY, "BUY", stake, None, plan)
            except VectraError:  # the long way raises it again, after what comes before it
                order = None
            if order is not None:
                return FastAction(order)
        return super().buy(
            amount,
            leverage=leverage,
            take_profit=take_profit,
            stop_loss=stop_loss,
            trailing_stop=trailing_stop,
            max_ticks=max_ticks,
        )

    def sell(self, percentage: Whole = 100) -> PlayerAction:
        desk = self._desk
        if not desk.calls and not desk.closed and type(percentage) is int and percentage == 100:
            order = desk.ask_plainly(SELL, "SELL", None, 100, NO_EXITS)
            if order is not None:
                return FastAction(order)
        return super().sell(percentage)

    @property
    def pending(self) -> tuple[PlayerAction, ...]:
        desk = self._desk
        return desk.pending() if desk.book.orders else ()


class NoRounds(SideGamesView):
    """Side games in a block without rounds: a look at them gives the block to one that has them."""

    __slots__ = ("_refusals",)

    def __init__(self, refusals: Refusals) -> None:
        super().__init__(Rounds())
        self._refusals = refusals

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        refusals: Refusals = object.__getattribute__(self, "_refusals")
        return refusals.refuse(PLAYS_ROUNDS)


@define(eq=False)
class EndedGame:
    """A finished game, from which its summary is made when it is read."""

    game_id: str
    server_seed: str
    rug_tick: int
    rug_price: float
    prices: Sequence[float]
    pnl: int
    _summary: GameSummary | None = None

    @property
    def summary(self) -> GameSummary:
        """Return the game as a record."""
        if self._summary is None:
            self._summary = GameSummary(
                game_id=self.game_id,
                rug_tick=self.rug_tick,
                rug_price=self.rug_price,
                ticks=self.rug_tick,
                peak=max(self.prices),
                low=min(self.prices),
                pnl=to_sol(self.pnl),
                joined_late=False,
                complete=True,
                server_seed=self.server_seed,
                server_seed_hash=server_seed_hash(self.server_seed),
            )
        return self._summary


class FastHistory(Sequence[GameSummary]):
    """The last finished games, oldest first."""

    def __init__(self) -> None:
        self._games: deque[EndedGame] = deque(maxlen=HISTORY_GAMES)

    def append(self, game: EndedGame) -> None:
        """Add the game that ended."""
        self._games.append(game)

    @overload
    def __getitem__(self, index: int) -> GameSummary: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[GameSummary]: ...
    def __getitem__(self, index: int | slice) -> GameSummary | Sequence[GameSummary]:
        return tuple(self)[index]

    def __len__(self) -> int:
        return len(self._games)

    def __iter__(self) -> Iterator[GameSummary]:
        return (game.summary for game in self._games)
