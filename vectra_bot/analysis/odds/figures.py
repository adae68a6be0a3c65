"""Every figure of ``vectra-bot odds``: its computed value, its error, and the tally that checks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from attrs import define, evolve, field, frozen

from vectra_bot.analysis.odds import formulas, passages
from vectra_bot.analysis.odds.montecarlo import Plan, Position
from vectra_bot.analysis.odds.passages import Computed, Exits, State
from vectra_bot.errors import UnknownNameError
from vectra_bot.game import rules
from vectra_bot.game.fair import rug_price
from vectra_bot.game.sidegames import bbc_game, candleflip_game

HOLD_TICKS = (1, 5, 10, 20, 40, 100, 200)
LEVERAGE_TICKS = (1, 5, 20)
TARGETS = (1.1, 1.5, 2.0, 5.0, 10.0)
PEAKS = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
ALIVE_TICKS = (1, 5, 10, 20, 40, 100, 139, 200, 300, 500, 1000)
RUG_SHARES = (0.05, 0.1, 0.25, 0.5, 0.75)
LAST_MULTIPLES = (0.5, 1.0, 2.0)
EDGE_STATES = ((1.0, 1.0), (1.0, 0.5), (2.0, 1.0), (10.0, 0.5), (100.0, 0.5), (101.0, 0.5))
SIDEBET_TICKS = (0, 50, 200)

_ENOUGH_WORTHS = 5_000  # effective games computed from the law: a sample cannot show cases it lacks


@frozen(kw_only=True)
class Figure:
    """One computed figure.

    Attributes:
        name, group: readable name; name of its group on the command line.
        unit: ``return`` (profit per unit put in), ``chance``, ``ticks`` or ``variance``.
        value, error: the figure and the bound of its numerical error, 0 for a formula.
        params: the parameters it depends on.
        unverified: whether it is based on a rule that was not observed at the venue.
        tally: name of the tally that checks it; ``scale * mean + shift`` has the figure's unit.
        square: of a return, the mean square of a unit's final value: rare large wins make it large, and
            a mean that depends on them needs proportionally more games.
    """

    name: str
    group: str
    unit: str
    value: float
    error: float = 0.0
    params: dict[str, Any] = field(factory=dict)
    unverified: bool = False
    tally: str | None = None
    scale: float = 1.0
    shift: float = 0.0
    square: float = 1.0

    def needs_games(self) -> float:
        """Return the number of games its mean needs for z to be meaningful."""
        worth = max(1 + self.value, 1e-9)
        return _ENOUGH_WORTHS * self.square / worth**2 if self.unit == "return" else 0.0


@frozen(kw_only=True)
class Question:
    """The parameters of the odds.

    Attributes:
        state: current price and lowest price so far; entry of every position.
        ticks: holding times of positions; empty for the default choices.
        target, stop: exits as multiples of the current price; None for the default targets, and no stop.
        max_ticks: latest exit; None for no limit.
        tick: tick of the game at which a sidebet is placed; None for the default choices.
    """

    state: State = field(factory=State)
    ticks: tuple[int, ...] = ()
    target: float | None = None
    stop: float | None = None
    max_ticks: int | None = None
    tick: int | None = None


@define
class Sheet:
    """The computed figures, and the plan of the games that check them."""

    question: Question
    figures: list[Figure] = field(factory=list)
    plan: Plan = field(factory=Plan)
    states: list[tuple[float, float]] = field(factory=list)
    draws: dict[str, float] = field(factory=dict)

    def add(
        self, name: str, computed: Computed, *, params: dict[str, Any] | None = None, **more: Any
    ) -> None:
        """Add one figure; *more* are its other attributes. The state is among its parameters."""
        state = self.question.state
        found = {"price": state.price, "low": state.low} | (params or {})
        self.figures.append(
            Figure(name=name, value=computed.value, error=computed.error, params=found, **more)
        )

    def follow(self, **more: tuple[Any, ...]) -> None:
        """Add quantities to tally in the games."""
        both = {name: getattr(self.plan, name) + new for name, new in more.items()}
        self.plan = evolve(self.plan, **both)


def compute(question: Question, groups: Iterable[str] = ()) -> Sheet:
    """Return the figures of *groups*, of all groups by default."""
    wanted = tuple(dict.fromkeys(groups)) or tuple(GROUPS)
    for group in wanted:
        if group not in GROUPS:
            raise UnknownNameError("group of odds", group, GROUPS)
    sheet = Sheet(question)
    sheet.plan = Plan(price=question.state.price, low=question.state.low)
    for group in wanted:
        GROUPS[group](sheet)
    return sheet


# ---- the groups


def _edge(sheet: Sheet) -> None:
    own = (sheet.question.state.price, sheet.question.state.low)
    for price, low in dict.fromkeys([own, *EDGE_STATES]):
        sheet.add(
            f"price {price:g}, low {low:g}",
            Computed(formulas.holding_return(price, low), 0.0),
            group="edge",
            unit="return",
            params={"price": price, "low": low, "ticks": 1},
            tally=f"edge {price!r} {low!r}",
        )
        sheet.states.append((price, low))


def _hold(sheet: Sheet) -> None:
    state, ticks = sheet.question.state, sheet.question.ticks or HOLD_TICKS
    squares = passages.hold_square(state, ticks)
    for tick, computed, square in zip(ticks, passages.hold(state, ticks), squares, strict=True):
        sheet.add(
            f"hold {_ticks(tick)}", computed, group="hold", unit="return",
            params={"ticks": tick}, tally=f"hold {tick}", square=square,
        )  # fmt: skip
    sheet.add(
        "hold to the rug", passages.hold_to_rug(state), group="hold", unit="return",
        params={"ticks": None}, tally="hold to rug", square=rug_price(state.low / state.price) ** 2,
    )  # fmt: skip
    sheet.follow(holds=tuple(ticks))
    sheet.plan = evolve(sheet.plan, hold_to_rug=True)


def _exits(sheet: Sheet) -> None:
    asked = sheet.question
    price = asked.state.price
    single = asked.target is not None or asked.stop is not None or asked.max_ticks is not None
    for target in (asked.target,) if single else TARGETS:
        exits = Exits(
            target=None if target is None else target * price,
            stop=None if asked.stop is None else asked.stop * price,
            max_ticks=asked.max_ticks,
        )
        _one_exit(sheet, exits, target)


def _one_exit(sheet: Sheet, exits: Exits, target: float | None) -> None:
    asked = sheet.question
    parts = [
        f"sell at {target:g}x" if target is not None else "",
        f"stop at {asked.stop:g}x" if asked.stop is not None else "",
        f"after {_ticks(asked.max_ticks)}" if asked.max_ticks is not None else "",
    ]
    name = ", ".join(part for part in parts if part)
    position = Position(
        name=name, low=exits.stop, high=exits.target, ticks=(exits.max_ticks,),
        slope=1 / asked.state.price, tally_exits=True,
    )  # fmt: skip
    sheet.follow(positions=(position,))
    tally = name if exits.max_ticks is None else f"{name} {exits.max_ticks}"
    params = {"target": target, "stop_loss": asked.stop, "max_ticks": asked.max_ticks}
    found = passages.take_profit(asked.state, exits)
    sheet.add(
        name, found.profit, group="exits", unit="return", params=params, tally=tally, shift=-1.0,
        square=_exit_square(asked, target, found.reached.value),
    )  # fmt: skip
    for what, chance, possible in (
        ("reached", found.reached, exits.target),
        ("stopped", found.stopped, exits.stop),
        ("timed out", found.timed_out, exits.max_ticks),
        ("rugged", found.rugged, True),
    ):
        if possible is not None:
            sheet.add(
                f"{name}: {what}", chance, group="exits", unit="chance", params=params,
                tally=f"{tally} {what}",
            )  # fmt: skip


def _exit_square(asked: Question, target: float | None, reached: float) -> float:
    """Return the mean square of a position's final value: at its target, or after the same holding time."""
    if target is not None:
        return max(1.0, reached * target**2)
    if asked.max_ticks is not None:
        return max(1.0, passages.hold_square(asked.state, [asked.max_ticks])[0])
    return inf


