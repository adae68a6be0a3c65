"""Evidence that comes twice, late, in pieces or from elsewhere; and the stops that follow."""

from __future__ import annotations

from contextlib import nullcontext
from decimal import Decimal, getcontext, localcontext
from typing import Any

import attrs
import pytest

from tests.actions.strategies import Scripted
from vectra_bot import hookimpl
from vectra_bot.errors import StrategyError
from vectra_bot.models import (
    ActionState,
    ActionType,
    DocType,
    DrawingResult,
    FrameKind,
    GameFrame,
    OperatorCommand,
    OperatorKind,
    SessionEnding,
    SidebetResult,
    StateCause,
)
from vectra_bot.testing import Bench


def bench_with(*acts: Any, **options: Any) -> tuple[Bench, Scripted]:
    """Return a bench whose strategy did *acts* at tick 2, at price 1.2."""
    strategy = Scripted()
    bench = Bench(strategy, **options)
    bench.start_game((1.0, 1.1))
    strategy.todo = list(acts)
    bench.tick(1.2)
    return bench, strategy


def holding(**options: Any) -> tuple[Bench, Scripted]:
    """Return a bench with 0.05 SOL bought at 1.2."""
    bench, strategy = bench_with(lambda a: a.buy("0.05"), **options)
    bench.execute(bench.commands[0])
    return bench, strategy


def kinds(bench: Bench) -> list[str]:
    """Return the kinds of the stored system events."""
    return [event.kind for event in bench.of_type(DocType.SYSTEM_EVENT)]


def last_cause(bench: Bench) -> StateCause | None:
    """Return the cause of the last change of cash."""
    return [row.cause for row in bench.of_type(DocType.SERVER_STATE) if row.delta_cash][-1]


def test_a_sidebet_is_settled_once() -> None:
    """A duplicate result pays nothing a second time and is reported once."""
    bench, strategy = bench_with(lambda a: a.sidebet("0.1"))
    bench.execute(bench.commands[0])
    bench.rug()
    start = bench.engine.history
    result = SidebetResult(
        recv_ns=bench.now_ns,
        game_id=bench.game_id,
        player_id="did:privy:bench",
        amount=Decimal("0.1"),
        payout=Decimal("0.5"),
        profit=Decimal("0.4"),
        start_tick=2,
        end_tick=42,
    )
    bench.feed(result)
    bench.update()

    assert start is bench.engine.history
    assert bench.engine.account.cash == bench.ledger.cash == 1_400_000_000
    assert len(strategy.named("on_stake_settled")) == 1


def test_the_venue_has_the_last_word_on_what_was_never_shown() -> None:
    """An announced effect that no update shows in time stops counting; ledger and venue agree again."""
    bench, _ = bench_with(lambda a: a.buy("0.05"), lambda a: a.buy("0.1"))
    first, second = bench.commands
    bench.fill(first, trade=False, update=False)
    bench.fill(second, update=False)
    bench.update()
    bench.wait(3)
    bench.update()

    assert bench.engine.account.cash == bench.ledger.cash
    assert bench.engine.account.qty == bench.ledger.position_qty


def test_the_rugs_sale_is_never_our_sale() -> None:
    """With a sale in flight the rug's update or trade, in any order, is attributed to the rug."""
    for update_first in (True, False):
        bench, strategy = holding()
        strategy.todo = [lambda a: a.sell()]
        bench.tick(1.3)
        fill = bench.ledger.forced_sell(0.02, 4)
        assert fill is not None
        bench._price = 0.02
        pieces = [
            bench.update,
            lambda b=bench, f=fill: b.trade("sell", f.amount, f.qty),  # type: ignore[misc]
        ]
        for piece in pieces if update_first else reversed(pieces):
            piece()
        assert last_cause(bench) is StateCause.FORCED_SELL
        assert bench.engine.counts["forced_sells"] == 1
        assert [a.action_type for a in bench.engine.tracker.book.pending] == [ActionType.SELL]
        bench.ack(bench.commands[-1], success=False, message="the game is over")
        assert bench.actions[-1].state is ActionState.REJECTED
        assert "action.contradiction" not in kinds(bench)


