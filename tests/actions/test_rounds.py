"""Stakes in the side games' rounds: tracked, settled across games, proven when never placed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.actions.strategies import Scripted
from vectra_bot.actions.book import MAX_REMEMBERED, remember
from vectra_bot.errors import StrategyError
from vectra_bot.models import (
    ActionState,
    ActionType,
    Actor,
    BBCPrediction,
    CandleflipChoice,
    DocType,
    SideGameKind,
    StateCause,
)
from vectra_bot.testing import Bench

BBC, FLIP = SideGameKind.BBC, SideGameKind.CANDLEFLIP


def playing(**options: Any) -> Bench:
    """Return a bench in a running game with an open round of each side game."""
    bench = Bench(Scripted(), **options)
    bench.start_game((1.0, 1.1))
    bench.rounds.open(BBC, "b1")
    bench.rounds.open(FLIP, "c1", room=1)
    return bench


def scripted(bench: Bench) -> Scripted:
    """Return the bench's strategy."""
    assert isinstance(bench.engine.strategy, Scripted)
    return bench.engine.strategy


def act(bench: Bench, *acts: Any) -> None:
    """Let the strategy do *acts* at the next tick."""
    scripted(bench).todo = list(acts)
    bench.tick(bench.engine.game.price)


def staked(**options: Any) -> Bench:
    """Return a bench with 0.01 SOL on BULL in round b1."""
    bench = playing(**options)
    act(bench, lambda a: a.bbc_predict("bull", "0.01"))
    bench.execute(bench.commands[0])
    return bench


def reasons(bench: Bench) -> list[str]:
    """Return the codes of the denials."""
    outcomes = [a.outcome for a in bench.actions if a.state is ActionState.DENIED]
    return [(o.error_reason or "").split(":")[0] for o in outcomes if o is not None]


def test_a_stake_is_tracked_to_its_settlement() -> None:
    """Choice and round are in command and document; the result names the action and pays."""
    bench = staked()
    (command,) = bench.commands
    assert (command.choice, command.round_id) == ("BULL", "b1")
    (action,) = bench.actions
    assert (action.state, action.choice, action.round_id) == (ActionState.CONFIRMED, "BULL", "b1")
    assert (action.button, action.unverified) == ("BULL", True)
    bench.rounds.end(BBC, "b1", "BULL")

    (settled,) = scripted(bench).named("on_stake_settled")
    assert (settled.action_id, settled.action_type) == (action.action_id, "BBC_PREDICT")
    assert (settled.won, settled.payout, settled.unverified) == (True, Decimal("0.02"), True)
    last = bench.of_type(DocType.SERVER_STATE)[-1]
    assert (last.cause, last.action_id, last.unverified) == (
        StateCause.STAKE_SETTLED,
        action.action_id,
        True,
    )
    assert bench.engine.account.cash == bench.ledger.cash
    assert bench.engine.account.view.stakes == ()


def test_the_rounds_document_has_our_part() -> None:
    """One document per round, at its result, with our stake and payout."""
    bench = staked()
    bench.tick(1.2)
    bench.rounds.end(BBC, "b1", "CRAB")

    (record,) = bench.of_type(DocType.BBC_ROUND)
    assert (record.round_id, record.actual_result) == ("b1", BBCPrediction.CRAB)
    assert (record.our_prediction, record.our_bet_amount) == (BBCPrediction.BULL, Decimal("0.01"))
    assert (record.won, record.payout, record.unverified) == (False, Decimal(0), True)
    assert (record.start_tick, record.end_tick, record.duration_ticks) == (1, 3, 2)
    assert (record.price_at_start, record.price_at_end) == (Decimal("1.1"), Decimal("1.2"))
    assert record.prediction_ts is not None


def test_a_round_without_us_is_stored_too() -> None:
    """Streaks count results in a row in one room."""
    bench = playing()
    for number, result in enumerate(("RED", "RED", "GREEN"), 2):
        bench.rounds.open(FLIP, f"c{number}", room=1)
        bench.rounds.end(FLIP, f"c{number}", result, room=1)
        bench.rounds.end(FLIP, f"c{number}", result, room=1)

    rounds = bench.of_type(DocType.CANDLEFLIP_ROUND)
    assert [(r.round_id, r.current_streak, r.streak_direction) for r in rounds] == [
        ("c2", 1, CandleflipChoice.RED),
        ("c3", 2, CandleflipChoice.RED),
        ("c4", 1, CandleflipChoice.GREEN),
    ]
    assert all(r.our_choice is None and r.won is None and r.unverified for r in rounds)


