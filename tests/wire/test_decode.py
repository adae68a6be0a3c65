"""Every event of the protocol becomes its typed event, whatever surrounds its payload."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.wire import samples
from tests.wire.samples import GAME, HASH, PLAYER, RECV_NS, TRACE, TRACE_ID, event, inbound
from vectra_bot.errors import WireError
from vectra_bot.models import (
    Ack,
    Direction,
    Frame,
    FrameKind,
    GameFrame,
    LoginStatus,
    PlayerGameUpdate,
    PlayerUpdate,
    SidebetPlaced,
    SidebetResult,
    Trade,
    UnknownEvent,
    VenueNotice,
)
from vectra_bot.wire.decode import NOTICES, decode
from vectra_bot.wire.states import WireFormat


def _game(payload: dict[str, Any]) -> GameFrame:
    found = decode(event("gameStateUpdate", payload))
    assert isinstance(found, GameFrame)
    return found


def test_tick_frame_carries_price_window_and_table() -> None:
    """A tick frame becomes a TICK with its price, its window in tick order and its leaderboard."""
    found = _game(samples.TICK)
    assert found.kind is FrameKind.TICK
    assert (found.recv_ns, found.game_id, found.price, found.tick) == (RECV_NS, GAME, 1.25, 7)
    assert (found.active, found.rugged, found.trade_count) == (True, False, 31)
    assert found.partial_prices == ((3, 1.0), (4, 1.1), (5, 1.15), (6, 1.2), (7, 1.25))
    assert (found.server_seed_hash, found.version) == (HASH, "v3")
    assert found.prices is None
    assert found.history == ()
    row = found.leaderboard[0]
    assert (row.id, row.pnl, row.position_qty, row.position) == (PLAYER, 0.25, 0.1, 1)
    assert row.practice is False


def test_integral_price_is_a_float() -> None:
    """A price sent as the integer 1 is decoded as the float 1.0, like every price."""
    found = _game(samples.START)
    assert type(found.price) is float
    assert all(type(price) is float for _, price in found.partial_prices)


def test_a_start_frame_is_not_taken_for_a_tick() -> None:
    """The frame of tick 0 becomes a START with the game's version."""
    found = _game(samples.START)
    assert (found.kind, found.tick, found.price, found.version) == (FrameKind.START, 0, 1.0, "v3")


def test_countdown_frame_has_no_price() -> None:
    """A countdown frame leaves active, rugged, price and tick unknown instead of inventing them."""
    found = _game(samples.COUNTDOWN)
    assert found.kind is FrameKind.COUNTDOWN
    assert (found.active, found.rugged, found.price, found.tick) == (None, None, None, None)
    assert (found.cooldown_timer_ms, found.allow_pre_round_buys) == (9900, True)


def test_settlement_frame_reveals_finished_games_in_both_formats() -> None:
    """A settlement frame carries history: with prices in December, without in February."""
    december = _game(samples.SETTLEMENT[WireFormat.DEC])
    february = _game(samples.SETTLEMENT[WireFormat.FEB])
    assert december.kind is february.kind is FrameKind.SETTLEMENT
    assert december.history[0].prices == (1.0, 1.5, 0.02)
    assert february.history[0].prices is None
    assert december.history[0].server_seed == february.history[0].server_seed == samples.SEED
    assert december.partial_prices == ((7, 1.25), (8, 0.02))


@pytest.mark.parametrize("wire_format", list(WireFormat))
def test_snapshot_carries_every_price_so_far(wire_format: WireFormat) -> None:
    """The first frame of a connection becomes a SNAPSHOT with the whole price list."""
    found = _game(samples.SNAPSHOT[wire_format])
    assert found.kind is FrameKind.SNAPSHOT
    assert found.prices == (1.0, 1.1, 1.25)
    assert found.extra == {}


