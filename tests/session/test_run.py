"""Paper sessions end to end: determinism, money, the store, failures."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import duckdb
import pyarrow.parquet as pq
import pytest

import vectra_bot
from tests.session.strategies import Busy, Counting, Loop, Raising
from vectra_bot.errors import ConfigError, InputError, StoreError, StrategyError, UnknownNameError
from vectra_bot.journal import read_journal
from vectra_bot.models import DocType
from vectra_bot.session import SessionConfig, StopFlag, run_session
from vectra_bot.session.shell import Shell

GAMES = 6
FAST: dict[str, Any] = {"games": GAMES, "seed": 7, "crowd": 20}


def rows(store: Path, doc_type: DocType, sql: str) -> list[Any]:
    """Return rows of a query over one kind of document; ``docs`` is its table."""
    glob = store / f"doc_type={doc_type.value}" / "**" / "*.parquet"
    return duckdb.sql(f"WITH docs AS (FROM '{glob}') {sql}").fetchall()


def test_same_seed_same_digest_in_two_processes(tmp_path: Path) -> None:
    """Two processes on another day with another hash seed give the same digest; another seed does not."""
    code = (
        "import sys, vectra_bot; r = vectra_bot.run('take-profit', games=2, seed=int(sys.argv[1]), crowd=20,"
        "store=sys.argv[2], session_id='X'); print(r.digest, r.games)"
    )
    found = []
    for seed, hash_seed, zone in ((7, "1", "UTC"), (7, "2", "Asia/Tokyo"), (8, "1", "UTC")):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone}
        store = tmp_path / f"{seed}-{hash_seed}"
        done = subprocess.run(
            [sys.executable, "-c", code, str(seed), str(store)],
            capture_output=True,
            text=True,
            env=env,
            check=True,
        )
        found.append(done.stdout)

    assert found[0] == found[1]
    assert found[0] != found[2]


def test_report_counts_what_the_store_holds(store: Path) -> None:
    """Games, actions by state and cash of the report are those of the documents."""
    report = vectra_bot.run("take-profit", session_id="S", store=store, **FAST)

    assert report.games == GAMES
    stored = dict(rows(store, DocType.PLAYER_ACTION, "SELECT state, count(*) FROM docs GROUP BY 1"))
    assert stored == report.actions
    ticks = rows(store, DocType.GAME_TICK, "SELECT count(*) FROM docs WHERE phase = 'active'")
    assert ticks[0][0] == report.ticks
    cash = rows(store, DocType.SERVER_STATE, "SELECT cash FROM docs ORDER BY seq DESC LIMIT 1")
    assert cash[0][0] == report.cash_end
    json.dumps(report.to_json(), allow_nan=False)


def test_every_entry_that_lived_was_bought_and_left(store: Path) -> None:
    """Every game that lasted two ticks past the entry has a CONFIRMED buy, and that an exit."""
    vectra_bot.run("take-profit", session_id="S", store=store, games=15, seed=7, crowd=0)
    lived = rows(
        store,
        DocType.GAME_TICK,
        "SELECT game_id FROM docs WHERE phase = 'active' GROUP BY 1 HAVING max(tick) >= 12",
    )
    bought = rows(
        store,
        DocType.PLAYER_ACTION,
        "SELECT game_id FROM docs WHERE action_type = 'BUY' AND state = 'CONFIRMED'",
    )
    sold = rows(
        store,
        DocType.PLAYER_ACTION,
        "SELECT game_id FROM docs WHERE action_type = 'SELL' AND state = 'CONFIRMED'",
    )
    forced = rows(
        store, DocType.SERVER_STATE, "SELECT game_id FROM docs WHERE cause = 'forced_sell'"
    )

    assert lived
    assert set(lived) <= set(bought)
    assert set(bought) == set(sold) | set(forced)
    assert not set(sold) & set(forced)


@pytest.mark.parametrize("strategy", ["take-profit", "sidebet", Busy])
@pytest.mark.parametrize("latency_ms", [0, 70])
def test_money_closes_to_the_lamport(
    store: Path, tmp_path: Path, strategy: Any, latency_ms: int
) -> None:
    """Per game: cash at start - buys + sells + forced sells + settlements = cash at end, by SQL alone."""
    log = tmp_path / "exchange.log"
    report = vectra_bot.run(
        strategy, session_id="S", store=store, latency_ms=latency_ms, exchange_log=log, **FAST
    )
    games = rows(
        store,
        DocType.SERVER_STATE,
        "SELECT game_id, arg_min(cash - delta_cash, seq), arg_max(cash, seq),"
        " sum(delta_cash) FILTER (cause IN ('forced_sell', 'stake_settled')),"
        " count(*) FILTER (cause IN ('unexplained', 'external')) FROM docs GROUP BY 1",
    )
    trades = dict(
        rows(
            store,
            DocType.PLAYER_ACTION,
            "SELECT game_id, sum(CASE WHEN action_type = 'SELL' THEN 1 ELSE -1 END * outcome_executed_amount)"
            " FROM docs WHERE state = 'CONFIRMED' GROUP BY 1",
        )
    )

    assert len(games) >= GAMES
    for game_id, start, end, settled, strange in games:
        assert strange == 0
        assert start + trades.get(game_id, Decimal(0)) + (settled or Decimal(0)) == end
    requests = [json.loads(line) for line in log.read_text().splitlines()]
    ours = {
        trace: (kind.lower(), amount)
        for trace, kind, amount in rows(
            store,
            DocType.PLAYER_ACTION,
            "SELECT trace_id, action_type, outcome_executed_amount FROM docs WHERE state = 'CONFIRMED'",
        )
    }
    accepted = {r["trace_id"]: (r["type"], Decimal(r["amount"])) for r in requests if r["accepted"]}
    assert accepted == ours
    assert report.cash_end == games[-1][2] or report.cash_end in {g[2] for g in games}


def test_expected_value_follows_the_risks_taken(store: Path) -> None:
    """A sidebet's expectation is -9.1 % of its stake, and watching expects nothing."""
    sidebet = vectra_bot.run("sidebet", store=store, settings={"stake": "0.01"}, **FAST)
    watch = vectra_bot.run("watch", store=store, **FAST)

    placed = sum(sidebet.actions.values())
    share = (1 - 0.995**40) * 5 - 1
    assert float(sidebet.expected) == pytest.approx(placed * 0.01 * share, abs=1e-8)
    assert (watch.expected, watch.actions, watch.pnl) == (0, {}, 0)


