"""Control: what the operator asks and what the venue shows decide what may be sent.

The gate keeps the halts and the state of arming; this module changes them, says so in documents, and sells
what is open when the operator asks for it.
"""

from __future__ import annotations

from attrs import define

from vectra_bot.actions.arming import Arming, ArmingState, LiveTerms, Standing
from vectra_bot.actions.book import ActionBook
from vectra_bot.actions.desk import ActionDesk
from vectra_bot.actions.freshness import Freshness
from vectra_bot.actions.risk import HaltCause, RiskGate
from vectra_bot.engine.effects import Effects
from vectra_bot.engine.flatten import Flatten
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_sol
from vectra_bot.game.holdings import SidebetView
from vectra_bot.models import (
    ConnectionChanged,
    FrameRejected,
    GameFrame,
    GamePhase,
    Link,
    LoginStatus,
    OperatorCommand,
    OperatorKind,
    PlayerUpdate,
)

# Halts that a later request of the operator replaces.
_SEEN = (HaltCause.OPERATOR, HaltCause.POSITION, HaltCause.DEAD_MAN)
_ABOUT_ALERTS = (OperatorKind.ALERTS, OperatorKind.ACKNOWLEDGE)
_WORDS = {OperatorKind.REDUCE: "for exits only", OperatorKind.FLATTEN: "to sell everything"}


def _asked(command: OperatorCommand, what: str) -> str:
    """Return what an operator asked for, with the reason if there is one."""
    return f"the operator asked {what}" + (f": {command.reason}" if command.reason else "")


@define
class Control:
    """Changes what a session may send.

    Attributes:
        watches: whether it sells nothing, whatever the operator asks.
        shown: the state of arming that was stored last.
        stale: whether it was stored last that the newest price is too old.
    """

    desk: ActionDesk
    effects: Effects
    flatten: Flatten
    watches: bool = False
    shown: ArmingState = ArmingState.DISARMED
    stale: bool = False

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

    def on_frame(self, frame: GameFrame) -> None:
        """Note a game frame; those of a countdown are as fresh as ticks."""
        arming = self.gate.arming.on_frame(frame.game_id)
        self._set(arming if frame.active or frame.rugged else arming.on_tick())

    def on_tick(self, tick: int) -> None:
        """Note a fresh tick; one that is old already does not count for arming."""
        fresh = self.gate.freshness
        if fresh is not None:
            self.desk.opened()
            fresh.on_tick(tick, self.account.now_ns)
            if fresh.is_old:
                return
        self._set(self.gate.arming.on_tick())

    def on_update(self, update: PlayerUpdate) -> None:
        """Note that the venue stated our money; what was open at the start is treated as the terms say."""
        arming = self.gate.arming
        self._set(arming.on_update())
        if update.authenticated is False:
            self._set(self.gate.arming.on_logout())
        if arming.terms is not None and not arming.started:
            self._find_positions(update, arming.terms.positions)
        self.flatten.run()

    def _find_positions(self, update: PlayerUpdate, policy: str) -> None:
        account, gate = self.account, self.gate
        stated = update.sidebet
        if stated is not None and account.sidebet is None:
            account.sidebet = SidebetView(stated.amount, stated.start_tick, stated.end_tick)
        if not (account.lots or account.short or account.sidebet):
            return
        game_id = self.desk.game.game_id
        self.effects.system(
            "position.found",
            "warning",
            f"something was open at the start ({policy})",
            policy=policy,
            game_id=game_id,
            position_qty=str(update.position_qty),
            cost=str(to_sol(account.cost)),
            short=None if account.short is None else str(account.short.stake),
            sidebet=None if account.sidebet is None else str(account.sidebet.amount),
        )
        if policy == "halt":
            gate.halt(
                HaltCause.POSITION,
                "something was open at the start: flatten it, or resume to take it over",
            )
        elif policy == "ignore" and (account.lots or account.short):
            gate.arming = gate.arming.on_ignored(game_id)

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
        if kind in _ABOUT_ALERTS:
            # Nothing that may be sent depends on it, and a changed file is not a sign of life.
            self.effects.system("operator." + kind.value, "info", command.reason or kind.value)
            return
        if kind is not OperatorKind.BEAT:
            self.effects.system("operator." + kind.value, "warning", command.reason or kind.value)
        if self.terms is not None:
            gate.arming = gate.arming.on_beat(now_ns)
        match kind:
            case OperatorKind.HALT:
                gate.halt(HaltCause.OPERATOR, _asked(command, "for no entries"))
            case OperatorKind.RESUME:
                gate.resume()
                self.flatten.end()
            case OperatorKind.REDUCE | OperatorKind.FLATTEN:
                for cause in _SEEN:
                    gate.lift(cause)
                gate.halt(HaltCause(kind.value), _asked(command, _WORDS[kind]))
                if kind is OperatorKind.FLATTEN and not self.watches:
                    self.flatten.begin()
            case OperatorKind.ARM:
                self._arm()
            case OperatorKind.DISARM if self.terms is not None:
                gate.arming = gate.arming.on_disarm()
            case OperatorKind.STOP:
                gate.stop_all(_asked(command, "to stop"))

    def _arm(self) -> None:
        gate = self.gate
        missing = gate.arming.missing
        if self.terms is None:
            missing = ("arming.paper: a session without live terms needs no arming",)
        if missing:
            self.effects.system(
                "arming.refused",
                "error",
                f"the session cannot be armed ({'; '.join(missing)})",
                missing=[line.split(":")[0] for line in missing],
            )
            return
        gate.arming = gate.arming.on_arm(self.account.now_ns)

    # Time.

    def on_time(self, now_ns: int) -> None:
        """Apply what follows from the time, before anything else of an input."""
        gate = self.gate
        if now_ns >= gate.day_end_ns:
            self.desk.opened()
            gate.on_day(self.account)
        if gate.arming.is_alone(now_ns) and HaltCause.DEAD_MAN not in gate.halts:
            self.desk.opened()
            gate.halt(
                HaltCause.DEAD_MAN,
                "the operator gave no sign for too long: `vectra-bot resume` ends it",
            )

    def look(self) -> None:
        """Apply what follows from losses after an input, and store what changed."""
        gate = self.gate
        if gate.arming.terms is not None:
            self._look_at_losses()
            self._show_state()
        if gate.freshness is not None:
            self._show_price(gate.freshness)

    def _look_at_losses(self) -> None:
        """Halt entries when a loss limit is reached, and stop when nothing is open any more."""
        gate, account = self.gate, self.account
        if not account.known or gate.stopped is not None:
            return
        reason, halted = gate.spent(account), HaltCause.LOSS in gate.halts
        if reason is None and not halted:
            return
        self.desk.opened()
        if reason is None:
            gate.lift(HaltCause.LOSS)  # what was open brought it back
            return
        gate.halt(HaltCause.LOSS, reason)
        open_now = account.lots or account.short or account.sidebet or account.stakes
        if not open_now and not self.book.pending:
            gate.stop_all(reason)

    def _show_state(self) -> None:
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

    def _show_price(self, freshness: Freshness) -> None:
        active = self.desk.game.phase is GamePhase.ACTIVE
        reason = freshness.denies(self.account.now_ns) if active else None
        stale = reason is not None
        if stale is self.stale:
            return
        self.stale = stale
        if reason is None:
            self.effects.system("price.fresh", "info", "the newest price is fresh again")
        else:
            self.effects.system("price.stale", "warning", f"no entries: {reason}")


__all__ = ["Control"]
