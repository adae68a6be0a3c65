"""The record that each kind of document holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Final

from vectra_bot.models.envelope import DocType

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
    """Imports a record's module when the record is asked for."""

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
"""The record that each kind of document holds."""
