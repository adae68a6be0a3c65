"""The gateway against the exchange over real sockets: what is sent, what is not, and what is proven of it."""

from __future__ import annotations

from pathlib import Path

from tests.venues.live_kit import PLAYER, server, watched, written
from vectra_bot.models import Ack, ActionType, PlayerUpdate, Trade
from vectra_bot.venues.link import LinkStage


async def test_a_buy_is_acknowledged_and_traded(tmp_path: Path) -> None:
    """Logged in, a command becomes one frame; its trade, update and acknowledgement come back."""
    async with server(speed=4) as served, watched(served.url, written(tmp_path)) as seen:
        await seen.until(lambda: seen.venue.link.state is LinkStage.FRESH and seen.ticking())
        result = await seen.venue.gateway.send(seen.command())
        await seen.until(lambda: [ack for ack in seen.of(Ack) if ack.ack_id == result.ack_id])
        await seen.until(lambda: seen.of(Trade))
        sold = await seen.venue.gateway.send(seen.command(ActionType.SELL))
        await seen.until(lambda: len(seen.of(Trade)) == len(seen.of(Ack)) == 2)
        link = seen.venue.link
        state, player, epoch = link.state, link.player_id, link.epoch

    assert (result.sent, result.reason, sold.sent) == (True, None, True)
    assert result.raw is not None
    assert result.raw.startswith(f'42{result.ack_id}["buyOrder",')
    assert [trade.kind for trade in seen.of(Trade)] == ["buy", "sell"]
    assert [trade.trace_id for trade in seen.of(Trade)] == [f"{n:032x}" for n in (1, 2)]
    assert [ack.success for ack in seen.of(Ack)] == [True, True]
    assert seen.of(PlayerUpdate)[-1].player_id == PLAYER
    assert (state, player, epoch) == (LinkStage.FRESH, PLAYER, 1)
