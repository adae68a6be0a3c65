"""Mapping of a foreign table's columns to schema 2.0.0, and the values that fill missing ones.

Columns are matched by name: as in the schema, or in camel case, or without the prefix of their record
(``client_ts`` for ``timestamps_client_ts``) if that is unambiguous. Missing required columns are filled
by the record's own default, else by the zero of their kind. The columns that identify a document
(:data:`KEYS`) are never filled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache
from typing import Any, Final

import attrs

from vectra_bot.models import RECORDS, AlertType, DocType, GamePhase, Mode
from vectra_bot.serde import Column, document_columns

KEYS: Final[dict[DocType, tuple[str, ...]]] = {
    DocType.WS_EVENT: ("direction", "raw_json"),
    DocType.GAME_TICK: ("game_id", "tick", "price"),
    DocType.SERVER_STATE: ("cash",),
    DocType.SYSTEM_EVENT: ("kind",),
    DocType.PLAYER_ACTION: ("action_type",),
    DocType.OTHER_PLAYER_ACTION: ("action_type", "amount", "price"),
    DocType.ALERT_TRIGGER: ("alert_type", "message"),
    DocType.ML_EPISODE: ("game_id", "outcome"),
    DocType.BBC_ROUND: ("round_id",),
    DocType.CANDLEFLIP_ROUND: ("round_id",),
    DocType.SHORT_POSITION: ("has_short",),
}
"""Columns without which a row is not a document of its kind."""

OWN: Final = ("session_id", "seq", "doc_type", "schema_version")
"""Columns of the envelope that the import sets."""
SENDER: Final = ("mode", "venue", "source")
"""Columns of the envelope that are the same for all rows without them."""
IDS: Final = ("action_id", "alert_id", "episode_id")
"""Columns that are filled with an id made from the number of the row."""
MOMENTS: Final = ("triggered_at", "started_at", "ended_at")
"""Columns that are filled with the document's time."""

_OTHER_NAMES: Final[dict[DocType, dict[str, str]]] = {
    DocType.OTHER_PLAYER_ACTION: {
        "type": "action_type",
        "tick_index": "tick",
        "level": "player_level",
        "id": "trade_id",
    },
    DocType.GAME_TICK: {"tick_count": "tick", "cooldown_timer": "cooldown_timer_ms"},
}
_RECORD_PREFIXES: Final = (
    "timestamps_",
    "outcome_",
    "game_context_",
    "state_before_",
    "state_after_",
)
TIMES: Final = ("ts", "timestamp", "time")
_OF: Final = r"(?:recv|received|receive|unix|local|event|capture|created|recorded|epoch)"
_UNIT: Final = r"(?:s|sec|secs|seconds|ms|millis|us|micros|ns|nanos|utc|at)"
_TIME: Final = re.compile(
    rf"(?:{_OF}_)?(?:t|ts|time|timestamp|epoch|datetime)(?:_{_UNIT})?|{_OF}_{_UNIT}"
)
"""Other names of a column with the rows' times."""
OWN_TIMES: Final[dict[DocType, tuple[str, ...]]] = {
    DocType.PLAYER_ACTION: ("timestamps_client_ts",),
    DocType.OTHER_PLAYER_ACTION: ("ingested_ts",),
    DocType.ALERT_TRIGGER: ("triggered_at",),
    DocType.ML_EPISODE: ("ended_at",),
    DocType.BBC_ROUND: ("result_ts",),
    DocType.CANDLEFLIP_ROUND: ("result_ts",),
}


# What an unknown process saw of a game or an action is not a proof.
_UNKNOWN: Final[dict[DocType, dict[str, Any]]] = {
    DocType.PLAYER_ACTION: {"state": "UNRESOLVED", "game_context_phase": GamePhase.UNKNOWN.value},
    DocType.SYSTEM_EVENT: {"severity": "info"},
    DocType.ALERT_TRIGGER: {"severity": "info"},
    DocType.GAME_TICK: {"phase": GamePhase.UNKNOWN.value},
    DocType.OTHER_PLAYER_ACTION: {"game_phase": GamePhase.UNKNOWN.value},
}


