"""The life of an action: evidence in any order, exactly one end, nothing matched by its place in a queue."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.actions.risk import HaltCause
from vectra_bot.models import (
    Ack,
    ActionState,
    ActionType,
    Actor,
    DocType,
    Event,
    SideGameKind,
    StateCause,
)
from vectra_bot.testing import Bench

OTHER = "did:privy:somebody"


def bench_with(*acts: Any, prices: tuple[float, ...] = (1.0, 1.1), **options: Any) -> Bench:
    """Return a bench whose strategy does *acts* at the tick after *prices*."""
    strategy = Scripted()
    bench = Bench(strategy, **options)
    bench.start_game(prices)
    strategy.todo = list(acts)
    bench.tick(1.2)
    return bench


def scripted(bench: Bench) -> Scripted:
    """Return the bench's strategy."""
    assert isinstance(bench.engine.strategy, Scripted)
    return bench.engine.strategy


def states(bench: Bench) -> list[str]:
    """Return the terminal states of the completed actions."""
    return [action.state.value for action in bench.actions]


def test_confirmed_buy_carries_price_amount_and_the_state_after() -> None:
    """The trade gives price and amount, the player update the state after and the confirmation time."""
    bench = bench_with(lambda a: a.buy("0.05"))
    bench.now_ns += 198_000_000
    bench.execute(bench.commands[0])

    (action,) = bench.actions
    assert action.state is ActionState.CONFIRMED
    assert action.outcome is not None
    assert action.outcome.success
    assert action.outcome.executed_price == Decimal("1.2")
    assert action.outcome.executed_amount == Decimal("0.05")
    assert action.outcome.server_request_id == 1
    assert action.state_after is not None
    assert action.state_after.cash == Decimal("0.95")
    assert action.cash_delta == Decimal("-0.05")
    assert action.total_latency_ms == 198
    assert action.timestamps.server_ts is None


def test_submitted_then_outcome_and_never_inside_the_call() -> None:
    """An action call returns the intent; hooks run after the callback has returned."""
    heard_inside: list[int] = []

    def act(actions: Any) -> Any:
        intent = actions.buy("0.01")
        heard_inside.append(len(strategy.calls) - before)
        return intent

    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.1))
    strategy.todo = [act]
    before = len(strategy.calls)
    bench.tick(1.2)

    assert heard_inside == [0]
    assert strategy.returned[0].state is ActionState.INTENT
    assert [a.state for a in strategy.named("on_action_submitted")] == [ActionState.SENT]
    bench.execute(bench.commands[0])
    assert [a.state for a in strategy.named("on_action_outcome")] == [ActionState.CONFIRMED]


def test_denied_action_sends_nothing_and_says_why() -> None:
    """A stake above the limit is DENIED with the limit's name and becomes a document."""
    bench = bench_with(lambda a: a.buy("0.2"))

    assert bench.commands == []
    (action,) = bench.actions
    assert action.state is ActionState.DENIED
    assert action.outcome is not None
    assert action.outcome.error == "DENIED"
    assert (action.outcome.error_reason or "").startswith("limit.stake")
    assert scripted(bench).named("on_action_outcome") == [action]


def test_unsent_action_ends_as_not_sent() -> None:
    """What never reached the socket is proven not sent."""
    bench = bench_with(lambda a: a.buy("0.01"), send=False)

    (action,) = bench.actions
    assert action.state is ActionState.NOT_SENT
    assert action.outcome is not None
    assert (action.outcome.success, action.outcome.error) == (False, "NOT_SENT")


def test_refused_action_ends_as_rejected() -> None:
    """A refusing acknowledgement ends the action, with the venue's text."""
    bench = bench_with(lambda a: a.buy("0.01"))
    bench.ack(bench.commands[0], success=False, message="too late")

    (action,) = bench.actions
    assert action.state is ActionState.REJECTED
    assert action.outcome is not None
    assert action.outcome.error_reason == "too late"


def test_a_rejected_action_does_not_shift_later_confirmations() -> None:
    """After a rejection the next action's evidence is attributed to the next action, not to the oldest."""
    bench = bench_with(lambda a: a.buy("0.02"), lambda a: a.buy("0.03"))
    first, second = bench.commands
    bench.fill(second)
    bench.ack(first, success=False, message="no")
    bench.ack(second)

    ended = {a.action_id: a for a in bench.actions}
    assert ended[first.action_id].state is ActionState.REJECTED
    assert ended[second.action_id].state is ActionState.CONFIRMED
    outcome = ended[second.action_id].outcome
    assert outcome is not None
    assert outcome.executed_amount == Decimal("0.03")


