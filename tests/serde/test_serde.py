"""Records survive a round trip through rows and JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.strategies import RECORD_TYPES, any_document, records
from vectra_bot import serde
from vectra_bot.errors import RecordError
from vectra_bot.models import (
    ActionOutcome,
    ActionState,
    ActionTimestamps,
    ActionType,
    AlertTrigger,
    ClockAdvanced,
    Command,
    ConnectionChanged,
    DocType,
    Envelope,
    GameContext,
    GamePhase,
    GameTick,
    Link,
    Mode,
    OperatorCommand,
    OperatorKind,
    OtherPlayerAction,
    PlayerAction,
    PlayerRequest,
    PlayerState,
    SendResult,
    SessionEnding,
)

_STATE = PlayerState(Decimal(1), Decimal(0), Decimal(0), Decimal(0), Decimal("-0.25"))
_ACTION = PlayerAction(
    action_id="a-1",
    session_id="s-1",
    game_id="g-1",
    player_id="p-1",
    username=None,
    action_type=ActionType.BUY,
    button="BUY",
    amount=Decimal("0.01"),
    percentage=None,
    game_context=GameContext("g-1", 10, Decimal("1.25"), GamePhase.ACTIVE, False, 180),
    state_before=_STATE,
    timestamps=ActionTimestamps(1000, 1050, 1200),
    outcome=ActionOutcome(True, Decimal("1.25"), Decimal("0.01")),
    state_after=attrs.evolve(_STATE, cash=Decimal("0.99"), cumulative_pnl=Decimal("-0.3")),
    state=ActionState.CONFIRMED,
)
_SQL_COLUMNS = [
    "action_id",
    "action_type",
    "amount",
    "timestamps_client_ts",
    "timestamps_server_ts",
    "timestamps_total_latency_ms",
    "state_before_cash",
    "state_after_cash",
    "game_context_tick",
    "game_context_price",
]


def _envelope(doc_type: DocType, **changes: Any) -> Envelope:
    base = Envelope(
        session_id="s-1",
        seq=7,
        doc_type=doc_type,
        mode=Mode.PAPER,
        venue="embedded",
        source="wire",
        ts_ns=5,
        game_id="",
        player_id="",
    )
    return attrs.evolve(base, **changes)


@pytest.mark.parametrize("record_type", RECORD_TYPES, ids=lambda t: t.__name__)
@settings(settings.get_profile("costly"))
@given(data=st.data())
def test_every_record_survives_row_and_json(record_type: type, data: st.DataObject) -> None:
    """A record deserialized from its row, and from its JSON text, equals the original."""
    record = data.draw(records(record_type))
    assert serde.record_from_row(record_type, serde.record_to_row(record)) == record
    as_json = serde.record_to_json(record)
    assert serde.record_from_json(
        record_type, msgspec.json.decode(msgspec.json.encode(as_json))
    ) == (record)
    assert serde.record_from_json(record_type, json.loads(json.dumps(as_json))) == record


@given(any_document())
def test_every_document_survives_with_its_envelope(document: tuple[DocType, Any]) -> None:
    """Envelope and record share one row, and both are restored from it."""
    doc_type, record = document
    shared = {
        name: getattr(record, name, None) or "" for name in ("session_id", "game_id", "player_id")
    }
    envelope = _envelope(doc_type, mode=getattr(record, "mode", Mode.LIVE), **shared)
    row = serde.document_to_row(envelope, record)
    assert serde.document_from_row(row) == (envelope, record)
    assert list(row) == [column.name for column in serde.document_columns(doc_type)]


def test_row_has_the_columns_that_the_schemas_queries_read() -> None:
    """The flat names are those of the schema's SQL, latencies and reward included."""
    row = serde.record_to_row(_ACTION)
    assert set(_SQL_COLUMNS) <= set(row)
    assert row["timestamps_send_latency_ms"] == 50
    assert row["timestamps_confirm_latency_ms"] == 150
    assert row["timestamps_total_latency_ms"] == 200
    assert row["outcome_success"] is True
    assert row["reward"] == Decimal("-0.05")
    assert row["cash_delta"] == Decimal("-0.01")
    assert row["game_context_price"] == 1.25


def test_absent_outcome_and_state_are_null_columns() -> None:
    """An action without outcome has nulls there, and reads back without outcome."""
    bare = attrs.evolve(_ACTION, outcome=None, state_after=None)
    row = serde.record_to_row(bare)
    assert row["outcome_success"] is None
    assert row["state_after_cash"] is None
    assert row["cash_delta"] is None
    assert serde.record_from_row(PlayerAction, row) == bare


def test_envelope_and_record_must_agree() -> None:
    """Two different games in one document are refused by name; an empty one adopts the other."""
    tick = GameTick(game_id="g-1", tick=0, price=1.0, phase=GamePhase.ACTIVE)
    row = serde.document_to_row(_envelope(DocType.GAME_TICK), tick)
    assert row["game_id"] == "g-1"
    with pytest.raises(RecordError, match="game_id was 'g-2' in the envelope and 'g-1'"):
        serde.document_to_row(_envelope(DocType.GAME_TICK, game_id="g-2"), tick)


