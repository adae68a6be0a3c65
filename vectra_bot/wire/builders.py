"""Build the engine's events from typed payloads (protocol 5): required fields, conversion of amounts."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import attrs
import msgspec
from msgspec import UNSET, Raw, UnsetType

from vectra_bot.errors import WireError
from vectra_bot.game.rules import SIDEBET_PAYOUT_X, SOL_ADDRESS
from vectra_bot.models import (
    DrawingResult,
    FinishedGame,
    FrameKind,
    GameFrame,
    LeveragedInfo,
    LoginStatus,
    PlayerGameUpdate,
    PlayerUpdate,
    ShortInfo,
    SidebetInfo,
    SidebetPlaced,
    SidebetResult,
    Trade,
    VenueNotice,
)
from vectra_bot.wire.amounts import sol
from vectra_bot.wire.drawings import GoldenDrawingPayload, PoolDrawing
from vectra_bot.wire.payloads import (
    Coin,
    HistoryGame,
    PlayerGamePayload,
    PlayerUpdatePayload,
    ShortPosition,
    SideBet,
    SidebetPayload,
    SidebetResultPayload,
    TradePayload,
    UsernameStatusPayload,
)
from vectra_bot.wire.reader import Reader, RepeatedPart, check_numbers
from vectra_bot.wire.sidegames import LeveragedPosition
from vectra_bot.wire.states import GameState

T = TypeVar("T")


class _RowKind(msgspec.Struct, rename="camel", frozen=True):
    """Whose a row of ``globalSidebets`` is, and what it says."""

    player_id: str
    type: str


_decode_rows = msgspec.json.Decoder(list[Raw]).decode
_decode_row_kind = msgspec.json.Decoder(_RowKind).decode

GAME_STATE = Reader("gameStateUpdate", GameState, ("price", "tickCount"))
PLAYER_GAME = Reader("gameStatePlayerUpdate", PlayerGamePayload)
PLAYER_MONEY = (
    "cash",
    "positionQty",
    "avgCost",
    "cumulativePnL",
    "totalInvested",
    "sideBet.betAmount",
    "shortPosition.amount",
)
PLAYER = Reader("playerUpdate", PlayerUpdatePayload, PLAYER_MONEY)
TRADE = Reader("standard/newTrade", TradePayload, ("amount", "price", "qty"))
OWN_SIDEBET = Reader("currentSidebet", SidebetPayload, ("betAmount",))
ANY_SIDEBET = Reader("newSideBet", SidebetPayload, ("betAmount",))
_PAYOUT = Reader("globalSidebets", SidebetResultPayload, ("betAmount", "payout", "profit"))
SIDEBET_RESULT = Reader(
    "currentSidebetResult", SidebetResultPayload, ("betAmount", "payout", "profit")
)
LOGIN = Reader("usernameStatus", UsernameStatusPayload)

DRAWINGS: Mapping[str, type[GoldenDrawingPayload | PoolDrawing]] = {
    "goldenHourDrawing": GoldenDrawingPayload,
    "rugpoolDrawing": PoolDrawing,
}
"""Drawings by the name of their event."""

TRADE_KINDS = ("buy", "sell", "short_open", "short_close")
_OPENINGS = ("buy", "short_open")
_ZERO = Decimal(0)

_royale = RepeatedPart()
_TICK, _COUNTDOWN = FrameKind.TICK, FrameKind.COUNTDOWN  # names of the module cost half as much


def known(value: T | UnsetType | None) -> T | None:
    """Return *value*, None where the key is absent."""
    return None if value is UNSET else value


def money(value: float | UnsetType | None) -> Decimal | None:
    """Return an amount of SOL, None where there is none."""
    return None if value is UNSET or value is None else sol(value)


def _kind(state: GameState) -> FrameKind:
    """Return the shape by its keys (protocol 5.1); one key missing from an invalid frame must not decide."""
    if state.game_history is not UNSET:
        return FrameKind.SETTLEMENT if state.prices is UNSET else FrameKind.SNAPSHOT
    if state.trade_count is not UNSET or state.rugpool is not UNSET:
        return _TICK
    if state.game_version is not UNSET:
        return FrameKind.START
    if state.price is UNSET and state.tick_count is UNSET and state.active is UNSET:
        return _COUNTDOWN
    return _TICK


def _finished(game: HistoryGame) -> FinishedGame:
    sidebets = bytes(game.global_sidebets)
    check_numbers(sidebets)
    check_numbers(bytes(game.global_trades))
    return FinishedGame(
        game_id=game.id,
        peak=game.peak_multiplier,
        server_seed=game.provably_fair.server_seed,
        server_seed_hash=game.provably_fair.server_seed_hash,
        version=game.game_version,
        timestamp_ms=game.timestamp,
        rugged=game.rugged,
        prices=known(game.prices),
        sidebets_json=sidebets,
        sidebets_of=partial(sidebets_of, sidebets),
    )


_UNSTATED = {one.name: one.default for one in attrs.fields(GameFrame) if one.name != "recv_ns"}
"""What a frame has where the venue states nothing."""

_new, _set = object.__new__, object.__setattr__


def _filled(recv_ns: int, values: dict[str, Any]) -> GameFrame:
    """Return a frame with *values*, one for each other field, at half the cost of its constructor."""
    frame = _new(GameFrame)
    _set(frame, "recv_ns", recv_ns)  # a slot of its base
    _set(frame, "__dict__", values)
    return frame


def _countdown(recv_ns: int, state: GameState, extra: Mapping[str, str]) -> GameFrame:
    if state.cooldown_timer is UNSET:
        raise GAME_STATE.missing("cooldownTimer")
    fair = state.provably_fair
    return _filled(
        recv_ns,
        {
            **_UNSTATED,
            "kind": _COUNTDOWN,
            "game_id": state.game_id,
            "cooldown_timer_ms": state.cooldown_timer,
            "cooldown_paused": state.cooldown_paused is True,
            "allow_pre_round_buys": state.allow_pre_round_buys is True,
            "pause_message": known(state.pause_message),
            "connected_players": state.connected_players or 0,
            "server_seed_hash": fair.server_seed_hash if fair else None,
            "version": fair.version if fair else None,
            "leaderboard": state.leaderboard or (),
            "extra": extra,
        },
    )


def game_frame(
    recv_ns: int, state: GameState, extra: Mapping[str, str], _trace_id: str | None = None
) -> GameFrame:
    """Build the event of a ``gameStateUpdate``, which carries no trace id.

    Raises:
        WireError: a required key of the frame's shape is missing.
    """
    kind = _kind(state)
    if kind is _COUNTDOWN:
        return _countdown(recv_ns, state, extra)
    price, tick, active, rugged = state.price, state.tick_count, state.active, state.rugged
    if price is UNSET:
        raise GAME_STATE.missing("price")
    if tick is UNSET:
        raise GAME_STATE.missing("tickCount")
    if active is UNSET:
        raise GAME_STATE.missing("active")
    if rugged is UNSET:
        raise GAME_STATE.missing("rugged")
    if state.rug_royale is not UNSET:
        _royale.check(state.rug_royale)
    fair, window, history = state.provably_fair, state.partial_prices, state.game_history
    return _filled(
        recv_ns,
        {
            "kind": kind,
            "game_id": state.game_id,
            "active": active,
            "rugged": rugged,
            "price": price,
            "tick": tick,
            "cooldown_timer_ms": state.cooldown_timer or 0,
            "cooldown_paused": state.cooldown_paused is True,
            "allow_pre_round_buys": state.allow_pre_round_buys is True,
            "pause_message": None if state.pause_message is UNSET else state.pause_message,
            "connected_players": state.connected_players or 0,
            "trade_count": None if state.trade_count is UNSET else state.trade_count,
            "server_seed_hash": fair.server_seed_hash if fair else None,
            "version": state.game_version or (fair.version if fair else None),
            "leaderboard": state.leaderboard or (),
            "partial_prices": tuple(sorted(window.values.items())) if window else (),
            "prices": None if state.prices is UNSET else state.prices,
            "history": tuple([_finished(game) for game in history]) if history else (),
            "extra": extra,
        },
    )


def trade(
    recv_ns: int, payload: TradePayload, extra: Mapping[str, str], trace_id: str | None
) -> Trade:
    """Build the event of a ``standard/newTrade``."""
    if payload.type not in TRADE_KINDS:
        raise TRADE.error(
            "bad:type", f"type was {payload.type[:40]!r}, not {', '.join(TRADE_KINDS)}"
        )
    if payload.type in _OPENINGS:
        # Later computations on the position divide by it.
        if not payload.price:
            raise TRADE.error("bad:price", f"price of a {payload.type} was 0", money=True)
        if payload.type == "buy" and payload.qty <= 0:
            raise TRADE.error("bad:qty", f"qty of a buy was {payload.qty}", money=True)
    return Trade(
        recv_ns=recv_ns,
        trade_id=payload.id,
        game_id=payload.game_id,
        player_id=payload.player_id,
        username=payload.username,
        level=payload.level,
        kind=payload.type,
        price=payload.price,
        amount=sol(payload.amount),
        qty=sol(payload.qty),
        tick=payload.tick_index,
        coin=payload.coin,
        leverage=known(payload.leverage),
        bonus_portion=money(payload.bonus_portion),
        real_portion=money(payload.real_portion),
        server_ts=known(payload.timestamp),
        trace_id=trace_id,
        extra=extra,
    )


def _open_sidebet(bet: SideBet | None) -> SidebetInfo | None:
    if bet is None:
        return None
    start, end = _window(PLAYER, bet, "sideBet.")
    return SidebetInfo(
        game_id=bet.game_id or "",
        amount=sol(bet.bet_amount),
        start_tick=start,
        end_tick=end,
        payout_x=SIDEBET_PAYOUT_X if bet.x_payout is None else bet.x_payout,
        coin_address=bet.coin_address,
    )


def _window(
    reader: Reader[PlayerUpdatePayload] | Reader[SidebetPayload] | Reader[SidebetResultPayload],
    bet: SideBet | SidebetPayload,
    path: str = "",
) -> tuple[int, int]:
    """Return start and end tick under either of the venue's two spellings (protocol 5.4, 5.8)."""
    start = bet.started_at_tick if bet.start_tick is UNSET else bet.start_tick
    end = bet.end if bet.end_tick is UNSET else bet.end_tick
    if start is UNSET:
        raise reader.missing(f"{path}startTick")
    if end is UNSET:
        raise reader.missing(f"{path}endTick")
    return start, end