def test_two_equal_orders_are_told_apart_by_their_trace() -> None:
    """Of two actions of one amount the one whose trace came back is confirmed, in any order."""
    bench = bench_with(lambda a: a.buy("0.02"), lambda a: a.buy("0.02"))
    first, second = bench.commands
    bench.fill(second)

    assert [a.action_id for a in bench.actions] == [second.action_id]
    assert [p.action_id for p in bench.engine.tracker.book.pending] == [first.action_id]


def test_another_players_trade_with_our_trace_proves_nothing() -> None:
    """Trace ids are public: one counts only with our own player id, kind and amount."""
    bench = bench_with(lambda a: a.buy("0.02"))
    (command,) = bench.commands
    bench.trade("buy", 20_000_000, 1, trace_id=command.trace_id, player_id=OTHER)
    bench.trade("sell", 20_000_000, 1, trace_id=command.trace_id)

    assert [p.action_id for p in bench.engine.tracker.book.pending] == [command.action_id]


def test_an_update_without_the_effect_confirms_nothing() -> None:
    """Unsolicited player updates never confirm an action by themselves."""
    bench = bench_with(lambda a: a.buy("0.02"))
    for _ in range(3):
        bench.update()

    assert bench.actions == []


def test_update_alone_confirms_the_only_action_in_flight() -> None:
    """Without trace and trade, the change of cash and quantity proves the one action in flight."""
    bench = bench_with(lambda a: a.buy("0.02"))
    bench.fill(bench.commands[0], trade=False)

    (action,) = bench.actions
    assert action.state is ActionState.CONFIRMED
    assert action.outcome is not None
    assert action.outcome.executed_amount == Decimal("0.02")
    assert action.outcome.executed_price is None


def test_update_alone_confirms_nothing_with_two_in_flight() -> None:
    """With two actions in flight a change of cash is attributed to neither."""
    bench = bench_with(lambda a: a.buy("0.02"), lambda a: a.buy("0.02"))
    bench.fill(bench.commands[0], trade=False)

    assert bench.actions == []
    assert bench.of_type(DocType.SERVER_STATE)[-1].cause is StateCause.UNEXPLAINED


def test_silence_makes_an_action_unknown_and_stops_new_risk() -> None:
    """After 2 s without evidence an action is UNKNOWN, entries are denied, and nothing is resent."""
    bench = bench_with(lambda a: a.buy("0.02"))
    bench.wait(2.5)
    scripted(bench).todo = [lambda a: a.buy("0.01")]
    bench.tick(1.3)

    assert len(bench.commands) == 1
    assert [p.state for p in bench.engine.tracker.book.pending] == [ActionState.UNKNOWN]
    (denied,) = bench.actions
    assert denied.outcome is not None
    assert (denied.outcome.error_reason or "").startswith("unknown")


def test_late_evidence_turns_unknown_into_executed_late() -> None:
    """A trade that arrives after the timeout still proves the execution."""
    bench = bench_with(lambda a: a.buy("0.02"))
    bench.wait(2.5)
    bench.fill(bench.commands[0])

    assert states(bench) == ["EXECUTED_LATE"]


def test_a_settled_game_proves_what_did_not_happen() -> None:
    """UNKNOWN becomes NOT_EXECUTED when the settled ledger balances without it."""
    bench = bench_with(lambda a: a.buy("0.02"))
    bench.wait(2.5)
    bench.rug()
    bench.new_game()

    assert states(bench) == ["NOT_EXECUTED"]


def test_without_a_settled_ledger_unknown_stays_unresolved() -> None:
    """No player update in 10 s after the game: nothing is proven, an operator must look."""
    bench = bench_with(lambda a: a.buy("0.02"))
    bench.wait(2.5)
    bench.rug(settle=False)
    bench.new_game()
    bench.wait(10)
    assert bench.actions == []
    bench.wait(0.1)

    (action,) = bench.actions
    assert action.state is ActionState.UNRESOLVED
    assert action.outcome is None


def test_disconnect_makes_everything_in_flight_unknown_at_once() -> None:
    """A lost connection proves nothing about what was sent."""
    bench = bench_with(lambda a: a.buy("0.02"))
    bench.disconnect()

    assert [p.state for p in bench.engine.tracker.book.pending] == [ActionState.UNKNOWN]


