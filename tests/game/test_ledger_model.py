"""The ledger beside a plain model of it: every figure equal after every request, refused ones included."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.game.model import ModelLedger
from vectra_bot.game.ledger import Fill, Ledger, LedgerError
from vectra_bot.game.shorts import ShortTerms

SOL = 10**9

# Around the free money, and anywhere: "all but one", "all", "one too much" are drawn on purpose.
amounts = st.one_of(
    st.tuples(st.just("free"), st.sampled_from([-1, 0, 1])),
    st.tuples(st.just("plain"), st.integers(-1, 3)),
    st.tuples(st.just("plain"), st.integers(1_000_000, SOL)),
)
prices = st.one_of(st.floats(0.01, 100), st.sampled_from([0.5, 0.8, 0.9, 0.975, 0.99, 1.0, 3.0]))
# The waits at which a bet counts, and at which a long is held two and four times as long.
ticks = st.sampled_from([0, 1, 19, 20, 21, 29, 30, 31, 39, 40, 41, 59, 60, 119, 120, 121])
sizes = st.tuples(st.just("plain"), st.integers(1_000_000, SOL // 4))
steps = st.one_of(
    st.tuples(st.just("buy"), amounts, st.integers(0, 6)),
    st.tuples(st.just("sell"), st.integers(-1, 101)),
    st.tuples(st.just("sidebet"), amounts),
    st.tuples(st.just("settle"), st.booleans()),
    st.tuples(st.just("short"), amounts),
    st.tuples(st.just("close"), st.integers(0, 3 * SOL), st.booleans()),
    st.tuples(st.just("liquidate")),
    st.tuples(st.just("rug")),
    st.tuples(st.just("begin")),
)
# What belongs together, so that most of what is opened is also closed.
buys = st.tuples(st.just("buy"), sizes, st.integers(1, 3))
stories = st.one_of(
    st.tuples(steps),
    st.tuples(buys, buys, st.tuples(st.just("sell"), st.integers(1, 99))),
    st.tuples(buys, st.tuples(st.just("sell"), st.sampled_from([-1, 0, 1, 100, 101])), buys),
    st.tuples(st.tuples(st.just("sidebet"), sizes), st.tuples(st.just("settle"), st.just(True))),
    st.tuples(st.tuples(st.just("sidebet"), sizes), st.tuples(st.just("settle"), st.just(False))),
    st.tuples(
        st.tuples(st.just("short"), sizes),
        st.tuples(st.just("close"), st.integers(0, SOL), st.booleans()),
    ),
)
todos = st.lists(stories, min_size=1, max_size=5).flatmap(
    lambda told: st.tuples(
        *(st.tuples(st.just(step), prices, ticks) for story in told for step in story)
    )
)


def plain(fill: Any) -> Any:
    """Return a fill or bet of the real ledger as the model's tuple."""
    if isinstance(fill, list):
        return [plain(one) for one in fill]
    if fill is None or isinstance(fill, str):
        return fill
    values = fill._asdict() if isinstance(fill, Fill) else attrs.asdict(fill)
    return tuple(value for name, value in values.items() if name not in {"price", "tick"})


def carry_out(ledger: Any, model: ModelLedger, step: Any, price: float, tick: int) -> Any:
    """Do *step* in both and return what each of them says."""
    kind = step[0]
    if kind in {"buy", "sidebet", "short"}:
        base, size = step[1]
        amount = size + (model.cash + model.bonus if base == "free" else 0)
    if kind == "buy":
        real = lambda: ledger.buy(amount, price, tick, step[2])  # noqa: E731
        return real, model.buy(amount, price, tick, step[2])
    if kind == "sell":
        return lambda: ledger.sell(step[1], price, tick), model.sell(step[1], price, tick)
    if kind == "sidebet":
        return lambda: ledger.place_sidebet(amount, tick), model.place_sidebet(amount, tick)
    if kind == "settle":
        rug = tick if step[1] else None
        return lambda: ledger.settle_sidebet(rug, tick), model.settle_sidebet(rug, tick)
    if kind == "short":
        terms = ShortTerms()
        real = lambda: ledger.open_short(amount, price, tick, terms)  # noqa: E731
        return real, model.open_short(amount, tick)
    if kind == "close":
        real = lambda: ledger.close_short(price, tick, step[1], rugged=step[2])  # noqa: E731
        return real, model.close_short(tick, step[1], rugged=step[2])
    if kind == "liquidate":
        return lambda: ledger.liquidate(price, tick), model.liquidate(price, tick)
    if kind == "rug":
        return lambda: ledger.forced_sell(price, tick), model.forced_sell(price, tick)
    return ledger.begin_game, model.begin_game()


