"""A model of the venue's server: one clock, one game after another, everything seeded (protocol 3).

Theory of operation. A schedule has every future step. :meth:`Exchange.step` executes the earliest one
and returns the messages it sends; nothing happens in between, so the caller decides
how fast time runs. Requests are added to the same schedule at their time of arrival and are filled at
the price in force then. No I/O, no wall clock: the same config and the same requests at the same times
give the same messages, byte for byte.

One game: new-game frame - countdown - presale - tick 0 - ticks - the rug is decided (private settlement)
- rug frame 150 ms later - settlement frame - new-game frame of the next game, which reveals the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from attrs import evolve

from vectra_bot.errors import InputError
from vectra_bot.exchange.accounts import Books, Money, VenueAccount
from vectra_bot.exchange.broadcast import Broadcast
from vectra_bot.exchange.config import (
    DEFAULT_CASH,
    DEFAULT_LEVEL,
    EvidenceDelays,
    ExchangeConfig,
    Outbound,
    RequestRecord,
)
from vectra_bot.exchange.crowd import Crowd
from vectra_bot.exchange.desk import Desk
from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.features.drawings import Draw, Drawings
from vectra_bot.exchange.features.history import Finished, History
from vectra_bot.exchange.features.leaderboard import Leaderboard
from vectra_bot.exchange.features.notices import Notices
from vectra_bot.exchange.features.sidegames import RoundStake, SideGames
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.jitter import Timing
from vectra_bot.exchange.mail import Mail
from vectra_bot.exchange.market import Deal, EndedSidebet, Market, Placed
from vectra_bot.exchange.outlet import Outlet
from vectra_bot.exchange.schedule import Rank, Schedule
from vectra_bot.exchange.stream import TradeStream
from vectra_bot.game import rules
from vectra_bot.game.fair import FairGame, server_seed_hash
from vectra_bot.game.ledger import to_lamports
from vectra_bot.kernel.play import play_game
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.wire.requests import Request, decode_request
from vectra_bot.wire.states import WireFormat

Staging = Callable[[int, str, str], tuple[str, FairGame]]
"""Chooses the game that is played: number, committed seed and id to secret seed and game."""

_DRAWING_AFTER_RUG_MS = 300


def as_committed(_number: int, seed: str, game_id: str) -> tuple[str, FairGame]:
    """Return the committed seed and its game: what the venue plays."""
    return seed, play_game(seed, game_id)


class Exchange:
    """A deterministic venue; see the module's docstring for how to drive it.

    With *staging* a test chooses the games that are played; by default they are those of the committed seeds.

    Attributes:
        config: the exchange's configuration.
        books: every account, the crowd's included.
        sidegames: the rounds of side games that run in parallel.
        crowd: the simulated players; it knows which of them a test has planted.
        games_rugged: games that have rugged since the start.
        games_opened: new-game frames sent since the start.
        viewers: connections without a login, counted among the connected.

    Example:
        >>> exchange = Exchange(ExchangeConfig(seed=7, crowd=0, past_games=10))
        >>> exchange.connect("did:privy:me", "me")
        >>> exchange.step()[0].text[:20]
        '42["gameStateUpdate"'
    """

    def __init__(
        self,
        config: ExchangeConfig | None = None,
        on_request: Callable[[RequestRecord], None] | None = None,
        on_deposit: Callable[[str, Money, int], None] | None = None,
        staging: Staging | None = None,
    ) -> None:
        self._staging = staging or self._as_configured
        self.config = config = config or ExchangeConfig()
        self.books = books = Books(to_lamports(config.max_win), on_deposit)
        self.games_rugged = self.games_opened = self.viewers = 0
        self._identities = ids = Identities(config.seed)
        self._schedule = schedule = Schedule(config.begins_ns)
        self._outlet = outlet = Outlet(schedule, ids)
        self._timing = Timing(Dice(ids.dice("jitter")), steady=not config.jitter)
        self._market = market = Market(
            books, config.short_terms, on_deal=self._note_deal, on_placed=self._note_placed
        )
        self._board = board = Leaderboard(books, config.short_terms)
        self._history = history = History(config.wire_format, ids)
        self._drawings = Drawings(config, books, ids)
        self._golden, pool = self._drawings.golden, self._drawings.pool
        self.sidegames = SideGames(
            config,
            ids,
            schedule,
            outlet,
            market=market,
            on_stake=self._note_stake,
            on_settled=self._note_result,
        )
        sidegames = self.sidegames if config.side_games else None
        self.crowd = Crowd(config, market, books, ids, sidegames)
        self._notices = notices = Notices(
            ids, books.all() if config.notices else (), config.begins_ns
        )
        pool.recall(books.all(), config.begins_ns // NS_PER_MS)
        self._broadcast = Broadcast(
            ids, market=market, history=history, board=board, pool=pool, royales=notices.royales
        )
        self._mail = mail = Mail(
            config, ids, schedule, outlet, market=market, pool=pool, board=board, notices=notices
        )
        self._desk = Desk(
            config, ids, market=market, sidegames=self.sidegames, mail=mail, on_request=on_request
        )
        self._stream = TradeStream(market, ids, outlet, self._price_at)
        self._game: FairGame
        self._sampled = ids.sampled_games() if config.sampled else None
        self._last_bettors: tuple[VenueAccount, ...] = ()
        self._seed = ""
        self._number, self._deals_shown = config.first_game, 0
        self._begin()

    @property
    def now_ns(self) -> int:
        """Return the exchange's time, nanoseconds since the epoch, UTC."""
        return self._schedule.now_ns

    @property
    def capped(self) -> int:
        """Return how often the cap on winnings has reduced a player's winnings in a game."""
        return self._market.capped

    def next_ns(self) -> int:
        """Return the time of the next step, nanoseconds since the epoch."""
        return self._schedule.next_ns()

    def step(self) -> list[Outbound]:
        """Execute the next step and return the messages it sent, in order (often none)."""
        self._schedule.advance()
        return self._outlet.take()

    def client_id(self, number: int = 0) -> str:
        """Return a player id in the venue's shape, for a client without one."""
        return self._identities.player_id(-1 - number)

    def snapshot(self) -> str:
        """Return the first frame of a connection without a login."""
        return self._broadcast.snapshot()

    def connect(
        self,
        player_id: str,
        username: str | None = None,
        cash: int = DEFAULT_CASH,
        *,
        level: int = DEFAULT_LEVEL,
        bonus: int = 0,
        delays: EvidenceDelays | None = None,
        snapshot: bool = True,
        trace_id: str | None = None,
    ) -> None:
        """Log a player in now: the snapshot, ``usernameStatus`` and the account are sent next.

        Args:
            player_id: the player; an existing account is reused with the money it has.
            username: the name shown to others.
            cash: lamports a new account starts with.
            level: a new account's level; leverage is offered from the config's ``leverage_level``.
            bonus: lamports of bonus money a new account starts with.
            delays: delays of answers, by default as measured on the venue.
            snapshot: False for a connection that already has its first frame.
            trace_id: that of ``authenticate``, used for its answers.

        Raises:
            InputError: the player is already connected, or *cash* or *bonus* is negative.
        """
        account = self.books.get(player_id)
        if account is not None and account.connected:
            raise InputError(f"player {player_id!r} is already connected: disconnect it first")
        for name, amount in (("cash", cash), ("bonus", bonus)):
            if amount < 0:
                raise InputError(f"starting {name} was {amount} lamports: give 0 or more")
        if account is None:
            account = self.books.open(player_id, username, level, cash, bonus)
        # A new object per connection: it identifies messages meant for an earlier one.
        account.delays = evolve(delays or EvidenceDelays())
        self.books.clients.append(account)
        self._broadcast.connected = self._connected()
        if snapshot:
            self._mail.post(account, self._broadcast.snapshot())
        self._mail.post_login(account, trace_id)

    def disconnect(self, player_id: str) -> None:
        """Stop sending to a player; account, position and bets remain and are settled."""
        account = self._client(player_id)
        self.books.clients.remove(account)
        account.delays = None

    def request(self, at_ns: int, player_id: str, text: str, *, received: bool = False) -> None:
        """Schedule a client's frame to be executed at *at_ns*, or now if that has passed.

        Args:
            at_ns: the time of execution.
            player_id: the player.
            text: the frame.
            received: the venue has it already: it is executed although the connection may end before, and
                then it is not acknowledged. Else the end of the connection loses it.

        Raises:
            WireError: *text* is not an event frame.
            InputError: the player is not connected.
        """
        account = self._client(player_id)
        request = decode_request(text, self.config.protocol)
        at_ns = max(at_ns, self.now_ns)
        act = partial(self._arrive, account, account.delays, request, received)
        self._schedule.at(at_ns, Rank.ARRIVAL, act)

    def _begin(self) -> None:
        """Announce the first game, and schedule what runs in parallel to the games."""
        self._play_past()
        self._prepare_game()
        self._plan_countdown()
        self._schedule.after(rules.TRADE_STREAM_MS, self._show_trades)
        if self.config.notices:
            self._plan_notices()

    def _play_past(self) -> None:
        """Play games from before the start to fill history and averages."""
        config, first, ids = self.config, self.config.first_game, self._identities
        oldest = first - config.past_games - len(config.past_records)
        for number, (seed, game_id) in enumerate(config.past_records, oldest):
            game = play_game(seed, game_id)
            ended_ms = config.announced_ns(number) // NS_PER_MS
            self._history.remember(Finished.of(game_id, seed, game, ended_ms))
        for number in range(first - config.past_games, first):
            seed, game_id = ids.secret(number, config.announced_ns(number))
            game = play_game(seed, game_id)
            ended_ms = config.announced_ns(number) // NS_PER_MS
            self._history.finish(Finished.of(game_id, seed, game, ended_ms), [])

    def _prepare_game(self) -> None:
        """Commit to the next game and reset everything to price 1, timer 15000."""
        config, number = self.config, self._number
        committed, game_id = self._identities.secret(
            number, config.announced_ns(number), sampled=config.sampled
        )
        self._number += 1
        self._last_bettors = self._market.bettors()
        self._seed, self._game = self._staging(self._number, committed, game_id)
        self._market.begin_game(game_id)
        self._golden.begin_game(self.now_ns)
        self._notices.look(self.now_ns)
        self.crowd.begin_game()
        self._board.begin_game()
        self._broadcast.begin_game(server_seed_hash(committed))
        self._broadcast.active = self._broadcast.rugged = False
        self._broadcast.timer_ms = rules.COOLDOWN_MS
        self._timing.begin_game()
        self._broadcast.connected = self._connected()

    def _as_configured(self, number: int, seed: str, game_id: str) -> tuple[str, FairGame]:
        """Return the config's own game of this number if it has one, else that of the seed."""
        made = self.config.made_games
        if number <= len(made):
            return seed, made[number - 1]
        if self._sampled is not None:
            return seed, self._sampled.game(number - 1)
        return as_committed(number, seed, game_id)

    def _plan_countdown(self) -> None:
        """Schedule the countdown frames; the first comes right after the new-game frame."""
        step = self.config.countdown_step
        for timer in range(rules.COOLDOWN_MS - step, 0, -step):
            self._schedule.after(self._timing.countdown_ms(timer), partial(self._count_down, timer))

    def _count_down(self, timer_ms: int) -> None:
        self._broadcast.timer_ms = timer_ms
        self._broadcast.connected = self._connected()
        if timer_ms == rules.PRESALE_MS:
            self._open_presale()
        elif self._market.presale:
            share = self.config.countdown_step / rules.PRESALE_MS
            self.crowd.act_in_presale(share, self.now_ns)
            self._show_presale()
        self._send(self._broadcast.countdown())

    def _open_presale(self) -> None:
        """Open the presale with a tick-type frame, which still has the last game's trade count."""
        self._market.open_presale()
        self._board.clear()
        if self.config.wire_format is WireFormat.FEB:
            self._stage_presale()
        self._send(self._broadcast.tick())
        self._market.trade_count = 0
        self._deals_shown = -1
        self._schedule.after(self._timing.start_ms(), self._start)

    def _show_presale(self) -> None:
        """Send the presale table, if anything has changed since the last frame."""
        market = self._market
        deals = market.trade_count + len(market.bets)
        if deals == self._deals_shown:
            return
        self._deals_shown = deals
        self._stage_presale()

    def _stage_presale(self) -> None:
        market = self._market
        self._board.stage_presale(market.players, self._last_bettors, market.game_id, market.price)
        self._board.publish()

    def _start(self) -> None:
        """Send tick 0; presale positions are kept, presale rows are not."""
        self.crowd.end_presale(self.now_ns)
        self._market.start()
        self._board.clear()
        self._broadcast.active = True
        self._broadcast.timer_ms = 0
        self._broadcast.connected = self._connected()
        self._stage()
        self._send(self._broadcast.start())
        if self._golden.is_golden:  # a golden game's start comes with the history (protocol 3.2)
            self._send(self._broadcast.settlement(0))
        for account in self.books.clients:
            self._mail.post(account, self._mail.player_update(account))
        self._plan_tick(1)

    def _plan_tick(self, tick: int) -> None:
        """Schedule *tick*, or the rug if the law has it there, and its settlement 150 ms before the frame."""
        timing = self._timing
        if tick < self._game.rug_tick:
            gap = timing.first_tick_ms() if tick == 1 else timing.tick_gap_ms()
            self._schedule.after(gap, partial(self._tick, tick))
            return
        after = timing.rug_gap_ms(first=tick == 1)
        self._schedule.after(max(0.0, after - rules.PRIVATE_BEFORE_RUG_MS), self._decide_rug)
        self._schedule.after(after, self._rug)

    def _tick(self, tick: int) -> None:
        """Send one live tick: first the crowd acts at the old price, then the new one is in force."""
        price = self._game.prices[tick]
        self.crowd.act(self.now_ns, price)
        self._board.publish()
        deals = self._market.move(tick, price)
        self._broadcast.note_price(price)
        self._broadcast.connected = self._connected()
        lost = self._market.settle_lost(self.now_ns)
        self._stage()
        self._send(self._broadcast.tick())
        for account in dict.fromkeys(deal.account for deal in deals):
            if account.connected:
                own = [deal for deal in deals if deal.account is account]
                self._mail.post_trades(own, row_ms=0)
        for settled in lost:
            self._settled(settled)
        self._plan_tick(tick + 1)

    def _stage(self) -> None:
        market = self._market
        self._board.stage(market.game_id, market.price)

    def _decide_rug(self) -> None:
        """Settle every account; clients are notified before the public frame (protocol 10)."""
        self.crowd.act(self.now_ns, self._game.rug_price)
        market = self._market
        market.rug(self._game.rug_tick, self._game.rug_price)
        for account in market.players:
            self._settle_at_rug(account)
        self._drawings.count_rug(market)
        self._stage()
        self._board.publish()

    def _settle_at_rug(self, account: VenueAccount) -> None:
        settled = self._market.settle_won(account, self._game.rug_tick, self.now_ns)
        if settled is not None:
            self._settled(settled)
        self._mail.post_rug(account, self._market.liquidate(account), settled)

    def _settled(self, settled: EndedSidebet) -> None:
        """Notify crowd and owner of a settled sidebet."""
        self.crowd.on_settled(settled)
        if self._mail.hears(settled.account):
            self._mail.post_settled(settled)

    def _rug(self) -> None:
        self._broadcast.rugged = True
        self._broadcast.note_price(self._game.rug_price)
        self._send(self._broadcast.tick())
        self.games_rugged += 1
        for account in self.books.clients:
            self._mail.post(account, self._mail.player_update(account))
        after, extra = self._timing.settlement_ms()
        for draw in self._drawings.take_due():  # the next game would have other players
            self._schedule.after(min(_DRAWING_AFTER_RUG_MS, after), partial(self._hold, draw))
        self._schedule.after(after, partial(self._settlement, extra))
        ended = Finished.of(self._market.game_id, self._seed, self._game, self.now_ns // NS_PER_MS)
        self._schedule.after(after + self._timing.new_game_ms(), partial(self._new_game, ended))

    def _settlement(self, extra: int) -> None:
        """Send the settlement frame: old id, old history, a tick count past the rug (protocol 3.3)."""
        self._send(self._broadcast.settlement(self._game.rug_tick + extra))

    def _new_game(self, ended: Finished) -> None:
        """Send the new-game frame: the next id and hash, and the finished game with its seed."""
        self._history.finish(ended, self._market.bets)
        self._prepare_game()
        self._send(self._broadcast.settlement(0))
        self.games_opened += 1
        window = self._golden.event_at(self.now_ns)
        for text in self._notices.golden_game(window, golden=self._golden.is_golden):
            self._outlet.to_all(text)
        self._plan_countdown()

    def _hold(self, draw: Draw) -> None:
        """Hold a drawing, announce it to all, and send each winner the new account."""
        held = draw(self._market, self.now_ns // NS_PER_MS)
        if held is None:
            return
        self._outlet.announce(held.event, held.payload)
        for account in held.winners:
            self._mail.state_account(account)

    def _show_trades(self) -> None:
        self._schedule.after(rules.TRADE_STREAM_MS, self._show_trades)
        self._stream.show()

    def _plan_notices(self) -> None:
        self._schedule.at(self._notices.next_ns, Rank.PUBLIC, self._notify)

    def _notify(self) -> None:
        """Send the notices that are due."""
        for text in self._notices.due(self.now_ns):
            self._outlet.to_all(text)
        self._plan_notices()

    def _send(self, text: str) -> None:
        """Send a frame to everybody, and after it each client's own row (protocol 5.7)."""
        self._outlet.to_all(text)
        for account in self.books.clients:
            self._outlet.to_one(account.player_id, self._mail.shown_game_update(account))

    def _arrive(
        self,
        account: VenueAccount,
        link: EvidenceDelays | None,
        request: Request,
        received: bool,
    ) -> None:
        """Execute a request; an ended connection gets no answer: a new one restarts acknowledgement ids."""
        if account.delays is link:
            self._desk.handle(account, request, self.now_ns)
        elif received:
            self._desk.handle(account, evolve(request, ack_id=None), self.now_ns)

    def _price_at(self, tick: int) -> float:
        return self._game.prices[tick]

    # Callbacks of market and side games: mail is created later, because it needs them.

    def _note_deal(self, deal: Deal) -> None:
        self._mail.note_deal(deal)

    def _note_placed(self, placed: Placed) -> None:
        self._mail.note_placed(placed)

    def _note_stake(self, stake: RoundStake) -> None:
        self._mail.note_stake(stake)

    def _note_result(self, stake: RoundStake) -> None:
        self._mail.post_round_result(stake)

    def _connected(self) -> int:
        return self.crowd.connected(len(self.books.clients) + self.viewers)

    def _client(self, player_id: str) -> VenueAccount:
        account = self.books.get(player_id)
        if account is None or not account.connected:
            raise InputError(f"player {player_id!r} is not connected: connect it first")
        return account
