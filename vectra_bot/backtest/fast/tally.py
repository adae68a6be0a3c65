"""Sums over the ticks of a game, computed when what is held changes.

Imports game, kernel, report (bets) and backtest.games.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import define, field

from vectra_bot.backtest.fast.chunks import FastGameData
from vectra_bot.backtest.fast.orders import BUY, CONFIRMED, DENIED, SHORT_OPEN, SIDEBET, Order
from vectra_bot.backtest.games import Games
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_lamports
from vectra_bot.game.ledger import Fill
from vectra_bot.game.sidegames import SideGame
from vectra_bot.kernel.batch import GameBatch
from vectra_bot.models import ActionType
from vectra_bot.report.luck import Bet
from vectra_bot.report.session import sidebet

if TYPE_CHECKING:
    from vectra_bot.backtest.fast.chunks import View


class _Columns:
    """The columns of a table that change with every game: as views, whose items change in less time."""

    def __init__(self, table: Games) -> None:
        self.entries: View = table.entries.data
        self.stake: View = table.stake.data
        self.exposure_ticks: View = table.exposure_ticks.data
        self.exposure_lamport_ticks: View = table.exposure_lamport_ticks.data
        self.expected: View = table.expected.data
        self.variance: View = table.variance.data
        self.pnl: View = table.pnl.data
        self.balance: View = table.balance.data


_CONFIRMED = CONFIRMED.value
_ENTRIES = frozenset(kind for kind in ActionType if kind.is_entry)


@define(eq=False)
class Holdings:
    """What our account holds in the running game, and since when; fills the game's row.

    A tick counts with what was held when it came; the law's expectation of a position is that of the ticks
    from the change to the next one. Sums of a game are added up here, because a number in a column of the
    table takes longer to change than the rest of a trade.
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
    _ticks: int = 0
    _lamport_ticks: int = 0
    _expected: float = 0.0
    _variance: float = 0.0
    _entries: int = 0
    _stake: int = 0
    _confirmed: int = 0
    _columns: _Columns = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._columns = _Columns(self.table)

    def fill(self, games: GameBatch) -> None:
        """Fill the columns of the games that come next with what is known of them."""
        rows, table = slice(self.row, self.row + len(games)), self.table
        for name in ("peak", "rug_tick", "rug_price"):
            getattr(table, name)[rows] = getattr(games, name)

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

    def traded(self, fill: Fill, tick: int) -> None:
        """Count the ticks to *tick*, and an action that changed our lots without leverage by *fill*."""
        counted, at_risk = self._counted, self._at_risk
        if at_risk and tick > counted:
            self._ticks += tick - counted
            self._lamport_ticks += (tick - counted) * at_risk
            game, qty = self._game, self._qty
            if qty and game is not None:
                mean, variance = game.expected(max(counted, 0), tick)
                self._expected += qty * mean
                self._variance += float(qty) ** 2 * variance
        self._counted = tick
        self._confirmed += 1
        if fill.kind == "buy":
            self._at_risk = at_risk + fill.amount
            self._qty += fill.qty
            self._stake += fill.amount
            self._entries += 1
        else:
            self._at_risk = at_risk - fill.cost
            self._qty -= fill.qty
        self._is_open = self._at_risk > 0

    def _count(self, tick: int, until: int) -> None:
        game, counted = self._game, self._counted
        ticks = tick - counted
        self._ticks += ticks
        self._lamport_ticks += ticks * self._at_risk
        first = max(counted, 0)
        if game is None or until <= first:
            return
        if self._qty:
            mean, variance = game.expected(first, until)
            self._expected += self._qty * mean
            self._variance += float(self._qty) ** 2 * variance
        if self._leveraged:
            self.table.unknown.add("leverage")

    def flush(self) -> None:
        """Add the sums to the row of the running game, after the last game to its row."""
        columns, row = self._columns, self._row()
        if self._ticks:
            columns.exposure_ticks[row] += self._ticks
            columns.exposure_lamport_ticks[row] += self._lamport_ticks
        if self._variance:
            columns.expected[row] += self._expected
            columns.variance[row] += self._variance
        if self._stake:
            columns.entries[row] += self._entries
            columns.stake[row] += self._stake
        if self._confirmed:
            self.table.actions[_CONFIRMED] += self._confirmed
        self._ticks = self._lamport_ticks = self._entries = self._stake = self._confirmed = 0
        self._expected = self._variance = 0.0

    def close(self, game: FastGameData, account: Account) -> None:
        """Fill the row of the game that ends, and go to the next."""
        if self._confirmed or self._ticks or self._variance:
            self.flush()
        row = self.row
        self._columns.pnl[row] = account.game_pnl
        self._columns.balance[row] = account.cash
        self.table.ticks += game.rug_tick
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
        state, kind = order.state, order.kind
        if state is not CONFIRMED:
            self.table.actions[state.value] += 1
            if state is DENIED:
                self.table.deny(self._row(ended=ended), order.reason)
            return
        self._confirmed += 1
        if kind is BUY and not ended:
            self._stake += order.amount or 0
            self._entries += 1
        elif kind in _ENTRIES:
            self._entered(order, order.amount or 0, self._row(ended=ended))

    def _entered(self, order: Order, stake: int, row: int) -> None:
        table, kind = self.table, order.kind
        table.stake[row] += stake
        if kind is not SIDEBET and not kind.is_side_game:
            table.entries[row] += 1
            if kind is SHORT_OPEN:
                table.unknown.add("shorts")
            return
        bet = self._bet(order, stake)
        table.bets[row] += 1
        table.placed[bet] += 1
        if self.row < len(table):
            self._expected += bet.expected
            self._variance += bet.variance

    def _bet(self, order: Order, stake: int) -> Bet:
        """Return the bet that *order* has placed for *stake* lamports."""
        if order.kind is SIDEBET:
            return sidebet(stake)
        game, choice = self.side_games[order.kind], order.choice or ""
        return Bet(stake, game.payout(stake, choice), float(game.odds[choice]))

    def _row(self, *, ended: bool = False) -> int:
        """Return the row of the running game, or of the one that *ended* before it."""
        return min(self.row - ended, len(self.table) - 1)
