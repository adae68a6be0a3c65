"""BotActionInterface: the only way for a strategy to act.

An action call does, in this order: build the :class:`PlayerAction` with the state before it and the game
context; check limits and phase; call the plugins' ``review_action``; pass the command to :meth:`_submit`. No
hook or strategy method runs inside the call: the outcome is delivered after the current callback returns.
"""

from __future__ import annotations

import hashlib
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
from attrs import define, field

from vectra_bot.actions.book import ActionBook
from vectra_bot.actions.exits import NO_EXITS, DeclaredExits, ExitPlan
from vectra_bot.actions.ids import ActionIds
from vectra_bot.actions.risk import Ask, RiskGate
from vectra_bot.actions.rounds import SIDE_GAMES
from vectra_bot.errors import NotInCallback, StrategyError
from vectra_bot.game import rules
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.rounds import Round, Rounds
from vectra_bot.game.state import GameView
from vectra_bot.models import (
    ActionOutcome,
    ActionState,
    ActionTimestamps,
    ActionType,
    BBCPrediction,
    CandleflipChoice,
    Command,
    Mode,
    PlayerAction,
    SideGameKind,
)
from vectra_bot.models.times import NS_PER_MS

Amount = Decimal | int | str | float
Review = Callable[[PlayerAction], str | None]

# Actions a strategy may request while one input is processed: more is a loop, not a decision.
MAX_CALLS_PER_INPUT = 64


@define
class ActionContext:
    """What an action call needs: game and account state, the action book, and the risk gate."""

    session_id: str
    mode: Mode
    ids: ActionIds
    game: GameView
    account: Account
    rounds: Rounds
    book: ActionBook
    gate: RiskGate
    review: Review
    exits: DeclaredExits = field(factory=DeclaredExits)
    calls: int = 0
    in_callback: bool = False


