"""Stakes in the side games' rounds: evidence, results, stored documents (protocol 11; unverified).

A round runs beside the main game: a stake may be placed in one game and settled in a later one, and the end
of a game proves nothing about it. What proves that a stake was never placed is a round that accepts no more
stakes, and a later statement of our account that balances to the lamport without it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal

import attrs
from attrs import define, field, frozen

from vectra_bot.actions.book import EVIDENCE_TIMEOUT_NS, ActionBook, remember
from vectra_bot.actions.notes import Recorded, Settled, Tracked
from vectra_bot.game.account import Account, Unexplained
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.holdings import StakeView
from vectra_bot.game.rounds import Round, Rounds
from vectra_bot.models import (
    ActionType,
    BBCPrediction,
    BBCRound,
    CandleflipChoice,
    CandleflipRound,
    DocType,
    Proof,
    RoundBet,
    RoundResult,
    RoundUpdate,
    SideGameKind,
    StakeSettled,
    StateCause,
)
from vectra_bot.models.times import NS_PER_MS

Key = tuple[SideGameKind, str]

SIDE_GAMES = {
    ActionType.BBC_PREDICT: SideGameKind.BBC,
    ActionType.CANDLEFLIP_BET: SideGameKind.CANDLEFLIP,
}
_ACTIONS = {side_game: kind for kind, side_game in SIDE_GAMES.items()}

# How long after a round's announced end of betting a request might still be executed.
GRACE_NS = 10_000_000_000
# How long a stake may wait for its round's result; rounds take well below a minute.
LOST_NS = 300_000_000_000


@frozen
class _Ours:
    """Our part in a round: the stake, and its result when known."""

    stake: StakeView
    result: RoundResult | None = None


@define
class Stakes:
    """Correlates evidence about our stakes in rounds with the actions of the book."""

    book: ActionBook
    account: Account
    rounds: Rounds
    _settled: OrderedDict[str, None] = field(factory=OrderedDict)
    _ours: OrderedDict[Key, _Ours] = field(factory=OrderedDict)
    _waiting: OrderedDict[Key, tuple[Round, int]] = field(factory=OrderedDict)

    def on_round_update(self, event: RoundUpdate, ticks_seen: int) -> None:
        """Process a public update of a round."""
        ended = self.rounds.fold(event, ticks_seen)
        if ended is None:
            return
        key = (ended.side_game, ended.round_id)
        if key in self.account.stakes or self._may_have_stake(key):
            self._waiting[key] = (ended, event.recv_ns)  # our own result follows
        else:
            self._record(ended, self._ours.pop(key, None))

    def _may_have_stake(self, key: Key) -> bool:
        """Return whether one of our actions may have placed a stake in the round."""
        return any(
            t.action.round_id == key[1] and SIDE_GAMES.get(t.action.action_type) is key[0]
            for t in self.book.undecided()
        )

    def on_round_bet(self, event: RoundBet) -> None:
        """Process the event that confirms a stake of our account."""
        tracked = self.book.traced(event.trace_id)
        if tracked is None or not _fits(tracked, event):
            tracked = self._in_round(event) if event.trace_id is None else None
        self._staked(event, tracked)

    def _in_round(self, event: RoundBet) -> Tracked | None:
        """Return the one undecided action that *event* fits: a round accepts one stake from us."""
        found = [t for t in self.book.undecided() if _fits(t, event)]
        return found[0] if len(found) == 1 else None

    def _staked(self, event: RoundBet, tracked: Tracked | None, *, late: bool = False) -> None:
        """Book a stake; if *late*, an account statement since then includes it: the venue charges at once."""
        key = (event.side_game, event.round_id)
        cause = StateCause.ACTION
        if tracked is None:
            if key in self.account.stakes or key in self._ours:
                return
            cause = StateCause.EXTERNAL
            tracked = self.book.external(
                _ACTIONS[event.side_game],
                event.amount,
                event.recv_ns,
                choice=event.choice,
                round_id=event.round_id,
                unverified=True,
            )
            tracked.booked = False
        self.book.evidence(tracked, event.recv_ns)
        shown: Unexplained | None = None
        if not tracked.booked:
            tracked.booked = True
            tracked.bonus = self.account.bonus_in(to_lamports(event.amount), event.bonus_portion)
            stake = StakeView(
                event.side_game,
                event.round_id,
                event.choice,
                event.amount,
                tracked.action.action_id,
                to_sol(tracked.bonus),
                event.server_ts,
            )
            shown = self.account.place_stake(stake, cause, stated=late)
        elif key in self.account.stakes:
            held = self.account.stakes[key]
            self.account.stakes[key] = attrs.evolve(held, placed_ts=event.server_ts)
        if not tracked.action.is_decided:
            self.book.executed(tracked, event.recv_ns, "bet event", Proof.SIDEBET, event.server_ts)
            self.book.complete_shown(tracked, shown)
        elif not tracked.action.state.is_executed:
            self.book.contradiction(tracked, "a stake was placed that was decided as not executed")

    def on_round_result(self, event: RoundResult) -> None:
        """Process the result of our stake in a round; each is settled once."""
        key = (event.side_game, event.round_id)
        settled_key = f"{event.side_game.value}:{event.round_id}"
        if settled_key in self._settled:
            return
        remember(self._settled, settled_key, None)
        if key not in self.account.stakes:
            # A result proves the stake as well; its portions are those of the payout.
            tracked = self._in_round(event)
            known = self.account.stated
            sent_ns = 0 if tracked is None else tracked.sent_ns or tracked.created_ns
            late = known is not None and known.recv_ns > sent_ns
            self._staked(attrs.evolve(event, bonus_portion=None), tracked, late=late)
        stake = self.account.stakes.get(key)
        if stake is None:  # settled so long ago that only its round has the stake
            return
        payout = to_lamports(event.payout)
        if event.bonus_portion is not None:
            bonus = to_lamports(event.bonus_portion)
        else:
            bonus = payout * to_lamports(stake.bonus) // max(to_lamports(stake.amount), 1)
        self.account.settle_stake(key, payout, stake.action_id, bonus=bonus)
        self.book.notes.append(
            Settled(
                StakeSettled(
                    action_id=stake.action_id or "",
                    game_id=event.game_id,
                    action_type=_ACTIONS[event.side_game].value,
                    stake=stake.amount,
                    won=event.payout > 0,
                    payout=event.payout,
                    pnl=event.payout - stake.amount,
                    unverified=True,
                )
            )
        )
        ours = _Ours(stake, event)
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            self._record(waiting[0], ours)
        else:
            remember(self._ours, key, ours)

    def prove(self, stated_ns: int) -> None:
        """Decide stakes that were never placed, after the account statement of *stated_ns*."""
        if not self.account.closes:
            return
        for tracked in self.book.undecided():
            if tracked.action.action_type.is_side_game and self._over(tracked, stated_ns):
                self.book.decide_unproven(
                    tracked, stated_ns, lacking="", what="account after the round"
                )
                self.book.complete(tracked, None, None)

    def _over(self, tracked: Tracked, now_ns: int) -> bool:
        """Return whether the action's round has been closed for long enough."""
        side_game = SIDE_GAMES[tracked.action.action_type]
        known = self.rounds.get(side_game, tracked.action.round_id or "")
        return known is not None and known.closes_at_ms * NS_PER_MS + GRACE_NS < now_ns

    @property
    def waiting(self) -> Mapping[Key, tuple[Round, int]]:
        """Return the rounds whose results are awaited; the same object for the whole session."""
        return self._waiting

    def on_time(self, now_ns: int) -> None:
        """Stop waiting for overdue results."""
        if not self._waiting:
            return
        for key, (ended, since_ns) in list(self._waiting.items()):
            if now_ns - since_ns > EVIDENCE_TIMEOUT_NS:
                self._unsettled(key, ended)

    def lose(self, now_ns: int) -> None:
        """Drop stakes in rounds that must have ended without our seeing it."""
        for key, stake in list(self.account.stakes.items()):
            known = self.rounds.get(*key)
            ends_ns = stake.placed_ts if known is None else known.closes_at_ms
            if key not in self._waiting and (ends_ns or 0) * NS_PER_MS + LOST_NS < now_ns:
                self._unsettled(key, None)

    def on_ending(self) -> None:
        """Store the rounds whose results are outstanding: the session ends."""
        for key, (ended, _) in list(self._waiting.items()):
            self._unsettled(key, ended)

    def _unsettled(self, key: Key, ended: Round | None) -> None:
        self._waiting.pop(key, None)
        stake = self.account.stakes.pop(key, None)
        if stake is None:
            if ended is not None:
                self._record(ended, None)
            return
        self.book.find(
            "stake.unsettled",
            "warning",
            "a round ended without a result for our stake",
            action_id=stake.action_id,
            side_game=key[0].value,
            round_id=key[1],
            stake=str(stake.amount),
        )
        if ended is not None:
            self._record(ended, _Ours(stake))

    def _record(self, ended: Round, ours: _Ours | None) -> None:
        record = _bbc if ended.side_game is SideGameKind.BBC else _candleflip
        doc_type = (
            DocType.BBC_ROUND if ended.side_game is SideGameKind.BBC else DocType.CANDLEFLIP_ROUND
        )
        streak = self.rounds.streak(ended)
        self.book.notes.append(
            Recorded(doc_type, record(self.book.session_id, ended, ours, streak))
        )


