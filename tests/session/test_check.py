"""Replaying a journal against its own commands, and recovering sessions that were killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

import vectra_bot
from vectra_bot.errors import InputError
from vectra_bot.journal import Entry, read_journal, write_journal
from vectra_bot.session import ReplayConfig, replay_session
from vectra_bot.session.recovery.killed import recover_store
from vectra_bot.session.replay import check_journal

FAST: dict[str, Any] = {"games": 6, "seed": 7, "crowd": 20}


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the journal of a finished take-profit session."""
    store = tmp_path_factory.mktemp("run") / "store"
    vectra_bot.run("take-profit", session_id="S", store=store, **FAST)
    return store / "journals" / "S"


def copy_with(journal: Path, target: Path, change: Any) -> Path:
    """Write a copy of *journal*; *change* maps or drops the data of entries."""
    changed = []
    for entry in read_journal(journal):
        data = change({"seq": entry.seq, "kind": entry.kind, "ts": entry.ts_ns, **entry.data})
        if data is not None:
            rest = {key: value for key, value in data.items() if key not in ("seq", "kind", "ts")}
            changed.append(Entry.of(data["seq"], data["kind"], data["ts"], rest))
    write_journal(target, changed)
    return target


def only_inputs(entry: dict[str, Any]) -> dict[str, Any] | None:
    """Keep header and inputs."""
    return entry if entry["kind"] in ("header", "frame", "input") else None


def test_a_journal_decides_the_same_again(journal: Path) -> None:
    """Same journal in, same commands out."""
    result = check_journal(journal)

    assert result.equal is True
    assert result.commands == result.recorded > 0
    assert result.clean is True


def test_stripped_copy_gives_the_same_digest(journal: Path, tmp_path: Path) -> None:
    """Header and inputs alone give the same commands."""
    stripped = copy_with(journal, tmp_path / "stripped.log", only_inputs)

    result = check_journal(stripped)
    assert result.sha256 == check_journal(journal).sha256
    assert result.equal is True


@pytest.mark.parametrize("strip", [False, True])
def test_changed_price_before_a_buy_is_named(journal: Path, tmp_path: Path, strip: bool) -> None:
    """One price changed before a buy: the first command that saw it is named with its tick."""
    original = check_journal(journal)
    first = json.loads(original.command_log[0])
    done = []

    def change(entry: dict[str, Any]) -> dict[str, Any] | None:
        marker = '42["gameStateUpdate",'
        if entry["kind"] == "frame" and not done and entry["raw"].startswith(marker):
            payload = json.loads(entry["raw"][len(marker) : -1])
            if payload.get("active") and payload["tickCount"] == first["tick"] - 3:
                payload["price"] *= 1.0000001
                entry["raw"] = marker + json.dumps(payload) + "]"
                done.append(True)
        return only_inputs(entry) if strip else entry

    changed = check_journal(copy_with(journal, tmp_path / "changed.log", change))
    assert done
    assert changed.equal is False
    assert changed.sha256 != original.sha256
    assert changed.first_difference is not None
    assert changed.first_difference.index == 0
    assert changed.first_difference.tick == first["tick"]


def test_same_digest_on_every_installed_python(journal: Path) -> None:
    """The commands do not depend on the Python version; versions that cannot run it are skipped."""
    expected = check_journal(journal).sha256
    code = (
        "import sys, json; from pathlib import Path; from vectra_bot.session.replay import check_journal;"
        "print(check_journal(Path(sys.argv[1])).sha256)"
    )
    ran = [sys.version_info[:2]]
    for minor in (11, 12, 13, 14):
        if (3, minor) == sys.version_info[:2]:
            continue
        found = (
            subprocess.run(
                [f"python3.{minor}", "-c", "import vectra_bot.session"],
                capture_output=True,
                check=False,
            )
            if _on_path(f"python3.{minor}")
            else None
        )
        if found is None or found.returncode != 0:
            continue
        done = subprocess.run(
            [f"python3.{minor}", "-c", code, str(journal)],
            capture_output=True,
            text=True,
            check=True,
        )
        ran.append((3, minor))
        assert done.stdout.strip() == expected
    assert ran


def _on_path(name: str) -> bool:
    return any((Path(folder) / name).exists() for folder in os.get_exec_path())


def test_a_recording_has_no_commands_to_check(tmp_path: Path) -> None:
    """Checking a capture is refused with a clear message."""
    capture = tmp_path / "capture.jsonl"
    capture.write_text('{"capture":"x","t":1.0,"dir":"in","event":"ping","args":[]}\n')
    with pytest.raises(InputError, match="recording"):
        asyncio.run(replay_session(ReplayConfig(path=capture, check=True)))


