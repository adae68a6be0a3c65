"""How the price moves in one live tick, as a distribution (protocol 4.2, v3), without the god candle.

A live tick multiplies the price by a factor. With chance 1/8 it is 1 + s or 1 - s, s uniform in
[0.15, 0.25]; else it is 1 + d + a*u with d uniform in [-0.02, 0.03], u uniform in [-1, 1] and the noise's
amplitude a = 0.005 * min(10, sqrt(price)). Both parts have piecewise polynomial distribution functions,
so every integral that a grid needs has a closed form, without quadrature.
"""

from __future__ import annotations

from math import factorial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vectra_bot.game import rules

Floats: TypeAlias = NDArray[np.float64]

MEAN_FACTOR = 1 + (1 - rules.BIG_MOVE_CHANCE) * (rules.DRIFT_MIN + rules.DRIFT_MAX) / 2
"""Mean factor of a live tick without the god candle; noise and big moves are symmetric."""

LEAST_FACTOR = 1 - rules.BIG_MOVE_MAX
MOST_FACTOR = 1 + rules.BIG_MOVE_MAX

_BIG_BOXES = (
    (1 + rules.BIG_MOVE_MIN, 1 + rules.BIG_MOVE_MAX),
    (1 - rules.BIG_MOVE_MAX, 1 - rules.BIG_MOVE_MIN),
)
_HALF = rules.BIG_MOVE_CHANCE / 2
_QUIET = 1 - rules.BIG_MOVE_CHANCE
_DRIFT_SPAN = rules.DRIFT_MAX - rules.DRIFT_MIN


def noise_amplitude(prices: Floats) -> Floats:
    """Return the amplitude of the noise at *prices*, as a share of the price."""
    return rules.NOISE * np.minimum(rules.NOISE_ROOT_CAP, np.sqrt(prices))


def god_chance(prices: Floats) -> Floats:
    """Return the chance that a live tick at *prices* is a god candle."""
    return np.where(prices <= rules.GOD_CANDLE_MAX_PRICE, rules.GOD_CANDLE_CHANCE, 0.0)


def chance_below(factors: Floats, amplitude: Floats) -> Floats:
    """Return P(factor <= *factors*) of a tick whose noise has *amplitude*."""
    total = _QUIET * _trapezoid(factors, amplitude, 2)
    for low, high in _BIG_BOXES:
        total += _HALF * np.clip((factors - low) / (high - low), 0.0, 1.0)
    return total


def shortfall(factors: Floats, amplitude: Floats) -> Floats:
    """Return E[max(0, *factors* - factor)]: the integral of :func:`chance_below`."""
    return _repeated(factors, amplitude, 1)


def squared_shortfall(factors: Floats, amplitude: Floats) -> Floats:
    """Return E[max(0, *factors* - factor)**2] / 2: the integral of :func:`shortfall`."""
    return _repeated(factors, amplitude, 2)


def _repeated(factors: Floats, amplitude: Floats, power: int) -> Floats:
    """Return E[max(0, *factors* - factor)**power] / power!, for a power of 1 or 2."""
    total = _QUIET * _trapezoid(factors, amplitude, power + 2)
    for start, end in _BIG_BOXES:
        inside = np.clip(factors - start, 0.0, end - start)
        beyond = np.maximum(factors - end, 0.0)
        part = inside ** (power + 1) / ((power + 1) * (end - start))
        if power == 1:
            total += _HALF * (part + beyond)
        else:
            total += _HALF * (part + beyond * (end - start) + beyond**2) / 2
    return total


def _trapezoid(factors: Floats, amplitude: Floats, power: int) -> Floats:
    """Return the repeated integral of the density of drift plus noise: 2 the chance, 3 the shortfall.

    Above the support the terms would lose digits by cancellation, so a polynomial is used there.
    """
    low = 1 + rules.DRIFT_MIN
    high = 1 + rules.DRIFT_MAX
    top = high + amplitude
    z = np.clip(factors, low - amplitude, top)
    corners = (
        np.maximum(z - (low - amplitude), 0.0) ** power
        - np.maximum(z - (low + amplitude), 0.0) ** power
        - np.maximum(z - (high - amplitude), 0.0) ** power
        + np.maximum(z - top, 0.0) ** power
    )
    inside: Floats = corners / (factorial(power) * _DRIFT_SPAN * 2 * amplitude)
    if power == 2:
        return inside
    beyond = np.maximum(factors - top, 0.0)
    if power == 3:
        return inside + beyond
    result: Floats = inside + beyond * (top - (low + high) / 2) + beyond**2 / 2
    return result
