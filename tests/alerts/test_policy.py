"""The policy: each case is a list of alerts with times, and the expected list of decisions."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alerts.samples import SECOND, START_NS, alert
from vectra_bot.alerts.policy import (
    DELIVERED,
    MAX_KEYS,
    MAX_UNSEEN,
    REASONS,
    AlertDecision,
    AlertPolicy,
    SinkTraits,
)
from vectra_bot.alerts.preferences import AlertPreferences
from vectra_bot.models import AlertType

TOAST = SinkTraits(name="toast", interrupts=True)
PAGER = SinkTraits(name="pager", interrupts=True)
LOG = SinkTraits(name="log", interrupts=False)
SINKS = (TOAST, PAGER, LOG)
OPEN = {"limit": {"burst": 100, "per_minute": 100, "reserve": 0}}
"""No limit over all types, so that a case is about one thing."""


class Case(NamedTuple):
    """Preferences; alerts as (seconds, type, severity, more); what is expected of each."""

    preferences: dict[str, Any]
    alerts: list[tuple[float, str, str, dict[str, Any]]]
    expected: list[str]


def of(
    at_s: float, severity: str = "info", kind: str = "my.alert", **more: Any
) -> tuple[float, str, str, dict[str, Any]]:
    """Return one alert of a case."""
    return at_s, kind, severity, more


ALL = "toast pager log"
CASES = {
    "delivered to every sink": Case(OPEN, [of(0)], [f"delivered: {ALL}"]),
    "off reaches nobody": Case({"types": {"my.alert": {"mode": "off"}}}, [of(0)], ["off: "]),
    "silent reaches who is not interrupted": Case(
        {"types": {"my.alert": {"mode": "silent"}}}, [of(0)], ["silent: log"]
    ),
    "the type wins over its severity": Case(
        {**OPEN, "severity": {"info": {"mode": "off"}}, "types": {"my.alert": {"mode": "on"}}},
        [of(0), of(1, kind="my.other")],
        [f"delivered: {ALL}", "off: "],
    ),
    "the severity wins over the default": Case(
        {**OPEN, "default": {"mode": "off"}, "severity": {"error": {"mode": "on"}}},
        [of(0), of(1, "error")],
        ["off: ", f"delivered: {ALL}"],
    ),
    "a low priority is silent": Case(
        {**OPEN, "default": {"min_priority": 5}},
        [of(0, priority=4), of(1, priority=5)],
        ["priority: log", f"delivered: {ALL}"],
    ),
    "a repetition within the window": Case(
        {**OPEN, "default": {"dedupe_s": 10, "burst": 9}},
        [of(0), of(9), of(9.5, game_id="game-2"), of(10), of(19)],
        [f"delivered: {ALL}", "duplicate: log", f"delivered: {ALL}", f"delivered: {ALL}",
         "duplicate: log"],
    ),
    "the message may be part of what is compared": Case(
        {**OPEN, "default": {"dedupe": "type message", "dedupe_s": 10, "burst": 9}},
        [of(0, message="a"), of(1, message="b"), of(2, message="a", game_id="game-2")],
        [f"delivered: {ALL}", f"delivered: {ALL}", "duplicate: log"],
    ),
    "a bucket of one type": Case(
        {**OPEN, "default": {"burst": 2, "per_minute": 1, "dedupe_s": 0}},
        [of(0), of(1), of(2), of(3, kind="my.other"), of(61), of(62)],
        [f"delivered: {ALL}", f"delivered: {ALL}", "rate: log", f"delivered: {ALL}",
         f"delivered: {ALL}", "rate: log"],
    ),
    "a limit over all types, its last token for errors": Case(
        {"limit": {"burst": 3, "per_minute": 0, "reserve": 1}},
        [of(0, kind="a.a"), of(0, kind="a.b"), of(0, kind="a.c"), of(0, "error", kind="a.d"),
         of(0, "error", kind="a.e")],
        [f"delivered: {ALL}", f"delivered: {ALL}", "limit: log", f"delivered: {ALL}", "limit: log"],
    ),
    "quiet hours over midnight, errors come through": Case(
        {**OPEN, "quiet": {"start": "22:00", "end": "07:00"}, "default": {"dedupe_s": 0}},
        [of(0), of(1, "warning"), of(2, "error"), of(7 * 3600 - 1), of(7 * 3600), of(22 * 3600)],
        ["quiet: log", "quiet: log", f"delivered: {ALL}", "quiet: log", f"delivered: {ALL}",
         "quiet: log"],
    ),
    "quiet hours in a time zone": Case(  # midnight UTC is one o'clock in Vienna, seven in Dhaka less one
        {**OPEN, "quiet": {"start": "05:00", "end": "07:00", "zone": "Asia/Dhaka"}},
        [of(0), of(3600, kind="my.other")],
        ["quiet: log", f"delivered: {ALL}"],
    ),
    "do not disturb": Case(
        {**OPEN, "do_not_disturb": {"on": True}},
        [of(0), of(1, "warning"), of(2, "error")],
        ["do_not_disturb: log", "do_not_disturb: log", f"delivered: {ALL}"],
    ),
    "do not disturb until a time": Case(
        {**OPEN, "do_not_disturb": {"until": "2026-01-01T01:01:00+01:00"}},
        [of(59), of(60)],
        ["do_not_disturb: log", f"delivered: {ALL}"],
    ),
    "no override": Case(
        {**OPEN, "do_not_disturb": {"on": True, "override": "never"}},
        [of(0, "error")],
        ["do_not_disturb: log"],
    ),
    "an override by warnings holds at night too": Case(
        {**OPEN, "quiet": {"start": "00:00", "end": "23:59"},
         "do_not_disturb": {"override": "warning"}},
        [of(0, "warning"), of(1, "success", kind="my.other")],
        [f"delivered: {ALL}", "quiet: log"],
    ),
    "repetitions raise the severity": Case(
        {**OPEN, "sinks": {"pager": {"severity": "error"}},
         "default": {"escalate_after": 3, "escalate_s": 60, "dedupe_s": 300}},
        [of(0, "warning"), of(1, "warning"), of(2, "warning"), of(3, "warning")],
        ["delivered: toast log", "duplicate: log", f"delivered error: {ALL}", "duplicate: log"],
    ),
    "repetitions far apart do not": Case(
        {**OPEN, "default": {"escalate_after": 3, "escalate_s": 60, "dedupe_s": 300}},
        [of(0, "warning"), of(50, "warning"), of(100, "warning")],
        [f"delivered: {ALL}", "duplicate: log", "duplicate: log"],
    ),
    "a raised severity overrides quiet hours": Case(
        {**OPEN, "do_not_disturb": {"on": True}, "default": {"escalate_after": 2}},
        [of(0, "warning"), of(1, "warning")],
        ["do_not_disturb: log", f"delivered error: {ALL}"],
    ),
    "success is not raised unless it is asked for": Case(
        {**OPEN, "default": {"dedupe_s": 0, "burst": 9}},
        [of(second, "success") for second in range(6)],
        [f"delivered: {ALL}"] * 6,
    ),
    "what has expired": Case(
        {**OPEN, "types": {"my.other": {"expire_s": 0}}},
        [of(0, expires_s=0), of(0, expires_s=5), of(0, kind="my.other")],
        ["expired: ", f"delivered: {ALL}", "expired: "],
    ),
    "a sink that is off, and one for errors": Case(
        {**OPEN, "sinks": {"toast": {"on": False}, "pager": {"severity": "error"}}},
        [of(0), of(1, "error", kind="my.other")],
        ["delivered: log", "delivered: pager log"],
    ),
    "no sink at all": Case(
        {**OPEN, "sinks": {name: {"on": False} for name in ("toast", "pager", "log")}},
        [of(0)],
        ["no_sink: "],
    ),
    "types of every game are silent by default": Case(
        OPEN, [of(0, kind="game_start"), of(1, kind="game_rug")], ["silent: log", f"delivered: {ALL}"]
    ),
}  # fmt: skip


def told(decision: AlertDecision) -> str:
    """Return a decision as the cases write it."""
    raised = f" {decision.severity}" if decision.escalated else ""
    return f"{decision.reason}{raised}: {' '.join(decision.sinks)}"


def ns(at_s: float) -> int:
    """Return a time of the cases."""
    return START_NS + int(at_s * SECOND)


@pytest.mark.parametrize("name", CASES, ids=lambda name: name.replace(" ", "-"))
def test_each_case_has_its_list_of_deliveries(name: str) -> None:
    """The same alerts lead to the same decisions."""
    case = CASES[name]
    for _ in range(2):
        policy = AlertPolicy(AlertPreferences.of_table(case.preferences), SINKS)
        found = [
            told(policy.decide(alert(kind, at_s, severity=severity, **more), ns(at_s), ns(at_s)))
            for at_s, kind, severity, more in case.alerts
        ]

        assert found == case.expected


def test_the_hours_are_those_of_the_wall() -> None:
    """Quiet hours depend on the person's day, not on the virtual time of a session."""
    policy = AlertPreferences.of_table({"quiet": {"start": "22:00", "end": "07:00"}})
    night, noon = ns(0), ns(12 * 3600)

    assert AlertPolicy(policy, SINKS).decide(alert(), noon, night).reason == "quiet"
    assert AlertPolicy(policy, SINKS).decide(alert(), night, noon).reason == DELIVERED


