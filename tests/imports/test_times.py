"""Times of recordings: zones that are not named, epochs of any unit, rows without a date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.imports.samples import GAME, board_row, only, query, recorded_row, write_lines
from vectra_bot.cli.main import main
from vectra_bot.errors import ConfigError
from vectra_bot.imports.run import import_paths
from vectra_bot.models.times import NS_PER_MS, NS_PER_S
from vectra_bot.venues.captures import offset_text, parse_offset

SECOND = 1_765_069_030
DAY_NS = 1_751_328_000 * NS_PER_S
"""Start of the day that the id of GAME names."""
BET = {
    "playerId": "p", "gameId": GAME, "betAmount": 0.01, "xPayout": 5, "startTick": 1, "endTick": 41,
    "timestamp": SECOND * 1000, "type": "placed",
}  # fmt: skip
UNITS = {
    "seconds": SECOND,
    "milliseconds": SECOND * 10**3,
    "microseconds": SECOND * 10**6,
    "nanoseconds": SECOND * 10**9,
}


def bets(written: str) -> list[dict[str, Any]]:
    """Return rows whose payloads state their time, received at *written* by the recorder's clock."""
    return [{"ts": written, "event": "newSideBet", "data": BET}] * 2


def ticks(path: Path, **columns: Any) -> Path:
    """Write a Parquet file of ticks with *columns*."""
    size = len(next(iter(columns.values())))
    plain = {"game_id": ["g"] * size, "tick": range(size), "price": [1.5] * size}
    pd.DataFrame({**plain, **columns}).to_parquet(path)
    return path


def stored(store: Path) -> list[int]:
    """Return the times of the ticks in a store."""
    return [ts for (ts,) in query(store, "SELECT ts_ns FROM game_tick ORDER BY seq")]


def test_times_without_a_zone_are_reported_and_can_be_given(tmp_path: Path) -> None:
    """Read as UTC with a warning that names the option; with an offset they are what it says."""
    rows = [{"ts": "2025-12-07T00:57:10.5", "event": "e", "data": 1}]
    path = write_lines(tmp_path / "a.jsonl", rows)

    found = only(import_paths(path, tmp_path / "utc"))
    other = only(import_paths(path, tmp_path / "est", utc_offset_s=-5 * 3600))

    assert len(found.warnings) == 1
    assert "--utc-offset" in found.warnings[0]
    assert other.warnings == ["times without a zone: 1, read as UTC-05:00"]
    sql = "SELECT ts_ns FROM ws_event"
    ((utc,),), ((est,),) = query(tmp_path / "utc", sql), query(tmp_path / "est", sql)
    assert (utc, est - utc) == (1_765_069_030_500_000_000, 5 * 3600 * NS_PER_S)


@pytest.mark.parametrize("text", ["2025-12-07T00:57:10Z", "2025-12-07T01:57:10+01:00"])
def test_times_with_a_zone_keep_it(text: str, tmp_path: Path) -> None:
    """The offset is for times without a zone only, and there is no warning."""
    path = write_lines(tmp_path / "a.jsonl", [{"ts": text, "event": "e", "data": 1}])

    found = only(import_paths(path, tmp_path / "s", utc_offset_s=-5 * 3600))

    assert found.warnings == []
    assert query(tmp_path / "s", "SELECT ts_ns FROM ws_event") == [(SECOND * NS_PER_S,)]


@pytest.mark.parametrize(
    ("written", "offset_s", "words"),
    [
        ("2025-12-06T19:57:10.2", 0, "give --utc-offset -05:00"),
        ("2025-12-07T06:27:10.2", 0, "give --utc-offset +05:30"),
        ("2025-12-06T19:57:10.2", -4 * 3600, "give --utc-offset -05:00"),
        ("2025-12-06T19:57:10.2", -5 * 3600, "read as UTC-05:00"),
        ("2025-12-07T05:57:10.2Z", 0, "receive times are +05:00 hours off"),
    ],
)
def test_times_are_compared_with_those_in_the_payloads(
    written: str, offset_s: int, words: str, tmp_path: Path
) -> None:
    """The venue's own times show the recorder's zone, or that its clock was wrong."""
    path = write_lines(tmp_path / "a.jsonl", bets(written))

    (warning,) = only(import_paths(path, tmp_path / "s", utc_offset_s=offset_s)).warnings

    assert words in warning
    assert ("differ" in warning) == ("give" in words)


