"""Games whose end was missed: the actions they left undecided wait for a statement of our account."""

from __future__ import annotations

from attrs import define, field, frozen

from vectra_bot.actions.book import ActionBook
from vectra_bot.actions.notes import Tracked
from vectra_bot.actions.reconcile.fills import (
    LATE_TICKS,
    MAX_CANDIDATES,
    PRICED,
    UnprovenError,
    paths,
    stake_of,
    subsets,
)
from vectra_bot.errors import UsageError
from vectra_bot.game.account import Account, Effect
from vectra_bot.game.amounts import to_lamports
from vectra_bot.game.fair import play_game
from vectra_bot.game.ledger import sidebet_payout, sidebet_wins
from vectra_bot.game.lots import Lot, lot_value
from vectra_bot.models import ActionType, FinishedGame, PlayerUpdate, StateCause

OVERDUE_NS = 10_000_000_000
"""How long the actions of a finished game wait for a statement of our account."""


@define
class MissedEnd:
    """A game whose end was not seen, or not followed by a statement of our account.

    Attributes:
        game_id: the game.
        actions: those that were undecided at its end.
        money: cash and bonus money at its end, as far as known: what was announced is included.
        lots: what was held.
        unknown: whether something was open whose payout cannot be computed (a short, a leveraged lot), or a
            change before had no known cause.
        since_ns: since when a statement is awaited; None while there is no connection.
        entry: the game in the history of games, None while no frame has shown it.
        bonus: bonus money at the end.
    """

    game_id: str
    actions: tuple[Tracked, ...]
    money: int
    lots: tuple[Lot, ...]
    unknown: bool
    since_ns: int | None
    entry: FinishedGame | None = None
    bonus: int = 0
    _law: tuple[tuple[float, ...], float] | None = field(default=None)

    def outcomes(self, update: PlayerUpdate) -> list[tuple[Tracked, ...]]:
        """Return the sets of actions that explain *update*, the empty one included.

        What other evidence has decided since is in every set, or in none.

        Raises:
            UnprovenError: that cannot be computed.
        """
        change = to_lamports(update.cash) + to_lamports(update.bonus_balance) - self.money
        kinds = {tracked.action.action_type for tracked in self.actions}
        if not self.lots and not self.unknown and change == 0 and kinds <= {ActionType.BUY}:
            return [()]  # a buy that the rug ends never costs nothing
        if (
            self.unknown
            or self.bonus
            or update.bonus_balance
            or update.position_qty
            or len(self.actions) > MAX_CANDIDATES
            or not kinds <= (PRICED | {ActionType.SIDEBET})
        ):
            raise UnprovenError
        return [
            chosen
            for chosen in subsets(self.actions, 0)
            if self._agrees(chosen) and self._gives(chosen, change)
        ]

    def _agrees(self, chosen: tuple[Tracked, ...]) -> bool:
        """Return whether the set *chosen* has what was executed, and nothing that was not."""
        return all(
            not tracked.action.is_decided
            or tracked.action.state.is_executed is any(one is tracked for one in chosen)
            for tracked in self.actions
        )

    def _gives(self, chosen: tuple[Tracked, ...], change: int) -> bool:
        """Return whether the end of the game after *chosen* gives *change*."""
        prices, end_price = self._prices()
        wins = [0]
        for tracked in chosen:
            if tracked.action.action_type is ActionType.SIDEBET:
                won = sidebet_payout(stake_of(tracked))
                sent = tracked.action.game_context.tick
                starts = range(sent, min(len(prices), sent + LATE_TICKS + 1))
                paid = {won if sidebet_wins(start, len(prices)) else 0 for start in starts}
                wins = [sum_ + more for sum_ in wins for more in paid]
        sums = {
            path.cash + sum(lot_value(lot, end_price) for lot in path.lots)
            for path in paths(chosen, self.lots, prices)
            if all(lot.leverage == 1 for lot in path.lots)
        }
        return any(change - win in sums for win in wins)

    def _prices(self) -> tuple[tuple[float, ...], float]:
        """Return the live prices of the game and the rug's, as the history or the law gives them."""
        if self._law is None:
            entry = self.entry
            if entry is None:
                raise UnprovenError
            if entry.prices:
                self._law = entry.prices[:-1], entry.prices[-1]
            else:
                try:
                    game = play_game(entry.server_seed, entry.game_id, entry.version)
                except UsageError:
                    raise UnprovenError from None
                self._law = game.prices, game.rug_price
        return self._law