def test_practice_row_is_marked() -> None:
    """A row played with the practice coin says so, by its coin or by its sidebet's."""
    coin = {"address": "0xPractice", "ticker": "FREE", "name": "x", "max_bet": 1, "max_win": 2}
    bet = {"startedAtTick": 0, "gameId": GAME, "end": 40, "betAmount": 5, "xPayout": 5}
    rows = [
        samples.ROW | {"selectedCoin": coin},
        samples.ROW | {"sideBet": bet | {"coinAddress": "0xPractice"}},
        samples.ROW | {"sideBet": bet | {"coinAddress": "So111"}},
        samples.ROW | {"selectedCoin": coin | {"address": "0xOther"}},
    ]
    found = _game(samples.TICK | {"leaderboard": rows})
    assert [row.practice for row in found.leaderboard] == [True, True, False, False]


def test_the_window_is_in_tick_order() -> None:
    """The window's keys are text in any order; their prices come out by tick."""
    values = {"11": 1.5, "9": 1.25, "10": 1.75}
    window = {"startTick": 9, "endTick": 11, "values": values}
    found = _game(samples.TICK | {"partialPrices": window})
    assert found.partial_prices == ((9, 1.25), (10, 1.75), (11, 1.5))


def test_trade_keeps_the_trace_id_we_chose() -> None:
    """A trade after a trace argument carries that trace's 32-hex id and its own payload."""
    found = decode(event("standard/newTrade", TRACE, samples.TRADE))
    assert isinstance(found, Trade)
    assert found.trace_id == TRACE_ID
    assert (found.kind, found.price, found.tick) == ("buy", 1.25, 7)
    assert (found.amount, found.qty) == (Decimal("0.1"), Decimal("0.08"))
    assert (found.leverage, found.real_portion, found.server_ts) == (1, Decimal("0.1"), None)


@pytest.mark.parametrize(("name", "payload"), samples.EVENTS)
def test_trace_argument_never_changes_the_event(name: str, payload: dict[str, Any]) -> None:
    """The same payload with and without a trace argument differs in the trace id alone."""
    plain = decode(event(name, payload))
    traced = decode(event(name, TRACE, payload))
    fields = {field: getattr(plain, field) for field in plain.__slots__ if field != "trace_id"}
    assert fields.items() <= {f: getattr(traced, f) for f in plain.__slots__}.items()
    assert getattr(plain, "trace_id", None) is None
    assert getattr(traced, "trace_id", TRACE_ID) == TRACE_ID


@pytest.mark.parametrize(("name", "payload"), samples.EVENTS)
def test_payload_is_the_last_argument(name: str, payload: dict[str, Any]) -> None:
    """Of several arguments the last is the payload, as the protocol says."""
    assert decode(event(name, {"something": "else"}, payload)) == decode(event(name, payload))


@pytest.mark.parametrize(("name", "payload"), samples.EVENTS)
def test_trailing_offset_is_not_the_payload(name: str, payload: dict[str, Any]) -> None:
    """The offset text that connection-state recovery appends is skipped."""
    assert decode(event(name, payload, "Q85_xh5")) == decode(event(name, payload))
    assert decode(event(name, TRACE, payload, "Q85_xh5")) == decode(event(name, TRACE, payload))


@pytest.mark.parametrize(("name", "payload"), samples.EVENTS)
def test_unknown_fields_are_kept(name: str, payload: dict[str, Any]) -> None:
    """A key the reference does not know is kept as JSON text and changes nothing else."""
    more = payload | {"brandNew": {"a": [1, 2.5]}, "another": None}
    plain, found = decode(event(name, payload)), decode(event(name, more))
    if isinstance(found, LoginStatus):
        assert found == plain
        return
    assert isinstance(
        found, GameFrame | PlayerGameUpdate | PlayerUpdate | SidebetPlaced | SidebetResult | Trade
    )
    assert found.extra == {"brandNew": '{"a":[1,2.5]}', "another": "null"}
    assert {f: getattr(found, f) for f in plain.__slots__ if f != "extra"} == {
        f: getattr(plain, f) for f in plain.__slots__ if f != "extra"
    }