def test_an_unreadable_acknowledgement_is_no_refusal() -> None:
    """An acknowledgement of unknown shape makes UNKNOWN, not REJECTED."""
    bench = bench_with(lambda a: a.buy("0.02"))
    bench.ack(bench.commands[0], success=None)

    assert [p.state for p in bench.engine.tracker.book.pending] == [ActionState.UNKNOWN]


def test_refusal_after_execution_is_a_contradiction_and_halts() -> None:
    """The trade overrides the rejection; entries are halted until an operator resumes."""
    bench = bench_with(lambda a: a.buy("0.02"))
    bench.fill(bench.commands[0], update=False)
    bench.ack(bench.commands[0], success=False, message="no")
    bench.update()
    scripted(bench).todo = [lambda a: a.buy("0.01")]
    bench.tick(1.3)

    assert states(bench) == ["DENIED", "CONFIRMED"] or states(bench) == ["CONFIRMED", "DENIED"]
    kinds = [e.kind for e in bench.of_type(DocType.SYSTEM_EVENT)]
    assert "action.contradiction" in kinds


def test_forced_sale_is_never_an_action_of_ours() -> None:
    """The rug's sale has its own cause and no player_action row."""
    bench = bench_with(lambda a: a.buy("0.02"))
    bench.execute(bench.commands[0])
    bench.rug()

    assert [a.action_type for a in bench.actions] == [ActionType.BUY]
    causes = [s.cause for s in bench.of_type(DocType.SERVER_STATE) if s.delta_cash]
    assert causes == [StateCause.ACTION, StateCause.FORCED_SELL]
    assert bench.engine.counts["forced_sells"] == 1


def test_a_trade_without_us_is_external() -> None:
    """Another client of the same account is recorded as external, never attached to an action."""
    bench = bench_with()
    fill = bench.ledger.buy(30_000_000, 1.2, 2)
    bench.trade("buy", fill.amount, fill.qty, trace_id="a" * 32)
    bench.update()

    (action,) = bench.actions
    assert (action.actor, action.state) == (Actor.EXTERNAL, ActionState.CONFIRMED)
    assert bench.of_type(DocType.SERVER_STATE)[-1].cause is StateCause.EXTERNAL


def test_sidebet_is_tracked_to_its_settlement() -> None:
    """A sidebet is confirmed, and its settlement names the action whose stake it was."""
    bench = bench_with(lambda a: a.sidebet("0.01"))
    bench.execute(bench.commands[0])
    bench.rug()

    (action,) = bench.actions
    assert action.state is ActionState.CONFIRMED
    (settled,) = scripted(bench).named("on_stake_settled")
    assert settled.action_id == action.action_id
    assert (settled.won, settled.payout, settled.pnl) == (True, Decimal("0.05"), Decimal("0.04"))
    last = [s for s in bench.of_type(DocType.SERVER_STATE) if s.delta_cash][-1]
    assert (last.cause, last.action_id) == (StateCause.STAKE_SETTLED, action.action_id)


def test_a_repeated_trade_is_booked_once() -> None:
    """A duplicate of a trade changes nothing."""
    bench = bench_with(lambda a: a.buy("0.02"))
    (command,) = bench.commands
    fill = bench.ledger.buy(20_000_000, 1.2, 2)
    for _ in range(3):
        bench.trade("buy", fill.amount, fill.qty, trace_id=command.trace_id)
    bench.update()

    assert bench.engine.account.cash == bench.ledger.cash
    assert states(bench) == ["CONFIRMED"]


RESULTS = ("BULL", "BEAR", "CRAB")
SIDES = ("GREEN", "RED")
PLAN = st.tuples(
    st.sampled_from(["buy", "sell", "sidebet", "leveraged", "short", "close", "bbc", "flip"]),
    st.integers(min_value=1, max_value=40),
    st.sampled_from(["execute", "refuse", "ignore"]),
    st.booleans(),
    st.booleans(),
)


