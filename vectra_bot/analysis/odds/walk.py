"""The price as a walk on a grid: expectations one tick ahead, many ticks ahead, and until the rug.

Theory of operation. A function of the price is represented by its values at the grid's nodes and is linear
*in the price* between them. With that, its expectation over one live tick is a weighted sum whose weights
follow from the law in closed form (:mod:`moves`); payoffs that are linear in the price, such as a
position's value, are represented exactly. Chances are curved between nodes: a walk with one barrier
corrects for it by second differences, a family does not, and its error decreases with the square of the
step. The remaining error is estimated by ``passages``, on two grids.

A barrier is a node: prices beyond it are outside the walk, and the node's value is the limit from
inside. A walk may have many lower barriers at once, one for each column of its values: the rug price
needs the chance of every possible low (protocol 4.4).

"Until the rug" is a linear system. For one barrier it is solved directly. For many, the weights reach no
further than one big move, so elimination from the highest price down stays within a band and serves all
lower barriers together; the god candle is outside the band, and as it is rare, it is iterated on the
right-hand side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from vectra_bot.analysis.odds import moves
from vectra_bot.analysis.odds.moves import Floats
from vectra_bot.game import rules

_ALIVE = 1 - rules.RUG_CHANCE
_ROWS = 64  # rows of one block of weights
_GOD_ROUNDS = 40  # each iteration reduces the error by a factor of 500
_SMALLEST_CELL = 1e-6


@frozen(kw_only=True)
class Edge:
    """The boundary condition at an end of the walk.

    Attributes:
        kind: ``pay``: the walk ends there and pays ``constant + slope * price``, at a lower end never
            below 0; ``flat``: the function continues with its last value; ``ray``: it continues in proportion
            to the price. The last two are for an end that exists only because a grid must end somewhere.
        constant, slope: payment of ``pay``.
    """

    kind: str
    constant: float = 0.0
    slope: float = 0.0


def pays(constant: float = 0.0, slope: float = 0.0) -> Edge:
    """Return an end at which the walk stops and pays ``constant + slope * price``."""
    return Edge(kind="pay", constant=constant, slope=slope)


FLAT = Edge(kind="flat")
RAY = Edge(kind="ray")


def grid(anchors: Sequence[float], step: float, refine: int = 1) -> Floats:
    """Return prices, evenly spaced in the logarithm between *anchors*, each of which is a node.

    Anchors closer together than a millionth are merged. With *refine* 2 every cell is halved, whatever its
    length, so that errors shrink by the same factor everywhere.
    """
    points = sorted(anchors)
    kept = [points[0]]
    for point in points[1:]:
        if point > kept[-1] * (1 + _SMALLEST_CELL):
            kept.append(point)
    logs = np.log(kept)
    pieces = [np.array([kept[0]])]
    for low, high, end in zip(logs[:-1], logs[1:], kept[1:], strict=True):
        cells = max(1, int(np.ceil((high - low) / step - 1e-9))) * refine
        inner = np.exp(low + (high - low) * np.arange(1, cells) / cells)
        pieces += [inner, np.array([end])]
    return np.concatenate(pieces)


def node_of(prices: Floats, price: float) -> int:
    """Return the index of the node at *price*, which must be an anchor."""
    at = int(np.argmin(np.abs(prices - price)))
    if abs(prices[at] / price - 1) > 2 * _SMALLEST_CELL:
        raise ValueError(f"no node at {price!r}: the nearest is {prices[at]!r}")
    return at


@frozen
class _Block:
    """Weights of a range of rows on the columns they reach: all of them, and the part from below a node."""

    rows: slice
    columns: slice
    weights: Floats
    left: Floats


@frozen(eq=False)
class Walk:
    """One grid with its ends, ready to take expectations.

    Attributes:
        prices: the nodes, increasing.
        lower, upper: boundary conditions at the ends.
        barriers: node of the lower barrier of each column; a walk without a family has one column, whose
            barrier is node 0 with the lower end beyond it.
    """

    prices: Floats
    lower: Edge
    upper: Edge
    barriers: NDArray[np.intp] = field(factory=lambda: np.zeros(1, dtype=np.intp))
    _blocks: list[_Block] = field(init=False)
    _gain: Floats = field(init=False)
    _curvature: Floats = field(init=False)
    _god: Floats = field(init=False)
    _god_cell: NDArray[np.intp] = field(init=False)
    _god_share: Floats = field(init=False)
    _god_scale: Floats = field(init=False)
    _god_gain: Floats = field(init=False)
    _inside: Floats = field(init=False)
    _cut: Floats = field(init=False)

    def __attrs_post_init__(self) -> None:
        set_ = object.__setattr__
        count = len(self.prices)
        set_(self, "_gain", np.zeros(count))
        set_(self, "_curvature", np.zeros((0, 0)) if self._is_family else self._curvatures())
        set_(self, "_blocks", [self._block(start) for start in range(0, count, _ROWS)])
        self._aim_god_candle()
        nodes = np.arange(count)[:, None]
        set_(self, "_inside", (nodes >= self.barriers[None, :]).astype(float))
        cut = np.zeros((count, len(self.barriers)))
        for block in self._blocks:
            reached = (self.barriers >= block.columns.start) & (self.barriers < block.columns.stop)
            columns = self.barriers[reached] - block.columns.start
            cut[block.rows, reached] = block.left[:, columns]
        set_(self, "_cut", cut)

    def _block(self, start: int) -> _Block:
        """Return the weights of up to ``_ROWS`` rows and record what the ends add to them."""
        prices, count = self.prices, len(self.prices)
        stop = min(start + _ROWS, count)
        own = prices[start:stop]
        first = int(np.searchsorted(prices, own[0] * moves.LEAST_FACTOR)) - 1
        last = int(np.searchsorted(prices, own[-1] * moves.MOST_FACTOR)) + 1
        first, last = max(first, 0), min(last, count)
        amplitude = moves.noise_amplitude(own)[:, None]
        factors = prices[None, first:last] / own[:, None]
        below = moves.chance_below(factors, amplitude)
        short = moves.shortfall(factors, amplitude)
        slopes = np.diff(short, axis=1) / np.diff(factors, axis=1)
        left = np.zeros_like(below)
        right = np.zeros_like(below)
        left[:, 1:] = below[:, 1:] - slopes
        right[:, :-1] = slopes - below[:, :-1]
        rows = slice(start, stop)
        if first == 0:
            left[:, 0] = self._below_the_end(rows, factors[:, 0], below[:, 0], short[:, 0])
        if last == count:
            right[:, -1] = self._above_the_end(rows, factors[:, -1], below[:, -1], short[:, -1])
        columns = slice(first, last)
        if self._is_family:
            return _Block(rows, columns, left + right, left)
        return self._bent(rows, columns, left + right, (factors, short, amplitude))

    def _bent(
        self, rows: slice, columns: slice, weights: Floats, law: tuple[Floats, Floats, Floats]
    ) -> _Block:
        """Return *weights* corrected for the curvature of the function between its nodes.

        Inside a cell [a, b] a function lies ``(x - a) * (b - x) * f'' / 2`` below its chord. The law's mean
        of that product has a closed form; f'' comes from the second differences at the cell's nodes.
        """
        factors, short, amplitude = law
        area = np.diff(moves.squared_shortfall(factors, amplitude), axis=1)
        width = np.diff(factors, axis=1)
        bulge = width * (short[:, 1:] + short[:, :-1]) - 2 * area
        bulge *= (self.prices[rows] ** 2)[:, None]
        first, last = max(columns.start - 1, 0), min(columns.stop + 1, len(self.prices))
        wide = np.zeros((len(weights), last - first))
        wide[:, columns.start - first : columns.stop - first] = weights
        wide -= bulge @ self._curvature[columns.start : columns.stop - 1, first:last] / 2
        return _Block(rows, slice(first, last), wide, np.zeros_like(wide))

    def _curvatures(self) -> Floats:
        """Return the matrix that takes values at the nodes to the second derivative in each cell."""
        prices, count = self.prices, len(self.prices)
        at_node = np.zeros((count, count))
        gap = np.diff(prices)
        inner = np.arange(1, count - 1)
        both = (gap[1:] + gap[:-1]) / 2
        at_node[inner, inner - 1] = 1 / (gap[:-1] * both)
        at_node[inner, inner + 1] = 1 / (gap[1:] * both)
        at_node[inner, inner] = -at_node[inner, inner - 1] - at_node[inner, inner + 1]
        if count > 2:  # at an end the curvature is that of the neighbouring cell
            at_node[0], at_node[-1] = at_node[1], at_node[-2]
        result: Floats = (at_node[1:] + at_node[:-1]) / 2
        return result

    def _below_the_end(self, rows: slice, z: Floats, below: Floats, short: Floats) -> Floats:
        """Return the weight of the lowest node for prices below it; record what is paid there."""
        if self.lower.kind == "flat":
            return below
        if self.lower.kind == "ray":
            return below - short / z
        own = self.prices[rows]
        constant, slope = self.lower.constant, self.lower.slope
        if constant < 0 < slope:  # pays nothing below the price at which it is worth nothing
            zero = np.minimum(-constant / slope / own, z)
            rest = moves.shortfall(zero[:, None], moves.noise_amplitude(own)[:, None])[:, 0]
            self._gain[rows] += slope * own * (rest - short + (z - zero) * below)
        else:
            self._gain[rows] += constant * below + slope * own * (z * below - short)
        return np.zeros_like(below)

    def _above_the_end(self, rows: slice, z: Floats, below: Floats, short: Floats) -> Floats:
        mean = moves.MEAN_FACTOR - z * below + short  # E[factor; factor > z]
        if self.upper.kind == "flat":
            return 1 - below
        if self.upper.kind == "ray":
            return mean / z
        own = self.prices[rows]
        self._gain[rows] += self.upper.constant * (1 - below) + self.upper.slope * own * mean
        return np.zeros_like(below)

    def _aim_god_candle(self) -> None:
        """Compute where a god candle leads from each node: into a cell, or beyond the upper end."""
        prices, last = self.prices, len(self.prices) - 1
        god = moves.god_chance(prices)
        aims = prices * rules.GOD_CANDLE_FACTOR
        beyond = aims >= prices[last]
        cell = np.clip(np.searchsorted(prices, aims, side="right") - 1, 0, max(last - 1, 0))
        upper = np.minimum(cell + 1, last)
        width = np.where(upper > cell, prices[upper] - prices[cell], 1.0)
        share = np.where(beyond, 1.0, (aims - prices[cell]) / width)
        scale, gain = np.ones(last + 1), np.zeros(last + 1)
        if self.upper.kind == "ray":
            scale[beyond] = aims[beyond] / prices[last]
        elif self.upper.kind == "pay":
            scale[beyond] = 0.0
            gain[beyond] = self.upper.constant + self.upper.slope * aims[beyond]
        cell = np.where(beyond, max(last - 1, 0), cell)
        for name, value in (
            ("_god", god), ("_god_cell", cell), ("_god_share", share), ("_god_scale", scale),
            ("_god_gain", gain),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    def _by_god_candle(self, values: Floats) -> Floats:
        upper = np.minimum(self._god_cell + 1, len(self.prices) - 1)
        share = self._god_share[:, None]
        mixed = values[self._god_cell] * (1 - share) + values[upper] * share
        result: Floats = mixed * self._god_scale[:, None] + self._god_gain[:, None]
        return result

    def start(self, values: Floats | float = 0.0) -> Floats:
        """Return *values* at the nodes as columns, 0 below each barrier."""
        column = np.broadcast_to(np.asarray(values, dtype=float), self.prices.shape)[:, None]
        return column * self._inside

    def step(self, values: Floats, at_rug: float = 0.0) -> Floats:
        """Return the expectation of *values* one tick ahead; a rug in that tick pays *at_rug*."""
        plain = np.empty_like(values)
        for block in self._blocks:
            plain[block.rows] = block.weights @ values[block.columns]
        if self._is_family:
            plain -= self._cut * values[self.barriers, np.arange(len(self.barriers))]
        plain += self._gain[:, None]
        god = self._god[:, None]
        plain += god * (self._by_god_candle(values) - plain)
        result: Floats = (rules.RUG_CHANCE * at_rug + _ALIVE * plain) * self._inside
        return result

    @property
    def _is_family(self) -> bool:
        return len(self.barriers) > 1 or bool(self.barriers[0])

    def chance_next_below(self, limit: float) -> Floats:
        """Return by node the chance that a live tick leads to *limit* or below."""
        amplitude = moves.noise_amplitude(self.prices)
        plain = moves.chance_below(limit / self.prices, amplitude)
        jumped = self.prices * rules.GOD_CANDLE_FACTOR <= limit
        result: Floats = plain + self._god * (jumped - plain)
        return result

    def until_rug(self, at_rug: float = 0.0, source: Floats | None = None) -> Floats:
        """Return the fixed point of :meth:`step`: the expectation if only the rug ends the walk.

        Args:
            at_rug: payment at a rug.
            source: additional payment of every live tick, by node; None for nothing.
        """
        fixed = rules.RUG_CHANCE * at_rug + _ALIVE * (1 - self._god) * self._gain
        if source is not None:
            fixed = fixed + source
        return self._solve_family(fixed) if self._is_family else self._solve_plain(fixed)

    def _solve_plain(self, fixed: Floats) -> Floats:
        matrix = self._dense("weights")
        rows, last = np.arange(len(matrix)), len(matrix) - 1
        god = _ALIVE * self._god * self._god_scale
        matrix[rows, self._god_cell] += god * (1 - self._god_share)
        matrix[rows, np.minimum(self._god_cell + 1, last)] += god * self._god_share
        known = fixed + _ALIVE * self._god * self._god_gain
        solved = np.linalg.solve(np.eye(len(matrix)) - matrix, known)
        return np.asarray(solved, dtype=float)[:, None]

    def _solve_family(self, fixed: Floats) -> Floats:
        solver = _Elimination(self._dense("weights"), self._dense("left"), self.barriers)
        values = np.zeros((len(self.prices), len(self.barriers)))
        for _ in range(_GOD_ROUNDS):
            jumps = self._by_god_candle(values) * (_ALIVE * self._god)[:, None]
            found = solver.solve((fixed[:, None] + jumps) * self._inside) * self._inside
            change = float(np.max(np.abs(found - values)))
            values = found
            if change <= 1e-11 * max(1.0, float(np.max(np.abs(values)))):
                break
        return values

    def _dense(self, part: str) -> Floats:
        count = len(self.prices)
        matrix = np.zeros((count, count))
        for block in self._blocks:
            matrix[block.rows, block.columns] = getattr(block, part)
        matrix *= (_ALIVE * (1 - self._god))[:, None]
        return matrix


class _Elimination:
    """Solves V = s + M V for all lower barriers together, from the highest node down.

    Column b of V is defined on the nodes from ``barriers[b]`` up; the barrier's own weight is M without the
    part that lies below the barrier (``left``). Eliminating node i moves its row into the rows below, so
    when node j is reached, its row already contains every path above j: that is the barrier's equation.
    """

    def __init__(self, matrix: Floats, left: Floats, barriers: NDArray[np.intp]) -> None:
        self._barriers = barriers
        self._matrix, self._left = matrix, left
        self._rows: list[slice] = []
        self._factors: list[Floats] = []
        reach = [np.flatnonzero(row) for row in matrix]
        first = np.array([int(r[0]) if len(r) else i for i, r in enumerate(reach)])
        self._first = np.minimum.accumulate(first[::-1])[::-1].tolist()
        lowest_row = self._lowest_rows(reach)
        for i in range(len(matrix) - 1, -1, -1):
            low = lowest_row[i]
            columns = slice(min(self._first[i], i), i)
            factors = matrix[low:i, i] / (1 - matrix[i, i])
            matrix[low:i, columns] += np.outer(factors, matrix[i, columns])
            left[low:i, columns] += np.outer(factors, left[i, columns])
            self._rows.append(slice(low, i))
            self._factors.append(factors)
        self._rows.reverse()
        self._factors.reverse()

    @staticmethod
    def _lowest_rows(reach: list[NDArray[np.intp]]) -> list[int]:
        """Return for each node the lowest row that has a weight on it, or on a node above it."""
        last = np.maximum.accumulate([int(r[-1]) if len(r) else i for i, r in enumerate(reach)])
        nodes = np.arange(len(reach))
        found: list[int] = np.minimum(np.searchsorted(last, nodes), nodes).tolist()
        return found

    def solve(self, source: Floats) -> Floats:
        """Return V; entries below a column's barrier have no meaning."""
        s = source.copy()
        count = len(s)
        for i in range(count - 1, -1, -1):
            s[self._rows[i]] += self._factors[i][:, None] * s[i]
        values = np.zeros_like(s)
        barriers = self._barriers
        columns = np.arange(len(barriers))
        diagonal = self._matrix.diagonal()
        kept = diagonal[barriers] - self._left[barriers, barriers]
        at_barrier = s[barriers, columns] / (1 - kept)
        values[barriers, columns] = at_barrier
        for i in range(int(barriers.min()) + 1, count):
            above = barriers < i
            first = min(self._first[i], i)
            total = s[i] + self._matrix[i, first:i] @ values[first:i]
            total -= self._left[i, barriers] * at_barrier
            values[i, above] = total[above] / (1 - diagonal[i])
        return values
