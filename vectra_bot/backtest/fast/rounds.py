"""Side games in the fast driver: the exchange's own rounds on their schedule, and how a strategy sees them.

Imports actions, exchange, game, models and wire (the shape of a statement).
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from vectra_bot.backtest.fast.orders import Order
from vectra_bot.backtest.fast.venue import FastVenue, OrderRequest
from vectra_bot.exchange.config import ExchangeConfig
from vectra_bot.exchange.desk import Judge
from vectra_bot.exchange.features.sidegames import RoundStake, SideGames
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.schedule import Schedule
from vectra_bot.game.outside import fresh
from vectra_bot.game.rounds import Round, Rounds, SideGamesView
from vectra_bot.game.sidegames import SideGame
from vectra_bot.models import ActionType, RoundUpdate, SideGameKind
from vectra_bot.wire.builders import known
from vectra_bot.wire.profile import Profile
from vectra_bot.wire.rounds import OPEN
from vectra_bot.wire.sidegames import RoundPayload

NEVER: Final = 1 << 62

_REQUESTS = {
    ActionType.BBC_PREDICT: "bbc_predict",
    ActionType.CANDLEFLIP_BET: "candleflip_bet",
}


class RoundBoard:
    """The venue's statements about rounds, as our side knows them.

    Attributes:
        rounds: the rounds, folded as in the engine.
        ticks_seen: ticks of all games that our side has seen; set before a statement comes.
    """

    def __init__(self, profile: Profile) -> None:
        self.rounds = Rounds()
        self.ticks_seen = 0
        self._choice_of = profile.choice_of
        self._kinds = {profile.events[f"{kind.value}_round"]: kind for kind in SideGameKind}
        self._current: dict[SideGameKind, Round | None] = {}
        self._open: dict[SideGameKind, tuple[Round, ...]] = {}

    def announce(self, name: str, payload: RoundPayload) -> None:
        """Take a statement of the exchange, as the engine takes it from its frame."""
        kind, choice_of, result = self._kinds[name], self._choice_of, known(payload.result)
        self.rounds.fold(
            RoundUpdate(
                recv_ns=0,
                side_game=kind,
                round_id=payload.round_id,
                is_open=payload.status == OPEN,
                closes_at_ms=payload.closes_at,
                payouts={choice_of[one]: float(x) for one, x in payload.payouts.items()},
                game_id=payload.game_id,
                tick=payload.tick,
                price=float(payload.price),
                room=known(payload.room),
                server_ts=payload.timestamp,
                server_seed_hash=payload.server_seed_hash,
                server_seed=known(payload.server_seed),
                result=None if result is None else choice_of[result],
            ),
            self.ticks_seen,
        )
        self._current.pop(kind, None)
        self._open.pop(kind, None)

    def current(self, kind: SideGameKind) -> Round | None:
        """Return what a strategy sees as the current round: the same object until the next statement."""
        try:
            return self._current[kind]
        except KeyError:
            shown: Round | None = fresh(self.rounds.current(kind))
            self._current[kind] = shown
            return shown

    def open(self, kind: SideGameKind) -> tuple[Round, ...]:
        """Return the rounds that accept stakes, oldest first."""
        try:
            return self._open[kind]
        except KeyError:
            shown = self._open[kind] = tuple(map(fresh, self.rounds.open(kind)))
            return shown


class FastRounds(SideGamesView):
    """The side games' rounds; at nearly all ticks there is no new statement about them."""

    __slots__ = ("_board",)

    def __init__(self, board: RoundBoard) -> None:
        super().__init__(board.rounds)
        self._board = board

    @property
    def bbc(self) -> Round | None:
        return self._board.current(SideGameKind.BBC)

    @property
    def candleflip(self) -> Round | None:
        return self._board.current(SideGameKind.CANDLEFLIP)

    def open(self, side_game: SideGameKind) -> tuple[Round, ...]:
        return self._board.open(side_game)


@frozen
class EndedStake:
    """Our stake with its result, the game that ran then, and our cash after it."""

    stake: RoundStake
    game_id: str
    cash: int


class RoundsVenue(FastVenue):
    """The venue with its side games.

    Attributes:
        board: where their statements go.
        side_games: their odds, by the action that stakes on them.
        due_ns: when the next step of a round is due.
    """

    def __init__(self, config: ExchangeConfig, player_id: str, username: str, cash: int) -> None:
        super().__init__(config, player_id, username, cash)
        self.board = RoundBoard(config.protocol)
        self.side_games: dict[ActionType, SideGame] = {
            ActionType.BBC_PREDICT: config.bbc,
            ActionType.CANDLEFLIP_BET: config.candleflip,
        }
        self._schedule = Schedule(config.begins_ns)
        self._ended: list[RoundStake] = []
        self._rounds = SideGames(
            config,
            Identities(config.seed),
            self._schedule,
            self.board,
            market=self.market,
            on_settled=self._ended.append,
        )
        self._judge = Judge(self.market, self._rounds, config.leverage_level)
        self.due_ns = self._next_ns()

    def _next_ns(self) -> int:
        due_ns = self._schedule.due_ns()
        return NEVER if due_ns is None else due_ns

    def step_round(self, ticks_seen: int) -> list[EndedStake]:
        """Take the next step of a round, after *ticks_seen* ticks; return our stakes that it ended."""
        self.board.ticks_seen = ticks_seen
        self._schedule.advance()
        self.due_ns = self._next_ns()
        if not self._ended:
            return []
        game_id, cash = self.market.game_id, self.ledger.cash
        ended = [EndedStake(stake, game_id, cash) for stake in self._ended]
        self._ended.clear()
        return ended

    def place(self, order: Order, at_ns: int) -> RoundStake | str:
        """Place the stake of *order*, or return why it is rejected."""
        request = OrderRequest(
            _REQUESTS[order.kind], order.amount, None, None, order.choice, order.round_id
        )
        verdict = self._judge.judge(self.account, request)
        if verdict.reason:
            return verdict.reason
        self._schedule.now_ns = at_ns
        game = self.side_games[order.kind].name
        return self._rounds.bet(
            self.account, game, order.choice or "", verdict.amount, order.round_id
        )
