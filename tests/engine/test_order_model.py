"""The order of cause: documents, plugins, the strategy, what they lead to; and how a game ended for us."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vectra_bot import Strategy, hookimpl
from vectra_bot.models import (
    Ack,
    ActionType,
    ClockAdvanced,
    Command,
    DocType,
    OperatorCommand,
    OperatorKind,
)
from vectra_bot.testing import Bench

HOOKS = (
    "on_phase",
    "on_game_start",
    "on_game_tick",
    "on_game_end",
    "on_other_player_trade",
    "on_action_submitted",
    "on_action_outcome",
    "on_stake_settled",
    "on_player_update",
    "on_connection",
)


class Heard(Strategy):
    """Writes down who is called, and buys again at every outcome while it may."""

    calls: Any = None
    again: int = 0
    exit_at: Any = None

    def __attrs_post_init__(self) -> None:
        self.calls = []

    def _heard(self, hook: str) -> None:
        self.calls.append(("strategy", hook))

    def on_phase(self, game: Any) -> None:
        self._heard("on_phase")

    def on_game_start(self, game: Any) -> None:
        self._heard("on_game_start")

    def on_game_tick(self, tick: Any, game: Any) -> None:
        self._heard("on_game_tick")
        if game.tick == 1:
            self.actions.buy("0.01", take_profit=self.exit_at)

    def on_game_end(self, game: Any, summary: Any) -> None:
        self._heard("on_game_end")

    def on_other_player_trade(self, trade: Any, game: Any) -> None:
        self._heard("on_other_player_trade")

    def on_action_submitted(self, action: Any) -> None:
        self._heard("on_action_submitted")

    def on_action_outcome(self, action: Any) -> None:
        self._heard("on_action_outcome")
        if self.again:
            self.again -= 1
            self.actions.buy("0.001")

    def on_stake_settled(self, settled: Any, game: Any) -> None:
        self._heard("on_stake_settled")

    def on_player_update(self, state: Any, game: Any) -> None:
        self._heard("on_player_update")

    def on_connection(self, status: Any) -> None:
        self._heard("on_connection")


def ears(calls: Any) -> type:
    """Return a plugin that writes down the same hooks on the strategy's list."""

    def hearing(hook: str) -> Any:
        def heard(self: Any) -> None:
            calls().append(("plugin", hook))

        heard.__name__ = hook
        return hookimpl(heard)

    return type("Ears", (), {hook: hearing(hook) for hook in HOOKS})


def test_plugins_are_called_before_the_strategy() -> None:
    """At every hook: a plugin sees what happened before anybody reacts to it."""
    strategy = Heard()
    bench = Bench(strategy, plugins={"ears": ears(lambda: strategy.calls)()}, cash=3)
    strategy.calls.clear()
    bench.start_game((1.0, 1.1))
    bench.execute(bench.commands[0])
    bench.trade("buy", 10_000_000, 1, player_id="did:privy:other")
    bench.disconnect()
    bench.connect()
    bench.rug()
    bench.new_game()

    assert {hook for _, hook in strategy.calls} == set(HOOKS) - {"on_stake_settled"}
    pairs = list(zip(strategy.calls[::2], strategy.calls[1::2], strict=True))
    assert all((a, b) == (("plugin", b[1]), ("strategy", b[1])) for a, b in pairs)


@given(st.integers(0, 1), st.booleans())
def test_a_document_is_before_what_it_leads_to(again: int, refused: bool) -> None:
    """An outcome's document, then the command of the callback that got the outcome."""
    strategy = Heard(again=again)
    bench = Bench(strategy, cash=3)
    bench.start_game((1.0, 1.1))
    (command,) = bench.commands
    if refused:
        effects = bench.engine.process(Ack(recv_ns=bench.now_ns, ack_id=1, success=False))
    else:
        bench.fill(command, update=False)
        effects = bench.engine.process(bench.update_event())

    found = [
        "command" if isinstance(effect, Command) else "document"
        for effect in effects
        if isinstance(effect, Command) or effect.doc_type is DocType.PLAYER_ACTION
    ]
    assert found == ["document"] + ["command"] * again