def test_a_stake_outlives_the_game_it_was_placed_in() -> None:
    """The game's end decides nothing about it; profit counts where the result comes."""
    bench = staked()
    bench.rug()
    bench.new_game()
    ended = scripted(bench).named("on_game_end")
    assert ended[-1].pnl == 0
    assert len(bench.engine.account.stakes) == 1
    bench.presale()
    bench.rounds.end(BBC, "b1", "BULL")
    assert bench.engine.account.view.pnl == Decimal("0.01")

    assert bench.engine.account.cash == bench.ledger.cash
    (episode,) = bench.of_type(DocType.ML_EPISODE)
    assert (episode.final_pnl, episode.outcome) == (0, "exit_profit")


def test_an_action_in_flight_at_the_games_end_waits_for_its_own_evidence() -> None:
    """The settled game proves nothing about a stake; its bet event does."""
    bench = playing()
    act(bench, lambda a: a.candleflip_bet("GREEN", "0.01"))
    bench.rug()
    bench.new_game()
    assert [p.action_type for p in bench.engine.tracker.book.pending] == [ActionType.CANDLEFLIP_BET]
    bench.execute(bench.commands[0])

    assert bench.actions[-1].state is ActionState.CONFIRMED
    assert bench.engine.account.cash == bench.ledger.cash


def test_a_stake_that_was_never_placed_is_proven_by_a_later_statement() -> None:
    """The round is over and the account balances to the lamport without it."""
    bench = playing()
    act(bench, lambda a: a.bbc_predict("BEAR", "0.01"))
    bench.wait(2.5)
    assert [p.state for p in bench.engine.tracker.book.pending] == [ActionState.UNKNOWN]
    bench.update()
    assert [p.state for p in bench.engine.tracker.book.pending] == [ActionState.UNKNOWN]
    bench.wait(30)
    bench.update()

    (action,) = bench.actions
    assert action.state is ActionState.NOT_EXECUTED
    assert not bench.engine.tracker.book.pending


def test_a_result_alone_proves_the_stake() -> None:
    """No bet event, no update: the result proves the stake, and both are booked."""
    bench = playing()
    act(bench, lambda a: a.candleflip_bet("RED", "0.01"))
    bench.rounds.place(bench.commands[0])
    bench.rounds.end(FLIP, "c1", "RED", room=1)

    (action,) = bench.actions
    assert action.state is ActionState.CONFIRMED
    assert bench.engine.account.cash == bench.ledger.cash == 1_009_400_000
    (record,) = bench.of_type(DocType.CANDLEFLIP_ROUND)
    assert (record.our_choice, record.won) == (CandleflipChoice.RED, True)


def test_an_update_alone_confirms_the_only_stake_in_flight() -> None:
    """The change of cash is what that one action does."""
    bench = playing()
    act(bench, lambda a: a.bbc_predict(BBCPrediction.CRAB, "0.01"))
    bench.fill(bench.commands[0], trade=False)

    (action,) = bench.actions
    assert action.state is ActionState.CONFIRMED
    assert [s.choice for s in bench.engine.account.view.stakes] == ["CRAB"]
    bench.rounds.end(BBC, "b1", "CRAB")
    assert bench.engine.account.cash == bench.ledger.cash == 1_130_000_000


