"""The end of a game as public frames state it: final leaderboard and all sidebets (protocol 5.2, 5.4)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from attrs import frozen
from msgspec import Raw, Struct

from vectra_bot.wire.packet import json_error, payload_of, read_packet, split_trace
from vectra_bot.wire.payloads import LeaderboardRow, Money, Tick
from vectra_bot.wire.reader import Reader


class _Ended(Struct, rename="camel", frozen=True, gc=False):
    id: str
    global_sidebets: Raw = Raw(b"[]")


class _State(Struct, rename="camel", frozen=True, gc=False):
    game_id: str
    rugged: bool = False
    leaderboard: list[Raw] = []
    game_history: list[_Ended] = []


class DecidedSidebet(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A row of ``globalSidebets`` that says how a sidebet ended; of a placed one only ``type`` is used."""

    type: str
    player_id: str = ""
    username: str | None = None
    bet_amount: Money = 0.0
    payout: Money = 0.0
    coin_address: str | None = None
    start_tick: Tick = 0
    end_tick: Tick = 0


@frozen
class GameEnds:
    """What one frame states of ended games.

    Attributes:
        game_id: game of the leaderboard.
        final: rows of the final leaderboard; empty unless the game has rugged.
        sidebets: encoded rows of ``globalSidebets`` by game, for :func:`decided_sidebets`.
        unreadable: rows of the leaderboard that could not be read.
    """

    game_id: str
    final: Sequence[LeaderboardRow]
    sidebets: Sequence[tuple[str, bytes]]
    unreadable: int


_STATE = Reader("gameStateUpdate", _State)
_decode_state = msgspec.json.Decoder(_State).decode
_decode_row = msgspec.json.Decoder(LeaderboardRow).decode
_decode_rows = msgspec.json.Decoder(list[Raw]).decode
_decode_sidebet = msgspec.json.Decoder(DecidedSidebet).decode


def read_ends(raw: str) -> GameEnds:
    """Return what a ``gameStateUpdate`` frame states of ended games.

    Raises:
        WireError: it is not such a frame.
    """
    packet = read_packet(raw)
    payload = payload_of(split_trace(packet.arguments)[1])
    if payload is None:
        raise _STATE.error("no-payload", "the frame has no payload")
    try:
        state = _decode_state(payload)
    except msgspec.ValidationError as error:
        raise _STATE.invalid(error) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise json_error(raw, error, packet.name) from None
    rows: list[LeaderboardRow] = []
    unreadable = 0
    for row in state.leaderboard if state.rugged else ():
        try:
            rows.append(_decode_row(row))
        except (msgspec.DecodeError, RecursionError):
            unreadable += 1
    bets = [(game.id, bytes(game.global_sidebets)) for game in state.game_history]
    return GameEnds(state.game_id, rows, bets, unreadable)


def decided_sidebets(rows: bytes) -> tuple[list[DecidedSidebet], int]:
    """Return the decided sidebets of encoded ``globalSidebets``, and how many rows cannot be read."""
    found: list[DecidedSidebet] = []
    unreadable = 0
    try:
        listed = _decode_rows(rows)
    except (msgspec.DecodeError, RecursionError):
        return found, 1
    for row in listed:
        try:
            bet = _decode_sidebet(row)
        except (msgspec.DecodeError, RecursionError):
            unreadable += 1
            continue
        if bet.type != "payout":
            continue
        if bet.player_id and bet.end_tick > bet.start_tick and bet.bet_amount > 0:
            found.append(bet)
        else:
            unreadable += 1
    return found, unreadable
