"""Sums over the ticks of a game, computed when what is held changes.

Imports game, report (bets) and backtest.games.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field

from vectra_bot.backtest.fast.chunks import FastGameData
from vectra_bot.backtest.fast.orders import Order
from vectra_bot.backtest.games import Games
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_lamports
from vectra_bot.game.sidegames import SideGame
from vectra_bot.models import ActionState, ActionType
from vectra_bot.report.luck import Bet
from vectra_bot.report.session import sidebet


@define(eq=False)
class Holdings:
    """What our account holds in the running game, and since when; fills the game's row.

    A tick counts with what was held when it came; the law's expectation of a position is that of the ticks
    from the change to the next one.
    """

    table: Games
    side_games: Mapping[ActionType, SideGame] = field(factory=dict)
    row: int = 0
    _game: FastGameData | None = None
    _counted: int = -1
    _at_risk: int = 0
    _is_open: bool = False
    _qty: int = 0
    _leveraged: bool = False

    def begin(self, game: FastGameData) -> None:
        """Begin a game, in which nothing is held yet."""
        self._game, self._counted = game, -1
        self._at_risk = self._qty = 0
        self._is_open = self._leveraged = False

    def change(self, tick: int, until: int, account: Account) -> None:
        """Count the ticks to *tick* and the expectation until *until*; *account* is held from now on."""
        if self._is_open and until > self._counted:  # never after the last game
            self._count(tick, until)
        self._counted = tick
        lots, bet = account.lots, account.sidebet
        short = account.short
        self._is_open = bool(lots or account.stakes) or bet is not None or short is not None
        self._at_risk = self._qty = 0
        self._leveraged = False
        for lot in lots:
            self._at_risk += lot.cost
            if lot.leverage == 1:
                self._qty += lot.qty
            else:
                self._leveraged = True
        if bet is not None:
            self._at_risk += to_lamports(bet.amount)
        if short is not None:
            self._at_risk += to_lamports(short.stake)
        if account.stakes:
            self._at_risk += account.staked

    def _count(self, tick: int, until: int) -> None:
        table, row, game = self.table, self.row, self._game
        ticks = tick - self._counted
        table.exposure_ticks[row] += ticks
        table.exposure_lamport_ticks[row] += ticks * self._at_risk
        first = max(self._counted, 0)
        if game is None or until <= first:
            return
        if self._qty:
            mean, variance = game.expected(first, until)
            table.expected[row] += self._qty * mean
            table.variance[row] += float(self._qty) ** 2 * variance
        if self._leveraged:
            table.unknown.add("leverage")

    def close(self, game: FastGameData, account: Account) -> None:
        """Fill the row of the game that ends, and go to the next."""
        table, row, alone = self.table, self.row, game.alone()
        table.peak[row] = alone.peak[0]
        table.rug_tick[row] = game.rug_tick
        table.rug_price[row] = game.rug_price
        table.pnl[row] = account.game_pnl
        table.balance[row] = account.cash
        table.ticks += game.rug_tick
        self.row = row + 1

    def carry(self, account: Account) -> None:
        """Begin a game with what *account* holds from an earlier one: stakes in rounds."""
        self.change(-1, -1, account)

    def end_ticks(self) -> None:
        """Count the ticks up to the last: what changes after it, and before the next game, counts none."""
        if self._is_open and self._game is not None:
            last = self._game.rug_tick - 1
            self._count(last, last)
        self._counted = -1

    def completed(self, order: Order, *, ended: bool) -> None:
        """Count a completed action in its game; *ended*: the one before the running game.

        What the law expects counts in the running game, as in a session.
        """
        table, row = self.table, min(self.row - ended, len(self.table) - 1)
        table.actions[order.state.value] += 1
        if order.state is ActionState.DENIED:
            table.deny(row, order.reason)
        if not order.state.is_executed or not order.kind.is_entry:
            return
        stake = order.amount or 0
        table.stake[row] += stake
        if order.kind is not ActionType.SIDEBET and not order.kind.is_side_game:
            table.entries[row] += 1
            if order.kind is ActionType.SHORT_OPEN:
                table.unknown.add("shorts")
            return
        bet = self._bet(order, stake)
        table.bets[row] += 1
        table.placed[bet] += 1
        if self.row < len(table):
            table.expected[self.row] += bet.expected
            table.variance[self.row] += bet.variance

    def _bet(self, order: Order, stake: int) -> Bet:
        """Return the bet that *order* has placed for *stake* lamports."""
        if order.kind is ActionType.SIDEBET:
            return sidebet(stake)
        game, choice = self.side_games[order.kind], order.choice or ""
        return Bet(stake, game.payout(stake, choice), float(game.odds[choice]))