def test_a_stake_of_another_client_is_external() -> None:
    """A bet event under a foreign trace is recorded and settled, but never ours."""
    bench = playing()
    act(bench, lambda a: a.bbc_predict("BULL", "0.01"))
    ours = bench.commands[0]
    theirs = attrs.evolve(ours, trace_id="a" * 32)
    bench.fill(theirs, update=False)
    bench.ack(ours, success=False, message="one stake a round")
    bench.update()
    bench.rounds.end(BBC, "b1", "BEAR")

    ended = {a.actor: a for a in bench.actions}
    assert ended[Actor.BOT].state is ActionState.REJECTED
    assert (ended[Actor.EXTERNAL].choice, ended[Actor.EXTERNAL].unverified) == ("BULL", True)
    (settled,) = scripted(bench).named("on_stake_settled")
    assert settled.action_id == ended[Actor.EXTERNAL].action_id
    assert bench.engine.account.cash == bench.ledger.cash


def test_a_result_that_does_not_come_is_given_up_with_a_warning() -> None:
    """The round's document is written without our outcome, and the log says so."""
    bench = staked()
    bench.feed(bench.rounds.update_event(BBC, "b1", is_open=False, result="BULL"))
    assert bench.of_type(DocType.BBC_ROUND) == []
    bench.wait(2.5)

    (record,) = bench.of_type(DocType.BBC_ROUND)
    assert (record.our_prediction, record.won) == (BBCPrediction.BULL, None)
    kinds = [e.kind for e in bench.of_type(DocType.SYSTEM_EVENT)]
    assert "stake.unsettled" in kinds
    assert bench.engine.account.stakes == {}


def test_a_round_whose_end_was_missed_does_not_hold_the_stake_for_ever() -> None:
    """After a lost connection a stake is dropped when its round must be over."""
    bench = staked()
    bench.rug()
    bench.new_game()
    assert bench.engine.account.stakes
    bench.wait(400)
    bench.presale()
    bench.rug()
    bench.new_game()

    assert bench.engine.account.stakes == {}


def test_a_repeated_result_is_settled_once() -> None:
    """A duplicate of a result changes nothing."""
    bench = staked()
    event = bench.rounds.settle(BBC, "b1", "BULL")
    assert event is not None
    for _ in range(3):
        bench.feed(event)
    bench.update()

    assert len(scripted(bench).named("on_stake_settled")) == 1
    assert bench.engine.account.cash == bench.ledger.cash


def test_what_no_round_takes_is_denied() -> None:
    """Unknown round, closed round, a second stake in one round: each is named."""
    bench = Bench(Scripted())
    bench.start_game((1.0, 1.1))
    act(bench, lambda a: a.bbc_predict("BULL", "0.01"))
    bench.rounds.open(BBC, "b1")
    act(bench, lambda a: a.bbc_predict("BULL", "0.01", round_id="b0"))
    act(bench, lambda a: a.bbc_predict("BULL", "0.01"))
    bench.execute(bench.commands[0])
    act(bench, lambda a: a.bbc_predict("BEAR", "0.01"))
    bench.rounds.end(BBC, "b1", "BULL")
    act(bench, lambda a: a.bbc_predict("BULL", "0.01"), lambda a: a.candleflip_bet("RED"))

    assert reasons(bench) == ["round", "round", "round.staked", "round.closed", "round"]
    assert len(bench.commands) == 1


def test_limits_hold_for_stakes_in_rounds() -> None:
    """The limit of the stake and the free cash count as for every entry."""
    bench = playing(cash="0.05")
    act(bench, lambda a: a.bbc_predict("BULL", "0.2"), lambda a: a.bbc_predict("BULL", "0.06"))

    assert reasons(bench) == ["limit.stake", "cash"]


def test_a_lost_link_closes_every_round_for_us() -> None:
    """What happened while disconnected is unknown, so no stake is placed."""
    bench = playing()
    bench.disconnect()
    bench.connect()
    act(bench, lambda a: a.bbc_predict("BULL", "0.01"))

    assert reasons(bench) == ["round.closed"]


def test_a_stake_in_the_countdown_needs_no_phase() -> None:
    """Rounds run beside the game: a callback of any phase may stake."""

    class InPresale(Scripted):
        def on_phase(self, game: Any) -> None:
            if game.phase.value == "presale":
                self.returned.append(self.actions.bbc_predict("BULL", "0.01"))

    strategy = InPresale()
    bench = Bench(strategy)
    bench.start_game((1.0,))
    bench.rounds.open(BBC, "b1")
    bench.rug()
    bench.new_game()
    bench.presale()

    assert [c.round_id for c in bench.commands] == ["b1"]


