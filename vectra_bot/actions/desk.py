"""The desk: carries out an action call, from the request to the command that is handed over.

The order is fixed: build the action -> limits and phase -> build the command -> the plugins'
``review_action`` -> hand over. Plugins and the strategy get copies of the action; what is sent is the
command, which was built before they were called and which none of them is given.
"""

from __future__ import annotations

import hashlib
import inspect
import signal
import struct
import sys
from _signal import getsignal  # type: ignore[import-not-found]  # the public one is 20 times slower
from collections.abc import Callable
from itertools import pairwise
from threading import get_ident
from types import CodeType, FrameType
from typing import Any

import attrs
from attrs import define, field

from vectra_bot.actions.book import ActionBook
from vectra_bot.actions.exits import NO_EXITS, DeclaredExits, ExitPlan
from vectra_bot.actions.ids import ActionIds
from vectra_bot.actions.limits import LEAST, MOST
from vectra_bot.actions.risk import Ask, RiskGate
from vectra_bot.actions.rounds import SIDE_GAMES
from vectra_bot.errors import NotInCallback, StrategyError
from vectra_bot.game import rules
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.outside import fresh
from vectra_bot.game.rounds import Round, Rounds
from vectra_bot.game.state import GameView
from vectra_bot.models import (
    ActionOutcome,
    ActionState,
    ActionTimestamps,
    ActionType,
    Command,
    Mode,
    PlayerAction,
    Proof,
    SideGameKind,
)
from vectra_bot.models.times import NS_PER_MS

Review = Callable[[PlayerAction], str | None]
Submit = Callable[[Command], None]

# Actions a strategy may request while one input is processed: more is a loop, not a decision.
MAX_CALLS_PER_INPUT = 64
# As plain numbers: `signal` builds a set of its enumeration at each call, which costs as much as an action.
_SIGNALS = tuple(map(int, signal.valid_signals()))


def _nothing() -> None:
    """Do nothing: nobody watches this desk."""


