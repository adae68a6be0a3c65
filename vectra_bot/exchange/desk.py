"""Client requests: checked on arrival, passed to the hook, executed, answered (protocol 2.3, 10).

A rejection is only an acknowledgement ``{"success":false,"message":...}``. That shape is a guess
(protocol 10 marks it G): no rejected request was ever captured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vectra_bot.exchange.accounts import VenueAccount
from vectra_bot.exchange.config import EvidenceDelays, ExchangeConfig, RequestRecord
from vectra_bot.exchange.features.sidegames import SideGames
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.mail import Mail, round_bet_payload, sidebet_payload
from vectra_bot.exchange.market import Market
from vectra_bot.exchange.verdicts import COINS, ROUNDS, Judge
from vectra_bot.wire.frames import ack_text, event_text
from vectra_bot.wire.payloads import AckPayload
from vectra_bot.wire.requests import Request


class Desk:
    """Execute and answer clients' requests, at the price in force."""

    def __init__(
        self,
        config: ExchangeConfig,
        identities: Identities,
        *,
        market: Market,
        sidegames: SideGames,
        mail: Mail,
        on_request: Callable[[RequestRecord], None] | None,
    ) -> None:
        self._config = config
        self._judge = Judge(market, sidegames, config.leverage_level)
        self._market = market
        self._sidegames = sidegames
        self._mail = mail
        self._identities = identities
        self._on_request = on_request

    def handle(
        self,
        account: VenueAccount,
        request: Request,
        at_ns: int,
        delays: EvidenceDelays | None = None,
    ) -> None:
        """Execute a client's *request* that arrived at *at_ns*; an unknown one is ignored.

        *delays* are those of the answers from now on, by default the account's.
        """
        if request.kind == "select_coin":
            self._select_coin(account, request)
            return
        if request.kind:
            self._order(account, request, at_ns, delays or account.delays or EvidenceDelays())
            return
        if request.event in ("authenticate", "checkUsername"):
            self._mail.post(account, self._mail.username_status(account, request.trace_id))
            if request.event == "authenticate":
                self._mail.post(account, self._mail.player_update(account))
        elif request.event == "getLeaderboard":
            period = request.payload.get("period", "7d")
            self._answer(account, "leaderboardData", {"period": period, "leaderboard": []})
        elif request.event == "chatHistory":
            self._answer(account, "chatHistory", [])
        if request.ack_id is not None:
            self._mail.post(account, ack_text(request.ack_id))

    def _answer(self, account: VenueAccount, name: str, payload: Any) -> None:
        """Post an event whose body was never captured, with the smallest possible body (protocol 5.9)."""
        trace_id, span_id = self._identities.trace()
        self._mail.post(account, event_text(name, payload, trace_id=trace_id, span_id=span_id))

    def _select_coin(self, account: VenueAccount, request: Request) -> None:
        """Select the player's coin; a game that was joined keeps its coin (protocol 6.1)."""
        coin = COINS.get(request.coin)
        if coin is None:
            answer = AckPayload(success=False, message="Unknown coin")
        elif account.select(coin):
            answer = AckPayload(success=True)
            self._mail.post(account, self._mail.player_update(account))
        else:
            answer = AckPayload(success=False, message="Coin cannot be switched during a game")
        if request.ack_id is not None:
            self._mail.post(account, ack_text(request.ack_id, answer))

    def _order(
        self, account: VenueAccount, request: Request, at_ns: int, delays: EvidenceDelays
    ) -> None:
        kind = request.kind
        verdict = self._judge.judge(account, request)
        if self._on_request is not None:
            self._on_request(
                RequestRecord(
                    trace_id=request.trace_id,
                    kind=kind,
                    amount=verdict.amount,
                    percentage=request.percentage if kind == "sell" else None,
                    game_id=self._market.game_id,
                    tick=self._market.tick,
                    price=self._market.price,
                    accepted=not verdict.reason,
                    reason=verdict.reason,
                    at_ns=at_ns,
                    player_id=account.player_id,
                )
            )
        if verdict.reason:
            answer = AckPayload(success=False, message=verdict.reason)
        elif kind == "sidebet":
            answer = self._bet(account, request, verdict.amount, at_ns, delays)
        elif kind in ROUNDS:
            answer = self._round_bet(account, request, verdict.amount, delays)
        else:
            answer = self._trade(account, request, verdict.amount, delays)
        if request.ack_id is not None:
            self._mail.post(account, ack_text(request.ack_id, answer), delays.ack_ms)

    def _trade(
        self, account: VenueAccount, request: Request, amount: int, delays: EvidenceDelays
    ) -> AckPayload:
        market, trace_id = self._market, request.trace_id
        if request.kind == "buy":
            deal = market.buy(account, amount, trace_id, request.leverage or 1)
        elif request.kind == "sell":
            deal = market.sell(account, request.percentage or 0, trace_id)
        elif request.kind == "short_open":
            deal = market.open_short(account, amount, trace_id)
        else:
            closed = market.close_short(account, trace_id)
            if closed is None:  # settled at the next tick, and shown then
                return AckPayload(success=True)
            deal = closed
        self._mail.post_trade(deal, delays.update_ms, delays.row_ms)
        return AckPayload(success=True)

    def _bet(
        self,
        account: VenueAccount,
        request: Request,
        amount: int,
        at_ns: int,
        delays: EvidenceDelays,
    ) -> AckPayload:
        price = self._market.price
        placed = self._market.place_sidebet(account, amount, at_ns)
        self._mail.post(account, self._mail.player_update(account), delays.update_ms)
        text = self._mail.current_sidebet(placed, price, request.trace_id)
        self._mail.post(account, text, delays.row_ms)
        return AckPayload(
            success=True,
            message="Side bet placed",
            sidebet=sidebet_payload(placed, self._market.game_id, price),
        )

    def _round_bet(
        self, account: VenueAccount, request: Request, amount: int, delays: EvidenceDelays
    ) -> AckPayload:
        stake = self._sidegames.bet(
            account, ROUNDS[request.kind], request.choice or "", amount, request.round_id
        )
        self._mail.post(account, self._mail.player_update(account), delays.update_ms)
        self._mail.post(account, self._mail.round_bet(stake, request.trace_id), delays.row_ms)
        payload = round_bet_payload(stake, self._market.game_id, self._config.protocol)
        return AckPayload(success=True, message="Bet placed", bet=payload)
