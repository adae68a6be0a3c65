"""Which undecided actions a change of our account proves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from vectra_bot.actions.notes import Tracked
from vectra_bot.actions.reconcile.fills import (
    MAX_CANDIDATES,
    PRICED,
    Executed,
    UnprovenError,
    paths,
    stake_of,
    subsets,
)
from vectra_bot.game.account import Account, AccountUpdate, Effect
from vectra_bot.models import ActionState, ActionType, PlayerUpdate


@frozen
class Explained:
    """The only set of actions that explains a change.

    Attributes:
        fills: what they did, in the order in which they were sent.
        before: announced effects that the change includes as well.
    """

    fills: tuple[Executed, ...]
    before: tuple[Effect, ...] = ()


@frozen
class UnknownChange:
    """A change of our account that no announced effect explains, and what may have caused it.

    Attributes:
        candidates: undecided actions, in the order in which they were sent.
        update: the statement.
        seen: how it differs from the one before.
        account: our account before it.
        prices: live prices of the running game by tick.
        forced: whether the change looks like the rug's sale of everything.
        rugged: whether the game is over.
    """

    candidates: Sequence[Tracked]
    update: PlayerUpdate
    seen: AccountUpdate
    account: Account
    prices: Sequence[float]
    forced: bool
    rugged: bool

    def answer(self) -> Explained | None:
        """Return the only set of candidates that explains the change; None if none or several do."""
        if len(self.candidates) > MAX_CANDIDATES:
            return None
        try:
            return self._answer()
        except UnprovenError:
            return None

    @property
    def may_be_ours(self) -> bool:
        """Whether some of the candidates can have caused the change, even if nothing shows which.

        The evidence of an UNKNOWN one was lost with the connection, and other evidence with it, such as a
        rug's: it counts as a cause of whatever the next statement shows.
        """
        lost = any(tracked.action.state is ActionState.UNKNOWN for tracked in self.candidates)
        if lost or len(self.candidates) > MAX_CANDIDATES:
            return True
        try:
            return bool(self._possible())
        except UnprovenError:
            return True

    def _answer(self) -> Explained | None:
        found = self._possible()
        if len(found) == 1:
            return self._filled(*found[0], exact=False)
        fitting = [self._filled(*pair, exact=True) for pair in found]
        explained = [one for one in fitting if one is not None]
        return explained[0] if len(explained) == 1 else None

    def _possible(self) -> list[tuple[tuple[Tracked, ...], tuple[Effect, ...]]]:
        """Return each set of candidates that explains the change at some prices, and what it adds to."""
        found = []
        for chosen in subsets(self.candidates):
            for before in self._announced():
                if self._explains(chosen, before):
                    found.append((chosen, before))
                    break
        return found

    def _announced(self) -> Iterator[tuple[Effect, ...]]:
        """Yield the announced effects that the statement may include: all of them, else the oldest few."""
        pending = self.account.pending
        for count in range(min(len(pending), MAX_CANDIDATES), -1, -1):
            yield pending[:count]

    def _rest(self, before: Iterable[Effect]) -> tuple[int, int]:
        """Return the change of money and quantity without the effects that were announced."""
        money = self.seen.delta_cash + self.seen.delta_bonus
        qty = self.seen.delta_qty
        for effect in before:
            money -= effect.delta_cash + effect.delta_bonus
            qty -= effect.delta_qty
        return money, qty

    def _explains(self, chosen: tuple[Tracked, ...], before: tuple[Effect, ...]) -> bool:
        """Return whether the actions *chosen* can have caused the change, at whatever prices."""
        if not self._states(chosen):
            return False
        money, qty = self._rest(before)
        money += sum(map(stake_of, chosen))
        kinds = [tracked.action.action_type for tracked in chosen]
        paid = ActionType.SELL in kinds
        closes = ActionType.SHORT_CLOSE in kinds
        if closes:
            if money < 0:
                return False
        elif (paid and money <= 0) or (not paid and money != 0):
            return False
        if paid and (self.forced or self.account.sells_leverage(-qty)):
            return False  # the rug's sale and a liquidation look the same
        held = self.account.stated_qty + sum(effect.delta_qty for effect in before)
        low, most = _quantities(chosen, held)
        explains = low <= held + qty <= most
        if explains and closes:
            raise UnprovenError  # the rug closes a short as well, and its payoff is not known
        return explains

    def _states(self, chosen: tuple[Tracked, ...]) -> bool:
        """Return whether the statement shows the stakes and shorts that *chosen* would have placed."""
        kinds = [tracked.action.action_type for tracked in chosen]
        stated, short, account = self.update.sidebet, self.update.short, self.account
        for kind, new in (
            (ActionType.SIDEBET, stated is not None and account.sidebet is None),
            (ActionType.SHORT_OPEN, short is not None and account.short is None),
        ):
            known = any(tracked.action.action_type is kind for tracked in self.candidates)
            if kinds.count(kind) > 1 or (new and known and kind not in kinds):
                return False
        for tracked in chosen:
            kind, amount = tracked.action.action_type, tracked.action.amount
            if kind is ActionType.SIDEBET:
                if stated is None and len(self.candidates) > 1:
                    return False
                if stated is not None and stated.amount != amount:
                    return False
            if kind is ActionType.SHORT_OPEN and (short is None or short.amount != amount):
                return False
            if kind is ActionType.SHORT_CLOSE and (
                account.short is None or short is not None or self.rugged
            ):
                return False
        return True

    def _filled(
        self, chosen: tuple[Tracked, ...], before: tuple[Effect, ...], *, exact: bool
    ) -> Explained | None:
        """Return what each of *chosen* did; None if the prices do not fit.

        Raises:
            UnprovenError: it cannot be known.
        """
        priced = sum(tracked.action.action_type in PRICED for tracked in chosen)
        if priced and (exact or priced > 1):
            return self._by_prices(chosen, before)
        money, qty = self._rest(before)
        bonus = self.seen.delta_bonus - sum(effect.delta_bonus for effect in before)
        fills = []
        for tracked in chosen:
            kind = tracked.action.action_type
            if kind.is_entry:
                total = -stake_of(tracked)
                free = bonus if len(chosen) == 1 else max(total, min(bonus, 0))
            else:
                total = money + sum(map(stake_of, chosen))
                free = bonus
            bonus -= free
            moved = qty if kind in PRICED else 0
            fills.append(Executed(tracked, total - free, moved, free))
        return Explained(tuple(fills), before)

    def _by_prices(
        self, chosen: tuple[Tracked, ...], before: tuple[Effect, ...]
    ) -> Explained | None:
        account = self.account
        whole = before == account.pending
        if not whole or account.bonus or self.seen.delta_bonus or account.leveraged:
            raise UnprovenError
        money, qty = self._rest(before)
        found = {
            tuple((fill.cash, fill.qty) for fill in path.fills): path.fills
            for path in paths(chosen, account.lots, self.prices)
            if path.cash == money and path.qty == account.qty + qty
        }
        if len(found) > 1:
            raise UnprovenError
        return Explained(found.popitem()[1], before) if found else None


def _quantities(chosen: Iterable[Tracked], held: int) -> tuple[int, float]:
    """Return the least and the most that is held after *chosen*."""
    low: int = held
    most: float = held
    for tracked in chosen:
        kind, share = tracked.action.action_type, tracked.action.percentage
        if kind is ActionType.BUY:
            low, most = low + 1, math.inf
        elif kind is ActionType.SELL:
            share = 100 if share is None else share
            if most < 1:  # there is nothing to sell
                return 1, 0
            low -= low * share // 100 + 1
            if share == 100:
                most = 1
            elif most != math.inf:
                most += 1 - most * share // 100
    return low, most
