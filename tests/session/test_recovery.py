"""What a later run makes of what a kill, an edited strategy or a failing disk left behind."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

import vectra_bot
from vectra_bot.engine import Engine
from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.journal import Entry, Journal, SessionLock, read_journal, write_journal
from vectra_bot.models import Event, Frame, SessionEnding
from vectra_bot.session import ReplayConfig, replay_session
from vectra_bot.session.header import same_session, watching_engine
from vectra_bot.session.recovery.killed import (
    REASON,
    UNREPLAYED_KIND,
    UNREPLAYED_REASON,
    event_of,
    recover_session,
    recover_store,
)
from vectra_bot.session.replay import check_journal
from vectra_bot.session.shell import NoGateway, SessionTally, Shell

FAST: dict[str, Any] = {"games": 2, "seed": 7, "crowd": 0}
BOT = """
from pathlib import Path
from vectra_bot import Strategy, param

TICK = int(Path(__file__).with_name("tick.txt").read_text())


class Bot(Strategy):
    step: int = param(3, low=1)

    def on_game_tick(self, tick, game):
        if game.tick == TICK:
            self.actions.buy("0.01")
            self.actions.sidebet("0.002")
        if game.tick == TICK + self.step:
            self.actions.sell(25)
"""
here = partial(recover_store, recover=recover_session)


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    """Return the file of a strategy that buys at tick 4, bets, and sells a quarter."""
    (tmp_path / "tick.txt").write_text("4")
    path = tmp_path / "bot.py"
    path.write_text(BOT)
    return path


def killed(tmp_path: Path, bot: Path, name: str = "K", *, after: int = 3) -> list[Entry]:
    """Leave session *name* of *bot* in the store as a kill right after its *after*-th INTENT does."""
    vectra_bot.run(str(bot), session_id=name, store=tmp_path / "full", **FAST)
    entries = list(read_journal(tmp_path / "full" / "journals" / name))
    intents = [index for index, entry in enumerate(entries) if entry.kind == "intent"]
    folder = tmp_path / "store" / "journals" / name
    folder.mkdir(parents=True)
    kept = entries[: intents[after - 1] + 1]
    write_journal(folder / "000001.log", kept)
    return entries


def actions(store: Path, name: str = "K") -> list[Any]:
    """Return (action_id, state) of the stored actions."""
    glob = f"{store}/doc_type=player_action/session_id={name}/*.parquet"
    return duckdb.sql(f"SELECT action_id, state FROM '{glob}' ORDER BY seq").fetchall()


def edit_a_rule(bot: Path) -> None:
    bot.write_text(BOT.replace("game.tick == TICK:", "game.tick == TICK + 1:"))


def edit_what_it_reads(bot: Path) -> None:
    bot.with_name("tick.txt").write_text("5")


def leave_while_loading(bot: Path) -> None:
    bot.write_text("raise SystemExit('bye')\n")


def remove(bot: Path) -> None:
    bot.unlink()


@pytest.mark.parametrize("edit", [edit_a_rule, edit_what_it_reads, leave_while_loading, remove])
def test_the_strategy_does_not_matter(tmp_path: Path, bot: Path, edit: Any) -> None:
    """Whatever became of the strategy, the session is finished by its journal, to the same bytes."""
    killed(tmp_path, bot)
    store, other = tmp_path / "store", tmp_path / "other"
    shutil.copytree(store, other)
    here(other)
    edit(bot)

    assert here(store) == ["K"]
    entries = list(read_journal(store / "journals" / "K"))
    assert entries == list(read_journal(other / "journals" / "K"))
    assert entries[-1].data["reason"] == REASON
    intents = [entry.command().action_id for entry in entries if entry.kind == "intent"]
    assert sorted(action_id for action_id, _ in actions(store)) == sorted(intents)
    assert "UNRESOLVED" in dict(actions(store)).values()


def test_recovered_actions_are_what_they_were(tmp_path: Path, bot: Path) -> None:
    """An action that recovery decides has the state, the context and the ids that it had when it was made."""
    whole = killed(tmp_path, bot)
    here(tmp_path / "store")
    true = {
        entry.data["record"]["action_id"]: entry.document().record
        for entry in whole
        if entry.kind == "doc" and entry.data["doc_type"] == "player_action"
    }
    entries = list(read_journal(tmp_path / "store" / "journals" / "K"))
    documents = [e.document() for e in entries if b'"player_action"' in e.payload]
    assert len(documents) == 3
    for document in documents:
        mine, other = document.record, true[document.record.action_id]
        for name in ("state_before", "game_context", "button", "trace_id", "player_id"):
            assert getattr(mine, name) == getattr(other, name)


def test_a_recovered_journal_passes_its_check(tmp_path: Path, bot: Path) -> None:
    """The strategy that ran, if it is named, decides the same on the inputs that recovery completed."""
    killed(tmp_path, bot)
    assert here(tmp_path / "store") == ["K"]

    journal = tmp_path / "store" / "journals" / "K"
    assert not [e for e in read_journal(journal) if UNREPLAYED_KIND in str(e.data.get("record"))]
    result = check_journal(journal, str(bot))
    assert (result.equal, result.clean, result.commands) == (True, True, 3)


def test_an_input_that_the_engine_cannot_process_ends_in_a_closed_session(
    tmp_path: Path, bot: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What ended a session with a defect does not keep it unfinished: open actions are UNRESOLVED."""
    killed(tmp_path, bot)
    store = tmp_path / "store"
    process = Engine.process

    def failing(self: Engine, event: Event) -> Any:
        if self.game.tick == 3:
            raise ZeroDivisionError("a defect")
        return process(self, event)

    monkeypatch.setattr(Engine, "process", failing)
    with caplog.at_level(logging.WARNING):
        assert here(store) == ["K"]
    assert "session=K closed without replay: the engine raised at entry" in caplog.text
    entries = list(read_journal(store / "journals" / "K"))
    (told,) = [e.document().record for e in entries if UNREPLAYED_KIND in str(e.data.get("record"))]
    open_ids = [action_id for action_id, state in actions(store) if state == "UNRESOLVED"]
    assert json.loads(told.detail_json)["unresolved"] == open_ids
    assert len(actions(store)) == 3
    assert entries[-1].data["reason"] == UNREPLAYED_REASON
    assert here(store) == []


