"""A venue and a link as the tracker may meet them: only histories that can happen, with losses and repeats.

The venue executes a request, refuses it, or never receives it. Of what it did it sends trades in the order of
their execution, and acknowledgements and statements at any time; some come twice, some never. What is in
transit when the link is lost does not arrive. After the end of a game nothing of it is executed any more;
evidence of it may still come.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import combinations
from typing import Any

import attrs
from attrs import define, field

from vectra_bot.actions.book import ActionBook
from vectra_bot.actions.exits import NO_EXITS
from vectra_bot.actions.ids import ActionIds
from vectra_bot.actions.limits import Limits
from vectra_bot.actions.notes import Completed
from vectra_bot.actions.risk import RiskGate
from vectra_bot.actions.rounds import Stakes
from vectra_bot.actions.shorts import Shorts
from vectra_bot.actions.sidebets import Sidebets
from vectra_bot.actions.tracker import ActionTracker
from vectra_bot.game import changes
from vectra_bot.game.account import Account
from vectra_bot.game.ledger import Ledger, to_sol
from vectra_bot.game.rounds import Rounds
from vectra_bot.game.state import GameState, GameView
from vectra_bot.models import (
    Ack,
    ActionTimestamps,
    ActionType,
    Command,
    FinishedGame,
    FrameKind,
    GameFrame,
    Mode,
    PlayerAction,
    PlayerUpdate,
    SendResult,
    SidebetInfo,
    SidebetPlaced,
    SidebetResult,
    SystemEvent,
    Trade,
)

SECOND = 1_000_000_000
START = 1_767_225_600 * SECOND
ME = "did:privy:me"
GAME, NEXT = "20260101-aaaaaaaaaaaaaaaa", "20260101-bbbbbbbbbbbbbbbb"
PRICES = (1.0, 1.1, 1.2)
RUG_TICK = len(PRICES)
RUG_PRICE = 1.0 * (1 - 0.98)
# Ages above this are all alike: every timeout of the tracker is shorter.
OLD_NS = 12 * SECOND
LIMITS = Limits()
# How often each piece of evidence may come.
REPEATS = 2

Step = tuple[Any, ...]


@define
class Request:
    """One action: what is asked for, and its result.

    Attributes:
        handed: whether it was handed to the link; None while that is not decided.
        truth: what the venue did: ``open``, ``executed``, ``refused``, ``lost``.
        epoch: the connection that it was sent on.
        acks, trades: pieces of evidence that came.
        cash, qty: what its execution changed.
        stated: whether a statement has shown it.
        number: which execution it was, from 1.
        passed: whether the trade of a later execution came first: its own was lost.
    """

    kind: ActionType
    amount: int | None = None
    percentage: int | None = None
    handed: bool | None = None
    truth: str = "open"
    epoch: int = 0
    acks: int = 0
    trades: int = 0
    cash: int = 0
    qty: int = 0
    start_tick: int = 0
    stated: bool = False
    number: int = 0
    passed: bool = False


@define
class World:
    """A tracker with two actions, and the venue and the link around it.

    Attributes:
        requests: the two actions.
        moves: every change of an action's state: action, state before and after, in order.
        completed: the actions that were reported as complete, in order.
        contradictions: how often the tracker reported one.
        unexplained: whether it found no cause of a change of our account.
    """

    requests: list[Request]
    held: int
    moves: list[tuple[str, str, str]] = field(factory=list)
    completed: list[PlayerAction] = field(factory=list)
    contradictions: int = 0
    unexplained: bool = False
    now_ns: int = START
    up: bool = True
    epoch: int = 1
    over: bool = False
    closed: bool = False
    stated_cash: int = 0
    stated_qty: int = 0
    ledger: Ledger = field(init=False)
    tracker: ActionTracker = field(init=False)
    game: GameState = field(init=False)
    actions: list[Command] = field(init=False)
    _rug_ns: int | None = None
    _results: list[SidebetResult] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.game, account, ids = GameState(), Account(player_id=ME), ActionIds("model")
        view, gate = GameView(self.game), RiskGate(LIMITS)
        book = ActionBook("model", Mode.PAPER, ids, account, view, gate)
        self.tracker = ActionTracker(
            book,
            account,
            view,
            Sidebets(book, account, view),
            Stakes(book, account, Rounds()),
            Shorts(book, account, view),
        )
        self.ledger = Ledger(SECOND)
        for tick, price in enumerate(PRICES):
            self._frame(GAME, tick, price)
        self._update()
        if self.held:
            fill = self.ledger.buy(self.held, PRICES[0], 0)
            self._trade_event("buy", fill.amount, fill.qty, "held", 0)
            self._update()
        self.now_ns += SECOND // 1000
        self.completed.clear()
        self.moves.clear()
        self.actions = [self._ask(request) for request in self.requests]

    # ---- the tracker's side

    @property
    def account(self) -> Account:
        """Return our account as the tracker has it."""
        return self.tracker.account

    def _ask(self, request: Request) -> Command:
        book, account = self.tracker.book, self.account
        action_id, trace_id = book.ids.next()
        amount = None if request.amount is None else to_sol(request.amount)
        action = PlayerAction(
            action_id, "model", GAME, ME, None, request.kind, request.kind.value, amount,
            request.percentage, self.tracker.game.context(), account.state,
            ActionTimestamps(self.now_ns // 1_000_000), trace_id=trace_id,
        )  # fmt: skip
        command = Command(
            action_id=action_id, trace_id=trace_id, action_type=request.kind, game_id=GAME,
            tick=RUG_TICK - 1, price=PRICES[-1], amount=amount, percentage=request.percentage,
            created_ns=self.now_ns,
        )  # fmt: skip
        book.add(action, command, NO_EXITS, self.now_ns)
        return command

    def _drain(self) -> None:
        for note in self.tracker.book.notes:
            if isinstance(note, SystemEvent) and note.kind == "action.state":
                known = json.loads(note.detail_json)
                self.moves.append((known["action_id"], known["before"], known["after"]))
            elif isinstance(note, SystemEvent):
                self.contradictions += note.kind == "action.contradiction"
                self.unexplained |= note.kind == "account.unexplained"
            elif isinstance(note, Completed):
                self.completed.append(note.action)
        self.tracker.book.notes.clear()

    def _feed(self, handler: Any, *args: Any) -> None:
        self.account.now_ns = self.now_ns
        self.tracker.on_time(self.now_ns)
        handler(*args)
        self._drain()

    def _frame(
        self, game_id: str, tick: int, price: float, *, rugged: bool = False, start: bool = False
    ) -> None:
        history: tuple[FinishedGame, ...] = ()
        if start:
            prices = (*PRICES, RUG_PRICE)
            history = (FinishedGame(
                game_id=GAME, peak=max(PRICES), server_seed="", server_seed_hash="",
                version="v3", timestamp_ms=0, prices=prices,
            ),)  # fmt: skip
            tracker = self.tracker
            self._feed(tracker.ends.on_history, history, self.now_ns)
            if GAME in tracker.sidebets.awaited:
                self._feed(tracker.sidebets.on_history, GAME, self._results, self.now_ns)
        frame = GameFrame(
            recv_ns=self.now_ns, kind=FrameKind.SETTLEMENT if start else FrameKind.TICK,
            game_id=game_id, active=not start, rugged=rugged, price=price, tick=tick,
            cooldown_timer_ms=15_000 if start else 0, history=history,
        )  # fmt: skip
        for change in self.game.fold(frame):
            if isinstance(change, changes.Rugged):
                self._rug_ns = self.now_ns
            elif isinstance(change, changes.GameClosed):
                closing = self.tracker.on_game_closed
                self._feed(closing, change.game_id, self._rug_ns, self.now_ns)
                self.account.open_game()
                self.closed = True

    # ---- what can happen next

    def steps(self) -> Iterator[Step]:
        """Yield everything that can happen now."""
        for index, request in enumerate(self.requests):
            yield from self._of_request(index, request)
        if self.up:
            yield from (("update", chosen) for chosen in self._unseen())
            if not self.over:
                yield from (("game end", chosen) for chosen in self._unseen())
                yield from (("game end, link lost", chosen) for chosen in self._unseen())
            yield ("disconnect",)
        else:
            yield ("reconnect",)
            if not self.over:
                yield from (("game end missed", chosen) for chosen in self._unseen())
        yield ("wait", 3)
        if self.over:
            yield ("wait", 11)

    def _of_request(self, index: int, request: Request) -> Iterator[Step]:
        if request.handed is None:
            if self.up and not self.over:
                yield ("sent", index)
            yield ("not sent", index)
            return
        if not request.handed or not self.up:
            return
        sellable = request.kind is not ActionType.SELL or self.ledger.position_qty > 0
        possible = request.truth == "open" and not self.over and sellable
        can_execute = request.truth == "executed" or possible
        same_link = request.epoch == self.epoch
        if same_link and can_execute and request.acks < REPEATS:
            yield ("ack+", index)
        refused = request.truth == "refused" or (request.truth == "open" and request.acks == 0)
        if same_link and refused and request.acks < REPEATS:
            yield ("ack-", index)
        if can_execute and request.trades < REPEATS and (self.over or not request.passed):
            yield ("late evidence" if self.over else "trade", index)

    def _unseen(self) -> Iterator[tuple[int, ...]]:
        """Yield the sets of requests that the venue may have executed by now without evidence."""
        under_way = [
            index
            for index, request in enumerate(self.requests)
            if request.handed and request.truth == "open" and not self.over
        ]
        for size in range(len(under_way) + 1):
            yield from combinations(under_way, size)

    # ---- what happens

    def do(self, step: Step) -> None:
        """Let one thing happen, a millisecond after the one before."""
        what, *rest = step
        self.now_ns += SECOND // 1000
        if what == "wait":
            self.now_ns += rest[0] * SECOND
            self._feed(lambda: None)
        elif what in ("sent", "not sent"):
            self._send(rest[0], sent=what == "sent")
        elif what in ("ack+", "ack-"):
            self._ack(rest[0], success=what == "ack+")
        elif what in ("trade", "late evidence"):
            self._evidence(rest[0])
        elif what == "update":
            self._execute(rest[0])
            self._update()
        elif what == "disconnect":
            self._disconnect()
        elif what == "reconnect":
            self._reconnect()
        else:
            self._end(rest[0], what)

    def _disconnect(self) -> None:
        self.up = False
        self._feed(self.tracker.on_disconnected, "model")

    def _reconnect(self) -> None:
        """Connect again: the venue sends a snapshot first, with its history of games."""
        self.up, self.epoch = True, self.epoch + 1
        if self.over:
            self._frame(NEXT, 0, 1.0, start=True)
        else:
            self._feed(self.tracker.ends.on_history, (), self.now_ns)

    def _send(self, index: int, *, sent: bool) -> None:
        request = self.requests[index]
        request.handed, request.epoch = sent, self.epoch
        result = SendResult(
            recv_ns=self.now_ns,
            action_id=self.actions[index].action_id,
            sent=sent,
            ack_id=index + 1 if sent else None,
        )
        self._feed(self.tracker.on_send_result, result)

    def _ack(self, index: int, *, success: bool) -> None:
        request = self.requests[index]
        request.acks += 1
        if success:
            self._execute((index,))
        else:
            request.truth = "refused"
        self._feed(self.tracker.on_ack, Ack(recv_ns=self.now_ns, ack_id=index + 1, success=success))

    def _execute(self, chosen: tuple[int, ...]) -> None:
        """Let the venue execute requests; one that it cannot execute is refused."""
        for index in chosen:
            request = self.requests[index]
            if request.truth != "open":
                continue
            cash, qty = self.ledger.cash, self.ledger.position_qty
            if request.kind is ActionType.SELL and not qty:
                request.truth = "refused"
                continue
            tick, price = RUG_TICK - 1, PRICES[-1]
            if request.kind is ActionType.BUY:
                self.ledger.buy(request.amount or 0, price, tick)
            elif request.kind is ActionType.SIDEBET:
                self.ledger.place_sidebet(request.amount or 0, tick)
                request.start_tick = tick
            else:
                self.ledger.sell(request.percentage or 100, price, tick)
            request.truth = "executed"
            request.number = 1 + max(one.number for one in self.requests)
            request.cash = self.ledger.cash - cash
            request.qty = self.ledger.position_qty - qty

    def _evidence(self, index: int) -> None:
        self._execute((index,))
        request, command = self.requests[index], self.actions[index]
        request.trades += 1
        for one in self.requests:
            one.passed |= 0 < one.number < request.number and not one.trades
        if request.kind is not ActionType.SIDEBET:
            kind = "buy" if request.kind is ActionType.BUY else "sell"
            self._trade_event(kind, abs(request.cash), abs(request.qty), command.trace_id, index)
            return
        tick = request.start_tick
        placed = SidebetPlaced(
            recv_ns=self.now_ns, game_id=GAME, player_id=ME, username=None,
            amount=to_sol(request.amount or 0), start_tick=tick, end_tick=tick + 40, price=1.2,
            trace_id=command.trace_id,
        )  # fmt: skip
        self._feed(self.tracker.sidebets.on_placed, placed)

    def _trade_event(self, kind: str, amount: int, qty: int, trace: str, number: int) -> None:
        price, tick = (RUG_PRICE, RUG_TICK) if trace == "rug" else (PRICES[-1], RUG_TICK - 1)
        trade = Trade(
            recv_ns=self.now_ns, trade_id=f"{trace}{number}", game_id=GAME, player_id=ME,
            username=None, level=None, kind=kind, price=price, amount=to_sol(amount),
            qty=to_sol(qty), tick=tick, trace_id=trace,
        )  # fmt: skip
        self._feed(self.tracker.on_trade, trade)

    def _update(self) -> None:
        ledger, bet = self.ledger, self.ledger.sidebet
        stated = PlayerUpdate(
            recv_ns=self.now_ns, player_id=ME, cash=to_sol(ledger.cash),
            position_qty=to_sol(ledger.position_qty), avg_cost=to_sol(ledger.avg_cost),
            total_invested=Decimal(0), cumulative_pnl=Decimal(0),
            sidebet=None if bet is None else SidebetInfo(
                game_id=GAME, amount=to_sol(bet.amount), start_tick=bet.start_tick,
                end_tick=bet.end_tick,
            ),
        )  # fmt: skip
        self.stated_cash, self.stated_qty = ledger.cash, ledger.position_qty
        for request in self.requests:
            request.stated = request.stated or request.truth == "executed"
        self._feed(self.tracker.on_player_update, stated)

    def _end(self, chosen: tuple[int, ...], what: str) -> None:
        """End the game: what is open is settled, what did not arrive never will."""
        self._execute(chosen)
        self.over = True
        for request in self.requests:
            request.truth = "lost" if request.truth == "open" else request.truth
        bet, fill = self.ledger.sidebet, None
        if what != "game end missed":
            self._frame(GAME, RUG_TICK, RUG_PRICE, rugged=True)
        if bet is not None:
            ended = self.ledger.settle_sidebet(RUG_TICK, RUG_TICK)
            assert ended is not None
            self._results = [SidebetResult(
                recv_ns=self.now_ns, game_id=GAME, player_id=ME, amount=to_sol(ended.amount),
                payout=to_sol(ended.payout), profit=to_sol(ended.pnl), start_tick=bet.start_tick,
                end_tick=bet.end_tick, tick=RUG_TICK,
            )]  # fmt: skip
        fill = self.ledger.forced_sell(RUG_PRICE, RUG_TICK)
        self.now_ns += SECOND // 1000
        if what != "game end":
            if self.up:
                self._disconnect()
            return
        for result in self._results:
            self._feed(self.tracker.sidebets.on_result, attrs.evolve(result, recv_ns=self.now_ns))
        if fill is not None:
            self._trade_event("sell", fill.amount, fill.qty, "rug", 0)
        self._update()
        self._frame(NEXT, 0, 1.0, start=True)
