"""Captures of every recorder: one recogniser for replay, dev frames-check, verify and store import."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.imports.samples import GAME, board_row, only, query, seeded_row, trade_row, write_lines
from vectra_bot.cli.main import main
from vectra_bot.conformance.frames.frame_capture import read_capture
from vectra_bot.conformance.verification import verify_file
from vectra_bot.imports.run import import_paths
from vectra_bot.models import ConnectionChanged, Frame
from vectra_bot.venues.replay import CaptureFeed

TRACE = {"__trace": True, "traceparent": f"00-{'0f' * 16}-{'1a' * 8}-01"}
TRADE = {
    "id": "t-1",
    "gameId": "20251212-25dcb17086a24ad7",
    "playerId": "did:privy:y",
    "username": "someone",
    "level": 10,
    "price": 1,
    "type": "buy",
    "qty": 0.1,
    "tickIndex": 0,
    "coin": "solana",
    "amount": 0.1,
    "leverage": 1,
    "bonusPortion": 0,
    "realPortion": 0.1,
}
COUNTDOWN = {
    "gameId": "20251212-25dcb17086a24ad7",
    "cooldownTimer": 14900,
    "cooldownPaused": False,
    "allowPreRoundBuys": False,
    "leaderboard": [],
    "connectedPlayers": 200,
    "provablyFair": {"serverSeedHash": "0" * 64, "version": "v3"},
}
EVENTS: list[tuple[str, list[Any]]] = [
    ("gameStateUpdate", [COUNTDOWN]),
    ("standard/newTrade", [TRACE, TRADE]),
    ("newChatMessage", [TRACE, {"message": "hello", "username": "someone"}]),
]
RAWS = [
    "42" + json.dumps([event, *args]).replace(", ", ",").replace(": ", ":")
    for event, args in EVENTS
]
TIMES = [f"2025-12-12T22:17:00.{n}00Z" for n in range(3)]


def several(args: list[Any]) -> Any:
    """Return arguments as the original recorder kept them: one as itself, several as a list."""
    return args[0] if len(args) == 1 else args


LAYOUTS: dict[str, Callable[[int, str, list[Any], str], Any]] = {
    "args": lambda n, event, args, raw: {"t": TIMES[n], "dir": "in", "event": event, "args": args},
    "seq-ts-event-data": lambda n, event, args, raw: {
        "seq": n, "ts": TIMES[n], "event": event, "data": several(args),
    },
    "timestamp-event_type-data": lambda n, event, args, raw: {
        "timestamp": TIMES[n], "event_type": event, "data": several(args),
    },
    "raw_json": lambda n, event, args, raw: {"ts": TIMES[n], "direction": "received", "raw_json": raw},
    "frame": lambda n, event, args, raw: raw,
    "array": lambda n, event, args, raw: raw[2:],
}  # fmt: skip
CONTAINERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gz": gzip.compress,
    "zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
    "crlf": lambda data: data.replace(b"\n", b"\r\n"),
    "bom": lambda data: b"\xef\xbb\xbf" + data,
    "utf-16": lambda data: data.decode().replace("\n", "\r\n").encode("utf-16"),
    "utf-16 big endian": lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"),
    "utf-16 without a mark": lambda data: data.decode().encode("utf-16-le"),
    "utf-32": lambda data: data.decode().encode("utf-32"),
    "gz of utf-16": lambda data: gzip.compress(data.decode().encode("utf-16")),
}


def lines_of(layout: str) -> bytes:
    """Return the three events in a layout, a line each."""
    rows = [LAYOUTS[layout](n, *event, RAWS[n]) for n, event in enumerate(EVENTS)]
    texts = [
        row if isinstance(row, str) else json.dumps(row, separators=(",", ":")) for row in rows
    ]
    return "".join(f"{text}\n" for text in texts).encode()


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_capture_formats_give_the_same_frames(layout: str, container: str, tmp_path: Path) -> None:
    """Whatever layout and container, replay and frames-check see the three frames as they were received."""
    path = tmp_path / "capture"
    path.write_bytes(CONTAINERS[container](lines_of(layout)))

    frames = [item for item in CaptureFeed(path).items() if isinstance(item, Frame)]

    assert [frame.raw for frame in frames] == RAWS
    assert [seen.event for seen in read_capture(path)] == [event for event, _ in EVENTS]
    assert [list(seen.args) for seen in read_capture(path)] == [args for _, args in EVENTS]


@pytest.mark.parametrize("container", CONTAINERS)
def test_capture_formats_of_verify(container: str, tmp_path: Path) -> None:
    """Finished games verify from every container."""
    path = tmp_path / "games"
    path.write_bytes(CONTAINERS[container](json.dumps(seeded_row()).encode() + b"\n"))

    found = verify_file(path)

    assert (found.kind, found.ok, found.counts["exact"]) == ("seeded_games", True, 1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_capture_formats_are_imported_alike(layout: str, tmp_path: Path) -> None:
    """A list of arguments is several arguments: the trade is another player's, nothing is quarantined."""
    path = tmp_path / "capture.jsonl"
    path.write_bytes(lines_of(layout))

    found = only(import_paths(path, tmp_path / "s"))

    assert (found.imported, found.bad, found.quarantined, found.unknown) == (3, 0, 0, 0)
    assert query(tmp_path / "s", "SELECT raw_json FROM ws_event ORDER BY seq") == [
        (raw,) for raw in RAWS
    ]
    assert query(tmp_path / "s", "SELECT trade_id, action_type FROM other_player") == [
        ("t-1", "BUY")
    ]