@pytest.mark.parametrize(
    "cut", [2, *(pytest.param(cut, marks=pytest.mark.slow) for cut in range(3, 8)), 8]
)
def test_killed_recovery_is_finished(tmp_path: Path, bot: Path, cut: int) -> None:
    """Wherever recovery itself is killed, the next one leaves one row per INTENT."""
    killed(tmp_path, bot)
    store, folder = tmp_path / "store", tmp_path / "store" / "journals" / "K"
    kept = len(list(read_journal(folder)))
    here(store)
    again = tmp_path / "again"
    (again / "journals" / "K").mkdir(parents=True)
    entries = list(read_journal(folder))
    write_journal(
        again / "journals" / "K" / "000001.log", entries[: min(kept + cut, len(entries)) - 1]
    )

    assert here(again) == ["K"]
    entries = list(read_journal(again / "journals" / "K"))
    intents = [entry.command().action_id for entry in entries if entry.kind == "intent"]
    assert sorted(action_id for action_id, _ in actions(again)) == sorted(intents)


def test_session_that_was_ending_gets_no_second_end(tmp_path: Path, bot: Path) -> None:
    """A kill between the last input and the close entry adds what is missing and nothing else."""
    vectra_bot.run(str(bot), session_id="K", store=tmp_path / "full", **FAST)
    entries = list(read_journal(tmp_path / "full" / "journals" / "K"))
    (ending,) = [
        index
        for index, entry in enumerate(entries)
        if entry.kind == "input" and isinstance(entry.input(), SessionEnding)
    ]
    for name, kept in (("one", entries[:-1]), ("two", entries[: ending + 1])):
        folder = tmp_path / name / "journals" / "K"
        folder.mkdir(parents=True)
        write_journal(folder / "000001.log", kept)

        assert here(tmp_path / name) == ["K"]
        finished = list(read_journal(folder))
        assert [e.data for e in finished[1:-1]] == [e.data for e in entries[1:-1]]
        assert finished[-1].data["reason"] == REASON


