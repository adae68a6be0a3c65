"""The bundled alert rules: each type of the schema comes where it should, and not in its counter-example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

import vectra_bot
from vectra_bot import AlertModel, ConfigError, Strategy, hookimpl
from vectra_bot.alerts import AlertBook
from vectra_bot.models import AlertTrigger, AlertType, DocType, SideGameKind
from vectra_bot.testing import Bench
from vectra_plugins.alerts.rules import Alerts

OTHER = "did:privy:other"


class Trader(Strategy):
    """Do at a tick what the test says."""

    acts: dict[int, Callable[[Any], Any]]

    def on_game_tick(self, tick: Any, game: Any) -> None:
        act = self.acts.get(tick.tick)
        if act is not None:
            act(self.actions)


@frozen
class Case:
    """A type with what makes it come, and something close that does not.

    Attributes:
        play: plays the bench so that the alert comes.
        other: plays the bench so that it does not.
        settings: parameters of the plugin.
        acts: what the strategy does, by tick.
    """

    play: Callable[[Bench], None]
    other: Callable[[Bench], None]
    settings: dict[str, Any] = field(factory=dict)
    acts: dict[int, Callable[[Any], Any]] = field(factory=dict)


def bench_of(
    settings: dict[str, Any], acts: dict[int, Callable[[Any], Any]] | None = None, **options: Any
) -> Bench:
    """Return a bench with the bundled rules."""
    return Bench(Trader(acts=acts or {}), plugins={"alerts": Alerts(**settings)}, **options)


def alerts_of(bench: Bench) -> list[AlertTrigger]:
    """Return the alerts so far, which no rule's exception has replaced."""
    faults = [r for r in bench.of_type(DocType.SYSTEM_EVENT) if r.kind.startswith("alert.")]
    assert faults == []
    return bench.of_type(DocType.ALERT_TRIGGER)


def count(bench: Bench, kind: AlertType) -> int:
    """Return how many alerts of *kind* came."""
    return sum(alert.alert_type is kind for alert in alerts_of(bench))


def prices(*values: float) -> Callable[[Bench], None]:
    """Play a game with these prices after the start."""
    return lambda bench: bench.start_game([1.0, *values])


def flat(ticks: int) -> Callable[[Bench], None]:
    """Play a game whose price does not move."""
    return prices(*[1.0] * ticks)


def idle(bench: Bench) -> None:
    """Play nothing but the announcement of a game."""
    bench.new_game()


def rugged(bench: Bench) -> None:
    """Play a short game to its rug."""
    bench.start_game([1.0, 1.1])
    bench.rug()


def executed(*after: float) -> Callable[[Bench], None]:
    """Execute what the strategy asked for, then play on at these prices."""

    def play(bench: Bench) -> None:
        bench.start_game([1.0, 1.0, 1.0])
        for command in bench.commands:
            bench.execute(command)
        for price in after:
            bench.tick(price)
            bench.show_row()

    return play


def refused(bench: Bench) -> None:
    """Refuse what the strategy asked for."""
    bench.start_game([1.0, 1.0, 1.0])
    bench.ack(bench.commands[0], success=False, message="no")


def settled(rug: bool) -> Callable[[Bench], None]:
    """Place a sidebet and rug within its window, or after it."""

    def play(bench: Bench) -> None:
        executed()(bench)
        for _ in range(0 if rug else 41):
            bench.tick(1.0)
        if rug:
            bench.rug()
        else:
            bench.settle_sidebet(None)

    return play


def traded(kind: str, player: str) -> Callable[[Bench], None]:
    """Show a trade of another player."""

    def play(bench: Bench) -> None:
        bench.start_game([1.0, 1.1])
        bench.trade(kind, 10_000_000, 9_000_000, trace_id="1" * 32, player_id=player)

    return play


def opened(kind: SideGameKind) -> Callable[[Bench], None]:
    """Open a round of a side game."""

    def play(bench: Bench) -> None:
        bench.start_game([1.0, 1.1])
        bench.rounds.open(kind, "r1")

    return play


