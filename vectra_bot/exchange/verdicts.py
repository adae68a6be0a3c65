"""The venue's verdict on a request: its amount, or why it is rejected (protocol 6.1, 7, 8, 9, 11)."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from vectra_bot.exchange.accounts import Coin, VenueAccount
from vectra_bot.exchange.features.sidegames import SideGames
from vectra_bot.exchange.market import Market
from vectra_bot.game import rules
from vectra_bot.game.ledger import LedgerError, buy_qty, to_lamports, to_sol
from vectra_bot.game.sidegames import BBC, CANDLEFLIP
from vectra_bot.wire.requests import Request

COINS = {None: Coin.SOL, rules.SOL_ADDRESS: Coin.SOL, rules.PRACTICE_ADDRESS: Coin.PRACTICE}
ROUNDS: Mapping[str, str] = {"bbc_predict": BBC, "candleflip_bet": CANDLEFLIP}
_LEAST = to_lamports(rules.MIN_STAKE)
_MOST = {
    Coin.SOL: to_lamports(rules.MAX_STAKE),
    Coin.PRACTICE: to_lamports(rules.PRACTICE_MAX_STAKE),
}
_EXITS = ("sell", "short_close")
_SHORTS = ("short_open", "short_close")


@frozen
class Verdict:
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

    def judge(self, account: VenueAccount, request: Request) -> Verdict:
        """Check the request at the price in force; nothing changes."""
        kind = request.kind
        closed = "" if kind in ROUNDS else self._closed(kind)
        if closed:
            return Verdict(0 if kind in _EXITS else request.amount or 0, closed)
        if kind == "sell":
            return self._judge_sell(account, request)
        if kind == "short_close":
            return self._judge_short_close(account)
        amount = request.amount
        if amount is None:
            return Verdict(0, "Invalid amount")
        return Verdict(amount, self._stake_problem(account, request, amount))

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

    def _judge_sell(self, account: VenueAccount, request: Request) -> Verdict:
        percentage = request.percentage
        if percentage is None or not 1 <= percentage <= 100:
            return Verdict(0, "Percentage must be a whole number from 1 to 100")
        try:
            return Verdict(account.ledger.quote_sell(percentage, self._market.price))
        except LedgerError:
            return Verdict(0, "No position to sell")

    def _judge_short_close(self, account: VenueAccount) -> Verdict:
        short = account.ledger.short
        if short is None or self._market.is_closing(account):
            return Verdict(0, "No short position to close")
        return Verdict(short.value(self._market.price, self._market.terms))

    def _stake_problem(self, account: VenueAccount, request: Request, amount: int) -> str:
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

    def _buy_problem(self, account: VenueAccount, request: Request, amount: int) -> str:
        leverage = 1 if request.leverage is None else request.leverage
        if not rules.MIN_LEVERAGE <= leverage <= rules.MAX_LEVERAGE:
            return f"Leverage must be between {rules.MIN_LEVERAGE} and {rules.MAX_LEVERAGE}"
        if leverage > 1 and account.level < self._leverage_level:
            return f"Leverage is offered from level {self._leverage_level}"
        if not buy_qty(amount, self._market.price):
            return "Amount buys nothing at this price"
        return ""

    def _sidebet_problem(self, account: VenueAccount, request: Request) -> str:
        address = request.payload.get("coinAddress", rules.SOL_ADDRESS)
        coin = COINS.get(address) if address is None or isinstance(address, str) else None
        if coin is not account.coin:
            return "The side bet is in another coin than the selected one"
        if request.payload.get("xPayout", rules.SIDEBET_PAYOUT_X) != rules.SIDEBET_PAYOUT_X:
            return f"Side bets pay {rules.SIDEBET_PAYOUT_X} times the stake"
        if account.ledger.sidebet is not None:
            return "A side bet is already open"
        return ""

    def _round_problem(self, account: VenueAccount, request: Request) -> str:
        if self._sidegames is None:
            return "Side games are not offered"
        try:
            self._sidegames.check(account, ROUNDS[request.kind], request.choice, request.round_id)
        except LedgerError as error:
            return str(error)
        return ""
