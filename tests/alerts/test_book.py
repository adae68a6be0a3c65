"""Rules in the engine: order, ids, faults, limits, isolation; and the same alerts again."""

from __future__ import annotations

import decimal
import hashlib
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from vectra_bot import AlertDraft, AlertModel, AlertRule, Strategy, hookimpl
from vectra_bot.alerts import AlertBook
from vectra_bot.alerts.book import MAX_ALERTS, MAX_RULES
from vectra_bot.errors import PluginError, StrategyError
from vectra_bot.models import AlertTrigger, AlertType, DocType, SystemEvent
from vectra_bot.testing import Bench


class Watch(Strategy):
    """Note in which order things happen."""

    def __attrs_post_init__(self) -> None:
        self.precision = 0

    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.precision = decimal.getcontext().prec


class Rules:
    """A plugin that registers rules and receives alerts."""

    def __init__(self, *rules: Any) -> None:
        self.rules = rules
        self.heard: list[AlertTrigger] = []

    @hookimpl
    def register_alert_rules(self, register: Callable[[Any], None]) -> None:
        for rule in self.rules:
            register(rule)

    @hookimpl
    def on_alert(self, alert: AlertTrigger) -> None:
        self.heard.append(alert)


class Ticks(AlertRule):
    """Give an alert at every tick."""

    alert_type = "example.tick"

    def on_game_tick(self, tick: Any) -> Iterator[AlertDraft]:
        yield self.alert("Tick", f"{tick.tick}", data={"tick": tick.tick}, expires_s=1.5)


class Late(AlertRule):
    """Give an alert when a game ended."""

    alert_type = AlertType.GAME_RUG

    def on_game_end(self, game: Any, summary: Any) -> AlertDraft:
        return self.alert("End", summary.game_id, player_id="did:x", priority=4, sound=True)


class Raises(AlertRule):
    """Fail at every tick."""

    alert_type = "example.raises"

    def on_game_tick(self) -> None:
        raise ValueError("broken")


def played(*rules: Any, ticks: int = 3) -> tuple[Bench, Rules]:
    """Return a bench after a game with *rules*, and the plugin that registered them."""
    plugin = Rules(*rules)
    bench = Bench(Watch(), plugins={"rules": plugin})
    bench.start_game([1.0] * (ticks + 1))
    return bench, plugin


def alerts(bench: Bench) -> list[AlertTrigger]:
    """Return the alerts."""
    return bench.of_type(DocType.ALERT_TRIGGER)


def events(bench: Bench) -> list[SystemEvent]:
    """Return what was stored about rules."""
    found = bench.of_type(DocType.SYSTEM_EVENT)
    return [one for one in found if one.kind.startswith(("alert.", "plugin.", "strategy."))]


def test_alerts_are_documents_after_their_cause() -> None:
    """Each follows its tick, is about the game, and has a time and an end."""
    bench, plugin = played(Ticks())
    kinds = [d.doc_type for d in bench.documents if d.doc_type is not DocType.SERVER_STATE]
    found = alerts(bench)

    assert [alert.message for alert in found] == ["0", "1", "2", "3"]
    assert kinds.index(DocType.ALERT_TRIGGER) > kinds.index(DocType.GAME_TICK)
    assert {alert.game_id for alert in found} == {bench.game_id}
    assert found[0].expires_at is not None
    assert (found[0].expires_at - found[0].triggered_at).total_seconds() == 1.5
    assert (found[0].source_event, found[0].source_data) == ("game_tick", {"tick": 0})
    assert plugin.heard == found


def test_an_alert_of_a_game_that_ended_is_about_that_game() -> None:
    """Although the next one has begun."""
    bench, _ = played(Late())
    game_id = bench.game_id
    bench.rug()
    bench.new_game()
    (alert,) = alerts(bench)

    assert (alert.game_id, alert.message, alert.player_id) == (game_id, game_id, "did:x")
    assert (alert.priority, alert.sound_enabled) == (4, True)


