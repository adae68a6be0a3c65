"""The engine: hooks in order, contained plugins, hostile inputs, what becomes a document."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.actions.strategies import Scripted
from vectra_bot import hookimpl
from vectra_bot.errors import CallInterrupted, PluginError, StopNow, StrategyError
from vectra_bot.models import (
    DocType,
    FrameKind,
    FrameRejected,
    GameFrame,
    LoginStatus,
    OperatorCommand,
    OperatorKind,
    Trade,
    UnknownEvent,
)
from vectra_bot.plugins import MAX_FAULTS, PluginManager
from vectra_bot.testing import Bench


def kinds(bench: Bench) -> list[str]:
    """Return the kinds of the stored system events."""
    return [event.kind for event in bench.of_type(DocType.SYSTEM_EVENT)]


class Recorder:
    """Records the names of the hooks that ran."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @hookimpl
    def on_phase(self, game: Any) -> None:
        self.seen.append(f"phase {game.phase.value}")

    @hookimpl
    def on_game_start(self, game: Any) -> None:
        self.seen.append("start")

    @hookimpl
    def on_game_tick(self, tick: Any) -> None:
        self.seen.append(f"tick {tick.tick}")

    @hookimpl
    def on_game_end(self, summary: Any) -> None:
        self.seen.append(f"end {summary.rug_tick}")

    @hookimpl
    def on_action_submitted(self, action: Any) -> None:
        self.seen.append(f"submitted {action.button}")

    @hookimpl
    def on_action_outcome(self, action: Any) -> None:
        self.seen.append(f"outcome {action.state.value}")


def test_hooks_run_in_order_of_cause() -> None:
    """A game from countdown to the next game's first frame, as a plugin sees it."""
    recorder, strategy = Recorder(), Scripted()
    bench = Bench(strategy, plugins={"recorder": recorder})
    bench.start_game((1.0, 1.1))
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.2)
    bench.execute(bench.commands[0])
    bench.rug()
    bench.new_game()

    assert recorder.seen == [
        "phase cooldown",
        "phase presale",
        "phase active",
        "start",
        "tick 0",
        "tick 1",
        "tick 2",
        "submitted BUY",
        "outcome CONFIRMED",
        "phase rugged",
        "end 3",
        "phase cooldown",
    ]


def test_ticks_are_strictly_increasing_for_a_strategy() -> None:
    """Duplicate and late ticks are recorded and not shown; a missed one is a gap."""
    recorder = Recorder()
    bench = Bench(Scripted(), plugins={"recorder": recorder})
    bench.start_game((1.0, 1.1, 1.2))
    bench.tick(1.1, tick=1)
    bench.tick(1.2, tick=2)
    bench.tick(1.5, tick=5)
    bench.tick(1.4, tick=4)
    bench.tick(1.6, tick=6)

    assert [s for s in recorder.seen if s.startswith("tick")] == [
        "tick 0",
        "tick 1",
        "tick 2",
        "tick 5",
        "tick 6",
    ]
    assert kinds(bench).count("game.gap") == 1
    prices = list(bench.engine.game.prices)
    assert prices[4] == 1.4
    assert prices[3] != prices[3]
    assert len(bench.of_type(DocType.GAME_TICK)) == 2 + 3 + 2 + 3


def test_a_repeated_tick_with_another_price_is_reported() -> None:
    """A contradiction between two frames of one tick is a finding, and the first price remains."""
    bench = Bench(Scripted())
    bench.start_game((1.0, 1.1))
    bench.tick(1.2, tick=1)

    assert "game.price_conflict" in kinds(bench)
    assert bench.engine.game.prices[1] == 1.1


