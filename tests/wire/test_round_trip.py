"""What the exchange writes is read back to the same values, in both formats."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from tests.wire import samples
from tests.wire.samples import RECV_NS, TRACE_ID, inbound
from vectra_bot.models import (
    FrameKind,
    GameFrame,
    LoginStatus,
    PlayerGameUpdate,
    PlayerUpdate,
    SidebetPlaced,
    SidebetResult,
    Trade,
)
from vectra_bot.wire.decode import decode
from vectra_bot.wire.frames import event_text, raw_part
from vectra_bot.wire.payloads import (
    LeaderboardRow,
    PlayerGamePayload,
    PlayerUpdatePayload,
    SidebetPayload,
    SidebetResultPayload,
    TradePayload,
    UsernameStatusPayload,
)
from vectra_bot.wire.states import (
    CountdownState,
    GameState,
    SettlementState,
    SnapshotState,
    StartState,
    TickState,
    WireFormat,
)

_BIG = {
    "gameHistory", "averageMultiplier", "count2x", "count10x", "count50x", "count100x", "highestToday",
    "highestTodayTimestamp", "availableShitcoins", "active", "price", "rugged", "tickCount",
    "cooldownTimer", "cooldownPaused", "pauseMessage", "allowPreRoundBuys", "leaderboard", "gameId",
    "connectedPlayers", "gameVersion", "provablyFair",
    *(f"godCandle{t}x{part}" for t in (2, 10, 50) for part in ("", "Timestamp", "MassiveJump")),
}  # fmt: skip
_FORMAT = {
    WireFormat.DEC: {"highestTodayPrices", *(f"godCandle{t}xPrices" for t in (2, 10, 50))},
    WireFormat.FEB: {
        "highestTodayGameId", "highestTodayServerSeed",
        *(f"godCandle{t}x{part}" for t in (2, 10, 50) for part in ("GameId", "ServerSeed")),
    },
}  # fmt: skip

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

traces = st.none() | st.just(TRACE_ID)


def _written(value: Any) -> Any:
    return None if value is UNSET else value


def _amount(value: Any) -> Decimal | None:
    given_value = _written(value)
    return None if given_value is None else Decimal(str(given_value)).quantize(Decimal("1e-9"))


def _read_state(payload: msgspec.Struct, keys: set[str]) -> GameFrame:
    """Write and read a frame whose key set must be exactly *keys*."""
    text = event_text("gameStateUpdate", payload)
    assert set(_object(text[text.index(",") + 1 : -1])) == keys
    found = decode(inbound(text))
    assert isinstance(found, GameFrame)
    assert found.extra == {}
    return found


def _check_common(found: GameFrame, payload: Any, kind: FrameKind) -> None:
    assert (found.recv_ns, found.kind, found.game_id) == (RECV_NS, kind, payload.game_id)
    assert found.leaderboard == payload.leaderboard
    assert found.connected_players == payload.connected_players
    assert found.cooldown_timer_ms == payload.cooldown_timer
    assert found.allow_pre_round_buys is payload.allow_pre_round_buys
    assert found.server_seed_hash == payload.provably_fair.server_seed_hash
    assert found.version == "v3"


def _check_running(found: GameFrame, payload: Any, kind: FrameKind) -> None:
    _check_common(found, payload, kind)
    assert (found.price, found.tick) == (payload.price, payload.tick_count)
    assert (found.active, found.rugged) == (payload.active, payload.rugged)
    assert found.pause_message == payload.pause_message


@given(samples.tick_states)
def test_tick_state(payload: TickState) -> None:
    """A written tick frame has the venue's keys and is read back as it was, its price bit for bit."""
    found = _read_state(payload, set(samples.TICK))
    _check_running(found, payload, FrameKind.TICK)
    assert found.trade_count == payload.trade_count
    assert found.partial_prices == tuple(payload.partial_prices.values.items())


@given(samples.starts)
def test_start_state(payload: StartState) -> None:
    """A written start frame has the venue's keys and is read back as it was."""
    found = _read_state(payload, set(samples.START))
    _check_running(found, payload, FrameKind.START)
    assert found.trade_count is None


