"""What every stored document carries, and the kinds of documents there are."""

from enum import Enum
from typing import Any

from attrs import field, frozen

SCHEMA_VERSION = "2.0.0"


class DocType(str, Enum):
    """Kinds of documents; the value is the ``doc_type=`` folder of the store."""

    WS_EVENT = "ws_event"
    GAME_TICK = "game_tick"
    SERVER_STATE = "server_state"
    SYSTEM_EVENT = "system_event"
    PLAYER_ACTION = "player_action"
    OTHER_PLAYER_ACTION = "other_player"
    ALERT_TRIGGER = "alert_trigger"
    ML_EPISODE = "ml_episode"
    BBC_ROUND = "bbc_round"
    CANDLEFLIP_ROUND = "candleflip"
    SHORT_POSITION = "short_position"


class Mode(str, Enum):
    """How a session runs."""

    PAPER = "paper"
    LIVE = "live"
    REPLAY = "replay"


@frozen(kw_only=True)
class Document:
    """A record on its way to the store, with the envelope's fields that the engine knows.

    The session adds ``seq`` when it journals the document; mode, venue and session id are the same for
    the whole session.

    Attributes:
        record: an attrs record of :mod:`vectra_bot.models`.
        ts_ns: receive time of the input that caused it, nanoseconds since the epoch.
        source: what produced it, e.g. ``"wire"``, ``"tracker"``, ``"engine"``, ``"plugin:NAME"``.
    """

    doc_type: DocType
    record: Any
    ts_ns: int
    source: str
    game_id: str = ""
    player_id: str = ""


@frozen(kw_only=True)
class Envelope:
    """The columns every stored document has beside those of its record."""

    session_id: str
    seq: int
    doc_type: DocType
    mode: Mode
    venue: str
    source: str
    ts_ns: int
    game_id: str
    player_id: str
    schema_version: str = field(default=SCHEMA_VERSION)