def _open_short(
    reader: Reader[PlayerUpdatePayload] | Reader[PlayerGamePayload], short: ShortPosition | None
) -> ShortInfo | None:
    if short is None:
        return None
    if not short.entry_price:
        raise reader.error("bad:entryPrice", "entryPrice of a short was 0", money=True)
    return ShortInfo(
        amount=sol(short.amount),
        entry_price=short.entry_price,
        entry_tick=short.entry_tick,
        value=sol(short.current_value),
        pnl=sol(short.pnl),
        coin_address=short.coin_address,
    )


def _leveraged(items: Any) -> tuple[LeveragedInfo, ...]:
    """Return the leveraged positions of a player update; their shape is ours (protocol 5.6: unverified).

    Items of another shape are skipped: the venue's own was never captured, and their value is
    stated by the update's position and cash.
    """
    if not items:
        return ()
    try:
        positions = msgspec.convert(items, tuple[LeveragedPosition, ...])
    except msgspec.ValidationError:
        return ()
    return tuple(
        LeveragedInfo(
            amount=sol(item.amount),
            qty=sol(item.qty),
            leverage=item.leverage,
            entry_price=item.entry_price,
            entry_tick=item.entry_tick,
            liquidation_price=item.liquidation_price,
        )
        for item in positions
    )