@pytest.mark.parametrize(
    "call",
    [
        lambda a: a.bbc_predict("MOOSE", "0.01"),
        lambda a: a.bbc_predict("GREEN", "0.01"),
        lambda a: a.candleflip_bet(None, "0.01"),
        lambda a: a.candleflip_bet("RED", "much"),
    ],
)
def test_a_choice_that_is_none_is_refused(call: Any) -> None:
    """A wrong word is an error of the program, and the message lists the valid words."""
    bench = playing()
    with pytest.raises(StrategyError):
        act(bench, call)


def test_side_games_are_seen() -> None:
    """A strategy sees the newest open round, its payouts, and the rooms that are open."""
    bench = playing()
    view = bench.engine.strategy.side_games
    assert view.bbc is not None
    assert (view.bbc.round_id, view.bbc.is_open, view.bbc.payouts["CRAB"]) == ("b1", True, 14.0)
    bench.rounds.open(FLIP, "c2", room=2)
    assert [r.room for r in view.open(FLIP)] == [1, 2]
    assert view.candleflip is not None
    assert view.candleflip.round_id == "c2"
    bench.rounds.end(BBC, "b1", "BEAR")

    assert view.bbc is not None
    assert (view.bbc.is_open, view.bbc.result) == (False, "BEAR")


def test_the_context_digest_covers_what_stands_beside_the_game() -> None:
    """Two decisions that saw different rounds have different digests."""
    digests = []
    for open_round in (False, True):
        bench = Bench(Scripted())
        bench.start_game((1.0, 1.1))
        if open_round:
            bench.rounds.open(BBC, "b1")
        act(bench, lambda a: a.buy("0.01"))
        digests.append(bench.commands[0].context_sha256)

    assert digests[0] != digests[1]


def test_of_several_in_flight_the_only_stake_that_fits_is_told_by_its_amount() -> None:
    """The update comes before the bet event: a stake that alone explains it needs no other key."""
    bench = playing()
    act(bench, lambda a: a.bbc_predict("BULL", "0.01"), lambda a: a.sidebet("0.01"))
    stake, _ = bench.commands
    bench.fill(stake)

    assert [a.action_id for a in bench.actions] == [stake.action_id]
    causes = [s.cause for s in bench.of_type(DocType.SERVER_STATE) if s.delta_cash]
    assert causes == [StateCause.ACTION]


def test_two_stakes_that_both_fit_are_told_apart_by_their_events_alone() -> None:
    """Of two equal stakes in two side games neither is guessed."""
    bench = playing()
    act(bench, lambda a: a.bbc_predict("BULL", "0.01"), lambda a: a.candleflip_bet("RED", "0.01"))
    stake = bench.commands[1]
    placed = bench.rounds.place(stake)
    bench.update()
    assert bench.actions == []
    bench.feed(placed)

    assert [a.action_id for a in bench.actions] == [stake.action_id]
    assert bench.engine.account.cash == bench.ledger.cash


def test_what_is_on_its_way_is_not_asked_twice() -> None:
    """A second stake in one round, or a second short, waits for the first one's answer."""
    bench = playing()
    act(bench, lambda a: a.bbc_predict("BULL", "0.01"), lambda a: a.bbc_predict("BEAR", "0.01"))
    act(bench, lambda a: a.short_open("0.01"), lambda a: a.short_open("0.01"))

    assert reasons(bench) == ["round.asked", "short.asked"]
    assert len(bench.commands) == 2


def test_a_result_told_again_long_after_is_settled_once() -> None:
    """More settlements than are remembered in between change nothing: the stake is already settled."""
    bench = staked()
    result = bench.rounds.settle(BBC, "b1", "BULL")
    assert result is not None
    bench.feed(result)
    cash = bench.engine.account.cash
    for number in range(MAX_REMEMBERED + 1):
        remember(bench.engine.tracker.stakes._settled, f"other:{number}", None)
    bench.feed(attrs.evolve(result, recv_ns=result.recv_ns + 10**9))

    assert bench.engine.account.cash == cash
    assert len(scripted(bench).named("on_stake_settled")) == 1