def test_bad_session_does_not_hold_up_the_others(tmp_path: Path, bot: Path) -> None:
    """Garbage files and a corrupt first line affect their own session only."""
    store = tmp_path / "store"
    for name in ("A", "B", "C", "D"):
        killed(tmp_path, bot, name)
    first = store / "journals" / "A" / "000001.log"
    first.write_bytes(b"x" + first.read_bytes()[1:])
    (store / "journals" / "B" / "compacted.json").write_text('["garbage"')
    (store / "journals" / "C" / "compacted.json").write_text("[1]")
    recover_store(store)
    assert len(actions(store, "D")) == 3
    for name in ("B", "C"):
        assert list(read_journal(store / "journals" / name))[-1].kind == "close"
    report = vectra_bot.run("watch", store=store, games=1, seed=1, crowd=0)
    assert report.games == 1


@pytest.mark.parametrize("position", [0, 4, 30])
def test_damaged_session_is_never_replaced(store: Path, position: int) -> None:
    """A flipped byte in the header is corruption, not an empty session: the run is refused, nothing lost."""
    vectra_bot.run("watch", session_id="S", store=store, **FAST)
    folder = store / "journals" / "S"
    entries = list(read_journal(folder))
    for path in folder.iterdir():
        path.unlink()
    log = folder / "000001.log"
    write_journal(log, entries)
    damaged = bytearray(log.read_bytes())
    damaged[position] ^= 0x41
    log.write_bytes(damaged)

    with pytest.raises(StoreError, match="damaged"):
        vectra_bot.run("watch", session_id="S", store=store, **FAST)
    assert log.read_bytes() == damaged
    assert list(store.glob("doc_type=game_tick/session_id=S/*.parquet"))


@pytest.mark.parametrize("left", [None, b"", b"VJE2" + bytes(28) + b'{"header":'])
def test_session_that_never_began_is_replaced(store: Path, left: bytes | None) -> None:
    """After a kill before the first entry was complete, the id is free."""
    folder = store / "journals" / "S"
    folder.mkdir(parents=True)
    if left is not None:
        (folder / "000001.log").write_bytes(left)

    assert vectra_bot.run("watch", session_id="S", store=store, **FAST).games == 2


def test_run_does_not_replace_a_session_whose_journal_was_emptied(store: Path) -> None:
    """Its rows are all that is left of it."""
    vectra_bot.run("watch", session_id="S", store=store, **FAST)
    for path in (store / "journals" / "S").iterdir():
        path.unlink()
    (store / "journals" / "S" / "000001.log").touch()
    rows = sorted(store.glob("doc_type=*/session_id=S/*.parquet"))
    with pytest.raises(StoreError, match="but an empty journal: give another"):
        vectra_bot.run("watch", session_id="S", store=store, **FAST)
    assert sorted(store.glob("doc_type=*/session_id=S/*.parquet")) == rows


def test_refused_run_leaves_the_exchange_log(store: Path, tmp_path: Path) -> None:
    """A run that does not get its session id does not touch the log of the one that has it."""
    log = tmp_path / "exchange.log"
    vectra_bot.run("take-profit", session_id="S", store=store, exchange_log=log, **FAST)
    before = log.read_bytes()
    assert before

    with pytest.raises(StoreError, match="another run"):
        vectra_bot.run("watch", session_id="S", store=store, exchange_log=log, **FAST)
    lock = SessionLock(store / "journals" / "S")
    with pytest.raises(StoreError, match="written by another process"):
        vectra_bot.run("take-profit", session_id="S", store=store, exchange_log=log, **FAST)
    lock.release()
    assert log.read_bytes() == before
    vectra_bot.run("take-profit", session_id="S", store=store, exchange_log=log, **FAST)
    assert log.read_bytes() == before


def test_lists_in_a_header_are_the_same_run() -> None:
    """A tuple is a list after a round trip through the journal: it is the same session anyway."""
    header = {"strategy": {"settings": {"marks": (1, 2.5, "x")}}, "versions": {"python": "3.11"}}
    stored = json.loads(json.dumps({**header, "versions": {"python": "3.13"}}))

    assert same_session(stored, header)
    assert not same_session(stored, {"strategy": {"settings": {"marks": (1, 2.5)}}})


