"""A strategy that hung its session must not hang the recovery of the store."""

from __future__ import annotations

from pathlib import Path

import pytest

import vectra_bot
from vectra_bot.journal import read_journal, write_journal
from vectra_bot.session import watchdog
from vectra_bot.session.recovery import UNREPLAYED_KIND, recover_store
from vectra_bot.store.query.catalog import open_store

_HANGS = """
import os
from vectra_bot import Strategy

class Hangs(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 2:
            self.actions.buy("0.01")
        while game.tick == 4 and os.environ.get("HANG"):
            pass
"""


def test_recovery_gives_up_on_a_strategy_that_never_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is closed without replay, its actions accounted for, and the reason is stored."""
    file = tmp_path / "hangs.py"
    file.write_text(_HANGS)
    store, copy = tmp_path / "store", tmp_path / "copy"
    vectra_bot.run(str(file), games=1, seed=7, crowd=0, store=store, session_id="S")
    entries = [e for e in read_journal(store / "journals" / "S") if e.kind != "close"]
    (copy / "journals" / "S").mkdir(parents=True)
    write_journal(copy / "journals" / "S" / "000001.log", entries[:-10])
    monkeypatch.setenv("HANG", "1")
    monkeypatch.setattr(watchdog, "INPUT_LIMIT_S", 0.2)

    assert recover_store(copy) == ["S"]
    with open_store(copy) as catalog:
        rows = catalog.sql(
            f"SELECT message FROM system_event WHERE kind = '{UNREPLAYED_KIND}'"
        ).rows
        actions = catalog.sql("SELECT count(*), count(DISTINCT action_id) FROM player_action").rows
    assert "too long" in rows[0][0]
    assert actions == [(1, 1)]