def test_updates_before_their_trades_are_explained_by_them() -> None:
    """Two actions whose updates came first are confirmed by their trades, complete and with their ticks."""
    bench, _ = bench_with(lambda a: a.buy("0.02"), lambda a: a.buy("0.03"))
    fills = []
    for command in bench.commands:
        amount = int((command.amount or 0) * 10**9)
        fills.append((command, bench.ledger.buy(amount, 1.2, 2)))
        bench.update()
    for command, fill in fills:
        bench.trade("buy", fill.amount, fill.qty, trace_id=command.trace_id)

    assert [a.state for a in bench.actions] == [ActionState.CONFIRMED] * 2
    assert all(a.state_after is not None for a in bench.actions)
    assert [(lot.tick, lot.price) for lot in bench.engine.account.lots] == [(2, 1.2), (2, 1.2)]
    assert bench.engine.tracker.book.gate.halts == {}


def test_a_late_trade_of_the_old_game_opens_no_position() -> None:
    """A late trade of a finished game changes the cash; its position no longer exists."""
    bench, strategy = bench_with(lambda a: a.buy("0.05"))
    (command,) = bench.commands
    fill = bench.ledger.buy(50_000_000, 1.2, 2)
    late = bench.trade_event("buy", fill.amount, fill.qty, trace_id=command.trace_id)
    bench.ledger.forced_sell(0.02, 3)
    bench.rug(settle=False)
    bench.start_game((1.0,))
    bench.feed(late)
    strategy.todo = [lambda a: a.sell()]
    bench.tick(1.1)

    assert not strategy.position
    assert len(bench.commands) == 1
    assert bench.actions[-1].state is ActionState.DENIED


@pytest.mark.parametrize("via", ["trade", "update"])
def test_another_coin_ends_trading(via: str) -> None:
    """Practice money is not SOL: it is recorded, never booked, and trading stops."""
    bench, strategy = bench_with()
    if via == "trade":
        bench.feed(attrs.evolve(bench.trade_event("buy", 500_000_000, 1), coin="0xPractice"))
    else:
        bench.feed(attrs.evolve(bench.update_event(), selected_coin="0xPractice"))
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.3)

    assert bench.engine.account.cash == 10**9
    assert bench.commands == []


def test_every_halt_is_lifted_by_its_own_cause() -> None:
    """A new connection does not lift the operator's halt, nor the operator a halt by a lost connection."""
    bench, strategy = bench_with()

    def operator(kind: OperatorKind) -> None:
        bench.feed(OperatorCommand(recv_ns=bench.now_ns, kind=kind, reason="test"))

    def may_buy() -> bool:
        before = len(bench.commands)
        strategy.todo = [lambda a: a.buy("0.001")]
        bench.tick(1.2)
        return len(bench.commands) > before

    bench.disconnect()
    operator(OperatorKind.HALT)
    bench.connect()
    assert not may_buy()
    bench.disconnect()
    operator(OperatorKind.RESUME)
    assert not may_buy()
    bench.connect()
    assert may_buy()


@pytest.mark.parametrize("price", [0.0, 1e-300, 1e300])
def test_extreme_prices_hurt_nothing(price: float) -> None:
    """A price of zero, near zero or huge is processed; a position then has that value."""
    bench, _ = holding()
    bench.tick(price)
    bench.tick(1.0)

    assert bench.engine.game.tick == 4


def test_an_impossible_tick_is_refused() -> None:
    """A tick beyond any game's is reported instead of filling memory with unknown prices."""
    bench, _ = bench_with()
    bench.tick(1.0, tick=900_000_000)

    assert "game.frame_refused" in kinds(bench)
    assert len(bench.engine.game.prices) == 3


def test_a_rug_is_final() -> None:
    """A live frame that was overtaken by the rug changes neither phase nor prices."""
    bench, strategy = bench_with()
    bench.rug()
    phases = list(strategy.named("on_phase"))
    for tick in (2, 3):
        bench.feed(
            GameFrame(
                recv_ns=bench.now_ns,
                kind=FrameKind.TICK,
                game_id=bench.game_id,
                active=True,
                rugged=False,
                price=1.2,
                tick=tick,
            )
        )
    assert strategy.named("on_phase") == phases
    assert len(bench.engine.game.prices) == 3
    assert bench.engine.game.phase.value == "rugged"


