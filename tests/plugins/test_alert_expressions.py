"""The language of custom signals: what it reads, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot import ConfigError
from vectra_bot.models import GamePhase, GameTick
from vectra_plugins.alerts.expressions import MAX_BACK, Expression, Seen


def tick_of(number: int, price: float) -> GameTick:
    """Return a tick of a running game."""
    return GameTick(game_id="g", tick=number, price=price, phase=GamePhase.ACTIVE)


def seen_of(*prices: float, first: int = 0) -> Seen:
    """Return what an expression sees after these prices."""
    seen = Seen()
    for number, price in enumerate(prices, first):
        seen.add(tick_of(number, price))
    return seen


@pytest.mark.parametrize(
    ("text", "prices", "holds"),
    [
        ("price > 2", (1.0, 2.1), True),
        ("price > 2", (2.0,), False),
        ("1 < price <= 2 and not tick == 0", (1.0, 2.0), True),
        ("price > 5 or peak >= 3", (3.0, 1.0), True),
        ("low < 0.5 * peak", (2.0, 0.9), True),
        ("ago(2) == 1", (1.0, 4.0, 5.0), True),
        ("ago(2) == 1", (1.0, 4.0), False),
        ("mean(2) > 1.4", (1.0, 2.0), True),
        ("high(2) - lowest(2) >= 1", (9.0, 1.0, 2.0), True),
        ("change(1) > 0.99", (1.0, 2.0), True),
        ("abs(-price) + min(1, 2) * max(3, 4) == 5", (1.0,), True),
        ("price / (tick - tick) > 1", (1.0,), False),
        ("-price < -1 and (price + 1) / 2 > 1", (1.5,), True),
        ("price != 1", (1.0,), False),
    ],
)
def test_a_condition_is_read_as_python_reads_it(
    text: str, prices: tuple[float, ...], holds: bool
) -> None:
    """What is not known yet, and a division by zero, make it false."""
    assert Expression(text).holds(seen_of(*prices)) is holds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("price >", "cannot be read"),
        ("price = 2", "cannot be read"),
        ("price", "give a comparison"),
        ("True", "give a comparison"),
        ("price > 2 + (tick > 1)", "numbers are made of"),
        ("price ** 2 > 1", "numbers are made of"),
        ("price.real > 1", "numbers are made of"),
        ("[price][0] > 1", "numbers are made of"),
        ("'a' > 1", "is not a number"),
        ("price > 1e13", "is not a number"),
        ("price > 1e999", "is not a number"),
        ("price > True", "is not a number"),
        ("price in (1, 2)", "compare numbers by"),
        ("volume > 1", "'volume' is unknown"),
        ("open(1) > 1", "'open' is unknown"),
        ("ago(0) > 1", "whole number from 1"),
        ("ago(241) > 1", "whole number from 1"),
        ("ago(tick) > 1", "whole number from 1"),
        ("ago(1.5) > 1", "whole number from 1"),
        ("ago(n=1) > 1", "numbers are made of"),
        ("min(1) > 1", "takes 2 numbers"),
        ("(lambda: 1)() > 1", "numbers are made of"),
        ("price > 1" + " and price > 1" * 40, "characters"),
        ("+".join(["1"] * 120) + " > 1", "more than 100 parts"),
        ("(" * 300 + "price > 1" + ")" * 100, "cannot be read"),
    ],
)
def test_anything_else_is_refused(text: str, words: str) -> None:
    """The message has the expression and what is wrong, in one line."""
    with pytest.raises(ConfigError) as caught:
        Expression(text)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60) | st.text(alphabet="price()<>=+-*/0123456789. andotk,", max_size=60))
def test_no_text_raises_anything_else(text: str) -> None:
    """Any text is an expression or is refused; an expression gives true or false."""
    try:
        expression = Expression(text)
    except ConfigError:
        return

    assert expression.holds(seen_of(1.0, 2.0)) in (True, False)


def test_what_is_kept_is_bounded() -> None:
    """After a long game the last prices are still known, and not many more are kept."""
    seen = seen_of(*(float(number) for number in range(5000)))

    assert seen.ago(MAX_BACK) == 4999 - MAX_BACK
    assert len(seen.prices) <= 5 * MAX_BACK


def test_after_a_gap_older_prices_are_not_known() -> None:
    """The price three ticks ago is not the third last that was seen."""
    seen = seen_of(1.0, 2.0)
    seen.add(tick_of(9, 3.0))

    assert not Expression("ago(1) > 0").holds(seen)
    assert Expression("price == 3 and peak == 3 and low == 1").holds(seen)
