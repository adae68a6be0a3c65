"""Faults P: the process. Each test is named after its fault; docs/reference/faults.md names further ones."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from tests.faults.rig import Rig
from tests.session.live.accounts import ACCOUNT
from vectra_bot import Strategy
from vectra_bot.actions.limits import Limits
from vectra_bot.errors import JournalError, StoreError, StrategyError
from vectra_bot.fsio import files
from vectra_bot.journal import Entry, Journal, read_journal, write_journal
from vectra_bot.models import ActionState, Frame
from vectra_bot.session.live.locks import account_lock
from vectra_bot.session.recovery.killed import recover_session, recover_store
from vectra_bot.store.query.catalog import open_store
from vectra_bot.venues.inbox import Inbox

HEADER = {"session_id": "P", "mode": "paper", "venue": "test"}


class Buyer(Strategy):
    """Buy at tick 4 and sell at tick 7."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if game.tick == 4:
            self.actions.buy("0.01")
        if game.tick == 7:
            self.actions.sell()


def run(store: Path, strategy: Any = Buyer, **more: Any) -> Any:
    """Run a short session on the embedded exchange."""
    return vectra_bot.run(strategy, session_id="K", store=store, games=2, seed=7, crowd=0, **more)


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """Return the journal of a whole session."""
    store = tmp_path_factory.mktemp("whole")
    run(store)
    return list(read_journal(store / "journals" / "K"))


def killed_after(root: Path, entries: list[Entry], last: Callable[[Entry], bool]) -> Path:
    """Return a store with a session that was killed right after the first entry that *last* accepts."""
    end = next(index for index, entry in enumerate(entries) if last(entry))
    folder = root / "store" / "journals" / "K"
    folder.mkdir(parents=True)
    write_journal(folder / "000001.log", entries[: end + 1])
    return root / "store"


def actions_of(store: Path) -> list[tuple[str, str, Any]]:
    """Return (id, state, proof) of the stored actions."""
    with open_store(store) as catalog:
        return catalog.sql("SELECT action_id, state, proof FROM player_action ORDER BY seq").rows


def is_send(entry: Entry) -> bool:
    """Return whether an entry says that a command was sent."""
    return entry.kind == "input" and bool(entry.data["input"].get("raw"))


def test_p01_a_kill_before_the_send_leaves_an_action_that_may_have_been_sent(
    tmp_path: Path, entries: list[Entry]
) -> None:
    """The intent is in the store as UNRESOLVED, once; nothing is sent by the recovery."""
    store = killed_after(tmp_path, entries, lambda entry: entry.kind == "intent")
    assert recover_store(store, recover=recover_session) == ["K"]
    recovered = list(read_journal(store / "journals" / "K"))

    ((action_id, state, proof),) = actions_of(store)
    assert (state, proof) == ("UNRESOLVED", None)
    assert [e.command().action_id for e in recovered if e.kind == "intent"] == [action_id]
    assert not any(map(is_send, recovered))


def test_p02_a_kill_after_the_send_leaves_an_action_without_proof(
    tmp_path: Path, entries: list[Entry]
) -> None:
    """Sent and without evidence: UNRESOLVED, once, however often it is recovered."""
    store = killed_after(tmp_path, entries, is_send)
    recover_store(store, recover=recover_session)
    first = actions_of(store)
    recover_store(store, recover=recover_session)

    assert [(state, proof) for _, state, proof in first] == [("UNRESOLVED", None)]
    assert actions_of(store) == first


def test_p03_a_kill_while_files_are_written_loses_nothing(
    tmp_path: Path, entries: list[Entry]
) -> None:
    """An unfinished part beside the journal is not read; the recovery builds it from the entries."""
    store = killed_after(tmp_path, entries, is_send)
    part = store / "doc_type=player_action" / "session_id=K"
    part.mkdir(parents=True)
    (part / f"part-000001.parquet{files.TEMPORARY}").write_bytes(b"PAR1 half")
    recover_store(store, recover=recover_session)

    assert len(actions_of(store)) == 1


def test_p04_what_was_synced_survives_and_a_torn_tail_is_cut(tmp_path: Path) -> None:
    """Bytes after the last complete entry, as a power failure leaves them, are ignored and counted."""
    journal = Journal.create(tmp_path / "P", HEADER)
    journal.append([Entry.of_frame(seq, Frame(seq, f"42[{seq}]")) for seq in (1, 2, 3)])
    journal.sync()
    segment = next((tmp_path / "P").glob("*.log"))
    journal.abandon()
    whole = list(read_journal(tmp_path / "P"))
    data = segment.read_bytes().rstrip(b"\0")
    segment.write_bytes(data + b"\x10\x00\x00\x00torn")
    reader = read_journal(tmp_path / "P")

    assert [entry.seq for entry in reader] == [entry.seq for entry in whole] == [0, 1, 2, 3]
    assert reader.torn