def test_missed_ticks_come_back_from_the_price_window() -> None:
    """Ticks in the price window of a later frame are backfilled and marked."""
    bench = Bench(Scripted())
    bench.start_game((1.0, 1.1))
    frame = GameFrame(
        recv_ns=bench.now_ns,
        kind=FrameKind.TICK,
        game_id=bench.game_id,
        active=True,
        rugged=False,
        price=1.5,
        tick=4,
        partial_prices=((0, 1.0), (1, 1.1), (2, 1.2), (3, 1.3), (4, 1.5)),
    )
    bench.feed(frame)

    ticks = bench.of_type(DocType.GAME_TICK)[-3:]
    assert [(t.tick, t.backfilled) for t in ticks] == [(2, True), (3, True), (4, False)]
    assert list(bench.engine.game.prices) == [1.0, 1.1, 1.2, 1.3, 1.5]


def test_joining_late_takes_the_whole_price_list() -> None:
    """A snapshot in mid-game gives every price so far; on_game_start reports it."""
    recorder = Recorder()
    bench = Bench(Scripted(), plugins={"recorder": recorder})
    bench.feed(
        GameFrame(
            recv_ns=bench.now_ns,
            kind=FrameKind.SNAPSHOT,
            game_id="20260101-00000000000000aa",
            active=True,
            rugged=False,
            price=1.2,
            tick=2,
            prices=(1.0, 1.1, 1.2),
        )
    )
    game = bench.engine.game
    assert (game.joined_late, list(game.prices), game.tick) == (True, [1.0, 1.1, 1.2], 2)
    assert recorder.seen == ["phase active", "start", "tick 2"]


class Unruly:
    """Raises what must not reach the host."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls = 0

    @hookimpl
    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.calls += 1
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        SystemExit(1),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError(),
    ],
    ids=lambda e: type(e).__name__,
)
def test_a_failing_plugin_hurts_nobody_and_is_quarantined(error: BaseException) -> None:
    """Its exceptions are stored with its name, the others continue, and finally it is quarantined."""
    unruly, recorder = Unruly(error), Recorder()
    bench = Bench(Scripted(), plugins={"a-unruly": unruly, "b-recorder": recorder})
    bench.start_game([1.0 + n / 100 for n in range(12)])

    assert len([s for s in recorder.seen if s.startswith("tick")]) == 12
    assert unruly.calls == MAX_FAULTS
    assert kinds(bench).count("plugin.error") == MAX_FAULTS - 1
    assert kinds(bench).count("plugin.quarantined") == 1
    detail = [
        json.loads(e.detail_json) for e in bench.of_type(DocType.SYSTEM_EVENT) if "plugin" in e.kind
    ]
    assert detail[0]["plugin"] == "a-unruly"
    assert type(error).__name__ in detail[0]["traceback"]


def test_a_quarantined_guard_still_denies() -> None:
    """A plugin that fails in another hook keeps its veto: a fault must not allow actions."""

    class Guard(Unruly):
        @hookimpl
        def review_action(self, action: Any) -> str | None:
            return "guarded"

    strategy = Scripted()
    bench = Bench(strategy, plugins={"guard": Guard(ValueError("x"))})
    bench.start_game([1.0 + n / 100 for n in range(12)])
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.2)

    assert bench.commands == []
    assert bench.actions[-1].outcome is not None
    assert bench.actions[-1].outcome.error_reason == "plugin.guard: guarded"


class Typo:
    @hookimpl
    def on_game_tik(self, tick: Any) -> None: ...


class WrongArgument:
    @hookimpl
    def on_game_tick(self, tock: Any) -> None: ...


class Async:
    @hookimpl
    async def on_game_tick(self, tick: Any) -> None: ...


class Wrapper:
    @hookimpl(wrapper=True)
    def on_game_tick(self, tick: Any) -> Any:
        yield


@pytest.mark.parametrize(
    ("plugin", "error", "words"),
    [
        (Typo, PluginError, "on_game_tick"),
        (WrongArgument, PluginError, "tock"),
        (Async, PluginError, "async"),
        (Wrapper, PluginError, "wrapper"),
    ],
)
def test_plugins_that_cannot_work_are_refused_by_name(
    plugin: type, error: type[Exception], words: str
) -> None:
    """Unknown hooks, wrong arguments, async and wrappers are found when a plugin is loaded."""
    with pytest.raises(error, match=words) as caught:
        PluginManager().register("mine", plugin)
    assert "mine" in str(caught.value)


def test_call_order_is_tryfirst_then_names_then_trylast() -> None:
    """Pluggy's order marks are honoured; otherwise the order is that of registration."""
    seen: list[str] = []

    def make(name: str, **marks: bool) -> Any:
        class Plugin:
            @hookimpl(**marks)  # type: ignore[call-overload]
            def on_game_start(self, game: Any) -> None:
                seen.append(name)

        return Plugin()

    plugins = {
        "a": make("a", trylast=True),
        "b": make("b"),
        "c": make("c"),
        "d": make("d", tryfirst=True),
    }
    Bench(Scripted(), plugins=plugins).start_game((1.0,))
    assert seen == ["d", "b", "c", "a"]


