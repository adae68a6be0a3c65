"""A strategy that forks: the child cannot continue the session, and the parent's is as without it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from tests.session.strategies import Busy
from vectra_bot.errors import StoreError
from vectra_bot.journal import read_journal
from vectra_bot.store.maintenance.check import check_store

FAST: dict[str, Any] = {"games": 1, "seed": 7, "crowd": 0}
CHILDREN: list[int] = []


class Forking(Busy):
    """Forks while it acts, and the child continues as if it were the session."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        super().on_game_tick(tick, game)
        if game.tick == 5:
            CHILDREN.append(os.fork())


def test_child_that_returns_from_a_callback_ends(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It sends and stores nothing; the parent's session has the same entries as one that did not fork."""
    CHILDREN.clear()
    plain = vectra_bot.run(Busy, store=tmp_path / "plain", session_id="S", **FAST)
    report = vectra_bot.run(Forking, store=tmp_path / "forking", session_id="S", **FAST)
    (child,) = CHILDREN
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == StoreError.exit_code
    assert capfd.readouterr().err.count("a process forked by the one that writes session 'S'") == 1
    assert (report.actions, report.ticks, report.pnl) == (plain.actions, plain.ticks, plain.pnl)
    assert check_store(tmp_path / "forking").problems == []
    counts = [
        sum(1 for _ in read_journal(tmp_path / name / "journals" / "S"))
        for name in ("plain", "forking")
    ]
    assert counts[0] == counts[1]
