"""The leaderboard with its one-tick lag (protocol 5.2)."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import TypeAlias

from attrs import frozen
from msgspec import UNSET, Raw

from vectra_bot.exchange.accounts import Books, Coin, VenueAccount
from vectra_bot.game import rules
from vectra_bot.game.ledger import Ledger, OpenSidebet, pnl_percent
from vectra_bot.game.shorts import ShortTerms
from vectra_bot.wire.amounts import number, sol_number
from vectra_bot.wire.frames import raw_part
from vectra_bot.wire.payloads import Coin as CoinPayload
from vectra_bot.wire.payloads import LeaderboardRow, ShortPosition, SideBet

_EMPTY = Raw(b"[]")
_UNIT = rules.LAMPORTS_PER_SOL
_SEVERAL = 2

_Place: TypeAlias = tuple[float, int, VenueAccount]
"""Sort key of an account: negated PnL in lamports, then the order of arrival, which breaks ties."""
_Holder: TypeAlias = tuple[VenueAccount, int, int, bool]
"""A holder: booked PnL, tokens, and whether these two and the price determine the PnL."""

PRACTICE_COIN = CoinPayload(
    address=rules.PRACTICE_ADDRESS,
    ticker="FREE",
    name="Free Practice Token",
    max_bet=number(float(rules.PRACTICE_MAX_STAKE)),
    max_win=50_000,
    logo_uri="/icons/Icon_Free_Solana.png",
)
"""The selected practice coin as rows have it; its ``max_win`` differs from the coin list's (protocol 6.1)."""


def coin_address(coin: Coin) -> str:
    """Return the address that marks stakes in *coin*."""
    return rules.PRACTICE_ADDRESS if coin is Coin.PRACTICE else rules.SOL_ADDRESS


def sidebet_part(bet: OpenSidebet | None, game_id: str, coin: Coin) -> SideBet | None:
    """Return an open sidebet as rows and player updates have it."""
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
        real_portion=0 if coin is Coin.PRACTICE else sol_number(bet.amount - bet.bonus),
    )


def short_part(ledger: Ledger, price: float, terms: ShortTerms, coin: Coin) -> ShortPosition | None:
    """Return an open short as rows and player updates have it (protocol 5.2, 8; value unverified)."""
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
        real_portion=0 if coin is Coin.PRACTICE else sol_number(short.amount - short.bonus),
    )


@frozen
class _Face:
    """The encoded part of a row that does not depend on the price; valid until the account changes."""

    sidebet_pnl: float
    sidebet_active: bool | None
    side_bet: SideBet | None
    position_qty: float
    avg_cost: float
    total_invested: float
    divisor: float
    coin: CoinPayload | None
    closed_shorts: int
    has_short: bool


def _face_of(account: VenueAccount, game_id: str) -> _Face:
    face = account.face
    if isinstance(face, _Face):
        return face
    ledger = account.ledger
    invested = ledger.total_invested
    face = _Face(
        sol_number(ledger.sidebet_pnl),
        None if ledger.sidebet is None else True,
        sidebet_part(ledger.sidebet, game_id, account.coin),
        sol_number(ledger.position_qty),
        sol_number(ledger.avg_cost - _lost_to_bonus(ledger)),
        sol_number(invested),
        invested / _UNIT,
        PRACTICE_COIN if account.is_practice else None,
        ledger.settled_pnl - ledger.sidebet_pnl,
        ledger.short is not None,
    )
    account.face = face
    return face


def _lost_to_bonus(ledger: Ledger) -> int:
    """Return the lamport by which the venue's mean entry price of 1 is too low if bonus money is in it.

    A presale row of several buys then shows 0.999999999: the venue's portions sum to less than the stake.
    """
    lots = ledger.lots
    if len(lots) < _SEVERAL or ledger.avg_cost != _UNIT:
        return 0
    return int(any(lot.bonus for lot in lots))


def make_row(
    account: VenueAccount,
    game_id: str,
    price: float,
    position: int,
    terms: ShortTerms,
    *,
    presale: bool,
) -> LeaderboardRow:
    """Return the row of *account* at *price*; a presale row lacks the three parts of the PnL."""
    face = _face_of(account, game_id)
    regular = account.ledger.regular_pnl(price)
    if face.has_short:
        short = account.ledger.short_pnl(price, terms)
        shown_short = short_part(account.ledger, price, terms, account.coin)
    else:
        short, shown_short = face.closed_shorts, None
    # The venue adds the parts as doubles, with their noise (protocol 5.2).
    parts = (sol_number(regular), face.sidebet_pnl, sol_number(short))
    pnl = parts[0] + parts[1] + parts[2]
    return LeaderboardRow(
        id=account.player_id,
        username=account.username,
        level=account.level,
        pnl=number(pnl),
        regular_pnl=UNSET if presale else parts[0],
        sidebet_pnl=UNSET if presale else parts[1],
        short_pnl=UNSET if presale else parts[2],
        sidebet_active=face.sidebet_active,
        side_bet=face.side_bet,
        short_position=shown_short,
        pnl_percent=number(pnl_percent(pnl, face.divisor)),
        has_active_trades=True,
        position_qty=face.position_qty,
        avg_cost=face.avg_cost,
        total_invested=face.total_invested,
        selected_coin=face.coin,
        position=position,
    )


