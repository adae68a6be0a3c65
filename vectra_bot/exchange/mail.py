"""What goes to one player alone, in the order in which it was caused (protocol 2.3, 5.6, 5.7, 5.8)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec import UNSET, Raw

from vectra_bot.exchange.accounts import VenueAccount
from vectra_bot.exchange.config import EvidenceDelays, ExchangeConfig
from vectra_bot.exchange.features.leaderboard import (
    PRACTICE_COIN,
    Leaderboard,
    coin_address,
    make_row,
    short_part,
    sidebet_part,
)
from vectra_bot.exchange.features.notices import (
    INBOX_AFTER_LOGIN_MS,
    RUGPASS_AFTER_LOGIN_MS,
    Notices,
)
from vectra_bot.exchange.features.rugpool import Pool
from vectra_bot.exchange.features.sidegames import RoundStake
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.market import Deal, EndedSidebet, Market, Placed
from vectra_bot.exchange.outlet import Outlet
from vectra_bot.exchange.schedule import Rank, Schedule
from vectra_bot.exchange.tape import trade_text
from vectra_bot.game import rules
from vectra_bot.game.ledger import Ledger, liquidation_price
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
from vectra_bot.wire.profile import Profile
from vectra_bot.wire.sidegames import LeveragedPosition, RoundBetPayload, RoundResultPayload

_NO_TRADES = Raw(b"[]")


def sidebet_payload(placed: Placed, game_id: str, price: float) -> SidebetPayload:
    """Return ``currentSidebet`` and the bet in its acknowledgement (protocol 5.8).

    Portions are in it for bonus money only: no such event was ever captured.
    """
    account, bet = placed.account, placed.bet
    return SidebetPayload(
        player_id=account.player_id,
        game_id=game_id,
        username=account.username,
        level=account.level,
        price=number(price),
        bet_amount=sol_number(bet.amount),
        x_payout=rules.SIDEBET_PAYOUT_X,
        coin_address=coin_address(placed.coin),
        start_tick=bet.start_tick,
        end_tick=bet.end_tick,
        tick_index=bet.start_tick,
        timestamp=placed.at_ns // NS_PER_MS,
        bonus_portion=sol_number(bet.bonus) if bet.bonus else UNSET,
        real_portion=sol_number(bet.amount - bet.bonus) if bet.bonus else UNSET,
    )


def round_bet_payload(stake: RoundStake, game_id: str, profile: Profile) -> RoundBetPayload:
    """Return the owner's event of a stake in a side game, and the bet in its acknowledgement."""
    return RoundBetPayload(
        player_id=stake.account.player_id,
        round_id=stake.round_id,
        game_id=game_id,
        username=stake.account.username,
        bet_amount=sol_number(stake.amount),
        choice=profile.choices[stake.choice],
        coin_address=coin_address(stake.coin),
        bonus_portion=sol_number(stake.bonus),
        real_portion=sol_number(stake.amount - stake.bonus),
        timestamp=stake.placed_ms,
    )


def _leveraged(ledger: Ledger, address: str) -> list[LeveragedPosition]:
    """Return the lots with leverage as a player update lists them (protocol 9: shape unverified)."""
    return [
        LeveragedPosition(
            amount=sol_number(lot.cost),
            qty=sol_number(lot.qty),
            leverage=lot.leverage,
            entry_price=number(lot.price),
            entry_tick=lot.tick,
            liquidation_price=number(liquidation_price(lot.price, lot.leverage) or 0.0),
            coin_address=address,
        )
        for lot in ledger.lots
        if lot.leverage > 1
    ]


