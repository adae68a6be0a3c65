"""Build events from the side games' payloads (protocol 11): names by profile, shapes ours, all unverified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen
from msgspec import Raw

from vectra_bot.models import (
    BBCPrediction,
    CandleflipChoice,
    Event,
    RoundBet,
    RoundResult,
    RoundUpdate,
    SideGameKind,
)
from vectra_bot.wire.amounts import sol
from vectra_bot.wire.builders import known, money
from vectra_bot.wire.profile import Profile
from vectra_bot.wire.reader import Reader
from vectra_bot.wire.sidegames import RoundBetPayload, RoundPayload, RoundResultPayload

OPEN = "open"
"""Status of a round that accepts stakes."""

_CHOICES = {
    SideGameKind.BBC: frozenset(member.value for member in BBCPrediction),
    SideGameKind.CANDLEFLIP: frozenset(member.value for member in CandleflipChoice),
}


@frozen
class _Names:
    """Reads the names that a frame of *side_game* uses."""

    side_game: SideGameKind
    profile: Profile
    reader: Reader[Any]

    def choice(self, name: str) -> str:
        """Return our name of the choice *name* on the wire.

        Raises:
            WireError: the side game has no such choice, and it must not be guessed.
        """
        choice = self.profile.choice_of.get(name)
        if choice is None or choice not in _CHOICES[self.side_game]:
            ours = sorted(_CHOICES[self.side_game])
            theirs = ", ".join(self.profile.choices[known] for known in ours)
            raise self.reader.error(
                "bad:choice", f"choice was {name[:40]!r}, the profile knows {theirs}", money=True
            )
        return choice


def _round(payload: RoundPayload, names: _Names, **head: Any) -> RoundUpdate:
    result = known(payload.result)
    return RoundUpdate(
        round_id=payload.round_id,
        is_open=payload.status == OPEN,
        closes_at_ms=payload.closes_at,
        payouts={names.choice(name): x for name, x in payload.payouts.items()},
        game_id=payload.game_id,
        tick=payload.tick,
        price=payload.price,
        room=known(payload.room),
        server_ts=payload.timestamp,
        server_seed_hash=payload.server_seed_hash,
        server_seed=known(payload.server_seed),
        result=None if result is None else names.choice(result),
        **head,
    )


def _stake(payload: RoundBetPayload, names: _Names) -> dict[str, Any]:
    return {
        "round_id": payload.round_id,
        "game_id": payload.game_id,
        "player_id": payload.player_id,
        "username": payload.username,
        "amount": sol(payload.bet_amount),
        "choice": names.choice(payload.choice),
        "coin_address": payload.coin_address,
        "bonus_portion": money(payload.bonus_portion),
        "real_portion": money(payload.real_portion),
        "server_ts": payload.timestamp,
    }


def _bet(payload: RoundBetPayload, names: _Names, **head: Any) -> RoundBet:
    return RoundBet(**_stake(payload, names), **head)


def _result(payload: RoundResultPayload, names: _Names, **head: Any) -> RoundResult:
    return RoundResult(
        result=names.choice(payload.result),
        payout=sol(payload.payout),
        profit=sol(payload.profit),
        **_stake(payload, names),
        **head,
    )


_EVENTS: dict[str, tuple[SideGameKind, Reader[Any], Callable[..., Event]]] = {
    f"{kind.value}_{name}": (kind, Reader(f"{kind.value}_{name}", payload, amounts), build)
    for kind in SideGameKind
    for name, payload, amounts, build in (
        ("round", RoundPayload, (), _round),
        ("bet", RoundBetPayload, ("betAmount", "choice"), _bet),
        ("result", RoundResultPayload, ("betAmount", "payout", "profit", "result"), _result),
    )
}


def round_event(
    event: str, recv_ns: int, data: Raw | None, trace_id: str | None, profile: Profile
) -> Event:
    """Return the typed event of a side game's frame; *event* is our name for it, ``bbc_round`` ...

    Raises:
        WireError: a field is missing, of the wrong type or out of range, or a choice is not known.
    """
    side_game, reader, build = _EVENTS[event]
    payload, extra = reader.read(data)
    return build(
        payload,
        _Names(side_game, profile, reader),
        recv_ns=recv_ns,
        side_game=side_game,
        trace_id=trace_id,
        extra=extra,
    )