class _World:
    """A venue that executes a plan and whose evidence hypothesis reorders."""

    def __init__(self, bench: Bench, draw: Any) -> None:
        self.bench = bench
        self.draw = draw
        self.executed: set[str] = set()
        self.refused: set[str] = set()
        self.silent: set[str] = set()
        self.staked: set[Any] = set()
        self.private: list[Event] = []
        self.loose: list[tuple[Any, ...]] = []

    def answer(self, command: Any, fate: str, *, say_trade: bool, say_ack: bool) -> None:
        """Execute, refuse or ignore *command*, and queue the evidence."""
        if fate == "ignore":
            self.silent.add(command.action_id)
            return
        if fate == "refuse" or not self._execute(command, say_trade=say_trade):
            self.refused.add(command.action_id)
            self.loose.append(("ack", command, False))
            return
        self.executed.add(command.action_id)
        if say_ack:
            self.loose.append(("ack", command, True))

    def _execute(self, command: Any, *, say_trade: bool) -> bool:
        bench = self.bench
        tick = bench.engine.game.tick
        ledger = bench.ledger
        amount = int((command.amount or 0) * 10**9)
        if command.action_type is ActionType.SIDEBET:
            if ledger.sidebet is not None or amount > ledger.cash:
                return False
            bet = ledger.place_sidebet(amount, tick)
            self.private.append(bench.update_event())
            if say_trade:
                self.private.append(bench.sidebet_event(command, bet.start_tick, bet.end_tick))
            return True
        if command.action_type.is_side_game:
            key = (command.action_type, command.round_id)
            if amount > ledger.cash or key in self.staked:
                return False
            self.staked.add(key)
            placed = bench.rounds.place(command)
            self.private.append(bench.update_event())
            if say_trade:
                self.private.append(placed)
            return True
        if self._refused_by_venue(command, amount):
            return False
        fill = bench.carry_out(command)
        if say_trade:
            self.loose.append(("event", bench.fill_event(command, fill)))
        self.private.append(bench.update_event())
        return True

    def _refused_by_venue(self, command: Any, amount: int) -> bool:
        ledger, kind = self.bench.ledger, command.action_type
        if kind is ActionType.SELL:
            return not ledger.position_qty * command.percentage // 100
        if kind is ActionType.SHORT_CLOSE:
            return ledger.short is None
        return amount > ledger.cash or (kind is ActionType.SHORT_OPEN and ledger.short is not None)

    def settle_round(self, number: int, side_game: SideGameKind, result: str) -> None:
        """End a round; our result comes before or after the broadcast."""
        bench, round_id = self.bench, f"r{number}"
        ended = bench.rounds.update_event(side_game, round_id, is_open=False, result=result)
        ours = bench.rounds.settle(side_game, round_id, result)
        events: list[Event] = [ended] if ours is None else [ended, ours]
        for event in self.draw(st.permutations(events)):
            bench.feed(event)
        bench.update()

    def deliver(self) -> None:
        """Deliver everything: player updates in their order, the rest in any order."""
        queue: list[tuple[Any, ...]] = [("event", event) for event in self.private]
        for item in self.loose:
            place = self.draw(st.integers(min_value=0, max_value=len(queue)))
            queue.insert(place, item)
        for item in queue:
            if item[0] == "ack":
                self.bench.ack(item[1], success=item[2], message=None if item[2] else "no")
            else:
                self.bench.feed(attrs.evolve(item[1], recv_ns=self.bench.now_ns))
        self.private, self.loose = [], []


@settings(settings.get_profile("costly"))
@given(st.data(), st.lists(st.lists(PLAN, min_size=1, max_size=3), min_size=1, max_size=4))
def test_every_action_has_one_end_and_the_right_one(data: st.DataObject, rounds: list[Any]) -> None:
    """In any order of evidence each action ends once, and a proven end is the true one."""
    strategy = Scripted()
    bench = Bench(strategy, cash=3)
    bench.start_game((1.0, 1.1))
    world = _World(bench, data.draw)
    for number, plans in enumerate(rounds):
        bench.rounds.open(SideGameKind.BBC, f"r{number}")
        bench.rounds.open(SideGameKind.CANDLEFLIP, f"r{number}")
        strategy.todo = [_act(kind, size) for kind, size, *_ in plans]
        before = len(bench.commands)
        bench.tick(1.0 + number / 8)
        for command, plan in zip(bench.commands[before:], plans, strict=False):
            _, _, fate, say_trade, say_ack = plan
            world.answer(command, fate, say_trade=say_trade, say_ack=say_ack)
        world.deliver()
        if data.draw(st.booleans()):
            world.settle_round(number, SideGameKind.BBC, data.draw(st.sampled_from(RESULTS)))
    bench.wait(3)
    bench.rug()
    bench.new_game()
    for number in range(len(rounds)):
        world.settle_round(number, SideGameKind.CANDLEFLIP, data.draw(st.sampled_from(SIDES)))
    bench.end()

    ours = [a for a in bench.actions if a.actor is Actor.BOT]
    assert Counter(a.action_id for a in ours).most_common(1)[0][1] == 1 if ours else True
    assert len(ours) == len(strategy.returned)
    for action in ours:
        assert action.state.is_terminal
        if action.state.is_executed:
            assert action.action_id in world.executed
        if action.state is ActionState.REJECTED:
            assert action.action_id in world.refused
        if action.state is ActionState.NOT_EXECUTED:
            assert action.action_id not in world.executed
    assert bench.engine.account.cash == bench.ledger.cash
    assert bench.engine.tracker.book.pending == ()
    rows = bench.of_type(DocType.SERVER_STATE)
    assert sum((r.delta_cash for r in rows), Decimal(0)) == rows[-1].cash - rows[0].cash


