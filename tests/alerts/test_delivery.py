"""Delivery: sinks that hang, raise or are slow delay nobody, are named, and every alert has its reason."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.samples import HOSTILE, SECOND, START_NS, alert
from tests.alerts.sinks import Hangs, Kept, Logged, Raises, Spins, until
from vectra_bot import AlertSink
from vectra_bot.alerts.delivery import AlertDelivery, SessionFacts, sinks_of
from vectra_bot.alerts.preference_file import write_preferences
from vectra_bot.alerts.preferences import AlertPreferences
from vectra_bot.alerts.sink_runner import MAX_QUEUED
from vectra_bot.clock import WallClock
from vectra_bot.errors import ConfigError, PluginError
from vectra_bot.models import (
    AlertTrigger,
    DocType,
    Document,
    OperatorCommand,
    OperatorKind,
    SystemEvent,
)
from vectra_bot.plugins import PluginManager, hookimpl

Opened = Callable[..., AlertDelivery]
FREE: dict[str, Any] = {
    "limit": {"burst": 1_000},
    "default": {"burst": 1_000, "dedupe_s": 0},
}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Return a function that opens a delivery to sinks, closed after the test."""
    found: list[AlertDelivery] = []

    def make(*sinks: AlertSink, table: dict[str, Any] | None = None) -> AlertDelivery:
        path = tmp_path / "alerts.toml"
        write_preferences(path, AlertPreferences.of_table(FREE if table is None else table))
        found.append(
            AlertDelivery.open(
                sinks, path, WallClock(), SessionFacts(session_id="S1", mode="paper")
            )
        )
        return found[-1]

    yield make
    for one in found:
        one.close()


def document(one: AlertTrigger) -> Document:
    """Return the document of an alert."""
    return Document(doc_type=DocType.ALERT_TRIGGER, record=one, ts_ns=START_NS, source="engine")


def give(delivery: AlertDelivery, *alerts: AlertTrigger) -> list[dict[str, Any]]:
    """Deliver alerts as a session does, and return the details of what it journals of them."""
    events: list[SystemEvent] = []
    for one in alerts:
        events += delivery.take(document(one), int(one.triggered_at.timestamp()) * SECOND)
        delivery.send()
    return [json.loads(event.detail_json) for event in events]


def test_every_alert_is_journaled_with_what_became_of_it(opened: Opened) -> None:
    """Delivered or not; other documents are ignored."""
    kept, logged = Kept(), Logged()
    delivery = opened(kept, logged, table={"types": {"my.off": {"mode": "off"}}})
    told = give(delivery, alert("my.alert"), alert("my.alert"), alert("my.off"))

    assert [(one["reason"], one["sinks"], one["delivered"]) for one in told] == [
        ("delivered", ["kept", "logged"], True),
        ("duplicate", ["logged"], False),
        ("off", [], False),
    ]
    assert told[0]["alert_id"] == "alert-my.alert-0.0"
    until(lambda: len(logged.notices) == 2)
    assert len(kept.notices) == 1
    assert kept.notices[0].session_id == "S1"
    tick = Document(doc_type=DocType.GAME_TICK, record=None, ts_ns=0, source="wire")
    assert delivery.take(tick, START_NS) == []


def test_nothing_is_sent_before_it_is_journaled(opened: Opened) -> None:
    """A decision waits for ``send``."""
    kept = Kept()
    delivery = opened(kept)
    delivery.take(document(alert()), START_NS)
    time.sleep(0.05)

    assert kept.notices == []
    assert delivery.queued == 0
    delivery.send()
    until(lambda: len(kept.notices) == 1)


def test_a_sink_that_hangs_is_named_and_delays_nobody(opened: Opened) -> None:
    """Its queue is bounded; what does not fit is dropped and counted; the other sink gets everything."""
    hangs, kept = Hangs(), Kept()
    delivery = opened(hangs, kept)
    number = MAX_QUEUED + 10
    began = time.monotonic()
    give(delivery, *(alert("my.alert", at) for at in range(number)))

    assert time.monotonic() - began < 10
    until(lambda: len(kept.notices) == number)
    counts = delivery.runners["hangs"].counts
    until(lambda: counts.late == 1)
    assert counts.dropped >= 9
    said = {(event.kind, "'hangs'" in event.message) for event in delivery.look(START_NS)}
    assert said == {("alerts.sink_full", True), ("alerts.sink_late", True)}
    hangs.go.set()
    until(lambda: delivery.queued == 0)
    until(lambda: counts.late + counts.delivered + counts.dropped == number)


def test_a_sink_that_spins_is_interrupted(opened: Opened) -> None:
    """After five of them it rests, and says so."""
    spins, kept = Spins(), Kept()
    delivery = opened(spins, kept)
    give(delivery, *(alert("my.alert", at) for at in range(8)))
    counts = delivery.runners["spins"].counts
    until(lambda: counts.late >= 5)

    until(lambda: any("rests for a minute" in event.message for event in delivery.look(START_NS)))
    before = counts.dropped
    give(delivery, alert("my.alert", 9))
    assert counts.dropped == before + 1
    until(lambda: len(kept.notices) == 9)


def test_a_sink_that_raises_is_named_once_until_it_rests(opened: Opened) -> None:
    """Not for each alert; SystemExit ends nothing."""
    raises, kept = Raises(), Kept()
    delivery = opened(raises, kept)
    give(delivery, alert("my.alert"), alert("my.alert", 1, title="exit"), alert("my.alert", 2))
    counts = delivery.runners["raises"].counts
    until(lambda: counts.failed == 3)

    said = [event.message for event in delivery.look(START_NS)]
    assert said == ["alert sink 'raises': OSError: no route to host"]
    give(delivery, *(alert("my.alert", at) for at in (3, 4)))
    until(lambda: counts.failed == 5)
    until(lambda: any("rests" in event.message for event in delivery.look(START_NS)))
    assert len(kept.notices) == 5


