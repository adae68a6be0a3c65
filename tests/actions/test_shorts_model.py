"""A short from its opening to its end: money, what is stored of it, and how its stake ended."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.models import ActionState, Actor, DocType, ShortInfo, StateCause
from vectra_bot.testing import Bench

SOL = 10**9


def started(**options: Any) -> Bench:
    """Return a bench at tick 1 of a running game."""
    bench = Bench(Scripted(), **{"cash": 3, **options})
    bench.start_game((1.0, 1.1))
    return bench


def act(bench: Bench, do: Any, price: float) -> Any:
    """Let the strategy do something at the next tick; return its command."""
    strategy: Any = bench.engine.strategy
    strategy.todo = [do]
    bench.tick(price)
    return bench.commands[-1]


def rows(bench: Bench) -> list[tuple[Any, ...]]:
    """Return the stored states of the short."""
    return [
        (r.has_short, r.short_qty, r.short_entry_price, r.short_pnl, r.at_risk)
        for r in bench.of_type(DocType.SHORT_POSITION)
    ]


def worth(bench: Bench, value: int, stake: int, price: float) -> ShortInfo:
    """Return a statement of the short at *value* lamports."""
    return ShortInfo(
        amount=Decimal(stake).scaleb(-9),
        entry_price=price,
        entry_tick=2,
        value=Decimal(value).scaleb(-9),
        pnl=Decimal(value - stake).scaleb(-9),
    )


@given(
    st.integers(1, 90),
    st.sampled_from([0.7, 1.0, 2.5]),
    st.lists(st.integers(0, 400), max_size=3),
    st.sampled_from(["ours", "external", "rug", "unseen"]),
    st.integers(0, 200),
    st.sampled_from(["0", "0.02", "1"]),
    st.booleans(),
    st.booleans(),
)
def test_a_short_is_followed_to_its_end(
    size: int,
    price: float,
    values: list[int],
    end: str,
    payout_share: int,
    bonus: str,
    stated: bool,
    named: bool,
) -> None:
    """Opening, every other value that is stated, and the end are stored once; money as trades say."""
    bench = started(bonus=bonus)
    amount = size * 1_000_000
    stake = Decimal(amount).scaleb(-9)
    command = act(bench, lambda a: a.short_open(stake), price)
    free = min(bench.ledger.bonus, amount)
    fill = bench.carry_out(command)
    opening = bench.fill_event(command, fill)
    # Without a trace id it is of the one action in flight.
    bench.feed(opening if named else attrs.evolve(opening, trace_id=None))
    bench.update()
    tokens = Decimal(floor(amount / Fraction(price))).scaleb(-9)
    entry = Decimal(repr(price))
    expected = [(True, tokens, entry, Decimal(0), False)]
    account = bench.engine.account
    assert rows(bench) == expected
    assert (account.cash, account.bonus) == (bench.ledger.cash, bench.ledger.bonus)
    last = amount
    for share in values:
        value = amount * share // 200
        shown = attrs.evolve(bench.update_event(), short=worth(bench, value, amount, price))
        bench.feed(shown)
        if value != last:
            pnl = Decimal(value - amount).scaleb(-9)
            expected.append((True, tokens, entry, pnl, 2 * value < amount))
        last = value
        assert rows(bench) == expected

    payout = amount * payout_share // 100
    back = payout * free // amount
    _end(bench, end, payout, back if stated else None, named=named)
    seen = end != "unseen"
    pnl = Decimal(payout - amount if seen else 0).scaleb(-9)
    expected.append((False, Decimal(0), entry, pnl, False))
    assert rows(bench) == expected
    assert account.short is None
    strategy: Any = bench.engine.strategy
    settled = strategy.named("on_stake_settled")
    assert len(settled) == int(seen)
    if not seen:
        return
    (one,) = settled
    assert (account.cash, account.bonus) == (bench.ledger.cash, bench.ledger.bonus)
    assert (one.action_id, one.stake, one.unverified) == (command.action_id, stake, True)
    assert (one.payout, one.pnl) == (Decimal(payout).scaleb(-9), pnl)
    assert one.won is (payout > amount)
    assert one.action_type == "SHORT_OPEN"
    causes = [row.cause for row in bench.of_type(DocType.SERVER_STATE) if row.delta_cash]
    ends = {"ours": StateCause.ACTION, "external": StateCause.EXTERNAL}
    if payout - back and free < amount:
        assert causes == [StateCause.ACTION, ends.get(end, StateCause.STAKE_SETTLED)]
    _check_ended(bench, end, payout, back)


def _end(bench: Bench, end: str, payout: int, stated: int | None, *, named: bool) -> None:
    """Close the short for *payout* lamports as *end* says, and state the account."""
    if end == "unseen":
        bench.ledger.close_short(1.0, 9, payout)
        bench.update()
        return
    command = (
        act(bench, lambda a: a.short_close(), bench.engine.game.price) if end == "ours" else None
    )
    fill = bench.ledger.close_short(1.0, 9, payout)
    trace = "e" * 32 if command is None else command.trace_id
    event = bench.trade_event("short_close", fill.amount, 0, trace_id=trace)
    if stated is not None:
        event = attrs.evolve(event, bonus_portion=Decimal(stated).scaleb(-9))
    if end == "ours" and not named:
        event = attrs.evolve(event, trace_id=None)
    if end == "rug":
        event = attrs.evolve(event, price=bench.engine.game.price * 0.02)
    bench.feed(event)
    bench.feed(event)
    bench.update()


def _check_ended(bench: Bench, end: str, payout: int, back: int) -> None:
    """Check which actions were documented, and with what."""
    closes = bench.actions[1:]
    if end == "rug":
        assert closes == []
        return
    (close,) = closes
    assert (close.state, close.unverified) == (ActionState.CONFIRMED, True)
    assert close.actor is (Actor.BOT if end == "ours" else Actor.EXTERNAL)
    assert close.outcome is not None
    assert close.outcome.executed_amount == Decimal(payout).scaleb(-9)
    assert close.outcome.executed_bonus == (Decimal(back).scaleb(-9) if back else None)


@given(st.integers(1, 90), st.booleans(), st.booleans())
def test_a_short_that_we_did_not_open_is_external(
    size: int, update_first: bool, again: bool
) -> None:
    """Once, whether its trade or the account's statement comes first."""
    bench = started()
    fill = bench.ledger.open_short(size * 1_000_000, 1.1, 1, bench.terms)
    event = bench.trade_event("short_open", fill.amount, 0, trace_id="a" * 32)
    if not update_first:
        bench.feed(event)
        bench.feed(attrs.evolve(event, trade_id="x") if again else event)
    bench.update()

    account = bench.engine.account
    assert account.short is not None
    assert account.short.stake == Decimal(size * 1_000_000).scaleb(-9)
    assert account.cash == bench.ledger.cash
    external = [a for a in bench.actions if a.actor is Actor.EXTERNAL]
    assert len(external) == int(not update_first)
    assert all(a.state is ActionState.CONFIRMED and a.unverified for a in external)
    assert len(rows(bench)) == 1
