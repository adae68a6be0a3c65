"""A bench with words for tests of faults: ask, look at the states, see whether an entry may leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from tests.actions.strategies import Scripted
from vectra_bot.models import (
    Command,
    DocType,
    FrameKind,
    GameFrame,
    OperatorCommand,
    OperatorKind,
    PlayerAction,
)
from vectra_bot.testing import Bench


@define
class Rig:
    """A bench in a running game, and its strategy."""

    bench: Bench
    strategy: Scripted = field(init=False)

    def __attrs_post_init__(self) -> None:
        strategy = self.bench.engine.strategy
        assert isinstance(strategy, Scripted)
        self.strategy = strategy

    @classmethod
    def of(cls, *acts: Callable[[Any], Any], **options: Any) -> Rig:
        """Return a rig whose strategy did *acts* at tick 2, at a price of 1.2."""
        rig = cls(Bench(Scripted(), **options))
        rig.bench.start_game((1.0, 1.1))
        rig.do(*acts)
        return rig

    @classmethod
    def holding(cls, amount: str = "0.02") -> Rig:
        """Return a rig with a position."""
        rig = cls.of(lambda a: a.buy(amount))
        rig.bench.execute(rig.command)
        return rig

    @property
    def command(self) -> Command:
        """Return the newest command."""
        return self.bench.commands[-1]

    @property
    def states(self) -> list[str]:
        """Return the terminal states of the bot's completed actions."""
        return [a.state.value for a in self.bench.actions if a.actor.value == "bot"]

    @property
    def pending(self) -> list[str]:
        """Return the states of undecided actions."""
        return [a.state.value for a in self.bench.engine.tracker.book.pending]

    @property
    def kinds(self) -> list[str]:
        """Return the kinds of system events so far."""
        return [event.kind for event in self.bench.of_type(DocType.SYSTEM_EVENT)]

    @property
    def proofs(self) -> list[str | None]:
        """Return the proofs of the completed actions."""
        return [None if a.proof is None else a.proof.value for a in self.bench.actions]

    def do(self, *acts: Callable[[Any], Any], price: float = 1.2) -> list[PlayerAction]:
        """Have the strategy do *acts* at the next tick; return what the calls returned."""
        before = len(self.strategy.returned)
        self.strategy.todo = list(acts)
        self.bench.tick(price)
        return self.strategy.returned[before:]

    def enters(self) -> bool:
        """Try a small entry at the next tick; return whether it was sent."""
        before = len(self.bench.commands)
        self.do(lambda a: a.buy("0.001"))
        return len(self.bench.commands) > before

    def why(self) -> str:
        """Try a small entry at the next tick, which must be denied; return the code of the denial."""
        (denied,) = self.do(lambda a: a.buy("0.001"))
        assert denied.outcome is not None, denied.state
        return str(denied.outcome.error_reason).split(":")[0]

    def operate(self, kind: OperatorKind) -> None:
        """Process a command of the operator."""
        self.bench.feed(OperatorCommand(recv_ns=self.bench.now_ns, kind=kind, reason="test"))

    def frame(self, **more: Any) -> None:
        """Process a live game frame with other values than the bench's."""
        values: dict[str, Any] = {
            "recv_ns": self.bench.now_ns,
            "kind": FrameKind.TICK,
            "game_id": self.bench.game_id,
            "active": True,
            "rugged": False,
            "price": 1.2,
            "tick": 2,
        }
        self.bench.feed(GameFrame(**{**values, **more}))
