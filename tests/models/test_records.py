"""Records of schema 2.0.0: their fields, derived values and what they refuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
import pytest

from vectra_bot.errors import RecordError
from vectra_bot.models import (
    RECORDS,
    ActionOutcome,
    ActionState,
    ActionTimestamps,
    ActionType,
    AlertTrigger,
    AlertType,
    BBCPrediction,
    CandleflipChoice,
    DocType,
    GamePhase,
    GameTick,
    MLEpisode,
    OtherPlayerAction,
    PlayerState,
    ShortPositionState,
)

_ZERO = Decimal(0)
_ALERT_TYPES = (
    "trade_success trade_failed position_profit position_loss sidebet_won sidebet_lost game_start "
    "game_rug multiplier_milestone volatility_spike volatility_calm sidebet_optimal_zone "
    "high_potential_entry high_potential_exit rug_warning survival_milestone exceptional_entry "
    "exceptional_exit custom_signal_1 custom_signal_2 custom_signal_3 short_entry_signal "
    "short_exit_signal short_liquidation bbc_round_start bbc_optimal_pred candleflip_start "
    "candleflip_streak connection_lost connection_restored latency_warning"
)
_DOC_TYPES = (
    "ws_event game_tick server_state system_event player_action other_player alert_trigger ml_episode "
    "bbc_round candleflip short_position"
)
_ACTION_TYPES = (
    "BUY SELL SIDEBET SHORT_OPEN SHORT_CLOSE BET_INCREMENT BET_DECREMENT BET_PERCENTAGE BBC_PREDICT "
    "CANDLEFLIP_BET"
)


@pytest.mark.parametrize(
    ("enum_type", "values"),
    [
        (DocType, _DOC_TYPES),
        (ActionType, _ACTION_TYPES),
        (AlertType, _ALERT_TYPES),
        (BBCPrediction, "BULL BEAR CRAB"),
        (CandleflipChoice, "GREEN RED"),
        (GamePhase, "cooldown presale active rugged unknown"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_enums_have_the_schemas_values(enum_type: Any, values: str) -> None:
    """Every value of the schema exists, and no other."""
    assert [member.value for member in enum_type] == values.split()


def test_every_kind_of_document_has_its_record() -> None:
    """All doc types are stored, each as one record."""
    assert list(RECORDS) == list(DocType)
    assert len(set(RECORDS.values())) == len(RECORDS)


@pytest.mark.parametrize(
    ("times", "latencies"),
    [
        (ActionTimestamps(1000, 1050, 1200), (50, 150, 200)),
        (ActionTimestamps(1000, None, 1200), (None, None, 200)),
        (ActionTimestamps(1000, 1050, None), (50, None, None)),
        (ActionTimestamps(1000, 0, 0), (-1000, 0, -1000)),
        (ActionTimestamps(1000, 900, 1100), (-100, 200, 100)),
    ],
)
def test_latencies_need_both_times(times: ActionTimestamps, latencies: tuple[Any, ...]) -> None:
    """A missing time gives None; a time of zero is a time; a negative latency is kept."""
    found = (times.send_latency_ms, times.confirm_latency_ms, times.total_latency_ms)
    assert found == latencies


def test_states_and_types_are_classified() -> None:
    """Terminal, executed, local and risk-adding states are distinguished."""
    open_states = [state for state in ActionState if not state.is_terminal]
    assert open_states == [ActionState.INTENT, ActionState.SENT, ActionState.UNKNOWN]
    assert [s.value for s in ActionState if s.is_executed] == ["CONFIRMED", "EXECUTED_LATE"]
    assert [t.value for t in ActionType if t.is_local] == [
        "BET_INCREMENT",
        "BET_DECREMENT",
        "BET_PERCENTAGE",
    ]
    assert not ActionType.SELL.is_entry
    assert ActionType.SIDEBET.is_entry


def test_position_and_short_have_value() -> None:
    """Quantity times price; no position without quantity."""
    flat = PlayerState(Decimal(1), _ZERO, _ZERO, _ZERO, _ZERO)
    held = attrs.evolve(flat, position_qty=Decimal(2), avg_cost=Decimal("1.5"))
    assert (flat.has_position, held.has_position) == (False, True)
    assert held.position_value == 3
    short = ShortPositionState(True, Decimal(2), Decimal("1.5"))
    assert short.short_value == 3


@pytest.mark.parametrize(
    ("tick", "kind", "early"),
    [(49, "BUY", True), (50, "BUY", False), (0, "SELL", False), (0, "SHORT_OPEN", True)],
)
def test_early_entries_are_in_the_first_fifty_ticks(tick: int, kind: str, early: bool) -> None:
    """Only buys and opened shorts before tick 50 are early entries."""
    amount, price = Decimal("0.1"), Decimal("1.5")
    trade = OtherPlayerAction(
        "s", "g", "p", None, kind, amount, price, tick, GamePhase.ACTIVE, None, 5
    )
    assert trade.is_early_entry is early


@pytest.mark.parametrize(
    "cash",
    [
        Decimal("0.0000000001"),
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal(10) ** 18,
        1.5,
        1,
        "1",
    ],
)
def test_amounts_are_decimals_of_nine_places(cash: Any) -> None:
    """Anything but a finite Decimal with nine places and a reasonable size is refused by name."""
    with pytest.raises(RecordError, match=r"PlayerState\.cash was"):
        PlayerState(cash, _ZERO, _ZERO, _ZERO, _ZERO)
    assert PlayerState(Decimal("0.1000000000"), _ZERO, _ZERO, _ZERO, _ZERO).cash == Decimal("0.1")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", float("nan")),
        ("price", float("inf")),
        ("price", 1),
        ("tick", True),
        ("tick", 2**63),
        ("game_id", "\ud800"),
        ("game_id", None),
        ("backfilled", 0),
        ("cooldown_timer_ms", 0.0),
        ("allow_pre_round_buys", 1),
        ("connected_players", 2**63),
        ("trade_count", -(2**63) - 1),
    ],
)
def test_ticks_refuse_what_cannot_be_stored(field: str, value: Any) -> None:
    """Not-a-number prices, huge integers and lone surrogates never become a record."""
    good = GameTick(game_id="g", tick=1, price=1.5, phase=GamePhase.ACTIVE)
    with pytest.raises(RecordError, match=rf"GameTick\.{field} was"):
        attrs.evolve(good, **{field: value})


def test_ticks_refuse_a_phase_by_name() -> None:
    """The phase of a tick is a member of the enum, not its value."""
    with pytest.raises(TypeError, match="phase"):
        GameTick(game_id="g", tick=1, price=1.5, phase="active")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [("game_id", "spi\u00e9l"), ("price", -1.5), ("tick", -1), ("trade_count", -(2**63))],
)
def test_ticks_take_unusual_values(field: str, value: Any) -> None:
    """What can be stored becomes a record, even if no game has such a value."""
    good = GameTick(game_id="g", tick=1, price=1.5, phase=GamePhase.ACTIVE)
    assert getattr(attrs.evolve(good, **{field: value}), field) == value


@pytest.mark.parametrize("price", [Decimal("0.1000000000000000055"), Decimal("NaN"), 1.5])
def test_decimal_prices_are_doubles(price: Any) -> None:
    """A price that is a Decimal is the shortest decimal of a double."""
    with pytest.raises(RecordError, match=r"ActionOutcome\.executed_price was"):
        ActionOutcome(True, price)


@pytest.mark.parametrize("zone", [None, timezone(timedelta(hours=1))])
def test_times_are_utc(zone: Any) -> None:
    """Naive times and other zones are refused."""
    moment = datetime(2026, 1, 1, tzinfo=zone)
    good = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(RecordError, match=r"MLEpisode\.ended_at was"):
        MLEpisode(
            "e", "s", "g", "p", good, moment, 1, 1, "rug", _ZERO, _ZERO, _ZERO, 0, 0, 0, _ZERO, None,
            None, 0, _ZERO, _ZERO,
        )  # fmt: skip


@pytest.mark.parametrize("kind", ["custom", ".x", "x.", "", None])
def test_plugin_alerts_have_a_namespace(kind: Any) -> None:
    """An alert's type is one of the schema's or a namespaced text."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(RecordError, match=r"AlertTrigger\.alert_type was"):
        AlertTrigger("a", kind, "info", moment, None, None, None, "t", "m")
    assert AlertTrigger("a", "x.y", "info", moment, None, None, None, "t", "m").alert_type == "x.y"


def test_records_are_frozen() -> None:
    """A record cannot be changed after it was made."""
    tick = GameTick(game_id="g", tick=1, price=1.5, phase=GamePhase.ACTIVE)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        tick.tick = 2  # type: ignore[misc]