def test_p05_without_a_journal_nothing_is_sent(tmp_path: Path) -> None:
    """On a disk that fails from a sync on, the session ends with an error; no request lacks its intent."""
    log = tmp_path / "requests.jsonl"

    syncs = 0

    def fail(step: Any) -> None:
        nonlocal syncs
        syncs += step.kind == "sync"
        if syncs > 12:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with files.observing(fail), pytest.raises(StoreError):
        run(tmp_path / "store", exchange_log=log)
    entries = list(read_journal(tmp_path / "store" / "journals" / "K"))
    intents = {entry.command().trace_id for entry in entries if entry.kind == "intent"}
    sent = log.read_text().splitlines() if log.exists() else []

    assert len(sent) <= len(intents)


def test_p06_a_signal_ends_a_session_with_a_complete_store(tmp_path: Path) -> None:
    """SIGTERM to a running session: its code, and every action in the store has a terminal state."""
    store = tmp_path / "store"
    process = subprocess.Popen(
        [sys.executable, "-m", "vectra_bot", "run", "take-profit", "--games", "100000", "--crowd", "0",
         "--speed", "max", "--seed", "7", "--store", str(store), "--session-id", "K", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not (store / "journals" / "K" / "000001.log").exists() and process.poll() is None:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)

    assert process.returncode == 143
    assert all(ActionState(state).is_terminal for _, state, _ in actions_of(store))


def test_p07_queues_are_bounded_by_number_and_by_size() -> None:
    """A full queue refuses a frame instead of using up the memory; changes of the link always fit."""
    by_number, by_size = Inbox(3, 10**6), Inbox(10**6, 100)
    assert [by_number.put(Frame(n, "x")) for n in range(5)] == [True] * 3 + [False] * 2
    assert [by_size.put(Frame(n, "x" * 60)) for n in range(3)][-1] is False


def test_p08_time_in_which_the_loop_was_blocked_is_noticed() -> None:
    """A burst after 2 s without a tick allows no entry until ticks are on time again."""
    rig = Rig.of(limits=Limits(price_age_ms=1_500))
    rig.bench.now_ns += 2_000_000_000
    assert not rig.enters()
    words = []
    for _ in range(6):
        rig.bench.tick(1.2)
        words.append(rig.bench.engine.standing.word)

    assert words[0] == "reduced"
    assert words[-1] == "allowed"


def test_p09_a_second_instance_is_refused(tmp_path: Path) -> None:
    """One lock for an account at a venue, one for the journal of a session."""
    with account_lock(tmp_path, "venue.example", ACCOUNT):
        with (
            pytest.raises(StoreError, match="traded by another session"),
            account_lock(tmp_path, "venue.example", ACCOUNT),
        ):
            pytest.fail("two sessions trade for one account")
        with account_lock(tmp_path, "venue.example", "did:privy:other"):
            pass
    journal = Journal.create(tmp_path / "P", HEADER)
    with pytest.raises(StoreError, match="being written"):
        Journal.create(tmp_path / "P", HEADER)
    journal.close("done")


class Broken(Strategy):
    """Raise at tick 5, with a position."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if game.tick == 4:
            self.actions.buy("0.01")
        if game.tick == 5:
            raise RuntimeError("no idea")


def test_p10_an_exception_ends_trading_with_a_complete_store(tmp_path: Path) -> None:
    """The session ends, its error is stored, and every action has its end."""
    with pytest.raises(StrategyError, match="no idea"):
        run(tmp_path / "store", Broken)
    (state,) = [state for _, state, _ in actions_of(tmp_path / "store")]

    assert ActionState(state).is_terminal
    assert list(read_journal(tmp_path / "store" / "journals" / "K"))[-1].kind == "close"


def test_p12_a_journal_of_the_future_is_refused_by_name(tmp_path: Path) -> None:
    """A newer version's journal is not guessed at; the message says which version it has."""
    file = tmp_path / "000001.log"
    write_journal(file, [Entry.of(0, "header", 0, {"header": {**HEADER, "journal_version": 99}})])
    with pytest.raises(JournalError, match="journal version was 99"):
        list(read_journal(file))
