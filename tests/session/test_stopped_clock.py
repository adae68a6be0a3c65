"""A test that stops the clock around a run: freezegun and time-machine.

Each runs in a new process, because the fault is in importing C libraries while the clock is stopped.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROGRAM = """
from decimal import Decimal
import {module}

with {stopped}:
    import vectra_bot

    class Early(vectra_bot.Strategy):
        def on_game_tick(self, tick, game):
            if game.tick == 3:
                self.actions.buy(Decimal("0.01"), take_profit=1.2)

    report = vectra_bot.run(Early, games=2, seed=7, session_id="stopped", store="store", crowd=5)
    with vectra_bot.open_store("store") as store:
        (row,) = store.sql("SELECT CAST(detail_json->>'began' AS TEXT) FROM system_event "
                           "WHERE kind = 'session.started'").rows
        assert store.arrow("game_tick").num_rows > 0
        assert len(store.run("sessions").df()) == 1
    checked = vectra_bot.check_journal("store/journals/stopped", strategy=Early)
    assert checked.equal, checked
    assert vectra_bot.check_store("store").ok
again = vectra_bot.run(Early, games=2, seed=7, session_id="stopped", store="other", crowd=5)
assert again.digest == report.digest
print(row[0])
"""

STOPPED = {
    "freezegun": 'freezegun.freeze_time("2031-02-03")',
    "time_machine": 'time_machine.travel("2031-02-03", tick=False)',
}


@pytest.mark.parametrize("module", list(STOPPED))
def test_a_run_under_a_stopped_clock_is_the_same(module: str, tmp_path: Path) -> None:
    """The session ends, is stored, queried, replayed and checked; only when it began is the test's time."""
    if find_spec(module) is None:
        pytest.skip(f"needs {module}, which is not installed")
    program = PROGRAM.format(module=module, stopped=STOPPED[module])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2031-02-03T00:00:00")
