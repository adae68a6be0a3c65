"""Alerts: toast notifications derived from other events."""

import math
from datetime import datetime
from enum import Enum
from typing import Any

import attrs
from attrs import frozen

from vectra_bot.errors import RecordError
from vectra_bot.models import _fields as f


class AlertType(str, Enum):
    """Alert categories of the schema; a text ``namespace.name``, as ``vectra.integrity``, is allowed too."""

    TRADE_SUCCESS = "trade_success"
    TRADE_FAILED = "trade_failed"
    POSITION_PROFIT = "position_profit"
    POSITION_LOSS = "position_loss"
    SIDEBET_WON = "sidebet_won"
    SIDEBET_LOST = "sidebet_lost"
    GAME_START = "game_start"
    GAME_RUG = "game_rug"
    MULTIPLIER_MILESTONE = "multiplier_milestone"
    VOLATILITY_SPIKE = "volatility_spike"
    VOLATILITY_CALM = "volatility_calm"
    SIDEBET_OPTIMAL_ZONE = "sidebet_optimal_zone"
    HIGH_POTENTIAL_ENTRY = "high_potential_entry"
    HIGH_POTENTIAL_EXIT = "high_potential_exit"
    RUG_WARNING = "rug_warning"
    SURVIVAL_MILESTONE = "survival_milestone"
    EXCEPTIONAL_PLAYER_ENTRY = "exceptional_entry"
    EXCEPTIONAL_PLAYER_EXIT = "exceptional_exit"
    CUSTOM_SIGNAL_1 = "custom_signal_1"
    CUSTOM_SIGNAL_2 = "custom_signal_2"
    CUSTOM_SIGNAL_3 = "custom_signal_3"
    SHORT_ENTRY_SIGNAL = "short_entry_signal"
    SHORT_EXIT_SIGNAL = "short_exit_signal"
    SHORT_LIQUIDATION_WARNING = "short_liquidation"
    BBC_ROUND_START = "bbc_round_start"
    BBC_OPTIMAL_PREDICTION = "bbc_optimal_pred"
    CANDLEFLIP_ROUND_START = "candleflip_start"
    CANDLEFLIP_STREAK_ALERT = "candleflip_streak"
    CONNECTION_LOST = "connection_lost"
    CONNECTION_RESTORED = "connection_restored"
    LATENCY_WARNING = "latency_warning"


def _check_alert_type(_record: object, _field: "attrs.Attribute[Any]", value: Any) -> None:
    if isinstance(value, AlertType):
        return
    namespace, _, name = value.partition(".") if isinstance(value, str) else ("", "", "")
    if not (namespace and name):
        raise RecordError(
            f"AlertTrigger.alert_type was {value!r}: give an AlertType or 'namespace.name'"
        )


def _check_data(_record: object, _field: "attrs.Attribute[Any]", value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, dict) or not _is_json(value):
        raise RecordError(
            f"AlertTrigger.source_data was {value!r}: give a dict of JSON values or None"
        )


def _is_json(value: Any) -> bool:
    """Return whether *value* survives a round trip through JSON."""
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    if kind is int:
        return bool(-(2**63) <= value < 2**63)
    if value is None or kind is bool:
        return True
    if isinstance(value, str):
        return value.isascii() or value == value.encode(errors="replace").decode()
    if kind is list:
        return all(map(_is_json, value))
    if kind is not dict:
        return False
    for key, item in value.items():
        if not (isinstance(key, str) and (key.isascii() or _is_json(key)) and _is_json(item)):
            return False
    return True


def _alert_type() -> Any:
    return attrs.field(validator=_check_alert_type, metadata={"column": "alert_type"})


@frozen
class AlertTrigger:
    """A derived event for a person to see."""

    alert_id: str = f.text()
    """Id of the alert (UUID)."""
    alert_type: AlertType | str = _alert_type()
    """Category of the alert: an `AlertType`, or `namespace.name`."""
    severity: str = f.choice("info", "success", "warning", "error")
    """info, success, warning or error."""
    triggered_at: datetime = f.utc()
    """When it was triggered."""
    expires_at: datetime | None = f.opt_utc()
    """When it stops being of interest; null: never."""
    game_id: str | None = f.opt_text()
    """Game it is about; null if none."""
    player_id: str | None = f.opt_text()
    """Player it is about; null if none."""
    title: str = f.text()
    """Headline."""
    message: str = f.text()
    """Text for a person."""
    source_event: str | None = f.opt_text(default=None)
    """Event it was derived from, by name."""
    source_data: dict[str, Any] | None = attrs.field(
        default=None, validator=_check_data, metadata={"column": "json"}
    )
    """JSON object with the values behind it."""
    can_dismiss: bool = f.boolean(default=True)
    """Whether a person may dismiss it."""
    sound_enabled: bool = f.boolean(default=False)
    """Whether it may make a sound."""
    priority: int = f.integer(default=0)
    """Higher is shown first. Unit: rank."""