def test_capture_format_of_one_payload_in_a_file(tmp_path: Path) -> None:
    """A file that is one payload, over several lines, is the frame that has this payload."""
    path = tmp_path / "0001.json"
    path.write_text(json.dumps(COUNTDOWN, indent=2), encoding="utf-8")

    found = only(import_paths(path, tmp_path / "s"))

    assert (found.kind, found.imported, found.quarantined) == ("capture", 1, 0)
    (item,) = CaptureFeed(path).items()
    assert isinstance(item, Frame)
    assert json.loads(item.raw[2:]) == ["gameStateUpdate", COUNTDOWN]


def test_capture_format_marks_of_the_recorder_are_no_frames(tmp_path: Path) -> None:
    """`connect` and `disconnect` cannot come from a server; a lone trace object lost its payload."""
    rows = [
        {"seq": 1, "ts": TIMES[0], "event": "connect", "data": None},
        {"seq": 2, "ts": TIMES[1], "event": "usernameStatus", "data": TRACE},
        {"seq": 3, "ts": TIMES[2], "event": "disconnect", "data": "transport close"},
    ]
    path = write_lines(tmp_path / "capture.jsonl", rows)

    links = [
        item.link.value for item in CaptureFeed(path).items() if isinstance(item, ConnectionChanged)
    ]
    found = only(import_paths(path, tmp_path / "s"))

    assert links == ["connected", "disconnected"]
    assert (found.imported, found.documents["ws_event"], found.quarantined) == (3, 1, 0)
    assert found.unused == ["seq"]


@pytest.mark.parametrize(
    ("row", "command", "words"),
    [
        (seeded_row(), ["replay"], "finished games, not frames"),
        (board_row(), ["dev", "frames-check"], "rows of a leaderboard, not frames"),
        (trade_row(1), ["replay"], "trades, not frames"),
        (
            {"type": "tick", "game_id": GAME, "timestamp": TIMES[0]},
            ["replay"],
            "prices of one game",
        ),
    ],
)
def test_capture_format_that_a_command_cannot_use_is_one_line(
    row: Any, command: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of another kind is refused with what it has and with the commands that read it."""
    path = write_lines(tmp_path / "rows.jsonl", [row])

    assert main([*command, str(path)]) == 3

    error = capsys.readouterr().err
    assert words in error
    assert "store import" in error
    assert len(error.splitlines()) == 1


WRONG_ROWS: dict[str, Any] = {
    "quarantined": {
        "t": TIMES[0],
        "event": "standard/newTrade",
        "args": [TRACE, {**TRADE, "qty": "x"}],
    },
    "unknown": {"t": TIMES[0], "event": "neverSeen", "args": [1]},
    "failed": seeded_row(peakMultiplier=3.5),
    "bad": {"t": "soon", "event": "standard/newTrade", "args": []},
}


@pytest.mark.parametrize("word", WRONG_ROWS)
def test_import_counts_what_is_quarantined_failed_or_unknown(
    word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is in the text, in JSON and in the exit code; without any the exit code is 0."""
    good = {"t": TIMES[0], "event": "gameStateUpdate", "args": [COUNTDOWN]}
    rows = [WRONG_ROWS[word], *([good] if word == "bad" else [])]
    path = write_lines(tmp_path / "rows.jsonl", rows)
    store = ["--store", str(tmp_path / "s")]

    assert main(["store", "import", str(path), *store]) == 1
    assert f"1 {word}" in capsys.readouterr().out.splitlines()[-1]
    assert main(["store", "import", str(path), "--store", str(tmp_path / "t"), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is False
    assert result["totals"][word] == result["files"][0][word] == 1
    noted = query(
        tmp_path / "s", "SELECT detail_json FROM system_event WHERE kind = 'import.finished'"
    )
    assert [json.loads(detail)[word] for (detail,) in noted] == [1]
    true = write_lines(tmp_path / "true.jsonl", [seeded_row()])
    assert main(["store", "import", str(true), "--store", str(tmp_path / "u"), "--json"]) == 0


def test_capture_files_that_were_handed_out(real_data: Path, tmp_path: Path) -> None:
    """The made-up samples give what their page says."""
    small = real_data / "small"
    if not small.is_dir():
        pytest.skip("needs the made-up samples beside the captures")
    files = sorted(small.glob("*.jsonl"))
    for path in files:
        found = only(import_paths(path, tmp_path / path.stem))
        assert (found.imported, found.bad, found.quarantined, found.unknown, found.failed) == (
            found.rows, 0, 0, 0, 0,
        )  # fmt: skip
    trades = {
        path.stem: len(query(tmp_path / path.stem, "SELECT trade_id FROM other_player"))
        for path in files
    }
    assert trades["native_capture"] == trades["older_format"] == trades["may_2025_frames"] == 1
    phases = query(tmp_path / "may_2025_frames", "SELECT phase FROM game_tick ORDER BY seq")
    assert phases[-1] == ("rugged",)