@pytest.mark.parametrize(
    ("sound", "severity", "expected"),
    [
        (None, "info", True),
        (False, "info", False),
        (None, "warning", False),
        (True, "warning", True),
    ],
)
def test_sound_is_the_alerts_unless_preferred(
    sound: bool | None, severity: str, expected: bool
) -> None:
    """An alert that does not interrupt makes none."""
    rule = {} if sound is None else {"sound": sound}
    policy = AlertPolicy(AlertPreferences.of_table({"types": {"my.alert": rule}}), SINKS)
    wanted = alert("my.alert", severity=severity, sound_enabled=severity == "info")

    assert policy.decide(wanted, ns(0), ns(0)).sound is expected
    assert policy.decide(wanted, ns(1), ns(1)).sound is False  # a repetition


def test_what_nobody_acknowledges_is_sent_again_with_a_raised_severity() -> None:
    """Once for each step, and never after the acknowledgement."""
    table = {**OPEN, "default": {"unseen_s": 30}, "sinks": {"pager": {"severity": "error"}}}
    policy = AlertPolicy(AlertPreferences.of_table(table), SINKS)
    first, second = alert("my.first", 0), alert("my.second", 0)
    policy.decide(first, ns(0), ns(0))
    policy.decide(second, ns(0), ns(0))

    assert policy.next_due_ns() == ns(30)
    assert policy.due(ns(29), ns(29)) == []
    assert policy.acknowledge(second.alert_id) == 1
    assert [told(one) for one in policy.due(ns(30), ns(30))] == ["delivered warning: toast log"]
    assert [told(one) for one in policy.due(ns(60), ns(60))] == [f"delivered error: {ALL}"]
    again = policy.due(ns(90), ns(90))
    assert [told(one) for one in again] == [f"delivered error: {ALL}"]
    assert again[0].again
    assert policy.next_due_ns() is None
    policy.decide(alert("my.third", 100), ns(100), ns(100))
    assert policy.acknowledge() == 1
    assert policy.due(ns(500), ns(500)) == []


