"""BotActionInterface: the only way for a strategy to act.

An action call does, in this order: build the :class:`PlayerAction` with the state before it and the game
context, and the command; check limits and phase; call the plugins' ``review_action``; pass the command to
:meth:`_submit`. No hook or strategy method runs inside the call: the outcome is delivered after the current
callback returns. An amount is converted once, at the call: what is checked, recorded and sent is that number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from numbers import Real
from typing import Any, Protocol
from weakref import ref

from vectra_bot.actions.desk import Submit
from vectra_bot.actions.exits import NO_EXITS, ExitPlan
from vectra_bot.actions.risk import Ask
from vectra_bot.errors import NotInCallback, StrategyError, safe_repr
from vectra_bot.game import rules
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.outside import BareView, state_of
from vectra_bot.models import (
    ActionType,
    BBCPrediction,
    CandleflipChoice,
    Command,
    PlayerAction,
)
from vectra_bot.params import floor_to

Amount = Decimal | int | str | float | Fraction | Real
"""SOL as any number a computation gives, numpy's included; it is rounded down to a lamport."""
Whole = Amount
"""A percentage, a leverage or a number of ticks: any number, of which the whole part counts."""


class UndecidedActions(Protocol):
    """The actions without an outcome."""

    @property
    def pending(self) -> tuple[PlayerAction, ...]: ...


class AskingDesk(Protocol):
    """What carries out the calls of :class:`BotActionInterface`: the engine's desk, or the fast driver's."""

    bet: int

    @property
    def account(self) -> Account: ...

    @property
    def book(self) -> UndecidedActions: ...

    def enter(self, what: str) -> None: ...

    def ask(self, ask: Ask, button: str, plan: ExitPlan, submit: Submit) -> PlayerAction: ...

    def ask_round(
        self, kind: ActionType, choice: str, amount: int, round_id: str | None, submit: Submit
    ) -> PlayerAction: ...

    def adjust(
        self, kind: ActionType, button: str, wanted: int, percentage: int | None = None
    ) -> PlayerAction: ...

    def pending(self) -> tuple[PlayerAction, ...]: ...


