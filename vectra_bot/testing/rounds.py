"""The bench's side games: rounds that the caller opens and ends, and stakes in them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import define, field

from vectra_bot.game.ledger import to_lamports, to_sol
from vectra_bot.game.sidegames import SideGame, bbc_game, candleflip_game
from vectra_bot.models import (
    ActionType,
    Command,
    RoundBet,
    RoundResult,
    RoundUpdate,
    SideGameKind,
)
from vectra_bot.models.times import NS_PER_MS

if TYPE_CHECKING:
    from vectra_bot.testing.bench import Bench

BETTING_MS = 12_000
_GAMES: Mapping[SideGameKind, SideGame] = {
    SideGameKind.BBC: bbc_game(),
    SideGameKind.CANDLEFLIP: candleflip_game(),
}
_KINDS = {
    ActionType.BBC_PREDICT: SideGameKind.BBC,
    ActionType.CANDLEFLIP_BET: SideGameKind.CANDLEFLIP,
}


@define
class BenchRounds:
    """Rounds of a :class:`Bench`, which the caller opens, closes and ends."""

    bench: Bench
    stakes: dict[tuple[SideGameKind, str], Command] = field(factory=dict)
    closes_at_ms: dict[tuple[SideGameKind, str], int] = field(factory=dict)

    def open(self, side_game: SideGameKind, round_id: str, room: int | None = None) -> None:
        """Let *round_id* accept stakes for twelve seconds."""
        closes = self.bench.now_ns // NS_PER_MS + BETTING_MS
        self.closes_at_ms[side_game, round_id] = closes
        self.bench.feed(self.update_event(side_game, round_id, is_open=True, room=room))

    def end(
        self, side_game: SideGameKind, round_id: str, result: str, room: int | None = None
    ) -> None:
        """End *round_id* with *result*: broadcast it, then settle our stake in it."""
        bench = self.bench
        bench.feed(self.update_event(side_game, round_id, is_open=False, result=result, room=room))
        event = self.settle(side_game, round_id, result)
        if event is not None:
            bench.feed(event)
            bench.update()

    def update_event(
        self,
        side_game: SideGameKind,
        round_id: str,
        *,
        is_open: bool,
        result: str | None = None,
        room: int | None = None,
    ) -> RoundUpdate:
        """Return the venue's public update of *round_id*."""
        game = self.bench.engine.game
        return RoundUpdate(
            recv_ns=self.bench.now_ns,
            side_game=side_game,
            round_id=round_id,
            is_open=is_open,
            closes_at_ms=self.closes_at_ms[side_game, round_id],
            payouts=dict(_GAMES[side_game].payouts),
            game_id=self.bench.game_id,
            tick=game.tick,
            price=game.price,
            room=room,
            server_ts=self.bench.now_ns // NS_PER_MS,
            result=result,
        )

    def place(self, command: Command) -> RoundBet:
        """Accept the stake of *command* in the venue's ledger; return the confirming event."""
        side_game, round_id = _KINDS[command.action_type], command.round_id or ""
        self.bench.ledger.stake(side_game.value, to_lamports(command.amount or 0))
        self.stakes[side_game, round_id] = command
        return RoundBet(
            recv_ns=self.bench.now_ns,
            side_game=side_game,
            round_id=round_id,
            game_id=self.bench.game_id,
            player_id=self.bench.player_id,
            username="bench",
            amount=command.amount or Decimal(0),
            choice=command.choice or "",
            server_ts=self.bench.now_ns // NS_PER_MS,
            trace_id=command.trace_id,
        )

    def settle(self, side_game: SideGameKind, round_id: str, result: str) -> RoundResult | None:
        """Pay our stake in *round_id* in the venue's ledger; return the event with the result."""
        command = self.stakes.pop((side_game, round_id), None)
        if command is None:
            return None
        stake, choice = to_lamports(command.amount or 0), command.choice or ""
        payout = _GAMES[side_game].payout(stake, choice) if choice == result else 0
        self.bench.ledger.credit(payout, 0)
        return RoundResult(
            recv_ns=self.bench.now_ns,
            side_game=side_game,
            round_id=round_id,
            game_id=self.bench.game_id,
            player_id=self.bench.player_id,
            username="bench",
            amount=to_sol(stake),
            choice=choice,
            result=result,
            payout=to_sol(payout),
            profit=to_sol(payout - stake),
            server_ts=self.bench.now_ns // NS_PER_MS,
        )