def player_update(
    recv_ns: int, payload: PlayerUpdatePayload, extra: Mapping[str, str], trace_id: str | None
) -> PlayerUpdate:
    """Build the event of a ``playerUpdate``."""
    coin = payload.selected_coin
    return PlayerUpdate(
        recv_ns=recv_ns,
        player_id=payload.id,
        cash=sol(payload.cash),
        position_qty=sol(payload.position_qty),
        avg_cost=sol(payload.avg_cost),
        total_invested=sol(payload.total_invested),
        cumulative_pnl=sol(payload.cumulative_pnl),
        sidebet_pnl=money(payload.sidebet_pnl) or _ZERO,
        bonus_balance=money(payload.bonus_balance) or _ZERO,
        pnl_percent=payload.pnl_percent,
        sidebet=_open_sidebet(payload.side_bet),
        short=_open_short(PLAYER, payload.short_position),
        leveraged=_leveraged(payload.leveraged_positions),
        level=payload.level_info.level if payload.level_info else None,
        authenticated=payload.authenticated,
        selected_coin=coin.address if isinstance(coin, Coin) else coin,
        hit_max_win=payload.hit_max_win is True,
        trace_id=trace_id,
        extra=extra,
    )


def player_game(
    recv_ns: int, payload: PlayerGamePayload, extra: Mapping[str, str], _trace_id: str | None
) -> PlayerGameUpdate:
    """Build the event of a ``gameStatePlayerUpdate``."""
    pool = payload.rugpool
    if isinstance(pool, Raw):
        check_numbers(bytes(pool))
    entry = known(payload.leaderboard_entry)
    return PlayerGameUpdate(
        recv_ns=recv_ns,
        game_id=payload.game_id,
        entry=entry,
        short=None if entry is None else _open_short(PLAYER_GAME, entry.short_position),
        rugpool_json=bytes(pool).decode() if isinstance(pool, Raw) else None,
        extra=extra,
    )