@define
class ActionDesk:
    """What an action call needs: game and account state, the action book, and the risk gate.

    Attributes:
        bet: the adjusted bet, lamports.
        calls: actions requested while the current input is processed.
        thread: the thread whose callback runs now, 0 if none does.
        outermost: code of the functions that run the callbacks.
        reviewed: the action and the command that plugins review now.
        sent: the commands that the current input led to.
        opened: called before the desk changes anything.
        closed: called before code that is not ours runs.
    """

    session_id: str
    mode: Mode
    ids: ActionIds
    game: GameView
    account: Account
    rounds: Rounds
    book: ActionBook
    gate: RiskGate
    review: Review
    deliver: Submit
    exits: DeclaredExits = field(factory=DeclaredExits)
    bet: int = to_lamports(rules.MIN_STAKE)
    calls: int = 0
    thread: int = 0
    outermost: tuple[CodeType, ...] = ()
    reviewed: tuple[PlayerAction, Command] | None = None
    sent: tuple[Command, ...] = ()
    opened: Callable[[], None] = _nothing
    closed: Callable[[], None] = _nothing
    _checked: Command | None = None

    def enter(self, what: str) -> None:
        """Begin the call of the action *what*.

        Raises:
            NotInCallback: no callback runs, or the call comes from another thread or a signal handler.
            StrategyError: too many actions were requested for one input.
        """
        if self.thread != get_ident():
            if not self.thread:
                raise NotInCallback(
                    f"{what}() was called outside a callback: act inside on_* methods only"
                )
            raise NotInCallback(
                f"{what}() was called from another thread: act inside on_* methods only, in the thread that "
                "runs them; pass what a thread finds to the next callback"
            )
        if _in_signal_handler(sys._getframe(1), self.outermost):  # noqa: SLF001
            raise NotInCallback(
                f"{what}() was called in a signal handler, which runs at any moment: set an attribute there "
                "and act in the next callback"
            )
        self.calls += 1
        if self.calls > MAX_CALLS_PER_INPUT:
            raise StrategyError(
                f"{self.calls} actions were requested while one input was processed, the maximum is "
                f"{MAX_CALLS_PER_INPUT}: does an outcome handler act on every outcome?"
            )
        self.opened()

    def ask(
        self, ask: Ask, button: str, plan: ExitPlan, submit: Submit, *, reviewed: bool = True
    ) -> PlayerAction:
        """Check *ask* and pass its command to *submit*; return the action as the caller may have it.

        Plugins review it unless *reviewed* is False: what the operator requests they cannot deny.
        """
        action = self._build(ask.action_type, button, ask.amount, ask.percentage, ask)
        book = self.book
        reason = self.gate.check(
            ask,
            self.game,
            self.account,
            pending=book.pending,
            unknown=book.unknown_count,
            at_risk=book.at_risk,
        )
        if reason is None:
            command = self._command(action)  # before others see the action
            reason = self._reviewed(action, command) if reviewed else None
            if reason is None:
                self.gate.on_sent(self.account.now_ns)
                book.add(action, command, plan, self.account.now_ns)
                self._checked = command
                submit(command)
                return self._given(action)
        outcome = ActionOutcome(False, error=ActionState.DENIED.value, error_reason=reason)
        action = attrs.evolve(
            action,
            state=ActionState.DENIED,
            outcome=outcome,
            trace_id=None,
            proof=Proof.LOCAL,
        )
        book.report(action)
        return self._given(action)

    def _reviewed(self, action: PlayerAction, command: Command) -> str | None:
        """Return why plugins deny *action*; they cannot act themselves meanwhile."""
        thread, self.thread, self.reviewed = self.thread, 0, (action, command)
        self.closed()
        try:
            return self.review(action)
        finally:
            self.opened()
            self.thread, self.reviewed = thread, None

    def hand_over(self, command: Command) -> None:
        """Deliver *command*, which must be the one that was just checked.

        Raises:
            StrategyError: it is another one.
        """
        if command is not self._checked:
            raise StrategyError(
                "_submit() was called with a command that no limit has checked: act by buy(), sell() and "
                "the other methods"
            )
        self._checked = None
        self.sent += (command,)
        self.deliver(command)

    def ask_round(
        self,
        kind: ActionType,
        choice: str,
        amount: int,
        round_id: str | None,
        submit: Submit,
    ) -> PlayerAction:
        """Ask for a stake of *amount* lamports in a side game's round, the newest one if None."""
        rounds, side_game = self.rounds, SIDE_GAMES[kind]
        asked: Round | None
        if round_id is None:
            asked = rounds.current(side_game)
        else:
            asked = rounds.get(side_game, round_id)
        under_way = asked is not None and any(
            a.action_type is kind and a.round_id == asked.round_id for a in self.book.pending
        )
        ask = Ask(kind, amount=amount, choice=choice, round=asked, asked=under_way)
        return self.ask(ask, choice, NO_EXITS, submit)

    def adjust(
        self, kind: ActionType, button: str, wanted: int, percentage: int | None = None
    ) -> PlayerAction:
        """Set the bet to *wanted* lamports, within the venue's limits."""
        self.bet = min(max(wanted, LEAST), MOST)
        action = self._build(kind, button, self.bet, percentage)
        outcome = ActionOutcome(True, executed_amount=to_sol(self.bet))
        action = attrs.evolve(
            action,
            state=ActionState.CONFIRMED,
            outcome=outcome,
            state_after=action.state_before,
            proof=Proof.LOCAL,
        )
        self.book.report(action)
        return self._given(action)

    def pending(self) -> tuple[PlayerAction, ...]:
        """Return copies of the actions that are not decided yet, oldest first."""
        return tuple(map(fresh, self.book.pending))

    def _given(self, action: PlayerAction) -> PlayerAction:
        """Return a copy of *action* for the strategy, whose code runs next."""
        self.closed()
        copy: PlayerAction = fresh(action)
        return copy

    def _build(
        self,
        kind: ActionType,
        button: str,
        amount: int | None,
        percentage: int | None,
        ask: Ask | None = None,
    ) -> PlayerAction:
        action_id, trace_id = self.ids.next()
        return PlayerAction(
            action_id,
            self.session_id,
            self.game.game_id,
            self.account.player_id,
            self.account.username,
            kind,
            button,
            None if amount is None else to_sol(amount),
            percentage,
            self.game.context(),
            self.account.state,
            ActionTimestamps(self.account.now_ns // NS_PER_MS),
            trace_id=None if kind.is_local else trace_id,
            mode=self.mode,
            leverage=1 if ask is None else ask.leverage,
            choice=None if ask is None else ask.choice,
            round_id=None if ask is None or ask.round is None else ask.round.round_id,
            unverified=ask is not None and self._is_unverified(ask),
        )

    def _is_unverified(self, ask: Ask) -> bool:
        """Return whether no capture shows what *ask* requests: leverage, shorts, side games."""
        if ask.action_type is ActionType.SELL:
            return self.account.leveraged
        return ask.action_type.is_unverified or ask.leverage > 1

    def _command(self, action: PlayerAction) -> Command:
        return Command(
            action_id=action.action_id,
            trace_id=action.trace_id or "",
            action_type=action.action_type,
            game_id=action.game_id,
            tick=self.game.tick,
            price=self.game.price,
            amount=action.amount,
            percentage=action.percentage,
            leverage=action.leverage,
            created_ns=self.account.now_ns,
            context_sha256=_context_digest(self.game, self.account, self.rounds),
            choice=action.choice,
            round_id=action.round_id,
        )


def _in_signal_handler(frame: FrameType | None, outermost: tuple[CodeType, ...]) -> bool:
    """Return whether a signal handler runs between *frame* and the function that runs the callbacks.

    A handler is the code of an installed one, or what was called with a number and its caller's frame.
    """
    handlers = {_code(getsignal(number)) for number in _SIGNALS} - {None}
    while frame is not None and frame.f_code not in outermost:
        if frame.f_code in handlers or _is_called_by_signal(frame):
            return True
        frame = frame.f_back
    return False


def _code(handler: Any) -> CodeType | None:
    """Return the code that a handler runs, None if it runs none of Python's."""
    if handler is None or type(handler) is int:
        return None
    function = getattr(handler, "func", handler)  # of a partial
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _is_called_by_signal(frame: FrameType) -> bool:
    code = frame.f_code
    count = code.co_argcount
    rest = code.co_flags & inspect.CO_VARARGS
    if frame.f_back is None or count + 2 * bool(rest) < 2:
        return False
    values = frame.f_locals
    found = [values.get(name) for name in code.co_varnames[:count]]
    if rest:
        found += values.get(code.co_varnames[count + code.co_kwonlyargcount], ())
    return any(type(number) is int and value is frame.f_back for number, value in pairwise(found))


def _context_digest(game: GameView, account: Account, rounds: Rounds) -> str:
    """Return a digest of the prices and account state that a decision could see."""
    prices = list(game.prices)
    digest = hashlib.sha256(game.game_id.encode())
    digest.update(struct.pack(f"<{len(prices)}d", *prices))
    digest.update(
        repr((game.tick, game.phase.value, account.cash, account.qty, account.cost)).encode()
    )
    if account.short is not None or not rounds.empty:
        digest.update(repr(_beside(account, rounds)).encode())
    return digest.hexdigest()


def _beside(account: Account, rounds: Rounds) -> tuple[Any, ...]:
    """Return the visible state other than the game and the long position, as plain values."""
    short = account.short
    newest = (rounds.current(side_game) for side_game in SideGameKind)
    return (
        None if short is None else (str(short.stake), short.entry_price, str(short.value)),
        [(r.round_id, r.is_open, r.result) for r in newest if r is not None],
        sorted((kind.value, round_id) for kind, round_id in account.stakes),
    )