def streak(*results: str) -> Callable[[Bench], None]:
    """End rounds of Candleflip in one room with these results."""

    def play(bench: Bench) -> None:
        bench.start_game([1.0, 1.1])
        for number, result in enumerate(results):
            bench.rounds.open(SideGameKind.CANDLEFLIP, f"r{number}", 1)
            bench.rounds.end(SideGameKind.CANDLEFLIP, f"r{number}", result)

    return play


def reconnected(bench: Bench) -> None:
    """Lose the connection and get it back."""
    bench.disconnect()
    bench.connect()


def slow(seconds: float) -> Callable[[Bench], None]:
    """Confirm an action after a while."""

    def play(bench: Bench) -> None:
        bench.start_game([1.0, 1.0, 1.0])
        bench.now_ns += int(seconds * 1e9)
        bench.execute(bench.commands[0])

    return play


BUY = {1: lambda actions: actions.buy(Decimal("0.1"))}
SHORT = {1: lambda actions: actions.short_open(Decimal("0.1"))}
SIDEBET = {1: lambda actions: actions.sidebet(Decimal("0.1"))}
ZIGZAG = [1.0 + 0.3 * (tick % 2) for tick in range(1, 40)]

CASES: dict[AlertType, Case] = {
    AlertType.TRADE_SUCCESS: Case(executed(), refused, acts=BUY),
    AlertType.TRADE_FAILED: Case(refused, executed(), acts=BUY),
    AlertType.POSITION_PROFIT: Case(executed(1.3), executed(1.2), acts=BUY),
    AlertType.POSITION_LOSS: Case(executed(0.7), executed(0.8), acts=BUY),
    AlertType.SIDEBET_WON: Case(settled(rug=True), settled(rug=False), acts=SIDEBET),
    AlertType.SIDEBET_LOST: Case(settled(rug=False), settled(rug=True), acts=SIDEBET),
    AlertType.GAME_START: Case(flat(1), idle),
    AlertType.GAME_RUG: Case(rugged, flat(3)),
    AlertType.MULTIPLIER_MILESTONE: Case(prices(1.9, 2.0), prices(1.9, 1.99)),
    AlertType.VOLATILITY_SPIKE: Case(prices(*ZIGZAG), flat(40)),
    AlertType.VOLATILITY_CALM: Case(flat(40), prices(*ZIGZAG)),
    AlertType.SIDEBET_OPTIMAL_ZONE: Case(flat(60), flat(59)),
    AlertType.HIGH_POTENTIAL_ENTRY: Case(flat(10), flat(9)),
    AlertType.HIGH_POTENTIAL_EXIT: Case(flat(100), flat(99)),
    AlertType.RUG_WARNING: Case(flat(139), flat(138)),
    AlertType.SURVIVAL_MILESTONE: Case(flat(139), flat(138)),
    AlertType.EXCEPTIONAL_PLAYER_ENTRY: Case(
        traded("buy", OTHER), traded("sell", OTHER), {"exceptional_players": f"x, {OTHER}"}
    ),
    AlertType.EXCEPTIONAL_PLAYER_EXIT: Case(
        traded("sell", OTHER), traded("sell", "did:privy:third"), {"exceptional_players": OTHER}
    ),
    AlertType.CUSTOM_SIGNAL_1: Case(prices(1.6), prices(1.4), {"custom_1": "price > 1.5"}),
    AlertType.CUSTOM_SIGNAL_2: Case(
        prices(1.0, 1.2), prices(1.2, 1.2), {"custom_2": "change(1) > 0.1 and tick == 2"}
    ),
    AlertType.CUSTOM_SIGNAL_3: Case(prices(0.8), prices(1.1), {"custom_3": "price < high(2)"}),
    AlertType.SHORT_ENTRY_SIGNAL: Case(flat(30), flat(29)),
    AlertType.SHORT_EXIT_SIGNAL: Case(executed(0.6, 0.6), executed(0.9, 0.9), acts=SHORT),
    AlertType.SHORT_LIQUIDATION_WARNING: Case(executed(1.8, 1.8), executed(1.5, 1.5), acts=SHORT),
    AlertType.BBC_ROUND_START: Case(opened(SideGameKind.BBC), opened(SideGameKind.CANDLEFLIP)),
    AlertType.BBC_OPTIMAL_PREDICTION: Case(
        opened(SideGameKind.BBC), opened(SideGameKind.CANDLEFLIP)
    ),
    AlertType.CANDLEFLIP_ROUND_START: Case(
        opened(SideGameKind.CANDLEFLIP), opened(SideGameKind.BBC)
    ),
    AlertType.CANDLEFLIP_STREAK_ALERT: Case(streak(*["RED"] * 5), streak(*["RED"] * 4, "GREEN")),
    AlertType.CONNECTION_LOST: Case(reconnected, flat(1)),
    AlertType.CONNECTION_RESTORED: Case(reconnected, Bench.disconnect),
    AlertType.LATENCY_WARNING: Case(slow(1.2), slow(0.1), acts=BUY),
}


