"""Imports of captures, trades, games and leaderboards give the same documents as a live session."""

from __future__ import annotations

import asyncio
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from tests.imports.samples import (
    GAME,
    SEED,
    board_row,
    capture,
    only,
    query,
    recorded_row,
    seeded_row,
    session,
    trade_row,
    write_lines,
)
from vectra_bot.errors import ConfigError
from vectra_bot.game.fair import play_game
from vectra_bot.imports.config import FINISHED_KIND
from vectra_bot.imports.games import LEADERBOARD_KIND
from vectra_bot.imports.run import import_paths
from vectra_bot.journal import read_header
from vectra_bot.session import ReplayConfig, replay_session
from vectra_bot.session.replay import check_journal

__all__ = ["capture", "session"]  # the fixtures

DAY_NS = 1_751_328_000_000_000_000
"""Start of the day that the id of GAME names."""


def test_a_capture_makes_the_documents_of_its_session(
    capture: Path, session: Path, tmp_path: Path
) -> None:
    """Ticks and trades are those of the captured session; the journal replays without a difference."""
    found = only(import_paths(capture, tmp_path, venue="backend.example"))

    assert (found.kind, found.bad, found.quarantined) == ("capture", 0, 0)
    assert found.imported == found.rows == len(capture.read_bytes().splitlines())
    for sql in (
        "SELECT game_id, tick, price, phase, backfilled FROM game_tick ORDER BY ts_ns, tick, phase",
        "SELECT game_id, player_id, action_type, amount, price, tick FROM other_player ORDER BY ALL",
    ):
        assert query(tmp_path, sql) == query(session, sql)
    (name,) = found.sessions
    header = read_header(tmp_path / "journals" / name)
    assert (header["mode"], header["venue"]) == ("replay", "backend.example")
    assert check_journal(tmp_path / "journals" / name).clean
    assert query(tmp_path, "SELECT DISTINCT venue, mode FROM ws_event") == [
        ("backend.example", "replay")
    ]


def test_an_import_is_a_replay(capture: Path, tmp_path: Path) -> None:
    """An import stores the same as `replay` of a capture."""
    config = ReplayConfig(path=capture, store=tmp_path / "replayed", session_id="R")
    asyncio.run(replay_session(config))
    import_paths(capture, tmp_path / "imported")

    for kind in ("game_tick", "ws_event", "other_player"):
        names = "* EXCLUDE (session_id, seq)"
        sql = f"SELECT {names} FROM {kind} ORDER BY seq"
        assert query(tmp_path / "imported", sql) == query(tmp_path / "replayed", sql)


def test_captures_in_one_file_become_separate_sessions(capture: Path, tmp_path: Path) -> None:
    """Interleaved rows of two captures are separated; one id for both is refused."""
    rows = [json.loads(line) for line in capture.read_bytes().splitlines()][:60]
    mixed = [{**row, "capture": "ab"[n % 2]} for n, row in enumerate(rows)]
    path = write_lines(tmp_path / "mixed.jsonl", mixed)

    found = only(import_paths(path, tmp_path / "store"))

    assert len(set(found.sessions)) == 2
    counts = query(tmp_path / "store", "SELECT count(*) FROM ws_event GROUP BY session_id")
    assert counts == [(30,), (30,)]
    with pytest.raises(ConfigError, match="several sessions"):
        import_paths(path, tmp_path / "other", session_id="one")


def test_other_shapes_of_events_are_read(tmp_path: Path) -> None:
    """`data` for `args`, `received`, ISO times, milliseconds; without any time the order is kept."""
    state = {"gameId": GAME, "cooldownTimer": 14900, "allowPreRoundBuys": False}
    timed = [
        {
            "event": "gameStateUpdate",
            "data": state,
            "direction": "received",
            "ts": "2025-12-06T00:57:10.5",
        },
        {"event": "gameStateUpdate", "data": state, "ts": 1765069031500},
        {"event": "ping", "args": [{"lastPing": 1.5}], "dir": "out", "t": 1765069032},
    ]
    found = only(import_paths(write_lines(tmp_path / "a.jsonl", timed), tmp_path / "a"))
    assert found.imported == 3
    assert query(tmp_path / "a", "SELECT ts_ns, direction FROM ws_event ORDER BY seq") == [
        (1_764_982_630_500_000_000, "in"),
        (1_765_069_031_500_000_000, "in"),
        (1_765_069_032_000_000_000, "out"),
    ]  # fmt: skip
    untimed = [{"event": "x", "data": n} for n in range(3)]
    only(import_paths(write_lines(tmp_path / "b.jsonl", ["# note", *untimed]), tmp_path / "b"))
    assert query(tmp_path / "b", "SELECT ts_ns, raw_json FROM ws_event ORDER BY seq") == [
        (2, '42["x",0]'), (3, '42["x",1]'), (4, '42["x",2]')
    ]  # fmt: skip