class Leaderboard:
    """The leaderboard in frames: computed at one tick, published from the next on.

    Theory of operation. A price changes only the PnL of holders, a few of all players. So
    the others are in a list that stays sorted, from which an account is removed when it changes; at
    every tick only the holders are computed, sorted, and merged with the head of that list.

    ``table`` is the encoded list that is published.
    """

    def __init__(self, books: Books, terms: ShortTerms) -> None:
        self._books = books
        self._terms = terms
        self.table = _EMPTY
        self._rows: dict[str, LeaderboardRow] = {}
        self._staged_table = _EMPTY
        self._staged_rows: dict[str, LeaderboardRow] = {}
        self._flats: list[_Place] = []
        self._holders: dict[str, _Holder] = {}

    def clear(self) -> None:
        """Publish an empty table: a presale opens or a game starts."""
        self.table = self._staged_table = _EMPTY
        self._rows = {}
        self._staged_rows = {}

    def begin_game(self) -> None:
        """Keep the finished game's table published for the cooldown, but no client gets a row of it."""
        self._rows = {}
        self._staged_rows = {}
        self._flats = []
        self._holders = {}
        self._books.touched.clear()

    def stage(self, game_id: str, price: float) -> None:
        """Compute the table of a running game; it is not published until :meth:`publish`.

        Players are sorted by PnL; the order of arrival breaks ties.
        """
        if self._books.touched:
            self._sort_in(price)
        flats, holders = self._flats, self._ranked_holders(price)
        if not flats and not holders and self._staged_table is _EMPTY:
            return
        shown = rules.LEADERBOARD_ROWS
        top: list[LeaderboardRow] = []
        best = sorted(flats[:shown] + holders[:shown])[:shown]
        for place, (_, _, account) in enumerate(best, 1):
            top.append(self._row(account, game_id, price, place, presale=False))
        rows: dict[str, LeaderboardRow] = {}
        if self._books.clients:
            ranks = {place[2].player_id: rank for rank, place in enumerate(holders)}
            for account in self._books.clients:
                if account.joined:
                    rank = self._rank(account, flats, holders, ranks)
                    account.rank = rank
                    row = self._row(account, game_id, price, rank, presale=False)
                    rows[account.player_id] = row
        self._staged_table = raw_part(top)
        self._staged_rows = rows

    def stage_presale(
        self,
        players: list[VenueAccount],
        bettors: Iterable[VenueAccount],
        game_id: str,
        price: float,
    ) -> None:
        """Compute the table of a presale (protocol 5.2).

        Args:
            players: those of the game, shown in the order of their position.
            bettors: who placed a sidebet in the game before: they follow, with rows of zeros.
            game_id: of the game.
            price: in force.
        """
        rows: dict[str, LeaderboardRow] = {}
        top: list[LeaderboardRow] = []
        ranked = sorted(players, key=_size, reverse=True)
        ranked += [account for account in bettors if not account.joined]
        for place, account in enumerate(ranked, 1):
            if place <= rules.LEADERBOARD_ROWS or account.connected:
                row = self._row(account, game_id, price, place, presale=True)
                if place <= rules.LEADERBOARD_ROWS:
                    top.append(row)
                if account.connected and account.joined:
                    rows[account.player_id] = row
            if account.joined:
                account.rank = place
        self._staged_table = raw_part(top)
        self._staged_rows = rows

    def publish(self) -> None:
        """Publish the computed table."""
        self.table = self._staged_table
        self._rows = self._staged_rows

    def row_of(self, account: VenueAccount) -> LeaderboardRow | None:
        """Return a client's published row, None if the client has nothing in this game."""
        return self._rows.get(account.player_id)

    def _row(
        self, account: VenueAccount, game_id: str, price: float, place: int, *, presale: bool
    ) -> LeaderboardRow:
        """Return the row of *account*, the cached one if it is still valid."""
        row = account.row
        if row is None or row.position != place or (row.regular_pnl is UNSET) != presale:
            row = make_row(account, game_id, price, place, self._terms, presale=presale)
            account.row = None if account.moving else row
        return row

    def _sort_in(self, price: float) -> None:
        """Sort every changed account into its new place."""
        for account in dict.fromkeys(self._books.touched):
            if account.place is not None:
                del self._flats[bisect_left(self._flats, account.place)]
                account.place = None
            self._holders.pop(account.player_id, None)
            if not account.joined:
                continue
            if account.moving:
                ledger = account.ledger
                plain = ledger.short is None and not ledger.leveraged
                holder = (account, ledger.booked, ledger.position_qty, plain)
                self._holders[account.player_id] = holder
            else:
                pnl = account.ledger.cumulative_pnl(price, self._terms)
                account.place = (-pnl, account.arrival, account)
                insort(self._flats, account.place)
        self._books.touched.clear()

    def _ranked_holders(self, price: float) -> list[_Place]:
        """Return the places of the holders.

        Doubles are exact enough for sorting: if two players compare equal, their rows are
        equal to the lamport too.
        """
        places: list[_Place] = []
        for account, booked, qty, plain in self._holders.values():
            pnl = booked + qty * price
            if not plain:
                ledger = account.ledger
                if ledger.leveraged:
                    pnl = ledger.regular_pnl(price) + ledger.settled_pnl
                short = ledger.short
                if short is not None:
                    pnl += short.estimate(price, self._terms) - short.amount
            places.append((-pnl, account.arrival, account))
        places.sort()
        return places

    def _rank(
        self,
        account: VenueAccount,
        flats: list[_Place],
        holders: list[_Place],
        ranks: dict[str, int],
    ) -> int:
        """Return the place of *account* among all players, from 1."""
        own = account.place
        if own is None:
            at = ranks[account.player_id]
            return at + bisect_left(flats, holders[at]) + 1
        return bisect_left(flats, own) + bisect_left(holders, own) + 1


def _size(account: VenueAccount) -> int:
    return account.ledger.position_qty
