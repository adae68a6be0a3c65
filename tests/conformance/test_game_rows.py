"""Files that have one game tick by tick: what they say is imported, and what is wrong in them is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.imports.samples import only, query, write_lines
from vectra_bot.conformance.verification import verify_file
from vectra_bot.imports.run import import_paths

GAME = "20251030-0000000000000001"
LIVE = [1.0, 1.0042, 0.9871, 1.0133]
RUG = 0.9871 * (1 - 0.98)


def row(kind: str, second: float, **facts: Any) -> dict[str, Any]:
    """Return a row of the recorder."""
    time = f"2025-10-30T17:38:{26 + second:09.6f}"
    return {"type": kind, "timestamp": time, "game_id": GAME, **facts}


def tick(second: float, number: int, price: float, **facts: Any) -> dict[str, Any]:
    """Return a tick row, of the countdown unless *facts* say otherwise."""
    plain = {
        "phase": "UNKNOWN",
        "active": False,
        "rugged": False,
        "cooldown_timer": 0,
        "trade_count": 0,
    }
    return row("tick", second, tick=number, price=price, **{**plain, **facts})


def game() -> list[dict[str, Any]]:
    """Return the rows of a game: a countdown out of order, four live ticks, the rug, the summary."""
    timers = (14800, 14900, 15000, 9900)
    return [
        row("game_start", 0, session_game_number=1),
        *(tick(0.1, 0, 1.0, cooldown_timer=timer) for timer in timers),
        *(tick(10 + n / 4, n, price, active=True, phase="ACTIVE") for n, price in enumerate(LIVE)),
        tick(11.1, 4, RUG, active=True, rugged=True, phase="RUGGED"),
        row(
            "game_end", 11.2, total_ticks=10, tick_range=[0, 4], price_range=[RUG, 1.0133],
            peak_price=1.0133, final_price=RUG,
        ),
    ]  # fmt: skip


def test_game_rows_are_one_game(tmp_path: Path) -> None:
    """Ticks 0 to 4 with the phases that timer and flags show, local times, one finished game."""
    path = write_lines(tmp_path / "game_20251030_173826.jsonl", game())

    found = only(import_paths(path, tmp_path / "s", utc_offset_s=-5 * 3600))

    assert (found.kind, found.imported, found.bad, found.failed) == ("game_rows", 11, 0, 0)
    rows = query(
        tmp_path / "s", "SELECT tick, price, phase, cooldown_timer_ms FROM game_tick ORDER BY seq"
    )
    assert rows[:4] == [
        (0, 1.0, "cooldown", 14800), (0, 1.0, "cooldown", 14900), (0, 1.0, "cooldown", 15000),
        (0, 1.0, "presale", 9900),
    ]  # fmt: skip
    assert rows[4:] == [
        *((n, price, "active", 0) for n, price in enumerate(LIVE)), (4, RUG, "rugged", 0)
    ]  # fmt: skip
    ((first,),) = query(tmp_path / "s", "SELECT min(ts_ns) FROM game_tick")
    assert first == 1_761_863_906_100_000_000  # 22:38:26.1 UTC
    ((detail,),) = query(
        tmp_path / "s", "SELECT detail_json FROM system_event WHERE kind = 'game.finished'"
    )
    stated = json.loads(detail)
    assert (stated["rug_tick"], stated["rug_price"], stated["peak"]) == (4, RUG, 1.0133)
    counts = verify_file(path)
    assert (counts.kind, counts.ok, counts.counts) == (
        "game_rows", True, {"games": 1, "ticks": 9, "exact": 1},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("index", "changes", "named"),
    [
        (7, {"price": 0.9872}, "rug_price"),
        (6, {"price": 1.1}, "price"),
        (9, {"price": RUG * 1.0001}, "rug_price"),
        (10, {"peak_price": 1.5}, "peak_price"),
        (10, {"tick_range": [0, 5]}, "tick_range"),
        (10, {"price_range": [0.5, 1.0133]}, "price_range"),
        (10, {"final_price": 1.0}, "final_price"),
        (10, {"total_ticks": 7}, "total_ticks"),
        (9, {"rugged": False, "tick": 3}, "price"),
    ],
)
def test_game_rows_that_disagree_are_named(
    index: int, changes: dict[str, Any], named: str, tmp_path: Path
) -> None:
    """One altered value is found, by verify and by the import, which counts the game as failed."""
    rows = game()
    rows[index] |= changes
    path = write_lines(tmp_path / "game.jsonl", rows)

    assert named in [found.difference.what for found in verify_file(path).differences]
    assert only(import_paths(path, tmp_path / "s")).failed == 1


@pytest.mark.parametrize("index", [6, 9, 10])
def test_game_rows_that_are_missing_are_named(index: int, tmp_path: Path) -> None:
    """Without a live tick, the rug or the summary, the file does not verify."""
    rows = game()
    del rows[index]

    assert not verify_file(write_lines(tmp_path / "game.jsonl", rows)).ok


@pytest.mark.parametrize("key", ["total_ticks", "peak_price", "tick_range"])
def test_game_rows_may_sum_up_less(key: str, tmp_path: Path) -> None:
    """A summary without a fact is right about the others; a rug at tick 0 is not possible."""
    rows = game()
    del rows[-1][key]
    assert verify_file(write_lines(tmp_path / "game.jsonl", rows)).ok

    rows[-2] |= {"tick": 0}
    found = verify_file(write_lines(tmp_path / "game.jsonl", rows)).differences
    assert "rug_tick" in [difference.difference.what for difference in found]


def test_game_rows_after_the_rug_are_named(tmp_path: Path) -> None:
    """A live tick after the rug under the same id is a difference."""
    rows = game()
    rows.insert(10, tick(11.15, 5, 1.01, active=True, phase="ACTIVE"))
    rows[11] |= {"tick_range": [0, 5], "final_price": 1.01, "total_ticks": 11}

    (found,) = verify_file(write_lines(tmp_path / "game.jsonl", rows)).differences

    assert (found.difference.what, found.difference.tick) == ("live tick after the rug", 5)
