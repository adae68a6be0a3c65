"""The leaderboard with its one-tick lag (protocol 5.2)."""

from __future__ import annotations

from msgspec import UNSET, Raw

from vectra_bot.exchange.accounts import Account
from vectra_bot.game import rules
from vectra_bot.game.ledger import OpenSidebet
from vectra_bot.wire.amounts import number, sol_number
from vectra_bot.wire.frames import raw_part
from vectra_bot.wire.payloads import LeaderboardRow, SideBet

_EMPTY = Raw(b"[]")


def sidebet_part(bet: OpenSidebet | None, game_id: str) -> SideBet | None:
    """Return an open sidebet as rows and player updates carry it."""
    if bet is None:
        return None
    amount = sol_number(bet.amount)
    return SideBet(
        bet_amount=amount,
        started_at_tick=bet.start_tick,
        game_id=game_id,
        end=bet.end_tick,
        x_payout=rules.SIDEBET_PAYOUT_X,
        coin_address=rules.SOL_ADDRESS,
        bonus_portion=0,
        real_portion=amount,
    )


def make_row(
    account: Account, game_id: str, price: float, position: int, *, presale: bool
) -> LeaderboardRow:
    """Return the row of *account* at *price*; a presale row lacks the three parts of the PnL."""
    ledger = account.ledger
    regular = ledger.regular_pnl(price)
    return LeaderboardRow(
        id=account.player_id,
        username=account.username,
        level=account.level,
        pnl=sol_number(regular + ledger.sidebet_pnl),
        regular_pnl=UNSET if presale else sol_number(regular),
        sidebet_pnl=UNSET if presale else sol_number(ledger.sidebet_pnl),
        short_pnl=UNSET if presale else 0,
        sidebet_active=None if ledger.sidebet is None else True,
        side_bet=sidebet_part(ledger.sidebet, game_id),
        pnl_percent=number(ledger.pnl_percent(price)),
        has_active_trades=True,
        position_qty=sol_number(ledger.position_qty),
        avg_cost=sol_number(ledger.avg_cost),
        total_invested=sol_number(ledger.total_invested),
        position=position,
    )


class Leaderboard:
    """What frames show of the players: computed at one tick, shown from the next on.

    ``table`` is the encoded list of the rows on show; it is encoded once and stands in many frames.
    """

    def __init__(self) -> None:
        self.table: Raw = _EMPTY
        self._rows: dict[str, LeaderboardRow] = {}
        self._staged_table: Raw = _EMPTY
        self._staged_rows: dict[str, LeaderboardRow] = {}

    def clear(self) -> None:
        """Show nobody: the start frame's empty list."""
        self.table = self._staged_table = _EMPTY
        self._rows = {}
        self._staged_rows = {}

    def begin_game(self) -> None:
        """Keep the finished game's table on show for the cooldown, but give no client a row of it."""
        self._rows = {}
        self._staged_rows = {}

    def stage(self, players: list[Account], game_id: str, price: float, *, presale: bool) -> None:
        """Compute the table from what is in force now; it is not on show until :meth:`publish`.

        While the game is on, players stand in the order of their PnL, in the presale in that of their
        position. The order of arrival decides between equals.
        """
        keys = [_size(account) for account in players] if presale else _pnls(players, price)
        order = sorted(range(len(players)), key=keys.__getitem__, reverse=True)
        top: list[LeaderboardRow] = []
        rows: dict[str, LeaderboardRow] = {}
        for place, index in enumerate(order, 1):
            account = players[index]
            account.rank = place
            if place <= rules.LEADERBOARD_ROWS or account.connected:
                row = _flat_row(account, place, presale=presale)
                if row is None:
                    row = make_row(account, game_id, price, place, presale=presale)
                    account.flat_row = None if account.holding else row
                if place <= rules.LEADERBOARD_ROWS:
                    top.append(row)
                if account.connected:
                    rows[account.player_id] = row
        self._staged_table = raw_part(top)
        self._staged_rows = rows

    def publish(self) -> None:
        """Put the computed table on show."""
        self.table = self._staged_table
        self._rows = self._staged_rows

    def row_of(self, account: Account) -> LeaderboardRow | None:
        """Return the row of a client as on show, None if he has nothing in this game."""
        return self._rows.get(account.player_id)


def _flat_row(account: Account, place: int, *, presale: bool) -> LeaderboardRow | None:
    """Return the row of the last table if it still holds."""
    row = account.flat_row
    if row is None or row.position != place or (row.regular_pnl is UNSET) != presale:
        return None
    return row


def _size(account: Account) -> int:
    return account.ledger.position_qty


def _pnls(players: list[Account], price: float) -> list[int]:
    """Return every player's PnL at *price*; only open positions are computed anew."""
    pnls: list[int] = []
    for account in players:
        pnl = account.flat_pnl
        if pnl is None:
            pnl = account.ledger.cumulative_pnl(price)
            if not account.holding:
                account.flat_pnl = pnl
        pnls.append(pnl)
    return pnls