class BotActionInterface(ABC):
    """The methods by which a strategy acts; each call becomes a tracked :class:`PlayerAction`.

    A subclass implements the one method :meth:`_submit`; carrying the command to a venue is the gateway's
    job.
    """

    def __init__(self, desk: ActionContext) -> None:
        self._desk = desk
        self._bet = rules.MIN_STAKE

    @abstractmethod
    def _submit(self, command: Command) -> None:
        """Queue *command* for sending; synchronous, no I/O."""

    # Actions that are sent (orders, in other frameworks' words).

    def buy(
        self,
        amount: Amount | None = None,
        *,
        leverage: int = 1,
        take_profit: float | None = None,
        stop_loss: float | None = None,
        max_ticks: int | None = None,
    ) -> PlayerAction:
        """Buy for *amount* SOL at the price at which the venue executes it.

        Args:
            amount: SOL; the adjusted bet (see :meth:`bet_increment`) if not given.
            leverage: 1 to 5 (protocol 9; everything above 1 is unverified). The position gains and loses that
                many times as much, and the venue liquidates it at a fall of 20 % (2), 10 % (3), 2.5 % (4)
                or 1 % (5); the liquidation is recorded as an external action.
            take_profit: sell everything when value over cost reaches this, e.g. 1.5.
            stop_loss: sell everything when value over cost falls to this, e.g. 0.7.
            max_ticks: sell everything this many ticks after the entry.

        Returns:
            The action after the call: INTENT, or DENIED with the reason in its outcome.

        Raises:
            NotInCallback: called outside a strategy's callback.
            StrategyError: *amount* is not an amount of SOL with at most nine decimal places.
        """
        self._enter("buy")
        plan = ExitPlan(take_profit=take_profit, stop_loss=stop_loss, max_ticks=max_ticks)
        lamports = self._stake(amount)
        return self._ask(Ask(ActionType.BUY, amount=lamports, leverage=leverage), "BUY", plan)

    def sell(self, percentage: int = 100) -> PlayerAction:
        """Sell *percentage* (1 to 100) of the position at the price at which the venue executes it.

        Raises:
            NotInCallback: called outside a strategy's callback.
            StrategyError: *percentage* is not a whole number from 1 to 100.
        """
        self._enter("sell")
        if type(percentage) is not int or not 1 <= percentage <= 100:
            raise StrategyError(
                f"sell percentage was {percentage!r}: give a whole number from 1 to 100"
            )
        button = "SELL" if percentage == 100 else f"SELL {percentage}%"
        return self._ask(Ask(ActionType.SELL, percentage=percentage), button, NO_EXITS)

    def sidebet(self, amount: Amount | None = None) -> PlayerAction:
        """Bet *amount* SOL that the game rugs within the next 40 ticks; pays 5 times the stake.

        Raises:
            NotInCallback: called outside a strategy's callback.
            StrategyError: *amount* is not an amount of SOL with at most nine decimal places.
        """
        self._enter("sidebet")
        return self._ask(Ask(ActionType.SIDEBET, amount=self._stake(amount)), "SIDEBET", NO_EXITS)

    def short_open(self, amount: Amount | None = None) -> PlayerAction:
        """Open a short of *amount* SOL: it gains when the price falls (protocol 8; payoff unverified).

        One short at a time, while the game runs. Its end is reported to ``on_stake_settled``.

        Raises:
            NotInCallback: called outside a strategy's callback.
            StrategyError: *amount* is not an amount of SOL with at most nine decimal places.
        """
        self._enter("short_open")
        asked = any(a.action_type is ActionType.SHORT_OPEN for a in self.pending)
        ask = Ask(ActionType.SHORT_OPEN, amount=self._stake(amount), asked=asked)
        return self._ask(ask, "SHORT", NO_EXITS)

    def short_close(self) -> PlayerAction:
        """Close the short at its value when the venue executes it (protocol 8; payoff unverified).

        Raises:
            NotInCallback: called outside a strategy's callback.
        """
        self._enter("short_close")
        return self._ask(Ask(ActionType.SHORT_CLOSE), "CLOSE SHORT", NO_EXITS)

    def bbc_predict(
        self,
        prediction: BBCPrediction | str,
        amount: Amount | None = None,
        *,
        round_id: str | None = None,
    ) -> PlayerAction:
        """Stake *amount* SOL on BULL, BEAR or CRAB in a round (protocol 11; unverified).

        Args:
            prediction: the predicted result of the round.
            amount: SOL; the adjusted bet if not given.
            round_id: which round; by default the newest one that accepts stakes.

        Raises:
            NotInCallback: called outside a strategy's callback.
            StrategyError: *prediction* is not a known choice, or *amount* is not an amount of SOL.
        """
        self._enter("bbc_predict")
        choice = _choice(BBCPrediction, prediction, "prediction")
        return self._ask_round(ActionType.BBC_PREDICT, choice, amount, round_id)

    def candleflip_bet(
        self,
        choice: CandleflipChoice | str,
        amount: Amount | None = None,
        *,
        round_id: str | None = None,
    ) -> PlayerAction:
        """Stake *amount* SOL on GREEN or RED in a round (protocol 11; unverified).

        Args:
            choice: the predicted winning side.
            amount: SOL; the adjusted bet if not given.
            round_id: which round, in any room; by default the newest one that accepts stakes.

        Raises:
            NotInCallback: called outside a strategy's callback.
            StrategyError: *choice* is not a known choice, or *amount* is not an amount of SOL.
        """
        self._enter("candleflip_bet")
        side = _choice(CandleflipChoice, choice, "choice")
        return self._ask_round(ActionType.CANDLEFLIP_BET, side, amount, round_id)

    # Bet adjustments: local, nothing is sent.

    def bet_increment(self, step: Amount = "0.01") -> PlayerAction:
        """Raise the bet that :meth:`buy` and :meth:`sidebet` use by *step* SOL."""
        self._enter("bet_increment")
        wanted = to_lamports(self._bet) + self._lamports(step)
        return self._adjust(ActionType.BET_INCREMENT, f"+{_plain(step)}", wanted)

    def bet_decrement(self, step: Amount = "0.01") -> PlayerAction:
        """Lower the bet that :meth:`buy` and :meth:`sidebet` use by *step* SOL."""
        self._enter("bet_decrement")
        wanted = to_lamports(self._bet) - self._lamports(step)
        return self._adjust(ActionType.BET_DECREMENT, f"-{_plain(step)}", wanted)

    def bet_percentage(self, percentage: int) -> PlayerAction:
        """Set the bet to *percentage* (10, 25, 50 or 100) of the free cash, rounded down to 0.001."""
        self._enter("bet_percentage")
        if type(percentage) is not int or percentage not in rules.BET_PERCENTAGES:
            raise StrategyError(f"bet percentage was {percentage!r}: give 10, 25, 50 or 100")
        step = to_lamports(rules.STAKE_STEP)
        wanted = self._desk.account.cash * percentage // 100 // step * step
        button = "MAX" if percentage == 100 else f"{percentage}%"
        return self._adjust(ActionType.BET_PERCENTAGE, button, wanted, percentage)

    @property
    def bet_amount(self) -> Decimal:
        """Return the adjusted bet in SOL."""
        return self._bet

    @property
    def pending(self) -> tuple[PlayerAction, ...]:
        """Return the actions that are not decided yet; empty (false) if there are none."""
        return self._desk.book.pending

    # Implementation.

    def _enter(self, what: str) -> None:
        desk = self._desk
        if not desk.in_callback:
            raise NotInCallback(
                f"{what}() was called outside a callback: act inside on_* methods only"
            )
        desk.calls += 1
        if desk.calls > MAX_CALLS_PER_INPUT:
            raise StrategyError(
                f"{desk.calls} actions were requested while one input was processed, the maximum is "
                f"{MAX_CALLS_PER_INPUT}: does an outcome handler act on every outcome?"
            )

    def _stake(self, amount: Amount | None) -> int:
        return to_lamports(self._bet) if amount is None else self._lamports(amount)

    def _lamports(self, amount: Amount) -> int:
        if isinstance(amount, bool) or not isinstance(amount, Decimal | int | str | float):
            raise StrategyError(f"amount was {amount!r}: give SOL as Decimal, int, str or float")
        try:
            lamports = to_lamports(amount)
        except (ValueError, ArithmeticError):
            raise StrategyError(
                f"amount was {amount!r}: give a finite amount of SOL with at most nine decimal places"
            ) from None
        if lamports < 0:
            raise StrategyError(f"amount was {amount!r}: give a positive amount of SOL")
        return lamports

    def _build(
        self,
        kind: ActionType,
        button: str,
        amount: int | None,
        percentage: int | None,
        ask: Ask | None = None,
    ) -> PlayerAction:
        desk = self._desk
        action_id, trace_id = desk.ids.next()
        return PlayerAction(
            action_id,
            desk.session_id,
            desk.game.game_id,
            desk.account.player_id,
            desk.account.username,
            kind,
            button,
            None if amount is None else to_sol(amount),
            percentage,
            desk.game.context(),
            desk.account.state,
            ActionTimestamps(desk.account.now_ns // NS_PER_MS),
            trace_id=None if kind.is_local else trace_id,
            mode=desk.mode,
            leverage=1 if ask is None else ask.leverage,
            choice=None if ask is None else ask.choice,
            round_id=None if ask is None or ask.round is None else ask.round.round_id,
            unverified=ask is not None and self._is_unverified(ask),
        )

    def _is_unverified(self, ask: Ask) -> bool:
        """Return whether no capture shows what *ask* requests: leverage, shorts, side games."""
        if ask.action_type is ActionType.SELL:
            return self._desk.account.view.position.leverage > 1
        return ask.action_type.is_unverified or ask.leverage > 1

    def _ask_round(
        self, kind: ActionType, choice: str, amount: Amount | None, round_id: str | None
    ) -> PlayerAction:
        rounds, side_game = self._desk.rounds, SIDE_GAMES[kind]
        asked: Round | None
        if round_id is None:
            asked = rounds.current(side_game)
        else:
            asked = rounds.get(side_game, round_id)
        under_way = asked is not None and any(
            a.action_type is kind and a.round_id == asked.round_id for a in self.pending
        )
        lamports = self._stake(amount)
        ask = Ask(kind, amount=lamports, choice=choice, round=asked, asked=under_way)
        return self._ask(ask, choice, NO_EXITS)

    def _ask(self, ask: Ask, button: str, plan: ExitPlan) -> PlayerAction:
        desk = self._desk
        action = self._build(ask.action_type, button, ask.amount, ask.percentage, ask)
        book = desk.book
        reason = desk.gate.check(
            ask,
            desk.game,
            desk.account,
            pending=book.pending,
            unknown=book.unknown_count,
            at_risk=book.at_risk,
        )
        reason = reason or desk.review(action)
        if reason is not None:
            outcome = ActionOutcome(False, error=ActionState.DENIED.value, error_reason=reason)
            action = attrs.evolve(action, state=ActionState.DENIED, outcome=outcome, trace_id=None)
            book.report(action)
            return action
        desk.gate.sent_this_game += 1
        command = self._command(action)
        book.add(action, command, plan, desk.account.now_ns)
        self._submit(command)
        return action

    def _command(self, action: PlayerAction) -> Command:
        desk = self._desk
        return Command(
            action_id=action.action_id,
            trace_id=action.trace_id or "",
            action_type=action.action_type,
            game_id=action.game_id,
            tick=desk.game.tick,
            price=desk.game.price,
            amount=action.amount,
            percentage=action.percentage,
            leverage=action.leverage,
            created_ns=desk.account.now_ns,
            context_sha256=_context_digest(desk.game, desk.account, desk.rounds),
            choice=action.choice,
            round_id=action.round_id,
        )

    def _adjust(
        self, kind: ActionType, button: str, wanted: int, percentage: int | None = None
    ) -> PlayerAction:
        low, high = to_lamports(rules.MIN_STAKE), to_lamports(rules.MAX_STAKE)
        self._bet = to_sol(min(max(wanted, low), high))
        action = self._build(kind, button, to_lamports(self._bet), percentage)
        outcome = ActionOutcome(True, executed_amount=self._bet)
        action = attrs.evolve(
            action, state=ActionState.CONFIRMED, outcome=outcome, state_after=action.state_before
        )
        self._desk.book.report(action)
        return action


def _plain(step: Amount) -> str:
    """Return a step in the form shown on the button."""
    text = format(Decimal(str(step)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _choice(kind: type[BBCPrediction | CandleflipChoice], value: object, what: str) -> str:
    """Return the choice that *value* names, as text.

    Raises:
        StrategyError: it is not a known choice.
    """
    text = value.value if isinstance(value, kind) else value
    names = [member.value for member in kind]
    if not isinstance(text, str) or text.upper() not in names:
        raise StrategyError(f"{what} was {value!r}: give {', '.join(names[:-1])} or {names[-1]}")
    return text.upper()


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
