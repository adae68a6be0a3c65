"""What goes to one player alone, in the order in which it was caused (protocol 2.3, 5.6 to 5.8)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec import UNSET, Raw

from vectra_bot.exchange.accounts import Account
from vectra_bot.exchange.broadcast import Broadcast
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.leaderboard import Leaderboard, make_row, sidebet_part
from vectra_bot.exchange.market import Deal, Market, Placed, Settled
from vectra_bot.exchange.rugpool import Pool
from vectra_bot.exchange.schedule import Rank, Schedule
from vectra_bot.game import rules
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.wire.amounts import number, sol_number
from vectra_bot.wire.frames import event_text
from vectra_bot.wire.payloads import (
    LeaderboardRow,
    LevelInfo,
    PlayerGamePayload,
    PlayerUpdatePayload,
    SidebetPayload,
    SidebetResultPayload,
    UsernameStatusPayload,
)

_XP_PER_LEVEL = 1_500
_NO_TRADES = Raw(b"[]")


def sidebet_payload(placed: Placed, game_id: str, price: float) -> SidebetPayload:
    """Return ``currentSidebet`` and the bet in its acknowledgement (protocol 5.8)."""
    account, bet = placed.account, placed.bet
    return SidebetPayload(
        player_id=account.player_id,
        game_id=game_id,
        username=account.username,
        level=account.level,
        price=number(price),
        bet_amount=sol_number(bet.amount),
        x_payout=rules.SIDEBET_PAYOUT_X,
        coin_address=rules.SOL_ADDRESS,
        start_tick=bet.start_tick,
        end_tick=bet.end_tick,
        tick_index=bet.start_tick,
        timestamp=placed.at_ns // NS_PER_MS,
    )


class Mail:
    """Write private messages and deliver them first in, first out per player.

    Every text is written at the moment of its cause and keeps the state of that moment, whenever it is
    delivered: so each change of cash stands in an update of its own.
    """

    def __init__(
        self,
        *,
        schedule: Schedule,
        market: Market,
        pool: Pool,
        board: Leaderboard,
        broadcast: Broadcast,
        identities: Identities,
        deliver: Callable[[str, str], None],
    ) -> None:
        self._schedule = schedule
        self._market = market
        self._pool = pool
        self._board = board
        self._broadcast = broadcast
        self._identities = identities
        self._deliver = deliver

    def post(self, account: Account, text: str, after_ms: int = 0) -> None:
        """Deliver *text* to a client *after_ms*, and never before what was posted earlier."""
        due = max(self._schedule.now_ns + after_ms * NS_PER_MS, account.last_due_ns)
        account.last_due_ns = due
        self._schedule.at(due, Rank.DELIVERY, partial(self._deliver, account.player_id, text))

    def post_login(self, account: Account) -> None:
        """Say that the login succeeded and what the account holds (protocol 2.5)."""
        self.post(account, self.username_status(account))
        self.post(account, self.player_update(account))
        self.post(account, self.game_update(account, self._board.row_of(account), first=True))

    def post_trade(self, deal: Deal, update_ms: int = 0, row_ms: int | None = None) -> None:
        """Show a client his own trade, then the account, then (unless *row_ms* is None) his row."""
        account = deal.account
        self.post(account, self._broadcast.trade(deal))
        self.post(account, self.player_update(account), update_ms)
        if row_ms is not None:
            self.post(account, self.fresh_game_update(account), row_ms)

    def post_settled(self, settled: Settled) -> None:
        """Tell a client how his sidebet ended, then what the account holds."""
        self.post(settled.account, self._sidebet_result(settled))
        self.post(settled.account, self.player_update(settled.account))

    def username_status(self, account: Account) -> str:
        """Return ``usernameStatus``: the venue knows who it is."""
        payload = UsernameStatusPayload(
            id=account.player_id,
            has_username=account.username is not None,
            username=account.username,
        )
        trace_id, span_id = self._identities.trace()
        return event_text("usernameStatus", payload, trace_id=trace_id, span_id=span_id)

    def player_update(self, account: Account) -> str:
        """Return ``playerUpdate`` with the account as it stands now."""
        ledger = account.ledger
        price = self._market.price
        return event_text(
            "playerUpdate",
            PlayerUpdatePayload(
                id=account.player_id,
                cash=sol_number(ledger.cash),
                position_qty=sol_number(ledger.position_qty),
                avg_cost=sol_number(ledger.avg_cost),
                cumulative_pnl=sol_number(ledger.cumulative_pnl(price)),
                sidebet_pnl=sol_number(ledger.sidebet_pnl),
                pnl_percent=number(ledger.pnl_percent(price)),
                total_invested=sol_number(ledger.total_invested),
                has_interacted=account.interacted,
                level_info=LevelInfo(level=account.level, xp_for_next_level=_XP_PER_LEVEL),
                side_bet=sidebet_part(ledger.sidebet, self._market.game_id),
            ),
        )

    def game_update(
        self,
        account: Account,
        row: LeaderboardRow | None,
        *,
        first: bool = False,
        rugpool: bool = False,
    ) -> str:
        """Return ``gameStatePlayerUpdate``; the first after a login has ``trades: []`` (protocol 5.7)."""
        return event_text(
            "gameStatePlayerUpdate",
            PlayerGamePayload(
                game_id=self._market.game_id,
                leaderboard_entry=UNSET if row is None else row,
                rugpool=self._pool.detail if first or rugpool else UNSET,
                trades=_NO_TRADES if first else UNSET,
            ),
        )

    def shown_game_update(self, account: Account, *, rugpool: bool = False) -> str:
        """Return ``gameStatePlayerUpdate`` with the row on show, one tick old."""
        return self.game_update(account, self._board.row_of(account), rugpool=rugpool)

    def fresh_game_update(self, account: Account) -> str:
        """Return ``gameStatePlayerUpdate`` with the row as it stands now."""
        market = self._market
        row = make_row(
            account,
            market.game_id,
            market.price,
            account.rank or len(market.players),
            presale=market.presale,
        )
        return self.game_update(account, row)

    def current_sidebet(self, placed: Placed, price: float, trace_id: str | None) -> str:
        """Return ``currentSidebet``, under the trace id of the request that placed the bet."""
        fresh, span_id = self._identities.trace()
        payload = sidebet_payload(placed, self._market.game_id, price)
        return event_text("currentSidebet", payload, trace_id=trace_id or fresh, span_id=span_id)

    def _sidebet_result(self, settled: Settled) -> str:
        account, bet = settled.account, settled.bet
        trace_id, span_id = self._identities.trace()
        payload = SidebetResultPayload(
            player_id=account.player_id,
            game_id=self._market.game_id,
            username=account.username,
            level=account.level,
            price=number(settled.price),
            bet_amount=sol_number(bet.amount),
            payout=sol_number(bet.payout),
            profit=sol_number(bet.pnl),
            x_payout=rules.SIDEBET_PAYOUT_X,
            coin_address=rules.SOL_ADDRESS,
            start_tick=bet.start_tick,
            end_tick=bet.end_tick,
            tick_index=settled.tick,
            timestamp=settled.at_ns // NS_PER_MS,
        )
        return event_text("currentSidebetResult", payload, trace_id=trace_id, span_id=span_id)