def _act(kind: str, size: int) -> Any:
    if kind == "buy":
        return lambda a: a.buy(Decimal(size) / 1000)
    amount = Decimal(size) / 1000
    acts: dict[str, Any] = {
        "sidebet": lambda a: a.sidebet(amount),
        "leveraged": lambda a: a.buy(amount, leverage=1 + size % 5),
        "short": lambda a: a.short_open(amount),
        "close": lambda a: a.short_close(),
        "bbc": lambda a: a.bbc_predict(RESULTS[size % 3], amount),
        "flip": lambda a: a.candleflip_bet(SIDES[size % 2], amount),
    }
    return acts.get(kind, lambda a: a.sell(size))


@given(st.data(), st.lists(st.integers(min_value=1, max_value=90), min_size=1, max_size=6))
def test_full_evidence_in_any_order_confirms_everything(
    data: st.DataObject, stakes: list[int]
) -> None:
    """With traces and updates complete, every action is CONFIRMED with its own amount, in any order."""
    strategy = Scripted()
    bench = Bench(strategy, cash=3)
    bench.start_game((1.0, 1.1))
    strategy.todo = [_act("buy", size) for size in stakes]
    bench.tick(1.25)
    world = _World(bench, data.draw)
    for command in bench.commands:
        world.answer(command, "execute", say_trade=True, say_ack=True)
    # A trade reaches its owner before the player update that shows it (protocol 10).
    trades = [item for item in world.loose if item[0] == "event"]
    world.loose = [item for item in world.loose if item[0] == "ack"]
    for _, event in data.draw(st.permutations(trades)):
        bench.feed(event)
    world.deliver()
    bench.wait(3)

    sent = {c.action_id: c.amount for c in bench.commands}
    done = {a.action_id: a for a in bench.actions if a.action_id in sent}
    assert set(done) == set(sent)
    for action_id, amount in sent.items():
        outcome = done[action_id].outcome
        assert done[action_id].state is ActionState.CONFIRMED
        assert outcome is not None
        assert outcome.executed_amount == amount
    assert bench.engine.account.cash == bench.ledger.cash


def test_an_answer_to_no_request_is_recorded() -> None:
    """An unknown id and a repeated answer decide nothing and are stored; the answer to a ping is not."""
    bench = bench_with(lambda a: a.buy("0.02"))
    (command,) = bench.commands
    bench.ack(command)
    bench.ack(command)
    for ack_id, success in ((99, False), (98, None)):
        bench.feed(Ack(recv_ns=bench.now_ns, ack_id=ack_id, success=success))

    stray = [e for e in bench.of_type(DocType.SYSTEM_EVENT) if e.kind == "action.stray_ack"]
    assert [json.loads(event.detail_json) for event in stray] == [
        {"ack_id": 1, "success": True},
        {"ack_id": 99, "success": False},
    ]
    assert [a.action_id for a in bench.engine.tracker.book.pending] == [command.action_id]


def test_an_agreeing_answer_to_what_did_not_happen_is_a_contradiction() -> None:
    """It came after the settled game had proven the opposite: the state stays, entries halt."""
    bench = bench_with(lambda a: a.buy("0.02"))
    bench.wait(2.5)
    bench.rug()
    bench.new_game()
    bench.ack(bench.commands[0])

    assert states(bench) == ["NOT_EXECUTED"]
    kinds = [event.kind for event in bench.of_type(DocType.SYSTEM_EVENT)]
    assert kinds.count("action.contradiction") == 1
    assert HaltCause.CONTRADICTION in bench.engine.tracker.book.gate.halts
