"""Shorts: payoffs that are compatible with the few real numbers (protocol 8; all unverified).

Three numbers of two positions do not determine the formula, so it is a parameter. The default is the
textbook one, which none of the three numbers fits. What a short receives at the rug is unknown too.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from attrs import field, frozen

from vectra_bot.errors import ConfigError
from vectra_bot.game.amounts import price_ratio

E = TypeVar("E", bound=StrEnum)


class ShortPayoff(StrEnum):
    """How a short's value follows the price; numbers are the candidates of protocol 8.

    TEXTBOOK is ``stake * (2 - price / entry)``. CHARGED (1) puts a factor on ``price / entry``. LINEAR (2)
    is ``stake * (a - b * price / entry)``. COMPOUNDING (3) multiplies the stake by ``1 - return`` tick by
    tick. LATE_CLOSE (4) is the textbook form, settled at the next tick's price. LATE_OPEN (5) is the
    textbook form with the next tick's price as entry.
    """

    TEXTBOOK = "textbook"
    CHARGED = "charged"
    LINEAR = "linear"
    COMPOUNDING = "compounding"
    LATE_CLOSE = "late-close"
    LATE_OPEN = "late-open"


class ShortAtRug(StrEnum):
    """What an open short receives at the rug: its value at the rug price, nothing, or its stake."""

    SETTLE = "settle"
    LOSE = "lose"
    REFUND = "refund"


def _payoff(name: str) -> ShortPayoff:
    return _member(ShortPayoff, name)


def _at_rug(name: str) -> ShortAtRug:
    return _member(ShortAtRug, name)


def _member(kind: type[E], name: str) -> E:
    try:
        return kind(name)
    except ValueError:
        raise ConfigError(
            f"terms of a short were {name!r}: give one of {', '.join(kind)}"
        ) from None


CHARGE = 1.2448
"""The factor of CHARGED that both values of one real short give (protocol 8, B)."""
LINEAR_A, LINEAR_B = 1.9974, 1.2430
"""The two numbers of LINEAR from the same short."""


@frozen(kw_only=True)
class ShortTerms:
    """The terms of every short on an exchange (unverified).

    Attributes:
        payoff: how the value follows the price.
        at_rug: what an open short receives at the rug.
        factor: what CHARGED multiplies ``price / entry`` with.
    """

    payoff: ShortPayoff = field(default=ShortPayoff.TEXTBOOK, converter=_payoff)
    at_rug: ShortAtRug = field(default=ShortAtRug.SETTLE, converter=_at_rug)
    factor: float = field(default=CHARGE)

    @factor.validator
    def _check_factor(self, _: object, value: float) -> None:
        if not 0 < value <= 2:
            raise ConfigError(f"factor of a charged short was {value!r}: give one above 0, up to 2")

    @property
    def waits_to_open(self) -> bool:
        """Whether the entry price is the next tick's."""
        return self.payoff is ShortPayoff.LATE_OPEN

    @property
    def waits_to_close(self) -> bool:
        """Whether a close is settled at the next tick's price."""
        return self.payoff is ShortPayoff.LATE_CLOSE

    def coefficients(self) -> tuple[float, float]:
        """Return ``a`` and ``b`` of ``stake * (a - b * price / entry)``."""
        if self.payoff is ShortPayoff.CHARGED:
            return 2.0, self.factor
        if self.payoff is ShortPayoff.LINEAR:
            return LINEAR_A, LINEAR_B
        return 2.0, 1.0

    def liquidation_price(self, entry: float) -> float | None:
        """Return the price at which the value reaches 0; None if it depends on the price path."""
        if self.payoff is ShortPayoff.COMPOUNDING:
            return None
        a, b = self.coefficients()
        return entry * (a / b)


@frozen
class OpenShort:
    """A short that is not closed; ``amount`` in lamports, ``bonus`` its part paid with bonus money.

    ``entry_price`` is the price in force at the opening; ``basis`` the entry price used by the payoff, None
    while it waits for the next tick; ``compound`` the product of ``1 - return`` so far.
    """

    amount: int
    entry_price: float
    entry_tick: int
    bonus: int = 0
    basis: float | None = None
    compound: float = 1.0

    def value(self, price: float, terms: ShortTerms) -> int:
        """Return the value of the short at *price*, in lamports, floored, at least 0."""
        if terms.payoff is ShortPayoff.COMPOUNDING:
            top, bottom = self.compound.as_integer_ratio()
            return max(0, self.amount * top // bottom)
        if self.basis is None:
            return self.amount
        a, b = (number.as_integer_ratio() for number in terms.coefficients())
        p, entry = price_ratio(price), price_ratio(self.basis)
        # a - b * p / entry over one denominator, so that the floor is exact.
        share_bottom = b[1] * p[1] * entry[0]
        top = a[0] * share_bottom - a[1] * b[0] * p[0] * entry[1]
        return max(0, self.amount * top // (a[1] * share_bottom))

    def estimate(self, price: float, terms: ShortTerms) -> float:
        """Return a cheap estimate of :meth:`value` for sorting, within a few lamports of it."""
        if terms.payoff is ShortPayoff.COMPOUNDING:
            return self.amount * self.compound
        if self.basis is None:
            return float(self.amount)
        a, b = terms.coefficients()
        return max(0.0, self.amount * (a - b * price / self.basis))

    def moved(self, before: float, after: float) -> OpenShort:
        """Return the short after a price move from *before* to *after*."""
        basis = after if self.basis is None else self.basis
        compound = max(0.0, self.compound * (2.0 - after / before)) if before > 0 else 0.0
        return OpenShort(
            self.amount, self.entry_price, self.entry_tick, self.bonus, basis, compound
        )