@given(st.floats(1.2, 3), st.sampled_from([0.9, 0.999, 1.001]))
def test_a_declared_exit_comes_before_the_tick_is_shown(price: float, share: float) -> None:
    """The strategy sees it as a pending sale, and does not sell a second time."""
    seen: list[list[ActionType]] = []

    class Watching(Heard):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            super().on_game_tick(tick, game)
            seen.append([a.action_type for a in self.actions.pending])

    bench = Bench(Watching(exit_at=price / 1.1 * share), cash=3)
    bench.start_game((1.0, 1.1))
    bench.execute(bench.commands[0])
    bench.tick(price)

    assert seen[-1] == ([ActionType.SELL] if share < 1 else [])
    assert len(bench.commands) == 1 + (share < 1)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=6))
def test_time_never_goes_back(steps: list[int]) -> None:
    """An event that is older than the one before it happens now."""
    bench = Bench(Heard(), cash=3)
    latest = now_ns = bench.now_ns
    for step in steps:
        now_ns += step * 10**9
        latest = max(latest, now_ns)
        bench.feed(ClockAdvanced(recv_ns=now_ns))
        assert bench.engine.now_ns == latest
        found = bench.engine.process(
            OperatorCommand(recv_ns=now_ns, kind=OperatorKind.HALT, reason="x")
        )
        assert {document.ts_ns for document in found} == {latest}  # type: ignore[union-attr]


# ---- how a game ended


class Once(Strategy):
    """Acts at tick 1, and closes at tick 3 if asked to."""

    asked: str = "buy"
    closes: bool = False

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if game.tick == 1:
            {
                "buy": self.actions.buy,
                "sidebet": self.actions.sidebet,
                "short": self.actions.short_open,
            }[self.asked]("0.01")
        elif game.tick == 3 and self.closes:
            if self.asked == "buy":
                self.actions.sell()
            elif self.asked == "short":
                self.actions.short_close()


def settle_unseen(bench: Bench) -> None:
    """Let the venue settle what is open without a message to us."""
    bench.ledger.forced_sell(0.02, 4)
    bench.ledger.settle_sidebet(4, 4)
    if bench.ledger.short is not None:
        bench.ledger.close_short(0.02, 4, 0)


@given(
    st.sampled_from(["buy", "sidebet", "short"]),
    st.sampled_from(["closed", "rug", "lost", "cut", "unseen"]),
    st.sampled_from([0.5, 1.1, 2.0]),
)
def test_a_game_that_took_something_from_us_ended_with_the_rug(
    kind: str, end: str, price: float
) -> None:
    """What was closed before by profit or loss; a session that ends first has timed it out."""
    bench = Bench(Once(asked=kind, closes=end == "closed"), cash=3)
    bench.start_game((1.0, 1.1))
    bench.execute(bench.commands[0])
    bench.tick(price)
    bench.tick(price)
    if end == "closed" and kind != "sidebet":
        bench.execute(bench.commands[-1])
    if end in ("lost", "closed") and kind == "sidebet":
        for _ in range(40):
            bench.tick(price)
        bench.settle_sidebet(None)
    if end == "cut":
        bench.end()
    else:
        bench.rug(settle=end != "unseen")
        if end == "unseen":
            settle_unseen(bench)
        bench.new_game()

    (episode,) = bench.of_type(DocType.ML_EPISODE)
    before = end == "closed" or (kind == "sidebet" and end == "lost")
    gained = bench.engine.account.cash - 3 * 10**9
    if end == "cut":
        assert episode.outcome == "timeout"
    elif before:
        assert episode.outcome == ("exit_profit" if gained >= 0 else "exit_loss")
        assert episode.final_pnl == Decimal(gained).scaleb(-9)
    else:
        assert episode.outcome == "rug"
        assert end == "unseen" or episode.final_pnl == Decimal(gained).scaleb(-9)
