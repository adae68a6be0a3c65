"""What recorded drawings were worth: each counted once, per SOL, with few drawings said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from vectra_bot.analysis.intervals import mean_of
from vectra_bot.analysis.promotions import RecordedDrawings, promotions, worth
from vectra_bot.store.query.catalog import open_store


def frame(name: str, payload: dict[str, Any]) -> str:
    return f"42{json.dumps([name, payload])}"


def update(amount: float, entries: int, drawn_at: int | None = None) -> str:
    """Return a private update with a rugpool."""
    last = None
    if drawn_at is not None:
        last = {
            "timestamp": drawn_at, "winners": [], "rewardPerWinner": 1, "totalPoolAmount": 3,
        }  # fmt: skip
    pool = {
        "instarugCount": 3, "rugpoolAmount": amount, "totalEntries": entries, "lastDrawing": last,
    }  # fmt: skip
    return frame("gameStatePlayerUpdate", {"rugpool": pool, "cash": 1})


def golden(drawing_id: str, prize: float, entries: list[int]) -> str:
    rows = [
        {"playerId": f"p{n}", "username": None, "entryCount": count, "entryPercentage": 1.0}
        for n, count in enumerate(entries)
    ]
    return frame(
        "goldenHourDrawing",
        {
            "id": drawing_id, "timestamp": 1, "gameId": "g", "entries": rows, "winnerIndex": 0,
            "prizeAmount": prize, "winnerPlayerId": "p0",
        },
    )  # fmt: skip


def test_a_pool_counts_once_by_its_last_state() -> None:
    """States between two drawings are one pool, in any session; its value is per SOL lost."""
    recorded = RecordedDrawings()
    recorded.read([
        update(0.1, 400, 10), update(0.31, 1_000, 10), update(0.31, 1_000, 10), update(0.0, 0, 20),
        update(0.6, 2_000, 20), update(0.31, 1_000, 10),
    ])  # fmt: skip
    found = worth(recorded)
    assert (found.pools, found.pool_drawings) == (2, 2)
    assert found.pool_per_sol_lost is not None
    assert found.pool_per_sol_lost.mean == pytest.approx((0.31 + 0.3) / 2)
    assert found.pool_per_sol_lost.count == 2


def test_a_golden_drawing_counts_once_by_its_id() -> None:
    """0.05 SOL over 1,000 entries is 0.05 SOL per SOL of longs and 0.2 per SOL of sidebets."""
    recorded = RecordedDrawings()
    recorded.read([golden("a", 0.05, [600, 400]), golden("a", 0.05, [600, 400])])
    found = worth(recorded)
    assert found.golden_drawings == 1
    assert found.golden_per_sol_of_longs is not None
    assert found.golden_per_sol_of_longs.mean == pytest.approx(0.05)
    assert found.golden_per_sol_of_sidebets is not None
    assert found.golden_per_sol_of_sidebets.mean == pytest.approx(0.2)
    assert found.golden_per_sol_of_longs.low is None
    assert found.presale == ()


def test_a_presale_purchase_gains_with_the_prize_and_loses_before_it() -> None:
    """The protocol's figures: about +0.1 % at tick 1, +0.5 % at 5, +0.6 to 0.7 % at 6, less after it."""
    recorded = RecordedDrawings()
    recorded.read([update(0.31, 1_000)])
    gains = {row.tick: 100 * row.with_prize for row in worth(recorded).presale}
    assert gains[1] == pytest.approx(0.1, abs=0.02)
    assert gains[5] == pytest.approx(0.5, abs=0.05)
    assert 0.6 <= gains[6] <= 0.7
    assert gains[40] < gains[20] < gains[10] < gains[6]
    assert all(row.before_prizes < 0 for row in worth(recorded).presale)


def test_frames_of_another_shape_are_counted() -> None:
    recorded = RecordedDrawings()
    recorded.read([frame("goldenHourDrawing", {"id": 1}), frame("rugpoolDrawing", {}), "43"])
    assert recorded.unreadable == 3


def test_intervals_do_not_go_below_what_is_possible() -> None:
    found = mean_of([0.0, 1.0], least=0.0)
    assert found is not None
    assert (found.low, found.mean) == (0.0, 0.5)
    assert found.high == pytest.approx(0.5 + 12.706204736432095 * 0.5)
    assert mean_of([]) is None


def test_a_recorded_store_has_its_pools(tmp_path: Path) -> None:
    """The exchange feeds its pool with 0.31 SOL per SOL lost: that is what its recording shows."""
    vectra_bot.run("watch", games=70, seed=7, store=tmp_path / "store")
    with open_store(tmp_path / "store") as catalog:
        found = promotions(catalog)
    assert found.pools >= 1
    assert found.unreadable == 0
    assert found.pool_per_sol_lost is not None
    assert found.pool_per_sol_lost.mean == pytest.approx(0.31, abs=0.03)