def test_strategy_exception_stops_trading_and_is_recorded() -> None:
    """After a strategy raised nothing is sent, but frames are still documented."""

    class Failing(Scripted):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            if game.tick == 2:
                raise RuntimeError("mine")

    bench = Bench(Failing())
    bench.start_game((1.0, 1.1))
    with pytest.raises(StrategyError, match="mine"):
        bench.tick(1.2)
    before = len(bench.documents)
    bench.engine.process(
        GameFrame(
            recv_ns=bench.now_ns,
            kind=FrameKind.TICK,
            game_id=bench.game_id,
            active=True,
            rugged=False,
            price=1.3,
            tick=3,
        )
    )
    assert "strategy.error" in kinds(bench)
    assert len(bench.documents) == before
    assert bench.engine.failure is not None


def test_an_interrupted_strategy_raised_nothing() -> None:
    """It is not called again and what it asked for is not sent, but it is not accused of an error."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0,))

    def hang(actions: Any) -> None:
        actions.buy("0.01")
        raise CallInterrupted("was interrupted in line 7")

    strategy.todo = [hang]
    with pytest.raises(StrategyError):
        bench.tick(1.1)

    assert bench.engine.failure is not None
    assert bench.engine.failure.interrupted
    assert bench.commands == []
    events = {e.kind: e for e in bench.of_type(DocType.SYSTEM_EVENT)}
    assert "strategy.error" not in events
    assert events["strategy.interrupted"].severity == "warning"
    assert events["strategy.interrupted"].message == "Scripted.on_game_tick was interrupted"


@pytest.mark.parametrize("place", ["strategy", "hook", "review"])
def test_a_stop_passes_the_guards_of_foreign_code(place: str) -> None:
    """Where no session has to end in order, Ctrl-C ends the command whatever code it meets."""

    class Met:
        @hookimpl
        def on_game_tick(self, tick: Any) -> None:
            if place == "hook" and tick.tick == 1:
                raise StopNow(2)

        @hookimpl
        def review_action(self, action: Any) -> None:
            if place == "review":
                raise StopNow(2)

    strategy = Scripted()
    bench = Bench(strategy, plugins={"met": Met()})
    bench.start_game((1.0,))

    def act(actions: Any) -> None:
        actions.buy("0.01")
        if place == "strategy":
            raise StopNow(2)

    strategy.todo = [act]
    with pytest.raises(StopNow):
        bench.tick(1.1)
    assert bench.engine.failure is None


def test_another_account_stops_everything() -> None:
    """A venue that answers for another account ends trading immediately."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0,))
    bench.feed(attrs.evolve(bench.update_event(), player_id="did:privy:else", cash=Decimal(99)))
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.1)

    assert bench.commands == []
    assert bench.engine.account.cash == 10**9
    assert "account.other" in kinds(bench)
    bench.feed(
        LoginStatus(
            recv_ns=bench.now_ns, player_id="did:privy:else", username="x", has_username=True
        )
    )
    assert kinds(bench).count("account.other") == 2


def test_unreadable_money_halts_entries() -> None:
    """An unreadable frame about money is stored and halts new risk; other frames do not."""
    for money in (False, True):
        strategy = Scripted()
        bench = Bench(strategy)
        bench.start_game((1.0,))
        bench.feed(
            FrameRejected(
                recv_ns=bench.now_ns,
                reason="missing:cash",
                message="no cash",
                money=money,
                raw="42[...",
            )
        )
        strategy.todo = [lambda a: a.buy("0.01")]
        bench.tick(1.1)
        assert "frame.quarantined" in kinds(bench)
        assert len(bench.commands) == (0 if money else 1)


