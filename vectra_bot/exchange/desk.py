"""Client requests: checked on arrival, passed to the hook, executed, answered (protocol 2.3, 10).

A rejection is only an acknowledgement ``{"success":false,"message":...}``. That shape is a guess
(protocol 10 marks it G): no rejected request was ever captured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import frozen

from vectra_bot.exchange.accounts import Coin, VenueAccount
from vectra_bot.exchange.config import EvidenceDelays, ExchangeConfig, RequestRecord
from vectra_bot.exchange.features.sidegames import SideGames
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.mail import Mail, round_bet_payload, sidebet_payload
from vectra_bot.exchange.market import Market
from vectra_bot.game import rules
from vectra_bot.game.ledger import LedgerError, buy_qty, to_lamports, to_sol
from vectra_bot.game.sidegames import BBC, CANDLEFLIP
from vectra_bot.wire.frames import ack_text, event_text
from vectra_bot.wire.payloads import AckPayload
from vectra_bot.wire.requests import Request

_COINS = {None: Coin.SOL, rules.SOL_ADDRESS: Coin.SOL, rules.PRACTICE_ADDRESS: Coin.PRACTICE}
_ROUNDS: Mapping[str, str] = {"bbc_predict": BBC, "candleflip_bet": CANDLEFLIP}
_LEAST = to_lamports(rules.MIN_STAKE)
_MOST = {
    Coin.SOL: to_lamports(rules.MAX_STAKE),
    Coin.PRACTICE: to_lamports(rules.PRACTICE_MAX_STAKE),
}
_EXITS = ("sell", "short_close")
_SHORTS = ("short_open", "short_close")


class Asked(Protocol):
    """What a verdict depends on: a request as it was read, or as the fast driver makes it."""

    @property
    def kind(self) -> str: ...

    @property
    def amount(self) -> int | None: ...

    @property
    def percentage(self) -> int | None: ...

    @property
    def leverage(self) -> int | None: ...

    @property
    def choice(self) -> str | None: ...

    @property
    def round_id(self) -> str | None: ...

    @property
    def payload(self) -> Mapping[str, Any]: ...


@frozen
class _Verdict:
    """The check of a request: its amount in lamports, or the reason for its rejection."""

    amount: int
    reason: str = ""


class Judge:
    """Checks requests against the market in force; changes nothing.

    Args:
        market: the running game and its accounts.
        sidegames: the rounds that accept stakes; None where there are none.
        leverage_level: level from which leverage is offered.
    """

    def __init__(self, market: Market, sidegames: SideGames | None, leverage_level: int) -> None:
        self._market = market
        self._sidegames = sidegames
        self._leverage_level = leverage_level

    def judge(self, account: VenueAccount, request: Asked) -> _Verdict:
        """Check the request at the price in force; nothing changes."""
        kind = request.kind
        closed = "" if kind in _ROUNDS else self._closed(kind)
        if closed:
            return _Verdict(0 if kind in _EXITS else request.amount or 0, closed)
        if kind == "sell":
            return self._judge_sell(account, request)
        if kind == "short_close":
            return self._judge_short_close(account)
        amount = request.amount
        if amount is None:
            return _Verdict(0, "Invalid amount")
        return _Verdict(amount, self._stake_problem(account, request, amount))

    def _closed(self, kind: str) -> str:
        if self._market.rugged:
            return "Game has rugged"
        if not self._market.open:
            return "Trading is closed until the presale"
        if self._market.presale:
            if kind == "sell":
                return "No sells in the presale"
            if kind in _SHORTS:
                return "No shorts in the presale"
        return ""

    def _judge_sell(self, account: VenueAccount, request: Asked) -> _Verdict:
        percentage = request.percentage
        if percentage is None or not 1 <= percentage <= 100:
            return _Verdict(0, "Percentage must be a whole number from 1 to 100")
        try:
            return _Verdict(account.ledger.quote_sell(percentage, self._market.price))
        except LedgerError:
            return _Verdict(0, "No position to sell")

    def _judge_short_close(self, account: VenueAccount) -> _Verdict:
        short = account.ledger.short
        if short is None or self._market.is_closing(account):
            return _Verdict(0, "No short position to close")
        return _Verdict(short.value(self._market.price, self._market.terms))

    def _stake_problem(self, account: VenueAccount, request: Asked, amount: int) -> str:
        most = _MOST[account.coin]
        if not _LEAST <= amount <= most:
            return f"Amount must be between {rules.MIN_STAKE} and {to_sol(most).normalize():f} SOL"
        if amount > account.ledger.free:
            return f"Insufficient funds: {to_sol(account.ledger.free):f} SOL free"
        if request.kind == "buy":
            return self._buy_problem(account, request, amount)
        if request.kind == "short_open":
            return "A short position is already open" if account.ledger.short is not None else ""
        if request.kind == "sidebet":
            return self._sidebet_problem(account, request)
        return self._round_problem(account, request)

    def _buy_problem(self, account: VenueAccount, request: Asked, amount: int) -> str:
        leverage = 1 if request.leverage is None else request.leverage
        if not rules.MIN_LEVERAGE <= leverage <= rules.MAX_LEVERAGE:
            return f"Leverage must be between {rules.MIN_LEVERAGE} and {rules.MAX_LEVERAGE}"
        if leverage > 1 and account.level < self._leverage_level:
            return f"Leverage is offered from level {self._leverage_level}"
        if not buy_qty(amount, self._market.price):
            return "Amount buys nothing at this price"
        return ""

    def _sidebet_problem(self, account: VenueAccount, request: Asked) -> str:
        address = request.payload.get("coinAddress", rules.SOL_ADDRESS)
        coin = _COINS.get(address) if address is None or isinstance(address, str) else None
        if coin is not account.coin:
            return "The side bet is in another coin than the selected one"
        if request.payload.get("xPayout", rules.SIDEBET_PAYOUT_X) != rules.SIDEBET_PAYOUT_X:
            return f"Side bets pay {rules.SIDEBET_PAYOUT_X} times the stake"
        if account.ledger.sidebet is not None:
            return "A side bet is already open"
        return ""

    def _round_problem(self, account: VenueAccount, request: Asked) -> str:
        if self._sidegames is None:
            return "Side games are not offered"
        try:
            self._sidegames.check(account, _ROUNDS[request.kind], request.choice, request.round_id)
        except LedgerError as error:
            return str(error)
        return ""


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
        coin = _COINS.get(request.coin)
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
        elif kind in _ROUNDS:
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
            account, _ROUNDS[request.kind], request.choice or "", amount, request.round_id
        )
        self._mail.post(account, self._mail.player_update(account), delays.update_ms)
        self._mail.post(account, self._mail.round_bet(stake, request.trace_id), delays.row_ms)
        payload = round_bet_payload(stake, self._market.game_id, self._config.protocol)
        return AckPayload(success=True, message="Bet placed", bet=payload)