@attrs.frozen
class Names:
    """The table column from which each column of the schema is read."""

    found: Mapping[str, str]
    filled: tuple[str, ...]
    unused: tuple[str, ...]
    lacking: tuple[str, ...]


def snake(name: str) -> str:
    """Return a column's name in lower case with underscores."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^0-9a-z]+", "_", spaced.lower()).strip("_")


def match_names(doc_type: DocType, names: Iterable[str]) -> Names:
    """Match the columns of *doc_type* with the names of a foreign table."""
    given = list(names)
    by_name: dict[str, str] = {}
    for name in given:
        by_name.setdefault(snake(name), name)
    by_name.update({name: name for name in given})
    found: dict[str, str] = {}
    wanted = [column.name for column in document_columns(doc_type)]
    short = _short_names(wanted)
    others = {target: alias for alias, target in _OTHER_NAMES.get(doc_type, {}).items()}
    for name in wanted:
        for candidate in (name, others.get(name), short.get(name)):
            if candidate in by_name and candidate not in found.values():
                found[name] = by_name[candidate]
                break
    if "ts_ns" not in found:
        further = (name for name in by_name if _TIME.fullmatch(name) and name not in TIMES)
        times = (by_name[name] for name in (*TIMES, *further) if name in by_name)
        time = next((name for name in times if name not in found.values()), None)
        if time is not None:
            found["ts_ns"] = time
    used = set(found.values())
    return Names(
        found=found,
        filled=tuple(sorted(c.name for c in _zero_filled(doc_type) if c.name not in found)),
        unused=tuple(name for name in given if name not in used),
        lacking=tuple(name for name in KEYS[doc_type] if name not in found),
    )


def _short_names(wanted: list[str]) -> dict[str, str]:
    """Return the names of record columns without their record's prefix, if only one has it."""
    short: dict[str, list[str]] = {}
    for name in wanted:
        for prefix in _RECORD_PREFIXES:
            if name.startswith(prefix):
                short.setdefault(name.removeprefix(prefix), []).append(name)
    return {
        names[0]: bare for bare, names in short.items() if len(names) == 1 and bare not in wanted
    }


@cache
def defaults_of(doc_type: DocType) -> dict[str, Any]:
    """Return the values that fill required columns of *doc_type* by their meaning."""
    found: dict[str, Any] = {}
    for field in attrs.fields(RECORDS[doc_type]):
        default = field.default
        if default is not attrs.NOTHING and default is not None:
            found[field.name] = default.value if isinstance(default, Enum) else default
    found.pop("mode", None)  # part of the envelope
    return found | _UNKNOWN.get(doc_type, {})


@cache
def choices_of(doc_type: DocType) -> dict[str, tuple[str, ...]]:
    """Return the allowed texts of the columns of *doc_type* that have a fixed set."""
    found: dict[str, tuple[str, ...]] = {
        "mode": tuple(mode.value for mode in Mode),
        "alert_type": tuple(kind.value for kind in AlertType),
    }
    for prefix, record in _records(RECORDS[doc_type], ""):
        for field in attrs.fields(record):
            if field.metadata["column"] == "enum":
                kinds = [k for k in getattr(field.type, "__args__", (field.type,)) if _is_enum(k)]
                found[prefix + field.name] = tuple(member.value for member in kinds[0])
            elif options := getattr(field.validator, "options", None):
                found[prefix + field.name] = tuple(options)
    return found


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _records(record: type, prefix: str) -> Iterable[tuple[str, type]]:
    yield prefix, record
    for field in attrs.fields(record):
        if field.metadata["column"] == "record":
            kinds = getattr(field.type, "__args__", (field.type,))
            inner = next(kind for kind in kinds if kind is not type(None))
            yield from _records(inner, f"{prefix}{field.name}_")


def _zero_filled(doc_type: DocType) -> list[Column]:
    """Return the required columns that only a zero can fill."""
    known = {*defaults_of(doc_type), *KEYS[doc_type], *OWN, *SENDER, *IDS, *MOMENTS, "ts_ns"}
    known |= {"button", "game_context_game_id", *OWN_TIMES.get(doc_type, ())}
    return [c for c in document_columns(doc_type) if c.required and c.name not in known]