def _survival(sheet: Sheet) -> None:
    ticks = sheet.question.ticks or ALIVE_TICKS
    passages.check_ticks(ticks)
    for tick in ticks:
        sheet.add(
            f"alive at tick {tick}", Computed(formulas.survival(tick), 0.0), group="survival",
            unit="chance", params={"ticks": tick}, tally=f"alive {tick}",
        )  # fmt: skip
    sheet.add(
        "mean rug tick", Computed(formulas.mean_rug_tick(), 0.0), group="survival", unit="ticks",
        tally="rug tick",
    )  # fmt: skip
    sheet.add(
        "median rug tick", Computed(formulas.median_rug_tick(), 0.0), group="survival", unit="ticks"
    )
    sheet.follow(alive_at=tuple(ticks))


def _peak(sheet: Sheet) -> None:
    state = sheet.question.state
    multiples = PEAKS if sheet.question.target is None else (sheet.question.target,)
    for multiple in multiples:
        level = multiple * state.price
        sheet.add(
            f"reaches {multiple:g}x", passages.reach(state, level), group="peak", unit="chance",
            params={"target": multiple}, tally=f"reach {level!r}",
        )  # fmt: skip
        sheet.follow(levels=(level,))


def _rug(sheet: Sheet) -> None:
    state = sheet.question.state
    highest = rug_price(state.low)
    limits = [*(highest * share for share in RUG_SHARES), highest]
    for limit, computed in zip(limits, passages.rug_price_below(state, limits), strict=True):
        sheet.add(
            f"rug price below {limit:.6g}", computed, group="rug", unit="chance",
            params={"limit": limit}, tally=f"rug price {limit!r}",
        )  # fmt: skip
    lasts = [multiple * state.price for multiple in LAST_MULTIPLES]
    for multiple, limit in zip(LAST_MULTIPLES, lasts, strict=True):
        sheet.add(
            f"last price at most {multiple:g}x", passages.last_price_below(state, limit),
            group="rug", unit="chance", params={"limit": limit}, tally=f"last price {limit!r}",
        )  # fmt: skip
    sheet.follow(rug_limits=tuple(limits), last_limits=tuple(lasts))