def drawing(recv_ns: int, name: str, payload: bytes, trace_id: str | None) -> VenueNotice:
    """Build the event of a drawing; one of an unknown shape remains a notice (protocol 12)."""
    known_shape: GoldenDrawingPayload | PoolDrawing
    try:
        known_shape = msgspec.json.decode(payload, type=DRAWINGS[name])
    except msgspec.ValidationError:
        return VenueNotice(
            recv_ns=recv_ns, name=name, payload_json=payload.decode(), trace_id=trace_id
        )
    if isinstance(known_shape, GoldenDrawingPayload):
        drawing_id = known_shape.id
        winners = [(known_shape.winner_player_id, sol(known_shape.prize_amount))]
    else:
        drawing_id = str(known_shape.timestamp)
        winners = [(winner.player_id, sol(winner.reward)) for winner in known_shape.winners]
    return DrawingResult(
        recv_ns=recv_ns,
        name=name,
        payload_json=payload.decode(),
        trace_id=trace_id,
        drawing_id=drawing_id,
        winners=tuple(winners),
    )


def _placed(
    recv_ns: int,
    payload: SidebetPayload,
    extra: Mapping[str, str],
    trace_id: str | None,
    reader: Reader[SidebetPayload],
) -> SidebetPlaced:
    start, end = _window(reader, payload)
    return SidebetPlaced(
        recv_ns=recv_ns,
        game_id=payload.game_id,
        player_id=payload.player_id,
        username=payload.username,
        amount=sol(payload.bet_amount),
        start_tick=start,
        end_tick=end,
        tick=known(payload.tick_index),
        price=known(payload.price),
        payout_x=SIDEBET_PAYOUT_X if payload.x_payout is None else payload.x_payout,
        coin_address=payload.coin_address,
        server_ts=known(payload.timestamp),
        trace_id=trace_id,
        private=reader is OWN_SIDEBET,
        extra=extra,
    )


def own_sidebet(
    recv_ns: int, payload: SidebetPayload, extra: Mapping[str, str], trace_id: str | None
) -> SidebetPlaced:
    """Build the event of a ``currentSidebet``."""
    return _placed(recv_ns, payload, extra, trace_id, OWN_SIDEBET)


def any_sidebet(
    recv_ns: int, payload: SidebetPayload, extra: Mapping[str, str], trace_id: str | None
) -> SidebetPlaced:
    """Build the event of a ``newSideBet``."""
    return _placed(recv_ns, payload, extra, trace_id, ANY_SIDEBET)


def sidebet_result(
    recv_ns: int, payload: SidebetResultPayload, extra: Mapping[str, str], trace_id: str | None
) -> SidebetResult:
    """Build the event of a ``currentSidebetResult``."""
    start, end = _window(SIDEBET_RESULT, payload)
    return SidebetResult(
        recv_ns=recv_ns,
        game_id=payload.game_id,
        player_id=payload.player_id,
        amount=sol(payload.bet_amount),
        payout=sol(payload.payout),
        profit=sol(payload.profit),
        start_tick=start,
        end_tick=end,
        tick=known(payload.tick_index),
        price=known(payload.price),
        coin_address=payload.coin_address,
        server_ts=known(payload.timestamp),
        trace_id=trace_id,
        extra=extra,
    )


def sidebets_of(
    sidebets_json: bytes, player_id: str, recv_ns: int
) -> tuple[SidebetResult, ...] | None:
    """Return the results of a player's sidebets in a finished game; None if its rows cannot be read.

    Every sidebet of the game has one payout row, won or lost (protocol 5.4). Practice bets are excluded.
    """
    try:
        rows = [
            _PAYOUT.read(row)[0]
            for row in _decode_rows(sidebets_json)
            if _decode_row_kind(row) == _RowKind(player_id, "payout")
        ]
        return tuple(
            sidebet_result(recv_ns, row, {}, None)
            for row in rows
            if row.coin_address in (None, SOL_ADDRESS)
        )
    except (WireError, msgspec.MsgspecError):
        return None


def login_status(
    recv_ns: int, payload: UsernameStatusPayload, _extra: Mapping[str, str], trace_id: str | None
) -> LoginStatus:
    """Build the event of a ``usernameStatus``."""
    named = payload.has_username
    return LoginStatus(
        recv_ns=recv_ns,
        player_id=payload.id,
        username=payload.username,
        has_username=payload.username is not None if named is None else named,
        trace_id=trace_id,
    )