def test_replay_tells_plugins_when_it_begins_and_ends(store: Path) -> None:
    """A recording shown to plugins is a session to them, of mode replay; a check is not."""
    vectra_bot.run("take-profit", session_id="S", store=store, **FAST)
    journal, log = store / "journals" / "S", store / "sessions" / "R" / "session.log"
    config = ReplayConfig(
        path=journal, store=store, session_id="R", enable_plugins=("session-log",)
    )
    asyncio.run(replay_session(config))

    lines = log.read_text(encoding="utf-8").splitlines()
    assert "session R: watch, replay on embedded" in lines[0]
    assert "session R finished: 2 games" in lines[-1]
    told = (store / "sessions" / "S" / "session.log").read_bytes()
    asyncio.run(replay_session(ReplayConfig(path=journal, check=True)))
    assert (store / "sessions" / "S" / "session.log").read_bytes() == told


def test_full_disk_is_told_to_plugins(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that a failing disk interrupts raises, and plugins are called with the end and its reason."""
    real, written = os.write, []

    def write(fd: int, data: Any) -> int:
        written.append(len(data))
        if sum(written) > 100_000:
            raise OSError(28, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(StoreError, match="No space left"):
        vectra_bot.run(
            "watch", session_id="S", store=store, enable_plugins=("session-log",), **FAST
        )
    lines = (store / "sessions" / "S" / "session.log").read_text(encoding="utf-8").splitlines()
    assert "session S failed: StoreError" in lines[-1]
    assert "No space left" in lines[-1]


def test_a_recovery_needs_little_space(tmp_path: Path, bot: Path) -> None:
    """Closing a journal takes a few KiB; without them it is unchanged, and recovered when there is space."""
    killed(tmp_path, bot)
    store, folder = tmp_path / "store", tmp_path / "store" / "journals" / "K"
    before = (folder / "000001.log").read_bytes()

    def refuse(op: files.Op) -> None:
        if op.kind in ("allocate", "write"):
            raise OSError(28, "No space left on device")

    with files.observing(refuse), pytest.raises(StoreError, match="No space left"):
        recover_session(folder, store)
    assert (folder / "000001.log").read_bytes() == before
    assert {path.name for path in folder.iterdir()} == {"000001.log"}
    room: list[int] = []
    needed: list[int] = []

    def count(op: files.Op) -> None:
        if op.kind == "allocate":
            room.append(op.offset)

    with files.observing(count):
        recover_session(folder, store, closed=lambda: needed.append(sum(room)))
    assert needed == [8192]
    assert len(actions(store)) == 3


HEADER = {"session_id": "S", "mode": "paper", "venue": "embedded"}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Return a shell around an engine that takes no action."""
    engine = watching_engine(HEADER)
    journal = Journal.create(tmp_path / "journals" / "S", HEADER)
    yield Shell(engine, journal, NoGateway(), SessionTally(engine), tmp_path)
    journal.abandon()


def test_half_a_surrogate_does_not_end_a_session(shell: Shell) -> None:
    """A frame that UTF-8 cannot encode is stored without those characters, and a replay reads the same."""
    for raw in ('42["x\ud800y",{}]', '42["newChatMessage",{"message":"\udc00"}]', "4\ud800"):
        asyncio.run(shell.take(Frame(1, raw)))

    frames = [e for e in read_journal(shell.journal.directory) if e.kind == "frame"]
    assert [e.data["raw"] for e in frames] == [
        '42["x?y",{}]',
        '42["newChatMessage",{"message":"?"}]',
        "4?",
    ]
    again = watching_engine(HEADER)
    for entry in frames:
        event = event_of(entry)
        assert event is not None
        again.process(event)
    assert again.counts == shell.engine.counts
    assert shell.counts.inbound == 3


def test_frames_say_which_game_they_are_about(store: Path) -> None:
    """Raw frames can be found by game: the wire's own id, where the frame has one."""
    vectra_bot.run("take-profit", session_id="S", store=store, **FAST)
    glob = f"{store}/doc_type=ws_event/**/*.parquet"
    wrong = duckdb.sql(
        f"SELECT count(*) FROM '{glob}' WHERE event_name = 'gameStateUpdate'"
        " AND game_id IS DISTINCT FROM json_extract_string(raw_json[3:], '$[1].gameId')"
    ).fetchall()
    games = duckdb.sql(f"SELECT count(DISTINCT game_id) FROM '{glob}'").fetchall()

    assert wrong == [(0,)]
    assert games[0][0] >= 2
