"""Our decoder and our writer against real frames, if they are available."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vectra_bot.errors import WireError
from vectra_bot.models import Direction, Frame, GameFrame, Trade
from vectra_bot.venues.replay import CaptureFeed
from vectra_bot.wire.amounts import number
from vectra_bot.wire.decode import decode
from vectra_bot.wire.frames import raw_part
from vectra_bot.wire.payloads import LeaderboardRow, PlayerUpdatePayload, TradePayload
from vectra_bot.wire.states import (
    CountdownState,
    SettlementState,
    SnapshotState,
    StartState,
    TickState,
)

_SHAPES: dict[str, Any] = {
    "tick": TickState, "start": StartState, "countdown": CountdownState,
    "settlement": SettlementState, "snapshot": SnapshotState,
}  # fmt: skip


@pytest.fixture(scope="module")
def capture(real_data: Path) -> list[Frame]:
    """Return the frames of the real capture."""
    items = CaptureFeed(real_data / "raw_frames.jsonl.gz").items()
    return [item for item in items if isinstance(item, Frame) and item.direction is Direction.IN]


@pytest.fixture(scope="module")
def payloads(real_data: Path) -> list[tuple[str, Any]]:
    """Return event names and last arguments of the real lines that are not truncated."""
    found = []
    with gzip.open(real_data / "raw_frames.jsonl.gz", "rt") as lines:
        for line in lines:
            row = json.loads(line)
            if row["args"] and row["dir"] == "in" and not row.get("args_truncated"):
                found.append((row["event"], row["args"][-1]))
    return found


def test_every_whole_frame_is_decoded_to_its_type(capture: list[Frame]) -> None:
    """Every inbound frame is decoded or truncated; none is unknown, refused or has unknown keys."""
    kinds: Counter[str] = Counter()
    for frame in capture:
        try:
            found = decode(frame)
        except WireError as error:
            kinds[error.reason] += 1
            continue
        kinds["decoded"] += 1
        kinds[type(found).__name__] += 1
        assert not getattr(found, "extra", {})
        if isinstance(found, GameFrame):
            kinds[found.kind.value] += 1
    assert kinds["decoded"] + kinds["truncated"] == len(capture)
    assert kinds["UnknownEvent"] == 0
    if len(capture) == 1202:
        assert (kinds["decoded"], kinds["truncated"]) == (1167, 35)
        assert [kinds[shape] for shape in _SHAPES] == [483, 3, 384, 10, 3]
        assert (kinds["Trade"], kinds["PlayerUpdate"], kinds["PlayerGameUpdate"]) == (53, 5, 207)


def test_prices_of_the_window_agree_with_the_tick(capture: list[Frame]) -> None:
    """In every real tick frame the window's last price is the frame's price, bit for bit."""
    seen = 0
    for frame in capture:
        if not frame.truncated and '"tradeCount"' in frame.raw:
            found = decode(frame)
            assert isinstance(found, GameFrame)
            assert dict(found.partial_prices)[found.tick or 0] == found.price
            seen += 1
    assert seen


def test_every_traced_trade_keeps_its_id(capture: list[Frame]) -> None:
    """The trace id of a real trade is the one in its trace argument."""
    for frame in capture:
        if frame.raw.startswith('42["standard/newTrade",{"__trace"') and not frame.truncated:
            found = decode(frame)
            assert isinstance(found, Trade)
            assert found.trace_id == json.loads(frame.raw[2:])[1]["traceparent"].split("-")[1]


def test_writer_has_the_key_sets_of_real_frames(
    capture: list[Frame], payloads: list[tuple[str, Any]]
) -> None:
    """Each shape we write has the keys that real frames of that shape have, no more and no fewer."""
    frames = [frame for frame in capture if not frame.truncated]
    assert len(frames) == len(payloads)
    for frame, (name, payload) in zip(frames, payloads, strict=True):
        if name != "gameStateUpdate":
            continue
        found = decode(frame)
        assert isinstance(found, GameFrame)
        shape = _SHAPES[found.kind.value]
        keys = set(shape.__struct_encode_fields__)
        optional = {
            key for key in keys
            if key.endswith(("Prices", "GameId", "ServerSeed")) and key != "partialPrices"
        }  # fmt: skip
        assert set(payload) <= keys
        required = keys - optional if found.kind.value in ("settlement", "snapshot") else keys
        assert required - set(payload) <= {"rugRoyale"}
        if found.history:
            february = found.history[0].prices is None
            wrong = ("highestTodayPrices",) if february else ("highestTodayGameId",)
            assert not set(wrong) & set(payload)


def _rewritten(value: Any, struct: type[msgspec.Struct]) -> Any:
    payload = msgspec.convert(value, struct)
    floats = {
        name: number(given)
        for name in struct.__struct_fields__
        if isinstance(given := getattr(payload, name), float)
    }
    return json.loads(bytes(raw_part(msgspec.structs.replace(payload, **floats))))


def _same(real: Any, ours: Any) -> bool:
    """Compare with types, so that 1 and 1.0 differ."""
    if isinstance(real, dict):
        return real.keys() == ours.keys() and all(_same(real[key], ours[key]) for key in real)
    return type(real) is type(ours) and real == ours


def test_real_rows_trades_and_updates_are_written_as_they_came(
    payloads: list[tuple[str, Any]],
) -> None:
    """Real parts keep keys, values and number forms in a round trip through our structs."""
    seen: Counter[str] = Counter()
    for name, payload in payloads:
        parts: list[tuple[Any, type[msgspec.Struct]]] = []
        if name == "gameStateUpdate":
            parts = [(row, LeaderboardRow) for row in payload["leaderboard"]]
        elif name == "standard/newTrade":
            parts = [(payload, TradePayload)]
        for part, struct in parts:
            assert _same(part, _rewritten(part, struct))
            seen[struct.__name__] += 1
        if name == "playerUpdate":
            assert payload.keys() == set(PlayerUpdatePayload.__struct_encode_fields__)
    assert seen["LeaderboardRow"] > 1000
    assert seen["TradePayload"] > 10