def test_player_update_is_read_to_the_lamport() -> None:
    """Float noise in amounts is rounded to lamports; missing optional parts are None."""
    found = decode(event("playerUpdate", samples.PLAYER_UPDATE))
    assert isinstance(found, PlayerUpdate)
    assert found.cash == Decimal("0.068904608")
    assert found.cumulative_pnl == Decimal("-0.000988856")
    assert (found.sidebet_pnl, found.level, found.selected_coin) == (Decimal("-0.001"), 7, None)
    assert found.sidebet is not None
    assert (found.sidebet.amount, found.sidebet.start_tick, found.sidebet.end_tick) == (
        Decimal("0.002"), 5, 45,
    )  # fmt: skip


def test_player_update_survives_the_least_the_venue_may_send() -> None:
    """Only id and the five money fields are needed."""
    needed = ("id", "cash", "positionQty", "avgCost", "cumulativePnL", "totalInvested")
    found = decode(event("playerUpdate", {key: samples.PLAYER_UPDATE[key] for key in needed}))
    assert isinstance(found, PlayerUpdate)
    assert (found.sidebet, found.level, found.sidebet_pnl) == (None, None, Decimal(0))


def test_selected_coin_is_its_address() -> None:
    """The practice coin in a player update becomes its address, object or bare text."""
    coin = {"address": "0xPractice", "ticker": "FREE", "name": "x", "max_bet": 1, "max_win": 2}
    for given in (coin, "0xPractice"):
        found = decode(event("playerUpdate", samples.PLAYER_UPDATE | {"selectedCoin": given}))
        assert isinstance(found, PlayerUpdate)
        assert found.selected_coin == "0xPractice"


def test_player_game_update_carries_our_row() -> None:
    """Our own row is kept, an absent one is None, the rugpool stays JSON text."""
    found = decode(event("gameStatePlayerUpdate", samples.PLAYER_GAME))
    assert isinstance(found, PlayerGameUpdate)
    assert found.entry is not None
    assert (found.entry.id, found.rugpool_json) == (PLAYER, '{"instarugCount":2}')
    bare = decode(event("gameStatePlayerUpdate", {"gameId": GAME}))
    assert bare == PlayerGameUpdate(recv_ns=RECV_NS, game_id=GAME)


def test_own_sidebet_is_private_and_others_are_not() -> None:
    """Our bet is in currentSidebet, any player's in newSideBet; both say when the bet ends."""
    own = decode(event("currentSidebet", TRACE, samples.SIDEBET))
    other = decode(event("newSideBet", TRACE, samples.SIDEBET))
    assert isinstance(own, SidebetPlaced)
    assert isinstance(other, SidebetPlaced)
    assert (own.private, other.private) == (True, False)
    assert (own.amount, own.start_tick, own.end_tick) == (Decimal("0.002"), 5, 45)
    assert own.trace_id == TRACE_ID


def test_sidebet_window_under_the_other_spelling() -> None:
    """The keys startedAtTick and end, as history rows say it, mean the same window."""
    payload = {key: value for key, value in samples.SIDEBET.items() if not key.endswith("Tick")}
    found = decode(event("newSideBet", payload | {"startedAtTick": 5, "end": 45}))
    assert isinstance(found, SidebetPlaced)
    assert (found.start_tick, found.end_tick) == (5, 45)


def test_sidebet_result_says_what_came_back() -> None:
    """A result carries stake, payout and profit, a loss with payout 0 too."""
    found = decode(event("currentSidebetResult", TRACE, samples.SIDEBET_RESULT))
    assert isinstance(found, SidebetResult)
    assert (found.amount, found.payout, found.profit) == (
        Decimal("0.002"), Decimal("0.01"), Decimal("0.008"),
    )  # fmt: skip
    lost = decode(
        event("currentSidebetResult", samples.SIDEBET_RESULT | {"payout": 0, "profit": -0.002})
    )
    assert isinstance(lost, SidebetResult)
    assert (lost.payout, lost.profit) == (Decimal(0), Decimal("-0.002"))


