"""Evidence about a stake in a round, in every order: booked once, stored once, with all that is known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.actions.strategies import Scripted
from vectra_bot.actions.reconcile.fills import Executed
from vectra_bot.actions.rounds import _fits
from vectra_bot.models import (
    ActionState,
    ActionType,
    BBCPrediction,
    DocType,
    RoundBet,
    SideGameKind,
)
from vectra_bot.testing import Bench

BBC, FLIP = SideGameKind.BBC, SideGameKind.CANDLEFLIP
SOL = 10**9


def asked(*acts: Any) -> tuple[Bench, RoundBet]:
    """Return a bench with a stake of 0.01 SOL in flight, and the event that confirms it."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.1))
    bench.rounds.open(BBC, "r1")
    strategy.todo = list(acts) or [lambda a: a.bbc_predict("BULL", "0.01")]
    bench.tick(1.1)
    return bench, bench.rounds.place(bench.commands[0])


def held(bench: Bench) -> list[tuple[str, int | None]]:
    """Return choice and time of the stakes that are held."""
    return [(stake.choice, stake.placed_ts) for stake in bench.engine.account.stakes.values()]


def test_a_stake_that_an_update_showed_gets_its_time_from_the_event() -> None:
    """It is booked once."""
    bench, event = asked()
    bench.update()
    assert bench.actions[0].state is ActionState.CONFIRMED
    assert held(bench) == [("BULL", None)]
    bench.feed(event)
    assert held(bench) == [("BULL", event.server_ts)]
    assert bench.engine.account.cash == bench.ledger.cash == SOL - 10_000_000


def test_a_result_before_the_rounds_end_waits_for_it() -> None:
    """The document comes with the end and has our part; a repeated bet event changes nothing."""
    bench, event = asked()
    bench.feed(event)
    result = bench.rounds.settle(BBC, "r1", "BULL")
    assert result is not None
    bench.feed(result)
    assert bench.of_type(DocType.BBC_ROUND) == []
    bench.feed(attrs.evolve(event, trace_id="a" * 32))
    assert bench.engine.tracker.book.gate.external_this_game == 0
    bench.feed(bench.rounds.update_event(BBC, "r1", is_open=False, result="BULL"))
    (record,) = bench.of_type(DocType.BBC_ROUND)
    assert (record.our_prediction, record.won) == (BBCPrediction.BULL, True)
    assert (record.payout, record.our_bet_amount) == (result.payout, Decimal("0.01"))
    assert bench.engine.account.cash == bench.ledger.cash


def test_a_stake_of_another_client_is_booked_once() -> None:
    """A second event of the round, under whatever trace, is the same stake."""
    bench, event = asked()
    for trace in ("a" * 32, "b" * 32):
        bench.feed(attrs.evolve(event, trace_id=trace))
    assert len(bench.engine.account.stakes) == 1
    assert bench.engine.account.cash == SOL - 10_000_000
    assert bench.engine.tracker.book.gate.external_this_game == 1


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"round_id": "r2"}, False),
        ({"choice": "BEAR"}, False),
        ({"amount": Decimal("0.02")}, False),
        ({"side_game": FLIP}, False),
    ],
    ids=["same", "round", "choice", "amount", "side game"],
)
def test_a_bet_event_fits_by_all_that_it_states(change: dict[str, Any], fits: bool) -> None:
    """One difference is enough; a main game's action fits none."""
    bench, event = asked(lambda a: a.bbc_predict("BULL", "0.01"), lambda a: a.buy("0.01"))
    stake, buy = bench.engine.tracker.book.undecided()
    assert _fits(stake, attrs.evolve(event, **change)) is fits
    assert not _fits(buy, attrs.evolve(event, **change))


def test_a_result_without_a_stated_part_splits_the_payout_as_the_stake() -> None:
    """Rounded down; a stated part is taken as it is."""
    for stated, bonus in ((None, 30_000_001 * 3 // 10), (Decimal("0.000000004"), 4)):
        bench, event = asked()
        bench.feed(attrs.evolve(event, bonus_portion=Decimal("0.003")))
        account = bench.engine.account
        before, free = account.cash, account.bonus
        assert before == SOL - 7_000_000
        result = bench.rounds.settle(BBC, "r1", "BULL")
        assert result is not None
        paid = attrs.evolve(result, payout=Decimal("0.030000001"), bonus_portion=stated)
        bench.engine.tracker.stakes.on_round_result(paid)
        assert (account.bonus - free, account.cash - before) == (bonus, 30_000_001 - bonus)


@pytest.mark.parametrize("kind", [ActionType.BBC_PREDICT, ActionType.CANDLEFLIP_BET])
def test_a_stake_adopted_from_a_statement_has_what_was_asked_for(kind: ActionType) -> None:
    """What the action lacks is empty or nothing."""
    bench, _ = asked()
    (tracked,) = bench.engine.tracker.book.undecided()
    tracked.action = attrs.evolve(
        tracked.action, action_type=kind, amount=None, choice=None, round_id=None
    )
    bench.engine.tracker._shown(Executed(tracked, -5, bonus=-2), bench.update_event())
    game = BBC if kind is ActionType.BBC_PREDICT else FLIP
    stake = bench.engine.account.stakes[game, ""]
    assert (stake.choice, stake.amount, stake.bonus) == ("", Decimal(0), Decimal("0.000000002"))
    assert stake.action_id == tracked.action.action_id
    assert (tracked.amount, tracked.bonus, tracked.booked) == (7, 2, True)