def test_ids_follow_from_session_and_counter() -> None:
    """Another engine gives the same ones; no two are equal."""
    first, _ = played(Ticks(), Late())
    second, _ = played(Ticks(), Late())

    digest = hashlib.sha256(b"bench:alert:1").digest()

    assert alerts(first) == alerts(second)
    assert alerts(first)[0].alert_id == str(uuid.UUID(bytes=digest[:16], version=4))
    assert len({alert.alert_id for alert in alerts(first)}) == len(alerts(first))


def test_a_rule_that_raises_is_counted_and_then_not_called() -> None:
    """Five errors within a minute; the other rules and the strategy are called as before."""
    bench, _ = played(Raises(), Ticks(), ticks=9)
    kinds = [event.kind for event in events(bench)]

    assert kinds == ["alert.rule_error"] * 4 + ["alert.rule_quarantined"]
    assert "'Raises' failed in on_game_tick: ValueError" in events(bench)[0].message
    assert len(alerts(bench)) == 10
    assert bench.engine.plugin_errors == {"alert rule Raises": 5}
    assert bench.engine.failure is None


class Sleeper(Ticks):
    """Give an alert at every tick up to the third, if it is awake."""

    asleep = True

    def on_game_tick(self, tick: Any) -> Iterator[AlertDraft]:
        self.asleep = tick.tick >= 3
        yield from super().on_game_tick(tick)


class Woken(Sleeper):
    """Awake from the start of a game."""

    def on_game_start(self) -> None:
        self.asleep = False


class Restless(Ticks):
    """Fail when the engine asks whether it sleeps."""

    @property
    def asleep(self) -> bool:  # type: ignore[override]
        raise ValueError("no answer")


def test_a_rule_that_sleeps_is_not_called_at_ticks_until_another_callback_wakes_it() -> None:
    """It is asleep by its class, awake by what its game's start set, and asleep by what a tick set."""
    slept, _ = played(Sleeper(), ticks=6)
    woken, _ = played(Woken(), ticks=6)

    assert alerts(slept) == []
    assert [alert.source_data for alert in alerts(woken)] == [{"tick": n} for n in range(4)]


def test_a_rule_that_raises_when_asked_whether_it_sleeps_is_counted() -> None:
    """As one that raises in its callback is; the others are called as before."""
    bench, _ = played(Restless(), Ticks(), ticks=2)

    assert [event.kind for event in events(bench)] == ["alert.rule_error"] * 3
    assert len(alerts(bench)) == 3


class Wrong(AlertRule):
    """Give something else than an alert."""

    alert_type = "example.wrong"
    gives: Any

    def on_game_start(self) -> Any:
        return self.gives


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        ("text", "give self.alert"),
        ([3], "give self.alert"),
        (7, "not iterable"),
    ],
    ids=["text", "list", "number"],
)
def test_anything_else_is_an_error_of_the_rule(gives: Any, words: str) -> None:
    """It is stored, and the session continues."""
    bench, _ = played(Wrong(gives=gives))

    assert words in events(bench)[0].message
    assert alerts(bench) == []


def test_alerts_of_one_event_are_limited() -> None:
    """The first eight are stored, and that there were more."""

    class Floods(AlertRule):
        alert_type = "example.flood"

        def on_game_start(self) -> Iterator[AlertDraft]:
            while True:
                yield self.alert("F", "F")

    bench, _ = played(Floods())

    assert len(alerts(bench)) == MAX_ALERTS
    assert f"more than {MAX_ALERTS} alerts" in events(bench)[0].message


def test_data_that_is_not_json_is_an_error_of_the_rule() -> None:
    """Nothing is stored that JSON cannot hold, and no id is used up."""

    class Odd(AlertRule):
        alert_type = "example.odd"

        def on_game_start(self) -> AlertDraft:
            return self.alert("O", "O", data={"a": Decimal(1)})

    bench, _ = played(Odd(), Ticks())
    plain, _ = played(Ticks())

    assert "source_data" in events(bench)[0].message
    assert [one.alert_id for one in alerts(bench)] == [one.alert_id for one in alerts(plain)]


