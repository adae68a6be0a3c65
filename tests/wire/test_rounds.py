"""Side games and other uncaptured parts of the wire: names by profile, amounts to the lamport."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import samples
from vectra_bot.errors import ConfigError, WireError
from vectra_bot.models import (
    ActionType,
    Command,
    DrawingResult,
    Frame,
    PlayerGameUpdate,
    PlayerUpdate,
    RoundBet,
    RoundResult,
    RoundUpdate,
    SideGameKind,
    UnknownEvent,
    VenueNotice,
)
from vectra_bot.server.answers import ANSWERED
from vectra_bot.wire.builders import DRAWINGS
from vectra_bot.wire.decode import decode
from vectra_bot.wire.encode import encode_request
from vectra_bot.wire.frames import event_text
from vectra_bot.wire.profile import (
    KNOWN_EVENTS,
    KNOWN_REQUESTS,
    default_profile,
    parse_profile,
)
from vectra_bot.wire.requests import decode_request
from vectra_bot.wire.sidegames import RoundBetPayload, RoundPayload, RoundResultPayload

TRACE_ID = "ab" * 16
OTHER_NAMES = """
[requests.buy]
leverage = "lev"
[requests.short_open]
event = "openShort"
amount = "size"
[requests.short_close]
event = "closeShortOrder"
[requests.bbc_predict]
event = "pinpoint"
amount = "bet"
choice = "on"
round = "id"
[events]
bbc_round = "pinpointRound"
[choices]
BULL = "UP"
"""
PROFILES = (default_profile(), parse_profile(OTHER_NAMES))
KINDS = {
    ActionType.BUY: "buy",
    ActionType.SHORT_OPEN: "short_open",
    ActionType.SHORT_CLOSE: "short_close",
    ActionType.BBC_PREDICT: "bbc_predict",
    ActionType.CANDLEFLIP_BET: "candleflip_bet",
}


def frame(name: str, payload: Any, *, trace: bool = True) -> Frame:
    """Return a received frame."""
    text = event_text(name, payload, trace_id=TRACE_ID if trace else None)
    return Frame(7, text)


def a_round(**values: Any) -> RoundPayload:
    """Return the payload of an open Bull/Bear/Crab round."""
    return RoundPayload(
        **{
            "round_id": "r1",
            "status": "open",
            "server_seed_hash": "h" * 64,
            "closes_at": 1_767_225_612_000,
            "payouts": {"bull": 2, "bear": 2, "crab": 14},
            "game_id": samples.GAME,
            "tick": 5,
            "price": 1.25,
            "timestamp": 1_767_225_600_000,
            **values,
        }
    )


def a_bet(kind: type[RoundBetPayload] = RoundBetPayload, **values: Any) -> RoundBetPayload:
    """Return the payload of a stake."""
    return kind(
        **{
            "player_id": "did:privy:me",
            "round_id": "r1",
            "game_id": samples.GAME,
            "bet_amount": 0.01,
            "choice": "crab",
            "timestamp": 1_767_225_601_000,
            **values,
        }
    )


def test_a_round_is_read_in_our_names() -> None:
    """Payouts, result and status are in terms of our choices; the seed comes only with the result."""
    opened = decode(frame("bbcRound", a_round()))
    assert isinstance(opened, RoundUpdate)
    assert (opened.side_game, opened.is_open, opened.result) == (SideGameKind.BBC, True, None)
    assert opened.payouts == {"BULL": 2, "BEAR": 2, "CRAB": 14}
    assert (opened.tick, opened.price, opened.closes_at_ms) == (5, 1.25, 1_767_225_612_000)
    ended = decode(frame("bbcRound", a_round(status="result", result="crab", server_seed="s")))
    assert isinstance(ended, RoundUpdate)
    assert (ended.is_open, ended.result, ended.server_seed) == (False, "CRAB", "s")


def test_a_stake_and_its_result_are_read_to_the_lamport() -> None:
    """Amounts are exact, the trace id is ours, the result says what was paid."""
    placed = decode(frame("currentBbcBet", a_bet(bet_amount=0.123456789)))
    assert isinstance(placed, RoundBet)
    assert (placed.amount, placed.choice, placed.trace_id) == (
        Decimal("0.123456789"),
        "CRAB",
        TRACE_ID,
    )
    payload = a_bet(RoundResultPayload, result="bull", payout=0, profit=-0.01)
    ended = decode(frame("currentBbcResult", payload))
    assert isinstance(ended, RoundResult)
    assert (ended.result, ended.payout, ended.profit) == ("BULL", 0, Decimal("-0.01"))


def test_candleflip_has_its_own_names_and_rooms() -> None:
    """The same shapes under other event names."""
    payload = a_round(payouts={"green": 1.94, "red": 1.94}, room=3)
    found = decode(frame("candleflipRound", payload))
    assert isinstance(found, RoundUpdate)
    assert (found.side_game, found.room) == (SideGameKind.CANDLEFLIP, 3)


def test_a_profile_names_events_and_choices() -> None:
    """With other names the same facts are decoded, and the default names are unknown."""
    other = PROFILES[1]
    payload = a_round(payouts={"UP": 2, "bear": 2, "crab": 14})
    found = decode(frame("pinpointRound", payload), other)
    assert isinstance(found, RoundUpdate)
    assert found.payouts["BULL"] == 2
    assert isinstance(decode(frame("pinpointRound", payload)), UnknownEvent)
    assert isinstance(decode(frame("bbcRound", a_round()), other), UnknownEvent)


@pytest.mark.parametrize(
    ("name", "payload", "money"),
    [
        ("bbcRound", a_round(result="moose"), False),
        ("bbcRound", a_round(result="green"), False),
        ("candleflipRound", a_round(), False),
        ("currentBbcBet", a_bet(choice="moose"), True),
        ("currentBbcBet", a_bet(choice="red"), True),
        ("currentCandleflipBet", a_bet(), True),
        ("currentBbcBet", {"playerId": "x"}, False),
        ("currentBbcResult", a_bet(), True),
        ("currentBbcBet", {**msgspec.to_builtins(a_bet()), "betAmount": "much"}, True),
    ],
)
def test_what_cannot_be_read_is_refused(name: str, payload: Any, money: bool) -> None:
    """An unknown choice, one of the other side game, or no amount is an error, flagged as money if it is."""
    with pytest.raises(WireError) as caught:
        decode(frame(name, payload))
    assert caught.value.money is money


def test_unknown_keys_are_kept() -> None:
    """An additional key is not an error: it is in ``extra``."""
    payload = {**msgspec.to_builtins(a_round()), "jackpot": 5}
    found = decode(frame("bbcRound", payload))
    assert isinstance(found, RoundUpdate)
    assert found.extra == {"jackpot": "5"}


SHORT = {
    "amount": 0.01, "entryPrice": 0.31614244982334766, "entryTick": 92, "currentValue": 0.012173902,
    "pnl": 0.002173902, "coinAddress": "So11111111111111111111111111111111111111112",
}  # fmt: skip
LEVERAGED = {
    "amount": 0.02, "qty": 0.016, "leverage": 4, "entryPrice": 1.25, "entryTick": 3,
    "liquidationPrice": 1.21875, "coinAddress": None,
}  # fmt: skip


def test_a_player_update_states_short_and_leverage() -> None:
    """Both are in the event in SOL; the shape of the second is ours."""
    payload = {**samples.PLAYER_UPDATE, "shortPosition": SHORT, "leveragedPositions": [LEVERAGED]}
    found = decode(frame("playerUpdate", payload, trace=False))
    assert isinstance(found, PlayerUpdate)
    assert found.short is not None
    assert (found.short.amount, found.short.value) == (Decimal("0.01"), Decimal("0.012173902"))
    assert found.short.entry_price == 0.31614244982334766
    (position,) = found.leveraged
    assert (position.leverage, position.amount, position.qty) == (
        4,
        Decimal("0.02"),
        Decimal("0.016"),
    )


def test_leverage_in_another_shape_is_left_out() -> None:
    """The venue's shape was never captured: an unknown one must not invalidate the whole update."""
    payload = {**samples.PLAYER_UPDATE, "leveragedPositions": [{"size": 1}]}
    found = decode(frame("playerUpdate", payload, trace=False))
    assert isinstance(found, PlayerUpdate)
    assert found.leveraged == ()