class Mail:
    """Write private messages and deliver them first in, first out per player.

    Every text is written at the moment of its cause and states the account at that moment, whenever it is
    delivered: so each change of cash has its own update. Several trades that the venue makes
    for one player at one moment share an update, which comes after all of them.
    """

    def __init__(
        self,
        config: ExchangeConfig,
        identities: Identities,
        schedule: Schedule,
        outlet: Outlet,
        *,
        market: Market,
        pool: Pool,
        board: Leaderboard,
        notices: Notices,
    ) -> None:
        self._profile = config.protocol
        self._to_crowd = config.crowd_mail
        self._schedule = schedule
        self._market = market
        self._pool = pool
        self._board = board
        self._identities = identities
        self._notices = notices
        self._outlet = outlet
        self._crates: dict[str, tuple[Raw, Raw]] = {}

    def post(self, account: VenueAccount, text: str, after_ms: int = 0) -> None:
        """Deliver *text* to a client *after_ms*, and never before what was posted earlier."""
        due = max(self._schedule.now_ns + after_ms * NS_PER_MS, account.last_due_ns)
        account.last_due_ns = due
        act = partial(self._hand_over, account, account.delays, text)
        self._schedule.at(due, Rank.DELIVERY, act)

    def _hand_over(self, account: VenueAccount, link: EvidenceDelays | None, text: str) -> None:
        """Deliver *text*, unless its connection has ended: a later one has its own ids."""
        if account.delays is link:
            self._outlet.to_one(account.player_id, text)

    def post_login(self, account: VenueAccount, trace_id: str | None = None) -> None:
        """Send the account and the confirmation of the login, in the order of protocol 2.5."""
        self.post(account, self.player_update(account))
        self.post(account, self.game_update(account, self._board.row_of(account), first=True))
        self.post(account, self.username_status(account, trace_id))
        for text in self._notices.login(self._schedule.now_ns, trace_id):
            self.post(account, text)
        for after_ms, text in (
            (INBOX_AFTER_LOGIN_MS, self._notices.inbox()),
            (RUGPASS_AFTER_LOGIN_MS, self._notices.rugpass_status()),
        ):
            act = partial(self._hand_over, account, account.delays, text)
            self._schedule.at(self._schedule.now_ns + after_ms * NS_PER_MS, Rank.DELIVERY, act)

    def _crates_of(self, account: VenueAccount) -> tuple[Raw, Raw]:
        """Return ``crateKeys`` and ``recentCrateRewards``, the same in every update."""
        crates = self._crates.get(account.player_id)
        if crates is None:
            crates = self._notices.crates(account.player_id, self._schedule.now_ns)
            self._crates[account.player_id] = crates
        return crates

    def post_trade(self, deal: Deal, update_ms: int = 0, row_ms: int | None = None) -> None:
        """Send a client their own trade, then the account, then (unless *row_ms* is None) their row."""
        account = deal.account
        self.post(account, trade_text(deal, self._identities))
        self.post(account, self.player_update(account), update_ms)
        if row_ms is not None:
            self.post(account, self.fresh_game_update(account), row_ms)

    def post_trades(self, deals: Sequence[Deal], row_ms: int | None = None) -> None:
        """Send a client all trades that the venue made for them at one moment; see :meth:`post_trade`.

        The account is stated once, after the last of them, with the effect of all.
        """
        for deal in deals[:-1]:
            self.post(deal.account, trade_text(deal, self._identities))
        for deal in deals[-1:]:
            self.post_trade(deal, row_ms=row_ms)

    def hears(self, account: VenueAccount) -> bool:
        """Return whether private messages are sent to *account*."""
        return account.connected or self._to_crowd

    def state_account(self, account: VenueAccount) -> None:
        """Send the current account to its owner, if private messages are sent to it."""
        if self.hears(account):
            self.post(account, self.player_update(account))

    def note_deal(self, deal: Deal) -> None:
        """Send a member of the crowd their own trade, if the crowd gets private messages.

        A client's trade, bet or stake is sent by the code that executed it.
        """
        if self._to_crowd and not deal.account.connected:
            self.post_trade(deal)

    def note_placed(self, placed: Placed) -> None:
        """Send a member of the crowd their own sidebet; see :meth:`note_deal`."""
        if self._to_crowd and not placed.account.connected:
            self.post(placed.account, self.player_update(placed.account))
            self.post(placed.account, self.current_sidebet(placed, self._market.price, None))

    def note_stake(self, stake: RoundStake) -> None:
        """Send a member of the crowd their own stake in a side game; see :meth:`note_deal`."""
        if self._to_crowd and not stake.account.connected:
            self.post(stake.account, self.player_update(stake.account))
            self.post(stake.account, self.round_bet(stake, None))

    def post_rug(
        self, account: VenueAccount, deals: Sequence[Deal], settled: EndedSidebet | None
    ) -> None:
        """Send a client what the rug did to the account, after the result of a sidebet (protocol 10)."""
        if not account.connected:
            return
        self.post_trades(deals)
        if deals or settled is not None:
            self.post(account, self.fresh_game_update(account))

    def post_settled(self, settled: EndedSidebet) -> None:
        """Send a client the result of their sidebet, then the account."""
        self.post(settled.account, self._sidebet_result(settled))
        self.post(settled.account, self.player_update(settled.account))

    def username_status(self, account: VenueAccount, trace_id: str | None = None) -> str:
        """Return ``usernameStatus``, which confirms the login."""
        payload = UsernameStatusPayload(
            id=account.player_id,
            has_username=account.username is not None,
            username=account.username,
        )
        fresh, span_id = self._identities.trace()
        return event_text("usernameStatus", payload, trace_id=trace_id or fresh, span_id=span_id)

    def player_update(self, account: VenueAccount) -> str:
        """Return ``playerUpdate`` with the current account."""
        ledger = account.ledger
        price, terms, game_id = self._market.price, self._market.terms, self._market.game_id
        address = coin_address(account.coin)
        keys, rewards = self._crates_of(account)
        return event_text(
            "playerUpdate",
            PlayerUpdatePayload(
                id=account.player_id,
                cash=sol_number(account.sol.cash),
                bonus_balance=sol_number(account.sol.bonus),
                position_qty=sol_number(ledger.position_qty),
                avg_cost=sol_number(ledger.avg_cost),
                cumulative_pnl=sol_number(ledger.cumulative_pnl(price, terms)),
                sidebet_pnl=sol_number(ledger.sidebet_pnl),
                pnl_percent=number(ledger.pnl_percent(price, terms)),
                total_invested=sol_number(ledger.total_invested),
                has_interacted=account.interacted,
                selected_coin=PRACTICE_COIN if account.is_practice else None,
                level_info=LevelInfo(
                    level=account.level,
                    xp=account.xp,
                    xp_for_next_level=rules.XP_PER_LEVEL,
                    total_xp=account.total_xp,
                ),
                crate_keys=keys,
                recent_crate_rewards=rewards,
                shitcoin_balances={rules.PRACTICE_ADDRESS: sol_number(account.practice.cash)},
                hit_max_win=ledger.hit_max_win,
                side_bet=sidebet_part(ledger.sidebet, game_id, account.coin),
                short_position=short_part(ledger, price, terms, account.coin),
                leveraged_positions=_leveraged(ledger, address) if ledger.leveraged else [],
            ),
        )

    def game_update(
        self,
        account: VenueAccount,
        row: LeaderboardRow | None,
        *,
        first: bool = False,
        rugpool: bool = True,
    ) -> str:
        """Return ``gameStatePlayerUpdate``; the first after a login has ``trades: []`` (protocol 5.7)."""
        return event_text(
            "gameStatePlayerUpdate",
            PlayerGamePayload(
                game_id=self._market.game_id,
                leaderboard_entry=UNSET if row is None else row,
                rugpool=self._pool.detail if rugpool else UNSET,
                trades=_NO_TRADES if first else UNSET,
            ),
        )

    def shown_game_update(self, account: VenueAccount) -> str:
        """Return ``gameStatePlayerUpdate`` with the published row, one tick old."""
        return self.game_update(account, self._board.row_of(account))

    def fresh_game_update(self, account: VenueAccount) -> str:
        """Return ``gameStatePlayerUpdate`` with the current row."""
        market = self._market
        row = make_row(
            account,
            market.game_id,
            market.price,
            account.rank or len(market.players),
            market.terms,
            presale=market.presale,
        )
        return self.game_update(account, row, rugpool=False)

    def current_sidebet(self, placed: Placed, price: float, trace_id: str | None) -> str:
        """Return ``currentSidebet``, under the trace id of the request that placed the bet."""
        fresh, span_id = self._identities.trace()
        payload = sidebet_payload(placed, self._market.game_id, price)
        return event_text("currentSidebet", payload, trace_id=trace_id or fresh, span_id=span_id)

    def round_bet(self, stake: RoundStake, trace_id: str | None) -> str:
        """Return the owner's event of a stake, under the trace id of the request that placed it."""
        fresh, span_id = self._identities.trace()
        name = self._profile.events[f"{stake.game}_bet"]
        payload = round_bet_payload(stake, self._market.game_id, self._profile)
        return event_text(name, payload, trace_id=trace_id or fresh, span_id=span_id)

    def post_round_result(self, stake: RoundStake) -> None:
        """Send the owner the result of a stake in a side game, then the account."""
        if not self.hears(stake.account):
            return
        payout = stake.payout or 0
        payload = RoundResultPayload(
            player_id=stake.account.player_id,
            round_id=stake.round_id,
            game_id=self._market.game_id,
            username=stake.account.username,
            bet_amount=sol_number(stake.amount),
            choice=self._profile.choices[stake.choice],
            coin_address=coin_address(stake.coin),
            bonus_portion=sol_number(stake.payout_bonus),
            real_portion=sol_number(payout - stake.payout_bonus),
            timestamp=self._schedule.now_ns // NS_PER_MS,
            result=self._profile.choices[stake.result or stake.choice],
            payout=sol_number(payout),
            profit=sol_number(payout - stake.amount),
        )
        trace_id, span_id = self._identities.trace()
        name = self._profile.events[f"{stake.game}_result"]
        self.post(stake.account, event_text(name, payload, trace_id=trace_id, span_id=span_id))
        self.post(stake.account, self.player_update(stake.account))

    def _sidebet_result(self, settled: EndedSidebet) -> str:
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
            coin_address=coin_address(settled.coin),
            start_tick=bet.start_tick,
            end_tick=bet.end_tick,
            tick_index=settled.tick,
            timestamp=settled.at_ns // NS_PER_MS,
            bonus_portion=sol_number(bet.bonus) if bet.bonus else UNSET,
            real_portion=sol_number(bet.payout - bet.bonus) if bet.bonus else UNSET,
        )
        return event_text("currentSidebetResult", payload, trace_id=trace_id, span_id=span_id)
