"""Stakes in rounds: times at their limit, what is stored of a round, bonus money in payouts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.models import (
    ActionState,
    Actor,
    ClockAdvanced,
    DocType,
    SideGameKind,
    StateCause,
)
from vectra_bot.testing import Bench

BBC, FLIP = SideGameKind.BBC, SideGameKind.CANDLEFLIP
GAMES = {BBC: ("BULL", DocType.BBC_ROUND), FLIP: ("RED", DocType.CANDLEFLIP_ROUND)}
SECOND = 10**9
NEAR = st.sampled_from([-1, 0, 1])
kinds = st.sampled_from([BBC, FLIP])


def started(**options: Any) -> Bench:
    """Return a bench in a running game with a round of each side game open."""
    bench = Bench(Scripted(), **{"cash": 3, **options})
    bench.start_game((1.0, 1.1))
    for side_game in GAMES:
        bench.rounds.open(side_game, "r", room=1 if side_game is FLIP else None)
    return bench


def stake(bench: Bench, side_game: SideGameKind, amount: str = "0.01") -> Any:
    """Ask for a stake in the side game's round and return its command."""
    strategy: Any = bench.engine.strategy
    choice = GAMES[side_game][0]
    strategy.todo = [
        lambda a: (
            a.bbc_predict(choice, amount) if side_game is BBC else a.candleflip_bet(choice, amount)
        )
    ]
    bench.tick(1.2)
    return bench.commands[-1]


def clock(bench: Bench, now_ns: int) -> None:
    """Let it be *now_ns*."""
    bench.now_ns = now_ns
    bench.feed(ClockAdvanced(recv_ns=now_ns))


def kinds_of(bench: Bench) -> list[str]:
    """Return the kinds of the stored system events."""
    return [event.kind for event in bench.of_type(DocType.SYSTEM_EVENT)]


@given(kinds, NEAR, st.booleans())
def test_a_stake_is_disproven_ten_seconds_after_its_round_closed(
    side_game: SideGameKind, off: int, closes: bool
) -> None:
    """By a later statement of an account that closes; not at ten seconds, nor with anything unexplained."""
    bench = started()
    command = stake(bench, side_game)
    bench.now_ns = bench.rounds.closes_at_ms[side_game, "r"] * 1_000_000 + 10 * SECOND + off
    if not closes:
        bench.ledger.credit(7, 0)
    bench.update()

    proven = off > 0 and closes
    assert [a.action_id for a in bench.actions] == ([command.action_id] if proven else [])
    if proven:
        assert bench.actions[0].state is ActionState.NOT_EXECUTED
    else:
        bench.end()
        assert bench.actions[0].state is ActionState.UNRESOLVED


@given(kinds, NEAR)
def test_a_result_is_waited_for_two_seconds(side_game: SideGameKind, off: int) -> None:
    """A round that ended without our result is stored with the stake and no payout."""
    bench = started()
    bench.execute(stake(bench, side_game))
    choice, doc_type = GAMES[side_game]
    bench.feed(bench.rounds.update_event(side_game, "r", is_open=False, result=choice))
    assert bench.of_type(doc_type) == []
    clock(bench, bench.now_ns + 2 * SECOND + off)

    given_up = off > 0
    assert kinds_of(bench).count("stake.unsettled") == int(given_up)
    assert bool(bench.engine.account.stakes) is not given_up
    records = bench.of_type(doc_type)
    assert len(records) == int(given_up)
    for record in records:
        assert (record.our_bet_amount, record.won, record.payout) == (Decimal("0.01"), None, None)
    bench.end()
    assert len(bench.of_type(doc_type)) == 1


@given(kinds, NEAR, st.booleans())
def test_a_stake_is_given_up_five_minutes_after_its_round(
    side_game: SideGameKind, off: int, known: bool
) -> None:
    """At the end of a game, if nothing was received; by its own time if the round is not known."""
    bench = started()
    command = stake(bench, side_game)
    bench.execute(command)
    ends_ms = bench.rounds.closes_at_ms[side_game, "r"]
    if not known:
        (held,) = bench.engine.account.stakes.values()
        ends_ms = held.placed_ts or 0
        bench.engine.tracker.stakes.rounds._known.clear()
    bench.rug()
    bench.now_ns = ends_ms * 1_000_000 + 300 * SECOND + off
    bench.new_game()

    lost = off > 0
    assert bool(bench.engine.account.stakes) is not lost
    assert kinds_of(bench).count("stake.unsettled") == int(lost)
    assert bench.of_type(GAMES[side_game][1]) == []


def expected_record(bench: Bench, side_game: SideGameKind, **ours: Any) -> dict[str, Any]:
    """Return the fields of a round that was opened at tick 1 and ended at tick 4."""
    common = {"round_id": "r", "game_id": bench.game_id, "session_id": "bench"}
    if side_game is BBC:
        return {
            **common,
            "start_tick": 1,
            "end_tick": 4,
            "duration_ticks": 3,
            "price_at_start": Decimal("1.1"),
            "price_at_end": Decimal("1.5"),
            **ours,
        }
    return {**common, "current_streak": 1, **ours}