def test_our_row_states_the_short() -> None:
    """The value of our short comes with every frame, in our own row."""
    row = {**samples.ROW, "shortPosition": SHORT}
    found = decode(
        frame(
            "gameStatePlayerUpdate", {"gameId": samples.GAME, "leaderboardEntry": row}, trace=False
        )
    )
    assert isinstance(found, PlayerGameUpdate)
    assert found.short is not None
    assert found.short.value == Decimal("0.012173902")


def test_drawings_name_their_winners() -> None:
    """The captured drawing and ours are read; another shape of the uncaptured one stays a notice."""
    golden = decode(
        frame(
            "goldenHourDrawing",
            {
                "id": "d1", "timestamp": 1, "gameId": "g", "entries": [], "winnerIndex": 0,
                "prizeAmount": 0.05, "winnerPlayerId": "did:privy:me",
            },
        )
    )  # fmt: skip
    assert isinstance(golden, DrawingResult)
    assert golden.winners == (("did:privy:me", Decimal("0.05")),)
    other = decode(frame("rugpoolDrawing", {"won": True}))
    assert type(other) is VenueNotice


commands = st.builds(
    Command,
    action_id=st.just("a"),
    trace_id=st.just(TRACE_ID),
    action_type=st.sampled_from(sorted(KINDS, key=lambda kind: kind.value)),
    game_id=st.just(samples.GAME),
    tick=st.integers(0, 5000),
    price=st.just(1.0),
    amount=st.integers(1, 10**12).map(lambda n: Decimal(n).scaleb(-9)),
    leverage=st.integers(1, 5),
    choice=st.sampled_from(["BULL", "BEAR", "CRAB", "GREEN", "RED"]),
    round_id=st.text(min_size=1, max_size=40),
)


