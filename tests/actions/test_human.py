"""What a person asks for at the page beside the bot: actions like ours, never taken for the bot's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from vectra_bot import GameView, Strategy
from vectra_bot.actions.limits import Limits
from vectra_bot.game.ledger import to_lamports
from vectra_bot.models import (
    Ack,
    ActionState,
    ActionType,
    Actor,
    DocType,
    GameTick,
    PlayerAction,
    PlayerRequest,
    Proof,
    SystemEvent,
)
from vectra_bot.testing import Bench

STAKE = Decimal("0.01")
TRACE = "ab" * 16


class OneBuy(Strategy):
    """Buys once, at tick 3."""

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        if game.tick == 3:
            self.actions.buy(STAKE)


def bench(**more: Any) -> Bench:
    """Return a bench whose game runs."""
    found = Bench(OneBuy(), cash=1, **more)
    found.new_game()
    found.start_game()
    return found


def ask(
    on: Bench, kind: ActionType = ActionType.BUY, trace: str | None = TRACE, **more: Any
) -> PlayerRequest:
    """Let the person ask for something."""
    values: dict[str, Any] = {"ack_id": 7, "trace_id": trace, **more}
    if kind is not ActionType.SELL:
        values.setdefault("amount", STAKE)
    request = PlayerRequest(recv_ns=on.now_ns, action_type=kind, **values)
    on.feed(request)
    return request


def humans(on: Bench) -> list[PlayerAction]:
    """Return the person's complete actions."""
    return [action for action in on.actions if action.actor is Actor.HUMAN]


def bought(on: Bench, trace: str = TRACE) -> None:
    """Let the venue execute a buy of the person and show it."""
    fill = on.ledger.buy(to_lamports(STAKE), 1.0, 0, 1)
    on.trade("buy", fill.amount, fill.qty, trace_id=trace)
    on.update()


def findings(on: Bench, kind: str) -> list[SystemEvent]:
    """Return the system events of one kind."""
    return [record for record in on.of_type(DocType.SYSTEM_EVENT) if record.kind == kind]


def test_a_persons_buy_is_an_action_with_proof() -> None:
    """Intent, evidence and effect are recorded as ours are, and nothing is external or unexplained."""
    on = bench()
    request = ask(on)
    bought(on)
    (action,) = humans(on)

    assert (action.action_type, action.button, action.amount) == (ActionType.BUY, "BUY", STAKE)
    assert (action.state, action.proof) == (ActionState.CONFIRMED, Proof.TRADE)
    assert action.timestamps.client_ts == request.recv_ns // 1_000_000
    assert action.trace_id == TRACE
    assert action.state_after is not None
    assert action.state_after.position_qty > 0
    assert findings(on, "account.external") == []
    assert findings(on, "account.unexplained") == []
    assert on.engine.states == {}


@pytest.mark.parametrize(
    ("kind", "more", "button"),
    [
        (ActionType.SELL, {"percentage": 25}, "SELL 25%"),
        (ActionType.SELL, {"percentage": 100}, "SELL"),
        (ActionType.SIDEBET, {}, "SIDEBET"),
        (ActionType.SHORT_OPEN, {}, "SHORT"),
        (ActionType.SHORT_CLOSE, {}, "CLOSE SHORT"),
        (ActionType.BBC_PREDICT, {"choice": "BULL", "round_id": "r1"}, "BULL"),
    ],
)
def test_the_button_is_as_a_person_sees_it(
    kind: ActionType, more: dict[str, Any], button: str
) -> None:
    """The text is that of the page's button, as for the bot's actions."""
    on = bench()
    ask(on, kind, **more)
    on.end()

    assert [action.button for action in humans(on)] == [button]


def test_a_refusal_is_the_persons() -> None:
    """An acknowledgement with the id of the page decides the person's action."""
    on = bench()
    ask(on)
    on.feed(Ack(recv_ns=on.now_ns, ack_id=7, success=False, message="Insufficient balance"))
    (action,) = humans(on)

    assert (action.state, action.proof) == (ActionState.REJECTED, Proof.ACK)
    assert action.outcome is not None
    assert action.outcome.error_reason == "Insufficient balance"


def test_the_same_order_of_both_is_distinguished_by_its_trace() -> None:
    """The bot and the person buy the same amount at once: each trade is one's own."""
    on = bench()
    for price in (1.01, 1.02, 1.03):
        on.tick(price)
    (command,) = on.commands
    ask(on)
    bought(on)
    on.execute(command)
    by_actor = {action.actor: action for action in on.actions}

    assert by_actor[Actor.HUMAN].trace_id == TRACE
    assert by_actor[Actor.BOT].trace_id == command.trace_id
    assert {action.state for action in by_actor.values()} == {ActionState.CONFIRMED}
    assert on.engine.states == {ActionState.CONFIRMED: 1}


def test_a_person_uses_up_no_limit_of_the_bot() -> None:
    """Ten buys of the person leave the bot its one action of the game."""
    on = bench(limits=Limits(actions_per_game=1))
    for number in range(10):
        ask(on, trace=f"{number:032x}", ack_id=number + 1)
        bought(on, f"{number:032x}")
    for price in (1.01, 1.02, 1.03):
        on.tick(price)

    assert len(humans(on)) == 10
    assert len(on.commands) == 1


def test_an_undecided_order_of_the_person_is_exposure() -> None:
    """While a person's order is not proven, the bot takes no new risk."""
    on = bench()
    ask(on)
    on.wait(2.5)
    for price in (1.01, 1.02, 1.03):
        on.tick(price)
    denied = [action for action in on.actions if action.actor is Actor.BOT]

    assert on.commands == []
    assert [action.state for action in denied] == [ActionState.DENIED]
    assert denied[0].outcome is not None
    assert str(denied[0].outcome.error_reason).startswith("unknown:")


def test_an_answer_after_a_reload_is_not_the_older_orders() -> None:
    """The page counts its ids from the start again: an old id decides nothing any more."""
    on = bench()
    ask(on)
    on.disconnect()
    on.connect()
    on.login()
    on.feed(Ack(recv_ns=on.now_ns, ack_id=7, success=False, message="another one's"))

    assert humans(on) == []


def test_a_request_that_cannot_be_valid_is_recorded_too() -> None:
    """A page may send nonsense: it is kept as asked, and undecided until the end."""
    on = bench()
    ask(on, amount=None, trace=None, ack_id=None)
    on.end()

    assert [action.state for action in humans(on)] == [ActionState.UNRESOLVED]
