"""Records of schema 2.0.0, and the events and commands that flow through the engine.

What is listed in ``__all__`` is public. A name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vectra_bot.models.action import (
        ActionOutcome,
        ActionState,
        ActionTimestamps,
        ActionType,
        Actor,
        PlayerAction,
        Proof,
    )
    from vectra_bot.models.alert import AlertTrigger, AlertType
    from vectra_bot.models.command import Command
    from vectra_bot.models.envelope import (
        RECORDS,
        SCHEMA_VERSION,
        DocType,
        Document,
        Envelope,
        Mode,
    )
    from vectra_bot.models.episode import MLEpisode
    from vectra_bot.models.event import (
        Ack,
        ClockAdvanced,
        ConnectionChanged,
        Direction,
        DrawingResult,
        Event,
        Frame,
        FrameKind,
        FrameRejected,
        GameFrame,
        LeveragedInfo,
        Link,
        LoginStatus,
        OperatorCommand,
        OperatorKind,
        PlayerGameUpdate,
        PlayerRequest,
        PlayerUpdate,
        RoundBet,
        RoundResult,
        RoundUpdate,
        SendResult,
        SessionEnding,
        ShortInfo,
        SidebetInfo,
        SidebetPlaced,
        SidebetResult,
        StakeSettled,
        Trade,
        UnknownEvent,
        VenueNotice,
    )
    from vectra_bot.models.game import GameContext, GamePhase, GameSummary, GameTick
    from vectra_bot.models.player import (
        ExceptionalPlayer,
        OtherPlayerAction,
        PlayerState,
        ServerState,
        StateCause,
    )
    from vectra_bot.models.server import FinishedGame, LeaderboardRow
    from vectra_bot.models.session import HookTime, SessionFigures, SessionInfo, SessionSummary
    from vectra_bot.models.short import ShortPositionState
    from vectra_bot.models.sidegame import (
        BBCPrediction,
        BBCRound,
        CandleflipChoice,
        CandleflipRound,
        SideGameKind,
    )
    from vectra_bot.models.system import SystemEvent, WsEvent

_HOMES = {
    "Ack": "event",
    "ActionOutcome": "action",
    "ActionState": "action",
    "ActionTimestamps": "action",
    "ActionType": "action",
    "Actor": "action",
    "AlertTrigger": "alert",
    "AlertType": "alert",
    "BBCPrediction": "sidegame",
    "BBCRound": "sidegame",
    "CandleflipChoice": "sidegame",
    "CandleflipRound": "sidegame",
    "ClockAdvanced": "event",
    "Command": "command",
    "ConnectionChanged": "event",
    "Direction": "event",
    "DocType": "envelope",
    "Document": "envelope",
    "DrawingResult": "event",
    "Envelope": "envelope",
    "Event": "event",
    "ExceptionalPlayer": "player",
    "FinishedGame": "server",
    "Frame": "event",
    "FrameKind": "event",
    "FrameRejected": "event",
    "GameContext": "game",
    "GameFrame": "event",
    "GamePhase": "game",
    "GameSummary": "game",
    "GameTick": "game",
    "HookTime": "session",
    "LeaderboardRow": "server",
    "LeveragedInfo": "event",
    "Link": "event",
    "LoginStatus": "event",
    "MLEpisode": "episode",
    "Mode": "envelope",
    "OperatorCommand": "event",
    "OperatorKind": "event",
    "OtherPlayerAction": "player",
    "PlayerAction": "action",
    "PlayerGameUpdate": "event",
    "PlayerState": "player",
    "PlayerRequest": "event",
    "PlayerUpdate": "event",
    "Proof": "action",
    "RECORDS": "envelope",
    "RoundBet": "event",
    "RoundResult": "event",
    "RoundUpdate": "event",
    "SCHEMA_VERSION": "envelope",
    "SendResult": "event",
    "ServerState": "player",
    "SessionEnding": "event",
    "SessionInfo": "session",
    "SessionFigures": "session",
    "SessionSummary": "session",
    "ShortInfo": "event",
    "ShortPositionState": "short",
    "SideGameKind": "sidegame",
    "SidebetInfo": "event",
    "SidebetPlaced": "event",
    "SidebetResult": "event",
    "StakeSettled": "event",
    "StateCause": "player",
    "SystemEvent": "system",
    "Trade": "event",
    "UnknownEvent": "event",
    "VenueNotice": "event",
    "WsEvent": "system",
}

__all__ = [
    "RECORDS",
    "SCHEMA_VERSION",
    "Ack",
    "ActionOutcome",
    "ActionState",
    "ActionTimestamps",
    "ActionType",
    "Actor",
    "AlertTrigger",
    "AlertType",
    "BBCPrediction",
    "BBCRound",
    "CandleflipChoice",
    "CandleflipRound",
    "ClockAdvanced",
    "Command",
    "ConnectionChanged",
    "Direction",
    "DocType",
    "Document",
    "DrawingResult",
    "Envelope",
    "Event",
    "ExceptionalPlayer",
    "FinishedGame",
    "Frame",
    "FrameKind",
    "FrameRejected",
    "GameContext",
    "GameFrame",
    "GamePhase",
    "GameSummary",
    "GameTick",
    "HookTime",
    "LeaderboardRow",
    "LeveragedInfo",
    "Link",
    "LoginStatus",
    "MLEpisode",
    "Mode",
    "OperatorCommand",
    "OperatorKind",
    "OtherPlayerAction",
    "PlayerAction",
    "PlayerGameUpdate",
    "PlayerRequest",
    "PlayerState",
    "PlayerUpdate",
    "Proof",
    "RoundBet",
    "RoundResult",
    "RoundUpdate",
    "SendResult",
    "ServerState",
    "SessionEnding",
    "SessionFigures",
    "SessionInfo",
    "SessionSummary",
    "ShortInfo",
    "ShortPositionState",
    "SideGameKind",
    "SidebetInfo",
    "SidebetPlaced",
    "SidebetResult",
    "StakeSettled",
    "StateCause",
    "SystemEvent",
    "Trade",
    "UnknownEvent",
    "VenueNotice",
    "WsEvent",
]


if not TYPE_CHECKING:  # a type checker would give every misspelt name the type Any

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return list(__all__)