def test_intent_is_on_the_disk_before_its_command_leaves(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the moment of sending, the journal's file contains the INTENT and was synced after the write."""
    synced: dict[int, bytes] = {}
    real_sync, seen = os.fdatasync, []

    def watch_sync(fd: int) -> None:
        held = os.pread(fd, 1 << 24, 0)
        real_sync(fd)
        synced[os.fstat(fd).st_ino] = held

    monkeypatch.setattr(os, "fdatasync", watch_sync)

    class Watching:
        """The session's own gateway, observed."""

        def __init__(self, shell: Shell) -> None:
            self.shell, self.inner = shell, shell.gateway

        async def send(self, command: Any) -> Any:
            segment = max(self.shell.journal.directory.glob("*.log"))
            seen.append(command.trace_id.encode() in synced[segment.stat().st_ino])
            return await self.inner.send(command)

        async def aclose(self) -> None:
            await self.inner.aclose()

    real_take = Shell.take

    async def take(self: Shell, item: Any) -> None:
        if not isinstance(self.gateway, Watching):
            self.gateway = Watching(self)
        await real_take(self, item)

    monkeypatch.setattr(Shell, "take", take)
    report = vectra_bot.run("take-profit", store=store, **FAST)

    assert len(seen) == sum(report.actions.values()) > 0
    assert all(seen)


def test_raising_strategy_ends_the_session_with_a_complete_store(store: Path) -> None:
    """A strategy's exception stops trading; its traceback is in the store, and the journal is closed."""
    with pytest.raises(StrategyError, match="on purpose") as caught:
        vectra_bot.run(Raising, session_id="S", store=store, **FAST)

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    errors = rows(
        store, DocType.SYSTEM_EVENT, "SELECT detail_json FROM docs WHERE kind = 'strategy.error'"
    )
    assert "ZeroDivisionError" in json.loads(errors[0][0])["traceback"]
    actions = rows(store, DocType.PLAYER_ACTION, "SELECT action_type, state FROM docs")
    assert actions == [("BUY", "CONFIRMED")]
    reader = read_journal(store / "journals" / "S")
    assert [entry.kind for entry in reader][-1] == "close"


def test_a_strategy_that_python_interrupts_is_not_blamed(store: Path) -> None:
    """Ctrl-C in a program that calls `run()` reaches the program; the session is stopped and complete."""

    class Interrupted(vectra_bot.Strategy):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vectra_bot.run(Interrupted, session_id="S", store=store, **FAST)

    kinds = rows(store, DocType.SYSTEM_EVENT, "SELECT kind FROM docs")
    assert ("strategy.interrupted",) in kinds
    assert ("strategy.error",) not in kinds
    close = [e for e in read_journal(store / "journals" / "S") if e.kind == "close"]
    assert [entry.data["reason"] for entry in close] == ["stopped: KeyboardInterrupt"]


def test_order_loop_is_stopped(store: Path) -> None:
    """A strategy that answers every denial with an action is stopped, not run without end."""
    with pytest.raises(StrategyError, match="one input"):
        vectra_bot.run(Loop, store=store, **FAST)


def test_the_same_run_replaces_itself_and_another_is_refused(store: Path) -> None:
    """A session id may be run again only by the same reproducible run."""
    first = vectra_bot.run("take-profit", session_id="S", store=store, **FAST)
    again = vectra_bot.run("take-profit", session_id="S", store=store, **FAST)

    assert first.digest == again.digest
    count = rows(
        store, DocType.PLAYER_ACTION, "SELECT count(*), count(DISTINCT action_id) FROM docs"
    )
    assert count[0][0] == count[0][1] == sum(first.actions.values())
    with pytest.raises(StoreError, match="another run"):
        vectra_bot.run("take-profit", session_id="S", store=store, **{**FAST, "seed": 8})


def test_a_pace_gives_the_session_of_full_speed(store: Path) -> None:
    """``speed`` only delays: digest, times and files' rows are the same, and it is the same run by its id."""
    fast = vectra_bot.run("take-profit", session_id="S", store=store, **FAST)
    paced = vectra_bot.run("take-profit", session_id="S", store=store, **{**FAST, "speed": 2000})
    assert (paced.digest, paced.latency) == (fast.digest, fast.latency)
    assert (paced.cash_end, paced.ticks) == (fast.cash_end, fast.ticks)


def test_state_is_taken_up_by_a_later_session(store: Path) -> None:
    """What save() returned at the last game's end is passed to restore()."""
    vectra_bot.run(Counting, session_id="first", store=store, **FAST)
    vectra_bot.run(
        Counting, session_id="second", restore_from="first", store=store, **{**FAST, "seed": 9}
    )

    states = rows(
        store,
        DocType.SYSTEM_EVENT,
        "SELECT detail_json FROM docs WHERE kind = 'strategy.state' AND session_id = 'second' ORDER BY seq",
    )
    assert json.loads(states[-1][0]) == {"seen": 2 * GAMES}
    with pytest.raises(InputError, match="no journal"):
        vectra_bot.run("watch", restore_from="second-but-none", store=store, **FAST)


def test_stop_flag_ends_between_two_inputs(store: Path) -> None:
    """A requested end closes the journal and writes the report of what was played."""
    stop = StopFlag()

    class Stopper:
        def update(self, snapshot: Any) -> None:
            stop.set("test")

    config = SessionConfig(
        strategy="watch", games=500, seed=1, crowd=0, store=store, stop=stop, observer=Stopper()
    )
    report = asyncio.run(run_session(config))

    assert report.ended == "stopped: test"
    assert report.games < 500
    for part in store.glob("**/*.parquet"):
        pq.read_table(part)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"strategy": "take-proft"}, UnknownNameError),
        ({"strategy": "./no_such_file.py"}, InputError),
        ({"settings": {"stake": "9"}}, ConfigError),
        ({"settings": {"steak": "1"}}, ConfigError),
        ({"games": 0}, ConfigError),
        ({"seed": -1}, ConfigError),
        ({"plugins": {"no-such": {}}}, UnknownNameError),
        ({"session_id": "../x"}, InputError),
        ({"colour": 1}, ConfigError),
    ],
)
def test_wrong_options_write_nothing(
    store: Path, options: dict[str, Any], error: type[Exception]
) -> None:
    """A wrong option is refused before anything is on the disk."""
    given = {"strategy": "take-profit", "store": store, **FAST, **options}
    with pytest.raises(error):
        vectra_bot.run(**given)

    assert not store.exists() or not list(store.rglob("*"))


def test_config_is_immutable() -> None:
    """A config cannot be changed under a running session."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        SessionConfig(strategy="watch").games = 3  # type: ignore[misc]