def test_what_expired_in_the_queue_is_not_shown(opened: Opened) -> None:
    """It was of interest only until then."""
    hangs = Hangs()
    delivery = opened(hangs)
    give(delivery, alert("my.alert"), alert("my.alert", 0.5, expires_s=0.6))
    until(lambda: delivery.runners["hangs"].counts.late == 1)
    time.sleep(0.7)
    hangs.go.set()
    until(lambda: delivery.runners["hangs"].counts.expired == 1)

    assert hangs.notices == []


def test_the_end_waits_a_second_for_the_sinks(opened: Opened) -> None:
    """What a sink could not deliver by then is said; a sink is closed in its own thread."""
    hangs, kept = Hangs(), Kept()
    delivery = opened(hangs, kept)
    give(delivery, alert("my.alert"), alert("my.alert", 1))
    until(lambda: delivery.runners["hangs"].counts.late == 1)
    delivery.look(START_NS)
    began = time.monotonic()
    delivery.drain(1.0)

    assert time.monotonic() - began < 5
    assert kept.closed
    said = [event.message for event in delivery.look(START_NS)]
    assert said[-1] == "alert sink 'hangs': 2 alerts were not delivered when the session ended"
    assert all("a call did not return within" in message for message in said[:-1])
    assert json.loads(delivery.summary().detail_json)["sinks"]["kept"]["delivered"] == 2
    hangs.go.set()


def test_a_changed_file_becomes_a_command(opened: Opened) -> None:
    """Within a second; it holds when the session has journaled the command."""
    kept = Kept()
    delivery = opened(kept)
    write_preferences(delivery.path, AlertPreferences.of_table({"default": {"mode": "off"}}))
    began = time.monotonic()
    found: list[OperatorCommand] = []
    until(lambda: bool(found.extend(delivery.commands(START_NS)) or found))

    assert time.monotonic() - began < 10
    (command,) = found
    assert command.kind is OperatorKind.ALERTS
    assert 'default.mode = "off"' in command.reason
    assert give(delivery, alert("my.alert"))[0]["reason"] == "delivered"
    delivery.obey(command)
    assert give(delivery, alert("my.alert", 1))[0]["reason"] == "off"


def test_a_file_that_is_wrong_changes_nothing(opened: Opened) -> None:
    """The old preferences hold, and one line says why."""
    delivery = opened(Kept())
    delivery.path.write_text("version = 2\n[default]\nmode = 'loud'\n")
    events: list[SystemEvent] = []
    until(lambda: bool(events.extend(delivery.look(START_NS)) or events))

    assert events[0].kind == "alerts.preferences"
    assert "mode was 'loud'" in events[0].message
    assert delivery.commands(START_NS) == []


def test_a_file_that_is_wrong_at_the_start_is_refused(tmp_path: Path) -> None:
    """No session begins with preferences that it cannot read."""
    path = tmp_path / "alerts.toml"
    path.write_text("version = 99")

    with pytest.raises(ConfigError, match="upgrade vectra-bot"):
        AlertDelivery.open([Kept()], path, WallClock(), SessionFacts())


def test_an_acknowledged_alert_is_not_sent_again(opened: Opened) -> None:
    """One that nobody acknowledges is, when its time is over."""
    kept = Kept()
    delivery = opened(kept, table={**FREE, "default": {"unseen_s": 30}})
    give(delivery, alert("my.first"), alert("my.second"))
    seen = OperatorCommand(
        recv_ns=START_NS, kind=OperatorKind.ACKNOWLEDGE, reason="alert-my.first-0.0"
    )
    delivery.obey(seen)
    events = delivery.look(START_NS + 40 * SECOND)
    delivery.send()

    assert [json.loads(event.detail_json)["alert_type"] for event in events] == ["my.second"]
    until(lambda: len(kept.notices) == 3)
    assert kept.notices[-1].severity == "warning"
    assert kept.notices[-1].escalated


def test_sinks_come_from_plugins_and_from_the_caller() -> None:
    """A name that is taken is the fault of the plugin that registers it; the others are used."""

    class Own:
        @hookimpl
        def register_alert_sinks(self, register: Callable[[AlertSink], None]) -> None:
            register(Logged())
            register(Kept())

    plugins = PluginManager()
    plugins.register("own", Own())

    assert [one.name for one in sinks_of(plugins, [Kept()])] == ["kept", "logged"]
    assert [(one.plugin, "two alert sinks" in one.error) for one in plugins.faults] == [
        ("own", True)
    ]
    with pytest.raises(PluginError, match="two alert sinks are named 'kept'"):
        sinks_of(plugins, [Kept(), Kept()])


def test_notices_have_no_hostile_text(opened: Opened) -> None:
    """Whatever a player is named; the raw text is in the store."""
    kept = Kept()
    delivery = opened(kept)
    alerts = [
        alert("my.alert", number, title=text, message=text, source_data={"name": text})
        for number, text in enumerate(HOSTILE.values())
    ]
    give(delivery, *alerts)
    until(lambda: len(kept.notices) == len(HOSTILE))

    for one in kept.notices:
        assert one.line.isprintable()
        assert one.data["name"].isprintable()
        assert "@" not in one.line + one.data["name"]


def test_no_thread_is_left(opened: Opened) -> None:
    """After the end of a session."""
    before = set(threading.enumerate())
    delivery = opened(Kept(), Logged())
    give(delivery, alert("my.alert"))
    delivery.drain()
    delivery.close()

    until(lambda: set(threading.enumerate()) <= before)
    assert delivery.queued == 0