def _sidebet(sheet: Sheet) -> None:
    asked = sheet.question.tick
    for tick in SIDEBET_TICKS if asked is None else (asked,):
        place = "presale or tick 0" if tick == 0 else f"tick {tick}"
        shared: dict[str, Any] = {"group": "sidebet", "params": {"tick": tick}}
        tally = f"sidebet {tick}"
        chance = Computed(formulas.sidebet_win_chance(tick), 0.0)
        profit = Computed(formulas.sidebet_return(tick), 0.0)
        variance = Computed(formulas.sidebet_variance(tick), 0.0)
        sheet.add(f"{place}: wins", chance, unit="chance", tally=tally, **shared)
        payout = float(rules.SIDEBET_PAYOUT_X)
        sheet.add(
            f"{place}: profit",
            profit,
            unit="return",
            tally=tally,
            scale=payout,
            shift=-1.0,
            **shared,
        )
        sheet.add(
            f"{place}: variance", variance, unit="variance", tally=f"{tally} variance", **shared
        )
        sheet.follow(sidebets=(tick,))


def _leverage(sheet: Sheet) -> None:
    state, ticks = sheet.question.state, sheet.question.ticks or LEVERAGE_TICKS
    for leverage, fall in rules.LIQUIDATION_FALL.items():
        name = f"leverage {leverage}"
        position = Position(
            name=name, low=state.price * (1 - fall), ticks=tuple(ticks), constant=1.0 - leverage,
            slope=leverage / state.price,
        )  # fmt: skip
        sheet.follow(positions=(position,))
        found = passages.leveraged(state, leverage, ticks)
        squares = passages.leveraged_square(state, leverage, ticks)
        for tick, computed, square in zip(ticks, found, squares, strict=True):
            sheet.add(
                f"{leverage}x, hold {_ticks(tick)}", computed, group="leverage", unit="return",
                params={"leverage": leverage, "ticks": tick}, unverified=True,
                tally=f"{name} {tick}", shift=-1.0, square=square,
            )  # fmt: skip


def _short(sheet: Sheet) -> None:
    state, ticks = sheet.question.state, sheet.question.ticks or HOLD_TICKS
    position = Position(
        name="short", high=2 * state.price, ticks=tuple(ticks), constant=2.0, slope=-1 / state.price
    )
    sheet.follow(positions=(position,))
    for tick, computed in zip(ticks, passages.short(state, ticks), strict=True):
        sheet.add(
            f"short, hold {_ticks(tick)}", computed, group="short", unit="return",
            params={"ticks": tick}, unverified=True, tally=f"short {tick}", shift=-1.0,
        )  # fmt: skip


def _rounds(sheet: Sheet) -> None:
    for game, title in ((bbc_game(), "BBC"), (candleflip_game(), "Candleflip")):
        for choice, chance in game.odds.items():
            payout = float(game.payouts[choice])
            tally = f"{game.name} {choice}"
            shared: dict[str, Any] = {
                "group": "rounds", "unverified": True, "tally": tally,
                "params": {"choice": choice, "payout_x": payout},
            }  # fmt: skip
            name = f"{title} {choice} at {payout:g}x"
            sheet.add(f"{name}: wins", Computed(float(chance), 0.0), unit="chance", **shared)
            profit = Computed(game.expected_return(choice), 0.0)
            sheet.add(f"{name}: profit", profit, unit="return", scale=payout, shift=-1.0, **shared)
            sheet.draws[tally] = float(chance)


def _ticks(count: int | None) -> str:
    return f"{count} tick" if count == 1 else f"{count} ticks"


GROUPS: dict[str, Callable[[Sheet], None]] = {
    "edge": _edge,
    "hold": _hold,
    "exits": _exits,
    "survival": _survival,
    "peak": _peak,
    "rug": _rug,
    "sidebet": _sidebet,
    "leverage": _leverage,
    "short": _short,
    "rounds": _rounds,
}
"""The groups of figures, in the order they are shown."""