def test_hostile_text_is_stored_as_text() -> None:
    """Lone surrogates and long text do not keep an alert from being stored."""

    class Hostile(AlertRule):
        alert_type = "example.hostile"

        def on_game_start(self) -> AlertDraft:
            return self.alert("\ud800" + "x" * 9_999, "\x1b[2J\u202e" * 9_999)

    bench, _ = played(Hostile())
    (alert,) = alerts(bench)

    assert len(alert.title) <= 200
    assert len(alert.message) <= 2_000
    alert.title.encode()


def test_a_decimal_context_does_not_leave_a_rule() -> None:
    """The strategy, called next, has its own."""

    class Coarse(AlertRule):
        alert_type = "example.coarse"

        def on_game_tick(self) -> None:
            decimal.getcontext().prec = 2

    bench, _ = played(Coarse())
    plain, _ = played(Ticks())

    assert bench.engine.strategy.precision == plain.engine.strategy.precision > 2  # type: ignore[attr-defined]


def test_a_rule_that_changes_the_session_is_quarantined() -> None:
    """What it changed is restored."""

    class Thief(AlertRule):
        alert_type = "example.thief"
        engine: Any = None

        def on_game_start(self) -> None:
            self.engine.account.cash += 5

    thief = Thief()
    plugin = Rules(thief)
    bench = Bench(Watch(), plugins={"rules": plugin})
    thief.engine = bench.engine
    before = bench.engine.account.cash
    bench.start_game([1.0, 1.0])

    assert bench.engine.account.cash == before
    assert [event.kind for event in events(bench)] == ["alert.rule_quarantined"]
    assert bench.engine.failure is None


def test_what_a_rule_changes_at_a_tick_is_restored_and_ends_trading() -> None:
    """Nothing is sent on false books."""

    class Thief(AlertRule):
        alert_type = "example.thief"
        engine: Any = None

        def on_game_tick(self) -> None:
            self.engine.account.cash += 5

    thief = Thief()
    bench = Bench(Watch(), plugins={"rules": Rules(thief)})
    thief.engine = bench.engine
    before = bench.engine.account.cash
    bench.start_game([1.0, 1.0])
    with pytest.raises(StrategyError, match="changed from outside"):
        bench.update()

    assert bench.engine.account.cash == before


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ((Ticks,), "not its class"),
        ((AlertModel(), AlertModel()), "one plugin with a model"),
        ((3,), "give an AlertRule"),
        ((type("Bare", (AlertRule,), {})(),), "has no alert_type"),
    ],
    ids=["class", "models", "number", "no-type"],
)
def test_a_wrong_registration_is_an_error_of_the_plugin(rules: Any, words: str) -> None:
    """It is stored with the first input; what was registered before stays."""
    bench, _ = played(Late(), *rules)
    (event,) = events(bench)

    assert event.kind == "plugin.error"
    assert words in event.message


def test_a_rule_is_registered_once_and_not_too_many_are() -> None:
    """Both would be called twice or slow down every event."""
    book, rule = AlertBook("s"), Ticks()
    book.register(rule)
    with pytest.raises(PluginError, match="registered twice"):
        book.register(rule)
    for _ in range(MAX_RULES - 1):
        book.register(Ticks())
    with pytest.raises(PluginError, match="already"):
        book.register(Ticks())


def test_a_rule_reads_account_rounds_and_model() -> None:
    """They are those of the session, read-only."""

    class Reads(AlertRule):
        alert_type = "example.reads"

        def on_game_start(self, game: Any) -> AlertDraft:
            chance = self.model.rug_chance(game, 40)
            text = f"{self.account.cash} {self.side_games.bbc} {self.model.name} {chance:.4f}"
            return self.alert("R", text)

    bench, _ = played(Reads())

    assert [one.message for one in alerts(bench)] == ["1.000000000 None law 0.1817"]