def test_times_of_a_replay_take_the_offset_too(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`replay` warns on standard error, and --utc-offset dates the frames; a wrong one is one line."""
    path = write_lines(tmp_path / "a.jsonl", bets("2025-12-06T19:57:10.2"))

    assert main(["replay", str(path)]) == 0
    assert "warning: times without a zone: 2" in capsys.readouterr().err
    arguments = ["replay", str(path), "--utc-offset", "-05:00", "--session-id", "east", "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == [
        "times without a zone: 2, read as UTC-05:00"
    ]
    moments = query(store, "SELECT DISTINCT ts_ns FROM ws_event WHERE session_id = 'east'")
    assert moments == [(SECOND * NS_PER_S + 200 * NS_PER_MS,)]
    for command in (["replay"], ["store", "import"]):
        assert main([*command, str(path), "--utc-offset", "noon"]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("steps", "counted"), [((0, 1, 2), 0), ((0, -1, 1), 0), ((0, 60, 2, 1, 70), 1)]
)
def test_times_that_step_back_are_reported(
    steps: tuple[int, ...], counted: int, tmp_path: Path
) -> None:
    """A clock that was set back is a warning with a count; rows keep their order. A second does not count."""
    rows = [{"t": SECOND + step, "event": "e", "args": [n]} for n, step in enumerate(steps)]
    path = write_lines(tmp_path / "a.jsonl", rows)

    found = only(import_paths(path, tmp_path / "s"))

    line = f"receive times that step back: {counted}; rows keep the order of the file"
    assert (line in found.warnings) == bool(counted)
    assert query(tmp_path / "s", "SELECT raw_json FROM ws_event ORDER BY seq") == [
        (f'42["e",{n}]',) for n in range(len(steps))
    ]


@pytest.mark.parametrize(
    ("text", "seconds"), [("-05:00", -18000), ("+5", 18000), ("0530", 19800), ("00:00", 0)]
)
def test_times_have_offsets_in_hours_and_minutes(text: str, seconds: int) -> None:
    """With or without sign and colon; other text is refused."""
    assert parse_offset(text) == seconds
    assert parse_offset(offset_text(seconds)) == seconds
    for wrong in ("", "EST", "+99", "+05:75", "5.5"):
        with pytest.raises(ConfigError, match="utc offset"):
            parse_offset(wrong)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("kind", ["int", "float", "text"])
def test_epochs_of_a_capture_are_known_by_their_range(kind: str, unit: str, tmp_path: Path) -> None:
    """Seconds, milliseconds, microseconds and nanoseconds; numbers and their texts."""
    value = {"int": int, "float": float, "text": str}[kind](UNITS[unit])
    path = write_lines(tmp_path / "a.jsonl", [{"ts": value, "event": "e", "data": 1}])

    assert only(import_paths(path, tmp_path / "s")).warnings == []

    assert query(tmp_path / "s", "SELECT ts_ns FROM ws_event") == [(SECOND * NS_PER_S,)]


@pytest.mark.parametrize("name", ["ts", "timestamp", "recv_ms", "receivedAt", "t", "epoch_s"])
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("kind", ["int64", "float64", "str"])
def test_epochs_of_a_table_are_known_by_name_and_range(
    kind: str, unit: str, name: str, tmp_path: Path
) -> None:
    """A column of times in any unit dates its rows, and no column is unused."""
    column = pd.Series([UNITS[unit], UNITS[unit]]).astype(kind)

    found = only(import_paths(ticks(tmp_path / "a.parquet", **{name: column}), tmp_path / "s"))

    assert (found.imported, found.undated, found.unused) == (2, 0, [])
    assert stored(tmp_path / "s") == [SECOND * NS_PER_S] * 2


def test_epochs_in_a_record_are_milliseconds_whatever_their_unit(tmp_path: Path) -> None:
    """A record's own time in seconds or nanoseconds is not a date in 1970."""
    rows = {
        "action_type": ["BUY"] * 4,
        "amount": [0.1] * 4,
        "price": [1.5] * 4,
        "game_id": ["g"] * 4,
    }
    table = pa.table({**rows, "server_ts": list(UNITS.values())})
    pq.write_table(table, tmp_path / "a.parquet")

    assert only(import_paths(tmp_path / "a.parquet", tmp_path / "s")).imported == 4

    assert query(tmp_path / "s", "SELECT DISTINCT server_ts FROM other_player") == [
        (SECOND * 1000,)
    ]


def test_times_of_a_table_without_a_zone(tmp_path: Path) -> None:
    """Naive timestamps and texts are read with the offset, and counted."""
    naive = pd.to_datetime(["2025-12-06T19:57:10", "2025-12-06T19:57:11"])
    for name, column in {"stamps": naive, "texts": naive.strftime("%Y-%m-%d %H:%M:%S")}.items():
        path = ticks(tmp_path / f"{name}.parquet", timestamp=column)

        found = only(import_paths(path, tmp_path / name, utc_offset_s=-5 * 3600))

        assert found.warnings == ["times without a zone: 2, read as UTC-05:00"]
        assert stored(tmp_path / name) == [SECOND * NS_PER_S, (SECOND + 1) * NS_PER_S]


def test_rows_without_a_date_have_their_game_s(tmp_path: Path) -> None:
    """The day of the game's id, in the order of the rows; it is counted and reported."""
    found = only(import_paths(ticks(tmp_path / "a.parquet", game_id=[GAME] * 2), tmp_path / "a"))
    assert (found.dated_by_game, found.undated) == (2, 0)
    assert stored(tmp_path / "a") == [DAY_NS + 1, DAY_NS + 2]

    frames = [{"event": "gameStateUpdate", "data": {"gameId": GAME, "cooldownTimer": 100}}] * 2
    found = only(import_paths(write_lines(tmp_path / "b.jsonl", frames), tmp_path / "b"))
    assert (found.dated_by_game, found.undated) == (2, 0)
    assert query(tmp_path / "b", "SELECT ts_ns FROM ws_event ORDER BY seq") == [
        (DAY_NS + 1,), (DAY_NS + 2,)
    ]  # fmt: skip

    games = [recorded_row(GAME), recorded_row("20250702-000000000000000a")]
    found = only(import_paths(write_lines(tmp_path / "c.jsonl", games), tmp_path / "c"))
    assert (found.dated_by_game, found.undated) == (2, 0)
    assert query(tmp_path / "c", "SELECT min(ts_ns) FROM game_tick GROUP BY game_id ORDER BY 1") == [
        (DAY_NS,), (DAY_NS + 86_400 * NS_PER_S,)
    ]  # fmt: skip

    found = only(import_paths(write_lines(tmp_path / "d.jsonl", [board_row()]), tmp_path / "d"))
    assert found.to_json()["warnings"] == [
        "rows without a date: 1, dated by the ids of their games"
    ]


@pytest.mark.parametrize("value", [[1, 2], [0.5, 1.5], [-5, 7], [float("nan"), 2.0]])
def test_no_row_is_dated_1970_in_silence(value: list[float], tmp_path: Path) -> None:
    """Numbers that are not times since 1970, and games without a day, are counted and reported."""
    found = only(import_paths(ticks(tmp_path / "a.parquet", ts=value), tmp_path / "a"))
    rows = [{"t": 0.5, "dir": "in", "event": "e", "args": []}, {"t": 1, "event": "e", "args": []}]
    capture = only(import_paths(write_lines(tmp_path / "b.jsonl", rows), tmp_path / "b"))

    for report in (found, capture):
        assert report.undated == 2
        assert "1970" in report.to_json()["warnings"][-1]
    assert stored(tmp_path / "a") == [1, 2]


def test_columns_that_are_not_used_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the report and in the text of the command."""
    path = ticks(tmp_path / "a.parquet", mood=["good", "bad"])

    assert only(import_paths(path, tmp_path / "s")).unused == ["mood"]
    main(["store", "import", str(path), "--store", str(tmp_path / "t")])
    assert "not used: mood" in capsys.readouterr().out
