"""``diff``: the decisions of two sessions compared, each difference with its cause."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.session.strategies import Busy
from vectra_bot.cli.main import main
from vectra_bot.errors import ConfigError, InputError
from vectra_bot.journal import Entry, Journal, journal_directory, read_journal
from vectra_bot.models import ActionOutcome, ActionState, ActionType, DocType, SendResult
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.report.difference import SessionDiff, diff_sessions, latencies_of
from vectra_bot.session import (
    ReplayConfig,
    ReplayReport,
    SessionConfig,
    replay_session,
    run_session,
)
from vectra_bot.session.shell import SLOW_DISK

GAMES = 4


def played(store: Path, name: str, **options: Any) -> Path:
    """Run a session and return the folder of its journal."""
    given = {"strategy": "take-profit", "seed": 7, "crowd": 0, "games": GAMES, **options}
    config = SessionConfig(store=store, session_id=name, **given)
    asyncio.run(run_session(config))
    return journal_directory(store, name)


def altered(journal: Path, change: Callable[[Entry], Entry]) -> Path:
    """Return a copy of a journal with entries changed."""
    entries = list(read_journal(journal))
    header = entries[0].data["header"]
    folder = journal.parent / f"{journal.name}-altered"
    copy = Journal.create(folder, header, ts_ns=entries[0].ts_ns)
    copy.append([change(entry) for entry in entries[1:] if entry.kind != "close"])
    copy.close("altered")
    return folder


def causes(found: SessionDiff) -> list[str]:
    return [row.cause for row in found.differing]


def test_the_same_run_twice_is_equal(tmp_path: Path) -> None:
    first = played(tmp_path, "a", strategy=Busy, crowd=3)
    found = diff_sessions(first, played(tmp_path, "b", strategy=Busy, crowd=3))
    assert found.equal
    assert found.compared > 20
    assert found.games == GAMES
    assert (found.games_only_a, found.games_only_b, found.excluded) == ([], [], [])
    assert found.settings == []


def test_another_latency_is_named_with_the_fills_it_changes(tmp_path: Path) -> None:
    found = diff_sessions(
        played(tmp_path, "a", latency_ms=0), played(tmp_path, "b", latency_ms=300)
    )
    assert not found.equal
    assert set(causes(found)) <= {"fill", "follows", "outcome"}
    first = found.differing[0]
    assert first.cause == "fill"
    assert first.a is not None
    assert first.b is not None
    assert first.a.request == first.b.request
    assert first.a.executed_price != first.b.executed_price
    assert (first.a.latency_ms, first.b.latency_ms) == (0, 300)
    assert found.settings == [{"key": "exchange.latency_ms", "a": 0, "b": 300}]


def test_another_decision_is_named_as_such(tmp_path: Path) -> None:
    found = diff_sessions(played(tmp_path, "a"), played(tmp_path, "b", settings={"target": 1.9}))
    first = found.differing[0]
    assert first.cause == "decision"
    assert first.a is not None
    assert first.b is not None
    assert first.a.action_type == first.b.action_type == "SELL"
    assert first.detail == f"at tick {first.a.tick} in a, {first.b.tick} in b"
    assert [row["key"] for row in found.settings] == ["strategy.settings.target"]


def test_a_decision_that_the_machine_delayed_is_excluded_with_what_follows(tmp_path: Path) -> None:
    journal = played(tmp_path, "a", latency_ms=0)
    late: list[str] = []

    def delay(entry: Entry) -> Entry:
        event = entry.input() if entry.kind == "input" else None
        if not isinstance(event, SendResult) or late:
            return entry
        late.append(event.action_id)
        moved = attrs.evolve(event, recv_ns=event.recv_ns + 201 * NS_PER_MS)
        return Entry.of_input(entry.seq, moved)

    other = altered(played(tmp_path, "b", latency_ms=300), delay)
    found = diff_sessions(journal, other)
    assert late
    assert found.excluded_count >= 1
    assert found.excluded[0].detail == "handed over 201 ms after the decision"
    delayed_game = found.excluded[0].game_id
    assert all(row.game_id == delayed_game for row in found.excluded)
    assert all(row.game_id != delayed_game for row in found.differing)
    assert found.compared + found.excluded_count == diff_sessions(journal, journal).compared


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (ActionState.NOT_SENT, SLOW_DISK),
        (ActionState.NOT_SENT, "late: it was decided 300 ms ago, more than 250"),
        (ActionState.DENIED, "price.old: tick 7 came late after a stall, the venue is further"),
    ],
)
def test_what_was_not_sent_because_it_was_late_is_excluded(
    tmp_path: Path, state: ActionState, reason: str
) -> None:
    journal = played(tmp_path, "a")
    found = diff_sessions(journal, altered(journal, refusing(state, reason)))
    assert found.equal
    assert (found.excluded_count, found.excluded[0].detail) == (1, reason)


def test_what_the_venue_refused_is_a_difference(tmp_path: Path) -> None:
    journal = played(tmp_path, "a")
    found = diff_sessions(journal, altered(journal, refusing(ActionState.REJECTED, "no")))
    assert causes(found) == ["outcome"]


def refusing(state: ActionState, reason: str) -> Callable[[Entry], Entry]:
    """Return a change that lets the first sale end in *state*."""
    done: list[Entry] = []

    def change(entry: Entry) -> Entry:
        if done or entry.kind != "doc" or entry.data["doc_type"] != DocType.PLAYER_ACTION.value:
            return entry
        document = entry.document()
        if document.record.action_type is not ActionType.SELL:
            return entry
        outcome = ActionOutcome(False, error=state.value, error_reason=reason)
        record = attrs.evolve(document.record, state=state, outcome=outcome)
        done.append(Entry.of_document(entry.seq, attrs.evolve(document, record=record)))
        return done[0]

    return change


def test_games_of_one_session_only_are_listed(tmp_path: Path) -> None:
    found = diff_sessions(played(tmp_path, "a"), played(tmp_path, "b", games=2))
    assert found.equal
    assert found.games == 2
    assert len(found.games_only_a) >= GAMES - 2


def test_sessions_without_a_common_game_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no whole game"):
        diff_sessions(played(tmp_path, "a"), played(tmp_path, "b", seed=8))


def test_the_command_prints_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 if equal, 1 and the first difference if not, 3 for anything but a session."""
    played(tmp_path, "a", latency_ms=0)
    other = played(tmp_path, "b", latency_ms=300)
    assert main(["diff", "a", "a", "--store", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["equal"] is True
    assert main(["diff", "a", str(other), "--store", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert "fill: first evidence after 0 ms in a, 300 ms in b" in " ".join(shown.out.split())
    assert "decisions differ, first at tick 10" in shown.err
    assert main(["diff", "a", "nothing", "--store", str(tmp_path)]) == 3
    assert "'nothing'" in capsys.readouterr().err


def test_a_paper_desk_on_a_recording_fills_as_the_exchange_does(tmp_path: Path) -> None:
    """The same seed with the bot as a client, and watched and replayed on paper: equal to the lamport."""
    for number, (strategy, latency) in enumerate(((Busy, 0), ("take-profit", 0), ("sidebet", 90))):
        session = played(
            tmp_path, f"e{number}", strategy=strategy, latency_ms=latency, side_games=False
        )
        watched = played(tmp_path, f"w{number}", strategy="watch", side_games=False)
        config = ReplayConfig(
            path=watched,
            strategy=strategy,
            store=tmp_path,
            session_id=f"p{number}",
            paper=True,
            latency_ms=latency,
        )
        report = asyncio.run(replay_session(config))
        assert isinstance(report, ReplayReport)
        assert "frames of another account were dropped" in report.warnings[0]
        found = diff_sessions(session, journal_directory(tmp_path, f"p{number}"))
        assert (found.differing, found.excluded, found.games) == ([], [], GAMES)
        assert found.compared > 3


def test_latencies_are_drawn_from_those_that_were_measured(tmp_path: Path) -> None:
    """Every action takes as long as one of the named session did, the same in every replay."""
    played(tmp_path, "e", latency_ms=130, strategy=Busy)
    watched = played(tmp_path, "w", strategy="watch")
    assert set(latencies_of(journal_directory(tmp_path, "e"))) <= set(range(130, 300))
    found = []
    for name in ("p1", "p2"):
        config = ReplayConfig(
            path=watched,
            strategy="take-profit",
            store=tmp_path,
            session_id=name,
            paper=True,
            latency_from="e",
        )
        asyncio.run(replay_session(config))
        found.append(latencies_of(journal_directory(tmp_path, name)))
    assert min(found[0]) >= 130
    assert (
        diff_sessions(*(journal_directory(tmp_path, name) for name in ("p1", "p2"))).games == GAMES
    )
    with pytest.raises(InputError, match="no executed action"):
        latencies_of(watched)
    with pytest.raises(ConfigError, match="without venue"):
        SessionConfig(strategy="watch", latency_from="e")
