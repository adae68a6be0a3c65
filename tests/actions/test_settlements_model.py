"""How a stake ended, as hooks and documents state it; and the bet that the buttons set, beside a model."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.models import (
    ActionState,
    DocType,
    DrawingResult,
    RoundResult,
    SidebetResult,
    SideGameKind,
    StateCause,
)
from vectra_bot.testing import Bench

SOL = 10**9


def started(**options: Any) -> Bench:
    """Return a bench at tick 1 of a running game."""
    bench = Bench(Scripted(), **options)
    bench.start_game((1.0, 1.1))
    return bench


def act(bench: Bench, *acts: Any, price: float = 1.2) -> list[Any]:
    """Let the strategy do *acts* at the next tick; return what the calls returned."""
    strategy: Any = bench.engine.strategy
    before = len(strategy.returned)
    strategy.todo = list(acts)
    bench.tick(price)
    return strategy.returned[before:]


def ended(bench: Bench) -> list[tuple[Any, ...]]:
    """Return every settlement that the strategy was given, amounts in lamports."""
    strategy: Any = bench.engine.strategy
    return [
        (s.action_id, s.won, *(int(v.scaleb(9)) for v in (s.stake, s.payout, s.pnl)))
        for s in strategy.named("on_stake_settled")
    ]


@given(st.lists(st.tuples(st.integers(1, 90), st.booleans()), min_size=1, max_size=4))
def test_a_sidebet_is_won_if_it_paid(bets: list[tuple[int, bool]]) -> None:
    """Bets of several games, some of which start at the same tick: each is settled for itself, once."""
    bench = Bench(Scripted(), cash=3)
    expected = []
    for size, won in bets:
        bench.start_game((1.0, 1.1))
        amount = size * 1_000_000
        (action,) = act(bench, lambda a, s=Decimal(size) / 1000: a.sidebet(s))
        bench.execute(bench.commands[-1])
        if not won:
            for _ in range(39):
                bench.tick(1.2)
            assert len(ended(bench)) == len(expected)
            bench.tick(1.2)
            bench.settle_sidebet(None)
        bench.rug()
        expected.append(
            (action.action_id, won, amount, 5 * amount * won, 5 * amount * won - amount)
        )
        assert ended(bench) == expected
    assert bench.engine.account.cash == bench.ledger.cash
    assert bench.engine.counts["settlements"] == len(bets)


@given(
    st.integers(1, 90),
    st.sampled_from([-1_000_000, -1, 0, 1, 1_000_000]),
    st.sampled_from(["ours", "rug"]),
)
def test_a_short_is_won_if_it_paid_more_than_its_stake(size: int, gain: int, end: str) -> None:
    """What comes back whole was not won; the settlement is of the action that opened the short."""
    bench = started(cash=3)
    amount = size * 1_000_000
    (action,) = act(bench, lambda a: a.short_open(Decimal(size) / 1000))
    bench.execute(bench.commands[-1])
    act(bench, lambda a: a.short_close())
    price = 1.2 if end == "ours" else 0.02
    bench.ledger.close_short(price, 3, amount + gain)
    if end == "ours":
        trace_id = bench.commands[-1].trace_id
        bench.trade("short_close", amount + gain, 0, trace_id=trace_id)
    else:
        bench._price = price
        bench.trade("short_close", amount + gain, 0, trace_id="e" * 32)
    bench.update()

    assert ended(bench) == [(action.action_id, gain > 0, amount, amount + gain, gain)]
    assert bench.engine.account.cash == bench.ledger.cash


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["bbc", "flip"]), st.sampled_from(["1", "2"]), st.integers(0, 300)
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda stake: stake[:2],
    ),
    st.data(),
)
def test_a_stake_in_a_round_is_settled_once(stakes: list[Any], data: Any) -> None:
    """A round is known by its side game and its id together; repeated results pay nothing."""
    bench, results, expected = started(cash=3), [], []
    for name, number, share in stakes:
        side_game = SideGameKind.BBC if name == "bbc" else SideGameKind.CANDLEFLIP
        bench.rounds.open(side_game, number)
        if name == "bbc":
            (action,) = act(bench, lambda a, n=number: a.bbc_predict("BULL", "0.01", round_id=n))
        else:
            (action,) = act(bench, lambda a, n=number: a.candleflip_bet("RED", "0.01", round_id=n))
        bench.execute(bench.commands[-1])
        payout = 10_000_000 * share // 100
        results.append(
            RoundResult(
                recv_ns=bench.now_ns,
                side_game=side_game,
                round_id=number,
                game_id=bench.game_id,
                player_id=bench.player_id,
                username=None,
                choice="BULL" if name == "bbc" else "RED",
                result="BULL" if name == "bbc" else "RED",
                amount=Decimal("0.01"),
                payout=Decimal(payout).scaleb(-9),
                profit=Decimal(payout - 10_000_000).scaleb(-9),
            )
        )
        expected.append((action.action_id, share > 0, 10_000_000, payout, payout - 10_000_000))
    for place in data.draw(st.lists(st.integers(0, len(results) - 1), max_size=6)):
        bench.feed(results[place])
        found = ended(bench)
        assert expected[place] in found
        assert len(found) == len(set(found))
    for result in results:
        bench.feed(result)
    assert sorted(ended(bench)) == sorted(expected)
    assert bench.engine.account.cash == 3 * SOL + sum(gain for *_, gain in expected)
    assert bench.engine.account.stakes == {}


@given(st.integers(1, 5 * SOL), st.integers(0, SOL), st.booleans())
def test_a_result_pays_what_it_states(payout: int, bonus: int, held: bool) -> None:
    """Also for a bet we do not know: the money is booked, and the settlement names no action."""
    bench = started(cash=3, bonus=Decimal(bonus).scaleb(-9))
    if held:
        act(bench, lambda a: a.sidebet("0.05"))
        bench.execute(bench.commands[-1])
    before = bench.engine.account.cash + bench.engine.account.bonus
    bench.feed(
        SidebetResult(
            recv_ns=bench.now_ns,
            game_id=bench.game_id,
            player_id=bench.player_id,
            amount=Decimal("0.05"),
            payout=Decimal(payout).scaleb(-9),
            profit=Decimal(payout).scaleb(-9) - Decimal("0.05"),
            start_tick=2,
            end_tick=42,
        )
    )
    account = bench.engine.account
    assert account.cash + account.bonus == before + payout
    part = min(bonus, 50_000_000) if held else 0
    assert account.bonus == max(bonus - 50_000_000, 0) * held + bonus * (not held) + (
        payout * part // 50_000_000
    )
    (settled,) = ended(bench)
    assert settled[0] == (bench.commands[0].action_id if held else "")


drawings = st.lists(
    st.tuples(
        st.sampled_from(["goldenHourDrawing", "rugpoolDrawing"]),
        st.sampled_from(["1", "2", "3"]),
        st.lists(st.tuples(st.booleans(), st.integers(1, SOL)), max_size=3),
    ),
    max_size=8,
)


@example([("goldenHourDrawing", "1", [(True, 5)]), ("rugpoolDrawing", "1", [(True, 7)])])
@given(drawings)
def test_every_prize_of_ours_counts_once(held: list[Any]) -> None:
    """A drawing is known by its name and id together; what others won is theirs."""
    bench, known, total = started(), set(), 0
    for name, drawing_id, prizes in held:
        winners = [("me" if ours else "other", prize) for ours, prize in prizes]
        mine = next((prize for who, prize in winners if who == "me"), None)
        names = {"me": bench.player_id, "other": "did:privy:other"}
        bench.feed(
            DrawingResult(
                recv_ns=bench.now_ns,
                name=name,
                payload_json=None,
                drawing_id=drawing_id,
                winners=tuple((names[who], Decimal(p).scaleb(-9)) for who, p in winners),
            )
        )
        if mine is not None and (name, drawing_id) not in known:
            known.add((name, drawing_id))
            total += mine
            bench.ledger.credit(mine, 0)
            bench.update()
            assert bench.of_type(DocType.SERVER_STATE)[-1].cause is StateCause.STAKE_SETTLED
        assert bench.engine.counts["prizes"] == total
        assert bench.engine.account.cash == bench.ledger.cash == SOL + total


# ---- the bet that the buttons set

presses = st.lists(
    st.one_of(
        st.tuples(st.just("percentage"), st.sampled_from([10, 25, 50, 100])),
        st.tuples(
            st.sampled_from(["more", "less"]), st.sampled_from([1, 999_999, 10**6, 10**8, SOL])
        ),
    ),
    min_size=1,
    max_size=6,
)


@given(st.integers(1, 60 * SOL), presses)
def test_buttons_set_the_bet(cash: int, todo: list[tuple[str, int]]) -> None:
    """A share of the cash is rounded down to 0.001 SOL; every bet is cut to 0.001 to 5 SOL."""
    bench = started(cash=Decimal(cash).scaleb(-9))
    bet = 1_000_000
    for kind, value in todo:
        if kind == "percentage":
            (action,) = act(bench, lambda a, v=value: a.bet_percentage(v))
            bet = cash * value // 100 // 1_000_000 * 1_000_000
        else:
            step, sign = Decimal(value).scaleb(-9), 1 if kind == "more" else -1
            press = "bet_increment" if kind == "more" else "bet_decrement"
            (action,) = act(bench, lambda a, p=press, s=step: getattr(a, p)(s))
            bet += sign * value
        bet = min(max(bet, 1_000_000), 5 * SOL)
        assert action.state is ActionState.CONFIRMED
        assert (action.outcome.executed_amount, action.amount) == (Decimal(bet).scaleb(-9),) * 2
    assert bench.commands == []
    assert len(bench.of_type(DocType.PLAYER_ACTION)) == len(todo)
    # What is not named takes the bet, if limits and cash allow it.
    act(bench, lambda a: a.buy())
    sent = [int(command.amount.scaleb(9)) for command in bench.commands if command.amount]
    assert sent == ([bet] if bet <= min(SOL // 10, cash) else [])
