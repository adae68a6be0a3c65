"""Statements of the bench's account, as a venue sends them."""

from __future__ import annotations

from vectra_bot.game.ledger import Ledger, SettledSidebet, to_sol
from vectra_bot.game.shorts import ShortTerms
from vectra_bot.models import PlayerUpdate, ShortInfo, SidebetInfo, SidebetResult


def player_update(
    ledger: Ledger,
    terms: ShortTerms,
    *,
    price: float,
    game_id: str,
    player_id: str,
    recv_ns: int,
) -> PlayerUpdate:
    """Return the event that states the account of *ledger* at *price*; amounts in SOL."""
    bet = ledger.sidebet
    return PlayerUpdate(
        recv_ns=recv_ns,
        player_id=player_id,
        cash=to_sol(ledger.cash),
        position_qty=to_sol(ledger.position_qty),
        avg_cost=to_sol(ledger.avg_cost),
        total_invested=to_sol(ledger.total_invested),
        cumulative_pnl=to_sol(ledger.cumulative_pnl(price, terms)),
        bonus_balance=to_sol(ledger.bonus),
        short=short_info(ledger, terms, price),
        sidebet_pnl=to_sol(ledger.sidebet_pnl),
        sidebet=None
        if bet is None
        else SidebetInfo(
            game_id=game_id,
            amount=to_sol(bet.amount),
            start_tick=bet.start_tick,
            end_tick=bet.end_tick,
        ),
    )


def short_info(ledger: Ledger, terms: ShortTerms, price: float) -> ShortInfo | None:
    """Return the open short of *ledger* with its value at *price*, None if there is none."""
    short = ledger.short
    if short is None:
        return None
    value = short.value(price, terms)
    return ShortInfo(
        amount=to_sol(short.amount),
        entry_price=short.entry_price,
        entry_tick=short.entry_tick,
        value=to_sol(value),
        pnl=to_sol(value - short.amount),
    )


def sidebet_result(
    bet: SettledSidebet, tick: int, game_id: str, player_id: str, recv_ns: int
) -> SidebetResult:
    """Return the event with the result of *bet* at *tick*."""
    return SidebetResult(
        recv_ns=recv_ns,
        game_id=game_id,
        player_id=player_id,
        amount=to_sol(bet.amount),
        payout=to_sol(bet.payout),
        profit=to_sol(bet.pnl),
        start_tick=bet.start_tick,
        end_tick=bet.end_tick,
        tick=tick,
    )