@frozen
class PastEnd:
    """What a statement proves of a game whose end was missed.

    Attributes:
        executed: actions that were executed.
        others: actions that were not.
        effect: everything that happened since, as one change.
        sold: whether the rug sold a position.
    """

    executed: tuple[Tracked, ...]
    others: tuple[Tracked, ...]
    effect: Effect
    sold: bool


@define
class MissedEnds:
    """Keeps the actions of a game whose end was missed, until a statement of our account decides them."""

    book: ActionBook
    account: Account
    history: tuple[FinishedGame, ...] = ()
    _missed: MissedEnd | None = None

    def on_history(self, history: tuple[FinishedGame, ...], now_ns: int) -> None:
        """Keep the venue's history of games if something may depend on it."""
        missed = self._missed
        if missed is not None and missed.since_ns is None:
            missed.since_ns = now_ns  # a connection begins with the history
        self.history = history if missed or self.account.lots or self.book.undecided() else ()
        if missed is not None and missed.entry is None:
            missed.entry = self._entry(missed.game_id)

    def _entry(self, game_id: str) -> FinishedGame | None:
        return next((game for game in self.history if game.game_id == game_id), None)

    def begin(self, game_id: str, rug_ns: int | None, now_ns: int) -> bool:
        """Return whether the undecided actions of a game that is over wait for a statement of our account."""
        account, stated = self.account, self.account.stated
        if stated is None or (rug_ns is not None and stated.recv_ns >= rug_ns):
            return False
        self.give_up(now_ns)
        actions = self._open(game_id)
        if not account.lots and not actions:
            return False
        beside = account.sidebet is not None or account.short is not None or account.unexplained
        self._missed = MissedEnd(
            game_id,
            tuple(actions),
            account.cash + account.bonus,
            tuple(account.lots),
            beside or account.leveraged,
            now_ns,
            self._entry(game_id),
            account.bonus,
        )
        return True

    def _open(self, game_id: str) -> list[Tracked]:
        return [
            tracked
            for tracked in self.book.undecided()
            if tracked.action.game_id == game_id and not tracked.action.action_type.is_side_game
        ]

    def on_disconnected(self) -> None:
        """Wait for a statement on the next connection, whenever that begins."""
        if self._missed is not None:
            self._missed.since_ns = None

    def on_time(self, now_ns: int) -> None:
        """Stop waiting for a statement that is overdue."""
        missed = self._missed
        if missed is None or missed.since_ns is None:
            return
        if now_ns - missed.since_ns > OVERDUE_NS:
            self.give_up(now_ns)

    def give_up(self, now_ns: int) -> None:
        """Decide what still waits: nothing proves it."""
        lacking = (
            "no statement of our account proves what happened in the game whose end was missed"
        )
        missed, self._missed = self._missed, None
        for tracked in self._open(missed.game_id) if missed is not None else ():
            self.book.decide_unproven(tracked, now_ns, lacking=lacking)
            self.book.complete(tracked, None, None)

    def explain(self, update: PlayerUpdate) -> PastEnd | None:
        """Return what *update* proves of the missed end, None if nothing."""
        missed = self._missed
        if missed is None:
            return None
        try:
            found = missed.outcomes(update)
        except UnprovenError:
            return None
        if len(found) != 1:
            return None
        self._missed = None
        chosen = found[0]
        open_ = [tracked for tracked in missed.actions if not tracked.action.is_decided]
        executed = tuple(t for t in open_ if any(one is t for one in chosen))
        rest = tuple(t for t in open_ if not any(one is t for one in chosen))
        net = to_lamports(update.cash) - self.account.cash
        last = executed[-1].action.action_id if executed else None
        cause = StateCause.ACTION if executed else StateCause.FORCED_SELL
        return PastEnd(executed, rest, Effect(cause, net, 0, last), sold=bool(missed.lots))