_CHILD = (
    "import sys, vectra_bot; vectra_bot.run('take-profit', games=400, seed=7, crowd=20, store=sys.argv[1],"
    "session_id='K', exchange_log=sys.argv[2])"
)


@pytest.mark.parametrize(
    "requests",
    [pytest.param(1, marks=pytest.mark.slow), 4, pytest.param(9, marks=pytest.mark.slow)],
)
def test_kill_loses_nothing_and_is_finished_by_the_next_run(tmp_path: Path, requests: int) -> None:
    """After kill -9 every request's intent is journaled, commands are a prefix, the store stays readable."""
    store, log = tmp_path / "store", tmp_path / "exchange.log"
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(store), str(log)])
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if log.exists() and len(log.read_bytes().splitlines()) >= requests:
                break
            time.sleep(0.002)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    journal = store / "journals" / "K"
    sent = [json.loads(line)["trace_id"] for line in log.read_text().splitlines()]
    intents = {e.command().trace_id for e in read_journal(journal) if e.kind == "intent"}

    assert len(sent) >= requests
    assert set(sent) <= intents
    left = check_journal(journal)
    assert left.equal is True
    for part in store.glob("**/*.parquet"):
        pq.read_table(part)
    report = vectra_bot.run("take-profit", store=store, games=1, seed=3, crowd=0)
    assert report.recovered == ("K",)
    whole = check_journal(journal)
    assert (whole.clean, whole.equal) == (True, True)
    assert whole.command_log[: left.commands] == left.command_log
    ids = duckdb.sql(
        "SELECT action_id, count(*), any_value(state)"
        f" FROM '{store}/doc_type=player_action/session_id=K/*.parquet' GROUP BY 1"
    ).fetchall()
    assert {count for _, count, _ in ids} == {1}
    assert len(ids) == whole.commands


def test_recovery_is_harmless_when_repeated(journal: Path, tmp_path: Path) -> None:
    """A journal truncated at any entry is recovered once, and a second recovery changes nothing."""
    entries = [entry for entry in read_journal(journal) if entry.kind != "close"]
    folder = tmp_path / "journals" / "S"
    folder.mkdir(parents=True)
    intent = next(i for i, entry in enumerate(entries) if entry.kind == "intent")
    write_journal(folder / "000001.log", entries[: intent + 1])

    assert recover_store(tmp_path) == ["S"]
    before = (folder / "000001.log.zst").read_bytes()
    assert recover_store(tmp_path) == []
    assert (folder / "000001.log.zst").read_bytes() == before
    states = duckdb.sql(
        f"SELECT state FROM '{tmp_path}/doc_type=player_action/**/*.parquet'"
    ).fetchall()
    assert states == [("UNRESOLVED",)]


@pytest.mark.parametrize("strip", [False, True])
def test_missing_send_is_named(journal: Path, tmp_path: Path, strip: bool) -> None:
    """A decision that was neither sent nor said not to be is a difference, named with its tick."""
    commands = [json.loads(line) for line in check_journal(journal).command_log]
    for index in (0, len(commands) - 1):
        gone = commands[index]["action_id"]

        def change(entry: dict[str, Any], gone: str = gone) -> dict[str, Any] | None:
            if entry["kind"] == "input" and entry["input"].get("action_id") == gone:
                return None
            return only_inputs(entry) if strip else entry

        result = check_journal(copy_with(journal, tmp_path / "changed.log", change))
        first = result.first_difference
        assert result.equal is False
        assert first is not None
        assert first.replayed is not None
        assert (first.index, first.tick) == (index, commands[index]["tick"])
        assert first.replayed["action_id"] == gone
        assert "sent" in first.reason


def test_copy_cut_before_the_send_is_equal(journal: Path, tmp_path: Path) -> None:
    """A kill may come between an INTENT and its outcome."""
    entries = list(read_journal(journal))
    intent = next(i for i, entry in enumerate(entries) if entry.kind == "intent")
    for length in (intent, intent + 1, intent + 2):
        write_journal(tmp_path / "cut.log", entries[:length])
        result = check_journal(tmp_path / "cut.log")
        assert (result.equal, result.commands) == (True, 1)


def test_a_recording_that_breaks_off_leaves_no_session(tmp_path: Path) -> None:
    """A bad line in the middle is reported, and nothing of the recording remains in the store."""
    capture, store = tmp_path / "capture.jsonl", tmp_path / "store"
    good = '{"capture":"x","t":1.0,"dir":"in","event":"mutedPlayers","args":[]}\n'
    capture.write_text(good * 3 + "not a line\n" + good)
    with pytest.raises(InputError, match="line 4"):
        asyncio.run(replay_session(ReplayConfig(path=capture, store=store)))

    assert [path for path in store.rglob("*") if path.is_file()] == []