class BotActionInterface(BareView, ABC):
    """The methods by which a strategy acts; each call becomes a tracked :class:`PlayerAction`.

    A subclass implements the one method :meth:`_submit`; carrying the command to a venue is the gateway's
    job.
    """

    __slots__ = ()

    def __init__(self, desk: AskingDesk) -> None:
        # Weakly: the engine has the desk, and the desk leads back to the strategy that has this object.
        super().__init__(ref(desk))

    @abstractmethod
    def _submit(self, command: Command) -> None:
        """Queue *command* for sending; synchronous, no I/O."""

    # Actions that are sent (orders, in other frameworks' words).

    def buy(
        self,
        amount: Amount | None = None,
        *,
        leverage: Whole = 1,
        take_profit: Amount | None = None,
        stop_loss: Amount | None = None,
        trailing_stop: Amount | None = None,
        max_ticks: Whole | None = None,
    ) -> PlayerAction:
        """Buy for *amount* SOL at the price at which the venue executes it.

        Args:
            amount: SOL, rounded down to a lamport; the adjusted bet (see :meth:`bet_increment`) if not given.
            leverage: 1 to 5 (protocol 9; everything above 1 is unverified). The position gains and loses that
                many times as much, and the venue liquidates it at a fall of 20 % (2), 10 % (3), 2.5 % (4)
                or 1 % (5); the liquidation is recorded as an external action.
            take_profit: sell everything when value over cost reaches this, e.g. 1.5.
            stop_loss: sell everything when value over cost falls to this, below 1, e.g. 0.7.
            trailing_stop: sell everything when value over cost falls to this share of its highest since the
                entry, below 1, e.g. 0.8.
            max_ticks: sell everything this many ticks after the entry.

        Returns:
            The action after the call: INTENT, or DENIED with the reason in its outcome.

        Raises:
            NotInCallback: called outside a strategy's callback.
            StrategyError: *amount* or *leverage* is not a number, negative or not finite.
            ConfigError: an exit is not a number, or out of range.
        """
        desk = _enter(self, "buy")
        plan = ExitPlan.of(take_profit, stop_loss, trailing_stop, max_ticks)
        allowed = f"a whole number from {rules.MIN_LEVERAGE} to {rules.MAX_LEVERAGE}"
        times = _whole(leverage, "leverage", allowed)
        ask = Ask(ActionType.BUY, amount=_stake(desk, amount), leverage=times)
        return desk.ask(ask, "BUY", plan, self._submit)

    def sell(self, percentage: Whole = 100) -> PlayerAction:
        """Sell *percentage* (1 to 100) of the position at the price at which the venue executes it.

        The whole part of a percentage counts: 33.4 sells 33 %.

        Raises:
            NotInCallback: called outside a strategy's callback.
            StrategyError: *percentage* is not from 1 to 100.
        """
        desk = _enter(self, "sell")
        allowed = "a whole number from 1 to 100"
        share = _whole(percentage, "sell percentage", allowed)
        if not 1 <= share <= 100:
            raise StrategyError(f"sell percentage was {safe_repr(percentage)}: give {allowed}")
        button = "SELL" if share == 100 else f"SELL {share}%"
        ask = Ask(ActionType.SELL, percentage=share)
        return desk.ask(ask, button, NO_EXITS, self._submit)

    def sidebet(self, amount: Amount | None = None) -> PlayerAction:
        """Bet *amount* SOL that the game rugs within the next 40 ticks; pays 5 times the stake.

        Raises:
            NotInCallback: called outside a strategy's callback.
            StrategyError: *amount* is not a number, negative or not finite.
        """
        desk = _enter(self, "sidebet")
        ask = Ask(ActionType.SIDEBET, amount=_stake(desk, amount))
        return desk.ask(ask, "SIDEBET", NO_EXITS, self._submit)

    def short_open(self, amount: Amount | None = None) -> PlayerAction:
        """Open a short of *amount* SOL: it gains when the price falls (protocol 8; payoff unverified).

        One short at a time, while the game runs. Its end is reported to ``on_stake_settled``.

        Raises:
            NotInCallback: called outside a strategy's callback.
            StrategyError: *amount* is not a number, negative or not finite.
        """
        desk = _enter(self, "short_open")
        asked = any(a.action_type is ActionType.SHORT_OPEN for a in desk.book.pending)
        ask = Ask(ActionType.SHORT_OPEN, amount=_stake(desk, amount), asked=asked)
        return desk.ask(ask, "SHORT", NO_EXITS, self._submit)

    def short_close(self) -> PlayerAction:
        """Close the short at its value when the venue executes it (protocol 8; payoff unverified).

        Raises:
            NotInCallback: called outside a strategy's callback.
        """
        desk = _enter(self, "short_close")
        return desk.ask(Ask(ActionType.SHORT_CLOSE), "CLOSE SHORT", NO_EXITS, self._submit)

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
        desk = _enter(self, "bbc_predict")
        choice = _choice(BBCPrediction, prediction, "prediction")
        stake = _stake(desk, amount)
        return desk.ask_round(ActionType.BBC_PREDICT, choice, stake, round_id, self._submit)

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
        desk = _enter(self, "candleflip_bet")
        side = _choice(CandleflipChoice, choice, "choice")
        stake = _stake(desk, amount)
        return desk.ask_round(ActionType.CANDLEFLIP_BET, side, stake, round_id, self._submit)

    # Bet adjustments: local, nothing is sent.

    def bet_increment(self, step: Amount = "0.01") -> PlayerAction:
        """Raise the bet that :meth:`buy` and :meth:`sidebet` use by *step* SOL."""
        desk = _enter(self, "bet_increment")
        change = lamports_of(step)
        return desk.adjust(ActionType.BET_INCREMENT, f"+{_plain(change)}", desk.bet + change)

    def bet_decrement(self, step: Amount = "0.01") -> PlayerAction:
        """Lower the bet that :meth:`buy` and :meth:`sidebet` use by *step* SOL."""
        desk = _enter(self, "bet_decrement")
        change = lamports_of(step)
        return desk.adjust(ActionType.BET_DECREMENT, f"-{_plain(change)}", desk.bet - change)

    def bet_percentage(self, percentage: Whole) -> PlayerAction:
        """Set the bet to *percentage* (10, 25, 50 or 100) of the free cash, rounded down to 0.001."""
        desk = _enter(self, "bet_percentage")
        allowed = "10, 25, 50 or 100"
        share = _whole(percentage, "bet percentage", allowed)
        if share not in rules.BET_PERCENTAGES:
            raise StrategyError(f"bet percentage was {safe_repr(percentage)}: give {allowed}")
        step = to_lamports(rules.STAKE_STEP)
        wanted = desk.account.cash * share // 100 // step * step
        button = "MAX" if share == 100 else f"{share}%"
        return desk.adjust(ActionType.BET_PERCENTAGE, button, wanted, share)

    @property
    def bet_amount(self) -> Decimal:
        """Return the adjusted bet in SOL."""
        return to_sol(desk_of(self).bet)

    @property
    def pending(self) -> tuple[PlayerAction, ...]:
        """Return the actions that are not decided yet; empty (false) if there are none."""
        return desk_of(self).pending()