def test_a_straggler_of_an_old_game_changes_nothing() -> None:
    """A frame of a finished game is recorded; the running game and its position remain."""
    bench, strategy = bench_with()
    old = bench.game_id
    bench.rug()
    bench.start_game((1.0,))
    strategy.todo = [lambda a: a.buy("0.05")]
    bench.tick(1.1)
    bench.execute(bench.commands[0])
    ended = len(strategy.named("on_game_end"))
    bench.feed(
        GameFrame(
            recv_ns=bench.now_ns,
            kind=FrameKind.TICK,
            game_id=old,
            active=True,
            rugged=False,
            price=1.0,
            tick=1,
        )
    )

    assert strategy.position
    assert bench.engine.game.game_id == bench.game_id
    assert len(strategy.named("on_game_end")) == ended
    assert "game.frame_refused" in kinds(bench)


def test_an_unsettled_position_is_a_rug_at_the_rugs_price() -> None:
    """An episode whose settlement was never seen is valued at the rug, not at the next game's start."""
    bench, _ = holding()
    bench.rug(settle=False)
    bench.ledger.forced_sell(0.02, 3)
    bench.new_game()

    (episode,) = bench.of_type(DocType.ML_EPISODE)
    assert episode.outcome == "rug"
    assert episode.final_pnl < Decimal("-0.049")


def test_an_unknown_sidebet_does_not_block_a_stop_loss() -> None:
    """A declared exit waits for undecided sales, for nothing else."""
    bench, strategy = bench_with(lambda a: a.buy("0.05", stop_loss=0.9))
    bench.execute(bench.commands[0])
    strategy.todo = [lambda a: a.sidebet("0.01")]
    bench.tick(1.2)
    bench.wait(3)
    bench.tick(1.0)

    assert bench.commands[-1].action_type is ActionType.SELL


class DenySales:
    """Denies the first sales."""

    def __init__(self, times: int) -> None:
        self.left = times

    @hookimpl
    def review_action(self, action: Any) -> str | None:
        if action.action_type is ActionType.SELL and self.left:
            self.left -= 1
            return "not yet"
        return None


def test_denied_exits_do_not_use_up_the_tries() -> None:
    """Only an exit that was sent counts as an attempt."""
    bench, _ = bench_with(lambda a: a.buy("0.05", stop_loss=0.9), plugins={"guard": DenySales(5)})
    bench.execute(bench.commands[0])
    for _ in range(6):
        bench.tick(0.5)

    assert bench.commands[-1].action_type is ActionType.SELL


def test_an_exit_holds_from_the_trade_on() -> None:
    """A declared exit does not wait for the player update that follows the trade."""
    bench, _ = bench_with(lambda a: a.buy("0.05", take_profit=1.1))
    bench.fill(bench.commands[0], update=False)
    bench.tick(1.5)

    assert bench.commands[-1].action_type is ActionType.SELL


def test_an_exit_ends_with_its_position() -> None:
    """What was declared for a sold position does not close the next one."""
    bench, strategy = bench_with(lambda a: a.buy("0.05", take_profit=1.5))
    bench.execute(bench.commands[0])
    strategy.todo = [lambda a: a.sell()]
    bench.tick(1.3)
    bench.fill(bench.commands[1], update=False)
    strategy.todo = [lambda a: a.buy("0.05")]
    bench.tick(1.0)
    bench.update()
    bench.execute(bench.commands[2])
    bench.tick(1.9)

    assert len(bench.commands) == 3


def test_a_full_exit_is_possible_with_everything_unknown() -> None:
    """However many actions are undecided, selling the whole position remains possible."""
    bench, strategy = holding()
    strategy.todo = [lambda a: a.buy("0.001")] * 8
    bench.tick(1.2)
    bench.disconnect()
    strategy.todo = [lambda a: a.sell()]
    bench.tick(1.1)

    assert bench.commands[-1].action_type is ActionType.SELL