@pytest.mark.parametrize("kind", AlertType, ids=lambda kind: kind.value)
def test_a_type_comes_where_it_should_and_only_there(kind: AlertType) -> None:
    """One alert of the type in its case, none in the counter-example, and no rule fails."""
    case = CASES[kind]
    bench = bench_of(case.settings, case.acts)
    case.play(bench)
    silent = bench_of(case.settings, case.acts)
    case.other(silent)

    assert (count(bench, kind), count(silent, kind)) == (1, 0)


def test_every_type_has_one_rule() -> None:
    """The plugin's rules give every type of the schema, each from one rule."""
    rules = Alerts(custom_1="price > 2").rules
    given = Counter(kind for rule in rules for kind in rule.types())

    assert given == Counter(AlertType)
    assert set(CASES) == set(AlertType)


def test_types_that_a_default_session_gives_come_from_the_exchange(tmp_path: Path) -> None:
    """Thirty games of the exchange give every type that needs neither settings nor a fault."""
    vectra_bot.run("sidebet", games=30, seed=7, alerts=True, store=tmp_path)
    with vectra_bot.open_store(tmp_path) as store:
        found = {row[0] for row in store.sql("SELECT DISTINCT alert_type FROM alert_trigger").rows}
    lacking = {kind.value for kind in AlertType} - found

    assert {name for name in lacking if "custom" not in name and "exceptional" not in name} <= {
        "trade_failed", "position_profit", "position_loss", "short_exit_signal", "short_liquidation",
        "connection_lost", "connection_restored", "latency_warning",
    }  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    [
        AlertType.RUG_WARNING,
        AlertType.SIDEBET_OPTIMAL_ZONE,
        AlertType.HIGH_POTENTIAL_ENTRY,
        AlertType.HIGH_POTENTIAL_EXIT,
        AlertType.SHORT_ENTRY_SIGNAL,
    ],
    ids=lambda kind: kind.value,
)
def test_a_stated_chance_is_the_law(kind: AlertType) -> None:
    """It is exact, its expected value is not above what the law gives, and the text says there is no edge."""
    bench = bench_of({})
    flat(139)(bench)
    (alert,) = [one for one in alerts_of(bench) if one.alert_type is kind]
    data = alert.source_data or {}
    chance = 1 - 0.995**40

    assert data["model"] == "law"
    assert data["horizon_ticks"] == 40
    stated = 1 - chance if data["event"] == "survival" else chance
    assert data["probability"] == pytest.approx(stated, abs=1e-12)
    assert "no tick is better than another" in alert.message
    if data["bet"] in ("sidebet", "long"):
        assert data["expected_value"] < 0