streams = st.lists(
    st.tuples(
        st.floats(0, 120),
        st.sampled_from([kind.value for kind in AlertType]),
        st.sampled_from(["info", "success", "warning", "error"]),
        st.sampled_from(["game-1", "game-2", None]),
    ),
    max_size=200,
).map(lambda found: sorted(found, key=lambda one: one[0]))


@given(streams)
def test_no_more_toasts_than_the_limit_in_any_minute(
    stream: list[tuple[float, str, str, str | None]],
) -> None:
    """Whatever comes, at most burst + per_minute interrupt in any minute, and each alert has a reason."""
    policy = AlertPolicy(AlertPreferences(), SINKS)
    loud = []
    for at_s, kind, severity, game_id in stream:
        one = policy.decide(
            alert(kind, at_s, severity=severity, game_id=game_id), ns(at_s), ns(at_s)
        )

        assert one.reason in REASONS
        assert ("toast" in one.sinks) is (one.reason == DELIVERED)
        if one.reason == DELIVERED:
            loud.append(at_s)
    busiest = max((sum(0 <= t - start < 60 for t in loud) for start in loud), default=0)

    assert busiest <= 6


def test_memory_is_bounded() -> None:
    """A flood of different alerts is forgotten from its oldest on."""
    table = {**OPEN, "default": {"unseen_s": 30, "dedupe": "type message"}}
    policy = AlertPolicy(AlertPreferences.of_table(table), SINKS)
    for number in range(3 * MAX_KEYS):
        policy.decide(alert(f"my.alert-{number}", message=str(number)), ns(number), ns(number))

    assert len(policy._known) == len(policy._buckets) == MAX_KEYS
    assert len(policy._unseen) <= MAX_UNSEEN
