"""What a rule is, and what is refused when its class is defined."""

from __future__ import annotations

from typing import Any

import pytest

from vectra_bot import AlertDraft, AlertRule, ConfigError, NotInCallback, param
from vectra_bot.alerts import RULE_CALLBACKS
from vectra_bot.hookspecs import HOOKS
from vectra_bot.models import AlertType


class Moon(AlertRule):
    """Give an alert at every tick."""

    alert_type = "example.moon"
    multiple: float = param(2.0, low=1.0)

    def on_game_tick(self, tick: Any) -> AlertDraft:
        return self.alert("Moon", f"{tick.price}")


class Both(AlertRule):
    """Give two types."""

    alert_types = (AlertType.GAME_START, "example.other")


def test_a_rule_has_parameters_and_types() -> None:
    """As a plugin has them."""
    assert Moon(multiple=3).multiple == 3.0
    assert (Moon.types(), Both.types()) == (
        ("example.moon",),
        (AlertType.GAME_START, "example.other"),
    )
    with pytest.raises(ConfigError, match="multiple"):
        Moon(multiple=0.5)


def test_callbacks_are_those_of_deterministic_events() -> None:
    """They have the arguments of the hooks of that name; what depends on the machine is not among them."""
    shared = {name: taken for name, taken in RULE_CALLBACKS.items() if name != "on_side_round"}

    assert shared == {name: HOOKS[name] for name in shared}
    assert set(HOOKS) - set(shared) >= {"session_started", "session_finished", "on_alert"}


def test_an_alert_has_what_was_given() -> None:
    """And the rule's only type, if none was named."""
    draft = Moon().alert("T", "M", severity="warning", data={"a": 1}, expires_s=2, priority=3)

    assert (draft.alert_type, draft.severity, draft.title) == ("example.moon", "warning", "T")
    assert (draft.data, draft.expires_s, draft.priority) == ({"a": 1}, 2, 3)


@pytest.mark.parametrize(
    ("rule", "options", "words"),
    [
        (Moon(), {"severity": "fatal"}, "severity was 'fatal'"),
        (Moon(), {"alert_type": "example.sun"}, "alert_type was 'example.sun'"),
        (Both(), {}, "gives 2 types"),
    ],
    ids=["severity", "type", "no-type"],
)
def test_a_wrong_alert_is_refused(rule: AlertRule, options: dict[str, Any], words: str) -> None:
    """The message says what was given and what may be."""
    with pytest.raises(ConfigError, match=words):
        rule.alert("T", "M", **options)


def test_the_account_is_there_for_registered_rules_only() -> None:
    """Before, the message says where to use it."""
    with pytest.raises(NotInCallback, match="not registered"):
        _ = Moon().account


def _define(**members: Any) -> None:
    type("Wrong", (AlertRule,), members)


async def _async(self: Any, tick: Any) -> None:
    """Never awaited."""


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"on_game_tik": lambda self: None}, "did you mean on_game_tick"),
        ({"on_everything": lambda self: None}, "its callbacks are"),
        ({"on_game_tick": lambda self, price: None}, r"takes \['price'\]"),
        ({"on_game_tick": lambda self, *tick: None}, r"takes \['tick'\]"),
        ({"on_game_tick": 3}, "is not a method"),
        ({"on_game_tick": _async}, "is async"),
        ({"alert_type": "moon"}, "namespace.name"),
        ({"alert_type": "Example.Moon"}, "namespace.name"),
        ({"alert_types": (3,)}, "namespace.name"),
    ],
    ids=[
        "spelling",
        "unknown",
        "argument",
        "star",
        "value",
        "async",
        "plain",
        "capitals",
        "number",
    ],
)
def test_a_rule_that_could_not_run_is_refused(members: dict[str, Any], words: str) -> None:
    """When its class is defined, by name."""
    with pytest.raises(ConfigError, match=words):
        _define(**members)
