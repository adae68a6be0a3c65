"""The paper desk: the account side of the exchange for one player, driven by the ticks of an observed feed.

Theory of operation. The desk has no law and no clock. :meth:`PaperDesk.observe` is given every game frame of
the feed and puts its price in force; a request is executed at its time of arrival, at the price in force
then, by the code that executes requests on the exchange. All answers are frames, written by the exchange's
own mail, so fills cannot differ between the two. Nothing is sent to the venue, and no other player is
affected.

The venue refuses what arrives after it has decided a rug, 150 ms before it shows it (protocol 3.1). So the
verdict on a request waits until the next live tick, or for that time: its price is the one at its arrival.

A rug that the feed did not show is settled by the law from the seed that the venue reveals afterwards. If it
reveals none, the stakes of that game count as lost (``unsettled``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from attrs import evolve, frozen

from vectra_bot.errors import InputError, UsageError
from vectra_bot.exchange.accounts import Books
from vectra_bot.exchange.config import (
    DEFAULT_LEVEL,
    EvidenceDelays,
    ExchangeConfig,
    RequestRecord,
)
from vectra_bot.exchange.desk import Desk
from vectra_bot.exchange.features.drawings import Drawings
from vectra_bot.exchange.features.leaderboard import Leaderboard
from vectra_bot.exchange.features.notices import Notices
from vectra_bot.exchange.features.sidegames import RoundStake, SideGames
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.mail import Mail
from vectra_bot.exchange.market import Market
from vectra_bot.exchange.outlet import Outlet
from vectra_bot.exchange.schedule import Rank, Schedule
from vectra_bot.game import changes, rules
from vectra_bot.game.fair import rug_price
from vectra_bot.game.ledger import to_lamports
from vectra_bot.game.state import GameState
from vectra_bot.kernel.play import play_game
from vectra_bot.models import GameFrame, GamePhase, GameTick
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.wire.requests import Request, decode_request

# What arrives exactly at the moment of the decision is refused: its verdict comes after the rug's frame.
_VERDICT_NS = rules.PRIVATE_BEFORE_RUG_MS * NS_PER_MS + 1


PAPER_PLAYER = -1
"""Number of the paper player among the ids of its desk's seed."""