@given(samples.countdowns)
def test_countdown_state(payload: CountdownState) -> None:
    """A written countdown frame has the venue's keys, no price among them, and is read back as it was."""
    found = _read_state(payload, set(samples.COUNTDOWN))
    _check_common(found, payload, FrameKind.COUNTDOWN)
    assert (found.price, found.tick, found.active, found.rugged) == (None, None, None, None)


@pytest.mark.parametrize("wire_format", list(WireFormat))
@settings(settings.get_profile("costly"))
@given(data=st.data())
def test_settlement_and_snapshot(wire_format: WireFormat, data: st.DataObject) -> None:
    """Written settlement frames and snapshots have the format's keys and are read back as they were."""
    payload = data.draw(samples.big_states(wire_format))
    last = "partialPrices" if isinstance(payload, SettlementState) else "prices"
    keys = _BIG | _FORMAT[wire_format] | {last}
    found = _read_state(
        payload, keys | ({"rugRoyale"} if payload.rug_royale is not UNSET else set())
    )
    if isinstance(payload, SettlementState):
        _check_running(found, payload, FrameKind.SETTLEMENT)
        assert found.partial_prices == tuple(payload.partial_prices.values.items())
        assert found.prices is None
    else:
        assert isinstance(payload, SnapshotState)
        _check_running(found, payload, FrameKind.SNAPSHOT)
        assert found.prices == payload.prices
    assert len(found.history) == len(payload.game_history)
    for read, game in zip(found.history, payload.game_history, strict=True):
        assert (read.game_id, read.peak, read.timestamp_ms) == (
            game.id, game.peak_multiplier, game.timestamp,
        )  # fmt: skip
        assert read.server_seed == game.provably_fair.server_seed
        assert read.prices == _written(game.prices)
        assert (read.prices is None) is (wire_format is WireFormat.FEB)


@given(samples.tick_states)
def test_parts_encoded_once_are_the_same_frame(payload: TickState) -> None:
    """Rows, window and commitment encoded once and used again give the same bytes."""
    parts = {
        name: raw_part(getattr(payload, name))
        for name in ("leaderboard", "partial_prices", "provably_fair", "rugpool", "rug_royale")
    }
    raw_rows = tuple(raw_part(row) for row in payload.leaderboard)
    whole = event_text("gameStateUpdate", payload)
    assert event_text("gameStateUpdate", msgspec.structs.replace(payload, **parts)) == whole
    assert (
        event_text("gameStateUpdate", msgspec.structs.replace(payload, leaderboard=raw_rows))
        == whole
    )


@given(samples.trades, traces)
def test_trade(payload: TradePayload, trace_id: str | None) -> None:
    """A written trade is read back as it was, with its trace id."""
    found = decode(inbound(event_text("standard/newTrade", payload, trace_id=trace_id)))
    assert found == Trade(
        recv_ns=RECV_NS,
        trade_id=payload.id,
        game_id=payload.game_id,
        player_id=payload.player_id,
        username=payload.username,
        level=payload.level,
        kind=payload.type,
        price=payload.price,
        amount=Decimal(str(payload.amount)),
        qty=Decimal(str(payload.qty)),
        tick=payload.tick_index,
        coin=payload.coin,
        leverage=_written(payload.leverage),
        bonus_portion=_amount(payload.bonus_portion),
        real_portion=_amount(payload.real_portion),
        server_ts=_written(payload.timestamp),
        trace_id=trace_id,
    )