def test_login_status_names_us() -> None:
    """The login answer says who we are; without hasUsername the name decides."""
    found = decode(event("usernameStatus", TRACE, samples.LOGIN))
    assert found == LoginStatus(
        recv_ns=RECV_NS, player_id=PLAYER, username="ours", has_username=True, trace_id=TRACE_ID
    )
    nameless = decode(event("usernameStatus", {"id": PLAYER, "username": None}))
    assert isinstance(nameless, LoginStatus)
    assert nameless.has_username is False


@pytest.mark.parametrize("name", sorted(NOTICES))
def test_known_side_events_are_notices(name: str) -> None:
    """Every other named event is a notice with its payload as text; no argument at all is legal."""
    found = decode(event(name, TRACE, {"status": "ACTIVE", "n": 1.5}))
    assert found == VenueNotice(
        recv_ns=RECV_NS, name=name, payload_json='{"status":"ACTIVE","n":1.5}', trace_id=TRACE_ID
    )
    assert decode(event(name)) == VenueNotice(recv_ns=RECV_NS, name=name, payload_json=None)


def test_unknown_events_are_kept() -> None:
    """An unknown event keeps its name, its payload and its trace id."""
    found = decode(event("standard/newShort", TRACE, {"x": 1}))
    assert found == UnknownEvent(
        recv_ns=RECV_NS, name="standard/newShort", payload_json='{"x":1}', trace_id=TRACE_ID
    )
    assert decode(event("bare", "text")) == UnknownEvent(
        recv_ns=RECV_NS, name="bare", payload_json='"text"'
    )


def test_event_that_wants_an_answer_is_decoded_alike() -> None:
    """An id between 42 and the array changes nothing."""
    plain = event("gameStateUpdate", samples.TICK)
    assert decode(inbound("4217" + plain.raw[2:])) == decode(plain)


def test_unusable_traceparent_is_no_trace_id() -> None:
    """A trace argument in another form is dropped, without an id and without an error."""
    for trace in ({"__trace": True}, {"__trace": True, "traceparent": "00-xyz-01"}):
        found = decode(event("standard/newTrade", trace, samples.TRADE))
        assert isinstance(found, Trade)
        assert found.trace_id is None


@pytest.mark.parametrize(
    ("raw", "success", "message", "payload"),
    [
        ('4329[{"success":true}]', True, None, '{"success":true}'),
        ('4329[{"success":false,"message":"no"}]', False, "no", '{"success":false,"message":"no"}'),
        ("4329[]", None, None, None),
        ('4329[{"status":"ok"}]', None, None, '{"status":"ok"}'),
        ('4329["game over"]', None, None, '"game over"'),
        ('4329[{"success":"yes"}]', None, None, '{"success":"yes"}'),
    ],
)
def test_acknowledgement(
    raw: str, success: bool | None, message: str | None, payload: str | None
) -> None:
    """An answer is a success or failure only if it says so; for an unknown shape ``success`` is None."""
    assert decode(inbound(raw)) == Ack(
        recv_ns=RECV_NS, ack_id=29, success=success, message=message, payload_json=payload
    )


@pytest.mark.parametrize(
    ("name", "payload", "fields"),
    [
        ("playerUpdate", samples.PLAYER_UPDATE,
         ("cash", "positionQty", "avgCost", "cumulativePnL", "totalInvested")),
        ("standard/newTrade", samples.TRADE, ("amount", "price", "qty")),
        ("currentSidebet", samples.SIDEBET, ("betAmount",)),
        ("currentSidebetResult", samples.SIDEBET_RESULT, ("betAmount", "payout", "profit")),
        ("gameStateUpdate", samples.TICK, ("price", "tickCount")),
        ("gameStateUpdate", samples.START, ("price", "tickCount")),
        ("gameStateUpdate", samples.SETTLEMENT[WireFormat.FEB], ("price", "tickCount")),
    ],
)  # fmt: skip
def test_missing_money_field_is_refused_by_name(
    name: str, payload: dict[str, Any], fields: tuple[str, ...]
) -> None:
    """Without a required money field the event is an error that names the field and says money."""
    for field in fields:
        for more in ({}, {"brandNew": 1}):
            cut = {key: value for key, value in payload.items() if key != field} | more
            with pytest.raises(WireError) as caught:
                decode(event(name, cut))
            assert caught.value.reason == f"missing:{field}"
            assert caught.value.money is True
            assert caught.value.event_name == name
            for bad in (None, "1", True, -1e9, [1]):
                with pytest.raises(WireError) as caught:
                    decode(event(name, payload | more | {field: bad}))
                assert (caught.value.reason, caught.value.money) == (f"bad:{field}", True)