@frozen
class DeskMail:
    """Private frames that an observed frame causes, in order: what precedes it, and what follows it."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class PaperDesk:
    """The account of one paper player; see the module's docstring.

    Attributes:
        player_id: the player.
        connected_ns: when the feed's connection was made, nanoseconds since the epoch; 0 if it is not known.
        books: the account, and the house that it plays against.
        unsettled: games whose result was never shown, in which something was at stake.
    """

    def __init__(
        self,
        config: ExchangeConfig,
        username: str,
        cash: int,
        *,
        delays: EvidenceDelays | None = None,
        on_request: Callable[[RequestRecord], None] | None = None,
    ) -> None:
        """Open the account; no frame is written until :meth:`connect`.

        Args:
            config: seed of the ids, start time, names of requests, terms of shorts; the rest is not used.
            username: the player's name.
            cash: lamports at the start.
            delays: delays of answers, by default as measured on the venue.
            on_request: called with every request before it is executed.
        """
        # Rounds of side games have no result that a feed shows before it is decided (protocol 11).
        config = evolve(config, side_games=False, notices=False, crowd=0)
        self._config = config
        ids = Identities(config.seed)
        self.books = books = Books(to_lamports(config.max_win))
        self._schedule = schedule = Schedule(config.start_ns)
        self._outlet = outlet = Outlet(schedule, ids)
        self._market = market = Market(books, config.short_terms)
        self._board = board = Leaderboard(books, config.short_terms)
        self._mail = mail = Mail(
            config,
            ids,
            schedule,
            outlet,
            market=market,
            pool=Drawings(config, books, ids).pool,
            board=board,
            notices=Notices(ids, (), config.start_ns),
        )
        sidegames = SideGames(config, ids, schedule, outlet, market=market, on_settled=_no_rounds)
        self._desk = Desk(
            config, ids, market=market, sidegames=sidegames, mail=mail, on_request=on_request
        )
        self._state = GameState()
        self._delays = delays or EvidenceDelays()
        self._arrived: deque[tuple[Request, int]] = deque()
        self._awaits_login = False
        self.player_id = ids.player_id(PAPER_PLAYER)
        self._account = books.open(self.player_id, username, DEFAULT_LEVEL, cash)
        self.unsettled = 0
        self.connected_ns = 0

    def connect(self, at_ns: int = 0) -> None:
        """Log the player in with the next observed frame, which may settle what was missed.

        Args:
            at_ns: when the feed's connection was made, nanoseconds since the epoch.
        """
        self._awaits_login, self.connected_ns = True, at_ns

    def disconnect(self) -> None:
        """Drop what is in transit to or from the player; the account and its stakes remain."""
        self._awaits_login = False
        self._account.delays = None
        self.books.clients.clear()

    def request(self, at_ns: int, text: str) -> None:
        """Schedule a request to arrive at *at_ns*, nanoseconds since the epoch.

        Raises:
            WireError: *text* is not an event frame.
            InputError: the player is not connected.
        """
        if not self._account.connected:
            raise InputError("the paper account is not connected: wait for the first game frame")
        request = decode_request(text, self._config.protocol)
        act = partial(self._arrive, self._account.delays, request)
        self._schedule.at(at_ns, Rank.ARRIVAL, act)

    def next_ns(self) -> int | None:
        """Return when the next request arrives or answer leaves, None if nothing is in transit."""
        return self._schedule.due_ns()

    def advance(self, now_ns: int) -> list[tuple[int, str]]:
        """Execute what is due by *now_ns*; return the private frames with their times, in order."""
        schedule = self._schedule
        while (due := schedule.due_ns()) is not None and due <= now_ns:
            schedule.advance()
        schedule.now_ns = max(schedule.now_ns, now_ns)
        return [(sent.at_ns, sent.text) for sent in self._outlet.take()]

    def observe(self, frame: GameFrame, at_ns: int) -> DeskMail:
        """Put what *frame*, received at *at_ns*, shows in force, and return the private frames it causes.

        The venue sends what a rug does to an account before the public frame (protocol 10).
        """
        before = self._take(at_ns)
        if frame.active and not frame.rugged:
            self._execute()
            before += self._take(at_ns)
        for change in self._state.fold(frame):
            self._on_change(change, frame)
            if type(change) is changes.Rugged:
                self._execute()
                before += self._take(at_ns)
                self._state_account()
        if self._awaits_login:
            self._log_in()
        elif self._account.ledger.short is not None:
            self._mail.post(self._account, self._mail.shown_game_update(self._account))
        return DeskMail(tuple(before), tuple(self._take(at_ns)))

    def _take(self, at_ns: int) -> list[str]:
        return [text for _, text in self.advance(at_ns)]

    def _arrive(self, link: EvidenceDelays | None, request: Request) -> None:
        """Have a request wait for its verdict while a rug may be decided already."""
        if self._account.delays is not link or link is None:
            return
        now_ns, market = self._schedule.now_ns, self._market
        self._arrived.append((request, now_ns))
        if market.open and not market.presale:
            self._schedule.at(now_ns + _VERDICT_NS, Rank.ARRIVAL, self._execute_old)
        else:
            self._execute()

    def _execute_old(self) -> None:
        """Execute what arrived so long ago that a rug decided before it would have been shown."""
        latest_ns = self._schedule.now_ns - _VERDICT_NS
        while self._arrived and self._arrived[0][1] <= latest_ns:
            self._execute_next()

    def _execute(self) -> None:
        """Execute everything that has arrived."""
        while self._arrived:
            self._execute_next()

    def _execute_next(self) -> None:
        request, at_ns = self._arrived.popleft()
        passed_ms = (self._schedule.now_ns - at_ns) // NS_PER_MS
        delays = self._delays
        self._desk.handle(
            self._account,
            request,
            at_ns,
            EvidenceDelays(
                update_ms=max(0, delays.update_ms - passed_ms),
                row_ms=max(0, delays.row_ms - passed_ms),
                ack_ms=max(0, delays.ack_ms - passed_ms),
            ),
        )

    def _log_in(self) -> None:
        self._awaits_login = False
        account = self._account
        # A new object per connection: it identifies messages meant for an earlier one.
        account.delays = evolve(self._delays)
        self.books.clients[:] = [account]
        account.last_due_ns = 0
        self._mail.post(account, self._mail.player_update(account))
        self._mail.post(account, self._mail.username_status(account))

    def _state_account(self) -> None:
        if self._account.connected:
            self._mail.post(self._account, self._mail.player_update(self._account))

    # Changes of the game.

    def _on_change(self, change: changes.Change, frame: GameFrame) -> None:
        market = self._market
        match change:
            case changes.GameClosed():
                self._close(change, frame)
            case changes.GameOpened():
                market.begin_game(change.game_id)
                self._board.begin_game()
            case changes.PhaseChanged() if change.phase is GamePhase.PRESALE:
                market.open_presale()
            case changes.GameStarted():
                market.open_presale()
                market.start()
                self._stage()
                self._state_account()
            case GameTick():
                self._move(change.tick, change.price)
            case changes.TickSeen(tick=tick) if tick.backfilled:
                self._move(tick.tick, tick.price)
            case changes.Rugged() if change.rug_tick is not None:
                self._rug(change.rug_tick, change.rug_price)
            case changes.Rugged():
                market.open = False
                market.rugged = True

    def _move(self, tick: int, price: float) -> None:
        """Put a live tick in force, as the exchange does at each tick."""
        market, account = self._market, self._account
        if tick <= market.tick:
            return
        self._board.publish()
        deals = market.move(tick, price)
        lost = market.settle_lost(self._schedule.now_ns)
        self._stage()
        if account.connected:
            self._mail.post_trades(deals, row_ms=0)
        for settled in lost:
            if account.connected:
                self._mail.post_settled(settled)

    def _rug(self, tick: int, price: float) -> None:
        """Settle the account, as the exchange does when a rug is decided."""
        market, account = self._market, self._account
        market.rug(tick, price)
        settled = market.settle_won(account, tick, self._schedule.now_ns)
        if settled is not None and account.connected:
            self._mail.post_settled(settled)
        self._mail.post_rug(account, market.liquidate(account), settled)
        self._stage()
        self._board.publish()

    def _close(self, closed: changes.GameClosed, frame: GameFrame) -> None:
        """Settle a game whose rug was not shown: by the law, if the venue has revealed its seed."""
        ledger = self._account.ledger
        if not (ledger.position_qty or ledger.sidebet or ledger.short):
            return
        known = [row for row in frame.history if row.game_id == closed.game_id and row.server_seed]
        game = None
        for row in known:
            with suppress(UsageError):
                game = play_game(row.server_seed, row.game_id, row.version or rules.LAW_VERSION)
        if game is None:
            self.unsettled += 1
            bet = ledger.sidebet
            after = self._market.tick if bet is None else max(self._market.tick, bet.end_tick)
            self._rug(after + 1, rug_price(closed.low))
            return
        for tick in range(self._market.tick + 1, game.rug_tick):
            self._move(tick, game.prices[tick])
        self._rug(game.rug_tick, game.rug_price)

    def _stage(self) -> None:
        self._board.stage(self._market.game_id, self._market.price)


def _no_rounds(stake: RoundStake) -> None:
    raise AssertionError(f"the paper desk holds no rounds, but {stake.round_id} has a result")
