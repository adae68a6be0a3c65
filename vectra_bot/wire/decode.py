"""Decode raw frames into typed events (protocol 5): the inbound side.

The payload is the last argument; the trace object, where there is one, is the first (protocol 2.2). Frames
of the four most common shapes are decoded in one step, known by their prefixes; everything else, and every
frame that is not exactly as expected, takes the general path, which gives the same result. The end of a game
frame, nearly always that of the one before, is not decoded again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from vectra_bot.errors import WireError
from vectra_bot.models import Ack, Direction, Event, Frame, UnknownEvent, VenueNotice
from vectra_bot.wire import builders
from vectra_bot.wire.older import OLDER_EVENTS, format_of
from vectra_bot.wire.packet import (
    Packet,
    json_error,
    payload_of,
    read_packet,
    shown,
    split_trace,
    trace_id_of,
)
from vectra_bot.wire.payloads import Trace
from vectra_bot.wire.profile import Profile, default_profile
from vectra_bot.wire.reader import Reader, RepeatedEnd, strict_array
from vectra_bot.wire.rounds import round_event
from vectra_bot.wire.states import CountdownEnd, TickEnd

NOTICES = frozenset(
    {
        "battleEventUpdate",
        "chatHistory",
        "diddyPartyUpdate",
        "gameNotification",
        "general:onlineCount",
        "goldenHourDrawing",
        "goldenHourUpdate",
        "inboxMessages",
        "leaderboardData",
        "maintenanceUpdate",
        "mutedPlayers",
        "newChatMessage",
        "pinpointPartyEventUpdate",
        "playerCosmetics",
        "playerLeaderboardPosition",
        "rugRoyaleUpdate",
        "rugpassQuestCompleted",
        "rugpassStatus",
        "rugpoolDrawing",
        "rugpoolStatus",
        "serverTime",
        "sidebetEventUpdate",
    }
)
"""Events that are known and carry nothing the engine acts on (protocol 2.2, 5.9)."""

_IN = Direction.IN  # a name of the module costs half as much

_Build = Callable[[int, Any, Mapping[str, str], str | None], Event]


_EVENTS: dict[str, tuple[Reader[Any], _Build]] = {
    reader.event_name: (reader, build)
    for reader, build in (
        (builders.GAME_STATE, builders.game_frame),
        (builders.PLAYER_GAME, builders.player_game),
        (builders.PLAYER, builders.player_update),
        (builders.TRADE, builders.trade),
        (builders.OWN_SIDEBET, builders.own_sidebet),
        (builders.ANY_SIDEBET, builders.any_sidebet),
        (builders.SIDEBET_RESULT, builders.sidebet_result),
        (builders.LOGIN, builders.login_status),
    )
}

_PLAIN: dict[str, tuple[Callable[[str], Any], _Build]] = {
    f'42["{reader.event_name}"': (reader.decode_strict, build)
    for reader, build in (
        (builders.PLAYER_GAME, builders.player_game),
        (builders.PLAYER, builders.player_update),
    )
}
_STATE_HEAD = f'42["{builders.GAME_STATE.event_name}",'
_STATE_AT = len(_STATE_HEAD)
_START_AT = _STATE_AT + len('{"active"')  # as long as that of a countdown
_decode_state = builders.GAME_STATE.decode_strict
# Ends that repeat, by the start of the payload, by which ticks and countdowns are distinguished.
_ENDS: dict[str, RepeatedEnd[TickEnd] | RepeatedEnd[CountdownEnd]] = {
    '{"active"': RepeatedEnd("rugpool", msgspec.json.Decoder(TickEnd).decode),
    '{"gameId"': RepeatedEnd("leaderboard", msgspec.json.Decoder(CountdownEnd).decode),
}
_TRADE_HEAD = '42["standard/newTrade",{"__trace":true,'
_decode_trade = strict_array(str, Trace, builders.TRADE.strict)
# The longest event name of the tables, with its prefix.
_HEAD_LIMIT = 40
# What decoding can raise on hostile text; anything else would be a bug in our code.
_UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeError)


_PRIVATE = {
    reader.event_name
    for reader in (
        builders.PLAYER_GAME,
        builders.PLAYER,
        builders.OWN_SIDEBET,
        builders.SIDEBET_RESULT,
        builders.LOGIN,
    )
}
_NAME = re.compile(r'42\d*\["([^"\\]{1,128})"')


def is_private(raw: str, profile: Profile | None = None) -> bool:
    """Return whether an inbound frame is about one account: an answer to it, its money, its stakes.

    The public trade stream is not, although it shows own trades too.
    """
    if raw.startswith("43"):
        return True
    match = _NAME.match(raw)
    if match is None:
        return False
    side_game = (profile or default_profile()).event_of.get(match[1], "")
    return match[1] in _PRIVATE or side_game.endswith(("_bet", "_result"))


def decode(frame: Frame, profile: Profile | None = None) -> Event:
    """Return the typed event of a frame the venue sent.

    An event with a name that neither the protocol reference nor *profile* knows becomes an
    :class:`~vectra_bot.models.UnknownEvent`, never an error.

    Args:
        frame: what was received.
        profile: the venue's names of the side games' events; the default names if None.

    Raises:
        WireError: the frame does not follow the protocol. The next frame is not affected.
    """
    raw = frame.raw
    if frame.truncated:
        raise WireError("truncated", f"the recording kept only the start of {shown(raw)}")
    if frame.direction is not _IN:
        raise WireError("outbound", f"the frame was sent by us: {shown(raw)}")
    try:
        # The shape of most frames is known from their prefix.
        if raw.startswith(_STATE_HEAD) and raw[-1] == "]":
            return _game_frame(frame.recv_ns, raw)
        head = raw.find(",", 0, _HEAD_LIMIT)
        plain = _PLAIN.get(raw[:head])
        if plain is not None and raw[-1] == "]":
            decode_payload, build = plain
            return build(frame.recv_ns, decode_payload(raw[head + 1 : -1]), {}, None)
        if raw.startswith(_TRADE_HEAD):
            _, trace, payload = _decode_trade(raw[2:])
            return builders.trade(frame.recv_ns, payload, {}, trace_id_of(trace.traceparent))
    except _UNREADABLE:
        pass  # the general path below re-reads it and reports what is wrong
    packet = read_packet(raw)
    try:
        return _event(packet, frame.recv_ns, profile or default_profile())
    except _UNREADABLE as error:
        raise json_error(raw, error, packet.name or None) from None


def _game_frame(recv_ns: int, raw: str) -> Event:
    """Decode a frame with one argument, in two parts if the second is one that repeats."""
    known = _ENDS.get(raw[_STATE_AT:_START_AT])
    at, end = (0, None) if known is None else known.cut(raw)
    if end is None:
        return builders.game_frame(recv_ns, _decode_state(raw[_STATE_AT:-1]), {})
    state = _decode_state(f"{raw[_STATE_AT:at]}}}")
    end.fill(state)
    return builders.game_frame(recv_ns, state, {})


def _event(packet: Packet, recv_ns: int, profile: Profile) -> Event:
    trace_id, arguments = split_trace(packet.arguments)
    payload = payload_of(arguments)
    if packet.ack:
        return _ack(packet, payload, recv_ns)
    known = _EVENTS.get(packet.name)
    if known is not None:
        reader, build = known
        try:
            value, extra = reader.read(payload)
        except WireError:
            older = _older(packet.name, payload, recv_ns)
            if older is None:
                raise
            build, value, extra = older
        return build(recv_ns, value, extra, trace_id)
    older = _older(packet.name, payload, recv_ns)
    if older is not None:
        build, value, extra = older
        return build(recv_ns, value, extra, trace_id)
    side_game = profile.event_of.get(packet.name)
    if side_game is not None:
        return round_event(side_game, recv_ns, payload, trace_id, profile)
    text = None
    if payload is not None:
        # Decoded now so that later readers cannot fail: stored text must not contain a number out of range.
        msgspec.json.decode(payload)
        text = bytes(payload).decode()
    if packet.name in builders.DRAWINGS and payload is not None:
        return builders.drawing(recv_ns, packet.name, bytes(payload), trace_id)
    kind = VenueNotice if packet.name in NOTICES else UnknownEvent
    return kind(recv_ns=recv_ns, name=packet.name, payload_json=text, trace_id=trace_id)


def _older(
    name: str, payload: msgspec.Raw | None, recv_ns: int
) -> tuple[_Build, Any, Mapping[str, str]] | None:
    """Read a payload by the format of its date, None if that is today's or lacks the event."""
    if payload is None or name not in OLDER_EVENTS:
        return None
    era = format_of(recv_ns, bytes(payload))
    known = era.events.get(name) if era is not None else None
    if known is None:
        return None
    reader, build = known
    value, extra = reader.read(payload)
    return build, value, extra


def _words_of(value: dict[str, Any]) -> str | None:
    """Return the venue's words in an acknowledgement, also in an object under ``error``; None without any."""
    for name in ("message", "error", "reason"):
        said = value.get(name)
        if isinstance(said, dict):
            said = said.get("message")
        if isinstance(said, str):
            return said
    return None


def _ack(packet: Packet, payload: msgspec.Raw | None, recv_ns: int) -> Ack:
    """Build an acknowledgement; for an unknown shape ``success`` is None and the text is kept."""
    if packet.packet_id is None:
        raise WireError("bad-id", "an acknowledgement has no id")
    success: bool | None = None
    message: str | None = None
    text: str | None = None
    if payload is not None:
        value = msgspec.json.decode(payload)
        text = bytes(payload).decode()
        if isinstance(value, dict):
            given = value.get("success")
            success = given if isinstance(given, bool) else None
            message = _words_of(value)
    return Ack(
        recv_ns=recv_ns,
        ack_id=packet.packet_id,
        success=success,
        message=message,
        payload_json=text,
    )