def totals(ledger: Ledger, price: float) -> tuple[object, ...]:
    """Return every figure of the real ledger as the model gives them."""
    shorted = 0 if ledger.short is None else -ledger.short.amount
    terms = ShortTerms()
    lost = 0 if ledger.short is None else ledger.short.value(price, terms)
    return (
        ledger.cash, ledger.bonus, ledger.free, ledger.position_qty, ledger.cost, ledger.avg_cost,
        ledger.total_invested, ledger.booked, ledger.settled_pnl, ledger.sidebet_pnl,
        ledger.hit_max_win, ledger.leveraged,
        [(o.qty, o.cost, o.tick, o.price, o.leverage, o.bonus) for o in ledger.lots],
        ledger.regular_pnl(price), ledger.short_pnl(price, terms) - lost,
        ledger.cumulative_pnl(price, terms) - lost if shorted else ledger.cumulative_pnl(price),
    )  # fmt: skip


@settings(max_examples=max(400, settings().max_examples))
@given(
    todos,
    st.sampled_from([0, SOL // 10, 3 * SOL, 3 * SOL]),
    st.sampled_from([0, 1, SOL // 3]),
    st.sampled_from([None, None, 0, SOL // 2]),
)
def test_every_figure_is_the_models(
    todo: tuple[Any, ...], cash: int, bonus: int, max_win: int | None
) -> None:
    """Money, lots, PnL, what was invested and every fill are what plain fractions give, to the lamport."""
    ledger = Ledger(cash, bonus=bonus, max_win=max_win)
    model = ModelLedger(cash, bonus, max_win)
    tick = 0
    for step, price, gap in todo:
        tick += gap
        quote = step[0] == "sell" and 1 <= step[1] <= 100 and ledger.position_qty * step[1] >= 100
        quoted = ledger.quote_sell(step[1], price) if quote else None
        real, expected = carry_out(ledger, model, step, price, tick)
        try:
            found = plain(real())
        except LedgerError as error:
            found = error.reason
        assert found == expected
        assert totals(ledger, price) == model.totals(price)
        if quoted is not None:
            assert quoted == found[2]


# One lot of each age at which something changes, oldest first.
AGES = [121, 120, 119, 90, 61, 60, 59, 31, 30, 29, 21, 20, 19, 1, 0]


@given(
    st.lists(st.integers(1_000_000, SOL), min_size=len(AGES), max_size=len(AGES)),
    st.integers(1, 100) | st.just(100),
    st.integers(0, 40),
    st.sampled_from(["sell", "forced_sell", "liquidation"]),
)
def test_what_counts_of_a_sale_depends_on_the_age_of_each_lot(
    costs: list[int], percentage: int, start: int, kind: str
) -> None:
    """A lot counts from 20 ticks on, or at the rug; up to four times by every 30 ticks it was held."""
    ledger, now = Ledger(sum(costs)), start + AGES[0]
    leverage = 2 if kind == "liquidation" else 1
    for age, cost in zip(AGES, costs, strict=True):
        ledger.buy(cost, 1.0, now - age, leverage)
    sold = [(age, cost) for age, cost in zip(AGES, costs, strict=True)]
    if kind == "sell":
        left = sum(costs) * percentage // 100
        fills = [ledger.sell(percentage, 1.0, now)]
        for number, (age, cost) in enumerate(sold):
            sold[number] = (age, min(cost, left))
            left -= min(cost, left)
    elif kind == "forced_sell":
        fills = [fill for fill in (ledger.forced_sell(0.02, now),) if fill is not None]
    else:
        fills = ledger.liquidate(0.8, now)
        assert [fill.cost for fill in fills] == costs

    counted = sum(cost for age, cost in sold if age >= 20 or kind == "forced_sell")
    assert sum(fill.valid_cost for fill in fills) == counted
    held = sum(cost * min(max(age, 30), 120) // 30 for age, cost in sold)
    assert sum(fill.held_cost for fill in fills) == held


@given(st.integers(1, SOL), st.sampled_from([0, 19, 20, 21]), st.booleans())
def test_a_short_counts_from_20_ticks_on_or_at_the_rug(amount: int, age: int, rugged: bool) -> None:
    """However short it was held, a short that lasts to the rug counts, as a long does."""
    ledger = Ledger(amount)
    ledger.open_short(amount, 1.0, 5, ShortTerms())
    fill = ledger.close_short(1.0, 5 + age, amount, rugged=rugged)

    assert fill.valid_cost == (amount if rugged or age >= 20 else 0)
    assert ledger.cash == amount


@given(st.lists(st.tuples(st.integers(1, SOL), prices), min_size=1, max_size=5), st.data())
def test_any_quantity_is_sold_oldest_first(buys: list[tuple[int, float]], data: Any) -> None:
    """Selling a quantity leaves what is left; none, a negative one and one too many are refused."""
    ledger = Ledger(100 * SOL)
    for tick, (amount, price) in enumerate(buys):
        try:
            ledger.buy(amount, price, tick)
        except LedgerError:
            continue
    held = ledger.position_qty
    qty = data.draw(st.sampled_from([-1, 0, 1, held, held + 1]) | st.integers(1, held + 1))
    try:
        fill = ledger.sell_qty(qty, 2.0, 9)
    except LedgerError:
        assert not 0 < qty <= held
        assert ledger.position_qty == held
    else:
        assert 0 < qty <= held
        assert (fill.qty, ledger.position_qty) == (qty, held - qty)
