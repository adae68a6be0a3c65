"""Arming beside a small model of it: in any order of events, an entry leaves only if all is well."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st

from vectra_bot import Strategy
from vectra_bot.actions.arming import LiveTerms
from vectra_bot.actions.limits import Limits
from vectra_bot.engine import Effect, Engine
from vectra_bot.game.amounts import LedgerError
from vectra_bot.models import (
    ActionType,
    Command,
    ConnectionChanged,
    Event,
    FrameRejected,
    Link,
    LoginStatus,
    OperatorKind,
)
from vectra_bot.testing import Bench

OURS, OTHER = Bench.player_id, "did:privy:other"
FRESH = 5
TERMS = LiveTerms(account=OURS, dead_man_s=30, fresh_ticks=FRESH)
STARTING = 3
"""Frames from a game's announcement to its first tick."""
LIMITS = Limits(actions_per_game=1_000_000, session_loss=Decimal(1_000))
S = 10**9


class Eager(Strategy):
    """Asks for everything at every tick."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        self.actions.buy("0.001")
        self.actions.sidebet("0.001")
        self.actions.sell()


@define
class Model:
    """What must have happened before an entry may leave."""

    connected: bool = False
    framed: bool = False
    logged_in: bool = False
    stated: bool = False
    ticks: int = 0
    armed: bool = False
    halted: bool = False
    reducing: bool = False
    flattening: bool = False
    broken: bool = False
    stopped: bool = False
    beat_ns: int = 0

    def link(self, connected: bool) -> None:
        self.connected = connected
        self.framed = self.logged_in = self.stated = False
        self.ticks = 0

    @property
    def ready(self) -> bool:
        return (
            self.connected
            and self.framed
            and self.logged_in
            and self.stated
            and self.ticks >= FRESH
        )

    @property
    def entries(self) -> bool:
        held = self.halted or self.reducing or self.flattening or self.broken or self.stopped
        return self.armed and self.ready and not held

    @property
    def exits(self) -> bool:
        return (self.armed or self.flattening) and self.logged_in and not self.stopped

    def wait(self, now_ns: int) -> None:
        if self.armed and now_ns - self.beat_ns > 30 * S:
            self.halted = True

    def operate(self, kind: OperatorKind, now_ns: int) -> None:
        self.beat_ns = now_ns
        match kind:
            case OperatorKind.HALT:
                self.halted = True
            case OperatorKind.RESUME:
                self.halted = self.reducing = self.flattening = self.broken = False
            case OperatorKind.REDUCE:
                self.reducing, self.halted = True, False
            case OperatorKind.FLATTEN:
                self.flattening, self.halted = True, False
            case OperatorKind.ARM:
                self.armed = self.armed or self.ready
            case OperatorKind.DISARM:
                self.armed = False
            case OperatorKind.STOP:
                self.stopped = True


KINDS = [kind for kind in OperatorKind if kind is not OperatorKind.STOP]
AFTER = ("login", "update", *["tick"] * FRESH, "arm")
"""What a connection is followed by, if nothing is missing."""

TICK = st.just(("tick", 0))
STEPS = st.one_of(
    *[TICK] * 6,
    *[st.sampled_from([*KINDS, OperatorKind.RESUME]).map(lambda kind: ("operate", kind))] * 3,
    st.lists(st.booleans(), min_size=len(AFTER), max_size=len(AFTER)).map(
        lambda kept: ("reconnect", kept)
    ),
    st.sampled_from([0, 1, 1, 1, 1, 1]).map(
        lambda lacks: ("reconnect", [1] * len(AFTER) if lacks else [])
    ),
    st.sampled_from(["game", "disconnect", "update", "other-login", "unreadable", "stop"]).map(
        lambda what: (what, 0)
    ),
    st.sampled_from([1, 20, 40]).map(lambda s: ("wait", s)),
)


@define
class Run:
    """One random session: the bench, the model, and what was sent."""

    bench: Bench
    model: Model

    def step(self, what: str, value: Any) -> list[Command]:
        bench, model = self.bench, self.model
        before = len(bench.commands)
        if what == "tick":
            model.wait(bench.now_ns + 250_000_000)
            model.framed = True
            model.ticks += 1
            bench.tick(1.01)
        elif what == "wait":
            bench.wait(value)
            model.wait(bench.now_ns)
        elif what == "operate":
            model.operate(value, bench.now_ns)
            bench.operate(value)
        elif what == "stop":
            self.step("operate", OperatorKind.STOP)
        elif what == "reconnect":
            self.event("connect")
            for name, kept in zip(AFTER, value, strict=False):
                if kept and name == "arm":
                    self.step("operate", OperatorKind.ARM)
                elif kept:
                    self.step(name, 0)
        elif what == "game":
            model.framed = model.stated = True  # a rug ends with a statement
            bench.rug()
            bench.start_game((1.0,))
            model.ticks += STARTING
            model.wait(bench.now_ns)
        else:
            self.event(what)
        sent = bench.commands[before:]
        for command in sent:
            self.check(command, what)
            if what in ("tick", "game"):
                self.answer(command)
        return sent

    def check(self, command: Command, what: str) -> None:
        model = self.model
        allowed = model.entries if command.action_type.is_entry else model.exits
        assert allowed, (what, command, model)

    def answer(self, command: Command) -> None:
        """Execute a command, which ends with a statement; refuse a sale of what is sold already."""
        try:
            self.bench.execute(command)
        except LedgerError:
            self.bench.ack(command, success=False, message="nothing to sell")
        else:
            self.model.stated = True

    def event(self, what: str) -> None:
        bench, model, now_ns = self.bench, self.model, self.bench.now_ns
        if what in ("connect", "disconnect"):
            model.link(what == "connect")
            link = Link.CONNECTED if what == "connect" else Link.DISCONNECTED
            bench.feed(ConnectionChanged(recv_ns=now_ns, link=link))
        elif what in ("login", "other-login"):
            ours = what == "login"
            model.logged_in = model.logged_in or ours
            model.stopped = model.stopped or not ours
            player_id = OURS if ours else OTHER
            event = LoginStatus(
                recv_ns=now_ns, player_id=player_id, username="x", has_username=True
            )
            bench.feed(event)
        elif what == "update":
            model.stated = True
            bench.update()
        else:
            model.broken = True
            bench.feed(FrameRejected(recv_ns=now_ns, reason="missing", message="x", money=True))


class Recorded:
    """An engine whose events are recorded."""

    def __init__(self, engine: Engine, process: Any) -> None:
        self._engine = engine
        self.process = process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def begun() -> Run:
    """Return a session whose first game has begun; it is not ready yet."""
    bench = Bench(Eager(), live=TERMS, limits=LIMITS, cash=1_000)
    run = Run(bench, Model(connected=True, framed=True, logged_in=True, stated=True))
    bench.start_game((1.0,))
    run.model.ticks = STARTING
    return run


@given(st.lists(STEPS, max_size=40))
def test_a_replay_of_the_events_gives_the_same_effects(steps: list[tuple[str, Any]]) -> None:
    """An engine of the same header is given the same events: it sends and stores the same, in order."""
    run = begun()
    bench = run.bench
    engine, fed, made = bench.engine, list[Event](), list[Effect]()
    process = engine.process

    def recorded(event: Event) -> list[Effect]:
        fed.append(event)
        found = process(event)
        made.extend(found)
        return found

    bench.engine = Recorded(engine, recorded)  # type: ignore[assignment]
    for what, value in steps:
        run.step(what, value)
    again = Bench(Eager(), live=TERMS, limits=LIMITS, cash=1_000)
    again.start_game((1.0,))
    effects = [effect for event in fed for effect in again.engine.process(event)]

    assert effects == made
    assert again.engine.standing == engine.standing


@settings(max_examples=max(300, settings().max_examples))
@given(st.lists(STEPS, max_size=40))
def test_nothing_leaves_unless_every_condition_holds(steps: list[tuple[str, Any]]) -> None:
    """Entries and exits are sent only in the states that allow them, in any order of events."""
    run = begun()
    for what, value in steps:
        run.step(what, value)
        allowed = run.bench.engine.standing.word in ("allowed", "reduced")
        assert not allowed or run.model.entries


@given(st.lists(STEPS, max_size=40))
def test_a_session_in_order_does_send(steps: list[tuple[str, Any]]) -> None:
    """After any history without a final stop: connected, stated, armed and resumed, the next entry leaves."""
    run = begun()
    for what, value in steps:
        if what not in ("other-login", "stop"):
            run.step(what, value)
    run.step("game", 0)
    run.step("reconnect", [True] * len(AFTER))
    run.step("operate", OperatorKind.RESUME)
    sent = run.step("tick", 0)

    assert ActionType.BUY in {command.action_type for command in sent}, run.bench.engine.standing
