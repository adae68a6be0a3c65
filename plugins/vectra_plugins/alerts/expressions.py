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
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import define, field

from vectra_bot import ConfigError
from vectra_bot.models import GameTick

MAX_TEXT: Final = 500
MAX_NODES: Final = 100
MAX_BACK: Final = 240
MAX_NUMBER: Final = 1e12
_MOST: Final = 4 * MAX_BACK


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
        if number != self.tick + 1 or len(prices) > _MOST:
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

    def mean(self, count: int) -> float:
        """Return the mean of the last *count* prices."""
        return sum(self.last(count)) / count

    def high(self, count: int) -> float:
        """Return the highest of the last *count* prices."""
        return max(self.last(count))

    def lowest(self, count: int) -> float:
        """Return the lowest of the last *count* prices."""
        return min(self.last(count))

    def change(self, ticks: int) -> float:
        """Return the price over that of *ticks* ticks ago, minus 1."""
        prices = self.prices
        if len(prices) <= ticks:
            raise NotKnown
        return self.price / prices[-1 - ticks] - 1


_NAMES: Final = ("tick", "price", "peak", "low")
_OF_TICKS: Final = ("ago", "mean", "high", "lowest", "change")
"""Attributes and methods of :class:`Seen`."""
_PLAIN: Final[Mapping[str, tuple[int, Callable[..., Any]]]] = {
    "abs": (1, abs),
    "min": (2, min),
    "max": (2, max),
}
_BINARY: Final = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_COMPARED: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_SEEN: Final = "seen"


class Expression:
    """A condition on the running game.

    What was written is taken apart, and only parts of the language are put together again: the code that runs
    at every tick is compiled from these.

    Attributes:
        text: as it was written.
        condition: what is computed.

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
        self.condition = self._condition(tree.body)
        self._read = _compiled(self.condition)

    def holds(self, seen: Seen) -> bool:
        """Return whether the condition is true now."""
        try:
            return self._read(seen) is True
        except ArithmeticError:
            return False

    @staticmethod
    def all_of(expressions: Sequence[Expression]) -> Callable[[Seen], tuple[bool, ...]]:
        """Return a function that says of each of *expressions* whether it holds, in one call for all.

        It raises an ``ArithmeticError`` if one of them cannot be computed: :meth:`holds` knows the others.
        """
        nodes = [one.condition for one in expressions]
        return _compiled(ast.Tuple(nodes, ast.Load()))

    def _wrong(self, why: str) -> ConfigError:
        shown = self.text if len(self.text) <= 80 else self.text[:77] + "..."
        return ConfigError(f"the expression {shown!r} is wrong: {why}")

    def _condition(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.BoolOp):
            return ast.BoolOp(node.op, [self._condition(one) for one in node.values])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ast.UnaryOp(node.op, self._condition(node.operand))
        if isinstance(node, ast.Compare):
            if not all(isinstance(one, _COMPARED) for one in node.ops):
                raise self._wrong("compare numbers by <, <=, >, >=, == or !=")
            left, *others = map(self._number, (node.left, *node.comparators))
            return ast.Compare(left, node.ops, others)
        raise self._wrong("give a comparison, such as price > 2, joined by and, or, not")

    def _number(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Constant):
            return ast.Constant(self._constant(node.value))
        if isinstance(node, ast.Name):
            if node.id not in _NAMES:
                raise self._wrong(f"{node.id!r} is unknown: its names are {', '.join(_NAMES)}")
            return _part_of_seen(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return ast.UnaryOp(node.op, self._number(node.operand))
        if isinstance(node, ast.BinOp) and isinstance(node.op, _BINARY):
            return ast.BinOp(self._number(node.left), node.op, self._number(node.right))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self._call(node.func.id, node.args)
        raise self._wrong("numbers are made of names, functions, + - * / and brackets")

    def _constant(self, value: object) -> float:
        if type(value) not in (int, float) or not abs(value) <= MAX_NUMBER:  # type: ignore[arg-type]
            raise self._wrong(f"{value!r} is not a number up to {MAX_NUMBER:g}")
        return float(value)  # type: ignore[arg-type]

    def _call(self, name: str, given: list[ast.expr]) -> ast.expr:
        if name in _OF_TICKS:
            count = given[0].value if len(given) == 1 and isinstance(given[0], ast.Constant) else 0
            if type(count) is not int or not 1 <= count <= MAX_BACK:
                raise self._wrong(f"{name} takes one whole number from 1 to {MAX_BACK}")
            return ast.Call(_part_of_seen(name), [ast.Constant(count)], [])
        if name in _PLAIN:
            wanted, _ = _PLAIN[name]
            values = [self._number(one) for one in given]
            if len(values) != wanted:
                raise self._wrong(f"{name} takes {wanted} numbers")
            return ast.Call(ast.Name(name, ast.Load()), values, [])
        raise self._wrong(
            f"{name!r} is unknown: its functions are {', '.join((*_OF_TICKS, *_PLAIN))}"
        )


def _part_of_seen(name: str) -> ast.expr:
    return ast.Attribute(ast.Name(_SEEN, ast.Load()), name, ast.Load())


def _compiled(condition: ast.expr) -> Callable[[Seen], Any]:
    """Return a function of what is seen that computes *condition*, which has parts of the language alone."""
    given = ast.arguments([], [ast.arg(_SEEN)], None, [], [], None, [])
    tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(given, condition)))
    names = {name: function for name, (_, function) in _PLAIN.items()}
    function: Callable[[Seen], Any] = eval(  # noqa: S307 - no part comes from the text but numbers and names
        compile(tree, "<expression>", "eval"), {"__builtins__": {}, **names}
    )
    return function


__all__ = ["Expression", "NotKnown", "Seen"]