def test_numbers_keep_their_own_text(tmp_path: Path) -> None:
    """No number is reformatted, and an invalid frame is stored and counted."""
    rows = [
        '{"t": 1765069030.5, "dir": "in", "event": "e", "args": [1.0, 1e2, 0.06890460799999999]}',
        '{"t": 1765069031.5, "dir": "in", "event": "gameStateUpdate", "args": [{"price": 1e999}]}',
    ]

    found = only(import_paths(write_lines(tmp_path / "a.jsonl", rows), tmp_path / "s"))

    assert (found.imported, found.quarantined) == (2, 1)
    raws = [raw for (raw,) in query(tmp_path / "s", "SELECT raw_json FROM ws_event ORDER BY seq")]
    assert raws[0] == '42["e",1.0,1e2,0.06890460799999999]'
    assert "1e999" in raws[1]
    assert query(
        tmp_path / "s", "SELECT count(*) FROM system_event WHERE kind = 'frame.quarantined'"
    ) == [(1,)]


def test_trades_become_what_other_players_did(tmp_path: Path) -> None:
    """Through the engine; a row that is not a trade is bad, a duplicate trade counts once."""
    rows = [
        trade_row(1),
        trade_row(2, type="short_open", qty=0),
        trade_row(1),
        trade_row(3, price="much"),
        trade_row(4, type="gift"),
        trade_row(5, _recv=None),
    ]

    found = only(import_paths(write_lines(tmp_path / "t.jsonl", rows), tmp_path / "s"))

    assert (found.kind, found.imported, found.duplicates, found.bad) == ("trades", 2, 1, 3)
    assert {bad.row for bad in found.bad_rows} == {4, 5, 6}
    trades = query(
        tmp_path / "s",
        "SELECT action_type, amount, price, server_ts, ingested_ts FROM other_player ORDER BY seq",
    )
    assert trades == [
        ("BUY", Decimal("0.1"), 1.073446660724414, None, 1_765_069_032_057),
        ("SHORT_OPEN", Decimal("0.1"), 1.073446660724414, None, 1_765_069_033_057),
    ]


def test_a_game_is_verified_against_its_seed(tmp_path: Path) -> None:
    """A true game is verified, an altered one failed with an alert, one without prices has no ticks."""
    wrong = seeded_row(id="g-2", prices=[1, 1.01, 0.02], rugTick=2)
    rows = [seeded_row(), wrong, seeded_row(prices=None), seeded_row(rugTick="soon")]

    found = only(import_paths(write_lines(tmp_path / "g.jsonl", rows), tmp_path / "s"))

    assert (found.imported, found.bad) == (3, 1)
    assert found.bad_rows[0].reason.startswith("rugTick: it must be a whole number")
    events = query(
        tmp_path / "s",
        "SELECT detail_json->>'verdict', source, ts_ns FROM system_event "
        "WHERE kind = 'game.finished' ORDER BY seq",
    )
    assert [verdict for verdict, _, _ in events] == ["verified", "failed", "verified"]
    assert {(source, ts) for _, source, ts in events} == {("import", 1_751_328_000_000_000_000)}
    game = play_game(SEED, GAME)
    ticks = query(
        tmp_path / "s",
        f"SELECT price, phase FROM game_tick WHERE game_id = '{GAME}' ORDER BY tick",
    )
    assert [price for price, _ in ticks] == list(game.published_prices)
    assert [phase for _, phase in ticks] == ["active"] * game.rug_tick + ["rugged"]
    assert query(tmp_path / "s", "SELECT alert_type, game_id FROM alert_trigger") == [
        ("vectra.integrity", "g-2")
    ]


