"""Documents and commands with random values."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from vectra_bot.models import (
    ActionOutcome,
    ActionState,
    ActionTimestamps,
    ActionType,
    Command,
    DocType,
    Document,
    GameContext,
    GamePhase,
    GameTick,
    OtherPlayerAction,
    PlayerAction,
    PlayerState,
    Proof,
    ServerState,
    StateCause,
    SystemEvent,
)

ME = "did:privy:me"
GAME = "g-1"
NS_PER_MS = 1_000_000


def _sol(chance: random.Random) -> Decimal:
    return Decimal(chance.randrange(10**10)).scaleb(-9)


def _state(chance: random.Random) -> PlayerState:
    return PlayerState(_sol(chance), _sol(chance), Decimal("1.25"), _sol(chance), _sol(chance))


def _document(doc_type: DocType, record: Any, now_ns: int) -> Document:
    mine = doc_type is not DocType.OTHER_PLAYER_ACTION
    return Document(
        doc_type=doc_type, record=record, ts_ns=now_ns, source="engine", game_id=GAME,
        player_id=ME if mine else "",
    )  # fmt: skip


def tick(chance: random.Random, number: int, now_ns: int) -> Document:
    """Return a tick of a game."""
    record = GameTick(game_id=GAME, tick=number, price=chance.uniform(1, 9), phase=GamePhase.ACTIVE)
    return _document(DocType.GAME_TICK, record, now_ns)


def statement(chance: random.Random, now_ns: int) -> Document:
    """Return a statement of our account."""
    state = _state(chance)
    record = ServerState(
        cash=state.cash, position_qty=state.position_qty, avg_cost=state.avg_cost,
        total_invested=state.total_invested, cumulative_pnl=state.cumulative_pnl,
        delta_cash=Decimal(0), cause=StateCause.EXTERNAL, action_id=None,
    )  # fmt: skip
    return _document(DocType.SERVER_STATE, record, now_ns)


def event(chance: random.Random, now_ns: int) -> Document:
    """Return a system event."""
    detail = f'{{"first":{chance.randrange(99)}}}'
    record = SystemEvent(kind="game.gap", severity="info", message="a gap", detail_json=detail)
    return _document(DocType.SYSTEM_EVENT, record, now_ns)


def action(chance: random.Random, session_id: str, action_id: str, now_ns: int) -> Document:
    """Return a confirmed action."""
    asked = now_ns // NS_PER_MS
    kind = chance.choice([ActionType.BUY, ActionType.SELL])
    record = PlayerAction(
        action_id=action_id, session_id=session_id, game_id=GAME, player_id=ME, username=None,
        action_type=kind, button=kind.value, amount=_sol(chance), percentage=None,
        game_context=GameContext(GAME, 10, Decimal("1.25"), GamePhase.ACTIVE, False, 180),
        state_before=_state(chance), state_after=_state(chance),
        timestamps=ActionTimestamps(asked, None, asked + chance.randrange(20, 900)),
        outcome=ActionOutcome(True, Decimal("1.25"), _sol(chance)), state=ActionState.CONFIRMED,
        proof=Proof.TRADE,
    )  # fmt: skip
    return _document(DocType.PLAYER_ACTION, record, now_ns)


def trade(chance: random.Random, session_id: str, now_ns: int) -> Document:
    """Return another player's trade."""
    name = f"p{chance.randrange(5)}"
    kind = chance.choice(["BUY", "SELL"])
    record = OtherPlayerAction(
        session_id, f"g-{chance.randrange(30)}", name, name, kind, _sol(chance), Decimal("1.5"),
        10, GamePhase.ACTIVE, None, now_ns // NS_PER_MS,
    )  # fmt: skip
    return Document(
        doc_type=DocType.OTHER_PLAYER_ACTION, record=record, ts_ns=now_ns, source="engine",
        game_id=record.game_id,
    )  # fmt: skip


def buy(action_id: str, number: int, now_ns: int) -> Command:
    """Return a command."""
    return Command(
        action_id=action_id, trace_id=f"{number:032x}", action_type=ActionType.BUY, game_id=GAME,
        tick=1, price=1.25, amount=Decimal("0.01"), created_ns=now_ns,
    )  # fmt: skip
