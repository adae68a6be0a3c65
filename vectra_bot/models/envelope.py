"""The envelope of every stored document, and the kinds of documents."""

from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any, Final, Self

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
    """Play money on the embedded exchange, or a feed that is recorded."""
    LIVE = "live"
    """Real orders at the venue."""
    REPLAY = "replay"
    """A journal or a recording; nothing is sent."""


# One for each tick: as GameTick, it fills a dict, from arguments by position.
@frozen(slots=False)
class Document:
    """A record to be stored, with the envelope's fields that the engine knows.

    The session adds ``seq`` when it journals the document; mode, venue and session id are the same for
    the whole session.

    Attributes:
        record: an attrs record of :mod:`vectra_bot.models`.
        ts_ns: receive time of the input that caused it, nanoseconds since the epoch.
        source: what produced it, e.g. ``"wire"``, ``"tracker"``, ``"engine"``.
    """

    doc_type: DocType
    record: Any
    ts_ns: int
    source: str
    game_id: str = ""
    player_id: str = ""

    @classmethod
    def of_session(cls, event: Any, ts_ns: int) -> Self:
        """Return the document of a :class:`SystemEvent` that follows from no input, at *ts_ns*."""
        return cls(doc_type=DocType.SYSTEM_EVENT, record=event, ts_ns=ts_ns, source="session")


@frozen(kw_only=True)
class Envelope:
    """The columns that every stored document has besides those of its record."""

    session_id: str
    """Session that wrote the document."""
    seq: int
    """Number of the journal entry that holds the document, increasing within a session. Unit: count."""
    doc_type: DocType
    """Kind of document, the same as its folder."""
    mode: Mode
    """How the session ran: paper, live or replay."""
    venue: str
    """Where the feed came from: `embedded`, or the host of the venue or recording."""
    source: str
    """What produced the document: `wire`, `tracker`, `engine`, `auditor`, `session`, `import` or
    `migrate`.
    """
    ts_ns: int
    """When the input that caused the document was received. Unit: ns since 1970-01-01 UTC."""
    game_id: str
    """Game that the document is about, as the venue names it."""
    player_id: str
    """Player that the document is about: ours, except in trades of other players."""
    schema_version: str = field(default=SCHEMA_VERSION)
    """Version of the schema of the columns."""


_HOMES: Final = {
    DocType.WS_EVENT: "system:WsEvent",
    DocType.GAME_TICK: "game:GameTick",
    DocType.SERVER_STATE: "player:ServerState",
    DocType.SYSTEM_EVENT: "system:SystemEvent",
    DocType.PLAYER_ACTION: "action:PlayerAction",
    DocType.OTHER_PLAYER_ACTION: "player:OtherPlayerAction",
    DocType.ALERT_TRIGGER: "alert:AlertTrigger",
    DocType.ML_EPISODE: "episode:MLEpisode",
    DocType.BBC_ROUND: "sidegame:BBCRound",
    DocType.CANDLEFLIP_ROUND: "sidegame:CandleflipRound",
    DocType.SHORT_POSITION: "short:ShortPositionState",
}


class _Records(Mapping[DocType, type]):
    """Imports a record's module when the record is first used."""

    def __getitem__(self, doc_type: DocType) -> type:
        return _record(doc_type)

    def __iter__(self) -> Iterator[DocType]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


@cache
def _record(doc_type: DocType) -> type:
    module, _, name = _HOMES[doc_type].partition(":")
    found: type = getattr(import_module(f"vectra_bot.models.{module}"), name)
    return found


RECORDS: Final[Mapping[DocType, type]] = _Records()
"""The record type of each kind of document."""