def _fits(tracked: Tracked, event: RoundBet) -> bool:
    """Return whether *event* fits *tracked*: side game, round, choice and amount."""
    action = tracked.action
    return (
        SIDE_GAMES.get(action.action_type) is event.side_game
        and action.round_id == event.round_id
        and action.choice == event.choice
        and action.amount == event.amount
    )


def _bbc(session_id: str, ended: Round, ours: _Ours | None, _: int) -> BBCRound:
    stake, result = (None, None) if ours is None else (ours.stake, ours.result)
    return BBCRound(
        round_id=ended.round_id,
        game_id=ended.game_id,
        session_id=session_id,
        start_tick=ended.start_tick,
        end_tick=ended.tick,
        duration_ticks=ended.ticks,
        our_prediction=None if stake is None else BBCPrediction(stake.choice),
        our_bet_amount=None if stake is None else stake.amount,
        actual_result=None if ended.result is None else BBCPrediction(ended.result),
        won=None if result is None else result.payout > 0,
        payout=None if result is None else result.payout,
        prediction_ts=None if stake is None else stake.placed_ts,
        result_ts=ended.result_ts,
        price_at_start=Decimal(repr(ended.start_price)),
        price_at_end=Decimal(repr(ended.price)),
    )


def _candleflip(session_id: str, ended: Round, ours: _Ours | None, streak: int) -> CandleflipRound:
    stake, result = (None, None) if ours is None else (ours.stake, ours.result)
    side = None if ended.result is None else CandleflipChoice(ended.result)
    return CandleflipRound(
        round_id=ended.round_id,
        game_id=ended.game_id,
        session_id=session_id,
        our_choice=None if stake is None else CandleflipChoice(stake.choice),
        our_bet_amount=None if stake is None else stake.amount,
        result=side,
        won=None if result is None else result.payout > 0,
        payout=None if result is None else result.payout,
        current_streak=streak,
        streak_direction=side,
        bet_ts=None if stake is None else stake.placed_ts,
        result_ts=ended.result_ts,
    )
