"""Flatten: sells everything and closes the short when the operator asks, and says what remains.

A full exit is the only request that is ever repeated by itself, because a second one has no further effect
(reliability S29). It is repeated when the venue refused it, when it was proven not to be sent, or when its
outcome is unknown and a later player update still shows the position; and only so often in one game.
"""

from __future__ import annotations

from collections import Counter

from attrs import define, field

from vectra_bot.actions.desk import ActionDesk
from vectra_bot.actions.exits import MAX_EXIT_TRIES, NO_EXITS
from vectra_bot.actions.risk import Ask
from vectra_bot.engine.effects import Effects
from vectra_bot.models import (
    ActionState,
    ActionType,
    GamePhase,
    PlayerUpdate,
    SendResult,
)

# Full exits that could not be handed to the venue, in one game: nothing was sent, so they may be more.
MAX_UNSENT = 20

_UNDER_WAY = (ActionState.INTENT, ActionState.SENT)
_BUTTONS = {ActionType.SELL: "SELL", ActionType.SHORT_CLOSE: "CLOSE SHORT"}


@define
class Flatten:
    """The exits that the operator's request leads to.

    Attributes:
        active: whether the operator asked for it, and did not resume since.
        done: whether it was reported that nothing is left to sell.
    """

    desk: ActionDesk
    effects: Effects
    active: bool = False
    done: bool = False
    _game_id: str = ""
    _tries: Counter[ActionType] = field(factory=Counter)
    _unsent: Counter[ActionType] = field(factory=Counter)
    _ours: dict[str, ActionType] = field(factory=dict)
    _doubt: dict[ActionType, PlayerUpdate | None] = field(factory=dict)

    def begin(self) -> None:
        """Start, and report what cannot be closed."""
        self.active, self.done = True, False
        self._unsent.clear()  # nothing of them was sent: a new request has all its attempts
        account = self.desk.account
        if account.sidebet is not None:
            self.effects.system(
                "flatten.remaining",
                "warning",
                f"an open sidebet cannot be closed: it runs until tick {account.sidebet.end_tick}",
                amount=str(account.sidebet.amount),
            )
        if account.stakes:
            self.effects.system(
                "flatten.remaining",
                "warning",
                f"{len(account.stakes)} stakes in side games cannot be closed: their rounds end them",
                amount=str(sum(stake.amount for stake in account.stakes.values())),
            )
        self.run()

    def end(self) -> None:
        """Stop selling."""
        self.active = False

    def run(self) -> None:
        """Ask for the exits that are due now."""
        if not self.active:
            return
        desk = self.desk
        if desk.game.game_id != self._game_id:
            self._game_id = desk.game.game_id
            for table in (self._tries, self._unsent, self._ours, self._doubt):
                table.clear()
        kinds = self._open_kinds()
        for kind in kinds:
            if self._is_due(kind):
                self._ask(kind)
        if not kinds and not self.done and not desk.book.pending:
            self.done = True
            self.effects.system(
                "flatten.done", "info", "nothing is left that could be sold or closed"
            )

    def on_send_result(self, result: SendResult) -> None:
        """Count an exit that was not sent as none."""
        kind = self._ours.pop(result.action_id, None)
        if kind is not None and not result.sent:
            self._tries[kind] -= 1
            self._unsent[kind] += 1
            if self._unsent[kind] >= MAX_UNSENT:
                self._report_last(kind)

    def _is_due(self, kind: ActionType) -> bool:
        desk = self.desk
        if desk.game.phase is not GamePhase.ACTIVE or desk.gate.stopped is not None:
            return False
        if desk.gate.arming.denies(is_entry=False, flattening=True) is not None:
            return False
        if self._tries[kind] >= MAX_EXIT_TRIES or self._unsent[kind] >= MAX_UNSENT:
            return False
        states = {a.state for a in desk.book.pending if a.action_type is kind}
        if states.intersection(_UNDER_WAY):
            self._doubt.pop(kind, None)
            return False
        if not states:
            return True
        # Its outcome is unknown: only a later statement of the venue shows that it is still open.
        stated = desk.account.stated
        return self._doubt.setdefault(kind, stated) is not stated and _is_stated(kind, stated)

    def _ask(self, kind: ActionType) -> None:
        desk = self.desk
        desk.opened()
        percentage = 100 if kind is ActionType.SELL else None
        ask = Ask(kind, percentage=percentage)
        action = desk.ask(ask, _BUTTONS[kind], NO_EXITS, desk.hand_over, reviewed=False)
        desk.opened()
        self._doubt.pop(kind, None)
        if action.state is ActionState.DENIED:
            self._unsent[kind] += 1
        else:
            self._tries[kind] += 1
            self._ours[action.action_id] = kind
        if self._tries[kind] >= MAX_EXIT_TRIES or self._unsent[kind] >= MAX_UNSENT:
            self._report_last(kind)

    def _report_last(self, kind: ActionType) -> None:
        self.effects.system(
            "flatten.last_try",
            "critical",
            f"the last {kind.value} of this game was asked for: check the account at the venue",
            tries=self._tries[kind],
            unsent=self._unsent[kind],
        )

    def _open_kinds(self) -> list[ActionType]:
        """Return the exits that what is open and ours needs."""
        account, arming = self.desk.account, self.desk.gate.arming
        if arming.ignored is not None and arming.ignored == self.desk.game.game_id:
            return []
        found = [ActionType.SELL] if account.lots else []
        return found if account.short is None else [*found, ActionType.SHORT_CLOSE]


def _is_stated(kind: ActionType, stated: PlayerUpdate | None) -> bool:
    """Return whether the venue's statement shows what an exit of *kind* would close."""
    if stated is None:
        return False
    return stated.position_qty > 0 if kind is ActionType.SELL else stated.short is not None


__all__ = ["Flatten"]