def test_columns_appear_once_and_say_what_they_hold() -> None:
    """No column appears twice, and derived columns are never required."""
    for doc_type in DocType:
        columns = serde.document_columns(doc_type)
        names = [column.name for column in columns]
        assert len(set(names)) == len(names)
        assert not [column for column in columns if column.derived and column.required]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tick": None}, r"None is not int @ \$\.tick"),
        ({"price": float("inf")}, "price"),
        ({"phase": "asleep"}, "asleep"),
        ({"tick": "3"}, "'3' is not int"),
    ],
)
def test_bad_json_is_refused(change: dict[str, Any], message: str) -> None:
    """A wrong type or value gives a RecordError that names it, never a coerced record."""
    tick = GameTick(game_id="g", tick=3, price=1.5, phase=GamePhase.ACTIVE)
    with pytest.raises(RecordError, match=message):
        serde.record_from_json(GameTick, {**serde.record_to_json(tick), **change})


def test_missing_column_is_named() -> None:
    """A row without a column of its record is refused by the column's name."""
    row = serde.record_to_row(_ACTION)
    del row["state_before_cash"]
    with pytest.raises(RecordError, match="no 'state_before_cash'"):
        serde.record_from_row(PlayerAction, row)


def test_money_is_text_and_time_is_iso_in_json() -> None:
    """Decimals keep every digit as text."""
    as_json = serde.record_to_json(_ACTION)
    assert as_json["amount"] == "0.01"
    assert as_json["game_context"]["price"] == "1.25"
    assert as_json["action_type"] == "BUY"


@pytest.mark.parametrize(
    "event",
    [
        ClockAdvanced(recv_ns=1),
        ConnectionChanged(recv_ns=2, link=Link.DISCONNECTED, reason="closed"),
        SendResult(recv_ns=3, action_id="a", sent=True, ack_id=4, raw='424["buyOrder",{}]'),
        SendResult(recv_ns=3, action_id="a", sent=False, reason="not connected"),
        OperatorCommand(recv_ns=4, kind=OperatorKind.HALT, reason="asked"),
        SessionEnding(recv_ns=5, reason="games played"),
        PlayerRequest(
            recv_ns=6,
            action_type=ActionType.BUY,
            amount=Decimal("0.01"),
            ack_id=7,
            trace_id="ab" * 16,
        ),
        PlayerRequest(recv_ns=7, action_type=ActionType.SELL, percentage=25),
    ],
    ids=lambda event: type(event).__name__,
)
def test_inputs_survive_json(event: Any) -> None:
    """Every input that is not a frame survives a round trip through JSON text."""
    text = serde.canonical_json(serde.input_to_json(event))
    assert serde.input_from_json(json.loads(text)) == event


def test_unknown_input_is_refused() -> None:
    """An input of another type is refused in both directions."""
    with pytest.raises(RecordError, match="input type was 'Tick'"):
        serde.input_from_json({"type": "Tick"})
    with pytest.raises(RecordError, match="PlayerState"):
        serde.input_to_json(_STATE)  # type: ignore[arg-type]


@given(
    st.builds(
        Command,
        action_id=st.text(),
        trace_id=st.text(alphabet="0123456789abcdef", min_size=32, max_size=32),
        action_type=st.sampled_from(ActionType),
        game_id=st.text(),
        tick=st.integers(0, 5000),
        price=st.floats(allow_nan=False, allow_infinity=False),
        amount=st.none() | st.decimals(0, 5, places=9),
        percentage=st.none() | st.integers(1, 100),
        created_ns=st.integers(0, 2**62),
    )
)
def test_commands_survive_canonical_json(command: Command) -> None:
    """A command's canonical text is one line that restores the command, bit for bit."""
    text = serde.canonical_json(serde.command_to_json(command))
    again = serde.command_from_json(json.loads(text))
    assert again == command
    assert serde.canonical_json(serde.command_to_json(again)) == text


def test_canonical_json_writes_floats_by_repr() -> None:
    """Floats are written as Python's repr, keys sorted, no spaces."""
    assert serde.canonical_json({"b": 1e16, "a": [0.1, 5e-324]}) == '{"a":[0.1,5e-324],"b":1e+16}'


@pytest.mark.parametrize(
    "bad", [{1: "x"}, {"x": (1, 2)}, {"x": float("nan")}, {"x": "\ud800"}, [1]]
)
def test_alert_data_must_be_json(bad: Any) -> None:
    """Data that JSON would change or refuse is never accepted in an alert."""
    fields = dict.fromkeys(("alert_id", "title", "message", "source_event"), "x")
    with pytest.raises(RecordError, match="source_data"):
        AlertTrigger(
            **fields,
            alert_type="vectra.test",
            severity="info",
            triggered_at=datetime(2026, 1, 1, tzinfo=UTC),
            expires_at=None,
            game_id=None,
            player_id=None,
            source_data=bad,
        )


def test_reward_of_the_largest_amounts_is_exact() -> None:
    """Differences of the largest storable amounts keep all nine places."""
    top = Decimal(10**27 - 1).scaleb(-9)
    low = attrs.evolve(_STATE, cumulative_pnl=-top)
    high = attrs.evolve(_STATE, cumulative_pnl=top)
    action = attrs.evolve(_ACTION, state_before=low, state_after=high)
    assert action.reward == Decimal(2 * (10**27 - 1)).scaleb(-9)


def test_early_and_profitable_are_stored() -> None:
    """Flags of other players' trades are columns, so that SQL need not repeat their rule."""
    trade = OtherPlayerAction(
        "s", "g", "p", None, "BUY", Decimal("0.1"), Decimal("1.5"), 49, GamePhase.ACTIVE, None, 5
    )
    row = serde.record_to_row(trade)
    assert (row["is_early_entry"], row["is_profitable_player"]) == (True, False)
