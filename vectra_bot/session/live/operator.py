"""The operator of an account's session: passes commands on, and arms the session once it is ready."""

from __future__ import annotations

from attrs import define, field

from vectra_bot.actions.arming import ArmingState
from vectra_bot.models import OperatorCommand, OperatorKind
from vectra_bot.session.status import SessionOperator


@define(eq=False)
class ArmingOperator:
    """Adds to an operator's commands the one that arms the session.

    The session is armed when the venue has shown everything that trading depends on, unless an operator has
    disarmed it.
    """

    operator: SessionOperator
    _disarmed: bool = field(default=False, init=False)

    def take(self, now_ns: int) -> list[OperatorCommand]:
        """Return the commands that wait, as inputs at *now_ns*."""
        control, monitor = self.operator.control, self.operator.monitor
        commands = self.operator.take(now_ns)
        for command in commands:
            if command.kind in (OperatorKind.ARM, OperatorKind.DISARM):
                self._disarmed = command.kind is OperatorKind.DISARM
        if commands or self._disarmed or control.of.stop.reason is not None:
            return commands
        if monitor.session.shell.engine.standing.state is not ArmingState.READY:
            return commands
        reason = "every condition is met"
        return [OperatorCommand(recv_ns=now_ns, kind=OperatorKind.ARM, reason=reason)]

    def processed(self) -> None:
        """Publish the state that follows, and answer those whose commands were processed."""
        self.operator.processed()

    def link_closed(self) -> None:
        """Record that the link is closed."""
        self.operator.link_closed()


__all__ = ["ArmingOperator"]
