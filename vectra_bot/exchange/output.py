"""The exchange's parts, and all that leaves it: frames to everybody, mail to one, notices beside the game.

This is the outward half; the cycle of the games is :class:`vectra_bot.exchange.Exchange`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vectra_bot.exchange.accounts import Books, Money, VenueAccount
from vectra_bot.exchange.broadcast import Broadcast
from vectra_bot.exchange.config import (
    ExchangeConfig,
    Outbound,
    RequestRecord,
)
from vectra_bot.exchange.crowd import Crowd
from vectra_bot.exchange.desk import Desk
from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.features.golden import GoldenHour
from vectra_bot.exchange.features.history import History
from vectra_bot.exchange.features.leaderboard import Leaderboard
from vectra_bot.exchange.features.notices import Notices
from vectra_bot.exchange.features.rugpool import Pool
from vectra_bot.exchange.features.sidegames import RoundStake, SideGames
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.jitter import Timing
from vectra_bot.exchange.mail import Mail, sidebet_payload
from vectra_bot.exchange.market import Deal, Market, Placed
from vectra_bot.exchange.schedule import Rank, Schedule
from vectra_bot.exchange.tape import trade_text
from vectra_bot.game import rules
from vectra_bot.game.fair import FairGame
from vectra_bot.game.ledger import to_lamports
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.wire.frames import event_text
from vectra_bot.wire.states import WireFormat

# Share of the 2 s windows whose last sidebet everybody is shown: one or two a game.
_BET_SHOWN = 0.08
_BET_AGE_TICKS = 8


class ExchangeOutput:
    """Holds the parts of one venue and sends for them."""

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
            profile=config.protocol,
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
        self.crowd = Crowd(
            self._market,
            self.books,
            ids,
            config.crowd,
            planted=config.planted,
            sidegames=self.sidegames if config.side_games else None,
            shorts=config.wire_format is WireFormat.FEB,
        )
        self._notices = Notices(ids, self.books.all() if config.notices else (), config.start_ns)
        self._broadcast.royales = self._notices.royales
        self._mail.notices = self._notices
        self._pool.recall(self.books.all(), config.start_ns // NS_PER_MS)
        self._sample = Dice(ids.dice("sample"))
        self._shown_bet: Placed | None = None
        self._golden_was_on = False
        self._game: FairGame

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

    def snapshot(self) -> str:
        """Return the first frame of a connection without a login."""
        return self._broadcast.snapshot()

    def _hears(self, account: VenueAccount) -> bool:
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

    def _draw_pool(self) -> None:
        """Draw the rugpool's winners, announce them to all, and tell each what he holds now."""
        drawing = self._pool.draw(self.now_ns // NS_PER_MS)
        if drawing is None:
            return
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

    def _state_account(self, account: VenueAccount) -> None:
        if self._hears(account):
            self._mail.post(account, self._mail.player_update(account))

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

    def _tell(self, record: RequestRecord) -> None:
        if self._on_request is not None:
            self._on_request(record)

    def _connected(self) -> int:
        return self.crowd.connected(len(self.books.clients) + self.viewers)

    def _plan(self, after_ms: float, act: Callable[[], None]) -> None:
        self._schedule.at(self.now_ns + int(after_ms * NS_PER_MS), Rank.PUBLIC, act)
