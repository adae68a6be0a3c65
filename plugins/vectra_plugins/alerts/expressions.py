"""A small language of conditions on the running game, for custom signals.

An expression is what Python reads, limited to numbers, comparisons, ``and``, ``or``, ``not``, ``+ - * /``,
the names ``tick``, ``price``, ``peak``, ``low``, and the functions ``ago(n)`` (the price *n* ticks ago),
``mean(n)``, ``high(n)``, ``lowest(n)`` (of the last *n* prices), ``change(n)`` (the price over that of *n*
ticks ago, minus 1), ``abs(x)``, ``min(x, y)`` and ``max(x, y)``; *n* is a whole number from 1 to 240.
Nothing else: no attribute, no text, no assignment, no power, so that an expression ends at once and reads
nothing but the game. A value that is not known yet and a division by zero make it false.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final

from attrs import define, field, frozen

from vectra_bot import ConfigError
from vectra_bot.models import GameTick

MAX_TEXT: Final = 500
MAX_NODES: Final = 100
MAX_BACK: Final = 240
MAX_NUMBER: Final = 1e12


class NotKnown(ArithmeticError):
    """A value of the expression is not known at this tick."""


@define
class Seen:
    """The prices of the running game that an expression can read."""

    tick: int = -1
    price: float = 1.0
    peak: float = 1.0
    low: float = 1.0
    prices: list[float] = field(factory=list)

    def clear(self) -> None:
        """Begin a game."""
        self.tick, self.price, self.peak, self.low = -1, 1.0, 1.0, 1.0
        self.prices = []

    def add(self, tick: GameTick) -> None:
        """Add a tick; after a gap, only the prices since it are known."""
        number, price, prices = tick.tick, tick.price, self.prices
        if number != self.tick + 1 or len(prices) > 4 * MAX_BACK:
            prices = self.prices = prices[-MAX_BACK:] if number == self.tick + 1 else []
        self.tick, self.price = number, price
        if price > self.peak:
            self.peak = price
        elif price < self.low:
            self.low = price
        prices.append(price)

    def ago(self, ticks: int) -> float:
        """Return the price *ticks* ticks ago."""
        if len(self.prices) <= ticks:
            raise NotKnown
        return self.prices[-1 - ticks]

    def last(self, count: int) -> list[float]:
        """Return the last *count* prices."""
        if len(self.prices) < count:
            raise NotKnown
        return self.prices[-count:]


_Reader = Callable[[Seen], Any]
_BINARY: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARED: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_NAMES: Mapping[str, _Reader] = {
    name: operator.attrgetter(name) for name in ("tick", "price", "peak", "low")
}
_OF_TICKS: Mapping[str, Callable[[Seen, int], float]] = {
    "ago": Seen.ago,
    "mean": lambda seen, count: sum(seen.last(count)) / count,
    "high": lambda seen, count: max(seen.last(count)),
    "lowest": lambda seen, count: min(seen.last(count)),
    "change": lambda seen, ticks: seen.price / seen.ago(ticks) - 1,
}
_PLAIN: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, abs),
    "min": (2, min),
    "max": (2, max),
}


@frozen
class _Number:
    """A number as it was written: known before the game, which saves a call at every tick."""

    value: float

    def __call__(self, seen: Seen) -> float:
        return self.value


def _applied(apply: Callable[[Any, Any], Any], left: _Reader, right: _Reader) -> _Reader:
    if isinstance(right, _Number):
        number = right.value
        return lambda seen: apply(left(seen), number)
    if isinstance(left, _Number):
        number = left.value
        return lambda seen: apply(number, right(seen))
    return lambda seen: apply(left(seen), right(seen))


def _both(left: _Reader, right: _Reader) -> _Reader:
    return lambda seen: left(seen) and right(seen)


def _either(left: _Reader, right: _Reader) -> _Reader:
    return lambda seen: left(seen) or right(seen)


class Expression:
    """A condition on the running game.

    Attributes:
        text: as it was written.

    Raises:
        ConfigError: it is too long, cannot be read, or has something that the language lacks.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        if len(self.text) > MAX_TEXT:
            raise self._wrong(f"it has {len(self.text)} characters, the limit is {MAX_TEXT}")
        try:
            tree = ast.parse(self.text, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self._wrong("it cannot be read") from None
        if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
            raise self._wrong(f"it has more than {MAX_NODES} parts")
        self._read = self._condition(tree.body)

    def holds(self, seen: Seen) -> bool:
        """Return whether the condition is true now."""
        try:
            return self._read(seen) is True
        except ArithmeticError:
            return False

    def _wrong(self, why: str) -> ConfigError:
        shown = self.text if len(self.text) <= 80 else self.text[:77] + "..."
        return ConfigError(f"the expression {shown!r} is wrong: {why}")

    def _condition(self, node: ast.expr) -> _Reader:
        if isinstance(node, ast.BoolOp):
            join = _both if isinstance(node.op, ast.And) else _either
            return reduce(join, map(self._condition, node.values))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self._condition(node.operand)
            return lambda seen: not inner(seen)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        raise self._wrong("give a comparison, such as price > 2, joined by and, or, not")

    def _compare(self, node: ast.Compare) -> _Reader:
        if not all(type(one) in _COMPARED for one in node.ops):
            raise self._wrong("compare numbers by <, <=, >, >=, == or !=")
        values = [self._number(part) for part in (node.left, *node.comparators)]
        compared = [_COMPARED[type(one)] for one in node.ops]
        return reduce(_both, map(_applied, compared, values, values[1:]))

    def _number(self, node: ast.expr) -> _Reader:
        if isinstance(node, ast.Constant):
            return self._constant(node.value)
        if isinstance(node, ast.Name):
            if node.id not in _NAMES:
                raise self._wrong(f"{node.id!r} is unknown: its names are {', '.join(_NAMES)}")
            return _NAMES[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self._number(node.operand)
            return lambda seen: -inner(seen)
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return _applied(
                _BINARY[type(node.op)], self._number(node.left), self._number(node.right)
            )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self._call(node.func.id, node.args)
        raise self._wrong("numbers are made of names, functions, + - * / and brackets")

    def _constant(self, value: object) -> _Reader:
        if type(value) not in (int, float) or not abs(value) <= MAX_NUMBER:  # type: ignore[arg-type]
            raise self._wrong(f"{value!r} is not a number up to {MAX_NUMBER:g}")
        return _Number(float(value))  # type: ignore[arg-type]

    def _call(self, name: str, given: list[ast.expr]) -> _Reader:
        if name in _OF_TICKS:
            count = given[0].value if len(given) == 1 and isinstance(given[0], ast.Constant) else 0
            if type(count) is not int or not 1 <= count <= MAX_BACK:
                raise self._wrong(f"{name} takes one whole number from 1 to {MAX_BACK}")
            function, ticks = _OF_TICKS[name], count
            return lambda seen: function(seen, ticks)
        if name in _PLAIN:
            wanted, plain = _PLAIN[name]
            values = [self._number(one) for one in given]
            if len(values) != wanted:
                raise self._wrong(f"{name} takes {wanted} numbers")
            return lambda seen: plain(*(value(seen) for value in values))
        raise self._wrong(
            f"{name!r} is unknown: its functions are {', '.join((*_OF_TICKS, *_PLAIN))}"
        )


__all__ = ["Expression", "NotKnown", "Seen"]
