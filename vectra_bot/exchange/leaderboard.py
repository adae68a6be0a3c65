"""The leaderboard with its one-tick lag (protocol 5.2)."""

from __future__ import annotations

from attrs import frozen
from msgspec import UNSET, Raw

from vectra_bot.exchange.accounts import Account, Coin
from vectra_bot.game import rules
from vectra_bot.game.ledger import Ledger, OpenSidebet, pnl_percent
from vectra_bot.game.shorts import ShortTerms
from vectra_bot.wire.amounts import number, sol_number
from vectra_bot.wire.frames import raw_part
from vectra_bot.wire.payloads import Coin as CoinPayload
from vectra_bot.wire.payloads import LeaderboardRow, ShortPosition, SideBet

_EMPTY = Raw(b"[]")
_UNIT = rules.LAMPORTS_PER_SOL

PRACTICE_COIN = CoinPayload(
    address=rules.PRACTICE_ADDRESS,
    ticker="FREE",
    name="Free Practice Token",
    max_bet=number(float(rules.PRACTICE_MAX_STAKE)),
    max_win=50_000,
    logo_uri="/icons/Icon_Free_Solana.png",
)
"""The selected practice coin as rows carry it; its ``max_win`` is not the list's (protocol 6.1)."""


def coin_address(coin: Coin) -> str:
    """Return what stakes in *coin* are marked with."""
    return rules.PRACTICE_ADDRESS if coin is Coin.PRACTICE else rules.SOL_ADDRESS


def sidebet_part(bet: OpenSidebet | None, game_id: str, coin: Coin) -> SideBet | None:
    """Return an open sidebet as rows and player updates carry it."""
    if bet is None:
        return None
    return SideBet(
        bet_amount=sol_number(bet.amount),
        started_at_tick=bet.start_tick,
        game_id=game_id,
        end=bet.end_tick,
        x_payout=rules.SIDEBET_PAYOUT_X,
        coin_address=coin_address(coin),
        bonus_portion=sol_number(bet.bonus),
        real_portion=sol_number(bet.amount - bet.bonus),
    )


def short_part(ledger: Ledger, price: float, terms: ShortTerms, coin: Coin) -> ShortPosition | None:
    """Return an open short as rows and player updates carry it (protocol 5.2, 8; value unverified)."""
    short = ledger.short
    if short is None:
        return None
    value = short.value(price, terms)
    return ShortPosition(
        amount=sol_number(short.amount),
        entry_price=number(short.entry_price),
        entry_tick=short.entry_tick,
        current_value=sol_number(value),
        pnl=sol_number(value - short.amount),
        coin_address=coin_address(coin),
        bonus_portion=sol_number(short.bonus),
        real_portion=sol_number(short.amount - short.bonus),
    )


@frozen
class _Face:
    """What a row shows that no price changes, ready to write; it holds until the account is touched."""

    sidebet_pnl: float
    side_bet: SideBet | None
    position_qty: float
    avg_cost: float
    total_invested: float
    divisor: float
    coin: CoinPayload | None


def _face_of(account: Account, game_id: str) -> _Face:
    face = account.face
    if isinstance(face, _Face):
        return face
    ledger = account.ledger
    invested = ledger.total_invested
    face = _Face(
        sol_number(ledger.sidebet_pnl),
        sidebet_part(ledger.sidebet, game_id, account.coin),
        sol_number(ledger.position_qty),
        sol_number(ledger.avg_cost),
        sol_number(invested),
        invested / _UNIT,
        PRACTICE_COIN if account.is_practice else None,
    )
    account.face = face
    return face


def make_row(
    account: Account,
    game_id: str,
    price: float,
    position: int,
    terms: ShortTerms,
    *,
    presale: bool,
) -> LeaderboardRow:
    """Return the row of *account* at *price*; a presale row lacks the three parts of the PnL."""
    ledger = account.ledger
    face = _face_of(account, game_id)
    regular = ledger.regular_pnl(price)
    short = ledger.short_pnl(price, terms)
    pnl = regular + ledger.sidebet_pnl + short
    return LeaderboardRow(
        id=account.player_id,
        username=account.username,
        level=account.level,
        pnl=sol_number(pnl),
        regular_pnl=UNSET if presale else sol_number(regular),
        sidebet_pnl=UNSET if presale else face.sidebet_pnl,
        short_pnl=UNSET if presale else sol_number(short),
        sidebet_active=None if ledger.sidebet is None else True,
        side_bet=face.side_bet,
        short_position=short_part(ledger, price, terms, account.coin),
        pnl_percent=number(pnl_percent(pnl / _UNIT, face.divisor)),
        has_active_trades=True,
        position_qty=face.position_qty,
        avg_cost=face.avg_cost,
        total_invested=face.total_invested,
        selected_coin=face.coin,
        position=position,
    )


class Leaderboard:
    """What frames show of the players: computed at one tick, shown from the next on.

    ``table`` is the encoded list that is on show.
    """

    def __init__(self, terms: ShortTerms) -> None:
        self._terms = terms
        self.table = _EMPTY
        self._rows: dict[str, LeaderboardRow] = {}
        self._staged_table = _EMPTY
        self._staged_rows: dict[str, LeaderboardRow] = {}

    def clear(self) -> None:
        """Show nobody: a presale opens or a game starts."""
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
        keys = [_size(account) for account in players] if presale else self._pnls(players, price)
        order = sorted(range(len(players)), key=keys.__getitem__, reverse=True)
        top: list[LeaderboardRow] = []
        rows: dict[str, LeaderboardRow] = {}
        place = 0
        shown = rules.LEADERBOARD_ROWS
        for index in order:
            place += 1
            account = players[index]
            account.rank = place
            connected = account.delays is not None
            if place > shown and not connected:
                continue
            row = account.row
            if row is None or row.position != place or (row.regular_pnl is UNSET) != presale:
                row = make_row(account, game_id, price, place, self._terms, presale=presale)
                account.row = None if account.moving else row
            if place <= shown:
                top.append(row)
            if connected:
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

    def _pnls(self, players: list[Account], price: float) -> list[float]:
        """Return every player's PnL at *price* in lamports, to order them; only what moves is computed anew.

        Doubles are exact enough to order by: where they cannot tell two players apart, rows show them
        equal to the lamport.
        """
        pnls: list[float] = []
        for account in players:
            pnl = account.flat_pnl
            if pnl is None:
                ledger = account.ledger
                if account.moving and ledger.short is None and not ledger.leveraged:
                    pnls.append(ledger.booked + ledger.position_qty * price)
                    continue
                pnl = ledger.cumulative_pnl(price, self._terms)
                if not account.moving:
                    account.flat_pnl = pnl
            pnls.append(pnl)
        return pnls


def _size(account: Account) -> int:
    return account.ledger.position_qty
