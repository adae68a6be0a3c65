"""A proof in exact fractions that no rule for long positions without leverage gains from prices (protocol 4).

The expected price after a tick is less than the price, whatever happened before. So the price is a
supermartingale, and selling at any moment that depends on what was seen so far is worth less than it cost
on average: nothing that a strategy computes can change the sign. Prizes are not part of prices.

Constants are the decimals that the venue's source has, draws are uniform. The doubles of a real game differ
from that by about 1e-16 of the price a tick, a trillionth of the margin.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from attrs import frozen

from vectra_bot.game import rules

HALF = Fraction(1, 2)


@frozen
class ProofStep:
    """One step: a value in exact arithmetic, and what must be true of it.

    Attributes:
        name: short name.
        text: what the value is, and why, one line.
        value: the value.
        claim: ``= 0``, ``> 0`` or ``< 1``; empty for a step that only computes.
        holds: whether the claim is true.
    """

    name: str
    text: str
    value: Fraction
    claim: str = ""
    holds: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the step as JSON-ready data; the value as an exact fraction and as a decimal."""
        return {
            "name": self.name,
            "text": self.text,
            "value": str(self.value),
            "decimal": float(self.value),
            "claim": self.claim or None,
            "holds": self.holds,
        }


@frozen
class Certificate:
    """The steps, and what follows if all of them hold.

    Attributes:
        steps: in order, each from those before it.
        to_limit, above_limit: greatest expected price after a tick, per unit of the price: at prices up to
            the god candle's limit, and above it.
    """

    steps: tuple[ProofStep, ...]
    to_limit: Fraction
    above_limit: Fraction

    @property
    def holds(self) -> bool:
        """Whether every step holds."""
        return all(step.holds for step in self.steps)

    @property
    def loss(self) -> Fraction:
        """The least expected loss of a long position, per unit of its cost."""
        return 1 - max(self.to_limit, self.above_limit)

    def to_json(self) -> dict[str, Any]:
        """Return the certificate as JSON-ready data."""
        return {
            "law_version": rules.LAW_VERSION,
            "holds": self.holds,
            "to_limit": str(self.to_limit),
            "above_limit": str(self.above_limit),
            "loss": str(self.loss),
            "steps": [step.to_json() for step in self.steps],
        }


def certificate() -> Certificate:
    """Return the proof for the v3 law."""
    rug, god, big = map(_exact, (rules.RUG_CHANCE, rules.GOD_CANDLE_CHANCE, rules.BIG_MOVE_CHANCE))
    quiet = 1 + _mean(_exact(rules.DRIFT_MIN), _exact(rules.DRIFT_MAX))
    ordinary = big + (1 - big) * quiet
    candle = god * _exact(rules.GOD_CANDLE_FACTOR) + (1 - god) * ordinary
    at_rug = 1 - _exact(rules.RUG_DROP)
    to_limit, above_limit = ((1 - rug) * live + rug * at_rug for live in (candle, ordinary))
    limit = f"{rules.GOD_CANDLE_MAX_PRICE:g}"
    steps = [
        *_moves(),
        ProofStep("quiet tick", "expected factor of a small move: 1 + the middle of the drift", quiet),
        ProofStep("live tick", "expected factor with big moves, which change nothing on average", ordinary),
        ProofStep("god candle", f"expected factor of a live tick at a price up to {limit}", candle),
        _claimed("rug", "the rug pays this share of the lowest price, and so at most of the price now",
                 at_rug, "< 1"),
        _claimed(f"tick up to {limit}", "greatest expected factor, with the chance of the rug",
                 to_limit, "< 1"),
        _claimed(f"tick above {limit}", "the same where god candles do not count", above_limit, "< 1"),
        _claimed("last tick", f"a game that is alive at tick {rules.MAX_TICKS} ends as by a rug",
                 at_rug, "< 1"),
        _claimed("any stop", "so a position that is held for a tick or more is worth at most this share of "
                 "its cost on average, whenever it is sold: optional stopping, as games end",
                 max(to_limit, above_limit), "< 1"),
    ]  # fmt: skip
    return Certificate(tuple(steps), to_limit, above_limit)


def _moves() -> Iterator[ProofStep]:
    """Yield that moves are symmetric around their mean, and never cut off at a price of 0."""
    sizes = _exact(rules.BIG_MOVE_MIN), _exact(rules.BIG_MOVE_MAX)
    noise = _exact(rules.NOISE) * _exact(rules.NOISE_ROOT_CAP)
    least = min(1 - sizes[1], 1 + _exact(rules.DRIFT_MIN) - noise)
    yield _claimed(
        "least factor",
        "no live tick reaches a price of 0, so no mean is raised by the floor",
        least,
        "> 0",
    )
    size = _mean(*sizes)
    yield _claimed(
        "big moves",
        "up or down with the same chance, of the same size",
        HALF * size - HALF * size,
        "= 0",
    )
    yield _claimed(
        "noise", "uniform from -1 to 1 times a factor of the price now", _mean(-noise, noise), "= 0"
    )


def _claimed(name: str, text: str, value: Fraction, claim: str) -> ProofStep:
    holds = {"= 0": value == 0, "> 0": value > 0, "< 1": value < 1}[claim]
    return ProofStep(name, text, value, claim, holds)


def _exact(constant: float) -> Fraction:
    """Return a constant as the decimal that is written in the law."""
    return Fraction(repr(constant))


def _mean(low: Fraction, high: Fraction) -> Fraction:
    """Return the mean of a uniform draw."""
    return (low + high) / 2