def desk_of(actions: BotActionInterface) -> AskingDesk:
    """Return the desk behind *actions*; no attribute leads from one to the other.

    Raises:
        NotInCallback: its session is over.
    """
    desk: AskingDesk | None = state_of(actions)()
    if desk is None:
        raise NotInCallback("the session of these actions is over: act inside on_* methods only")
    return desk


def _enter(actions: BotActionInterface, what: str) -> AskingDesk:
    desk = desk_of(actions)
    desk.enter(what)
    return desk


def _stake(desk: AskingDesk, amount: Amount | None) -> int:
    return desk.bet if amount is None else lamports_of(amount)


def lamports_of(amount: Any) -> int:
    """Return an amount in lamports, rounded down.

    Raises:
        StrategyError: it is not a number, negative or not finite.
    """
    if type(amount) is str or (type(amount) is Decimal and amount.is_finite()):
        return _sol(amount)  # most strategies give the same amount again and again
    return _sol.__wrapped__(amount)


@lru_cache(maxsize=256)
def _sol(amount: Any) -> int:
    return _floored(amount, rules.SOL_PLACES, "amount", "a positive, finite number of SOL")


def _whole(value: Any, what: str, allowed: str) -> int:
    """Return the whole part of a number.

    Raises:
        StrategyError: it is not a number, negative or not finite.
    """
    if type(value) is int and value >= 0:
        return value
    return _floored(value, 0, what, allowed)


def _floored(value: Any, places: int, what: str, allowed: str) -> int:
    try:
        found = floor_to(value, places)
    except (ValueError, ArithmeticError):
        found = -1
    if found < 0:
        raise StrategyError(f"{what} was {safe_repr(value)}: give {allowed}") from None
    return found


def _plain(step: int) -> str:
    """Return a step in the form shown on the button."""
    return format(to_sol(step), "f").rstrip("0").rstrip(".")


def _choice(kind: type[BBCPrediction | CandleflipChoice], value: object, what: str) -> str:
    """Return the choice that *value* names, as text.

    Raises:
        StrategyError: it is not a known choice.
    """
    names = [member.value for member in kind]
    text = str.upper(value) if isinstance(value, str) else ""
    if text not in names:
        raise StrategyError(
            f"{what} was {safe_repr(value)}: give {', '.join(names[:-1])} or {names[-1]}"
        )
    return text