def test_operator_stop_is_final_and_halt_is_not() -> None:
    """HALT denies entries until RESUME; after STOP nothing is sent."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0,))

    def command(kind: OperatorKind) -> None:
        bench.feed(OperatorCommand(recv_ns=bench.now_ns, kind=kind, reason="test"))

    def tries() -> int:
        strategy.todo = [lambda a: a.buy("0.01")]
        bench.tick(1.1)
        return len(bench.commands)

    command(OperatorKind.HALT)
    assert tries() == 0
    command(OperatorKind.RESUME)
    assert tries() == 1
    command(OperatorKind.STOP)
    command(OperatorKind.RESUME)
    assert tries() == 1


def test_other_players_are_documents_and_never_us() -> None:
    """A trade of another player becomes an other_player document; ours does not."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.1))
    bench.feed(
        Trade(
            recv_ns=bench.now_ns,
            trade_id="t1",
            game_id=bench.game_id,
            player_id="did:privy:x",
            username="x",
            level=3,
            kind="buy",
            price=1.1,
            amount=Decimal("0.5"),
            qty=Decimal("0.45"),
            tick=1,
        )
    )
    (seen,) = bench.of_type(DocType.OTHER_PLAYER_ACTION)
    assert (seen.action_type, seen.amount, seen.price, seen.server_ts) == (
        "BUY",
        Decimal("0.5"),
        Decimal("1.1"),
        None,
    )
    assert strategy.named("on_other_player_trade") == [seen]


def test_an_unknown_event_is_reported_once() -> None:
    """A venue that invents events does not flood the store with findings."""
    bench = Bench(Scripted())
    for _ in range(5):
        bench.feed(UnknownEvent(recv_ns=bench.now_ns, name="newThing", payload_json="{}"))
    assert kinds(bench).count("wire.unknown_event") == 1


def test_episode_sums_up_a_game_we_acted_in() -> None:
    """One ml_episode per game we acted in, rewards adding up to its profit."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.0))
    strategy.todo = [lambda a: a.buy("0.05")]
    bench.tick(1.0)
    bench.execute(bench.commands[0])
    bench.tick(2.0)
    strategy.todo = [lambda a: a.sell()]
    bench.tick(1.5)
    bench.execute(bench.commands[1])
    bench.rug()
    bench.start_game((1.0,))
    bench.rug()
    bench.new_game()

    (episode,) = bench.of_type(DocType.ML_EPISODE)
    assert episode.outcome == "exit_profit"
    assert episode.final_pnl == episode.total_reward == Decimal("0.025")
    assert (episode.peak_pnl, episode.max_drawdown) == (Decimal("0.05"), Decimal("0.025"))
    assert (episode.buy_count, episode.sell_count, episode.total_actions) == (1, 1, 2)
    assert (episode.first_buy_tick, episode.last_sell_tick) == (2, 4)


def test_an_open_position_at_the_rug_is_a_rug() -> None:
    """What was open when the game ended makes the episode's outcome."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.0))
    strategy.todo = [lambda a: a.buy("0.05")]
    bench.tick(1.0)
    bench.execute(bench.commands[0])
    bench.rug()
    bench.new_game()

    (episode,) = bench.of_type(DocType.ML_EPISODE)
    assert (episode.outcome, episode.final_pnl) == ("rug", Decimal("-0.049"))


def test_a_cut_session_times_its_episode_out() -> None:
    """A session that ends in mid-game values the open position and has the outcome timeout."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.0))
    strategy.todo = [lambda a: a.buy("0.05")]
    bench.tick(1.0)
    bench.execute(bench.commands[0])
    bench.tick(1.5)
    bench.end()

    (episode,) = bench.of_type(DocType.ML_EPISODE)
    assert (episode.outcome, episode.final_pnl) == ("timeout", Decimal("0.025"))