@given(commands, st.sampled_from(PROFILES), st.integers(1, 10**6))
def test_requests_are_read_back_under_any_profile(
    command: Command, profile: Any, ack_id: int
) -> None:
    """The exchange reads what was requested: kind, amount, leverage, choice and round."""
    found = decode_request(encode_request(command, ack_id, profile), profile)

    kind = command.action_type
    assert (found.kind, found.ack_id, found.trace_id) == (KINDS[kind], ack_id, TRACE_ID)
    if kind is not ActionType.SHORT_CLOSE:
        assert found.amount == int(command.amount.scaleb(9)) if command.amount else None
    if kind is ActionType.BUY:
        assert (found.leverage or 1) == command.leverage
    if kind.is_side_game:
        assert (found.choice, found.round_id) == (command.choice, command.round_id)


@pytest.mark.parametrize("name", ['"quoted"', "back\\slash", "new\nline", "", "x" * 65])
def test_a_profiles_name_that_would_break_a_frame_is_refused(name: str) -> None:
    """A name is written unescaped: text that JSON would have to escape is not a valid name."""
    text = f"[requests.short_open]\nevent = {msgspec.json.encode(name).decode()}\n"
    with pytest.raises(ConfigError, match=r"requests\.short_open\.event"):
        parse_profile(text)


@pytest.mark.parametrize("name", ["playerUpdate", "standard/newTrade", "rugpoolDrawing"])
def test_an_event_of_the_game_is_no_name_for_a_side_games(name: str) -> None:
    """Such frames would still be read as the other event and never as the side game's: it is rejected."""
    text = f'[events]\nbbc_bet = "{name}"\n'
    with pytest.raises(ConfigError, match=f"events.bbc_bet was '{name}'"):
        parse_profile(text)


@pytest.mark.parametrize("name", ["authenticate", "ping", "getLeaderboard"])
def test_a_request_that_is_no_order_is_no_name_for_one(name: str) -> None:
    """A server answers those before it checks for actions: an action with such a name is rejected."""
    text = f'[requests.short_open]\nevent = "{name}"\n'
    with pytest.raises(ConfigError, match=f"requests.short_open was '{name}'"):
        parse_profile(text)


@pytest.mark.parametrize("name", sorted(KNOWN_EVENTS - set(DRAWINGS)))
def test_what_a_profile_may_not_name_is_read_without_one(name: str) -> None:
    """Each known name has its own reader, which rejects what it cannot read."""
    with pytest.raises(WireError):
        decode(Frame(1, f'42["{name}",7]'))


def test_the_drawings_pay_and_are_taken() -> None:
    """A side game with a drawing's name would hide our prizes in the drawing."""
    assert set(DRAWINGS) < KNOWN_EVENTS


def test_the_server_answers_every_request_that_is_no_order() -> None:
    """No list of names is incomplete."""
    assert ANSWERED | {"authenticate"} == KNOWN_REQUESTS
