"""Control: what the operator asks and what the venue shows decide what may be sent.

The gate keeps the halts and the state of arming; this module changes them, says so in documents, and sells
what is open when the operator asks for it.
"""

from __future__ import annotations

from attrs import define

from vectra_bot.actions.arming import Arming, ArmingState, LiveTerms, Standing
from vectra_bot.actions.book import ActionBook
from vectra_bot.actions.desk import ActionDesk
from vectra_bot.actions.risk import HaltCause, RiskGate
from vectra_bot.engine.effects import Effects
from vectra_bot.engine.flatten import Flatten
from vectra_bot.game.account import Account
from vectra_bot.models import (
    ConnectionChanged,
    FrameRejected,
    Link,
    LoginStatus,
    OperatorCommand,
    OperatorKind,
)

# Halts that a later request of the operator replaces: he has seen why.
_SEEN = (HaltCause.OPERATOR, HaltCause.POSITION, HaltCause.DEAD_MAN)


@define
class Control:
    """Changes what a session may send.

    Attributes:
        watches: whether it sells nothing, whatever the operator asks.
        shown: the state of arming that was stored last.
    """

    desk: ActionDesk
    effects: Effects
    flatten: Flatten
    watches: bool = False
    shown: ArmingState = ArmingState.DISARMED

    @property
    def gate(self) -> RiskGate:
        """Return the gate, which keeps what is allowed."""
        return self.desk.gate

    @property
    def book(self) -> ActionBook:
        """Return the incomplete actions."""
        return self.desk.book

    @property
    def account(self) -> Account:
        """Return our account."""
        return self.desk.account

    @property
    def terms(self) -> LiveTerms | None:
        """Return the conditions of a live session, None if it is not one."""
        return self.gate.arming.terms

    @property
    def standing(self) -> Standing:
        """Return what the session may do now."""
        return self.gate.standing(self.account, self.book.unknown_count)

    # What the venue shows.

    def on_login(self, status: LoginStatus) -> None:
        """Note which account is logged in; another one than ours ends trading."""
        expected = self._expected()
        if expected and expected != status.player_id:
            message = "the venue logged in another account"
            self.other_account(status.player_id, message, message)
            return
        self.account.player_id = status.player_id
        self.account.username = status.username
        self.gate.arming = self.gate.arming.on_login()

    def is_ours(self, player_id: str) -> bool:
        """Return whether a statement of money is about our account; another one ends trading."""
        expected = self._expected()
        if expected and expected != player_id:
            self.other_account(
                player_id,
                "a player update is of another account",
                "the venue's answers are for another account",
            )
            return False
        self.account.player_id = player_id
        return True

    def _expected(self) -> str:
        return self.account.player_id or ("" if self.terms is None else self.terms.account)

    def other_account(self, seen: str, message: str, stop: str) -> None:
        """End trading: the venue names the account *seen* as ours."""
        self.effects.system(
            "account.other", "critical", message, expected=self._expected(), seen=seen
        )
        self.gate.stop_all(stop)

    def on_frame(self) -> None:
        """Note a game frame of a live session."""
        self._set(self.gate.arming.on_frame())

    def on_tick(self) -> None:
        """Note a fresh tick of a live session."""
        self._set(self.gate.arming.on_tick())

    def on_update(self) -> None:
        """Note that the venue stated our money."""
        self._set(self.gate.arming.on_update())

    def on_rejected(self, rejected: FrameRejected) -> None:
        """Store that a frame could not be read; one about money halts entries."""
        self.effects.rejected(rejected)
        if rejected.money:
            self.gate.halt(
                HaltCause.MONEY, f"a frame about money could not be read ({rejected.reason})"
            )

    def on_link(self, change: ConnectionChanged) -> None:
        """Note that the connection is made or lost."""
        gate = self.gate
        if change.link is Link.DISCONNECTED:
            gate.halt(HaltCause.LINK, "the link to the venue is lost")
        elif change.link is Link.CONNECTED:
            gate.lift(HaltCause.LINK)
        if self.terms is not None and change.link is not Link.CONNECTING:
            gate.arming = gate.arming.on_link(connected=change.link is Link.CONNECTED)

    def _set(self, arming: Arming) -> None:
        if arming is not self.gate.arming:
            self.desk.opened()
            self.gate.arming = arming

    # What the operator asks.

    def on_operator(self, command: OperatorCommand) -> None:
        """Do what the operator asks."""
        gate, now_ns = self.gate, self.account.now_ns
        kind = command.kind
        if kind is not OperatorKind.BEAT:
            self.effects.system("operator." + kind.value, "warning", command.reason or kind.value)
        if self.terms is not None:
            gate.arming = gate.arming.on_beat(now_ns)
        match kind:
            case OperatorKind.HALT:
                gate.halt(HaltCause.OPERATOR, f"operator: {command.reason}")
            case OperatorKind.RESUME:
                gate.resume()
                self.flatten.end()
            case OperatorKind.REDUCE | OperatorKind.FLATTEN:
                for cause in _SEEN:
                    gate.lift(cause)
                gate.halt(HaltCause(kind.value), f"operator: {command.reason or kind.value}")
                if kind is OperatorKind.FLATTEN and not self.watches:
                    self.flatten.begin()
            case OperatorKind.ARM:
                self._arm()
            case OperatorKind.DISARM:
                gate.arming = gate.arming.on_disarm()
            case OperatorKind.STOP:
                gate.stop_all(f"operator: {command.reason}")

    def _arm(self) -> None:
        gate = self.gate
        missing = gate.arming.missing
        if missing:
            self.effects.system(
                "arming.refused", "error", f"the session cannot be armed ({'; '.join(missing)})"
            )
            return
        gate.arming = gate.arming.on_arm(self.account.now_ns)

    def show(self) -> None:
        """Store a change of the state of arming."""
        state = self.gate.state
        if state is self.shown:
            return
        before, self.shown = self.shown, state
        self.effects.system(
            "arming.changed",
            "info" if state in (ArmingState.READY, ArmingState.ARMED) else "warning",
            f"{before.value} -> {state.value}",
            before=before.value,
            after=state.value,
            reasons=list(self.standing.reasons),
        )


__all__ = ["Control"]