@pytest.mark.parametrize("side_game", [BBC, FLIP])
@given(
    st.sampled_from(["lost", "won", "nothing"]),
    st.permutations(["ended", "ours"]),
    st.sampled_from(["0", "0.004", "1"]),
    st.booleans(),
)
def test_a_round_is_stored_once_with_our_part(
    side_game: SideGameKind, fate: str, order: list[str], bonus: str, stated: bool
) -> None:
    """Whichever comes first, the public end or our result; a payout's bonus as stated or as staked."""
    bench = started(bonus=bonus)
    choice, doc_type = GAMES[side_game]
    other = {"BULL": "CRAB", "RED": "GREEN"}[choice]
    result = other if fate == "lost" else choice
    free = 0
    if fate != "nothing":
        command = stake(bench, side_game)
        free = min(bench.ledger.bonus, 10_000_000)
        bench.execute(command)
    else:
        bench.tick(1.2)
    bench.tick(1.3)
    bench.tick(1.5)
    ended = bench.rounds.update_event(
        side_game, "r", is_open=False, result=result, room=1 if side_game is FLIP else None
    )
    before = (bench.engine.account.cash, bench.engine.account.bonus)
    ours = bench.rounds.settle(side_game, "r", result)
    payout = 0 if ours is None else int(ours.payout.scaleb(9))
    back = payout * free // 10_000_000
    if ours is not None and stated:
        back = min(payout, 3)
        ours = attrs.evolve(ours, bonus_portion=Decimal(back).scaleb(-9))
    for event in [ended if name == "ended" else ours for name in order]:
        if event is not None:
            bench.feed(event)
            bench.feed(event)  # said again

    assert (bench.engine.account.cash, bench.engine.account.bonus) == (
        before[0] + payout - back,
        before[1] + back,
    )
    records = bench.of_type(doc_type)
    assert len(records) == 1
    found = attrs.asdict(records[0], recurse=False)
    part: dict[str, Any] = {"result_ts": bench.now_ns // 1_000_000}
    names = ("our_prediction", "actual_result") if side_game is BBC else ("our_choice", "result")
    part[names[1]] = result
    part[names[0]] = choice if ours is not None else None
    part["our_bet_amount"] = Decimal("0.01") if ours is not None else None
    part["won"] = None if ours is None else fate == "won"
    part["payout"] = None if ours is None else Decimal(payout).scaleb(-9)
    wanted = expected_record(bench, side_game, **part)
    assert {name: found[name] for name in wanted} == wanted
    settled: Any = bench.engine.strategy.named("on_stake_settled")  # type: ignore[attr-defined]
    assert len(settled) == (0 if ours is None else 1)
    for one in settled:
        assert (one.won, one.unverified) == (fate == "won", True)
        assert (one.payout - one.pnl, one.stake) == (Decimal("0.01"), Decimal("0.01"))
    bench.end()
    assert len(bench.of_type(doc_type)) == 1


@given(kinds, st.sampled_from(["choice", "amount", "round", "later", "trace", "nothing"]))
def test_a_bet_of_another_shape_is_not_ours(side_game: SideGameKind, wrong: str) -> None:
    """Side game, round, choice and amount must be what was asked; else it is external, and booked as such."""
    bench = started()
    command = stake(bench, side_game)
    bench.ledger.stake("round", 10_000_000)
    event = bench.rounds.place(command)
    bench.ledger.credit(10_000_000, 0)
    other = {"BULL": "CRAB", "RED": "GREEN"}[GAMES[side_game][0]]
    changes: dict[str, Any] = {
        "choice": {"choice": other},
        "amount": {"amount": Decimal("0.02"), "trace_id": None},
        "round": {"round_id": "q", "trace_id": None},
        "later": {"round_id": "s", "trace_id": None},
        "trace": {"trace_id": None},
        "nothing": {},
    }
    event = attrs.evolve(event, **changes[wrong])
    bench.feed(event)
    bench.feed(event)

    ours = wrong in {"trace", "nothing"}
    assert [s.action_id == command.action_id for s in bench.engine.account.stakes.values()] == [
        ours
    ]
    states = {a.action_id: a.state for a in bench.engine.tracker.book.pending}
    assert (command.action_id in states) is not ours
    bench.feed(ClockAdvanced(recv_ns=bench.now_ns + 3 * SECOND))
    external = [a for a in bench.actions if a.actor is Actor.EXTERNAL]
    assert len(external) == int(not ours)
    assert all(a.unverified and a.state is ActionState.CONFIRMED for a in external)
    assert [e.cause for e in bench.engine.account.pending] == [
        StateCause.ACTION if ours else StateCause.EXTERNAL
    ]