def test_a_second_ending_ends_nothing_twice() -> None:
    """A session that ends twice has one episode."""
    bench, _ = holding()
    bench.end()
    bench.feed(SessionEnding(recv_ns=bench.now_ns, reason="again"))

    assert len(bench.of_type(DocType.ML_EPISODE)) == 1


def test_what_a_failing_callback_asked_for_never_leaves() -> None:
    """An action requested before the strategy raised in the same callback is NOT_SENT."""

    class Failing(Scripted):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            if game.tick == 2:
                self.actions.buy("0.01")
                raise RuntimeError("mine")

    bench = Bench(Failing())
    bench.start_game((1.0, 1.1))
    with pytest.raises(StrategyError):
        bench.tick(1.2)

    assert bench.commands == []
    assert [a.state for a in bench.actions] == [ActionState.NOT_SENT]


def test_the_callers_decimal_context_does_not_matter() -> None:
    """A bot with a decimal context of few digits gets the same amounts."""
    found = []
    for digits in (6, 28):
        with localcontext() as context:
            context.prec = digits
            bench, strategy = holding()
            for step in range(30):
                bench.tick(1.2 + step / 100)
            strategy.todo = [lambda a: a.sell()]
            bench.tick(1.7)
            bench.execute(bench.commands[1])
            bench.rug()
            bench.new_game()
            assert getcontext().prec == digits
        found.append((bench.actions, bench.of_type(DocType.ML_EPISODE)))

    assert found[0] == found[1]


@pytest.mark.parametrize("raises", [False, True])
def test_what_a_strategy_does_to_the_decimal_context_ends_with_the_call(raises: bool) -> None:
    """A decimal context set in a callback affects neither its next call nor the engine's caller."""
    seen: list[int] = []

    class Careless(Scripted):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            seen.append(getcontext().prec)
            getcontext().prec = 3
            if raises and game.tick == 1:
                raise RuntimeError("mine")

    before = getcontext().prec
    bench = Bench(Careless())
    with pytest.raises(StrategyError) if raises else nullcontext():
        bench.start_game((1.0, 1.1))

    assert len(set(seen)) == 1
    assert seen[0] > 3
    assert getcontext().prec == before


def test_a_percentage_is_a_whole_number() -> None:
    """Of any type; one that the venue has no button for is the strategy's error, with a clear message."""
    bench, _ = bench_with(lambda a: a.bet_percentage(10.0))
    assert [action.percentage for action in bench.actions] == [10]
    with pytest.raises(StrategyError, match=r"bet percentage was 20\.0"):
        bench_with(lambda a: a.bet_percentage(20.0))


def test_a_state_too_deep_to_save_is_the_strategys_error() -> None:
    """What save() returns must be JSON of reasonable depth."""

    class Deep(Scripted):
        def save(self) -> Any:
            state: list[Any] = []
            for _ in range(100_000):
                state = [state]
            return state

    bench = Bench(Deep())
    bench.start_game((1.0,))
    bench.rug()
    with pytest.raises(StrategyError, match="save"):
        bench.new_game()


@pytest.mark.parametrize("winner", ["did:privy:bench", "did:privy:somebody"])
def test_a_drawings_prize_has_a_cause(winner: str) -> None:
    """Our prize in a drawing is explained by it, once; prizes of others are ignored."""
    bench, _ = bench_with()
    prize = Decimal("0.05")
    drawing = DrawingResult(
        recv_ns=bench.now_ns,
        name="goldenHourDrawing",
        payload_json=None,
        drawing_id="d1",
        winners=((winner, prize),),
    )
    for _ in range(2):
        bench.feed(drawing)
    ours = winner == bench.player_id
    if ours:
        bench.ledger.credit(50_000_000, 0)
    bench.update()

    last = bench.of_type(DocType.SERVER_STATE)[-1]
    assert (last.cause, last.delta_cash) == (
        (StateCause.STAKE_SETTLED, prize) if ours else (None, Decimal(0))
    )
    assert ("account.drawing" in kinds(bench)) is ours
    assert bench.engine.account.cash == bench.ledger.cash
    assert bench.actions == []
