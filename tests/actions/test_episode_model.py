"""The sums of an episode beside sums made in one pass at its end."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.actions.episode import EpisodeBook
from vectra_bot.actions.ids import ActionIds
from vectra_bot.game.account import Account
from vectra_bot.game.lots import Lot
from vectra_bot.models import ActionState, ActionType, Actor, PlayerAction
from vectra_bot.models.times import utc_from_ns
from vectra_bot.testing import Bench

SOL, START = 10**9, 1_767_225_600_000_000_000
COST = 40_000_000


@cache
def an_action() -> PlayerAction:
    """Return an executed buy."""
    bench = Bench(Scripted())
    bench.start_game((1.0,))
    strategy: Any = bench.engine.strategy
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.1)
    bench.execute(bench.commands[0])
    return bench.actions[0]


def done(
    kind: ActionType,
    tick: int,
    amount: int,
    state: ActionState,
    actor: Actor,
    *,
    game_id: str,
) -> PlayerAction:
    """Return an action of *kind* in a game that ended in *state* after it was asked for at *tick*."""
    action = an_action()
    assert action.outcome is not None
    return attrs.evolve(
        action,
        game_id=game_id,
        action_type=kind,
        state=state,
        actor=actor,
        game_context=attrs.evolve(action.game_context, tick=tick),
        outcome=attrs.evolve(action.outcome, executed_amount=Decimal(amount).scaleb(-9)),
    )


def sol(lamports: int) -> Decimal:
    return Decimal(lamports).scaleb(-9)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("mark"), st.integers(-200, 200), st.booleans()),
        st.tuples(
            st.sampled_from([ActionType.BUY, ActionType.SELL, ActionType.SIDEBET]),
            st.integers(1, 3),
            st.sampled_from(
                [ActionState.CONFIRMED, ActionState.EXECUTED_LATE, ActionState.REJECTED]
            ),
        ),
        st.tuples(st.just("external"), st.just(0), st.just(None)),
    ),
    max_size=14,
)


@given(
    st.lists(steps, min_size=1, max_size=2),
    st.integers(-3, 3),
    st.sampled_from(["rugged", "open", "at rug", "ended"]),
    st.integers(0, 10**10),
)
def test_an_episode_is_the_sum_of_its_game(
    games: list[Any], last: int, end: str, later_ns: int
) -> None:
    """Counts, ticks, hold time, peak, drawdown and outcome; nothing of the game before is in it."""
    book = EpisodeBook("S", ActionIds("S"))
    account = Account(player_id="me", cash=SOL)
    for number, todo in enumerate(games):
        account.cash, account.lots = SOL, []
        book.open(f"g{number}", START, account)
        tick, sent, equities, bought, held = 0, 0, [SOL], [], 0
        firsts: list[int] = []
        lasts: list[int] = []
        for kind, value, more in todo:
            if kind == "mark":
                tick += 1
                account.cash = SOL + value
                # A lot that is worth nothing at this price, so that the equity is the cash.
                account.lots = [Lot(1, COST, 0, 1.0)] if more else []
                held += COST if more else 0
                book.mark(tick, 0.5, account)
                equities.append(account.cash)
                assert (book.cost_ticks, book.ticks) == (held, tick)
                continue
            ours = kind != "external"
            state = more if ours else ActionState.CONFIRMED
            actor = Actor.BOT if ours else Actor.EXTERNAL
            asked, game_id = kind if ours else ActionType.BUY, f"g{number}"
            action = done(asked, tick, value * 10_000_000, state, actor, game_id=game_id)
            book.sent(action)
            book.completed(action)
            sent += ours
            executed = ours and state is not ActionState.REJECTED
            if executed and kind is ActionType.BUY:
                bought.append(value * 10_000_000)
                firsts.append(tick)
            if executed and kind is ActionType.SELL:
                lasts.append(tick)
            assert (book.actions, book.buys, book.sells) == (sent, len(bought), len(lasts))
            assert (book.bought, book.cost_ticks) == (sum(bought), held)
        account.cash, account.lots = SOL + last, []
        if end == "open":
            account.lots = [Lot(1, COST, 0, 1.0)]
        book.open_at_rug |= end == "at rug"
        episode = book.close(START + later_ns, account, 0.5, rugged=end != "ended")
        equities.append(account.cash)

        if not sent:
            assert episode is None
            continue
        assert episode is not None
        falls = [max(equities[: n + 1]) - equity for n, equity in enumerate(equities)]
        outcome = {"ended": "timeout", "open": "rug", "at rug": "rug"}.get(end)
        assert attrs.asdict(episode) == {
            "episode_id": ActionIds("S").episode(f"g{number}"),
            "session_id": "S",
            "game_id": f"g{number}",
            "player_id": "me",
            "started_at": utc_from_ns(START),
            "ended_at": utc_from_ns(START + later_ns),
            "duration_ticks": tick,
            "duration_ms": later_ns // 1_000_000,
            "outcome": outcome or ("exit_profit" if last >= 0 else "exit_loss"),
            "final_pnl": sol(last),
            "peak_pnl": sol(max(equities) - SOL),
            "max_drawdown": sol(max(falls)),
            "total_actions": sent,
            "buy_count": len(bought),
            "sell_count": len(lasts),
            "avg_position_size": sol(sum(bought) // len(bought)) if bought else 0,
            "first_buy_tick": firsts[0] if firsts else None,
            "last_sell_tick": lasts[-1] if lasts else None,
            "avg_hold_time_ticks": held // sum(bought) if bought else 0,
            "total_reward": sol(last),
            "avg_reward_per_step": sol(last // max(tick, 1)),
        }
