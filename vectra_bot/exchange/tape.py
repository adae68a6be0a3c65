"""``standard/newTrade`` as the venue writes it (protocol 5.5)."""

from __future__ import annotations

from msgspec import UNSET

from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.market import Deal
from vectra_bot.game import rules
from vectra_bot.wire.amounts import number, sol_number
from vectra_bot.wire.frames import event_text
from vectra_bot.wire.payloads import TradePayload

TRADE_TYPES = {
    "buy": "buy",
    "sell": "sell",
    "forced_sell": "sell",
    "liquidation": "sell",
    "short_open": "short_open",
    "short_close": "short_close",
}
"""The type of a trade on the wire, by the kind of its fill."""


def trade_text(deal: Deal, identities: Identities) -> str:
    """Return the frame for *deal*; forced sells and liquidations are plain sells (protocol 6, 9).

    A short has quantity 0 and no portions; leverage is on buys only. The coin of practice play, which
    no captured trade has, is unverified: such trades are sent to their owner only.
    """
    fill = deal.fill
    short = fill.kind in ("short_open", "short_close")
    trace_id, span_id = identities.trace()
    payload = TradePayload(
        id=identities.trade_id(deal.number),
        game_id=deal.game_id,
        player_id=deal.account.player_id,
        price=number(fill.price),
        type=TRADE_TYPES[fill.kind],
        qty=sol_number(fill.qty),
        tick_index=fill.tick,
        coin=rules.PRACTICE_ADDRESS if deal.coin == rules.PRACTICE_ADDRESS else "solana",
        amount=sol_number(fill.amount),
        leverage=fill.leverage if fill.kind == "buy" else UNSET,
        bonus_portion=UNSET if short else sol_number(fill.bonus),
        real_portion=UNSET if short else sol_number(fill.amount - fill.bonus),
        username=deal.account.username,
        level=deal.account.level,
    )
    return event_text(
        "standard/newTrade", payload, trace_id=deal.trace_id or trace_id, span_id=span_id
    )