SHORT_AT_0 = {"amount": 0.1, "entryPrice": 0, "entryTick": 3, "currentValue": 0.1, "pnl": 0}


@pytest.mark.parametrize(
    ("name", "payload", "reason", "money"),
    [
        ("gameStateUpdate", {}, "missing:gameId", False),
        ("gameStateUpdate", {"gameId": GAME}, "missing:cooldownTimer", False),
        ("gameStateUpdate", {k: v for k, v in samples.TICK.items() if k != "rugged"},
         "missing:rugged", False),
        ("gameStateUpdate", {k: v for k, v in samples.TICK.items() if k != "active"},
         "missing:active", False),
        ("gameStateUpdate", samples.TICK | {"price": -0.5}, "bad:price", True),
        ("gameStateUpdate", samples.TICK | {"tickCount": -1}, "bad:tickCount", True),
        ("gameStateUpdate", samples.TICK | {"tickCount": 10**40}, "bad:tickCount", True),
        ("gameStateUpdate", samples.TICK | {"leaderboard": [samples.ROW | {"pnl": "x"}]},
         "bad:leaderboard.pnl", False),
        ("standard/newTrade", samples.TRADE | {"type": "gift"}, "bad:type", False),
        ("standard/newTrade", samples.TRADE | {"type": "buy", "price": 0}, "bad:price", True),
        ("standard/newTrade", samples.TRADE | {"type": "short_open", "price": 0}, "bad:price", True),
        ("standard/newTrade", samples.TRADE | {"type": "buy", "qty": 0}, "bad:qty", True),
        ("playerUpdate", samples.PLAYER_UPDATE | {"shortPosition": SHORT_AT_0},
         "bad:entryPrice", True),
        ("gameStatePlayerUpdate",
         {"gameId": GAME, "leaderboardEntry": samples.ROW | {"shortPosition": SHORT_AT_0}},
         "bad:entryPrice", False),
        ("playerUpdate", [1, 2], "bad:payload", True),
        ("playerUpdate", samples.PLAYER_UPDATE | {"sideBet": {"gameId": GAME}},
         "missing:sideBet.betAmount", True),
        ("playerUpdate", samples.PLAYER_UPDATE | {"sideBet": {"betAmount": 1, "end": 40}},
         "missing:sideBet.startTick", False),
        ("currentSidebet", {k: v for k, v in samples.SIDEBET.items() if k != "endTick"},
         "missing:endTick", False),
    ],
)  # fmt: skip
def test_unusable_payload_is_refused_with_its_reason(
    name: str, payload: Any, reason: str, money: bool
) -> None:
    """An error of a payload names the field, and says whether money depends on it."""
    with pytest.raises(WireError) as caught:
        decode(event(name, payload))
    assert (caught.value.reason, caught.value.money) == (reason, money)


def test_typed_event_without_payload_is_refused() -> None:
    """An event that needs a payload is an error if it has only the trace argument."""
    for frame in (event("playerUpdate", TRACE), event("playerUpdate")):
        with pytest.raises(WireError) as caught:
            decode(frame)
        assert (caught.value.reason, caught.value.money) == ("no-payload", True)


def test_truncated_and_outbound_frames_are_not_decoded() -> None:
    """A line that kept only its trace has no payload, and our own request is not an event of the venue."""
    raw = event("playerUpdate", TRACE).raw
    with pytest.raises(WireError) as caught:
        decode(Frame(RECV_NS, raw, Direction.IN, truncated=True))
    assert caught.value.reason == "truncated"
    with pytest.raises(WireError) as caught:
        decode(Frame(RECV_NS, event("chatHistory").raw, Direction.OUT))
    assert caught.value.reason == "outbound"
