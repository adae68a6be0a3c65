"""Shorts: every payoff compared with the real numbers (protocol 8)."""

from __future__ import annotations

from fractions import Fraction
from math import floor, inf, nan, nextafter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectra_bot.errors import ConfigError
from vectra_bot.game.ledger import BadAmount, Ledger, NoShort, ShortOpen
from vectra_bot.game.shorts import (
    CHARGE,
    LINEAR_A,
    LINEAR_B,
    OpenShort,
    ShortAtRug,
    ShortPayoff,
    ShortTerms,
)

SOL = 10**9
A_ENTRY, A_PRICE, A_VALUE = 1.0232227021442333, 0.8209533756239946, 0.208619772 / 0.2
B_ENTRY = 0.31614244982334766
B_PAIRS = ((0.44192099418765235, 0.2599084), (0.45273518739708896, 0.2173902))

amounts = st.integers(1_000_000, 5 * SOL)
prices = st.floats(0.001, 1000)
payoffs = st.sampled_from(ShortPayoff)


def terms(payoff: ShortPayoff | str = ShortPayoff.TEXTBOOK, **more: object) -> ShortTerms:
    return ShortTerms(payoff=payoff, **more)


def opened(amount: int, price: float, of: ShortTerms, cash: int = 10 * SOL) -> Ledger:
    """Return a ledger with one short at tick 3."""
    ledger = Ledger(cash)
    ledger.open_short(amount, price, 3, of)
    return ledger


def per_unit(payoff: ShortPayoff, entry: float, price: float, **more: object) -> float:
    """Return what one SOL of a short opened at *entry* is worth at *price*."""
    of = terms(payoff, **more)
    return OpenShort(SOL, entry, 1, 0, entry).value(price, of) / SOL


# ---- values


@given(amounts, prices, prices)
def test_the_textbook_value_is_exact(amount: int, entry: float, price: float) -> None:
    """``stake * (2 - price / entry)``, floored to a lamport, never below 0; at the entry the stake."""
    short = OpenShort(amount, entry, 1, 0, entry)
    exact = amount * (2 - Fraction(price) / Fraction(entry))
    assert short.value(price, terms()) == max(0, floor(exact))
    assert short.value(entry, terms()) == amount


@given(amounts, prices, prices, st.floats(0.5, 2))
def test_the_charged_value_is_exact(amount: int, entry: float, price: float, c: float) -> None:
    """The factor applies to ``price / entry`` only; 1 is the textbook form."""
    short = OpenShort(amount, entry, 1, 0, entry)
    charged = terms("charged", factor=c)
    exact = amount * (2 - Fraction(c) * Fraction(price) / Fraction(entry))
    assert short.value(price, charged) == max(0, floor(exact))
    one = terms("charged", factor=1.0)
    assert short.value(price, one) == short.value(price, terms())


@given(amounts, prices, prices)
def test_the_linear_value_is_exact(amount: int, entry: float, price: float) -> None:
    """``stake * (a - b * price / entry)`` with the two numbers of protocol 8."""
    short = OpenShort(amount, entry, 1, 0, entry)
    ratio = Fraction(price) / Fraction(entry)
    exact = amount * (Fraction(LINEAR_A) - Fraction(LINEAR_B) * ratio)
    assert short.value(price, terms("linear")) == max(0, floor(exact))


@settings(settings.get_profile("costly"))
@given(amounts, prices, st.lists(st.floats(0.7, 1.3), max_size=30))
def test_the_compounding_value_follows_the_path(
    amount: int, entry: float, moves: list[float]
) -> None:
    """The stake is multiplied by ``1 - return`` tick by tick; the price alone does not decide it."""
    short, price = OpenShort(amount, entry, 1, 0, entry), entry
    expected = Fraction(amount)
    for move in moves:
        after = price * move
        expected *= 2 - Fraction(after) / Fraction(price)
        short, price = short.moved(price, after), after
    value = short.value(price, terms("compounding"))
    assert abs(value - expected) <= 1 + expected * Fraction(1, 10**12)


@given(payoffs, st.integers(1_000_000, 10**13), prices, st.lists(prices, max_size=4))
def test_an_estimate_is_near_the_value(
    payoff: ShortPayoff, amount: int, entry: float, path: list[float]
) -> None:
    """The estimate used for sorting is within a few lamports of the value, up to the biggest stake."""
    of = terms(payoff)
    basis = None if of.waits_to_open else entry
    short, price = OpenShort(amount, entry, 1, 0, basis), entry
    for after in path:
        short, price = short.moved(price, after), after
    assert abs(short.estimate(price, of) - short.value(price, of)) <= 10


