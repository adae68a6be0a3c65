"""The certificate: exact, in agreement with the law's doubles, and able to fail."""

from __future__ import annotations

from fractions import Fraction

import pytest

from vectra_bot.analysis.odds import certificate as proof
from vectra_bot.game import rules
from vectra_bot.game.fair import expected_return


def test_every_step_holds() -> None:
    """The bounds are those of the law, exactly."""
    found = proof.certificate()

    assert found.holds
    assert found.to_limit == Fraction("0.99954263146875")
    assert found.above_limit == Fraction("0.999453125")
    assert found.loss == Fraction("0.00045736853125")
    assert len({step.name for step in found.steps}) == len(found.steps) == 11


@pytest.mark.parametrize("price", [0.01, 1.0, 100.0, 100.1, 5000.0])
def test_no_state_is_better_than_the_bound(price: float) -> None:
    """The law's own expectation reaches the bound at the low of a game, and is below it elsewhere."""
    found = proof.certificate()
    bound = found.to_limit if price <= rules.GOD_CANDLE_MAX_PRICE else found.above_limit

    assert 1 + expected_return(price, price) == pytest.approx(float(bound), abs=1e-14)
    assert 1 + expected_return(price, price / 2) < bound


@pytest.mark.parametrize(
    ("value", "claim", "holds"),
    [
        (Fraction(1), "< 1", False),
        (Fraction(10**30 - 1, 10**30), "< 1", True),
        (Fraction(1, 10**30), "= 0", False),
        (Fraction(0), "> 0", False),
    ],
)
def test_a_step_can_fail(value: Fraction, claim: str, holds: bool) -> None:
    """By the smallest difference, and with it the certificate."""
    step = proof._claimed("step", "a value", value, claim)

    assert step.holds is holds
    assert proof.Certificate((step,), value, value).holds is holds
