"""Alerts of a running session: delivered, journaled, by preferences that may change meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.alerts.sinks import Hangs, Kept, Logged, Raises
from vectra_bot import AlertSink, run
from vectra_bot.alerts.preference_file import read_preferences, write_preferences
from vectra_bot.alerts.preferences import AlertPreferences
from vectra_bot.api import control_session
from vectra_bot.clock import WallClock
from vectra_bot.engine.auditing import AuditFinding, Findings
from vectra_bot.errors import ConfigError
from vectra_bot.game.changes import Change
from vectra_bot.journal import journal_directory, read_journal
from vectra_bot.models import AlertTrigger, GameFrame, OperatorCommand, OperatorKind, SystemEvent
from vectra_bot.report.session import Report, SessionTally
from vectra_bot.session import SessionConfig, run_session
from vectra_bot.session.check import check_journal
from vectra_bot.session.control import ask
from vectra_bot.session.hosting import AlertWishes, host
from vectra_bot.session.recovery.killed import recover_store
from vectra_bot.session.runner import LateLog, _drive, _open_venue, plan_of
from vectra_bot.store.query.catalog import open_store

WAIT_S = 60


class EveryFrame:
    """Gives an alert for each frame of a running game."""

    def __init__(self) -> None:
        self.number = 0

    def on_change(self, change: Change) -> None:
        """Ignore it."""

    def on_frame(self, frame: GameFrame) -> Findings:
        """Return an alert."""
        if not frame.active:
            return ()
        self.number += 1
        record = AlertTrigger(
            alert_id=f"alert-{self.number}",
            alert_type="my.frame",
            severity="info",
            triggered_at=datetime.fromtimestamp(frame.recv_ns // 10**9, UTC),
            expires_at=None,
            game_id=frame.game_id,
            player_id=None,
            title="Frame",
            message=f"alert {self.number}",
        )
        return (AuditFinding(frame.game_id, record),)

    def on_ending(self, now_ns: int) -> Findings:
        """Return nothing."""
        return ()


async def run_with_alerts(config: SessionConfig) -> Report:
    """Run a session on the embedded exchange in which each frame of a running game is an alert."""
    plan = evolve(
        plan_of(config, limits=config.limits, seed=7, exchange=config), auditor=EveryFrame()
    )
    venue = _open_venue(plan, config, None, LateLog(None))
    wishes = AlertWishes(config.alert_sinks, config.alerts_config)
    async with host(
        plan, SessionTally(plan.engine()), venue.gateway, feed=venue.feed, stop=config.stop,
        alerts=wishes,
    ) as session:  # fmt: skip
        ended = await _drive(session, venue.feed, config, WallClock())
    return session.report(ended)


def config_of(store: Path, *sinks: AlertSink, **more: Any) -> SessionConfig:
    """Return the config of a short session."""
    given = {"strategy": "take-profit", "games": 1, "crowd": 0, "session_id": "S", "speed": "max"}
    return SessionConfig(
        **{
            **given,
            "store": store,
            "alert_sinks": sinks,
            "alerts_config": store / "alerts.toml",
            **more,
        }
    )


def details(journal: Path, kind: str) -> list[dict[str, Any]]:
    """Return the details of the system events of a kind, in order."""
    return [json.loads(event.detail_json) for event in system_events(journal) if event.kind == kind]


def system_events(journal: Path) -> list[SystemEvent]:
    """Return the system events of a journal."""
    documents = [entry.document() for entry in read_journal(journal) if entry.kind == "doc"]
    return [one.record for one in documents if isinstance(one.record, SystemEvent)]


def test_every_alert_has_its_decision_in_the_store(tmp_path: Path) -> None:
    """None is missing in the history; what is shown is within the limit; the report has the counts."""
    kept, logged = Kept(), Logged()
    report = asyncio.run(run_with_alerts(config_of(tmp_path, kept, logged)))
    with open_store(tmp_path) as catalog:
        result = catalog.run("alert-history", session="S")
        stored = catalog.sql("SELECT count(*) FROM alert_trigger").rows[0][0]
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    reasons = Counter(row["reason"] for row in rows)

    assert len(rows) == stored > 50
    assert set(reasons) == {"delivered", "duplicate"}
    assert reasons["delivered"] == len(kept.notices)
    assert len(logged.notices) == len(rows)
    assert rows[0]["sinks"] == "kept, logged"
    assert rows[1]["sinks"] == "logged"
    assert report.alert_sinks["logged"]["delivered"] == len(rows)
    assert kept.notices[0].session_id == "S"
    journal = journal_directory(tmp_path, "S")
    assert details(journal, "alerts.opened")[0]["sinks"] == ["kept", "logged"]
    assert details(journal, "alerts.closed")[0]["sinks"] == report.alert_sinks
    assert check_journal(journal).equal


def test_the_decision_follows_its_alert_in_one_write(tmp_path: Path) -> None:
    """So that a crash cannot come between the two."""
    asyncio.run(run_with_alerts(config_of(tmp_path, Kept())))
    documents = [
        entry.data["record"].get("kind", entry.data["doc_type"])
        for entry in read_journal(journal_directory(tmp_path, "S"))
        if entry.kind == "doc"
    ]
    places = [number for number, name in enumerate(documents) if name == "alert_trigger"]

    assert len(places) > 50
    assert {documents[number + 1] for number in places} == {"alert.delivery"}


def test_other_preferences_give_the_same_alerts(tmp_path: Path) -> None:
    """Preferences decide what is delivered, never what is stored."""
    found = []
    for name, table in (("a", {}), ("b", {"default": {"mode": "off"}})):
        store = tmp_path / name
        write_preferences(store / "alerts.toml", AlertPreferences.of_table(table))
        asyncio.run(run_with_alerts(config_of(store, Kept())))
        with open_store(store) as catalog:
            found.append(catalog.sql("SELECT * EXCLUDE (seq) FROM alert_trigger ORDER BY ALL").rows)

    assert found[0] == found[1] != []


def test_without_sinks_nothing_is_added(tmp_path: Path) -> None:
    """A session without sinks journals what it did before there were any; the history has the alerts."""
    asyncio.run(run_with_alerts(config_of(tmp_path)))
    kinds = {event.kind for event in system_events(journal_directory(tmp_path, "S"))}
    with open_store(tmp_path) as catalog:
        result = catalog.run("alert-history")

    assert {kind for kind in kinds if kind.startswith("alert")} == set()
    assert {row[result.columns.index("reason")] for row in result.rows} == {None}


async def until(reached: Callable[[], bool], task: asyncio.Task[Any]) -> None:
    """Wait until *reached* is true, while the session runs."""
    async with asyncio.timeout(WAIT_S):
        while not reached():
            assert not task.done(), task.result()
            await asyncio.sleep(0.005)


async def test_changed_preferences_are_in_effect_within_a_second(tmp_path: Path) -> None:
    """They are an input of the journal, hold after a restart, and change no decision of the strategy."""
    kept, path = Kept(), tmp_path / "alerts.toml"
    write_preferences(path, AlertPreferences.of_table({"default": {"mode": "off"}}))
    config = config_of(tmp_path, kept, speed=5.0, games=9)
    clock = WallClock()
    task = asyncio.create_task(run_with_alerts(config))
    journal = journal_directory(tmp_path, "S")
    await until(lambda: bool(journal.exists() and details(journal, "alert.delivery")), task)
    assert kept.notices == []

    took_s = []
    for mode in ("on", "off", "on"):
        began_ns = clock.monotonic_ns()
        table = {"default": {"mode": mode, "dedupe_s": 0}, "limit": {"burst": 1_000}}
        write_preferences(path, AlertPreferences.of_table(table))
        wanted = "off" if mode == "off" else "delivered"

        def is_in_effect(wanted: str = wanted) -> bool:
            told = details(journal, "alert.delivery")
            return bool(told) and (told[-1]["reason"] == "off") is (wanted == "off")

        await until(is_in_effect, task)
        took_s.append((clock.monotonic_ns() - began_ns) / 10**9)
    await asyncio.to_thread(control_session, "stop", store=tmp_path)
    async with asyncio.timeout(WAIT_S):
        await task

    assert min(took_s) < 1  # a busy machine may be slow once, not three times
    inputs = [entry.input() for entry in read_journal(journal) if entry.kind == "input"]
    changes = [
        one for one in inputs
        if isinstance(one, OperatorCommand) and one.kind is OperatorKind.ALERTS
    ]  # fmt: skip
    assert [json.loads(one.value)["default"]["mode"] for one in changes] == ["on", "off", "on"]
    assert len(details(journal, "operator.alerts")) == 3
    assert check_journal(journal).equal
    await run_with_alerts(config_of(tmp_path, Kept(), session_id="T"))
    opened = details(journal_directory(tmp_path, "T"), "alerts.opened")
    assert opened[0]["preferences"] == read_preferences(path).to_table()


async def test_an_operator_acknowledges_alerts(tmp_path: Path) -> None:
    """Over the control socket; the request is journaled."""
    config = config_of(tmp_path, Kept(), speed=5.0, games=9)
    task = asyncio.create_task(run_with_alerts(config))
    journal = journal_directory(tmp_path, "S")
    await until((journal / "control.sock").exists, task)
    answer = await asyncio.to_thread(ask, journal, "acknowledge", "alert-1")
    await asyncio.to_thread(control_session, "stop", store=tmp_path)
    async with asyncio.timeout(WAIT_S):
        await task

    assert answer["done"]
    inputs = [entry.input() for entry in read_journal(journal) if entry.kind == "input"]
    kinds = [(one.kind.value, one.reason) for one in inputs if isinstance(one, OperatorCommand)]
    assert kinds == [("acknowledge", "alert-1"), ("stop", "")]


def test_bad_sinks_delay_no_end_and_are_named(tmp_path: Path) -> None:
    """One that hangs and one that raises: in the journal by name, and in the report."""
    hangs, raises, kept = Hangs(), Raises(), Kept()
    table = {"default": {"dedupe_s": 0, "burst": 99}, "limit": {"burst": 99}}
    write_preferences(tmp_path / "alerts.toml", AlertPreferences.of_table(table))
    config = config_of(tmp_path, hangs, raises, kept, speed=100.0)
    report = asyncio.run(run_with_alerts(config))
    hangs.go.set()
    told = [event for event in system_events(journal_directory(tmp_path, "S"))
            if event.kind.startswith("alerts.sink_")]  # fmt: skip

    assert {json.loads(event.detail_json)["sink"] for event in told} == {"hangs", "raises"}
    assert report.alert_sinks["hangs"]["late"] >= 1
    assert report.alert_sinks["raises"]["failed"] >= 1
    assert report.alert_sinks["kept"]["delivered"] == len(kept.notices) > 10


def test_a_session_does_not_begin_with_wrong_preferences(tmp_path: Path) -> None:
    """Nothing of it is left."""
    (tmp_path / "alerts.toml").write_text("version = 3")
    config = config_of(tmp_path, Kept())

    with pytest.raises(ConfigError, match="upgrade vectra-bot"):
        asyncio.run(run_session(config))

    assert not journal_directory(tmp_path, "S").exists()


def test_a_killed_session_with_alerts_is_recovered(tmp_path: Path) -> None:
    """Its decisions stay, and its actions are decided."""

    class Killed(Exception):
        """Ends the session as a kill would."""

    async def play() -> None:
        plan = evolve(
            plan_of(config, limits=config.limits, seed=7, exchange=config), auditor=EveryFrame()
        )
        venue = _open_venue(plan, config, None, LateLog(None))
        async with host(
            plan, SessionTally(plan.engine()), venue.gateway, feed=venue.feed,
            alerts=AlertWishes(config.alert_sinks, config.alerts_config),
        ) as session:  # fmt: skip
            number = 0
            async for item in venue.feed:
                number += 1
                await session.shell.take(item)
                if number == 400:
                    raise Killed

    config = config_of(tmp_path, Kept())
    with pytest.raises(Killed):
        asyncio.run(play())
    assert recover_store(tmp_path) == ["S"]
    with open_store(tmp_path) as catalog:
        result = catalog.run("alert-history")
    assert {row[result.columns.index("reason")] for row in result.rows} >= {
        "delivered",
        "duplicate",
    }


@pytest.mark.parametrize("games", [10, pytest.param(150, marks=pytest.mark.slow)])
def test_default_preferences_leave_few_toasts(games: int, tmp_path: Path) -> None:
    """At most six in the busiest minute of default games; every alert is in the history."""
    report = run(
        "take-profit", games=games, seed=11, alerts=True, store=tmp_path, alerts_config=tmp_path / "none",
        plugins={"alert-sinks": {"terminal": False}}, alert_sinks=[Kept(), Logged()],
        disable_plugins=["session-log"], cash=100,
    )  # fmt: skip
    with open_store(tmp_path) as catalog:
        result = catalog.run("alert-history")
        stored = catalog.sql("SELECT count(*) FROM alert_trigger").rows[0][0]
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    shown = [row["triggered_at"] for row in rows if row["reason"] == "delivered"]
    window: deque[datetime] = deque()
    busiest = 0
    for moment in shown:
        window.append(moment)
        while moment - window[0] >= timedelta(minutes=1):
            window.popleft()
        busiest = max(busiest, len(window))

    assert len(rows) == len({row["alert_id"] for row in rows}) == stored > 10 * games
    assert None not in {row["reason"] for row in rows}
    assert 0 < busiest <= 6
    assert report.games == games
