"""Client requests: judged at arrival, told to the hook, carried out, answered (protocol 2.3, 10).

A refusal is an acknowledgement ``{"success":false,"message":...}`` and nothing else. That shape is a guess
(protocol 10 marks it G): no refused order was ever captured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from vectra_bot.exchange.accounts import Account
from vectra_bot.exchange.config import EvidenceDelays, RequestRecord
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.mail import Mail, sidebet_payload
from vectra_bot.exchange.market import Market
from vectra_bot.game import rules
from vectra_bot.game.ledger import LedgerError, buy_qty, to_lamports, to_sol
from vectra_bot.wire.frames import ack_text, event_text
from vectra_bot.wire.payloads import AckPayload
from vectra_bot.wire.requests import Request

_LEAST = to_lamports(rules.MIN_STAKE)
_MOST = to_lamports(rules.MAX_STAKE)
_ORDERS: Mapping[str, str] = {"buyOrder": "buy", "sellOrder": "sell", "requestSidebet": "sidebet"}


@frozen
class _Verdict:
    """What an order comes to: lamports, or the reason it is refused."""

    amount: int
    reason: str = ""


class Desk:
    """Answer what clients ask, at the price in force."""

    def __init__(
        self,
        market: Market,
        mail: Mail,
        identities: Identities,
        on_request: Callable[[RequestRecord], None] | None,
    ) -> None:
        self._market = market
        self._mail = mail
        self._identities = identities
        self._on_request = on_request

    def handle(self, account: Account, request: Request, at_ns: int) -> None:
        """Carry out *request* of a client that arrived at *at_ns*; what is not known is ignored."""
        kind = _ORDERS.get(request.event)
        if kind is not None:
            self._order(account, request, kind, at_ns)
            return
        if request.event in ("authenticate", "checkUsername"):
            self._mail.post(account, self._mail.username_status(account))
            if request.event == "authenticate":
                self._mail.post(account, self._mail.player_update(account))
        elif request.event == "getLeaderboard":
            period = request.payload.get("period", "7d")
            self._answer(account, "leaderboardData", {"period": period, "leaderboard": []})
        elif request.event == "chatHistory":
            self._answer(account, "chatHistory", [])
        if request.ack_id is not None:
            self._mail.post(account, ack_text(request.ack_id))

    def _answer(self, account: Account, name: str, payload: Any) -> None:
        """Post an event whose body was never captured, as small as it can be (protocol 5.9)."""
        trace_id, span_id = self._identities.trace()
        self._mail.post(account, event_text(name, payload, trace_id=trace_id, span_id=span_id))

    def _order(self, account: Account, request: Request, kind: str, at_ns: int) -> None:
        verdict = self._judge(account, request, kind)
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
        delays = account.delays or EvidenceDelays()
        if verdict.reason:
            answer = AckPayload(success=False, message=verdict.reason)
        elif kind == "sidebet":
            answer = self._bet(account, request, verdict.amount, at_ns, delays)
        else:
            answer = self._trade(account, request, kind, verdict.amount, delays)
        if request.ack_id is not None:
            self._mail.post(account, ack_text(request.ack_id, answer), delays.ack_ms)

    def _trade(
        self, account: Account, request: Request, kind: str, amount: int, delays: EvidenceDelays
    ) -> AckPayload:
        if kind == "buy":
            deal = self._market.buy(account, amount, request.trace_id)
        else:
            deal = self._market.sell(account, request.percentage or 0, request.trace_id)
        self._mail.post_trade(deal, delays.update_ms, delays.row_ms)
        return AckPayload(success=True)

    def _bet(
        self,
        account: Account,
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

    def _judge(self, account: Account, request: Request, kind: str) -> _Verdict:
        """Say what the order comes to at the price in force; nothing changes."""
        closed = self._closed(kind)
        if closed:
            return _Verdict(0 if kind == "sell" else request.amount or 0, closed)
        if kind == "sell":
            return self._judge_sell(account, request)
        amount = request.amount
        if amount is None:
            return _Verdict(0, "Invalid amount")
        return _Verdict(amount, self._stake_problem(account, request, kind, amount))

    def _closed(self, kind: str) -> str:
        if self._market.rugged:
            return "Game has rugged"
        if not self._market.open:
            return "Trading is closed until the presale"
        if kind == "sell" and self._market.presale:
            return "No sells in the presale"
        return ""

    def _judge_sell(self, account: Account, request: Request) -> _Verdict:
        percentage = request.percentage
        if percentage is None or not 1 <= percentage <= 100:
            return _Verdict(0, "Percentage must be a whole number from 1 to 100")
        try:
            return _Verdict(account.ledger.quote_sell(percentage, self._market.price))
        except LedgerError:
            return _Verdict(0, "No position to sell")

    def _stake_problem(self, account: Account, request: Request, kind: str, amount: int) -> str:
        if not _LEAST <= amount <= _MOST:
            return f"Amount must be between {rules.MIN_STAKE} and {rules.MAX_STAKE} SOL"
        if amount > account.ledger.cash:
            return f"Insufficient funds: {to_sol(account.ledger.cash)} SOL free"
        if kind == "buy":
            return self._buy_problem(request, amount)
        return self._sidebet_problem(account, request)

    def _buy_problem(self, request: Request, amount: int) -> str:
        if request.payload.get("leverage", 1) != 1:
            return "Leverage is not offered"
        if not buy_qty(amount, self._market.price):
            return "Amount buys nothing at this price"
        return ""

    def _sidebet_problem(self, account: Account, request: Request) -> str:
        if request.payload.get("coinAddress", rules.SOL_ADDRESS) != rules.SOL_ADDRESS:
            return "Only SOL is offered"
        if request.payload.get("xPayout", rules.SIDEBET_PAYOUT_X) != rules.SIDEBET_PAYOUT_X:
            return f"Side bets pay {rules.SIDEBET_PAYOUT_X} times the stake"
        if account.ledger.sidebet is not None:
            return "A side bet is already open"
        return ""
