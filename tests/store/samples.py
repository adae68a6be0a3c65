"""Entries for the tests of the store."""

from __future__ import annotations

import os
import tempfile
from decimal import Decimal
from typing import Any

import attrs
from hypothesis import strategies as st

from tests.models.strategies import any_document
from vectra_bot.journal import Entry
from vectra_bot.models import (
    ActionOutcome,
    ActionState,
    ActionTimestamps,
    ActionType,
    ClockAdvanced,
    Command,
    ConnectionChanged,
    Direction,
    DocType,
    Document,
    Frame,
    GameContext,
    GamePhase,
    GameTick,
    Link,
    OtherPlayerAction,
    PlayerAction,
    PlayerState,
    SendResult,
    ServerState,
    StateCause,
)

SESSION = "s-1"
HEADER: dict[str, Any] = {"session_id": SESSION, "mode": "paper", "venue": "embedded", "seed": 7}
TRACE = "0af7651916cd43dd8448eb211c80319c"
BUY_RAW = (
    f'4229["buyOrder",{{"__trace":true,"traceparent":"00-{TRACE}-b7ad6b7169203331-01"}},'
    '{"amount":0.01}]'
)
TICK_RAW = '42["gameStateUpdate",{"gameId":"g-1","price":1.0625,"tickCount":3}]'
TS = 1_767_225_600_000_000_000
ME = "did:privy:me"


def memory_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder in memory where the system has one: properties sync often."""
    memory = "/dev/shm"
    return tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)


def sol(text: str) -> Decimal:
    """Return an amount of SOL."""
    return Decimal(text)


def state(cash: str, qty: str = "0", pnl: str = "0") -> PlayerState:
    """Return an account state with *cash*."""
    return PlayerState(sol(cash), sol(qty), sol("1.25"), sol("0.01"), sol(pnl))


def tick_document(tick: int, price: float = 1.5, game_id: str = "g-1", **changes: Any) -> Document:
    """Return a game tick document."""
    record = GameTick(game_id=game_id, tick=tick, price=price, phase=GamePhase.ACTIVE)
    return _document(DocType.GAME_TICK, attrs.evolve(record, **changes), game_id)


def state_document(
    cash: str, delta: str, cause: StateCause | None, game_id: str = "g-1", action: str | None = None
) -> Document:
    """Return a statement of our account."""
    record = ServerState(
        **attrs.asdict(state(cash)), delta_cash=sol(delta), cause=cause, action_id=action
    )
    return _document(DocType.SERVER_STATE, record, game_id)


def action_document(
    action_id: str,
    action_type: ActionType,
    amount: str,
    *,
    before: str,
    after: str,
    game_id: str = "g-1",
    latency_ms: int | None = 200,
) -> Document:
    """Return a confirmed action that changed our cash from *before* to *after*."""
    client = TS // 1_000_000
    record = PlayerAction(
        action_id=action_id,
        session_id=SESSION,
        game_id=game_id,
        player_id=ME,
        username=None,
        action_type=action_type,
        button=action_type.value,
        amount=sol(amount),
        percentage=None,
        game_context=GameContext(game_id, 10, Decimal("1.25"), GamePhase.ACTIVE, False, 180),
        state_before=state(before),
        timestamps=ActionTimestamps(
            client, None, None if latency_ms is None else client + latency_ms
        ),
        outcome=ActionOutcome(True, Decimal("1.25"), sol(amount)),
        state_after=state(after),
        state=ActionState.CONFIRMED,
    )
    return _document(DocType.PLAYER_ACTION, record, game_id)


def trade_document(player: str, kind: str, amount: str, price: str, game_id: str) -> Document:
    """Return another player's trade."""
    record = OtherPlayerAction(
        SESSION, game_id, player, f"name of {player}", kind, sol(amount), sol(price), 10,
        GamePhase.ACTIVE, None, TS // 1_000_000,
    )  # fmt: skip
    return Document(
        doc_type=DocType.OTHER_PLAYER_ACTION,
        record=record,
        ts_ns=TS,
        source="engine",
        game_id=game_id,
    )


def _document(doc_type: DocType, record: Any, game_id: str) -> Document:
    return Document(
        doc_type=doc_type, record=record, ts_ns=TS, source="engine", game_id=game_id, player_id=ME
    )


COMMAND = Command(
    action_id="a-1",
    trace_id=TRACE,
    action_type=ActionType.BUY,
    game_id="g-1",
    tick=10,
    price=1.25,
    amount=Decimal("0.01"),
    created_ns=TS,
)


def small_session() -> list[Entry]:
    """Return a few entries of every kind except header and close, numbered from 1."""
    frame_in = Frame(TS, TICK_RAW)
    sent = SendResult(recv_ns=TS + 2, action_id="a-1", sent=True, ack_id=29, raw=BUY_RAW)
    return [
        Entry.of_frame(1, frame_in),
        Entry.of_document(2, tick_document(3, 1.0625)),
        Entry.of_intent(3, TS + 1, COMMAND),
        Entry.of_input(4, sent),
        Entry.of_input(5, ClockAdvanced(recv_ns=TS + 3)),
        Entry.of_document(6, state_document("0.99", "-0.01", StateCause.ACTION, action="a-1")),
        Entry.of_document(
            7, action_document("a-1", ActionType.BUY, "0.01", before="1", after="0.99")
        ),
    ]


_frames = st.builds(
    Frame,
    recv_ns=st.integers(0, 2**62),
    raw=st.text(max_size=60),
    direction=st.sampled_from(Direction),
    truncated=st.booleans(),
)
_inputs = st.one_of(
    st.builds(ClockAdvanced, recv_ns=st.integers(0, 2**62)),
    st.builds(
        ConnectionChanged, recv_ns=st.integers(0, 9), link=st.sampled_from(Link), reason=st.text()
    ),
    st.builds(
        SendResult,
        recv_ns=st.integers(0, 9),
        action_id=st.text(max_size=9),
        sent=st.booleans(),
        ack_id=st.none() | st.integers(0, 99),
        raw=st.none() | st.text(max_size=30),
    ),
)
_documents = any_document().map(
    lambda pair: Document(doc_type=pair[0], record=pair[1], ts_ns=5, source="engine")
)


def _numbered(items: list[Any]) -> list[Entry]:
    entries = []
    for seq, item in enumerate(items, 1):
        if isinstance(item, Frame):
            entries.append(Entry.of_frame(seq, item))
        elif isinstance(item, Document):
            entries.append(Entry.of_document(seq, item))
        else:
            entries.append(Entry.of_input(seq, item))
    return entries


def entry_lists(*, documents: bool = True) -> st.SearchStrategy[list[Entry]]:
    """Return a strategy for lists of entries, numbered from 1.

    Documents are slow to draw; where only bytes matter, do without them.
    """
    items = st.one_of(_frames, _inputs, _documents) if documents else _frames | _inputs
    return st.lists(items, max_size=5).map(_numbered)
