"""The venue's server as a model: one clock, one game after another, everything seeded (protocol 3).

Theory of operation. A schedule holds every future act. :meth:`Exchange.step` carries out the earliest one
and returns what leaves the venue by it; nothing happens in between, so whoever drives the exchange decides
how fast time runs. Requests are put on the same schedule at the time of their arrival and are filled at
the price in force then. No I/O, no wall clock: the same config and the same requests at the same times
give the same messages, byte for byte.

One game: new-game frame - countdown - presale - tick 0 - ticks - the rug is decided (private settlement)
- rug frame 150 ms later - settlement frame - new-game frame of the next game, which reveals the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from vectra_bot.errors import InputError
from vectra_bot.exchange.accounts import Account, Books, Money
from vectra_bot.exchange.broadcast import Broadcast, presale_table
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
from vectra_bot.exchange.golden import GoldenHour
from vectra_bot.exchange.history import Finished, History
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.jitter import Timing
from vectra_bot.exchange.leaderboard import Leaderboard
from vectra_bot.exchange.mail import Mail, sidebet_payload
from vectra_bot.exchange.market import Deal, Market, Placed, Settled
from vectra_bot.exchange.notices import Notices
from vectra_bot.exchange.rugpool import Drawing, Pool
from vectra_bot.exchange.schedule import Rank, Schedule
from vectra_bot.exchange.sidegames import RoundStake, SideGames
from vectra_bot.exchange.tape import trade_text
from vectra_bot.game import rules
from vectra_bot.game.fair import FairGame, play_game, server_seed_hash
from vectra_bot.game.ledger import to_lamports
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.wire.frames import event_text
from vectra_bot.wire.requests import Request, decode_request
from vectra_bot.wire.states import WireFormat

_PAST_GAME_MS = 66_000
_DRAWING_AFTER_RUG_MS = 300
_BET_SHOWN = (
    0.08  # share of the 2 s windows whose last sidebet everybody is shown: one or two a game
)
_BET_AGE_TICKS = 8


class Exchange:
    """A deterministic venue; see the module's text for how it is driven.

    Attributes:
        books: every account, the crowd's included.
        games_rugged: games that have rugged since the start.
        games_opened: new-game frames that have left since the start.
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
    ) -> None:
        self.config = config = config or ExchangeConfig()
        self.books = Books(to_lamports(config.max_win), on_deposit)
        self.games_rugged = 0
        self.games_opened = 0
        self.viewers = 0
        self._on_request = on_request
        self._out: list[Outbound] = []
        self._identities = ids = Identities(self.config.seed)
        self._timing = Timing(Dice(ids.dice("jitter")), steady=not config.jitter)
        self._schedule = Schedule(self.config.start_ns)
        self._market = Market(self.books, config.short_terms)
        self._board = Leaderboard(self.books, config.short_terms)
        self._history = History(self.config.wire_format, ids)
        self._pool = Pool(
            self.books,
            Dice(ids.dice("rugpool")),
            threshold=config.rugpool_threshold,
            instarug_ticks=config.instarug_ticks,
        )
        self._golden = GoldenHour(
            config.golden, config.start_ns, self.books, Dice(ids.dice("golden"))
        )
        self._broadcast = Broadcast(
            market=self._market,
            history=self._history,
            board=self._board,
            pool=self._pool,
            identities=ids,
        )
        self._mail = Mail(
            schedule=self._schedule,
            market=self._market,
            pool=self._pool,
            board=self._board,
            broadcast=self._broadcast,
            identities=ids,
            profile=config.profile,
            deliver=self._deliver,
        )
        self.sidegames = SideGames(
            config,
            market=self._market,
            books=self.books,
            identities=ids,
            now_ns=lambda: self.now_ns,
            plan=self._plan,
            emit=self._announce,
            settled=self._round_settled,
        )
        self._desk = Desk(
            config,
            market=self._market,
            sidegames=self.sidegames,
            mail=self._mail,
            identities=ids,
            on_request=self._tell,
        )
        if config.crowd_mail:
            self._market.on_deal = self._mail_deal
            self._market.on_placed = self._mail_placed
            self.sidegames.on_stake = self._mail_stake
        self._crowd = Crowd(self._market, self.books, ids, self.config.crowd)
        self._notices = Notices(ids, self.books.all() if config.notices else (), config.start_ns)
        self._broadcast.royales = self._notices.royales
        self._mail.notices = self._notices
        self._pool.recall(self.books.all(), config.start_ns // NS_PER_MS)
        self._sample = Dice(ids.dice("sample"))
        self._last_players: list[Account] = []
        self._shown_bet: Placed | None = None
        self._golden_was_on = False
        self._game: FairGame
        self._seed = ""
        self._number = 0
        self._deals_shown = 0
        self._play_past()
        self._prepare_game()
        self._plan_countdown()
        self._plan(rules.TRADE_STREAM_MS, self._stream_trade)
        if config.notices:
            self._plan_notices()

    @property
    def now_ns(self) -> int:
        """Return the exchange's time, nanoseconds since the epoch, UTC."""
        return self._schedule.now_ns

    @property
    def capped(self) -> int:
        """Return how often the cap on winnings has cut what a player won in a game."""
        return self._market.capped

    def next_ns(self) -> int:
        """Return when the next act happens."""
        return self._schedule.next_ns()

    def step(self) -> list[Outbound]:
        """Carry out the next act and return what it sent, in order (often nothing)."""
        out: list[Outbound] = []
        self._out = out
        self._schedule.advance()
        return out

    def client_id(self, number: int = 0) -> str:
        """Return a player id for a client that has none, in the venue's shape."""
        return self._identities.player_id(-1 - number)

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
        """Log a player in now: the snapshot, ``usernameStatus`` and his account are sent next.

        Args:
            player_id: who it is; an account that exists is taken up again with the money it has.
            username: shown to others.
            cash: lamports a new account starts with.
            level: a new account's level; leverage is offered from the config's ``leverage_level``.
            bonus: lamports of bonus money a new account starts with.
            delays: how long answers take, by default as measured on the venue.
            snapshot: False for a connection that has had its first frame already.
            trace_id: that of ``authenticate``, under which its answers are given.

        Raises:
            InputError: the player is connected already, or *cash* is negative.
        """
        account = self.books.get(player_id)
        if account is not None and account.connected:
            raise InputError(f"player {player_id!r} is connected already: disconnect it first")
        for name, amount in (("cash", cash), ("bonus", bonus)):
            if amount < 0:
                raise InputError(f"starting {name} was {amount} lamports: give 0 or more")
        if account is None:
            account = self.books.open(player_id, username, level, cash, bonus)
        account.delays = delays or EvidenceDelays()
        self.books.clients.append(account)
        self._broadcast.connected = self._connected()
        if snapshot:
            self._mail.post(account, self._broadcast.snapshot())
        self._mail.post_login(account, trace_id)

    def disconnect(self, player_id: str) -> None:
        """Stop sending to a player; his account, position and bets stay and are settled."""
        account = self._client(player_id)
        self.books.clients.remove(account)
        account.delays = None

    def snapshot(self) -> str:
        """Return the first frame of a connection without a login."""
        return self._broadcast.snapshot()

    def request(self, at_ns: int, player_id: str, text: str) -> None:
        """Let a client's frame arrive at *at_ns*, or now if that has passed.

        Raises:
            WireError: *text* is not an event frame.
            InputError: the player is not connected.
        """
        account = self._client(player_id)
        request = decode_request(text, self.config.profile)
        at_ns = max(at_ns, self.now_ns)
        self._schedule.at(at_ns, Rank.ARRIVAL, partial(self._arrive, account, request))

    def _play_past(self) -> None:
        """Fill history and averages with games from before the start."""
        start_ms = self.config.start_ns // NS_PER_MS
        oldest = self.config.past_games + len(self.config.past_records)
        for back, (seed, game_id) in zip(
            range(oldest, 0, -1), self.config.past_records, strict=False
        ):
            game = play_game(seed, game_id)
            ended = Finished.of(game_id, seed, game, start_ms - back * _PAST_GAME_MS)
            self._history.remember(ended)
        for back in range(self.config.past_games, 0, -1):
            ended_ns = self.config.start_ns - back * _PAST_GAME_MS * NS_PER_MS
            seed, game_id = self._secret(-back, ended_ns)
            game = play_game(seed, game_id)
            self._history.finish(Finished.of(game_id, seed, game, ended_ns // NS_PER_MS), [])

    def _secret(self, number: int, at_ns: int) -> tuple[str, str]:
        return self._identities.server_seed(number), self._identities.game_id(number, at_ns)

    def _prepare_game(self) -> None:
        """Commit to the next game and put everything back to price 1, timer 15000."""
        self._seed, game_id = self._secret(self._number, self.now_ns)
        self._number += 1
        self._last_players = self._market.players[: rules.LEADERBOARD_ROWS]
        self._game = play_game(self._seed, game_id)
        self._market.begin_game(game_id)
        self._golden.begin_game(self.now_ns)
        self._notices.look(self.now_ns)
        self._crowd.begin_game()
        self._board.begin_game()
        self._broadcast.begin_game(server_seed_hash(self._seed))
        self._broadcast.active = self._broadcast.rugged = False
        self._broadcast.timer_ms = rules.COOLDOWN_MS
        self._timing.begin_game()
        self._broadcast.connected = self._connected()

    def _plan_countdown(self) -> None:
        """Plan the frames of the countdown; the first comes right after the new-game frame."""
        step = self.config.countdown_step_ms
        for timer in range(rules.COOLDOWN_MS - step, 0, -step):
            self._plan(self._timing.countdown_ms(timer), partial(self._count_down, timer))

    def _count_down(self, timer_ms: int) -> None:
        self._broadcast.timer_ms = timer_ms
        self._broadcast.connected = self._connected()
        if timer_ms == rules.PRESALE_MS:
            self._open_presale()
        elif self._market.presale:
            share = self.config.countdown_step_ms / rules.PRESALE_MS
            self._crowd.act_in_presale(share, self.now_ns)
            self._show_presale()
        self._send(self._broadcast.countdown())

    def _open_presale(self) -> None:
        """Open the presale: a tick-type frame, still with the last game's trade count, says so."""
        self._market.open_presale()
        self._board.clear()
        if self.config.wire_format is WireFormat.FEB:
            self._board.table = presale_table(self._last_players)
        self._send(self._broadcast.tick())
        self._market.trade_count = 0
        self._deals_shown = 0
        self._plan(self._timing.start_ms(), self._start)

    def _show_presale(self) -> None:
        """Show who holds what, if anything has changed since the last frame."""
        market = self._market
        deals = market.trade_count + len(market.bets)
        if deals == self._deals_shown:
            return
        self._deals_shown = deals
        self._board.stage_presale(market.players, market.game_id, market.price)
        self._board.publish()

    def _start(self) -> None:
        """Send tick 0; presale positions stay, presale rows go."""
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
        """Plan tick *tick*, or the rug if the law says so; the private settlement comes 150 ms before it."""
        timing = self._timing
        if tick < self._game.rug_tick:
            gap = timing.first_tick_ms() if tick == 1 else timing.tick_gap_ms()
            self._plan(gap, partial(self._tick, tick))
            return
        after = timing.rug_gap_ms(first=tick == 1)
        self._plan(max(0.0, after - rules.PRIVATE_BEFORE_RUG_MS), self._decide_rug)
        self._plan(after, self._rug)

    def _tick(self, tick: int) -> None:
        """Send one live tick: first the crowd acts at the old price, then the new one is in force."""
        self._crowd.act(self.now_ns)
        self._board.publish()
        price = self._game.prices[tick]
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
        """Settle everybody; clients learn of it before the public frame (protocol 10)."""
        self._crowd.act(self.now_ns)
        market = self._market
        market.rug(self._game.rug_tick, self._game.rug_price)
        for account in market.players:
            self._settle_at_rug(account)
        pnls = [
            (account, account.ledger.cumulative_pnl(market.price, market.terms))
            for account in market.players
            if not account.is_practice
        ]
        drawing = self._pool.count_rug(
            market.tick, pnls, market.liquidated, self.now_ns // NS_PER_MS
        )
        self._stage()
        self._board.publish()
        after = rules.PRIVATE_BEFORE_RUG_MS + _DRAWING_AFTER_RUG_MS
        if drawing is not None:
            self._plan(after, partial(self._show_pool_drawing, drawing))
        if self._golden.is_golden:
            self._plan(after, self._draw_golden)

    def _settle_at_rug(self, account: Account) -> None:
        settled = self._market.settle_won(account, self._game.rug_tick, self.now_ns)
        if settled is not None:
            self._settled(settled)
        deals = self._market.liquidate(account)
        if not account.connected:
            return
        self._mail.post_trades(deals)
        if deals or settled is not None:
            self._mail.post(account, self._mail.fresh_game_update(account))

    def _settled(self, settled: Settled) -> None:
        """Tell crowd and owner how a sidebet ended."""
        self._crowd.on_settled(settled)
        if self._hears(settled.account):
            self._mail.post_settled(settled)

    def _hears(self, account: Account) -> bool:
        """Return whether what concerns *account* alone is sent."""
        return account.connected or self.config.crowd_mail

    def _round_settled(self, stake: RoundStake) -> None:
        if self._hears(stake.account):
            self._mail.post_round_result(stake)

    def _mail_deal(self, deal: Deal) -> None:
        """Send a member of the crowd his own trade; a client's is sent by whoever carried it out."""
        if not deal.account.connected:
            self._mail.post_trade(deal)

    def _mail_placed(self, placed: Placed) -> None:
        if not placed.account.connected:
            self._mail.post(placed.account, self._mail.player_update(placed.account))
            text = self._mail.current_sidebet(placed, self._market.price, None)
            self._mail.post(placed.account, text)

    def _mail_stake(self, stake: RoundStake) -> None:
        if not stake.account.connected:
            self._mail.post(stake.account, self._mail.player_update(stake.account))
            self._mail.post(stake.account, self._mail.round_bet(stake, None))

    def _show_pool_drawing(self, drawing: Drawing) -> None:
        """Announce the rugpool's winners to all, and tell each what he holds now."""
        self._announce_event("rugpoolDrawing", drawing.payload())
        for account, _ in drawing.winners:
            self._state_account(account)

    def _draw_golden(self) -> None:
        """Draw the prize of a golden game among its players."""
        drawing = self._golden.draw(self._market.players)
        if drawing is not None:
            payload = drawing.payload(
                self._identities.uuid(), self._market.game_id, self.now_ns // NS_PER_MS
            )
            self._announce_event("goldenHourDrawing", payload)
            self._state_account(drawing.winner)

    def _state_account(self, account: Account) -> None:
        if self._hears(account):
            self._mail.post(account, self._mail.player_update(account))

    def _rug(self) -> None:
        self._broadcast.rugged = True
        self._broadcast.note_price(self._game.rug_price)
        self._send(self._broadcast.tick())
        self.games_rugged += 1
        for account in self.books.clients:
            self._mail.post(account, self._mail.player_update(account))
        after, extra = self._timing.settlement_ms()
        self._plan(after, partial(self._settlement, extra))
        ended = Finished.of(self._market.game_id, self._seed, self._game, self.now_ns // NS_PER_MS)
        self._plan(after + self._timing.new_game_ms(), partial(self._new_game, ended))

    def _settlement(self, extra: int) -> None:
        """Send the settlement frame: old id, old history, a tick count past the rug (protocol 3.3)."""
        self._send(self._broadcast.settlement(self._game.rug_tick + extra))

    def _new_game(self, ended: Finished) -> None:
        """Send the new-game frame: the next id and hash, and the finished game with its seed."""
        self._history.finish(ended, self._market.bets)
        self._prepare_game()
        self._send(self._broadcast.settlement(0))
        self.games_opened += 1
        self._tell_golden_hour()
        self._plan_countdown()

    def _tell_golden_hour(self) -> None:
        """Say with every game what the Golden Hour is, while there is one, and once that it is over."""
        event = self._golden.event_at(self.now_ns)
        if event is None and not self._golden_was_on:
            return
        self._announce(self._notices.golden_hour(event, golden=self._golden.is_golden))
        if event is None:
            over = "Golden Hour has ended! Thanks for taking part."
            self._announce(self._notices.notification(over, "goldenhour"))
        self._golden_was_on = event is not None

    def _plan_notices(self) -> None:
        self._schedule.at(self._notices.next_ns, Rank.PUBLIC, self._notify)

    def _notify(self) -> None:
        """Say what is due beside the game."""
        for text in self._notices.due(self.now_ns):
            self._announce(text)
        self._plan_notices()

    def _send(self, text: str) -> None:
        """Send a frame to everybody, and to each client his own row after it (protocol 5.7)."""
        now = self.now_ns
        self._out.append(Outbound(now, None, text))
        for account in self.books.clients:
            row = self._mail.shown_game_update(account)
            self._out.append(Outbound(now, account.player_id, row))

    def _announce(self, text: str) -> None:
        """Send *text* to everybody now."""
        self._out.append(Outbound(self.now_ns, None, text))

    def _announce_event(self, name: str, payload: Any) -> None:
        trace_id, span_id = self._identities.trace()
        self._announce(event_text(name, payload, trace_id=trace_id, span_id=span_id))

    def _deliver(self, player_id: str, text: str) -> None:
        self._out.append(Outbound(self.now_ns, player_id, text))

    def _stream_trade(self) -> None:
        """Show everybody the biggest trade of the last two seconds, except while a presale runs.

        A client that made the trade has seen it already.
        """
        self._plan(rules.TRADE_STREAM_MS, self._stream_trade)
        if self._market.presale:
            return
        deal = self._market.take_biggest()
        if deal is not None:
            owner = deal.account.player_id if deal.account.connected else None
            text = trade_text(deal, self._identities)
            self._out.append(Outbound(self.now_ns, None, text, owner))
        self._show_sidebet()

    def _show_sidebet(self) -> None:
        """Show everybody a sidebet now and then: a thin sample (protocol 5.8)."""
        bets = self._market.bets
        if not self._sample.chance(_BET_SHOWN) or not bets or not self._market.open:
            return
        placed = bets[-1]
        if (
            isinstance(placed, Placed)
            and placed is not self._shown_bet
            and not placed.presale
            and self._market.tick - placed.bet.start_tick <= _BET_AGE_TICKS
        ):
            self._shown_bet = placed
            price = self._game.prices[placed.bet.start_tick]
            self._announce_event("newSideBet", sidebet_payload(placed, self._market.game_id, price))

    def _arrive(self, account: Account, request: Request) -> None:
        if account.connected:
            self._desk.handle(account, request, self.now_ns)

    def _tell(self, record: RequestRecord) -> None:
        if self._on_request is not None:
            self._on_request(record)

    def _client(self, player_id: str) -> Account:
        account = self.books.get(player_id)
        if account is None or not account.connected:
            raise InputError(f"player {player_id!r} is not connected: connect it first")
        return account

    def _connected(self) -> int:
        return self._crowd.connected(len(self.books.clients) + self.viewers)

    def _plan(self, after_ms: float, act: Callable[[], None]) -> None:
        self._schedule.at(self.now_ns + int(after_ms * NS_PER_MS), Rank.PUBLIC, act)