def test_recorded_games_have_relative_times_only(tmp_path: Path) -> None:
    """Offsets from the first tick, one game after another from 1970 on; a missed price has no tick."""
    rows = [
        recorded_row(),
        recorded_row("g-2", prices=[1, 1.01, 7], complete=True),
        recorded_row(recv_ms=[1]),
    ]

    found = only(import_paths(write_lines(tmp_path / "g.jsonl", rows), tmp_path / "s"))

    assert (found.kind, found.imported, found.bad) == ("recorded_prices", 2, 1)
    ticks = query(
        tmp_path / "s",
        "SELECT game_id, tick, ts_ns // 1000000, phase, trade_count FROM game_tick ORDER BY seq",
    )
    assert ticks[:4] == [
        ("g-1", 0, 0, "active", None), ("g-1", 2, 502, "active", 53), ("g-1", 3, 790, "rugged", 70),
        ("g-2", 0, 1401, "active", None),
    ]  # fmt: skip
    verdicts = query(
        tmp_path / "s",
        "SELECT detail_json->>'verdict' FROM system_event WHERE kind = 'game.finished' ORDER BY seq",
    )
    assert verdicts == [("unverified",), ("failed",)]


def test_leaderboard_rows_are_kept_unchanged(tmp_path: Path) -> None:
    """There is no kind of document for it: a system event has the row's text."""
    path = write_lines(
        tmp_path / "l.jsonl", [board_row(), board_row(44), {**board_row(), "row": {}}]
    )

    found = only(import_paths(path, tmp_path / "s"))

    assert (found.imported, found.bad) == (2, 1)
    stored = query(
        tmp_path / "s",
        "SELECT detail_json, ts_ns, player_id FROM system_event "
        f"WHERE kind = '{LEADERBOARD_KIND}' ORDER BY seq",
    )
    assert stored == [
        (json.dumps(board_row()), DAY_NS + 1, "did:privy:x"),
        (json.dumps(board_row(44)), DAY_NS + 2, "did:privy:x"),
    ]  # fmt: skip


def test_the_result_of_an_import_is_in_the_store(tmp_path: Path) -> None:
    """A query returns the origin of a session, and the number of rows not imported."""
    path = write_lines(tmp_path / "l.jsonl", [board_row(), "junk"])

    import_paths(path, tmp_path / "s")

    ((detail,),) = query(
        tmp_path / "s",
        f"SELECT detail_json FROM system_event WHERE kind = '{FINISHED_KIND}'",
    )
    about = json.loads(detail)
    assert (about["kind"], about["rows"], about["imported"], about["bad"]) == (
        "leaderboard",
        2,
        1,
        1,
    )
    assert about["reasons"] == {"invalid JSON": 1}


def test_all_real_data_is_accounted_for(real_data: Path, tmp_path: Path) -> None:
    """Every row of every file is imported or reported; games with a seed are verified."""
    report = import_paths(real_data, tmp_path)

    by_name = {os.path.basename(f.file): (f.rows, f.imported, f.bad) for f in report.files}  # noqa: PTH119
    assert all(f.adds_up for f in report.files)
    assert by_name["raw_frames.jsonl.gz"] == (1210, 1210, 0)
    assert by_name["seeded_games.jsonl.gz"] == (33, 33, 0)
    assert by_name["recorded_prices.jsonl.gz"] == (433, 433, 0)
    assert by_name["real_trades.jsonl"] == (72, 72, 0)
    assert by_name["leaderboard_rows.jsonl.gz"] == (3015, 3015, 0)
    assert by_name["prng_vectors.json"] == (9, 0, 9)
    verdicts = query(
        tmp_path,
        "SELECT detail_json->>'verdict', count(*) FROM system_event WHERE kind = 'game.finished' "
        "AND source = 'import' GROUP BY ALL ORDER BY ALL",
    )
    alone = sum(1 for _ in real_data.glob("small/game_*.jsonl"))  # made-up games, one file each
    assert verdicts == [("unverified", 433 + alone), ("verified", 33)]