@given(samples.player_updates, traces)
def test_player_update(payload: PlayerUpdatePayload, trace_id: str | None) -> None:
    """A written player update is read back to the lamport."""
    found = decode(inbound(event_text("playerUpdate", payload, trace_id=trace_id)))
    assert isinstance(found, PlayerUpdate)
    assert found.extra == {}
    for name in ("cash", "position_qty", "avg_cost", "total_invested", "cumulative_pnl"):
        assert getattr(found, name) == _amount(getattr(payload, name))
    assert found.sidebet_pnl == (_amount(payload.sidebet_pnl) or 0)
    assert found.bonus_balance == (_amount(payload.bonus_balance) or 0)
    assert (found.player_id, found.pnl_percent) == (payload.id, payload.pnl_percent)
    assert (found.authenticated, found.trace_id) == (payload.authenticated, trace_id)
    bet = payload.side_bet
    assert (found.sidebet is None) is (bet is None)
    if bet is not None and found.sidebet is not None:
        assert found.sidebet.amount == _amount(bet.bet_amount)
        assert (found.sidebet.start_tick, found.sidebet.end_tick) == (bet.started_at_tick, bet.end)


@given(samples.player_games)
def test_player_game(payload: PlayerGamePayload) -> None:
    """A written gameStatePlayerUpdate is read back with the same row."""
    found = decode(inbound(event_text("gameStatePlayerUpdate", payload)))
    assert isinstance(found, PlayerGameUpdate)
    assert (found.game_id, found.entry) == (payload.game_id, _written(payload.leaderboard_entry))


@given(samples.rows)
def test_row(row: LeaderboardRow) -> None:
    """A leaderboard row is read back equal; the parts it lacks stay absent."""
    data = bytes(raw_part(row))
    assert msgspec.json.decode(data, type=LeaderboardRow) == row
    assert (b'"regularPnl"' in data) is (row.regular_pnl is not UNSET)


@given(samples.placed_bets, traces, st.booleans())
def test_sidebet(payload: SidebetPayload, trace_id: str | None, private: bool) -> None:
    """A written sidebet is read back as it was, ours and anybody's."""
    name = "currentSidebet" if private else "newSideBet"
    found = decode(inbound(event_text(name, payload, trace_id=trace_id)))
    assert found == SidebetPlaced(
        recv_ns=RECV_NS,
        game_id=payload.game_id,
        player_id=payload.player_id,
        username=payload.username,
        amount=Decimal(str(payload.bet_amount)),
        start_tick=_written(payload.start_tick),
        end_tick=_written(payload.end_tick),
        tick=_written(payload.tick_index),
        price=_written(payload.price),
        payout_x=5.0,
        coin_address=payload.coin_address,
        server_ts=_written(payload.timestamp),
        trace_id=trace_id,
        private=private,
    )


@given(samples.bet_results, traces)
def test_sidebet_result(payload: SidebetResultPayload, trace_id: str | None) -> None:
    """A written result is read back as it was."""
    found = decode(inbound(event_text("currentSidebetResult", payload, trace_id=trace_id)))
    assert isinstance(found, SidebetResult)
    assert (found.amount, found.payout, found.profit) == (
        _amount(payload.bet_amount), _amount(payload.payout), _amount(payload.profit),
    )  # fmt: skip
    assert (found.start_tick, found.end_tick) == (payload.start_tick, payload.end_tick)
    assert found.trace_id == trace_id


@given(samples.logins, traces)
def test_login(payload: UsernameStatusPayload, trace_id: str | None) -> None:
    """A written usernameStatus is read back as it was."""
    found = decode(inbound(event_text("usernameStatus", payload, trace_id=trace_id)))
    assert isinstance(found, LoginStatus)
    assert (found.player_id, found.username) == (payload.id, payload.username)
    assert found.trace_id == trace_id


def test_number_of_keys_per_shape() -> None:
    """Tick, start and countdown frames have 21, 14 and 7 keys; big ones 36 in December, 40 in February."""
    assert (len(samples.TICK), len(samples.START), len(samples.COUNTDOWN)) == (21, 14, 7)
    assert {form: len(_BIG | keys) + 1 for form, keys in _FORMAT.items()} == {
        WireFormat.DEC: 36,
        WireFormat.FEB: 40,
    }


def test_reader_knows_every_key_that_is_written() -> None:
    """The struct that reads game frames has every key of the five that write them, and no other."""
    shapes = (TickState, StartState, CountdownState, SettlementState, SnapshotState)
    written = {key for shape in shapes for key in shape.__struct_encode_fields__}
    assert written == set(GameState.__struct_encode_fields__)