def test_a_threshold_above_the_law_keeps_a_signal_back() -> None:
    """The chance of the law never reaches it; that of a model that claims more does."""

    class Sure(AlertModel):
        name = "sure"

        def rug_chance(self, game: Any, ticks: int) -> float:
            return 0.9

    class Model:
        @hookimpl
        def register_alert_rules(self, register: Any) -> None:
            register(Sure())

    quiet = bench_of({"rug_warning_chance": 0.5})
    flat(200)(quiet)
    loud = Bench(
        Trader(acts={}),
        plugins={"alerts": Alerts(rug_warning_chance=0.5), "model": Model()},
    )
    flat(139)(loud)

    assert count(quiet, AlertType.RUG_WARNING) == 0
    (alert,) = [a for a in alerts_of(loud) if a.alert_type is AlertType.RUG_WARNING]
    assert alert.source_data is not None
    assert (alert.source_data["model"], alert.source_data["probability"]) == ("sure", 0.9)
    assert "no tick is better" not in alert.message


def test_a_crossing_counts_again_after_it_came_back() -> None:
    """A position that stays above the threshold gives one alert; after a fall by half of it, another."""
    bench = bench_of({}, BUY)
    executed(1.3, 1.3, 1.2, 1.3)(bench)
    before = count(bench, AlertType.POSITION_PROFIT)
    for price in (1.1, 1.3):
        bench.tick(price)

    assert (before, count(bench, AlertType.POSITION_PROFIT)) == (1, 2)


def test_failures_are_limited_in_a_game() -> None:
    """A strategy that is denied at every tick gives three alerts; the third says that it is the last."""
    acts = {tick: (lambda actions: actions.buy(Decimal(4))) for tick in range(1, 30)}
    bench = bench_of({}, acts)
    flat(29)(bench)
    failed = [a for a in alerts_of(bench) if a.alert_type is AlertType.TRADE_FAILED]

    assert len(failed) == 3
    assert "give no alert" in failed[-1].message


def test_signals_come_once_in_each_game() -> None:
    """The second game gives them again."""
    bench = bench_of({})
    for _ in range(2):
        flat(139)(bench)
        bench.rug()

    assert count(bench, AlertType.RUG_WARNING) == 2
    assert count(bench, AlertType.MULTIPLIER_MILESTONE) == 0


def test_a_jump_over_several_milestones_gives_the_highest() -> None:
    """A price of 60 gives 50x, and no later fall and rise gives it again."""
    bench = bench_of({})
    prices(60.0, 1.0, 60.0)(bench)
    found = [a for a in alerts_of(bench) if a.alert_type is AlertType.MULTIPLIER_MILESTONE]

    assert [alert.title for alert in found] == ["50x"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"milestones": "2,x"}, "milestones was '2,x'"),
        ({"milestones": "0.5"}, "above 1"),
        ({"survival_percent": "100"}, "below 100"),
        ({"custom_1": "price"}, "give a comparison"),
        ({"custom_2": "__import__('os') > 1"}, "unknown"),
        ({"exceptional_players": ",".join(map(str, range(1001)))}, "at most 1000"),
    ],
    ids=["no-number", "low", "high", "no-condition", "call", "many-players"],
)
def test_a_wrong_parameter_is_one_line(settings: dict[str, Any], words: str) -> None:
    """It names the parameter, the value and what to give, before a session begins."""
    with pytest.raises(ConfigError) as caught:
        Alerts(**settings)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_players_are_read_from_a_file_once(tmp_path: Path) -> None:
    """The journal's header has their ids, so that a replay does not need the file."""
    path = tmp_path / "players.txt"
    path.write_text(f"{OTHER}  # wins\n\n#nobody\ndid:two\n", encoding="utf-8")
    given = Alerts.settled({"exceptional_players": f"@{path}", "latency_ms": 5})

    assert given == {"exceptional_players": f"{OTHER},did:two", "latency_ms": 5}
    with pytest.raises(ConfigError, match="cannot be read"):
        Alerts.settled({"exceptional_players": f"@{tmp_path / 'none'}"})


def test_rules_are_registered_as_anybodys() -> None:
    """They go through the hook's one argument."""
    book = AlertBook("s")
    Alerts().register_alert_rules(book.register)

    assert [type(rule).__name__ for rule in book.rules][:3] == [
        "Calendar",
        "Milestones",
        "Volatility",
    ]
