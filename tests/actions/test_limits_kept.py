"""No limit is passed at the venue, whatever it executes, refuses, or leaves without an answer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.actions.arming import LiveTerms
from vectra_bot.actions.limits import Limits
from vectra_bot.game.amounts import LedgerError, to_lamports
from vectra_bot.models import Command
from vectra_bot.testing import Bench

LIMITS = Limits(
    stake="0.02",
    exposure="0.05",
    game_loss="0.04",
    session_loss="0.1",
    day_loss="0.07",
    actions_per_game=12,
    actions_per_minute=6,
)
BEFORE = Decimal("-0.01")
"""What the day lost before the session."""
MINUTE = 60 * 10**9

AMOUNTS = st.sampled_from(["0.001", "0.005", "0.01", "0.02", "0.021"])
ASKS = st.one_of(
    st.tuples(st.sampled_from(["buy", "sidebet", "short_open"]), AMOUNTS),
    st.tuples(st.just("sell"), st.sampled_from([50, 100])),
    st.just(("short_close", None)),
)
ANSWERS = st.sampled_from(["execute", "execute", "execute", "silent", "lost", "refuse"])
STEPS = st.one_of(
    st.tuples(st.just("ask"), st.lists(ASKS, min_size=1, max_size=3), ANSWERS),
    st.tuples(st.just("ask"), st.lists(ASKS, min_size=1, max_size=3), st.just("execute")),
    st.tuples(st.just("price"), st.sampled_from([0.5, 0.9, 1.0, 1.2, 2.0]), st.none()),
    st.tuples(st.just("update"), st.none(), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([1, 20, 61, 86_400]), st.none()),
    st.tuples(st.just("rug"), st.none(), st.none()),
)


@define
class Watch:
    """The venue's own books beside the limits."""

    bench: Bench
    game_start: int = 0
    session_start: int = 0
    day_start: int = 0
    day: int = 0
    sent: list[tuple[int, bool]] = field(factory=list)

    @property
    def open_cost(self) -> int:
        """Return what is open at the venue, at cost."""
        ledger = self.bench.ledger
        total = sum(lot.cost for lot in ledger.lots)
        total += 0 if ledger.sidebet is None else ledger.sidebet.amount
        return total + (0 if ledger.short is None else ledger.short.amount)

    def check(self) -> None:
        """Check every limit against the venue's books: all that is open may be lost."""
        cash = self.bench.ledger.cash
        assert self.open_cost <= to_lamports(LIMITS.exposure or 0)
        assert self.game_start - cash <= to_lamports(LIMITS.game_loss or 0)
        assert self.session_start - cash <= to_lamports(LIMITS.session_loss)
        assert self.day_start - cash <= to_lamports(LIMITS.day_loss or 0)

    def look(self) -> None:
        """Begin a day if one has begun; count what was sent."""
        day = self.bench.now_ns // (86_400 * 10**9)
        if day != self.day:
            self.day, self.day_start = day, self.bench.ledger.cash + self.open_cost

    def count(self, command: Command) -> None:
        """Check how often something other than a full exit leaves."""
        full = command.percentage == 100 or command.action_type.value == "SHORT_CLOSE"
        now_ns = self.bench.now_ns
        self.sent.append((now_ns, full))
        recent = [at for at, _ in self.sent if now_ns - at < MINUTE]
        assert full or len(recent) <= (LIMITS.actions_per_minute or 0)
        assert command.amount is None or command.amount <= LIMITS.stake


def answer(bench: Bench, command: Command, how: str) -> None:
    """Answer a command: executed with all evidence or none, refused, or never received."""
    try:
        if how == "execute":
            bench.execute(command)
        elif how == "lost":
            bench.fill(command, trade=False, update=False)
    except LedgerError:  # such as a sale of what was sold without our knowing
        how = "refuse"
    if how == "refuse":
        bench.ack(command, success=False, message="no")


def step(watch: Watch, strategy: Scripted, what: str, value: Any, how: Any) -> None:
    """Carry out one step."""
    bench = watch.bench
    if what == "ask":
        strategy.todo = [
            (lambda a, name=name, arg=arg: getattr(a, name)(*(() if arg is None else (arg,))))
            for name, arg in value
        ]
        before = len(bench.commands)
        bench.tick(bench._price)
        for command in bench.commands[before:]:
            watch.count(command)
            answer(bench, command, how)
    elif what == "price":
        bench.tick(value)
    elif what == "update":
        bench.update()
    elif what == "wait":
        bench.wait(value)
    else:
        bench.rug()
        watch.look()
        watch.check()
        bench.start_game((1.0,))
        watch.game_start = bench.ledger.cash


@settings(max_examples=max(150, settings().max_examples))
@given(st.lists(STEPS, max_size=40))
def test_i7_no_limit_is_passed(steps: list[tuple[str, Any, Any]]) -> None:
    """Exposure, losses of game, session and day, and the rate: by the venue's books, after every step."""
    strategy = Scripted()
    live = LiveTerms(account=Bench.player_id, fresh_ticks=1, day_start_pnl=BEFORE)
    bench = Bench(strategy, live=live, limits=LIMITS, cash=1)
    cash = bench.ledger.cash
    watch = Watch(bench, cash, cash, cash - to_lamports(BEFORE))
    watch.day = bench.now_ns // (86_400 * 10**9)
    bench.start_game((1.0,))
    bench.operate("arm")
    for what, value, how in steps:
        step(watch, strategy, what, value, how)
        watch.look()
        watch.check()