def test_compounding_depends_on_the_way() -> None:
    """Up and down again to the entry price costs a compounding short, not a textbook one."""
    short = OpenShort(SOL, 1.0, 1, 0, 1.0).moved(1.0, 1.25).moved(1.25, 1.0)
    assert abs(short.value(1.0, terms("compounding")) - SOL * 9 // 10) <= 1
    assert short.value(1.0, terms()) == SOL


@given(payoffs, amounts, prices, st.lists(prices, max_size=6))
def test_no_payoff_is_ever_negative(
    payoff: ShortPayoff, amount: int, entry: float, path: list[float]
) -> None:
    """Whatever the price does, a short is worth an int of at least 0, and at most twice its stake."""
    of = terms(payoff)
    ledger, price = opened(amount, entry, of), entry
    for after in path:
        ledger.move_short(price, after)
        price = after
        assert ledger.short is not None
        value = ledger.short.value(price, of)
        assert type(value) is int
        assert value >= 0
        if payoff is not ShortPayoff.COMPOUNDING:
            assert value <= 2 * amount
        assert ledger.short_pnl(price, of) == value - amount
        assert ledger.cumulative_pnl(price, of) == value - amount


@pytest.mark.parametrize("payoff", [p for p in ShortPayoff if p is not ShortPayoff.COMPOUNDING])
def test_the_liquidation_price_is_where_the_value_ends(payoff: ShortPayoff) -> None:
    """Just below it a big stake is worth something, just above it nothing."""
    of = terms(payoff)
    limit = of.liquidation_price(0.7)
    assert limit is not None
    short = OpenShort(10**18, 0.7, 1, 0, 0.7)
    assert short.value(limit * (1 - 1e-9), of) > 0
    assert short.value(limit * (1 + 1e-9), of) == 0


def test_compounding_has_no_liquidation_price() -> None:
    """It depends on the price path, so there is no such price."""
    assert terms("compounding").liquidation_price(1.0) is None


@pytest.mark.parametrize("payoff", ShortPayoff)
def test_a_god_candle_ends_every_short(payoff: ShortPayoff) -> None:
    """Ten times the price leaves nothing of any short that was open before it."""
    of = terms(payoff)
    ledger = opened(SOL, 1.0, of)
    ledger.move_short(1.0, 1.01)
    ledger.move_short(1.01, 10.1)
    assert ledger.short is not None
    assert ledger.short.value(10.1, of) == 0
    ledger.close_short(10.1, 5, 0)
    assert (ledger.cash, ledger.cumulative_pnl(10.1, of)) == (9 * SOL, -SOL)


def test_a_dead_compounding_short_does_not_come_back() -> None:
    """Once the product is 0 it stays 0, whatever the price does next."""
    short = OpenShort(SOL, 1.0, 1, 0, 1.0).moved(1.0, 10.0).moved(10.0, 0.1)
    assert short.value(0.1, terms("compounding")) == 0
    assert OpenShort(SOL, 1.0, 1, 0, 1.0, 0.5).moved(0.0, 1.0).compound == 0


# ---- the next tick's price


def test_a_late_open_counts_from_the_next_price() -> None:
    """Until the next tick it is worth its stake; then the textbook form with that entry."""
    of = terms("late-open")
    assert of.waits_to_open
    assert not of.waits_to_close
    ledger = opened(SOL, 1.0, of)
    assert ledger.short is not None
    assert ledger.short.value(1.0, of) == ledger.short.value(5.0, of) == SOL
    ledger.move_short(1.0, 0.8)
    assert ledger.short.value(0.8, of) == SOL
    ledger.move_short(0.8, 0.4)
    assert ledger.short.value(0.4, of) == SOL * 3 // 2
    assert (ledger.short.entry_price, ledger.short.basis) == (1.0, 0.8)


def test_only_a_late_close_waits() -> None:
    """Exactly one payoff opens at the next price, and one closes at it."""
    assert [p for p in ShortPayoff if terms(p).waits_to_close] == [ShortPayoff.LATE_CLOSE]
    assert [p for p in ShortPayoff if terms(p).waits_to_open] == [ShortPayoff.LATE_OPEN]


# ---- the real numbers


@pytest.mark.parametrize(("price", "value"), B_PAIRS)
def test_the_real_short_b_fits_linear_and_charged(price: float, value: float) -> None:
    """Both values of B follow from ``linear``, and from ``charged`` at its factor, to 2e-4 of the stake."""
    assert abs(per_unit(ShortPayoff.LINEAR, B_ENTRY, price) - value) < 2e-4
    assert abs(per_unit(ShortPayoff.CHARGED, B_ENTRY, price) - value) < 2e-4
    own = (2 - value) / (price / B_ENTRY)
    assert abs(own - CHARGE) < 1e-4
    assert abs(per_unit(ShortPayoff.CHARGED, B_ENTRY, price, factor=own) - value) < 2e-9


def test_the_real_short_a_needs_its_own_factor() -> None:
    """A fits ``charged`` at 1.1927 and neither the default factor nor ``linear``: c is not constant."""
    assert abs(per_unit(ShortPayoff.CHARGED, A_ENTRY, A_PRICE, factor=1.1927) - A_VALUE) < 5e-5
    assert abs(per_unit(ShortPayoff.CHARGED, A_ENTRY, A_PRICE) - A_VALUE) > 0.03
    assert abs(per_unit(ShortPayoff.LINEAR, A_ENTRY, A_PRICE) - A_VALUE) > 0.03


def test_the_textbook_fits_none_of_the_real_numbers() -> None:
    """The default is wrong in all three cases by the amounts in protocol 8, so it is unverified."""
    cases = [
        (A_ENTRY, A_PRICE, 1.1977),
        *((B_ENTRY, p, v) for (p, _), v in zip(B_PAIRS, (0.6021, 0.5679), strict=True)),
    ]
    real = [A_VALUE, *(value for _, value in B_PAIRS)]
    for (entry, price, textbook), value in zip(cases, real, strict=True):
        assert abs(per_unit(ShortPayoff.TEXTBOOK, entry, price) - textbook) < 1e-4
        assert abs(textbook - value) > 0.1


# ---- terms


@pytest.mark.parametrize("factor", [0, -1, 2.01, inf, nan])
def test_a_factor_that_makes_no_short_is_refused(factor: float) -> None:
    """The factor lies above 0 and up to 2, else a short would be worth nothing immediately."""
    with pytest.raises(ConfigError, match="factor"):
        terms("charged", factor=factor)


@pytest.mark.parametrize("wrong", [{"payoff": "free"}, {"at_rug": "never"}])
def test_unknown_terms_are_refused(wrong: dict[str, str]) -> None:
    """A payoff or rug rule that does not exist is a ConfigError that names those that do."""
    with pytest.raises(ConfigError, match=r"give one of (textbook|settle)"):
        ShortTerms(**wrong)


def test_terms_take_their_names_as_text() -> None:
    """Names as configuration files give them are the enum's members."""
    of = ShortTerms(payoff="late-close", at_rug="refund")
    assert (of.payoff, of.at_rug) == (ShortPayoff.LATE_CLOSE, ShortAtRug.REFUND)


# ---- in the ledger


def test_one_short_at_a_time() -> None:
    """A second short is rejected without side effects; so is closing when none is open."""
    ledger = opened(SOL, 1.0, terms())
    with pytest.raises(ShortOpen, match="tick 3"):
        ledger.open_short(SOL, 1.0, 4, terms())
    assert ledger.cash == 9 * SOL
    ledger.close_short(1.0, 4, SOL)
    with pytest.raises(NoShort):
        ledger.close_short(1.0, 4, SOL)
    assert ledger.cash == 10 * SOL


@pytest.mark.parametrize("price", [0.0, -1.0, nan, inf])
def test_a_short_without_a_price_is_refused(price: float) -> None:
    """No short opens at an invalid price, and no money is taken for it."""
    ledger = Ledger(SOL)
    with pytest.raises(BadAmount, match="price was"):
        ledger.open_short(SOL, price, 1, terms())
    assert (ledger.cash, ledger.short, ledger.total_invested) == (SOL, None, 0)


@given(payoffs, amounts, st.integers(0, 5 * SOL), prices, prices)
def test_a_short_conserves_money(
    payoff: ShortPayoff, amount: int, bonus: int, entry: float, price: float
) -> None:
    """Stake out, value in, split between cash and bonus money as the stake was; the PnL is the difference."""
    of = terms(payoff)
    ledger = Ledger(5 * SOL, bonus=bonus)
    opening = ledger.open_short(amount, entry, 1, of)
    assert (opening.qty, opening.amount, opening.bonus) == (0, amount, min(bonus, amount))
    assert ledger.total_invested == amount
    ledger.move_short(entry, price)
    assert ledger.short is not None
    value = ledger.short.value(price, of)
    fill = ledger.close_short(price, 2, value)
    assert (fill.amount, fill.cost, fill.qty) == (value, amount, 0)
    assert ledger.free == 5 * SOL + bonus - amount + value
    assert fill.bonus == value * opening.bonus // amount
    assert ledger.bonus == bonus - opening.bonus + fill.bonus
    assert ledger.cumulative_pnl(price, of) == value - amount == ledger.short_pnl(price, of)


@pytest.mark.parametrize(
    ("held", "rugged", "counts"), [(19, False, False), (20, False, True), (1, True, True)]
)
def test_a_short_counts_for_experience_like_a_long(held: int, rugged: bool, counts: bool) -> None:
    """Held 20 ticks or into the rug (protocol 6.1), not less."""
    ledger = opened(SOL, 1.0, terms())
    fill = ledger.close_short(0.5, 3 + held, SOL, rugged=rugged)
    assert fill.valid_cost == (SOL if counts else 0)


def test_a_short_price_next_to_its_limit() -> None:
    """One lamport is worth something until the very last double below twice the entry."""
    short = OpenShort(10**18, 1.0, 1, 0, 1.0)
    assert short.value(nextafter(2.0, 0), terms()) > 0
    assert short.value(2.0, terms()) == 0
